"""Elementwise operations: arithmetic, comparison, exponentials, and the choice between values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import elementwise as kernel
from ..kernels import guarded
from ..kernels.elementwise import apply
from ..tape import primitive
from ..tensor import Tensor, astensor

__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "astype", "cbrt", "ceil",
    "clip", "conj", "cos", "cosh", "divide", "equal", "exp", "exp2", "expm1", "floor", "floor_divide", "greater", "greater_equal",
    "hypot", "imag", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "not_equal", "positive", "power",
    "real", "reciprocal", "relu", "remainder", "rint", "sigmoid", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract",
    "tan", "tanh", "trunc", "where",
]  # fmt: skip


def _elementwise(ufunc: np.ufunc, doc: str, **rules: Callable[..., Any]) -> Callable[..., Tensor]:
    """A primitive around a NumPy ufunc; its arguments are x, or x and y. Its rules take bare arrays, too (see `Op.pull`)."""

    def one(x: Any) -> Any:
        return apply(ufunc, x)

    def two(x: Any, y: Any) -> Any:
        return apply(ufunc, x, y)

    run: Any = one if ufunc.nin == 1 else two
    run.__name__ = run.__qualname__ = ufunc.__name__
    run.__doc__ = f"{doc} Operands broadcast." if ufunc.nin == 2 else doc
    run.__annotations__ = {**dict.fromkeys("x" if ufunc.nin == 1 else "xy", "Any"), "return": "Tensor"}
    f: Any = primitive(None, **rules)(run)
    f.op.bare = True
    return f  # type: ignore[no-any-return]


# Products that leave a zero cotangent zero, whatever they multiply it by. Of bare arrays they are bare arrays.


def scale(g: Any, d: Any) -> Any:
    """g * d, and 0 where g is 0 even if d is infinite or NaN: a branch that was not taken has no gradient.

    Its derivative in g is d itself, unmasked, so forward mode and second derivatives pass through a zero cotangent.
    """
    return _scale(g, d) if isinstance(g, Tensor) or isinstance(d, Tensor) else guarded.scale(g, d)


def over(g: Any, d: Any) -> Any:
    """g / d, and 0 where g is 0 even if d is 0 (see `scale`)."""
    return _over(g, d) if isinstance(g, Tensor) or isinstance(d, Tensor) else guarded.over(g, d)


@primitive(g=lambda h, d: scale(h, conj(d)), d=lambda h, g: scale(conj(g), h))
def _scale(g: Any, d: Any) -> Any:
    return guarded.scale(g, d)


@primitive(g=lambda h, d: over(h, conj(d)), d=lambda h, g, d: -scale(conj(over(over(g, d), d)), h))
def _over(g: Any, d: Any) -> Any:
    return guarded.over(g, d)


_STEP = "; its gradient is 0."


def _no_slope(g: Tensor) -> Tensor:
    """The cotangent through a function that is constant almost everywhere."""
    return astensor(np.zeros(g.shape, g.dtype))


# Arithmetic.

add = _elementwise(np.add, "x + y.", x=lambda g: g, y=lambda g: g)
subtract = _elementwise(np.subtract, "x - y.", x=lambda g: g, y=lambda g: -g)
multiply = _elementwise(np.multiply, "x * y.", x=lambda g, y: scale(g, conj(y)), y=lambda g, x: scale(g, conj(x)))
divide = _elementwise(np.divide, "x / y.", x=lambda g, y: over(g, conj(y)), y=lambda g, y, out: scale(-g, conj(out / y)))
negative = _elementwise(np.negative, "-x.", x=lambda g: -g)
positive = _elementwise(np.positive, "+x.", x=lambda g: g)
reciprocal = _elementwise(np.reciprocal, "1 / x.", x=lambda g, x: over(-g, conj(square(x))))
square: Callable[..., Tensor] = _elementwise(np.square, "x * x.", x=lambda g, x: scale(g, conj(2 * x)))
remainder = _elementwise(np.remainder, "x - floor(x / y) * y.", x=lambda g: g, y=lambda g, x, y: scale(-g, floor_divide(x, y)))
floor_divide: Callable[..., Tensor] = _elementwise(np.floor_divide, f"floor(x / y){_STEP}", x=_no_slope, y=_no_slope)
conjugate = _elementwise(np.conjugate, "The complex conjugate.", x=lambda g: conj(g))


@primitive(
    x=lambda g, x, y: scale(g, conj(_power_slope(x, y))),
    y=lambda g, x, out: scale(g, conj(_power_log(x, out))),
)
def _power(x: Any, y: Any) -> Any:
    return apply(np.square, x) if type(y) in (int, float) and y == 2 and isinstance(x, np.ndarray) else apply(np.power, x, y)


def power(x: Any, y: Any) -> Tensor:
    """x ** y. Operands broadcast. The derivative of 0 ** y in y is 0, and of x ** 0 in x is 0."""
    return _power(x, y)


def _power_slope(x: Any, y: Any) -> Any:
    """y x^(y-1), and 0 where y is 0."""
    if isinstance(y, Tensor):
        return where(y == 0, 0, y * power(where(y == 0, 1, x), y - 1))
    return x * 2 if y == 2 else y * power(x, y - 1) if y != 0 else _no_slope(x)


def _power_log(x: Any, out: Tensor) -> Tensor:
    """x^y log x, and 0 where x is 0."""
    x = astensor(x, dtype=out.dtype)
    return where(x == 0, 0, out * log(where(x == 0, 1, x)))


# Exponentials, roots, trigonometry: one row each.

exp = _elementwise(np.exp, "e ** x.", x=lambda g, out: scale(g, conj(out)))
exp2 = _elementwise(np.exp2, "2 ** x.", x=lambda g, out: scale(g, out * float(np.log(2))))
expm1 = _elementwise(np.expm1, "e ** x - 1, accurate near 0.", x=lambda g, out: scale(g, conj(out + 1)))
log = _elementwise(np.log, "Natural logarithm.", x=lambda g, x: over(g, conj(x)))
log2 = _elementwise(np.log2, "Logarithm to base 2.", x=lambda g, x: over(g, conj(x) * float(np.log(2))))
log10 = _elementwise(np.log10, "Logarithm to base 10.", x=lambda g, x: over(g, conj(x) * float(np.log(10))))
log1p = _elementwise(np.log1p, "log(1 + x), accurate near 0.", x=lambda g, x: over(g, conj(x + 1)))
sqrt = _elementwise(np.sqrt, "Square root.", x=lambda g, out: over(g, conj(out * 2)))
cbrt = _elementwise(np.cbrt, "Cube root.", x=lambda g, out: over(g, square(out) * 3))
sin = _elementwise(np.sin, "Sine (radians).", x=lambda g, x: scale(g, conj(cos(x))))
cos: Callable[..., Tensor] = _elementwise(np.cos, "Cosine (radians).", x=lambda g, x: scale(-g, conj(sin(x))))
tan = _elementwise(np.tan, "Tangent (radians).", x=lambda g, out: scale(g, conj(square(out) + 1)))
arcsin = _elementwise(np.arcsin, "Inverse sine.", x=lambda g, x: over(g, conj(sqrt(1 - square(x)))))
arccos = _elementwise(np.arccos, "Inverse cosine.", x=lambda g, x: over(-g, conj(sqrt(1 - square(x)))))
arctan = _elementwise(np.arctan, "Inverse tangent.", x=lambda g, x: over(g, conj(square(x) + 1)))
sinh = _elementwise(np.sinh, "Hyperbolic sine.", x=lambda g, x: scale(g, conj(cosh(x))))
cosh: Callable[..., Tensor] = _elementwise(np.cosh, "Hyperbolic cosine.", x=lambda g, x: scale(g, conj(sinh(x))))
tanh = _elementwise(np.tanh, "Hyperbolic tangent.", x=lambda g, out: _through_tanh(g, out))
arcsinh = _elementwise(np.arcsinh, "Inverse hyperbolic sine.", x=lambda g, x: over(g, conj(sqrt(square(x) + 1))))
arccosh = _elementwise(np.arccosh, "Inverse hyperbolic cosine.", x=lambda g, x: over(g, conj(sqrt(x - 1) * sqrt(x + 1))))
arctanh = _elementwise(np.arctanh, "Inverse hyperbolic tangent.", x=lambda g, x: over(g, conj(1 - square(x))))
arctan2 = _elementwise(
    np.arctan2,
    "The angle of the point (y, x) = (first, second operand).",
    x=lambda g, x, y: scale(g, over(y, square(x) + square(y))),
    y=lambda g, x, y: scale(-g, over(x, square(x) + square(y))),
)
hypot = _elementwise(np.hypot, "sqrt(x² + y²).", x=lambda g, x, out: scale(g, over(x, out)), y=lambda g, y, out: scale(g, over(y, out)))
logaddexp = _elementwise(
    np.logaddexp,
    "log(e ** x + e ** y), without overflow.",
    x=lambda g, x, y: scale(g, sigmoid(_difference(x, y))),
    y=lambda g, x, y: scale(g, sigmoid(_difference(y, x))),
)


def _difference(x: Any, y: Any) -> Tensor:
    """x - y, and 0 where the two are the same infinity."""
    return where(equal(x, y), 0, subtract(x, y))


def _through_tanh(g: Any, out: Any) -> Any:
    if out.dtype.kind == "c":
        return scale(g, conj(1 - square(out)))
    return _tanh_grad(g, out) if isinstance(g, Tensor) else guarded.tanh_grad(g, out)


@primitive(g=lambda h, y: _tanh_grad(h, y), y=lambda h, g, y: scale(h, -2 * g * y))
def _tanh_grad(g: Any, y: Any) -> Any:
    """g (1 - y²), the cotangent behind a hyperbolic tangent y."""
    return guarded.tanh_grad(g, y)


@primitive(g=lambda h, y: _sigmoid_grad(h, y), y=lambda h, g, y: scale(h, g * (1 - 2 * y)))
def _sigmoid_grad(g: Any, y: Any) -> Any:
    """g y (1 - y), the cotangent behind a sigmoid y."""
    return guarded.sigmoid_grad(g, y)


@primitive(x=lambda g, out: _sigmoid_grad(g, out))
def sigmoid(x: Any) -> Any:
    """1 / (1 + e ** -x), without overflow."""
    return kernel.sigmoid(x)


@primitive(x=lambda g, out: keep_positive(g, out.detach()))
def relu(x: Any) -> Any:
    """max(x, 0). Its derivative at 0 is 0; NaN flows."""
    return kernel.relu(x)


@primitive(g=lambda h, of: keep_positive(h, of))
def keep_positive(g: Any, of: Any) -> Any:
    """g where `of` > 0, else 0."""
    return kernel.relu_grad(g, of)


@primitive(x=lambda g, x: scale(g, _direction(x)))
def _absolute(x: Any) -> Any:
    return apply(np.absolute, x)


def absolute(x: Any) -> Tensor:
    """|x|; real for complex x. Its derivative at 0 is 0."""
    return _absolute(x)


abs = absolute


def _direction(x: Tensor) -> Tensor:
    """x / |x|, 0 at 0; a constant unless x is complex."""
    return over(x, absolute(x)) if x.dtype.kind == "c" else sign(x.detach())


# Steps: zero slope everywhere.

sign = _elementwise(np.sign, f"-1, 0 or 1 by the sign of x{_STEP}", x=_no_slope)
floor = _elementwise(np.floor, f"The largest integer not above x{_STEP}", x=_no_slope)
ceil = _elementwise(np.ceil, f"The smallest integer not below x{_STEP}", x=_no_slope)
trunc = _elementwise(np.trunc, f"x without its fraction{_STEP}", x=_no_slope)
rint = _elementwise(np.rint, f"The nearest integer{_STEP}", x=_no_slope)

# Comparison and logic: boolean results, no gradient.

equal, not_equal, less, less_equal, greater, greater_equal, logical_and, logical_or, logical_xor, logical_not = (
    _elementwise(u, f"NumPy's {u.__name__}: a boolean tensor, which carries no gradient.")
    for u in (
        np.equal,
        np.not_equal,
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
        np.logical_and,
        np.logical_or,
        np.logical_xor,
        np.logical_not,
    )
)
isnan, isinf, isfinite, signbit = (
    _elementwise(u, f"NumPy's {u.__name__}: a boolean tensor, which carries no gradient.")
    for u in (np.isnan, np.isinf, np.isfinite, np.signbit)
)

# Choice between values.


@primitive(x=lambda g, condition: where(condition, g, 0), y=lambda g, condition: where(condition, 0, g))
def _where(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where `condition` holds, else y; the three broadcast. The value not chosen gets a gradient of exactly 0."""
    condition = astensor(condition).detach()
    if condition.dtype.kind != "b":
        condition = not_equal(condition, 0)
    return _where(condition, x, y)


