"""Compiled loops of `kernels.scan`, for float32 in C order, in the forms that `kernels.along` calls."""

# mypy: ignore-errors
import numpy as np
from numba import njit

from ..along import LANES
from .softmax import block

_jit = njit(nogil=True, cache=True, error_model="numpy")
_AT_ONCE = 4  # rows; each of a row's sums has to wait for the last


@_jit
def _order(n, back):
    """The first index and the step."""
    return (n - 1, -1) if back else (0, 1)


@_jit
def running_rows(out, x, back):
    rows, n = x.shape
    first, step = _order(n, back)
    whole = rows - rows % _AT_ONCE
    for r in range(0, whole, _AT_ONCE):
        p = q = s = t = x.dtype.type(0)
        for i in range(n):
            k = first + i * step
            p, q, s, t = p + x[r, k], q + x[r + 1, k], s + x[r + 2, k], t + x[r + 3, k]
            out[r, k], out[r + 1, k], out[r + 2, k], out[r + 3, k] = p, q, s, t
    for r in range(whole, rows):
        total = x.dtype.type(0)
        for i in range(n):
            total += x[r, first + i * step]
            out[r, first + i * step] = total


@_jit
def running_lanes(out, x, back, begin, end):
    total = np.empty(LANES, x.dtype)
    n = x.shape[1]
    first, step = _order(n, back)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        total[:] = 0
        for i in range(n):
            given, made = x[p, first + i * step, low:high], out[p, first + i * step, low:high]
            for k in range(given.size):
                total[k] += given[k]
                made[k] = total[k]
