"""Reversing, rolling, repeating, inserting and leaving out: where each value comes from, along axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ..arguments import whole
from ..kernels.sums import reduce_sum
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .broadcasting import with_axes
from .index import getitem
from .naming import named
from .parts import cast, storable
from .shape import (
    Axes,
    _crop,
    _reshape,
    along_or_flat,
    axes_of,
    axis_of,
    broadcast_to,
    concatenate,
    moveaxis,
    ravel,
    sizes_of,
    swapaxes,
    take_along,
)
from .ufunc import bare

__all__ = ["delete", "flip", "fliplr", "flipud", "insert", "repeat", "resize", "roll", "rot90", "tile", "trim_zeros"]


@primitive(x=lambda g, axes: _flip(g, axes=axes))
def _flip(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.flip(x, axes)


@primitive(x=lambda g, shift, axes: _roll(g, shift=tuple(-s for s in shift), axes=axes))
def _roll(x: Any, *, shift: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    return np.roll(x, shift, axes)


@primitive(x=lambda g, x_shape, count, axis: _unrepeat(g, count=count, axis=axis, size=x_shape[axis]))
def _repeat(x: Any, *, count: int, axis: int) -> Any:
    return np.repeat(x, count, axis)


@primitive(g=lambda h, count, axis: _repeat(h, count=count, axis=axis))
def _unrepeat(g: Any, *, count: int, axis: int, size: int) -> Any:
    """The transpose of repeating: each run of `count` entries summed."""
    return reduce_sum(g.reshape(*g.shape[:axis], size, count, *g.shape[axis + 1 :]), (axis + 1,), keepdims=False)


@named
def flip(x: Any, axis: Axes | None = None) -> Tensor:
    """x reversed along the given axes, or all of them."""
    x = astensor(x)
    return _flip(x, axes=axes_of(axis, x.ndim, "flip"))


def flipud(x: Any) -> Tensor:
    """x (of 1 axis or more) reversed along its first axis."""
    return flip(with_axes(x, 1, "flipud"), 0)


def fliplr(x: Any) -> Tensor:
    """x (of 2 axes or more) reversed along its second axis."""
    return flip(with_axes(x, 2, "fliplr"), 1)


@named
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """x turned by 90 degrees k times, in the plane of two axes and from the first towards the second."""
    x = astensor(x)
    if len(axes) != 2:
        raise ValueError(f"rot90: axes must name the 2 axes of a plane, but got {shown(axes)}")
    plane = first, second = axes_of(axes, x.ndim, "rot90")
    k = whole("rot90", "k", k, least=-inf) % 4
    if k % 2 == 0:
        return flip(x, plane) if k else x
    return swapaxes(flip(x, second), *plane) if k == 1 else flip(swapaxes(x, *plane), second)


@named
def roll(x: Any, shift: Axes, axis: Axes | None = None) -> Tensor:
    """x shifted along axes by `shift` places; what leaves at one end comes back at the other. x is flattened first if `axis` is None."""
    x = astensor(x)
    if axis is None:
        return _reshape(roll(ravel(x), shift, 0), shape=x.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    if shifts.ndim > 1 or shifts.dtype.kind not in "iu":
        raise ValueError(f"roll: shift={shown(shift)} and axis={shown(axis)} must be ints, or sequences of as many")
    each = tuple(axis_of(a, x.ndim, "roll") for a in axes.tolist())
    return _roll(x, shift=tuple(shifts.tolist()), axes=each)


@named
def tile(x: Any, reps: Axes) -> Tensor:
    """x laid out `reps` times along each axis; the shorter of x.shape and reps gets ones in front."""
    x, counts = astensor(x), sizes_of(reps, "tile")
    rank = max(x.ndim, len(counts))
    sizes, counts = (1,) * (rank - x.ndim) + x.shape, (1,) * (rank - len(counts)) + counts
    if min(counts, default=0) < 0:
        raise ValueError(f"tile: reps={reps} must not be negative")
    apart = [(1, n) if c != 1 else (n,) for c, n in zip(counts, sizes)]
    wide = [(c, n) if c != 1 else (n,) for c, n in zip(counts, sizes)]
    laid = broadcast_to(_reshape(x, shape=sum(apart, ())), sum(wide, ()))
    return _reshape(laid, shape=tuple(c * n for c, n in zip(counts, sizes)))


@named
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each entry of x along an axis `repeats` times in turn: one number, or one per entry. x is flattened first if `axis` is None."""
    (x, axis), counts = along_or_flat(x, axis, "repeat"), np.asarray(repeats)
    n = x.shape[axis]
    if counts.dtype.kind not in "iub":
        raise TypeError(f"repeat: repeats must be integers, but got dtype {counts.dtype}")
    if counts.ndim > 1 or (counts.size not in (1, n)) or (counts < 0).any():
        raise ValueError(
            f"repeat: repeats={shown(repeats)} must be one count, or one for each of the {n} entries of axis {axis}, and not negative"
        )
    if counts.size != 1:
        return take_along(x, index=np.repeat(np.arange(n), counts), axis=axis)
    return _repeat(x, count=int(counts.item()), axis=axis)


