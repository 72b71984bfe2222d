"""What arguments must be: numbers within bounds, counts, random generators, saved state. Refused everywhere in the same words."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any

import numpy as np

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
    told = " and ".join("finite" if n == inf else f"{BOUNDS[bound][0]} {n:g}" for bound, n in bounds.items())
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where}: {name} must be a number{told and ' ' + told}, but is {_shown(value)}")
    if value != value or not all(BOUNDS[bound][1](value, n) for bound, n in bounds.items()):
        raise ValueError(f"{where}: {name}={value} must be {told or 'a number'}")


def whole(where: str, name: str, value: Any, least: float = 1) -> int:
    """`value` as an int, if it is one (True and 2.0 are not) from `least` on."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{where}: {name} must be an int, but is {_shown(value)}")
    if value < least:
        raise ValueError(f"{where}: {name}={value} must be at least {least}")
    return int(value)


def generator(where: str, rng: Any) -> np.random.Generator:
    """A Generator as it is, or a new one from a seed (None: an unpredictable one)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: rng must be a np.random.Generator, a seed (an int from 0 on) or None, but is {_shown(rng)}") from None


@contextmanager
def reading(where: str, saved: Any) -> Iterator[None]:
    """Inside, whatever goes wrong with saved state is a ValueError that begins with `where`."""
    if not isinstance(saved, Mapping):
        raise TypeError(f"{where}: takes what state_dict() gave, a dict, but got a {type(saved).__name__}")
    try:
        yield
    except Exception as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where}: this is not what state_dict() gave ({type(error).__name__}: {error}); nothing was loaded") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"a {type(value).__name__}"
