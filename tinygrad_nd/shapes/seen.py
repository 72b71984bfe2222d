"""The positions of an axis that are seen, and the moves that take positions of a result to those of an operand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..kernels.memory import Array


class Move(NamedTuple):
    """From positions of a result to those of an operand that they come from, and how far these go for one step of the result."""

    to: Callable[[Array], Array]
    stride: Fraction | int = 1


@dataclass(frozen=True)
class Seen:
    """The positions of one axis that are seen: a set for each output position followed, beginning with `first` of output axis `source`.

    With source None there is one set, the same for all. blocked: the operation behind which they are not known exactly.
    """

    source: int | None
    stride: Fraction
    first: int
    sets: tuple[Array, ...]
    blocked: str | None = None

    def moved(self, move: Move) -> Seen:
        """The positions of an operand that these positions of its result come from."""
        sets = tuple(np.unique(move.to(s)) for s in self.sets)
        return Seen(self.source, self.stride * move.stride, self.first, sets, self.blocked)


Axes = list[Seen]


def fixed(positions: Array, blocked: str | None = None) -> Seen:
    """The same positions, whatever is followed."""
    return Seen(None, Fraction(0), 0, (positions,), blocked)


def whole(n: int, blocked: str | None = None) -> Seen:
    """All of an axis."""
    return fixed(np.arange(n), blocked)


def affine(step: int, start: int) -> Move:
    return Move(lambda at: step * at + start, step)


def divided(by: int) -> Move:
    return Move(lambda at: at // by, Fraction(1, by))


def multiplied(by: int) -> Move:
    """Position j stands for as many, from j · by on."""
    return window(by, by, 0, 1)


def window(k: int, s: int, a: int, d: int) -> Move:
    """Position j sees sj + dt - a for t < k."""
    return Move(lambda at: (s * at[:, None] + d * np.arange(k) - a).ravel(), s)


def spread(k: int, s: int, a: int, d: int) -> Move:
    """The transpose: position sj + dt - a sees j."""

    def to(at: Array) -> Array:
        scaled = (at[:, None] + a - d * np.arange(k)).ravel()
        there: Array = scaled[scaled % s == 0] // s
        return there

    return Move(to, Fraction(1, s))
