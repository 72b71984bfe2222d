"""Tensors made from a description: NumPy's constructors, with `requires_grad=` and `name=`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor


def _constructor(make: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    @wraps(make)
    def create(*args: Any, requires_grad: bool = False, name: str | None = None, **kwargs: Any) -> Tensor:
        args = tuple(a.data if isinstance(a, Tensor) else a for a in args)
        if "retstep" in kwargs:
            raise TypeError("linspace: retstep is not supported; the step is (stop - start) / (num - 1)")
        array = make(*args, **kwargs)
        array.flags.writeable = False
        return astensor(array, requires_grad=requires_grad, name=name)

    create.__doc__ = f"NumPy's {make.__name__}, as a tensor; also takes requires_grad= and name=."
    create.__module__ = __name__
    return create


zeros, ones, full, empty, arange, linspace, eye = (
    _constructor(f) for f in (np.zeros, np.ones, np.full, np.empty, np.arange, np.linspace, np.eye)
)
zeros_like, ones_like, full_like, empty_like = (_constructor(f) for f in (np.zeros_like, np.ones_like, np.full_like, np.empty_like))
