"""Sums, short stretches first, so that errors do not pile up; of long arrays by BLAS or compiled loops, on all threads."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory, parallel
from .elementwise import LARGE, PASSES, STEPS, WAKE
from .memory import Array

SUMMED = 1 << 13  # elements; below, one call of NumPy sums faster than it is asked in which order
STRETCH = 512  # terms added one after the other, without the error of a long running sum
WIDE = 128  # elements of a row that is added as one vector after the other; of a matrix whose longer rows BLAS takes one by one
SHORT = 1024  # terms of a dot product in the dtype of its terms
FEW = 8  # terms; fewer are added turn by turn
_reduce: Any = np.add.reduce


def reduce_sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Any:
    """x.sum(axes, keepdims=keepdims), as accurate; leading axes are summed by products with a row of ones. Halves are summed in float32."""
    if x.dtype.char == "e":  # a sum of ones would stop at 2048
        return x.sum(axes, keepdims=keepdims, dtype=np.float32).astype(np.float16)
    if x.size < SUMMED or x.dtype.char not in "fd" or not axes:
        return _reduce(x, axes, None, None, keepdims)  # which x.sum calls by way of Python
    plan = plan_of(x, axes)
    dense = x.transpose(plan.order)
    if not dense.flags.c_contiguous:
        return x.sum(axes, keepdims=keepdims)
    y = dense.reshape(plan.sizes)
    for axis in plan.summed:
        before, after = y.shape[:axis], y.shape[axis + 1 :]
        y = _summed(y.reshape(prod(before), y.shape[axis], prod(after))).reshape(before + after)
    return y.reshape(plan.kept).transpose(plan.back) if keepdims else plan.rest(y)


def sum_to(x: Array, shape: tuple[int, ...]) -> Any:
    """x summed over the axes along which an array of `shape` was broadcast to it."""
    lead = x.ndim - len(shape)
    axes = (*range(lead), *[i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1])
    return reduce_sum(x, axes, keepdims=True).reshape(shape) if axes else x


def dot(a: Array, b: Array) -> Any:
    """The sum of the products of two rows, in double precision: that of short stretches is left to BLAS, on one thread."""
    whole = a.size // SHORT * SHORT
    stretches = np.vecdot(a[:whole].reshape(-1, SHORT), b[:whole].reshape(-1, SHORT))
    return stretches.sum(dtype=np.result_type(a, np.float64)) + np.vecdot(a[whole:], b[whole:])


def plan_of(x: Array, axes: tuple[int, ...]) -> Plan:
    return _plan(x.shape, memory.memory_order(x), axes)


class Plan:
    """How an array is reduced as it lies in memory: neighbouring axes are one if all or none of them are to go."""

    def __init__(self, shape: tuple[int, ...], order: tuple[int, ...], axes: tuple[int, ...]) -> None:
        gone = {a % len(shape) for a in axes}
        runs = [(kind, prod(shape[a] for a in run)) for kind, run in groupby(order, gone.__contains__)]
        self.order, self.sizes = order, [n for _, n in runs]
        self.summed = [i for i, (kind, _) in enumerate(runs) if kind][::-1]
        self.kept, self.back = [1 if a in gone else shape[a] for a in order], np.argsort(order)
        left = [a for a in order if a not in gone]
        self.left, self.turned = [shape[a] for a in left], np.argsort(left)

    def rest(self, y: Array) -> Any:
        """What is left, in the order of its axes."""
        return y.reshape(self.left).transpose(self.turned)[()]


_plan = lru_cache(256)(Plan)


def _summed(rows: Array) -> Array:
    """The sum of C-ordered rows (outer, n, inner) over n, (outer, inner): of short stretches first, so that errors do not pile up."""
    outer, n, inner = rows.shape
    if 1 < n <= FEW:
        total: Array = rows[:, 0] + rows[:, 1]
        for k in range(2, n):
            total += rows[:, k]
        return total
    if inner > 1 and rows.size < STEPS and n <= STRETCH:
        return np.asarray(np.add.reduce(rows, 1))
    loops = engines.compiled("loops")
    if outer == 1 and n >= FEW * (fold := WIDE // inner) > FEW and (inner > 1 or loops and rows.size >= LARGE):
        # So many rows, taken as one, are as wide as the processor likes to add.
        whole = n - n % fold
        total = np.add.reduce(_summed(rows[:, :whole].reshape(1, whole // fold, fold * inner)).reshape(1, fold, inner), 1)
        return total + np.add.reduce(rows[:, whole:], 1) if whole < n else total
    if inner == 1:
        return _products(rows.reshape(outer, n))[:, None]
    short = min(n, STRETCH)
    pieces = -(-n // short)
    partial = np.empty((outer, pieces, inner), rows.dtype)
    if loops is not None:
        step = max(1, engines.share(rows.size) // (short * inner))
        starts = range(0, outer * pieces, step)
        engines.repeat(
            loops.sum_rows, (rows, partial), lambda: [(rows, partial, short, i, min(i + step, outer * pieces)) for i in starts], step
        )
    else:
        _add_up(rows, partial, short)
    return partial[:, 0] if pieces == 1 else _summed(partial) if pieces > STRETCH else np.add.reduce(partial, 1)


def _products(rows: Array) -> Array:
    """The sums of rows along the last axis: products with ones, which take a quarter of the time of sums. A long row is cut."""
    n = rows.shape[-1]
    if n > SHORT:
        whole = n - n % SHORT
        total = _products(_products(rows[..., :whole].reshape(*rows.shape[:-1], -1, SHORT)))
        return total + _products(rows[..., whole:]) if whole < n else total
    ones, product = np.ones(n, rows.dtype), np.matmul if n <= WIDE else np.vecdot
    with blas.single_blas():
        if rows.size <= WAKE:
            return np.asarray(product(rows, ones))
        sums = np.empty(rows.shape[:-1], rows.dtype)
        parallel.run(parallel.boxes(sums.shape, WAKE // n), lambda box: product(rows[box], ones, out=sums[box]))
        return sums


def _add_up(rows: Array, partial: Array, short: int) -> None:
    """partial (outer, pieces, inner): the sums of so many rows each; BLAS adds them as products with ones."""
    (outer, n, inner), whole = rows.shape, rows.shape[1] // short
    ones = np.ones(short, rows.dtype)
    blocks = rows[:, : whole * short].reshape(outer, whole, short, inner)
    with blas.single_blas():
        boxes = parallel.boxes((outer, whole), max(1, PASSES // (short * inner)))
        parallel.run(boxes, lambda box: np.matmul(ones, blocks[box], out=partial[:, :whole][box]))
        if left := n - whole * short:
            np.matmul(ones[:left], rows[:, -left:], out=partial[:, -1])
