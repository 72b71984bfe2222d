"""Activations with a shape of their own, and those that look along an axis.

Each derivative is an operation too, one pass over memory like the function itself; its rules, written in tensor operations, give the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import option
from ..kernels import activation as kernel
from ..kernels import gate, special
from ..kernels import softmax as sums
from ..kernels.elementwise import fits
from ..tape import primitive
from ..tensor import Tensor
from .choice import where
from .conv import is_channels_last
from .curves import real
from .elementwise import exp, multiply, sigmoid, square, tanh
from .join import split
from .naming import named
from .reduce import sum
from .shape import axis_of, concatenate, reshape
from .ufunc import Function, bare_rules, cut, either, of_kernel, scale

__all__ = ["erf", "gelu", "glu", "log_softmax", "prelu", "silu", "softmax", "softmin"]

_DENSITY = float(1 / np.sqrt(2 * np.pi))


_erf = of_kernel("erf", special.erf, bare=True, x=lambda g, x: either(_erf_grad, g, x))
_erf_grad: Function = of_kernel(  # g times the slope of erf at x
    "erf_grad", kernel.erf_grad, 2, g=lambda h, x: _erf_grad(h, x), x=lambda h, g, x: scale(h, _erf_grad(g, x) * x * -2)
)
_gelu = of_kernel(
    "gelu", kernel.gelu, bare=True, x=lambda g, x, out, approximate: either(_gelu_grad, g, x, cut(out), approximate=approximate)
)
_gelu_grad: Function = of_kernel(
    "gelu_grad", kernel.gelu_grad, 3,
    g=lambda h, x, found, approximate: _gelu_grad(h, x, found, approximate=approximate),
    x=lambda h, g, x, approximate: scale(h * g, _gelu_bend(x, approximate)),
)  # fmt: skip


def _gelu_bend(x: Tensor, approximate: str) -> Tensor:
    """The second derivative of gelu."""
    if approximate == "none":
        e = exp(-square(x / 2))
        return (2 * square(e) - square(x * e)) * _DENSITY  # exp(-x² / 2) (2 - x²), in which x² may overflow
    a, b = kernel.ROOT, kernel.ROOT * kernel.CUBIC  # u = a x + b x³
    t, slope = tanh(x * (a + b * square(x))), a + 3 * b * square(x)
    return scale(1 - square(t), slope + 3 * b * square(x) - x * t * square(slope))  # type: ignore[no-any-return]


_silu = of_kernel("silu", kernel.silu, bare=True, x=lambda g, x, out: either(_silu_grad, g, x, cut(out)))
_silu_grad: Function = of_kernel(
    "silu_grad", kernel.silu_grad, 3, g=lambda h, x, found: _silu_grad(h, x, found), x=lambda h, g, x: scale(h * g, _silu_bend(x))
)


def _silu_bend(x: Tensor) -> Tensor:
    """The second derivative of silu."""
    s = sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


_glu = of_kernel("glu", gate.glu, bare=True, x=lambda g, x, axis: either(_glu_grad, g, x, axis=axis))
_glu_grad: Function = of_kernel(
    "glu_grad", gate.glu_grad, 2, g=lambda h, x, axis: _glu_slope(h, x, axis), x=lambda h, g, x, axis: _glu_bend(h, g, x, axis)
)


def _glu_slope(h: Tensor, x: Tensor, axis: int) -> Tensor:
    """How glu changes as x moves by h."""
    (a, b), (to_a, to_b) = split(x, 2, axis), split(h, 2, axis)
    s = sigmoid(b)
    return s * (to_a + to_b * a * (1 - s))


def _glu_bend(h: Tensor, g: Tensor, x: Tensor, axis: int) -> Tensor:
    """The gradient in x of g times that."""
    (a, b), (to_a, to_b) = split(x, 2, axis), split(h, 2, axis)
    s = sigmoid(b)
    slope = g * s * (1 - s)
    return concatenate([slope * to_b, slope * (to_a + to_b * a * (1 - 2 * s))], axis)


_softmax = of_kernel("softmax", sums.softmax, bare=True, x=lambda g, out, axis: either(softmax_grad, g, out, axis=axis, scale=1.0))
softmax_grad: Function = of_kernel(  # scale y (g - sum(g y)): softmax's Jacobian at its result y is symmetric
    "softmax_grad", sums.softmax_grad, 2,
    g=lambda h, y, axis, scale: softmax_grad(h, y, axis=axis, scale=scale),
    y=lambda h, g, y, axis, scale: scale * (h * (g - sum(g * y, axis, keepdims=True)) - g * sum(h * y, axis, keepdims=True)),
)  # fmt: skip


@bare_rules
@primitive(
    x=lambda g, out, scale: either(softmax_grad, g, out, axis=-1, scale=scale),
    mask=lambda g, out: either(softmax_grad, g, out, axis=-1, scale=1.0),
)
def masked_softmax(x: Any, mask: Any = None, *, scale: float) -> Any:
    """softmax(scale x + mask) along the last axis, for a mask of x's dtype that broadcasts to it; 0 where all of a row's mask is -inf."""
    return sums.masked_softmax(x, mask, scale)


_log_softmax = of_kernel("log_softmax", sums.log_softmax, bare=True, x=lambda g, out, axis: either(_log_softmax_grad, g, out, axis=axis))
_log_softmax_grad: Function = of_kernel(  # g - exp(y) sum(g), at the result y
    "log_softmax_grad", sums.log_softmax_grad, 2,
    g=lambda h, y, axis: h - sum(h * exp(y), axis, keepdims=True),
    y=lambda h, g, y, axis: -h * exp(y) * sum(g, axis, keepdims=True),
)  # fmt: skip


def erf(x: Any) -> Tensor:
    """The error function: 2/√π times the integral of exp(-t²) from 0 to x."""
    return _erf(real(x, "erf"))


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x Φ(x), Φ the normal distribution function; approximate="tanh" is x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    >>> import tinygrad_nd as nd
    >>> nd.gelu([-1.0, 0.0, 1.0]).data.round(4).tolist()
    [-0.1587, 0.0, 0.8413]
    """
    option("gelu", "approximate", approximate, ("none", "tanh"))
    return _gelu(real(x, "gelu"), approximate=approximate)


