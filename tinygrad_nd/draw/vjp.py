"""The vector-Jacobian product of one operation as a graph: for a convolution the steps that it consists of, else what its rule records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..kernels.geometry import ConvSpec, Pairs, input_grad_spec, weight_grad_spec
from ..node import Constant, Node, enable_grad, new_node
from ..tape import FREED, Op
from ..tensor import Tensor, handle, tensor
from . import labels
from .drawing import Drawing
from .graph import Edge, Graph, Shape, Vertex
from .names import Names
from .trace import trace

Words = tuple[str, ...]
CONVOLUTIONS = {"correlate": "g", "input_grad": "x", "weight_grad": "w"}  # which of x, w and g each gives, of the other two


def draw_vjp(of: Tensor | Node, *, rankdir: str = "TB") -> Drawing:
    """Draws how one operation turns the gradient g of its result into those of its operands.

    A convolution, at any rank, is drawn as it is defined: dilate by the stride, pad, rotate the kernel, correlate; every step with its
    shape. Of any other operation its rules are recorded and drawn; that reads what it saved, so it must come before `backward()`.

    Raises TypeError for what is neither tensor nor node; ValueError for a leaf, a constant or a checkpoint; RuntimeError for freed values.

    >>> import numpy as np, tinygrad_nd as nd
    >>> x = nd.tensor(np.ones((1, 1, 7)), requires_grad=True)
    >>> print(nd.draw_vjp(nd.conv_nd(x, np.ones((1, 1, 3)), stride=2)))
    5 operations, 2 leaves, 1 output
                                   result     dtype    memory
    %0 g [leaf]                    (1, 1, 3)  float64    24 B  gradient of the result
    %1 w [leaf]                    (1, 1, 3)  float64    24 B
    input gradient                 (1, 1, 7)  float64   216 B
      %2 dilate by stride(%0)      (1, 1, 5)  float64    40 B  stride 2, zeros between neighbours
      %3 pad(%2)                   (1, 1, 9)  float64    72 B  zeros (2, 2)
      %4 rotate kernel(%1)         (1, 1, 3)  float64    24 B  reversed along every axis
      %5 swap channels(%4)         (1, 1, 3)  float64    24 B
      %6 dx = correlate(%3, %5)    (1, 1, 7)  float64    56 B  output
    total                                               264 B
    """
    node = of._node if isinstance(of, Tensor) else of
    if isinstance(of, Tensor) and node is None:
        node = Constant(of._data)
    if not isinstance(node, (Node, Constant)):
        raise TypeError(f"draw_vjp: draws the VJP of a tensor or a node, but got {type(of).__name__}")
    if not isinstance(node, Node) or node.op is None:
        kind = "leaf" if isinstance(node, Node) else "constant"
        raise ValueError(f"draw_vjp: this is a {kind} {node.shape}, which no operation made; pass the result of one")
    graph = _Steps(node).graph if node.op.kind in CONVOLUTIONS else _recorded(node, node.op)
    for v in graph.vertices:
        if v.kind == "leaf":
            v.family = "given"
    return Drawing(graph, rankdir)


class _Steps:
    """The gradients of the three contractions of a convolution, step by step; only shapes are computed."""

    def __init__(self, node: Node) -> None:
        self.graph = Graph()
        self.dtype = str(node.dtype)
        self.scope = ""
        spec: ConvSpec = node.params["spec"]
        result, args, shapes = CONVOLUTIONS[node.operation.kind], node.operation.args, _shapes(node, spec)
        others = [a for a in "xgw" if a != result]
        wanted = {args[i] for i, p in enumerate(node.parents) if isinstance(p, Node)}
        needed = {result, *(b for a in others if a in wanted for b in others if a != b), *("g" for _ in wanted & {"bias"})}
        named = {result: "h" if "g" in args else "g"}  # the gradient of the result, where g is an operand already
        at = {a: self.leaf(named.get(a, a), shapes[a], "gradient of the result" * (a == result)) for a in "gxw" if a in needed}
        rules = {"x": ("input", self.input_grad), "w": ("weight", self.weight_grad), "g": ("result", self.correlate)}
        for a in "xwg":
            if a in others and a in wanted:
                whose, steps = rules[a]
                self.scope = f"{whose} gradient"
                first, second = (at[b] for b in "xgw" if b != a)
                self.finish(steps(first, second, spec), f"d{a}")
        if "bias" in wanted:
            self.scope = "bias gradient"
            channels = (shapes["g"][1],)
            self.finish(self.step("sum", channels, at["g"], details=("over batch and space",), family="reduction"), "dbias")

    def leaf(self, name: str, shape: Shape, detail: str) -> int:
        return self.graph.add(Vertex("leaf", "leaf", name, shape, self.dtype, details=(detail,) if detail else (), leaves=1))

    def finish(self, last: int, name: str) -> None:
        self.graph.vertices[last].name = name
        self.graph.vertices[last].output = True

    def input_grad(self, g: int, w: int, spec: ConvSpec) -> int:
        """Dilate by the stride, pad, rotate the kernel, correlate."""
        back = input_grad_spec(spec)
        dilated = self.spread(g, spec.stride)
        padded = self.pad(dilated, back.padding)
        m, c = self.shape(w)[:2]
        rotated = self.step("rotate kernel", self.shape(w), w, details=("reversed along every axis",)) if spec.rank else w
        within = f" within {spec.groups} groups" if spec.groups > 1 else ""
        swapped = self.step(f"swap channels{within}", (c * spec.groups, m // spec.groups, *spec.kernel), rotated)
        return self.product((self.shape(g)[0], c * spec.groups, *spec.size), padded, swapped, back)

    def weight_grad(self, x: int, g: int, spec: ConvSpec) -> int:
        """Correlate x with the dilated gradient as its kernel, per group: stride and dilation change places."""
        (n, c), m = self.shape(x)[:2], self.shape(g)[1]
        swapped = weight_grad_spec(spec)
        padded = self.pad(x, swapped.padding)
        dilated = self.spread(g, spec.stride)
        images = self.step("swap batch and channels", (c, n, *self.shape(padded)[2:]), padded)
        kernels = self.step("swap batch and channels", (m, n, *self.shape(dilated)[2:]), dilated)
        as_drawn = replace(swapped, dilation=(1,) * spec.rank, groups=spec.groups)
        last = self.product((c // spec.groups, m, *spec.kernel), images, kernels, as_drawn)
        return self.step("swap batch and channels", (m, c // spec.groups, *spec.kernel), last)

    def correlate(self, x: int, w: int, spec: ConvSpec) -> int:
        return self.product((self.shape(x)[0], self.shape(w)[0], *spec.out), self.pad(x, spec.padding), w, spec)

    def spread(self, g: int, stride: tuple[int, ...]) -> int:
        if all(s == 1 for s in stride):
            return g
        lead, space = self.shape(g)[:2], self.shape(g)[2:]
        shape = (*lead, *(s * (n - 1) + 1 for s, n in zip(stride, space)))
        return self.step("dilate by stride", shape, g, details=(f"stride {labels.alike(stride)}", "zeros between neighbours"))

    def pad(self, x: int, padding: Pairs) -> int:
        if not any(p for pair in padding for p in pair):
            return x
        shape = (*self.shape(x)[:2], *(n + a + b for n, (a, b) in zip(self.shape(x)[2:], padding)))
        crops = any(p < 0 for pair in padding for p in pair)
        return self.step("pad, crop where negative" if crops else "pad", shape, x, details=(f"zeros {' '.join(map(str, padding))}",))

    def product(self, shape: Shape, x: int, w: int, spec: ConvSpec) -> int:
        """The correlation with an x that is padded already."""
        details = tuple(labels.window(replace(spec, padding=((0, 0),) * spec.rank)))[1:]
        return self.step("correlate", shape, x, w, details=details, operands=("image", "kernel"), family="product")

    def step(self, title: str, shape: Shape, *inputs: int, details: Words = (), operands: Words = (), family: str = "movement") -> int:
        vertex = Vertex("op", title, None, shape, self.dtype, self.scope, family, details, operands, operations=1)
        position = self.graph.add(vertex)
        self.graph.edges += [Edge(tail, position, slot if operands else None) for slot, tail in enumerate(inputs)]
        return position

    def shape(self, i: int) -> Shape:
        shape = self.graph.vertices[i].shape
        assert shape is not None
        return shape


def _shapes(node: Node, spec: ConvSpec) -> dict[str, Shape]:
    """The shapes of x, w and g, from the two that are known: the result's, and that of an operand that needs a gradient."""
    op = node.operation
    known = {a: p.shape for a, p in zip(op.args, node.parents) if p is not None} | {CONVOLUTIONS[op.kind]: node.shape}
    x, w, g = known.get("x"), known.get("w"), known.get("g")
    n = x[0] if x else g[0] if g else 1
    c = x[1] if x else w[1] * spec.groups if w else 1
    m = g[1] if g else w[0] if w else 1
    return {"x": x or (n, c, *spec.size), "w": w or (m, c // spec.groups, *spec.kernel), "g": g or (n, m, *spec.out)}


def _recorded(node: Node, op: Op) -> Graph:
    """The graph that the rules of an operation record, from leaves that stand for its operands."""
    if node.saved is FREED:
        raise RuntimeError(f"draw_vjp: backward() freed the values that {op.title} saved; draw before it, or pass it retain_graph=True")
    if type(op) is not Op:
        raise ValueError(
            f"draw_vjp: {op.title} has no rule of its own: it sweeps the operations inside, which are made anew; draw one of those"
        )
    names = Names()
    parents = tuple(_stand_in(p) if isinstance(p, Node) else None for p in node.parents)
    result = _stand_in(node)
    result.parents, result.params = parents, node.params
    result.saved = node.saved
    for i, parent in enumerate(parents):
        if parent is not None:
            names.explicit[id(parent)] = op.arg(i)
    for (kind, i, _), value in zip(op.slots, node.saved):
        if kind == "input" and isinstance(value, np.ndarray):
            names.explicit[id(value)] = op.arg(i)
    names.explicit[id(result)] = "result"
    g: Any = tensor(np.ones(node.shape, node.dtype), requires_grad=True, name="g")
    outputs = []
    with enable_grad(), np.errstate(all="ignore"):
        for i, parent in enumerate(parents):
            if parent is not None:
                pulled = op.pull(result, i, g, True)
                out = handle(pulled._data, pulled._node)
                outputs.append(out)
                names.explicit.setdefault(id(out._node), f"d{op.arg(i)}")
    if not outputs:
        raise ValueError(f"draw_vjp: no operand of {op.title} needs a gradient")
    result.parents = ()
    return trace(outputs, names, grads=False, stats=False, cost=False, source=False)


def _stand_in(node: Node) -> Node:
    """A leaf of the same shape and dtype."""
    return new_node(None, (), None, {}, np.broadcast_to(np.zeros((), node.dtype), node.shape))
