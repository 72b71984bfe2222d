"""Windows that part an axis of n into o: window i spans floor(i n / o) to ceil((i + 1) n / o), so that neighbours may share an end."""

from __future__ import annotations

from typing import Any

import numpy as np

from .resample import Taps, taps

Array = np.ndarray[Any, np.dtype[Any]]


def bounds(n: int, o: int) -> tuple[Array, Array]:
    """Where the windows start, and where they end.

    >>> bounds(5, 3)
    (array([0, 1, 3]), array([2, 4, 5]))
    """
    i = np.arange(o)
    return i * n // o, -(-(i + 1) * n // o)


def means(n: int, o: int) -> Taps:
    """The mean of every window, as weighted taps."""
    start, end = bounds(n, o)
    length = end - start
    rows = np.repeat(np.arange(o), length)
    columns = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length) + start[rows]
    return taps(rows, columns, 1 / length[rows], o, n)


def max_positions(x: Array, out: tuple[int, ...]) -> Array:
    """Flat positions in space of the first maximum of every window, (*lead, *o), of x (*lead, *n); NaN wins.

    One axis at a time, from the last to the first, so that among equals the earlier row is found first.
    """
    values, found, below = x, np.zeros(x.shape, np.int64), 1
    for axis in reversed(range(x.ndim - len(out), x.ndim)):
        n = x.shape[axis]
        start, end = bounds(n, out[axis - x.ndim])
        along = (-1, *(1,) * (x.ndim - 1 - axis))
        best: Any = None
        for t in range(int((end - start).max())):
            index = np.minimum(start + t, end - 1)  # the last place again where a window is shorter
            seen, place = values.take(index, axis), found.take(index, axis) + (index * below).reshape(along)
            if best is None:
                best, at = seen, place
            else:
                better = (seen > best) | ((seen != seen) & (best == best))
                best, at = np.where(better, seen, best), np.where(better, place, at)
        values, found, below = best, at, below * n
    return found
