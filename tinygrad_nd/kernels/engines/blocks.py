"""Compiled loops of `kernels.blocks`, under the names and arguments of its tiles; they take whole arrays, and which blocks are theirs.

Sums are taken over short stretches, and these added in double precision.
"""

# mypy: ignore-errors
import numpy as np

from .formulas import over
from .norms import add_products, add_squares, add_up
from .plain import summing

_STRETCH = 1 << 12  # numbers of a row that are added in their own precision
_ROWS = 1 << 7  # rows of lanes that are


@summing
def _total(x):
    """The sum of a row."""
    total = 0.0
    for start in range(0, x.size, _STRETCH):
        near, part = x[start : start + _STRETCH], x.dtype.type(0)
        for i in range(near.size):
            part += near[i]
        total += part
    return total


@summing
def _squares(x, mean):
    """The sum of squared distances from the mean."""
    total = 0.0
    for start in range(0, x.size, _STRETCH):
        near, part = x[start : start + _STRETCH], x.dtype.type(0)
        for i in range(near.size):
            part += (near[i] - mean) * (near[i] - mean)
        total += part
    return total


@summing
def _totals(g, x, mean):
    """The sums of g and of g (x - mean)."""
    total, product = 0.0, 0.0
    for start in range(0, x.size, _STRETCH):
        given, near, p, q = g[start : start + _STRETCH], x[start : start + _STRETCH], x.dtype.type(0), x.dtype.type(0)
        for i in range(near.size):
            p += given[i]
            q += given[i] * (near[i] - mean)
        total += p
        product += q
    return total, product


@over
def _shifted(x, mean, scale, shift):
    return (x - mean) * scale + shift


@over
def _combined(g, x, scale, mean, slope, offset):
    return g * scale + (x - mean) * slope + offset


@summing
def normalise_rows(out, x, weight, bias, found, eps, begin, end):
    outer, _, cells, inner = x.shape
    count = outer * cells * inner
    for s in range(begin, end):
        total, squares = 0.0, 0.0
        for a in range(outer):
            total += _total(x[a, s].reshape(cells * inner))
        mean = x.dtype.type(total / count)
        for a in range(outer):
            squares += _squares(x[a, s].reshape(cells * inner), mean)
        rest = total / count - mean  # what rounding took from the mean
        rstd = x.dtype.type(1 / np.sqrt(squares / count - rest * rest + eps[0]))
        found[0, s, 0], found[1, s, 0] = mean, rstd
        for a in range(outer):
            for b in range(cells):
                k = (s * cells + b) % weight.size
                _shifted(out[a, s, b], x[a, s, b], mean, rstd * weight[k], bias[k])


@summing
def gradients_rows(out, g, x, weight, mean, rstd, found, begin, end):
    outer, _, cells, inner = x.shape
    count = outer * cells * inner
    for s in range(begin, end):
        middle, r = mean[s, 0], rstd[s, 0]
        first, second = 0.0, 0.0
        for b in range(cells):
            total, product = 0.0, 0.0
            for a in range(outer):
                p, q = _totals(g[a, s, b], x[a, s, b], middle)
                total += p
                product += q
            product *= r
            found[0, s, b], found[1, s, b] = product, total
            k = (s * cells + b) % weight.size
            first += weight[k] * total
            second += weight[k] * product
        slope, offset = x.dtype.type(-second * r * r / count), x.dtype.type(-first * r / count)
        for a in range(outer):
            for b in range(cells):
                k = (s * cells + b) % weight.size
                _combined(out[a, s, b], g[a, s, b], x[a, s, b], r * weight[k], middle, slope, offset)


@summing
def _merge(sums, groups, lanes):
    """The sums of lanes that share a statistic, in each of them."""
    each = lanes // groups
    for h in range(groups):
        total = 0.0
        for start in range(h * each, sums.size, lanes):
            for k in range(start, start + each):
                total += sums[k]
        for start in range(h * each, sums.size, lanes):
            for k in range(start, start + each):
                sums[k] = total


@summing
def normalise_lanes(out, x, weight, bias, found, eps, begin, end):
    _, _, inner, width = x.shape
    groups, lanes = found.shape[2], weight.size
    each = lanes // groups
    count = inner * (width // groups)
    part, middle, scale, shift = np.empty(width, x.dtype), np.empty(width, x.dtype), np.empty(width, x.dtype), np.empty(width, x.dtype)
    total, squares = np.empty(width), np.empty(width)
    for s in range(begin, end):
        total[:], squares[:] = 0, 0
        for start in range(0, inner, _ROWS):
            part[:] = 0
            add_up(part, x[0, s, start : start + _ROWS])
            for k in range(width):
                total[k] += part[k]
        _merge(total, groups, lanes)
        for k in range(width):
            total[k] /= count
            middle[k] = total[k]
        for start in range(0, inner, _ROWS):
            part[:] = 0
            add_squares(part, x[0, s, start : start + _ROWS], middle)
            for k in range(width):
                squares[k] += part[k]
        _merge(squares, groups, lanes)
        for k in range(width):
            rest = total[k] - middle[k]
            squares[k] = 1 / np.sqrt(squares[k] / count - rest * rest + eps[0])
            scale[k], shift[k] = squares[k] * weight[k % lanes], bias[k % lanes]
        for h in range(groups):
            found[0, s, h], found[1, s, h] = middle[h * each], squares[h * each]
        for q in range(inner):
            for k in range(width):
                out[0, s, q, k] = (x[0, s, q, k] - middle[k]) * scale[k] + shift[k]


@summing
def gradients_lanes(out, g, x, weight, mean, rstd, found, begin, end):
    _, _, inner, width = x.shape
    groups, lanes = mean.shape[1], weight.size
    each = lanes // groups
    count = inner * (width // groups)
    p, q, middle, scale = np.empty(width, x.dtype), np.empty(width, x.dtype), np.empty(width, x.dtype), np.empty(width, x.dtype)
    slope, offset = np.empty(width, x.dtype), np.empty(width, x.dtype)
    total, product = np.empty(width), np.empty(width)
    for s in range(begin, end):
        for k in range(width):
            h = k % lanes // each
            middle[k], scale[k] = mean[s, h], rstd[s, h]
        total[:], product[:] = 0, 0
        for start in range(0, inner, _ROWS):
            p[:], q[:] = 0, 0
            add_products(p, q, g[0, s, start : start + _ROWS], x[0, s, start : start + _ROWS], middle)
            for k in range(width):
                total[k] += p[k]
                product[k] += q[k] * scale[k]
        for k in range(width):
            found[0, s, k], found[1, s, k] = product[k], total[k]
            product[k] *= weight[k % lanes]
            total[k] *= weight[k % lanes]
        _merge(product, groups, lanes)
        _merge(total, groups, lanes)
        for k in range(width):
            r = scale[k]
            slope[k], offset[k] = -product[k] * r * r / count, -total[k] * r / count
            scale[k] = r * weight[k % lanes]
        for i in range(inner):
            for k in range(width):
                out[0, s, i, k] = g[0, s, i, k] * scale[k] + (x[0, s, i, k] - middle[k]) * slope[k] + offset[k]
