"""Products and quotients in which zero stays zero, and slopes by which a cotangent is multiplied so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import memory
from .elementwise import COMPILED, LARGE, PASSES, apply, fused, looped
from .engines import ALONE, Builtins

_scale, _over, _tanh_grad, _sigmoid_grad = (looped(f"loops.{name}", 2) for name in ("scale", "over", "tanh_grad", "sigmoid_grad"))
_product, _add_product = (Builtins(f"loops.{name}", 3) for name in ("scale", "add_product"))
DOT = 10_000  # elements; up to here a dot product is the quicker


def scale(g: Any, d: Any) -> Any:
    """g * d, but 0 wherever g is 0, whatever d is."""
    if type(g) is not np.ndarray:
        out = g * d
        return out if out.ndim == 0 and (out == out or g != 0) else _mended(out, g)
    if g.size < COMPILED:
        return _mended(g * d, g)
    if not any(g.strides) and type(d) is np.ndarray and d.shape == g.shape and d.dtype == g.dtype and (one := g.item(0)):
        return apply(np.multiply, d, one)  # a sum's or a mean's
    if (fast := _scale(g, d)) is not None:
        return fast
    return _in_tiles(np.multiply, g, d) if _large(g) or _large(d) else _mended(g * d, g)


def along(g: Any, d: Any) -> Any:
    """scale(g, conj(d))."""
    return scale(g, np.conjugate(d) if g.dtype.kind == "c" else d)


def product(g: Any, d: Any) -> Any:
    """along(g, d), by a shorter way where arrays are few and lie alike."""
    if type(g) is np.ndarray and COMPILED <= g.size <= ALONE and (f := _product[g.dtype]) is not None:
        out = np.empty_like(g)
        if f(out, g, d) is out:
            return out
    return along(g, d)


def add_product(total: np.ndarray, g: Any, d: Any) -> bool:
    """total += scale(g, d), if there is a compiled loop for it, and arrays are few and lie alike."""
    if not COMPILED <= total.size <= ALONE:
        return False
    add = _add_product[total.dtype]
    return add is not None and add(total, g, d) is total


def over(g: Any, d: Any) -> Any:
    """g / d, but 0 wherever g is 0, whatever d is."""
    if type(g) is not np.ndarray or g.size < COMPILED:
        return _mended(g / d, g)
    if (fast := _over(g, d)) is not None:
        return fast
    return _in_tiles(np.divide, g, d) if _large(g) or _large(d) else _mended(g / d, g)


def tanh_grad(g: Any, y: Any) -> Any:
    """g (1 - y²), for y = tanh x."""
    if (fast := _tanh_grad(g, y)) is not None:
        return fast
    return _slope(_tanh_slope, g, y)


def sigmoid_grad(g: Any, y: Any) -> Any:
    """g y (1 - y), for y = sigmoid x."""
    if (fast := _sigmoid_grad(g, y)) is not None:
        return fast
    return _slope(_sigmoid_slope, g, y)


def _tanh_slope(y: Any, out: Any = None) -> Any:
    return np.subtract(1, np.multiply(y, y, out=out), out=out)


def _sigmoid_slope(y: Any, out: Any = None) -> Any:
    return np.multiply(np.subtract(1, y, out=out), y, out=out)


def _slope(slope: Callable[..., Any], g: Any, y: Any) -> Any:
    if not _large(y):
        return _mended(g * slope(y), g)

    def tile(out: Any, g: Any, y: Any) -> None:
        _mended(np.multiply(g, slope(y, memory.scratch("slope", y.shape, y.dtype)), out=out), g)

    return fused(tile, g, y, dtype=np.result_type(g, y), tile=PASSES)


def _large(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.size >= LARGE


def _in_tiles(ufunc: np.ufunc, g: Any, d: Any) -> Any:
    return fused(lambda out, g, d: _mended(ufunc(g, d, out=out), g), g, d, dtype=np.result_type(g, d), tile=PASSES)


def _mended(out: Any, g: Any) -> Any:
    """`out` with 0 where g is 0. Only a NaN can be wrong, and both a dot product and a maximum tell whether there is one."""
    if not out.ndim:
        return out if out == out or g != 0 else out.dtype.type(0)
    flat = out.ravel("K")
    found = flat.dot(flat) if flat.size <= DOT else np.maximum.reduce(flat)
    if found != found:
        np.copyto(out, 0, where=np.equal(g, 0))
    return out
