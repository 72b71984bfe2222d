"""Convolution as matrix products over tiles of windows (im2col), never more than a tile at a time.

A tile of the output is a box of points; its windows, copied next to one another, are a matrix with one row per point, and the tile is that
matrix times the kernel. All arrays are worked on channels-last, where a window is a few long pieces of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, memory, parallel, phases
from .geometry import ConvSpec
from .phases import Target, wide_dtype
from .slabs import Box, boxes, copy_windows, dense, fetch, lengths, split, windows

Array = NDArray[Any]

TILE = 1 << 20  # bytes of windows side by side
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
    with blas.single_blas():
        parallel.run(slabs, work)


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
                    sums[part] += np.matmul(columns.swapaxes(1, 2), tile, out=memory.scratch("sum", (groups, taps, m), wide))
                else:
                    sums[part] = np.matmul(columns.swapaxes(1, 2), tile)

    slabs = split(spec, x.shape[0], x.shape[1], wide.itemsize, _parts(g.size * taps))
    with blas.single_blas():
        parallel.run_parts(slabs, share)
    return phases.as_weight(phases.total(sums).reshape(groups, *spec.kernel, c, m), dtype)


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: products at BLAS's rate, and the copies of windows, dear where their pieces are short."""
    points, taps, per_group = n * prod(spec.out), prod(spec.kernel) * c // spec.groups, m / spec.groups
    seconds = blas.product_seconds(points * taps * m, per_group, taps, dtype)
    piece = c // spec.groups * (spec.kernel[-1] if spec.rank and spec.dilation[-1] == 1 else 1) * dtype.itemsize
    copied = points * taps * spec.groups if prod(spec.kernel) > 1 or spec.groups > 1 else 0
    moved = (copied + points * m) * dtype.itemsize
    return 6e-5 + seconds + (0.03 + 4 / piece) * 1e-9 * moved, 3 * max(TILE, min(2 * taps * m * dtype.itemsize, 8 * TILE))


def _columns(view: Array, taps: int) -> Array:
    """Windows (G, n, *o, *k, C/G) as matrices (G, points, taps), copied into scratch unless they are one already."""
    shape = (view.shape[0], view.size // max(1, view.shape[0] * taps), taps)
    if view.flags.c_contiguous:
        return view.reshape(shape)
    columns = memory.scratch("columns", view.shape, view.dtype)
    copy_windows(columns, view)
    return columns.reshape(shape)


def _tiles(slab: Box, row: int, limit: int) -> list[tuple[Box, Box]]:
    """The tiles of a slab, as boxes of the whole output and as boxes of the slab."""
    inner = boxes(lengths(slab), lambda shape: prod(shape) * row, limit)
    return [(tuple(slice(p.start + q.start, p.start + q.stop) for p, q in zip(slab, box)), box) for box in inner]


def _parts(macs: int) -> int:
    return parallel.num_threads() if macs > ALONE else 1
