"""Windows that part an axis of n into o: window i spans floor(i n / o) to ceil((i + 1) n / o), so that neighbours may share an end."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .geometry import PoolSpec
from .taps import Taps, same, taps

Array = np.ndarray[Any, np.dtype[Any]]


def bounds(n: int, o: int) -> tuple[Array, Array]:
    """Where the windows start, and where they end.

    >>> bounds(5, 3)
    (array([0, 1, 3]), array([2, 4, 5]))
    """
    i = np.arange(o)
    return i * n // o, -(-(i + 1) * n // o)


@lru_cache(256)
def even(n: tuple[int, ...], o: tuple[int, ...]) -> PoolSpec | None:
    """The pool that the windows are, where along each axis all are equally long and equally far apart.

    >>> even((7,), (3,)).kernel, even((7,), (3,)).stride, even((7,), (4,)), even((7,), (5,))
    ((3,), (2,), None, None)
    """
    kernel, stride = [], []
    for size, parts in zip(n, o):
        start, end = bounds(size, parts)
        step = int(start[1]) if parts > 1 else size
        if not step or (end - start != end[0]).any() or (np.diff(start) != step).any():
            return None
        kernel.append(int(end[0]))
        stride.append(step)
    return PoolSpec(n, tuple(kernel), tuple(stride), ((0, 0),) * len(n), (1,) * len(n), o)


@lru_cache(256)
def means(n: int, o: int) -> Taps:
    """The mean of every window, as weighted taps."""
    if n == o:
        return same(n)
    start, end = bounds(n, o)
    length = end - start
    rows = np.repeat(np.arange(o), length)
    columns = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length) + start[rows]
    return taps(rows, columns, 1 / length[rows], o, n)


@lru_cache(256)
def places(n: int, o: int) -> Array:
    """What every window sees, one window after another; a shorter one sees its last place again.

    >>> places(5, 3)
    array([0, 1, 1, 1, 2, 3, 3, 4, 4])
    """
    start, end = bounds(n, o)
    seen: Array = np.minimum(start[:, None] + np.arange((end - start).max()), end[:, None] - 1)
    return seen.ravel()


@lru_cache(256)
def copies(n: int, o: int) -> Taps:
    """The axis that lays these places side by side."""
    if n == o:
        return same(n)
    seen = places(n, o)
    return taps(np.arange(len(seen)), seen, None, len(seen), n)
