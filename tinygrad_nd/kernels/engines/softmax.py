"""Compiled loops along rows, for float32: f(out, *operands), matrices in C order. What they compute is told in the NumPy kernels."""

# mypy: ignore-errors
import numpy as np
from numba import njit

from .exponential import exp

# Sums may be reordered, so that vectors of partial sums are kept; nothing is assumed of NaN and infinities.
_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
_BITS = np.int32(0x7FFFFFFF)


@_jit
def _largest(x):
    """max(x), NaN if there is one: as integers, the bits of numbers are in the order of the numbers."""
    top = np.int32(-0x80000000)
    for i in range(x.size):
        bits = np.int32(np.float32(x[i]).view(np.int32))
        top = max(top, np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & _BITS)))
    return np.int32(top ^ np.int32(np.int32(top >> np.int32(31)) & _BITS)).view(np.float32)


@_jit
def softmax(out, x):
    for r in range(x.shape[0]):
        top, total = _largest(x[r]), np.float32(0)
        for i in range(x.shape[1]):
            power = exp(x[r, i] - top)
            out[r, i] = power
            total += power
        part = np.float32(1) / total
        for i in range(x.shape[1]):
            out[r, i] *= part


@_jit
def softmax_grad(out, g, y):
    for r in range(y.shape[0]):
        total = np.float32(0)
        for i in range(y.shape[1]):
            total += g[r, i] * y[r, i]
        for i in range(y.shape[1]):
            out[r, i] = y[r, i] * (g[r, i] - total)


@_jit
def _row_log_sum_exp(x):
    top, total = _largest(x), np.float32(0)
    for i in range(x.size):
        total += exp(x[i] - top)
    return top, np.log(total)


@_jit
def log_sum_exp(out, x):
    for r in range(x.shape[0]):
        out[r, 0], out[r, 1] = _row_log_sum_exp(x[r])


@_jit
def log_softmax(out, x):
    for r in range(x.shape[0]):
        top, rest = _row_log_sum_exp(x[r])
        _less(out[r], x[r], top, rest)


@njit(nogil=True, cache=True, fastmath={"contract"})  # said, for a callee would inherit what its caller allows
def _less(out, x, top, rest):
    """(x - top) - rest, in this order: exact near the top."""
    for i in range(x.size):
        out[i] = (x[i] - top) - rest


@njit(nogil=True, cache=True, fastmath={"contract"})
def _share(x, top, rest):
    return exp((x - top) - rest)


@_jit
def log_softmax_grad(out, g, y):
    for r in range(y.shape[0]):
        total = np.float32(0)
        for i in range(y.shape[1]):
            total += g[r, i]
        for i in range(y.shape[1]):
            out[r, i] = g[r, i] - exp(y[r, i]) * total


@_jit
def label_grad(out, g, labels, total, x):
    for r in range(x.shape[0]):
        for i in range(x.shape[1]):
            out[r, i] = _share(x[r, i], total[r, 0], total[r, 1]) * g[r, 0]
        out[r, labels[r, 0]] -= g[r, 0]
