"""The usual mistakes, read off a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..arguments import joined
from ..draw.facts import measure
from ..draw.labels import alike
from ..kernels.adaptive import Parted
from ..kernels.geometry import ConvSpec, PoolSpec, reach
from ..node import Node
from ..replay import Values, values
from ..tensor import Tensor
from .words import graph_of, line_of, place, title

DEAD = 0.9  # share of zeros from which a relu is called dead
LARGE, SMALL = 1e3, 1e-7  # gradient norms per square root of size
POOLS, CONVOLUTIONS = {"max_pool", "window_sum", "lp_pool"}, {"correlate", "input_grad"}
SHAPING = {"reshape", "transpose", "cast", "alias", "broadcast_to", "squeeze", "expand_dims"}


@dataclass(frozen=True)
class Finding:
    """One suspicious place: which rule found it, what is there, and what to do. `index` is that of the node."""

    rule: str
    operation: str
    scope: str
    source: str | None
    what: str
    advice: str
    index: int

    @property
    def marks(self) -> dict[int, str]:
        """Words for a drawing: `nd.draw(loss, mark=nd.debug.lint(loss))`."""
        return {self.index: f"{self.rule}: {self.what}"}

    def __str__(self) -> str:
        return f"{self.rule}: {self.operation}{place(self.scope, self.source)}: {self.what}. {self.advice}."


class Findings(list[Finding]):
    """A list that prints a line for each."""

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing found"


def lint(loss: Tensor) -> list[Finding]:
    """Looks through the graph of `loss` for the usual mistakes; a list of findings, each with its place and advice, oldest node first.

    Softmax before cross_entropy, two softmaxes in a row, (N, 1) broadcast against (N,), float64 in a float32 model, rows that a stride
    drops, channels pooled as if they were space, dead relus, a bias before a norm; and where there are gradients: parameters without
    one, and norms that explode or vanish. Lines are known of what ran under `nd.debug.sources()`; values that `backward()` freed are not
    looked at.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor([[2.0, 1.0]], requires_grad=True)
    >>> print(nd.debug.lint(nd.cross_entropy(nd.softmax(x), [0])))
    softmax twice: cross_entropy: its input comes from softmax, and it takes a softmax itself. Pass it the scores before softmax.
    """
    nodes = graph_of("lint", loss)
    graph = _Graph(nodes, values(nodes, [loss]))
    return Findings(finding for n in nodes for rule in RULES for finding in rule(n, graph))


class _Graph:
    """What rules ask of a graph: values, followers, and whether backward() has run."""

    def __init__(self, nodes: list[Node], known: Values) -> None:
        self.values, self.followers = known, {n: list[Node]() for n in nodes}
        for n in nodes:
            for p in n.parents:
                if isinstance(p, Node):
                    self.followers[p].append(n)
        handles = [n.handle for n in nodes if n.op is None]
        self.root = nodes[-1]
        self.swept = any(t is not None and t.grad is not None for t in handles)
        single = sum(n.op is None and n.dtype in (np.float32, np.complex64) for n in nodes)
        self.single = single > sum(n.op is None for n in nodes) / 2


def _found(n: Node, rule: str, what: str, advice: str) -> Finding:
    return Finding(rule, title(n), n.scope, line_of(n), what, advice, n.index)


def _name(n: Node | None) -> str:
    return n.op.kind if n is not None and n.op is not None else ""


def _before(n: Node, i: int = 0) -> Node | None:
    """The operation that computed operand i, looking through those that only move values."""
    return _moved(n.parents[i] if i < len(n.parents) else None)


def _moved(p: Any) -> Node | None:
    """The node whose values those of p are, moved at most."""
    while isinstance(p, Node) and _name(p) in SHAPING:
        p = p.parents[0]
    return p if isinstance(p, Node) else None


_TWICE = "softmax twice", "its input comes from {}", "Keep one of the two; softmax of a softmax is nearly flat"
_AFTER_SOFTMAX = {  # {operation: (rule, what, advice)}
    "softmax": _TWICE,
    "log_softmax": _TWICE,
    "label_loss": ("softmax twice", "its input comes from {}, and it takes a softmax itself", "Pass it the scores before softmax"),
    "nll": ("no logarithm", "its input comes from {}, and it takes the logarithms of probabilities",
            "Pass it log_softmax, or the scores before softmax to cross_entropy"),
    "log": ("log of softmax", "probabilities that round to 0 give -inf", "Use nd.log_softmax, or nd.cross_entropy on the scores"),
}  # fmt: skip


def _softmaxes(n: Node, _: _Graph) -> Iterator[Finding]:
    first = _name(_before(n))
    rule, what, advice = _AFTER_SOFTMAX.get(_name(n), ("", "", ""))
    if rule and (first == "softmax" or (first == "log_softmax" and rule == "softmax twice")):
        yield _found(n, rule, what.format(first), advice)


def _ends_in(n: Node, graph: _Graph, most: int = 6) -> bool:
    """Whether n is on the last few operations to the loss."""
    while n is not graph.root and most and len(graph.followers[n]) == 1:
        n, most = graph.followers[n][0], most - 1
    return n is graph.root


def _broadcast(n: Node, graph: _Graph) -> Iterator[Finding]:
    if _name(n) not in ("subtract", "multiply", "add", "divide") or len(n.shape) != 2 or n.shape[0] != n.shape[1] or n.shape[0] < 2:
        return
    if not _ends_in(n, graph):
        return
    shapes = [() if p is None else p.shape for p in n.parents]
    column, row = (n.shape[0], 1), (n.shape[0],)
    other = next((s for s in shapes if s != column), ())
    unseen = any(p is None for p in n.parents)  # a bare array: its shape was not kept, but the result tells it
    if column in shapes and (other == row or unseen) or (row in shapes and unseen):
        clash = " and ".join("an array" if p is None else str(p.shape) for p in n.parents)
        what = f"{clash} broadcast to {n.shape}: every row meets every other"
        yield _found(n, "broadcast in a loss", what, "Give both one shape, as with .reshape(-1) or nd.squeeze(x, 1)")


def _doubles(n: Node, graph: _Graph) -> Iterator[Finding]:
    if graph.single and n.dtype in (np.float64, np.complex128):
        narrow = [i for i, p in enumerate(n.parents) if p is not None and p.dtype in (np.float32, np.complex64)]
        if n.op is None and not any(p.dtype == np.float64 for p in n.parents):
            yield _found(n, "double precision", f"{n.dtype} among float32 parameters", 'Make it with dtype="float32"')
        elif narrow and n.op is not None and n.op.kind != "cast" and not any(isinstance(p, Node) and p.dtype == n.dtype for p in n.parents):
            others = joined([n.op.arg(i) for i in range(len(n.parents)) if i not in narrow] or ["a keyword"])
            what = f"a float32 operand meets {n.dtype} in {others}, and all that follows is {n.dtype}"
            yield _found(n, "double precision", what, 'Convert the data first: .astype("float32")')


def _dropped(n: Node, __: _Graph) -> Iterator[Finding]:
    spec = n.params.get("spec")
    if not isinstance(spec, (ConvSpec, PoolSpec)) or _name(n) not in {"correlate", *POOLS}:
        return
    lost = []
    for axis, (size, seen, (low, _), o) in enumerate(zip(spec.size, reach(spec, spec.out), spec.padding, spec.out)):
        unseen = size + low - seen
        if unseen > 0 and o > 0:
            lost.append(f"the last {unseen} of {size} along spatial axis {axis}")
    if lost:
        what = f"with kernel {alike(spec.kernel)} and stride {alike(spec.stride)} no window reaches {joined(lost)}"
        yield _found(n, "dropped rows", what, "Pad, crop the input, or choose a stride that tiles it")


def _pooled_channels(n: Node, _: _Graph) -> Iterator[Finding]:
    spec, before = n.params.get("spec"), n.parents[0] if n.parents else None
    if not isinstance(spec, (PoolSpec, Parted)) or _name(n) not in POOLS or sum(k > 1 for k in spec.kernel) < 2:
        return
    axes = list(range(len(n.shape)))  # of `before`, in the order of those of n
    while isinstance(before, Node) and _name(before) not in CONVOLUTIONS and before.parents:
        if _name(before) == "transpose":
            axes = [before.params["axes"][i] for i in axes]
        elif before.parents[0] is None or before.parents[0].shape != before.shape and _name(before) not in POOLS:
            return
        before = before.parents[0]
    if isinstance(before, Node) and 1 in axes and _name(before) in CONVOLUTIONS:
        i = axes.index(1) - len(axes) + len(spec.kernel)
        if i >= 0 and spec.kernel[i] > 1:
            what = f"it pools the {before.shape[1]} channels of {title(before)} along with space"
            yield _found(n, "pooled channels", what, "Give it the layout of the convolution: layout='N*C'")


def _dead(n: Node, graph: _Graph) -> Iterator[Finding]:
    value = graph.values.get(n)
    if _name(n) == "relu" and value is not None and value.size:
        share = 1 - np.count_nonzero(value) / value.size
        per_unit = (value != 0).any((0, *range(2, value.ndim))) if value.ndim > 1 and value.shape[0] > 1 else np.ones(1, bool)
        dead = int(per_unit.size - np.count_nonzero(per_unit))
        if share >= DEAD:
            what = f"{share:.0%} of its values are 0" + (f", and {dead} of {per_unit.size} channels always" if dead else "")
        elif dead:
            what = f"{dead} of {per_unit.size} channels are 0 for the whole batch"
        else:
            return
        yield _found(n, "dead relu", what, "No gradient passes there: lower the learning rate, check the bias, or use leaky_relu or gelu")


def _bias(n: Node, graph: _Graph) -> Iterator[Finding]:
    if _name(n) != "normalise" or not n.params["over"].centred or n.params["over"].given is not None:
        return
    first, through = _before(n), n.parents[0]
    if first is None or _name(first) not in ("correlate", "linear", "add") or through is None:
        return
    axes = n.params["over"].axes
    if _name(first) == "add":
        biases = [p for p in first.parents if (leaf := _moved(p)) and leaf.op is None and max(leaf.shape, default=1) == prod(leaf.shape)]
    else:
        biases = [p for p in first.parents[2:] if isinstance(p, Node)]
    channels = 1 if _name(first) == "correlate" else len(first.shape) - 1
    if through is first and channels not in axes and biases and all(len(b.shape) <= 1 or _name(first) == "add" for b in biases):
        label = f"its bias {biases[0].name!r}" if biases[0].name else "its bias"
        what = f"{label} goes out again with the mean in the norm that follows"
        yield _found(first, "bias before a norm", what, "Leave it out: bias=None")


def _gradients(n: Node, graph: _Graph) -> Iterator[Finding]:
    if n.op is not None or not graph.swept or (t := n.handle) is None:
        return
    if t.grad is None:
        yield _found(n, "no gradient", "others have one, this has none", "See nd.debug.why_no_grad(loss, p)")
        return
    g, found = t.grad.data, measure(t.grad.data)
    norm = found.norm or 0.0
    scale = norm / max(g.size, 1) ** 0.5
    if found.bad:
        yield _found(n, "gradient not finite", f"{found.bad:,} of {g.size:,} entries are nan or inf", "Run it under nd.debug.anomaly()")
    elif g.size and norm == 0:
        what = "its gradient is 0 throughout"
        yield _found(n, "zero gradient", what, "Look for a dead relu, a saturated function or a product with 0 behind it")
    elif scale > LARGE:
        what = f"the norm of its gradient is {norm:.3g}"
        yield _found(n, "exploding gradient", what, "Clip it, lower the learning rate, or scale the data")
    elif g.size and scale < SMALL:
        what = f"the norm of its gradient is {norm:.3g}"
        yield _found(n, "vanishing gradient", what, "Check the initial values; normalise, or add residual connections")


Rule = Callable[[Node, _Graph], Iterator[Finding]]
RULES: list[Rule] = [_softmaxes, _broadcast, _doubles, _dropped, _pooled_channels, _dead, _bias, _gradients]
