"""Sorting, and choosing by rank: a gradient goes back to where its value came from."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..arguments import flag, whole
from ..kernels import indexing as kernel
from ..kernels.padding import several
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .entries import pick, put_back
from .naming import named
from .parts import cast
from .shape import along_or_flat, axis_of
from .ufunc import bare

__all__ = ["partition", "sort", "sort_complex", "topk"]


# Each takes distinct entries along an axis.


def _places(x: np.ndarray, axis: int) -> np.ndarray:
    """np.argsort, which NaN would slow down six times."""
    if x.dtype.kind == "f" and np.isnan(x.max(axis, initial=0)).any() and not (x == np.inf).any():
        x = np.where(np.isnan(x), x.dtype.type(np.inf), x)
    return kernel.argsort(x, axis)


@primitive(x=lambda g, x, axis: put_back(g, index=_places(x.data, axis), axis=axis, size=x.shape[axis], distinct=True))
def _sort(x: Any, *, axis: int, kind: Any = None) -> Any:
    return np.sort(x, axis, kind)


@primitive(x=lambda g, x_shape, index, axis: put_back(g, index=index.data, axis=axis, size=x_shape[axis], distinct=True))
def _partition(x: Any, index: Any = None, *, kth: Any, axis: int) -> Any:
    """The partition, by its `index` where a gradient has to find the way back: to find it later would take two sorts."""
    return np.partition(x, kth, axis) if index is None else kernel.pick_along(x, index, axis)


@primitive(x=lambda g, x, ranks: put_back(g, index=_ranked(x.data, ranks), axis=x.ndim - 1, size=x.shape[-1], distinct=True))
def order_statistics(x: Any, *, ranks: tuple[int, ...]) -> Any:
    """The entries of x that come at the given ranks (distinct, from 0) when its last axis is sorted."""
    return np.partition(x, ranks)[..., list(ranks)]


def _ranked(x: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
    return kernel.argpartition(x, ranks, -1)[..., list(ranks)]


@named
def sort(x: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None) -> Tensor:
    """x sorted along an axis, NaN last; flattened first if `axis` is None. Of equal entries the gradient keeps to some order."""
    x, axis = along_or_flat(x, axis, "sort")
    if order is not None:
        raise ValueError(f"sort: order={shown(order)} names fields, which tensors do not have")
    return _sort(x, axis=axis, kind="stable" if stable else kind) if x.ndim else x


@named
def sort_complex(x: Any) -> Tensor:
    """x sorted along its last axis by real part, then imaginary part, as complex numbers."""
    y = sort(x)
    kind = {"g": np.clongdouble, **dict.fromkeys("bhBH", np.complex64)}.get(y.dtype.char, np.complex128)
    return y if y.dtype.kind == "c" else cast(y, dtype=np.dtype(kind))


@named
def partition(x: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Tensor:
    """x rearranged along an axis so that entry kth (an int or several) is where it would be if sorted, smaller ones before it."""
    x, axis = along_or_flat(x, axis, "partition")
    if order is not None or kind != "introselect":
        raise ValueError(f"partition: takes kind='introselect' and no order, but got {shown(kind)} and {shown(order)}")
    kth, n = bare(kth), x.shape[axis]
    for place in kth if several(kth) else (kth,):
        if not -n <= whole("partition", "kth", place, -inf) < n:
            raise ValueError(f"partition: kth={shown(place)} of the {n} entries along axis {axis} of x {x.shape}")
    return _partition(x, kernel.argpartition(x.data, kth, axis) if x.requires_grad else None, kth=kth, axis=axis)


@named
def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) entries along an axis, best first, and their places: (values, indices). The first of equals wins.

    Raises ValueError if there are not k entries.

    >>> import tinygrad_nd as nd
    >>> [t.tolist() for t in nd.topk([3.0, 1.0, 2.0], 2)]
    [[3.0, 2.0], [0, 2]]
    """
    x = astensor(x)
    axis = axis_of(axis, x.ndim, "topk")
    n, k = x.shape[axis], whole("topk", "k", k, least=-inf)
    flag("topk", "largest", largest)
    if not 0 <= k <= n:
        raise ValueError(f"topk: k={shown(k)} of the {n} entries along axis {axis} of x {x.shape}")
    index = np.ascontiguousarray(np.moveaxis(_best(np.moveaxis(x.data, axis, -1), k, largest), -1, axis))
    return pick(x, index=index, axis=axis, distinct=True), astensor(index)


def _best(x: np.ndarray, k: int, largest: bool) -> np.ndarray:
    """The places of the k best entries along the last axis, in order."""
    n = x.shape[-1]
    if 0 < 4 * k < n:
        kth = n - k if largest else k - 1
        chosen = np.sort(np.argpartition(x, kth)[..., kth:] if largest else np.argpartition(x, kth)[..., :k])
        values = np.take_along_axis(x, chosen, -1)
        last = (np.min if largest else np.max)(values, -1, keepdims=True)
        if ((x == last).sum(-1) == (values == last).sum(-1)).all():  # else which of the equals were chosen is chance
            return np.take_along_axis(chosen, _ordered(values, largest), -1)
    return _ordered(x, largest)[..., :k]


def _ordered(x: np.ndarray, largest: bool) -> np.ndarray:
    """Places by value, the best first; equals by place."""
    if not largest:
        return np.argsort(x, kind="stable")
    places: np.ndarray = x.shape[-1] - 1 - np.argsort(x[..., ::-1], kind="stable")[..., ::-1]
    return places
