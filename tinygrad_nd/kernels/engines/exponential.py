"""exp for float32, in operations that LLVM turns into vector instructions (its own exp is a call per number).

No fast-math but contraction: rounding by a large summand must not be simplified away, and NaN and infinities keep their meaning.
"""

import numpy as np
from numba import njit

_f = np.float32
_LOG2E, _HIGH, _LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.12194440e-4)  # log 2 in two parts, the first of few bits
_MAGIC = _f(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer, which then stands in the lowest bits
_BITS = np.int32(0x4B400000 - 127)  # the bits of _MAGIC, less the offset of an exponent
_LEAST, _MOST = _f(-88.02969), _f(88.722839)  # -127 log 2 and 128 log 2, whose powers of two are written as 0 and infinity
# (exp(r) - 1 - r) / r² for |r| <= log(2) / 2, to 4e-9 of exp
_C0, _C1, _C2, _C3, _C4 = _f(0.49999993), _f(0.16666515), _f(0.041668457), _f(0.008369419), _f(0.0013813145)


@njit(nogil=True, cache=True, fastmath={"contract"})
def exp(x):  # type: ignore[no-untyped-def]
    """e ** x to 1.5 units in the last place; 0 below 2^-126.5, infinity above 2^127.5."""
    z = _LEAST if x < _LEAST else (_MOST if x > _MOST else x)  # NaN passes both
    shifted = z * _LOG2E + _MAGIC
    whole = shifted - _MAGIC
    r = (z - whole * _HIGH) - whole * _LOW
    p = ((((_C4 * r + _C3) * r + _C2) * r + _C1) * r + _C0) * (r * r) + r + _f(1)
    exponent = np.int32(np.float32(shifted).view(np.int32) - _BITS)
    return p * np.int32(exponent << np.int32(23)).view(np.float32)
