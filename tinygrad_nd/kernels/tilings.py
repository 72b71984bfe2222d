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
from typing import Any

import numpy as np

from . import parallel
from .blas import moved_seconds, product_seconds
from .fourier import lengths as circle_lengths
from .fourier import points
from .geometry import ConvSpec
from .slabs import Box, boxes
from .toom_cook import most_points, real_bytes

BATCH = 1 << 23  # bytes of tiles one thread works on at a time
KRONECKER = 25  # points of the largest transform of several axes made as one matrix
OUTPUTS = {4: 5, 8: 2}  # the most of a tile along an axis, by bytes per real number

LINE = 512  # outputs of a line, at most
CIRCLES = 12, 16, 24, 32, 64  # points of Fourier transforms as matrices, at most
LONG = 5  # taps along some axis from which these may be worth it
ABREAST = 4  # outputs of a line that a row makes, at most
PIECE = 1 << 20  # bytes of spectra that are transformed at a time
SPECTRA = 1 << 25  # bytes of the spectra that are multiplied at a time, on all threads

Run = tuple[int, int, int, int]  # along an axis: outputs of a tile, blocks of such tiles, where they start, and taps left to the products


@dataclass(frozen=True)
class Tiling:
    """Tiles of `length` per axis, each giving `points` outputs, in `count` blocks of `spread` tiles side by side.

    `windows` is the spec whose windows the blocks are; they make the outputs from `start` on, of `out` in all.
    """

    length: tuple[int, ...]
    points: tuple[int, ...]
    windows: ConvSpec
    spread: tuple[int, ...]
    count: tuple[int, ...]
    start: tuple[int, ...]
    out: tuple[int, ...]
    taps: int  # of the last axis, if its tiles are lines, else 1
    fourier: bool = False  # how it is transformed
    abreast: int = 1  # outputs of a line that a row of a product makes

    @property
    def axes(self) -> tuple[tuple[int, int], ...]:
        """Outputs of a tile and taps along each axis that is transformed."""
        every = tuple((m, t - m + 1) for m, t in zip(self.points, self.length))
        return every[:-1] if self.taps > 1 else every

    @property
    def size(self) -> int:
        """Points of a transformed tile."""
        return points(self.axes) if self.fourier else prod(m + k - 1 for m, k in self.axes)

    @property
    def frequencies(self) -> int:
        """Of the first axis, if it is transformed by `fourier`."""
        return circle_lengths(self.axes)[0] // 2

    @property
    def line(self) -> int:
        """Points along a line."""
        return self.length[-1] if self.taps > 1 else 1

    @property
    def reach(self) -> int:
        """Points of a line that a row of a product sees."""
        return self.taps + self.abreast - 1

    @property
    def turns(self) -> int:
        """Products that make a line."""
        return -(-self.reach // self.abreast)

    @property
    def tiles(self) -> int:
        """In an image."""
        return prod(self.count) * prod(self.spread)

    @cached_property
    def given(self) -> ConvSpec:
        """The spec whose windows are the outputs of the blocks."""
        before = tuple((-start, 0) for start in self.start)
        return ConvSpec(self.out, self.windows.stride, self.windows.stride, before, self.windows.dilation)

    def box(self, batch: Box) -> Box:
        """The outputs in a batch, a box of (N, *blocks)."""
        blocks = zip(batch[1:], self.windows.stride, self.start, self.out)
        return batch[0], *(slice(start + t.start * b, min(start + t.stop * b, o)) for t, b, start, o in blocks)

    def sides(self, batch: Box) -> list[int]:
        """(n, T0, d0, T1, d1, ..): how many of each."""
        sides = (n for part, d in zip(batch[1:], self.spread) for n in (part.stop - part.start, d))
        return [batch[0].stop - batch[0].start, *sides]

    def stretches(self, n: int, channels: int, itemsize: int) -> list[list[Box]]:
        """Blocks of (N, *blocks), those together whose spectra are multiplied together."""
        blocks = boxes((n, *self.count), prod, max(1, PIECE // (self.size * prod(self.spread) * self.line * channels * itemsize)))
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
    """The cheapest tiles of one size, of which the last may reach beyond the image."""
    ways = product(*(_same(*axis) for axis in _axes(spec, dtype)))
    return min((_tiling(spec, runs) for runs in ways), key=seconds)


@dataclass(frozen=True)
class Cover:
    """Tilings that share out the outputs, and what they cost one thread."""

    tilings: tuple[Tiling, ...]
    seconds: float


def cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Cover:
    """Tiles that make no output twice: those along an axis are of two sizes, one apart, and lie in as many tilings. Or they are lines."""
    return _cover(n, c, m, spec, dtype, most_points(dtype))


@lru_cache(1024)
def _cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], most: int) -> Cover:
    options = [_even(*axis) for axis in _axes(spec, dtype)]
    if spec.rank > 1 and spec.groups == 1 and spec.kernel[-1] > 1:
        o = -(-spec.out[-1] // spec.dilation[-1])
        count = -(-o // LINE)
        options[-1].append([(-(-o // count), count, 0, spec.kernel[-1])])
    seconds, axes = min(((_seconds(axes, n, c, m, spec, dtype), axes) for axes in product(*options)), key=lambda offer: offer[0])
    return Cover(tuple(_tiling(spec, runs) for runs in product(*axes)), seconds)


@lru_cache(1024)
def fourier_cover(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Cover | None:
    """The cheapest tiles of one size that are transformed by `fourier`, or None where that cannot be."""
    alone = spec.groups == 1 and all(s == 1 for s in spec.stride)
    if not alone or spec.kernel[:1] < (2,) or max(spec.kernel) < LONG or min(spec.out) < 1 or not real_bytes(dtype):
        return None
    spread, options = _spread(spec), _circular(spec, CIRCLES)
    ways = [(_tiling(spec, runs), 1) for runs in product(*options)]
    if spec.rank > 1 and spec.kernel[-1] > 1:
        o = -(-spec.out[-1] // spread[-1])
        count = -(-o // LINE)
        line = -(-o // count), count, 0, spec.kernel[-1]
        ways += [(_tiling(spec, (*runs, line)), q) for runs in product(*options[:-1]) for q in range(1, ABREAST + 1)]
    tilings = [replace(tiling, fourier=True, abreast=q) for tiling, q in ways]
    if not tilings:
        return None
    seconds, best = min(((_fourier_seconds(tiling, n, c, m, dtype), tiling) for tiling in tilings), key=lambda offer: offer[0])
    return Cover((best,), seconds)


def fourier_tilings(spec: ConvSpec, circles: Sequence[int]) -> list[Tiling]:
    """All tiles of one size that are transformed along every axis, on circles of so many points at most."""
    return [replace(_tiling(spec, runs), fourier=True) for runs in product(*_circular(spec, circles))]


def _circular(spec: ConvSpec, circles: Sequence[int]) -> list[list[Run]]:
    """Per axis the ways to share out its outputs."""
    options = []
    for o, k, d in zip(spec.out, spec.kernel, _spread(spec)):
        most = [f - k + 1 for f in circles if 2 * k <= f + 2] if k > 1 else [1]
        sizes = {-(-o // (d * -(-o // (d * size)))) for size in most}
        options.append([(size, -(-o // (d * size)), 0, 1) for size in sorted(sizes)])
    return options


def _axes(spec: ConvSpec, dtype: np.dtype[Any]) -> list[tuple[int, int, int]]:
    """Per axis its outputs, how far apart those of a tile are, and how many a tile may have."""
    points, outputs = most_points(dtype), OUTPUTS[real_bytes(dtype)]
    most = (min(points - k + 1, outputs) if k > 1 else 1 for k in spec.kernel)
    return list(zip(spec.out, _spread(spec), most))


def _same(o: int, d: int, most: int) -> list[Run]:
    """The ways to share out the outputs of an axis among tiles of one size."""
    return [(outputs, -(-o // (outputs * d)), 0, 1) for outputs in range(min(2, most), most + 1)]


def _even(o: int, d: int, most: int) -> list[list[Run]]:
    """The even ways among tiles of at most so many."""
    ways: dict[int, list[Run]] = {}
    for outputs in range(1, most + 1):
        tiles = -(-o // (d * outputs))
        size, larger = divmod(-(-o // d), tiles)
        runs = (size + 1, larger, 0, 1), (size, tiles - larger, d * larger * (size + 1), 1)
        ways[tiles] = [run for run in runs if run[1]]
    return list(ways.values())


def _tiling(spec: ConvSpec, runs: Sequence[Run]) -> Tiling:
    points, count, start, taps = (tuple(of) for of in zip(*runs))
    length = tuple(p + k - 1 for p, k in zip(points, spec.kernel))
    spread = _spread(spec)
    blocks, seen = (tuple(d * n for d, n in zip(spread, of)) for of in (points, length))
    padding = tuple((a - s, b) for (a, b), s in zip(spec.padding, start))
    return Tiling(length, points, ConvSpec(spec.size, seen, blocks, padding, (1,) * spec.rank), spread, count, start, spec.out, taps[-1])


def _spread(spec: ConvSpec) -> tuple[int, ...]:
    return tuple(d if k > 1 else 1 for d, k in zip(spec.dilation, spec.kernel))


def _seconds(axes: Sequence[Sequence[Run]], n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> float:
    """Of one thread: calls, products (which pack weights), transforms and copies, for tiles as large as they are in the mean."""
    counts = [sum(count for _, count, *_ in runs) for runs in axes]
    outputs = [sum(size * count for size, count, *_ in runs) / count for runs, count in zip(axes, counts)]
    lengths: list[float] = [size + k - 1 for size, k in zip(outputs, spec.kernel)]
    taps, pieces, line = axes[-1][0][-1], n * prod(counts) * prod(_spread(spec)), 1.0
    if taps > 1:
        line = lengths.pop()
        outputs.pop()
    size, kinds = float(prod(lengths)), prod(map(len, axes))
    entries, weights = pieces * line * size * spec.groups, size * spec.groups * c * m * taps
    batches = 2 * kinds + pieces * line / max(1, _most_tiles(size, spec.groups * (c + m), weights, dtype.itemsize))
    products = 1.3 * product_seconds(entries * c * m * taps, m, c * taps, dtype) + 1.4e-6 * batches * size * spec.groups * taps
    numbers = 2 * batches * weights
    for sides, each in ((list(zip(lengths, lengths)), entries * c), (list(zip(outputs, lengths)), entries * m)):
        while sides:
            rows, columns = sides.pop(0)
            while sides and max(rows * sides[0][0], columns * sides[0][1]) <= KRONECKER:
                rows, columns = rows * sides[0][0], columns * sides.pop(0)[1]
            numbers += each * (0.7 * (1 + rows / columns) + 0.038 * rows)
            each *= rows / columns
    moved = 8e-9 * pieces * (size + prod(outputs)) + moved_seconds(numbers, dtype)
    return 1.5e-3 + 4.1e-4 * batches + products + moved


def _fourier_seconds(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> float:
    """Of one thread: calls, products, the reading of weights, transforms and what they write, and cuts of x and y."""
    entries = n * tiling.tiles * tiling.line
    weights = tiling.size * tiling.reach * tiling.abreast * c * m
    rounds = -(-entries * tiling.size * (c + m) * dtype.itemsize // SPECTRA)
    written = moved_seconds(entries, dtype)
    macs = entries * weights / tiling.abreast
    seconds = 1.3 * product_seconds(macs, tiling.abreast * m, tiling.reach * c, dtype) + 3e-7 * rounds * tiling.size * tiling.turns
    inner, made, circles = 1.0, [m for m, _ in tiling.axes], circle_lengths(tiling.axes)
    for i, f in enumerate(circles):
        waves, parts, forms = f // 2 if i == 0 else f, 1 if i == 0 else 2, 3 if i == len(circles) - 1 else 2
        there, back = inner * prod(tiling.length[i + 1 : len(circles)]) * c, inner * prod(made[i + 1 :]) * m
        macs = waves * forms * parts * (tiling.length[i] * there + made[i] * back) * entries
        seconds += 2.4 * product_seconds(macs, 64, parts * f, dtype) + 0.75 * written * (waves * forms * there + parts * made[i] * back)
        inner *= waves
    cuts = prod(tiling.length[: len(circles)]) * c + prod(made) * m
    moved = 2.9 * cuts * entries + 4.2 * weights
    return 3.4e-3 + 3.2e-4 * rounds * tiling.frequencies + seconds + moved_seconds(moved, dtype)


def _most_tiles(size: float, channels: int, weights: float, itemsize: int) -> int:
    """Of a batch; so many that the products outweigh the reading of their weights."""
    return int(max(BATCH, weights * itemsize) / (2 * size * channels * itemsize))
