"""Convolution by Toom-Cook (Winograd) transforms: fewer multiplications for small kernels at stride 1.

A correlation of k taps that gives m points is m * k products, but the transpose of a product of polynomials of m and k coefficients, and
that is known from its values at t = m + k - 1 points: y = A'[(G w) * (B' x)], one product per point. In r dimensions the matrices are
Kronecker products, and with channels each point's product is a matrix product. The price is rounding, which grows with t.
With dilation d, outputs d apart see inputs d apart: a block of d * m outputs is d tiles side by side, one for each remainder.

Source: Winograd, Arithmetic complexity of computations (1980); Lavin & Gray, Fast algorithms for convolutional neural networks (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, engines, memory, parallel, phases
from .blas import product_seconds
from .geometry import ConvSpec
from .phases import Target, wide_dtype
from .slabs import Box, boxes, fetch, lengths, windows

Array = NDArray[Any]

PRECISION = {"fast": 6, "high": 4}  # the most points of a tile in float32
LIMIT = 4  # in float64, where errors stay near 1e-14
POINTS = {4: 5, 8: 2}  # the most outputs of a tile, by bytes per real number
NODES = {  # by number of points, the last of which is infinity; found by search for the least growth of rounding errors
    1: (),
    2: (0.0,),
    3: (0.0, 1.0),
    4: (0.0, 1.0, -1.0),
    5: (0.0, -1.0, 0.5, 1.5),
    6: (0.0, 0.75, -0.75, 1.5, -1.5),
}
BATCH = 1 << 22  # bytes of tiles one thread works on at a time
LONG = 64  # from about where on products are at their best
KRONECKER = 16  # the largest transform of several axes made as one matrix


def set_conv_precision(name: str) -> None:
    """How far convolutions in float32 may trade digits for speed: "fast" (the default) or "high". For the whole process.

    Largest error over largest value, in 1 to 4 dimensions with up to 256 channels, against float64:
    gemm 8e-7, igemm 2e-6, fft 5e-7; Toom-Cook (winograd) on tiles of 3 or 4 points 8e-7, of 5 or 6 points 5e-6: "high" leaves these out.
    In float64 every algorithm stays below 1e-13, whatever is set.
    """
    global _setting
    if name not in PRECISION:
        raise ValueError(f"set_conv_precision: there is no precision {name!r}; use one of {', '.join(map(repr, PRECISION))}")
    _setting = name


def conv_precision() -> str:
    """The precision in use: "fast" or "high"."""
    return _setting


_setting = "fast"


@engines.compiled_in("winograd")
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), a batch of tiles at a time."""
    (groups, *_, c, p), dtype, r = kernels.shape, kernels.dtype, spec.rank
    tiling = plan(x.shape[0], c, p, spec, dtype)
    a, b, k = (_matrices(tiling, which, dtype) for which in range(3))
    interleave = (r, *(axis for i in range(r) for axis in (r + 1 + i, i, 2 * r + 1 + i)), 3 * r + 1)  # to (n, T0, m0, d0, T1, .., P)

    def work(batch: Box) -> None:
        seen = _apply(b, _cut(x, tiling.windows, tiling.length, batch, dtype), "x").reshape(tiling.size, -1, groups, c)
        products = memory.scratch("products", (*seen.shape[:-1], p), dtype)
        np.matmul(seen.transpose(0, 2, 1, 3), values, out=products.transpose(0, 2, 1, 3))
        y = _apply(a, products.reshape(*tiling.length, -1), "y")
        y = y.reshape(*tiling.points, *lengths(batch), *tiling.spread, groups * p).transpose(interleave)
        box = (batch[0], *(slice(t.start * m, min(t.stop * m, o)) for t, m, o in zip(batch[1:], tiling.windows.stride, spec.out)))
        tile = target.tile(box)
        if tile.size == y.size:
            tile.reshape(y.shape)[...] = y
        else:
            covered = (t * m for t, m in zip(lengths(batch)[1:], tiling.windows.stride))
            whole = memory.scratch("whole", (y.shape[0], *covered, groups * p), dtype)
            whole.reshape(y.shape)[...] = y
            tile[...] = whole[tuple(slice(0, n) for n in tile.shape)]
        target.put(box, tile)

    with blas.single_blas():
        values = _apply(k, np.moveaxis(kernels, 0, -3).reshape(*spec.kernel, -1), "w").reshape(tiling.size, groups, c, p)
        parallel.run(tiling.batches(x.shape[0], x.shape[-1] + groups * p, groups * c * p, dtype.itemsize), work)


