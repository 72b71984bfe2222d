"""The sweep: cotangents pulled back through the tape, from the newest node to the oldest."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
from numpy import ndarray

from .arguments import flag
from .kernels import elementwise as kernel
from .kernels import spare, sums
from .node import Node, recording, watching
from .ops.parts import cast, real
from .ops.shape import sum_to
from .tape import FREED
from .tensor import Tensor, astensor, handle
from .values import frozen, immutable, numeric

_accumulating = threading.Lock()
_index = attrgetter("index")


def backward(output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Adds the gradient of `output` into `.grad` of every leaf it was computed from.

    `gradient` is the cotangent of `output` (its shape; 1 for a scalar). `retain_graph` keeps the graph for another sweep; `create_graph`
    records the sweep, so that gradients can be differentiated (and retains the graph).

    Raises ValueError for a non-scalar without `gradient`, or one of another shape; RuntimeError for a graph already freed.
    """
    _check_flags("backward", retain_graph, create_graph)
    g = cotangent("backward", output, gradient)
    arrived = sweep([output], [g], None, retain_graph=retain_graph or create_graph, create_graph=create_graph)
    with _accumulating:
        for node, g in arrived.items():
            leaf = node.handle
            if leaf is not None:
                leaf._grad = _own_handle(g, leaf) if leaf.grad is None else leaf.grad + g


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> Any:
    """The gradients of `outputs` with respect to `inputs` (leaves or any tensors on the way), without touching `.grad`.

    A tensor for one input, a tuple for a sequence of them; zeros where an input has no part in the outputs. `grad_outputs` matches
    `outputs` and may be left out for scalars. `retain_graph` defaults to `create_graph`.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor(3.0, requires_grad=True)
    >>> y = x ** 3
    >>> dy = nd.gradients(y, x, create_graph=True)
    >>> float(nd.gradients(dy, x))
    18.0
    """
    for what, those in (("outputs", outputs), ("inputs", inputs)):
        if not isinstance(those, (Tensor, list, tuple)):
            raise TypeError(f"gradients: {what} must be a tensor, or a list or tuple of them, but got {type(those).__name__}")
    _check_flags("gradients", retain_graph, create_graph)
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is not None and not isinstance(outputs, Tensor) and not isinstance(grad_outputs, (list, tuple)):
        raise TypeError(f"gradients: {len(ys)} outputs need a list or tuple of grad_outputs, but got {type(grad_outputs).__name__}")
    given = [grad_outputs] if isinstance(outputs, Tensor) else [None] * len(ys) if grad_outputs is None else list(grad_outputs)
    if len(given) != len(ys):
        raise ValueError(f"gradients: {len(ys)} outputs need as many grad_outputs, but got {len(given)}")
    for x in xs:
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise ValueError("gradients: every input must be a tensor that requires grad; make leaves with requires_grad=True")
    pairs = [(y, cotangent("gradients", y, g)) for y, g in zip(ys, given) if isinstance(y, Tensor) and y.requires_grad]
    if not pairs:
        raise ValueError("gradients: no output requires grad, so nothing can be differentiated")
    retain = create_graph if retain_graph is None else retain_graph
    targets = {_node(x) for x in xs}
    live, cotangents = zip(*pairs)
    arrived = sweep(live, cotangents, targets, retain_graph=retain, create_graph=create_graph)
    found = tuple(_own_handle(arrived.get(_node(x)), x) for x in xs)
    return found[0] if isinstance(inputs, Tensor) else found


def _check_flags(where: str, retain_graph: Any, create_graph: Any) -> None:
    if retain_graph is not None and retain_graph is not False:
        flag(where, "retain_graph", retain_graph)
    if create_graph is not False:
        flag(where, "create_graph", create_graph)


