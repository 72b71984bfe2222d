"""Windows that part an axis of n into o: window i spans floor(i n / o) to ceil((i + 1) n / o), so that neighbours may share an end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from . import memory
from .geometry import PoolSpec
from .memory import Array
from .taps import Taps, same, taps


def bounds(n: int, o: int) -> tuple[Array, Array]:
    """Where the windows start, and where they end.

    >>> bounds(5, 3)
    (array([0, 1, 3]), array([2, 4, 5]))
    """
    i = np.arange(o)
    return i * n // o, -(-(i + 1) * n // o)


@dataclass(frozen=True)
class Parted:
    """Windows that are not all equally long and far apart: what a pool of them has in common with a PoolSpec."""

    size: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.size)

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """The longest windows."""
        return tuple(int(np.subtract(*bounds(n, o)[::-1]).max()) for n, o in zip(self.size, self.out))

    @cached_property
    def stride(self) -> tuple[int, ...]:
        """The longest ways between windows."""
        return tuple(-(-n // o) for n, o in zip(self.size, self.out))


@lru_cache(256)
def windows(n: tuple[int, ...], o: tuple[int, ...]) -> PoolSpec | Parted:
    """The windows; as a plain pool where along each axis all are equally long and equally far apart.

    >>> windows((7,), (3,)).kernel, windows((7,), (3,)).stride, windows((7,), (4,))
    ((3,), (2,), Parted(size=(7,), out=(4,)))
    """
    kernel, stride = [], []
    for size, parts in zip(n, o):
        start, end = bounds(size, parts)
        step = int(start[1]) if parts > 1 else size
        if not step or (end - start != end[0]).any() or (np.diff(start) != step).any():
            return Parted(n, o)
        kernel.append(int(end[0]))
        stride.append(step)
    return PoolSpec(n, tuple(kernel), tuple(stride), ((0, 0),) * len(n), (1,) * len(n), o)


@memory.remembered(256)
def along(spec: PoolSpec | Parted, axis: int) -> tuple[Array, Array, Array]:
    """Where the windows of a pool begin, how far on its taps are, and which taps lie in window and input (windows, taps)."""
    n, k, o = spec.size[axis], spec.kernel[axis], spec.out[axis]
    if isinstance(spec, Parted):
        first, end = bounds(n, o)
        return first, np.arange(k), first[:, None] + np.arange(k) < end[:, None]
    first, further = np.arange(o) * spec.stride[axis] - spec.padding[axis][0], np.arange(k) * spec.dilation[axis]
    place = first[:, None] + further
    return first, further, (place >= 0) & (place < n)


@memory.remembered(256)
def seen_by(spec: PoolSpec | Parted) -> tuple[Taps, ...]:
    """What the windows of a pool see along each axis; taps keep their numbers."""
    axes = []
    for axis, (n, k, o) in enumerate(zip(spec.size, spec.kernel, spec.out)):
        first, further, inside = along(spec, axis)
        index = np.where(inside, first[:, None] + further, 0).T
        same = k == 1 and o == n and bool(inside.all() and (index == np.arange(n)).all())
        axes.append(Taps(o, n, index, inside.T, None, same))
    return tuple(axes)


@memory.remembered(256)
def means(n: int, o: int) -> Taps:
    """The mean of every window, as weighted taps."""
    if n == o:
        return same(n)
    start, end = bounds(n, o)
    length = end - start
    rows = np.repeat(np.arange(o), length)
    columns = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length) + start[rows]
    return taps(rows, columns, 1 / length[rows], o, n)
