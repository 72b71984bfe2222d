"""Scans and differences along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import memory
from .along import COMPILED, along
from .elementwise import STEPS, fused
from .indexing import unlocked
from .memory import Array


def turned(x: Array, axis: int, reverse: bool) -> Array:
    """A view of x, back to front along `axis` if `reverse`."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)] if reverse else x


def accumulate(ufunc: np.ufunc, x: Array, axis: int, reverse: bool) -> Any:
    """Sums or products of each entry and all before it along `axis`; all after it if `reverse`. Small integers are widened, as in NumPy."""
    if ufunc is np.add and x.size >= COMPILED and x.dtype.kind == "f":
        return along(_running, axis, None, x, constants=(reverse,), loops="scans")
    y = turned(x, axis, reverse)
    return turned(np.cumsum(y, axis) if ufunc is np.add else np.cumprod(y, axis), axis, reverse)


def _running(out: Array, x: Array, back: bool) -> None:
    """A tile, whose second axis is summed along: NumPy takes a number after the other, also where whole rows could be added."""
    out, x = turned(out, 1, back), turned(x, 1, back)
    if x.ndim == 2:
        np.add.accumulate(x, 1, out=out)
        return
    out[:, 0] = x[:, 0]
    for i in range(1, x.shape[1]):
        np.add(out[:, i - 1], x[:, i], out=out[:, i])


def recurrence(a: Array, b: Array, axis: int, reverse: bool) -> Any:
    """r[i] = a[i] r[i-1] + b[i] along `axis`, from r[-1] = 0; from the end if `reverse`.

    Two steps in a row are a step of the same form, with factor a[i] a[i-1] and term a[i] b[i-1] + b[i]; so log2(n) rounds, each of steps
    twice as long, replace n (Hillis and Steele 1986).
    """
    dtype = np.result_type(a, b)
    r, f = (np.moveaxis(turned(v, axis, reverse), axis, 0).astype(dtype) for v in np.broadcast_arrays(a, b)[::-1])
    step = 1
    while step < len(r):
        r[step:] += f[step:] * r[:-step]
        f[step:] *= f[:-step]
        step *= 2
    return turned(np.moveaxis(r, 0, axis), axis, reverse)


def spread_differences(g: Array, axis: int) -> Array:
    """The transpose of differences of neighbours: g[i-1] - g[i], where g is 0 beyond its ends."""
    n = g.shape[axis]
    out = memory.empty((*g.shape[:axis], n + 1, *g.shape[axis + 1 :]), g.dtype)
    y, g = np.moveaxis(out, axis, 0), np.moveaxis(g, axis, 0)
    if not n:
        y[...] = 0
        return out
    np.subtract(0, g[:1], out=y[:1])
    np.subtract(g[:-1], g[1:], out=y[1:-1])
    y[-1] = g[-1]
    return out


def interp(x: Array, xp: Array, fp: Array) -> Array:
    """np.interp(x, xp, fp), on all threads."""
    dtype = np.result_type(fp, np.float64)
    y = fused(lambda out, x: np.copyto(out, np.interp(unlocked(x), xp, fp)), np.atleast_1d(x), dtype=dtype, tile=STEPS)
    return y.reshape(x.shape)


def segments(x: Array, xp: Array) -> Array:
    """The segment between ascending xp that each x lies on, from 1; 0 is before the first, len(xp) behind the last, as is NaN."""
    ends = xp.astype(np.result_type(x, xp))
    ends[-1] = np.nextafter(ends[-1], np.inf)  # the last segment has both of its ends
    found = fused(lambda out, x: np.copyto(out, np.searchsorted(ends, x, "right")), np.atleast_1d(x), dtype=np.intp, tile=STEPS)
    return found.reshape(np.shape(x))


# The slope of samples 1 apart: (y[i+1] - y[i-1]) / 2 inside, and at the border by the accuracy asked for, from there inwards.
_BORDER = {1: (-1.0, 1.0), 2: (-1.5, 2.0, -0.5)}


def slope(x: Array, axis: int, edge_order: int) -> Array:
    """The difference quotient at each of the samples, for a distance of 1."""
    out = memory.empty(x.shape, x.dtype)
    y, x = np.moveaxis(out, axis, 0), np.moveaxis(x, axis, 0)
    np.subtract(x[2:], x[:-2], out=y[1:-1])
    y[1:-1] *= 0.5
    y[0] = sum(c * x[i] for i, c in enumerate(_BORDER[edge_order]))
    y[-1] = sum(-c * x[-1 - i] for i, c in enumerate(_BORDER[edge_order]))
    return out


def slope_transposed(g: Array, axis: int, edge_order: int) -> Array:
    """The transpose of `slope`."""
    out = memory.empty(g.shape, g.dtype)
    y, g = np.moveaxis(out, axis, 0), np.moveaxis(g, axis, 0)
    inner = g[1:-1]
    y[:2] = 0
    y[2:] = inner
    y[:-2] -= inner
    y *= 0.5
    for i, c in enumerate(_BORDER[edge_order]):
        y[i] += c * g[0]
        y[-1 - i] -= c * g[-1]
    return out
