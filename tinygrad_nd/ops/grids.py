"""Evenly spaced values, and grids of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import dtype_of, option, whole
from ..tape import primitive
from ..tensor import Tensor, astensor
from .create import maker
from .elementwise import power
from .naming import named
from .parts import cast
from .rearrange import flip
from .reduce import sum
from .shape import _broadcast_to, _reshape, expand_dims, sum_to
from .ufunc import conj, over, scale

__all__ = ["geomspace", "indices", "linspace", "logspace", "meshgrid", "vander"]


def _shares(g: Tensor, num: int, endpoint: bool, axis: int, of_stop: bool) -> np.ndarray:
    """How much of `stop` (or `start`) is in each of num values, in line with the axis they lie along."""
    t = np.arange(num) / max(num - endpoint, 1)
    return (t if of_stop else 1 - t).astype(g.data.real.dtype).reshape(-1, *[1] * (g.ndim - 1 - axis % g.ndim))


def _summed(g: Tensor, axis: int, shape: tuple[int, ...]) -> Tensor:
    return sum_to(sum(g, axis), shape=shape)


@primitive(
    start=lambda g, start_shape, num, endpoint, axis: _summed(g * _shares(g, num, endpoint, axis, False), axis, start_shape),
    stop=lambda g, stop_shape, num, endpoint, axis: _summed(g * _shares(g, num, endpoint, axis, True), axis, stop_shape),
)
def _linspace(start: Any, stop: Any, *, num: int, endpoint: bool, dtype: Any, axis: int) -> Any:
    return np.linspace(start, stop, num, endpoint, dtype=dtype, axis=axis)


# y = start^(1-t) stop^t, so dy/dstart = (1-t) y / start and dy/dstop = t y / stop.


@primitive(
    start=lambda g, start, out, num, endpoint, axis: _summed(
        scale(g, conj(over(out, expand_dims(start, axis if start.ndim else 0))) * _shares(g, num, endpoint, axis, False)), axis, start.shape
    ),
    stop=lambda g, stop, out, num, endpoint, axis: _summed(
        scale(g, conj(over(out, expand_dims(stop, axis if stop.ndim else 0))) * _shares(g, num, endpoint, axis, True)), axis, stop.shape
    ),
)
def _geomspace(start: Any, stop: Any, *, num: int, endpoint: bool, dtype: Any, axis: int) -> Any:
    return np.geomspace(start, stop, num, endpoint, dtype, axis)


@maker
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0) -> Any:
    """num evenly spaced values from start to stop, along a new axis if these are arrays; with retstep, (values, step)."""
    start, stop = (v if type(v) in (int, float, complex) else astensor(v) for v in (start, stop))
    t = _linspace(start, stop, num=num, endpoint=endpoint, dtype=dtype, axis=axis)
    steps = num - endpoint
    return (t, astensor((stop - start) / steps if steps > 0 else np.nan)) if retstep else t


@maker
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0) -> Tensor:
    """base ** linspace(start, stop): num values from base ** start to base ** stop, each the same multiple of the one before."""
    if np.ndim(base):
        ndim = len(np.broadcast_shapes(np.shape(start), np.shape(stop), np.shape(base)))
        start, stop, base = (_reshape(t, shape=(1,) * (ndim - t.ndim) + t.shape) for t in map(astensor, (start, stop, base)))
        base = expand_dims(base, axis)
    t = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return t if dtype is None else cast(t, dtype=dtype_of("logspace", dtype))


@maker
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Tensor:
    """num values from start to stop, each the same multiple of the one before; neither may be 0."""
    return _geomspace(astensor(start), astensor(stop), num=num, endpoint=endpoint, dtype=dtype, axis=axis)


@named
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Each vector repeated along the axes of all the others: (len(y), len(x), ...) by "xy", (len(x), len(y), ...) by "ij".

    `sparse` leaves the others' axes at length 1. Tensors are values, so it makes no difference whether memory is shared (`copy`).
    """
    option("meshgrid", "indexing", indexing, ("xy", "ij"))
    vectors, n = [astensor(x) for x in xi], len(xi)
    axes = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    lines = [_reshape(t, shape=tuple(t.size if axis == k else 1 for k in range(n))) for t, axis in zip(vectors, axes)]
    if sparse:
        return tuple(lines)
    shape = np.broadcast_shapes(*(t.shape for t in lines))
    return tuple(_broadcast_to(t, shape=shape) for t in lines)


@named
def indices(dimensions: Sequence[int], dtype: Any = int, sparse: bool = False) -> Any:
    """The index of every place of an array along each axis: (rank, *dimensions), or a tuple of vectors in line if `sparse`."""
    found = np.indices(dimensions, dtype, sparse)  # type: ignore[call-overload]
    return tuple(astensor(i) for i in found) if sparse else astensor(found)


@named
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """(len(x), N): the powers of the entries of a vector, from the highest down unless `increasing`; N defaults to its length."""
    x = astensor(x)
    if x.ndim != 1:
        raise ValueError(f"vander: needs a vector, but x has shape {x.shape}")
    count, kind = x.size if N is None else whole("vander", "N", N, 0), np.promote_types(x.dtype, int)
    powers = _powers(x if x.dtype == kind else cast(x, dtype=kind), count=count)
    return powers if increasing else flip(powers, 1)


@primitive(x=lambda g, x, count: sum(g[:, 1:] * (conj(_powers(x, count=max(count - 1, 0))) * np.arange(1.0, max(count, 1))), 1))
def _powers(x: Any, *, count: int) -> Any:
    """1, x, x² and so on in columns; the slope of one is the one before, as often as it counts."""
    return np.vander(x, count, increasing=True)
