"""Products and quotients in which zero stays zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import LARGE, fused

DOT = 10_000  # elements; up to here OpenBLAS takes dot products on one thread


def scale(g: Any, d: Any) -> Any:
    """g * d, but 0 wherever g is 0, whatever d is."""
    return _in_tiles(np.multiply, g, d) if _large(g) or _large(d) else _mended(g * d, g)


def over(g: Any, d: Any) -> Any:
    """g / d, but 0 wherever g is 0, whatever d is."""
    return _in_tiles(np.divide, g, d) if _large(g) or _large(d) else _mended(g / d, g)


def _large(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.size >= LARGE


def _in_tiles(ufunc: np.ufunc, g: Any, d: Any) -> Any:
    return fused(lambda out, g, d: _mended(ufunc(g, d, out=out), g), g, d, dtype=np.result_type(g, d))


def _mended(out: Any, g: Any) -> Any:
    """`out` with 0 where g is 0. Only a NaN can be wrong, and a sum that is not NaN says that there is none: one pass over warm values."""
    if not out.ndim:
        return out if out == out or g != 0 else out.dtype.type(0)
    # The sum of squares, where it is a dot product, takes half the time of the sum.
    total = np.dot(flat, flat) if out.size <= DOT and (flat := out.ravel("K")).base is not None else np.add.reduce(out, None)
    if total != total:
        np.copyto(out, 0, where=np.equal(g, 0))
    return out
