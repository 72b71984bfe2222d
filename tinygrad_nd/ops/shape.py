"""Shapes and axes, and the moves that other modules are made of: values stay what they are, and each VJP is the move back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.exceptions import AxisError
from numpy.lib.array_utils import normalize_axis_tuple

from ..arguments import dtype_of, kind_of, option
from ..kernels import elementwise, indexing, memory, sums
from ..kernels.padding import integer, several
from ..kernels.words import shown
from ..node import Node
from ..tape import primitive
from ..tensor import Tensor, astensor
from .entries import entries
from .naming import named
from .parts import cast
from .ufunc import Function, bare_rules, either, of_kernel

__all__ = [
    "broadcast_to", "concatenate", "expand_dims", "matrix_transpose", "moveaxis", "ravel", "reshape", "rollaxis", "squeeze", "stack",
    "swapaxes", "transpose",
]  # fmt: skip

Axes = int | Sequence[int]
Widths = tuple[tuple[int, int], ...]  # (before, after) per axis


def axes_of(axis: Axes | None, ndim: int, where: str) -> tuple[int, ...]:
    """Axes as a tuple of non-negative ints; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    try:
        if isinstance(axis, (bool, str)):  # mostly meant for keepdims; and "" is no axis rather than none
            raise TypeError
        return normalize_axis_tuple(axis, ndim)
    except (ValueError, OverflowError) as error:
        raise AxisError(f"{where}: axis={shown(axis)} does not fit a tensor of {ndim} axes ({error})") from None
    except TypeError:
        hint = f"; nd.{where}imum compares two arrays" if where in ("max", "min") else ""
        raise TypeError(f"{where}: axis must be an int or a sequence of ints, but got {kind_of(axis)}{hint}") from None


def axis_of(axis: Axes | None, ndim: int, where: str) -> int:
    """One axis as a non-negative int."""
    axes = axes_of(axis, ndim, where)
    if len(axes) != 1 or axis is None:
        raise TypeError(f"{where}: works along one axis, but got axis={shown(axis)}")
    return axes[0]


def sizes_of(shape: Axes, where: str) -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    try:
        return tuple(index(n) for n in shape) if several(shape) else (index(shape),)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{where}: a shape is an int or a sequence of ints, but got {kind_of(shape)}") from None


def widths_at(ndim: int, axis: int, before: int, after: int) -> Widths:
    """(before, after) along one axis, (0, 0) along the others."""
    return tuple([(before, after) if i == axis else (0, 0) for i in range(ndim)])


def part_of(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """x[start:stop] along one axis; a stop of 0 or below counts from the end."""
    n = x.shape[axis]
    before = min(start, n)
    return _crop(x, widths=widths_at(x.ndim, axis, before, min(n - stop if stop > 0 else -stop, n - before)))


@bare_rules
@primitive(x=lambda g, x_shape: either(_reshape, g, shape=x_shape))
def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    return elementwise.reshaped(x, shape)


@lru_cache(256)
def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@bare_rules
@primitive(x=lambda g, axes: either(_transpose, g, axes=_inverse(axes)))
def _transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes)


@bare_rules
@primitive(x=lambda g, x_shape: either(sum_to, g, shape=x_shape))
def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


# x summed over the axes along which an array of `shape` was broadcast to it.
sum_to: Function = of_kernel("sum_to", sums.sum_to, bare=True, x=lambda g, x_shape: either(_broadcast_to, g, shape=x_shape))


@bare_rules
@primitive(x=lambda g, widths: either(_crop, g, widths=widths))
def _zero_pad(x: Any, *, widths: Widths, value: Any = None) -> Any:
    """x with a constant around it: zeros, or numbers as np.pad takes them."""
    if value is not None:
        return np.pad(x, widths, constant_values=value)
    out = memory.empty_like(x, shape=[a + n + b for (a, b), n in zip(widths, x.shape)])
    out.fill(0)
    out[tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape)])] = x
    return out


@bare_rules
@primitive(x=lambda g, widths: either(_zero_pad, g, widths=widths))
def _crop(x: Any, *, widths: Widths) -> Any:
    return x[tuple([slice(a, n - b) for (a, b), n in zip(widths, x.shape)])]


def _add_part(total: np.ndarray, g: Any, node: Node, _: int) -> bool:
    total[tuple([slice(a, n - b) for (a, b), n in zip(node.params["widths"], total.shape)])] += g
    return True


_crop.op.add, _crop.op.fresh = _add_part, True  # type: ignore[attr-defined]


