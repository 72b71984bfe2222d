"""Special functions: error, gamma and Bessel functions, and x log y. One row each where SciPy has the function."""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any

import numpy as np

from ..kernels import special as kernel
from ..kernels.elementwise import LARGE, tiled
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .elementwise import exp, log, log1p, negative, square, subtract
from .naming import named, titled
from .parts import floating
from .ufunc import Function, along, conj, in_precision, of_kernel, over, scale

__all__ = [
    "digamma", "erfc", "erfinv", "gamma", "gammaln", "i0", "i1", "log_ndtr", "logit", "ndtr", "polygamma", "sinc",
    "xlog1py", "xlogy",
]  # fmt: skip


def _of_scipy(name: str, doc: str, x: Callable[..., Any]) -> Function:
    """SciPy's function of this name, with the rule for x."""

    def run(x: Any) -> Tensor:
        return kernel.scipy(name, x)  # type: ignore[no-any-return]

    return primitive(None, x=x)(titled(run, name, f"{doc} Needs SciPy."))


gammaln = _of_scipy("gammaln", "log |Γ(x)|.", lambda g, x: scale(g, digamma(x)))
gamma = _of_scipy("gamma", "Γ(x), which is (x - 1)! for whole x.", lambda g, x, out: scale(g, out * digamma(x)))
digamma: Function = _of_scipy("digamma", "The derivative of log Γ(x).", lambda g, x: scale(g, polygamma(1, x)))
erfinv = _of_scipy("erfinv", "The inverse of the error function.", lambda g, out: scale(g, exp(square(out)) * (pi**0.5 / 2)))
log_ndtr = _of_scipy(
    "log_ndtr", "The logarithm of the normal distribution function, accurate far out on both sides.", lambda g, x: scale(g, _hazard(x))
)


@primitive(x=lambda g, x, out: scale(g, -out * (out + x)))
def _hazard(x: Any) -> Any:
    """φ(x) / Φ(x), the density over the distribution function."""
    return (2 / pi) ** 0.5 / kernel.scipy("erfcx", x * -(0.5**0.5))


@primitive(x=lambda g, x, order: scale(g, _polygamma(x, order=order + 1)))
def _polygamma(x: Any, *, order: int) -> Any:
    return kernel.trigamma(x) if order == 1 else kernel.polygamma(order, x)


def polygamma(n: int, x: Any) -> Tensor:
    """The derivative of order n of digamma(x), for a whole n >= 0. Needs SciPy."""
    order = astensor(n)
    if order.ndim or order.dtype.kind not in "iu" or order.data < 0:
        raise ValueError(f"polygamma: n is a whole number from 0, but got {shown(n)}")
    return _polygamma(floating(x), order=int(order)) if int(order) else digamma(x)


@primitive(x=lambda g, x: scale(g, exp(-square(x)) * (-2 / pi**0.5)))
def erfc(x: Any) -> Any:
    """1 - erf(x), accurate also where it is tiny."""
    return kernel.erfc(x)


@named
def ndtr(x: Any) -> Tensor:
    """The normal distribution function: the probability that a standard normal variable is below x."""
    return 0.5 * erfc(floating(x) * -(0.5**0.5))


_sinc: Function = of_kernel("sinc", kernel.sinc, x=lambda g, x, order: scale(g, conj(_sinc(x, order=order + 1)) * pi))
_bessel_i: Function = of_kernel(
    "bessel_i", kernel.bessel_i,
    x=lambda g, x, order: scale(
        g, _bessel_i(x, order=1) if order == 0 else (_bessel_i(x, order=order - 1) + _bessel_i(x, order=order + 1)) / 2
    ),
)  # fmt: skip


@named
def sinc(x: Any) -> Tensor:
    """sin(πx) / (πx), and 1 at 0."""
    return _sinc(floating(x), order=0)


@named
def i0(x: Any) -> Tensor:
    """The modified Bessel function of order 0."""
    return _bessel_i(floating(x), order=0)


@named
def i1(x: Any) -> Tensor:
    """The modified Bessel function of order 1, the derivative of `i0`."""
    return _bessel_i(floating(x), order=1)


def _times_log(x: Any, y: Any, log_: Any) -> Any:
    if any([isinstance(a, np.ndarray) and a.size >= LARGE for a in (x, y)]):
        return tiled(lambda x, y: _times_log_of_few(x, y, log_), x, y)
    return _times_log_of_few(x, y, log_)


def _times_log_of_few(x: Any, y: Any, log_: Any) -> Any:
    if isinstance(y, np.ndarray):  # NumPy's logarithm of bytes is a half
        y = in_precision(y, x if isinstance(x, np.ndarray) and x.dtype.kind in "fc" else np.float16())
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = log_(y)
        product = np.asarray(x * (logarithm.item() if type(y) in (int, float, complex) else logarithm))  # Python's numbers stay weak
    return np.where(np.equal(x, 0) & ~np.isnan(y), product.dtype.type(0), product)


@primitive(x=lambda g, x, y: along(g, _unless(x, y, y, log)), y=lambda g, x, y: over(along(g, x), conj(y)))
def xlogy(x: Any, y: Any) -> Any:
    """x log y, and 0 where x is 0. Operands broadcast."""
    return _times_log(x, y, np.log)


@primitive(x=lambda g, x, y: along(g, _unless(x, y, y + 1, log1p)), y=lambda g, x, y: over(along(g, x), conj(in_precision(y, x) + 1)))
def xlog1py(x: Any, y: Any) -> Any:
    """x log(1 + y), and 0 where x is 0. Operands broadcast."""
    return _times_log(x, y, np.log1p)


def _unless(x: Any, y: Any, size: Any, log_: Function) -> Tensor:
    """The logarithm of y, and 0 where x is 0 and there is none."""
    none = np.logical_and(np.equal(astensor(x).data, 0), np.less_equal(astensor(size).data, 0))
    return where(none, 0, log_(where(none, 1, in_precision(y, x))))  # type: ignore[no-any-return]


@named
def logit(x: Any) -> Tensor:
    """log(x / (1 - x)), the inverse of `sigmoid`."""
    x = floating(x)
    return subtract(log(x), log1p(negative(x)))
