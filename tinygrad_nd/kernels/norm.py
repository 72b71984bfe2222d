"""One normalisation for all: (x - mean) · rstd · weight + bias, mean and rstd = 1 / √(variance + ε) taken over some axes of x.

Weight, bias, mean and rstd have as many axes as x, of length 1 where they repeat. Three ways through memory:

rows    The axes are one contiguous stretch, along which weight and bias vary (layer, RMS norm).
blocks  Weight and bias vary along other axes (batch, instance, group norm), and there are enough statistics to be shared out to threads.
cells   Or not. x is cut into cells of which every number meets the same weight; sums over cells, then arithmetic on few numbers, then one
        pass with one set of coefficients per cell.

Backwards, with x̂ = (x - mean) · rstd and u = g · weight: dx = rstd · (u - mean(u) - x̂ · mean(x̂ u)), dweight = sum(g x̂), dbias = sum(g).
Without a mean (RMS norm) the term mean(u) is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import blocks, engines, memory, rows
from .cells import Axes, cells_of, run, tile_size
from .memory import Array
from .sums import reduce_sum

FEW = 1 << 14  # elements; below, a few passes of NumPy are over before it is told how they lie in memory


@engines.recalled
def normalise(x: Array, weight: Array, bias: Array, axes: Axes, eps: float, centred: bool) -> tuple[Array, Array, Array]:
    """The result, the mean (zeros unless `centred`) and rstd; float16 is computed in float32."""
    wide, weight, bias = _wide(x, weight, bias)
    if rows.takes(axes, weight, bias):
        y, mean, rstd = rows.normalise(wide, weight, bias, axes, eps, centred)
    elif centred and (seen := blocks.blocks_of(wide, axes, weight)):
        y, mean, rstd = blocks.normalise(seen, wide, weight, bias, eps)
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


def moments(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Mean and variance over axes, kept."""
    if x.size >= engines.LEAST and x.dtype.char in "fd":
        mean, variance = _moments(x, axes, axes)
        return mean.astype(x.dtype), variance.astype(x.dtype)
    mean = x.mean(axes, keepdims=True)
    return mean, np.square(x - mean).mean(axes, keepdims=True)


def standardise(x: Array, weight: Array, bias: Array, mean: Array, rstd: Array) -> Array:
    """(x - mean) · rstd · weight + bias, for given statistics."""
    if x.size < FEW and x.dtype.char in "fd":
        return np.asarray((x - mean) * (rstd * weight) + bias, x.dtype)
    wide, weight, bias, mean, rstd = _wide(x, weight, bias, mean, rstd)
    return per_cell(_shifted, [wide], [mean, rstd * weight, bias]).astype(x.dtype, copy=False)


@engines.recalled
def gradients(g: Array, x: Array, weight: Array, mean: Array, rstd: Array, axes: Axes, centred: bool) -> tuple[Array, Array, Array]:
    """What comes back to x, weight and bias (both of weight's shape)."""
    (wide, g, weight), dtype = _wide(x, g, weight), weight.dtype
    if rows.takes(axes, weight):
        dx, dweight, dbias = rows.gradients(g, wide, weight, mean, rstd, axes, centred)
    elif centred and (seen := blocks.blocks_of(wide, axes, weight)):
        dx, dweight, dbias = blocks.gradients(seen, g, wide, weight, mean, rstd)
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
        dx = per_cell(_combined, [g, wide], [mean, rstd * weight, -second * np.square(rstd), -first * rstd])
        outside = tuple(i for i, n in enumerate(weight.shape) if n == 1)
        dweight, dbias = product.sum(outside, keepdims=True), total.sum(outside, keepdims=True)
    return dx.astype(x.dtype, copy=False), dweight.astype(dtype, copy=False), dbias.astype(dtype, copy=False)


