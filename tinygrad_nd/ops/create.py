"""Tensors made from a description, with `requires_grad=` and `name=`: NumPy's constructors, evenly spaced values and grids of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..arguments import dtype_of, option, whole
from ..tape import primitive
from ..tensor import Tensor, astensor, tensor
from .elementwise import power
from .naming import named, titled
from .parts import alias, astype, cast
from .rearrange import flip
from .reduce import sum
from .shape import _broadcast_to, _reshape, broadcast_to, expand_dims, reshape, sizes_of, stack, sum_to
from .ufunc import bare, conj, over, scale

__all__ = [
    "arange", "array", "asarray", "empty", "empty_like", "eye", "fromfunction", "full", "full_like", "geomspace", "identity", "indices",
    "linspace", "logspace", "meshgrid", "ones", "ones_like", "tri", "vander", "zeros", "zeros_like",
]  # fmt: skip

Shape = int | Sequence[int]
Dtype = Any  # npt.DTypeLike | None; NumPy has no stubs for all of its combinations


@named
def array(obj: Any, dtype: Dtype = None, *, copy: bool | None = True, ndmin: int = 0) -> Tensor:
    """A tensor of a number, nested lists, an array or a tensor. Tensors keep their gradient, also inside lists, where they are stacked.

    `nd.tensor` makes a new leaf or constant instead.
    """
    t = _gathered(obj) if copy else asarray(obj)
    t = t if dtype is None or t.dtype == dtype_of("array", dtype) else astype(t, dtype)
    return t if t.ndim >= ndmin else reshape(t, (1,) * (ndmin - t.ndim) + t.shape)


def asarray(obj: Any, dtype: Dtype = None, *, copy: bool | None = None) -> Tensor:
    """`array`, on obj's own memory where possible unless `copy`; a tensor as it is if nothing about it would change."""
    if copy:
        return array(obj, dtype)
    t = obj if isinstance(obj, Tensor) else _gathered(obj) if _holds_tensors(obj) else astensor(obj)
    return t if dtype is None or t.dtype == dtype_of("asarray", dtype) else astype(t, dtype)


def _gathered(obj: Any) -> Tensor:
    if isinstance(obj, Tensor):
        return alias(obj) if obj.requires_grad else tensor(obj)
    return stack([_gathered(o) for o in obj]) if _holds_tensors(obj) else tensor(obj)


def _holds_tensors(obj: Any) -> bool:
    return isinstance(obj, (list, tuple)) and any(isinstance(o, Tensor) or _holds_tensors(o) for o in obj)


_KEYWORDS = [
    inspect.Parameter("requires_grad", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool),
    inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None"),
]


