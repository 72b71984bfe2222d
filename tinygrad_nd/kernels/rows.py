"""Normalisation of rows: the axes of the statistics are one contiguous stretch, along which weight and bias vary (layer, RMS norm).

A row stays in cache from the first pass to the last, also backwards. What is computed is told in `norm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import blas, memory, parallel
from .cells import LONG, Axes, compiled, number, parts_of, run, summed, tile_size
from .memory import Array


def takes(axes: Axes, *parameters: Array) -> bool:
    """Whether weight and bias vary along the axes of the statistics, and along no others."""
    return _takes(axes, *[a.shape for a in parameters])


@lru_cache(256)
def _takes(axes: Axes, *shapes: tuple[int, ...]) -> bool:
    varying = {i for shape in shapes for i, n in enumerate(shape) if n > 1}
    return bool(varying) and varying <= set(axes)


def normalise(x: Array, weight: Array, bias: Array, axes: Axes, eps: float, centred: bool) -> tuple[Array, Array, Array]:
    """The result, the means (zeros unless `centred`) and 1 / standard deviations."""
    rows, f = _rows(x.shape, x.strides, axes), compiled("normalise", x) or _normalise
    y, found = memory.empty(rows.sizes, x.dtype), np.empty((2, *rows.kept), x.dtype)
    given, w, b = rows.lying(x), rows.parameter(weight), rows.parameter(bias)

    def tasks() -> list[tuple[Any, ...]]:
        cut = y.reshape(-1, rows.n), given.reshape(-1, rows.n), *found.reshape(2, -1, 1)
        return _tasks(f, cut, (w.reshape(-1), b.reshape(-1), number(eps, x.dtype)), (), centred)

    run(f, rows.n, (y, given, found, w, b), tasks, (rows.n, eps, centred))
    return y.transpose(rows.back), *(a.transpose(rows.back) for a in found)


def gradients(g: Array, x: Array, weight: Array, mean: Array, rstd: Array, axes: Axes, centred: bool) -> tuple[Array, Array, Array]:
    """What comes back to x, weight and bias."""
    rows, f = _rows(x.shape, x.strides, axes), compiled("gradients", x) or _gradients
    dx, parts = memory.empty(rows.sizes, x.dtype), parts_of(2, len(_cuts(f, rows)), rows.n, x.dtype)  # sums of g x̂ and of g
    given, seen, w, middle, scale = rows.lying(g), rows.lying(x), rows.parameter(weight), rows.lying(mean), rows.lying(rstd)

    def tasks() -> list[tuple[Any, ...]]:
        cut = *(a.reshape(-1, rows.n) for a in (dx, given, seen)), middle.reshape(-1, 1), scale.reshape(-1, 1)
        return _tasks(f, cut, (w.reshape(-1),), parts, centred)

    run(f, rows.n, (dx, given, seen, middle, scale, w, parts), tasks, (rows.n, centred))
    dweight, dbias = summed(parts, f).reshape(2, *rows.varying)
    if weight.size < rows.n:
        gone = tuple(a for a in axes if weight.shape[a] < rows.varying[a])
        dweight, dbias = (a.sum(gone, keepdims=True) for a in (dweight, dbias))
    return dx.transpose(rows.back), dweight, dbias


class _Rows:
    """The axes of an array as they lie in memory, but those of a row last; n is its length."""

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...], axes: Axes) -> None:
        order = sorted(range(len(shape)), key=[-abs(s) for s in strides].__getitem__)
        self.order = (*(a for a in order if a not in axes), *sorted(axes))
        self.back = tuple(np.argsort(self.order).tolist())
        self.sizes, self.n = [shape[a] for a in self.order], prod(shape[a] for a in axes)
        self.kept = [1 if a in axes else shape[a] for a in self.order]
        self.varying = tuple(n if a in axes else 1 for a, n in enumerate(shape))
        self.numbers = prod(shape)

    def lying(self, a: Array) -> Array:
        return np.ascontiguousarray(a.transpose(self.order))

    def parameter(self, a: Array) -> Array:
        return np.ascontiguousarray(a if a.size == self.n else np.broadcast_to(a, self.varying))


_rows = lru_cache(256)(_Rows)


def _cuts(f: Callable[..., None], rows: _Rows) -> list[Any]:
    return _boxes(rows.numbers // max(rows.n, 1), max(1, tile_size(f, rows.numbers) // max(rows.n, 1)))


@lru_cache(256)
def _boxes(count: int, each: int) -> list[Any]:
    return parallel.boxes((count,), each)


def _tasks(
    f: Callable[..., None], cut: Sequence[Array], whole: Sequence[Array], parts: Sequence[Array] | Array, centred: bool
) -> list[tuple[Any, ...]]:
    """Calls of f on stretches of rows: it gets its part of what is `cut`, the `whole` others, and its own of the `parts`."""
    rows, n = cut[0].shape
    boxes = _boxes(rows, max(1, tile_size(f, cut[0].size) // max(n, 1)))
    return [(*[a[box] for a in cut], *whole, *[p[i] for p in parts], centred) for i, box in enumerate(boxes)]


# Tiles. NumPy calls a loop for each row that it scales or shifts, and BLAS does not. So short rows are scaled by matrices; and they are
# not centred before where no mean is larger than the standard deviation, for then sums less what the mean takes lose a bit at most.


def _normalise(out: Array, x: Array, mean: Array, rstd: Array, weight: Array, bias: Array, eps: Array, centred: bool) -> None:
    n = x.shape[1]
    if n < LONG:
        _normalise_short(out, x, mean, rstd, weight, bias, eps, centred)
        return
    mean[:] = np.vecdot(x, np.ones(n, x.dtype))[:, None] / n if centred else 0  # a third of the time of sum, and as accurate
    np.subtract(x, mean, out=out)
    rstd[:, 0] = 1 / np.sqrt(np.vecdot(out, out) / n + eps)
    np.multiply(out, rstd, out=out)
    np.multiply(out, weight, out=out)
    np.add(out, bias, out=out)


def _gradients(
    out: Array, g: Array, x: Array, mean: Array, rstd: Array, weight: Array, dweight: Array, dbias: Array, centred: bool
) -> None:
    """As g · weight · rstd + (x - mean) · slope + offset; where matrices are summed, they are multiplied by a vector on the way."""
    n, along = x.shape[1], weight[:, None]
    if n < LONG:
        _gradients_short(out, g, x, mean, rstd, weight, dweight, dbias, centred)
        return
    np.subtract(x, mean, out=out)
    product = np.multiply(g, out, out=memory.scratch("product", g.shape, g.dtype))
    np.matmul(rstd[:, 0], product, out=dweight)
    np.matmul(np.ones(len(g), g.dtype), g, out=dbias)
    np.multiply(out, (product @ along) * rstd / -n * rstd * rstd, out=out)  # the cube itself may be too small, or too large
    if centred:
        np.add(out, (g @ along) * rstd / -n, out=out)
    scaled = np.multiply(g, weight, out=product)
    np.multiply(scaled, rstd, out=scaled)
    np.add(out, scaled, out=out)


def _normalise_short(out: Array, x: Array, mean: Array, rstd: Array, weight: Array, bias: Array, eps: Array, centred: bool) -> None:
    n, middle = x.shape[1], mean[:, 0]
    ones = np.ones(n, x.dtype)
    np.divide(x @ ones, n, out=middle)
    square, variance = middle * middle, np.vecdot(x, x)
    variance /= n
    if centred:
        variance -= square
        if not (square <= variance).all():
            x = np.subtract(x, mean, out=memory.scratch("centred", x.shape, x.dtype))
            rest = x @ ones / n  # what rounding took from the mean
            variance = np.vecdot(x, x) / n - rest * rest
            middle += rest
            middle = rest
    else:
        middle[:] = 0
    variance += eps
    np.divide(1, np.sqrt(variance, out=variance), out=rstd[:, 0])
    _scaled(out, x, rstd, weight)
    shift = np.ones((len(x), 2), x.dtype)
    np.multiply(middle, rstd[:, 0], out=shift[:, 0])
    blas.thin_product(out, shift, np.stack((-weight, bias)), add=True)


def _gradients_short(
    out: Array, g: Array, x: Array, mean: Array, rstd: Array, weight: Array, dweight: Array, dbias: Array, centred: bool
) -> None:
    n, scale, ones = x.shape[1], rstd[:, 0], np.ones((1, x.shape[1]), x.dtype)
    shift = mean[:, 0] * scale
    if centred and not (np.abs(shift) <= 1).all():
        x, shift = np.subtract(x, mean, out=memory.scratch("centred", x.shape, x.dtype)), np.zeros_like(shift)
    product = np.multiply(g, x, out=memory.scratch("product", g.shape, g.dtype))
    total, along = g @ weight, product @ weight
    np.matmul(scale, product, out=dweight)
    np.matmul(np.ones(len(g), g.dtype), g, out=dbias)
    along *= scale
    if centred:
        dweight -= shift @ g
        along -= shift * total
    along *= scale / -n
    np.add(_scaled(out, g, rstd, weight), _scaled(product, x, (along * scale)[:, None], ones), out=out)
    if centred:
        total *= scale / -n
        total -= along * shift
        blas.thin_product(out, total[:, None], ones, add=True)


def _scaled(out: Array, x: Array, column: Array, row: Array) -> Array:
    """x times the products of a factor of each row with one of each column."""
    blas.thin_product(out, column, row.reshape(1, -1))
    return np.multiply(out, x, out=out)
