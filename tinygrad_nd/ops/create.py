"""Tensors made from a description: NumPy's constructors and defaults, with `requires_grad=` and `name=`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor

__all__ = ["arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "zeros", "zeros_like"]

Shape = int | Sequence[int]
Dtype = Any  # npt.DTypeLike | None; NumPy has no stubs for all of its combinations


def zeros(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Zeros of the given shape; float64 by default."""
    return _owned(np.zeros(shape, dtype), requires_grad, name)


def ones(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Ones of the given shape; float64 by default."""
    return _owned(np.ones(shape, dtype), requires_grad, name)


def full(shape: Shape, fill_value: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """One value repeated to the given shape; of the value's dtype by default."""
    return _owned(np.full(shape, _value(fill_value), dtype), requires_grad, name)


def empty(shape: Shape, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Whatever the memory held, in the given shape; float64 by default."""
    return _owned(np.empty(shape, dtype), requires_grad, name)


def zeros_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return _owned(np.zeros_like(_value(x), dtype), requires_grad, name)


def ones_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Ones of x's shape and dtype."""
    return _owned(np.ones_like(_value(x), dtype), requires_grad, name)


def full_like(x: Any, fill_value: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """One value repeated to x's shape, in x's dtype."""
    return _owned(np.full_like(_value(x), _value(fill_value), dtype), requires_grad, name)


def empty_like(x: Any, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Whatever the memory held, in x's shape and dtype."""
    return _owned(np.empty_like(_value(x), dtype), requires_grad, name)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Dtype = float, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """(N, M) with ones on the k-th diagonal and zeros elsewhere; M defaults to N."""
    return _owned(np.eye(N, M, k, dtype), requires_grad, name)


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: Dtype = None, *, requires_grad: bool = False, name: str | None = None
) -> Tensor:
    """start, start + step, ... up to but without stop; arange(stop) counts from 0."""
    first, last = (0, start) if stop is None else (start, stop)
    return _owned(np.arange(first, last, step, dtype=dtype), requires_grad, name)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Dtype = None,
    axis: int = 0,
    *,
    requires_grad: bool = False,
    name: str | None = None,
) -> Any:
    """num evenly spaced values from start to stop; with retstep, (values, step)."""
    values, step = np.linspace(_value(start), _value(stop), num, endpoint, retstep=True, dtype=dtype, axis=axis)
    t = _owned(values, requires_grad, name)
    return (t, step) if retstep else t


def _value(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _owned(array: np.ndarray, requires_grad: bool, name: str | None) -> Tensor:
    """A tensor on an array that nobody else holds."""
    array.flags.writeable = False
    return astensor(array, requires_grad=requires_grad, name=name)
