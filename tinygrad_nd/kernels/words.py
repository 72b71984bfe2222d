"""Words for messages: what came, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def shown(value: Any) -> str:
    """What came, on one line; of what kind it is, if that is long.

    >>> shown(range(3)), shown([0.5] * 100)
    ('range(0, 3)', 'a list of 100')
    """
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of too many digits
        text = ""
    if 0 < len(text) <= 60:
        return text
    size = f" {value.shape}" if hasattr(value, "shape") else f" of {len(value)}" if isinstance(value, (list, tuple, dict, str)) else ""
    return f"a {type(value).__name__}{size}"


def cut(said: str) -> str:
    """What NumPy says, of which the end may quote a whole argument."""
    return said if len(said) <= 300 else said[:299] + "…"


def meant(word: Any, known: Iterable[str]) -> str:
    """What a misspelt word probably meant.

    >>> meant("SAME", ("valid", "same"))
    "did you mean 'same'? "
    """
    near = difflib.get_close_matches(str(word).lower(), known, 1)
    return f"did you mean {near[0]!r}? " if near else ""


def axes_word(rank: int) -> str:
    return "axis" if rank == 1 else "axes"
