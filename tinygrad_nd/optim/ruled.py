"""Optimisers that move every number by a rule of `kernels.update`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.update import Rule, Step
from .optimizer import Optimizer, State

Move = tuple[Rule, Sequence[np.ndarray], Sequence[float], float]  # a rule, its states and constants, and the decay of weights


class Ruled(Optimizer):
    """The library's own: all numbers of a row move by one rule, which a subclass names with its states and constants."""

    elementwise = True

    def update(self, p: np.ndarray, g: np.ndarray, state: State, *, maximize: bool = False, **options: Any) -> Step:
        rule, states, numbers, decay = self.rule(p, state, **options)
        return Step(rule, p, g, states, numbers, decay, maximize)

    def rule(self, p: np.ndarray, state: State, *args: Any, **options: Any) -> Move:
        """What the next step of these numbers is, given the options of their group."""
        raise NotImplementedError


def zeros(state: State, p: np.ndarray, *keys: str) -> list[np.ndarray]:
    """The arrays of these names in the state, which begin as zeros."""
    for key in keys:
        if key not in state:
            state[key] = np.zeros_like(p)
    return [state[key] for key in keys]


def count(state: State) -> int:
    """The number of this step, from 1."""
    t: int = state.get("step", 0) + 1
    state["step"] = t
    return t