def silu(x: Any) -> Tensor:
    """x sigmoid(x), also called swish."""
    return _silu(real(x, "silu"))


@named
def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`, without overflow: numbers above 0 that sum to 1. Same shape as x.

    For a loss pass the scores themselves to `cross_entropy`, which takes the softmax.
    """
    x = real(x, "softmax")
    return _softmax(x, axis=axis_of(axis, x.ndim, "softmax"))


@named
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)) along `axis`, exact where the softmax underflows."""
    x = real(x, "log_softmax")
    return _log_softmax(x, axis=axis_of(axis, x.ndim, "log_softmax"))


@named
def softmin(x: Any, axis: int = -1) -> Tensor:
    """exp(-x) / sum(exp(-x)) along `axis`, without overflow."""
    x = real(x, "softmin")
    return _softmax(-x, axis=axis_of(axis, x.ndim, "softmin"))


@named
def glu(x: Any, axis: int = -1) -> Tensor:
    """a sigmoid(b), of the halves a and b of x along `axis`.

    Source: Dauphin et al., "Language modeling with gated convolutional networks" (2017).
    """
    x = real(x, "glu")
    axis = axis_of(axis, x.ndim, "glu")
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis {axis} of x {x.shape} must have two halves, but its length {x.shape[axis]} is odd")
    return _glu(x, axis=axis)


_prelu: Function = of_kernel(  # what prelu does to x = `of`, and to its cotangent
    "prelu", kernel.prelu, 3,
    x=lambda g, weight, of: _prelu(g, weight, of.detach()),
    weight=lambda g, x, of: multiply(g, where(of.data >= 0, 0, x)),
)  # fmt: skip


def prelu(x: Any, weight: Any, *, layout: str | None = None) -> Tensor:
    """x above 0, weight · x below.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C"; weight a number, (1,), or (C,), one per channel (of the
    only axis of a vector); or of x's rank and broadcasting to it.
    Source: He et al., "Delving deep into rectifiers" (2015).
    """
    x, last = real(x, "prelu"), is_channels_last("prelu", layout)
    w = real(weight, "prelu", x)
    axis = x.ndim - 1 if last or x.ndim == 1 else 1
    channels = x.shape[axis] if x.ndim else 1
    if w.shape in ((1,), (channels,)):
        w = reshape(w, (-1, *[1] * (x.ndim - axis - 1)) if w.size > 1 else ())
    elif w.ndim and (w.ndim != x.ndim or not fits(w.shape, x.shape)):
        raise ValueError(f"prelu: weight needs shape (), (1,) or ({channels},), one per channel of x {x.shape}, but has {w.shape}")
    return _prelu(x, w, x.detach())
