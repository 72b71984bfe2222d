"""Pooling windows at any rank, on arrays (*lead, *size) whose last spec.rank axes are spatial.

Windows are products of intervals, so maxima and sums are taken one axis at a time. A winner is the number of a tap in row-major order:
where in its window the maximum lies.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import few, memory, parallel
from .adaptive import Parted, along, seen_by
from .geometry import PoolSpec
from .memory import Array
from .pool_slabs import SLAB, Part, engine, extent, like, load, parts, spread, tap, windows
from .resample import sampled


def max_pool(x: Array, spec: PoolSpec | Parted, want_index: bool) -> tuple[Array, Array | None]:
    """The maximum of every window, (*lead, *o), and its winner if wanted. The first of equals wins, NaN wins over all; padding is -inf."""
    if fast := engine(x):
        return fast.max_pool(x, spec, want_index)  # type: ignore[no-any-return]
    if few.seen(x, spec) <= few.MOST:
        return few.max_pool(x, spec, _lowest(x.dtype), want_index)
    if isinstance(spec, Parted):
        return max_pool(sampled(x, spec.copies), spec.laid, want_index)
    lowest = _lowest(x.dtype)
    source, layout = spread(x, spec.rank)
    values = memory.empty((layout.outer, *spec.out, layout.inner), x.dtype)
    winner = memory.empty(values.shape, np.min_scalar_type(max(prod(spec.kernel) - 1, 0))) if want_index else None

    def work(part: Part) -> None:
        slab = load(source, part, spec, lowest, x.dtype)
        best = values[part.outputs]
        if winner is None:
            _reduce_windows(np.maximum, slab, spec, part, best)
        else:
            codes = winner[part.outputs]
            _find_winners(slab, spec, part, best, codes)
            if not _ordinary(best, lowest):
                _find_winners_slowly(slab, spec, part, best, codes)

    parallel.run(parts(source, spec), work)
    return layout.restore(values, spec.out), None if winner is None else layout.restore(winner, spec.out)


def flat_index(winner: Array, spec: PoolSpec | Parted) -> Array:
    """The winners as flat positions within the spatial block, int64; -1 where a window lies wholly in the padding."""
    starts, reached, taps = np.zeros((), np.int64), np.ones((), np.bool_), np.zeros((), np.int64)
    for axis, n in enumerate(spec.size):
        first, further, inside = along(spec, axis)
        starts, taps = np.add.outer(starts * n, first), np.add.outer(taps * n, further)
        reached = np.logical_and.outer(reached, inside.any(1))
    starts[~reached] = -1  # where the winner is tap 0
    codes, layout = spread(winner, spec.rank)
    flat = memory.empty(codes.shape, np.int64)

    def work(box: tuple[slice]) -> None:
        np.take(taps, codes[box], out=flat[box], mode="clip")
        flat[box] += starts[..., None]

    parallel.run(parallel.boxes(flat.shape[:1], max(1, SLAB // max(flat[:1].nbytes, 1))), work)
    return layout.restore(flat, spec.out)


def window_sum(x: Array, spec: PoolSpec, factor: float = 1) -> Array:
    """The sum of every window times a factor, (*lead, *o); padding counts as 0."""
    return sampled(x, seen_by(spec), factor)


def window_sum_adjoint(g: Array, spec: PoolSpec, factor: float = 1) -> Array:
    """Each entry of g (*lead, *o), times a factor, added to its whole window in (*lead, *size): the transpose of `window_sum`."""
    return sampled(g, tuple(t.transposed for t in seen_by(spec)), factor)


@lru_cache(256)
def window_count(spec: PoolSpec, count_include_pad: bool) -> Array:
    """How many positions each window divides by, (*o): all but ceil_mode's overhang; without count_include_pad, those of the input."""
    counts = []
    for n, k, s, (a, b), d, o in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out):
        positions = np.arange(o)[:, None] * s - a + np.arange(k) * d
        low, high = (-a, n + b) if count_include_pad else (0, n)
        counts.append(((positions >= low) & (positions < high)).sum(1))
    return memory.table(reduce(np.multiply.outer, counts, np.ones((), np.int64)))


# One axis at a time.


def _reduce_windows(ufunc: np.ufunc, slab: Array, spec: PoolSpec, part: Part, out: Array) -> None:
    """Folds every window of a slab with a ufunc into `out`: the last axis, whose taps lie in short rows, when least is left."""
    folded = slab if spec.rank else slab[:, 0, 0]
    for axis in range(spec.rank):
        total = tap(folded, spec, part, axis, 0)
        last = axis == spec.rank - 1 and out.dtype == total.dtype
        for t in range(1, spec.kernel[axis]):
            seen = tap(folded, spec, part, axis, t)
            if t == 1:
                target = out if last else like(total, ("folded", axis), total.shape)
            total = ufunc(total, seen, out=target)
        folded = total
    if folded is not out:
        np.copyto(out, folded, casting="same_kind")


def _find_winners(slab: Array, spec: PoolSpec, part: Part, best: Array, codes: Array) -> None:
    """Maxima and their taps. From the last axis to the first, a later tap always has the larger code: updating is taking a maximum."""
    values: Array = slab if spec.rank else slab[:, 0, 0]
    found: Array | None = None
    below = 1
    for axis in reversed(range(spec.rank)):
        k = spec.kernel[axis]
        top, code = tap(values, spec, part, axis, 0), None if found is None else tap(found, spec, part, axis, 0)
        if k > 1:
            new = best if axis == 0 else memory.scratch(("folded", axis), top.shape, top.dtype)
            new_code = codes if axis == 0 else memory.scratch(("codes", axis), top.shape, codes.dtype)
            greater = memory.scratch("greater", top.shape, np.bool_)
            step = memory.scratch("step", top.shape, codes.dtype)
            for t in range(1, k):
                seen = tap(values, spec, part, axis, t)
                np.greater(seen, top, out=greater)
                top = np.maximum(top, seen, out=new)
                mask = greater.view(np.uint8)
                if found is None:
                    np.multiply(mask, codes.dtype.type(t * below), out=new_code if code is None else step)
                else:
                    np.add(tap(found, spec, part, axis, t), codes.dtype.type(t * below), out=step)
                    np.multiply(step, mask, out=step)
                code = new_code if code is None else np.maximum(code, step, out=new_code)
        values, found, below = top, code, below * k
    if values is not best:
        np.copyto(best, values)
    if found is None:
        codes[...] = 0
    elif found is not codes:
        np.copyto(codes, found)


def _find_winners_slowly(slab: Array, spec: PoolSpec, part: Part, best: Array, codes: Array) -> None:
    """The same where there are NaNs, or values as low as the padding: the first tap inside the input that equals the maximum."""
    codes[...] = 0
    free = np.ones(best.shape, np.bool_)
    for (number, view), taps in zip(windows(slab, spec, part), product(*map(range, spec.kernel))):
        hit = ((view == best) | ((view != view) & (best != best))) & free
        for axis, t in enumerate(taps):
            outputs, start, _ = extent(spec, part, axis)
            position = start + np.arange(outputs) * spec.stride[axis] + t * spec.dilation[axis]
            hit &= ((position >= 0) & (position < spec.size[axis])).reshape(-1, *(1,) * (spec.rank - axis))
        codes[hit] = number
        free &= ~hit


def _ordinary(best: Array, lowest: Any) -> bool:
    """Whether no maximum is NaN or as low as the padding."""
    return not best.size or bool(best.min() > lowest)


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min
