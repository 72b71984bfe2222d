"""Convolution by the discrete Fourier transform, in overlapping tiles (overlap-save).

A correlation is a product of spectra, y = F^-1(F(x) * conj(F(w))), if the transform is long enough that nothing wraps round into the points
that are kept. The image is cut into tiles of length f that overlap by the extent of the kernel less one; each tile gives the f - d(k-1)
points it sees whole. So a tile is a window: of kernel f and stride f - d(k-1) (or the multiple of s below), and is fetched like one.

Cost: transforms of all tiles of x, w and y, and one complex matrix product over channels per frequency. It does not grow with the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, memory, parallel, phases
from .blas import product_seconds
from .geometry import ConvSpec
from .phases import Target, wide_dtype
from .slabs import Box, boxes, fetch, lengths, windows

Array = NDArray[Any]

BATCH = 1 << 22  # bytes of spectra one thread works on at a time
FEW = 1 << 15  # complex multiply-adds that take BLAS as long as to begin, in several threads
SPECTRA = 1 << 28  # bytes of weight spectra that are too many


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), a batch of tiles at a time."""
    (groups, *_, c, p), dtype, r = kernels.shape, kernels.dtype, spec.rank
    tiling = plan(x.shape[0], x.shape[-1], groups * p, spec, dtype)
    transform = _Transform(tiling.length, dtype)
    spectra = _kernel_spectra(kernels, spec, transform)  # (F, G, C/G, P)
    axes = tuple(range(1, 1 + r))
    kept = tuple(slice(0, s * (o - 1) + 1, s) for s, o in zip(spec.stride, tiling.points))

    def work(batch: Box) -> None:
        a = transform.forward(_cut(x, tiling.windows, batch, dtype), axes).reshape(-1, transform.count, groups, c)
        if c == 1:
            b = a[..., None] * spectra  # (tiles, F, G, 1, P)
        elif p == 1:
            b = np.einsum("bfgc,fgc->bfg", a, spectra[..., 0])
        else:
            b = np.empty((*a.shape[:-1], p), a.dtype)
            np.matmul(a.transpose(1, 2, 0, 3), spectra, out=b.transpose(1, 2, 0, 3))
        del a
        y = transform.inverse(b.reshape(-1, *transform.shape, groups * p), axes)[(slice(None), *kept)]
        y = y.reshape(*lengths(batch), *tiling.points, groups * p)
        for t in product(*(range(n) for n in lengths(batch)[1:])):
            starts = [(part.start + i) * o for part, i, o in zip(batch[1:], t, tiling.points)]
            box = (batch[0], *(slice(at, min(at + o, n)) for at, o, n in zip(starts, tiling.points, spec.out)))
            found = np.moveaxis(y, 0, r)[t]  # (n, *points, P)
            target.put(box, found[(slice(None), *(slice(0, length) for length in lengths(box)[1:]))])

    with blas.single_blas():
        products = c * p if min(c, p) > 1 else 0
        parallel.run(tiling.batches(x.shape[0], (x.shape[-1] + groups * p) * transform.bytes_per_channel, products), work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o): the product of the spectra of a tile of x and of the cotangents it gave, summed."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    tiling = plan(x.shape[0], x.shape[1], g.shape[1], spec, wide)
    transform = _Transform(tiling.length, wide)
    axes = tuple(range(1, 1 + spec.rank))
    given = ConvSpec(spec.out, tiling.points, tiling.points, ((0, 0),) * spec.rank, (1,) * spec.rank)
    sums: dict[int, Array] = {}

    def share(batches: Sequence[Box], part: int) -> None:
        for batch in batches:
            a = transform.forward(_cut(last, tiling.windows, batch, wide), axes).reshape(-1, transform.count, groups, c)
            b = transform.forward(_dilate(_cut(cotangents, given, batch, wide, "cotangent").conj(), spec.stride), axes).conj()
            b = b.reshape(-1, transform.count, groups, m)
            if part not in sums:
                sums[part] = np.zeros((transform.count, groups, c, m), a.dtype)
            for i in range(len(a)) if c == m == 1 else ():
                sums[part] += (a[i] * b[i])[..., None]
            if c > 1 or m > 1:
                sums[part] += np.matmul(a.transpose(1, 2, 3, 0), b.transpose(1, 2, 0, 3))

    with blas.single_blas():
        parallel.run_parts(tiling.batches(x.shape[0], (x.shape[1] + g.shape[1]) * transform.bytes_per_channel), share)
    spatial = phases.total(sums).reshape(*transform.shape, groups, c, m)
    dw = transform.inverse(spatial, tuple(range(spec.rank)))
    dw = dw[tuple(slice(0, d * (k - 1) + 1, d) for k, d in zip(spec.kernel, spec.dilation))]
    return phases.as_weight(np.moveaxis(dw, -3, 0), dtype)


def _kernel_spectra(kernels: Array, spec: ConvSpec, transform: _Transform) -> Array:
    """(G, *k, C/G, P) to conj(F(w)), (F, G, C/G, P)."""
    groups, *_, c, p = kernels.shape
    spread = _dilate(np.moveaxis(kernels, 0, -3).conj()[None], spec.dilation)[0]  # (*extent, G, C/G, P)
    spectra = memory.empty((*transform.shape, groups, c, p), transform.complex)

    def work(channel: tuple[int, int]) -> None:
        i, j = channel
        np.conj(transform.forward(spread[..., i, j, :], tuple(range(spec.rank))), out=spectra[..., i, j, :])

    parallel.run(list(product(range(groups), range(c))), work)
    return np.reshape(spectra, (transform.count, groups, c, p))


