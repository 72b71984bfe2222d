"""Arrays of a few pages, which a sweep frees by the thousand, kept for the next pass.

malloc would give their pages back to the system, and a page is paid for when it is first written. Only as many are kept as were missed.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Any
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

PAGE = 1 << 12  # bytes; what is smaller shares its pages with others
MOST = 1 << 18  # bytes; malloc maps what is larger by itself
LIMIT = 1 << 26  # bytes that are kept in all
KINDS = 1 << 12


class _Kind:
    """Arrays of one shape and dtype that lie alike in memory: those that are kept, and how often there was none."""

    __slots__ = ("kept", "missed")

    def __init__(self) -> None:
        self.kept: list[ndarray] = []
        self.missed = 0


_kinds: dict[Hashable, _Kind] = {}
_missed = 0  # bytes, in all: no more can be kept


def like(a: ndarray) -> ndarray | None:
    """An array like `a`, of undefined contents; None if there is none."""
    key = a.shape, a.dtype, a.strides
    kind = _kinds.get(key)
    if kind is not None and kind.kept:
        try:
            return kind.kept.pop()
        except IndexError:  # another thread was quicker
            pass
    _miss(key, a.nbytes)
    return None


def _miss(key: Hashable, nbytes: int) -> None:
    global _missed
    if _missed + nbytes > LIMIT or len(_kinds) >= KINDS:
        clear()
    _missed += nbytes
    _kinds.setdefault(key, _Kind()).missed += 1


def keep(arrays: Sequence[Any]) -> None:
    """Keeps those of the arrays that nobody else refers to: they are about to be dropped."""
    for a in arrays:
        if type(a) is ndarray and sys.getrefcount(a) == _ALONE and (kind := _kinds.get((a.shape, a.dtype, a.strides))):
            if kind.missed and a.flags.owndata and not getweakrefcount(a):
                kind.missed -= 1
                a.setflags(write=True)
                kind.kept.append(a)


def clear() -> None:
    """Gives them all back."""
    global _missed
    _kinds.clear()
    _missed = 0


def _references(arrays: Sequence[Any]) -> int:
    """To the first of them, counted from within a loop as `keep` counts."""
    for a in arrays:
        return sys.getrefcount(a)
    return 0


_ALONE = _references((np.empty(0),))  # as this interpreter counts
