"""Arrays of a few pages, which a sweep frees by the thousand, kept for the next pass.

malloc would give their pages back to the system, and a page is paid for when it is first written. Only as many are kept as were asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

PAGE = 1 << 12  # bytes; what is smaller shares its pages with others
MOST = 1 << 18  # bytes; malloc maps what is larger by itself
LIMIT = 1 << 26  # bytes that are kept in all
SIZES = 1 << 12


class _Size:
    """The arrays of so many bytes that are kept, the latest last, and how many more were asked for."""

    __slots__ = ("kept", "asked")

    def __init__(self) -> None:
        self.kept: list[ndarray] = []
        self.asked = 0


_sizes: dict[int, _Size] = {}
_bytes = 0  # kept, or taken since they were counted


def take(nbytes: int) -> ndarray | None:
    """The one of so many bytes that was kept last, PAGE to MOST, of any shape, dtype, layout and contents, maybe read-only; None
    if there is none.

    A pass frees what it computed from the end, so that the next most often finds what it needs.
    """
    size = _sizes.get(nbytes)
    if size is None:
        if len(_sizes) >= SIZES:
            clear()
        size = _sizes.setdefault(nbytes, _Size())
    size.asked += 1
    try:
        return size.kept.pop()
    except IndexError:
        return None


def keep(arrays: Sequence[Any]) -> None:
    """Keeps those of the arrays that nobody else refers to: they are about to be dropped."""
    global _bytes
    for a in arrays:
        if type(a) is ndarray and sys.getrefcount(a) == _ALONE and (size := _sizes.get(a.nbytes)) and size.asked:
            if a.flags.owndata and not getweakrefcount(a):
                _bytes += a.nbytes
                if _bytes > LIMIT and not _counted(a.nbytes):
                    continue
                size.asked -= 1
                size.kept.append(a)


def clear() -> None:
    """Gives them all back."""
    global _bytes
    _sizes.clear()
    _bytes = 0


def _counted(more: int) -> bool:
    """Whether so many bytes more can be kept."""
    global _bytes
    _bytes = more + sum([nbytes * len(size.kept) for nbytes, size in [*_sizes.items()]])
    return _bytes <= LIMIT


def _references(arrays: Sequence[Any]) -> int:
    """To the first of them, counted from within a loop as `keep` counts."""
    for a in arrays:
        return sys.getrefcount(a)
    return 0


_ALONE = _references((np.empty(0),))  # as this interpreter counts
