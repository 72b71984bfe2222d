"""What pools of all engines share: how arrays lie in memory, and which part of one a task takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import engines, memory
from .adaptive import Parted, windows
from .geometry import PoolSpec
from .memory import Array

PART = 1 << 21  # bytes of input that a task takes
WIDE = 8  # channels that are worth being innermost
COMPILED = 1 << 9  # numbers; with fewer tables take as long, and no toy waits for a loop to be compiled
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


def spread(a: Array, rank: int, layout: Layout | None = None, turned: bool = True) -> tuple[Array, Layout]:
    """A view (outer, *space, inner) of (*lead, *space), inner being the lead axes that lie innermost in memory (channels, as a rule).

    Where none does, channels are taken all the same if it may be `turned`: that costs less than working on short rows.
    """
    layout = layout or _layout(a.shape, memory.memory_order(a), rank, turned)
    return layout.spread(a), layout


@lru_cache(256)
def _layout(shape: tuple[int, ...], order: tuple[int, ...], rank: int, turned: bool) -> Layout:
    lead = shape[: len(shape) - rank]
    last = max((place for place, axis in enumerate(order) if axis >= len(lead)), default=len(order))
    inner = tuple(axis for axis in order[last:] if axis < len(lead) and shape[axis] > 1)
    if turned and rank and not inner and len(lead) > 1 and lead[-1] >= WIDE:
        inner = (len(lead) - 1,)
    outer = tuple(axis for axis in order if axis < len(lead) and axis not in inner)
    axes = (*outer, *range(len(lead), len(shape)), *inner)
    back = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return Layout(lead, axes, back, prod(shape[a] for a in outer), prod(shape[a] for a in inner))


# Parts: which entries of the outer axis, and which outputs along the first spatial axis, one task takes.


def parts(x: Array, spec: PoolSpec | Parted) -> list[tuple[slice, Range]]:
    """x (outer, *size, inner) in parts of about PART bytes: some of the outer entries, and rows of outputs."""
    outer, each = x.shape[0], prod(x.shape[1:]) * x.itemsize
    if not x.size and not (outer and prod(spec.out) and x.shape[-1]):
        return []
    o = spec.out[0] if spec.rank else 1
    pieces, step = max(1, min(each // PART, o)), even_step(outer, each)
    cuts = [slice(i, min(i + step, outer)) for i in range(0, outer, step)]
    return [(cut, (i * o // pieces, (i + 1) * o // pieces)) for cut in cuts for i in range(pieces)]


def even_step(outer: int, each: int) -> int:
    """How many of the outermost entries, of so many bytes each, a task takes: about a part. On less, threads wait for one another."""
    return -(-outer // max(1, -(-outer * each // PART)))


@lru_cache(256)
def alone(spec: PoolSpec | Parted) -> bool:
    """Whether there is one window, all of space."""
    return spec.rank > 0 and spec == windows(spec.size, (1,) * spec.rank)


def apart(spec: PoolSpec, axis: int) -> bool:
    """Whether no position is seen by two windows along an axis: all taps differ modulo the stride."""
    k, s, d = spec.kernel[axis], spec.stride[axis], spec.dilation[axis]
    return len({t * d % s for t in range(min(k, s + 1))}) == k
