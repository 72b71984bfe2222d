"""Names of functions that are made by others: those that are rows of a table, and those in which errors are told."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from numpy.exceptions import AxisError
from numpy.linalg import LinAlgError

from ..arguments import flag, kind_of, misfit
from ..kernels.words import cut
from ..node import asked_for

P = ParamSpec("P")
R = TypeVar("R")
_NEVER = 1 << 10  # a position where no argument stands


def titled(f: Callable[P, R], name: str, doc: str, parameters: Iterable[inspect.Parameter] = (), result: Any = "Tensor") -> Callable[P, R]:
    """f, known by this name, with this text, and called with these parameters, if not its own."""
    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    if parameters:
        f.__signature__ = inspect.Signature(list(parameters), return_annotation=result)  # type: ignore[attr-defined]
    return f


def named(f: Callable[P, R], within: str = "") -> Callable[P, R]:
    """f, whose errors begin with its name, and that of what it is `within`, such as "random.", and not with those of what it calls."""
    name, flags = within + f.__name__, _flags(f)
    first = min(flags.values(), default=_NEVER)

    @wraps(f)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            for key, given in kwargs.items():
                if type(given) is not bool and key in flags and type(given) is not int:
                    flag(name, key, given)
            if len(args) > first:
                for key, i in flags.items():
                    if i < len(args) and type(args[i]) not in (bool, int):
                        flag(name, key, args[i])
            return f(*args, **kwargs)
        except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
            if told := misfit(name, error, f):
                raise told from None
            if _FOREIGN.search(said := re.sub(r"^([\w.]+: )+", "", str(error))):
                came = inspect.signature(f).bind(*args, **kwargs).arguments.items()
                raise TypeError(f"{name}: cannot take {', '.join(f'{k}={kind_of(v)}' for k, v in came)} ({said})") from error
            if str(error).startswith((name, asked_for(name))) or isinstance(error, LinAlgError):
                raise
            kind = next((k for k in (AxisError, TypeError, IndexError) if isinstance(error, k)), ValueError)
            raise kind(f"{name}: {cut(said)}") from error

    return function


# What Python and NumPy say of an object that they can do nothing with.
_FOREIGN = re.compile(
    r"^'?[\w.]+'? object |\(\) not supported|object of type|operand type|not supported (between|for)|ufunc '|DType|integer scalar arrays|"
    r"argument must be a |must be real number|values to unpack|invalid literal|unhashable|can't multiply|must be str, "
)


def _flags(f: Callable[..., Any]) -> dict[str, int]:
    """The arguments of f that are True or False by default, and their positions."""
    if known := getattr(f, "__signature__", None):
        given = [(p.name, p.default, p.kind is p.KEYWORD_ONLY) for p in known.parameters.values()]
    else:
        names, defaults = f.__code__.co_varnames[: f.__code__.co_argcount], f.__defaults__ or ()
        given = [(name, default, False) for name, default in zip(names, (*[None] * (len(names) - len(defaults)), *defaults))]
        given += [(name, default, True) for name, default in (f.__kwdefaults__ or {}).items()]
    flags = ((name, _NEVER if alone else i) for i, (name, default, alone) in enumerate(given) if type(default) is bool)
    return {name: i for name, i in flags if name not in ("where", "copy", "optimize")}  # which take more than that
