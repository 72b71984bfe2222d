"""Elementwise functions with a slope: arithmetic, exponentials, roots, trigonometry. One row each, with the rule for each operand."""

from __future__ import annotations

import operator
from math import log as _log
from math import pi
from typing import Any

import numpy as np

from ..kernels import elementwise as kernel
from ..kernels import guarded
from ..kernels.elementwise import apply
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .naming import named
from .parts import imag, real
from .steps import equal, floor_divide, rint, trunc
from .ufunc import Function, along, bare, bare_rules, conj, either, elementwise, in_precision, in_tiles, no_slope, of_kernel, over, scale

__all__ = [
    "abs", "absolute", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "copysign", "cos",
    "cosh", "deg2rad", "degrees", "divide", "divmod", "exp", "exp2", "expm1", "fabs", "float_power", "fmod", "frexp", "hypot", "ldexp",
    "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "modf", "multiply", "negative", "positive", "power", "rad2deg",
    "radians", "reciprocal", "relu", "remainder", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh",
]  # fmt: skip

# Arithmetic.

add = elementwise(np.add, "x + y.", scalar=operator.add, x=lambda g: g, y=lambda g: g)
subtract = elementwise(np.subtract, "x - y.", scalar=operator.sub, x=lambda g: g, y=lambda g: -g)
multiply = elementwise(np.multiply, "x * y.", scalar=operator.mul, one_pass=True, x=lambda g, y: along(g, y), y=lambda g, x: along(g, x))
multiply.op.direct = [lambda g, node, i=i: guarded.product(g, node.saved[i]) for i in (0, 1)]  # type: ignore[attr-defined]
multiply.op.add = lambda total, g, node, i: guarded.add_product(total, g, node.saved[i])  # type: ignore[attr-defined]
divide = elementwise(np.divide, "x / y.", scalar=operator.truediv, x=lambda g, y: over(g, conj(y)), y=lambda g, y, out: along(-g, out / y))
negative = elementwise(np.negative, "-x.", x=lambda g: -g)
positive = elementwise(np.positive, "+x.", x=lambda g: g)
reciprocal = elementwise(np.reciprocal, "1 / x.", x=lambda g, out: along(-g, square(out)))
square: Function = elementwise(np.square, "x * x.", x=lambda g, x: along(g, 2 * x))
remainder = elementwise(np.remainder, "x - floor(x / y) * y.", x=lambda g: g, y=lambda g, y, out, x: scale(-g, rint((x - out) / y)))
fmod = elementwise(np.fmod, "x - trunc(x / y) * y, of the sign of x.", x=lambda g: g, y=lambda g, x, y: scale(-g, trunc(x / y)))


