"""Special functions: SciPy's where it is installed, and what there is without."""

from __future__ import annotations

from functools import cache
from math import factorial, pi
from typing import Any

import numpy as np

from .activation import _FAR_P, _FAR_Q, _NEAR, _NEAR_P, _NEAR_Q, _polynomial
from .elementwise import apply, fused
from .memory import Array

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
    if np.result_type(*operands).kind == "c":
        raise TypeError(f"{name}: needs real numbers, but got {np.result_type(*operands)}")
    y = getattr(library, name)(*operands)
    if np.result_type(*operands) != np.float16:
        return y
    with np.errstate(over="ignore"):
        return y.astype(np.float16)


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
    if order == 0:
        return np.i0(x)
    if _scipy() is not None:
        return scipy({1: "i1"}.get(order, "iv"), *([x] if order == 1 else [float(order), x])).astype(np.result_type(x, np.float16))
    return _bessel_i(np.asarray(x), order)


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
    u = (x * pi).astype(np.result_type(x, np.float64))
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
    return out  # type: ignore[no-any-return]


def _sinc(x: Array) -> Any:
    """sin(πx) / (πx), 1 at 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        u = x * np.result_type(x, np.float16).type(pi)
        y = apply(np.sin, u) / u
    return np.where(u == 0, y.dtype.type(1), y) if (u == 0).any() else y
