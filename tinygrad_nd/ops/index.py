"""Indexing and its transpose, adding values up where they were taken from; selection by conditions and along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index as integer_of
from typing import Any

import numpy as np

from ..arguments import no_numbers, option
from ..kernels import indexing as kernel
from ..kernels import memory
from ..kernels.elementwise import fits
from ..tape import primitive
from ..tensor import Tensor, astensor
from ..values import numeric
from .broadcasting import broadcast_arrays
from .choice import maximum, minimum, where
from .elementwise import multiply
from .entries import Index, entries, pick, scatter
from .naming import named
from .parts import astype, storable
from .shape import along_or_flat, axis_of, broadcast_to, ravel, reshape, stack, take_along

__all__ = ["choose", "compress", "extract", "put_along_axis", "take", "take_along_axis"]


@primitive(x=lambda g, index: _setitem(g, 0, index=index), v=lambda g, index: _survived(entries(g, index=index), g.shape, index))
def _setitem(x: Any, v: Any, *, index: Index) -> Any:
    out = x.copy(order="K")
    out[index] = v
    return out


def _survived(g: Tensor, shape: tuple[int, ...], index: Index) -> Tensor:
    """The cotangent of assigned values: 0 for one that a later value at the same place overwrote."""
    left = kernel.survivors(index, shape)
    return g if left is None else where(left, g, 0)


def getitem(x: Any, index: Any) -> Tensor:
    """x[index] with NumPy's meaning: ints, slices, ..., None, integer and boolean arrays or tensors."""
    x, place = astensor(x), normalise(index)
    if (a := x.data).nbytes >= memory.SMALL and not a.flags.c_contiguous:
        place = kernel.Lying(place)
        place.order = memory.memory_order(a)
    return entries(x, index=place)


def setitem(x: Any, index: Any, value: Any) -> Tensor:
    """A new tensor: x with `value` at x[index]. The dtype stays x's."""
    x, index = astensor(x), normalise(index)
    value = _of_kind(value, x.dtype, "x[index] = value")
    if value.ndim:
        place = x.data[index].shape
        if value.ndim > len(place) and all(n == 1 for n in value.shape[: value.ndim - len(place)]):
            value = reshape(value, value.shape[value.ndim - len(place) :])
        if not fits(value.shape, place):
            raise ValueError(f"x[index] = value: a value of shape {value.shape} does not fit where x[index] has shape {place}")
    return _setitem(x, value, index=index)


def _of_kind(value: Any, dtype: np.dtype[Any], what: str) -> Tensor:
    """A value that becomes `dtype` by rounding alone; only numbers lose a fraction."""
    t = storable(value, dtype, what)
    if t.ndim and not np.can_cast(t.dtype, dtype, "same_kind"):
        raise TypeError(f"{what}: a value of dtype {t.dtype} does not fit into dtype {dtype}; convert it with .astype")
    return t


