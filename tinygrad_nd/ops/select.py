"""Selection by indices and by conditions, and its counterpart: values put into a new tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor
from ..values import numeric
from .broadcasting import broadcast_arrays
from .index import At, getitem, integers, take, within
from .naming import named
from .shape import axis_of, ravel, stack

__all__ = ["choose", "compress", "extract", "put_along_axis", "take_along_axis"]


@named
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """Along an axis, the entries of x at `indices`, which broadcast with x along the others; of the flattened x if `axis` is None."""
    x, index = astensor(x), integers(indices, "take_along_axis", IndexError)
    if axis is None:
        x, axis = ravel(x), 0
    return getitem(x, _along(x, index, axis, "take_along_axis"))


@named
def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None) -> Tensor:
    """A new tensor: x with `values` at `indices` along an axis (see `take_along_axis`). x itself stays as it is, unlike NumPy's."""
    x, index = astensor(x), integers(indices, "put_along_axis", IndexError)
    if axis is None:
        return put_along_axis(ravel(x), index, values, 0).reshape(x.shape)
    return At(x)[_along(x, index, axis, "put_along_axis")].set(values)


def _along(x: Tensor, index: np.ndarray, axis: int, where: str) -> tuple[np.ndarray, ...]:
    """An index of x that runs along all axes but one, which follows `index`."""
    axis = axis_of(axis, x.ndim, where)
    if index.ndim != x.ndim:
        raise ValueError(f"{where}: indices {index.shape} must have as many axes as x {x.shape}")
    n = x.shape[axis]
    if index.size and (index.min() < -n or index.max() >= n):
        raise IndexError(f"{where}: indices reach from {index.min()} to {index.max()}, but axis {axis} of x {x.shape} has {n} entries")
    return tuple(index if i == axis else np.arange(m).reshape(-1, *[1] * (x.ndim - i - 1)) for i, m in enumerate(x.shape))


@named
def choose(x: Any, choices: Sequence[Any], mode: str = "raise") -> Tensor:
    """At each place, the entry of the choice that the integer x (False is 0) names there; all broadcast. For `mode` see `take`."""
    number = numeric(x.data if isinstance(x, Tensor) else x, None, "choose")
    number = integers(number.astype(np.intp) if number.dtype == bool else number, "choose")
    shown = broadcast_arrays(*(astensor(c) for c in choices), number)[:-1]
    if not shown:
        raise ValueError("choose: needs at least one choice, but got none")
    dtype = np.result_type(*(np.asarray(c) if np.ndim(c) or isinstance(c, Tensor) else c for c in choices))
    try:
        index = within(np.broadcast_to(number, shown[0].shape), len(shown), mode, "choose: the sequence of choices", 0)
    except IndexError as error:
        raise ValueError(str(error)) from None
    return take_along_axis(stack(shown, dtype=dtype, casting="unsafe"), index[None], 0)[0]


@named
def compress(condition: Any, x: Any, axis: int | None = None) -> Tensor:
    """The entries of x along an axis where the vector `condition` holds; of the flattened x if `axis` is None."""
    held = np.asarray(condition)
    if held.ndim != 1:
        raise ValueError(f"compress: the condition must be a vector, but has shape {held.shape}")
    return take(x, np.flatnonzero(held), axis)


@named
def extract(condition: Any, x: Any) -> Tensor:
    """The entries of the flattened x where the flattened `condition` holds."""
    return take(ravel(x), np.flatnonzero(np.asarray(condition)))
