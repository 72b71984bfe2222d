"""Convolution of tiles that are transformed by `fourier`: first all of them, then products frequency by frequency, then back.

Threads share out the tiles of x, then the frequencies, then the tiles of y: a product of a frequency has the rows of all tiles, and its
weights are read once. That of few channels needs them: tiles may be lines (see tilings), of which a row makes several outputs abreast.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, memory, parallel
from .fourier import Chain, fourier
from .gemm import side_by_side
from .geometry import ConvSpec
from .phases import Target
from .slabs import Box, lengths
from .tilings import Tiling
from .toom_cook import real_bytes
from .winograd import apply, cut, deliver, rows_of

Array = NDArray[Any]

CACHED = 1 << 19  # bytes of products of some frequencies that are summed over turns


def convolve(x: Array, kernels: Array, spec: ConvSpec, tiling: Tiling, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (1, *k, C, P)."""
    (*_, c, p), dtype, q = kernels.shape, kernels.dtype, tiling.abreast
    a, b, g = _chains(tiling, dtype)
    rows = (kernels if q == 1 else side_by_side(kernels, spec, q)).reshape(_taps(spec, tiling), -1)
    weights = memory.empty((tiling.size, rows.shape[1]), dtype)

    def prepare(columns: slice) -> None:
        apply(g, rows[:, columns], "w", weights[:, columns])

    with blas.single_blas():
        parallel.run(_cuts(rows.shape[1]), prepare)
        for stretch in tiling.stretches(len(x), c + p, dtype.itemsize):
            seen = _spectra(x, b, tiling, tiling.windows, tiling.length, stretch, dtype)
            rows_seen = rows_of(seen, 1, tiling, c, tiling.reach * c)
            products = memory.empty((tiling.size, rows_seen.shape[2], tiling.turns, q * p), dtype)
            by_frequency = weights.reshape(tiling.size, 1, tiling.reach * c, q * p)

            def multiply(some: slice) -> None:
                np.matmul(rows_seen[some], by_frequency[some], out=products[some].swapaxes(1, 2))

            parallel.run(_cuts(tiling.size), multiply)
            made = products.reshape(tiling.size, -1)

            def back(task: tuple[Box, slice]) -> None:
                deliver(apply(a, made[:, task[1].start * p : task[1].stop * p], "y"), tiling, task[0], target)

            parallel.run(_places(tiling, stretch), back)


def convolve_back(x: Array, g: Array, spec: ConvSpec, tiling: Tiling, dtype: np.dtype[Any]) -> Array:
    """Its weight gradient (1, *k, C, M), for x (N, *n, C) and cotangents g (N, *o, M)."""
    c, m, q, taps = x.shape[-1], g.shape[-1], tiling.abreast, tiling.taps
    chains = _chains(tiling, dtype)
    to_cotangents, to_weights = _transposed(chains[0]), _transposed(chains[2])
    total = memory.empty((tiling.size, taps * c * m), dtype)
    shape = tiling.turns, tiling.reach * c, q * m
    step = max(1, CACHED // (prod(shape) * dtype.itemsize))
    with blas.single_blas():
        for i, stretch in enumerate(tiling.stretches(len(x), c + m, dtype.itemsize)):
            seen = rows_of(_spectra(x, chains[1], tiling, tiling.windows, tiling.length, stretch, dtype), 1, tiling, c, tiling.reach * c)
            asked = rows_of(_spectra(g, to_cotangents, tiling, tiling.given, tiling.points, stretch, dtype), 1, tiling, m, q * m)

            def multiply(some: slice, first: bool = i == 0) -> None:
                sums = memory.scratch("sums", (some.stop - some.start, *shape), dtype)
                np.matmul(seen[some].swapaxes(2, 3), asked[some], out=sums)
                found = (sums.sum(1) if tiling.turns > 1 else sums).reshape(len(sums), tiling.reach, c, q, m)
                of_taps = total[some].reshape(len(sums), taps, c, m)
                for j in range(q):
                    if first and j == 0:
                        of_taps[...] = found[:, :taps, :, 0]
                    else:
                        of_taps += found[:, j : j + taps, :, j]

            parallel.run([slice(i, min(i + step, tiling.size)) for i in range(0, tiling.size, step)], multiply)
        dw = np.empty((_taps(spec, tiling), total.shape[1]), dtype)

        def finish(columns: slice) -> None:
            dw[:, columns] = apply(to_weights, total[:, columns], "w")

        parallel.run(_cuts(total.shape[1]), finish)
    return dw.reshape(1, *spec.kernel, c, m)


def _spectra(
    x: Array, chain: Chain, tiling: Tiling, block: ConvSpec, points: Sequence[int], stretch: list[Box], dtype: np.dtype[Any]
) -> Array:
    """Transformed tiles of a stretch, point after point of its lines, with zeros as far as `rows_of` looks."""
    tasks, c, row = _places(tiling, stretch), x.shape[-1], tiling.turns * tiling.abreast
    count = tasks[-1][1].stop
    spectra = memory.empty((tiling.size, (-(-count // row) * row + tiling.taps - 1) * c), dtype)
    spectra[:, count * c :] = 0

    def work(task: tuple[Box, slice]) -> None:
        apply(chain, cut(x, tiling, block, points, task[0], dtype), "x", spectra[:, task[1].start * c : task[1].stop * c])

    parallel.run(tasks, work)
    return spectra


def _places(tiling: Tiling, stretch: list[Box]) -> list[tuple[Box, slice]]:
    """Which points of a stretch are those of each box."""
    ends = list(accumulate(prod(lengths(box)) * prod(tiling.spread) * tiling.line for box in stretch))
    return [(box, slice(start, stop)) for box, start, stop in zip(stretch, [0, *ends], ends)]


def _cuts(count: int) -> list[slice]:
    """Some shares for each thread."""
    parts = min(count, 4 * parallel.num_threads())
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def _taps(spec: ConvSpec, tiling: Tiling) -> int:
    """Of the kernel, along the axes that are transformed."""
    return prod(spec.kernel) // tiling.taps


@lru_cache(256)
def _chains(tiling: Tiling, dtype: np.dtype[Any]) -> list[Chain]:
    """A', B' and G."""
    real = np.float32 if real_bytes(dtype) == 4 else np.float64
    return [[(batch, matrix.astype(real)) for batch, matrix in chain] for chain in fourier(tiling.axes)]


def _transposed(chain: Chain) -> Chain:
    return [(batch, matrix.T) for batch, matrix in reversed(chain)]


def workspace(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> int:
    """Bytes of one thread, about."""
    stretch = tiling.stretches(n, c + m, dtype.itemsize)[0]
    points: int = _places(tiling, stretch)[-1][1].stop * (c + m)
    return (points + tiling.reach * tiling.abreast * c * m) * tiling.size * dtype.itemsize // parallel.num_threads() + (4 << 20)
