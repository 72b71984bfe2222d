"""Normalisation of cells whose lanes (channels, innermost in memory) have statistics of their own, compiled.

Sums by pieces, a small loop that makes coefficients of them, one pass. The small loop is what this is for: in NumPy it takes as long as the
passes over the activations of a small network.
"""

# mypy: ignore-errors
from functools import lru_cache

import numpy as np

from .. import engines, memory
from ..cells import number
from . import norms
from .plain import Loop, repeat


def normalise(cells, x, weight, bias, eps):
    """y, and the means and 1 / standard deviations."""
    step, pieces = cells.pieces(engines.share(x.size))
    outer, inner, width = cells.shape
    parts, flat = _scratch(-(-inner // step), outer, width, x.dtype)
    found = np.empty((2, outer, cells.lanes), x.dtype)
    y, view = memory.empty_like(x), cells.view(x)
    target, weight, bias = y.transpose(cells.order).reshape(cells.shape), cells.lined(weight), cells.lined(bias)
    repeat(norms.moments_lanes, (view, parts), lambda: [(view[p, q], parts[0, j, p], parts[1, j, p]) for p, q, j in pieces], 0)
    task = parts, _counts(inner, step), weight, bias, number(eps, np.dtype(np.float64)), found, flat
    repeat(_coefficients, (parts, weight, bias, found, flat), lambda: [task], (inner, step, eps))
    repeat(norms.shifted_lanes, (target, view, flat), lambda: [(target[p, q], view[p, q], *flat[:, p]) for p, q, _ in pieces], 0)
    return y, cells.statistic(found[0]), cells.statistic(found[1])


def gradients(cells, g, x, weight, mean, rstd):
    """dx, and what comes back to weight and to bias."""
    step, pieces = cells.pieces(engines.share(x.size))
    outer, inner, width = cells.shape
    parts, flat = _scratch(-(-inner // step), outer, width, x.dtype)
    found, middle = np.empty((2, cells.lanes), x.dtype), memory.scratch("middle", (outer, width), x.dtype)
    lined, mean, rstd = cells.lined(weight), *[cells.lined(a).reshape(outer, cells.lanes) for a in (mean, rstd)]
    dx, view, given = memory.empty_like(x), cells.view(x), cells.view(g)
    target = dx.transpose(cells.order).reshape(cells.shape)
    repeat(_spread, (middle, mean), lambda: [(middle, mean)], 0)
    repeat(
        norms.sums_lanes,
        (given, view, middle, parts),
        lambda: [(given[p, q], view[p, q], middle[p], parts[0, j, p], parts[1, j, p]) for p, q, j in pieces],
        0,
    )
    task = parts, inner * cells.folds, lined, rstd, found, flat
    repeat(_slopes, (parts, lined, rstd, found, flat), lambda: [task], inner)
    repeat(
        norms.combined_lanes,
        (target, given, view, middle, flat),
        lambda: [(target[p, q], given[p, q], view[p, q], middle[p], *flat[:, p]) for p, q, _ in pieces],
        0,
    )
    return dx, *[a.reshape(weight.shape) for a in found]


def _scratch(pieces, outer, width, dtype):
    """What is found of pieces, and coefficients."""
    return memory.scratch("pieces", (2, pieces, outer, width), dtype), memory.scratch("flat", (3, outer, width), dtype)


@lru_cache(64)
def _counts(inner, step):
    """How many numbers of a lane are in each piece."""
    return memory.table(np.diff([*range(0, inner, step), inner]).astype(np.float64))


@Loop
def _spread(middle, mean):
    for p in range(middle.shape[0]):
        for k in range(middle.shape[1]):
            middle[p, k] = mean[p, k % mean.shape[1]]


@Loop
def _coefficients(parts, counts, weight, bias, eps, found, flat):
    """Moments of pieces and folds merged, in float64: those of the whole, and coefficients for `shifted`."""
    means, variances, mean, rstd, middle, scale, shift = parts[0], parts[1], found[0], found[1], flat[0], flat[1], flat[2]
    pieces, outer, width = means.shape
    lanes, whole = weight.size, 0.0
    for j in range(pieces):
        whole += counts[j] * (width // lanes)
    for p in range(outer):
        for c in range(lanes):
            total = 0.0
            for j in range(pieces):
                for k in range(c, width, lanes):
                    total += means[j, p, k] * counts[j]
            total /= whole
            squares = 0.0
            for j in range(pieces):
                for k in range(c, width, lanes):
                    distance = means[j, p, k] - total
                    squares += (variances[j, p, k] + distance * distance) * counts[j]
            mean[p, c], rstd[p, c] = total, 1 / np.sqrt(squares / whole + eps[0])
            for k in range(c, width, lanes):
                middle[p, k], scale[p, k], shift[p, k] = mean[p, c], rstd[p, c] * weight[c], bias[c]


@Loop
def _slopes(parts, count, weight, rstd, found, flat):
    """Sums of g and g (x - mean) merged, in float64: gradients of weight and bias, and coefficients for `combined`."""
    totals, products, dweight, dbias, scale, slope, offset = parts[0], parts[1], found[0], found[1], flat[0], flat[1], flat[2]
    pieces, outer, width = totals.shape
    lanes = weight.size
    for c in range(lanes):
        back, along = 0.0, 0.0
        for p in range(outer):
            total, product = 0.0, 0.0
            for j in range(pieces):
                for k in range(c, width, lanes):
                    total += totals[j, p, k]
                    product += products[j, p, k]
            r = np.float64(rstd[p, c])
            product *= r
            back, along = back + total, along + product
            for k in range(c, width, lanes):
                scale[p, k] = r * weight[c]
                slope[p, k] = -product * weight[c] / count * r * r
                offset[p, k] = -total * weight[c] / count * r
        dweight[c], dbias[c] = along, back
