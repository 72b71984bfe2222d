"""A function of one slice or one axis, applied to all of them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..tensor import Tensor, astensor
from .naming import named
from .shape import Axes, axes_of, axis_of, expand_dims, moveaxis, reshape, stack

__all__ = ["apply_along_axis", "apply_over_axes"]


@named
def apply_along_axis(func1d: Callable[..., Any], axis: int, x: Any, *args: Any, **kwargs: Any) -> Tensor:
    """func1d(slice, *args, **kwargs) of every slice of x along an axis; the axes of its result take the place of that axis."""
    x = astensor(x)
    axis = axis_of(axis, x.ndim, "apply_along_axis")
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    if 0 in rest:
        raise ValueError(f"apply_along_axis: x {x.shape} has no slices along axis {axis}")
    found = stack([astensor(func1d(s, *args, **kwargs)) for s in reshape(moveaxis(x, axis, -1), (prod(rest), x.shape[axis]))])
    whole, new = reshape(found, rest + found.shape[1:]), found.ndim - 1
    return moveaxis(whole, range(len(rest), len(rest) + new), range(axis, axis + new))


@named
def apply_over_axes(func: Callable[..., Any], x: Any, axes: Axes) -> Tensor:
    """func(x, axis) for each of the axes in turn; an axis that it takes away stays with length 1."""
    t: Tensor = astensor(x)
    for axis in axes_of(axes, t.ndim, "apply_over_axes"):
        found = astensor(func(t, axis))
        if found.ndim == t.ndim - 1:
            found = expand_dims(found, axis)
        if found.ndim != t.ndim:
            raise ValueError(f"apply_over_axes: the function made {found.shape} of {t.shape}; it may take away one axis at most")
        t = found
    return t