def _cut(x: Array, tile: ConvSpec, batch: Box, dtype: np.dtype[Any], key: str = "slab") -> Array:
    """The tiles of a batch, (tiles, *f, C), from x (N, *n, C)."""
    view = windows(fetch(x, tile, batch, dtype, key), tile, lengths(batch)[1:])[0]
    return np.reshape(view, (-1, *tile.kernel, x.shape[-1]))


def _dilate(a: Array, stride: Sequence[int]) -> Array:
    """s - 1 zeros between neighbours along the axes after the first."""
    if all(s == 1 for s in stride):
        return a
    r = len(stride)
    out = np.zeros((a.shape[0], *(s * (n - 1) + 1 for s, n in zip(stride, a.shape[1:])), *a.shape[1 + r :]), a.dtype)
    out[(slice(None), *(slice(None, None, s) for s in stride))] = a
    return out


# Transforms.


class _Transform:
    """The Fourier transform of tiles of one shape: of half the frequencies where the input is real."""

    def __init__(self, length: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.length, self.real = length, dtype.kind != "c" and bool(length)
        self.shape = (*length[:-1], length[-1] // 2 + 1) if self.real else length
        self.count = prod(self.shape)
        self.complex = np.result_type(dtype, np.complex64) if length else dtype
        self.bytes_per_channel = self.count * self.complex.itemsize

    def forward(self, a: Array, axes: tuple[int, ...]) -> Array:
        if not axes:
            return a
        return np.asarray((_fft().rfftn if self.real else _fft().fftn)(a, self.length, axes))

    def inverse(self, a: Array, axes: tuple[int, ...]) -> Array:
        if not axes:
            return a
        return np.asarray((_fft().irfftn if self.real else _fft().ifftn)(a, self.length, axes))


@cache
def _fft() -> Any:
    try:
        return import_module("scipy.fft")  # a third faster
    except ImportError:
        return np.fft


@lru_cache(1024)
def fast_length(n: int) -> int:
    """The least length from n on with no prime factor above 7.

    >>> fast_length(97)
    98
    """
    while True:
        rest = n
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


# The size of the tiles.


@dataclass(frozen=True)
class Tiling:
    """Tiles of `length` per axis, each giving `points` outputs; `windows` is the spec whose windows they are."""

    length: tuple[int, ...]
    points: tuple[int, ...]
    windows: ConvSpec
    count: tuple[int, ...]
    seconds: float
    spectra: int  # bytes, of the kernels

    def batches(self, n: int, nbytes: int, products: int = 0) -> list[Box]:
        """Boxes of (N, *tiles) whose spectra, of `nbytes` per tile, fit in a batch; at least a few per thread where there are so many.

        Or twice as many, where the products of a frequency, so many for each tile, are fewer than BLAS takes to begin.
        """
        total, threads, most = n * prod(self.count), parallel.num_threads(), max(1, BATCH // max(1, nbytes))
        few = n % threads == 0 and 0 < most * products < FEW
        limit = min(2 * most, -(-total // threads)) if few else min(most, -(-total // (2 * threads)))
        return boxes((n, *self.count), prod, max(1, limit))


@lru_cache(1024)
def plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Tiling:
    """The tiles that cost least, among some lengths between one kernel and the whole image."""
    extents = [d * (k - 1) + 1 for d, k in zip(spec.dilation, spec.kernel)]
    whole = [fast_length(s * (o - 1) + e) for s, o, e in zip(spec.stride, spec.out, extents)]
    sizes = {max(whole, default=1)} | {int(max(extents, default=1) * by) for by in (1.5, 2, 2.5, 3, 4, 6, 8, 12, 16, 24)}
    lengths = {tuple(min(max(fast_length(e), fast_length(f)), w) for e, w in zip(extents, whole)) for f in sizes}
    return min((_tiling(n, c, m, spec, dtype, length) for length in lengths), key=lambda tiling: (tiling.seconds, tiling.length))


def _tiling(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], length: tuple[int, ...]) -> Tiling:
    extents = [d * (k - 1) + 1 for d, k in zip(spec.dilation, spec.kernel)]
    points = tuple(min((f - e) // s + 1, o) for f, e, s, o in zip(length, extents, spec.stride, spec.out))
    count = tuple(-(-o // step) for o, step in zip(spec.out, points))
    cut = ConvSpec(spec.size, length, tuple(o * s for o, s in zip(points, spec.stride)), spec.padding, (1,) * spec.rank)
    f, total, kernels, per_group = prod(length), n * prod(count), c * m // spec.groups, min(c, m) / spec.groups
    transformed = f * (total * (c + m) + kernels) * dtype.itemsize
    complexes = f * total * kernels / (1 if dtype.kind == "c" else 2)
    narrow = per_group <= 2
    products = complexes * 2e-9 if narrow else product_seconds(complexes, per_group, per_group, np.result_type(dtype, np.complex64))
    spectra = f * kernels * dtype.itemsize
    seconds = 5e-4 + (0.08 + 0.4 * spec.rank) * 1e-9 * transformed + 1.5 * products + 0.5e-9 * spectra + (1e3 if spectra > SPECTRA else 0)
    return Tiling(length, points, cut, count, seconds, spectra)


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Why a Fourier transform cannot do a correlation, or None."""
    return None if dtype.kind in "fc" else f"takes floating and complex numbers, not {dtype}"


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    tiling = plan(n, c, m, spec, dtype)
    return tiling.seconds, 3 * BATCH + tiling.spectra
