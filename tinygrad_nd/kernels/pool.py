"""Pooling windows at any rank, on arrays (*lead, *size) whose last spec.rank axes are spatial.

Windows are products of intervals, so maxima and sums are taken one axis at a time. A winner is the number of a tap in row-major order:
where in its window the maximum lies.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from . import engines, few, memory, parallel, places
from .adaptive import Parted, along, seen_by
from .geometry import PoolSpec
from .memory import Array
from .pool_parts import PART, Range, alone, engine, parts, spread
from .resample import sampled
from .taps import Taps, part

WIDE = 128  # numbers in a row; passes over strided rows of fewer are slower than one that brings them together


def max_pool(x: Array, spec: PoolSpec | Parted, want_index: bool) -> tuple[Array, Array | None]:
    """The maximum of every window, (*lead, *o), and its winner if wanted. The first of equals wins, NaN wins over all; padding is -inf."""
    fast = engine(x)
    if alone(spec) and x.size and not (fast and places.channels_last(x, spec.rank)):
        at = places.largest(x, spec.rank)
        return places.take(x, at, spec.rank), at if want_index else None
    if fast:
        return _maxima(x, fast, spec, want_index)
    if few.seen(x, spec) <= few.MOST:
        return few.max_pool(x, spec, _lowest(x.dtype), want_index)
    lowest, axes = _lowest(x.dtype), seen_by(spec)
    source, layout = spread(x, spec.rank)
    values = memory.empty((layout.outer, *spec.out, layout.inner), x.dtype)
    winner = memory.empty(values.shape, _codes(spec)) if want_index else None

    def work(task: tuple[slice, Range]) -> None:
        images, (low, high) = task
        mine, a, best, codes = axes, source[images], values[images], None if winner is None else winner[images]
        if spec.rank:
            first, last, rows = part(axes[0], low, high)
            mine, a, best, codes = (rows, *axes[1:]), a[:, first:last], best[:, low:high], None if codes is None else codes[:, low:high]
        if a.shape[-1] > 1 and a.strides[-1] != a.itemsize:
            a, given = memory.scratch("turned", a.shape, a.dtype), a
            np.copyto(a, given)
        _fold(a, mine, lowest, best, codes)

    parallel.run(parts(source, spec), work)
    return layout.restore(values, spec.out), None if winner is None else layout.restore(winner, spec.out)


@engines.recalled
def _maxima(x: Array, fast: Any, spec: PoolSpec | Parted, want_index: bool) -> tuple[Array, Array | None]:
    return fast.max_pool(x, spec, want_index)  # type: ignore[no-any-return]


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

    parallel.run(parallel.boxes(flat.shape[:1], max(1, PART // max(flat[:1].nbytes, 1))), work)
    return layout.restore(flat, spec.out)


@engines.recalled
def window_sum(x: Array, spec: PoolSpec, factor: float = 1) -> Array:
    """The sum of every window times a factor, (*lead, *o); padding counts as 0."""
    return sampled(x, seen_by(spec), factor)


@engines.recalled
def window_sum_adjoint(g: Array, spec: PoolSpec, factor: float = 1) -> Array:
    """Each entry of g (*lead, *o), times a factor, added to its whole window in (*lead, *size): the transpose of `window_sum`."""
    return sampled(g, tuple(t.transposed for t in seen_by(spec)), factor)


@memory.remembered(256)
def window_share(spec: PoolSpec, count_include_pad: bool) -> Array | float:
    """1 / `window_count`, and 1 for a window of nothing but padding; one number where it is the same for all."""
    share = 1 / np.maximum(window_count(spec, count_include_pad), 1)
    return float(share.flat[0]) if share.size and share.min() == share.max() else memory.table(share)


@memory.remembered(256)
def window_count(spec: PoolSpec, count_include_pad: bool) -> Array:
    """How many positions each window divides by, (*o): all but ceil_mode's overhang; without count_include_pad, those of the input."""
    counts = []
    for n, k, s, (a, b), d, o in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out):
        positions = np.arange(o)[:, None] * s - a + np.arange(k) * d
        low, high = (-a, n + b) if count_include_pad else (0, n)
        counts.append(((positions >= low) & (positions < high)).sum(1))
    return memory.table(reduce(np.multiply.outer, counts, np.ones((), np.int64)))


# One axis at a time.


