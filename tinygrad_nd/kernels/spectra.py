"""Convolution of tiles that are transformed by `fourier`: all of them along the first axis, then frequency by frequency, then back.

Threads share out the tiles of x, then the frequencies of the first axis, some at a time, then the tiles of y. Each of these frequencies is
a convolution over the other axes. A product has the rows of all tiles, as that of few channels needs them: tiles may be lines (see
tilings).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from . import blas, memory, parallel
from .fourier import Circle, back, there, waves
from .geometry import ConvSpec
from .phases import Target
from .slabs import Box, lengths
from .tilings import Tiling
from .toom_cook import real_bytes
from .winograd import apply, cut, deliver

Array = NDArray[Any]

GROUP = 1 << 23  # bytes of spectra that a thread works on at a time: in few calls, for between them it waits for the others
ROWS = 1 << 21  # bytes of the rows of some frequencies that are multiplied together


def convolve(x: Array, kernels: Array, spec: ConvSpec, tiling: Tiling, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (1, *k, C, P)."""
    (*_, c, p), dtype, taps = kernels.shape, kernels.dtype, tiling.taps
    of_x, of_weights, of_y = _ways(tiling, dtype)
    rows = kernels.reshape(spec.kernel[0], -1)
    weights = memory.empty((len(of_weights.first), rows.shape[1]), dtype)

    def prepare(columns: slice) -> None:
        np.matmul(of_weights.first, rows[:, columns], out=weights[:, columns])

    with blas.single_blas():
        parallel.run(_cuts(rows.shape[1]), prepare)
        for stretch in tiling.stretches(len(x), c + p, dtype.itemsize):
            seen = _along_first(x, of_x.first, tiling, tiling.inside, tiling.seen, stretch, dtype)
            shares, count = _shares(tiling, stretch, tiling.points)
            made = memory.empty((len(seen), count * p), dtype)

            def multiply(at: slice) -> None:
                w, sees = of_weights.spectra(weights[at], "w"), of_x.spectra(seen[at], "x")
                for parts in (w, sees):
                    np.add(parts[:, 0], parts[:, 1], out=parts[:, 2])
                of_taps = w.reshape(-1, taps * c, p)
                products = memory.scratch("products", (len(w), 3, of_y.frequencies(made[at])), dtype)
                y = products.reshape(len(of_taps), -1, p)
                for some, lines in _rows(sees.reshape(len(of_taps), -1), tiling, c):
                    np.matmul(lines, of_taps[some], out=y[some])
                products[:, 2] -= products[:, 0]
                products[:, 2] -= products[:, 1]
                products[:, 0] -= products[:, 1]
                back(of_y.rest, products[:, ::2], "y", made[at])

            parallel.run(_groups((of_weights, weights), (of_x, seen), (of_y, made)), multiply)
            every = made.reshape(-1, shares[-1].columns.stop * p)

            def finish(share: _Share) -> None:
                y = apply([(1, of_y.first.T)], every[:, share.columns.start * p : share.columns.stop * p], "y")
                y = y.reshape(-1, prod(lengths(share.box)) * prod(tiling.spread) * tiling.outputs * p)
                deliver(y, tiling, share.box, target, share.part)

            parallel.run(shares, finish)


def convolve_back(x: Array, g: Array, spec: ConvSpec, tiling: Tiling, dtype: np.dtype[Any]) -> Array:
    """Its weight gradient (1, *k, C, M), for x (N, *n, C) and cotangents g (N, *o, M)."""
    c, m, taps = x.shape[-1], g.shape[-1], tiling.taps
    of_x, of_weights, of_g = _ways(tiling, dtype)
    total = memory.empty((len(of_weights.first), prod(spec.kernel[1:]) * c * m), dtype)
    with blas.single_blas():
        for turn, stretch in enumerate(tiling.stretches(len(x), c + m, dtype.itemsize)):
            seen = _along_first(x, of_x.first, tiling, tiling.inside, tiling.seen, stretch, dtype)
            asked = _along_first(g, of_g.first, tiling, tiling.given, tiling.points, stretch, dtype)

            def multiply(at: slice, first: bool = turn == 0) -> None:
                sees, asks = of_x.spectra(seen[at], "x"), of_g.spectra(asked[at], "g", slice(0, 3, 2))
                np.add(sees[:, 0], sees[:, 1], out=sees[:, 2])
                np.add(asks[:, 0], asks[:, 2], out=asks[:, 1])
                asks[:, 0] -= asks[:, 2]
                products = memory.scratch("products", (len(sees), 3, of_weights.frequencies(total[at])), dtype)
                of_taps = products.reshape(-1, taps * c, m)
                given = asks.reshape(len(of_taps), -1, m)
                for some, lines in _rows(sees.reshape(len(of_taps), -1), tiling, c):
                    np.matmul(lines.swapaxes(1, 2), given[some], out=of_taps[some])
                products[:, 0] += products[:, 2]
                products[:, 2] -= products[:, 1]
                found = total[at] if first else memory.scratch("found", total[at].shape, dtype)
                back(of_weights.rest, products[:, ::2], "w", found)
                if not first:
                    total[at] += found

            parallel.run(_groups((of_x, seen), (of_g, asked), (of_weights, total)), multiply)
        dw = np.empty((spec.kernel[0], total.shape[1]), dtype)

        def finish(columns: slice) -> None:
            np.matmul(of_weights.first.T, total[:, columns], out=dw[:, columns])

        parallel.run(_cuts(dw.shape[1]), finish)
    return dw.reshape(1, *spec.kernel, c, m)


