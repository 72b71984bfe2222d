"""Convolution as a matrix product that finds its operand by offsets (implicit GEMM): no matrix of windows is ever made.

On a channels-last slab of x, with the taps t and channels c of a window as one index q,

    y[j, m] = sum over q of x[start(j) + offset(q)] w[q, m]

where start(j) is the first element of output j's window and offset(q) how far (t, c) lies from it: any rank, stride and dilation is two
lists of integers. The weight gradient is the same product with the two lists exchanged:

    dw[q, m] = sum over j of x[offset(q) + start(j)] g[j, m].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import memory, parallel, phases
from ..geometry import ConvSpec
from ..phases import Target, wide_dtype
from ..slabs import Box, lengths, split
from . import llvm, products
from .products import copy, dense, multiply

Array = NDArray[Any]

SLAB = 1 << 19  # bytes of input worked on at a time: with weights and results they stay in a core's own cache
ROW = 1 << 12  # bytes of a row, below which a slab is cleared as a whole and not border by border
ALONE = 1 << 22  # multiply-adds below which a second thread does not pay


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), slab by slab."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    if (u := _side_by_side(p, spec, dtype)[0]) > 1:
        return engine(x, *_widened(kernels, spec, target, u))
    weights = dense(kernels.reshape(groups, -1, p))  # (G, K, P)

    def work(box: Box) -> None:
        slab = fetch(x, spec, box, dtype)
        starts, offsets = _starts(slab, spec, box), _offsets(slab, spec, c)
        tile = target.tile(box)
        out = tile.reshape(-1, groups * p)
        for i in range(groups):
            multiply(slab[..., i * c :], starts, offsets, weights[i], out[:, i * p : (i + 1) * p])
        target.put(box, tile)

    parallel.run(_slabs(x.shape, spec, dtype, kernels.size), work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o), summed in the order of the parts."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    taps = prod(spec.kernel) * c
    sums: dict[int, Array] = {}

    def share(boxes: Sequence[Box], part: int) -> None:
        total = sums[part] = np.zeros((groups, taps, m), wide)
        for box in boxes:
            slab = fetch(last, spec, box, wide)
            starts, offsets = _starts(slab, spec, box), _offsets(slab, spec, c)
            given = cotangents[box]
            if given.dtype != wide or not given.flags.c_contiguous:
                given = memory.scratch("given", given.shape, wide)
                copy(cotangents[box], given)
            given = given.reshape(-1, groups * m)
            for i in range(groups):
                multiply(slab[..., i * c :], offsets, starts, given[:, i * m : (i + 1) * m], total[i], add=True)

    parallel.run_parts(_slabs((x.shape[0], *spec.size, x.shape[1]), spec, wide, x.shape[1] * prod(spec.kernel) * m), share)
    return phases.as_weight(phases.total(sums).reshape(groups, *spec.kernel, c, m), dtype)


def refuses(spec: ConvSpec, dtype: np.dtype[Any]) -> str | None:
    """Vectors of real numbers only."""
    return None if dtype.char in "fd" else f"multiplies float32 and float64, not {dtype}"


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: the products at their measured rate, and a copy of what goes in and out."""
    points, groups = n * prod(spec.out), spec.groups
    macs = points * prod(spec.kernel) * (c // groups) * m
    p = m // groups
    vectors = _side_by_side(p, spec, dtype)[1]
    filled = p / llvm.lanes(dtype) / vectors * (1 if vectors > 1 else 0.7)  # a tile of one vector loads more than it multiplies
    moved = (n * c * prod(spec.size) + points * m) * dtype.itemsize
    return 5e-5 + 2 * macs / filled / products.flops_per_second(dtype) + 7e-11 * moved, 2 * SLAB


def fetch(x: Array, spec: ConvSpec, box: Box, dtype: np.dtype[Any], key: str = "slab") -> Array:
    """What the outputs in `box` see of x (N, *n, C), zero-padded: a view of x where channels lie side by side in it, else scratch."""
    inside, places, sizes = [box[0]], [], [box[0].stop - box[0].start]
    for part, n, k, s, (a, _), d in zip(box[1:], spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation):
        start, stop = s * part.start - a, s * (part.stop - 1) + d * (k - 1) + 1 - a
        low = min(max(start, 0), n)
        high = max(low, min(stop, n))
        inside.append(slice(low, high))
        places.append(slice(min(low - start, stop - start), high - start))
        sizes.append(stop - start)
    source = x[tuple(inside)]
    if list(source.shape[:-1]) == sizes and x.dtype == dtype and x.flags.aligned and (x.strides[-1] == x.itemsize or x.shape[-1] == 1):
        return source
    slab = core = memory.scratch(key, (*sizes, x.shape[-1]), dtype)
    if slab.size > source.size and slab.nbytes < ROW * prod(sizes[:-1]):  # many short borders
        slab[...] = 0
        core = slab[(slice(None), *places)]
    else:
        for axis, part in enumerate(places, 1):
            lead = (slice(None),) * axis
            core[(*lead, slice(0, part.start))] = 0
            core[(*lead, slice(part.stop, None))] = 0
            core = core[(*lead, part)]
    if source.size:
        copy(source, core)
    return slab


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
    (*lead, k, c, p), s, o = kernels.shape, spec.stride[-1], spec.out[-1]
    wide = np.zeros((*lead, k + s * (u - 1), c, u, p), kernels.dtype)
    for i in range(u):
        wide[..., s * i : s * i + k, :, i, :] = kernels
    before, count = spec.padding[-1][0], -(-o // u)
    after = s * u * (count - 1) + wide.shape[-4] - spec.size[-1] - before
    grown = replace(
        spec,
        kernel=(*spec.kernel[:-1], wide.shape[-4]),
        stride=(*spec.stride[:-1], s * u),
        padding=(*spec.padding[:-1], (before, after)),
    )

    def put(box: Box, tile: Array) -> None:
        last = slice(box[-1].start * u, min(box[-1].stop * u, o))
        target.put((*box[:-1], last), tile.reshape(*tile.shape[:-2], -1, p)[..., : last.stop - last.start, :])

    y = target.y.reshape(*target.y.shape[:-2], count, u * p) if target.y is not None and o % u == 0 else None
    return wide.reshape(*wide.shape[:-2], u * p), grown, Target(u * p, target.dtype, put, y)


def _starts(slab: Array, spec: ConvSpec, box: Box) -> Array:
    """The first element of the window of each output, (points,)."""
    steps = (slab.strides[0], *(a * s for a, s in zip(slab.strides[1:], spec.stride)))
    return products.places(tuple(lengths(box)), steps, slab.itemsize)


def _offsets(slab: Array, spec: ConvSpec, c: int) -> Array:
    """Where each tap and channel of a group lies in a window, (taps * C/G,)."""
    steps = (*(a * d for a, d in zip(slab.strides[1:], spec.dilation)), slab.strides[-1])
    return products.places((*spec.kernel, c), steps, slab.itemsize)


def _slabs(shape: Sequence[int], spec: ConvSpec, dtype: np.dtype[Any], per_point: int) -> list[Box]:
    """Boxes of (N, *o), as many for each thread: few, since between two calls of a compiled kernel threads wait for one another."""
    n, c = shape[0], shape[-1]
    parts = parallel.num_threads() if n * prod(spec.out) * per_point > ALONE else 1
    seen = (s * (o - 1) + d * (k - 1) + 1 for s, o, d, k in zip(spec.stride, spec.out, spec.dilation, spec.kernel))
    image = prod(seen) * c * dtype.itemsize
    count = parts * -(-n * image // (parts * SLAB))
    return split(spec, n, c, dtype.itemsize, 1, image * -(-n // count) if count <= n else -(-n * image // count))
