"""Operations that move values without changing them: each one's VJP is the move back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..kernels import elementwise as kernel
from ..kernels.indexing import scatter_along
from ..tape import primitive
from ..tensor import Tensor, astensor

__all__ = [
    "broadcast_to", "concatenate", "expand_dims", "flip", "matrix_transpose", "moveaxis", "pad", "ravel", "reshape", "split",
    "squeeze", "stack", "swapaxes", "transpose",
]  # fmt: skip

Axes = int | Sequence[int]


def axes_of(axis: Axes | None, ndim: int, where: str) -> tuple[int, ...]:
    """Axes as a tuple of non-negative ints; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    try:
        return normalize_axis_tuple(axis, ndim)
    except ValueError as error:
        raise ValueError(f"{where}: axis={axis} does not fit a tensor of {ndim} axes ({error})") from None
    except TypeError:
        raise TypeError(f"{where}: axis must be an int or a sequence of ints, but got {axis!r}") from None


@primitive(x=lambda g, x_shape: _reshape(g, shape=x_shape))
def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.reshape(x, shape)


@primitive(x=lambda g, axes: _transpose(g, axes=tuple(np.argsort(axes).tolist())))
def _transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.transpose(x, axes)


@primitive(x=lambda g, x_shape: sum_to(g, shape=x_shape))
def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


@primitive(x=lambda g, x_shape: _broadcast_to(g, shape=x_shape))
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """x summed over the axes along which an array of `shape` was broadcast to it."""
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1))
    return kernel.reduce_sum(x, axes, keepdims=True).reshape(shape) if axes else x


