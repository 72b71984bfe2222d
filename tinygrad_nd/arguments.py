"""What arguments must be: numbers, counts, words, dtypes, random generators, saved state. Refused everywhere in the same words."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from math import inf
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

from .kernels.words import meant, shown

P = ParamSpec("P")
R = TypeVar("R")
Rng: TypeAlias = "np.random.Generator | int | None"  # a string, so that numpy.random is imported when it is used
BOUNDS = {
    "least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "most": ("at most", operator.le),
    "below": ("below", operator.lt),
}


def number(where: str, name: str, value: Any, **bounds: float) -> None:
    """Raises TypeError or ValueError unless `value` is a real number within `bounds`; below=inf asks for a finite one.

    >>> number("dropout", "p", 2, least=0, most=1)
    Traceback (most recent call last):
    ValueError: dropout: p=2 must be at least 0 and at most 1
    """
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        told = _told(bounds)
        raise TypeError(f"{where}: {name} must be a number{told and ' ' + told}, but is {kind_of(value)}")
    if value != value or not all([BOUNDS[bound][1](value, n) for bound, n in bounds.items()]):
        raise ValueError(f"{where}: {name}={shown(value)} must be {_told(bounds) or 'a number'}")


def _told(bounds: Mapping[str, float]) -> str:
    return " and ".join("finite" if n == inf else f"{BOUNDS[bound][0]} {n:g}" for bound, n in bounds.items())


def whole(where: str, name: str, value: Any, least: float = 1) -> int:
    """`value` as an int, if it is one (True and 2.0 are not) from `least` on."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{where}: {name} must be an int, but is {kind_of(value)}")
    if value < least:
        raise ValueError(f"{where}: {name}={shown(value)} must be at least {least}")
    return int(value)


def flag(where: str, name: str, value: Any) -> None:
    """Raises TypeError unless `value` is True or False: what merely counts as true was mostly meant for another argument."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{where}: {name} must be True or False, but is {kind_of(value)}")


def misfit(who: str, error: Exception, f: Callable[..., Any]) -> TypeError | None:
    """What Python says of a call of f that does not fit, in the name of `who`, and the arguments there are; None for any other error."""
    said = re.fullmatch(rf"(?:(?:{re.escape(f.__qualname__)}|{f.__name__})\(\) )?((?:got|takes|missing|multiple|too many) .*)", str(error))
    if said is None or not isinstance(error, TypeError):
        return None
    parameters = [p for p in inspect.signature(f).parameters.values() if p.name != "self"]
    names = [p.name for p in parameters]
    if by_name := [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]:
        names.insert(names.index(by_name[0]), "*")
    return TypeError(f"{who}: {said[1]}; its arguments are {', '.join(names)}" if names else f"{who}: {said[1]}; it takes no arguments")


def bound(who: str, f: Callable[..., Any], signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call of f by name, defaults among them; a call that does not fit is answered with the arguments there are."""
    try:
        found = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise misfit(who, error, f) or error from None
    found.apply_defaults()
    return found.arguments


def answering(f: Callable[P, R]) -> Callable[P, R]:
    """f, which answers a call that does not fit with the arguments there are."""

    @wraps(f)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return f(*args, **kwargs)
        except TypeError as error:
            who = f.__name__.lstrip("_") if f.__name__ != "__init__" else type(args[0]).__name__
            if told := misfit(who, error, f):
                raise told from None
            raise

    return function


def option(where: str, name: str, value: Any, known: Iterable[str]) -> None:
    """Raises ValueError unless `value` is one of the words `known`.

    >>> option("qr", "mode", "full", ("reduced", "complete", "r"))
    Traceback (most recent call last):
    ValueError: qr: mode must be 'reduced', 'complete' or 'r', but is 'full'
    """
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        hint = meant(value, known).rstrip()
        raise ValueError(f"{where}: {name} must be {joined([*map(repr, known)], 'or')}, but is {shown(value)}{hint and '; ' + hint}")


def joined(items: Sequence[str], last: str = "and") -> str:
    """
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else "nothing"


def dtype_of(where: str, dtype: Any) -> np.dtype[Any]:
    """What NumPy takes for a dtype, as one; of numbers, in the machine's byte order."""
    found: np.dtype[Any] | None
    try:
        found = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError):
        found = None
    if found is None or found.kind not in "biufc":
        raise TypeError(f"{where}: dtype must be one of numbers, such as np.float32 or 'int64', but is {kind_of(dtype)}")
    return found


def no_numbers(where: str, obj: Any, dtype: Any = None) -> Exception:
    """Why NumPy makes no array of numbers of `obj`."""
    if dtype is not None:
        dtype_of(where, dtype)
    kind, nested = f"a {type(obj).__name__}", isinstance(obj, (list, tuple))
    if nested and _ragged(obj):
        return ValueError(f"{where}: {kind} whose rows differ in length is no array; pad them, or use them one by one")
    try:
        entries = np.ravel(np.asarray(obj, object))
    except Exception as error:  # another library's array, which says why it is none of NumPy's
        return TypeError(f"{where}: {kind} is not an array of numbers: {error}")
    strange = [x for x in entries if not isinstance(x, (int, float, complex, np.number))]
    inside = strange[0] if strange else obj
    if not strange and any(isinstance(x, int) and not -(2**63) <= x < 2**64 for x in entries):
        return ValueError(f"{where}: an integer that needs more than 64 bits is no entry of an array; make it a float")
    if not strange and dtype is not None:
        return ValueError(f"{where}: {kind_of(obj)} does not fit into dtype {np.dtype(dtype)}")
    came = f"an array of dtype {obj.dtype}" if isinstance(obj, np.ndarray) else kind_of(inside)
    return TypeError(f"{where}: needs numbers, but got {came}{f' inside {kind}' if nested else ''}")


def _ragged(items: Any) -> bool:
    """Whether rows inside differ in length, or stand beside numbers."""
    rows = [x for x in items if isinstance(x, (list, tuple)) or getattr(x, "shape", None)]
    return any(map(_ragged, rows)) or (bool(rows) and (len(rows) < len(items) or len({len(x) for x in rows}) > 1))


seeded: np.random.Generator | None = None  # what `random.seed` set


def generator(where: str, rng: Rng) -> np.random.Generator:
    """A Generator as it is, or a new one from a seed; for None one that follows from what `random.seed` set, else an unpredictable one."""
    try:
        return np.random.default_rng(seeded.integers(1 << 63) if rng is None and seeded is not None else rng)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: rng must be a np.random.Generator, a seed (an int from 0 on) or None, but is {kind_of(rng)}") from None


@contextmanager
def reading(where: str, saved: Any, *keys: str) -> Iterator[None]:
    """Inside, whatever goes wrong with saved state, of just these keys if any are named, is a ValueError that begins with `where`."""
    if not isinstance(saved, Mapping):
        raise TypeError(f"{where}: takes what state_dict() gave, a dict, but got a {type(saved).__name__}")
    if keys and set(saved) != set(keys):
        raise ValueError(f"{where}: needs {', '.join(keys)}, but got {', '.join(map(str, saved)) or 'nothing'}")
    try:
        yield
    except Exception as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where}: this is not what state_dict() gave ({type(error).__name__}: {error}); nothing was loaded") from error


def kind_of(value: Any) -> str:
    """`value` and its type."""
    text = shown(value)
    return text if value is None or text.startswith("a ") else f"{text} ({type(value).__name__})"
