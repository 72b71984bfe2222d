"""Memory for kernels: scratch per thread, and large arrays that are recycled.

A fresh array is paid for page by page when it is first written, which costs ten times more than writing warm memory. So large arrays
come from `empty`: when the last view of one dies its memory goes to a free list, and the next request of about that size takes it over.
Smaller ones are left to malloc; see spare.py.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial, wraps
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import spare

Array = NDArray[Any]
T = TypeVar("T")

SMALL = spare.MOST  # bytes; below this malloc reuses its own warm memory
FREE_LIMIT = 1 << 28  # bytes of freed memory kept for reuse
TABLES = 1 << 28  # bytes that tables may take
SCRATCH_LIMIT = 1 << 25  # bytes; a larger scratch array is not kept
HALVES = 1 << 15  # numbers below have a place in every dtype
ALIGN = 64  # bytes: a cache line, a vector register

_local = threading.local()

# Objects.


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, for what makes many objects and no garbage: it would go through all there are, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# Scratch: work space that outlives a call, one set per thread.


def scratch(key: Hashable, shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An array of undefined contents, this thread's own until it asks for the same key again."""
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    try:
        kept: dict[Hashable, Array] = _local.scratch
    except AttributeError:
        kept = _local.scratch = {}
    memory = kept.get(key)
    if memory is None or memory.nbytes < nbytes:
        memory = _aligned(nbytes)
        if nbytes <= SCRATCH_LIMIT:
            kept[key] = memory
    out: Array = np.ndarray(shape, dtype, memory)
    if (noted := getattr(_local, "noted", None)) is not None:
        noted.append((key, out))
    return out


@contextmanager
def noted_scratch() -> Iterator[list[tuple[Hashable, Array]]]:
    """What this thread asks of `scratch` inside the block, with the keys."""
    before: list[tuple[Hashable, Array]] | None = getattr(_local, "noted", None)
    noted: list[tuple[Hashable, Array]] = []
    _local.noted = noted
    try:
        yield noted
    finally:
        _local.noted = before
        if before is not None:
            before.extend(noted)


def _aligned(nbytes: int) -> Array:
    raw = np.empty(nbytes + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + nbytes]


# Recycled memory.


class _Memory(np.ndarray[Any, Any]):
    """A piece of memory to recycle. (NumPy shortens chains of bases only within one type: these two types keep the chain.)"""


class Lease(np.ndarray[Any, Any]):
    """The base of every view of one piece of memory: when it dies, nobody looks at that memory any more."""

    def __del__(self) -> None:
        if isinstance(self.base, _Memory):
            _returned.append(self.base)
            _collect()


_free: dict[int, list[_Memory]] = {}  # by size; the one least recently used first
_returned: deque[_Memory] = deque()
_free_lock = threading.RLock()
_free_bytes = 0


