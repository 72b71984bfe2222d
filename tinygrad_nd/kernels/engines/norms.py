"""Compiled loops of the normalisations: each is one of the NumPy tiles in `norm` and `rows` under its arguments.

Those for cells come in two forms: of (outer, inner, lanes) with many lanes, or with one, where the inner axis is the one to be long.
"""

# mypy: ignore-errors
import numpy as np

from .formulas import over
from .plain import exact, summing

_STRETCH = 1 << 13  # elements that are read twice while they are in the first-level cache


@summing
def normalise(out, x, mean, rstd, weight, bias, eps, centred):
    """What is known of the next row is found while one is written: so it comes from memory meanwhile, a fifth of the time."""
    rows, n = x.shape
    count, least, following = x.dtype.type(n), eps[0], x.dtype.type(0)
    for i in range(n):
        following += x[0, i]
    for r in range(rows):
        middle, total = following / count if centred else x.dtype.type(0), x.dtype.type(0)
        for i in range(n):
            total += (x[r, i] - middle) * (x[r, i] - middle)
        scale = x.dtype.type(1) / np.sqrt(total / count + least)
        following, near = x.dtype.type(0), min(r + 1, rows - 1)
        for i in range(n):
            out[r, i] = (x[r, i] - middle) * scale * weight[i] + bias[i]
            following += x[near, i]
        mean[r, 0], rstd[r, 0] = middle, scale


@summing
def gradients(out, g, x, mean, rstd, weight, dweight, dbias, centred):
    rows, n = x.shape
    count = x.dtype.type(n)
    dweight[:], dbias[:] = 0, 0
    first, second = x.dtype.type(0), x.dtype.type(0)
    for i in range(n):
        u = g[0, i] * weight[i]
        first += u
        second += u * (x[0, i] - mean[0, 0])
    for r in range(rows):
        middle, scale = mean[r, 0], rstd[r, 0]
        first = first * scale / count if centred else x.dtype.type(0)
        wide = np.float64(scale)  # whose cube may be too small for x's dtype, or too large
        second = x.dtype.type(second * wide * wide * wide / n)
        total, product, near = x.dtype.type(0), x.dtype.type(0), min(r + 1, rows - 1)
        following = mean[near, 0]
        for i in range(n):
            out[r, i] = g[r, i] * weight[i] * scale - first - (x[r, i] - middle) * second
            u = g[near, i] * weight[i]
            total += u
            product += u * (x[near, i] - following)
        first, second = total, product
        if r % 4 == 3:
            _add_four(g[r - 3 :], x[r - 3 :], mean[r - 3 :], rstd[r - 3 :], dweight, dbias)
    for r in range(rows - rows % 4, rows):
        for i in range(n):
            dweight[i] += g[r, i] * (x[r, i] - mean[r, 0]) * rstd[r, 0]
            dbias[i] += g[r, i]


@summing
def _add_four(g, x, m, s, dweight, dbias):
    """Four rows' shares in dweight and dbias, which are read and written once for all four."""
    for i in range(x.shape[1]):
        p, q = g[0, i] * ((x[0, i] - m[0, 0]) * s[0, 0]), g[1, i] * ((x[1, i] - m[1, 0]) * s[1, 0])
        dweight[i] += p + q + g[2, i] * ((x[2, i] - m[2, 0]) * s[2, 0]) + g[3, i] * ((x[3, i] - m[3, 0]) * s[3, 0])
        dbias[i] += g[0, i] + g[1, i] + g[2, i] + g[3, i]


@summing
def sum_parts(total, parts):
    kinds, count, n = parts.shape
    found = np.empty(n)
    for i in range(kinds):
        found[:] = 0
        for j in range(count):
            for k in range(n):
                found[k] += parts[i, j, k]
        for k in range(n):
            total[i, k] = found[k]


@summing
def add_up(total, x):
    """total += sums of the columns of x; it is read and written once for four rows."""
    whole = x.shape[0] - x.shape[0] % 4
    for q in range(0, whole, 4):
        for k in range(total.size):
            total[k] += (x[q, k] + x[q + 1, k]) + (x[q + 2, k] + x[q + 3, k])
    for q in range(whole, x.shape[0]):
        for k in range(total.size):
            total[k] += x[q, k]


@summing
def add_squares(total, x, mean):
    """The same for squares of x - mean."""
    whole = x.shape[0] - x.shape[0] % 4
    for q in range(0, whole, 4):
        for k in range(total.size):
            a, b, c, d = x[q, k] - mean[k], x[q + 1, k] - mean[k], x[q + 2, k] - mean[k], x[q + 3, k] - mean[k]
            total[k] += (a * a + b * b) + (c * c + d * d)
    for q in range(whole, x.shape[0]):
        for k in range(total.size):
            total[k] += (x[q, k] - mean[k]) * (x[q, k] - mean[k])


@summing
def add_products(total, product, g, x, mean):
    """The same for g, and for g (x - mean)."""
    whole = x.shape[0] - x.shape[0] % 4
    for q in range(0, whole, 4):
        for k in range(total.size):
            a, b, c, d = g[q, k], g[q + 1, k], g[q + 2, k], g[q + 3, k]
            total[k] += (a + b) + (c + d)
            m = mean[k]
            product[k] += (a * (x[q, k] - m) + b * (x[q + 1, k] - m)) + (c * (x[q + 2, k] - m) + d * (x[q + 3, k] - m))
    for q in range(whole, x.shape[0]):
        for k in range(total.size):
            total[k] += g[q, k]
            product[k] += g[q, k] * (x[q, k] - mean[k])