def take(x: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Tensor:
    """The entries of x at integer `indices` along an axis; of the flattened x if `axis` is None.

    An index out of range raises IndexError, is counted on round the ends (mode "wrap"), or becomes the nearest in range ("clip").
    """
    x, axis = along_or_flat(x, axis, "take")
    index = integers(indices, "take").copy()
    return take_along(x, index=within(index, x.shape[axis], mode, f"take: axis {axis} of x {x.shape}"), axis=axis)


def integers(indices: Any, where: str, error: type[Exception] = TypeError) -> np.ndarray:
    """An array of integers; an empty one may be of any dtype."""
    index = indices.data if isinstance(indices, Tensor) else numeric(indices, None, where)
    if index.dtype.kind not in "iu" and index.size:
        raise error(f"{where}: indices must be integers, but got dtype {index.dtype}")
    return index if index.size else index.astype(np.intp)


def within(index: np.ndarray, n: int, mode: str, what: str, least: int | None = None) -> np.ndarray:
    """An index of n entries, made to fit as `mode` says; from `least` (-n) on if it is "raise"."""
    if not index.size:
        return index
    option(what, "mode", mode, ("raise", "wrap", "clip"))
    if not n or (mode == "raise" and (index.min() < (-n if least is None else least) or index.max() >= n)):
        raise IndexError(f"{what} has {n} entries, but the indices reach from {index.min()} to {index.max()}")
    return index if mode == "raise" else index % n if mode == "wrap" else np.clip(index, 0, n - 1)


class At:
    """`x.at[index]`: functional updates. `.set(v) .add(v) .mul(v) .min(v) .max(v)` each give a new tensor and leave x as it is.

    An entry that `index` names several times is updated by each of its values in turn (`set`: the last one stays).

    >>> import tinygrad_nd as nd
    >>> nd.tensor([1.0, 2.0, 3.0]).at[[0, 0]].add(10.0).tolist()
    [21.0, 2.0, 3.0]
    """

    __slots__ = ("_x", "_index")

    def __init__(self, x: Tensor, index: Index | None = None) -> None:
        self._x, self._index = x, index

    def __getitem__(self, index: Any) -> At:
        return At(self._x, normalise(index))

    def set(self, value: Any) -> Tensor:
        return setitem(self._x, self._place(), value)

    def add(self, value: Any) -> Tensor:
        index = self._place()
        named = getitem(self._x, index)
        return self._x + scatter(broadcast_to(self._value(value), named.shape), index=index, shape=self._x.shape)

    def mul(self, value: Any) -> Tensor:
        return self._fold(multiply, value)

    def min(self, value: Any) -> Tensor:
        return self._fold(minimum, value)

    def max(self, value: Any) -> Tensor:
        return self._fold(maximum, value)

    def _fold(self, update: Callable[..., Tensor], value: Any) -> Tensor:
        """Rounds in which no place repeats, so that each is a plain read, update and write."""
        x, index = self._x, self._place()
        values = ravel(broadcast_to(self._value(value), getitem(x, index).shape))
        flat = ravel(x)
        for places, positions in kernel.rounds(index, x.shape):
            flat = _setitem(flat, update(flat[places], values[positions]), index=(places,))
        return reshape(flat, x.shape)

    def _value(self, value: Any) -> Tensor:
        return astype(_of_kind(value, self._x.dtype, "x.at[index]"), self._x.dtype)

    def _place(self) -> Index:
        if self._index is None:
            raise TypeError("at: say where first, as in x.at[index].set(v)")
        return self._index


def normalise(index: Any) -> Index:
    """An index as a tuple, with private arrays in place of tensors and lists.

    Raises TypeError for what cannot index, such as floats.
    """
    return tuple(_part(p) for p in (index if isinstance(index, tuple) else (index,)))


def _part(p: Any) -> Any:
    if p is None or p is Ellipsis or (isinstance(p, int) and not isinstance(p, bool)):
        return p
    if isinstance(p, slice):
        try:
            return slice(*(None if v is None else integer_of(v) for v in (p.start, p.stop, p.step)))
        except TypeError:
            raise TypeError(f"index: a slice goes between integers, but got {p}") from None
    try:
        array = np.array(p.data if isinstance(p, Tensor) else p)
    except ValueError:
        raise no_numbers("index", p) from None
    if not array.size and isinstance(p, (list, tuple)):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise TypeError(f"index: needs integers, booleans, slices, ... or None, but got {type(p).__name__} of dtype {array.dtype}")
    return array if array.ndim or array.dtype.kind == "b" else int(array)


# Along one axis, and by conditions.


@named
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """Along an axis, the entries of x at `indices`, which broadcast with x along the others; of the flattened x if `axis` is None."""
    x, index = astensor(x), integers(indices, "take_along_axis", IndexError)
    if axis is None:
        x, axis = ravel(x), 0
    axis, index = _checked(x, index, axis, "take_along_axis")
    shapes = [[*a.shape[:axis], 1, *a.shape[axis + 1 :]] for a in (x, index)]
    if shapes[0] != shapes[1]:
        try:
            lead = np.broadcast_shapes(*shapes)
        except ValueError:
            raise IndexError(f"take_along_axis: indices {index.shape} do not broadcast with x {x.shape} along the other axes") from None
        shape, places = ((*lead[:axis], a.shape[axis], *lead[axis + 1 :]) for a in (x, index))
        x, index = broadcast_to(x, shape), np.broadcast_to(index, places)
    return pick(x, index=index, axis=axis, distinct=False)


@named
def put_along_axis(x: Any, indices: Any, values: Any, axis: int | None) -> Tensor:
    """A new tensor: x with `values` at `indices` along an axis (see `take_along_axis`). x itself stays as it is, unlike NumPy's."""
    x, index = astensor(x), integers(indices, "put_along_axis", IndexError)
    if axis is None:
        return put_along_axis(ravel(x), index, values, 0).reshape(x.shape)
    return At(x)[_along(x, index, axis, "put_along_axis")].set(values)


def _along(x: Tensor, index: np.ndarray, axis: int, where: str) -> tuple[np.ndarray, ...]:
    """An index of x that runs along all axes but one, which follows `index`."""
    axis, index = _checked(x, index, axis, where)
    return tuple(index if i == axis else np.arange(m).reshape(-1, *[1] * (x.ndim - i - 1)) for i, m in enumerate(x.shape))


def _checked(x: Tensor, index: np.ndarray, axis: int, where: str) -> tuple[int, np.ndarray]:
    """The axis, counted from the first, and a copy of the index, counted from 0."""
    axis = axis_of(axis, x.ndim, where)
    if index.ndim != x.ndim:
        raise ValueError(f"{where}: indices {index.shape} must have as many axes as x {x.shape}")
    n = x.shape[axis]
    places = index.astype(np.int64)
    if index.size and places.view(np.uint64).max() >= n:  # what is below 0 is large
        if index.min() < -n or index.max() >= n:
            raise IndexError(f"{where}: indices reach from {index.min()} to {index.max()}, but axis {axis} of x {x.shape} has {n} entries")
        places[places < 0] += n
    return axis, places


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
