"""Convolution as matrix products over tiles of windows (im2col), never more than a tile at a time.

A tile of the output is a box of points; its windows, copied next to one another, are a matrix with one row per point, and the tile is that
matrix times the kernel. All arrays are worked on channels-last, where a window is a few long pieces of memory.

A product with few columns leaves BLAS's registers empty. Then neighbours along the last axis are made as channels of one point: what they
see together is one window, and the kernel stands in its matrix once for each of them, shifted, between zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from math import isfinite, prod
from typing import Any

import numpy as np

from . import blas, memory, parallel
from .geometry import ConvSpec
from .memory import Array
from .phases import Target
from .slabs import Box, boxes, copy_pieces, dense, fetch, lengths, split, windows

TILE = 1 << 21  # bytes of windows side by side
IMAGE = 256  # points from which an image deserves a product of its own
MOST = 8  # points made as one
ALONE = 1 << 21  # multiply-adds below which a second thread does not pay


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), tile by tile."""
    q, run = _abreast(kernels.shape[-2], kernels.shape[-1], spec, kernels.dtype)
    if q > 1:
        with np.errstate(over="ignore", invalid="ignore"):
            if _deliver(x, side_by_side(kernels, spec, q), run, target, q):
                return
    _deliver(x, kernels, spec, target, 1)  # here an infinity meets no zeros but the kernel's own


def _deliver(x: Array, kernels: Array, spec: ConvSpec, target: Target, q: int) -> bool:
    """Delivers q points as one; whether all of them are finite, which is asked if there are several."""
    groups, p = kernels.shape[0], kernels.shape[-1]
    matrix = kernels.reshape(groups, -1, p)
    infinite = []

    def work(slab: Box) -> None:
        for box, columns in _columns(x, spec, slab, matrix, q):
            tile = target.tile(box)
            np.matmul(columns, matrix, out=tile.reshape(len(columns), -1, groups, p).swapaxes(1, 2))
            if q > 1 and not isfinite(np.add.reduce(tile, None)):
                infinite.append(box)
            target.put(box, tile)

    slabs = split(spec, x.shape[0], x.shape[-1], matrix.itemsize, _parts(x.shape[0] * prod(spec.out) * matrix.size))
    with blas.single_blas():
        parallel.run(slabs, work)
    return not infinite


def weight_grad(x: Array, g: Array, spec: ConvSpec, dtype: np.dtype[Any]) -> Array:
    """Windows transposed times cotangents, summed over tiles."""
    groups, m, c = spec.groups, g.shape[-1] // spec.groups, x.shape[-1] // spec.groups
    q, run = _abreast(c, m, spec, dtype)
    totals = [np.zeros((groups, prod(run.kernel) * c, q * m), dtype) for _ in range(parallel.num_threads())]

    def share(slabs: Sequence[Box], part: int) -> None:
        for slab in slabs:
            for box, columns in _columns(x, run, slab, totals[part], q):
                given = g[box]
                if len(columns) < len(given) or given.dtype != dtype:
                    given = dense(given, dtype)
                operand = _for_blas(given.reshape(len(columns), -1, groups, q * m).swapaxes(1, 2))  # (n, G, points, M/G)
                products = memory.scratch("sum", (len(columns), *totals[part].shape), dtype)
                np.matmul(columns.swapaxes(2, 3), operand, out=products)
                for product in products:
                    totals[part] += product

    slabs = split(run, x.shape[0], x.shape[-1], dtype.itemsize, _parts(g.size * totals[0].shape[1]))
    with blas.single_blas():
        parts = parallel.run_parts(slabs, share)
    total = sum(totals[1:parts], start=totals[0]).reshape(groups, *run.kernel, c, q, m)
    return np.asarray(sum(total[at] for at in _places(spec, q)))


