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


class Kind:
    """Arrays of one shape and dtype that lie alike in memory: those that are kept, and how often there was none."""

    __slots__ = ("nbytes", "kept", "missed")

    def __init__(self, nbytes: int) -> None:
        self.nbytes, self.missed = nbytes, 0
        self.kept: list[ndarray] = []

    def take(self) -> ndarray | None:
        """One of undefined contents; None if there is none."""
        global _missed
        try:
            return self.kept.pop()
        except IndexError:
            if _missed + self.nbytes > LIMIT:
                clear()
            _missed += self.nbytes
            self.missed += 1
            return None


_kinds: dict[Hashable, Kind] = {}
plans: dict[Hashable, Kind | None] = {}  # of what kind a result is, by what it is made of
_missed = 0  # bytes, in all: no more can be kept


def kind(a: ndarray) -> Kind:
    """That of the arrays like `a`."""
    key = a.shape, a.dtype, a.strides
    if key not in _kinds and len(_kinds) >= KINDS:
        clear()
        _kinds.clear()
        plans.clear()
    return _kinds.setdefault(key, Kind(a.nbytes))


def keep(arrays: Sequence[Any]) -> None:
    """Keeps those of the arrays that nobody else refers to: they are about to be dropped."""
    for a in arrays:
        if type(a) is ndarray and sys.getrefcount(a) == _ALONE and (of := _kinds.get((a.shape, a.dtype, a.strides))):
            if of.missed and a.flags.owndata and not getweakrefcount(a):
                of.missed -= 1
                a.setflags(write=True)
                of.kept.append(a)


def clear() -> None:
    """Gives them all back."""
    global _missed
    for of in [*_kinds.values()]:
        of.kept.clear()
        of.missed = 0
    _missed = 0


def _references(arrays: Sequence[Any]) -> int:
    """To the first of them, counted from within a loop as `keep` counts."""
    for a in arrays:
        return sys.getrefcount(a)
    return 0


_ALONE = _references((np.empty(0),))  # as this interpreter counts
