"""Sampling along an axis: every output is a weighted sum of a few inputs. Its transpose is of the same form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from . import engines, memory, parallel

Array = np.ndarray[Any, np.dtype[Any]]

TILE = 1 << 16  # numbers written by one task
COMPILED = 1 << 11  # numbers; with fewer a compiled loop saves nothing
A = -0.75  # the slope of the cubic kernel at 1


@dataclass(frozen=True, eq=False)
class Taps:
    """Output j of `out` is the sum over t < count[j] of weight[t, j] * input[index[t, j]], of `size` inputs; no weights are ones."""

    out: int
    size: int
    index: Array
    count: Array
    weight: Array | None
    identity: bool = False

    @cached_property
    def transposed(self) -> Taps:
        if self.identity:
            return self
        used = np.arange(len(self.index))[:, None] < self.count
        t, j = np.nonzero(used)
        return taps(self.index[t, j], j, None if self.weight is None else self.weight[t, j], self.size, self.out)


def taps(rows: Array, columns: Array, weights: Array | None, out: int, size: int) -> Taps:
    """Taps from a list: output `rows` sums input `columns` times `weights`."""
    order = np.argsort(rows, kind="stable")
    rows, columns = rows[order], columns[order]
    count = np.bincount(rows, minlength=out)
    number = np.arange(len(rows)) - (np.cumsum(count) - count)[rows]
    index = np.zeros((count.max(initial=0), out), np.intp)
    index[number, rows] = columns
    if weights is None:
        return Taps(out, size, index, count, None)
    weight = np.zeros(index.shape)
    weight[number, rows] = weights[order]
    return Taps(out, size, index, count, weight)


def sampled(x: Array, taps: tuple[Taps, ...]) -> Array:
    """The last axes of x sampled, those that shrink first. What is no tap of an output never touches it, NaN and infinity included."""
    if x.size >= COMPILED and x.dtype in (np.float32, np.float64) and len(taps) and (fast := engines.compiled("pools")):
        return fast.sampled(x, taps)  # type: ignore[no-any-return]
    for axis in sorted(range(len(taps)), key=lambda i: taps[i].out / max(taps[i].size, 1)):
        if not taps[axis].identity:
            x = along(x, taps[axis], x.ndim - len(taps) + axis)
    return x.view()


@lru_cache(256)
def same(n: int) -> Taps:
    """An axis as it is."""
    return Taps(n, n, np.arange(n)[None], np.ones(n, np.intp), None, True)


def along(x: Array, taps: Taps, axis: int) -> Array:
    """x sampled along an axis, in x's memory order. What is no tap of an output never touches it, NaN and infinity included."""
    order = memory.memory_order(x)
    place = order.index(axis)
    shape = [x.shape[i] for i in order]
    outer, inner = prod(shape[:place]), prod(shape[place + 1 :])
    source = np.ascontiguousarray(x.transpose(order)).reshape(outer, taps.size, inner)
    y = memory.empty((outer, taps.out, inner), x.dtype)
    wide = np.dtype(np.float32) if x.dtype == np.float16 else x.dtype  # sums of halves lose digits
    weight = None if taps.weight is None else taps.weight.astype(wide.type(0).real.dtype)[:, :, None]
    whole = [int((taps.count > t).sum()) == taps.out for t in range(len(taps.index))]

    def work(tile: tuple[slice, slice]) -> None:
        some, rows = tile
        a, result = source[some], y[some, rows]
        total = result if wide == x.dtype else memory.scratch("total", result.shape, wide)
        if not whole or not whole[0]:
            total[...] = 0
        for t, index in enumerate(taps.index[:, rows]):
            w = None if weight is None else weight[t, rows]
            if whole[t]:
                seen = np.take(a, index, 1, out=memory.scratch("seen", result.shape, x.dtype), mode="clip")
                if not t:
                    np.copyto(total, seen) if w is None else np.multiply(seen, w, out=total)
                else:
                    np.add(total, seen if w is None else np.multiply(seen, w, out=memory.scratch("part", total.shape, wide)), out=total)
            else:
                (which,) = np.nonzero(taps.count[rows] > t)
                seen = a.take(index[which], 1)
                total[:, which] += seen if w is None else seen * w[which]
        if total is not result:
            np.copyto(result, total, casting="same_kind")

    parallel.run(_tiles(outer, taps.out, inner), work)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return y.reshape(*shape[:place], taps.out, *shape[place + 1 :]).transpose(back)


def _tiles(outer: int, out: int, inner: int) -> list[tuple[slice, slice]]:
    if not outer * out * inner:
        return []
    rows = max(1, min(out, TILE // inner))
    some = max(1, TILE // (out * inner))
    return [(slice(i, i + some), slice(j, j + rows)) for i in range(0, outer, some) for j in range(0, out, rows)]


# Where a longer or shorter axis is sampled. Pixels are intervals whose centres lie at i + 1/2; with corners aligned, points at i.


@lru_cache(256)
def nearest(n: int, o: int, scale: float, centre: bool, dtype: Any) -> Taps:
    """The pixel in which i * scale lies, or (i + 1/2) * scale, rounded as PyTorch rounds for this dtype."""
    i, step = np.arange(o), float(dtype(scale))
    at = ((i + 0.5) * step - 0.5).astype(dtype) if centre else (i * step).astype(dtype)  # one rounding, as in a fused multiply-add
    exact = at.astype(np.float32) + np.float32(0.5 if centre else 0)
    return taps(np.arange(o), np.clip(np.floor(exact).astype(np.intp), 0, n - 1), None, o, n)


@lru_cache(256)
def linear(n: int, o: int, scale: float, align_corners: bool) -> Taps:
    """The two neighbours, by their distances; past the ends the end alone."""
    at = np.maximum(_positions(n, o, scale, align_corners), 0)
    low = np.minimum(at.astype(np.intp), n - 1)
    t = np.clip(at - low, 0, 1)
    return _neighbours(n, o, low, {0: 1 - t, 1: t})


@lru_cache(256)
def cubic(n: int, o: int, scale: float, align_corners: bool) -> Taps:
    """Four neighbours by Keys' kernel; past the ends the end repeats. Source: Keys, Cubic convolution interpolation, 1981."""
    at = _positions(n, o, scale, align_corners)
    low = np.minimum(np.floor(at).astype(np.intp), n - 1)
    t = np.clip(at - low, 0, 1)
    return _neighbours(n, o, low, {-1: _far(1 + t), 0: _near(t), 1: _near(1 - t), 2: _far(2 - t)})


def _near(d: Array) -> Array:
    """Keys' kernel at distances up to 1."""
    return ((A + 2) * d - (A + 3)) * d * d + 1


def _far(d: Array) -> Array:
    """Keys' kernel at distances from 1 to 2."""
    return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A


def _positions(n: int, o: int, scale: float, align_corners: bool) -> Array:
    if align_corners:
        return np.arange(o) * ((n - 1) / (o - 1) if o > 1 else 0.0)
    return (np.arange(o) + 0.5) * scale - 0.5


def _neighbours(n: int, o: int, low: Array, weights: dict[int, Array]) -> Taps:
    columns = [np.clip(low + step, 0, n - 1) for step in weights]
    return taps(np.tile(np.arange(o), len(weights)), np.concatenate(columns), np.concatenate(list(weights.values())), o, n)
