"""Norms of vectors and matrices, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

from ..arguments import number
from ..kernels import lapack
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .decompose import svdvals
from .elementwise import absolute, power, sign
from .linalg import matrices, operand
from .naming import named
from .parts import floating
from .reduce import _keep, spread
from .reduce import max as max_along
from .reduce import min as min_along
from .reduce import sum as sum_along
from .shape import axes_of, moveaxis
from .solve import inv
from .ufunc import over, scale

__all__ = ["norm"]

Ord = int | float | str | None
Axis = int | Sequence[int] | None


@primitive(x=lambda g, x, out, axes, p: _pnorm_grad(g, x, out, axes, p))
def _pnorm(x: Any, *, axes: tuple[int, ...], p: float) -> Any:
    if x.dtype == np.float16:  # whose powers leave its range
        return np.asarray(_length(x.astype(np.float32), axes, p)).astype(np.float16)
    return _length(x, axes, p)


def _length(x: np.ndarray, axes: tuple[int, ...], p: float) -> Any:
    if p == 2 and len(axes) == x.ndim:
        flat = x.ravel("K")
        return np.sqrt(np.vdot(flat, flat).real)
    if p == 2 and x.dtype.kind != "c":
        return np.sqrt(np.vecdot(x, x) if axes == (x.ndim - 1,) else np.sum(x * x, axes))
    if p == 0:
        return np.sum((x != 0).astype(x.real.dtype), axes)
    size = np.abs(x)
    with np.errstate(divide="ignore"):
        total = np.sum(size**p, axes)
        return np.asarray(total ** (total.dtype.type(1) / p), total.dtype)


def _pnorm_grad(g: Tensor, x: Tensor, out: Tensor, axes: tuple[int, ...], p: float) -> Any:
    """g · x / |x| · (|x| / norm)^(p - 1), and 0 where x is 0."""
    if p == 2:
        return scale(spread(over(g, where(out.data == 0, 1, out)), x.shape, axes), x)
    if p == 0:  # a step
        return astensor(np.zeros(x.shape, x.dtype))
    size = absolute(x)
    direction = over(x, size) if x.dtype.kind == "c" else sign(x)
    return scale(spread(g, x.shape, axes), scale(direction, power(over(size, spread(out, x.shape, axes)), p - 1)))


@named
def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The p-norm of x as a vector along `axis` (all axes if None), p = `ord`: any number, with 0 the count of what is not 0, and ±inf.

    Its derivative is 0 at 0; entries that tie for the largest share it evenly.
    """
    x = floating(operand(x, "vector_norm"))
    return _vector_norm(x, axes_of(axis, x.ndim, "vector_norm"), keepdims, ord, "vector_norm")


def _vector_norm(x: Tensor, axes: tuple[int, ...], keepdims: bool, ord: Ord, who: str) -> Tensor:
    if isinstance(ord, str) or ord is None:
        raise ValueError(f"{who}: ord must be a number for vectors, but got {shown(ord)}")
    number(who, "ord", ord)
    if ord == np.inf:
        found = max_along(absolute(x), axes) if x.size else sum_along(absolute(x), axes)
    elif ord == -np.inf:
        with lapack.within(who):
            found = min_along(absolute(x), axes)
    elif ord == 1:
        found = sum_along(absolute(x), axes)
    else:
        found = _pnorm(x, axes=axes, p=float(ord))
    return _keep(found, x.shape, axes, keepdims)


@named
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Ord = "fro") -> Tensor:
    """The norm of matrices in the last two axes: "fro", "nuc", or ±1 (columns), ±inf (rows), ±2 (singular values)."""
    x = floating(operand(x, "matrix_norm"))
    if x.ndim < 2:
        raise AxisError(f"matrix_norm: needs matrices in the last two axes, but x has shape {x.shape}")
    return _keep(_matrix_norm(x, ord, "matrix_norm"), x.shape, (x.ndim - 2, x.ndim - 1), keepdims)


