"""Activations that look along an axis."""

from __future__ import annotations

from typing import Any

from ..kernels import elementwise as kernel
from ..tape import primitive
from ..tensor import Tensor
from .elementwise import exp, floating
from .reduce import sum
from .shape import axes_of


@primitive(x=lambda g, out, axis: out * (g - sum(g * out, axis, keepdims=True)))
def _softmax(x: Any, *, axis: int) -> Any:
    return kernel.softmax(x, axis)


@primitive(x=lambda g, out, axis: g - exp(out) * sum(g, axis, keepdims=True))
def _log_softmax(x: Any, *, axis: int) -> Any:
    return kernel.log_softmax(x, axis)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`, without overflow."""
    x = floating(x)
    return _softmax(x, axis=axes_of(axis, x.ndim, "softmax")[0])


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)) along `axis`, exact where the softmax underflows."""
    x = floating(x)
    return _log_softmax(x, axis=axes_of(axis, x.ndim, "log_softmax")[0])
