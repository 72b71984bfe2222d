"""Compiled loops of `kernels.softmax`, for float32 in C order; what they compute is told in the NumPy kernels.

f_rows(out, *operands) takes matrices, f_lanes(out, *operands, begin, end) arrays (outer, n, inner): of their blocks of LANES neighbours,
counted through all outer indices, those from `begin` to `end`.
"""

# mypy: ignore-errors
import numpy as np

from ..along import LANES
from .arrays import numbers_at
from .exponential import exp, log
from .formulas import over
from .plain import exact, summing

_LOW, _HIGH = 1, 1e30  # of a sum: if it is below 1, a quotient may be told where its exponential is not
_BITS = 0x7FFFFFFF  # of a float32, without its sign


@summing
def _largest(x):
    """max(x), NaN if there is one without a minus sign: as integers, the bits of numbers are in the order of the numbers."""
    top = np.int32(-0x80000000)
    for i in range(x.size):
        bits = x[i].view(np.int32)
        top = max(top, bits ^ bits >> 31 & _BITS)
    return (top ^ top >> 31 & _BITS).view(np.float32)


@summing
def softmax_rows(out, x):
    for r in range(x.shape[0]):
        total = _powers_of(out[r], x[r], np.float32(0))
        if _lost(total):
            total = _powers_of(out[r], x[r], _largest(x[r]))
        _multiply(out[r], np.float32(1) / total)


@summing
def _powers_of(out, x, top):
    """Their sum."""
    total = np.float32(0)
    for i in range(x.size):
        power = exp(x[i] - top)
        out[i] = power
        total += power
    return total


@exact
def _lost(total):
    """Whether a sum of exponentials may have lost what the quotients would show, so that they must be taken from the largest number on."""
    return (total < _LOW) | (total > _HIGH) | (total != total)


@exact
def _multiply(out, factor):
    """By a number, or by one for each."""
    for i in range(out.size):
        (number,) = numbers_at(i, (factor,))
        out[i] *= number


@summing
def masked_softmax_rows(out, at, x, rows, scale):
    for r in range(x.shape[0]):
        mask = rows[at[r, 0]]
        total = _masked_powers(out[r], x[r], mask, scale, np.float32(0))
        if _lost(total):
            total = _masked_powers_from_top(out[r], x[r], mask, scale)
        _multiply(out[r], np.float32(1) / total)


@summing
def _masked_powers(out, x, mask, scale, top):
    """Their sum."""
    total = np.float32(0)
    for i in range(x.size):
        power = exp((x[i] * scale + mask[i]) - top)
        out[i] = power
        total += power
    return total


@summing
def _masked_powers_from_top(out, x, mask, scale):
    """Likewise, from the largest on. Where the mask leaves nothing the powers are 0, and so is what they are multiplied by."""
    _scaled(out, x, mask, scale)
    total = _powers_of(out, out, _largest(out))
    if _largest(mask) == -np.inf:
        out[:] = 0
        total = np.float32(np.inf)
    return total


@over
def _scaled(x, mask, scale):
    return x * scale + mask


@summing
def softmax_grad_rows(out, g, y, scale):
    for r in range(y.shape[0]):
        total = np.float32(0)
        for i in range(y.shape[1]):
            total += g[r, i] * y[r, i]
        for i in range(y.shape[1]):
            out[r, i] = y[r, i] * (g[r, i] - total) * scale


@summing
def _row_log_sum_exp(x):
    top, total = _largest(x), np.float32(0)
    for i in range(x.size):
        total += exp(x[i] - top)
    return top, np.log(total)


@summing
def logsumexp_rows(out, x):
    for r in range(x.shape[0]):
        top, rest = _row_log_sum_exp(x[r])
        out[r, 0] = top + rest if np.isfinite(top) else top


@summing
def exp_less_rows(out, g, y, x):
    for r in range(x.shape[0]):
        total = _powers_of(out[r], x[r], y[r, 0])  # 1, but for what y lost by rounding
        _multiply(out[r], g[r, 0] if _lost(total) else g[r, 0] / total)


@summing
def log_softmax_rows(out, x):
    for r in range(x.shape[0]):
        top, rest = _row_log_sum_exp(x[r])
        _less(out[r], x[r], top, rest)


@over
def _less(x, top, rest):
    """In this order: exact near the top."""
    return (x - top) - rest


@summing
def log_softmax_grad_rows(out, g, y):
    for r in range(y.shape[0]):
        total = np.float32(0)
        for i in range(y.shape[1]):
            total += g[r, i]
        for i in range(y.shape[1]):
            out[r, i] = g[r, i] - exp(y[r, i]) * total


