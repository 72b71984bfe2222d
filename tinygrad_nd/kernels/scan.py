"""Scans along one axis, forwards or backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from .memory import Array


def turned(x: Array, axis: int, reverse: bool) -> Array:
    """A view of x, back to front along `axis` if `reverse`."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)] if reverse else x


def accumulate(ufunc: np.ufunc, x: Array, axis: int, reverse: bool) -> Any:
    """Sums or products of each entry and all before it along `axis`; all after it if `reverse`. Small integers are widened, as in NumPy."""
    y = turned(x, axis, reverse)
    return turned(np.cumsum(y, axis) if ufunc is np.add else np.cumprod(y, axis), axis, reverse)


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
