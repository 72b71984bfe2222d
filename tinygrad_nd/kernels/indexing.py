"""The transposes of indexing: values added up where they were taken from."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import elementwise, engines, memory, parallel, places
from .elementwise import LARGE, STEPS, add_into

SHORT = 16  # slices for one place
LOCKED = 1 << 13  # entries; fewer are copied as quickly
BESIDE = 1 << 8  # slices that are added one by one
TAKEN = 1 << 5  # that are taken one by one
RUNNING = 1 << 12  # numbers that may all be added in single precision, one after the other


class Lying(tuple[Any, ...]):
    """An index, and the order of the axes in memory of what it is taken of: its gradient lies likewise, or would be copied on its way."""

    order: tuple[int, ...]


class _Shared:
    """Memory that NumPy may believe to be writeable."""

    def __init__(self, a: np.ndarray) -> None:
        self.owner = a
        self.__array_interface__ = {**a.__array_interface__, "data": (a.__array_interface__["data"][0], False)}


def unlocked(a: np.ndarray) -> np.ndarray:
    """The same memory, not marked as read-only: argmax, interp, repeat and bincount, which only read, copy what is."""
    return a if a.flags.writeable or a.size < LOCKED else np.asarray(_Shared(a))


def scatter(g: np.ndarray, index: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of `shape`, plus g at `index` (NumPy's meaning), as often as an entry is named."""
    arrays = [i for i in index if isinstance(i, np.ndarray) and i.dtype.kind in "iu"]
    if not arrays:
        out = memory.zeros(shape, g.dtype, getattr(index, "order", None))
        out[index] = g
        return out
    if len(index) == 1 and shape:
        return scatter_along(g, arrays[0], 0, shape[0])
    return _binned(np.arange(prod(shape)).reshape(shape)[index].ravel(), np.ravel(g), shape)


def add_at(total: np.ndarray, g: Any, index: tuple[Any, ...]) -> None:
    """total[index] += g, as often as an entry is named."""
    if any(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in index):
        add_into(total, scatter(np.asarray(g), index, total.shape))
    else:
        total[index] += g