maximum = _elementwise(
    np.maximum,
    "The larger of x and y; NaN wins. Equal values share the gradient evenly.",
    x=lambda g, x, y: g * won(x, y, beats=np.greater),
    y=lambda g, x, y: g * won(y, x, beats=np.greater),
)
minimum = _elementwise(
    np.minimum,
    "The smaller of x and y; NaN wins. Equal values share the gradient evenly.",
    x=lambda g, x, y: g * won(x, y, beats=np.less),
    y=lambda g, x, y: g * won(y, x, beats=np.less),
)


@primitive()
def won(x: Any, y: Any, *, beats: np.ufunc) -> Any:
    """The part of the gradient that goes to x: 1 where it beats y (or is NaN), one half where they are equal, else 0."""
    part = np.asarray(np.logical_or(beats(x, y), np.isnan(x)), np.result_type(x, y, np.float16))
    return np.where(np.equal(x, y), part.dtype.type(0.5), part)


def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Tensor:
    """min(max(x, a_min), a_max); a bound may be None. x at a bound keeps its gradient, and beyond it the bound gets it."""
    x = astensor(x)
    if a_min is None and a_max is None:
        return positive(x)
    low, high = (None if a is None else a if isinstance(a, (Tensor, int, float)) else astensor(a) for a in (a_min, a_max))
    if low is not None:
        x = where(less(x, low), low, x)
    return x if high is None else where(greater(x, high), high, x)


