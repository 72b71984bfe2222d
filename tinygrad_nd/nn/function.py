"""Modules around functions: the module takes the function's inputs, and keeps its other arguments."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from .module import Module


def module_of(name: str, f: Callable[..., Tensor], inputs: int = 1) -> Any:
    """A subclass of Module whose constructor takes what follows the first `inputs` arguments of f, with f's defaults."""
    kept = inspect.Signature(list(inspect.signature(f).parameters.values())[inputs:])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = kept.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}; it takes {kept}") from None
        bound.apply_defaults()
        vars(self).update(bound.arguments)

    def forward(self: Any, *xs: Any) -> Tensor:
        return f(*xs, **{argument: getattr(self, argument) for argument in kept.parameters})

    own = {"__init__": __init__, "forward": forward, "__signature__": kept, "__doc__": f"`{f.__name__}`, its other arguments kept."}
    return type(name, (Module,), own | {"__module__": sys._getframe(1).f_globals["__name__"]})
