"""Convolution by the discrete Fourier transform, in overlapping tiles (overlap-save).

A correlation is a convolution with the kernel backwards, so a product of spectra, y = F^-1(F(x) * F(w)), if the transform is long enough
that nothing wraps round into the points kept. The image is cut into tiles of length f that overlap by the extent of the kernel less one;
each gives the f - d(k-1) points it sees whole. So a tile is a window: of kernel f and stride f - d(k-1) (or the multiple of s below).

Cost: transforms of all tiles of x, w and y, and one complex matrix product over channels per frequency. It does not grow with the kernel.
Where tiles are short, BLAS transforms them in less time than a library for FFT (see fourier), and compiled code in less still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, engines, memory, parallel, spectra
from .blas import product_seconds
from .geometry import ConvSpec
from .phases import Target
from .slabs import Box, boxes, fetch, lengths, windows
from .tilings import Cover, fourier_cover

Array = NDArray[Any]

BATCH = 1 << 23  # bytes of spectra one thread works on at a time
PIECE = 1 << 20  # bytes of spectra transformed at a time
LINE = 16  # channels side by side that are worth reading together
SPECTRA = 1 << 28  # bytes of weight spectra that are too many
RATED = 9  # taps along an axis from which the library may well be taken: its rate is measured, for which it is loaded
PASSES = 2  # of memory that a number transformed takes, with shorter kernels
SURE = 1.4  # times a compiled kernel's predicted time, above which the library need not be loaded to tell that it takes longer


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), a batch of tiles at a time."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    about = x.shape[0], x.shape[-1], groups * p, spec, dtype
    if compiled := _compiled(*about):
        compiled.engine(x, kernels, spec, target)
        return
    if found := _by_matrices(*about):
        spectra.convolve(x, kernels, spec, found.tiling, target)
        return
    tiling = plan(*about)
    transform = _Transform(tiling.length, dtype)
    starts = [d * (k - 1) for d, k in zip(spec.dilation, spec.kernel)]
    kept = [slice(start, start + s * (o - 1) + 1, s) for start, s, o in zip(starts, spec.stride, tiling.points)]
    turned = _flip(np.moveaxis(kernels, 0, -3).reshape(1, *spec.kernel, -1), spec.dilation)[0]  # (*extent, G * C/G * P)
    values = memory.empty((*transform.shape, turned.shape[-1]), transform.complex)

    def work(batch: Box) -> None:
        a = _spectra(_windows(x, tiling.windows, batch, dtype), transform, "x").reshape(-1, transform.count, groups, c)
        b = memory.scratch("products", (*a.shape[:-1], p), a.dtype)  # (tiles, F, G, P)
        if c == 1:
            np.multiply(a, weights[..., 0, :], out=b)
        elif p == 1:
            np.einsum("bfgc,fgc->bfg", a, weights[..., 0], out=b[..., 0])
        else:
            np.matmul(a.transpose(1, 2, 0, 3), weights, out=b.transpose(1, 2, 0, 3))
        b = b.reshape(*lengths(batch), *transform.shape, groups * p)
        y = memory.scratch("y", (*lengths(batch), *tiling.points, groups * p), dtype)
        transform.inverse(b, kept, y)
        for t in np.ndindex(*lengths(batch)[1:]):
            starts = [(part.start + i) * o for part, i, o in zip(batch[1:], t, tiling.points)]
            box = (batch[0], *(slice(at, min(at + o, n)) for at, o, n in zip(starts, tiling.points, spec.out)))
            target.put(box, y[(slice(None), *t, *(slice(0, n) for n in lengths(box)[1:]))])

    def of_kernels(channels: slice) -> None:
        transform.forward(turned[..., channels], values[..., channels])

    parallel.run(transform.channels(turned.shape[-1]), of_kernels)
    weights = values.reshape(transform.count, groups, c, p)
    with blas.single_blas():
        parallel.run(tiling.batches(x.shape[0], (x.shape[-1] + groups * p) * transform.bytes_per_channel, BATCH), work)


def weight_grad(x: Array, g: Array, spec: ConvSpec, dtype: np.dtype[Any]) -> Array:
    """The product of the spectra of a tile of x and of the cotangents it gave, summed."""
    about = x.shape[0], x.shape[-1], g.shape[-1], spec, dtype
    if compiled := _compiled(*about):
        return np.asarray(compiled.weight_grad(x, g, spec, dtype))
    if found := _by_matrices(*about):
        return spectra.convolve_back(x, g, spec, found.tiling, dtype)
    groups, c, m = spec.groups, x.shape[-1] // spec.groups, g.shape[-1] // spec.groups
    tiling = plan(*about)
    transform = _Transform(tiling.length, dtype)
    given = ConvSpec(spec.out, tiling.points, tiling.points, ((0, 0),) * spec.rank, (1,) * spec.rank)
    sums: dict[int, Array] = {}

    def share(batches: Sequence[Box], part: int) -> None:
        for batch in batches:
            a = _spectra(_windows(x, tiling.windows, batch, dtype), transform, "x").reshape(-1, transform.count, groups, c)
            turned = _flip(_windows(g, given, batch, dtype, "cotangents"), spec.stride)
            b = _spectra(turned, transform, "g").reshape(-1, transform.count, groups, m)
            found = memory.empty((transform.count, groups, c, m), a.dtype)
            if c == m == 1:
                np.add.reduce(np.multiply(a, b, out=a), out=found[..., 0])
            else:
                np.matmul(a.transpose(1, 2, 3, 0), b.transpose(1, 2, 0, 3), out=found)
            sums[part] = np.add(sums[part], found, out=found) if part in sums else found

    with blas.single_blas():
        nbytes, of_sums = ((n * transform.bytes_per_channel) for n in (x.shape[-1] + g.shape[-1], groups * c * m))
        parallel.run_parts(tiling.batches(x.shape[0], nbytes, max(BATCH, of_sums)), share)
    starts = [s * (o - 1) for s, o in zip(spec.stride, tiling.points)]
    kept = [slice(start, start + d * (k - 1) + 1, d) for start, d, k in zip(starts, spec.dilation, spec.kernel)]
    dw = np.empty((*spec.kernel, groups * c * m), dtype)
    total, *others = (sums[part].reshape(*transform.shape, -1) for part in sorted(sums))  # in their order, whoever was faster
    for other in others:
        total += other
    parallel.run(transform.channels(dw.shape[-1]), lambda channels: transform.inverse(total[..., channels], kept, dw[..., channels]))
    return np.moveaxis(dw.reshape(*spec.kernel, groups, c, m), -3, 0)


def _windows(x: Array, tile: ConvSpec, batch: Box, dtype: np.dtype[Any], key: str = "slab") -> Array:
    """The tiles of a batch, a view (n, *tiles, *f, C) of x (N, *n, C) or of scratch."""
    (tiles,) = windows(fetch(x, tile, batch, dtype, key), tile, lengths(batch)[1:])
    return np.asarray(tiles)


def _spectra(tiles: Array, transform: _Transform, key: str) -> Array:
    """(*tiles, F, C) of (*tiles, *f, C), in this thread's scratch."""
    lead = tiles.shape[: -1 - len(transform.length)]
    spectra = memory.scratch(("spectra", key), (*lead, *transform.shape, tiles.shape[-1]), transform.complex)
    transform.forward(tiles, spectra)
    return spectra