@summing
def moments_lanes(x, mean, variance):
    """By stretches: what is known so far is merged with a stretch's own mean and sum of squares (Chan, Golub and LeVeque 1979)."""
    outer, inner, lanes = x.shape
    step = max(4, _STRETCH // lanes)
    own, squares = np.empty(lanes, x.dtype), np.empty(lanes, x.dtype)
    for p in range(outer):
        mean[p], variance[p] = 0, 0
        for start in range(0, inner, step):
            near = x[p, start : start + step]
            own[:], squares[:] = 0, 0
            add_up(own, near)
            for k in range(lanes):
                own[k] /= x.dtype.type(near.shape[0])
            add_squares(squares, near, own)
            part, before = x.dtype.type(near.shape[0] / (start + near.shape[0])), x.dtype.type(start)
            for k in range(lanes):
                distance = own[k] - mean[p, k]
                variance[p, k] += squares[k] + distance * distance * before * part
                mean[p, k] += distance * part
        for k in range(lanes):
            variance[p, k] /= x.dtype.type(inner)


@summing
def moments_rows(x, mean, variance):
    rows = x.reshape(x.shape[0], x.shape[1])
    outer, inner = rows.shape
    for p in range(outer):
        middle, square = x.dtype.type(0), x.dtype.type(0)
        for q in range(inner):
            middle += rows[p, q]
        middle /= x.dtype.type(inner)
        for q in range(inner):
            square += (rows[p, q] - middle) * (rows[p, q] - middle)
        mean[p, 0], variance[p, 0] = middle, square / x.dtype.type(inner)


@summing
def sums_lanes(g, x, mean, total, product):
    for p in range(x.shape[0]):
        total[p], product[p] = 0, 0
        add_products(total[p], product[p], g[p], x[p], mean[p])


@summing
def sums_rows(g, x, mean, total, product):
    outer, inner, _ = x.shape
    cotangents, rows = g.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        first, second, middle = x.dtype.type(0), x.dtype.type(0), mean[p, 0]
        for q in range(inner):
            first += cotangents[p, q]
            second += cotangents[p, q] * (rows[p, q] - middle)
        total[p, 0], product[p, 0] = first, second


@summing
def scaled_lanes(g, x, out, mean, scale, total, product):
    outer, inner, lanes = x.shape
    for p in range(outer):
        total[p], product[p] = 0, 0
        for q in range(0, inner, 4):
            near = min(q + 4, inner)
            add_products(total[p], product[p], g[p, q:near], x[p, q:near], mean[p])
            for r in range(q, near):
                for k in range(lanes):
                    out[p, r, k] = g[p, r, k] * scale[p, k]


@summing
def scaled_rows(g, x, out, mean, scale, total, product):
    outer, inner, _ = x.shape
    cotangents, rows, results = g.reshape(outer, inner), x.reshape(outer, inner), out.reshape(outer, inner)
    for p in range(outer):
        first, second, middle, factor = x.dtype.type(0), x.dtype.type(0), mean[p, 0], scale[p, 0]
        for q in range(inner):
            results[p, q] = cotangents[p, q] * factor
            first += cotangents[p, q]
            second += cotangents[p, q] * (rows[p, q] - middle)
        total[p, 0], product[p, 0] = first, second


@summing
def shifted_lanes(out, x, mean, scale, bias):
    outer, inner, lanes = x.shape
    for p in range(outer):
        for q in range(inner):
            for k in range(lanes):
                out[p, q, k] = (x[p, q, k] - mean[p, k]) * scale[p, k] + bias[p, k]


@summing
def shifted_rows(out, x, mean, scale, bias):
    outer, inner, _ = x.shape
    results, rows = out.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        middle, factor, summand = mean[p, 0], scale[p, 0], bias[p, 0]
        for q in range(inner):
            results[p, q] = (rows[p, q] - middle) * factor + summand


@summing
def combined_lanes(out, g, x, mean, scale, slope, offset):
    outer, inner, lanes = x.shape
    for p in range(outer):
        for q in range(inner):
            for k in range(lanes):
                out[p, q, k] = g[p, q, k] * scale[p, k] + (x[p, q, k] - mean[p, k]) * slope[p, k] + offset[p, k]


@summing
def combined_rows(out, g, x, mean, scale, slope, offset):
    outer, inner, _ = x.shape
    results, cotangents, rows = out.reshape(outer, inner), g.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        middle, factor, steep, summand = mean[p, 0], scale[p, 0], slope[p, 0], offset[p, 0]
        for q in range(inner):
            results[p, q] = cotangents[p, q] * factor + (rows[p, q] - middle) * steep + summand


@over
def _leaked(x, of, weight):
    return x if of > 0 else x * weight


@exact
def prelu_lanes(out, x, of, weight):
    for p in range(x.shape[0]):
        for q in range(x.shape[1]):
            _leaked(out[p, q], x[p, q], of[p, q], weight[p])


@exact
def prelu_rows(out, x, of, weight):
    outer, inner, _ = x.shape
    for p in range(outer):
        _leaked(out[p].reshape(inner), x[p].reshape(inner), of[p].reshape(inner), weight[p, 0])