def sweep(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    targets: set[Node] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
    bounded: bool = False,
) -> dict[Node, Tensor]:
    """Pulls cotangents from `outputs` back to `targets` (None: to every leaf) and returns what arrived there. A `bounded` sweep ends
    at its targets, though some may lead to others, and leaves their hooks alone.

    Creation order is a topological order, so one pass from newest to oldest sees each node when its cotangent is complete. A node from
    which no target can be reached is never visited. After its rules ran, a node drops what it saved, unless `retain_graph`.
    """
    roots = [_node(t) for t in outputs]
    swept: Collection[Node] = _reachable(roots, targets if bounded and targets else ())
    if targets is not None:
        swept = _leading_to(targets, {*swept, *targets} if bounded else {*swept})
    order = sorted(swept, key=_index, reverse=True)
    for n in order:
        if n.saved is FREED and any([p in swept for p in n.parents]) and not (bounded and targets and n in targets):
            _raise_freed(n)
    pending: dict[Node, Any] = {}  # cotangents: tensors where the sweep is recorded, else arrays
    owned: set[Node] = set()
    arrived: dict[Node, Tensor] = {}
    watch = watching.get()
    overseen = watch.pull if watch else None
    plain = not create_graph and not overseen
    before = recording.get()
    try:  # from before it is set: Ctrl-C may come right after, and must not leave it so
        recording.set(create_graph)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            for root, t in zip(roots, cotangents):
                if root in swept:
                    given = t if create_graph else _number(t._data)
                    pending[root] = _sum(pending[root], given, root, owned) if root in pending else given
            for node in order:
                g: Any = pending.pop(node, None)
                if g is None:
                    continue
                extra = node.extra
                if extra or (targets is not None and node in targets):
                    t = g if create_graph else handle(frozen(g), None)
                    if bounded and targets and node in targets:
                        arrived[node] = t
                        continue
                    if extra and "hooks" in extra:
                        t = _hooked(extra["hooks"], t)
                    # Nodes that retain their gradient are told of it, but nothing is swept for their sake alone.
                    if node in targets if targets is not None else node.handle is not None:
                        arrived[node] = t
                    g = t if create_graph else t._data
                op: Any = node.op
                if op is None:
                    continue
                pulled = False
                direct = op.direct if plain and op.bare and g.size < op.bare else None
                for i, parent in enumerate(node.parents):
                    if parent in swept:
                        pulled = True
                        if op.add and parent in owned and not overseen and op.add(pending[parent], g, node, i):
                            continue
                        if direct:  # as op.pull does
                            h = direct[i](g, node)
                        else:
                            h = overseen(op, node, i, g, create_graph) if overseen else op.pull(node, i, g, create_graph)
                        if h.shape != parent.shape or h.dtype is not parent.dtype:
                            h = fit(h, node, i)
                        earlier = pending.get(parent)
                        if earlier is not None:
                            h = _sum(earlier, h, parent, owned)
                        elif op.fresh and direct:
                            owned.add(parent)
                        pending[parent] = h
                if pulled and not retain_graph:
                    if g.nbytes >= spare.PAGE:
                        spare.keep(node.saved)
                    node.saved = FREED
    finally:
        recording.set(before)
    return arrived


def depends_on_others(outputs: Sequence[Tensor], known: Sequence[Tensor]) -> bool:
    """Whether `outputs` were computed from any leaf by a path that does not lead through `known`.

    A leaf that nobody holds does not count, such as the arguments of a function whose derivatives a function took.
    """
    return any(n.op is None and n.handle is not None for n in _reachable([t._node for t in outputs], [_node(t) for t in known]))


def _node(t: Tensor) -> Node:
    assert isinstance(t._node, Node)
    return t._node


def _reachable(roots: Iterable[Any], barred: Iterable[Node] = ()) -> dict[Node, None]:
    """The tracked nodes on paths back from `roots`, not looking past `barred`, roughly from the newest to the oldest."""
    seen: dict[Node, None] = dict.fromkeys(barred)
    stack: list[Node] = []
    for n in roots:
        if n not in seen and type(n) is Node:
            seen[n] = None
            stack.append(n)
    while stack:
        for p in stack.pop().parents:
            if p not in seen and type(p) is Node:
                seen[p] = None
                stack.append(p)
    for n in barred:
        seen.pop(n, None)
    return seen


def _leading_to(targets: set[Node], nodes: set[Node]) -> set[Node]:
    """The nodes from which a target can be reached."""
    leading = targets & nodes
    for n in sorted(nodes, key=_index):
        if not leading.isdisjoint(n.parents):
            leading.add(n)
    return leading