def _matrix_norm(x: Tensor, ord: Ord, who: str) -> Tensor:
    extreme: Any = max_along if ord in (1, 2, np.inf) else min_along
    if ord in (None, "fro", "f"):
        return _pnorm(x, axes=(x.ndim - 2, x.ndim - 1), p=2.0)
    if ord == "nuc":
        return sum_along(_singular(x), -1)
    if ord in (1, -1, np.inf, -np.inf):
        values = sum_along(absolute(x), -2 if ord in (1, -1) else -1)
    elif ord in (2, -2):
        values = _singular(x)
    else:
        raise ValueError(f"{who}: ord must be None, 'fro', 'nuc', ±1, ±2 or ±inf for matrices, but got {shown(ord)}")
    if extreme is max_along and not values.shape[-1]:  # of nothing
        return sum_along(values, -1)
    with lapack.within(who):
        return extreme(values, -1)  # type: ignore[no-any-return]


def _singular(x: Tensor) -> Tensor:
    """The singular values, with a slope of 0 where they are 0."""
    return absolute(svdvals(x))


@named
def norm(x: Any, ord: Ord = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """NumPy's norm: of all of x by default (Euclidean), of vectors along an int `axis`, of matrices in two axes.

    `ord` as in `linalg.vector_norm` and `linalg.matrix_norm`; without an axis, a given `ord` needs x to be a vector or a matrix.
    """
    x = floating(operand(x, "norm"))
    if not (ord is None or isinstance(ord, str)):
        number("norm", "ord", ord)
    if axis is None and (ord is None or (ord == 2 and x.ndim == 1) or (ord in ("f", "fro") and x.ndim == 2)):
        axes = tuple(range(x.ndim))
        return _keep(_pnorm(x, axes=axes, p=2.0), x.shape, axes, keepdims)
    if not (axis is None or isinstance(axis, tuple)):
        try:
            axis = int(axis)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise TypeError(f"norm: axis must be None, an int or a tuple of ints, but got {shown(axis)}") from None
    axes = axes_of(axis, x.ndim, "norm")
    if len(axes) == 1:
        return _vector_norm(x, axes, keepdims, 2 if ord is None else ord, "norm")
    if len(axes) != 2:
        raise ValueError(f"norm: needs one axis or two, but x {x.shape} with axis={shown(axis)} and ord={shown(ord)} gives {len(axes)}")
    return _keep(_matrix_norm(moveaxis(x, axes, (-2, -1)), ord, "norm"), x.shape, axes, keepdims)


@named
def cond(x: Any, p: Ord = None) -> Tensor:
    """The condition number of matrices: norm times norm of the inverse, or the ratio of singular values (p of None or ±2)."""
    x = matrices(x, "cond", square=p not in (None, 2, -2))
    if 0 in x.shape[-2:]:
        raise lapack.LinAlgError(f"cond: is not defined for empty matrices, and x has shape {x.shape}")
    if p in (None, 2, -2):
        with lapack.within("cond"):
            s = svdvals(x)
        large, small = (s[..., 0], s[..., -1]) if p != -2 else (s[..., -1], s[..., 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = large / small
    else:
        singular = np.asarray(np.linalg.det(x.data.astype(np.result_type(x.dtype, np.float32))) == 0)[..., None, None]
        with np.errstate(invalid="ignore"):
            inverse = where(singular, np.inf, inv(where(singular, np.eye(x.shape[-1], dtype=x.dtype), x)))
            found = _matrix_norm(x, p, "cond") * _matrix_norm(inverse, p, "cond")
    unknown = np.isnan(found.data) & ~np.isnan(x.data).any((-2, -1))
    return where(unknown, np.inf, found) if unknown.any() else found


@named
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    """How many singular values are above `tol` (or `rtol` times the largest): integers, which carry no gradient."""
    limits = {"tol": astensor(tol).data if tol is not None else None, "rtol": astensor(rtol).data if rtol is not None else None}
    found = lapack.run(np.linalg.matrix_rank, "matrix_rank", floating(operand(A, "matrix_rank")).data, hermitian=hermitian, **limits)
    return astensor(found)