def empty(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """np.empty(shape, dtype), in recycled memory where it is large."""
    dtype = np.dtype(dtype)
    if prod(shape) * dtype.itemsize < SMALL:
        return np.empty(shape, dtype)
    return _leased(shape, dtype, None)


def zeros(shape: Sequence[int], dtype: DTypeLike, order: Sequence[int] | None = None) -> Array:
    """np.zeros(shape, dtype), likewise; its axes lie in memory in this order, outermost first, if one is given."""
    if prod(shape) * np.dtype(dtype).itemsize < SMALL:
        return np.zeros(shape, dtype)
    out = empty(shape, dtype) if order is None else _ordered(tuple(shape), np.dtype(dtype), tuple(order))
    out.fill(0)
    return out


def maker(a: Array) -> Callable[[], Array]:
    """What makes an empty array that lies in memory as `a`, which has no gaps."""
    if a.nbytes >= SMALL:
        return partial(_leased, a.shape, a.dtype, a.strides)
    shape, dtype, strides = a.shape, a.dtype, a.strides
    return partial(np.empty, shape, dtype) if a.flags.c_contiguous else lambda: np.ndarray(shape, dtype, None, 0, strides)


def channels_last(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An empty array (N, C, *n) whose memory is that of a C-ordered (N, *n, C)."""
    n, c, *size = shape
    return _ordered((n, c, *size), np.dtype(dtype), (0, *range(2, len(size) + 2), 1))


def empty_like(a: Array, dtype: DTypeLike | None = None, shape: Sequence[int] | None = None) -> Array:
    """np.empty_like(a, dtype, shape=shape): the axes lie in memory in the order of those of `a`, without gaps."""
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    shape = a.shape if shape is None else tuple(shape)
    if prod(shape) * dtype.itemsize < SMALL:
        return np.empty_like(a, dtype, "K", False, shape)
    return _ordered(shape, dtype, memory_order(a))


def memory_order(a: Array) -> tuple[int, ...]:
    """The axes of `a` from the one with the longest stride to the one with the shortest, those of length one as their strides say."""
    if a.flags.c_contiguous and 1 not in a.shape:
        return tuple(range(a.ndim))
    return tuple(sorted(range(a.ndim), key=[-abs(s) for s in a.strides].__getitem__))


def alike(a: Array, b: Array) -> bool:
    """Whether arrays of one shape lie alike in memory. An axis of length one may have any stride."""
    return a.strides == b.strides or all([s == t for s, t, n in zip(a.strides, b.strides, a.shape) if n != 1])


def address(a: Array) -> int:
    """a.ctypes.data, which makes an object for it and takes nine times as long."""
    return _word(id(a) + object.__basicsize__).value or 0 if FOUND else a.ctypes.data


_word = ctypes.c_void_p.from_address
_HELD = (np.ones(9),)
# An array is an object that begins with this pointer, and a tuple ends with its items, in the interpreters whose id is an address.
FOUND = sys.implementation.name == "cpython" and (
    _word(id(_HELD) + tuple.__basicsize__).value == id(_HELD[0])
    and _word(id(_HELD[0]) + object.__basicsize__).value == _HELD[0].ctypes.data
)


# Tables.

_remembered: list[Any] = []
_tables = 0  # bytes


def table(a: Array) -> Array:
    """`a`, which nobody is to write to any more."""
    a.setflags(write=False)
    return a


def remembered(most: int) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """lru_cache(most) for what holds tables as long as an axis: all that is so remembered is forgotten once it takes TABLES bytes."""

    def decorate(f: Callable[..., T]) -> Callable[..., T]:
        @lru_cache(most)
        @wraps(f)
        def found(*key: Any) -> T:
            global _tables
            value = f(*key)
            _tables += (size := held((key, value)))
            if _tables > TABLES:
                _tables = size
                for cached in _remembered:
                    cached.cache_clear()
            return value

        _remembered.append(found)
        return found

    return decorate


def held(a: Any) -> int:
    """Bytes of the arrays in `a`, also in tuples, lists and dataclasses."""
    if isinstance(a, np.ndarray):
        return a.nbytes
    if is_dataclass(a) and not isinstance(a, type):
        a = [getattr(a, part.name) for part in fields(a)]
    return sum(map(held, a)) if isinstance(a, (tuple, list)) else 0


def rounded(value: float, dtype: np.dtype[Any]) -> Any:
    """A number of this dtype; infinite, without a warning, if it has no place there."""
    if abs(value) < HALVES:  # asked first, for it takes less time than the warning takes to be ignored
        return dtype.type(value)
    with np.errstate(over="ignore"):
        return dtype.type(value)


def freeze(array: Array) -> None:
    """Make an array read-only; where its memory is recycled, every way to write through its bases too."""
    array.setflags(write=False)
    base = array.base
    if base is None:
        return
    if type(base) is not Lease and isinstance(base, np.ndarray) and type(base.base) is Lease:  # a view of a view
        base.setflags(write=False)
        base = base.base
    if type(base) is Lease:
        base.setflags(write=False)


def clear_cache() -> None:
    """Give all free memory back to the system."""
    spare.clear()
    with _free_lock:
        _shrink(0)


def _ordered(shape: tuple[int, ...], dtype: np.dtype[Any], order: tuple[int, ...]) -> Array:
    """An empty dense array whose axes lie in memory in the given order, outermost first."""
    strides, step = [0] * len(shape), dtype.itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    if step < SMALL or not prod(shape):
        return np.ndarray(shape, dtype, strides=strides)
    return _leased(shape, dtype, strides)


def _leased(shape: Sequence[int], dtype: np.dtype[Any], strides: Sequence[int] | None) -> Array:
    if dtype.hasobject:
        return np.ndarray(shape, dtype, strides=strides)
    memory = _take(prod(shape) * dtype.itemsize)
    return np.ndarray(shape, dtype, Lease(memory.nbytes, np.uint8, memory), 0, strides)


def _take(nbytes: int) -> _Memory:
    global _free_bytes
    step = 1 << max(nbytes.bit_length() - 4, 0)  # an eighth of the power of two below, so at most 1/8 is unused
    size = -(-nbytes // step) * step
    with _free_lock:
        _collect()
        memory = _pop(size)
    return _aligned(size).view(_Memory) if memory is None else memory


def _pop(size: int) -> _Memory | None:
    """A piece of this size, if one is kept; its size is moved to the end."""
    global _free_bytes
    kept = _free.pop(size, None)
    if kept is None:
        return None
    _free_bytes -= size
    memory = kept.pop()
    if kept:
        _free[size] = kept
    return memory


def _collect() -> None:
    """Move what was returned to the free list. If another thread holds the lock, its next turn does it: a finaliser must not wait."""
    global _free_bytes
    if _free_lock.acquire(blocking=False):
        try:
            while _returned:
                memory = _returned.popleft()
                _free.setdefault(memory.nbytes, []).append(memory)
                _free_bytes += memory.nbytes
            _shrink(FREE_LIMIT)
        finally:
            _free_lock.release()


def _shrink(limit: int) -> None:
    while _free and _free_bytes > limit:  # a Ctrl-C may have come between the two
        _pop(next(iter(_free)))


def _start_afresh() -> None:
    """A lock that nobody holds, in a forked child."""
    global _free_lock
    _free_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
