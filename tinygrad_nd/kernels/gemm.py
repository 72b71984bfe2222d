"""Convolution as matrix products over tiles of windows (im2col), never more than a tile at a time.

A tile of the output is a box of points; its windows, copied next to one another, are a matrix with one row per point, and the tile is that
matrix times the kernel. All arrays are worked on channels-last, where a window is a few long pieces of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import tiles
from .geometry import ConvSpec
from .slabs import Box, boxes, copy_windows, fetch, split, windows

Array = NDArray[Any]
Write = Callable[[Box, Array], None]

TILE = 1 << 20  # bytes of windows side by side
SMALL = 1 << 18  # multiply-adds that BLAS does on one thread anyway
ALONE = 1 << 21  # multiply-adds below which a second thread does not pay


def correlate(x: Array, w: Array, spec: ConvSpec, bias: Array | None = None) -> Array:
    """y (N, M, *o) of x (N, C, *n) and w (M, C/G, *k), plus a bias (M,)."""
    groups, (m, c) = spec.groups, w.shape[:2]
    y = tiles.channels_last((x.shape[0], m, *spec.out), np.result_type(x, w))
    rows = np.moveaxis(w, 1, -1).reshape(groups, m // groups, prod(spec.kernel) * c)  # (G, M/G, (*k, C/G))
    _correlate(np.moveaxis(x, 1, -1), rows.swapaxes(1, 2), spec, np.moveaxis(y, 1, -1), bias)
    return y


def input_grad(g: Array, w: Array, spec: ConvSpec) -> Array:
    """dx (N, C, *n) of g (N, M, *o): one correlation of g for all phases of the stride at once, then its channels go to their places.

    dx[i] = sum over taps t of g[(i + a - dt) / s] w[t], where s divides. Write i + a = sq + e and dt = sj + e: points with the same
    remainder e (a phase) use only the taps with that remainder, and dx[q, e] = sum over j of g[q - j] w[j, e] is a stride-1
    correlation with the rotated kernel j, whose output channels are (phases, C). No inserted zero is ever multiplied.
    """
    axes = [_Phases(*axis) for axis in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out)]
    groups, m, c = spec.groups, w.shape[0] // spec.groups, w.shape[1]
    dx = tiles.channels_last((g.shape[0], groups * c, *spec.size), np.result_type(g, w))
    if not all(axis.covers for axis in axes):
        dx[...] = 0
    phases = tuple(len(axis.remainders) for axis in axes)
    taps = tuple(axis.taps for axis in axes)
    kernels = np.zeros((groups, *taps, m, *phases, c), w.dtype)
    grouped = np.moveaxis(w.reshape(groups, m, c, *spec.kernel), (1, 2), (-2, -1))  # (G, *k, M/G, C/G)
    r = spec.rank
    for t in product(*(range(k) for k in spec.kernel)):
        j, e = zip(*(axis.place[i] for axis, i in zip(axes, t))) if t else ((), ())
        kernels[(slice(None), *j, slice(None), *e)] = grouped[(slice(None), *t)]
    rows = kernels.reshape(groups, prod(taps) * m, prod(phases) * c)
    padding = tuple(axis.padding for axis in axes)
    phased = ConvSpec(spec.out, taps, (1,) * r, padding, tuple(axis.step for axis in axes), groups)
    last, source = np.moveaxis(dx, 1, -1), np.moveaxis(g, 1, -1)
    if min(phased.out, default=1) < 1:
        return dx
    if all(s == 1 for s in spec.stride):
        _correlate(source, rows, phased, last)
        return dx

    def spread(box: Box, tile: Array) -> None:  # (n, *q, G, phases * C/G) to dx at sq + e - a, where that is inside
        tile = tile.reshape(*tile.shape[: 1 + r], groups, *phases, c)
        grouped = last.reshape(*last.shape[:-1], groups, c)
        for e in product(*(range(p) for p in phases)):
            pairs = [axis.slices(part, i) for axis, part, i in zip(axes, box[1:], e)]
            to, source = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
            grouped[(box[0], *to)] = tile[(slice(None), *source, slice(None), *e)]

    _correlate(source, rows, phased, write=spread)
    return dx


class _Phases:
    """One axis of input_grad: the remainders modulo the stride that some tap reaches, and the stride-1 correlation they share."""

    def __init__(self, n: int, k: int, s: int, padding: tuple[int, int], d: int, o: int) -> None:
        self.n, self.s, self.a = n, s, padding[0]
        at = [divmod(d * t, s) for t in range(k)]  # (j, e) of each tap
        self.remainders = sorted({e for _, e in at})
        self.step = gcd(*(j for j, _ in at)) or 1
        self.taps = max(j for j, _ in at) // self.step + 1
        self.place = [(self.taps - 1 - j // self.step, self.remainders.index(e)) for j, e in at]  # rotated
        self.covers = len(self.remainders) == s
        first = -((self.remainders[-1] - self.a) // s)  # the least q that puts some phase at i >= 0
        last = (n - 1 + self.a - self.remainders[0]) // s
        self.first = first
        before = self.step * (self.taps - 1) - first
        self.padding = (before, last - first + 1 + self.step * (self.taps - 1) - o - before)

    def slices(self, part: slice, phase: int) -> tuple[slice, slice]:
        """Where the outputs q in `part` of one phase go in dx, and which of them do."""
        shift = self.s * self.first + self.remainders[phase] - self.a
        low = max(part.start, -(shift // self.s))  # sq + shift >= 0
        high = max(low, min(part.stop, (self.n - 1 - shift) // self.s + 1))
        start = self.s * low + shift
        return slice(start, start + self.s * (high - low), self.s), slice(low - part.start, high - part.start)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o): windows transposed times cotangents, summed over tiles."""
    dtype = np.result_type(x, g)
    wide = _wide(dtype)
    groups, m, c = spec.groups, g.shape[1] // spec.groups, x.shape[1] // spec.groups
    taps = prod(spec.kernel) * c
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    sums: dict[int, Array] = {}
    row, limit = taps * groups * wide.itemsize, max(TILE, min(2 * groups * taps * m * wide.itemsize, 8 * TILE))

    def share(slabs: Sequence[Box], part: int) -> None:
        for slab in slabs:
            view = windows(fetch(last, spec, slab, wide), spec, _lengths(slab)[1:])
            for box, inner in _tiles(slab, row, limit):
                columns = _columns(view[(slice(None), *inner)], taps)
                tile = cotangents[box]
                points = prod(tile.shape[:-1])
                if tile.dtype != wide or not tile.flags.c_contiguous:
                    dense = tiles.scratch("cotangent", tile.shape, wide)
                    dense[...] = tile
                    tile = dense
                tile = tile.reshape(points, groups, m).swapaxes(0, 1)  # (G, points, M/G)
                if part in sums:
                    sums[part] += np.matmul(columns.swapaxes(1, 2), tile, out=tiles.scratch("sum", (groups, taps, m), wide))
                else:
                    sums[part] = np.matmul(columns.swapaxes(1, 2), tile)

    slabs = split(spec, x.shape[0], x.shape[1], wide.itemsize, _parts(g.size * taps))
    with tiles.single_blas():
        parts = tiles.run_parts(slabs, share)
    total = sums[0]
    for part in range(1, parts):
        total += sums[part]
    dw = total.reshape(groups, *spec.kernel, c, m)  # to (M, C/G, *k) in the memory of (M, *k, C/G)
    dw = np.moveaxis(dw, -1, 1).reshape(groups * m, *spec.kernel, c)
    return np.moveaxis(dw, -1, 1).astype(dtype, copy=False)


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


