"""Diagonals and triangles of matrices: taken out, and put in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.padding import integer
from ..tape import primitive
from ..tensor import Tensor
from .choice import where
from .linalg import operand
from .naming import named
from .parts import astype
from .reduce import sum as sum_along
from .shape import axis_of, broadcast_to, moveaxis, ravel

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


@primitive(x=lambda g, x_shape, offset: _on_diagonal(g, offset=offset, shape=x_shape[-2:]))
def _diagonal(x: Any, *, offset: int) -> Any:
    return np.diagonal(x, offset, -2, -1)


@primitive(x=lambda g, offset: _diagonal(g, offset=offset))
def _on_diagonal(x: Any, *, offset: int, shape: tuple[int, int]) -> Any:
    """Zeros of (..., *shape) with x on a diagonal."""
    out = np.zeros((*x.shape[:-1], *shape), x.dtype)
    np.einsum("...ii->...i", out[..., max(-offset, 0) :, max(offset, 0) :][..., : x.shape[-1], : x.shape[-1]])[...] = x
    return out


@named
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The entries of a whose places along two axes differ by `offset`, as a new last axis."""
    return _diagonal_of("diagonal", a, offset, axis1, axis2)


def _diagonal_of(who: str, a: Any, offset: int, axis1: int, axis2: int) -> Tensor:
    a = operand(a, who)
    if a.ndim < 2:
        raise ValueError(f"{who}: needs at least two axes, but a has shape {a.shape}")
    i, j = axis_of(axis1, a.ndim, who), axis_of(axis2, a.ndim, who)
    if i == j:
        raise ValueError(f"{who}: axis1={axis1} and axis2={axis2} are the same axis of a {a.shape}")
    return _diagonal(moveaxis(a, (i, j), (-2, -1)), offset=integer(offset, "offset", who))


@named
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    """The sum along a diagonal of two axes."""
    values = _diagonal_of("trace", a, offset, axis1, axis2)
    return sum_along(values if dtype is None else astype(values, dtype), -1)


@named
def diag(v: Any, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix, or the matrix with a vector on its k-th diagonal."""
    v = operand(v, "diag")
    if v.ndim == 1:
        n = v.shape[0] + abs(integer(k, "k", "diag"))
        return _on_diagonal(v, offset=int(k), shape=(n, n))
    if v.ndim == 2:
        return diagonal(v, k)
    raise ValueError(f"diag: needs a vector or a matrix, but v has shape {v.shape}")


@named
def diagflat(v: Any, k: int = 0) -> Tensor:
    """The matrix with all entries of v, in C order, on its k-th diagonal."""
    return diag(ravel(operand(v, "diagflat")), k)


@named
def tril(m: Any, k: int = 0) -> Tensor:
    """m with zeros above the k-th diagonal of its last two axes."""
    return _triangle(m, k, True, "tril")


@named
def triu(m: Any, k: int = 0) -> Tensor:
    """m with zeros below the k-th diagonal of its last two axes."""
    return _triangle(m, integer(k, "k", "triu") - 1, False, "triu")


def _triangle(m: Any, k: int, lower: bool, who: str) -> Tensor:
    m = operand(m, who)
    if not m.ndim:
        raise TypeError(f"{who}: needs at least one axis, but m is a number")
    if m.ndim == 1:  # every row of a square matrix, as in NumPy
        m = broadcast_to(m, (m.shape[0], m.shape[0]))
    zero = 0 if m.dtype.kind in "fc" else m.dtype.type(0)
    found: Tensor = where(np.tri(m.shape[-2], m.shape[-1], integer(k, "k", who), dtype=bool) == lower, m, zero)
    return found
