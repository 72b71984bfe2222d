"""Choices between the numbers of tiles, into `out`: bit patterns are masked, where NumPy branches at every entry.

A condition is an array of booleans, multiplied as integers: a bit pattern times 0 is 0 even if it means infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import memory
from .memory import Array

INTEGERS = {size: np.dtype(f"i{size}") for size in (2, 4, 8)}


def keep(out: Array, condition: Array, x: Array) -> None:
    """x where the condition holds, else 0."""
    bits = INTEGERS.get(x.dtype.itemsize)
    if bits is None:
        np.copyto(out, np.where(condition, x, x.dtype.type(0)))
        return
    np.multiply(x.view(bits), condition.view(np.int8), out=out.view(bits))


def replace(out: Array, condition: Array, x: Any) -> None:
    """x, an array or a number, where the condition holds; else `out` stays as it is."""
    bits = INTEGERS.get(out.dtype.itemsize)
    if bits is None:
        np.copyto(out, x, where=condition)
        return
    other = np.asarray(x, out.dtype).view(bits)
    differ = np.bitwise_xor(out.view(bits), other, out=memory.scratch("differ", out.shape, bits))
    np.multiply(differ, condition.view(np.int8), out=differ)
    np.bitwise_xor(out.view(bits), differ, out=out.view(bits))


def choose(out: Array, condition: Array, x: Any, other: float) -> None:
    """x, an array or a number, where the condition holds, else another number."""
    x, y = np.asarray(x, out.dtype), np.asarray(other, out.dtype)
    bits = INTEGERS.get(out.dtype.itemsize)
    if bits is None:
        np.copyto(out, np.where(condition, x, y))
        return
    found = out.view(bits)
    differ = np.bitwise_xor(x.view(bits), y.view(bits), out=found if x.ndim else None)
    np.multiply(differ, condition.view(np.int8), out=found)
    np.bitwise_xor(found, y.view(bits), out=found)


def with_sign(out: Array, x: Array) -> None:
    """`out`, which has no sign, with that of x."""
    bits = INTEGERS.get(x.dtype.itemsize)
    if bits is None:
        np.copysign(out, x, out=out)
        return
    sign = np.bitwise_and(x.view(bits), np.iinfo(bits).min, out=memory.scratch("differ", x.shape, bits))
    np.bitwise_or(out.view(bits), sign, out=out.view(bits))