def _flip(a: Array, stride: Sequence[int]) -> Array:
    """(.., *n, C) backwards along n, with s - 1 zeros between neighbours: to correlate is to convolve with it."""
    backwards: tuple[Any, ...] = (..., *(slice(None, None, -1) for _ in stride), slice(None))
    if all(s == 1 for s in stride):
        return np.asarray(a[backwards])
    first = a.ndim - 1 - len(stride)
    shape = (*a.shape[:first], *(s * (n - 1) + 1 for s, n in zip(stride, a.shape[first:])), a.shape[-1])
    out = np.zeros(shape, a.dtype)
    out[(slice(None),) * first + tuple(slice(None, None, s) for s in stride)] = a[backwards]
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

    def forward(self, a: Array, out: Array) -> None:
        """out (.., *shape, C) of a (.., *n, C), padded with zeros along each axis when its turn comes: until then there are fewer lines."""
        rank = len(self.length)
        first, size = a.ndim - 1 - rank, a.shape[-1 - rank : -1]
        some: tuple[Any, ...] = (..., *(slice(0, n) for n in size), slice(None))
        if not self.real:
            out[some] = a
        for i in reversed(range(rank)):
            some = (*some[: i + 1], slice(None), *some[i + 2 :])
            lines = out[some]
            if self.real and i == rank - 1:
                for rows in self._rows(lines):
                    lines[rows] = _fft().rfft(_padded(a[rows], self.length[i]), axis=first + i)
            else:
                lines[(slice(None),) * (first + i) + (slice(size[i], None),)] = 0
                found = _in_place("fft", lines, first + i)
                if not np.may_share_memory(found, lines):
                    lines[...] = found

    def inverse(self, a: Array, kept: Sequence[slice], out: Array) -> None:
        """out (.., *o, C), the points to keep of a (.., *shape, C), which may be overwritten."""
        first, last = a.ndim - 1 - len(self.length), len(self.length) - 1
        for i, keep in enumerate(kept):
            of_axis = (slice(None),) * (first + i) + (keep,)
            if self.real and i == last:
                for rows in self._rows(a):
                    out[rows] = _fft().irfft(a[rows], self.length[i], first + i)[of_axis]
                return
            a = _in_place("ifft", a, first + i)[of_axis]
        out[...] = a

    def _rows(self, spectra: Array) -> list[Box]:
        """Cuts along all axes but the last and the channels: what a library makes is new memory, dear where it is large."""
        row = prod(spectra.shape[-2:]) * spectra.itemsize
        return boxes(spectra.shape[:-2], lambda shape: prod(shape) * row, PIECE)

    def channels(self, count: int) -> list[slice]:
        """Cuts of the channels, of cache lines."""
        step = max(LINE, PIECE // self.bytes_per_channel)
        return [slice(i, i + step) for i in range(0, count, step)]


def _padded(a: Array, length: int) -> Array:
    """`a` (.., n, C) with zeros up to a length of n, where they are missing in scratch: the library would take new memory."""
    n = a.shape[-2]
    if n == length:
        return a
    padded = memory.scratch("padded", (*a.shape[:-2], length, a.shape[-1]), a.dtype)
    padded[..., :n, :], padded[..., n:, :] = a, 0
    return padded


def _in_place(name: str, a: Array, axis: int) -> Array:
    """fft or ifft of complex numbers, in the memory of `a` where the library can."""
    library = _fft()
    found: Array = getattr(library, name)(a, axis=axis, **({} if library is np.fft else {"overwrite_x": True}))
    return found


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

    def batches(self, n: int, nbytes: int, limit: int) -> list[Box]:
        """Boxes of (N, *tiles) whose spectra, of `nbytes` per tile, stay below a limit; at least one for each thread."""
        most = -(-n * prod(self.count) // parallel.num_threads())
        return boxes((n, *self.count), prod, max(1, min(limit // max(1, nbytes), most)))


@lru_cache(1024)
def plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], measured: bool = True) -> Tiling:
    """The tiles that cost least, among some lengths between one kernel and the whole image. Unless told, the library is `measured`."""
    rated = measured and max(spec.kernel, default=1) >= RATED
    each = 4 / _bytes_per_second() if rated else PASSES * blas.pass_seconds(parallel.num_threads())
    extents = [d * (k - 1) + 1 for d, k in zip(spec.dilation, spec.kernel)]
    whole = [fast_length(s * (o - 1) + e) for s, o, e in zip(spec.stride, spec.out, extents)]
    sizes = {max(whole, default=1)} | {int(max(extents, default=1) * by) for by in (1.5, 2, 2.5, 3, 4, 6, 8, 12, 16, 24)}
    lengths = {tuple(min(max(fast_length(e), fast_length(f)), w) for e, w in zip(extents, whole)) for f in sizes}
    return min((_tiling(n, c, m, spec, dtype, length, each) for length in lengths), key=lambda tiling: (tiling.seconds, tiling.length))


def _tiling(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], length: tuple[int, ...], each: float) -> Tiling:
    extents = [d * (k - 1) + 1 for d, k in zip(spec.dilation, spec.kernel)]
    points = tuple(min((f - e) // s + 1, o) for f, e, s, o in zip(length, extents, spec.stride, spec.out))
    count = tuple(-(-o // step) for o, step in zip(spec.out, points))
    cut = ConvSpec(spec.size, length, tuple(o * s for o, s in zip(points, spec.stride)), spec.padding, (1,) * spec.rank)
    f, total, kernels, per_group = prod(length), n * prod(count), c * m // spec.groups, min(c, m) / spec.groups
    transformed = f * (total * (c + m) + 0.6 * kernels) * dtype.itemsize / 4
    complexes = f * total * kernels / (1 if dtype.kind == "c" else 2)
    narrow = per_group <= 2
    products = complexes * 2.6e-9 if narrow else product_seconds(complexes, per_group, per_group, np.result_type(dtype, np.complex64))
    spectra = f * kernels * dtype.itemsize
    transforms = 2.2 * (0.4 + 0.75 * spec.rank) * transformed * each
    seconds = 2.8e-3 + transforms + 1.9 * products + (1e3 if spectra > SPECTRA else 0)
    return Tiling(length, points, cut, count, seconds, spectra)


@cache
def _bytes_per_second() -> float:
    """Of real numbers that one thread transforms along one axis: SciPy's library takes an eighth of the time of NumPy's."""
    a = np.ones((16, 512, 16), np.float32)
    return blas.rate(a.nbytes, lambda: _fft().rfft(a, axis=1))


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Why a Fourier transform cannot do a correlation, or None."""
    return None if dtype.kind in "fc" else f"takes floating and complex numbers, not {dtype}"


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    if compiled := _compiled(n, c, m, spec, dtype):
        found: tuple[float, int] = compiled.cost(n, c, m, spec, dtype)
        return found
    if matrices := _by_matrices(n, c, m, spec, dtype):
        return matrices.seconds, spectra.workspace(matrices.tiling, n, c, m, dtype)
    tiling = plan(n, c, m, spec, dtype)
    return tiling.seconds, 3 * BATCH + tiling.spectra


def _compiled(*about: Any) -> ModuleType | None:
    """The engine's kernels, where they take less time than the others."""
    found = engines.compiled("spectra")
    return found if found is not None and _sooner(found, *about) else None


@lru_cache(1024)
def _sooner(compiled: ModuleType, *about: Any) -> bool:
    if not compiled.takes(*about):
        return False
    seconds, matrices = compiled.cost(*about)[0], fourier_cover(*about)
    if SURE * seconds < plan(*about, measured=False).seconds:
        return matrices is None or bool(seconds < matrices.seconds)
    return bool(seconds < (_by_matrices(*about) or plan(*about)).seconds)


@lru_cache(1024)
def _by_matrices(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Cover | None:
    """The tiles that are transformed by products with matrices, where that takes less time than the library."""
    found = fourier_cover(n, c, m, spec, dtype)
    return found if found is not None and found.seconds < plan(n, c, m, spec, dtype).seconds else None
