"""Which tiles a Toom-Cook convolution takes: the larger a tile, the fewer products, the more work in its transforms.

With dilation d, outputs d apart see inputs d apart: a block of d * m outputs is d tiles side by side, one for each remainder.

The last axis need not be transformed. Then a tile is long along it, a line, and the taps along it are part of what products sum over:
with few channels those are too short for BLAS otherwise, and a transform less is to be read and written.

Kernels too long for Toom-Cook may take tiles of the same kinds, longer ones, that are transformed by `fourier` (see spectra).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import parallel
from .blas import moved_seconds, product_seconds
from .fourier import Circle, points
from .geometry import ConvSpec
from .slabs import Box, boxes
from .toom_cook import most_points, real_bytes

BATCH = 1 << 23  # bytes of tiles one thread works on at a time
KRONECKER = 25  # points of the largest transform of several axes made as one matrix
OUTPUTS = {4: 5, 8: 2}  # the most of a tile along an axis, by bytes per real number

LINE = 512  # outputs of a line, at most
CIRCLES = 12, 16, 24, 32, 64  # points of Fourier transforms as matrices, at most
LONG = 5  # taps along some axis from which these may be worth it
PIECE = 1 << 23  # bytes of spectra that are transformed at a time
SPECTRA = 1 << 25  # bytes of the spectra that are multiplied at a time, on all threads

Run = tuple[int, int, int]  # along an axis: outputs of a tile, blocks of such tiles, and taps left to the products


@dataclass(frozen=True)
class Tiling:
    """Tiles of `length` per axis, each giving `points` outputs, in `count` blocks of `spread` tiles side by side.

    `windows` is the spec whose windows the blocks are; the last of them may reach beyond the `out` outputs.
    """

    length: tuple[int, ...]
    points: tuple[int, ...]
    windows: ConvSpec
    spread: tuple[int, ...]
    count: tuple[int, ...]
    out: tuple[int, ...]
    taps: int  # of the last axis, if its tiles are lines, else 1
    fourier: bool = False  # how it is transformed

    @property
    def axes(self) -> tuple[tuple[int, int], ...]:
        """Outputs of a tile and taps along each axis that is transformed."""
        every = tuple((m, t - m + 1) for m, t in zip(self.points, self.length))
        return every[:-1] if self.taps > 1 else every

    @property
    def size(self) -> int:
        """Points of a transformed tile."""
        return points(self.circles) if self.fourier else prod(m + k - 1 for m, k in self.axes)

    @property
    def frequencies(self) -> int:
        """Of the first axis, if it is transformed by `fourier`."""
        return self.circles[0].length // 2

    @cached_property
    def circles(self) -> list[Circle]:
        """Of the axes, if they are transformed by `fourier`. A tile that is alone along an axis is not given the zeros beside the image."""
        found = []
        for i, (m, k) in enumerate(self.axes):
            n, before, alone = self.windows.size[i], self.windows.padding[i][0], self.count[i] == self.spread[i] == 1
            inside = (max(before, 0), min(n + before, m + k - 1)) if alone else (0, m + k - 1)
            found.append(Circle(m, k, *inside) if inside[0] < inside[1] else Circle(m, k, 0, m + k - 1))
        return found

    @cached_property
    def inside(self) -> ConvSpec:
        """The spec whose windows are what of the blocks may not be zeros, if their tiles are transformed by `fourier`."""
        spec, drops = self.windows, [(c.start, c.outputs + c.taps - 1 - c.stop) for c in self.circles]
        drops += [(0, 0)] * (len(self.points) - len(drops))
        kernel = tuple(k - d * (low + high) for k, d, (low, high) in zip(spec.kernel, self.spread, drops))
        padding = tuple((a - low, b - high) for (a, b), (low, high) in zip(spec.padding, drops))
        return replace(spec, kernel=kernel, padding=padding)

    @property
    def seen(self) -> tuple[int, ...]:
        """The points of a tile that may not be zeros."""
        return *(circle.stop - circle.start for circle in self.circles), *self.length[len(self.circles) :]

    @property
    def outputs(self) -> int:
        """Of a line."""
        return self.points[-1] if self.taps > 1 else 1

    @property
    def line(self) -> int:
        """Points along a line."""
        return self.length[-1] if self.taps > 1 else 1

    @property
    def tiles(self) -> int:
        """In an image."""
        return prod(self.count) * prod(self.spread)

    @cached_property
    def given(self) -> ConvSpec:
        """The spec whose windows are the outputs of the blocks."""
        blocks = self.windows.stride
        return ConvSpec(self.out, blocks, blocks, ((0, 0),) * len(blocks), self.windows.dilation)

    def box(self, batch: Box) -> Box:
        """The outputs in a batch, a box of (N, *blocks)."""
        return batch[0], *(slice(t.start * b, min(t.stop * b, o)) for t, b, o in zip(batch[1:], self.windows.stride, self.out))

    def sides(self, batch: Box) -> list[int]:
        """(n, T0, d0, T1, d1, ..): how many of each."""
        sides = (n for part, d in zip(batch[1:], self.spread) for n in (part.stop - part.start, d))
        return [batch[0].stop - batch[0].start, *sides]

    def stretches(self, n: int, channels: int, itemsize: int) -> list[list[Box]]:
        """Blocks of (N, *blocks), those together whose spectra are multiplied together."""
        each = PIECE // (self.size * prod(self.spread) * self.line * channels * itemsize)
        blocks = boxes((n, *self.count), prod, max(1, min(each, n * prod(self.count) // (4 * parallel.num_threads()))))
        most = max(1, SPECTRA * len(blocks) // (n * self.tiles * self.size * self.line * channels * itemsize))
        rounds = -(-len(blocks) // most)
        return [blocks[len(blocks) * i // rounds : len(blocks) * (i + 1) // rounds] for i in range(rounds)]

    def batches(self, n: int, channels: int, products: int, itemsize: int) -> list[Box]:
        """Boxes of (N, *blocks) as large as scratch allows, evenly many for each thread."""
        blocks, threads = n * prod(self.count), parallel.num_threads()
        most = max(1, _most_tiles(self.size, channels, self.size * self.taps * products, itemsize) // (prod(self.spread) * self.line))
        rounds = -(-blocks // (threads * most))
        return boxes((n, *self.count), prod, -(-blocks // (threads * rounds)))


def plan(spec: ConvSpec, dtype: np.dtype[Any], seconds: Callable[[Tiling], float]) -> Tiling:
    """The cheapest tiles."""
    return min(_tilings(spec, dtype), key=seconds)


class Cover(NamedTuple):
    """Tiles, and what they cost one thread."""

    tiling: Tiling
    seconds: float


def cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Cover:
    """The cheapest tiles in NumPy, lines among them."""
    return _cover(n, c, m, spec, dtype, most_points(dtype))


@lru_cache(1024)
def _cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], most: int) -> Cover:
    options = _tilings(spec, dtype)
    if spec.rank > 1 and spec.groups == 1 and spec.kernel[-1] > 1:
        options += _lines(spec, _short(spec, dtype))
    return _cheapest(options, lambda tiling: _seconds(tiling, n, c, m, spec, dtype))


@lru_cache(1024)
def fourier_cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Cover | None:
    """The cheapest tiles that are transformed by `fourier`, or None where that cannot be."""
    alone = spec.groups == 1 and all(s == 1 for s in spec.stride)
    if not alone or spec.kernel[:1] < (2,) or max(spec.kernel) < LONG or min(spec.out) < 1 or not real_bytes(dtype):
        return None
    options = fourier_tilings(spec, CIRCLES)
    if spec.rank > 1 and spec.kernel[-1] > 1:
        options += [replace(tiling, fourier=True) for tiling in _lines(spec, _circular(spec, CIRCLES))]
    return _cheapest(options, lambda tiling: _fourier_seconds(tiling, n, c, m, dtype)) if options else None


def _cheapest(tilings: Sequence[Tiling], seconds: Callable[[Tiling], float]) -> Cover:
    return min((Cover(tiling, seconds(tiling)) for tiling in tilings), key=lambda offer: offer.seconds)


def fourier_tilings(spec: ConvSpec, circles: Sequence[int]) -> list[Tiling]:
    """All tiles of one size that are transformed along every axis, on circles of so many points at most."""
    return [replace(_tiling(spec, runs), fourier=True) for runs in product(*_circular(spec, circles))]


def _tilings(spec: ConvSpec, dtype: np.dtype[Any]) -> list[Tiling]:
    """All tiles of one size that Toom-Cook transforms along every axis."""
    return [_tiling(spec, runs) for runs in product(*_short(spec, dtype))]


def _lines(spec: ConvSpec, options: Sequence[Sequence[Run]]) -> list[Tiling]:
    """Tiles whose last axis is not transformed; of the others the ways to share out outputs are given."""
    o = -(-spec.out[-1] // _spread(spec)[-1])
    count = -(-o // LINE)
    line = -(-o // count), count, spec.kernel[-1]
    return [_tiling(spec, (*runs, line)) for runs in product(*options[:-1])]


def _circular(spec: ConvSpec, circles: Sequence[int]) -> list[list[Run]]:
    """Per axis the ways to share out its outputs among tiles on circles."""
    options = []
    for o, k, d in zip(spec.out, spec.kernel, _spread(spec)):
        most = [f - k + 1 for f in circles if 2 * k <= f + 2] if k > 1 else [1]
        sizes = {-(-o // (d * -(-o // (d * size)))) for size in most}
        options.append([(size, -(-o // (d * size)), 1) for size in sorted(sizes)])
    return options


def _short(spec: ConvSpec, dtype: np.dtype[Any]) -> list[list[Run]]:
    """Per axis the ways to share out its outputs among tiles for Toom-Cook."""
    points, outputs = most_points(dtype), OUTPUTS[real_bytes(dtype)]
    most = [min(points - k + 1, outputs) if k > 1 else 1 for k in spec.kernel]
    axes = zip(spec.out, _spread(spec), most)
    return [[(size, -(-o // (d * size)), 1) for size in range(min(2, largest), largest + 1)] for o, d, largest in axes]


def _tiling(spec: ConvSpec, runs: Sequence[Run]) -> Tiling:
    points, count, taps = (tuple(of) for of in zip(*runs))
    length = tuple(p + k - 1 for p, k in zip(points, spec.kernel))
    spread = _spread(spec)
    blocks, seen = (tuple(d * n for d, n in zip(spread, of)) for of in (points, length))
    windows = ConvSpec(spec.size, seen, blocks, spec.padding, (1,) * spec.rank)
    return Tiling(length, points, windows, spread, count, spec.out, taps[-1])


def _spread(spec: ConvSpec) -> tuple[int, ...]:
    return tuple(d if k > 1 else 1 for d, k in zip(spec.dilation, spec.kernel))


def _seconds(tiling: Tiling, n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> float:
    """Of one thread: calls, products (which pack weights), transforms and copies."""
    taps, pieces, line, size = tiling.taps, n * tiling.tiles, tiling.line, tiling.size
    outputs, lengths = [m for m, _ in tiling.axes], [m + k - 1 for m, k in tiling.axes]
    entries, weights = pieces * line * size * spec.groups, size * spec.groups * c * m * taps
    batches = 2 + pieces * line / max(1, _most_tiles(size, spec.groups * (c + m), weights, dtype.itemsize))
    products = 1.3 * product_seconds(entries * c * m * taps, m, c * taps, dtype) + 1.4e-6 * batches * size * spec.groups * taps
    numbers = 2 * batches * weights
    for sides, each in ((list(zip(lengths, lengths)), entries * c), (list(zip(outputs, lengths)), float(entries * m))):
        while sides:
            rows, columns = sides.pop(0)
            while sides and max(rows * sides[0][0], columns * sides[0][1]) <= KRONECKER:
                rows, columns = rows * sides[0][0], columns * sides.pop(0)[1]
            numbers += each * (0.7 * (1 + rows / columns) + 0.038 * rows)
            each *= rows / columns
    moved = 8e-9 * pieces * (size + prod(outputs)) + moved_seconds(numbers, dtype)
    return 1.5e-3 + 4.1e-4 * batches + products + moved


def _fourier_seconds(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> float:
    """Of one thread: calls, products and the rows they read, transforms and what they write, and cuts of x and y."""
    lines, taps, axes = n * tiling.tiles, tiling.taps, len(tiling.circles)
    entries = lines * tiling.outputs * tiling.size * taps * c  # of rows
    rounds = -(-lines * tiling.line * tiling.size * (c + m) * dtype.itemsize // SPECTRA)
    seconds = 1.15 * product_seconds(entries * m, m, taps * c, dtype) + 7e-7 * rounds * tiling.size
    moved = 0.55 * entries if taps > 1 else 0.0
    kernel = tuple(k for _, k in tiling.axes)
    for made, columns in ((tiling.seen, lines * tiling.line * c), (kernel, taps * c * m), (tiling.points, lines * tiling.outputs * m)):
        numbers = float(prod(made[:axes]) * columns)
        moved += 3 * numbers
        for i, circle in enumerate(tiling.circles):
            seconds += 0.95 * product_seconds(numbers * circle.length, 64, made[i], dtype)
            numbers *= circle.length / made[i]
            moved += (0.9 if i == 0 else 1.8) * numbers
        moved += 1.3 * numbers
    return 7e-3 + seconds + moved_seconds(moved, dtype)


def _most_tiles(size: float, channels: int, weights: float, itemsize: int) -> int:
    """Of a batch; so many that the products outweigh the reading of their weights."""
    return int(max(BATCH, weights * itemsize) / (2 * size * channels * itemsize))
