"""Compiled loops of the losses in `kernels.losses`, for float32: f(total, out, x, t, scale, *parameters).

One loop for all of them: what differs is the value and the slope of one number. Sums are kept in double precision from one stretch to the
next. Arrays are flat; total has one entry. An `out` that is shorter than x, a stretch, is written over and over.
"""

# mypy: ignore-errors
import numpy as np

from ..losses import STRETCH
from .exponential import exp, log, log1p
from .plain import exact, summing

_TINY = 2.0**-126


def _loop(both):
    @summing
    def loop(total, out, x, t, scale, *parameters):
        total[0] = 0
        for start in range(0, x.size, STRETCH):
            first = start if out.size == x.size else 0
            to, a, b, part = out[first : first + STRETCH], x[start : start + STRETCH], t[start : start + STRETCH], x.dtype.type(0)
            for i in range(a.size):
                value, slope = both(a[i], b[i], *parameters)
                part += value
                to[i] = slope * scale
            total[0] += part

    return loop


@exact
def _mse(x, t):
    d = x - t
    return d * d, 2 * d


@exact
def _l1(x, t):
    d = x - t
    return np.abs(d), np.sign(d)


@exact
def _huber(x, t, delta):
    d = x - t
    c = min(max(d, -delta), delta)
    return c * (d - 0.5 * c), c


@exact
def _smooth_l1(x, t, beta):
    d, distance, inverse = x - t, np.abs(x - t), 1 / beta
    near = distance < beta
    return 0.5 * d * d * inverse if near else distance - 0.5 * beta, d * inverse if near else np.sign(d)


@exact
def _logits(x, t):
    e = exp(-np.abs(x))
    slope = (1 - t - t * e if x > 0 else (1 - t) * e - t) / (1 + e)
    return log1p(e) + (max(x, 0) - t * x), slope


@exact
def _soft_margin(x, t):
    z = x * t
    e = exp(-np.abs(z))
    return (0 if z > 0 else -z) + log1p(e), -t * (e if z > 0 else 1) / (1 + e)


@exact
def _poisson(x, t):
    e = exp(x)
    return e - t * x, e - t


@exact
def _divergence(x, t):
    return (t * log(max(t, _TINY)) if t >= 0 else np.nan) - t * x, -t


mse_loss, l1_loss, huber_loss, smooth_l1_loss = _loop(_mse), _loop(_l1), _loop(_huber), _loop(_smooth_l1)
binary_cross_entropy_with_logits, soft_margin_loss, poisson_nll_loss = _loop(_logits), _loop(_soft_margin), _loop(_poisson)
kl_div = _loop(_divergence)