def maker(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, which makes an array that nobody else holds, or a tensor (and perhaps more), with requires_grad= and name= of the first."""

    def make(*args: Any, requires_grad: bool = False, name: str | None = None, **options: Any) -> Any:
        made = f(*args, **options)
        if isinstance(made, tuple):
            return _labelled(made[0], requires_grad, name), *made[1:]
        return _labelled(made, requires_grad, name)

    wraps(f)(make)
    return named(titled(make, f.__name__, f.__doc__ or "", [*inspect.signature(f).parameters.values(), *_KEYWORDS]))


def _labelled(made: Any, requires_grad: bool, name: str | None) -> Tensor:
    if not isinstance(made, Tensor):
        made.flags.writeable = False
    elif made.requires_grad:
        if name is not None:
            made.name = name
        return made
    return astensor(made, requires_grad=requires_grad, name=name)


def _of_shape(f: Callable[..., Any], doc: str) -> Callable[..., Any]:
    def make(shape: Shape, dtype: Dtype = None) -> Any:
        if isinstance(shape, int) and isinstance(dtype, int):
            who = f.__name__
            raise TypeError(f"{who}: dtype must be one of numbers, but is {dtype}; a shape is one tuple: {who}(({shape}, {dtype}))")
        return f(sizes_of(shape, f.__name__), dtype if dtype is None else dtype_of(f.__name__, dtype))

    return maker(titled(make, f.__name__, f"{doc}; float64 by default."))


def _of_shape_like(f: Callable[..., Any], doc: str) -> Callable[..., Any]:
    def make(x: Any, dtype: Dtype = None, *, shape: Shape | None = None) -> Any:
        return f(bare(x), dtype if dtype is None else dtype_of(f.__name__, dtype), shape=_maybe(shape, f.__name__))

    return maker(titled(make, f.__name__, f"{doc}; `shape` and `dtype` say otherwise."))


def _maybe(shape: Shape | None, where: str) -> tuple[int, ...] | None:
    return None if shape is None else sizes_of(shape, where)


zeros = _of_shape(np.zeros, "Zeros of the given shape")
ones = _of_shape(np.ones, "Ones of the given shape")
empty = _of_shape(np.empty, "Whatever the memory held, in the given shape")
zeros_like = _of_shape_like(np.zeros_like, "Zeros of x's shape and dtype")
ones_like = _of_shape_like(np.ones_like, "Ones of x's shape and dtype")
empty_like = _of_shape_like(np.empty_like, "Whatever the memory held, in x's shape and dtype")


@maker
def full(shape: Shape, fill_value: Any, dtype: Dtype = None) -> Any:
    """One value (or what broadcasts) repeated to the given shape, of its dtype by default. Its gradient is the sum of the result's."""
    if isinstance(fill_value, Tensor) and fill_value.requires_grad:
        return _filled(fill_value, sizes_of(shape, "full"), dtype)
    return np.full(shape, bare(fill_value), dtype)


@maker
def full_like(x: Any, fill_value: Any, dtype: Dtype = None, *, shape: Shape | None = None) -> Any:
    """One value (or what broadcasts) repeated to x's shape, in x's dtype by default. Its gradient is the sum of the result's."""
    sizes = _maybe(shape, "full_like")
    if isinstance(fill_value, Tensor) and fill_value.requires_grad:
        like = astensor(x)
        return _filled(fill_value, like.shape if sizes is None else sizes, like.dtype if dtype is None else dtype)
    return np.full_like(bare(x), bare(fill_value), dtype, shape=sizes)


@maker
def eye(N: int, M: int | None = None, k: int = 0, dtype: Dtype = float) -> Any:
    """(N, M) with ones on the k-th diagonal and zeros elsewhere; M defaults to N."""
    return np.eye(N, M, k, dtype)


@maker
def arange(start: float, stop: float | None = None, step: float = 1, dtype: Dtype = None) -> Any:
    """start, start + step, ... up to but without stop; arange(stop) counts from 0."""
    if np.ndim(step) == 0 and step == 0:
        raise ValueError("arange: step must not be 0")
    first, last = (0, start) if stop is None else (start, stop)
    return np.arange(first, last, step, dtype=dtype)


@maker
def identity(n: int, dtype: Dtype = None) -> Any:
    """(n, n) with ones on the diagonal and zeros elsewhere; float64 by default."""
    return np.identity(n, dtype)


@maker
def tri(N: int, M: int | None = None, k: int = 0, dtype: Dtype = float) -> Any:
    """(N, M) with ones on and below the k-th diagonal and zeros above; M defaults to N."""
    return np.tri(N, M, k, dtype)


@named
def fromfunction(function: Callable[..., Any], shape: Sequence[int], *, dtype: Dtype = float, **kwargs: Any) -> Tensor:
    """function(*indices, **kwargs), called once: each of the indices is a tensor of `shape` that counts along one axis."""
    return astensor(function(*(astensor(i) for i in np.indices(shape, dtype)), **kwargs))


def _filled(value: Tensor, shape: tuple[int, ...], dtype: Dtype) -> Tensor:
    return broadcast_to(value if dtype is None else astype(value, dtype), shape)


# Evenly spaced values, and grids.


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
    num = whole("linspace", "num", num, 0)
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
    num = whole("geomspace", "num", num, 0)
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
