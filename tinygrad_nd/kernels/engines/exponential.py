"""exp and its like for float32, in operations that LLVM turns into vector instructions (its own exp is a call per number)."""

# mypy: ignore-errors
import numpy as np

from .formulas import polynomial
from .plain import exact

_LOG2E, _HIGH, _LOW = 1.4426950408889634, 0.693359375, -2.12194440e-4  # log 2 in two parts, the first of few bits
_MAGIC = 12582912.0  # 1.5 * 2^23: adding it rounds to an integer, which then stands in the lowest bits
_BITS = 0x4B400000 - 127  # the bits of _MAGIC, less the offset of an exponent
_LEAST, _MOST = -88.02969, 88.722839  # -127 log 2 and 128 log 2, whose powers of two are written as 0 and infinity
_EXP = 0.49999993, 0.16666515, 0.041668457, 0.008369419, 0.0013813145  # (exp(r) - 1 - r) / r² for |r| <= log(2) / 2, to 4e-9 of exp
_ODD = tuple(1 / k for k in range(3, 18, 2))  # the series of the inverse hyperbolic tangent
_ROOT = 0x3F3504F3  # the bits of 1/√2


@exact
def _parts(x):
    """exp(r) - 1 and a power of two, whose product with exp(r) is exp(x)."""
    z = _LEAST if x < _LEAST else (_MOST if x > _MOST else x)  # NaN passes both
    shifted = z * _LOG2E + _MAGIC
    whole = shifted - _MAGIC
    r = (z - whole * _HIGH) - whole * _LOW
    p = polynomial(r, _EXP) * (r * r) + r
    return p, (shifted.view(np.int32) - _BITS << 23).view(np.float32)


@exact
def exp(x):
    """e ** x to 1.5 units in the last place; 0 below 2^-126.5, infinity above 2^127.5."""
    p, power = _parts(x)
    return (p + 1) * power


@exact
def expm1(x):
    """e ** x - 1 of an x up to 0, accurate near it."""
    p, power = _parts(x)
    return p * power + (power - 1)


@exact
def log1p(x):
    """log(1 + x) for 0 <= x <= 1: twice the inverse hyperbolic tangent of x / (2 + x), which is at most 1/3."""
    s = x / (2 + x)
    q = s * s
    return 2 * (s + s * (polynomial(q, _ODD) * q))


@exact
def log(x):
    """log(x) for x from 2^-126 on: x is m 2^e, 1/√2 <= m < √2, and log(m) twice the inverse hyperbolic tangent of (m - 1) / (m + 1)."""
    bits = x.view(np.int32)
    e = bits - _ROOT >> 23
    m = (bits - (e << 23)).view(np.float32)
    s = (m - 1) / (m + 1)
    q = s * s
    power = np.float32(e)
    return x if not x < np.inf else power * _HIGH + (2 * (s + s * (polynomial(q, _ODD[:4]) * q)) + power * _LOW)


@exact
def softplus(x):
    """log(1 + exp(x))."""
    return (x if x > 0 else 0) + log1p(exp(-np.abs(x)))


@exact
def tanh(x):
    """To 2.5 units in the last place."""
    u = expm1(-2 * np.abs(x))
    return np.copysign(u / (2 + u), x)


@exact
def logistic(x):
    return 1 / (1 + exp(-x))