@primitive(x=lambda g, axes: _flip(g, axes=axes))
def _flip(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.flip(x, axes)


@primitive(x=lambda g, x_shape, widths: _crop(g, widths=widths))
def _zero_pad(x: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    return np.pad(x, widths)


@primitive(x=lambda g, widths: _zero_pad(g, widths=widths))
def _crop(x: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    return x[tuple(slice(a, n - b) for (a, b), n in zip(widths, x.shape))]


@primitive(xs=lambda g, i, xs_shape, axis: _crop(g, widths=_place(xs_shape, i, axis)))
def _concatenate(*xs: Any, axis: int) -> Any:
    return np.concatenate(xs, axis)


def _place(shapes: Sequence[tuple[int, ...]], i: int, axis: int) -> tuple[tuple[int, int], ...]:
    """What lies before and after operand i in a concatenation, per axis."""
    before, after = (sum(s[axis] for s in part) for part in (shapes[:i], shapes[i + 1 :]))
    return tuple((before, after) if k == axis else (0, 0) for k in range(len(shapes[i])))


@primitive(x=lambda g, x_shape, index, axis: put_along(g, index=index, axis=axis, size=x_shape[axis]))
def take_along(x: Any, *, index: np.ndarray, axis: int) -> Any:
    return np.take(x, index, axis)


@primitive(g=lambda h, index, axis: take_along(h, index=index, axis=axis))
def put_along(g: Any, *, index: np.ndarray, axis: int, size: int) -> Any:
    """The transpose of taking: slices of g added up where they were taken from."""
    return scatter_along(g, index, axis, size)


def reshape(x: Any, shape: Axes) -> Tensor:
    """x in another shape of the same size; one entry may be -1. Values are read in C order."""
    x = astensor(x)
    sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    known = prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise ValueError(f"reshape: {sizes} may hold at most one -1 and no other negative size")
    if -1 in sizes and known and x.size % known == 0:
        sizes = tuple(x.size // known if n == -1 else n for n in sizes)
    if prod(sizes) != x.size or -1 in sizes:
        raise ValueError(f"reshape: x {x.shape} holds {x.size} values, which do not fill {sizes}")
    return _reshape(x, shape=sizes)


def transpose(x: Any, axes: Axes | None = None) -> Tensor:
    """x with its axes permuted; reversed when `axes` is None."""
    x = astensor(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else axes_of(axes, x.ndim, "transpose")
    if len(order) != x.ndim:
        raise ValueError(f"transpose: x {x.shape} has {x.ndim} axes, but axes={axes} names {len(order)}")
    return _transpose(x, axes=order)


def matrix_transpose(x: Any) -> Tensor:
    """x with its last two axes swapped."""
    x = astensor(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: needs at least 2 axes, but x has shape {x.shape}")
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged."""
    x = astensor(x)
    (i,), (j,) = axes_of(axis1, x.ndim, "swapaxes"), axes_of(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return _transpose(x, axes=tuple(order))


def moveaxis(x: Any, source: Axes, destination: Axes) -> Tensor:
    """x with some axes moved to new places, the rest in order."""
    x = astensor(x)
    start, end = axes_of(source, x.ndim, "moveaxis"), axes_of(destination, x.ndim, "moveaxis")
    if len(start) != len(end):
        raise ValueError(f"moveaxis: source={source} and destination={destination} must name as many axes")
    order = [i for i in range(x.ndim) if i not in start]
    for to, origin in sorted(zip(end, start)):
        order.insert(to, origin)
    return _transpose(x, axes=tuple(order))


def expand_dims(x: Any, axis: Axes) -> Tensor:
    """x with axes of length 1 inserted where `axis` says they shall be in the result."""
    x = astensor(x)
    count = 1 if isinstance(axis, (int, np.integer)) else len(axis)
    new = axes_of(axis, x.ndim + count, "expand_dims")
    sizes = iter(x.shape)
    return _reshape(x, shape=tuple(1 if i in new else next(sizes) for i in range(x.ndim + count)))


def squeeze(x: Any, axis: Axes | None = None) -> Tensor:
    """x without its axes of length 1, or without those named."""
    x = astensor(x)
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim, "squeeze")
    for i in gone:
        if x.shape[i] != 1:
            raise ValueError(f"squeeze: axis {i} of x {x.shape} has length {x.shape[i]}, not 1")
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))


def ravel(x: Any) -> Tensor:
    """x as one axis, in C order."""
    return reshape(x, -1) if astensor(x).size else reshape(x, 0)


def broadcast_to(x: Any, shape: Axes) -> Tensor:
    """x repeated along new and length-1 axes to fill `shape`, without copying."""
    sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    return _broadcast_to(astensor(x), shape=sizes)


def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Tensor:
    """Tensors joined along an existing axis; flattened first if `axis` is None."""
    tensors = [astensor(x) for x in xs]
    if not tensors:
        raise ValueError("concatenate: needs at least one tensor, but got none")
    if axis is None:
        tensors, axis = [ravel(t) for t in tensors], 0
    first = tensors[0]
    (axis,) = axes_of(axis, first.ndim, "concatenate")
    for i, t in enumerate(tensors):
        if t.ndim != first.ndim or t.shape[:axis] + t.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
            raise ValueError(f"concatenate: tensor {i} {t.shape} must match tensor 0 {first.shape} in every axis but {axis}")
    return _concatenate(*tensors, axis=axis)


def stack(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    tensors = [astensor(x) for x in xs]
    if not tensors:
        raise ValueError("stack: needs at least one tensor, but got none")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ValueError(f"stack: tensor {i} has shape {t.shape}, but tensor 0 has {tensors[0].shape}")
    (axis,) = axes_of(axis, tensors[0].ndim + 1, "stack")
    return concatenate([expand_dims(t, axis) for t in tensors], axis)


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """x cut along an axis: into so many equal parts, or at the given indices."""
    x = astensor(x)
    (axis,) = axes_of(axis, x.ndim, "split")
    n = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        parts = int(indices_or_sections)
        if parts < 1 or n % parts:
            raise ValueError(f"split: axis {axis} of length {n} does not divide into {parts} equal parts; give the indices to cut at")
        cuts = [n // parts * i for i in range(1, parts)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    bounds = [slice(a, b).indices(n)[:2] for a, b in zip([0, *cuts], [*cuts, n])]
    before = [(0, 0)] * axis
    return [_crop(x, widths=(*before, (a, n - max(a, b)), *[(0, 0)] * (x.ndim - axis - 1))) for a, b in bounds]


def flip(x: Any, axis: Axes | None = None) -> Tensor:
    """x reversed along the given axes, or all of them."""
    x = astensor(x)
    return _flip(x, axes=axes_of(axis, x.ndim, "flip"))


def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Tensor:
    """x with more values at its borders: `pad_width` is an int, a (before, after) pair, or a pair per axis.

    Modes: constant, reflect, symmetric, edge and wrap, as in NumPy. `constant_values` is one number.
    """
    t = astensor(x)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (t.ndim, 2))
    except ValueError:
        raise ValueError(f"pad: pad_width={pad_width} must be an int, a pair, or a pair per axis of x {t.shape}") from None
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ValueError(f"pad: pad_width must be non-negative ints, but got {pad_width}")
    pairs = tuple((int(a), int(b)) for a, b in widths)
    if mode == "constant":
        padded = _zero_pad(t, widths=pairs)
        if np.ndim(constant_values) == 0 and constant_values == 0:
            return padded
        if np.size(constant_values) != 1:
            raise ValueError("pad: constant_values must be one number")
        outside = np.pad(np.zeros(t.shape, bool), pairs, constant_values=True)
        return padded + astensor(np.where(outside, constant_values, 0).astype(t.dtype))
    if mode not in ("reflect", "symmetric", "edge", "wrap"):
        raise ValueError(f"pad: mode must be constant, reflect, symmetric, edge or wrap, but got {mode!r}")
    for axis, (a, b) in enumerate(pairs):
        if a or b:
            if not t.shape[axis]:
                raise ValueError(f"pad: axis {axis} is empty, so mode={mode!r} has nothing to take values from")
            t = take_along(t, index=np.pad(np.arange(t.shape[axis]), (a, b), mode=mode), axis=axis)  # type: ignore[call-overload]
    return t