def _rows(spectra: Array, tiling: Tiling, c: int) -> Iterator[tuple[slice, Array]]:
    """What each output sees of a line, (frequencies, outputs, taps * C) of spectra (frequencies, L), for some frequencies at a time."""
    if tiling.taps == 1:
        yield slice(None), spectra.reshape(len(spectra), -1, c)
        return
    step, line, width = spectra.itemsize, tiling.length[-1] * c, tiling.taps * c
    shape, strides = (spectra.shape[1] // line, tiling.outputs, width), (line * step, c * step, step)
    each = max(1, ROWS // (prod(shape) * step))
    for start in range(0, len(spectra), each):
        some = spectra[start : start + each]
        rows = memory.scratch("rows", (len(some), *shape), spectra.dtype)
        rows[...] = as_strided(some, rows.shape, (some.strides[0], *strides))
        yield slice(start, start + each), rows.reshape(len(some), -1, width)


def _along_first(
    x: Array, matrix: Array, tiling: Tiling, block: ConvSpec, points: tuple[int, ...], stretch: list[Box], dtype: np.dtype[Any]
) -> Array:
    """Tiles of so many points in the blocks of a stretch, transformed along the first axis: (parts, other points and lines)."""
    shares, count = _shares(tiling, stretch, points)
    spectra = memory.empty((len(matrix), count * x.shape[-1]), dtype)
    every = spectra.reshape(-1, shares[-1].columns.stop * x.shape[-1])

    def work(share: _Share) -> None:
        some, size, part = block, points, share.part
        if part is not None:
            (a, b), n = block.padding[1], part.stop - part.start
            pairs = block.padding[0], (a - part.start, b + part.stop - points[1]), *block.padding[2:]
            some = replace(block, kernel=(block.kernel[0], n, *block.kernel[2:]), padding=pairs)
            size = points[0], n, *points[2:]
        tiles = cut(x, tiling, some, size, share.box, dtype)
        columns = slice(share.columns.start * x.shape[-1], share.columns.stop * x.shape[-1])
        apply([(1, matrix)], tiles if part is None else tiles.reshape(points[0], -1), "x", every[:, columns])

    parallel.run(shares, work)
    return spectra


class _Share(NamedTuple):
    """Blocks of one task along the first axis, or a part of one along the second, and their columns."""

    box: Box
    part: slice | None
    columns: slice


def _shares(tiling: Tiling, stretch: list[Box], points: tuple[int, ...]) -> tuple[list[_Share], int]:
    """Those of a stretch, with columns per number of channels, and the columns of a whole row."""
    axes = len(tiling.axes)
    lines = [prod(lengths(box)) * prod(tiling.spread) * prod(points[axes:]) for box in stretch]
    count = sum(lines) * prod(points[1:axes])
    if len(stretch) == 1 and axes > 1 and tiling.count[1] * tiling.spread[1] == 1:
        each = count // points[1]
        return [_Share(stretch[0], part, slice(part.start * each, part.stop * each)) for part in _cuts(points[1])], count
    ends = list(accumulate(lines))
    return [_Share(box, None, slice(start, stop)) for box, start, stop in zip(stretch, [0, *ends], ends)], count


def _groups(*sides: tuple[_Way, Array]) -> list[slice]:
    """Which rows a thread takes together, those of some frequencies of the first axis."""
    f, nbytes = len(sides[0][1]) // 2, sum(3 * len(a) // 2 * way.frequencies(a) * a.itemsize for way, a in sides)
    parts = min(f, max(2 * parallel.num_threads(), -(-nbytes // GROUP)))
    return [slice(2 * (f * i // parts), 2 * (f * (i + 1) // parts)) for i in range(parts)]


def _cuts(count: int) -> list[slice]:
    """Some shares for each thread."""
    parts = min(count, 4 * parallel.num_threads())
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


class _Way(NamedTuple):
    """From points to frequencies: along the first axis, and, for each of its frequencies, along the rest."""

    first: Array
    rest: tuple[Array, ...]

    def frequencies(self, a: Array) -> int:
        """Columns of what has these points (2, columns) of the rest."""
        return int(a.shape[1] // prod(matrix.shape[1] for matrix in self.rest) * prod(map(len, self.rest)))

    def spectra(self, a: Array, key: str, at: slice = slice(0, 2)) -> Array:
        """Scratch (n, 3, columns), in which the places `at` hold the parts of n frequencies a (2n, columns)."""
        found = memory.scratch((key, "spectra"), (len(a) // 2, 3, self.frequencies(a)), a.dtype)
        there(self.rest, a.reshape(len(found), 2, -1), key, found[:, at])
        return found


@lru_cache(256)
def _ways(tiling: Tiling, dtype: np.dtype[Any]) -> list[_Way]:
    """Those of x, of weights and of outputs; the way back is the transpose."""
    real = np.float32 if real_bytes(dtype) == 4 else np.float64
    first, *others = tiling.circles
    others = [circle for circle in others if circle.length > 1]
    scale = 2 / prod(circle.length for circle in tiling.circles)

    def way(of: Callable[[Circle], range], weights: bool = False) -> _Way:
        along = waves(first.length, of(first), True, weights) * (scale if weights else 1)
        return _Way(along.astype(real), tuple(waves(a.length, of(a), False, weights).astype(real) for a in others))

    return [way(lambda a: range(a.start, a.stop)), way(lambda a: range(a.taps), True), way(lambda a: range(a.outputs))]


def workspace(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> int:
    """Bytes of one thread, about."""
    lines = sum(prod(lengths(box)) for box in tiling.stretches(n, c + m, dtype.itemsize)[0]) * prod(tiling.spread) * tiling.line
    return (lines * (c + m) + tiling.taps * c * m) * tiling.size * dtype.itemsize // parallel.num_threads() + (4 << 20)
