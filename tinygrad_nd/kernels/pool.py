"""Pooling windows at any rank, on arrays (*lead, *size) whose last spec.rank axes are spatial.

Windows are products of intervals, so maxima and sums are taken one axis at a time. The work is cut into slabs that stay in cache. A slab of
the input is first laid out by phase along its last spatial axis: position s*c + q at [q, c]. Then tap t of a window with stride s and
dilation d is a contiguous stretch, that of phase td mod s from column td // s on.

A winner is the number of a tap in row-major order: where in its window a maximum lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import tiles
from .geometry import PoolSpec
from .tiles import Array

SLAB = 1 << 21  # bytes of input per slab
WIDE = 8  # channels that are worth being innermost
FEW = 8  # taps; with more, adding at computed positions costs less than a masked pass for each
Range = tuple[int, int]


def max_pool(x: Array, spec: PoolSpec, want_index: bool) -> tuple[Array, Array | None]:
    """The maximum of every window, (*lead, *o), and its winner if wanted. The first of equals wins, NaN wins over all; padding is -inf."""
    lowest = _lowest(x.dtype)
    source, layout = _spread(x, spec)
    values = tiles.empty((layout.outer, *spec.out, layout.inner), x.dtype)
    winner = tiles.empty(values.shape, np.min_scalar_type(max(prod(spec.kernel) - 1, 0))) if want_index else None

    def work(part: _Part) -> None:
        slab = _load(source, part, spec, lowest, x.dtype)
        best = values[part.outputs]
        if winner is None:
            _reduce_windows(np.maximum, slab, spec, part, best)
        else:
            codes = winner[part.outputs]
            _find_winners(slab, spec, part, best, codes)
            if not _ordinary(best, lowest):
                _find_winners_slowly(slab, spec, part, best, codes)

    tiles.run(_parts(source, spec), work)
    return layout.restore(values, spec.out), None if winner is None else layout.restore(winner, spec.out)


def gather(x: Array, winner: Array, spec: PoolSpec) -> Array:
    """x at the winning positions, (*lead, *o); 0 where they lie in the padding. Linear in x, the transpose of `scatter`."""
    source, layout = _spread(x, spec)
    codes, _ = _spread(winner, spec, layout)
    y = tiles.empty(codes.shape, x.dtype)

    def work(part: _Part) -> None:
        slab, found, code = _load(source, part, spec, 0, x.dtype), y[part.outputs], codes[part.outputs]
        found[...] = 0
        picked = tiles.scratch("picked", found.shape, x.dtype)
        for number, window in _windows(slab, spec, part):
            found += _select(window, code, number, picked)

    tiles.run(_parts(source, spec), work)
    return layout.restore(y, spec.out)


def scatter(g: Array, winner: Array, spec: PoolSpec) -> Array:
    """Each entry of g (*lead, *o) added to its winning position of (*lead, *size); what lies in the padding is dropped."""
    codes, layout = _spread(winner, spec)
    source, _ = _spread(g, spec, layout)
    x = tiles.empty((layout.outer, *spec.size, layout.inner), g.dtype)
    few = prod(spec.kernel) <= FEW and all(_apart(spec, axis) for axis in range(spec.rank))

    def work(part: _Part) -> None:
        g, code = source[part.outputs], codes[part.outputs]
        slab = _blank(x, part, spec, spec.stride[-1] if few and spec.rank else 1, g.dtype)
        if not few or prod(spec.kernel) < prod(spec.stride):
            slab[...] = 0
        if few:
            for number, window in _windows(slab, spec, part):
                _select(g, code, number, window)
        else:
            np.add.at(slab.reshape(-1), _positions(slab, code, spec, part).reshape(-1), g.reshape(-1))
        _store(slab, x, part, spec)

    tiles.run(_parts(x, spec, inputs=True), work)
    return layout.restore(x, spec.size)


def flat_index(winner: Array, spec: PoolSpec) -> Array:
    """The winners as flat positions within the spatial block, int64; -1 where a window lies wholly in the padding."""
    taps = np.unravel_index(winner, spec.kernel) if spec.rank else ()
    flat = np.zeros(winner.shape, np.int64)
    inside = np.ones(winner.shape, np.bool_)
    for axis, (t, n, s, (a, _), d, o) in enumerate(zip(taps, spec.size, spec.stride, spec.padding, spec.dilation, spec.out)):
        starts = (np.arange(o) * s - a).reshape(-1, *(1,) * (spec.rank - 1 - axis))
        position = starts + t * d
        inside &= (position >= 0) & (position < n)
        flat = flat * n + position
    return np.where(inside, flat, -1)


def window_sum(x: Array, spec: PoolSpec) -> Array:
    """The sum of every window, (*lead, *o); padding counts as 0."""
    source, layout = _spread(x, spec)
    y = tiles.empty((layout.outer, *spec.out, layout.inner), x.dtype)
    wide = np.float32 if x.dtype == np.float16 else x.dtype  # sums of halves lose digits
    tiles.run(_parts(source, spec), lambda part: _reduce_windows(np.add, _load(source, part, spec, 0, wide), spec, part, y[part.outputs]))
    return layout.restore(y, spec.out)


def window_sum_adjoint(g: Array, spec: PoolSpec) -> Array:
    """Each entry of g (*lead, *o) added to every position of its window in (*lead, *size): the transpose of `window_sum`."""
    source, layout = _spread(g, spec)
    x = tiles.empty((layout.outer, *spec.size, layout.inner), g.dtype)
    wide = np.float32 if g.dtype == np.float16 else g.dtype

    def work(part: _Part) -> None:
        grown = source[part.outputs]
        slab = _blank(x, part, spec, spec.stride[-1] if spec.rank else 1, wide)
        for axis in range(spec.rank):
            last = axis == spec.rank - 1
            shape = (*slab.shape[: axis + 2], *grown.shape[axis + 2 :])
            target = slab if last else tiles.scratch(("grown", axis), shape, wide)
            apart = _apart(spec, axis)
            if not apart or spec.kernel[axis] < spec.stride[axis]:
                target[...] = 0
            for t in range(spec.kernel[axis]):
                view = _tap(target, spec, part, axis, t)
                if apart:
                    np.copyto(view, grown)
                else:
                    np.add(view, grown, out=view)
            grown = target
        if not spec.rank:
            slab[:, 0, 0] = grown
        _store(slab, x, part, spec)

    tiles.run(_parts(x, spec, inputs=True), work)
    return layout.restore(x, spec.size)


def window_count(spec: PoolSpec, count_include_pad: bool) -> Array:
    """How many positions each window divides by, (*o): all but ceil_mode's overhang; without count_include_pad, those of the input."""
    counts = []
    for n, k, s, (a, b), d, o in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out):
        positions = np.arange(o)[:, None] * s - a + np.arange(k) * d
        low, high = (-a, n + b) if count_include_pad else (0, n)
        counts.append(((positions >= low) & (positions < high)).sum(1))
    return reduce(np.multiply.outer, counts, np.ones((), np.int64))


