"""Names of functions that are made by others: those that are rows of a table, and those in which errors are told."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from numpy.exceptions import AxisError
from numpy.linalg import LinAlgError

from ..arguments import misfit
from ..node import asked_for

P = ParamSpec("P")
R = TypeVar("R")


def titled(f: Callable[P, R], name: str, doc: str, parameters: Iterable[inspect.Parameter] = (), result: Any = "Tensor") -> Callable[P, R]:
    """f, known by this name, with this text, and called with these parameters, if not its own."""
    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    if parameters:
        f.__signature__ = inspect.Signature(list(parameters), return_annotation=result)  # type: ignore[attr-defined]
    return f


def named(f: Callable[P, R], within: str = "") -> Callable[P, R]:
    """f, whose errors begin with its name, and that of what it is `within`, such as "random.", and not with those of what it calls."""
    name = within + f.__name__

    @wraps(f)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return f(*args, **kwargs)
        except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
            if told := misfit(name, error, f):
                raise told from None
            if str(error).startswith((name, asked_for(name))) or isinstance(error, LinAlgError):
                raise
            kind = next((k for k in (AxisError, TypeError, IndexError) if isinstance(error, k)), ValueError)
            raise kind(f"{name}: " + re.sub(r"^(\w+: )+", "", str(error))) from error

    return function
