"""BLAS beside our own threads: kept to one thread while they work, its products split over them, and what a product costs."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections.abc import Callable
from functools import cache
from math import ceil, log2, prod
from pathlib import Path
from time import get_clock_info, perf_counter, thread_time
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .memory import Array

SMALL = 1 << 18  # multiply-adds that BLAS does on one thread anyway
ALONE = 1 << 21  # multiply-adds below which a second thread does not pay
HANDED = 1 << 19  # the same where threads are handed their parts without the GIL
PASS = 1 << 17  # columns that are transformed to see how fast that is: more than a core's own cache holds
TRIES = 8  # to be faster, before a rate is taken to be known
BRIEF = 1 << 22  # multiply-adds below which it counts that BLAS packs its operands, and is told to keep to one thread
STACK = 1 << 10  # matrices of which each is handed out
LARGE = 1 << 21  # multiply-adds of one matrix from which a compiled product may take less time


def matmul(a: Array, b: Array) -> Array:
    """np.matmul, its work split over our threads where it is large: two pools of threads would fight for the same cores."""
    if a.ndim < 2 or b.ndim < 2 or a.size * b.shape[-1] < SMALL:
        return np.asarray(np.matmul(a, b))
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    if dtype.char not in "fdFD":
        return np.asarray(np.matmul(a, b))
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        return matmul(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    batch = a.shape[:-2]
    if batch != b.shape[:-2]:
        batch = np.broadcast_shapes(batch, b.shape[:-2])
        a, b = (np.broadcast_to(t, (*batch, *t.shape[-2:])) for t in (a, b))
    out = memory.empty((*a.shape[:-1], b.shape[-1]), dtype)
    products = engines.compiled("products")
    steps = a.size * b.shape[-1]
    handed = steps >= HANDED and parallel.num_threads() > 1
    if products is not None:
        brief = handed and not batch and steps < BRIEF and products.begins_sooner(a, b, flops_per_second())
        if brief or (prod(batch) * LARGE <= steps and products.takes(a, b, flops_per_second())):
            products.matmul(a, b, out)
            return out
        if handed and (not batch or 2 * parallel.num_threads() <= prod(batch) <= STACK):
            with single_blas():
                if products.by_blas(gemm(dtype), a, b, out):
                    return out
    parts = parallel.num_threads() if a.size * b.shape[-1] > ALONE else 1
    axis = next((i for i, n in enumerate(batch) if n >= 2 * parts), out.ndim - 2 if out.shape[-2] >= out.shape[-1] else out.ndim - 1)
    cuts = [out.shape[axis] * i // parts for i in range(parts + 1)]
    lead = (slice(None),) * axis

    def work(part: int) -> None:
        at = (*lead, slice(cuts[part], cuts[part + 1]))
        np.matmul(a if axis == out.ndim - 1 else a[at], b if axis == out.ndim - 2 else b[at], out=out[at])

    with single_blas():
        parallel.run(range(parts), work)
    return out


def product_and_row(a: Array, b: Array, row: Array) -> Array | None:
    """a @ b + row, of large matrices whose sums may begin with the row; None of others."""
    products, steps = engines.compiled("products"), a.size * b.shape[-1]
    alike = a.dtype == b.dtype == row.dtype and a.dtype.char in "fd" and row.flags.c_contiguous and row.flags.aligned
    if products is None or not alike or steps < BRIEF or parallel.num_threads() < 2 or products.takes(a, b, flops_per_second()):
        return None
    out = memory.empty((len(a), b.shape[1]), a.dtype)
    with single_blas():
        return out if products.by_blas(gemm(a.dtype), a, b, out, row) else None


def product_seconds(macs: float, columns: float, inner: float, dtype: np.dtype[Any]) -> float:
    """What multiply-adds of many rows cost one thread: columns are taken by eights, and a last four, two or one cost nearly as much."""
    real = 4 if dtype.kind == "c" else 1
    width = dtype.itemsize // (2 if real == 4 else 1) / 4
    slow = 1 if dtype.char in "fdFD" else 100
    n = ceil(columns)
    eights = (n >> 3) + 0.9 * (n >> 2 & 1) + 0.6 * (n >> 1 & 1) + 0.6 * (n & 1) + 0.45
    return 2 * macs * real * width * slow * (7.5 * eights / n) * (1 + 3 / inner) / flops_per_second()


@cache
def flops_per_second() -> float:
    """Of one thread in float32."""
    a, b, out = np.ones((512, 256), np.float32), np.ones((256, 128), np.float32), np.empty((512, 128), np.float32)
    with single_blas():
        return rate(2 * 512 * 256 * 128, lambda: np.matmul(a, b, out=out))


@cache
def pass_seconds(threads: int) -> float:
    """Per float32 number that a thread transforms by a matrix of 6 x 6, while all are at it: memory that they share sets the pace.

    It is what other moves from one place in memory to another are measured by.
    """
    matrix, a, spent = np.ones((6, 6), np.float32), np.ones((threads, 6, PASS), np.float32), [0.0] * threads
    out = np.empty_like(a)

    def work(i: int) -> None:
        start = _own_time()
        np.matmul(matrix, a[i], out=out[i])
        spent[i] = _own_time() - start

    def all_work() -> float:
        parallel.run(range(threads), work)
        return max(spent)

    with single_blas():
        return 1 / rate(a[0].size, all_work)


def moved_seconds(numbers: float, dtype: np.dtype[Any]) -> float:
    """What it costs one thread to move numbers from one place in memory to another."""
    return numbers * pass_seconds(parallel.num_threads()) * dtype.itemsize / 4


def rate(flops: int, work: Callable[[], object]) -> float:
    """Per second, measured in some milliseconds; a power of the fourth root of two, so that choices seldom flicker. Work may tell the
    seconds it took."""
    best, tries = 1.0, 0
    with parallel.undisturbed():
        while tries < TRIES:  # since the best
            start = perf_counter()
            told = work()
            seconds = told if isinstance(told, float) else perf_counter() - start
            if seconds < 0.98 * best:
                tries = 0
            best, tries = min(best, seconds), tries + 1
    return float(2.0 ** (round(4 * log2(flops / best)) / 4))


# Of a thread, without those that wait for the same processor, as they do at first; where that is told by the millisecond, of the clock.
_own_time = thread_time if get_clock_info("thread_time").resolution < 1e-5 else perf_counter


class single_blas:
    """BLAS at one thread while anyone is inside: our threads each run their own GEMM. The user's setting returns at the end."""

    __slots__ = ("held",)

    def __enter__(self) -> None:
        global _holders, _users_setting
        with _lock:
            _holders += 1
            self.held = True
            if _holders == 1:
                _users_setting = [get() for get, _ in _blas()]
                _limit_blas([1] * len(_users_setting))

    def __exit__(self, *error: object) -> None:
        global _holders
        with _lock:
            if _holders == 1:
                _limit_blas(_users_setting)
            _holders -= 1
            self.held = False

    def __del__(self) -> None:
        if getattr(self, "held", False):  # Ctrl-C came on the way into the block or out of it
            self.__exit__()


