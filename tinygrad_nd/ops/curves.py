"""Activations of one formula each: a row says what it computes, what its parameters are, and where derivatives need other words.

The pass back is one pass over memory as the function itself; where it is recorded, its formula is run on tensors instead.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import bound, number
from ..kernels import curves as kernel
from ..tape import primitive
from ..tensor import Tensor
from ..values import numeric
from .choice import where
from .elementwise import exp, sigmoid, square, tanh
from .naming import titled
from .parts import floating
from .ufunc import Function, bare_rules

__all__ = [
    "celu", "elu", "hard_sigmoid", "hard_swish", "hard_tanh", "hardshrink", "leaky_relu", "log_sigmoid", "mish", "relu6", "selu",
    "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

_REQUIRED = inspect.Parameter.empty


def _activation(
    name: str, doc: str, formula: Callable[..., Tensor], fits: tuple[str, Callable[..., Any]] | None = None, **parameters: Any
) -> Function:
    """A function of x and some numbers, which satisfy `fits`; the formula is its pullback, on tensors."""

    def back(g: Any, x: Any, parameters: tuple[float, ...]) -> Any:
        return formula(g, x, *parameters) if isinstance(g, Tensor) else kernel.pull(name, g, x, parameters)

    @bare_rules
    @primitive(name, x=back)
    def run(x: Any, *, parameters: tuple[float, ...]) -> Any:
        return kernel.value(name, x, parameters)

    defaults = tuple(parameters.values())
    known = [inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="Any")]
    known += [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=v, annotation="float") for n, v in parameters.items()]
    signature = inspect.Signature(known)

    def function(*args: Any, **named: Any) -> Tensor:
        if len(args) == 1 and not named and _REQUIRED not in defaults:
            x, numbers = args[0], defaults
        else:
            x, *rest = bound(name, function, signature, args, named).values()
            for (n, _), v in zip(parameters.items(), rest):
                number(name, n, v)
            numbers = tuple(float(v) for v in rest)
            if fits and not fits[1](*numbers):
                raise ValueError(f"{name}: {fits[0]}, but got {', '.join(f'{n}={v:g}' for n, v in zip(parameters, numbers))}")
        return run(real(x, name), parameters=numbers)

    return titled(function, name, doc, known)


def real(x: Any, where: str, like: Tensor | None = None) -> Tensor:
    """x as a tensor of real floating numbers; Python's take the dtype of `like`."""
    if isinstance(x, Tensor) and x._data.dtype.kind == "f":
        return x
    weak = like.dtype if like is not None and type(x) in (int, float) else None
    t = floating(x if isinstance(x, Tensor) else numeric(x, weak, where))
    if t.dtype.kind == "c":
        raise TypeError(f"{where}: needs real numbers, but x is {t.dtype}; take x.real or nd.abs(x)")
    return t


def _below(x: Tensor) -> Tensor:
    """min(x, 0), for exponentials that are used below 0 alone; with slope 0 at 0, where PyTorch's second derivatives are 0."""
    return where(x.data >= 0, 0, x)  # type: ignore[no-any-return]


def _far(g: Tensor, x: Tensor, width: float) -> Tensor:
    return where(np.abs(x.data) <= width, 0, g)  # type: ignore[no-any-return]


def _mish_pull(g: Tensor, x: Tensor) -> Tensor:
    t = tanh(softplus(x))
    return g * (t + x * (1 - square(t)) * sigmoid(x))


relu6 = _activation("relu6", "min(max(x, 0), 6).", lambda g, x: where((x.data > 0) & (x.data < 6), g, 0))
hard_tanh = _activation(
    "hard_tanh",
    "x between min_val and max_val, and these beyond.",
    lambda g, x, low, high: where((x.data > low) & (x.data < high), g, 0),
    ("min_val must not be above max_val", operator.le),
    min_val=-1.0,
    max_val=1.0,
)
hard_sigmoid = _activation("hard_sigmoid", "min(max(x / 6 + 1 / 2, 0), 1).", lambda g, x: where(np.abs(x.data) < 3, g / 6, 0))
hard_swish = _activation(
    "hard_swish", "x hard_sigmoid(x).", lambda g, x: where(np.abs(x.data) >= 3, where(x.data > 0, g, 0), g * (x / 3 + 0.5))
)
leaky_relu = _activation(
    "leaky_relu", "x above 0, negative_slope · x below.", lambda g, x, slope: where(x.data > 0, g, g * slope), negative_slope=0.01
)
threshold = _activation(
    "threshold",
    "x above a threshold, and a value elsewhere.",
    lambda g, x, threshold, value: where(x.data <= threshold, 0, g),
    threshold=_REQUIRED,
    value=_REQUIRED,
)
softshrink = _activation(
    "softshrink",
    "x moved towards 0 by lambd, and 0 for what is not that far away.",
    _far,
    ("lambd must be at least 0", (0.0).__le__),
    lambd=0.5,
)
hardshrink = _activation("hardshrink", "x, but 0 between -lambd and lambd.", _far, lambd=0.5)
tanhshrink = _activation("tanhshrink", "x - tanh(x).", lambda g, x: g * square(tanh(x)))
softsign = _activation("softsign", "x / (1 + |x|).", lambda g, x: g / square(1 + abs(x)))
elu = _activation(
    "elu", "x above 0, alpha (exp(x) - 1) below.", lambda g, x, alpha: where(x.data > 0, g, g * alpha * exp(_below(x))), alpha=1.0
)
celu = _activation(
    "celu",
    "x above 0, alpha (exp(x / alpha) - 1) below.",
    lambda g, x, alpha: where(x.data > 0, g, g * exp(_below(x) / alpha)),
    ("alpha must not be 0", bool),
    alpha=1.0,
)
selu = _activation(
    "selu",
    "s x above 0, s a (exp(x) - 1) below, the scales of self-normalising networks: s = 1.0507, a = 1.6733.",
    lambda g, x: kernel.SCALE * where(x.data > 0, g, g * kernel.ALPHA * exp(_below(x))),
)
softplus = _activation(
    "softplus",
    "log(1 + exp(beta x)) / beta, without overflow; x itself where beta x is above the threshold.",
    lambda g, x, beta, threshold: where(x.data * beta > threshold, g, g * sigmoid(x * beta)),
    beta=1.0,
    threshold=20.0,
)
log_sigmoid = _activation("log_sigmoid", "log(1 / (1 + exp(-x))), exact where the logistic underflows.", lambda g, x: g * sigmoid(-x))
mish: Function = _activation("mish", "x tanh(log(1 + exp(x))).", _mish_pull)
