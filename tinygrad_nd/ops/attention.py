"""Attention: a mean of values, weighted by the softmax of products of queries and keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number
from ..kernels.memory import freeze
from ..tensor import Tensor, astensor
from .activation import softmax
from .choice import where
from .linalg import matmul
from .parts import astype, floating, wide
from .shape import swapaxes

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None) -> Tensor:
    """softmax(q kᵀ / √d + mask) v; `scale` stands for 1 / √d if given.

    Shapes: q (*batch, L, d), k (*batch, S, d), v (*batch, S, e) -> (*batch, L, e). Batch axes broadcast; so does mask, to (*batch, L, S).

    A boolean mask is True where a query may look at a key; a mask of numbers is added. With causal=True, query i looks at keys 0 to i. A
    query that may look at nothing gives zeros. Source: Vaswani et al., "Attention is all you need" (2017).
    """
    if scale is not None:
        number("scaled_dot_product_attention", "scale", scale)
    q, k, v = floating(q), floating(k), floating(v)
    _check(q, k, v)
    kind = np.result_type(q.dtype, k.dtype, v.dtype)
    if kind == np.float16:
        return astype(scaled_dot_product_attention(wide(q), wide(k), wide(v), mask, causal=causal, scale=scale), kind)
    scores = matmul(q * float(max(q.shape[-1], 1) ** -0.5 if scale is None else scale), swapaxes(k, -1, -2))
    blind = None
    if mask is not None:
        mask = astensor(mask)
        _check_mask(mask, scores)
        hidden = ~mask.data if mask.dtype.kind == "b" else mask.data == -np.inf
        blind = hidden.all(-1, keepdims=True) if mask.shape and mask.shape[-1] else None
        mask = _hiding(hidden, scores.dtype) if mask.dtype.kind == "b" else mask
        if blind is not None and blind.any():  # softmax would give NaN; what is computed instead is not used
            scores, mask = where(blind, 0, scores), where(blind, 0, mask)
        scores = scores + mask
    if causal:
        scores = scores + _hiding(np.tri(scores.shape[-2], scores.shape[-1]) == 0, scores.dtype)
    y = matmul(softmax(scores, -1), v)
    return where(blind, 0, y) if blind is not None and blind.any() else y


def _hiding(hidden: np.ndarray, dtype: Any) -> Tensor:
    """What is added to scores: -inf where hidden."""
    a = np.zeros(hidden.shape, dtype)
    a[hidden] = -np.inf
    freeze(a)
    return astensor(a)


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    where_ = "scaled_dot_product_attention"
    for name, t in (("q", q), ("k", k), ("v", v)):
        if t.ndim < 2:
            raise ValueError(f"{where_}: {name} needs axes (*batch, length, features), but has shape {t.shape}")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"{where_}: q {q.shape} has {q.shape[-1]} features, but k {k.shape} has {k.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"{where_}: k {k.shape} has {k.shape[-2]} entries, but v {v.shape} has {v.shape[-2]}")


def _check_mask(mask: Tensor, scores: Tensor) -> None:
    if mask.dtype.kind not in "bf":
        raise TypeError(f"scaled_dot_product_attention: mask must hold booleans or floats, but is {mask.dtype}")
    try:
        fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"scaled_dot_product_attention: mask {mask.shape} must broadcast to {scores.shape}, one entry per query and key")
