"""Functions without a slope: comparisons, logic, rounding and bits. Their results are constants, or have gradients of 0."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from ..arguments import number, whole
from ..kernels.elementwise import apply
from ..tape import primitive
from ..tensor import Tensor, astensor
from ..values import numeric
from .naming import named, titled
from .plain import constant
from .ufunc import Function, elementwise, no_slope

__all__ = [
    "allclose", "array_equal", "array_equiv", "bitwise_and", "bitwise_count", "bitwise_or", "bitwise_xor", "ceil", "equal", "fix",
    "floor", "floor_divide", "gcd", "greater", "greater_equal", "invert", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "lcm", "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "nextafter",
    "not_equal", "right_shift", "rint", "round", "signbit", "spacing", "trunc",
]  # fmt: skip

_DECIMALS = 308  # of which ten has that power

# Results that carry no gradient.


def _constant(ufunc: np.ufunc) -> Function:
    return elementwise(ufunc, f"NumPy's {ufunc.__name__}; carries no gradient.")


equal, not_equal, less, less_equal, greater, greater_equal = map(
    _constant, (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
)
logical_and, logical_or, logical_xor, logical_not = map(_constant, (np.logical_and, np.logical_or, np.logical_xor, np.logical_not))
isnan, isinf, isfinite, signbit, spacing, nextafter = map(
    _constant, (np.isnan, np.isinf, np.isfinite, np.signbit, np.spacing, np.nextafter)
)


@named
def isposinf(x: Any) -> Tensor:
    """Where x is +infinity; carries no gradient."""
    return astensor(np.isposinf(astensor(x).data))


@named
def isneginf(x: Any) -> Tensor:
    """Where x is -infinity; carries no gradient."""
    return astensor(np.isneginf(astensor(x).data))


isclose = constant(np.isclose, "Where |a - b| <= atol + rtol |b|.", arrays=2)
allclose = constant(np.allclose, "Whether `isclose` holds everywhere.", arrays=2)
array_equal = constant(np.array_equal, "Whether two arrays have the same shape and entries.", arrays=2)
array_equiv = constant(np.array_equiv, "Whether two arrays have the same entries when broadcast.", arrays=2)

# Results with a gradient of 0.

_STEP = "; its gradient is 0."
floor = elementwise(np.floor, f"The largest integer not above x{_STEP}", x=no_slope)
ceil = elementwise(np.ceil, f"The smallest integer not below x{_STEP}", x=no_slope)
trunc = elementwise(np.trunc, f"x without its fraction{_STEP}", x=no_slope)
rint = elementwise(np.rint, f"The nearest integer, the even one of two{_STEP}", x=no_slope)
floor_divide = elementwise(np.floor_divide, f"floor(x / y){_STEP}", x=no_slope, y=no_slope)


@primitive(x=no_slope)
def _round(x: Any, *, decimals: int) -> Any:
    return apply(np.rint, x) if decimals == 0 and isinstance(x, np.ndarray) and x.dtype.kind in "fc" else np.round(x, decimals)


@named
def round(x: Any, decimals: int = 0) -> Tensor:
    """x rounded to so many decimals, ties to even; its gradient is 0."""
    number("round", "decimals", whole("round", "decimals", decimals, -inf), least=-_DECIMALS, most=_DECIMALS)
    return _round(x, decimals=decimals)


@named
def fix(x: Any) -> Tensor:
    """x rounded towards zero; its gradient is 0."""
    return trunc(x)


# On the bits of integers and booleans; no gradient.


def _on_bits(ufunc: np.ufunc, doc: str) -> Callable[..., Tensor]:
    def one(x: Any) -> Tensor:
        return astensor(ufunc(operand(x)))

    def two(x: Any, y: Any) -> Tensor:
        return astensor(ufunc(operand(x), operand(y)))

    def operand(x: Any) -> Any:
        if type(x) in (int, bool):
            return x  # weak in promotion
        array = x._data if isinstance(x, Tensor) else numeric(x, None, ufunc.__name__)
        if array.dtype.kind not in "biu":
            raise TypeError(f"{ufunc.__name__}: needs integers or booleans, but got {array.dtype}")
        return array

    run: Any = one if ufunc.nin == 1 else two
    return named(titled(run, ufunc.__name__, f"{doc} of integers or booleans. No gradient."))


bitwise_and = _on_bits(np.bitwise_and, "x & y")
bitwise_or = _on_bits(np.bitwise_or, "x | y")
bitwise_xor = _on_bits(np.bitwise_xor, "x ^ y")
invert = _on_bits(np.invert, "~x")
left_shift = _on_bits(np.left_shift, "x << y")
right_shift = _on_bits(np.right_shift, "x >> y")
bitwise_count = _on_bits(np.bitwise_count, "The number of bits set in |x|,")
gcd = _on_bits(np.gcd, "The greatest common divisor")
lcm = _on_bits(np.lcm, "The least common multiple")
