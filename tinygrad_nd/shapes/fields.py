"""What one position of an output sees of an input, read off the recorded graph.

Going back from the output, every axis of every node carries the set of positions that are seen, once for each of a few neighbouring output
positions. Windows are products of one-dimensional windows, so axes do not mix and each is exact by itself, holes included; positions in
the padding are kept, as if the input went on. Branches that meet unite their sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from ..draw.graph import reachable
from ..draw.labels import family, title
from ..node import Node
from ..tensor import Tensor

_MOST_PHASES = 64  # neighbouring outputs that are followed where the network upsamples


@dataclass(frozen=True)
class ReceptiveField:
    """Per spatial axis of the input, in its positions: position j of the output sees positions j·stride + offset and the size - 1 after it.

    size: from the first to the last position seen; the largest one, where the network upsamples and positions differ. stride: how far the
    field moves with one step of the output, an int or a Fraction; 0 if every position sees the same, as behind a global pool. offset: of
    output position 0, negative where the field begins in the padding.
    """

    size: tuple[int, ...]
    stride: tuple[int | Fraction, ...]
    offset: tuple[int, ...]

    def __repr__(self) -> str:
        stride = ", ".join(map(str, self.stride)) + "," * (len(self.stride) == 1)
        return f"ReceptiveField(size={self.size}, stride=({stride}), offset={self.offset})"


def receptive_field(output: Tensor, input: Tensor, *, axes: Sequence[int] | None = None) -> ReceptiveField:
    """What each position of `output` sees of `input`, exactly, through strides, dilation, pools, skips and upsampling.

    axes: the spatial axes of the input, by default all after (N, C). Statistics over space, such as those of a batch norm that is training,
    see everything: put the model in `eval()` to look at its windows. A skip of another stride is an error.

    >>> import tinygrad_nd as nd
    >>> x = nd.ones((1, 1, 32), requires_grad=True)
    >>> y = nd.conv_nd(nd.max_pool_nd(nd.conv_nd(x, np.ones((1, 1, 3))), 2), np.ones((1, 1, 3)), padding=1)
    >>> receptive_field(y, x)
    ReceptiveField(size=(8,), stride=(2,), offset=(-2,))

    Raises ValueError if the output does not depend on the input, or through an operation whose positions cannot be followed.
    """
    for name, t in (("output", output), ("input", input)):
        if not isinstance(t, Tensor):
            raise TypeError(f"receptive_field: {name} must be a tensor, but is a {type(t).__name__}")
    if not isinstance(input._node, Node) or not isinstance(output._node, Node):
        which = "input" if not isinstance(input._node, Node) else "output"
        raise ValueError(f"receptive_field: the {which} is not part of a graph; make the input with requires_grad=True and run the model again")
    chosen = tuple(range(2, input.ndim)) if axes is None else tuple(axes)
    seen = _sweep(output._node, input._node)
    if seen is None:
        raise ValueError("receptive_field: the output does not depend on the input")
    found = [_summary(seen[a], input.shape[a], a) for a in chosen]
    return ReceptiveField(*(tuple(f[i] for f in found) for i in range(3)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Seen:
    """The positions of one axis that are seen: a set for each output position followed, beginning with `first` of output axis `source`.

    With source None there is one set, the same for all. blocked: the operation behind which they are not known exactly.
    """

    source: int | None
    stride: Fraction
    first: int
    sets: tuple[np.ndarray, ...]
    blocked: str | None = None

    def moved(self, move: Callable[[np.ndarray], np.ndarray], stride: Fraction = Fraction(1)) -> Seen:
        """The positions of an operand that these positions of its result come from."""
        return Seen(self.source, self.stride * stride, self.first, tuple(np.unique(move(s)) for s in self.sets), self.blocked)


Axes = list[Seen]


def _whole(n: int, blocked: str | None = None) -> Seen:
    return Seen(None, Fraction(0), 0, (np.arange(n),), blocked)


def _sweep(output: Node, input: Node) -> Axes | None:
    """What is seen of each axis of the input; None if nothing is."""
    nodes = [n for n in reachable([output]) if isinstance(n, Node) and n.index >= input.index]
    phases = prod(max(n.params["spec"].stride, default=1) for n in nodes if n.op and n.op.name in _SPREADING)
    phases *= prod(n.params["count"] for n in nodes if n.op and n.op.name == "repeat")
    seen: dict[Node, Axes] = {output: []}
    for axis, n in enumerate(output.shape):
        count = min(phases, n, _MOST_PHASES)
        first = (n - count) // 2
        seen[output].append(Seen(axis, Fraction(1), first, tuple(np.array([first + i]) for i in range(count))))
    for node in reversed(nodes):
        if node is input or node not in seen or node.op is None:
            continue
        axes = seen.pop(node)
        for i, parent in enumerate(node.parents):
            if isinstance(parent, Node) and parent.index >= input.index:
                back = _back(node, i, axes)
                seen[parent] = [_united(a, b, node) for a, b in zip(seen[parent], back)] if parent in seen else back
    return seen.get(input)


def _united(a: Seen, b: Seen, node: Node) -> Seen:
    if a.source is not None and b.source is not None:
        if (a.source, a.stride) != (b.source, b.stride):
            raise ValueError(
                f"receptive_field: branches meet with strides {a.stride} and {b.stride}, before {node!r}; no single field describes both"
            )
        return Seen(a.source, a.stride, a.first, tuple(np.union1d(p, q) for p, q in zip(a.sets, b.sets)), a.blocked or b.blocked)
    if a.source is None and b.source is None and len(a.sets) == len(b.sets) == 1:
        return Seen(None, Fraction(0), 0, (np.union1d(a.sets[0], b.sets[0]),), a.blocked or b.blocked)
    return a if a.source is None else b  # one of them sees everything


def _summary(seen: Seen, n: int, axis: int) -> tuple[int, int | Fraction, int]:
    """(size, stride, offset) of an axis of length n."""
    if seen.blocked:
        raise ValueError(f"receptive_field: cannot follow positions of axis {axis} through {seen.blocked}")
    if seen.source is None:
        inside = seen.sets[0][(seen.sets[0] >= 0) & (seen.sets[0] < n)]
        return (int(inside[-1] - inside[0]) + 1 if inside.size else 0), 0, int(inside[0]) if inside.size else 0
    filled = [(seen.first + i, s) for i, s in enumerate(seen.sets) if s.size]
    if not filled:
        return 0, 0, 0
    size = max(int(s[-1] - s[0]) + 1 for _, s in filled)
    position, s = filled[0]
    offset = int(np.ceil(s[0] - position * seen.stride))
    return size, int(seen.stride) if seen.stride.denominator == 1 else seen.stride, offset


# One rule per kind of operation: the axes of operand i that are seen, of those of the result.


def _back(node: Node, i: int, axes: Axes) -> Axes:
    assert node.op is not None
    name, parent = node.op.name, node.parents[i]
    rule = _RULES.get(name)
    if rule is not None:
        return rule(node, i, axes)
    kind = family(name)
    along = _along(node.params)
    if along is not None and kind != "movement":
        along = tuple(a % len(parent.shape) for a in along)
        if len(axes) == len(parent.shape):
            return [_whole(n) if a in along else s for a, (n, s) in enumerate(zip(parent.shape, axes))]
        if len(axes) == len(parent.shape) - len(along):
            kept = iter(axes)
            return [_whole(n) if a in along else next(kept) for a, n in enumerate(parent.shape)]
    if kind == "elementwise" or name in ("cast", "alias", "real", "imag", "broadcast_to", "setitem"):
        return _broadcast(node, i, axes)
    if kind in ("reduction", "product"):
        return [_whole(n) for n in parent.shape]
    return [_whole(n, title(name)) for n in parent.shape]


def _along(params: dict[str, Any]) -> tuple[int, ...] | None:
    """The axes that an operation looks along, where it says so."""
    if "over" in params:
        return tuple(params["over"].axes)
    if "axes" in params:
        return tuple(params["axes"])
    return (params["axis"],) if isinstance(params.get("axis"), int) else None


def _broadcast(node: Node, i: int, axes: Axes) -> Axes:
    shape = node.parents[i].shape
    lead = len(axes) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, node.shape[lead:])):
        assert node.op is not None
        return [_whole(n, title(node.op.name)) for n in shape]
    return [s if n == m else _whole(1) for n, m, s in zip(shape, node.shape[lead:], axes[lead:])]


def _window(node: Node, i: int, axes: Axes) -> Axes:
    """Convolutions and pools: y[j] = f(x[sj + dt - a] for t < k)."""
    if i != 0:
        return [_whole(n) for n in node.parents[i].shape]
    spec = node.params["spec"]
    lead = len(axes) - spec.rank
    channels = 1 if node.op and node.op.name == "correlate" else lead  # a pool leaves what leads as it is
    front = [s if a < channels else _whole(n) for a, (s, n) in enumerate(zip(axes[:lead], node.parents[i].shape))]
    moved = [
        s.moved(lambda at, k=k, st=st, d=d, p=p: (st * at[:, None] + d * np.arange(k) - p).ravel(), Fraction(st))
        for s, k, st, (p, _), d in zip(axes[lead:], spec.kernel, spec.stride, spec.padding, spec.dilation)
    ]
    return front + moved


def _spread(node: Node, i: int, axes: Axes) -> Axes:
    """Their transposes: position at = sj + dt - a of the result comes from j."""
    if i != 0:
        return [_whole(n) for n in node.parents[i].shape]
    spec = node.params["spec"]
    lead = len(axes) - spec.rank

    def back(at: np.ndarray, k: int, s: int, p: int, d: int) -> np.ndarray:
        scaled = (at[:, None] + p - d * np.arange(k)).ravel()
        return scaled[scaled % s == 0] // s

    channels = 1 if node.op and node.op.name == "input_grad" else lead
    front = [s if a < channels else _whole(n) for a, (s, n) in enumerate(zip(axes[:lead], node.parents[i].shape))]
    moved = [
        s.moved(lambda at, k=k, st=st, d=d, p=p: back(at, k, st, p, d), Fraction(1, st))
        for s, k, st, (p, _), d in zip(axes[lead:], spec.kernel, spec.stride, spec.padding, spec.dilation)
    ]
    return front + moved


def _reshape(node: Node, i: int, axes: Axes) -> Axes:
    """Axes that stay are followed; of axes that are split or joined everything is seen if all of their parts' is."""
    old, new = node.parents[i].shape, node.shape
    back: Axes = []
    for (a, b), (c, d) in _blocks(old, new):
        mine, theirs = old[a:b], axes[c:d]
        real = [s for s, n in zip(theirs, new[c:d]) if n != 1]
        if len([n for n in mine if n != 1]) == len(real) == 1:
            at = iter(real)
            back += [next(at) if n != 1 else _whole(1) for n in mine]
        else:
            whole = all(s.source is None and s.sets[0].size == n and not s.blocked for s, n in zip(theirs, new[c:d]))
            back += [_whole(n, None if whole or n == 1 else f"reshape of {old} to {new}") for n in mine]
    return back