def _fold(a: Array, axes: tuple[Taps, ...], lowest: Any, best: Array, codes: Array | None) -> None:
    """The maxima of windows of a (outer, *n, inner), and their taps."""
    values, found, below = a, None, 1
    todo = list(enumerate(axes, 1))
    for axis, taps in todo if codes is None else todo[::-1]:  # codes grow from the last axis on; rows are longest on the first
        shape = (*values.shape[:axis], taps.out, *values.shape[axis + 1 :])
        last = axis == (len(axes) if codes is None else 1)
        top = best if last else memory.scratch(("folded", axis), shape, a.dtype)
        code = codes if last or codes is None else memory.scratch(("codes", axis), shape, codes.dtype)
        _fold_axis(values, found, taps, axis, below, lowest, top, code)
        values, found, below = top, code, below * len(taps.index)
    if not axes:
        np.copyto(best, a)
        if codes is not None:
            codes[...] = 0
    if codes is None or not codes.size:
        return
    for axis, taps in enumerate(axes, 1):  # windows of padding alone
        if not (reached := taps.used.any(0)).all():
            codes[(slice(None),) * axis + (~reached,)] = 0
    if a.dtype.kind == "f" and np.isnan(best.max()):  # the first NaN wins
        nans, others = np.empty(best.shape, np.bool_), np.empty(codes.shape, codes.dtype)
        _fold(np.isnan(a), axes, False, nans, others)
        np.copyto(codes, others, where=nans)


def _fold_axis(values: Array, found: Array | None, taps: Taps, axis: int, below: int, lowest: Any, top: Array, codes: Array | None) -> None:
    """The maxima along one axis into `top`, and into `codes` the first taps that have them, `below` to each, and what was found there.

    It begins with a tap that all windows have, and of equals an earlier tap wins.
    """
    before = (slice(None),) * axis
    first, *turns = _ordered(taps)
    step = taps.stride
    if axis == values.ndim - 2 and 1 < step < len(taps.index) and values.shape[-1] < WIDE:
        values, turns = _phases(values, step), [_in_phases(turn, step) for turn in turns]
        first = first and _in_phases(first, step)
    held = values[_at(before, first[2])] if first else None  # what the maximum is so far
    if held is None or not (turns and turns[0][1] == slice(None)):
        np.copyto(top, lowest if held is None else held)
        held = top
    fresh = found is None and first is not None and first[0] == 0 and bool(turns) and turns[0][1] == slice(None)  # all codes are 0 yet
    if codes is not None and not fresh:
        start = codes.dtype.type(0 if first is None else first[0] * below)
        np.copyto(codes, start if first is None or found is None else found[(*before, first[2])] + start)
    for t, which, index in turns:
        at = (*before, which)
        seen, best = values[_at(before, index)], top[at]
        if codes is not None:
            code = codes[at]
            compare = np.greater if first and t > first[0] else np.greater_equal
            wins = compare(seen, held[at], out=memory.scratch("wins", best.shape, np.bool_))
            change, number = memory.scratch("change", code.shape, code.dtype), code.dtype.type(t * below)
            later = number if found is None else np.add(found[(*before, index)], number, out=change)
            if fresh:
                np.multiply(wins.view(np.uint8), number, out=code)
                fresh = False
            elif compare is np.greater:  # a later tap has the larger code
                np.maximum(code, np.multiply(later, wins.view(np.uint8), out=change), out=code)
            else:
                np.multiply(np.subtract(later, code, out=change), wins.view(np.uint8), out=change)
                np.add(code, change, out=code)
        np.maximum(held[at], seen, out=best)
        held = top


def _at(before: tuple[slice, ...], index: Any) -> tuple[Any, ...]:
    return (*before, *index) if isinstance(index, tuple) else (*before, index)


def _phases(values: Array, step: int) -> Array:
    """(..., n, inner) as (..., step, n / step, inner): every step-th column beside the next."""
    *outer, n, inner = values.shape
    laid = memory.scratch("phases", (*outer, step, -(-n // step), inner), values.dtype)
    for q in range(step):
        np.copyto(laid[..., q, : -(-(n - q) // step), :], values[..., q::step, :])
    return laid


def _in_phases(turn: Any, step: int) -> Any:
    """A tap's inputs as (phase, columns)."""
    t, which, index = turn
    low, count = index.start, len(range(index.start, index.stop, index.step))
    return t, which, (low % step, slice(low // step, low // step + count))


@memory.remembered(256)
def _ordered(taps: Taps) -> list[Any]:
    """(tap, outputs, inputs): first one that all outputs have, or None; then the later ones, then the earlier ones backwards."""
    turns: list[Any] = list(taps.turns)
    if not turns or turns[0][1] != slice(None):
        return [None, *reversed(turns)]
    home, places = turns[0][0], taps.index[turns[0][0]]
    for i, (t, which, _) in enumerate(turns):
        if not isinstance(which, slice):  # the others look at the first again
            turns[i] = t, slice(None), np.where(taps.used[t], taps.index[t], places)
    return [turns[0], *sorted(turns[1:], key=lambda turn: (turn[0] < home, abs(turn[0] - home)))]


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _codes(spec: PoolSpec | Parted) -> np.dtype[Any]:
    """Of winners."""
    return np.min_scalar_type(max(prod(spec.kernel) - 1, 0))