# Layout: outer axes, space, inner axes, as they lie in memory.


@dataclass(frozen=True)
class _Layout:
    """How (*lead, *space) was turned into (outer, *space, inner)."""

    outer_axes: tuple[int, ...]
    inner_axes: tuple[int, ...]
    lead: tuple[int, ...]

    @property
    def outer(self) -> int:
        return prod(self.lead[a] for a in self.outer_axes)

    @property
    def inner(self) -> int:
        return prod(self.lead[a] for a in self.inner_axes)

    def order(self, rank: int) -> tuple[int, ...]:
        return (*self.outer_axes, *range(len(self.lead), len(self.lead) + rank), *self.inner_axes)

    def restore(self, a: Array, space: tuple[int, ...]) -> Array:
        order = self.order(len(space))
        shape = (*self.lead, *space)
        back = sorted(range(len(order)), key=order.__getitem__)
        return a.reshape([shape[i] for i in order]).transpose(back)


def _spread(a: Array, spec: PoolSpec, layout: _Layout | None = None) -> tuple[Array, _Layout]:
    """A view (outer, *space, inner) of (*lead, *space), inner being the lead axes that lie innermost in memory (channels, as a rule).

    Where none does, channels are taken all the same: turning a slab round as it is loaded costs less than working on short rows.
    """
    lead, space = a.shape[: a.ndim - spec.rank], a.shape[a.ndim - spec.rank :]
    if layout is None:
        order = tiles.memory_order(a)
        spatial = [place for place, axis in enumerate(order) if axis >= len(lead)]
        last = max(spatial, default=len(order))
        inner = tuple(axis for axis in order[last:] if axis < len(lead) and a.shape[axis] > 1)
        if not inner and len(lead) > 1 and lead[-1] >= WIDE:
            inner = (len(lead) - 1,)
        layout = _Layout(tuple(axis for axis in order if axis < len(lead) and axis not in inner), inner, lead)
    return a.transpose(layout.order(spec.rank)).reshape(layout.outer, *space, layout.inner), layout


