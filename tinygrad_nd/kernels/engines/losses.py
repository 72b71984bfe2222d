"""Compiled loops of the losses in `kernels.losses`, for float32: f(total, out, x, t, numbers), numbers the scale, then parameters.

One loop for all of them: what differs is the value and the slope of one number. Sums are kept in double precision from one stretch to the
next. Arrays are flat; total has one entry. An `out` that is shorter than x, a stretch, is written over and over.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

from ..losses import STRETCH
from .exponential import exp, log1p

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_f = np.float32
_ZERO, _HALF, _ONE, _TWO = _f(0), _f(0.5), _f(1), _f(2)


def _loop(both):
    @njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
    def loop(total, out, x, t, numbers):
        scale, parameter = numbers[0], numbers[1]
        for start in range(0, x.size, STRETCH):
            first = start if out.size == x.size else 0
            to, a, b, part = out[first : first + STRETCH], x[start : start + STRETCH], t[start : start + STRETCH], _ZERO
            for i in range(a.size):
                value, slope = both(a[i], b[i], parameter)
                part += value
                to[i] = slope * scale
            total[0] += part

    return loop


@_jit
def _mse(x, t, _):
    d = x - t
    return d * d, _TWO * d


@_jit
def _l1(x, t, _):
    d = x - t
    return np.abs(d), _sign(d)


@_jit
def _sign(d):
    return _ONE if d > _ZERO else (-_ONE if d < _ZERO else d)  # NaN flows


@_jit
def _huber(x, t, delta):
    d = x - t
    c = -delta if d < -delta else (delta if d > delta else d)
    return c * (d - _HALF * c), c


@_jit
def _smooth_l1(x, t, beta):
    d, distance, inverse = x - t, np.abs(x - t), _ONE / beta
    near = distance < beta
    return _HALF * d * d * inverse if near else distance - _HALF * beta, d * inverse if near else _sign(d)


@_jit
def _logits(x, t, _):
    e, rest = exp(-np.abs(x)), _ONE - t
    above, below = rest - t * e, rest * e - t
    return ((x if x > _ZERO else _ZERO) - t * x) + log1p(e), (above if x > _ZERO else below) / (_ONE + e)


@_jit
def _soft_margin(x, t, _):
    z = x * t
    e = exp(-np.abs(z))
    return (_ZERO if z > _ZERO else -z) + log1p(e), -t * (e if z > _ZERO else _ONE) / (_ONE + e)


@_jit
def _poisson(x, t, _):
    e = exp(x)
    return e - t * x, e - t


mse_loss, l1_loss, huber_loss, smooth_l1_loss = _loop(_mse), _loop(_l1), _loop(_huber), _loop(_smooth_l1)
binary_cross_entropy_with_logits, soft_margin_loss, poisson_nll_loss = _loop(_logits), _loop(_soft_margin), _loop(_poisson)
