"""Attention: a mean of values, weighted by the softmax of products of queries and keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import answering, number
from ..kernels.memory import freeze
from ..tensor import Tensor, astensor
from .activation import softmax
from .choice import where
from .linalg import matmul
from .parts import astype, floating, wide
from .shape import fits, swapaxes

__all__ = ["scaled_dot_product_attention"]


@answering
def scaled_dot_product_attention(q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool = False, scale: float | None = None) -> Tensor:
    """softmax(q kᵀ / √d + mask) v; `scale` stands for 1 / √d if given.

    Shapes: q (*batch, L, d), k (*batch, S, d), v (*batch, S, e) -> (*batch, L, e). Batch axes broadcast; so does mask, to (*batch, L, S).

    A boolean mask is True where a query may look at a key; a mask of numbers is added. With causal=True, query i looks at keys 0 to i. A
    query that may look at nothing gives zeros. Source: Vaswani et al., "Attention is all you need" (2017).
    """
    return attend(q, k, v, mask, causal, scale)[0]


def attend(
    q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False, scale: float | None = None, drop: Any = None
) -> tuple[Tensor, Tensor]:
    """What `scaled_dot_product_attention` gives, and the weights (*batch, L, S) as they were before the function `drop`."""
    if scale is not None:
        number("scaled_dot_product_attention", "scale", scale)
    q, k, v = floating(q), floating(k), floating(v)
    _check(q, k, v)
    kind = np.result_type(q.dtype, k.dtype, v.dtype)
    if kind == np.float16:
        y, weights = attend(wide(q), wide(k), wide(v), mask, causal, scale, drop)
        return astype(y, kind), astype(weights, kind)
    scores = matmul(q * float(max(q.shape[-1], 1) ** -0.5 if scale is None else scale), swapaxes(k, -1, -2))
    scores, blind = _hidden(scores, mask, causal)
    weights = softmax(scores, -1)
    weights = weights if blind is None else where(blind, 0, weights)
    return matmul(weights if drop is None else drop(weights), v), weights


def _hidden(scores: Tensor, mask: Any, causal: bool) -> tuple[Tensor, np.ndarray | None]:
    """Scores, -inf where a query may not look at a key; and which queries may look at nothing: their scores are 0, softmax gave NaN."""
    later = np.tri(scores.shape[-2], scores.shape[-1]) == 0
    if mask is None:
        return scores + hiding(later, scores.dtype) if causal else scores, None
    mask = astensor(mask)
    _check_mask(mask, scores)
    truths = mask.dtype.kind == "b"
    hidden: np.ndarray = ~mask.data if truths else mask.data == -np.inf
    hidden = hidden | later if causal else hidden
    scores = scores + (hiding(hidden, scores.dtype) if truths else mask + hiding(later, mask.dtype) if causal else mask)
    blind: Any = hidden.all(-1, keepdims=True) if hidden.ndim else hidden
    if not blind.any():
        return scores, None
    return where(blind, 0, scores), blind


def hiding(hidden: np.ndarray, dtype: Any) -> Tensor:
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
    if not fits(mask.shape, scores.shape):
        raise ValueError(f"scaled_dot_product_attention: mask {mask.shape} must broadcast to {scores.shape}, one entry per query and key")
