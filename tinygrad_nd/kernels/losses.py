"""Losses of a prediction x and a target t, number by number: a table of formulas. Their sum is found in one pass that writes none of them.

Each row has the value, and the pullbacks to x and to t, which make tensors of tensors, too, so that they can be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .activation import COMPILED, LEAST, curve, dense
from .curves import log_one_plus
from .memory import Array

Formula = Callable[..., Any]
LEAST_LOG = -100  # PyTorch's bound on the logarithm of a probability
TINY = 1e-12  # and on p (1 - p) in its gradient


def values(name: str, x: Array, t: Array, parameters: tuple[float, ...]) -> Any:
    """The loss of every entry."""
    formula = LOSSES[name][0]
    return curve(lambda out, *a: np.copyto(out, formula(*a)), x, t, parameters=parameters)


def total(name: str, x: Array, t: Array, parameters: tuple[float, ...]) -> Any:
    """Their sum, in float64: of sums over tiles, or over a compiled loop's stretches."""
    formula, dtype = LOSSES[name][0], np.result_type(x, t, np.float32)
    if not x.size:
        return np.float64(0)
    x = x.astype(dtype, copy=False)
    x, t = (dense(a, x).transpose(memory.memory_order(x)).reshape(-1) for a in (x, t))
    numbers: Any = parameters
    f = getattr(engines.compiled("losses"), name, None) if dtype == np.float32 and x.size >= COMPILED else None
    if f is None:
        f, share = _summing(formula), LEAST
    else:
        share, numbers = engines.share(x.size), [np.array(p, dtype) for p in parameters]
    boxes = parallel.boxes(x.shape, share)
    sums = np.zeros(len(boxes))
    with np.errstate(all="ignore"):
        engines.run(f, [(sums[i : i + 1].reshape(()), x[box], t[box], *numbers) for i, box in enumerate(boxes)])
    return sums.sum()


def _summing(formula: Formula) -> Callable[..., None]:
    def add(out: Array, *operands: Any) -> None:
        out[()] = formula(*operands).sum()

    return add


def pull(name: str, of: int, g: Array, x: Array, t: Array, parameters: tuple[float, ...]) -> Any:
    """g times the slope in x (of=1) or t (of=2); g is one number, or one per entry."""
    formula = LOSSES[name][of]
    if g.ndim:
        return curve(lambda out, *a: np.copyto(out, formula(*a)), g, x, t, parameters=parameters)

    def tile(out: Array, x: Array, t: Array, g: float, *rest: float) -> None:
        np.copyto(out, formula(g, x, t, *rest))

    return curve(tile, x, t, parameters=(float(g), *parameters), loop=f"losses.{name}_grad" if of == 1 else "losses.none")


def _smooth_l1(x: Any, t: Any, beta: float) -> Any:
    d = np.abs(x - t)
    short = np.clip(d, 0, beta)
    return short * (d - 0.5 * short) / beta if beta else d


def _smooth_l1_pull(g: Any, x: Any, t: Any, beta: float) -> Any:
    return g * np.clip((x - t) / beta, -1, 1) if beta else g * np.sign(x - t)


def _huber(x: Any, t: Any, delta: float) -> Any:
    d = np.abs(x - t)
    short = np.clip(d, 0, delta)
    return short * (d - 0.5 * short)


def _logits(x: Any, t: Any) -> Any:
    """log(1 + exp(x)) - t x in two parts, of which the first is 0 for a label that is right."""
    return (np.clip(x, 0, inf) - t * x) + log_one_plus(np.exp(-np.abs(x)))


def _logits_pull(g: Any, x: Any, t: Any) -> Any:
    """g ((1 - t) s(x) - t s(-x)), s the logistic: no difference of two numbers near 1."""
    return g * ((1 - t) / (1 + np.exp(-x)) - t / (1 + np.exp(x)))


def _probability(x: Any, t: Any) -> Any:
    return -t * np.maximum(np.log(x), LEAST_LOG) - (1 - t) * np.maximum(np.log1p(-x), LEAST_LOG)


def _odds(x: Any) -> Any:
    """log(x / (1 - x))."""
    return np.maximum(np.log(x), LEAST_LOG) - np.maximum(np.log1p(-x), LEAST_LOG)


LOSSES: dict[str, tuple[Formula, Formula, Formula]] = {
    "mse_loss": (
        lambda x, t: np.square(x - t),
        lambda g, x, t: 2 * g * (x - t),
        lambda g, x, t: 2 * g * (t - x),
    ),
    "l1_loss": (
        lambda x, t: np.abs(x - t),
        lambda g, x, t: g * np.sign(x - t),
        lambda g, x, t: g * np.sign(t - x),
    ),
    "smooth_l1_loss": (_smooth_l1, _smooth_l1_pull, lambda g, x, t, beta: _smooth_l1_pull(g, t, x, beta)),
    "huber_loss": (
        _huber,
        lambda g, x, t, delta: g * np.clip(x - t, -delta, delta),
        lambda g, x, t, delta: g * np.clip(t - x, -delta, delta),
    ),
    "binary_cross_entropy_with_logits": (_logits, _logits_pull, lambda g, x, t: -g * x),
    "binary_cross_entropy": (
        _probability,
        lambda g, x, t: g * (x - t) / np.maximum(x * (1 - x), TINY),
        lambda g, x, t: -g * _odds(x),
    ),
}
