"""One normalisation for all: (x - mean) · rstd · weight + bias, mean and rstd = 1 / √(variance + ε) taken over some axes of x.

Weight, bias, mean and rstd have as many axes as x, of length 1 where they repeat. Two ways through memory:

rows   The axes are one contiguous stretch, along which weight and bias vary (layer, RMS norm): a row stays in cache from the first pass to
       the last, also backwards.
cells  Weight and bias vary along other axes (batch, instance, group norm). x is cut into cells of which every number meets the same weight;
       sums over cells, then arithmetic on few numbers, then one pass with one set of coefficients per cell.

Backwards, with x̂ = (x - mean) · rstd and u = g · weight: dx = rstd · (u - mean(u) - x̂ · mean(x̂ u)), dweight = sum(g x̂), dbias = sum(g).
Without a mean (RMS norm) the term mean(u) is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory, parallel
from .cells import COMPILED, Axes, cells_of, compiled, constant
from .elementwise import fused
from .memory import Array

TILE = 1 << 16  # elements: a few float32 operands stay in the second-level cache


def normalise(x: Array, weight: Array, bias: Array, axes: Axes, eps: float, centred: bool) -> tuple[Array, Array, Array]:
    """The result, the mean (zeros unless `centred`) and rstd; float16 is computed in float32."""
    wide, weight, bias = _wide(x, weight, bias)
    if _in_rows(weight, bias, axes):
        y, mean, rstd = _normalise_rows(wide, weight, bias, axes, eps, centred)
    elif centred and (lanes := _by_lanes(wide, axes, weight, bias)):
        y, mean, rstd = lanes.normalise(cells_of(wide, axes), wide, weight, bias, eps)
    else:
        mean, variance = _moments(wide, axes, _within(axes, weight, bias))
        if not centred:
            variance, mean = variance + np.square(mean), np.zeros_like(mean)
        rstd = (1 / np.sqrt(variance + eps)).astype(wide.dtype)
        mean = mean.astype(wide.dtype)
        y = standardise(wide, weight, bias, mean, rstd)
    return y.astype(x.dtype, copy=False), mean, rstd


def standardise(x: Array, weight: Array, bias: Array, mean: Array, rstd: Array) -> Array:
    """(x - mean) · rstd · weight + bias, for given statistics."""
    wide, weight, bias, mean, rstd = _wide(x, weight, bias, mean, rstd)
    return _per_cell(_shifted, [wide], [mean, rstd * weight, bias]).astype(x.dtype, copy=False)


def gradients(g: Array, x: Array, weight: Array, mean: Array, rstd: Array, axes: Axes, centred: bool) -> tuple[Array, Array, Array]:
    """What comes back to x, weight and bias (both of weight's shape)."""
    (wide, g, weight), dtype = _wide(x, g, weight), weight.dtype
    if _in_rows(weight, weight, axes):
        dx, dweight, dbias = _gradients_rows(g, wide, weight, mean, rstd, axes, centred)
    elif centred and (lanes := _by_lanes(wide, axes, weight)):
        dx, dweight, dbias = lanes.gradients(cells_of(wide, axes), g, wide, weight, mean, rstd)
    else:
        within = _within(axes, weight)
        total, product = _sums(g, wide, mean, within)  # of g and g (x - mean), per cell
        n, rest = prod(x.shape[a] for a in within), tuple(a for a in axes if a not in within)
        product = product * rstd
        count = n * prod(x.shape[a] for a in rest)
        first = (weight * total).sum(rest, keepdims=True) / count if centred else np.zeros(())
        second = (weight * product).sum(rest, keepdims=True) / count
        dx = _per_cell(_combined, [g, wide], [mean, rstd * weight, -second * np.square(rstd), -first * rstd])
        outside = tuple(i for i, n in enumerate(weight.shape) if n == 1)
        dweight, dbias = product.sum(outside, keepdims=True), total.sum(outside, keepdims=True)
    return dx.astype(x.dtype, copy=False), dweight.astype(dtype, copy=False), dbias.astype(dtype, copy=False)


def _wide(x: Array, *others: Array) -> list[Array]:
    dtype = np.result_type(x.dtype, np.float32)
    return [a.astype(dtype, copy=False) for a in (x, *others)]


def _in_rows(weight: Array, bias: Array, axes: Axes) -> bool:
    """Whether weight and bias vary along the axes of the statistics, and along no others."""
    varying = {i for a in (weight, bias) for i, n in enumerate(a.shape) if n > 1}
    return bool(varying) and varying <= set(axes)


def _within(axes: Axes, *parameters: Array) -> Axes:
    """The axes of the statistics along which the parameters do not vary."""
    return tuple(a for a in axes if all(p.shape[a] == 1 for p in parameters))


# Rows.


def _rows(axes: Axes, x: Array) -> tuple[list[int], int]:
    """The axes of x as they lie in memory, but those of a row last; and the length of a row."""
    return [a for a in memory.memory_order(x) if a not in axes] + sorted(axes), prod(x.shape[a] for a in axes)


def _normalise_rows(x: Array, weight: Array, bias: Array, axes: Axes, eps: float, centred: bool) -> tuple[Array, Array, Array]:
    order, n = _rows(axes, x)
    y = memory.empty([x.shape[a] for a in order], x.dtype)
    rows, w, b = _matrix(x, order, n), _row(weight, x, axes), _row(bias, x, axes)
    mean, rstd = np.zeros((len(rows), 1), x.dtype), np.empty((len(rows), 1), x.dtype)
    f = compiled("normalise", x.size) or _normalise_tile
    out = y.reshape(-1, n)
    least = np.full(1, eps, x.dtype)

    def tasks() -> list[tuple[Any, ...]]:
        return [(out[box], rows[box], w, b, least, centred, mean[box], rstd[box]) for box in _boxes(rows, f)]

    _each(f, (out, rows, w, b, least, mean, rstd), tasks, centred)
    kept = [1 if a in axes else x.shape[a] for a in order]
    back = np.argsort(order)
    return y.transpose(back), mean.reshape(kept).transpose(back), rstd.reshape(kept).transpose(back)


def _normalise_tile(out: Array, x: Array, weight: Array, bias: Array, eps: Array, centred: bool, mean: Array, rstd: Array) -> None:
    n = x.shape[1]
    if centred:
        np.divide(x.sum(1, keepdims=True), n, out=mean)
    np.subtract(x, mean, out=out)
    rstd[:, 0] = 1 / np.sqrt(np.einsum("ij,ij->i", out, out) / n + eps)
    np.multiply(out, rstd, out=out)
    np.multiply(out, weight, out=out)
    np.add(out, bias, out=out)


def _gradients_rows(
    g: Array, x: Array, weight: Array, mean: Array, rstd: Array, axes: Axes, centred: bool
) -> tuple[Array, Array, Array]:
    order, n = _rows(axes, x)
    dx = memory.empty([x.shape[a] for a in order], x.dtype)
    rows, cotangents, w = _matrix(x, order, n), _matrix(g, order, n), _row(weight, x, axes)
    statistics = [_matrix(a, order, 1) for a in (mean, rstd)]
    f: Callable[..., None] = compiled("gradients", x.size) or _gradients_tile
    boxes, out = _boxes(rows, f), dx.reshape(-1, n)
    parts = np.zeros((2, len(boxes), n), x.dtype)  # sums of g x̂ and of g

    def tasks() -> list[tuple[Any, ...]]:
        return [
            (out[box], cotangents[box], rows[box], w, *[a[box] for a in statistics], centred, parts[0, i], parts[1, i])
            for i, box in enumerate(boxes)
        ]

    _each(f, (out, cotangents, rows, w, *statistics, parts), tasks, centred)
    dweight, dbias = parts.sum(1, dtype=np.float64).reshape(2, *[x.shape[a] if a in axes else 1 for a in range(x.ndim)])
    gone = tuple(a for a in axes if weight.shape[a] == 1)
    return dx.transpose(np.argsort(order)), dweight.sum(gone, keepdims=True), dbias.sum(gone, keepdims=True)


def _gradients_tile(
    out: Array, g: Array, x: Array, weight: Array, mean: Array, rstd: Array, centred: bool, dweight: Array, dbias: Array
) -> None:
    n, ones = x.shape[1], np.ones(len(x), x.dtype)
    hat = np.subtract(x, mean, out=memory.scratch("hat", x.shape, x.dtype))
    np.multiply(hat, rstd, out=hat)
    np.multiply(g, hat, out=out)
    np.matmul(ones, out, out=dweight)
    np.matmul(ones, g, out=dbias)
    np.multiply(hat, (out @ weight / n)[:, None], out=hat)
    np.multiply(g, weight, out=out)
    np.subtract(out, hat, out=out)
    if centred:
        np.subtract(out, (g @ weight / n)[:, None], out=out)
    np.multiply(out, rstd, out=out)


def _matrix(a: Array, order: list[int], n: int) -> Array:
    return constant(np.ascontiguousarray(a.transpose(order)).reshape(-1, n))


def _row(parameter: Array, x: Array, axes: Axes) -> Array:
    return constant(np.ascontiguousarray(np.broadcast_to(parameter, [x.shape[a] if a in axes else 1 for a in range(x.ndim)])).reshape(-1))


def _boxes(rows: Array, f: Callable[..., None]) -> list[Any]:
    return parallel.boxes(rows.shape[:1], max(1, _size(f, rows.size) // max(rows.shape[1], 1)))


def _size(f: Callable[..., None], total: int) -> int:
    """How many elements f is given at a time."""
    return engines.share(total) if engines.is_compiled(f) else TILE


# Cells.


def _by_lanes(x: Array, axes: Axes, *parameters: Array) -> Any:
    """The compiled form for lanes that have statistics, weight and bias of their own, if it is in use and x has such."""
    module: Any = engines.compiled("lanes") if x.size >= COMPILED and x.dtype.char in "fd" else None
    if module is None:
        return None
    found = cells_of(x, axes)
    own = found.lanes > 1 and not any(a in axes for a in (*found.outermost, *found.innermost))
    return module if own and all(p.size == prod(p.shape[a] for a in found.innermost) == found.lanes for p in parameters) else None


def _moments(x: Array, axes: Axes, within: Axes) -> tuple[Array, Array]:
    """Mean and variance over `axes`, kept, in float64: those of pieces, by two passes over each, then those of the whole."""
    cells = cells_of(x, within)
    view, f = cells.view(x), cells.compiled("moments") or _moments_tile
    step, pieces = cells.pieces(_size(f, x.size))
    outer, inner, lanes = cells.shape
    counts = np.diff([*range(0, inner, step), inner])[:, None, None]
    means, variances = np.zeros((2, len(counts), outer, lanes), x.dtype)
    _each(f, (view, means, variances), lambda: [(view[p, q], means[j, p], variances[j, p]) for p, q, j in pieces])
    mean = (means * counts).sum(0, dtype=np.float64) / inner
    variance = ((variances + np.square(means - mean)) * counts).sum(0) / inner
    mean, variance = cells.restored(mean), cells.restored(variance)
    rest = (-1, *(a for a in axes if a not in cells.inner))
    middle = mean.mean(rest, keepdims=True)
    return middle[..., 0], (variance + np.square(mean - middle)).mean(rest, keepdims=True)[..., 0]


def _sums(g: Array, x: Array, mean: Array, within: Axes) -> tuple[Array, Array]:
    """The sums of g and of g (x - mean) over `within`, kept, in float64."""
    cells = cells_of(x, within)
    given, view, flat, f = cells.view(g), cells.view(x), cells.flat(mean), cells.compiled("sums") or _sums_tile
    step, pieces = cells.pieces(_size(f, x.size))
    outer, inner, lanes = cells.shape
    found = np.zeros((2, -(-inner // step), outer, lanes), x.dtype)
    _each(f, (given, view, flat, found), lambda: [(given[p, q], view[p, q], flat[p], found[0, j, p], found[1, j, p]) for p, q, j in pieces])
    rest = (-1, *(a for a in within if a not in cells.inner))
    total, product = (cells.restored(s).sum(rest, keepdims=True)[..., 0] for s in found.sum(1, dtype=np.float64))
    return total, product


def _per_cell(tile: Callable[..., None], arrays: list[Array], coefficients: list[Array]) -> Array:
    """tile(out, *arrays, *coefficients), or the compiled loop of the same name: one pass over memory."""
    x = arrays[-1]
    cells = cells_of(x, _within(tuple(range(x.ndim)), *coefficients))
    f = cells.compiled(tile.__name__[1:])
    if f is None:
        return fused(tile, *arrays, *coefficients, dtype=x.dtype)
    out = memory.empty_like(x)
    target, views = out.transpose(cells.order).reshape(cells.shape), [cells.view(a) for a in arrays]
    flat = [cells.flat(c.astype(x.dtype, copy=False)) for c in coefficients]
    pieces = cells.pieces(_size(f, x.size))[1]
    _each(f, (target, *views, *flat), lambda: [(target[p, q], *[v[p, q] for v in views], *[c[p] for c in flat]) for p, q, _ in pieces])
    return out


def _each(f: Callable[..., None], operands: Sequence[Array], tasks: Callable[[], list[tuple[Any, ...]]], key: Any = None) -> None:
    """f on all tasks, which follow from the layout of the operands and `key`."""
    if engines.is_compiled(f):
        engines.repeat(f, operands, tasks, key)
    else:
        with blas.single_blas():
            engines.run(f, tasks())


def _moments_tile(x: Array, mean: Array, variance: Array) -> None:
    np.divide(_total(x), x.shape[1], out=mean)
    distance = np.subtract(x, mean[:, None], out=memory.scratch("distance", x.shape, x.dtype))
    np.multiply(distance, distance, out=distance)
    np.divide(_total(distance), x.shape[1], out=variance)


def _sums_tile(g: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    distance = np.subtract(x, mean[:, None], out=memory.scratch("distance", x.shape, x.dtype))
    np.multiply(distance, g, out=distance)
    total[...], product[...] = _total(g), _total(distance)


def _total(x: Array) -> Array:
    """The sum over the second of three axes."""
    return np.asarray(x.sum(1) if x.shape[2] == 1 else np.matmul(np.ones(x.shape[1], x.dtype), x))


def _shifted(out: Array, x: Array, mean: Array, scale: Array, bias: Array) -> None:
    np.subtract(x, mean, out=out)
    np.multiply(out, scale, out=out)
    np.add(out, bias, out=out)


def _combined(out: Array, g: Array, x: Array, mean: Array, scale: Array, slope: Array, offset: Array) -> None:
    np.subtract(x, mean, out=out)
    np.multiply(out, slope, out=out)
    np.add(out, offset, out=out)
    np.add(out, np.multiply(g, scale, out=memory.scratch("scaled", g.shape, g.dtype)), out=out)
