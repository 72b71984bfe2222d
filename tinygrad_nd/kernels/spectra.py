"""Convolution of tiles that are transformed by `fourier`: all of them along the first axis, then frequency by frequency, then back.

Threads share out the tiles of x, then the frequencies of the first axis, then the tiles of y. Each of these frequencies is a convolution
over the other axes, whose spectra stay in a core's cache. A product has the rows of all tiles, as that of few channels needs them: tiles
may be lines (see tilings).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import blas, memory, parallel
from .fourier import Chain, fourier
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
    (*_, c, p), dtype, taps, f = kernels.shape, kernels.dtype, tiling.taps, tiling.frequencies
    a, b, g = _ways(tiling, dtype)
    back = _Way(_transposed(a.first), _transposed(a.rest))
    rows = kernels.reshape(_taps(spec, tiling), -1)
    weights = memory.empty((_through(g.first, len(rows)), rows.shape[1]), dtype)

    def prepare(columns: slice) -> None:
        apply(g.first, rows[:, columns], "w", weights[:, columns])

    with blas.single_blas():
        parallel.run(_cuts(rows.shape[1]), prepare)
        for stretch in tiling.stretches(len(x), c + p, dtype.itemsize):
            seen = _along_first(x, b.first, tiling, tiling.windows, tiling.length, stretch, dtype)
            length = seen.shape[2] - (taps - 1) * c
            made = memory.empty((f, _through(back.rest, tiling.size // f), length // c * p), dtype)

            def multiply(i: int) -> None:
                of_taps = apply(g.rest, weights.reshape(f, -1, rows.shape[1])[i], "w").reshape(-1, 1, taps * c, p)
                rows_seen = rows_of(apply(b.rest, seen[i], "x"), 1, tiling, c, taps * c)
                products = memory.scratch("products", (len(rows_seen), rows_seen.shape[2], taps, p), dtype)
                np.matmul(rows_seen, of_taps, out=products.swapaxes(1, 2))
                apply(back.rest, products.reshape(len(products), -1), "y", made[i])

            parallel.run(range(f), multiply)
            every = made.reshape(-1, made.shape[2])

            def finish(task: tuple[Box, slice]) -> None:
                deliver(apply(back.first, every[:, task[1].start * p : task[1].stop * p], "y"), tiling, task[0], target)

            parallel.run(_places(tiling, stretch), finish)


def convolve_back(x: Array, g: Array, spec: ConvSpec, tiling: Tiling, dtype: np.dtype[Any]) -> Array:
    """Its weight gradient (1, *k, C, M), for x (N, *n, C) and cotangents g (N, *o, M)."""
    c, m, taps, f = x.shape[-1], g.shape[-1], tiling.taps, tiling.frequencies
    to_cotangents, to_x, to_weights = _ways(tiling, dtype)
    total = memory.empty((f, _through(to_weights.first, _taps(spec, tiling)) // f, taps * c * m), dtype)
    shape = taps, taps * c, m
    step = max(1, CACHED // (prod(shape) * dtype.itemsize))
    with blas.single_blas():
        for i, stretch in enumerate(tiling.stretches(len(x), c + m, dtype.itemsize)):
            seen = _along_first(x, to_x.first, tiling, tiling.windows, tiling.length, stretch, dtype)
            asked = _along_first(g, to_cotangents.first, tiling, tiling.given, tiling.points, stretch, dtype)

            def multiply(at: int, first: bool = i == 0) -> None:
                sees = rows_of(apply(to_x.rest, seen[at], "x"), 1, tiling, c, taps * c).swapaxes(2, 3)
                asks = rows_of(apply(to_cotangents.rest, asked[at], "g"), 1, tiling, m, m)
                of_taps = memory.scratch("taps", (len(sees), taps * c, m), dtype)
                for some in (slice(low, low + step) for low in range(0, len(sees), step)):
                    sums = memory.scratch("sums", (len(sees[some]), *shape), dtype)
                    np.matmul(sees[some], asks[some], out=sums)
                    np.add.reduce(sums, 1, out=of_taps[some])
                found = apply(_transposed(to_weights.rest), of_taps.reshape(len(sees), -1), "w")
                np.copyto(total[at], found) if first else np.add(total[at], found, out=total[at])

            parallel.run(range(f), multiply)
        every, dw = total.reshape(-1, total.shape[2]), np.empty((_taps(spec, tiling), total.shape[2]), dtype)

        def finish(columns: slice) -> None:
            dw[:, columns] = apply(_transposed(to_weights.first), every[:, columns], "w")

        parallel.run(_cuts(dw.shape[1]), finish)
    return dw.reshape(1, *spec.kernel, c, m)


def _along_first(
    x: Array, chain: Chain, tiling: Tiling, block: ConvSpec, points: Sequence[int], stretch: list[Box], dtype: np.dtype[Any]
) -> Array:
    """Tiles of a stretch transformed along the first axis, (its frequencies, points, lines), with zeros as far as `rows_of` looks."""
    tasks, c, taps = _places(tiling, stretch), x.shape[-1], tiling.taps
    count, axes = tasks[-1][1].stop, len(tiling.axes)
    spectra = memory.empty((_through(chain, prod(points[:axes])), (-(-count // taps) * taps + taps - 1) * c), dtype)
    spectra[:, count * c :] = 0

    def work(task: tuple[Box, slice]) -> None:
        apply(chain, cut(x, tiling, block, points, task[0], dtype), "x", spectra[:, task[1].start * c : task[1].stop * c])

    parallel.run(tasks, work)
    return spectra.reshape(tiling.frequencies, -1, spectra.shape[1])


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


class _Way(NamedTuple):
    """From points to frequencies: along the first axis, and, for each of its frequencies, along the rest."""

    first: Chain
    rest: Chain


@lru_cache(256)
def _ways(tiling: Tiling, dtype: np.dtype[Any]) -> list[_Way]:
    """Those of cotangents, of x and of weights."""
    real, f = np.float32 if real_bytes(dtype) == 4 else np.float64, tiling.frequencies
    chains = ([(batch, matrix.astype(real)) for batch, matrix in chain] for chain in fourier(tiling.axes))
    return [_Way(chain[:1], [(batch // f, matrix) for batch, matrix in chain[1:]]) for chain in chains]


def _transposed(chain: Chain) -> Chain:
    return [(batch, matrix.T) for batch, matrix in reversed(chain)]


def _through(chain: Chain, points: int) -> int:
    """How many points a chain makes of so many."""
    for _, matrix in chain:
        points = points * matrix.shape[0] // matrix.shape[1]
    return points


def workspace(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> int:
    """Bytes of one thread, about."""
    stretch = tiling.stretches(n, c + m, dtype.itemsize)[0]
    points: int = _places(tiling, stretch)[-1][1].stop * (c + m)
    return (points + tiling.taps * c * m) * tiling.size * dtype.itemsize // parallel.num_threads() + (4 << 20)
