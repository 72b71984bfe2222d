"""Compiled loops of `kernels.labels`, for float32; rows and lanes as in `softmax`."""

# mypy: ignore-errors
from functools import partial

import numpy as np
from numba import njit

from ..along import LANES
from .exponential import exp
from .plain import Loop
from .softmax import _largest, _powers, _scale, _tops, block

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_sum = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
_ZERO = np.float32(0)


@partial(Loop, fast=("contract",))
def loss_rows(out, rows, labels, x, weights, ignore, scale):
    everywhere, k = _total(weights[1]), scale[()]
    for r in range(x.shape[0]):
        label = labels[r, 0]
        if label == ignore:
            rows[r, 0] = 0
            for c in range(x.shape[1]):
                out[r, c] = 0
            continue
        top = _largest(x[r])
        total = _powers_of(out[r], x[r], top)
        rest = np.log(total)
        rows[r, 0] = ((top - x[r, label]) + rest) * weights[0, label]
        _multiply(out[r], k * (weights[0, label] + everywhere) / total)
        if everywhere != _ZERO:
            rows[r, 0] += _everywhere(x[r], weights[1], top, rest)
            for c in range(x.shape[1]):
                out[r, c] -= k * weights[1, c]
        out[r, label] -= k * weights[0, label]


@_sum
def _powers_of(out, x, top):
    """Their sum."""
    total = _ZERO
    for c in range(x.size):
        power = exp(x[c] - top)
        out[c] = power
        total += power
    return total


@_jit
def _multiply(out, factor):
    for c in range(out.size):
        out[c] *= factor


@_sum
def _everywhere(x, w, top, rest):
    value = _ZERO
    for c in range(x.size):
        value += w[c] * (top - x[c])
    return value + _total(w) * rest


@_jit
def _total(w):
    total = _ZERO
    for c in range(w.size):
        total += w[c]
    return total


@_jit
def picked_rows(out, labels, x, weights, ignore):
    for r in range(x.shape[0]):
        label = labels[r, 0]
        out[r, 0] = _ZERO if label == ignore else -weights[0, label] * x[r, label]


@_jit
def put_rows(out, g, labels, x, weights, ignore):
    for r in range(x.shape[0]):
        label = labels[r, 0]
        out[r] = 0
        if label != ignore:
            out[r, label] = -weights[0, label] * g[r, 0]


# Lanes.


@_jit
def loss_lanes(out, rows, labels, x, weights, ignore, scale, begin, end):
    everywhere, k = weights[1].sum(), scale[()]
    top, total, below = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype), np.zeros(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        _tops(top, x, p, low, high)
        total[:] = 0
        for c in range(x.shape[1]):
            _powers(out[p, c, low:high], x[p, c, low:high], top, total)
        if everywhere != _ZERO:
            below[:] = 0
            for c in range(x.shape[1]):
                _add_below(below, x[p, c, low:high], top, weights[1, c])
        for i in range(low, high):
            label = labels[p, 0, i]
            rest, weight = np.log(total[i - low]), _ZERO if label == ignore else weights[0, label]
            value = _ZERO if label == ignore else ((top[i - low] - x[p, label, i]) + rest) * weight + (below[i - low] + everywhere * rest)
            rows[p, 0, i] = value
            total[i - low] = _ZERO if label == ignore else k * (weight + everywhere) / total[i - low]
        for c in range(x.shape[1]):
            _scale(out[p, c, low:high], total)
            if everywhere != _ZERO:
                for i in range(low, high):
                    out[p, c, i] -= k * weights[1, c]
        for i in range(low, high):
            label = labels[p, 0, i]
            if label == ignore:
                for c in range(x.shape[1]):
                    out[p, c, i] = 0
            else:
                out[p, label, i] -= k * weights[0, label]


@_jit
def _add_below(sums, x, top, weight):
    for i in range(x.size):
        sums[i] += weight * (top[i] - x[i])


@_jit
def picked_lanes(out, labels, x, weights, ignore, begin, end):
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for i in range(low, high):
            label = labels[p, 0, i]
            out[p, 0, i] = _ZERO if label == ignore else -weights[0, label] * x[p, label, i]


@_jit
def put_lanes(out, g, labels, x, weights, ignore, begin, end):
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for c in range(x.shape[1]):
            out[p, c, low:high] = 0
        for i in range(low, high):
            label = labels[p, 0, i]
            if label != ignore:
                out[p, label, i] = -weights[0, label] * g[p, 0, i]
