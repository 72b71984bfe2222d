"""Choice between values at memory speed: bit patterns are masked, where NumPy branches at every entry."""

from __future__ import annotations

from math import copysign
from typing import Any

import numpy as np
from numpy import ndarray

from . import bits, memory
from .elementwise import PASSES, STEPS, fits, fused
from .memory import Array
from .sums import plan_of

LEAST = 1 << 13  # entries; below, the branches cost less
SHORT = 64  # entries of a row that NumPy is slow with


def where(condition: Any, x: Any, y: Any) -> Any:
    """np.where(condition, x, y)."""
    if isinstance(condition, ndarray):
        chosen, other = _fits(condition, x), _fits(condition, y)
        if chosen and type(y) in (int, float):
            return keep(condition, x) if _is_zero(y) else _blend(np.logical_not(condition), y, x)
        if other and type(x) in (int, float):
            return keep(np.logical_not(condition), y) if _is_zero(x) else _blend(condition, x, y)
        if chosen and other and x.shape == y.shape and x.dtype == y.dtype:
            return _blend(condition, x, y)
    return np.where(condition, x, y)


def _is_zero(a: Any) -> bool:
    """Whether a number is 0 to the last bit."""
    return a == 0 and copysign(1, a) > 0


def _fits(condition: Array, a: Any) -> bool:
    """Whether a is a large array of the condition's shape, or one so large that it pays to write out what repeats in the condition."""
    if not (isinstance(a, ndarray) and a.size >= LEAST and a.dtype.kind in "fc" and a.dtype.itemsize in bits.INTEGERS):
        return False
    return a.shape == condition.shape or (a.dtype.itemsize == 4 and a.size >= STEPS and fits(condition.shape, a.shape))


def keep(condition: Array, x: Array) -> Array:
    """x where the condition holds, else 0."""
    return fused(bits.keep, condition, x, dtype=x.dtype, tile=PASSES)


def _blend(condition: Array, x: Any, y: Array) -> Array:
    """y, but x, an array or a number, where the condition holds."""

    def tile(out: Array, condition: Array, x: Any, y: Array) -> None:
        np.copyto(out, y)
        bits.replace(out, condition, x)

    return fused(tile, condition, x, y, dtype=y.dtype, tile=PASSES)


# Cotangents of extremes.


def to_winner(g: Any, x: Any, y: Any, beats: np.ufunc, skips: bool) -> Any:
    """g where x beats y, half of it where they are equal, else 0. NaN beats y, or loses if it is skipped."""
    if not _is_large(g):
        won = np.logical_or(beats(x, y), np.isnan(y if skips else x))
        return np.where(np.equal(x, y), g * g.dtype.type(0.5), np.where(won, g, g.dtype.type(0)))[()]

    def tile(out: Array, g: Array, x: Any, y: Any) -> None:
        won, lost = (memory.scratch(name, out.shape, np.bool_) for name in ("won", "lost"))
        bits.keep(out, beats(x, y, out=won), g)
        if np.count_nonzero(won) + np.count_nonzero(beats(y, x, out=lost)) < out.size:  # there are equal ones, or NaN
            np.copyto(out, g, where=np.isnan(y if skips else x))
            np.multiply(g, 0.5, out=out, where=np.equal(x, y, out=won))

    return fused(tile, g, x, y, dtype=g.dtype, tile=PASSES)


def to_inside(g: Any, x: Any, low: Any = None, high: Any = None) -> Any:
    """g where low <= x <= high, else 0; a bound may be None."""
    if not _is_large(g):
        inside = np.logical_and(True if low is None else np.less_equal(low, x), True if high is None else np.less_equal(x, high))
        return np.where(inside, g, g.dtype.type(0))[()]

    def tile(out: Array, g: Array, x: Array, low: Any, high: Any) -> None:
        above, below = (memory.scratch(name, out.shape, np.bool_) for name in ("above", "below"))
        inside = np.less_equal(x, high, out=below) if high is not None else None
        if low is not None:
            np.less_equal(low, x, out=above)
            inside = above if inside is None else np.logical_and(above, below, out=above)
        bits.keep(out, inside, g) if inside is not None else np.copyto(out, g)

    return fused(tile, g, x, low, high, dtype=g.dtype, tile=PASSES)


def _is_large(g: Any) -> bool:
    return isinstance(g, ndarray) and g.size >= LEAST and g.dtype.kind in "fc" and g.dtype.itemsize in bits.INTEGERS


def extreme(ufunc: np.ufunc, x: Array, axes: tuple[int, ...]) -> Any:
    """The maximum or minimum over axes; of short rows by their columns, for NumPy takes up to fourteen times as long."""
    plan = plan_of(x, axes) if x.size >= LEAST else None
    if plan is None or plan.summed[:1] != [len(plan.sizes) - 1] or plan.sizes[-1] > SHORT:
        return ufunc.reduce(x, axes)
    rows = x.transpose(plan.order).reshape(-1, plan.sizes[-1])
    found = rows[:, 0].copy()
    for k in range(1, rows.shape[1]):
        ufunc(found, rows[:, k], out=found)
    return plan.rest(ufunc.reduce(found.reshape(plan.sizes[:-1]), tuple(plan.summed[1:])))


def to_extreme(g: Array, x: Array, best: Array, axes: tuple[int, ...]) -> Any:
    """g where x is the best (NaN is that of NaN), else 0; shared evenly by several along `axes`, which g and best keep."""
    if np.isnan(best).any():
        hit = np.where(np.isnan(best), np.isnan(x), np.equal(x, best))
    elif not _is_large(x):
        hit = np.equal(x, best)
    else:
        hits = []

        def tile(out: Array, x: Array, best: Any, g: Any) -> None:
            hit = np.equal(x, best, out=memory.scratch("hit", out.shape, np.bool_))
            hits.append(np.count_nonzero(hit))
            out.fill(0)
            np.copyto(out, g, where=hit)

        one = x.size and best.size == 1
        out = fused(tile, x, best.reshape(()) if one else best, g.reshape(()) if one else g, dtype=g.dtype, tile=PASSES)
        if sum(hits) == best.size:
            return out
        hit = np.equal(x, best)
    share = np.divide(g, np.count_nonzero(hit, axes, keepdims=True), dtype=g.dtype) if axes else g
    return np.where(hit, share, g.dtype.type(0))
