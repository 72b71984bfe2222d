"""Running sums and products along an axis. Each one's VJP runs the other way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import scan as kernel
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .naming import named
from .parts import astype
from .shape import _crop, _zero_pad, axis_of, concatenate, ravel, widths_at
from .steps import isnan
from .ufunc import conj, over

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "nancumprod", "nancumsum"]


@primitive(x=lambda g, axis, reverse: _cumsum(g, axis=axis, reverse=not reverse))
def _cumsum(x: Any, *, axis: int, reverse: bool = False) -> Any:
    return kernel.accumulate(np.add, x, axis, reverse)


@primitive(x=lambda g, x, out, axis, reverse: _cumprod_slope(g, x, out, axis, reverse))
def _cumprod(x: Any, *, axis: int, reverse: bool = False) -> Any:
    return kernel.accumulate(np.multiply, x, axis, reverse)


def _cumprod_slope(g: Tensor, x: Tensor, out: Tensor, axis: int, reverse: bool) -> Tensor:
    """Entry j is a factor of every product y[i] from j on: its cotangent is the sum of g[i] y[i] / x[j].

    Where a product is 0 that is no quotient: it is the product of all that comes before j, times r[j] = g[j] + x[j+1] r[j+1].
    """
    if out.data.all() and np.isfinite(out.data).all():
        return over(_cumsum(g * conj(out), axis=axis, reverse=not reverse), conj(x))  # type: ignore[no-any-return]
    r = _recurrence(conj(_later(x, axis, reverse)), g, axis=axis, reverse=not reverse)
    return conj(exclusive_product(x, out, axis, reverse)) * r  # type: ignore[no-any-return]


def exclusive_product(x: Tensor, product: Tensor, axis: int, reverse: bool = False) -> Tensor:
    """The product of all entries before each one, from the running product; 1 at the first."""
    first = np.zeros(tuple(n if i == axis else 1 for i, n in enumerate(x.shape)), x.dtype)
    kernel.turned(first, axis, reverse)[(slice(None),) * axis + (slice(1),)] = 1
    return _later(product, axis, not reverse) + first


@primitive(
    b=lambda h, a, axis, reverse: _recurrence(conj(_later(a, axis, reverse)), h, axis=axis, reverse=not reverse),
    a=lambda h, a, out, axis, reverse: (
        _recurrence(conj(_later(a, axis, reverse)), h, axis=axis, reverse=not reverse) * conj(_later(out, axis, not reverse))
    ),
)
def _recurrence(a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    """r[i] = a[i] r[i-1] + b[i]; from the end if `reverse`."""
    return kernel.recurrence(a, b, axis, reverse)


def _later(x: Tensor, axis: int, reverse: bool) -> Tensor:
    """At each place the entry after it, 0 at the last; before and first if `reverse`."""
    if not x.shape[axis]:
        return x
    cut, add = ((0, 1), (1, 0)) if reverse else ((1, 0), (0, 1))
    return _zero_pad(_crop(x, widths=widths_at(x.ndim, axis, *cut)), widths=widths_at(x.ndim, axis, *add))


def _scan(who: str, run: Any, x: Any, axis: int | None, dtype: Any) -> Tensor:
    x = astensor(x) if dtype is None else astype(x, dtype)
    if axis is None:
        x, axis = ravel(x), 0
    elif not x.ndim:
        x = ravel(x)
    axis = axis_of(axis, x.ndim, who)
    y: Tensor = run(x, axis=axis)
    return y if dtype is None or y.dtype == dtype else astype(y, dtype)


@named
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The sum of each entry and all before it along `axis`; of the flattened x if None."""
    return _scan("cumsum", _cumsum, x, axis, dtype)


@named
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """The product of each entry and all before it along `axis`; of the flattened x if None."""
    return _scan("cumprod", _cumprod, x, axis, dtype)


@named
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumsum` with NaN counted as 0."""
    return _scan("nancumsum", _cumsum, where(isnan(x), 0, x), axis, dtype)


@named
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
    """`cumprod` with NaN counted as 1."""
    return _scan("nancumprod", _cumprod, where(isnan(x), 1, x), axis, dtype)


@named
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """`cumsum`, whose axis may be left out for one dimension only; led by a 0 if `include_initial`."""
    return _cumulative("cumulative_sum", cumsum, 0, x, axis, dtype, include_initial)


@named
def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """`cumprod`, whose axis may be left out for one dimension only; led by a 1 if `include_initial`."""
    return _cumulative("cumulative_prod", cumprod, 1, x, axis, dtype, include_initial)


def _cumulative(who: str, run: Any, start: int, x: Any, axis: int | None, dtype: Any, include_initial: bool) -> Tensor:
    x = astensor(x)
    if axis is None and x.ndim > 1:
        raise ValueError(f"{who}: x {x.shape} has {x.ndim} axes; say which one by axis=")
    x = x if x.ndim else ravel(x)
    axis = axis_of(axis or 0, x.ndim, who)
    y: Tensor = run(x, axis, dtype)
    if not include_initial:
        return y
    return concatenate([np.full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), start, y.dtype), y], axis)