@named
def divmod(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """floor(x / y), whose gradient is 0, and the remainder. Operands broadcast."""
    return floor_divide(x, y), remainder(x, y)


@primitive(
    x=in_tiles(lambda g, x, y: along(g, _power_slope(x, y))),
    y=in_tiles(lambda g, x, out: along(g, _power_log(x, out))),
)
def power(x: Any, y: Any) -> Any:
    """x ** y. Operands broadcast. The derivative of 0 ** y in y is 0, and of x ** 0 in x is 0."""
    if type(y) not in (int, float) or not isinstance(x, np.ndarray) or x.dtype.kind not in "fc" or y not in (0.5, 2, 3, 4):
        return apply(np.power, x, y)
    if y == 0.5:  # as in x ** y of arrays; a power takes as long as ten products
        return apply(np.sqrt, x)
    squared = apply(np.square, x if y == 2 or x.dtype != np.float16 else x.astype(np.float32))
    found = squared if y == 2 else apply(np.multiply, squared, x) if y == 3 else apply(np.square, squared)
    return found.astype(x.dtype, copy=False)


@primitive(
    x=in_tiles(lambda g, x, y: along(g, _power_slope(x, y))),
    y=in_tiles(lambda g, x, out: along(g, _power_log(x, out))),
)
def float_power(x: Any, y: Any) -> Any:
    """x ** y in float64 or complex128, also of integers. Operands broadcast."""
    return apply(np.float_power, x, y)


def _power_slope(x: Any, y: Any) -> Any:
    """y x^(y-1), and 0 where y is 0, also if x is 0 or NaN."""
    y = y if type(y) is int else in_precision(y, x)
    if isinstance(y, (Tensor, np.ndarray)):
        none = np.equal(bare(y), 0)  # the product is 0 there by itself if 1 / x is a number, and its slope in y is that
        if none.any() and (none := none & ~np.isfinite(1 / bare(x))).any():
            return where(none, 0, y * power(where(none, 1, x), y - 1))
        return y * power(x, y - 1)
    if y == 0.5:
        return 0.5 / sqrt(x)
    return x * 2 if y == 2 else y * power(x, y - 1) if y != 0 else no_slope(x)


def _power_log(x: Any, out: Any) -> Any:
    """x^y log x, and 0 where x is 0."""
    x = astensor(x, dtype=out.dtype)
    none = equal(x, 0)
    return where(none, 0, out * log(where(none, 1, x))) if none.data.any() else out * log(x)


# Exponentials, roots, trigonometry.

exp = elementwise(np.exp, "e ** x.", one_pass=True, by=kernel.exp, x=lambda g, out: along(g, out))
exp2 = elementwise(np.exp2, "2 ** x.", x=lambda g, out: scale(g, conj(out) * _log(2)))
expm1 = elementwise(np.expm1, "e ** x - 1, accurate near 0.", x=lambda g, out: along(g, out + 1))
log = elementwise(np.log, "Natural logarithm.", one_pass=True, x=lambda g, x: over(g, conj(x)))
log2 = elementwise(np.log2, "Logarithm to base 2.", x=lambda g, x: over(g, conj(x) * _log(2)))
log10 = elementwise(np.log10, "Logarithm to base 10.", x=lambda g, x: over(g, conj(x) * _log(10)))
log1p = elementwise(np.log1p, "log(1 + x), accurate near 0.", x=lambda g, x: over(g, conj(x + 1)))
sqrt = elementwise(np.sqrt, "Square root.", x=lambda g, out: over(g, conj(out * 2)))
cbrt = elementwise(np.cbrt, "Cube root.", x=lambda g, out: over(g, square(out) * 3))
sin = elementwise(np.sin, "Sine (radians).", x=lambda g, x: along(g, cos(x)))
cos: Function = elementwise(np.cos, "Cosine (radians).", x=lambda g, x: along(-g, sin(x)))
tan = elementwise(np.tan, "Tangent (radians).", x=lambda g, out: along(g, square(out) + 1))
arcsin = elementwise(np.arcsin, "Inverse sine.", x=lambda g, x: over(g, conj(sqrt(1 - square(x)))))
arccos = elementwise(np.arccos, "Inverse cosine.", x=lambda g, x: over(-g, conj(sqrt(1 - square(x)))))
arctan = elementwise(np.arctan, "Inverse tangent.", x=lambda g, x: over(g, conj(square(x) + 1)))
sinh = elementwise(np.sinh, "Hyperbolic sine.", x=lambda g, x: along(g, cosh(x)))
cosh: Function = elementwise(np.cosh, "Hyperbolic cosine.", x=lambda g, x: along(g, sinh(x)))
tanh = elementwise(np.tanh, "Hyperbolic tangent.", one_pass=True, by=kernel.tanh, x=lambda g, out: _through_tanh(g, out))
arcsinh = elementwise(np.arcsinh, "Inverse hyperbolic sine.", x=lambda g, x: over(g, _one_more(x)))
arccosh = elementwise(np.arccosh, "Inverse hyperbolic cosine.", x=lambda g, x: over(g, conj(sqrt(x - 1) * sqrt(x + 1))))
arctanh = elementwise(np.arctanh, "Inverse hyperbolic tangent.", x=lambda g, x: over(g, conj(1 - square(x))))
arctan2 = elementwise(
    np.arctan2,
    "The angle of the point (y, x) = (first, second operand).",
    x=lambda g, x, y: scale(g, _by_square(y, x, y)),
    y=lambda g, x, y: scale(-g, _by_square(x, x, y)),
)
hypot: Function = elementwise(
    np.hypot,
    "sqrt(x² + y²).",
    x=lambda g, x, out: scale(g, _by_distance(x, out)),
    y=lambda g, y, out: scale(g, _by_distance(y, out)),
)
logaddexp = elementwise(
    np.logaddexp,
    "log(e ** x + e ** y), without overflow.",
    x=lambda g, x, y: scale(g, sigmoid(_difference(x, y))),
    y=lambda g, x, y: scale(g, sigmoid(_difference(y, x))),
)
logaddexp2 = elementwise(
    np.logaddexp2,
    "The logarithm of 2 ** x + 2 ** y to base 2, without overflow.",
    x=lambda g, x, y: scale(g, sigmoid(_difference(x, y) * _log(2))),
    y=lambda g, x, y: scale(g, sigmoid(_difference(y, x) * _log(2))),
)
deg2rad, radians = (elementwise(u, "Degrees in radians.", x=lambda g: g * (pi / 180)) for u in (np.deg2rad, np.radians))
rad2deg, degrees = (elementwise(u, "Radians in degrees.", x=lambda g: g * (180 / pi)) for u in (np.rad2deg, np.degrees))


def _by_distance(a: Any, d: Any) -> Any:
    """a / d, and 0 at the origin, where a is 0."""
    none = np.equal(bare(d), 0)
    return a / (where(none, 1, d) if none.any() else d)


def _by_square(a: Any, x: Any, y: Any) -> Any:
    """a / (x² + y²), and 0 at the origin, where a is 0; by the distance, which takes longer, if a square is no normal number."""
    x, y = in_precision(x, y), in_precision(y, x)
    d = square(x) + square(y)
    return a / d if _normal(d) else _by_distance(_by_distance(a, hypot(x, y)), hypot(x, y))


def _one_more(x: Any) -> Any:
    """The root of x² + 1, conjugated."""
    d = square(x) + 1
    return conj(sqrt(d)) if d.dtype.kind == "c" or _normal(d) else hypot(x, 1)


def _normal(d: Any) -> bool:
    """Whether squares neither overflowed nor lost digits to underflow."""
    a = bare(d)
    return bool(np.min(a, initial=1) >= np.finfo(a.dtype).tiny and np.max(a, initial=1) < np.inf)


def _difference(x: Any, y: Any) -> Tensor:
    """x - y, and 0 where the two are the same infinity."""
    d: Tensor = subtract(x, y)
    lost = np.isnan(d.data) & np.equal(bare(x), bare(y))
    return where(lost, 0, d) if lost.any() else d


def _through_tanh(g: Any, out: Any) -> Any:
    if out.dtype.kind == "c":
        return along(g, 1 - square(out))
    return either(_tanh_grad, g, out)


_tanh_grad: Function = of_kernel(  # g (1 - y²), the cotangent behind a hyperbolic tangent y
    "tanh_grad", guarded.tanh_grad, 2, g=lambda h, y: _tanh_grad(h, y), y=lambda h, g, y: scale(h, scale(g, -2 * y))
)
_sigmoid_grad: Function = of_kernel(  # g y (1 - y), the cotangent behind a sigmoid y
    "sigmoid_grad", guarded.sigmoid_grad, 2, g=lambda h, y: _sigmoid_grad(h, y), y=lambda h, g, y: scale(h, scale(g, 1 - 2 * y))
)


@bare_rules
@primitive(x=lambda g, out: along(g, out * (1 - out)) if out.dtype.kind == "c" else either(_sigmoid_grad, g, out))
def sigmoid(x: Any) -> Any:
    """1 / (1 + e ** -x), without overflow."""
    return kernel.sigmoid(x)


@bare_rules
@primitive(x=lambda g, out: keep_positive(g, out.detach()) if isinstance(g, Tensor) else kernel.relu_grad(g, out))
def relu(x: Any) -> Any:
    """max(x, 0). Its derivative at 0 is 0; NaN flows."""
    return kernel.relu(x)


keep_positive: Function = of_kernel("keep_positive", kernel.relu_grad, 2, g=lambda h, of: keep_positive(h, of))  # g where `of` > 0, else 0


# Size, sign and angle.


@primitive(x=in_tiles(lambda g, x: scale(g, _direction(x))))
def absolute(x: Any) -> Any:
    """|x|; real for complex x. Its derivative at 0 is 0."""
    return apply(np.absolute, x)


abs = absolute
fabs = elementwise(np.fabs, "|x| of a real x; its derivative at 0 is 0.", x=lambda g, x: scale(g, _direction(x)))


def _direction(x: Any) -> Any:
    """x / |x|, 0 at 0; a constant unless x is complex."""
    return sign(x) if x.dtype.kind == "c" else np.sign(bare(x))


@primitive(x=lambda g, x, out: _turn(g, x, out))
def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of x, and a gradient of 0; x / |x| of a complex x, whose derivative at 0 is 0."""
    return apply(np.sign, x)


def _turn(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """The cotangent of a direction: its part across it, divided by the distance."""
    if out.dtype.kind != "c":
        return no_slope(g)
    across = g - out * real(conj(g) * out)
    return where(equal(x, 0), 0, over(across, where(equal(x, 0), 1, absolute(x))))  # type: ignore[no-any-return]


copysign = elementwise(
    np.copysign,
    "|x| with the sign of y; the derivative in x at 0 is 0, and so is the gradient of y.",
    x=lambda g, x, y: scale(g, np.copysign(1.0, np.asarray(y), dtype=g.dtype) * np.sign(np.asarray(x), dtype=g.dtype)),
    y=no_slope,
)


@named
def angle(z: Any, deg: bool = False) -> Tensor:
    """The angle of z in the complex plane, in radians or degrees; the derivative at 0 is 0."""
    z = astensor(z)
    found = arctan2(imag(z), real(z)) if z.dtype.kind == "c" else arctan2(0, z)
    return rad2deg(found) if deg else found


# Pairs of which one part is whole.


@primitive(x=lambda g: g)
def _fraction(x: Any) -> Any:
    return np.modf(x)[0]


@named
def modf(x: Any) -> tuple[Tensor, Tensor]:
    """The fraction of x and its whole part, both of the sign of x; the gradient of the whole part is 0."""
    return _fraction(x), trunc(_float(x))


@primitive(x=lambda g, parts: ldexp(g, -parts[1]))
def _mantissa(x: Any, *, parts: tuple[np.ndarray, np.ndarray]) -> Any:
    """The first of the parts of x."""
    return parts[0]


@named
def frexp(x: Any) -> tuple[Tensor, Tensor]:
    """Mantissas in (-1, 1) and whole exponents such that x = mantissa * 2 ** exponent; the exponents carry no gradient."""
    x = astensor(x)
    parts = np.frexp(x.data)
    return _mantissa(x, parts=parts), astensor(parts[1])


ldexp: Function = elementwise(np.ldexp, "x * 2 ** y for whole y.", x=lambda g, y: ldexp(g, y))


def _float(x: Any) -> Tensor:
    """x, or integers in the dtype that NumPy's floating functions choose for them."""
    x = astensor(x)
    return x if x.dtype.kind == "f" else astensor(np.modf(x.data)[1])
