"""Compiled loops of the activations in `kernels.curves`, for float32: f(out, x, *parameters) and f_grad(out, g, x, *parameters).

Arrays are flat, and parameters arrays of no axis.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

from ..curves import SATURATED
from .exponential import exp, expm1, logistic
from .exponential import softplus as _softplus

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_f = np.float32
_ZERO, _HALF, _ONE, _TWO, _THREE, _SIX, _SIXTH = _f(0), _f(0.5), _f(1), _f(2), _f(3), _f(6), _f(1 / 6)
_HIGH = _f(SATURATED)


@_jit
def clip(out, x, low, high):
    a, b = low[()], high[()]
    for i in range(x.size):
        v = x[i]
        out[i] = a if v < a else (b if v > b else v)


@_jit
def clip_grad(out, g, x, low, high):
    a, b = low[()], high[()]
    for i in range(x.size):
        out[i] = g[i] if a < x[i] and x[i] < b else _ZERO


@_jit
def hard_sigmoid(out, x):
    for i in range(x.size):
        v = x[i] + _THREE
        out[i] = (_ZERO if v < _ZERO else (_SIX if v > _SIX else v)) * _SIXTH


@_jit
def hard_sigmoid_grad(out, g, x):
    for i in range(x.size):
        out[i] = g[i] * _SIXTH if np.abs(x[i]) < _THREE else _ZERO


@_jit
def hard_swish(out, x):
    for i in range(x.size):
        v = x[i] + _THREE
        out[i] = x[i] * (_ZERO if v < _ZERO else (_SIX if v > _SIX else v)) * _SIXTH


@_jit
def hard_swish_grad(out, g, x):
    for i in range(x.size):
        slope = x[i] / _THREE + _HALF
        inner = g[i] * slope
        outer = g[i] if x[i] >= _THREE else _ZERO
        out[i] = inner if np.abs(x[i]) < _THREE else outer


@_jit
def leaky_relu(out, x, slope):
    a = slope[()]
    for i in range(x.size):
        below = x[i] * a
        out[i] = x[i] if x[i] > _ZERO else below


@_jit
def leaky_relu_grad(out, g, x, slope):
    a = slope[()]
    for i in range(x.size):
        below = g[i] * a
        out[i] = g[i] if x[i] > _ZERO else below


@_jit
def threshold(out, x, least, value):
    a, b = least[()], value[()]
    for i in range(x.size):
        out[i] = b if x[i] <= a else x[i]


@_jit
def threshold_grad(out, g, x, least, value):
    a = least[()]
    for i in range(x.size):
        out[i] = _ZERO if x[i] <= a else g[i]


@_jit
def softshrink(out, x, width):
    a = width[()]
    for i in range(x.size):
        v = x[i]
        out[i] = v - (-a if v < -a else (a if v > a else v))


@_jit
def hardshrink(out, x, width):
    a = width[()]
    for i in range(x.size):
        out[i] = _ZERO if np.abs(x[i]) <= a else x[i]


@_jit
def hardshrink_grad(out, g, x, width):
    a = width[()]
    for i in range(x.size):
        out[i] = _ZERO if np.abs(x[i]) <= a else g[i]


softshrink_grad = hardshrink_grad


@_jit
def softsign(out, x):
    for i in range(x.size):
        out[i] = x[i] / (_ONE + np.abs(x[i]))


@_jit
def softsign_grad(out, g, x):
    for i in range(x.size):
        part = _ONE / (_ONE + np.abs(x[i]))
        out[i] = g[i] * part * part


@_jit
def exponential(out, x, a, b, c):
    p, q, r = a[()], b[()], c[()]
    for i in range(x.size):
        above, below = r * x[i], p * expm1(q * x[i])
        out[i] = above if x[i] > _ZERO else below


@_jit
def exponential_grad(out, g, x, a, b, c):
    p, q, r = a[()] * b[()], b[()], c[()]
    for i in range(x.size):
        above, below = r * g[i], p * g[i] * exp(q * x[i])
        out[i] = above if x[i] > _ZERO else below


@_jit
def softplus(out, x, beta, threshold):
    b, most = beta[()], threshold[()]
    for i in range(x.size):
        curved = _softplus(x[i] * b) / b
        out[i] = x[i] if x[i] * b > most else curved


@_jit
def softplus_grad(out, g, x, beta, threshold):
    b, most = beta[()], threshold[()]
    for i in range(x.size):
        curved = g[i] * logistic(x[i] * b)
        out[i] = g[i] if x[i] * b > most else curved


@_jit
def log_sigmoid(out, x):
    for i in range(x.size):
        out[i] = -_softplus(-x[i])


@_jit
def log_sigmoid_grad(out, g, x):
    for i in range(x.size):
        out[i] = g[i] * logistic(-x[i])


@_jit
def mish(out, x):
    for i in range(x.size):
        e = exp(_HIGH if x[i] > _HIGH else x[i])
        n = e * (e + _TWO)
        out[i] = x[i] * (n / (n + _TWO))


@_jit
def mish_grad(out, g, x):
    for i in range(x.size):
        z = _HIGH if x[i] > _HIGH else x[i]
        e = exp(z)
        n = e * (e + _TWO)
        left = _TWO / (n + _TWO)
        t = n / (n + _TWO)
        out[i] = g[i] * (t + z * (left * (_ONE + t) * (e / (_ONE + e))))
