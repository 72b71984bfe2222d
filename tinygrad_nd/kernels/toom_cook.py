"""The transforms of Toom-Cook (Winograd) convolution, and how much rounding they may bring.

A correlation of k taps that gives m points is m * k products, but the transpose of a product of polynomials of m and k coefficients, and
that is known from its values at t = m + k - 1 points: y = A'[(G w) * (B' x)], one product per point. The price is rounding, which grows
with t.

Source: Winograd, Arithmetic complexity of computations (1980); Lavin & Gray, Fast algorithms for convolutional neural networks (2015).
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .memory import Array
from .words import shown

PRECISION = {"fast": 6, "high": 4}  # the most points of a tile in float32
LIMIT = 4  # in float64, where errors stay near 1e-14
NODES = {  # by number of points, the last of which is infinity; found by search for the least growth of rounding errors
    1: (),
    2: (0.0,),
    3: (0.0, 1.0),
    4: (0.0, 1.0, -1.0),
    5: (0.0, -1.0, 0.5, 1.5),
    6: (0.0, 0.75, -0.75, 1.5, -1.5),
}


def set_conv_precision(name: str) -> None:
    """How far convolutions in float32 may trade digits for speed: "fast" (the default) or "high". For the whole process.

    Largest error over largest value, in 1 to 4 dimensions with up to 256 channels, against float64:
    gemm 8e-7, igemm 2e-6, fft 7e-7; Toom-Cook (winograd) on tiles of 3 or 4 points 8e-7, of 5 or 6 points 5e-6: "high" leaves these out.
    In float64 every algorithm stays below 1e-13, whatever is set.
    """
    global _setting
    if not isinstance(name, str) or name not in PRECISION:
        raise ValueError(f"set_conv_precision: there is no precision {shown(name)}; use one of {', '.join(map(repr, PRECISION))}")
    _setting = name


def conv_precision() -> str:
    """The precision in use: "fast" or "high"."""
    return _setting


_setting = "fast"


def real_bytes(dtype: np.dtype[Any]) -> int:
    """Of the numbers that transforms of this dtype work on; 0 where they cannot."""
    return {"f": 4, "e": 4, "d": 8}.get(dtype.char, 0)


def most_points(dtype: np.dtype[Any]) -> int:
    """Of a tile, under the precision in use."""
    return PRECISION[_setting] if real_bytes(dtype) == 4 else LIMIT


@lru_cache(64)
def toom_cook(m: int, k: int) -> tuple[Array, Array, Array]:
    """A' (m, t), B' (t, t) and G (t, k) with t = m + k - 1, in float64.

    The values at the nodes p_i of the polynomials are V = [p_i^j], at infinity the leading coefficient. Its inverse holds the Lagrange
    polynomials prod_j (x - p_j) / (p_i - p_j): their numerators are the rows of B', their denominators go to G.
    """
    t = m + k - 1
    nodes = NODES[t]
    powers = np.array([[p**j for j in range(t)] for p in nodes]).reshape(t - 1, t)
    top = np.eye(t)
    numerators = [np.atleast_1d(np.poly([q for q in nodes if q != p]))[::-1] for p in nodes]
    whole = np.atleast_1d(np.poly(nodes))[::-1]
    denominators = [prod(p - q for q in nodes if q != p) for p in nodes]
    b = np.zeros((t, t))
    for row, numerator in zip(b, [*numerators, whole]):
        row[: len(numerator)] = numerator
    a = np.vstack([powers[:, :m], top[m - 1 : m, :m]]).T
    g = np.vstack([powers[:, :k] / np.reshape(denominators, (t - 1, 1)), top[k - 1 : k, :k]])
    return a, b, g
