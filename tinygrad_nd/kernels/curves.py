"""Activations as a table: the value of each, and its pullback, g times the slope. What happens at a kink is PyTorch's choice.

The formulas are NumPy's, on tiles; a pullback makes tensors of tensors, too, so that what it computes can be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from .activation import curve
from .choice import where

SCALE, ALPHA = 1.0507009873554804934, 1.6732632423543772848  # Klambauer et al. (2017): outputs then tend to mean 0 and variance 1
_SATURATED = 40  # 1 - tanh(log(1 + exp(x))) is 0 in both precisions from here on, and exp(2x) finite
Formula = Callable[..., Any]


def value(name: str, x: Any, parameters: tuple[float, ...]) -> Any:
    """The activation of this name at x."""
    formula = CURVES[name][0]
    return curve(lambda out, *a: np.copyto(out, formula(*a)), x, parameters=parameters, loop=f"curves.{name}")


def pull(name: str, g: Any, x: Any, parameters: tuple[float, ...]) -> Any:
    """g times its slope at x."""
    formula = CURVES[name][1]
    return curve(lambda out, *a: np.copyto(out, formula(*a)), g, x, parameters=parameters, loop=f"curves.{name}_grad")


def _below(x: Any) -> Any:
    """min(x, 0), for exponentials that are used below 0 alone; of tensors with slope 0 at 0, where PyTorch's second derivatives are 0."""
    return np.clip(x, -inf, 0) if isinstance(x, np.ndarray) else where(x >= 0, 0, x)


def log_one_plus(e: Any) -> Any:
    """log(1 + e) for e >= 0. NumPy's log is ten times as fast as its log1p; what 1 + e rounds off is put back."""
    u = 1 + e
    return np.log(u) + (e - (u - 1)) / u


def _softplus(x: Any) -> Any:
    return np.clip(x, 0, inf) + log_one_plus(np.exp(-np.abs(x)))


def _mish(x: Any) -> Any:
    """x tanh(log(1 + e)), e = exp(x): the tangent is n / (n + 2), n = e² + 2e."""
    e = np.exp(np.clip(x, -inf, _SATURATED))
    n = e * (e + 2)
    return x * (n / (n + 2))


def _mish_pull(g: Any, x: Any) -> Any:
    """g (t + x t'), t' = (1 - t) (1 + t) e / (1 + e)."""
    z = np.clip(x, -inf, _SATURATED)
    e = np.exp(z)
    n = e * (e + 2)
    t, left = n / (n + 2), 2 / (n + 2)
    return g * (t + z * (left * (1 + t) * (e / (1 + e))))


CURVES: dict[str, tuple[Formula, Formula]] = {
    "relu6": (
        lambda x: np.clip(x, 0, 6),
        lambda g, x: where((x > 0) & (x < 6), g, 0),
    ),
    "hard_tanh": (
        lambda x, low, high: np.clip(x, low, high),
        lambda g, x, low, high: where((x > low) & (x < high), g, 0),
    ),
    "hard_sigmoid": (
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda g, x: where(np.abs(x) < 3, g / 6, 0),
    ),
    "hard_swish": (
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda g, x: where(np.abs(x) < 3, g * (x / 3 + 0.5), where(x >= 3, g, 0)),
    ),
    "leaky_relu": (
        lambda x, slope: where(x > 0, x, x * slope),
        lambda g, x, slope: where(x > 0, g, g * slope),
    ),
    "threshold": (
        lambda x, threshold, value: where(x <= threshold, value, x),
        lambda g, x, threshold, value: where(x <= threshold, 0, g),
    ),
    "softshrink": (
        lambda x, width: x - np.clip(x, -width, width),
        lambda g, x, width: where(np.abs(x) <= width, 0, g),
    ),
    "hardshrink": (
        lambda x, width: where(np.abs(x) <= width, 0, x),
        lambda g, x, width: where(np.abs(x) <= width, 0, g),
    ),
    "tanhshrink": (
        lambda x: x - np.tanh(x),
        lambda g, x: g * np.square(np.tanh(x)),
    ),
    "softsign": (
        lambda x: x / (1 + np.abs(x)),
        lambda g, x: g / (1 + np.abs(x)) / (1 + np.abs(x)),
    ),
    "elu": (
        lambda x, alpha: where(x > 0, x, alpha * np.expm1(_below(x))),
        lambda g, x, alpha: where(x > 0, g, g * alpha * np.exp(_below(x))),
    ),
    "celu": (
        lambda x, alpha: where(x > 0, x, alpha * np.expm1(_below(x) / alpha)),
        lambda g, x, alpha: where(x > 0, g, g * np.exp(_below(x) / alpha)),
    ),
    "selu": (
        lambda x: SCALE * where(x > 0, x, ALPHA * np.expm1(_below(x))),
        lambda g, x: SCALE * where(x > 0, g, g * ALPHA * np.exp(_below(x))),
    ),
    "softplus": (
        lambda x, beta, threshold: where(x * beta > threshold, x, _softplus(x * beta) / beta),
        lambda g, x, beta, threshold: where(x * beta > threshold, g, g / (1 + np.exp(-beta * x))),
    ),
    "log_sigmoid": (
        lambda x: -_softplus(-x),
        lambda g, x: g / (1 + np.exp(x)),
    ),
    "mish": (_mish, _mish_pull),
}
