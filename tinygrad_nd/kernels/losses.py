"""Losses of a prediction x and a target t, number by number: a table of formulas, and of tiles that find sum and slope together.

Most of the work of a value is that of its slope: both are found in one pass, forward; backward only multiplies, if the cotangent is not 1.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import numpy as np

from . import engines, memory, parallel
from .activation import curve, log1p, scratch, share
from .along import dense
from .bits import with_sign
from .elementwise import PASSES, TILE, apply
from .memory import Array
from .sums import SHORT, dot

Formula = Callable[..., Any]
LEAST_LOG = -100  # PyTorch's bound on the logarithm of a probability
TINY = 1e-12  # and on p (1 - p) in its gradient
QUICK = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}  # over before a second thread is awake, if elements are few
STRETCH = 1 << 12  # elements whose slopes a compiled loop writes over and over, if they are not wanted


class Loss(NamedTuple):
    """Formulas of the value and of the pullbacks to x and t, which make tensors of tensors, too, so that they can be differentiated.

    `both(out, x, t, scale, *parameters)` writes the slope in x times `scale`, and returns the sum of the values.
    """

    value: Formula
    by_input: Formula
    by_target: Formula
    both: Formula


def values(name: str, x: Array, t: Array, parameters: tuple[float, ...]) -> Any:
    """The loss of every entry."""
    formula = LOSSES[name].value
    return curve(lambda out, *a: np.copyto(out, formula(*a)), x, t, parameters=parameters)


def summed(name: str, x: Array, t: Array, parameters: tuple[float, ...], scale: float, wanted: bool) -> tuple[Any, Array | None]:
    """The sum of the losses times `scale`; and its slope in x, if that is wanted: else it stays in cache, and is forgotten."""
    dtype = x.dtype if x.dtype == t.dtype else np.result_type(x, t)
    if dtype == np.float16:
        total, slope = summed(name, x.astype(np.float32), t.astype(np.float32), parameters, scale, wanted)
        with np.errstate(over="ignore"):
            return dtype.type(total), None if slope is None else memory.table(slope.astype(dtype))
    sums, *slopes = _both(x.astype(dtype, copy=False), t.astype(dtype, copy=False), name, parameters, scale, wanted)
    for slope in slopes:
        memory.freeze(slope)
    return memory.rounded(sum(sums.tolist()) * scale, dtype), slopes[0] if wanted else None


@engines.recalled
def _both(x: Array, t: Array, name: str, parameters: tuple[float, ...], scale: float, wanted: bool) -> list[Array]:
    """The sums of the losses of parts, in double precision; and the slope, if it is wanted."""
    order, dtype, slopes = memory.memory_order(x), x.dtype, [memory.empty_like(x)] if wanted else []
    arrays = [dense(a, order).reshape(-1) for a in (x, t, *slopes)]
    f = getattr(engines.compiled("losses"), name, None) if dtype == np.float32 and x.size >= engines.LEAST else None
    each = share(x.size, PASSES if name in QUICK else TILE) if f is None else engines.share(x.size)
    sums = np.empty(-(-x.size // each))

    if f is None:
        both, boxes = LOSSES[name].both, parallel.boxes((x.size,), each)

        def sum_up(i: int) -> None:
            a, b, *out = [a[boxes[i]] for a in arrays]
            sums[i] = both(out[0] if wanted else scratch("slope", a), a, b, scale, *parameters)

        with np.errstate(all="ignore"):
            parallel.run(range(len(boxes)), sum_up)
    else:

        def tasks() -> list[tuple[Any, ...]]:
            numbers, boxes = [dtype.type(p) for p in (scale, *parameters)], parallel.boxes((x.size,), each)
            outs = [arrays[2][box] if wanted else memory.scratch(("slope", i), (STRETCH,), dtype) for i, box in enumerate(boxes)]
            return [(sums[i : i + 1], outs[i], *[a[box] for a in arrays[:2]], *numbers) for i, box in enumerate(boxes)]

        engines.repeat(f, (sums, *arrays), tasks, (scale, *parameters))
    return [sums, *slopes]


def times(slope: Array, g: Array) -> Any:
    """The slope, times a cotangent that is one number, or one for every row."""
    return apply(np.multiply, slope, g) if g.ndim else slope if g == 1 else apply(np.multiply, slope, float(g))


def pull(name: str, of: int, g: Array, x: Array, t: Array, parameters: tuple[float, ...]) -> Any:
    """g times the slope in x (of=1) or t (of=2); g is one number, or one per entry."""
    formula = LOSSES[name][of]
    if g.ndim:
        return curve(lambda out, *a: np.copyto(out, formula(*a)), g, x, t, parameters=parameters)
    number = float(g)
    return curve(lambda out, x, t, *rest: np.copyto(out, formula(number, x, t, *rest)), x, t, parameters=parameters)


# Formulas.


def _huber(x: Any, t: Any, delta: float) -> Any:
    d = np.abs(x - t)
    short = np.clip(d, 0, delta)
    return short * (d - 0.5 * short)


def _smooth_l1(x: Any, t: Any, beta: float) -> Any:
    return _huber(x, t, beta) / beta if beta else np.abs(x - t)


def _smooth_l1_pull(g: Any, x: Any, t: Any, beta: float) -> Any:
    return g * np.clip((x - t) / beta, -1, 1) if beta else g * np.sign(x - t)


def _softplus(x: Any) -> Any:
    return np.clip(x, 0, inf) + np.log1p(np.exp(-np.abs(x)))


def _logits(x: Any, t: Any) -> Any:
    """log(1 + exp(x)) - t x in two parts, of which the first is 0 for a label that is right."""
    return (np.clip(x, 0, inf) - t * x) + np.log1p(np.exp(-np.abs(x)))


def _logits_pull(g: Any, x: Any, t: Any) -> Any:
    """g ((1 - t) s(x) - t s(-x)), s the logistic: no difference of two numbers near 1."""
    return g * ((1 - t) / (1 + np.exp(-x)) - t / (1 + np.exp(x)))


def _probability(x: Any, t: Any) -> Any:
    return -t * np.maximum(np.log(x), LEAST_LOG) - (1 - t) * np.maximum(np.log1p(-x), LEAST_LOG)


def _log_odds(x: Any) -> Any:
    """log(x / (1 - x))."""
    return np.maximum(np.log(x), LEAST_LOG) - np.maximum(np.log1p(-x), LEAST_LOG)


def _log(t: Any) -> Any:
    """log(t), and 0 of 0."""
    return np.log(np.where(np.equal(t, 0), 1, t))


# Tiles: flat arrays.


def _divergence_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    np.copyto(out, t)
    np.copyto(out, 1, where=np.equal(t, 0, out=scratch("none", x, np.bool_)))
    total = dot(np.log(out, out=out), t) - dot(t, x)
    np.multiply(t, -scale, out=out)
    return total


def _sum(a: Array) -> Any:
    whole = a.size // SHORT * SHORT
    return np.vecdot(a[:whole].reshape(-1, SHORT), np.ones(SHORT, a.dtype)).sum(dtype=np.float64) + a[whole:].sum()


def _mse_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    np.subtract(x, t, out=out)
    total = dot(out, out)
    np.multiply(out, 2 * scale, out=out)
    return total


def _l1_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    d = np.subtract(x, t, out=scratch("d", x))
    np.sign(d, out=out)
    total = dot(out, d)
    np.multiply(out, scale, out=out)
    return total


def _huber_both(out: Array, x: Array, t: Array, scale: float, delta: float) -> Any:
    """Where c is d within the bounds, the value is c d - c² / 2, and the slope c."""
    d = np.subtract(x, t, out=scratch("d", x))
    np.clip(d, -delta, delta, out=out)
    total = dot(out, d) - dot(out, out) / 2
    np.multiply(out, scale, out=out)
    return total


def _smooth_l1_both(out: Array, x: Array, t: Array, scale: float, beta: float) -> Any:
    return _huber_both(out, x, t, scale / beta, beta) / beta if beta else _l1_both(out, x, t, scale)


def _logits_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    """The value is h x + log(1 + e), the slope h - u or h + u, h = 1 - t or -t, as x is positive or negative (see `_log_part`)."""
    negative = np.signbit(x, out=scratch("negative", x, np.bool_))
    h = np.subtract(np.logical_not(negative, out=negative), t, out=scratch("h", x))
    total = dot(h, x) + _log_part(out, x)
    np.subtract(h, out, out=out)
    np.multiply(out, scale, out=out)
    return total


def _soft_margin_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    """Of z = t x the value is max(-z, 0) + log(1 + e), the slope in z -u, or u - 1 where z is negative."""
    z = np.multiply(x, t, out=scratch("z", x))
    total = _log_part(out, z)
    np.add(np.signbit(z, out=scratch("negative", z, np.bool_)), out, out=out)
    np.multiply(out, t, out=out)
    np.multiply(out, -scale, out=out)
    return total - _sum(np.clip(z, -inf, 0, out=z))


def _log_part(u: Array, z: Array) -> Any:
    """The sum of log(1 + e), e = exp(-|z|); and u = e / (1 + e) with the sign of z."""
    e = np.abs(z, out=scratch("e", z))
    np.exp(np.negative(e, out=e), out=e)
    log1p(u, e)
    total = _sum(u)
    np.add(e, 1, out=u)
    np.divide(e, u, out=u)
    with_sign(u, z)
    return total


def _poisson_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    np.exp(x, out=out)
    total = _sum(out) - dot(t, x)
    np.subtract(out, t, out=out)
    np.multiply(out, scale, out=out)
    return total


def _probability_both(out: Array, x: Array, t: Array, scale: float) -> Any:
    """The value is t (log(1 - x) - log(x)) - log(1 - x)."""
    other, part = np.negative(x, out=scratch("other", x)), scratch("part", x)
    log1p(out, other)
    np.maximum(out, LEAST_LOG, out=out)
    total = _sum(out)
    np.maximum(np.log(x, out=part), LEAST_LOG, out=part)
    total = dot(t, np.subtract(out, part, out=out)) - total
    np.multiply(x, np.add(other, 1, out=other), out=other)
    np.subtract(x, t, out=out)
    np.divide(out, np.maximum(other, TINY, out=other), out=out)
    np.multiply(out, scale, out=out)
    return total


def _even(value: Formula, pull: Formula, both: Formula) -> Loss:
    """A loss in which x and t may change places."""
    return Loss(value, pull, lambda g, x, t, *parameters: pull(g, t, x, *parameters), both)


LOSSES: dict[str, Loss] = {
    "mse_loss": _even(lambda x, t: np.square(x - t), lambda g, x, t: 2 * g * (x - t), _mse_both),
    "l1_loss": _even(lambda x, t: np.abs(x - t), lambda g, x, t: g * np.sign(x - t), _l1_both),
    "smooth_l1_loss": _even(_smooth_l1, _smooth_l1_pull, _smooth_l1_both),
    "huber_loss": _even(_huber, lambda g, x, t, delta: g * np.clip(x - t, -delta, delta), _huber_both),
    "binary_cross_entropy_with_logits": Loss(_logits, _logits_pull, lambda g, x, t: -g * x, _logits_both),
    "binary_cross_entropy": Loss(
        _probability, lambda g, x, t: g * (x - t) / np.maximum(x * (1 - x), TINY), lambda g, x, t: -g * _log_odds(x), _probability_both
    ),
    "soft_margin_loss": Loss(
        lambda x, t: _softplus(-t * x),
        lambda g, x, t: -g * t / (1 + np.exp(t * x)),
        lambda g, x, t: -g * x / (1 + np.exp(t * x)),
        _soft_margin_both,
    ),
    "poisson_nll_loss": Loss(
        lambda x, t: np.exp(x) - t * x,
        lambda g, x, t: g * (np.exp(x) - t),
        lambda g, x, t: -g * x,
        _poisson_both,
    ),
    "kl_div": Loss(
        lambda x, t: t * _log(t) - t * x,
        lambda g, x, t: -g * t,
        lambda g, x, t: g * (_log(t) + np.not_equal(t, 0) - x),
        _divergence_both,
    ),
}