@engines.compiled_in("winograd")
def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o): the transpose in w, G'[(B' x) * (A g)], summed over tiles."""
    dtype = np.result_type(x, g)
    wide, r = wide_dtype(dtype), spec.rank
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    tiling = plan(x.shape[0], c, m, spec, wide)
    a, b, k = (_matrices(tiling, which, wide) for which in range(3))
    given = ConvSpec(spec.out, tiling.windows.stride, tiling.windows.stride, ((0, 0),) * r, (1,) * r)
    sums: dict[int, Array] = {}

    def share(batches: Sequence[Box], part: int) -> None:
        for batch in batches:
            seen = _apply(b, _cut(last, tiling.windows, tiling.length, batch, wide), "x").reshape(tiling.size, -1, groups, c)
            asked = _apply([matrix.T for matrix in a], _cut(cotangents, given, tiling.points, batch, wide), "g")
            asked = asked.reshape(tiling.size, -1, groups, m)
            operands = seen.transpose(0, 2, 3, 1), asked.transpose(0, 2, 1, 3)
            if part in sums:
                sums[part] += np.matmul(*operands, out=memory.scratch("sum", (tiling.size, groups, c, m), wide))
            else:
                sums[part] = np.matmul(*operands)

    with blas.single_blas():
        parallel.run_parts(tiling.batches(x.shape[0], x.shape[1] + g.shape[1], groups * c * m, wide.itemsize), share)
        dw = _apply([matrix.T for matrix in k], phases.total(sums).reshape(*tiling.length, -1), "w").reshape(*spec.kernel, groups, c, m)
    return phases.as_weight(np.moveaxis(dw, -3, 0).copy(), dtype)


def _cut(x: Array, block: ConvSpec, points: Sequence[int], batch: Box, dtype: np.dtype[Any]) -> Array:
    """The tiles in the blocks of a batch, point by point: (*t, tiles * C) of x (N, *n, C)."""
    r = block.rank
    view = windows(fetch(x, block, batch, dtype), block, lengths(batch)[1:])[0]  # (n, *T, *(t d), C)
    view = view.reshape(*view.shape[: 1 + r], *(n for t, k in zip(points, block.kernel) for n in (t, k // t)), -1)
    view = view.transpose(*range(1 + r, 1 + 3 * r, 2), *range(1 + r), *range(2 + r, 2 + 3 * r, 2), 1 + 3 * r)  # (*t, n, *T, *d, C)
    cut = memory.scratch("cut", view.shape, dtype)
    cut[...] = view
    return cut.reshape(*points, -1)


def _apply(matrices: list[Array], a: Array, key: str) -> Array:
    """The Kronecker product of the matrices times a (*t, L), some axes at a time."""
    rest, done = a.reshape(1, -1), 1
    for i, matrix in enumerate(matrices):
        rows, columns = matrix.shape
        columns_first = rest.reshape(done, columns, -1)
        out = memory.scratch((key, i), (done, rows, columns_first.shape[-1]), a.dtype)
        np.matmul(matrix, columns_first, out=out)
        done *= rows
        rest = out.reshape(done, -1)
    return rest


@lru_cache(64)
def toom_cook(m: int, k: int) -> tuple[Array, Array, Array]:
    """A' (m, t), B' (t, t) and G (t, k) with t = m + k - 1, in float64.

    The values at the nodes p_i of the polynomials are V = [p_i^j], at infinity the leading coefficient. Its inverse holds the Lagrange
    polynomials prod_j (x - p_j) / (p_i - p_j): their numerators are the rows of B', their denominators go to G.
    """
    t = m + k - 1
    nodes = NODES[t]
    powers = np.array([[p**j for j in range(t)] for p in nodes]).reshape(t - 1, t)
    top = np.eye(t)
    numerators = [np.atleast_1d(np.poly([q for q in nodes if q != p]))[::-1] for p in nodes]
    whole = np.atleast_1d(np.poly(nodes))[::-1]
    denominators = [prod(p - q for q in nodes if q != p) for p in nodes]
    b = np.zeros((t, t))
    for row, numerator in zip(b, [*numerators, whole]):
        row[: len(numerator)] = numerator
    a = np.vstack([powers[:, :m], top[m - 1 : m, :m]]).T
    g = np.vstack([powers[:, :k] / np.reshape(denominators, (t - 1, 1)), top[k - 1 : k, :k]])
    return a, b, g


@lru_cache(256)
def _matrices(tiling: Tiling, which: int, dtype: np.dtype[Any]) -> list[Array]:
    """One of A', B', G for all axes, neighbours merged while that stays small."""
    real = np.float32 if _precision(dtype) == 4 else np.float64
    merged: list[Array] = []
    for m, t in zip(tiling.points, tiling.length):
        matrix = toom_cook(m, t - m + 1)[which]
        if merged and len(merged[-1]) * len(matrix) <= KRONECKER:
            merged[-1] = np.kron(merged[-1], matrix)
        else:
            merged.append(matrix)
    return [matrix.astype(real) for matrix in merged]


def _precision(dtype: np.dtype[Any]) -> int:
    return {"f": 4, "e": 4, "d": 8}.get(dtype.char, 0)


def _limit(dtype: np.dtype[Any]) -> int:
    return PRECISION[_setting] if _precision(dtype) == 4 else LIMIT


@dataclass(frozen=True)
class Tiling:
    """Tiles of `length` per axis, each giving `points` outputs, in blocks of `spread` tiles side by side.

    `windows` is the spec whose windows the blocks are.
    """

    length: tuple[int, ...]
    points: tuple[int, ...]
    windows: ConvSpec
    spread: tuple[int, ...]
    count: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.length)

    def batches(self, n: int, channels: int, products: int, itemsize: int) -> list[Box]:
        """Boxes of (N, *blocks)."""
        total, limit = n * prod(self.count), self.limit(channels, products, itemsize)
        return boxes((n, *self.count), prod, max(1, min(limit, -(-total // (2 * parallel.num_threads())))))

    def limit(self, channels: int, products: int, itemsize: int) -> int:
        """Blocks of a batch; so many that the products outweigh the reading of their weights."""
        return max(BATCH, self.size * products * itemsize) // (2 * self.size * prod(self.spread) * channels * itemsize)


def plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Tiling:
    """The tiles that cost least: products of channels, transforms and moves, each at its own rate."""
    return _plan(n, c, m, spec, _limit(dtype), POINTS[_precision(dtype)])


@lru_cache(1024)
def _plan(n: int, c: int, m: int, spec: ConvSpec, limit: int, most: int) -> Tiling:
    options = [[1] if k == 1 else range(2, min(limit - k + 1, most) + 1) for k in spec.kernel]
    found = [_tiling(spec, points) for points in product(*options)]
    return min(found, key=lambda tiling: sum(_macs(tiling, n, c, m)))


def _tiling(spec: ConvSpec, points: tuple[int, ...]) -> Tiling:
    length = tuple(p + k - 1 for p, k in zip(points, spec.kernel))
    spread = tuple(d if k > 1 else 1 for d, k in zip(spec.dilation, spec.kernel))
    blocks, seen = (tuple(d * n for d, n in zip(spread, of)) for of in (points, length))
    count = tuple(-(-o // b) for o, b in zip(spec.out, blocks))
    return Tiling(length, points, ConvSpec(spec.size, seen, blocks, spec.padding, (1,) * spec.rank), spread, count)


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Why these transforms cannot do a correlation, or None."""
    if any(s != 1 for s in spec.stride):
        return f"takes stride 1, not {spec.stride}"
    if not _precision(dtype):
        return f"takes float32 and float64, not {dtype}"
    limit = _limit(dtype)
    if max(spec.kernel, default=1) < 2 or max(spec.kernel) >= limit:
        return f"takes kernels of 2 to {limit - 1} in {dtype}, not {spec.kernel}"
    return None


