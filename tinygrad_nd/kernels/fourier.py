"""The discrete Fourier transform of short tiles as products with real matrices, as Toom-Cook's transforms are.

A correlation of k taps that gives m points wraps round into none of them on a circle of m + k - 1, or of fewer where some of the points
that it sees are zeros. All frequencies are odd halves h + 1/2, so that each has its opposite; what wraps round changes its sign. Of real
numbers the sums of cosines and of sines are the parts (real, imaginary) of half the frequencies. Along a further axis both parts are
multiplied by cosines and by sines, and sums and differences of these are the parts at a frequency and at its opposite. A complex product
is three real ones: xr wr, xi wi and (xr + xi)(wr + wi). So there are 1.5 products per point of a tile, at any length, and errors stay
small.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from . import memory
from .memory import Array


class Circle(NamedTuple):
    """An axis of a tile: so many outputs of so many taps. Of the points they see, those before `start` and from `stop` on are zeros."""

    outputs: int
    taps: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        least = max(self.stop, self.outputs + self.taps - 1 - self.start)
        return least if least == 1 else least + least % 2


def points(circles: Sequence[Circle]) -> int:
    """Of a transformed tile."""
    return 3 * prod(circle.length for circle in circles) // 2


def waves(f: int, at: range, first: bool, opposite: bool = False) -> Array:
    """(f, points) on a circle of f: along the first axis both parts of each frequency, along another all cosines, then all sines."""
    angles = 2 * np.pi / f * np.outer(np.arange(f // 2) + 0.5, at)
    sines = np.sin(angles) if first == opposite else -np.sin(angles)
    return np.stack([np.cos(angles), sines], 1 if first else 0).reshape(f, -1)


def there(matrices: Sequence[Array], a: Array, key: str, out: Array) -> None:
    """Parts out (n, 2, (frequencies, L)) of parts a (n, 2, (points, L)), along all axes but the first, for n frequencies of that."""
    number, count = len(a), 1
    for i, matrix in enumerate(matrices):
        f, n = matrix.shape
        last, rest = i == len(matrices) - 1, a.size // (2 * number * count * n)
        waves = memory.scratch((key, "waves"), (number, 2, count, 2, f // 2 * rest), a.dtype)
        np.matmul(matrix, a.reshape(-1, n, rest), out=waves.reshape(-1, f, rest))
        a = out.reshape(waves.shape) if last else memory.scratch((key, "parts"), waves.shape, a.dtype)
        np.add(waves[:, 0, :, 0], waves[:, 1, :, 1], out=a[:, 0, :, 0])
        np.subtract(waves[:, 0, :, 0], waves[:, 1, :, 1], out=a[:, 0, :, 1])
        np.subtract(waves[:, 1, :, 0], waves[:, 0, :, 1], out=a[:, 1, :, 0])
        np.add(waves[:, 1, :, 0], waves[:, 0, :, 1], out=a[:, 1, :, 1])
        count *= f
    if not matrices:
        out[...] = a.reshape(out.shape)


def back(matrices: Sequence[Array], a: Array, key: str, out: Array) -> None:
    """The transpose: parts out (n, 2, (points, L)) of parts a (n, 2, (frequencies, L))."""
    number, count = len(a), prod(len(matrix) for matrix in matrices)
    rest = a.size // (2 * number * count)
    for i, matrix in enumerate(reversed(matrices)):
        f, n = matrix.shape
        count //= f
        a = a.reshape(number, 2, count, 2, f // 2 * rest)
        waves = memory.scratch((key, "waves"), a.shape, a.dtype)
        np.add(a[:, 0, :, 0], a[:, 0, :, 1], out=waves[:, 0, :, 0])
        np.subtract(a[:, 0, :, 0], a[:, 0, :, 1], out=waves[:, 1, :, 1])
        np.add(a[:, 1, :, 0], a[:, 1, :, 1], out=waves[:, 1, :, 0])
        np.subtract(a[:, 1, :, 1], a[:, 1, :, 0], out=waves[:, 0, :, 1])
        shape = 2 * number * count, n, rest
        a = out.reshape(shape) if i == len(matrices) - 1 else memory.scratch((key, "parts"), shape, a.dtype)
        np.matmul(matrix.T, waves.reshape(-1, f, rest), out=a)
        rest *= n
    if not matrices:
        out[...] = a.reshape(out.shape)
