"""Running sums and products along an axis. Each one's VJP runs the other way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import scan as kernel
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .naming import named, titled
from .parts import astype
from .shape import _crop, _zero_pad, axis_of, concatenate, ravel, widths_at
from .steps import isnan
from .ufunc import Function, conj, of_kernel, over

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


_recurrence: Function = of_kernel(
    "recurrence", kernel.recurrence, 2,
    b=lambda h, a, axis, reverse: _recurrence(conj(_later(a, axis, reverse)), h, axis=axis, reverse=not reverse),
    a=lambda h, a, out, axis, reverse: (
        _recurrence(conj(_later(a, axis, reverse)), h, axis=axis, reverse=not reverse) * conj(_later(out, axis, not reverse))
    ),
)  # fmt: skip


def _later(x: Tensor, axis: int, reverse: bool) -> Tensor:
    """At each place the entry after it, 0 at the last; before and first if `reverse`."""
    if not x.shape[axis]:
        return x
    cut, add = ((0, 1), (1, 0)) if reverse else ((1, 0), (0, 1))
    return _zero_pad(_crop(x, widths=widths_at(x.ndim, axis, *cut)), widths=widths_at(x.ndim, axis, *add))


def _scan(name: str, doc: str, run: Any, nan: int | None = None) -> Any:
    """The function that runs along one axis, with `nan` for NaN if given."""

    def function(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        x = x if nan is None else where(isnan(x), nan, x)
        x = astensor(x) if dtype is None else astype(x, dtype)
        if axis is None or not x.ndim:
            x, axis = ravel(x), axis or 0
        y: Tensor = run(x, axis=axis_of(axis, x.ndim, name))
        return y if dtype is None or y.dtype == dtype else astype(y, dtype)

    return named(titled(function, name, doc))


def _cumulative(name: str, doc: str, run: Any, start: int) -> Any:
    """The same as the Array API has it; led by `start` if asked."""

    def function(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
        x = astensor(x)
        if axis is None and x.ndim > 1:
            raise ValueError(f"{name}: x {x.shape} has {x.ndim} axes; say which one by axis=")
        x = x if x.ndim else ravel(x)
        axis = axis_of(axis or 0, x.ndim, name)
        y: Tensor = run(x, axis, dtype)
        if not include_initial:
            return y
        return concatenate([np.full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), start, y.dtype), y], axis)

    return named(titled(function, name, doc))


_SUM, _PRODUCT = (f"The {of} of each entry and all before it along `axis`; of the flattened x if None." for of in ("sum", "product"))
_LED = "`{}`, whose axis may be left out for one dimension only; led by a {} if `include_initial`."
cumsum, cumprod = _scan("cumsum", _SUM, _cumsum), _scan("cumprod", _PRODUCT, _cumprod)
nancumsum = _scan("nancumsum", "`cumsum` with NaN counted as 0.", _cumsum, 0)
nancumprod = _scan("nancumprod", "`cumprod` with NaN counted as 1.", _cumprod, 1)
cumulative_sum = _cumulative("cumulative_sum", _LED.format("cumsum", 0), cumsum, 0)
cumulative_prod = _cumulative("cumulative_prod", _LED.format("cumprod", 1), cumprod, 1)