@lru_cache(1024)
def abreast(spec: ConvSpec, q: int) -> ConvSpec:
    """The spec whose points are q neighbours along the last axis; the last of them may reach beyond the end."""
    k, s, count = spec.kernel[-1] + spec.stride[-1] * (q - 1), spec.stride[-1] * q, -(-spec.out[-1] // q)
    before = spec.padding[-1][0]
    padding = before, s * (count - 1) + k - spec.size[-1] - before
    return replace(spec, kernel=(*spec.kernel[:-1], k), stride=(*spec.stride[:-1], s), padding=(*spec.padding[:-1], padding))


def side_by_side(kernels: Array, spec: ConvSpec, q: int) -> Array:
    """The kernels (1, *k, C, P) of q neighbours in the window they share, (1, *k', C, q * P)."""
    *lead, k, c, p = kernels.shape
    shifted = np.zeros((*lead, k + spec.stride[-1] * (q - 1), c, q, p), kernels.dtype)
    for at in _places(spec, q):
        shifted[at] = kernels
    return shifted.reshape(*shifted.shape[:-2], q * p)


def _places(spec: ConvSpec, q: int) -> list[tuple[Any, ...]]:
    """Where the kernel of each of q neighbours stands in (1, *k', C, q, P)."""
    if not spec.rank:
        return [(..., 0, slice(None))]
    k, starts = spec.kernel[-1], (spec.stride[-1] * j for j in range(q))
    return [(..., slice(start, start + k), slice(None), j, slice(None)) for j, start in enumerate(starts)]


@lru_cache(1024)
def _abreast(c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[int, ConvSpec]:
    """How many neighbours along the last axis are made as one point of c and m channels per group, and the spec of such points."""
    if spec.groups > 1 or prod(spec.kernel) == 1 or spec.dilation[-1] > 1 or dtype.char not in "fd":
        return 1, spec
    runs = [(q, abreast(spec, q)) for q in range(1, MOST + 1) if spec.out[-1] % q == 0]
    return min(runs, key=lambda run: _seconds(1, c, run[0] * m, run[1], dtype))


def is_product(spec: ConvSpec) -> bool:
    """Whether it is one of matrices as they lie, at every point that of its channels."""
    return all(k == s == 1 and a == b == 0 for k, s, (a, b) in zip(spec.kernel, spec.stride, spec.padding))


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    q, run = _abreast(c // spec.groups, m // spec.groups, spec, dtype)
    taps = prod(run.kernel) * c // run.groups
    return 1.2e-3 + _seconds(n, c, q * m, run, dtype), 3 * max(TILE, min(2 * taps * q * m * dtype.itemsize, 8 * TILE))


def _seconds(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> float:
    """Of one thread: products at BLAS's rate, the copies of windows, dear where their pieces are short, and all that goes in and out."""
    points, taps, per_group = n * prod(spec.out), prod(spec.kernel) * c // spec.groups, m / spec.groups
    seconds = blas.product_seconds(points * taps * m, per_group, taps, dtype)
    piece = c // spec.groups * (spec.kernel[-1] if spec.rank and spec.groups == spec.dilation[-1] == 1 else 1) * dtype.itemsize
    copied = 0 if is_product(spec) and spec.groups == 1 else points * taps * spec.groups
    moved = (0.85 + 14 / piece) * copied + points * m + n * c * prod(spec.size) + 10 * taps * m
    return 1.05 * seconds + blas.moved_seconds(moved, dtype)


def _columns(x: Array, spec: ConvSpec, slab: Box, matrix: Array, q: int) -> Iterator[tuple[Box, Array]]:
    """The tiles of a slab, each with its windows as matrices (n, G, points, taps), for all its images in one (n = 1) where they are small.

    A point of the spec is q points of the tile. Windows are copied into scratch unless they are matrices already.
    Those of a 1 x 1 kernel are, channels-first too: BLAS transposes.
    """
    groups, taps, dtype = spec.groups, matrix.shape[1], matrix.dtype
    if x.dtype == dtype and is_product(spec):
        yield slab, _for_blas(x[slab].reshape(lengths(slab)[0], -1, groups, taps).swapaxes(1, 2))
        return
    view = windows(fetch(x, spec, slab, dtype), spec, lengths(slab)[1:])
    row, limit = taps * groups * matrix.itemsize, max(TILE, min(2 * matrix.nbytes, 8 * TILE))  # BLAS packs the matrix once per product
    for inner in boxes(lengths(slab), lambda shape: prod(shape) * row, limit):
        windows_of_tile = view[(slice(None), *inner)]  # (G, n, *o, *k, C/G)
        if not windows_of_tile.flags.c_contiguous:
            copy = memory.scratch("columns", windows_of_tile.shape, dtype)
            copy_pieces(copy, windows_of_tile)
            windows_of_tile = copy
        n, *size = lengths(inner)
        images = n if prod(size) >= IMAGE else 1
        box = [slice(outer.start + part.start, outer.start + part.stop) for outer, part in zip(slab, inner)]
        if q > 1:
            box[-1] = slice(q * box[-1].start, q * box[-1].stop)
        yield tuple(box), windows_of_tile.reshape(groups, images, -1, taps).swapaxes(0, 1)


def _for_blas(a: Array) -> Array:
    """`a` itself where the rows or the columns of its matrices are dense, else a copy."""
    return a if a.itemsize in a.strides[-2:] else np.ascontiguousarray(a)


def _parts(macs: int) -> int:
    return parallel.num_threads() if macs > ALONE else 1
