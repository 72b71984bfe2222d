"""Compiled loops of `kernels.labels`, for float32; rows and lanes as in `softmax`."""

# mypy: ignore-errors
import numpy as np
from numba import njit

from ..softmax import LANES
from .exponential import exp
from .softmax import block

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_sum = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
_ZERO = np.float32(0)


@_jit
def loss_rows(out, labels, total, x, weights, ignore):
    smooth = weights[1].any()
    for r in range(x.shape[0]):
        label, value = labels[r, 0], _ZERO
        if label != ignore:
            value = ((total[r, 0] - x[r, label]) + total[r, 1]) * weights[0, label]
            if smooth:
                value += _everywhere(x[r], weights[1], total[r, 0], total[r, 1])
        out[r, 0] = value


@_sum
def _everywhere(x, w, top, rest):
    value = _ZERO
    for c in range(x.size):
        value += w[c] * (top - x[c])
    return value + w.sum() * rest


@_jit
def grad_rows(out, g, labels, total, x, weights, ignore):
    smooth, everywhere = weights[1].any(), weights[1].sum()
    for r in range(x.shape[0]):
        label = labels[r, 0]
        if label == ignore:
            out[r] = 0
            continue
        h = g[r, 0]
        _share(out[r], x[r], total[r, 0], total[r, 1], h * (weights[0, label] + everywhere))
        if smooth:
            for c in range(x.shape[1]):
                out[r, c] -= h * weights[1, c]
        out[r, label] -= h * weights[0, label]


@_jit
def _share(out, x, top, rest, factor):
    for c in range(x.size):
        out[c] = exp((x[c] - top) - rest) * factor


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
def loss_lanes(out, labels, total, x, weights, ignore, begin, end):
    smooth, everywhere = weights[1].any(), weights[1].sum()
    sums = np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        sums[:] = 0
        if smooth:
            for c in range(x.shape[1]):
                _add_below(sums, x[p, c, low:high], total[p, 0, low:high], weights[1, c])
        for i in range(low, high):
            label, value = labels[p, 0, i], _ZERO
            if label != ignore:
                value = ((total[p, 0, i] - x[p, label, i]) + total[p, 1, i]) * weights[0, label]
                value += sums[i - low] + everywhere * total[p, 1, i] if smooth else _ZERO
            out[p, 0, i] = value


@_jit
def _add_below(sums, x, top, weight):
    for i in range(x.size):
        sums[i] += weight * (top[i] - x[i])


@_jit
def grad_lanes(out, g, labels, total, x, weights, ignore, begin, end):
    smooth, everywhere = weights[1].any(), weights[1].sum()
    share, factor = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for i in range(low, high):
            label = labels[p, 0, i]
            share[i - low] = _ZERO if label == ignore else g[p, 0, i]
            factor[i - low] = share[i - low] * (_ZERO if label == ignore else weights[0, label] + everywhere)
        for c in range(x.shape[1]):
            _shares(out[p, c, low:high], x[p, c, low:high], total[p, 0, low:high], total[p, 1, low:high], factor)
            if smooth:
                _subtract(out[p, c, low:high], share, weights[1, c])
        for i in range(low, high):
            label = labels[p, 0, i]
            if label == ignore:
                for c in range(x.shape[1]):
                    out[p, c, i] = 0
            else:
                out[p, label, i] -= share[i - low] * weights[0, label]


@_jit
def _shares(out, x, top, rest, factor):
    for i in range(x.size):
        out[i] = exp((x[i] - top[i]) - rest[i]) * factor[i]


@_jit
def _subtract(out, share, weight):
    for i in range(out.size):
        out[i] -= share[i] * weight


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
