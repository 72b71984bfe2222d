"""Special functions: SciPy's where it is installed, and what there is without."""

from __future__ import annotations

from functools import cache
from math import factorial, pi
from typing import Any

import numpy as np

from . import activation
from .activation import _FAR_P, _FAR_Q, _NEAR, _NEAR_P, _NEAR_Q, _polynomial
from .elementwise import STEPS, apply, fused
from .memory import Array

FEW = 1 << 12  # numbers; SciPy is quick enough with fewer

# Cody's third form (see activation): 1/√π - z R(z), z = x⁻², is √π' part of x exp(x²) erfc(x) above 4.
_TAIL_P = (6.58749161529837803e-4, 1.60837851487422766e-2, 1.25781726111229246e-1, 3.60344899949804439e-1, 3.05326634961232344e-1,
           1.63153871373020978e-2)  # fmt: skip
_TAIL_Q = (2.33520497626869185e-3, 6.05183413124413191e-2, 5.27905102951428412e-1, 1.87295284992346047, 2.56852019228982242, 1.0)


@cache
def _scipy() -> Any:
    try:
        import scipy.special
    except ImportError:
        return None
    return scipy.special


def scipy(name: str, *operands: Any) -> Any:
    """SciPy's ufunc of this name. float16 is computed in float32."""
    library = _scipy()
    if library is None:
        raise ImportError(f"{name}: computed by SciPy, which is not installed; pip install 'tinygrad_nd[fast]'")
    _check_real(name, *operands)
    f = getattr(library, name)
    y = apply(f, *operands) if isinstance(f, np.ufunc) else f(*operands)
    if np.result_type(*operands) != np.float16:
        return y
    with np.errstate(over="ignore"):
        return y.astype(np.float16)


def _check_real(name: str, *operands: Any) -> None:
    if np.result_type(*operands).kind == "c":
        raise TypeError(f"{name}: needs real numbers, but got {np.result_type(*operands)}")


# B₂ₖ, the numbers of Bernoulli, for k from 1.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
_SHIFT = 10  # from here on those are enough for double precision


def trigamma(x: Any) -> Any:
    """The derivative of SciPy's digamma, of which its own is thirty times slower; from ψ'(x) = ψ'(x + 1) + 1 / x², x > 0.

    Source: Abramowitz and Stegun, 6.4.6 and 6.4.12.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64 or x.size < FEW or not (x > 0).all():
        return polygamma(1, x)

    def tile(out: Array, x: Array) -> None:
        z, square = x + _SHIFT, np.empty_like(x)
        np.reciprocal(z, out=z)
        np.multiply(z, z, out=square)
        _polynomial(out, (1.0, *_BERNOULLI), square)  # of z = 1 / (x + 10): z + z² / 2 + Σ B₂ₖ z²ᵏ⁺¹
        np.multiply(out, z, out=out)
        np.add(out, np.multiply(square, 0.5, out=square), out=out)
        for k in range(_SHIFT):
            np.add(x, k, out=z)
            np.multiply(z, z, out=z)
            np.add(out, np.reciprocal(z, out=z), out=out)

    with np.errstate(over="ignore"):
        return fused(tile, x, dtype=x.dtype, tile=STEPS)


def polygamma(order: int, x: Any) -> Any:
    """SciPy's."""
    return np.asarray(scipy("polygamma", order, x)).astype(np.result_type(x, np.float16), copy=False)


def erf(x: Any) -> Any:
    """The error function; in double precision SciPy's is several times faster."""
    return scipy("erf", x) if _scipy() is not None and np.result_type(x) == np.float64 else activation.erf(x)


def erfc(x: Any) -> Any:
    """1 - erf(x), accurate where that is small."""
    if _scipy() is not None:
        return scipy("erfc", x)
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError(f"erfc: needs real numbers, but got {x.dtype}")
    dtype = np.result_type(x, np.float16)
    return _erfc(x.astype(np.float64)).astype(dtype)


def _erfc(x: Array) -> Array:
    z = np.minimum(np.abs(x), 30)  # where it is 0 to every precision
    with np.errstate(all="ignore"):
        near = 1 - x * _ratio(_NEAR_P, _NEAR_Q, np.square(np.minimum(z, _NEAR)))
        square = np.square(np.trunc(z * 16) / 16)  # exp(-z²) in two factors: the first exponent is exact
        bell = np.exp(-square) * np.exp(square - z * z)
        far = bell * _ratio(_FAR_P, _FAR_Q, np.clip(z, _NEAR, 4))
        t = np.square(1 / np.maximum(z, 4))
        tail = bell / z * (pi**-0.5 - t * _ratio(_TAIL_P, _TAIL_Q, t))
    beyond = np.where(z > 4, tail, far)
    return np.where(z <= _NEAR, near, np.where(np.isnan(x), x, np.where(x < 0, 2 - beyond, beyond)))


def _ratio(p: Any, q: Any, x: Array) -> Array:
    above, below = np.empty_like(x), np.empty_like(x)
    _polynomial(above, p, x)
    _polynomial(below, q, x)
    return above / below


def bessel_i(x: Any, order: int) -> Any:
    """The modified Bessel function I of whole order."""
    if _scipy() is not None:
        return scipy(*(("i0", x), ("i1", x))[order] if order < 2 else ("iv", float(order), x)).astype(np.result_type(x, np.float16))
    _check_real(f"i{order}", x)
    return np.i0(x) if order == 0 else _bessel_i(np.asarray(x), order)


def _bessel_i(x: Array, order: int) -> Array:
    """The mean of exp(x cos θ) cos(nθ) over the circle, by the trapezoidal rule; its error is I of an order as high as there are points."""
    points = 2 * (int(np.sqrt(20 * np.max(np.abs(x), initial=1, where=np.isfinite(x)))) + order + 16)
    theta = 2 * pi * np.arange(points) / points
    total = np.zeros(x.shape, np.result_type(x, np.float64))
    for t in theta:
        total += np.exp(x * np.cos(t)) * (np.cos(order * t) / points)
    return total.astype(np.result_type(x, np.float16))


def sinc(x: Any, order: int) -> Any:
    """The derivative of this order of sin(u) / u, at u = πx."""
    x = np.asarray(x)
    if order == 0:
        return _sinc(x)
    dtype = np.result_type(x, np.float16)
    return fused(lambda out, x: np.copyto(out, _sinc_slope(x, order), "same_kind"), np.atleast_1d(x), dtype=dtype).reshape(x.shape)


def _sinc_slope(x: Array, n: int) -> Array:
    """S_n from u S_n + n S_(n-1) = sin⁽ⁿ⁾ u, which loses nothing for large u; from the power series for small ones."""
    u = np.multiply(x, pi, dtype=np.result_type(x, np.float64))
    small = np.abs(u) < n
    with np.errstate(all="ignore"):
        sin, cos = np.sin(u), np.cos(u)
        waves, out = (sin, cos, -sin, -cos), sin / u
        for k in range(1, n + 1):
            out = (waves[k % 4] - k * out) / u
    v = u[small]
    first = n + n % 2  # the power of the first term that n derivatives leave
    near, power = np.zeros_like(v), v ** (first - n)
    for k in range(first, first + 4 * n + 14, 2):
        near += power * ((-1) ** (k // 2) / ((k + 1) * factorial(k - n)))
        power *= v * v
    out[small] = near
    return out


def _sinc(x: Array) -> Any:
    """sin(πx) / (πx), 1 at 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        u = x * np.result_type(x, np.float16).type(pi)
        y = apply(np.sin, u) / u
    return np.where(u == 0, y.dtype.type(1), y) if (u == 0).any() else y