def _blocks(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The smallest runs of axes of either shape that hold as many entries."""
    a = c = 0
    while a < len(old) or c < len(new):
        b, d = min(a + 1, len(old)), min(c + 1, len(new))
        while prod(old[a:b]) != prod(new[c:d]):
            if (prod(old[a:b]) < prod(new[c:d]) and b < len(old)) or d == len(new):
                b += 1
            else:
                d += 1
        yield (a, b), (c, d)
        a, c = b, d


def _transpose(node: Node, i: int, axes: Axes) -> Axes:
    order = [a % len(axes) for a in node.params["axes"]]
    return [axes[order.index(a)] for a in range(len(axes))]


def _shifted(sign: int) -> Callable[[Node, int, Axes], Axes]:
    def rule(node: Node, i: int, axes: Axes) -> Axes:
        if i != 0:
            return _broadcast(node, i, axes)
        return [s.moved(lambda at, a=a: at + sign * a) for s, (a, _) in zip(axes, node.params["widths"])]

    return rule


def _concatenate(node: Node, i: int, axes: Axes) -> Axes:
    along = node.params["axis"] % len(axes)
    before, n = sum(p.shape[along] for p in node.parents[:i] if p is not None), node.parents[i].shape[along]
    unknown = any(p is None for p in node.parents[:i])
    cut = _whole(n) if axes[along].source is None else axes[along].moved(lambda at: (at - before)[(at >= before) & (at < before + n)])
    cut = _whole(n, "concatenate") if unknown and axes[along].source is not None else cut
    return [cut if a == along else s for a, s in enumerate(axes)]


def _taken(node: Node, i: int, axes: Axes) -> Axes:
    """Entries by index along one axis: padding by reflection, by repetition or in a circle counts as if the input went on."""
    index, along = np.asarray(node.params["index"]), node.params["axis"] % len(axes)
    n = node.parents[i].shape[along]
    start = next((int(a) for a in np.flatnonzero(index == 0) if np.array_equal(index[a : a + n], np.arange(n))), None)
    if start is not None:
        moved = axes[along].moved(lambda at: at - start)
    else:
        moved = axes[along].moved(lambda at: index[at.clip(0, len(index) - 1)], Fraction(n, len(index)))
    return [moved if a == along else s for a, s in enumerate(axes)]


def _repeated(node: Node, i: int, axes: Axes) -> Axes:
    count, along = node.params["count"], node.params["axis"] % len(axes)
    return [s.moved(lambda at: at // count, Fraction(1, count)) if a == along else s for a, s in enumerate(axes)]


def _flipped(node: Node, i: int, axes: Axes) -> Axes:
    over = [a % len(axes) for a in node.params["axes"]]
    return [s.moved(lambda at, n=n: n - 1 - at, Fraction(-1)) if a in over else s for a, (s, n) in enumerate(zip(axes, node.shape))]


def _sliced(node: Node, i: int, axes: Axes) -> Axes:
    index = node.params["index"]
    index = index if isinstance(index, tuple) else (index,)
    shape, left = node.parents[i].shape, iter(axes)
    if not all(isinstance(p, (slice, int, type(...))) or p is None for p in index):
        return [_whole(n, title("getitem")) for n in shape]
    given = [p for p in index if p is not ...]
    if ... in index:
        at = index.index(...)
        fill = [slice(None)] * (len(shape) - len([p for p in given if p is not None]))
        index = (*index[:at], *fill, *index[at + 1 :])
    back: Axes = []
    for part in (*index, *[slice(None)] * (len(shape) - len([p for p in index if p is not None]))):
        n = shape[len(back)] if len(back) < len(shape) else 1
        if part is None:
            next(left)
        elif isinstance(part, slice):
            start, _, step = part.indices(n)
            back.append(next(left).moved(lambda at, start=start, step=step: start + step * at, Fraction(step)))
        else:
            back.append(Seen(None, Fraction(0), 0, (np.array([part % n]),)))
    return back


def _product(node: Node, i: int, axes: Axes) -> Axes:
    """Products of matrices see all of what they sum over, and one row or column."""
    parent = node.parents[i]
    if len(axes) < 2 or len(parent.shape) < 2:
        return [_whole(n) for n in parent.shape]
    lead = axes[len(axes) - len(parent.shape) : -2] if len(axes) >= len(parent.shape) else []
    front = [s if n != 1 else _whole(1) for s, n in zip(lead, parent.shape)]
    return [*front, axes[-2], _whole(parent.shape[-1])] if i == 0 else [*front, _whole(parent.shape[-2]), axes[-1]]


def _linear(node: Node, i: int, axes: Axes) -> Axes:
    shape = node.parents[i].shape
    return [*axes[:-1], _whole(shape[-1])] if i == 0 else [_whole(n) for n in shape]


_SPREADING = ("input_grad", "pool_scatter", "window_sum_adjoint")
_RULES: dict[str, Callable[[Node, int, Axes], Axes]] = {
    **dict.fromkeys(("correlate", "max_pool", "pool_gather", "window_sum"), _window),
    **dict.fromkeys(_SPREADING, _spread),
    "reshape": _reshape,
    "transpose": _transpose,
    "zero_pad": _shifted(-1),
    "crop": _shifted(1),
    "concatenate": _concatenate,
    "take_along": _taken,
    "repeat": _repeated,
    "flip": _flipped,
    "getitem": _sliced,
    "matmul": _product,
    "linear": _linear,
}
