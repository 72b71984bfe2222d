"""Slabs for pooling: which part of the input one task works on, and how it lies in memory.

A slab has the axes (outer, *rows, phase, column, inner), in the coordinates of the padded input: along the last spatial axis, position
s*c + q lies at [q, c]. So what tap t of a window with stride s and dilation d sees is contiguous: phase td mod s, from column td // s on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import engines, memory
from .geometry import PoolSpec
from .memory import Array

SLAB = 1 << 21  # bytes of input per slab
WIDE = 8  # channels that are worth being innermost
COMPILED = 1 << 5  # numbers; with fewer it is not worth asking for an engine
Range = tuple[int, int]


def engine(a: Array) -> Any:
    """The compiled pools, where there are any and they are worth it."""
    return engines.compiled("pools") if a.size >= COMPILED and a.dtype in (np.float32, np.float64) else None


# Layout: outer axes, space, inner axes, as they lie in memory.


@dataclass(frozen=True)
class Layout:
    """How (*lead, *space) is turned into (outer, *space, inner): the axes in that order, and where each of them goes back to."""

    lead: tuple[int, ...]
    order: tuple[int, ...]
    back: tuple[int, ...]
    outer: int
    inner: int

    def spread(self, a: Array) -> Array:
        return a.transpose(self.order).reshape(self.outer, *a.shape[len(self.lead) :], self.inner)

    def restore(self, a: Array, space: tuple[int, ...]) -> Array:
        shape = (*self.lead, *space)
        return a.reshape([shape[i] for i in self.order]).transpose(self.back)


def spread(a: Array, rank: int, layout: Layout | None = None) -> tuple[Array, Layout]:
    """A view (outer, *space, inner) of (*lead, *space), inner being the lead axes that lie innermost in memory (channels, as a rule).

    Where none does, channels are taken all the same: turning a slab round as it is loaded costs less than working on short rows.
    """
    layout = layout or _layout(a.shape, memory.memory_order(a), rank)
    return layout.spread(a), layout


@lru_cache(256)
def _layout(shape: tuple[int, ...], order: tuple[int, ...], rank: int) -> Layout:
    lead = shape[: len(shape) - rank]
    last = max((place for place, axis in enumerate(order) if axis >= len(lead)), default=len(order))
    inner = tuple(axis for axis in order[last:] if axis < len(lead) and shape[axis] > 1)
    if rank and not inner and len(lead) > 1 and lead[-1] >= WIDE:
        inner = (len(lead) - 1,)
    outer = tuple(axis for axis in order if axis < len(lead) and axis not in inner)
    axes = (*outer, *range(len(lead), len(shape)), *inner)
    back = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return Layout(lead, axes, back, prod(shape[a] for a in outer), prod(shape[a] for a in inner))


# Parts: which entries of the outer axis, and which outputs along the first spatial axis, one task takes.


@dataclass(frozen=True)
class Part:
    outer: slice
    rows: Range  # of the output

    @property
    def outputs(self) -> tuple[slice, slice]:
        return self.outer, slice(*self.rows)


def parts(x: Array, spec: PoolSpec) -> list[Part]:
    """x (outer, *size, inner) in parts of about SLAB bytes."""
    outer, each = x.shape[0], prod(x.shape[1:]) * x.itemsize
    if not x.size and not (outer and prod(spec.out) and x.shape[-1]):
        return []
    o = spec.out[0] if spec.rank else 1
    pieces, step = max(1, min(each // SLAB, o)), even_step(outer, each)
    cuts = [slice(i, min(i + step, outer)) for i in range(0, outer, step)]
    return [Part(cut, (i * o // pieces, (i + 1) * o // pieces)) for cut in cuts for i in range(pieces)]


def even_step(outer: int, each: int) -> int:
    """How many of the outermost entries, of so many bytes each, a task takes: about a slab. On less, threads wait for one another."""
    return -(-outer // max(1, -(-outer * each // SLAB)))


def apart(spec: PoolSpec, axis: int) -> bool:
    """Whether no position is seen by two windows along an axis: all taps differ modulo the stride."""
    k, s, d = spec.kernel[axis], spec.stride[axis], spec.dilation[axis]
    return len({t * d % s for t in range(min(k, s + 1))}) == k


# Slabs: (outer, *rows, phase, column, inner), in the coordinates of the padded input.


def extent(spec: PoolSpec, part: Part, axis: int) -> tuple[int, int, int]:
    """(outputs, the input position of the first one's first tap, positions spanned) along an axis."""
    first, last = part.rows if axis == 0 else (0, spec.out[axis])
    s, span = spec.stride[axis], spec.dilation[axis] * (spec.kernel[axis] - 1) + 1
    return last - first, first * s - spec.padding[axis][0], max(0, (last - first - 1) * s + span)


def load(x: Array, part: Part, spec: PoolSpec, fill: Any, dtype: Any) -> Array:
    """The slab that a part's windows cover, with `fill` for the padding; a view of x where no tap is seen twice."""
    phases = spec.stride[-1] if spec.rank else 1
    if x.dtype == dtype and (x.shape[-1] == 1 or x.strides[-1] == x.itemsize) and (phases == 1 or apart(spec, spec.rank - 1)):
        view = _view(x, part, spec, phases)
        if view is not None:
            return view
    slab = memory.scratch("slab", _slab_shape(x, part, spec, phases), dtype)
    for axis, n in enumerate(spec.size):
        _, start, span = extent(spec, part, axis)
        last = axis == spec.rank - 1
        low, high = (-(start // phases), min(n - start, span) // phases) if last else (-start, n - start)  # the last column may end late
        for border in (slice(max(low, 0)), slice(max(high, 0), None)):
            slab[(slice(None),) * (axis + 1 + last) + (border,)] = fill
    for inner, outer in _matches(x, slab, part, spec):
        np.copyto(inner, outer)
    return slab


def like(a: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Scratch of a shape, whose axes lie in memory as those of `a`."""
    order = memory.memory_order(a)
    dense = memory.scratch(key, [shape[axis] for axis in order], a.dtype)
    return dense.transpose(sorted(range(a.ndim), key=order.__getitem__))


def _slab_shape(x: Array, part: Part, spec: PoolSpec, phases: int) -> tuple[int, ...]:
    *rows, columns = [extent(spec, part, axis)[2] for axis in range(spec.rank)] or [1]
    return part.outer.stop - part.outer.start, *rows, phases, -(-columns // phases), x.shape[-1]


def _view(x: Array, part: Part, spec: PoolSpec, phases: int) -> Array | None:
    """The slab as a view of x, if x has all of it."""
    *rows, columns = [extent(spec, part, axis)[1:] for axis in range(spec.rank)] or [(0, 1)]
    if not spec.rank:
        return x[part.outer, None, None]
    start, span = columns
    columns = start, -(-span // phases) * phases
    if any(start < 0 or start + span > n for (start, span), n in zip((*rows, columns), spec.size)):
        return None
    view = x[(part.outer, *(slice(start, start + span) for start, span in (*rows, columns)))]
    return view.reshape(*view.shape[: spec.rank], -1, phases, view.shape[-1]).swapaxes(spec.rank, spec.rank + 1)


def _matches(x: Array, slab: Array, part: Part, spec: PoolSpec) -> Iterator[tuple[Array, Array]]:
    """(a view of the slab, the same positions of x), for each phase."""
    if not spec.rank:
        yield slab[:, 0, 0], x[part.outer]
        return
    ours: list[slice] = []
    theirs: list[slice] = []
    for axis in range(spec.rank - 1):
        _, start, span = extent(spec, part, axis)
        a, b = max(-start, 0), min(spec.size[axis] - start, span)
        ours.append(slice(a, max(a, b)))
        theirs.append(slice(a + start, max(a, b) + start))
    _, start, span = extent(spec, part, spec.rank - 1)
    low, high, s = max(-start, 0), min(spec.size[-1] - start, span), slab.shape[spec.rank]
    for q in range(s):
        a, b = -(-(low - q) // s), -(-(high - q) // s)  # columns c with low <= cs + q < high
        if a < b:
            inner: tuple[Any, ...] = (slice(None), *ours, q, slice(a, b))
            yield slab[inner], x[(part.outer, *theirs, slice(a * s + q + start, (b - 1) * s + q + start + 1, s))]


def tap(a: Array, spec: PoolSpec, part: Part, axis: int, t: int) -> Array:
    """What tap t of every window sees along one axis of a slab, whose later axes are already pooled, or its phase axis still there."""
    outputs, _, _ = extent(spec, part, axis)
    s, offset = spec.stride[axis], t * spec.dilation[axis]
    if axis == spec.rank - 1:
        return a[(..., offset % s, slice(offset // s, offset // s + outputs), slice(None))]
    view: Array = a[(slice(None),) * (axis + 1) + (slice(offset, offset + (outputs - 1) * s + 1, s),)]
    return view


def windows(slab: Array, spec: PoolSpec, part: Part) -> Iterator[tuple[int, Array]]:
    """(its number, what it sees) for every tap, in row-major order."""
    for number, taps in enumerate(product(*map(range, spec.kernel))):
        view = slab if spec.rank else slab[:, 0, 0]
        for axis in reversed(range(spec.rank)):
            view = tap(view, spec, part, axis, taps[axis])
        yield number, view