@named
def resize(x: Any, new_shape: Axes) -> Tensor:
    """The values of x, over and over, in a shape of any size; zeros if x has none."""
    x, shape = astensor(x), sizes_of(new_shape, "resize")
    if min(shape, default=0) < 0:
        raise ValueError(f"resize: new_shape={new_shape} must not be negative")
    if not x.size:
        return astensor(np.zeros(shape, x.dtype))
    size = prod(shape)
    flat = tile(ravel(x), -(-size // x.size))
    return _reshape(_crop(flat, widths=((0, flat.size - size),)), shape=shape)


@named
def delete(x: Any, obj: Any, axis: int | None = None) -> Tensor:
    """x without the entries that `obj` (an int, a slice, ints or booleans) names along an axis; of the flattened x if `axis` is None."""
    x, axis = along_or_flat(x, axis, "delete")
    return take_along(x, index=np.delete(np.arange(x.shape[axis]), bare(obj)), axis=axis)


@named
def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> Tensor:
    """x with `values` put before the entries that `obj` names along an axis; of the flattened x if `axis` is None."""
    x, axis = along_or_flat(x, axis, "insert")
    n, where = x.shape[axis], bare(obj)
    places = np.arange(*where.indices(n)) if isinstance(where, slice) else np.asarray(where)
    if places.dtype.kind == "b":
        places = np.flatnonzero(places)
    elif not places.size:
        places = places.astype(np.intp)
    new = storable(values, x.dtype, "insert")
    new = cast(new, dtype=x.dtype) if new.dtype != x.dtype else new
    new = _reshape(new, shape=(1,) * (x.ndim - new.ndim) + new.shape)
    if places.ndim == 0:
        new = moveaxis(new, 0, axis)
    count = new.shape[axis] if places.size == 1 else places.size
    rest = x.shape[:axis], x.shape[axis + 1 :]
    new = broadcast_to(new, (*rest[0], count, *rest[1]))
    # Where each entry of the result comes from in x followed by the new values.
    origin = np.insert(np.arange(n), places.item() if places.size == 1 else places, n + np.arange(count))
    return take_along(concatenate([x, new], axis), index=origin, axis=axis)


@named
def trim_zeros(x: Any, trim: str = "fb", axis: Axes | None = None) -> Tensor:
    """x without the zeros at the front ("f") and the back ("b") of the given axes, or all."""
    x = astensor(x)
    if not isinstance(trim, str) or trim.lower() not in ("f", "b", "fb", "bf"):
        raise ValueError(f"trim_zeros: trim must be made of 'f' and 'b', but got {shown(trim)}")
    axes, nonzero = axes_of(axis, x.ndim, "trim_zeros"), np.nonzero(x.data) if x.ndim else ()
    cuts = [slice(None)] * x.ndim
    for i in axes:
        if not nonzero[i].size:
            cuts[i] = slice(0, 0)
        else:
            cuts[i] = slice(nonzero[i].min() if "f" in trim.lower() else None, nonzero[i].max() + 1 if "b" in trim.lower() else None)
    return getitem(x, tuple(cuts))
