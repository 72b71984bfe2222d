"""Convolution as matrix products over tiles of windows (im2col), never more than a tile at a time.

A tile of the output is a box of points; its windows, copied next to one another, are a matrix with one row per point, and the tile is that
matrix times the kernel. All arrays are worked on channels-last, where a window is a few long pieces of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import log2, prod
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import phases, tiles
from .geometry import ConvSpec
from .phases import Target, wide_dtype
from .slabs import Box, boxes, copy_windows, dense, fetch, lengths, split, windows

Array = NDArray[Any]

TILE = 1 << 20  # bytes of windows side by side
SMALL = 1 << 18  # multiply-adds that BLAS does on one thread anyway
ALONE = 1 << 21  # multiply-adds below which a second thread does not pay


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), tile by tile."""
    groups, p = kernels.shape[0], kernels.shape[-1]
    taps = prod(kernels.shape[1:-1])
    matrix = kernels.reshape(groups, taps, p)
    row = taps * groups * matrix.itemsize
    limit = max(TILE, min(2 * matrix.nbytes, 8 * TILE))  # BLAS packs the matrix once per product: worth it only for many rows

    def work(slab: Box) -> None:
        view = windows(fetch(x, spec, slab, matrix.dtype), spec, lengths(slab)[1:])
        for box, inner in _tiles(slab, row, limit):
            tile = target.tile(box)
            np.matmul(_columns(view[(slice(None), *inner)], taps), matrix, out=tile.reshape(-1, groups, p).swapaxes(0, 1))
            target.put(box, tile)

    slabs = split(spec, x.shape[0], x.shape[-1], matrix.itemsize, _parts(x.shape[0] * prod(spec.out) * matrix.size))
    with tiles.single_blas():
        tiles.run(slabs, work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o): windows transposed times cotangents, summed over tiles."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    groups, m, c = spec.groups, g.shape[1] // spec.groups, x.shape[1] // spec.groups
    taps = prod(spec.kernel) * c
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    sums: dict[int, Array] = {}
    row, limit = taps * groups * wide.itemsize, max(TILE, min(2 * groups * taps * m * wide.itemsize, 8 * TILE))

    def share(slabs: Sequence[Box], part: int) -> None:
        for slab in slabs:
            view = windows(fetch(last, spec, slab, wide), spec, lengths(slab)[1:])
            for box, inner in _tiles(slab, row, limit):
                columns = _columns(view[(slice(None), *inner)], taps)
                tile = dense(cotangents[box], wide).reshape(-1, groups, m).swapaxes(0, 1)  # (G, points, M/G)
                if part in sums:
                    sums[part] += np.matmul(columns.swapaxes(1, 2), tile, out=tiles.scratch("sum", (groups, taps, m), wide))
                else:
                    sums[part] = np.matmul(columns.swapaxes(1, 2), tile)

    slabs = split(spec, x.shape[0], x.shape[1], wide.itemsize, _parts(g.size * taps))
    with tiles.single_blas():
        tiles.run_parts(slabs, share)
    return phases.as_weight(phases.total(sums).reshape(groups, *spec.kernel, c, m), dtype)


def matmul(a: Array, b: Array) -> Array:
    """np.matmul, its work split over our threads where it is large: two pools of threads would fight for the same cores."""
    if a.ndim < 2 or b.ndim < 2 or a.size * b.shape[-1] < SMALL or np.result_type(a, b).char not in "fdFD":
        return np.asarray(np.matmul(a, b))
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        return matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    out = tiles.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    parts = tiles.num_threads() if a.size * b.shape[-1] > ALONE else 1
    axis = next((i for i, n in enumerate(batch) if n >= 2 * parts), out.ndim - 2 if out.shape[-2] >= out.shape[-1] else out.ndim - 1)
    cuts = [out.shape[axis] * i // parts for i in range(parts + 1)]
    lead = (slice(None),) * axis

    def work(part: int) -> None:
        at = (*lead, slice(cuts[part], cuts[part + 1]))
        np.matmul(a if axis == out.ndim - 1 else a[at], b if axis == out.ndim - 2 else b[at], out=out[at])

    with tiles.single_blas():
        tiles.run(range(parts), work)
    return out


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: products at BLAS's rate, and the copies of windows, dear where their pieces are short."""
    points, taps, per_group = n * prod(spec.out), prod(spec.kernel) * c // spec.groups, m / spec.groups
    seconds = product_seconds(points * taps * m, per_group, taps, dtype)
    piece = c // spec.groups * (spec.kernel[-1] if spec.rank and spec.dilation[-1] == 1 else 1) * dtype.itemsize
    copied = points * taps * spec.groups if prod(spec.kernel) > 1 or spec.groups > 1 else 0
    moved = (copied + points * m) * dtype.itemsize
    return 6e-5 + seconds + (0.03 + 4 / piece) * 1e-9 * moved, 3 * max(TILE, min(2 * taps * m * dtype.itemsize, 8 * TILE))


def product_seconds(macs: float, rows: float, columns: float, dtype: np.dtype[Any]) -> float:
    """What multiply-adds cost one thread in a matrix product of which one side is only so wide."""
    real = 4 if dtype.kind == "c" else 1
    width = dtype.itemsize // (2 if real == 4 else 1) / 4
    slow = 1 if dtype.char in "fdFD" else 100
    return 2 * macs * real * width * slow * (1 + 5 / rows) * (1 + 5 / columns) / _flops_per_second()


@cache
def _flops_per_second() -> float:
    """Of one thread in float32, measured once in a millisecond or two; a power of the root of two, so that choices do not flicker."""
    a = np.ones((256, 256), np.float32)
    out = np.empty_like(a)
    best = 1.0
    with tiles.single_blas():
        for _ in range(5):
            start = perf_counter()
            np.matmul(a, a, out=out)
            best = min(best, perf_counter() - start)
    return float(2.0 ** (round(2 * log2(2 * 256**3 / best)) / 2))


def _columns(view: Array, taps: int) -> Array:
    """Windows (G, n, *o, *k, C/G) as matrices (G, points, taps), copied into scratch unless they are one already."""
    shape = (view.shape[0], view.size // max(1, view.shape[0] * taps), taps)
    if view.flags.c_contiguous:
        return view.reshape(shape)
    columns = tiles.scratch("columns", view.shape, view.dtype)
    copy_windows(columns, view)
    return columns.reshape(shape)


def _tiles(slab: Box, row: int, limit: int) -> list[tuple[Box, Box]]:
    """The tiles of a slab, as boxes of the whole output and as boxes of the slab."""
    inner = boxes(lengths(slab), lambda shape: prod(shape) * row, limit)
    return [(tuple(slice(p.start + q.start, p.start + q.stop) for p, q in zip(slab, box)), box) for box in inner]


def _parts(macs: int) -> int:
    return tiles.num_threads() if macs > ALONE else 1