def _sum(earlier: Any, g: Any, node: Node, owned: set[Node]) -> Any:
    """The node's cotangent and g. The first is borrowed; a sum of arrays made here is the sweep's own and is added into."""
    if type(g) is not ndarray:
        return earlier + g
    if node in owned:
        kernel.add_into(earlier, g)
        return earlier
    total = kernel.apply(np.add, earlier, g)
    if type(total) is ndarray:
        owned.add(node)
    return total


def _number(a: ndarray) -> Any:
    """A 0-d array as a number, with which NumPy computes faster."""
    return a if a.ndim else a[()]


def fit(g: Any, node: Node, i: int) -> Any:
    """What the rule for parent i gave, checked: a cotangent has its input's shape, or one to which the input was broadcast."""
    parent = node.parents[i]
    shape, n = parent.shape, g.shape
    if shape != n and not (len(n) >= len(shape) and all([a in (1, b) for a, b in zip(reversed(shape), reversed(n))])):
        op, name = node.operation, node.operation.arg(i)
        raise ValueError(f"{op.title}: the rule for {name!r} returned shape {n}, but {name} has shape {shape}")
    if isinstance(g, Tensor):
        return _fitted(g, parent)
    g = sums.sum_to(np.asarray(g), shape)
    return g if g.dtype == parent.dtype else _fitted(handle(g, None), parent)._data


def _fitted(g: Any, to: Node) -> Tensor:
    """The cotangent in its input's shape and dtype: summed over what was broadcast, its real part where the input is real."""
    if g.shape != to.shape:
        g = sum_to(g, shape=to.shape)
    if g.dtype != to.dtype:
        if g.dtype.kind == "c" and to.dtype.kind != "c":
            g = real(g)
        if g.dtype != to.dtype:
            g = cast(g, dtype=to.dtype)
    return g  # type: ignore[no-any-return]


def _raise_freed(node: Node) -> None:
    scope = f" in scope {node.scope!r}" if node.scope else ""
    raise RuntimeError(
        f"backward: an earlier sweep has freed this graph (at {node.op.title if node.op else 'leaf'}{scope}, shape {node.shape}); "
        "pass retain_graph=True to the first sweep to run another"
    )


def _hooked(hooks: dict[object, Any], g: Tensor) -> Tensor:
    """The gradient after a node's hooks: what one returns, if not None, replaces it."""
    for hook in hooks.values():
        replacement = hook(g)
        if replacement is None:
            continue
        if not isinstance(replacement, Tensor) or replacement.shape != g.shape:
            raise ValueError(f"hook: must return None or a tensor of the gradient's shape {g.shape}, but returned {replacement!r}")
        g = replacement
    return g


def _own_handle(g: Tensor | None, x: Tensor) -> Tensor:
    """A gradient for one owner (tensors change their value by handle), or zeros where none arrived."""
    return handle(frozen(np.zeros(x.shape, x.dtype)), None) if g is None else handle(g._data, g._node)


def cotangent(where: str, output: Tensor, gradient: Any) -> Tensor:
    """The cotangent of `output` with which a sweep begins: `gradient`, checked, or 1 for a scalar."""
    if not output.requires_grad:
        raise ValueError(
            f"{where}: this tensor {output.shape} does not depend on any tensor that requires grad, so there is nothing to differentiate; "
            "make a leaf with requires_grad=True, and compute outside no_grad()"
        )
    if gradient is None:
        if output.size != 1:
            raise ValueError(
                f"{where}: the output has shape {output.shape}; only a scalar has a gradient by itself. "
                "Reduce it (.sum(), .mean()) or pass the cotangent of that shape"
            )
        if output.dtype.kind == "c":
            raise ValueError(
                f"{where}: the output is {output.dtype}; only a real scalar has a gradient by itself. "
                "Take its real part or its size (nd.real, nd.abs), or pass the cotangent"
            )
        return handle(_one(output.shape, output.dtype), None)
    g = gradient if isinstance(gradient, Tensor) else astensor(numeric(gradient, None, where))
    g = handle(immutable(g._data), g._node)
    if g.shape != output.shape:
        raise ValueError(f"{where}: the output has shape {output.shape}, but the gradient given has {g.shape}")
    return _fitted(g, _node(output))


@lru_cache(64)
def _one(shape: tuple[int, ...], dtype: np.dtype[Any]) -> ndarray:
    return frozen(np.ones(shape, dtype))
