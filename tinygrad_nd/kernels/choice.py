"""Choice between values at memory speed: bit patterns are masked, where NumPy branches at every entry."""

from __future__ import annotations

from math import copysign
from typing import Any

import numpy as np
from numpy import ndarray

from . import memory
from .elementwise import PASSES, fused
from .memory import Array

LEAST = 1 << 12  # entries; below, the branches cost less
_INTEGERS = {size: np.dtype(f"i{size}") for size in (2, 4, 8)}


def where(condition: Any, x: Any, y: Any) -> Any:
    """np.where(condition, x, y)."""
    if isinstance(condition, ndarray) and condition.size >= LEAST:
        chosen, other = isinstance(x, ndarray), isinstance(y, ndarray)
        if chosen and _is_zero(y) and _fits(condition, x):
            return keep(condition, x)
        if other and _is_zero(x) and _fits(condition, y):
            return keep(np.logical_not(condition), y)
        if chosen and other and _fits(condition, x) and _fits(condition, y) and x.dtype == y.dtype:
            return _blend(condition, x, y)
    return np.where(condition, x, y)


def _is_zero(a: Any) -> bool:
    """Whether a is a number that is 0 to the last bit, and weak in promotion."""
    return type(a) in (int, float) and a == 0 and copysign(1, a) > 0


def _fits(condition: Array, a: Array) -> bool:
    return a.shape == condition.shape and a.dtype.kind in "fc" and a.dtype.itemsize in _INTEGERS


def keep(condition: Array, x: Array) -> Array:
    """x where the condition holds, else 0: multiplied as integers, a bit pattern times 0 is 0 even if it means infinity."""
    bits = _INTEGERS[x.dtype.itemsize]

    def tile(out: Array, condition: Array, x: Array) -> None:
        np.copyto(out.view(bits), condition.view(np.int8))
        np.multiply(out.view(bits), x.view(bits), out=out.view(bits))

    return fused(tile, condition, x, dtype=x.dtype, tile=PASSES)


def _blend(condition: Array, x: Array, y: Array) -> Array:
    """y, with the bits in which x differs flipped where the condition holds."""
    bits = _INTEGERS[x.dtype.itemsize]

    def tile(out: Array, condition: Array, x: Array, y: Array) -> None:
        differ = np.bitwise_xor(x.view(bits), y.view(bits), out=memory.scratch("differ", out.shape, bits))
        np.copyto(out.view(bits), condition.view(np.int8))
        np.multiply(out.view(bits), differ, out=differ)
        np.bitwise_xor(differ, y.view(bits), out=out.view(bits))

    return fused(tile, condition, x, y, dtype=x.dtype, tile=PASSES)


def won(x: Any, y: Any, beats: np.ufunc, skips: bool) -> Any:
    """1 where x beats y, one half where they are equal, else 0. NaN beats y, or loses if it is skipped."""
    dtype = np.result_type(x, y, np.float16)

    def tile(out: Array, x: Any, y: Any) -> None:
        first, equal = (memory.scratch(name, out.shape, np.bool_) for name in ("first", "equal"))
        beats(x, y, out=first)
        np.logical_or(first, np.isnan(y if skips else x, out=equal if np.ndim(y if skips else x) == out.ndim else None), out=first)
        np.copyto(out, first)
        if np.equal(x, y, out=equal).any():
            np.copyto(out, 0.5, where=equal)

    if not any(isinstance(a, ndarray) and a.ndim for a in (x, y)):
        return dtype.type(0.5 if x == y else beats(x, y) or np.isnan(y if skips else x))
    return fused(tile, x, y, dtype=dtype, tile=PASSES)


def reached(x: Array, best: Array, axes: tuple[int, ...]) -> tuple[Array, Any]:
    """Where x is the best (NaN, if that is NaN), and the share of each if such entries are several along axes; None if it is one each time.

    `best` keeps the reduced axes.
    """
    hit = np.equal(x, best)
    if np.isnan(best).any():
        hit |= np.isnan(x) & np.isnan(best)
    if np.count_nonzero(hit) == best.size:
        return hit, None
    return hit, np.reciprocal(np.count_nonzero(hit, axes), dtype=float).astype(x.real.dtype) if axes else None
