"""The input gradient by columns: what each output sends to its window is one product, and windows are added where they lie (col2im).

The correlation of `phases` makes every input point from a whole kernel, though where outputs are few most taps see nothing but padding.
Here a tap is multiplied once per output. Sums run along rows: of points and their channels where these lie side by side, else of images,
which are made the last axis. Where lines are short, they are the rows, and no two taps along them are added up.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory, parallel
from .geometry import ConvSpec, sees
from .memory import Array
from .phases import channels_last, wide_dtype
from .slabs import dense

TILE = 1 << 19  # bytes of sums that columns are added to
COLUMNS = 1 << 21  # bytes of columns
ROW = 64  # numbers side by side; with fewer, rows are of images
LINE = 1 << 20  # weights from one line to another
ALONE = 1 << 20  # multiply-adds below which a second thread does not pay


def input_grad(g: Array, w: Array, spec: ConvSpec) -> Array:
    """dx (N, C, *n) of g (N, M, *o) and w (M, C/G, *k)."""
    groups, c, (n, m) = spec.groups, w.shape[1], g.shape[:2]
    dtype = np.result_type(g, w)
    wide = wide_dtype(dtype)
    if (compiled := engines.compiled("col2im")) is not None and dtype.char in "fd":
        sent = np.ascontiguousarray(w.reshape(groups, m // groups, c, -1).swapaxes(2, 3), dtype).reshape(groups, m // groups, -1)
        dx = memory.channels_last((n, groups * c, *spec.size), dtype)
        compiled.input_grad(channels_last(g), sent, spec, channels_last(dx))
        return dx
    form = _plan(n, groups * c, m, spec, wide)[1] if dtype == wide else "images"
    if form == "lines" and np.isfinite(np.add.reduce(found := _by_lines(g, w, spec), None)):  # else a kernel's zeros may have spread it
        return found
    dx = memory.channels_last((n, groups * c, *spec.size), dtype)
    taps, points = list(product(*(range(k) for k in spec.kernel))), form == "points"
    rows: Array
    if points:
        rows = w.reshape(m, c, -1).transpose(2, 0, 1).astype(wide, order="C")  # (taps, M, C)
    else:
        rows = w.reshape(groups, m // groups, c, -1).transpose(0, 2, 3, 1).astype(wide, order="C")  # (G, C/G, taps, M/G)

    def by_points(cut: tuple[slice, slice]) -> None:
        images, channels = cut
        given, sums, kernels = dense(channels_last(g)[images], wide), channels_last(dx)[images][..., channels], rows[..., channels]
        sums[...] = 0
        step = max(1, COLUMNS // (given.size // m * kernels[0, :1].nbytes))
        for first in range(0, len(taps), step):
            some = kernels[first : first + step]
            columns = memory.scratch("columns", (len(some), given.size // m, some.shape[2]), wide)
            np.matmul(given.reshape(-1, m), some, out=columns)
            for tap, column in zip(taps[first:], columns.reshape(len(some), *given.shape[:-1], -1)):
                (_, _, *to), (_, _, *source) = sees(spec, tap)
                place = sums[(slice(None), *to)]
                np.add(place, column[(slice(None), *source)], out=place)

    def by_images(cut: tuple[slice, slice]) -> None:
        images, channels = cut
        given = np.ascontiguousarray(np.moveaxis(g[images], 0, -1), wide)  # (M, *o, n)
        *points, count = given.shape[1:]
        matrix, kernels = given.reshape(groups, m // groups, -1), rows[:, channels]
        sums = memory.scratch("sums", (groups, kernels.shape[1], *spec.size, count), wide)
        sums.fill(0)
        step = max(1, COLUMNS // (kernels.shape[1] * matrix.nbytes // (m // groups)))
        for first in range(0, len(taps), step):
            some = kernels[:, :, first : first + step]
            columns = memory.scratch("columns", (groups, some.shape[1] * some.shape[2], matrix.shape[-1]), wide)
            np.matmul(some.reshape(groups, -1, some.shape[-1]), matrix, out=columns)
            columns = columns.reshape(*some.shape[:3], *points, count)
            for i, tap in enumerate(taps[first : first + step]):
                to, source = sees(spec, tap)
                place = sums[to]
                np.add(place, columns[:, :, i][source], out=place)
        into = dx.reshape(n, groups, c, *spec.size)[images, :, channels]
        into[...] = np.moveaxis(sums, -1, 0)

    with blas.single_blas():
        parallel.run(_cuts(n, groups, c, m, spec, wide), by_points if points else by_images)
    return dx


def _by_lines(g: Array, w: Array, spec: ConvSpec) -> Array:
    """Points of the last axis as channels, of which each has the taps that meet: one axis less, and one sum instead of many added up."""
    (m, c, *kernel, k), size, out = w.shape, spec.size[-1], spec.out[-1]
    kernels = np.zeros((out, m, size, c, *kernel), np.result_type(g, w))
    for t in range(k):
        (*_, to), (*_, source) = sees(spec, (*(0 for _ in kernel), t))
        kernels[np.arange(out)[source], :, np.arange(size)[to]] = w[..., t]
    lines = channels_last(g).reshape(len(g), *spec.out[:-1], out * m)
    with np.errstate(over="ignore", invalid="ignore"):
        dx = input_grad(np.moveaxis(lines, -1, 1), kernels.reshape(out * m, size * c, *kernel), _lines(spec))
    return np.moveaxis(channels_last(dx).reshape(len(g), *spec.size, c), -1, 1)


@lru_cache(1024)
def _lines(spec: ConvSpec) -> ConvSpec:
    """Without its last axis."""
    return ConvSpec(spec.size[:-1], spec.kernel[:-1], spec.stride[:-1], spec.padding[:-1], spec.dilation[:-1])


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: those of many groups, whose products are too small for BLAS, take three times as long."""
    if (compiled := engines.compiled("col2im")) is not None and dtype.char in "fd":
        found: tuple[float, int] = compiled.cost(n, c, m, spec, dtype)
        return found
    return (3 if spec.groups > 8 else 1.1) * _plan(n, c, m, spec, dtype)[0], COLUMNS + max(TILE, c * prod(spec.size) * dtype.itemsize)


