"""exp and its like for float32, in operations that LLVM turns into vector instructions (its own exp is a call per number).

No fast-math but contraction: rounding by a large summand must not be simplified away, and NaN and infinities keep their meaning.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

_f = np.float32
_LOG2E, _HIGH, _LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.12194440e-4)  # log 2 in two parts, the first of few bits
_MAGIC = _f(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, which then stands in the lowest bits
_BITS = np.int32(0x4B400000 - 127)  # the bits of _MAGIC, less the offset of an exponent
_LEAST, _MOST = _f(-88.02969), _f(88.722839)  # -127 log 2 and 128 log 2, whose powers of two are written as 0 and infinity
# (exp(r) - 1 - r) / r² for |r| <= log(2) / 2, to 4e-9 of exp
_C0, _C1, _C2, _C3, _C4 = _f(0.49999993), _f(0.16666515), _f(0.041668457), _f(0.008369419), _f(0.0013813145)
_ODD = tuple(_f(1 / k) for k in range(3, 18, 2))  # the series of the inverse hyperbolic tangent
_L3, _L5, _L7, _L9, _L11, _L13, _L15, _L17 = _ODD
_ZERO, _ONE, _TWO, _INFINITY = _f(0), _f(1), _f(2), _f(np.inf)
_ROOT = np.int32(0x3F3504F3)  # the bits of 1/√2
_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


@_jit
def _parts(x):
    """exp(r) - 1 and a power of two, whose product with exp(r) is exp(x)."""
    z = _LEAST if x < _LEAST else (_MOST if x > _MOST else x)  # NaN passes both
    shifted = z * _LOG2E + _MAGIC
    whole = shifted - _MAGIC
    r = (z - whole * _HIGH) - whole * _LOW
    p = ((((_C4 * r + _C3) * r + _C2) * r + _C1) * r + _C0) * (r * r) + r
    exponent = np.int32(np.float32(shifted).view(np.int32) - _BITS)
    return p, np.int32(exponent << np.int32(23)).view(np.float32)


@_jit
def exp(x):
    """e ** x to 1.5 units in the last place; 0 below 2^-126.5, infinity above 2^127.5."""
    p, power = _parts(x)
    return (p + _ONE) * power


@_jit
def expm1(x):
    """e ** x - 1 of an x up to 0, accurate near it."""
    p, power = _parts(x)
    return p * power + (power - _ONE)


@_jit
def log1p(x):
    """log(1 + x) for 0 <= x <= 1: twice the inverse hyperbolic tangent of x / (2 + x), which is at most 1/3."""
    s = x / (_TWO + x)
    q = s * s
    series = (((((((_L17 * q + _L15) * q + _L13) * q + _L11) * q + _L9) * q + _L7) * q + _L5) * q + _L3) * q
    return _TWO * (s + s * series)


@_jit
def log(x):
    """log(x) for x from 2^-126 on: x is m 2^e, 1/√2 <= m < √2, and log(m) twice the inverse hyperbolic tangent of (m - 1) / (m + 1)."""
    bits = np.int32(np.float32(x).view(np.int32))
    e = np.int32(np.int32(bits - _ROOT) >> np.int32(23))
    m = np.int32(bits - np.int32(e << np.int32(23))).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    series = (((_L9 * q + _L7) * q + _L5) * q + _L3) * q
    power = np.float32(e)
    return x if not x < _INFINITY else power * _HIGH + (_TWO * (s + s * series) + power * _LOW)


@_jit
def softplus(x):
    """log(1 + exp(x))."""
    return (x if x > _ZERO else _ZERO) + log1p(exp(-np.abs(x)))


@_jit
def logistic(x):
    return _ONE / (_ONE + exp(-x))
