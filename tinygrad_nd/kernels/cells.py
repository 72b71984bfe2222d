"""Cells: an array cut into pieces of which every number meets the same coefficients, as it lies in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory
from .memory import Array

Axes = tuple[int, ...]
TILE = 1 << 19  # elements; between calls on fewer, threads wait for the interpreter for longer than caches help
LONG = 768  # elements; rows from here on NumPy takes as they are faster than it copies what repeats along them
ROWS = 512, 2048  # elements that lanes are folded to at most: compiled, and in NumPy


def cells_of(x: Array, within: Axes) -> Cells:
    """The cells of x whose numbers lie along `within`."""
    return _cells(x.shape, memory.memory_order(x), within, row_of(x))


def row_of(x: Array) -> int:
    """How long rows of lanes should be."""
    return ROWS[compiled("sums_lanes", x) is None]


def tile_size(f: Callable[..., None], total: int) -> int:
    """How many elements f is given at a time."""
    return engines.share(total) if engines.is_compiled(f) else TILE


@contextmanager
def numpy_tiles(row: int) -> Iterator[None]:
    """NumPy at its best for tiles of such rows: BLAS on one thread, and long rows not copied for what repeats along them."""
    with np.errstate(invalid="ignore", over="ignore"), blas.single_blas():
        if row >= LONG:
            np.setbufsize(16)  # until the end of errstate
        yield


def run(f: Callable[..., None], row: int, operands: Sequence[Array], tasks: Callable[[], list[tuple[Any, ...]]], key: Any = None) -> None:
    """f on all tasks, which follow from the layout of the operands and the key; in NumPy on tiles of such rows."""
    if engines.is_compiled(f):
        engines.repeat(f, operands, tasks, key)
    else:
        with numpy_tiles(row):
            engines.run(f, tasks())


@lru_cache(64)
def number(value: float, dtype: Any) -> Array:
    """An array of one number, as compiled loops take it."""
    return memory.table(np.full(1, value, dtype))


def compiled(name: str, x: Array) -> Any:
    """The compiled loop of that name for x, where it is in use, x is not small and its numbers are those of machines."""
    loops = engines.compiled("norms") if x.size >= engines.LEAST and x.dtype.char in "fd" else None
    return loops and getattr(loops, name)


def parts_of(kinds: int, count: int, n: int, dtype: Any) -> Array:
    """Room for sums of so many kinds by so many tasks, for `summed`."""
    return np.empty((kinds, 1, n), dtype) if count == 1 else memory.scratch("parts", (kinds, count, n), dtype)


def summed(parts: Array, f: Callable[..., None]) -> Array:
    """The sums (kinds, n) of what tasks found, (kinds, tasks, n), in double precision; by a compiled loop if f is one."""
    kinds, count, n = parts.shape
    if count == 1:
        return parts.reshape(kinds, n)
    total = np.empty((kinds, n), parts.dtype)
    loops: Any = engines.compiled("norms") if engines.is_compiled(f) else None
    if loops is not None:
        engines.repeat(loops.sum_parts, (total, parts), lambda: [(total, parts)])
    else:
        parts.sum(1, np.float64, total)
    return total


class Cells:
    """x as it lies in memory: (outer, inner, lanes). A cell's numbers are along the inner axis; its sums are per outer index and lane.

    The inner axes are the last in memory, of those in `within`, that are neighbours. Lanes are what comes after: channels, or one. Where
    there are few, some of the inner axis is folded beside them, for loops want long rows; what is found per lane is then merged.
    """

    def __init__(self, shape: tuple[int, ...], order: Axes, within: Axes, row: int) -> None:
        self.order, self.back = order, tuple(sorted(range(len(order)), key=order.__getitem__))
        long = [a for a in order if shape[a] != 1]
        last = max((i + 1 for i, a in enumerate(long) if a in within), default=len(long))
        first = last
        while first and long[first - 1] in within:
            first -= 1
        self.inner, self.outermost, self.innermost = long[first:last], long[:first], long[last:]
        sizes = [shape[a] for a in long]
        outer, inner, self.lanes = prod(sizes[:first]), prod(sizes[first:last]), prod(sizes[last:])
        most = min(row // self.lanes, inner) if self.lanes > 1 else 0
        self.folds = next((r for r in range(most, 1, -1) if inner % r == 0), 1)
        self.shape = (outer, inner // self.folds, self.lanes * self.folds)
        self.kept = tuple(1 if a in self.inner else n for a, n in enumerate(shape))
        before = order.index(self.innermost[0]) if self.innermost else len(order)
        self.lying = [self.kept[a] for a in order]  # what is kept, as it lies in memory, repeated by the folds
        self.lying.insert(before, self.folds)
        self.folded = (slice(None),) * before + (None,)

    def view(self, a: Array) -> Array:
        return np.ascontiguousarray(a.transpose(self.order)).reshape(self.shape)

    def flat(self, coefficient: Array) -> Array:
        """A coefficient per cell, (outer, lanes)."""
        out = np.empty(self.lying, coefficient.dtype)
        out[...] = coefficient.transpose(self.order)[self.folded]
        return out.reshape(-1, self.shape[2])

    def statistic(self, found: Array) -> Array:
        """What was found per cell and lane, (outer, lanes), in the axes of x."""
        return found.reshape([self.kept[a] for a in self.order]).transpose(self.back)

    def restored(self, found: Array) -> Array:
        """What was found, (outer, lanes), in the axes of x and a last one for the folds."""
        lying = found.reshape(-1, self.folds, self.lanes).swapaxes(1, 2).reshape(*[self.kept[a] for a in self.order], self.folds)
        return lying.transpose(*self.back, -1)

    def lined(self, parameter: Array) -> Array:
        """A parameter per lane, (lanes,)."""
        return np.ascontiguousarray(parameter.transpose(self.order)).reshape(-1)

    def compiled(self, name: str, x: Array) -> Any:
        """The compiled loop of that name, for long rows of lanes or for one lane."""
        return compiled(f"{name}_lanes" if self.lanes > 1 else f"{name}_rows", x)

    def pieces(self, size: int) -> tuple[int, list[tuple[slice, slice, int]]]:
        """The length of a piece along the inner axis; and (outer, inner, number of the piece) for all, each of about `size` numbers."""
        outer, inner, lanes = self.shape
        step = min(max(1, size // max(lanes, 1)), max(inner, 1))
        rows = max(1, size // (step * max(lanes, 1)))
        starts = range(0, inner, step)
        return step, [(slice(p, p + rows), slice(q, q + step), j) for p in range(0, outer, rows) for j, q in enumerate(starts)]


_cells = lru_cache(256)(Cells)