# Lanes.


@summing
def block(b, inner):
    """(outer index, first neighbour, end) of block b."""
    blocks = (inner + LANES - 1) // LANES
    low = b % blocks * LANES
    return b // blocks, low, min(low + LANES, inner)


@exact
def _raise(top, x):
    """NaN wins."""
    for i in range(x.size):
        u, v = top[i], x[i]
        top[i] = v if (v > u) | (v != v) else u


@exact
def _add_powers(total, x, top):
    for i in range(x.size):
        total[i] += exp(x[i] - top[i])


@exact
def _logs(a, n):
    for i in range(n):
        a[i] = log(a[i])


@summing
def _tops(top, x, p, low, high):
    top[:] = -np.inf
    for c in range(x.shape[1]):
        _raise(top, x[p, c, low:high])


@summing
def _log_sum_exps(top, total, x, p, low, high):
    """The largest numbers, and the logarithms of the sums from there."""
    _tops(top, x, p, low, high)
    total[:] = 0
    for c in range(x.shape[1]):
        _add_powers(total, x[p, c, low:high], top)
    _logs(total, high - low)


@exact
def _powers(out, x, top, total):
    for i in range(x.size):
        power = exp(x[i] - top[i])
        out[i] = power
        total[i] += power


@summing
def sums_of_powers(out, x, top, total, p, low, high):
    """Exponentials of x - top and their sums; from the largest x on, which becomes top, if some sum may have lost something."""
    _sum_up(out, x, top, total, p, low, high)
    lost = 0
    for i in range(high - low):
        lost += 1 if _lost(total[i]) else 0
    if lost > 0:
        _tops(top, x, p, low, high)
        _sum_up(out, x, top, total, p, low, high)


@summing
def _sum_up(out, x, top, total, p, low, high):
    total[:] = 0
    for c in range(x.shape[1]):
        _powers(out[p, c, low:high], x[p, c, low:high], top, total)


@exact
def _add_product(total, a, b):
    for i in range(a.size):
        total[i] += a[i] * b[i]


@over
def _pulled(g, y, total, scale):
    return y * (g - total) * scale


@over
def _top_and_rest(top, rest):
    return top + rest if np.isfinite(top) else top


@exact
def _add(total, a):
    for i in range(a.size):
        total[i] += a[i]


@over
def _log_pulled(g, y, total):
    return g - exp(y) * total


@summing
def softmax_lanes(out, x, begin, end):
    top, total = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        top[:] = 0
        sums_of_powers(out, x, top, total, p, low, high)
        for i in range(LANES):
            total[i] = np.float32(1) / total[i]
        for c in range(x.shape[1]):
            _multiply(out[p, c, low:high], total)


@summing
def softmax_grad_lanes(out, g, y, scale, begin, end):
    total = np.empty(LANES, y.dtype)
    for b in range(begin, end):
        p, low, high = block(b, y.shape[2])
        total[:] = 0
        for c in range(y.shape[1]):
            _add_product(total, g[p, c, low:high], y[p, c, low:high])
        for c in range(y.shape[1]):
            _pulled(out[p, c, low:high], g[p, c, low:high], y[p, c, low:high], total, scale)


@summing
def log_softmax_lanes(out, x, begin, end):
    top, total = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        _log_sum_exps(top, total, x, p, low, high)
        for c in range(x.shape[1]):
            _less(out[p, c, low:high], x[p, c, low:high], top, total)


@summing
def logsumexp_lanes(out, x, begin, end):
    top, total = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        _log_sum_exps(top, total, x, p, low, high)
        _top_and_rest(out[p, 0, low:high], top, total)


@summing
def exp_less_lanes(out, g, y, x, begin, end):
    top, total = np.empty(LANES, x.dtype), np.empty(LANES, x.dtype)
    for b in range(begin, end):
        p, low, high = block(b, x.shape[2])
        for i in range(low, high):
            top[i - low] = y[p, 0, i]
        _sum_up(out, x, top, total, p, low, high)
        for i in range(low, high):
            total[i - low] = g[p, 0, i] if _lost(total[i - low]) else g[p, 0, i] / total[i - low]
        for c in range(x.shape[1]):
            _multiply(out[p, c, low:high], total)


@summing
def log_softmax_grad_lanes(out, g, y, begin, end):
    total = np.empty(LANES, y.dtype)
    for b in range(begin, end):
        p, low, high = block(b, y.shape[2])
        total[:] = 0
        for c in range(y.shape[1]):
            _add(total, g[p, c, low:high])
        for c in range(y.shape[1]):
            _log_pulled(out[p, c, low:high], g[p, c, low:high], y[p, c, low:high], total)
