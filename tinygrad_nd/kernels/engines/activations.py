"""Compiled loops of the activations, for float32: f(out, *operands), flat arrays of one length. `activation` says what they compute.

Those of `gate` see halves, (outer, 1 or 2, half), and go through numbers first to last of one half.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

from ..activation import CUBIC, ROOT
from .exponential import exp, logistic

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_f = np.float32
_FAR = _f(5.2)  # Φ(x) is 0 or 1 to single precision beyond
# (Φ(x) - 1/2) / x up to there, to 6e-8 of Φ, in powers of 2 (x / _FAR)² - 1; reweighted least squares. It needs no division and no exp.
_P = tuple(
    _f(c)
    for c in (
        0.135949993, -0.0677436675, 0.0500245213, -0.0399298195, 0.0319899594, -0.0247236301, 0.0179547863, -0.0125051191,
        0.00855996897, -0.00478904251, 0.0018001215, -0.00122149062, 0.00126851146, -0.000481278149,
    )
)  # fmt: skip
_P0, _P1, _P2, _P3, _P4, _P5, _P6, _P7, _P8, _P9, _P10, _P11, _P12, _P13 = _P
_STRETCH = _f(2 / 5.2**2)
_R, _RC, _3RC = _f(ROOT), _f(ROOT * CUBIC), _f(3 * ROOT * CUBIC)
_ZERO, _HALF, _ONE, _TWO, _SQRT2, _DENSITY = _f(0), _f(0.5), _f(1), _f(2), _f(2**0.5), _f((2 * np.pi) ** -0.5)


@_jit
def _normal(x):
    """Φ(x)."""
    t = x * x * _STRETCH - _ONE
    high = ((((((_P13 * t + _P12) * t + _P11) * t + _P10) * t + _P9) * t + _P8) * t + _P7) * t + _P6
    p = (((((high * t + _P5) * t + _P4) * t + _P3) * t + _P2) * t + _P1) * t + _P0
    return _ONE if x > _FAR else (_ZERO if x < -_FAR else x * p + _HALF)



@_jit
def _tanh_odds(x):
    """(1 + tanh u) / 2 at gelu's u."""
    return logistic(_TWO * x * (_R + _RC * (x * x)))


@_jit
def sigmoid(out, x):
    for i in range(x.size):
        out[i] = logistic(x[i])


@_jit
def gelu(out, x):
    for i in range(x.size):
        out[i] = x[i] * _normal(x[i])


@_jit
def gelu_grad(out, g, y, x):
    for i in range(x.size):
        v = x[i]
        out[i] = g[i] * (_normal(v) + v * _DENSITY * exp(-_HALF * v * v))


@_jit
def gelu_tanh(out, x):
    for i in range(x.size):
        out[i] = x[i] * _tanh_odds(x[i])


@_jit
def gelu_tanh_grad(out, g, y, x):
    for i in range(x.size):
        v = x[i]
        s = _tanh_odds(v)
        out[i] = g[i] * s * (_ONE + _TWO * (_ONE - s) * v * (_R + _3RC * (v * v)))


@_jit
def silu(out, x):
    for i in range(x.size):
        out[i] = x[i] * logistic(x[i])


@_jit
def silu_grad(out, g, y, x):
    for i in range(x.size):
        s = logistic(x[i])
        out[i] = g[i] * s * (_ONE + x[i] * (_ONE - s))


@_jit
def glu(out, x, first, last):
    half = x.shape[2]
    for i in range(first // half, -(-last // half)):
        some = slice(max(first - i * half, 0), min(last - i * half, half))
        y, a, b = out[i, 0, some], x[i, 0, some], x[i, 1, some]
        for j in range(y.size):
            y[j] = a[j] * logistic(b[j])


@_jit
def glu_grad(out, g, x, first, last):
    half = x.shape[2]
    for i in range(first // half, -(-last // half)):
        some = slice(max(first - i * half, 0), min(last - i * half, half))
        to_a, to_b, h, a, b = out[i, 0, some], out[i, 1, some], g[i, 0, some], x[i, 0, some], x[i, 1, some]
        for j in range(h.size):
            s = logistic(b[j])
            to_a[j] = h[j] * s
            to_b[j] = h[j] * s * (_ONE - s) * a[j]
