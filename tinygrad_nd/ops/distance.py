"""Lengths, angles and distances of vectors along an axis, and the losses that compare them."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..arguments import flag, number
from ..kernels import norm as kernel
from ..tape import primitive
from ..tensor import Tensor, astensor
from .broadcasting import broadcast_arrays
from .choice import clip, minimum, where
from .curves import real
from .elementwise import divide, reciprocal, sqrt, square
from .loss import pair, reduced, same_shape
from .matrix_norm import norm
from .naming import named
from .parts import astype, wide
from .reduce import sum
from .shape import axis_of
from .ufunc import bare_rules

__all__ = ["cosine_embedding_loss", "cosine_similarity", "margin_ranking_loss", "normalize", "pairwise_distance", "triplet_margin_loss"]


@bare_rules
@primitive(x=lambda g, x, rstd, axis, eps: _to_vectors(g, x, rstd, axis, eps))
def _unit(x: Any, found: Any, rstd: Any, *, axis: int, eps: float) -> Any:
    """x divided by its length along an axis: `found` beforehand, in one pass."""
    return found


def _to_vectors(g: Any, x: Any, rstd: Any, axis: int, eps: float) -> Any:
    """(g - y sum(g y)) / length, for the result y; g / eps where the length is no more than that."""
    if not isinstance(g, Tensor):
        return kernel.unit_grad(g, x, rstd, axis, eps)
    length = norm(x, 2.0, axis, keepdims=True)
    y, part = x / clip(length, eps, None), reciprocal(clip(length, eps, None))
    return part * (g - where(length.data > eps, y * sum(g * y, axis, keepdims=True), 0))


def normalize(x: Any, p: float = 2.0, axis: int = 1, *, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along an axis; by eps where the norm is smaller."""
    number("normalize", "p", p)
    number("normalize", "eps", eps, least=0, below=inf)
    x = real(x, "normalize")
    axis = axis_of(axis, x.ndim, "normalize")
    if p == 2 and eps > 0 and x.dtype.char in "fd" and x.size and x.shape[axis] > 1:
        y, rstd = kernel.unit(x.data, axis, eps)
        return _unit(x, y, rstd, axis=axis, eps=eps)
    return divide(x, clip(norm(x, p, axis, keepdims=True), float(eps), None))


@bare_rules
@primitive(x=lambda g, x, y, out, eps: _to_first(g, x, y, out, eps), y=lambda g, x, y, out, eps: _to_first(g, y, x, out, eps))
def _cosine(x: Any, y: Any, *, eps: float) -> Any:
    """The sum of x y over the last axis, times what `_over_length` says of both."""
    return np.vecdot(x, y) * _over_length(x, eps) * _over_length(y, eps)


def _over_length(x: Any, eps: float) -> Any:
    """1 over the length of x along the last axis, or over eps where that is more; of no eps, 1e-12 is added to its square."""
    if isinstance(x, Tensor):
        return reciprocal(clip(norm(x, 2.0, -1), eps, None) if eps else sqrt(sum(square(x), -1) + 1e-12))
    squares = np.vecdot(x, x)
    return 1 / (np.maximum(np.sqrt(squares), x.dtype.type(eps)) if eps else np.sqrt(squares + x.dtype.type(1e-12)))


def _to_first(g: Any, x: Any, y: Any, cosine: Any, eps: float) -> Any:
    """g (y ry - x rx cosine) rx, r being what is `_over_length`; without the second part where eps stands for the length of x."""
    rx, ry = _over_length(x, eps), _over_length(y, eps)
    long = (rx.data if isinstance(rx, Tensor) else rx) < (1 / eps if eps else inf)
    return (g * rx * ry)[..., None] * y - (g * cosine * rx * rx * long)[..., None] * x


def cosine_similarity(x1: Any, x2: Any, axis: int = 1, *, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along an axis; lengths below eps count as eps. Operands broadcast."""
    number("cosine_similarity", "eps", eps, least=0, below=inf)
    a, b = real(x1, "cosine_similarity"), real(x2, "cosine_similarity")
    try:
        axis = axis_of(axis, len(np.broadcast_shapes(a.shape, b.shape)), "cosine_similarity")
    except ValueError as error:
        raise type(error)(f"cosine_similarity: of shapes {a.shape} and {b.shape}: {error}") from None
    rank, kind = max(a.ndim, b.ndim), np.result_type(a.dtype, b.dtype)
    a, b = a[(None,) * (rank - a.ndim)], b[(None,) * (rank - b.ndim)]
    if a.shape[axis] != b.shape[axis]:  # a single entry stands for each of a vector
        a, b = broadcast_arrays(a, b)
    if axis == rank - 1 and eps:
        a, b = wide(a), wide(b)
        return astype(_cosine(a, b, eps=eps), kind)
    return sum(normalize(a, 2.0, axis, eps=eps) * normalize(b, 2.0, axis, eps=eps), axis)


@named
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, *, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last axis. Operands broadcast. Shapes: (*lead, D), (*lead, D) -> (*lead)."""
    number("pairwise_distance", "p", p)
    number("pairwise_distance", "eps", eps)
    a, b = real(x1, "pairwise_distance"), real(x2, "pairwise_distance")
    if not a.ndim or not b.ndim:
        raise ValueError(f"pairwise_distance: needs vectors, (*lead, D), but got shapes {a.shape} and {b.shape}")
    return norm(a - b + float(eps), p, -1, keepdims=keepdims)


def margin_ranking_loss(input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """max(0, margin - target (input1 - input2)): target 1 wants the first larger, -1 the second. Shapes: all alike."""
    number("margin_ranking_loss", "margin", margin)
    a, t = pair("margin_ranking_loss", input1, target)
    b = real(input2, "margin_ranking_loss")
    same_shape("margin_ranking_loss", input1=a, input2=b)
    return reduced(clip(float(margin) - t * (a - b), 0, None), reduction, "margin_ranking_loss")


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1. Shapes: inputs (*lead, D), target (*lead)."""
    name = "cosine_embedding_loss"
    number(name, "margin", margin)
    a, b, t = real(input1, name), real(input2, name), astensor(target)
    same_shape(name, input1=a, input2=b)
    if not a.ndim or t.shape != a.shape[:-1]:
        raise ValueError(f"{name}: inputs {a.shape} need a target of shape {a.shape[:-1]}, one per vector, but got {t.shape}")
    kind, a, b = np.result_type(a.dtype, b.dtype), wide(a), wide(b)
    cosine = astype(_cosine(a, b, eps=0.0), kind)
    near, far = t.data == 1, (t.data == -1) & ~(cosine.data < margin)
    factor, rest = far.astype(kind) - near, near - far.astype(kind) * kind.type(margin)
    return reduced(cosine * factor + rest, reduction, name)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d the `pairwise_distance`. Shapes: all (*lead, D).

    With swap=True, the negative is compared with the closer of anchor and positive.
    """
    name = "triplet_margin_loss"
    number(name, "margin", margin, above=0)
    for option, value in (("p", p), ("eps", eps)):
        number(name, option, value)
    flag(name, "swap", swap)
    a, b, c = real(anchor, name), real(positive, name), real(negative, name)
    same_shape(name, anchor=a, positive=b, negative=c)
    near, far = pairwise_distance(a, b, p, eps=eps), pairwise_distance(a, c, p, eps=eps)
    if swap:
        far = minimum(far, pairwise_distance(b, c, p, eps=eps))
    return reduced(clip(float(margin) + near - far, 0, None), reduction, name)
