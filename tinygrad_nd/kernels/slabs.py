"""Boxes of output and the input they see: how a kernel walks over an array without a padded or reordered copy of it.

Everything here is channels-last: the spatial axes lie between the batch and the channels, (N, *n, C).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import memory
from .geometry import ConvSpec, reach
from .memory import Array

Box = tuple[slice, ...]  # of images and of output points, (N, *o)

SLAB = 1 << 20  # bytes of input worked on at a time: what a core's own cache holds


def boxes(extents: Sequence[int], nbytes: Callable[[Sequence[int]], int], limit: int) -> list[Box]:
    """Cut a grid into boxes of at most `limit` bytes (or one point), keeping the inner axes whole as far as they fit.

    >>> boxes((2, 3), lambda shape: 8 * shape[0] * shape[1], 24)
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    shape = [1] * len(extents)
    for axis in reversed(range(len(extents))):
        whole = shape[axis] = extents[axis]
        if nbytes(shape) > limit:
            low, high = 1, whole  # bisect for the longest that fits, then cut evenly
            while low < high:
                shape[axis] = (low + high + 1) // 2
                low, high = (shape[axis], high) if nbytes(shape) <= limit else (low, shape[axis] - 1)
            shape[axis] = -(-whole // -(-whole // low))
            break
    cuts = [[slice(i, min(i + length, n)) for i in range(0, n, length)] for n, length in zip(extents, shape)]
    return list(product(*cuts))


def split(spec: ConvSpec, n: int, channels: int, itemsize: int, parts: int, limit: int = SLAB) -> list[Box]:
    """Boxes of (N, *o) whose input takes at most `limit` bytes, as many for each of `parts` threads."""

    def nbytes(shape: Sequence[int]) -> int:
        return shape[0] * prod(reach(spec, shape[1:])) * channels * itemsize

    extents = (n, *spec.out)
    limit = max(limit, 4 * nbytes([1] * len(extents)))  # windows that are as large are not looked at one by one
    if parts > 1:
        rounds = max(1, round(nbytes(extents) / (parts * limit)))
        limit = 9 * nbytes(extents) // (8 * parts * rounds)  # neighbours share a little input
    return boxes(extents, nbytes, limit)


def fetch(x: Array, spec: ConvSpec, box: Box, dtype: np.dtype[Any], key: str = "slab") -> Array:
    """What the outputs in `box` see of x (N, *n, C), zero-padded: a view where it can be one, else in this thread's scratch."""
    inside, places, sizes = seen(spec, box)
    source = x[inside]
    rows_are_dense = x.strides[-1] == x.itemsize and (x.ndim < 3 or x.strides[-2] == x.itemsize * x.shape[-1])
    if list(source.shape[:-1]) == sizes and x.dtype == dtype and rows_are_dense:
        return source
    slab = memory.scratch(key, (*sizes, x.shape[-1]), dtype)
    core, borders = within(slab, places)
    for border in borders:
        border[...] = 0
    copy_points(core, source)
    return slab


def seen(spec: ConvSpec, box: Box) -> tuple[Box, list[slice], list[int]]:
    """What the outputs in `box` see: a part of the images (N, *n), where that lies within all they see, and its size."""
    inside, places, sizes = [box[0]], [], [box[0].stop - box[0].start]
    for part, n, k, s, (a, _), d in zip(box[1:], spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation):
        start, stop = s * part.start - a, s * (part.stop - 1) + d * (k - 1) + 1 - a
        low, high = min(max(start, 0), n), min(max(stop, 0), n)
        before = min(max(-start, 0), stop - start)
        inside.append(slice(low, high))
        places.append(slice(before, before + high - low))
        sizes.append(stop - start)
    return tuple(inside), places, sizes


def within(slab: Array, places: Sequence[slice]) -> tuple[Array, list[Array]]:
    """The part of a slab (N, *n, C) at these places, and what lies around it."""
    core, borders = slab, []
    for axis, place in enumerate(places, 1):
        lead = (slice(None),) * axis
        borders += [core[(*lead, slice(0, place.start))], core[(*lead, slice(place.stop, None))]]
        core = core[(*lead, place)]
    return core, [border for border in borders if border.size]


def dense(a: Array, dtype: np.dtype[Any], key: str = "dense") -> Array:
    """`a` itself where it is C-ordered and of this dtype, else a copy in scratch."""
    if a.dtype == dtype and a.flags.c_contiguous:
        return a
    copy = memory.scratch(key, a.shape, dtype)
    copy_points(copy, a)
    return copy


def copy_points(out: Array, a: Array) -> None:
    """out[...] = a for arrays (N, *n, C), of which `a` may lie channels-first in memory."""
    if a.shape[-1] <= 4:  # a long loop per channel rather than a short one per point
        for c in range(a.shape[-1]):
            out[..., c] = a[..., c]
    elif a.ndim > 2 and abs(a.strides[-1]) > abs(a.strides[-2]) and a.nbytes <= 2 * SLAB:
        warm = memory.scratch("warm", (a.shape[0], a.shape[-1], *a.shape[1:-1]), a.dtype)
        warm[...] = np.moveaxis(a, -1, 1)  # in order of memory: to gather points from cold memory takes twice as long
        out[...] = np.moveaxis(warm, 1, -1)
    else:
        out[...] = a


def lengths(box: Box) -> list[int]:
    """The extents of a box."""
    return [part.stop - part.start for part in box]


def windows(slab: Array, spec: ConvSpec, outputs: Sequence[int]) -> Array:
    """A read-only view (G, N, *o, *k, C/G) of a fetched slab (N, *n, C): the window of every output point."""
    steps, groups, channels = slab.strides[1:-1], spec.groups, slab.shape[-1] // spec.groups
    shape = (groups, slab.shape[0], *outputs, *spec.kernel, channels)
    strides = (
        slab.strides[-1] * channels,
        slab.strides[0],
        *(a * s for a, s in zip(steps, spec.stride)),
        *(a * d for a, d in zip(steps, spec.dilation)),
        slab.strides[-1],
    )
    return as_strided(slab, shape, strides, writeable=False)


def copy_pieces(out: Array, a: Array) -> None:
    """out[...] = a, in pieces as long as both are dense: NumPy copies many short rows faster as items of an opaque type."""
    axis, piece = a.ndim, a.itemsize
    while axis and (a.shape[axis - 1] == 1 or a.strides[axis - 1] == out.strides[axis - 1] == piece):
        axis -= 1
        piece *= a.shape[axis]
    if axis == a.ndim or piece > 1024 or a.dtype != out.dtype or not a.size:
        out[...] = a
    else:
        lead = a.shape[:axis]
        item = np.dtype((np.void, piece))
        out.reshape(*lead, -1).view(item)[...] = a.reshape(*lead, -1).view(item)