@engines.compiled_in("winograd")
def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    c, m = max(1, c // spec.groups), max(1, m // spec.groups)
    tiling = plan(n, c, m, spec, dtype)
    weights = tiling.size * c * m * spec.groups * dtype.itemsize
    batches = 1 + n * prod(tiling.count) / max(1, tiling.limit(spec.groups * (c + m), spec.groups * c * m, dtype.itemsize))
    calls = 2.4e-4 + 2e-4 * spec.rank + 1e-7 * tiling.size * spec.groups * batches
    products, moves = (spec.groups * macs for macs in _macs(tiling, n, c, m))
    seconds = product_seconds(products, m, c, dtype) + product_seconds(moves, LONG, LONG, dtype)
    return calls + seconds + 5e-10 * weights, max(BATCH, weights) + 2 * weights


def _macs(tiling: Tiling, n: int, c: int, m: int) -> tuple[float, float]:
    """Of products, and of transforms and moves, per group, each weighed by what it was seen to cost."""
    total, t, p = n * prod(tiling.count) * prod(tiling.spread), tiling.size, prod(tiling.points)
    moves = t * (1.5 * min(t, KRONECKER) * c + 2.5 * min(p, KRONECKER) * m) + 35 * t * c + 23 * (t + p) * m
    return float(total * t * c * m), total * moves * (2 + len(tiling.length)) / 4  # more axes are more passes