@lru_cache(1024)
def _plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, str]:
    """Seconds of one thread, and of what rows are: products, what they make added up, and a copy of what goes in and out."""
    points, taps, cuts = n * prod(spec.out), prod(spec.kernel), _cuts(n, spec.groups, c // spec.groups, m, spec, dtype)
    rows, calls, macs = taps * prod(spec.out[:-1]), taps * len(cuts), points * taps * c * m / spec.groups
    moved = 1.5 * points * taps * c + 2.2 * n * c * prod(spec.size) + 5 * points * m
    products = 0.8 * blas.product_seconds(macs, points, m / spec.groups, dtype) + 5e-5 * calls
    found = 8e-4 + products + 6e-8 * rows * len(cuts) * c + blas.moved_seconds(moved, dtype), "images"
    if spec.rank == 0 or spec.groups > 1:
        return found
    if spec.stride[-1] == 1 and cuts[0][1] == slice(0, c) and c * spec.out[-1] >= ROW:
        products = 0.9 * blas.product_seconds(macs, c, m, dtype) + 5.8e-5 * calls
        moved = points * taps * (0.55 * c + 0.18 * m) + n * c * prod(spec.size)
        found = 8e-4 + products + 7.5e-8 * rows * n + blas.moved_seconds(moved, dtype), "points"
    wide, deep = spec.size[-1] * c, spec.out[-1] * m
    if wide * deep > LINE:
        return found
    kernels = blas.moved_seconds(8 * wide * deep * prod(spec.kernel[:-1]), dtype) * parallel.num_threads()
    return min(found, (_plan(n, wide, deep, _lines(spec), dtype)[0] + kernels, "lines"))


def _cuts(n: int, groups: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> list[tuple[slice, slice]]:
    """Images, and channels of a group where these are few, of which the sums are small and every thread has some."""
    image = groups * c * prod(spec.size) * dtype.itemsize
    threads = parallel.num_threads() if n * c * m * prod(spec.out) * prod(spec.kernel) > ALONE else 1
    parts = min(n, max(threads, n * image // TILE))
    cuts = [slice(n * i // parts, n * (i + 1) // parts) for i in range(parts)]
    shares = min(c, max(1, threads // parts))
    return list(product(cuts, (slice(c * i // shares, c * (i + 1) // shares) for i in range(shares))))
