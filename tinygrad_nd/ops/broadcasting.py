"""Tensors brought to a least number of axes, or to a common shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor
from .shape import Axes, _broadcast_to, _reshape, sizes_of

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes"]


def atleast_1d(*xs: Any) -> Any:
    """Each x with at least 1 axis: a tensor for one, a tuple for several."""
    return _each(lambda t: t if t.ndim else _reshape(t, shape=(1,)), xs)


def atleast_2d(*xs: Any) -> Any:
    """Each x with at least 2 axes, new ones in front: a tensor for one, a tuple for several."""
    return _each(lambda t: t if t.ndim > 1 else _reshape(t, shape=(1, t.size)), xs)


def atleast_3d(*xs: Any) -> Any:
    """Each x with at least 3 axes, (n,) as (1, n, 1) and (m, n) as (m, n, 1): a tensor for one, a tuple for several."""
    return _each(lambda t: t if t.ndim > 2 else _reshape(t, shape=(*t.shape, 1) if t.ndim == 2 else (1, t.size, 1)), xs)


def _each(f: Callable[[Tensor], Tensor], xs: Sequence[Any]) -> Any:
    return f(astensor(xs[0])) if len(xs) == 1 else tuple(f(astensor(x)) for x in xs)


def broadcast_shapes(*shapes: Axes) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to."""
    try:
        return np.broadcast_shapes(*(sizes_of(s, "broadcast_shapes") for s in shapes))
    except ValueError:
        raise ValueError(f"broadcast_shapes: {', '.join(map(str, shapes))} do not broadcast") from None


def broadcast_arrays(*xs: Any) -> tuple[Tensor, ...]:
    """The tensors, each repeated to the shape that all broadcast to."""
    tensors = [astensor(x) for x in xs]
    try:
        shape = np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError:
        raise ValueError(f"broadcast_arrays: shapes {', '.join(str(t.shape) for t in tensors)} do not broadcast") from None
    return tuple(t if t.shape == shape else _broadcast_to(t, shape=shape) for t in tensors)


def with_axes(x: Any, least: int, where: str) -> Tensor:
    """x, if it has so many axes at least."""
    t: Tensor = astensor(x)
    if t.ndim < least:
        raise ValueError(f"{where}: needs at least {least} {'axes' if least > 1 else 'axis'}, but x has shape {t.shape}")
    return t
