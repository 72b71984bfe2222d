"""Spread about a mean, weighted means, and reductions that leave NaN out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..arguments import number
from ..kernels import norm as kernel
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where as pick
from .elementwise import square
from .matrix_norm import _pnorm
from .naming import named, titled
from .parts import astype, floating, real
from .reduce import Axis, _keep, along, argmax, argmin, chosen, counted, max, mean, min, prod, sum
from .shape import broadcast_to, reshape, transpose
from .steps import isnan
from .ufunc import conj

__all__ = ["average", "nanargmax", "nanargmin", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "std", "var"]

_mean = mean


@named
def var(
    x: Any, axis: Axis = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False, where: Any = True, mean: Any = None,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """The variance along `axis`: squared distances from the mean, summed and divided by their count less `ddof` (or `correction`).

    Entries count where `where` holds; `mean` saves computing it, and has the reduced axes with length 1.
    """
    return _spread("var", x, axis, dtype, ddof, keepdims, where, mean, correction)


@named
def std(
    x: Any, axis: Axis = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False, where: Any = True, mean: Any = None,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation along `axis`: the square root of `var`. Where all distances are 0 it has a gradient of 0."""
    return _spread("std", x, axis, dtype, ddof, keepdims, where, mean, correction)


def _spread(
    who: str, x: Any, axis: Axis, dtype: Any = None, ddof: float = 0, keepdims: bool = False, where: Any = True, mean: Any = None,
    correction: float | None = None, spent: float = 0,
) -> Tensor:  # fmt: skip
    """The variance or the standard deviation; of real numbers which all count, as one operation. `spent` divides without freedom."""
    number(who, "ddof", ddof)
    number(who, "correction", 0 if correction is None else correction)
    if correction is not None and ddof:
        raise ValueError(f"{who}: ddof={ddof} and correction={correction} say the same; give one of them")
    x = floating(x) if dtype is None else floating(astype(x, dtype))
    axes, dtype = along(axis, x, who), x.data.real.dtype
    if dtype == np.float16:  # whose squares overflow
        x = astype(x, np.float32)
    count = counted(x, axes, where, True)
    freedom = count - (ddof if correction is None else correction)
    if where is True and mean is None and x.dtype.kind != "c" and x.size and freedom > 0:
        middle, variance = kernel.moments(x.data, axes)
        total = np.multiply(variance, count / freedom, dtype=x.dtype).reshape([n for i, n in enumerate(x.shape) if i not in axes])
        y = (_var(x, middle, total, axes=axes, divisor=freedom) if who == "var"
             else _std(x, middle, np.sqrt(total), axes=axes, divisor=freedom))  # fmt: skip
        y = _keep(y, x.shape, axes, keepdims)
    else:
        if np.any(np.less_equal(freedom, 0)):
            warnings.warn(f"{who}: no degrees of freedom are left along axis {axis} of x {x.shape}", RuntimeWarning, stacklevel=4)
        d = chosen(x - (_mean(x, axes, keepdims=True, where=where) if mean is None else astensor(mean)), where, 0)
        divisor = np.where(np.greater(freedom, 0), freedom, spent).astype(d.data.real.dtype)
        if who.endswith("var"):
            y = sum(real(d * conj(d)) if d.dtype.kind == "c" else square(d), axes, keepdims=True) / divisor
        else:
            y = _keep(_pnorm(d, axes=axes, p=2.0), d.shape, axes, True) / divisor**0.5
        y = y if keepdims else reshape(y, tuple(n for i, n in enumerate(y.shape) if i not in axes))
        dtype = dtype if dtype == np.float16 else d.data.real.dtype
    return y if y.dtype == dtype else astype(y, dtype)


@primitive(x=lambda g, x, mean, axes, divisor: _from_mean(g, x, mean, axes=axes, factor=2 / divisor))
def _var(x: Any, mean: Any, found: Any, *, axes: tuple[int, ...], divisor: float) -> Any:
    return found  # along with the mean


@primitive(x=lambda g, x, mean, out, axes, divisor: _from_mean(_over(g, out), x, mean, axes=axes, factor=1 / divisor))
def _std(x: Any, mean: Any, found: Any, *, axes: tuple[int, ...], divisor: float) -> Any:
    return found


@primitive(
    g=lambda h, x, axes, factor: factor * sum(h * conj(_centred(x, axes)), axes),
    x=lambda h, g, x_shape, axes, factor: _centred(h * conj(_keep(factor * g, x_shape, axes, True)), axes),
)
def _from_mean(g: Any, x: Any, mean: Any, *, axes: tuple[int, ...], factor: float) -> Any:
    """factor g (x - mean(x)), g laid along what is left of x."""
    return kernel.standardise(x, np.reshape(g, mean.shape), np.zeros_like(mean), mean, np.full_like(mean, factor))


