"""Activations as a table of tiles: the value, and its pullback, g times the slope. What happens at a kink is PyTorch's choice.

`ops.curves` has the formulas. Here every step is one call of NumPy into memory that is there already, and none branches at a number.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from . import bits
from .activation import curve, expm1, log1p, scratch
from .memory import Array

SCALE, ALPHA = 1.0507009873554804934, 1.6732632423543772848  # Klambauer et al. (2017): outputs then tend to mean 0 and variance 1
SATURATED = 40  # 1 - tanh(log(1 + exp(x))) is 0 in both precisions from here on, and exp(2x) finite
Tile = Callable[..., object]


def value(name: str, x: Any, parameters: tuple[float, ...]) -> Any:
    """The activation of this name at x."""
    name, numbers = _member(name, parameters)
    return curve(CURVES[name][0], x, parameters=numbers, loop=f"curves.{name}", straight=name in STRAIGHT)


def pull(name: str, g: Any, x: Any, parameters: tuple[float, ...]) -> Any:
    """g times its slope at x."""
    name, numbers = _member(name, parameters)
    return curve(CURVES[name][1], g, x, parameters=numbers, loop=f"curves.{name}_grad", straight=name in STRAIGHT)


def _member(name: str, parameters: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """The curve that an activation is, and its numbers."""
    if name not in MEMBERS:
        return name, parameters
    curve, numbers = MEMBERS[name]
    return curve, numbers(*parameters)


# Straight pieces.


def _inside(x: Array, low: float, high: float) -> Array:
    """Where low < x < high."""
    above, below = (scratch(name, x, np.bool_) for name in ("above", "below"))
    return np.logical_and(np.greater(x, low, out=above), np.less(x, high, out=below), out=above)


def _not_below(x: Array, least: float) -> Array:
    """Where x is not <= least: NaN flows."""
    above = np.less_equal(x, least, out=scratch("above", x, np.bool_))
    return np.logical_not(above, out=above)


def _clip_pull(out: Array, g: Array, x: Array, low: float, high: float) -> None:
    bits.keep(out, _inside(x, low, high), g)


def _hard_sigmoid(out: Array, x: Array) -> None:
    np.clip(np.add(x, 3, out=out), 0, 6, out=out)
    np.multiply(out, 1 / 6, out=out)


def _hard_sigmoid_pull(out: Array, g: Array, x: Array) -> None:
    _clip_pull(out, g, x, -3, 3)
    np.multiply(out, 1 / 6, out=out)


def _hard_swish(out: Array, x: Array) -> None:
    _hard_sigmoid(out, x)
    np.multiply(out, x, out=out)


def _hard_swish_pull(out: Array, g: Array, x: Array) -> None:
    """g (q + 1/2), q = x / 3; of its ends, -1 and 1, which alone rounding towards 0 leaves as they are, half is taken off: 0 or g."""
    np.divide(np.clip(x, -3, 3, out=out), 3, out=out)
    ends = np.trunc(out, out=scratch("ramp", x))
    np.subtract(out, np.multiply(ends, 0.5, out=ends), out=out)
    np.multiply(np.add(out, 0.5, out=out), g, out=out)


def _leaky_relu(out: Array, x: Array, slope: float) -> None:
    np.multiply(x, slope, out=out)
    (np.fmax if slope <= 1 else np.fmin)(x, out, out=out)


def _leaky_relu_pull(out: Array, g: Array, x: Array, slope: float) -> None:
    bits.choose(out, np.greater(x, 0, out=scratch("above", x, np.bool_)), 1, slope)
    np.multiply(out, g, out=out)


def _shrink_pull(out: Array, g: Array, x: Array, width: float) -> None:
    bits.keep(out, _not_below(np.abs(x, out=out), width), g)


# With an exponential below 0: c x above it, a (exp(b x) - 1) below.


def _exponential(out: Array, x: Array, a: float, b: float, c: float) -> None:
    np.clip(x, -inf, 0, out=out)
    if b != 1:
        np.multiply(out, b, out=out)
    expm1(out, out)
    if a != 1:
        np.multiply(out, a, out=out)
    above = np.clip(x, 0, inf, out=scratch("ramp", x))
    if c != 1:
        np.multiply(above, c, out=above)
    np.add(out, above, out=out)


def _exponential_pull(out: Array, g: Array, x: Array, a: float, b: float, c: float) -> None:
    np.clip(x, -inf, 0, out=out)
    if b != 1:
        np.multiply(out, b, out=out)
    np.exp(out, out=out)
    if a * b != 1 or c != 1:
        scales = scratch("ramp", x)
        bits.choose(scales, np.greater(x, 0, out=scratch("above", x, np.bool_)), c, a * b)
        np.multiply(out, scales, out=out)
    np.multiply(out, g, out=out)


# Smooth ones.


def _tanhshrink_pull(out: Array, g: Array, x: Array) -> None:
    np.square(np.tanh(x, out=out), out=out)
    np.multiply(out, g, out=out)


def _softsign(out: Array, x: Array) -> None:
    np.add(np.abs(x, out=out), 1, out=out)
    np.divide(x, out, out=out)


def _softsign_pull(out: Array, g: Array, x: Array) -> None:
    np.add(np.abs(x, out=out), 1, out=out)
    np.divide(g, np.square(out, out=out), out=out)


def _log_one_plus_exp(out: Array, x: Array) -> None:
    """log(1 + exp(-|x|))."""
    np.negative(np.abs(x, out=out), out=out)
    log1p(out, np.exp(out, out=out))


def _log_sigmoid(out: Array, x: Array) -> None:
    _log_one_plus_exp(out, x)
    np.subtract(np.clip(x, -inf, 0, out=scratch("ramp", x)), out, out=out)


def _log_sigmoid_pull(out: Array, g: Array, x: Array) -> None:
    np.add(np.exp(x, out=out), 1, out=out)
    np.divide(g, out, out=out)


def _softplus(out: Array, x: Array, beta: float, threshold: float) -> None:
    z = x if beta == 1 else np.multiply(x, beta, out=scratch("z", x))
    _log_one_plus_exp(out, z)
    np.add(out, np.clip(z, 0, inf, out=scratch("ramp", x)), out=out)
    if beta != 1:
        np.divide(out, beta, out=out)
    _where_large(out, z, threshold, x)


def _softplus_pull(out: Array, g: Array, x: Array, beta: float, threshold: float) -> None:
    z = x if beta == 1 else np.multiply(x, beta, out=scratch("z", x))
    np.exp(np.negative(z, out=out), out=out)
    np.add(out, 1, out=out)
    np.divide(g, out, out=out)
    _where_large(out, z, threshold, g)


def _where_large(out: Array, z: Array, threshold: float, x: Array) -> None:
    """x where z is above the threshold."""
    large = np.greater(z, threshold, out=scratch("above", x, np.bool_))
    if large.any():
        bits.replace(out, large, x)


def _mish(out: Array, x: Array) -> None:
    """x tanh(log(1 + e)), e = exp(x): the tangent is n / (n + 2), n = e² + 2e."""
    n = scratch("n", x)
    np.exp(np.clip(x, -inf, SATURATED, out=out), out=out)
    np.multiply(np.add(out, 2, out=n), out, out=n)
    np.add(n, 2, out=out)
    np.divide(n, out, out=out)
    np.multiply(out, x, out=out)


def _mish_pull(out: Array, g: Array, x: Array) -> None:
    """g (t + x t'), t' = (1 - t) (1 + t) e / (1 + e)."""
    z, e, n = (scratch(name, x) for name in ("z", "e", "n"))
    np.exp(np.clip(x, -inf, SATURATED, out=z), out=e)
    np.multiply(np.add(e, 2, out=n), e, out=n)
    left = np.divide(1, np.add(n, 2, out=out), out=out)  # (1 - t) / 2
    t = np.multiply(n, left, out=n)
    np.multiply(z, left, out=out)
    np.multiply(out, 2, out=out)
    np.multiply(out, e, out=out)
    np.divide(out, np.add(e, 1, out=e), out=out)
    np.multiply(out, np.add(t, 1, out=z), out=out)
    np.add(out, t, out=out)
    np.multiply(out, g, out=out)


CURVES: dict[str, tuple[Tile, Tile]] = {
    "clip": (lambda out, x, low, high: np.clip(x, low, high, out=out), _clip_pull),
    "hard_sigmoid": (_hard_sigmoid, _hard_sigmoid_pull),
    "hard_swish": (_hard_swish, _hard_swish_pull),
    "leaky_relu": (_leaky_relu, _leaky_relu_pull),
    "threshold": (
        lambda out, x, least, value: bits.choose(out, _not_below(x, least), x, value),
        lambda out, g, x, least, value: bits.keep(out, _not_below(x, least), g),
    ),
    "softshrink": (lambda out, x, width: np.subtract(x, np.clip(x, -width, width, out=out), out=out), _shrink_pull),
    "hardshrink": (lambda out, x, width: _shrink_pull(out, x, x, width), _shrink_pull),
    "exponential": (_exponential, _exponential_pull),
    "tanhshrink": (lambda out, x: np.subtract(x, np.tanh(x, out=out), out=out), _tanhshrink_pull),
    "softsign": (_softsign, _softsign_pull),
    "softplus": (_softplus, _softplus_pull),
    "log_sigmoid": (_log_sigmoid, _log_sigmoid_pull),
    "mish": (_mish, _mish_pull),
}
STRAIGHT = {"clip", "hard_sigmoid", "hard_swish", "leaky_relu", "threshold", "softshrink", "hardshrink", "softsign"}  # or nearly so
MEMBERS: dict[str, tuple[str, Callable[..., tuple[float, ...]]]] = {  # activations that are one of these curves, for some numbers
    "relu6": ("clip", lambda: (0, 6)),
    "hard_tanh": ("clip", lambda low, high: (low, high)),
    "elu": ("exponential", lambda alpha: (alpha, 1, 1)),
    "celu": ("exponential", lambda alpha: (alpha, 1 / alpha, 1)),
    "selu": ("exponential", lambda: (SCALE * ALPHA, 1, SCALE)),
}
