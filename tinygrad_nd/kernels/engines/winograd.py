"""The Toom-Cook convolution of kernels/winograd.py, compiled: tiles go through all of it while they are in a core's own cache.

Tables say where each point of each tile of an image lies, or that it lies outside: no image is padded or cut. A thread gets a stretch of
tiles and takes them chunk by chunk: transform, multiply point by point, transform back (see `toom_cook`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..geometry import ConvSpec
from ..memory import Array
from ..phases import Target
from ..tilings import Tiling, plan
from ..toom_cook import most_points
from . import llvm, products, programs, tiles, toom_cook
from .crew import Call
from .images import by_images, summed_by_images
from .products import places
from .tiles import OUTSIDE
from .toom_cook import Axes

CHUNK = 1 << 19  # bytes of transformed tiles: half of a core's own cache
FIRST = 1 << 15  # bytes that a core's first cache holds
CACHED = 1 << 20  # numbers of images that caches hold
ALONE = 1 << 16  # numbers, below which a second thread does not pay


@by_images
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P)."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    tiling = _plan(len(x), c, p, spec, dtype, most_points(dtype))
    axes = tiling.axes
    y = memory.empty((len(x), *spec.out, groups * p), dtype) if target.y is None else target.y
    bias = () if target.y is None or target.bias is None else (target.bias,)
    rows = np.ascontiguousarray(np.moveaxis(kernels, 0, -3)).reshape(-1, groups * c, p)
    values = memory.empty((tiling.size, groups * c, p), dtype)

    def transformed() -> list[list[Call]]:
        llvm.together(*_correlating(dtype, axes, groups, c, p))
        return [[_transform("weights", axes, rows, values, *share)] for share in _shares(rows.shape[1], values.size)]

    def convolved() -> list[list[Call]]:
        work = _Work(tiling, len(x), groups, c, p, dtype)
        f = _addresses(
            toom_cook.convolve(dtype), toom_cook.read(dtype, "inputs", axes, groups * c), toom_cook.write(dtype, axes, groups * p)
        )
        seen, made = _image(x, tiling, tiling.length, spec.padding), _image(y, tiling, tiling.points)
        (plus,) = bias or (zeros(groups * p, dtype),)
        return [
            [(*f, *seen, *made, work.zeros, lost, inputs, values, outputs, plus, *work.order, *stretch, *work.numbers)]
            for inputs, outputs, lost, stretch in work.shares
        ]

    programs.run(("weights", axes), (rows, values), transformed)
    programs.run(("convolve", spec, tiling), (x, y, values, *bias), convolved)
    if target.y is None:
        target.put_all(y)


@summed_by_images
def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """The sum over tiles of products of inputs and cotangents, stretch by stretch, and these in their order."""
    groups, c, m, dtype = spec.groups, x.shape[-1] // spec.groups, g.shape[-1] // spec.groups, x.dtype
    tiling = _plan(len(x), c, m, spec, dtype, most_points(dtype))
    axes, count = tiling.axes, len(_stretches(tiling, len(x), groups * (c + m)))
    totals = memory.empty((count, tiling.size, groups * c, m), dtype)
    parts = memory.empty((count, prod(spec.kernel), groups * c, m), dtype)

    def written() -> list[list[Call]]:
        work = _Work(tiling, len(x), groups, c, m, dtype)
        *readers, _, accumulate = makers = _summing(dtype, axes, groups, c, m)
        llvm.together(*makers)
        f = _addresses(accumulate(), *(read() for read in readers))
        seen, given = _image(x, tiling, tiling.length, spec.padding), _image(g, tiling, tiling.points)
        return [
            [
                (*f, *seen, *given, work.zeros, inputs, asked, total, *work.order, *stretch, *work.numbers),
                _transform("gradients", axes, total, part, 0, groups * c),
            ]
            for (inputs, asked, _, stretch), total, part in zip(work.shares, totals, parts)
        ]

    programs.run(("accumulate", spec, tiling), (x, g, totals, parts), written)
    for other in parts[1:]:
        parts[0] += other
    return np.moveaxis(parts[0].reshape(*spec.kernel, groups, c, m), -3, 0)


def functions(contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> list[Callable[[], Any]]:
    """What compiles the functions that it calls."""
    about = c // spec.groups, m // spec.groups
    axes = _plan(n, *about, spec, dtype, most_points(dtype)).axes
    return (_summing if contraction == "weight_grad" else _correlating)(dtype, axes, spec.groups, *about)


def _correlating(dtype: np.dtype[Any], axes: Axes, groups: int, c: int, p: int) -> list[Callable[[], Any]]:
    return [
        partial(toom_cook.read, dtype, "inputs", axes, groups * c), partial(toom_cook.write, dtype, axes, groups * p),
        partial(toom_cook.transform, dtype, "weights", axes, p), partial(toom_cook.convolve, dtype),
    ]  # fmt: skip


def _summing(dtype: np.dtype[Any], axes: Axes, groups: int, c: int, m: int) -> list[Callable[[], Any]]:
    return [
        partial(toom_cook.read, dtype, "inputs", axes, groups * c), partial(toom_cook.read, dtype, "cotangents", axes, groups * m),
        partial(toom_cook.transform, dtype, "gradients", axes, m), partial(toom_cook.accumulate, dtype),
    ]  # fmt: skip


class _Work:
    """How a number of images is shared out, and what all of its calls are given."""

    def __init__(self, tiling: Tiling, images: int, groups: int, c: int, p: int, dtype: np.dtype[Any]) -> None:
        points, stretches = tiling.size, _stretches(tiling, images, groups * (c + p))
        fitting = CHUNK // (points * groups * (c + p) * dtype.itemsize)
        chunk = max(c * p // (c + p), fitting, 8)  # tiles take as long to read as the weights
        chunk = min(chunk, max(end - first for first, end in stretches))
        sizes = {"inputs": points * chunk * groups * c, "outputs": points * chunk * groups * p, "lost": groups * p}
        inputs, outputs, lost = (memory.scratch(name, (len(stretches), size), dtype) for name, size in sizes.items())
        self.shares = list(zip(inputs, outputs, lost, stretches))
        self.zeros = zeros(groups * max(c, p), dtype)
        self.order = places((chunk,), (groups * c,), 1), places((c,), (1,), 1)
        self.numbers = tiling.tiles, tiling.count[-1] * tiling.spread[-1], chunk, groups, c, p, points, *tiles.panels(p, dtype)


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    about = n, c // spec.groups, m // spec.groups
    return _seconds(_plan(*about, spec, dtype, most_points(dtype)), *about, spec, dtype), 2 * CHUNK * parallel.num_threads()


@lru_cache(1024)
def _plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], most: int) -> Tiling:
    return plan(spec, dtype, lambda tiling: _seconds(tiling, n, c, m, spec, dtype))


def _seconds(tiling: Tiling, n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> float:
    """Of one thread: products at their measured rate, some steps of that for every vector that is transformed or is a row of a product,
    and weights, and images that come from afar."""
    tiles, size, lanes, groups = n * tiling.tiles, tiling.size, llvm.lanes(dtype), spec.groups
    step = 4 * lanes / products.flops_per_second(dtype)
    inputs, rows = tiles * size * -(-groups * c // lanes), tiles * size * groups * -(-m // lanes)  # vectors
    spilled = 2 if 2 * size * lanes * dtype.itemsize > FIRST else 1  # a tile goes to and fro between two buffers
    far = max(0, n * groups * (c * prod(spec.size) + m * prod(spec.out)) - CACHED)
    moved = blas.moved_seconds(4.2 * size * groups * c * m + 0.5 * far, dtype)
    return 2e-4 + step * (0.53 * rows * c + (1 + min(spec.rank, 2)) * (3.3 * spilled * inputs + 3 * rows)) + moved


def _stretches(tiling: Tiling, images: int, channels: int) -> list[tuple[int, int]]:
    count = images * tiling.tiles
    return _shares(count, count * tiling.size * channels)


@lru_cache(64)
def zeros(count: int, dtype: np.dtype[Any]) -> Array:
    return memory.table(np.zeros(count, dtype))


def _shares(count: int, numbers: int) -> list[tuple[int, int]]:
    """`count` things, of so many numbers in all, cut into a stretch (first, end) for each thread."""
    parts = max(1, min(parallel.num_threads() if numbers > ALONE else 1, count))
    cuts = [count * i // parts for i in range(parts + 1)]
    return list(zip(cuts, cuts[1:]))


def _transform(which: str, axes: Axes, a: Array, out: Array, first: int, end: int) -> Call:
    """out (*p', R, L) = the matrices `which` along the leading axes of a (*p, R, L), for rows first to end."""
    rows, n = out.shape[1:]
    return toom_cook.transform(out.dtype, which, axes, n).address, a[:, first:], out[:, first:], end - first, rows, n


def _addresses(*functions: Any) -> list[int]:
    return [f.address for f in functions]


def _image(a: Array, tiling: Tiling, points: Sequence[int], padding: Sequence[tuple[int, int]] | None = None) -> tuple[Any, ...]:
    """Where a (N, *n, C) begins, the tables of its tiles of so many points, and how far one image is from the next."""
    rank, steps = a.ndim - 2, tuple(stride // a.itemsize for stride in a.strides)
    before = tuple(p for p, _ in padding or ((0, 0),) * rank)
    tables = _tables(a.shape[1:-1], steps[1:-1], tiling.count, tiling.spread, tiling.points, tuple(points), before)
    return a, *tables, steps[0]


@memory.remembered(256)
def _tables(*axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Where point q of tile i lies is a sum of two entries [i, q]: one for all axes but the last (in C order), one for the last."""
    *most, last = (table(*axis) for axis in zip(*axes))
    outer = np.zeros((1, 1), np.int64)
    for inner in most:
        outer = (outer[:, None, :, None] + inner[:, None]).reshape(len(outer) * len(inner), -1)
        outer[outer <= OUTSIDE // 2] = OUTSIDE
    return memory.table(outer), memory.table(last)


def table(n: int, step: int, count: int, spread: int, outputs: int, points: int, before: int) -> Array:
    """Where points of tiles lie along one axis, (count * spread, points): `spread` tiles lie side by side, their points that far apart."""
    starts = spread * outputs * np.arange(count)[:, None] + np.arange(spread)
    at = starts.reshape(-1, 1) + spread * np.arange(points) - before
    return np.where((at >= 0) & (at < n), at * step, OUTSIDE)
