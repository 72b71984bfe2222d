"""Compiled loops of the activations in `kernels.curves`, for float32: f(out, x, *parameters) and f_grad(out, g, x, *parameters)."""

# mypy: ignore-errors
import numpy as np

from ..curves import SATURATED
from .exponential import exp, expm1, logistic, tanh
from .exponential import softplus as _softplus
from .formulas import over


@over
def clip(x, low, high):
    return min(max(x, low), high)  # NaN flows


@over
def clip_grad(g, x, low, high):
    return g if low < x and x < high else 0


@over
def hard_sigmoid(x):
    return min(max(x + 3, 0), 6) * (1 / 6)


@over
def hard_sigmoid_grad(g, x):
    return g * (1 / 6) if np.abs(x) < 3 else 0


@over
def hard_swish(x):
    return x * (min(max(x + 3, 0), 6) * (1 / 6))


@over
def hard_swish_grad(g, x):
    return 0 if x <= -3 else (g if x >= 3 else g * (x / 3 + 0.5))


@over
def leaky_relu(x, slope):
    return x if x > 0 else x * slope


@over
def leaky_relu_grad(g, x, slope):
    return g if x > 0 else g * slope


@over
def threshold(x, least, value):
    return value if x <= least else x


@over
def threshold_grad(g, x, least, value):
    return 0 if x <= least else g


@over
def softshrink(x, width):
    return x - min(max(x, -width), width)


@over
def hardshrink(x, width):
    return 0 if np.abs(x) <= width else x


@over
def hardshrink_grad(g, x, width):
    return 0 if np.abs(x) <= width else g


softshrink_grad = hardshrink_grad


@over
def softsign(x):
    return x / (1 + np.abs(x))


@over
def softsign_grad(g, x):
    part = 1 / (1 + np.abs(x))
    return g * part * part


@over
def tanhshrink(x):
    return x - tanh(x)


@over
def tanhshrink_grad(g, x):
    t = tanh(x)
    return g * t * t


@over
def exponential(x, a, b, c):
    return c * x if x > 0 else a * expm1(b * x)


@over
def exponential_grad(g, x, a, b, c):
    return c * g if x > 0 else a * b * g * exp(b * x)


@over
def softplus(x, beta, threshold):
    return x if x * beta > threshold else _softplus(x * beta) / beta


@over
def softplus_grad(g, x, beta, threshold):
    return g if x * beta > threshold else g * logistic(x * beta)


@over
def log_sigmoid(x):
    return -_softplus(-x)


@over
def log_sigmoid_grad(g, x):
    return g * logistic(-x)


@over
def mish(x):
    e = exp(min(x, SATURATED))
    n = e * (e + 2)
    return x * (n / (n + 2))


@over
def mish_grad(g, x):
    z = min(x, SATURATED)
    e = exp(z)
    n = e * (e + 2)
    left = 2 / (n + 2)
    t = n / (n + 2)
    return g * (t + z * (left * (1 + t) * (e / (1 + e))))
