"""Convolution as a matrix product that finds its operand by offsets (implicit GEMM): no matrix of windows is ever made.

On a channels-last slab of x, with the taps t and channels c of a window as one index q,

    y[j, m] = sum over q of x[start(j) + offset(q)] w[q, m]

where start(j) is the first element of output j's window and offset(q) how far (t, c) lies from it: any rank, stride and dilation is two
lists of integers. The weight gradient is the same product with the two lists exchanged:

    dw[q, m] = sum over j of x[offset(q) + start(j)] g[j, m].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..gemm import abreast, side_by_side
from ..geometry import ConvSpec, reach
from ..memory import Array
from ..phases import Target
from ..slabs import Box, lengths, seen, split, within
from . import llvm, products, programs
from .crew import Call
from .images import by_images, summed_by_images
from .products import dense, moved, multiply

SLAB = 1 << 19  # bytes of input worked on at a time: with weights and results they stay in a core's own cache
CACHED = 1 << 18  # numbers of images that caches hold
CLEARED = 1 << 18  # bytes of a slab that is cleared as a whole, and not border by border
ALONE = 1 << 22  # multiply-adds below which a second thread does not pay


@by_images
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), slab by slab."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    if (u := _side_by_side(p, spec, dtype)[0]) > 1:
        return engine(x, *_widened(kernels, spec, target, u))
    weights = dense(kernels.reshape(groups, -1, p), dtype)  # (G, K, P)

    def written() -> list[list[Call]]:
        return [work(*share) for share in _shares(x.shape, spec, dtype, kernels.size, parallel.num_threads())]

    def work(part: int, boxes: list[Box]) -> list[Call]:
        calls: list[Call] = []
        for box in boxes:
            slab = _seen(x, spec, box, part, calls)
            starts, offsets = _starts(slab, spec, box), _offsets(slab, spec, c)
            tile = target.tile(box, part)
            out = tile.reshape(-1, groups * p)
            if target.bias is not None:
                calls.append(moved(np.broadcast_to(target.bias, out.shape), out))
            for i in range(groups):
                columns = slice(i * p, (i + 1) * p)
                calls.append(multiply(slab[..., i * c :], starts, offsets, weights[i], out[:, columns], target.bias is not None))
            if target.y is None or not np.may_share_memory(tile, target.y):
                calls += [moved(source, place) for place, source in target.parts(box, tile)]
        return calls

    bias = () if target.bias is None else (target.bias,)
    programs.run(("correlate", spec, target.form, target.y is None), (x, weights, target.place, *bias), written)


@summed_by_images
def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """Summed slab by slab, and the sums of threads in their order."""
    groups, c, m, dtype = spec.groups, x.shape[-1] // spec.groups, g.shape[-1] // spec.groups, x.dtype
    shares = _shares(x.shape, spec, dtype, x.shape[-1] * prod(spec.kernel) * m, parallel.num_threads())
    sums = memory.empty((len(shares), groups, prod(spec.kernel) * c, m), dtype)

    def work(part: int, boxes: list[Box]) -> list[Call]:
        calls: list[Call] = []
        for box in boxes:
            slab = _seen(x, spec, box, part, calls)
            starts, offsets = _starts(slab, spec, box), _offsets(slab, spec, c)
            given = g[box]
            if not given.flags.c_contiguous:
                given = memory.scratch(("given", part), given.shape, dtype)
                calls.append(moved(g[box], given))
            given = given.reshape(-1, groups * m)
            for i in range(groups):
                cotangents = given[:, i * m : (i + 1) * m]
                calls.append(multiply(slab[..., i * c :], offsets, starts, cotangents, sums[part, i], box is not boxes[0]))
        return calls

    programs.run(("weight_grad", spec), (x, g, sums), lambda: [work(*share) for share in shares])
    for other in sums[1:]:
        sums[0] += other
    return np.reshape(sums[0], (groups, *spec.kernel, c, m))


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Vectors of real numbers only."""
    return None if dtype.char in "fd" else f"multiplies float32 and float64, not {dtype}"


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    return _seconds(n, c, m, spec, dtype, _side_by_side(m // spec.groups, spec, dtype)[1], 1), 2 * SLAB


def weight_cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """The same of the weight gradient, for which no outputs are made side by side."""
    return _seconds(n, c, m, spec, dtype, -(-m // spec.groups // llvm.lanes(dtype)), 1.15), 2 * SLAB


def _seconds(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any], vectors: float, longer: float) -> float:
    """The products at their measured rate (a tile of one vector loads more than it multiplies), a few steps of that for every vector of
    results, the weights, once per slab again, and what images that caches do not hold take from afar."""
    points, window, lanes = n * prod(spec.out), prod(spec.kernel) * c // spec.groups, llvm.lanes(dtype)
    step, rows = 2 * lanes / products.flops_per_second(dtype), points * spec.groups * vectors
    slabs = n * c * prod(reach(spec, spec.out)) * dtype.itemsize / SLAB
    far = max(0, n * c * prod(spec.size) + points * m - CACHED)
    moved = window * m * (5 + 0.8 * slabs) + 0.4 * far
    products_and_rows = step * rows * ((1.4 if vectors <= 1 else 1) * longer * window + 6)
    return 2e-4 + products_and_rows + blas.moved_seconds(moved, dtype)


def _seen(x: Array, spec: ConvSpec, box: Box, part: int, calls: list[Call]) -> Array:
    """What the outputs in `box` see of x (N, *n, C), zero-padded: a view of it, or scratch that the calls added fill."""
    inside, places, sizes = seen(spec, box)
    source = x[inside]
    if list(source.shape[:-1]) == sizes:
        return source
    slab = memory.scratch(("slab", part), (*sizes, x.shape[-1]), x.dtype)
    core, borders = within(slab, places)
    calls += [moved(None, border) for border in ([slab] if slab.nbytes < CLEARED else borders)]
    if source.size:
        calls.append(moved(source, core))
    return slab


@lru_cache(1024)
def _shares(shape: tuple[int, ...], spec: ConvSpec, dtype: np.dtype[Any], per_point: int, threads: int) -> list[tuple[int, list[Box]]]:
    """An even part of the slabs for each thread."""
    boxes = _slabs(shape, spec, dtype, per_point, threads)
    parts = min(threads, len(boxes))
    return [(i, boxes[len(boxes) * i // parts : len(boxes) * (i + 1) // parts]) for i in range(parts)]


@lru_cache(1024)
def _side_by_side(p: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[int, float]:
    """How many outputs along the last axis to make as the channels of one, and the vectors that one output then takes per tap.

    Outputs uj .. uj + u - 1 are a window of k + s(u - 1) taps: more of them multiply zeros, but fewer lanes of a vector are idle.
    """
    lanes = llvm.lanes(dtype)

    def vectors(u: int) -> float:
        k, s, o = spec.kernel[-1], spec.stride[-1], spec.out[-1]
        return -(-u * p // lanes) * (k + s * (u - 1)) / k * -(-o // u) / o

    alone = -(-p // lanes)
    if not spec.rank or spec.groups > 1 or spec.dilation[-1] > 1 or 4 * p > 3 * lanes:
        return 1, alone
    u = min(range(1, min(spec.out[-1], 2 * lanes) + 1), key=vectors)
    return (u, vectors(u)) if vectors(u) < 0.8 * alone else (1, alone)


def _widened(kernels: Array, spec: ConvSpec, target: Target, u: int) -> tuple[Array, ConvSpec, Target]:
    """The same correlation with u neighbours along the last axis as channels (u, P), which in memory is the same result."""
    p, o, wide = kernels.shape[-1], spec.out[-1], abreast(spec, u)

    def parts(box: Box, tile: Array) -> list[tuple[Array, Array]]:
        last = slice(box[-1].start * u, min(box[-1].stop * u, o))
        return target.parts((*box[:-1], last), tile.reshape(*tile.shape[:-2], -1, p)[..., : last.stop - last.start, :])

    bias = None if target.bias is None else np.tile(target.bias, u)
    y = target.y.reshape(*target.y.shape[:-2], wide.out[-1], u * p) if target.y is not None and o % u == 0 else None
    into = Target(u * p, target.dtype, parts, target.place, y, bias, form=(u, target.form))
    return side_by_side(kernels, spec, u), wide, into


def _starts(slab: Array, spec: ConvSpec, box: Box) -> Array:
    """The first element of the window of each output, (points,)."""
    steps = (slab.strides[0], *(a * s for a, s in zip(slab.strides[1:], spec.stride)))
    return products.places(tuple(lengths(box)), steps, slab.itemsize)


def _offsets(slab: Array, spec: ConvSpec, c: int) -> Array:
    """Where each tap and channel of a group lies in a window, (taps * C/G,)."""
    steps = (*(a * d for a, d in zip(slab.strides[1:], spec.dilation)), slab.strides[-1])
    return products.places((*spec.kernel, c), steps, slab.itemsize)


def _slabs(shape: Sequence[int], spec: ConvSpec, dtype: np.dtype[Any], per_point: int, threads: int) -> list[Box]:
    """Boxes of (N, *o), as many for each thread."""
    n, c = shape[0], shape[-1]
    parts = threads if n * prod(spec.out) * per_point > ALONE else 1
    image = prod(reach(spec, spec.out)) * c * dtype.itemsize
    count = parts * -(-n * image // (parts * SLAB))
    return split(spec, n, c, dtype.itemsize, 1, image * -(-n // count) if count <= n else -(-n * image // count))
