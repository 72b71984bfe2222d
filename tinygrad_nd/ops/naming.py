"""Errors in the name of the function that was called, where another one that it is made of has raised them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from numpy.exceptions import AxisError
from numpy.linalg import LinAlgError

P = ParamSpec("P")
R = TypeVar("R")


def named(f: Callable[P, R], within: str = "") -> Callable[P, R]:
    """f, whose errors begin with its name, and that of what it is `within`, such as "random."."""
    name = within + f.__name__

    @wraps(f)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return f(*args, **kwargs)
        except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
            if str(error).startswith(name) or isinstance(error, LinAlgError):
                raise
            kind = next((k for k in (AxisError, TypeError, IndexError) if isinstance(error, k)), ValueError)
            raise kind(f"{name}: {str(error).removeprefix('astensor: ')}") from error

    return function
