"""What makes tiles of work fast: one pool of threads, BLAS kept out of their way, scratch per thread, and recycled memory.

A fresh array is paid for page by page when it is first written, which costs ten times more than writing warm memory. So large arrays
come from `empty`: when the last view of one dies its memory goes to a free list, and the next request of about that size takes it over.
"""

from __future__ import annotations

import contextvars
import ctypes
import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
T = TypeVar("T")

SMALL = 1 << 18  # bytes; below this malloc reuses its own warm memory
FREE_LIMIT = 1 << 28  # bytes of freed memory kept for reuse
SCRATCH_LIMIT = 1 << 25  # bytes; a larger scratch array is not kept
ALIGN = 64  # bytes: a cache line, a vector register

_local = threading.local()

# Threads.

_override: contextvars.ContextVar[int | None] = contextvars.ContextVar("threads", default=None)


def num_threads() -> int:
    """How many threads the kernels use: OMP_NUM_THREADS, else one per available core, unless set."""
    return _override.get() or _default


def set_num_threads(n: int) -> None:
    """Use n threads from now on, wherever `threads` does not say otherwise."""
    global _default
    _default = _positive("set_num_threads", n)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use n threads inside the block, in this thread (context) only."""
    token = _override.set(_positive("threads", n))
    try:
        yield
    finally:
        _override.reset(token)


def run(tasks: Sequence[T], f: Callable[[T], object]) -> None:
    """f(task) for every task, on num_threads() threads of which the caller is one. Inline inside another run.

    Threads pull the next task when they are free. The workers see the caller's context variables (np.errstate among them).
    The first exception stops the loop and is raised here once every thread has left it.
    """
    helpers = min(num_threads(), len(tasks)) - 1
    if helpers < 1 or getattr(_local, "inside", False):
        for task in tasks:
            f(task)
        return
    section = _Section(tasks, f)
    _enlist(helpers)
    for _ in range(helpers):
        _tickets.put((section, contextvars.copy_context()))
    section.work()
    section.close()


def run_parts(tasks: Sequence[T], f: Callable[[Sequence[T], int], object]) -> int:
    """f(share, part) for num_threads() even shares of the tasks, in order; returns the number of parts.

    A part index names an accumulator that no other thread touches, and sums do not depend on who was faster.
    """
    parts = max(1, min(num_threads(), len(tasks)))
    cuts = [i * len(tasks) // parts for i in range(parts + 1)]
    run(range(parts), lambda part: f(tasks[cuts[part] : cuts[part + 1]], part))
    return parts


def boxes(shape: Sequence[int], size: int) -> list[Any]:
    """Indices that cut a C-ordered array of this shape into contiguous boxes of at most `size` elements, as even as can be.

    >>> boxes((2, 5), 3)
    [(0, slice(0, 3, None)), (0, slice(3, 6, None)), (1, slice(0, 3, None)), (1, slice(3, 6, None))]
    """
    if not shape:
        return [()]
    axis, inner = len(shape) - 1, 1
    while axis and inner * shape[axis] <= size:
        inner *= shape[axis]
        axis -= 1
    pieces = max(1, -(-shape[axis] // max(1, size // max(inner, 1))))
    step = -(-shape[axis] // pieces)
    cuts = [slice(i, i + step) for i in range(0, shape[axis], step)] if step else []
    return [(*outer, cut) for outer in np.ndindex(*shape[:axis]) for cut in cuts]


class _Section:
    """One parallel loop. Its caller waits only for helpers that have begun, so a busy pool never blocks it."""

    def __init__(self, tasks: Sequence[Any], f: Callable[[Any], object]) -> None:
        self.tasks, self.f, self.next = tasks, f, itertools.count().__next__
        self.error: BaseException | None = None
        self.lock, self.idle = threading.Lock(), threading.Lock()
        self.helping, self.closed = 0, False

    def work(self) -> None:
        tasks, f, n = self.tasks, self.f, len(self.tasks)
        _local.inside = True
        try:
            while (i := self.next()) < n and self.error is None:
                f(tasks[i])
        except BaseException as error:
            self.error = self.error or error
        finally:
            _local.inside = False

    def help(self) -> None:
        with self.lock:
            if self.closed:
                return
            self.helping += 1
            if self.helping == 1:
                self.idle.acquire()
        self.work()
        with self.lock:
            self.helping -= 1
            if self.helping == 0:
                self.idle.release()

    def close(self) -> None:
        with self.lock:
            self.closed = True
        with self.idle:
            error, self.error = self.error, None
            self.tasks, self.f = (), _nothing  # a late ticket must not keep arrays alive
        if error is not None:
            raise error


def _nothing(task: object) -> None: ...


def _enlist(helpers: int) -> None:
    global _workers
    if _workers < helpers:
        with _lock:
            for _ in range(_workers, helpers):
                threading.Thread(target=_worker, args=(_tickets,), name="tinygrad_nd", daemon=True).start()
            _workers = max(_workers, helpers)


def _worker(tickets: queue.SimpleQueue[tuple[_Section, contextvars.Context]]) -> None:
    while True:
        section, context = tickets.get()
        context.run(section.help)
        del section, context


def _start_afresh() -> None:
    """The pool and its locks, as they must be at import and in a forked child, where no worker lives."""
    global _tickets, _workers, _lock, _holders
    _tickets, _workers, _lock, _holders = queue.SimpleQueue(), 0, threading.Lock(), 0
    _local.inside = False


_tickets: queue.SimpleQueue[tuple[_Section, contextvars.Context]]
_workers: int
_lock: threading.Lock
_holders: int
_start_afresh()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def _positive(where: str, n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"{where}: the number of threads is an int, not {n!r} ({type(n).__name__})")
    if n < 1:
        raise ValueError(f"{where}: cannot work with {n} threads; use at least 1")
    return int(n)


def _available() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdecimal() and 0 < int(asked) <= 1024:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_default = _available()


# BLAS threads.


class single_blas:
    """BLAS at one thread while anyone is inside: our threads each run their own GEMM. The user's setting returns at the end."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _holders, _users_setting
        with _lock:
            if _holders == 0:
                _users_setting = [get() for get, _ in _blas()]
                _limit_blas([1] * len(_users_setting))
            _holders += 1

    def __exit__(self, *error: object) -> None:
        global _holders
        with _lock:
            _holders -= 1
            if _holders == 0:
                _limit_blas(_users_setting)


