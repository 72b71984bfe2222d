"""Compiled loops of the activations, for float32: f(out, *operands). `activation` says what they compute.

Those of `gate` see halves, (outer, 1 or 2, half), and go through numbers first to last of one half.
"""

# mypy: ignore-errors
import numpy as np

from ..activation import CUBIC, RATE, ROOT
from .exponential import exp as _exp
from .exponential import logistic
from .exponential import tanh as _tanh
from .formulas import over, polynomial
from .plain import exact

_FAR = 5.2  # Φ(x) is 0 or 1 to single precision beyond
# (Φ(x) - 1/2) / x up to there, to 6e-8 of Φ, in powers of 2 (x / _FAR)² - 1; reweighted least squares. It needs no division and no exp.
_NORMAL = (
    0.135949993, -0.0677436675, 0.0500245213, -0.0399298195, 0.0319899594, -0.0247236301, 0.0179547863, -0.0125051191,
    0.00855996897, -0.00478904251, 0.0018001215, -0.00122149062, 0.00126851146, -0.000481278149,
)  # fmt: skip
_RATE, _ROOT_2 = tuple(map(float, RATE)), 2**0.5
_LEAST, _MOST = -87, 88  # between them, exponentials are numbers of full precision
_DENSITY, _BELL = (2 * np.pi) ** -0.5, 2 * np.pi**-0.5


def _normal(x):
    """Φ(x)."""
    p = polynomial(x * x * (2 / (_FAR * _FAR)) - 1, _NORMAL)
    return (x * p + 0.5 if x >= -_FAR else 0) if x <= _FAR else 1


def _tanh_odds(x):
    """(1 + tanh u) / 2 at gelu's u."""
    return logistic(2 * x * (ROOT + ROOT * CUBIC * (x * x)))


sigmoid, tanh = over(logistic), over(_tanh)


@exact
def exp(out, x, strays):
    count = np.int32(0)
    for i in range(x.size):
        count += np.int32(0 if x[i] >= _LEAST and x[i] <= _MOST else 1)
        out[i] = _exp(x[i])
    strays[0] = count


@over
def erf(x):
    u = x * _ROOT_2
    return _tanh(u * polynomial(u * u, _RATE))


@over
def erf_grad(g, x):
    return g * (_BELL * _exp(-x * x))


@over
def gelu(x):
    return x * _normal(x)


@over
def gelu_grad(g, y, x):
    return g * (_normal(x) + x * _DENSITY * _exp(-0.5 * x * x))


@over
def gelu_tanh(x):
    return x * _tanh_odds(x)


@over
def gelu_tanh_grad(g, y, x):
    s = _tanh_odds(x)
    return g * s * (1 + 2 * (1 - s) * x * (ROOT + 3 * ROOT * CUBIC * (x * x)))


@over
def silu(x):
    return x * logistic(x)


@over
def silu_grad(g, y, x):
    s = logistic(x)
    return g * s * (1 + x * (1 - s))


@exact
def glu(out, x, first, last):
    half = x.shape[2]
    for i in range(first // half, (last + half - 1) // half):
        for j in range(max(first - i * half, 0), min(last - i * half, half)):
            out[i, 0, j] = x[i, 0, j] * logistic(x[i, 1, j])


@exact
def glu_grad(out, g, x, first, last):
    half = x.shape[2]
    for i in range(first // half, (last + half - 1) // half):
        for j in range(max(first - i * half, 0), min(last - i * half, half)):
            s = logistic(x[i, 1, j])
            out[i, 0, j] = g[i, 0, j] * s
            out[i, 1, j] = g[i, 0, j] * s * (1 - s) * x[i, 0, j]
