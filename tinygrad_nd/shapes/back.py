"""Back through one operation: the positions that its operand is seen at, of those that its result is seen at.

Windows are products of one-dimensional windows, so axes do not mix and each is exact by itself, holes included. Positions in the padding
are kept, as if the input went on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from math import gcd, prod
from typing import Any

import numpy as np

from ..draw.labels import family
from ..kernels.adaptive import Parted, seen_by
from ..kernels.elementwise import fits
from ..kernels.memory import Array
from ..node import Node
from .seen import Axes, Move, Seen, affine, divided, fixed, multiplied, spread, whole, window


def back(node: Node, i: int, axes: Axes) -> Axes:
    """What is seen of each axis of operand i, of what is seen of the axes of the result."""
    kind, shape = node.operation.kind, node.parents[i].shape
    if kind in _RULES:
        return _RULES[kind](node, i, axes)
    along = _along(node.params)
    if kind in _WHOLE and along is not None:
        along = tuple(a % len(shape) for a in along)
        kept = iter(axes if len(axes) < len(shape) else [s for a, s in enumerate(axes) if a not in along])
        if len(axes) in (len(shape), len(shape) - len(along)):
            return [whole(n) if a in along else next(kept) for a, n in enumerate(shape)]
    if along is None and (family(node.operation) == "elementwise" or kind in _PLAIN):
        return _broadcast(node, i, axes)
    return [whole(n, None if prod(node.shape) == 1 else node.operation.title) for n in shape]


def phases(node: Node) -> int:
    """How many neighbouring positions of the result may see the operand differently."""
    if node.op is None:
        return 1
    if node.op.kind in _SPREADING:
        return max(node.params["spec"].stride, default=1)
    if node.op.kind == "pixel_shuffle":
        return max(node.params["factors"], default=1)
    if node.op.kind == "repeat":
        return int(node.params["count"])
    if node.op.kind == "reshape":
        return max([prod(node.parents[0].shape[a + 1 : b]) for (a, b), _ in _blocks(node.parents[0].shape, node.shape)], default=1)
    return max([t.out // gcd(t.out, t.size) for t in node.params["taps"]]) if node.op.kind == "resample" else 1


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
    if not fits(shape, node.shape):
        return [whole(n, node.operation.title) for n in shape]
    return [s if n == m else whole(1) for n, m, s in zip(shape, node.shape[lead:], axes[lead:])]


def _through(node: Node, i: int, axes: Axes, move: Callable[[int, int, int, int], Move]) -> Axes:
    """Windows: the leading axes as they are, but all channels for a product, and the spatial axes moved by the spec."""
    shape, spec = node.parents[i].shape, node.params["spec"]
    if i != 0:
        return [whole(n) for n in shape]
    if isinstance(spec, Parted):
        return _resampled(node, i, axes)
    lead = len(axes) - spec.rank
    kept = 1 if family(node.operation) == "product" else lead
    windows = zip(axes[lead:], spec.kernel, spec.stride, spec.padding, spec.dilation)
    front = [s if a < kept else whole(n) for a, (s, n) in enumerate(zip(axes[:lead], shape))]
    return front + [seen.moved(move(k, s, a, d)) for seen, k, s, (a, _), d in windows]


def _resampled(node: Node, i: int, axes: Axes) -> Axes:
    """Interpolation and adaptive pools: the inputs of each output are listed; those with weight 0 are not seen."""
    listed = node.params["taps"] if "taps" in node.params else seen_by(node.params["spec"])
    listed = [t.transposed for t in listed] if node.operation.kind in _SPREADING else listed
    for along, taps in enumerate(listed, len(axes) - len(listed)):
        used = taps.used if taps.weight is None else taps.used & (taps.weight != 0)

        def to(at: Array, taps: Any = taps, used: Array = used) -> Array:
            inside = at.clip(0, taps.out - 1)
            there: Array = taps.index[:, inside][used[:, inside]]
            return there

        axes = _on(axes, along, axes[along].moved(Move(to, Fraction(taps.size, taps.out))))
    return axes


def _pixels(node: Node, i: int, axes: Axes) -> Axes:
    """Channels as pixels, or back: all channels, and the block's place or its pixels."""
    factors, shape, together = node.params["factors"], node.parents[i].shape, node.operation.kind == "pixel_shuffle"
    home = len(axes) - len(factors) - 1
    space = [s.moved(divided(f) if together else multiplied(f)) for s, f in zip(axes[home + 1 :], factors)]
    return [*axes[:home], whole(shape[home]), *space]


def _reshape(node: Node, i: int, axes: Axes) -> Axes:
    """Axes that stay are followed, and so is the first of several that are joined, or that one is split into."""
    old, new = node.parents[i].shape, node.shape
    blocked = f"reshape of {old} to {new}"
    found: Axes = []
    for (a, b), (c, d) in _blocks(old, new):
        mine, theirs = old[a:b], [(s, n) for s, n in zip(axes[c:d], new[c:d]) if n != 1]
        real = [n for n in mine if n != 1]
        first = next(iter(theirs), None)
        if first is None or all(_sees_all(s, n) for s, n in theirs):
            parts = iter([whole(n) for n in real])
        elif len(theirs) == 1:  # position j of the joined axis is j // rest of the first
            rest = prod(real[1:])
            parts = iter([first[0].moved(divided(rest)), *(whole(n, blocked) for n in real[1:])])
        elif len(real) == 1 and all(_sees_all(s, n) for s, n in theirs[1:]):
            rest = prod(n for _, n in theirs[1:])
            parts = iter([first[0].moved(multiplied(rest))])
        else:
            parts = iter([whole(n, blocked) for n in real])
        found += [whole(1) if n == 1 else next(parts) for n in mine]
    return found