_users_setting: list[int] = []


def _limit_blas(limits: list[int]) -> None:
    for (_, put), limit, users in zip(_blas(), limits, _users_setting):
        if users != 1:
            put(limit)


@cache
def _blas() -> list[tuple[Callable[[], int], Callable[[int], object]]]:
    """(get, set) for the thread count of each BLAS loaded: the OpenBLAS in NumPy's wheels, else whatever threadpoolctl finds."""
    bundled = Path(np.__file__).parent
    for path in itertools.chain(bundled.parent.glob("numpy.libs/*openblas*"), bundled.glob(".dylibs/*openblas*")):
        library = ctypes.CDLL(str(path))
        for prefix, suffix in itertools.product(("scipy_openblas", "openblas"), ("64_", "")):
            if hasattr(library, f"{prefix}_set_num_threads{suffix}"):
                return [(library[f"{prefix}_get_num_threads{suffix}"], library[f"{prefix}_set_num_threads{suffix}"])]
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [(library.get_num_threads, library.set_num_threads) for library in found]


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
    return np.ndarray(shape, dtype, memory)


def _aligned(nbytes: int) -> Array:
    raw = np.empty(nbytes + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + nbytes]


# Recycled memory.


class _Memory(np.ndarray[Any, Any]):
    """A piece of memory to recycle. (NumPy shortens chains of bases only within one type: these two types keep the chain.)"""


class _Lease(np.ndarray[Any, Any]):
    """The base of every view of one piece of memory: when it dies, nobody looks at that memory any more."""

    def __del__(self) -> None:
        if isinstance(self.base, _Memory):
            _returned.append(self.base)
            _collect()


_free: dict[int, list[_Memory]] = {}  # by size, the size least recently used first
_returned: deque[_Memory] = deque()
_free_lock = threading.RLock()
_free_bytes = 0


def empty(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """np.empty(shape, dtype), in recycled memory where it is large."""
    dtype = np.dtype(dtype)
    if prod(shape) * dtype.itemsize < SMALL:
        return np.empty(shape, dtype)
    return _leased(shape, dtype, None)


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
    """The axes of `a` from the one with the longest stride to the one with the shortest."""
    return tuple(sorted(range(a.ndim), key=[-abs(s) for s in a.strides].__getitem__))


def freeze(array: Array) -> None:
    """Make an array read-only; where its memory is recycled, every way to write through its bases too."""
    array.flags.writeable = False
    base = array.base
    if base is None:
        return
    if type(base) is not _Lease and isinstance(base, np.ndarray) and type(base.base) is _Lease:  # a view of a view
        base.flags.writeable = False
        base = base.base
    if type(base) is _Lease:
        base.flags.writeable = False


def clear_cache() -> None:
    """Give all free memory back to the system."""
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
    return np.ndarray(shape, dtype, _Lease(memory.nbytes, np.uint8, memory), 0, strides)


def _take(nbytes: int) -> _Memory:
    global _free_bytes
    step = 1 << max(nbytes.bit_length() - 4, 0)  # an eighth of the power of two below, so at most 1/8 is unused
    size = -(-nbytes // step) * step
    with _free_lock:
        _collect()
        kept = _free.pop(size, None)
        if kept:
            memory = kept.pop()
            _free_bytes -= size
            if kept:
                _free[size] = kept
            return memory
    return _aligned(size).view(_Memory)


def _collect() -> None:
    """Move what was returned to the free list. If another thread holds the lock, its next turn does it: a finaliser must not wait."""
    global _free_bytes
    if _free_lock.acquire(blocking=False):
        try:
            while _returned:
                memory = _returned.popleft()
                kept = _free.pop(memory.nbytes, [])
                kept.append(memory)
                _free[memory.nbytes] = kept
                _free_bytes += memory.nbytes
            _shrink(FREE_LIMIT)
        finally:
            _free_lock.release()


def _shrink(limit: int) -> None:
    global _free_bytes
    while _free_bytes > limit:
        size, kept = next(iter(_free.items()))
        _free_bytes -= size
        del kept[0]
        if not kept:
            del _free[size]
