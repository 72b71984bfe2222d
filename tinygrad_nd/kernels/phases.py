"""The three contractions as two jobs for any engine, on channels-last arrays: a correlation, and the sums of a weight gradient.

An engine correlates x (N, *n, C) with kernels (G, *k, C/G, P) and delivers y (N, *o, G * P) to a Target, box by box. That is all it has to
know; where the results go, in which dtype, and with what added, is settled here once for all engines.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np

from . import memory, parallel
from .geometry import ConvSpec, landing
from .memory import Array
from .slabs import Box, copy_pieces, lengths

Parts = Callable[[Box, Array], list[tuple[Array, Array]]]


@dataclass(frozen=True)
class Target:
    """Where an engine delivers: tile(box) is memory for a result (n, *o, P) of the engine's dtype, dense or not; put(box, tile) takes it.

    Or the engine does itself what put does: it adds the bias, and brings parts of a tile that it did not make in y to their places.
    """

    channels: int
    dtype: np.dtype[Any]
    parts: Parts  # (place, part of the tile that belongs there) for all parts; without y a tile may have its channels as (G, P)
    place: Array  # (N, ...), of which the places are parts
    y: Array | None = None  # what tiles may be written into directly
    bias: Array | None = None
    converts: bool = False  # whether the places are of another dtype
    form: Hashable = None  # tells two kinds of parts from one another

    def tile(self, box: Box, part: int = 0, dense: bool = True) -> Array:
        if self.y is not None and ((inside := self.y[box]).flags.c_contiguous or not dense):
            return inside
        return memory.scratch(("tile", part), (*lengths(box), self.channels), self.dtype)

    def put(self, box: Box, tile: Array) -> None:
        if self.bias is not None:
            tile += self.bias
        if self.y is None or not np.may_share_memory(tile, self.y):
            for place, part in self.parts(box, tile):
                copy_pieces(place, part)

    def put_all(self, y: Array) -> None:
        """Take the whole result, on all threads."""
        threads, n = parallel.num_threads(), len(y)
        cuts = [slice(n * i // threads, n * (i + 1) // threads) for i in range(threads)]
        whole = [slice(0, o) for o in y.shape[1:-1]]
        parallel.run([cut for cut in cuts if cut.start < cut.stop], lambda cut: self.put((cut, *whole), y[cut]))

    def images(self, start: int, stop: int) -> Target:
        """The target of some of the images."""

        def parts(box: Box, tile: Array) -> list[tuple[Array, Array]]:
            return self.parts((slice(start + box[0].start, start + box[0].stop), *box[1:]), tile)

        if len(self.place) == stop - start:
            return self
        return replace(self, parts=parts, place=self.place[start:stop], y=None if self.y is None else self.y[start:stop])


Engine = Callable[[Array, Array, ConvSpec, Target], None]
Sums = Callable[[Array, Array, ConvSpec, np.dtype[Any]], Array]


def correlate(engine: Engine, x: Array, w: Array, spec: ConvSpec, bias: Array | None = None) -> Array:
    """y (N, M, *o) of x (N, C, *n) and w (M, C/G, *k), plus a bias (M,)."""
    groups, (m, c) = spec.groups, w.shape[:2]
    dtype = np.result_type(x, w)
    y = memory.channels_last((x.shape[0], m, *spec.out), dtype)
    last, wide = channels_last(y), wide_dtype(dtype)
    bias = None if bias is None else np.ascontiguousarray(bias, wide)
    rows = channels_last(w).reshape(groups, m // groups, prod(spec.kernel) * c)  # (G, M/G, (*k, C/G))
    kernels = rows.astype(wide, copy=False).swapaxes(1, 2).reshape(groups, *spec.kernel, c, m // groups)
    engine(channels_last(x), kernels, spec, Target(m, wide, into(last), last, last if dtype == wide else None, bias, dtype != wide))
    return y


def input_grad(engine: Engine, g: Array, w: Array, spec: ConvSpec) -> Array:
    """dx (N, C, *n) of g (N, M, *o): one stride-1 correlation of g for all phases of the stride, then its channels go to their places.

    dx[i] = sum over taps t of g[(i + a - dt) / s] w[t], where s divides. Write i + a = sq + e and dt = sj + e: points with the same
    remainder e (a phase) use only the taps with that remainder, and dx[q, e] = sum over j of g[q - j] w[j, e] is a stride-1
    correlation with the rotated kernel j, whose output channels are (phases, C). No inserted zero is ever multiplied.
    """
    axes, phased = _axes(spec), lowered(spec)[0]
    groups, c = spec.groups, w.shape[1]
    dtype = np.result_type(g, w)
    wide = wide_dtype(dtype)
    dx = memory.channels_last((g.shape[0], groups * c, *spec.size), dtype)
    if not all(axis.cover for axis in axes):
        dx[...] = 0
    counts = tuple(len(axis.remainders) for axis in axes)
    if min(phased.out, default=1) < 1:  # no tap reaches any point
        return dx
    kernels = _phase_kernels(w, axes, groups, wide)
    last = channels_last(dx)
    grouped = last.reshape(*last.shape[:-1], groups, c)

    def spread(box: Box, tile: Array) -> list[tuple[Array, Array]]:
        tile, parts = tile.reshape(*lengths(box), groups, *counts, c), []
        for e in product(*(range(count) for count in counts)):
            pairs = [axis.slices(part, i) for axis, part, i in zip(axes, box[1:], e)]
            to: tuple[Any, ...] = (box[0], *(to for to, _ in pairs))
            source: tuple[Any, ...] = (slice(None), *(source for _, source in pairs), slice(None), *e)
            parts.append((grouped[to], tile[source]))
        return parts

    dense = all(s == 1 for s in spec.stride)
    parts, y = (into(last), last if dtype == wide else None) if dense else (spread, None)
    target = Target(groups * prod(counts) * c, wide, parts, last, y, converts=dtype != wide, form=None if dense else spec)
    engine(channels_last(g), kernels, phased, target)
    return dx


def weight_grad(sums: Sums, x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o), in the memory of (M, *k, C/G).

    sums(x, g, spec, dtype) of x (N, *n, C) and g (N, *o, M) are (G, *k, C/G, M/G), added up in the given dtype.
    """
    dtype = np.result_type(x, g)
    found = sums(channels_last(x), channels_last(g), spec, wide_dtype(dtype))
    groups, *kernel, c, m = found.shape
    rank = len(kernel)
    rows = found.transpose(0, rank + 2, *range(1, rank + 2)).reshape(groups * m, *kernel, c)
    return rows.transpose(0, rank + 1, *range(1, rank + 1)).astype(dtype, copy=False)


