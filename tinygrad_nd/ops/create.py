"""Tensors made from a description: NumPy's constructors and defaults, with `requires_grad=` and `name=`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..arguments import dtype_of
from ..tensor import Tensor, astensor, tensor
from .naming import named, titled
from .parts import alias, astype
from .shape import broadcast_to, reshape, sizes_of, stack
from .ufunc import bare

__all__ = [
    "arange", "array", "asarray", "empty", "empty_like", "eye", "fromfunction", "full", "full_like", "identity", "ones", "ones_like",
    "tri", "zeros", "zeros_like",
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
