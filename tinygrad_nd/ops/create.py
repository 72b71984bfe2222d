"""Tensors made from a description: NumPy's constructors and defaults, with `requires_grad=` and `name=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arguments import dtype_of
from ..tensor import Tensor, astensor, tensor
from .naming import named
from .parts import alias, astype
from .shape import broadcast_to, reshape, sizes_of, stack

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


@named
def zeros(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Zeros of the given shape; float64 by default."""
    return _owned(np.zeros(shape, dtype), requires_grad, name)


@named
def ones(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Ones of the given shape; float64 by default."""
    return _owned(np.ones(shape, dtype), requires_grad, name)


@named
def full(shape: Shape, fill_value: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """One value (or what broadcasts) repeated to the given shape, of its dtype by default. Its gradient is the sum of the result's."""
    if isinstance(fill_value, Tensor) and fill_value.requires_grad:
        return _filled(fill_value, sizes_of(shape, "full"), dtype, name)
    return _owned(np.full(shape, _value(fill_value), dtype), requires_grad, name)


@named
def empty(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Whatever the memory held, in the given shape; float64 by default."""
    return _owned(np.empty(shape, dtype), requires_grad, name)


@named
def zeros_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return _owned(np.zeros_like(_value(x), dtype), requires_grad, name)


@named
def ones_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Ones of x's shape and dtype."""
    return _owned(np.ones_like(_value(x), dtype), requires_grad, name)


@named
def full_like(x: Any, fill_value: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """One value (or what broadcasts) repeated to x's shape, in x's dtype by default. Its gradient is the sum of the result's."""
    if isinstance(fill_value, Tensor) and fill_value.requires_grad:
        return _filled(fill_value, astensor(x).shape, astensor(x).dtype if dtype is None else dtype, name)
    return _owned(np.full_like(_value(x), _value(fill_value), dtype), requires_grad, name)


@named
def empty_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Whatever the memory held, in x's shape and dtype."""
    return _owned(np.empty_like(_value(x), dtype), requires_grad, name)


@named
def eye(N: int, M: int | None = None, k: int = 0, dtype: Dtype = float, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """(N, M) with ones on the k-th diagonal and zeros elsewhere; M defaults to N."""
    return _owned(np.eye(N, M, k, dtype), requires_grad, name)


@named
def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """start, start + step, ... up to but without stop; arange(stop) counts from 0."""
    first, last = (0, start) if stop is None else (start, stop)
    return _owned(np.arange(first, last, step, dtype=dtype), requires_grad, name)


@named
def identity(n: int, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """(n, n) with ones on the diagonal and zeros elsewhere; float64 by default."""
    return _owned(np.identity(n, dtype), requires_grad, name)


@named
def tri(N: int, M: int | None = None, k: int = 0, dtype: Dtype = float, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """(N, M) with ones on and below the k-th diagonal and zeros above; M defaults to N."""
    return _owned(np.tri(N, M, k, dtype), requires_grad, name)


@named
def fromfunction(function: Callable[..., Any], shape: Sequence[int], *, dtype: Dtype = float, **kwargs: Any) -> Tensor:
    """function(*indices, **kwargs), called once: each of the indices is a tensor of `shape` that counts along one axis."""
    return astensor(function(*(astensor(i) for i in np.indices(shape, dtype)), **kwargs))


def _value(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _owned(array: np.ndarray, requires_grad: bool, name: str | None) -> Tensor:
    """A tensor on an array that nobody else holds."""
    array.flags.writeable = False
    return astensor(array, requires_grad=requires_grad, name=name)


def _filled(value: Tensor, shape: tuple[int, ...], dtype: Dtype, name: str | None) -> Tensor:
    t = broadcast_to(value if dtype is None else astype(value, dtype), shape)
    if name is not None:
        t.name = name
    return t
