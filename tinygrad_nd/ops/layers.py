"""Dense layers and dropout."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..kernels import blas
from ..tape import primitive
from ..tensor import Tensor, astensor
from .elementwise import multiply
from .linalg import matmul
from .parts import floating
from .shape import reshape, transpose
from .ufunc import conj

__all__ = ["dropout", "linear"]


@primitive(
    x=lambda g, weight: matmul(g, conj(weight)),
    weight=lambda g, x: matmul(transpose(_rows(g)), conj(_rows(x))),
    bias=lambda g: g,
)
def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = blas.matmul(x.reshape(prod(x.shape[:-1]), x.shape[-1]), weight.T)
    if bias is not None:
        y = np.add(y, bias, out=y) if np.result_type(y, bias) == y.dtype else y + bias
    return y.reshape(*x.shape[:-1], len(weight))


def _rows(x: Tensor) -> Tensor:
    return x if x.ndim == 2 else reshape(x, (prod(x.shape[:-1]), x.shape[-1]))


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """x @ weight.T + bias. Shapes: x (*lead, in), weight (out, in), bias (out,) -> (*lead, out)."""
    x, weight = astensor(x), astensor(weight)
    if weight.ndim != 2:
        raise ValueError(f"linear: weight needs shape (out, in), but has {weight.shape}")
    if not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: weight {weight.shape} takes {weight.shape[1]} features, but x has shape {x.shape}")
    if bias is not None and astensor(bias).shape != weight.shape[:1]:
        raise ValueError(f"linear: bias needs shape {weight.shape[:1]}, but has {astensor(bias).shape}")
    return _linear(x, weight, None if bias is None else astensor(bias))


def dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | int | None = None) -> Tensor:
    """x with each entry zeroed with probability p and the rest scaled by 1 / (1 - p), so that the mean stays; x itself if not training.

    `rng` is a Generator, a seed, or None for fresh randomness.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must lie in [0, 1], but is {p}")
    t = floating(x)
    if not training or p == 0:
        return t
    keep = np.random.default_rng(rng).random(t.shape, np.float32) >= p
    return multiply(t, astensor(keep.astype(t.dtype) * t.dtype.type(1 / (1 - p) if p < 1 else 0)))
