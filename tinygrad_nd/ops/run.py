"""Operations whose sweep back finds all cotangents at once, from more than their operands and result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from ..tensor import Tensor, astensor


class Run:
    """What one call kept for its sweep back, and what a sweep found besides the cotangent that was asked for.

    A replay calls it on other arrays, so either is told by the result that it belongs to.
    """

    def __init__(self) -> None:
        self.kept: Any = None
        self.found: dict[str, np.ndarray] = {}
        self.out = self.swept = self.g = _nothing

    def keep(self, kept: Any, out: np.ndarray) -> np.ndarray:
        """The result, for one sweep of which something was kept."""
        self.kept, self.out = kept, ref(out)
        return out

    def take(self, out: np.ndarray) -> Any:
        """What was kept with this result; None if that has been used, or was of another."""
        kept, self.kept = self.kept, None
        return kept if self.out() is out else None

    def cotangent(self, of: str, sweep: Callable[[], dict[str, np.ndarray]], g: np.ndarray, out: np.ndarray) -> Tensor:
        """That of one operand, of those that the sweep of g finds."""
        if of not in self.found or self.g() is not g or self.swept() is not out:
            self.found, self.g, self.swept = sweep(), ref(g), ref(out)
        return astensor(self.found.pop(of))


def _nothing() -> Any: ...
