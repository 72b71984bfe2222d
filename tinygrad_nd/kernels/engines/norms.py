"""Compiled loops of the normalisations: each is one of the NumPy tiles in `norm` under its arguments.

Those for cells come in two forms: of (outer, inner, lanes) with many lanes, or with one, where the inner axis is the one to be long.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

# Sums may be reordered, so that vectors of partial sums are kept; nothing is assumed of NaN and infinities.
_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
_STRETCH = 1 << 13  # elements that are read twice while they are in the first-level cache


@_jit
def normalise(out, x, weight, bias, eps, centred, mean, rstd):
    n = x.shape[1]
    for r in range(x.shape[0]):
        row, y = x[r], out[r]
        middle = x.dtype.type(0)
        if centred:
            for i in range(n):
                middle += row[i]
            middle /= n
        total = x.dtype.type(0)
        for i in range(n):
            total += (row[i] - middle) * (row[i] - middle)
        scale = x.dtype.type(1 / np.sqrt(total / n + eps))
        for i in range(n):
            y[i] = (row[i] - middle) * scale * weight[i] + bias[i]
        mean[r, 0], rstd[r, 0] = middle, scale


@_jit
def gradients(out, g, x, weight, mean, rstd, centred, dweight, dbias):
    n = x.shape[1]
    for r in range(x.shape[0]):
        row, h, y, middle, scale = x[r], g[r], out[r], mean[r, 0], rstd[r, 0]
        first, second = x.dtype.type(0), x.dtype.type(0)
        for i in range(n):
            hat, u = (row[i] - middle) * scale, h[i] * weight[i]
            first += u
            second += u * hat
            dweight[i] += h[i] * hat
            dbias[i] += h[i]
        first = first / n if centred else x.dtype.type(0)
        second /= n
        for i in range(n):
            y[i] = (h[i] * weight[i] - first - (row[i] - middle) * scale * second) * scale


@_jit
def moments_lanes(x, mean, variance):
    """By stretches: what is known so far is merged with a stretch's own mean and sum of squares (Chan, Golub and LeVeque 1979)."""
    outer, inner, lanes = x.shape
    step = max(2, _STRETCH // lanes)
    own, squares = np.empty(lanes, x.dtype), np.empty(lanes, x.dtype)
    for p in range(outer):
        mean[p], variance[p] = 0, 0
        for start in range(0, inner, step):
            n = min(step, inner - start)
            own[:], squares[:] = 0, 0
            for q in range(start, start + n):
                for k in range(lanes):
                    own[k] += x[p, q, k]
            for k in range(lanes):
                own[k] /= x.dtype.type(n)
            for q in range(start, start + n):
                for k in range(lanes):
                    squares[k] += (x[p, q, k] - own[k]) * (x[p, q, k] - own[k])
            part, before = x.dtype.type(n / (start + n)), x.dtype.type(start)
            for k in range(lanes):
                distance = own[k] - mean[p, k]
                variance[p, k] += squares[k] + distance * distance * before * part
                mean[p, k] += distance * part
        for k in range(lanes):
            variance[p, k] /= x.dtype.type(inner)


@_jit
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


@_jit
def sums_lanes(g, x, mean, total, product):
    outer, inner, lanes = x.shape
    for p in range(outer):
        total[p], product[p] = 0, 0
        for q in range(inner):
            for k in range(lanes):
                total[p, k] += g[p, q, k]
                product[p, k] += g[p, q, k] * (x[p, q, k] - mean[p, k])


@_jit
def sums_rows(g, x, mean, total, product):
    outer, inner, _ = x.shape
    cotangents, rows = g.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        first, second, middle = x.dtype.type(0), x.dtype.type(0), mean[p, 0]
        for q in range(inner):
            first += cotangents[p, q]
            second += cotangents[p, q] * (rows[p, q] - middle)
        total[p, 0], product[p, 0] = first, second


@_jit
def shifted_lanes(out, x, mean, scale, bias):
    outer, inner, lanes = x.shape
    for p in range(outer):
        for q in range(inner):
            for k in range(lanes):
                out[p, q, k] = (x[p, q, k] - mean[p, k]) * scale[p, k] + bias[p, k]


@_jit
def shifted_rows(out, x, mean, scale, bias):
    outer, inner, _ = x.shape
    results, rows = out.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        middle, factor, summand = mean[p, 0], scale[p, 0], bias[p, 0]
        for q in range(inner):
            results[p, q] = (rows[p, q] - middle) * factor + summand


@_jit
def combined_lanes(out, g, x, mean, scale, slope, offset):
    outer, inner, lanes = x.shape
    for p in range(outer):
        for q in range(inner):
            for k in range(lanes):
                out[p, q, k] = g[p, q, k] * scale[p, k] + (x[p, q, k] - mean[p, k]) * slope[p, k] + offset[p, k]


@_jit
def combined_rows(out, g, x, mean, scale, slope, offset):
    outer, inner, _ = x.shape
    results, cotangents, rows = out.reshape(outer, inner), g.reshape(outer, inner), x.reshape(outer, inner)
    for p in range(outer):
        middle, factor, steep, summand = mean[p, 0], scale[p, 0], slope[p, 0], offset[p, 0]
        for q in range(inner):
            results[p, q] = cotangents[p, q] * factor + (rows[p, q] - middle) * steep + summand
