"""Products of vectors: convolution, the cross product, polynomials by their coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number, option, whole
from ..tape import primitive
from ..tensor import Tensor, astensor
from .convolve import convolve_nd
from .elementwise import add, subtract
from .naming import named
from .shape import axis_of, concatenate, moveaxis, ravel
from .ufunc import conj

__all__ = ["convolve", "correlate", "cross", "polyadd", "polyder", "polyint", "polymul", "polysub", "polyval"]
_MOST = 1000  # integrals


@named
def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """The convolution of two vectors: all of it ("full"), as much as the longer one has ("same"), or where both overlap ("valid")."""
    return _convolve("convolve", a, v, mode)


@named
def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    """The correlation of two vectors, the sum of a[n + k] conj(v[n]) for each shift k; modes as in `convolve`."""
    a, v = _vector("correlate", "a", a), _vector("correlate", "v", v)
    if a.size < v.size:
        return conj(correlate(v, a, mode)[::-1])  # type: ignore[no-any-return]
    return _convolve("correlate", a, conj(v)[::-1], mode)


def _vector(who: str, name: str, x: Any) -> Tensor:
    x = astensor(x)
    if x.ndim > 1 or not x.size:
        raise ValueError(f"{who}: {name} must be 1-D and not empty, but has shape {x.shape}")
    return ravel(x)


def _convolve(who: str, a: Any, v: Any, mode: str) -> Tensor:
    a, v = _vector(who, "a", a), _vector(who, "v", v)
    option(who, "mode", mode, ("full", "same", "valid"))
    if a.size < v.size:
        a, v = v, a
    if a.dtype.kind in "biu" and v.dtype.kind in "biu":
        return astensor(np.convolve(a.data, v.data, mode))  # type: ignore[call-overload]
    return convolve_nd(a, v, mode)


@primitive(a=lambda g, b: _cross(conj(b), g), b=lambda g, a: _cross(g, conj(a)))
def _cross(a: Any, b: Any) -> Any:
    return np.cross(a, b)


@named
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """The vector product over the axis of 3 entries that `axis` names (or `axisa`, `axisb`, and `axisc` of the result); others broadcast.

    A vector of 2 entries has a third of 0; of two such vectors only the third entry of the product is given.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (_vectors(x, at, name) for x, at, name in ((a, axisa, "a"), (b, axisb, "b")))
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]  # type: ignore[no-any-return]
    a, b = (x if x.shape[-1] == 3 else concatenate([x, np.zeros((*x.shape[:-1], 1), x.dtype)], -1) for x in (a, b))
    return moveaxis(_cross(a, b), -1, axisc)


def _vectors(x: Any, axis: int, name: str) -> Tensor:
    x = astensor(x)
    axis = axis_of(axis, x.ndim, "cross")
    if x.shape[axis] not in (2, 3):
        raise ValueError(f"cross: {name} {x.shape} must have 2 or 3 entries along axis {axis}")
    return moveaxis(x, axis, -1)


# Polynomials; coefficients begin with that of the highest power.


@named
def polyval(p: Any, x: Any) -> Tensor:
    """The polynomial with coefficients p at x, by Horner's scheme."""
    p, x = _coefficients("polyval", p), astensor(x)
    y = astensor(np.zeros(x.shape, x.dtype))
    for i in range(p.size):
        y = y * x + p[i]
    return y


@named
def polymul(a: Any, b: Any) -> Tensor:
    """The coefficients of a product of polynomials."""
    return convolve(_coefficients("polymul", a), _coefficients("polymul", b))


@named
def polyadd(a: Any, b: Any) -> Tensor:
    """The coefficients of a sum of polynomials."""
    return add(*_aligned("polyadd", a, b))


@named
def polysub(a: Any, b: Any) -> Tensor:
    """The coefficients of a difference of polynomials."""
    return subtract(*_aligned("polysub", a, b))


@named
def polyder(p: Any, m: int = 1) -> Tensor:
    """The coefficients of the derivative of order m."""
    p = _coefficients("polyder", p)
    for _ in range(min(whole("polyder", "m", m, 0), p.size)):
        p = p[:-1] * _degrees(p, p.size - 1)
    return p  # type: ignore[no-any-return]


@named
def polyint(p: Any, m: int = 1, k: Any = 0) -> Tensor:
    """The coefficients of the integral of order m, with constants k (one for all, or one for each)."""
    p, m = _coefficients("polyint", p), whole("polyint", "m", m, 0)
    number("polyint", "m", m, most=_MOST)
    constants = ravel(k)
    if constants.size not in (1, m):
        raise ValueError(f"polyint: k must be one constant, or one for each of {m} integrals, but has shape {constants.shape}")
    if p.dtype.kind in "fc" and np.can_cast(constants.dtype, p.dtype, "same_kind"):
        constants = constants.astype(p.dtype)
    for i in range(m):
        p = concatenate([p / _degrees(p, p.size), constants[i % constants.size : i % constants.size + 1]])
    return p  # type: ignore[no-any-return]


def _coefficients(who: str, p: Any) -> Tensor:
    p = astensor(p)
    if p.ndim > 1:
        raise ValueError(f"{who}: coefficients must be 1-D, but have shape {p.shape}")
    return ravel(p)


def _aligned(who: str, a: Any, b: Any) -> list[Tensor]:
    """Two polynomials with as many coefficients, the shorter one led by zeros."""
    both = [_coefficients(who, p) for p in (a, b)]
    n = max(p.size for p in both)
    return [concatenate([np.zeros(n - p.size, p.dtype), p]) if p.size < n else p for p in both]


def _degrees(p: Tensor, most: int) -> Tensor:
    """most, ..., 1, in p's dtype if that has fractions."""
    return astensor(np.arange(most, 0, -1), p.dtype if p.dtype.kind in "fc" else None)