def _sees_all(seen: Seen, n: int) -> bool:
    return seen.source is None and not seen.blocked and bool(np.isin(np.arange(n), seen.sets[0]).all())


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


def _padded(node: Node, i: int, axes: Axes) -> Axes:
    return [s.moved(affine(1, -a)) for s, (a, _) in zip(axes, node.params["widths"])] if i == 0 else _broadcast(node, i, axes)


def _on(axes: Axes, along: int, seen: Seen) -> Axes:
    return [seen if a == along else s for a, s in enumerate(axes)]


def _concatenate(node: Node, i: int, axes: Axes) -> Axes:
    along, n = node.params["axis"] % len(axes), node.parents[i].shape
    if axes[along].source is None:
        return _on(axes, along, whole(n[along % len(n)]))
    start, stop = node.params["cuts"][i : i + 2]
    return _on(axes, along, axes[along].moved(Move(lambda at: (at - start)[(at >= start) & (at < stop)])))


def _taken(node: Node, i: int, axes: Axes) -> Axes:
    """Entries by index along one axis."""
    along = node.params["axis"] % len(axes)
    return _on(axes, along, whole(node.parents[i].shape[along], "take"))


def _repeated(node: Node, i: int, axes: Axes) -> Axes:
    count, along = node.params["count"], node.params["axis"] % len(axes)
    return _on(axes, along, axes[along].moved(divided(count)))


def _sliced(node: Node, i: int, axes: Axes) -> Axes:
    """Slices, numbers, new axes and the ellipsis."""
    index, shape = node.params["index"], node.parents[i].shape
    index = index if isinstance(index, tuple) else (index,)
    if not all(part is None or isinstance(part, (slice, int, np.integer, type(...))) for part in index):
        return [whole(n, "getitem") for n in shape]
    missing = [slice(None)] * (len(shape) - len([part for part in index if part is not None and part is not ...]))
    at = next((place for place, part in enumerate(index) if part is ...), len(index))
    left, sizes, found = iter(axes), iter(shape), []
    for part in (*index[:at], *missing, *index[at + 1 :]):
        if part is None:
            next(left)
        elif isinstance(part, slice):
            start, _, step = part.indices(next(sizes))
            found.append(next(left).moved(affine(step, start)))
        else:
            found.append(fixed(np.array([int(part) % next(sizes)])))
    return found


def _flipped(node: Node, i: int, axes: Axes) -> Axes:
    over = [a % len(axes) for a in node.params["axes"]]
    return [s.moved(affine(-1, n - 1)) if a in over else s for a, (s, n) in enumerate(zip(axes, node.shape))]


def _product(node: Node, i: int, axes: Axes) -> Axes:
    """Products of matrices see all of what they sum over, and one row or column."""
    shape = node.parents[i].shape
    if len(axes) < 2 or len(shape) < 2:
        return [whole(n) for n in shape]
    return [*_batch(axes, shape), *((axes[-2], whole(shape[-1])) if i == 0 else (whole(shape[-2]), axes[-1]))]


def _batch(axes: Axes, shape: tuple[int, ...]) -> Axes:
    """Of an operand of this shape, all axes but those of its matrices."""
    lead = axes[len(axes) - len(shape) : -2] if len(axes) >= len(shape) else []
    return [s if n != 1 else whole(1) for s, n in zip(lead, shape)]


def _attended(node: Node, i: int, axes: Axes) -> Axes:
    """A query sees all features of its own and of every key, and of every value one; what a mask hides counts as seen."""
    shape, (*_, query, feature) = node.parents[i].shape, axes
    return [*_batch(axes, shape), query if i == 0 else whole(shape[-2]), feature if i == 2 else whole(shape[-1])]


_WHOLE = set("sum mean max min prod logsumexp pnorm softmax log_softmax normalise var std fft".split())  # all along an axis counts
_PLAIN = {"cast", "alias", "real", "imag", "broadcast_to"}
_SPREADING = ("input_grad", "pool_scatter", "window_sum_adjoint")
_RULES: dict[str, Callable[[Node, int, Axes], Axes]] = {
    **dict.fromkeys(("correlate", "max_pool", "lp_pool", "pool_gather", "window_sum"), partial(_through, move=window)),
    **dict.fromkeys(_SPREADING, partial(_through, move=spread)),
    "resample": _resampled,
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _pixels),
    "reshape": _reshape,
    "transpose": _transpose,
    "zero_pad": _padded,
    "extend": _padded,
    "crop": lambda node, i, axes: [s.moved(affine(1, a)) for s, (a, _) in zip(axes, node.params["widths"])],
    "concatenate": _concatenate,
    "stack": lambda node, i, axes: [s for a, s in enumerate(axes) if a != node.params["axis"]],
    "take_along": _taken,
    "repeat": _repeated,
    "flip": _flipped,
    "getitem": _sliced,
    "matmul": _product,
    "attention": _attended,
    "masked_softmax": lambda node, i, axes: [*_broadcast(node, i, axes)[:-1], whole(node.parents[i].shape[-1])],
    "linear": lambda node, i, axes: [*(axes[:-1] if i == 0 else ()), *map(whole, node.parents[i].shape[-1 if i == 0 else 0 :])],
}
