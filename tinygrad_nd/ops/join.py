"""Joining tensors into one, and cutting one into several."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ..kernels.padding import several
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .broadcasting import atleast_1d, atleast_2d, atleast_3d, with_axes
from .entries import entries
from .naming import named
from .shape import _crop, _reshape, axis_of, concatenate, operands, widths_at

__all__ = ["append", "array_split", "block", "column_stack", "dsplit", "dstack", "hsplit", "hstack", "split", "unstack", "vsplit", "vstack"]

Cuts = int | Sequence[int]


@named
def append(x: Any, values: Any, axis: int | None = None) -> Tensor:
    """`values` joined to the end of x along an axis; both flattened first if `axis` is None."""
    return concatenate([astensor(x), astensor(values)], axis)


@named
def vstack(xs: Sequence[Any], *, dtype: Any = None, casting: Any = "same_kind") -> Tensor:
    """Tensors joined along the first axis; vectors are rows."""
    return concatenate([atleast_2d(t) for t in operands(xs, "vstack", dtype, casting)])


@named
def hstack(xs: Sequence[Any], *, dtype: Any = None, casting: Any = "same_kind") -> Tensor:
    """Tensors joined along the second axis; vectors along their only one."""
    tensors = [atleast_1d(t) for t in operands(xs, "hstack", dtype, casting)]
    return concatenate(tensors, 0 if tensors[0].ndim == 1 else 1)


@named
def dstack(xs: Sequence[Any]) -> Tensor:
    """Tensors joined along the third axis; (n,) as (1, n, 1) and (m, n) as (m, n, 1)."""
    return concatenate([atleast_3d(t) for t in operands(xs, "dstack")], 2)


@named
def column_stack(xs: Sequence[Any]) -> Tensor:
    """Tensors joined along the second axis; vectors are columns."""
    return concatenate([t if t.ndim > 1 else _reshape(t, shape=(t.size, 1)) for t in operands(xs, "column_stack")], 1)


def block(arrays: Any) -> Tensor:
    """Nested lists of tensors joined: the innermost along the last axis, the next along the one before, and so on."""
    depth = _depth(arrays, "arrays")
    rank = max(depth, _rank(arrays))
    shape, parts = _layout(arrays, rank, rank - depth)
    return _assemble(*(t for _, t in parts), corners=tuple(corner for corner, _ in parts), shape=shape)


@primitive(
    xs=lambda g, i, xs_shape, corners, shape: _crop(
        g, widths=tuple((c, whole - c - n) for c, n, whole in zip(corners[i], xs_shape[i], shape))
    )
)
def _assemble(*xs: Any, corners: tuple[tuple[int, ...], ...], shape: tuple[int, ...]) -> Any:
    out = np.empty(shape, np.result_type(*xs))
    for x, corner in zip(xs, corners):
        out[tuple(slice(c, c + n) for c, n in zip(corner, x.shape))] = x
    return out


def _layout(part: Any, rank: int, axis: int) -> tuple[tuple[int, ...], list[tuple[tuple[int, ...], Tensor]]]:
    """The shape of the blocks of a list joined along an axis, and where in it each of them starts."""
    if not isinstance(part, list):
        t = astensor(part)
        t = _reshape(t, shape=(1,) * (rank - t.ndim) + t.shape)
        return t.shape, [((0,) * rank, t)]
    inner = [_layout(p, rank, axis + 1) for p in part]
    first, offset, placed = inner[0][0], 0, []
    for shape, parts in inner:
        if shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ValueError(f"block: blocks of shape {first} and {shape} do not join along axis {axis}")
        placed += [((*c[:axis], c[axis] + offset, *c[axis + 1 :]), t) for c, t in parts]
        offset += shape[axis]
    return (*first[:axis], offset, *first[axis + 1 :]), placed


def _depth(part: Any, place: str) -> int:
    """How deep lists are nested, which must be the same everywhere."""
    if isinstance(part, tuple):
        raise TypeError(f"block: {place} is a tuple; only lists can be used to arrange blocks")
    if not isinstance(part, list):
        return 0
    if not part:
        raise ValueError(f"block: the list at {place} is empty")
    depths = [_depth(p, f"{place}[{i}]") for i, p in enumerate(part)]
    if len(set(depths)) > 1:
        raise ValueError(f"block: lists must be nested equally deep, but the entries of {place} are {depths} deep")
    return 1 + depths[0]


def _rank(part: Any) -> int:
    return max(_rank(p) for p in part) if isinstance(part, list) else astensor(part).ndim


@named
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, which they lack."""
    x = astensor(x)
    axis = axis_of(axis, x.ndim, "unstack")
    return tuple([entries(x, index=(*(slice(None),) * axis, i)) for i in range(x.shape[axis])])


@named
def split(x: Any, indices_or_sections: Cuts, axis: int = 0) -> list[Tensor]:
    """x cut along an axis: into so many equal parts, or at the given indices."""
    return _split("split", x, indices_or_sections, axis)


@named
def array_split(x: Any, indices_or_sections: Cuts, axis: int = 0) -> list[Tensor]:
    """x cut along an axis: into so many parts, the first ones longer by one if they cannot be equal, or at the given indices."""
    return _split("array_split", x, indices_or_sections, axis, even=False)


def hsplit(x: Any, indices_or_sections: Cuts) -> list[Tensor]:
    """x cut along its second axis; a vector along its only one."""
    x = with_axes(x, 1, "hsplit")
    return _split("hsplit", x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(x: Any, indices_or_sections: Cuts) -> list[Tensor]:
    """x (of 2 axes or more) cut along its first axis."""
    return _split("vsplit", with_axes(x, 2, "vsplit"), indices_or_sections, 0)


def dsplit(x: Any, indices_or_sections: Cuts) -> list[Tensor]:
    """x (of 3 axes or more) cut along its third axis."""
    return _split("dsplit", with_axes(x, 3, "dsplit"), indices_or_sections, 2)


def _split(where: str, x: Any, indices_or_sections: Cuts, axis: int, even: bool = True) -> list[Tensor]:
    """The parts between cuts, which mean what they mean in a slice; or so many parts, `even` ones or the first longer by one."""
    x = astensor(x)
    axis = axis_of(axis, x.ndim, where)
    n = x.shape[axis]
    try:
        given = indices_or_sections
        cuts = [index(i) for i in given] if several(given) else index(given)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{where}: indices_or_sections must be an int or a sequence of ints, but got {shown(given)}") from None
    if isinstance(cuts, int):
        if cuts < 1 or (even and n % cuts) or cuts > max(n, 1 << 20):  # nobody wants a million empty parts
            kind = "equal parts; give the indices to cut at" if even else "parts"
            raise ValueError(f"{where}: axis {axis} of length {n} does not divide into {shown(cuts)} {kind}")
        least, longer = divmod(n, cuts)
        cuts = [least * i + min(i, longer) for i in range(1, cuts)]
    bounds = [slice(a, b).indices(n)[:2] for a, b in zip([0, *cuts], [*cuts, n])]
    return [_crop(x, widths=widths_at(x.ndim, axis, a, n - max(a, b))) for a, b in bounds]