# Parts: which entries of the outer axis, and which outputs along the first spatial axis, one task takes.


@dataclass(frozen=True)
class _Part:
    outer: slice
    rows: Range  # of the output
    owned: Range  # the input rows to store

    @property
    def outputs(self) -> tuple[slice, slice]:
        return self.outer, slice(*self.rows)


def _parts(x: Array, spec: PoolSpec, inputs: bool = False) -> list[_Part]:
    """x (outer, *size, inner) in parts of about SLAB bytes. With `inputs` the input rows are shared out, else the output rows."""
    outer, each = x.shape[0], prod(x.shape[1:]) * x.itemsize
    if not x.size and not (outer and prod(spec.out) and x.shape[-1]):
        return []
    n, o = (spec.size[0], spec.out[0]) if spec.rank else (1, 1)
    pieces = max(1, min(each // SLAB, n if inputs else o))
    step = max(1, min(SLAB // max(each, 1), -(-outer // tiles.num_threads())))
    cuts = [slice(i, min(i + step, outer)) for i in range(0, outer, step)]
    total = n if inputs else o
    ranges = [(i * total // pieces, (i + 1) * total // pieces) for i in range(pieces)]
    if not inputs:
        return [_Part(cut, rows, (0, n)) for cut in cuts for rows in ranges]
    return [_Part(cut, _touching(spec, owned), owned) for cut in cuts for owned in ranges]


def _touching(spec: PoolSpec, owned: Range) -> Range:
    """The outputs whose windows reach the input rows [low, high) of the first axis: so - a + d(k-1) >= low and so - a < high."""
    if not spec.rank:
        return 0, 1
    (low, high), k, s, (a, _), d = owned, spec.kernel[0], spec.stride[0], spec.padding[0], spec.dilation[0]
    first = max(0, -(-(low + a - d * (k - 1)) // s))
    return min(first, spec.out[0]), max(min(first, spec.out[0]), min(spec.out[0], -(-(high + a) // s)))


def _apart(spec: PoolSpec, axis: int) -> bool:
    """Whether no position is seen by two windows along an axis: all taps differ modulo the stride."""
    k, s, d = spec.kernel[axis], spec.stride[axis], spec.dilation[axis]
    return len({t * d % s for t in range(min(k, s + 1))}) == k


# Slabs: (outer, *rows, phase, column, inner), in the coordinates of the padded input.


def _extent(spec: PoolSpec, part: _Part, axis: int) -> tuple[int, int, int]:
    """(outputs, the input position of the first one's first tap, positions spanned) along an axis."""
    first, last = part.rows if axis == 0 else (0, spec.out[axis])
    s, span = spec.stride[axis], spec.dilation[axis] * (spec.kernel[axis] - 1) + 1
    return last - first, first * s - spec.padding[axis][0], max(0, (last - first - 1) * s + span)


def _load(x: Array, part: _Part, spec: PoolSpec, fill: Any, dtype: Any) -> Array:
    """The slab that a part's windows cover, with `fill` for the padding; a view of x where no tap is seen twice."""
    phases = spec.stride[-1] if spec.rank else 1
    if x.dtype == dtype and (x.shape[-1] == 1 or x.strides[-1] == x.itemsize) and (phases == 1 or _apart(spec, spec.rank - 1)):
        view = _view(x, part, spec, phases)
        if view is not None:
            return view
    slab = tiles.scratch("slab", _slab_shape(x, part, spec, phases), dtype)
    extents = [_extent(spec, part, axis) for axis in range(spec.rank)]
    if any(start < 0 or start + span > n for (_, start, span), n in zip(extents, spec.size)):
        slab[...] = fill
    for inner, outer in _matches(x, slab, part, spec, [(0, n) for n in spec.size]):
        np.copyto(inner, outer)
    return slab


def _blank(x: Array, part: _Part, spec: PoolSpec, phases: int, dtype: Any) -> Array:
    """The slab that a part's windows cover, to be written: x itself where the windows cover it exactly."""
    spans = [_extent(spec, part, axis)[1:] for axis in range(spec.rank)]
    if x.dtype == dtype and all(span == (0, n) for span, n in zip(spans, spec.size)) and part.owned == (0, (*spec.size, 1)[0]):
        view = _view(x, part, spec, phases)
        if view is not None:
            return view
    return tiles.scratch("slab", _slab_shape(x, part, spec, phases), dtype)


def _slab_shape(x: Array, part: _Part, spec: PoolSpec, phases: int) -> tuple[int, ...]:
    *rows, columns = [_extent(spec, part, axis)[2] for axis in range(spec.rank)] or [1]
    return part.outer.stop - part.outer.start, *rows, phases, -(-columns // phases), x.shape[-1]


def _view(x: Array, part: _Part, spec: PoolSpec, phases: int) -> Array | None:
    """The slab as a view of x, if x has all of it."""
    *rows, columns = [_extent(spec, part, axis)[1:] for axis in range(spec.rank)] or [(0, 1)]
    if not spec.rank:
        return x[part.outer, None, None]
    start, span = columns
    columns = start, -(-span // phases) * phases
    if any(start < 0 or start + span > n for (start, span), n in zip((*rows, columns), spec.size)):
        return None
    view = x[(part.outer, *(slice(start, start + span) for start, span in (*rows, columns)))]
    return view.reshape(*view.shape[: spec.rank], -1, phases, view.shape[-1]).swapaxes(spec.rank, spec.rank + 1)


def _store(slab: Array, x: Array, part: _Part, spec: PoolSpec) -> None:
    """Writes the input positions a part owns, from its slab; those that no window covers are 0."""
    if np.may_share_memory(slab, x):
        return
    limits = [part.owned, *((0, n) for n in spec.size[1:])] if spec.rank else []
    ends = [(start, start + span) for _, start, span in (_extent(spec, part, axis) for axis in range(spec.rank))]
    if any(start > low or end < high for (start, end), (low, high) in zip(ends, limits)):
        x[(part.outer, *(slice(*limit) for limit in limits))] = 0
    for inner, outer in _matches(x, slab, part, spec, limits):
        np.copyto(outer, inner, casting="same_kind")


def _matches(x: Array, slab: Array, part: _Part, spec: PoolSpec, limits: list[Range]) -> Iterator[tuple[Array, Array]]:
    """(a view of the slab, the same positions of x), for each phase, within the given limits on the positions."""
    if not spec.rank:
        yield slab[:, 0, 0], x[part.outer]
        return
    ours: list[slice] = []
    theirs: list[slice] = []
    for axis in range(spec.rank - 1):
        _, start, span = _extent(spec, part, axis)
        low, high = limits[axis]
        a, b = max(low - start, 0), min(high - start, span)
        ours.append(slice(a, max(a, b)))
        theirs.append(slice(a + start, max(a, b) + start))
    _, start, span = _extent(spec, part, spec.rank - 1)
    (low, high), s = limits[-1], slab.shape[spec.rank]
    low, high = max(low - start, 0), min(high - start, span)
    for q in range(s):
        a, b = -(-(low - q) // s), -(-(high - q) // s)  # columns c with low <= cs + q < high
        if a < b:
            yield (
                slab[(slice(None), *ours, q, slice(a, b))],
                x[(part.outer, *theirs, slice(a * s + q + start, (b - 1) * s + q + start + 1, s))],
            )


def _tap(a: Array, spec: PoolSpec, part: _Part, axis: int, t: int) -> Array:
    """What tap t of every window sees along one axis of a slab, whose later axes are already pooled, or its phase axis still there."""
    outputs, _, _ = _extent(spec, part, axis)
    s, offset = spec.stride[axis], t * spec.dilation[axis]
    if axis == spec.rank - 1:
        return a[(..., offset % s, slice(offset // s, offset // s + outputs), slice(None))]
    view: Array = a[(slice(None),) * (axis + 1) + (slice(offset, offset + (outputs - 1) * s + 1, s),)]
    return view


def _windows(slab: Array, spec: PoolSpec, part: _Part) -> Iterator[tuple[int, Array]]:
    """(its number, what it sees) for every tap, in row-major order."""
    for number, taps in enumerate(product(*map(range, spec.kernel))):
        view = slab if spec.rank else slab[:, 0, 0]
        for axis in reversed(range(spec.rank)):
            view = _tap(view, spec, part, axis, taps[axis])
        yield number, view


def _positions(slab: Array, codes: Array, spec: PoolSpec, part: _Part) -> Array:
    """Where the winners lie in the memory of a slab with one phase: the place of the window's first tap, and from there to the winner."""
    sizes = (*slab.shape[: spec.rank], *slab.shape[spec.rank + 1 :]) if spec.rank else slab.shape[::3]
    steps = [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    strides = (1, *spec.stride, 1)
    axes = [np.arange(n) * (s * step) for n, s, step in zip(codes.shape, strides, steps)]
    starts: Array = reduce(lambda inner, axis: np.add.outer(axis, inner), reversed(axes))
    tap_starts = [np.arange(k) * (d * step) for k, d, step in zip(spec.kernel, spec.dilation, steps[1:])]
    taps: Array = reduce(np.add.outer, tap_starts, np.zeros((), np.intp))
    found = np.take(taps.reshape(-1), codes, out=tiles.scratch("positions", codes.shape, np.intp), mode="clip")
    return np.add(found, starts, out=found)


# One axis at a time.


def _reduce_windows(ufunc: np.ufunc, slab: Array, spec: PoolSpec, part: _Part, out: Array) -> None:
    """Folds every window of a slab with a ufunc, the first spatial axis last, into `out`."""
    folded = slab if spec.rank else slab[:, 0, 0]
    for axis in reversed(range(spec.rank)):
        total = _tap(folded, spec, part, axis, 0)
        for t in range(1, spec.kernel[axis]):
            tap = _tap(folded, spec, part, axis, t)
            if t == 1:
                target = out if axis == 0 and out.dtype == total.dtype else tiles.scratch(("folded", axis), total.shape, total.dtype)
            total = ufunc(total, tap, out=target)
        folded = total
    if folded is not out:
        np.copyto(out, folded, casting="same_kind")


def _find_winners(slab: Array, spec: PoolSpec, part: _Part, best: Array, codes: Array) -> None:
    """Maxima and their taps. From the last axis to the first, a later tap always has the larger code: updating is taking a maximum."""
    values: Array = slab if spec.rank else slab[:, 0, 0]
    found: Array | None = None
    below = 1
    for axis in reversed(range(spec.rank)):
        k = spec.kernel[axis]
        top, code = _tap(values, spec, part, axis, 0), None if found is None else _tap(found, spec, part, axis, 0)
        if k > 1:
            new = best if axis == 0 else tiles.scratch(("folded", axis), top.shape, top.dtype)
            new_code = codes if axis == 0 else tiles.scratch(("codes", axis), top.shape, codes.dtype)
            greater = tiles.scratch("greater", top.shape, np.bool_)
            step = tiles.scratch("step", top.shape, codes.dtype)
            for t in range(1, k):
                tap = _tap(values, spec, part, axis, t)
                np.greater(tap, top, out=greater)
                top = np.maximum(top, tap, out=new)
                mask = greater.view(np.uint8)
                if found is None:
                    np.multiply(mask, codes.dtype.type(t * below), out=new_code if code is None else step)
                else:
                    np.add(_tap(found, spec, part, axis, t), codes.dtype.type(t * below), out=step)
                    np.multiply(step, mask, out=step)
                code = new_code if code is None else np.maximum(code, step, out=new_code)
        values, found, below = top, code, below * k
    if values is not best:
        np.copyto(best, values)
    if found is None:
        codes[...] = 0
    elif found is not codes:
        np.copyto(codes, found)


def _find_winners_slowly(slab: Array, spec: PoolSpec, part: _Part, best: Array, codes: Array) -> None:
    """The same where values are infinite or NaN: the first tap inside the input that equals the maximum."""
    codes[...] = 0
    free = np.ones(best.shape, np.bool_)
    for (number, view), taps in zip(_windows(slab, spec, part), product(*map(range, spec.kernel))):
        hit = ((view == best) | ((view != view) & (best != best))) & free
        for axis, t in enumerate(taps):
            outputs, start, _ = _extent(spec, part, axis)
            position = start + np.arange(outputs) * spec.stride[axis] + t * spec.dilation[axis]
            hit &= ((position >= 0) & (position < spec.size[axis])).reshape(-1, *(1,) * (spec.rank - axis))
        codes[hit] = number
        free &= ~hit


def _ordinary(best: Array, lowest: Any) -> bool:
    """Whether no maximum is NaN, infinite, or as low as the padding."""
    if best.dtype.kind == "f":
        return bool(np.isfinite(best).all())
    return not (best == lowest).any()


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _select(a: Array, codes: Array, number: int, out: Array) -> Array:
    """a where codes == number, else 0: a product of integers, for a bit pattern times 0 is 0 whatever number it means."""
    hit = np.equal(codes, number, out=tiles.scratch("hit", codes.shape, np.bool_))
    if a.dtype.kind == "f" and a.dtype.itemsize <= 8:
        bits = np.dtype(f"i{a.dtype.itemsize}")
        mask = tiles.scratch("mask", codes.shape, bits)
        np.copyto(mask, hit.view(np.int8))
        np.multiply(mask, a.view(bits), out=out.view(bits))
    else:
        np.multiply(a, hit, out=out)
    return out
