"""Normalisation by blocks: one thread has all numbers of a statistic, reads them once, and writes results while they are in cache.

An array is seen as it lies in memory, in one of two ways. Threads share out its second axis, and no statistic reaches across that:

rows   (A, S, B, M): a statistic is taken over A, B and M; weight and bias differ by S and B (channels before space; batch norm over A)
lanes  (1, S, M, L): a statistic is taken over M and over each of H equal parts of L; weight and bias differ by L (channels after space).
       Where L is small, some of M is folded beside it, for loops want long rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .cells import Axes, number, numpy_tiles, parts_of, row_of, summed, tile_size
from .memory import Array

ALONE = 1 << 16  # elements of one statistic that are not worth being shared by threads
FEW = 64  # rows of lanes that are not worth being folded
SAMPLE = 16  # one number in so many tells where about the mean is


def blocks_of(x: Array, axes: Axes, weight: Array) -> Blocks | None:
    """How x is seen; None where it lies otherwise, or has too few statistics to share out."""
    return _blocks(x.shape, memory.memory_order(x), axes, weight.shape, row_of(x), parallel.num_threads())


@lru_cache(256)
def _blocks(shape: tuple[int, ...], order: Axes, axes: Axes, weight: tuple[int, ...], row: int, threads: int) -> Blocks | None:
    long = [a for a in order if shape[a] != 1]
    kinds = "".join("s" if a not in axes else "q" if weight[a] > 1 else "r" for a in long)
    rows, lanes = re.fullmatch("(r*?)(s*)(q*)(r+)", kinds), re.fullmatch("(s*)(r*)(s*)(q*)", kinds)
    found = rows or lanes
    if found is None or not prod(shape):
        return None
    parts = [[shape[a] for a in long[found.start(i) : found.end(i)]] for i in range(1, 5)]
    of_statistics = long[found.start(2) : found.end(2)] if rows else long[: found.end(1)]
    varying = [weight[a] > 1 for a in of_statistics]
    sizes = [prod(p) for p in parts]
    fits = varying == sorted(varying) if rows else not any(varying) and prod(weight) == sizes[2] * sizes[3]
    if not fits or (sizes[1 if rows else 0] < 2 * threads and prod(shape) > ALONE):
        return None
    kept = [1 if a in axes else shape[a] for a in order]
    return Blocks(order, kept, sizes, weight, 0 if rows else row)


class Blocks:
    """The sizes of an array that is seen by blocks, and of what is found and given per block."""

    def __init__(self, order: Axes, kept: Sequence[int], sizes: Sequence[int], weight: tuple[int, ...], row: int) -> None:
        self.order, self.back, self.kept, self.rows = order, tuple(np.argsort(order).tolist()), kept, not row
        self.parameters, self.folds, self.groups = prod(weight), 1, 1
        if self.rows:
            self.shape, self.cells = tuple(sizes), sizes[2]
        else:
            count, inner, self.groups, lanes = sizes[0], sizes[1], sizes[2], sizes[2] * sizes[3]
            self.folds = next(f for f in range(max(1, min(row // lanes, inner // FEW)), 0, -1) if inner % f == 0)
            self.cells = lanes * self.folds
            self.shape = (1, count, inner // self.folds, self.cells)
        self.count = self.shape[1]

    def view(self, a: Array) -> Array:
        return np.ascontiguousarray(a.transpose(self.order)).reshape(self.shape)

    def given(self, parameter: Array) -> Array:
        """A parameter per cell: (S, B), or (1, folds, H, L / H)."""
        times = self.count * self.cells // self.parameters if self.rows else self.folds
        lying = np.empty((times, self.parameters), parameter.dtype)
        lying[:] = parameter.transpose(self.order).reshape(-1)
        return lying.reshape((self.count, self.cells) if self.rows else (1, self.folds, self.groups, -1))

    def statistic(self, found: Array) -> Array:
        """What was found, (S, H), in the axes of x."""
        return found.reshape(self.kept).transpose(self.back)


def normalise(blocks: Blocks, x: Array, weight: Array, bias: Array, eps: float) -> tuple[Array, Array, Array]:
    """y, and the means and 1 / standard deviations."""
    y, found = memory.empty_like(x), np.empty((2, blocks.count, blocks.groups), x.dtype)
    target = y.transpose(blocks.order).reshape(blocks.shape)
    tile = _normalise_rows if blocks.rows else _normalise_lanes
    _run(tile, blocks, (target, blocks.view(x)), (weight, bias), (), found, number(eps, np.dtype(np.float64)))
    mean, rstd = map(blocks.statistic, found)
    return y, mean, rstd


def gradients(blocks: Blocks, g: Array, x: Array, weight: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """dx, and what comes back to weight and to bias."""
    times = blocks.count * blocks.cells // blocks.parameters
    dx, found = memory.empty_like(x), parts_of(2, times, blocks.parameters, x.dtype)
    target = dx.transpose(blocks.order).reshape(blocks.shape)
    statistics = [np.ascontiguousarray(a.transpose(blocks.order)).reshape(blocks.count, blocks.groups) for a in (mean, rstd)]
    tile = _gradients_rows if blocks.rows else _gradients_lanes
    f = _run(tile, blocks, (target, blocks.view(g), blocks.view(x)), (weight,), statistics, found.reshape(2, blocks.count, blocks.cells))
    dweight, dbias = summed(found, f).reshape(2, *weight.shape)
    return dx, dweight, dbias


def _run(
    tile: Callable[..., None],
    seen: Blocks,
    arrays: Sequence[Array],
    given: Sequence[Array],
    statistics: Sequence[Array],
    found: Array,
    *rest: Array,
) -> Callable[..., None]:
    """tile(*arrays, *parameters, *statistics, found, *rest), or the compiled loop of its name, on all blocks. Returns what ran.

    Parameters are those given; a tile gets them per cell, a loop as they lie in memory.
    """
    x = arrays[-1]
    blocks = x.shape[1]
    loops: Any = engines.compiled("blocks") if x.size >= engines.LEAST and x.dtype.char in "fd" else None
    if loops is not None:
        f = getattr(loops, tile.__name__[1:])
        operands = (*arrays, *[np.ascontiguousarray(p.transpose(seen.order)).reshape(-1) for p in given], *statistics, found, *rest)

        def tasks() -> list[tuple[Any, ...]]:
            step = max(1, engines.share(x.size) * blocks // x.size)
            return [(*operands, i, min(i + step, blocks)) for i in range(0, blocks, step)]

        engines.repeat(f, operands, tasks)
        return f  # type: ignore[no-any-return]
    parameters = *[seen.given(p) for p in given], *statistics

    def work(box: tuple[slice]) -> None:
        (cut,) = box
        tile(*[a[:, cut] for a in arrays], *[p if len(p) == 1 else p[cut] for p in parameters], found[:, cut], *rest)

    with numpy_tiles(x.shape[3]):
        parallel.run(parallel.boxes((blocks,), max(1, tile_size(tile, x.size) * blocks // x.size)), work)
    return tile


# Tiles. Distances are taken from the mean of a sample. It has one in SAMPLE of the numbers, so the square of its distance from the mean of
# all is at most SAMPLE times the variance, and the mean square, less that, has lost a digit at most.


def _normalise_rows(out: Array, x: Array, weight: Array, bias: Array, found: Array, eps: Array) -> None:
    n, m = x.shape[0] * x.shape[2] * x.shape[3], x.shape[3]
    about = x[..., : -(-m // SAMPLE)].mean((0, 2, 3), keepdims=True)  # (1, s, 1, 1)
    np.subtract(x, about, out=out)
    middle = (out @ np.ones(m, x.dtype)).sum((0, 2)) / n
    rstd = 1 / np.sqrt(np.vecdot(out, out).sum((0, 2)) / n - middle * middle + float(eps[0]))
    found[0, :, 0], found[1, :, 0] = about[0, :, 0, 0] + middle, rstd
    scale = found[1] * weight  # (s, B)
    np.multiply(out, scale[..., None], out=out)
    np.add(out, (bias - middle[:, None] * scale)[..., None], out=out)


def _gradients_rows(out: Array, g: Array, x: Array, weight: Array, mean: Array, rstd: Array, found: Array) -> None:
    n, ones = x.shape[0] * x.shape[2] * x.shape[3], np.ones(x.shape[3], x.dtype)
    np.subtract(x, mean[..., None], out=out)
    total, product = (g @ ones).sum(0), np.vecdot(g, out).sum(0) * rstd  # (s, B), of g and of g x̂
    found[0], found[1] = product, total
    slope = (weight * product).sum(1, keepdims=True) * np.square(rstd) / -n
    offset = (weight * total).sum(1, keepdims=True) * rstd / -n
    np.multiply(out, slope[..., None], out=out)
    np.add(out, offset[..., None], out=out)
    np.add(out, np.multiply(g, (rstd * weight)[..., None], out=memory.scratch("scaled", g.shape, g.dtype)), out=out)


def _normalise_lanes(out: Array, x: Array, weight: Array, bias: Array, found: Array, eps: Array) -> None:
    out, x = out[0], x[0]  # (s, M, L)
    split = (len(x), *weight.shape[1:])  # (s, folds, H, lanes of a part)
    n, ones = x.shape[1] * split[1] * split[3], np.ones(x.shape[1], x.dtype)
    about = x[:, : -(-len(ones) // SAMPLE)].mean(1).reshape(split).mean((1, 3), keepdims=True)
    np.subtract(x, _wide(about, split), out=out)
    middle = _merged(ones @ out, split) / n
    squares = ones @ np.square(out, out=memory.scratch("squares", x.shape, x.dtype))
    rstd = 1 / np.sqrt(_merged(squares, split) / n - middle * middle + float(eps[0]))
    found[0], found[1] = (about + middle)[:, 0, :, 0], rstd[:, 0, :, 0]
    scale = rstd * weight
    np.multiply(out, _wide(scale, split), out=out)
    np.add(out, _wide(bias - middle * scale, split), out=out)


def _gradients_lanes(out: Array, g: Array, x: Array, weight: Array, mean: Array, rstd: Array, found: Array) -> None:
    out, g, x = out[0], g[0], x[0]
    split, scale = (len(x), *weight.shape[1:]), rstd[:, None, :, None]
    n, ones = x.shape[1] * split[1] * split[3], np.ones(x.shape[1], x.dtype)
    np.subtract(x, _wide(mean[:, None, :, None], split), out=out)
    scratch = memory.scratch("product", g.shape, g.dtype)
    total, product = ones @ g, ones @ np.multiply(g, out, out=scratch)
    product *= _wide(scale, split)[:, 0]
    found[0], found[1] = product, total
    weighted = weight.reshape(1, -1)
    slope = _merged(weighted * product, split) * np.square(scale) / -n
    offset = _merged(weighted * total, split) * scale / -n
    np.multiply(out, _wide(slope, split), out=out)
    np.add(out, _wide(offset, split), out=out)
    np.add(out, np.multiply(g, _wide(scale * weight, split), out=scratch), out=out)


def _merged(cells: Array, split: Sequence[int]) -> Array:
    """The sums of cells that share a statistic."""
    return np.asarray(cells.reshape(split).sum((1, 3), keepdims=True))


def _wide(a: Array, split: Sequence[int]) -> Array:
    return np.broadcast_to(a, split).reshape(split[0], 1, -1)