@primitive(xs=lambda g, i, axis, cuts: _crop(g, widths=widths_at(g.ndim, axis, cuts[i], cuts[-1] - cuts[i + 1])))
def _concatenate(*xs: Any, axis: int, cuts: tuple[int, ...]) -> Any:
    """xs joined; the i-th lies from cuts[i] to cuts[i + 1]."""
    return np.concatenate(xs, axis)


@primitive(xs=lambda g, i, axis: entries(g, index=(*(slice(None),) * axis, i)))
def _stack(*xs: Any, axis: int) -> Any:
    return np.stack(xs, axis)


take_along: Function = of_kernel(
    "take_along", indexing.take_along, x=lambda g, x_shape, index, axis: put_along(g, index=index, axis=axis, size=x_shape[axis])
)
# The transpose of taking: slices of g added up where they were taken from.
put_along: Function = of_kernel("put_along", indexing.scatter_along, g=lambda h, index, axis: take_along(h, index=index, axis=axis))


def reshape(x: Any, shape: Axes, order: str = "C", *, copy: bool | None = None) -> Tensor:
    """x in another shape of the same size; one entry may be -1.

    `order` says which axis counts fastest, in x and in the result: the last ("C") or the first ("F"); "A" is "F" where x lies so in memory.
    Tensors are values, so it makes no difference whether memory is shared (`copy`).
    """
    x = astensor(x)
    if not isinstance(order, str):
        hint = f"a shape is one tuple: reshape(x, ({shown(shape)}, {shown(order)}))"
        raise TypeError(f"reshape: order must be 'C', 'F' or 'A', but is {shown(order)}; {hint}")
    sizes = sizes_of(shape, "reshape")
    known = prod(n for n in sizes if n != -1)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise ValueError(f"reshape: {sizes} may hold at most one -1 and no other negative size")
    if -1 in sizes and known and x.size % known == 0:
        sizes = tuple(x.size // known if n == -1 else n for n in sizes)
    if prod(sizes) != x.size or -1 in sizes:
        raise ValueError(f"reshape: x {x.shape} holds {x.size} values, which do not fill {shown(sizes)}")
    if _reads_columns(x, order, "reshape"):
        return transpose(_reshape(transpose(x), shape=sizes[::-1]))
    return _reshape(x, shape=sizes)


def _reads_columns(x: Tensor, order: str, where: str) -> bool:
    if type(order) is str and order == "C":
        return False
    option(where, "order", order, ("C", "F", "A"))
    return order == "F" or (order == "A" and x.data.flags.fnc)


def transpose(x: Any, axes: Axes | None = None) -> Tensor:
    """x with its axes permuted; reversed when `axes` is None."""
    x = astensor(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else axes_of(axes, x.ndim, "transpose")
    if len(order) != x.ndim:
        two = f"; to swap two, use x.swapaxes{order}" if len(order) == 2 else ""
        raise ValueError(f"transpose: x {x.shape} has {x.ndim} axes, but axes={axes} names {len(order)}{two}")
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
    i, j = axis_of(axis1, x.ndim, "swapaxes"), axis_of(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return _transpose(x, axes=tuple(order))


def moveaxis(x: Any, source: Axes, destination: Axes) -> Tensor:
    """x with some axes moved to new places, the rest in order."""
    x = astensor(x)
    return _transpose(x, axes=(_known_order if type(source) is type(destination) is int else _moved_order)(x.ndim, source, destination))


def _moved_order(ndim: int, source: Axes, destination: Axes) -> tuple[int, ...]:
    start, end = axes_of(source, ndim, "moveaxis"), axes_of(destination, ndim, "moveaxis")
    if len(start) != len(end):
        raise ValueError(f"moveaxis: source={source} and destination={destination} must name as many axes")
    order = [i for i in range(ndim) if i not in start]
    for to, origin in sorted(zip(end, start)):
        order.insert(to, origin)
    return tuple(order)


_known_order: Any = lru_cache(256)(_moved_order)


@named
def expand_dims(x: Any, axis: Axes) -> Tensor:
    """x with axes of length 1 inserted where `axis` says they shall be in the result."""
    x = astensor(x)
    if axis is None:
        raise TypeError("expand_dims: axis must be an int or a sequence of ints, but is None")
    count = len(axis) if several(axis) else 1
    new = axes_of(axis, x.ndim + count, "expand_dims")
    sizes = iter(x.shape)
    return _reshape(x, shape=tuple(1 if i in new else next(sizes) for i in range(x.ndim + count)))


@named
def squeeze(x: Any, axis: Axes | None = None) -> Tensor:
    """x without its axes of length 1, or without those named."""
    x = astensor(x)
    gone = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim, "squeeze")
    for i in gone:
        if x.shape[i] != 1:
            raise ValueError(f"squeeze: axis {i} of x {x.shape} has length {x.shape[i]}, not 1")
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))


