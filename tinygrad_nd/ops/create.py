"""Tensors made from a description: NumPy's constructors, with `requires_grad=` and `name=`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..tensor import Tensor, astensor


def _constructor(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def create(*args: Any, requires_grad: bool = False, name: str | None = None, **kwargs: Any) -> Any:
        args = tuple(a.data if isinstance(a, Tensor) else a for a in args)
        made = make(*args, **kwargs)
        array, *rest = made if isinstance(made, tuple) else (made,)  # linspace with retstep=True also gives the step
        array.flags.writeable = False
        t = astensor(array, requires_grad=requires_grad, name=name)
        return (t, *rest) if rest else t

    create.__doc__ = f"NumPy's {make.__name__}, as a tensor; also takes requires_grad= and name=."
    create.__module__ = __name__
    return create


zeros, ones, full, empty, arange, linspace, eye = (
    _constructor(f) for f in (np.zeros, np.ones, np.full, np.empty, np.arange, np.linspace, np.eye)
)
zeros_like, ones_like, full_like, empty_like = (_constructor(f) for f in (np.zeros_like, np.ones_like, np.full_like, np.empty_like))
