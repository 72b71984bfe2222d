"""Values at places of their blocks: where the largest of each block lies, values taken from places and put there.

A block is the space of one channel: the last `rank` axes of x (*lead, *n). Places count its entries in row-major order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .elementwise import LARGE, PASSES
from .memory import Array

COMPILED, MOST = 1 << 13, 1 << 31  # numbers; below, compiled loops save nothing; from here on, they cannot count places
SEARCHED = 16  # numbers that are passed over as quickly as one is picked
TWICE, OUTSIDE = 1, 2  # faults of places


def largest(x: Array, rank: int) -> Array:
    """The place of the largest entry of every block, (*lead, *1); the first of equals, or of NaNs."""
    order = _order(x, rank)
    blocks = _blocks(x, rank, order)
    outer, n, inner = blocks.shape
    at = np.empty((outer, 1, inner), np.int64)
    if inner > 1:
        _each(outer, x.size, lambda box: _largest(blocks[box], at[box]))
    elif x.dtype == np.float32 and (loops := _loops(x)):
        rows = blocks.reshape(outer, n)
        engines.repeat(loops.largest_rows, (at, rows), lambda: [(at[box, 0, 0], rows[box]) for box in _shares(rows)])
    else:
        _each(outer, x.size, lambda box: np.argmax(blocks[box, :, 0], 1, out=at[box, 0, 0]))
    return _restored(at, (*x.shape[: x.ndim - rank], *(1,) * rank), order)


def take(x: Array, at: Array, rank: int) -> Array:
    """The entries of x (*lead, *n) at places (*lead, *o)."""
    order = _order(at, rank)
    blocks, places = _blocks(x, rank, order), _blocks(at, rank, order).astype(np.int64, copy=False)
    y = memory.empty(places.shape, x.dtype)
    loops = _loops(at)
    if loops is not None and x.dtype in (np.float32, np.float64):
        tasks = lambda: [(y[box], blocks[box], places[box]) for box in _shares(y)]
        engines.repeat(loops.take, (y, blocks, places), tasks)
    else:
        _each(len(y), y.size, lambda box: np.take(blocks[box].reshape(-1), _flat(places[box], blocks.shape[1]), out=y[box], mode="clip"))
    return _restored(y, at.shape, order)


def put(x: Array, at: Array, shape: tuple[int, ...], rank: int, distinct: bool = True) -> Array:
    """Zeros of `shape` (*lead, *n) with x (*lead, *o) at its places; added there if they are not all `distinct`."""
    order = _order(at, rank)
    values, places = _blocks(x, rank, order), _blocks(at, rank, order).astype(np.int64, copy=False)
    y = memory.empty((len(values), prod(shape[len(shape) - rank :]), values.shape[2]), x.dtype)
    loops = _loops(y)
    if loops is not None and x.dtype in (np.float32, np.float64):
        tasks = lambda: [(y[box].reshape(-1), values[box], places[box]) for box in _shares(y)]
        engines.repeat(loops.put if distinct else loops.add, (y, values, places), tasks)
    else:
        parallel.run(_shares(y), lambda box: _put(y[box], values[box], places[box], distinct))
    return _restored(y, shape, order)


def checked(at: Array, n: int, rank: int) -> tuple[bool, bool]:
    """Whether all places are from 0 to n - 1, and, if so, whether none of a block is named twice."""
    places = _blocks(at, rank, _order(at, rank))
    outer, _, inner = places.shape
    faults = np.zeros(outer, np.uint8)

    def look(box: slice) -> None:
        some = places[box]
        taken = memory.scratch("taken", (len(some) * n * inner,), np.bool_)
        taken[...] = False
        if some.size and some.view(np.uint64).max() >= n:  # what is below 0 is large
            faults[box] = OUTSIDE
        else:
            taken[_flat(some, n)] = True
            faults[box] = TWICE * (int(np.count_nonzero(taken)) < some.size)

    if loops := _loops(at):
        engines.repeat(loops.checked, (faults, places), lambda: [(faults[box], places[box], n) for box in _shares(places)], n)
    else:
        _each(outer, at.size, look)
    worst = int(faults.max(initial=0))
    return worst < OUTSIDE, worst < TWICE


def _put(y: Array, values: Array, places: Array, distinct: bool) -> None:
    y.reshape(-1).view(np.uint8)[...] = 0  # of bytes, NumPy fills memory twice as fast
    flat = _flat(places, y.shape[1]).reshape(-1)
    if distinct:
        y.reshape(-1)[flat] = values.reshape(-1)
    else:
        np.add.at(y.reshape(-1), flat, values.reshape(-1))


def _largest(x: Array, at: Array) -> None:
    """The places of the maxima. They lie in few columns of places, as a rule one each, and only these are searched."""
    outer, n, inner = x.shape
    width, tops = n, x
    if n >= 4 * SEARCHED:
        width = -(-n // round((n / SEARCHED) ** 0.5))
        whole = n - n % width
        tops = x[:, :whole].reshape(outer, -1, width * inner).max(1).reshape(outer, width, inner)
        np.maximum(tops[:, : n - whole], x[:, whole:], out=tops[:, : n - whole])
    best = tops.max(1)
    hits = np.flatnonzero(tops == best[:, None])
    at[...] = n
    if len(hits) <= 2 * best.size:
        place, c = np.divmod(hits, inner)
        block, place = np.divmod(place, width)
        flat, lane = at.reshape(-1), block * inner + c
        if width == n:
            flat[lane[::-1]] = place[::-1]  # of equals the first is written last
        else:
            column = np.minimum(place[:, None] + np.arange(0, n, width), n - 1)
            equal = x[block[:, None], column, c[:, None]] == best[block, c][:, None]
            np.minimum.at(flat, lane, column[np.arange(len(hits)), equal.argmax(1)])
    if at.max(initial=0) == n:  # NaN, or many equals
        at[...] = x.argmax(1, keepdims=True)


def _flat(places: Array, n: int) -> Array:
    """Places as they are counted in a whole array of blocks of n."""
    outer, _, inner = places.shape
    first = np.arange(outer)[:, None] * (n * inner)
    flat = (places.reshape(outer, -1) + first).reshape(places.shape) if inner == 1 else places * inner + (first + np.arange(inner))[:, None]
    return np.asarray(flat)


# Blocks as they lie in memory: (outer, n, inner).


def channels_last(a: Array, rank: int) -> bool:
    """Whether other axes than those of a block lie innermost."""
    return _order(a, rank)[-1] < a.ndim - rank


def _order(a: Array, rank: int) -> tuple[int, ...]:
    """The axes as they lie in memory, where those of a block lie together; else as they come."""
    order, lead = memory.memory_order(a), a.ndim - rank
    first = order.index(lead) if rank else len(order)
    return order if order[first : first + rank] == tuple(range(lead, a.ndim)) else tuple(range(a.ndim))


def _blocks(a: Array, rank: int, order: tuple[int, ...]) -> Array:
    lead = a.ndim - rank
    inner = prod([a.shape[i] for i in order[order.index(lead) :] if i < lead]) if rank else 1
    n = prod(a.shape[lead:])
    outer = prod(a.shape[:lead]) // max(inner, 1)
    return np.ascontiguousarray(a.transpose(order)).reshape(outer, n, inner)


def _restored(blocks: Array, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
    back = sorted(range(len(order)), key=order.__getitem__)
    return blocks.reshape([shape[i] for i in order]).transpose(back)


def _loops(a: Array) -> Any:
    return engines.compiled("places") if COMPILED <= a.size < MOST else None


def _each(outer: int, size: int, f: Callable[[slice], object]) -> None:
    """f(part of the outer axis), for all parts."""
    parallel.run(_boxes(outer, outer if size < LARGE else PASSES * outer // size), f)


def _shares(a: Array) -> list[slice]:
    return _boxes(len(a), engines.share(a.size) * len(a) // max(a.size, 1))


def _boxes(outer: int, step: int) -> list[slice]:
    return [box for (box,) in parallel.boxes((outer,), max(step, 1))]
