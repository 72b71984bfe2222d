"""Convolution by Toom-Cook (Winograd) transforms: fewer multiplications for small kernels at stride 1.

In one dimension y = A'[(G w) * (B' x)], tile by tile (see toom_cook). In r dimensions the matrices are Kronecker products, and with
channels each point's product is a matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import blas, engines, memory, parallel
from .geometry import ConvSpec
from .memory import Array
from .phases import Target
from .slabs import Box, boxes, fetch, lengths
from .tilings import BATCH, KRONECKER, Tiling, cover
from .toom_cook import most_points, real_bytes, toom_cook

Chain = list[tuple[int, Array]]  # (batch, a matrix (rows, columns) for an array (batch, columns, ..)), one after another

WEIGHTS = 1 << 14  # weights transformed at a time


@engines.compiled_in("winograd")
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), a batch of tiles at a time."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    tiling, channels = cover(x.shape[0], c, p, spec, dtype).tiling, x.shape[-1] + groups * p
    matrices, taps = _matrices(tiling, dtype), tiling.taps
    rows = kernels.reshape(groups, -1, taps * c * p)
    made = memory.empty((groups, tiling.size, taps * c * p), dtype)
    weights = made.reshape(groups, -1, taps * c, p).swapaxes(0, 1)  # (t, G, K, P)

    def prepare(box: Box) -> None:
        some, columns = box
        np.matmul(matrices.g, rows[some, :, columns], out=made[some, :, columns])

    def work(batch: Box) -> None:
        seen = apply(matrices.b, cut(x, tiling, tiling.windows, tiling.length, batch, dtype), "x")
        seen = rows_of(seen, groups, tiling, c, taps * c)
        products = memory.scratch("products", (tiling.size, seen.shape[2], groups * taps, p), dtype)
        np.matmul(seen, weights, out=products.swapaxes(1, 2))
        deliver(apply(matrices.a, products.reshape(tiling.size, -1), "y"), tiling, batch, target)

    with blas.single_blas():
        parallel.run(boxes((len(rows), rows.shape[-1]), prod, WEIGHTS), prepare)
        parallel.run(tiling.batches(x.shape[0], channels, groups * c * p, dtype.itemsize), work)


@engines.compiled_in("winograd")
def weight_grad(x: Array, g: Array, spec: ConvSpec, dtype: np.dtype[Any]) -> Array:
    """The transpose in w, G'[(B' x) * (A g)], summed over tiles."""
    groups, c, m = spec.groups, x.shape[-1] // spec.groups, g.shape[-1] // spec.groups
    tiling, parts = cover(x.shape[0], c, m, spec, dtype).tiling, parallel.num_threads()
    matrices, taps = _matrices(tiling, dtype), tiling.taps
    batches = tiling.batches(x.shape[0], x.shape[-1] + g.shape[-1], groups * c * m, dtype.itemsize)
    dw = np.zeros((parts, prod(spec.kernel), groups * c * m), dtype)

    def share(part: int) -> None:
        total = None
        for batch in batches[part::parts]:
            seen = apply(matrices.b, cut(x, tiling, tiling.windows, tiling.length, batch, dtype), "x")
            asked = apply(matrices.a_transposed, cut(g, tiling, tiling.given, tiling.points, batch, dtype), "g")
            seen, asked = rows_of(seen, groups, tiling, c, taps * c), rows_of(asked, groups, tiling, m, m)
            sums = memory.scratch("total" if total is None else "sum", (tiling.size, groups * taps, taps * c, m), dtype)
            np.matmul(seen.swapaxes(2, 3), asked, out=sums)
            total = sums if total is None else np.add(total, sums, out=total)
        if total is not None:
            total = total if taps == 1 else total.sum(1)
            np.matmul(matrices.g.T, total.reshape(tiling.size, -1), out=dw[part].reshape(matrices.g.shape[1], -1))

    with blas.single_blas():
        parallel.run(range(parts), share)
    return np.moveaxis(dw.sum(0).reshape(*spec.kernel, groups, c, m), -3, 0)


def cut(x: Array, tiling: Tiling, block: ConvSpec, points: Sequence[int], batch: Box, dtype: np.dtype[Any]) -> Array:
    """The tiles of so many points in the blocks of a batch of x (N, *n, C), point by point: (t, (n, T0, d0, T1, d1, .., line, C)).

    Zeros fill lines up, and follow the last as far as `rows_of` looks.
    """
    slab = fetch(x, block, batch, dtype)
    image, *steps, channel = slab.strides
    within = [d * step for d, step in zip(tiling.spread, steps)]
    sides = (side for s, step in zip(block.stride, steps) for side in (s * step, step))
    axes = len(tiling.axes)
    tile, given, channels = points[:axes], prod(points[axes:]), x.shape[-1]
    lead = *tile, *tiling.sides(batch)
    seen = as_strided(slab, (*lead, given, channels), (*within[:axes], image, *sides, within[-1], channel))
    if tiling.fourier and seen.flags.c_contiguous:
        return seen.reshape(prod(tile), -1)
    line = given if tiling.fourier else tiling.line
    count = prod(lead[axes:]) * line
    room = 0 if tiling.fourier else -count % tiling.taps + tiling.taps - 1
    tiles = memory.scratch("cut", (prod(tile), count + room, channels), dtype)
    lines = tiles[:, :count].reshape(*lead, line, channels)
    lines[..., :given, :] = seen
    lines[..., given:, :] = tiles[:, count:] = 0
    return tiles.reshape(len(tiles), -1)


def rows_of(a: Array, groups: int, tiling: Tiling, c: int, width: int) -> Array:
    """Matrices (t, G or taps, rows, width) of transformed points a (t, L) of c channels per group.

    What an output sees of a line begins at it and is as long as there are taps. So every taps-th is a row of a matrix that lies in memory
    as BLAS takes it.
    """
    taps, step = tiling.taps, a.itemsize
    each, between = groups * taps, c * step
    shape = len(a), each, (a.shape[1] // (groups * c) - taps + 1) // taps, width
    return as_strided(a, shape, (a.strides[0], between, each * between, step))


def deliver(y: Array, tiling: Tiling, batch: Box, target: Target, part: slice | None = None) -> None:
    """Takes outputs (m, (n, T0, d0, T1, d1, .., line, P)) of a batch to a target; of one tile they may be a part along the second axis."""
    box = tiling.box(batch)
    if part is not None:
        tiling = replace(tiling, points=(tiling.points[0], part.stop - part.start, *tiling.points[2:]))
        box = *box[:2], part, *box[3:]
    y = _in_order(y, tiling, batch, target.channels)
    tile = target.tile(box, dense=False)
    if tile.size == y.size:
        tile.reshape(y.shape)[...] = y  # axes are split, which takes no copy
    else:  # the last blocks reach beyond the image
        whole = y.reshape(len(y), *(t * m * d for t, m, d in zip(lengths(batch)[1:], tiling.points, tiling.spread)), -1)
        tile[...] = whole[tuple(slice(0, n) for n in tile.shape)]
    target.put(box, tile)


def _in_order(y: Array, tiling: Tiling, batch: Box, channels: int) -> Array:
    """(n, T0, m0, d0, T1, .., P) of tiles (m, (n, T0, d0, T1, d1, .., line, P))."""
    axes, rank = len(tiling.axes), len(tiling.points)
    points = prod(tiling.points[axes:])
    shape = *tiling.sides(batch), points if tiling.fourier else tiling.line
    tiles = y[:, : prod(shape) * channels].reshape(*tiling.points[:axes], *shape, channels)[..., :points, :]
    image, line, channel = axes, axes + 2 * rank + 1, axes + 2 * rank + 2
    within = [*range(axes), line]
    order = (axis for i in range(rank) for axis in (image + 1 + 2 * i, within[i], image + 2 + 2 * i))
    return tiles.transpose(image, *order, *within[rank:], channel)


def apply(chain: Chain, a: Array, key: str, out: Array | None = None) -> Array:
    """Matrices times a (t, L), one after another. Both `a` and `out` may be columns of larger arrays."""
    length = a.shape[1]
    for i, (batch, matrix) in enumerate(chain):
        rows, columns = matrix.shape
        if out is not None and i == len(chain) - 1:
            made = out
        else:
            made = memory.scratch((key, i), (len(a) // columns * rows, length), a.dtype)
        whole = a.flags.c_contiguous and made.flags.c_contiguous
        width = a.size // (batch * columns) if whole else length
        given, place = a.reshape(batch, columns, -1, width), made.reshape(batch, rows, -1, width)
        np.matmul(matrix, given.swapaxes(1, 2), out=place.swapaxes(1, 2))
        a = made
    return a


class _Matrices(NamedTuple):
    """A', B' and A for some axes at a time, G for all of them."""

    a: Chain
    b: Chain
    a_transposed: Chain
    g: Array


@lru_cache(256)
def _matrices(tiling: Tiling, dtype: np.dtype[Any]) -> _Matrices:
    real = np.float32 if real_bytes(dtype) == 4 else np.float64
    a, b, g = ([of.astype(real) for of in which] for which in zip(*(toom_cook(*axis) for axis in tiling.axes)))
    return _Matrices(_merged(a), _merged(b), _merged([matrix.T for matrix in a]), reduce(np.kron, g))


def _merged(matrices: list[Array]) -> Chain:
    """Their Kronecker product, neighbours merged while they stay small."""
    merged: list[Array] = []
    for matrix in matrices:
        if merged and max(np.multiply(merged[-1].shape, matrix.shape)) <= KRONECKER:
            merged[-1] = np.kron(merged[-1], matrix)
        else:
            merged.append(matrix)
    return [(prod(len(before) for before in merged[:i]), matrix) for i, matrix in enumerate(merged)]


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Why these transforms cannot do a correlation, or None."""
    if any(s != 1 for s in spec.stride):
        return f"takes stride 1, not {spec.stride}"
    if not real_bytes(dtype):
        return f"takes float32 and float64, not {dtype}"
    limit = most_points(dtype)
    if max(spec.kernel, default=1) < 2 or max(spec.kernel) >= limit:
        return f"takes kernels of 2 to {limit - 1} in {dtype}, not {spec.kernel}"
    return None


@engines.compiled_in("winograd")
def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    c, m = max(1, c // spec.groups), max(1, m // spec.groups)
    tiling, seconds = cover(n, c, m, spec, dtype)
    weights = tiling.size * c * m * spec.groups * dtype.itemsize
    return seconds, max(BATCH, weights) + 2 * weights