def _correlate(x: Array, kernels: Array, spec: ConvSpec, y: Array | None = None, bias: Array | None = None, write: Write | None = None) -> None:
    """x (N, *n, C) with kernels (G, (*k, C/G), P) into y (N, *o, G * P), or handed over tile by tile as (n, *o, G * P)."""
    groups, taps, p = kernels.shape
    dtype = np.result_type(x, kernels)
    wide = _wide(dtype)
    kernels = kernels.astype(wide, copy=False)
    row = taps * groups * wide.itemsize
    limit = max(TILE, min(2 * kernels.nbytes, 8 * TILE))  # BLAS packs the kernels once per product: worth it only for many rows

    def work(slab: Box) -> None:
        view = windows(fetch(x, spec, slab, wide), spec, _lengths(slab)[1:])
        for box, inner in _tiles(slab, row, limit):
            columns = _columns(view[(slice(None), *inner)], taps)
            shape = (*_lengths(box), groups * p)
            direct = y is not None and y.dtype == wide and y[box].flags.c_contiguous
            tile = y[box] if y is not None and direct else tiles.scratch("product", shape, wide)
            np.matmul(columns, kernels, out=tile.reshape(-1, groups, p).swapaxes(0, 1))
            if bias is not None:
                tile += bias
            if write is not None:
                write(box, tile)
            elif y is not None and not direct:
                y[box] = tile

    slabs = split(spec, x.shape[0], x.shape[-1], wide.itemsize, _parts(x.shape[0] * prod(spec.out) * kernels.size))
    with tiles.single_blas():
        tiles.run(slabs, work)


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
    inner = boxes(_lengths(slab), lambda lengths: prod(lengths) * row, limit)
    return [(tuple(slice(p.start + q.start, p.start + q.stop) for p, q in zip(slab, box)), box) for box in inner]


def _lengths(box: Box) -> list[int]:
    return [part.stop - part.start for part in box]


def _parts(macs: int) -> int:
    return tiles.num_threads() if macs > ALONE else 1


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Halves are summed in float32."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype
