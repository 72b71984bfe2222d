"""One pool of threads for all kernels: loops over tasks, of which the caller is one worker."""

from __future__ import annotations

import atexit
import contextvars
import ctypes
import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

from .words import shown

T = TypeVar("T")
MOST = 1024  # threads

_local = threading.local()
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
    before, wanted = _override.get(), _positive("threads", n)
    try:
        _override.set(wanted)
        yield
    finally:
        _override.set(before)


def run(tasks: Sequence[T], f: Callable[[T], object]) -> None:
    """f(task) for every task, on num_threads() threads of which the caller is one. Inline inside another run.

    Threads pull the next task when they are free. The workers see the caller's context variables (np.errstate among them).
    The first exception stops the loop and is raised here once every thread has left it.
    """
    helpers = min(num_threads(), len(tasks)) - 1
    if helpers < 1 or inside():
        for task in tasks:
            f(task)
        return
    section = _Section(tasks, f)
    _enlist(helpers)
    with _apart():
        try:
            for _ in range(helpers):
                _tickets.put((section.help, contextvars.copy_context()))
            _dismiss()
            section.work()
        finally:
            section.close()


def inside() -> bool:
    """Whether this thread works at a loop, whose other tasks keep the other threads busy."""
    return getattr(_local, "inside", False)


def beside(lingering: int, helpers: int, work: Callable[..., object], *arguments: Any) -> None:
    """work(*arguments), while so many workers linger beside the caller: those of them that do not do so yet are woken."""
    if lingering >= helpers and _processor is not None and _processor() == _avoided:
        work(*arguments)  # nobody is to be woken, and nobody is in the way
        return
    _enlist(helpers)
    with _apart():
        for _ in range(lingering, helpers):
            _tickets.put((_linger, contextvars.Context()))
        work(*arguments)


def ahead(task: Callable[[], object]) -> None:
    """Have a worker do what others are soon to find done, when it has nothing else to do, one such task at a time; its errors are not told.

    It runs its own loops alone. Never done: without workers, or before a process ends.
    """
    if num_threads() > 1:
        _enlist(1)
        _later.append(task)
        _tickets.put((_catch_up, contextvars.copy_context()))
        _dismiss()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside the block no task is done `ahead`: for what measures time."""
    with _busy:
        yield
    if _later:
        _tickets.put((_catch_up, contextvars.copy_context()))


def crew(linger: Callable[[], object], dismiss: Callable[[], object]) -> None:
    """Tell what a worker does between its work here and its sleep, and what makes it come back from there."""
    global _linger, _dismiss
    _linger, _dismiss = linger, dismiss


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


def _catch_up() -> None:
    while _later and _busy.acquire(blocking=False):
        _local.inside = True
        try:
            _later.popleft()()
        except Exception:  # another worker was sooner; or the caller meets this error, too
            pass
        finally:
            _local.inside = False
            _busy.release()


def _end() -> None:
    """Nothing is left at work when a process takes itself apart."""
    _later.clear()
    _busy.acquire()


class _Section:
    """One parallel loop. Its caller waits only for helpers that have begun, so a busy pool never blocks it."""

    def __init__(self, tasks: Sequence[Any], f: Callable[[Any], object]) -> None:
        self.tasks, self.f, self.next = tasks, f, itertools.count().__next__
        self.error: BaseException | None = None
        self.lock, self.idle = threading.Lock(), threading.Lock()
        self.helping, self.closed, self.left = 0, False, False

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
        """Wait until no helper is in. Ctrl-C is told then, not before: helpers write to the caller's arrays."""
        while not self.left:
            try:
                with self.lock:
                    self.closed = True
                with self.idle:
                    self.left = True
            except BaseException as interruption:
                self.error = self.error or interruption
        error, self.error = self.error, None
        self.tasks, self.f = (), _nothing  # a late ticket must not keep arrays alive
        if error is not None:
            raise error


def _nothing(*task: object) -> None: ...


def _enlist(helpers: int) -> None:
    global _avoided
    if len(_workers) < helpers:
        with _lock:
            for _ in range(len(_workers), helpers):
                _workers.append(threading.Thread(target=_worker, args=(_tickets,), name="tinygrad_nd", daemon=True))
                _workers[-1].start()
            _avoided = None


@contextmanager
def _apart() -> Iterator[None]:
    """Hold the caller on its processor inside the block, and the workers off it.

    Linux wakes a thread on the processor of the one that woke it, and then leaves both there for tens of milliseconds.
    """
    global _avoided
    here, allowed = (_processor(), _local.__dict__.get("held") or os.sched_getaffinity(0)) if _processor else (0, set())
    if len(allowed) > 1 and here in allowed:
        with suppress(OSError):  # not allowed to
            if here != _avoided:
                for worker in _workers:
                    os.sched_setaffinity(worker.native_id or 0, allowed - {here})
                _avoided = here
            _local.held = allowed  # Ctrl-C may come before it is given back; then the next loop does that
            os.sched_setaffinity(0, {here})
    try:
        yield
    finally:
        if _local.__dict__.get("held"):
            os.sched_setaffinity(0, allowed)
            _local.held = None


def _worker(tickets: queue.SimpleQueue[tuple[Callable[[], object], contextvars.Context]]) -> None:
    while True:
        help, context = tickets.get()
        context.run(help)
        del help, context
        if tickets.empty():
            _linger()


def _start_afresh() -> None:
    """The pool and its lock, as they must be at import and in a forked child, where no worker lives."""
    global _tickets, _workers, _avoided, _lock, _later, _busy
    _tickets, _workers, _avoided, _lock = queue.SimpleQueue(), [], None, threading.Lock()
    _later, _busy = deque(), threading.RLock()
    _local.inside = False


_tickets: queue.SimpleQueue[tuple[Callable[[], object], contextvars.Context]]
_workers: list[threading.Thread]
_avoided: int | None  # the processor that workers keep off
_lock: threading.Lock
_later: deque[Callable[[], object]]
_busy: Any  # held while one of these is done
_linger: Callable[[], object] = _nothing
_dismiss: Callable[[], object] = _nothing
_start_afresh()
if hasattr(os, "register_at_fork"):  # a child must not find locked what a worker was about to unlock
    os.register_at_fork(before=lambda: _busy.acquire(), after_in_parent=lambda: _busy.release(), after_in_child=_start_afresh)
atexit.register(_end)


def _positive(where: str, n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"{where}: the number of threads is an int, not {shown(n)} ({type(n).__name__})")
    if not 0 < n <= MOST:
        raise ValueError(f"{where}: cannot work with {shown(n)} threads; use 1 to {MOST}")
    return int(n)


def _available() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdecimal() and 0 < int(asked) <= MOST:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _find_processor() -> Callable[[], int] | None:
    """What tells the number of the processor this thread runs on, where it can be told."""
    try:
        return ctypes.PyDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else None
    except (AttributeError, OSError):
        return None


_processor = _find_processor()
_default = _available()