@named
def ravel(x: Any, order: str = "C") -> Tensor:
    """x as one axis, read in C order, in Fortran's ("F", "A" as for `reshape`), or as it lies in memory ("K")."""
    x = astensor(x)
    if isinstance(order, int):
        kept = ", ".join(map(str, (*x.shape[: max(order, 0)], -1)))
        raise TypeError(f"order must be 'C', 'F', 'A' or 'K', but is {order}; to join the axes from {order} on, use x.reshape({kept})")
    if order == "K":
        x, order = transpose(x, sorted(range(x.ndim), key=lambda i: -abs(x.data.strides[i]))), "C"
    return reshape(x, (x.size,), order)


def along_or_flat(x: Any, axis: int | None, where: str) -> tuple[Tensor, int]:
    """x and one of its axes; flattened if that is None."""
    x = astensor(x)
    return (ravel(x), 0) if axis is None else (x, axis_of(axis, x.ndim, where))


@named
def rollaxis(x: Any, axis: int, start: int = 0) -> Tensor:
    """x with one axis moved before the axis `start`; `moveaxis` is clearer."""
    x = astensor(x)
    axis, start = axis_of(axis, x.ndim, "rollaxis"), integer(start, "start", "rollaxis")
    if not -x.ndim <= start <= x.ndim:
        raise AxisError(f"rollaxis: start={start} does not fit a tensor of {x.ndim} axes")
    start += x.ndim if start < 0 else 0
    return moveaxis(x, axis, start - 1 if axis < start else start)


def broadcast_to(x: Any, shape: Axes) -> Tensor:
    """x repeated along new and length-1 axes to fill `shape`, without copying."""
    x, sizes = astensor(x), sizes_of(shape, "broadcast_to")
    try:
        return _broadcast_to(x, shape=sizes)
    except ValueError as error:
        raise ValueError(f"broadcast_to: x {x.shape} does not fill {sizes}; from the last on, its axes must be as long, or 1") from error


@named
def concatenate(xs: Sequence[Any], axis: int | None = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Tensor:
    """Tensors joined along an existing axis; flattened first if `axis` is None. `dtype` is the result's."""
    tensors = operands(xs, "concatenate", dtype, casting)
    if axis is None:
        tensors, axis = [ravel(t) for t in tensors], 0
    first = tensors[0]
    axis = axis_of(axis, first.ndim, "concatenate")
    for i, t in enumerate(tensors):
        if t.ndim != first.ndim or t.shape[:axis] + t.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
            raise ValueError(f"concatenate: tensor {i} {t.shape} must match tensor 0 {first.shape} in every axis but {axis}")
    return _concatenate(*tensors, axis=axis, cuts=tuple(accumulate([t.shape[axis] for t in tensors], initial=0)))


@named
def stack(xs: Sequence[Any], axis: int = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Tensor:
    """Tensors of one shape joined along a new axis."""
    tensors = operands(xs, "stack", dtype, casting)
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ValueError(f"stack: tensor {i} has shape {t.shape}, but tensor 0 has {tensors[0].shape}")
    axis = axis_of(axis, tensors[0].ndim + 1, "stack")
    return _stack(*tensors, axis=axis)


def operands(xs: Sequence[Any], where: str, dtype: Any = None, casting: Any = "same_kind") -> list[Tensor]:
    """One tensor or more, converted to `dtype` if one is given."""
    if not isinstance(xs, (list, tuple, Tensor, np.ndarray)) or not several(xs):
        raise TypeError(f"{where}: needs a sequence of tensors, but got {type(xs).__name__}")
    tensors = [astensor(x) for x in xs]
    if not tensors:
        raise ValueError(f"{where}: needs at least one tensor, but got none")
    return converted(tensors, where, dtype, casting)


def converted(tensors: list[Tensor], where: str, dtype: Any, casting: Any) -> list[Tensor]:
    """The tensors in `dtype`, if one is given, as far as `casting` lets them."""
    if dtype is None:
        return tensors
    kind = dtype_of(where, dtype)
    option(where, "casting", casting, ("no", "equiv", "safe", "same_kind", "unsafe"))
    for t in tensors:
        if not np.can_cast(t.dtype, kind, casting):
            raise TypeError(f"{where}: {t.dtype} does not become {kind} by casting={casting!r}")
    return [t if t.dtype == kind else cast(t, dtype=kind) for t in tensors]
