"""Matrix products of the compiled engine, and the copies that bring their operands into order, as calls for `crew`."""

from __future__ import annotations

from functools import cache, lru_cache, partial
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..memory import Array
from . import crew, ir, llvm, programs, tiles
from .crew import Call

BLOCK = 1 << 18  # bytes of the left operand worked on at a time
LANES = 64  # of columns, that are cut between two
LONG = 1 << 13  # places in a table; fewer of such are remembered
SMALL = 1 << 15  # bytes that NumPy copies before a loop is written down
ALONE = 1 << 17  # bytes that one thread copies as fast
ROWS = 6  # of a tile of the widest panel
AHEAD = 1.3  # times the rate of BLAS, which it keeps up when matrices are large: our own falls by a seventh there
ACROSS = 1.8  # the same where rows of the left operand are not dense: it reads that as it lies, and BLAS packs it
BEHIND = 0.5  # the same for small products, for which BLAS prepares as long as it works
STRETCH = 1 << 10  # terms added one after the other, where BLAS adds the sums of some hundred each
_FLOAT = np.dtype(np.float32)


def multiply(x: Array, rows: Array, offsets: Array, w: Array, out: Array, add: bool = False) -> Call:
    """A call for out[i, j] = sum over q of x.flat[rows[i] + offsets[q]] w[q, j], or out + that. w and out are dense along j."""
    (ldw, ldo), n, dtype = (a.strides[0] // a.itemsize for a in (w, out)), out.shape[1], out.dtype
    return tiles.product(dtype).address, x, rows, len(rows), offsets, len(offsets), w, ldw, n, out, ldo, add, *tiles.panels(n, dtype)


def moved(a: Array | None, out: Array, add: bool = False) -> Call:
    """A call for out[...] = a, or 0 for None: arrays of one shape and dtype, in pieces as long as both are dense. Or `a` is
    added, also where `out` names a place several times."""
    axis, n = out.ndim, 1
    while axis and (out.shape[axis - 1] == 1 or all(t is None or t.strides[axis - 1] == n * t.itemsize for t in (a, out))):
        axis -= 1
        n *= out.shape[axis]
    to = places(out.shape[:axis], out.strides[:axis], out.itemsize)
    starts = _nowhere(len(to)) if a is None else places(a.shape[:axis], a.strides[:axis], a.itemsize)
    return tiles.move(out.dtype, add).address, out if a is None else a, starts, out, to, len(to), n


@lru_cache(64)
def _nowhere(count: int) -> Array:
    return memory.table(np.full(count, tiles.OUTSIDE))


def places(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> Array:
    """Where the elements of a strided array lie, in C order, counted in elements."""
    return (_places if prod(shape) < LONG else _many_places)(shape, strides, itemsize)


def _found(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> Array:
    total = np.zeros((), np.int64)
    for n, stride in zip(shape, strides):
        total = np.add.outer(total, np.arange(n) * (stride // itemsize))
    return memory.table(total.reshape(-1))


_places, _many_places = memory.remembered(1024)(_found), memory.remembered(64)(_found)


def copy(a: Array, out: Array) -> None:
    """out[...] = a, by squares where the last two axes of `a` lie the other way round in memory."""
    if a.nbytes >= SMALL and (call := turned(a, out)) is not None:
        crew.run([[call]])
    else:
        out[...] = a


def turned(a: Array, out: Array) -> Call | None:
    """A call for that, where they do."""
    if a.ndim < 2 or a.shape[-1] == 1 or a.strides[-2] != a.itemsize or a.dtype != out.dtype or not a.flags.aligned:
        return None
    while a.ndim > 2 and all(t.strides[-3] == t.shape[-2] * t.strides[-2] for t in (a, out)):
        a, out = (t.reshape(*t.shape[:-3], -1, t.shape[-1]) for t in (a, out))  # rows that follow one another are one
    *lead, n, m = a.shape
    size = a.itemsize
    starts, to = places(tuple(lead), a.strides[:-2], size), places(tuple(lead), out.strides[:-2], size)
    ends = a.strides[-1] // size, out.strides[-2] // size
    return tiles.transpose(a.dtype).address, a, starts, out, to, len(starts), m, n, *ends


def brought(a: Array, out: Array) -> Call:
    """A call for out[...] = a, by squares where that is possible."""
    return turned(a, out) or moved(a, out)


def takes(a: Array, b: Array, rate: float) -> bool:
    """Whether `matmul` can multiply these, and does so faster than something that makes `rate` float32 operations per second and thread."""
    return _able(a, b) and flops_per_second(_FLOAT) > rate * (AHEAD if is_dense(a, a.dtype) else ACROSS)


def begins_sooner(a: Array, b: Array, rate: float) -> bool:
    """Whether `matmul` multiplies these matrices as they lie, at a rate not far behind, and with sums as accurate."""
    if a.shape[-1] > STRETCH or not _able(a, b):
        return False
    lie = is_dense(b, b.dtype) or (len(a) < b.shape[-1] and is_dense(a, a.dtype) and is_dense(b.T, b.dtype))
    return lie and flops_per_second(_FLOAT) > rate * BEHIND


def _able(a: Array, b: Array) -> bool:
    able = a.dtype == b.dtype and a.dtype.char in "fd" and a.flags.aligned and b.flags.aligned
    return able and b.shape[-1] >= llvm.lanes(a.dtype)


def matmul(a: Array, b: Array, out: Array) -> None:
    """out[...] = a @ b over stacks of matrices (..., m, k) and (..., k, n) of any strides; out is C-ordered. On our threads."""
    *batch, m, n = out.shape
    if m < n and not is_dense(b, b.dtype):  # the other way round a smaller operand is turned
        if not batch and is_dense(a, a.dtype) and is_dense(b.T, b.dtype):
            return programs.run("other way round", (a, b, out), lambda: _other_way_round(a, b, out))
        matmul(b.swapaxes(-1, -2), a.swapaxes(-1, -2), turn := memory.empty((*batch, n, m), out.dtype))
        return copy(turn.swapaxes(-1, -2), out)
    b = dense(b, b.dtype)
    k, size = a.shape[-1], a.itemsize
    share = -(-m // parallel.num_threads()) + ROWS - 1
    rows = min(max(64, BLOCK // (k * size)), share - share % ROWS)
    offsets = places((k,), (a.strides[-1],), size)
    starts = range(0, m, rows)
    wide = n if len(starts) * prod(batch) >= parallel.num_threads() else -(-n // (parallel.num_threads() * LANES)) * LANES

    def written() -> list[list[Call]]:
        tasks = []
        for at in np.ndindex(*batch):
            for start, first in product(starts, range(0, n, wide)):
                part, columns = a[at][start : start + rows], slice(first, first + wide)
                steps = places((len(part),), (part.strides[0],), size)
                tasks.append([multiply(part, steps, offsets, b[at][:, columns], out[at][start : start + rows, columns])])
        return tasks

    programs.run("matmul", (a, b, out), written)


def _other_way_round(a: Array, b: Array, out: Array) -> list[list[Call]]:
    """out.T = b.T @ a.T, for a and b.T with dense rows: every task turns `a` for itself and its part of the result back."""
    (m, k), n = a.shape, b.shape[1]
    parts = min(parallel.num_threads(), -(-n // LANES))
    step, rows = -(-n // parts), max(64, BLOCK // (k * a.itemsize))
    tasks = []
    for part in range(parts):
        columns = b[:, part * step : (part + 1) * step].T
        given, made = memory.scratch(("given", part), (k, m), a.dtype), memory.scratch(("made", part), (len(columns), m), a.dtype)
        calls = [brought(a.T, given)]
        for start in range(0, len(columns), rows):
            some = columns[start : start + rows]
            steps, offsets = places((len(some),), (some.strides[0],), a.itemsize), places((k,), (a.itemsize,), a.itemsize)
            calls.append(multiply(some, steps, offsets, given, made[start : start + rows]))
        tasks.append([*calls, brought(made.T, out[:, part * step : part * step + len(columns)])])
    return tasks


def by_blas(gemm: int | None, a: Array, b: Array, out: Array, row: Array | None = None) -> bool:
    """out[...] = a @ b, matrices or stacks of them, by BLAS's function at this address, on our threads; False where it does not take them.

    With a row the sums of a matrix begin there, which takes no time: BLAS would set them to 0.
    """
    *batch, m, n = out.shape
    first, parts = (0,) * len(batch), parallel.num_threads()
    if gemm is None or not (a.dtype == b.dtype == out.dtype and lies(a[first]) and lies(b[first])):
        return False

    def calls(a: Array, b: Array, out: Array, row: Array | None) -> list[Call]:
        if row is None:
            return [blas_product(gemm, a, b, out)]
        return [moved(np.broadcast_to(row, out.shape), out), blas_product(gemm, a, b, out, True)]

    def written() -> list[list[Call]]:
        if batch:
            return [calls(a[at], b[at], out[at], None) for at in np.ndindex(*batch)]
        cuts = [max(m, n) * i // parts for i in range(parts + 1)]
        if m >= n:
            return [calls(a[i:j], b, out[i:j], row) for i, j in pairwise(cuts)]
        return [calls(a, b[:, i:j], out[:, i:j], None if row is None else row[i:j]) for i, j in pairwise(cuts)]

    programs.run(("blas", gemm), (a, b, out) if row is None else (a, b, out, row), written)
    return True


def blas_product(gemm: int, a: Array, b: Array, out: Array, add: bool = False) -> Call:
    """A call for out[...] = a @ b, or out + that, of matrices that lie as `lies` tells; out has dense rows."""
    (ta, lda), (tb, ldb) = lies(a) or (0, 0), lies(b) or (0, 0)
    trampoline = llvm.function("gemm", "iiiiiiipipipi", out.dtype, _gemm)
    return trampoline.address, gemm, ta, tb, add, *out.shape, a.shape[1], a, lda, b, ldb, out, out.strides[0] // out.itemsize


def lies(a: Array) -> tuple[int, int] | None:
    """How a matrix lies, in BLAS's words: its rows dense, or its columns, and how far apart they are; None where neither is."""
    down, across = (s // a.itemsize for s in a.strides)
    if not a.flags.aligned or not a.size or a.strides[0] % a.itemsize or a.strides[1] % a.itemsize:
        return None
    return (111, down) if across == 1 and down >= a.shape[1] else (112, across) if down == 1 and across >= a.shape[0] else None


def _gemm(kernel: llvm.Kernel, gemm: Any, ta: Any, tb: Any, add: Any, m: Any, n: Any, k: Any, *matrices: Any) -> None:
    """gemm(by rows, ta, tb, m, n, k, 1, a, lda, b, ldb, add, out, ldo)."""
    *operands, out, ldo = matrices
    ways = [kernel.b.trunc(v, ir.IntType(32)) for v in (llvm.integer(101), ta, tb)]
    one, added = ir.Constant(kernel.number, 1), kernel.b.sitofp(add, kernel.number)
    kernel.call(gemm, *ways, m, n, k, one, *operands, added, out, ldo)


def is_dense(x: Array, dtype: np.dtype[Any]) -> bool:
    """Whether compiled kernels can read it: of this dtype, and dense along its last axis."""
    return x.dtype == dtype and x.flags.aligned and (x.strides[-1] == x.itemsize or x.shape[-1] == 1)


def dense(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x` itself where it has this dtype and its last axis is dense, else a copy, made by all threads."""
    if is_dense(x, dtype):
        return x
    out = memory.empty(x.shape, dtype)
    threads = parallel.num_threads() if x.nbytes > ALONE else 1
    axis = 0 if len(x) >= threads and x.ndim > 2 else x.ndim - 1
    step = -(-x.shape[axis] // threads)
    parts = [(*(slice(None),) * axis, slice(i, i + step)) for i in range(0, x.shape[axis], step)] if step else []
    calls = [turned(x[part], out[part]) for part in parts]
    if all(calls):
        crew.run([[call] for call in calls if call])
    else:
        parallel.run(parts, lambda part: copy(x[part], out[part]))
    return out


@cache
def flops_per_second(dtype: np.dtype[Any]) -> float:
    """Of one thread."""
    wanted = tiles.transpose, tiles.move, tiles.product, partial(tiles.panels, 64), partial(tiles.panels, llvm.lanes(dtype))
    llvm.together(crew.compiled, *[lambda f=f: f(dtype) for f in wanted])  # by every convolution
    a, out = np.ones((192, 256), dtype), np.empty((192, 64), dtype)
    rows, offsets, w = np.arange(192) * 256, np.arange(256), np.ones((256, 64), dtype)
    calls = 4 * [multiply(a, rows, offsets, w, out)]
    return blas.rate(len(calls) * 2 * 192 * 256 * 64, lambda: crew.run([calls]))
