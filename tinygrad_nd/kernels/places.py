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


def largest(x: Array, rank: int) -> Array:
    """The place of the largest entry of every block, (*lead, *1); the first of equals, or of NaNs."""
    order = _order(x, rank)
    blocks = _blocks(x, rank, order)
    outer, n, inner = blocks.shape
    at = np.empty((outer, 1, inner), np.int64)
    loops = _loops(x)
    if inner == 1 and loops is not None and x.dtype == np.float32:
        rows = blocks.reshape(outer, n)
        engines.repeat(loops.largest_rows, (at, rows), lambda: [(at[box, 0, 0], rows[box]) for box in _shares(rows)])
    elif inner == 1:
        rows = blocks.reshape(outer, n)
        _each(outer, x.size, lambda box: np.argmax(rows[box], 1, out=at[box, 0, 0]))
    elif loops is not None:
        engines.repeat(loops.largest_lanes, (at, blocks), lambda: [(at[box], blocks[box]) for box in _shares(blocks)])
    else:
        _each(outer, x.size, lambda box: _largest(blocks[box], at[box]))
    return _restored(at, (*x.shape[: x.ndim - rank], *(1,) * rank), order)


def take(x: Array, at: Array, rank: int) -> Array:
    """The entries of x (*lead, *n) at places (*lead, *o)."""
    order = _order(at, rank)
    blocks, places = _blocks(x, rank, order), _blocks(at, rank, order)
    y = memory.empty(places.shape, x.dtype)
    loops = _loops(at)
    if loops is not None and x.dtype in (np.float32, np.float64):
        tasks = lambda: [(y[box], blocks[box], places[box]) for box in _shares(y)]
        engines.repeat(loops.take, (y, blocks, places), tasks)
    else:
        _each(len(y), y.size, lambda box: np.take(blocks[box].reshape(-1), _flat(places[box], blocks.shape[1]), out=y[box], mode="clip"))
    return _restored(y, at.shape, order)


def put(x: Array, at: Array, shape: tuple[int, ...], rank: int) -> Array:
    """Zeros of `shape` (*lead, *n) with x (*lead, *o) at its places."""
    order = _order(at, rank)
    values, places = _blocks(x, rank, order), _blocks(at, rank, order)
    y = memory.empty((len(values), prod(shape[len(shape) - rank :]), values.shape[2]), x.dtype)
    loops = _loops(at)
    if loops is not None and x.dtype in (np.float32, np.float64):
        tasks = lambda: [(y[box].reshape(-1), values[box], places[box]) for box in _shares(y)]
        engines.repeat(loops.put, (y, values, places), tasks)
    else:
        parallel.run(_shares(y), lambda box: _put(y[box], values[box], places[box]))
    return _restored(y, shape, order)


def within(at: Array, n: int) -> bool:
    """Whether all places are from 0 to n - 1."""
    found: list[bool] = []
    flat = np.ascontiguousarray(at.transpose(memory.memory_order(at))).reshape(-1).view(np.uint64)  # what is below 0 is large
    _each(flat.size, flat.size, lambda box: found.append(int(flat[box].max()) < n))
    return all(found)


def repeated(at: Array, n: int, rank: int) -> bool:
    """Whether a place of a block of n is named twice."""
    places = _blocks(at, rank, _order(at, rank))
    outer, _, inner = places.shape
    found: list[bool] = []

    def look(box: slice) -> None:
        taken = memory.scratch("taken", (len(places[box]) * n * inner,), np.bool_)
        taken[...] = False
        taken[_flat(places[box], n)] = True
        found.append(int(np.count_nonzero(taken)) < places[box].size)

    loops = _loops(at)
    if loops is not None:
        twice = np.zeros(outer, np.bool_)
        engines.repeat(loops.repeated, (twice, places), lambda: [(twice[box], places[box], n) for box in _shares(places)], n)
        return bool(twice.any())
    _each(outer, at.size, look)
    return any(found)


def _put(y: Array, values: Array, places: Array) -> None:
    y.reshape(-1).view(np.uint8)[...] = 0  # of bytes, NumPy fills memory twice as fast
    y.reshape(-1)[_flat(places, y.shape[1]).reshape(-1)] = values.reshape(-1)


def _largest(x: Array, at: Array) -> None:
    """The places of the maxima: the only ones equal to them, as a rule."""
    hits = np.flatnonzero(x == x.max(1, keepdims=True))[::-1]  # the first of equals is written last
    place, c = np.divmod(hits, x.shape[2])
    block, p = np.divmod(place, x.shape[1])
    at[...] = -1
    at[block, 0, c] = p
    if at.min() < 0:
        at[...] = x.argmax(1, keepdims=True)


def _flat(places: Array, n: int) -> Array:
    """Places as they are counted in a whole array of blocks of n."""
    outer, _, inner = places.shape
    flat: Array = places * inner + (np.arange(inner) + (np.arange(outer) * (n * inner))[:, None])[:, None]
    return flat


# Blocks as they lie in memory: (outer, n, inner).


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