# Parts and kinds of numbers.


@primitive(x=lambda g: g)
def _real(x: Any) -> Any:
    return np.real(x)


@primitive(x=lambda g: g * 1j)
def _imag(x: Any) -> Any:
    return np.imag(x)


def real(x: Any) -> Tensor:
    """The real part."""
    return _real(x)


def imag(x: Any) -> Tensor:
    """The imaginary part; 0 for real x."""
    x = astensor(x)
    return _imag(x) if x.dtype.kind == "c" else astensor(np.zeros(x.shape, x.dtype))


def conj(x: Any) -> Any:
    """The complex conjugate; x itself if it is real."""
    if isinstance(x, Tensor):
        return x if x._data.dtype.kind != "c" else conjugate(x)
    return np.conjugate(x) if getattr(x, "dtype", _FLOAT).kind == "c" or type(x) is complex else x


_FLOAT = np.dtype(float)


@primitive(x=lambda g: g)
def cast(x: Any, *, dtype: Any) -> Any:
    """x in another dtype; the gradient comes back in x's own."""
    return np.asarray(x).astype(dtype)


def astype(x: Any, dtype: Any) -> Tensor:
    """x in another dtype. Integer and boolean results carry no gradient."""
    return cast(astensor(x), dtype=np.dtype(dtype))


def floating(x: Any) -> Tensor:
    """x, converted to float64 if it holds integers or booleans."""
    x = astensor(x)
    return cast(x, dtype=np.dtype(np.float64)) if x.dtype.kind in "biu" else x


@primitive(x=lambda g: g)
def alias(x: Any) -> Any:
    """The same value as a node of its own."""
    return np.asarray(x).view()
