"""Compiled loops of `kernels.scan`, for float32 in C order, in the forms that `kernels.along` calls."""

# mypy: ignore-errors
import numpy as np

from ..along import LANES
from .plain import Loop
from .softmax import block

_AT_ONCE = 4  # rows; each of a row's sums has to wait for the last


@Loop
def running_rows(out, x, back):
    rows, n = x.shape
    first, step = n - 1 if back else 0, -1 if back else 1
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


@Loop
def running_lanes(out, x, back, begin, end):
    n = x.shape[1]
    first, step = n - 1 if back else 0, -1 if back else 1
    total = np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        total[:] = 0
        for i in range(n):
            _add_to(out[p, first + i * step, low:high], x[p, first + i * step, low:high], total)


@Loop
def _add_to(made, given, total):
    for k in range(given.size):
        total[k] += given[k]
        made[k] = total[k]