def take_along(x: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """np.take(x, index, axis), of one axis in the memory order of x; what is a large x as it stands is copied as a whole."""
    if index.ndim != 1 or not x.size:
        return np.take(x, index, axis)
    size, before = x.shape[axis], (slice(None),) * axis
    start = _stretch(index, size) if x.size >= LARGE and index.size <= size + TAKEN else None
    if start is not None:
        out = memory.empty_like(x, shape=(*x.shape[:axis], index.size, *x.shape[axis + 1 :]))
        _move(out[(*before, slice(start, start + size))], x)
        for j in (*range(start), *range(start + size, index.size)):
            out[(*before, j)] = x[(*before, index[j])]
        return out
    if x.flags.c_contiguous:
        return np.take(x, index, axis)
    order = memory.memory_order(x)
    return np.take(x.transpose(order), index, order.index(axis)).transpose(np.argsort(order))


def _stretch(index: np.ndarray, size: int) -> int | None:
    """Where an index names all `size` places in their order, if it names few besides: so do those of padding."""
    if not 1 < size <= index.size <= size + BESIDE:
        return None
    found = np.flatnonzero((index[: index.size - size + 1] == 0) & (index[size - 1 :] == size - 1))
    return next((a for a in found.tolist() if (np.diff(index[a : a + size]) == 1).all()), None)


def _move(out: np.ndarray, x: np.ndarray) -> None:
    """np.copyto(out, x), on all threads where it is worth their while."""
    boxes = parallel.boxes(x.shape[:1], len(x) if x.size < LARGE else -(-len(x) // parallel.num_threads()))
    parallel.run(boxes, lambda box: np.copyto(out[box], x[box]))


def scatter_along(g: np.ndarray, index: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The transpose of np.take along an axis: slices of g, one per entry of the index, summed into `size` places."""
    if index.ndim == 1 and g.size > index.size and (start := _stretch(index, size)) is not None:
        ahead = (slice(None),) * axis
        middle = g[(*ahead, slice(start, start + size))]
        out = memory.empty_like(g, shape=middle.shape)
        _move(out, middle)
        for j in (*range(start), *range(start + size, index.size)):
            out[(*ahead, index[j])] += g[(*ahead, j)]
        return out
    g = g.reshape(*g.shape[:axis], index.size, *g.shape[axis + index.ndim :])
    index = index.ravel()
    loops: Any = engines.compiled("places") if g.size >= elementwise.COMPILED and size and g.dtype.char in "fd" else None
    if loops is not None and g.size > index.size:
        return _added(loops.add_slices, g, index, axis, size)
    if g.size == index.size and size:  # one value each
        named = np.where(index < 0, index + size, index) if index.size and index.min() < 0 else index
        return _binned(named, g.ravel(), (*g.shape[:axis], size, *g.shape[axis + 1 :]))
    out = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
    if index.size and out.size:
        index = np.where(index < 0, index + size, index)
        # Sorted by place, what one place receives is a run. Runs are summed in one call, or short ones turn by turn, which costs less.
        order = np.argsort(index, kind="stable")
        taken = index[order]
        first = np.ones(len(taken), np.bool_)
        np.not_equal(taken[1:], taken[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        before: tuple[Any, ...] = (slice(None),) * axis
        if len(starts) == len(taken):
            out[(*before, index)] = g
            return out
        lengths = np.diff(starts, append=len(taken))
        if lengths.max() <= SHORT:
            out[(*before, taken[starts])] = g.take(order[starts], axis)
            for turn in range(1, lengths.max()):
                again = starts[lengths > turn] + turn
                out[(*before, taken[again])] += g.take(order[again], axis)
        else:
            out[(*before, taken[starts])] = np.add.reduceat(g.take(order, axis), starts, axis, dtype=g.dtype)
    return out


def _added(loop: Any, g: np.ndarray, index: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The sums by a compiled loop, one slice after the other: threads share out what lies before the axis, or behind it."""
    index = np.where(index < 0, index + size, index).astype(np.int64, copy=False)
    out = memory.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
    lead, inner = prod(g.shape[:axis]), prod(g.shape[axis + 1 :])
    y, x = out.reshape(lead, size, inner), np.ascontiguousarray(g).reshape(lead, -1, inner)

    def tasks() -> list[tuple[Any, ...]]:
        parts = min(-(-x.size // engines.share(x.size)), max(lead, inner))
        cuts = [(i * max(lead, inner) // parts, (i + 1) * max(lead, inner) // parts) for i in range(parts)]
        return [(y[a:b], x[a:b], index, 0, inner) if lead >= inner else (y, x, index, a, b) for a, b in cuts]

    engines.repeat(loop, (y, x, index), tasks)
    return out


def pick_along(x: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """np.take_along_axis, for an index from 0 on, of x's shape along the other axes."""
    return np.moveaxis(places.take(np.moveaxis(x, axis, -1), np.moveaxis(index, axis, -1), 1), -1, axis)


def put_along(g: np.ndarray, index: np.ndarray, axis: int, size: int, distinct: bool) -> np.ndarray:
    """The transpose of `pick_along`: zeros along an axis of this size, and g added where it was picked, or put if no place repeats."""
    if not distinct and g.dtype.char in "ef" and (g.dtype.char == "e" or g.shape[axis] > RUNNING):
        return put_along(g.astype(np.float64), index, axis, size, distinct).astype(g.dtype)
    lined, at = np.moveaxis(g, axis, -1), np.moveaxis(index, axis, -1)
    return np.moveaxis(places.put(lined, at, (*lined.shape[:-1], size), 1, distinct), -1, axis)


def argsort(x: np.ndarray, axis: int) -> np.ndarray:
    """np.argsort(x, axis), with the lines along it dealt out among the threads."""
    return _ranked(np.argsort, x, axis) if x.size >= LARGE else np.argsort(x, axis)


def argpartition(x: np.ndarray, kth: Any, axis: int) -> np.ndarray:
    """np.argpartition(x, kth, axis), with the lines along it dealt out among the threads."""
    return _ranked(lambda rows: np.argpartition(rows, kth), x, axis) if x.size >= LARGE else np.argpartition(x, kth, axis)


def _ranked(find: Any, x: np.ndarray, axis: int) -> np.ndarray:
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    out = np.empty(rows.shape, np.intp)

    def rank(box: tuple[slice]) -> None:
        out[box] = find(rows[box])

    parallel.run(parallel.boxes((len(rows),), -(-len(rows) // (4 * parallel.num_threads()))), rank)
    ranked: np.ndarray = np.moveaxis(out.reshape(np.moveaxis(x, axis, -1).shape), -1, axis)
    return ranked


def survivors(index: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray | None:
    """For an assignment x[index] = v: which values of v are still there afterwards; None if all of them must be."""
    if not any(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in index):
        return None
    writer = np.zeros(shape, np.intp)
    number = np.arange(writer[index].size).reshape(writer[index].shape)
    writer[index] = number
    left: np.ndarray = writer[index] == number
    return None if left.all() else left


def rounds(index: tuple[Any, ...], shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The entries x[index] names, as rounds in which no place repeats: (flat places in x, flat positions in x[index])."""
    flat = np.arange(prod(shape)).reshape(shape)[index].ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]] if ordered.size else np.zeros(0, bool)
    start = np.flatnonzero(first)[np.cumsum(first) - 1] if ordered.size else np.zeros(0, np.intp)
    turn = np.arange(ordered.size) - start
    return [(ordered[turn == t], order[turn == t]) for t in range(int(turn.max(initial=-1)) + 1)]


def _binned(flat: np.ndarray, g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum of the values of g at each flat place, in `shape`."""
    if g.dtype.kind == "c":
        return (_binned(flat, g.real, shape) + 1j * _binned(flat, g.imag, shape)).astype(g.dtype)
    bins = prod(shape)
    if g.dtype.char == "g":  # more than the doubles that bincount adds
        out = np.zeros(bins, g.dtype)
        np.add.at(out, flat, g)
        return out.reshape(shape)
    step = STEPS if g.size >= max(LARGE, 4 * bins) else max(g.size, 1)
    sums: list[Any] = [0] * -(-g.size // step)  # of each part, and then of all in order

    def add(i: int) -> None:
        part = slice(i * step, (i + 1) * step)
        sums[i] = np.bincount(unlocked(flat[part]), unlocked(g[part]), bins)

    parallel.run(range(len(sums)), add)
    total: np.ndarray = sum(sums[1:], sums[0]) if sums else np.zeros(bins)
    return total.astype(g.dtype, copy=False).reshape(shape)