def _centred(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x - _mean(x, axes, keepdims=True)


def _over(g: Tensor, out: Tensor) -> Tensor:
    """g / out; 0 where that is 0."""
    zero = np.equal(out.data, 0)
    return pick(zero, 0, g / pick(zero, 1, out)) if zero.any() else g / out


@named
def average(x: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The mean along `axis`, weighted by `weights` of x's shape or of that of its axes; with the sum of weights if `returned`.

    Raises ZeroDivisionError where weights sum to 0.
    """
    x = astensor(x)
    axes = along(axis, x, "average")
    if weights is None:
        y = mean(x, axes, keepdims=keepdims)
        if not returned:
            return y
        total: Tensor = astensor(np.asarray(counted(x, axes, True, False), y.dtype))
    else:
        w = laid_along("average", x, axis, axes, astensor(weights))
        dtype = np.result_type(x.dtype, w.dtype, *([np.float64] if x.dtype.kind in "biu" else []))
        total = sum(w, axes, dtype, keepdims=keepdims)
        if not total.data.all():
            raise ZeroDivisionError(f"average: weights {w.shape} sum to zero along axis {axis}, and cannot be normalised")
        y = sum(x * (w if w.dtype == dtype else astype(w, dtype)), axes, dtype, keepdims=keepdims) / total
    return (y, broadcast_to(total, y.shape)) if returned else y


def laid_along(who: str, x: Tensor, axis: Axis, axes: tuple[int, ...], w: Tensor) -> Tensor:
    """Weights of the shape of x, or of its axes, laid along them."""
    if w.shape == x.shape:
        return w
    if axis is None:
        raise TypeError(f"{who}: weights {w.shape} and x {x.shape} differ in shape, so axis= must say which axes they weigh")
    if w.shape != tuple(x.shape[i] for i in axes):
        raise ValueError(f"{who}: weights {w.shape} must have the shape of x {x.shape} along axis {axis}")
    return reshape(transpose(w, tuple(np.argsort(axes).tolist())), tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))


# Without NaN.


def _without_nan(f: Callable[..., Tensor], skipped: str, inexact: Callable[..., Tensor] | None = None) -> Callable[..., Tensor]:
    """The reduction with `where=` everything but NaN, as `inexact` takes it of numbers which may be that."""

    def reduction(x: Any, axis: Axis = None, *args: Any, where: Any = True, **options: Any) -> Tensor:
        x = astensor(x)
        keep = ~np.isnan(x.data)
        g = f if inexact is None or x.dtype.kind not in "fc" else inexact
        return g(x, axis, *args, where=keep if where is True else keep & astensor(where).data, **options)

    doc = f"`{f.__name__}` of the entries that are not NaN; {skipped}."
    return named(titled(reduction, f"nan{f.__name__}", doc, inspect.signature(f).parameters.values()))


nansum = _without_nan(sum, "0 if there are none")
nanprod = _without_nan(prod, "1 if there are none")
nanmean = _without_nan(mean, "NaN if there are none")
nanvar = _without_nan(var, "NaN if there are no more than `ddof`", partial(_spread, "nanvar", spent=np.nan))
nanstd = _without_nan(std, "NaN if there are no more than `ddof`", partial(_spread, "nanstd", spent=np.nan))


def _extreme(f: Callable[..., Tensor], least: float, word: str) -> Callable[..., Tensor]:
    who = f"nan{f.__name__}"

    def extreme(x: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Tensor:
        x = astensor(x)
        y = f(x, axis, keepdims=keepdims, initial=initial, where=where)
        if not np.isnan(y.data).any():
            return y
        missing = np.isnan(x.data)
        y = f(pick(missing, least, x), axis, keepdims=keepdims, initial=initial, where=where)
        none = np.all(missing, axis=along(axis, x, who), keepdims=keepdims)
        if initial is not None or not none.any():
            return y
        warnings.warn(f"{who}: x {x.shape} has nothing but NaN along axis {axis} somewhere", RuntimeWarning, stacklevel=3)
        return pick(none, np.nan, y)  # type: ignore[no-any-return]

    doc = f"The {word} entry along `axis` that is not NaN; NaN if there are none. Entries that tie share the gradient evenly."
    return named(titled(extreme, who, doc))


nanmax, nanmin = _extreme(max, -np.inf, "largest"), _extreme(min, np.inf, "smallest")


def _place_of_extreme(f: Callable[..., Tensor], least: float, word: str) -> Callable[..., Tensor]:
    who = f"nan{f.__name__}"

    def place(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        x = astensor(x).detach()
        missing = isnan(x).data
        if x.size and missing.all(axis=axis if x.ndim else None).any():
            raise ValueError(f"{who}: x {x.shape} has nothing but NaN along axis {axis} somewhere")
        return f(pick(missing, least, x) if missing.any() else x, axis, keepdims=keepdims)

    doc = f"Where the {word} entry is that is not NaN; carries no gradient. Raises ValueError where there is none."
    return named(titled(place, who, doc))


nanargmax, nanargmin = _place_of_extreme(argmax, -np.inf, "largest"), _place_of_extreme(argmin, np.inf, "smallest")