def _start_afresh() -> None:
    """Nobody inside, as it must be at import and in a forked child."""
    global _lock, _holders
    _lock, _holders = threading.RLock(), 0  # re-entrant: an instance may be collected inside


_lock: Any
_holders: int
_users_setting: list[int] = []
_start_afresh()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def _limit_blas(limits: list[int]) -> None:
    for (_, put), limit, users in zip(_blas(), limits, _users_setting):
        if users != 1:
            put(limit)


@cache
def _blas() -> list[tuple[Callable[[], int], Callable[[int], object]]]:
    """(get, set) for the thread count of each BLAS loaded: the OpenBLAS in NumPy's wheels, else whatever threadpoolctl finds."""
    for library in _bundled():
        for prefix, suffix in itertools.product(("scipy_openblas", "openblas"), ("64_", "")):
            if hasattr(library, f"{prefix}_set_num_threads{suffix}"):
                return [(library[f"{prefix}_get_num_threads{suffix}"], library[f"{prefix}_set_num_threads{suffix}"])]
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [(library.get_num_threads, library.set_num_threads) for library in found]


@cache
def gemm(dtype: np.dtype[Any]) -> int | None:
    """The address of BLAS's matrix product of this dtype, if it is known to take integers of 64 bits."""
    name = {"f": "scipy_cblas_sgemm64_", "d": "scipy_cblas_dgemm64_"}.get(dtype.char, "")
    found = [library[name] for library in _bundled() if name and hasattr(library, name)]
    return ctypes.cast(found[0], ctypes.c_void_p).value if found else None


def thin_product(out: Array, a: Array, b: Array, add: bool = False) -> None:
    """out = a @ b, or out += a @ b, of matrices without gaps where a has few columns: NumPy takes two to ten times as long."""
    f = _product(out.dtype)
    if f is not None:
        (m, k), n, (to, left, right) = a.shape, b.shape[1], map(memory.address, (out, a, b))
        f(101, 111, 111, m, n, k, 1, left, k, right, n, add, to, n)  # rows one after the other, no matrix transposed
    elif add:
        np.add(out, np.matmul(a, b, out=memory.scratch("thin", out.shape, out.dtype)), out=out)
    else:
        np.matmul(a, b, out=out)


@cache
def _product(dtype: np.dtype[Any]) -> Callable[..., None] | None:
    """BLAS's matrix product, where it is known: it is called without the GIL."""
    address, number = gemm(dtype), ctypes.c_float if dtype.char == "f" else ctypes.c_double
    matrix = ctypes.c_void_p, ctypes.c_int64
    arguments = *[ctypes.c_int] * 3, *[ctypes.c_int64] * 3, number, *matrix, *matrix, number, *matrix
    return ctypes.CFUNCTYPE(None, *arguments)(address) if address else None


def _bundled() -> list[ctypes.CDLL]:
    """The OpenBLAS in NumPy's wheels."""
    home = Path(np.__file__).parent
    return [ctypes.CDLL(str(p)) for p in itertools.chain(home.parent.glob("numpy.libs/*openblas*"), home.glob(".dylibs/*openblas*"))]
