"""Compiled loops of the losses in `kernels.losses`, for float32: f(total, x, t, *parameters) and f_grad(out, x, t, g, *parameters).

x and t are flat; total, g and parameters are arrays of no axis. Sums are kept in double precision from one stretch to the next.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

from .exponential import exp, log1p

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_sum = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
_STRETCH = 1 << 12
_f = np.float32
_ZERO, _HALF, _ONE, _TWO = _f(0), _f(0.5), _f(1), _f(2)


@_jit
def _sign(g, d):
    return g if d > _ZERO else (-g if d < _ZERO else g * d)  # NaN flows


@_jit
def _smooth(d, beta):
    return _HALF * d * d / beta if d < beta else d - _HALF * beta


@_jit
def _huber(d, delta):
    return _HALF * d * d if d <= delta else delta * (d - _HALF * delta)


@_jit
def _logits(x, t):
    return ((x if x > _ZERO else _ZERO) - t * x) + log1p(exp(-np.abs(x)))


@_sum
def mse_loss(total, x, t):
    for start in range(0, x.size, _STRETCH):
        a, b, part = x[start : start + _STRETCH], t[start : start + _STRETCH], _ZERO
        for i in range(a.size):
            part += (a[i] - b[i]) * (a[i] - b[i])
        total[()] += part


@_jit
def mse_loss_grad(out, x, t, g):
    twice = _TWO * g[()]
    for i in range(x.size):
        out[i] = twice * (x[i] - t[i])


@_sum
def l1_loss(total, x, t):
    for start in range(0, x.size, _STRETCH):
        a, b, part = x[start : start + _STRETCH], t[start : start + _STRETCH], _ZERO
        for i in range(a.size):
            part += np.abs(a[i] - b[i])
        total[()] += part


@_jit
def l1_loss_grad(out, x, t, g):
    h = g[()]
    for i in range(x.size):
        out[i] = _sign(h, x[i] - t[i])


@_sum
def smooth_l1_loss(total, x, t, beta):
    width = beta[()]
    for start in range(0, x.size, _STRETCH):
        a, b, part = x[start : start + _STRETCH], t[start : start + _STRETCH], _ZERO
        for i in range(a.size):
            part += _smooth(np.abs(a[i] - b[i]), width)
        total[()] += part


@_jit
def smooth_l1_loss_grad(out, x, t, g, beta):
    h, b = g[()], beta[()]
    for i in range(x.size):
        d = x[i] - t[i]
        inner, outer = h * d / b, _sign(h, d)
        out[i] = inner if np.abs(d) < b else outer


@_sum
def huber_loss(total, x, t, delta):
    width = delta[()]
    for start in range(0, x.size, _STRETCH):
        a, b, part = x[start : start + _STRETCH], t[start : start + _STRETCH], _ZERO
        for i in range(a.size):
            part += _huber(np.abs(a[i] - b[i]), width)
        total[()] += part


@_jit
def huber_loss_grad(out, x, t, g, delta):
    h, b = g[()], delta[()]
    for i in range(x.size):
        d = x[i] - t[i]
        inner, outer = h * d, _sign(h * b, d)
        out[i] = inner if np.abs(d) <= b else outer


@_sum
def binary_cross_entropy_with_logits(total, x, t):
    for start in range(0, x.size, _STRETCH):
        a, b, part = x[start : start + _STRETCH], t[start : start + _STRETCH], _ZERO
        for i in range(a.size):
            part += _logits(a[i], b[i])
        total[()] += part


@_jit
def binary_cross_entropy_with_logits_grad(out, x, t, g):
    h = g[()]
    for i in range(x.size):
        e, rest = exp(-np.abs(x[i])), _ONE - t[i]
        above, below = rest - t[i] * e, rest * e - t[i]
        out[i] = h * ((above if x[i] > _ZERO else below) / (_ONE + e))


@_jit
def binary_cross_entropy_grad(out, x, t, g):
    h, tiny = g[()], _f(1e-12)
    for i in range(x.size):
        spread = x[i] * (_ONE - x[i])
        out[i] = h * (x[i] - t[i]) / (tiny if spread < tiny else spread)