def given_gradients(g: Array, x: Array, weight: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    """What comes back from `standardise` to x, weight and bias: the statistics do not follow x."""
    (wide, g, mean, rstd), dtype = _wide(x, g, mean, rstd), weight.dtype
    outside = tuple(i for i, n in enumerate(weight.shape) if n == 1)
    scale = rstd * weight.astype(wide.dtype, copy=False)
    if x.size < FEW:
        dx, total, product = np.asarray(g * scale, wide.dtype), g, g * (wide - mean)
    else:
        dx = memory.empty_like(wide)
        total, product = _sums(g, wide, mean, _within(tuple(range(x.ndim)), weight, mean), dx, scale)
    dweight, dbias = (product * rstd).sum(outside, keepdims=True), total.sum(outside, keepdims=True)
    return dx.astype(x.dtype, copy=False), dweight.astype(dtype, copy=False), dbias.astype(dtype, copy=False)


def unit(x: Array, axis: int, eps: float) -> tuple[Array, Array]:
    """x divided by its length along an axis, or by eps where that is shorter; and what `unit_grad` asks for."""
    weight = _root(x.shape, axis, x.dtype)
    y, _, scale = normalise(x, weight, np.zeros_like(weight), (axis,), float(np.finfo(x.dtype).tiny), False)
    return _mended(y, x, scale, x.shape[axis], eps), scale


def unit_grad(g: Array, x: Array, scale: Array, axis: int, eps: float) -> Array:
    """What comes back to x."""
    dx = gradients(g, x, _root(x.shape, axis, x.dtype), np.zeros_like(scale), scale, (axis,), False)[0]
    return _mended(dx, g, scale, x.shape[axis], eps)


@lru_cache(64)
def _root(shape: tuple[int, ...], axis: int, dtype: np.dtype[Any]) -> Array:
    return memory.table(np.full([n if a == axis else 1 for a, n in enumerate(shape)], shape[axis] ** -0.5, dtype))


def _mended(out: Array, given: Array, scale: Array, n: int, eps: float) -> Array:
    """`out` with given / eps where vectors are no longer than eps; `scale` is the root of n over their lengths."""
    if (short := scale * eps >= n**0.5).any():
        np.copyto(out, given / eps, where=short)
    return out


def _wide(*arrays: Array) -> Sequence[Array]:
    """The arrays in the dtype of the first, or in float32 if that is of halves."""
    dtype = np.dtype(np.float32) if arrays[0].dtype == np.float16 else arrays[0].dtype
    return [a if a.dtype == dtype else a.astype(dtype) for a in arrays]


def _within(axes: Axes, *parameters: Array) -> Axes:
    """The axes of the statistics along which the parameters do not vary."""
    return tuple(a for a in axes if all(p.shape[a] == 1 for p in parameters))


# Cells.


def _by_lanes(x: Array, axes: Axes, *parameters: Array) -> Any:
    """The compiled form for lanes that have statistics, weight and bias of their own, if it is in use and x has such."""
    module: Any = engines.compiled("lanes") if x.size >= engines.LEAST and x.dtype.char in "fd" else None
    if module is None:
        return None
    found = cells_of(x, axes)
    own = found.lanes > 1 and not any(a in axes for a in (*found.outermost, *found.innermost))
    return module if own and all(p.size == prod(p.shape[a] for a in found.innermost) == found.lanes for p in parameters) else None


def _moments(x: Array, axes: Axes, within: Axes) -> tuple[Array, Array]:
    """Mean and variance over `axes`, kept, in float64: those of pieces, by two passes over each, then those of the whole."""
    cells = cells_of(x, within)
    view, f = cells.view(x), cells.compiled("moments", x) or _moments_tile
    step, pieces = cells.pieces(tile_size(f, x.size))
    outer, inner, lanes = cells.shape
    counts = np.diff([*range(0, inner, step), inner])[:, None, None]
    means, variances = np.zeros((2, len(counts), outer, lanes), x.dtype)
    run(f, max(cells.shape[1:]), (view, means, variances), lambda: [(view[p, q], means[j, p], variances[j, p]) for p, q, j in pieces])
    mean = (means * counts).sum(0, dtype=np.float64) / inner
    variance = ((variances + np.square(means - mean)) * counts).sum(0) / inner
    mean, variance = cells.restored(mean), cells.restored(variance)
    rest = (-1, *(a for a in axes if a not in cells.inner))
    middle = mean.mean(rest, keepdims=True)
    return middle[..., 0], (variance + np.square(mean - middle)).mean(rest, keepdims=True)[..., 0]


def _sums(g: Array, x: Array, mean: Array, within: Axes, out: Array | None = None, scale: Any = None) -> tuple[Array, Array]:
    """The sums of g and of g (x - mean) over `within`, kept, in float64; and g times a scale in `out`, if given, which lies as x does."""
    cells = cells_of(x, within)
    f = cells.compiled("sums" if out is None else "scaled", x) or (_sums_tile if out is None else _scaled_tile)
    views = [cells.view(g), cells.view(x), *([] if out is None else [out.transpose(cells.order).reshape(cells.shape)])]
    flat = [cells.flat(c) for c in ([mean] if out is None else [mean, scale])]
    step, pieces = cells.pieces(tile_size(f, x.size))
    outer, inner, lanes = cells.shape
    found = np.zeros((2, -(-inner // step), outer, lanes), x.dtype)
    tasks = lambda: [(*[v[p, q] for v in views], *[c[p] for c in flat], found[0, j, p], found[1, j, p]) for p, q, j in pieces]
    run(f, max(cells.shape[1:]), (*views, *flat, found), tasks)
    rest = (-1, *(a for a in within if a not in cells.inner))
    total, product = (cells.restored(s).sum(rest, keepdims=True)[..., 0] for s in found.sum(1, dtype=np.float64))
    return total, product


def per_cell(tile: Callable[..., None], arrays: list[Array], coefficients: list[Array]) -> Array:
    """tile(out, *arrays, *coefficients), or the compiled loop of the same name: one pass over memory."""
    x = arrays[-1]
    within = _within(tuple(range(x.ndim)), *coefficients)
    cells = cells_of(x, within)
    apart = list({id(a): a for a in arrays}.values())  # what is recalled names no array twice
    which = tuple([next(i for i, b in enumerate(apart) if b is a) for a in arrays])
    flat = [cells.flat(c.astype(x.dtype, copy=False)) for c in coefficients]
    return _over_cells(*apart, *flat, tile, within, which)


@engines.recalled
def _over_cells(*operands: Any) -> Array:
    """The same of (*arrays, *coefficients per cell, tile, the axes that cells lie along, which of the arrays it is given)."""
    *given, tile, within, which = operands
    arrays, flat = [given[i] for i in which], given[max(which) + 1 :]
    x = arrays[-1]
    cells = cells_of(x, within)
    f = cells.compiled(tile.__name__[1:], x) or tile
    out = memory.empty_like(x)
    target, views = out.transpose(cells.order).reshape(cells.shape), [cells.view(a) for a in arrays]
    pieces = cells.pieces(tile_size(f, x.size))[1]
    tasks = lambda: [(target[p, q], *[v[p, q] for v in views], *[c[p] for c in flat]) for p, q, _ in pieces]
    run(f, max(cells.shape[1:]), (target, *views, *flat), tasks)
    return out


# Tiles: (outer, inner, lanes), of coefficients (outer, lanes).


def _moments_tile(x: Array, mean: Array, variance: Array) -> None:
    np.divide(_total(x), x.shape[1], out=mean)
    distance = np.subtract(x, mean[:, None], out=memory.scratch("distance", x.shape, x.dtype))
    rest = _total(distance) / x.shape[1]  # what rounding took from the mean
    np.subtract(_total(np.square(distance, out=distance)) / x.shape[1], np.square(rest), out=variance)
    np.add(mean, rest, out=mean)


def _sums_tile(g: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    distance = np.subtract(x, mean[:, None], out=memory.scratch("distance", x.shape, x.dtype))
    total[...], product[...] = _total(g), _total(np.multiply(distance, g, out=distance))


def _scaled_tile(g: Array, x: Array, out: Array, mean: Array, scale: Array, total: Array, product: Array) -> None:
    _sums_tile(g, x, mean, total, product)
    np.multiply(g, scale[:, None], out=out)


def _total(x: Array) -> Array:
    return np.asarray(reduce_sum(x, (1,), False))


def _shifted(out: Array, x: Array, mean: Array, scale: Array, bias: Array) -> None:
    np.subtract(x, mean[:, None], out=out)
    np.multiply(out, scale[:, None], out=out)
    np.add(out, bias[:, None], out=out)


def _combined(out: Array, g: Array, x: Array, mean: Array, scale: Array, slope: Array, offset: Array) -> None:
    np.multiply(x, slope[:, None], out=out)
    np.add(out, (offset - mean * slope)[:, None], out=out)
    np.add(out, np.multiply(g, scale[:, None], out=memory.scratch("scaled", g.shape, g.dtype)), out=out)