def channels_last(a: Array) -> Array:
    """The view (N, *n, C) of a (N, C, *n)."""
    return a.transpose(0, *range(2, a.ndim), 1)


def into(y: Array) -> Parts:
    """Tiles go to y (N, *o, P)."""
    return lambda box, tile: [(y[box], tile)]


def _phase_kernels(w: Array, axes: Sequence[_Phases], groups: int, dtype: np.dtype[Any]) -> Array:
    """The kernels of the correlation over phases, (G, *taps, M/G, phases * C/G): rotated, channels swapped per group."""
    (m, c), kernel = w.shape[:2], w.shape[2:]
    rank = len(kernel)
    swapped = w.reshape(groups, m // groups, c, *kernel).transpose(0, *range(3, 3 + rank), 1, 2)  # (G, *k, M/G, C/G)
    counts, taps = tuple(len(axis.remainders) for axis in axes), tuple(axis.taps for axis in axes)
    if prod(counts) == 1 and taps == kernel:
        return swapped[(slice(None), *(slice(None, None, -1),) * rank)].astype(dtype, order="C")
    kernels = np.zeros((groups, *taps, m // groups, *counts, c), dtype)
    for t in np.ndindex(kernel):
        places = [axis.place[i] for axis, i in zip(axes, t)]
        at: tuple[Any, ...] = (slice(None), *(j for j, _ in places), slice(None), *(e for _, e in places))
        kernels[at] = swapped[(slice(None), *t)]
    return kernels.reshape(groups, *taps, m // groups, prod(counts) * c)


@lru_cache(1024)
def lowered(spec: ConvSpec) -> tuple[ConvSpec, int]:
    """The correlation that input_grad runs, and its number of phases."""
    axes = _axes(spec)
    taps, padding, step = (tuple(getattr(axis, name) for axis in axes) for name in ("taps", "padding", "step"))
    run = ConvSpec(spec.out, taps, (1,) * spec.rank, padding, step, spec.groups)
    return run, prod(len(axis.remainders) for axis in axes)


@lru_cache(1024)
def _axes(spec: ConvSpec) -> tuple[_Phases, ...]:
    return tuple(_Phases(*axis) for axis in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out))


class _Phases:
    """One axis of input_grad: the remainders modulo the stride that some tap reaches, and the stride-1 correlation they share."""

    def __init__(self, n: int, k: int, s: int, padding: tuple[int, int], d: int, o: int) -> None:
        at = [divmod(d * t, s) for t in range(k)]  # (j, e) of each tap
        self.n, self.s, self.a = n, s, padding[0]
        self.remainders = sorted({e for _, e in at})
        self.cover = len(self.remainders) == s
        self.step = gcd(*(j for j, _ in at)) or 1
        self.taps = at[-1][0] // self.step + 1
        self.place = [(self.taps - 1 - j // self.step, self.remainders.index(e)) for j, e in at]  # rotated
        self.first = -((self.remainders[-1] - self.a) // s)  # the least q that puts some phase at i >= 0
        last = (n - 1 + self.a - self.remainders[0]) // s
        span = self.step * (self.taps - 1)
        self.padding = (span - self.first, last + 1 - o)

    def slices(self, part: slice, phase: int) -> tuple[slice, slice]:
        """Where the outputs q in `part` of one phase go in dx, and which of them do."""
        first = self.s * (self.first + part.start) + self.remainders[phase] - self.a
        which, places = landing(self.n, first, part.stop - part.start, self.s)
        return places, which


def wide_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What sums are kept in: float32 for halves, else the dtype itself."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype
