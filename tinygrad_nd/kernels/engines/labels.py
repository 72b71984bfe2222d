"""Compiled loops of `kernels.labels`, for float32, but margins for float64, too; rows and lanes as in `softmax`.

Exponentials are taken from the label's score on, so that the loss is the logarithm of their sum; from the largest one if that is too large.
"""

# mypy: ignore-errors
import numpy as np

from ..along import LANES
from .plain import exact, summing
from .softmax import _largest, _lost, _multiply, _powers_of, block, sums_of_powers


@exact
def loss_rows(out, rows, labels, x, weights, ignore, scale):
    everywhere, k = _total(weights[1]), scale[()]
    for r in range(x.shape[0]):
        label = labels[r, 0]
        if label == ignore:
            rows[r, 0], out[r] = 0, 0
            continue
        top = x[r, label]
        for again in range(2):
            total = _powers_of(out[r], x[r], top)
            if again == 1 or not _lost(total):
                break
            top = _largest(x[r])
        rest = np.log(total)
        rows[r, 0] = ((top - x[r, label]) + rest) * weights[0, label]
        _multiply(out[r], k * (weights[0, label] + everywhere) / total)
        if everywhere != 0:
            rows[r, 0] += _everywhere(x[r], weights[1], top) + everywhere * rest
            _less(out[r], weights[1], k)
        out[r, label] -= k * weights[0, label]


@summing
def _everywhere(x, w, top):
    value = x.dtype.type(0)
    for c in range(x.size):
        value += w[c] * (top - x[c])
    return value


@exact
def _total(w):
    total = w.dtype.type(0)
    for c in range(w.size):
        total += w[c]
    return total


@exact
def _less(out, w, k):
    for c in range(w.size):
        out[c] -= k * w[c]


@exact
def picked_rows(out, labels, x, weights, ignore):
    for r in range(x.shape[0]):
        label = labels[r, 0]
        if label == ignore:
            out[r, 0] = 0
        else:
            out[r, 0] = -weights[0, label] * x[r, label]


@exact
def put_rows(out, g, labels, x, weights, ignore):
    out[:] = 0
    for r in range(x.shape[0]):
        label = labels[r, 0]
        if label != ignore:
            out[r, label] = -weights[0, label] * g[r, 0]


@exact
def put_and_picked_rows(out, rows, labels, x, weights, ignore, scale):
    out[:] = 0
    for r in range(x.shape[0]):
        label = labels[r, 0]
        rows[r, 0] = 0
        if label != ignore:
            rows[r, 0] = -weights[0, label] * x[r, label]
            out[r, label] = -weights[0, label] * scale[()]


# Lanes.


@exact
def loss_lanes(out, rows, labels, x, weights, ignore, scale, begin, end):
    everywhere, k = _total(weights[1]), scale[()]
    top, total, below = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    below[:] = 0
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for i in range(low, high):
            label = labels[p, 0, i]
            top[i - low] = x[p, 0 if label == ignore else label, i]
        sums_of_powers(out, x, top, total, p, low, high)
        if everywhere != 0:
            below[:] = 0
            for c in range(x.shape[1]):
                _add_below(below, x[p, c, low:high], top, weights[1, c])
        for i in range(low, high):
            label = labels[p, 0, i]
            if label == ignore:
                rows[p, 0, i], total[i - low] = 0, 0
            else:
                rest, weight = np.log(total[i - low]), weights[0, label]
                rows[p, 0, i] = ((top[i - low] - x[p, label, i]) + rest) * weight + (below[i - low] + everywhere * rest)
                total[i - low] = k * (weight + everywhere) / total[i - low]
        for c in range(x.shape[1]):
            _multiply(out[p, c, low:high], total)
            if everywhere != 0:
                for i in range(low, high):
                    out[p, c, i] -= k * weights[1, c]
        for i in range(low, high):
            label = labels[p, 0, i]
            if label == ignore:
                for c in range(x.shape[1]):
                    out[p, c, i] = 0
            else:
                out[p, label, i] -= k * weights[0, label]


@exact
def _add_below(sums, x, top, weight):
    for i in range(x.size):
        sums[i] += weight * (top[i] - x[i])


@exact
def picked_lanes(out, labels, x, weights, ignore, begin, end):
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for i in range(low, high):
            label = labels[p, 0, i]
            if label == ignore:
                out[p, 0, i] = 0
            else:
                out[p, 0, i] = -weights[0, label] * x[p, label, i]


@exact
def put_lanes(out, g, labels, x, weights, ignore, begin, end):
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for c in range(x.shape[1]):
            out[p, c, low:high] = 0
        for i in range(low, high):
            label = labels[p, 0, i]
            if label != ignore:
                out[p, label, i] = -weights[0, label] * g[p, 0, i]


@exact
def put_and_picked_lanes(out, rows, labels, x, weights, ignore, scale, begin, end):
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for c in range(x.shape[1]):
            out[p, c, low:high] = 0
        for i in range(low, high):
            label = labels[p, 0, i]
            rows[p, 0, i] = 0
            if label != ignore:
                rows[p, 0, i] = -weights[0, label] * x[p, label, i]
                out[p, label, i] = -weights[0, label] * scale[()]


# Margins.


@summing
def margins(found, slope, x, places, margin, squared, rate):
    classes, one = x.shape[1], x.dtype.type(1)
    others = np.empty(classes, x.dtype)  # 0 for labels, 1 for what is none
    for r in range(x.shape[0]):
        slope[r], others[:], total = 0, 1, x.dtype.type(0)
        for k in range(places.shape[1]):
            if places[r, k] >= 0:
                others[places[r, k]] = 0
        for k in range(places.shape[1]):
            label = places[r, k]
            if label < 0:
                continue
            distance, steps = margin - x[r, label], x.dtype.type(0)
            for i in range(classes):
                short = _short(distance, x[r, i]) * others[i]
                step = 2 * short if squared else (one if short > 0 else 0)
                total += short * short if squared else short
                slope[r, i] += step * rate
                steps += step
            slope[r, label] -= steps * rate
        found[r] = total / classes


@exact
def _short(distance, x):
    return np.maximum(distance + x, 0)
