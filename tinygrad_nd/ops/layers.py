"""Layers with a matrix of weights: dense ones, of one input or of pairs of two, and rows picked by number."""

from __future__ import annotations

from math import inf, prod
from typing import Any

import numpy as np

from ..arguments import whole
from ..kernels import blas, elementwise, sums
from ..node import recording, watched
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .einsum import einsum
from .index import take
from .linalg import matmul
from .ufunc import bare_rules, conj

__all__ = ["bilinear", "embedding", "linear"]


@bare_rules
@primitive(
    x=lambda g, weight: _product(g, conj(weight)),
    weight=lambda g, x: _product(_rows(g).T, conj(_rows(x))),
    bias=lambda g: g if isinstance(g, Tensor) else sums.sum_to(g, g.shape[-1:]),
)
def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    rows = _rows(x)
    y = None if bias is None else blas.product_and_row(rows, weight.T, bias)
    if y is None:
        y = _plus(blas.matmul(rows, weight.T), bias)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(weight))


def _plus(y: Any, bias: Any) -> Any:
    if bias is None:
        return y
    if bias.dtype != y.dtype and np.result_type(y, bias) != y.dtype:
        return y + bias
    elementwise.add_into(y, bias)
    return y


def _product(a: Any, b: Any) -> Any:
    return matmul(a, b) if isinstance(a, Tensor) else blas.matmul(a, b)


def _rows(x: Any) -> Any:
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """x @ weight.T + bias. Shapes: x (*lead, in), weight (out, in), bias (out,) -> (*lead, out)."""
    x, weight, bias = astensor(x), astensor(weight), None if bias is None else astensor(bias)
    given, shape = x.shape, weight.shape
    if len(shape) != 2:
        raise ValueError(f"linear: weight needs shape (out, in), but has {shape}")
    if not given or given[-1] != shape[1]:
        raise ValueError(f"linear: weight {shape} takes {shape[1]} features, but x has shape {given}")
    if bias is not None and bias.shape != shape[:1]:
        raise ValueError(f"linear: bias needs shape {shape[:1]}, but has {bias.shape}")
    if bias is not None and bias._node is None and (recording.get() or watched):
        bias = astensor(bias, name="bias")  # nothing else remembers a constant one; so it is drawn
    return _linear(x, weight, bias)


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Tensor:
    """The sum of x1[i] weight[:, i, j] x2[j], plus bias. Shapes: x1 (*lead, in1), x2 (*lead, in2), weight (out, in1, in2), bias (out,)."""
    x1, x2, weight = astensor(x1), astensor(x2), astensor(weight)
    if weight.ndim != 3:
        raise ValueError(f"bilinear: weight needs shape (out, in1, in2), but has {weight.shape}")
    for name, x, features in (("x1", x1, weight.shape[1]), ("x2", x2, weight.shape[2])):
        if not x.ndim or x.shape[-1] != features:
            raise ValueError(f"bilinear: weight {weight.shape} takes {features} features in {name}, which has shape {x.shape}")
    if x1.shape[:-1] != x2.shape[:-1]:
        raise ValueError(f"bilinear: x1 {x1.shape} and x2 {x2.shape} differ in more than their last axis")
    y: Tensor = einsum("...i,oij,...j->...o", x1, weight, x2)
    if bias is not None:
        if (bias := astensor(bias)).shape != weight.shape[:1]:
            raise ValueError(f"bilinear: bias needs shape {weight.shape[:1]}, but has {bias.shape}")
        y = y + bias
    return y


def embedding(indices: Any, weight: Any, *, padding_idx: int | None = None) -> Tensor:
    """The rows of weight at `indices`; the row padding_idx gets no gradient from here.

    Shapes: indices any, whole numbers; weight (rows, *d) -> (*indices, *d).
    """
    index, weight = astensor(indices).data, astensor(weight)
    if not weight.ndim:
        raise ValueError("embedding: weight needs rows, (rows, *d), but is a number")
    rows = len(weight.data)
    if index.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices must be integers, but are {index.dtype}; use indices.astype(int)")
    if index.size and not 0 <= index.min() <= index.max() < rows:
        raise ValueError(f"embedding: weight {weight.shape} has rows 0 to {rows - 1}, but indices reach {index.min()} to {index.max()}")
    if padding_idx is None:
        return take(weight, index, 0)
    if not -rows <= whole("embedding", "padding_idx", padding_idx, -inf) < rows:
        raise ValueError(f"embedding: weight {weight.shape} has {rows} rows, but padding_idx is {padding_idx}")
    padded = np.equal(index, padding_idx % rows).reshape((*index.shape, *[1] * (weight.ndim - 1)))
    found = take(weight, index, 0)
    return where(padded, found.detach(), found) if padded.any() else found
