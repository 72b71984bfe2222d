"""Operations on the bits of integers and booleans. They carry no gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor
from ..values import numeric
from .naming import named, titled

__all__ = ["bitwise_and", "bitwise_count", "bitwise_or", "bitwise_xor", "gcd", "invert", "lcm", "left_shift", "right_shift"]


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
