"""Optimisers that move every number by a rule of `kernels.update`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..arguments import bound, flag
from ..kernels.update import Rule, Step
from .optimizer import Optimizer, Params, State

_PARAMS = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Params)
_MAXIMIZE = inspect.Parameter("maximize", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)
Move = tuple[Rule, Sequence[np.ndarray], Sequence[float], float]  # a rule, its states and constants, and the decay of weights


class Ruled(Optimizer):
    """The library's own: all numbers of a row move by one rule, which a subclass names with its states and constants.

    The keywords of its method `rule` are its options, in this order, and the defaults theirs, unless the class statement has others.
    """

    elementwise = True
    _options: ClassVar[inspect.Signature]
    _changed: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **defaults: Any) -> None:
        cls._changed = {**cls._changed, **defaults}
        keywords = [p for p in inspect.signature(cls.rule).parameters.values() if p.kind is p.KEYWORD_ONLY]
        options = [p.replace(kind=_PARAMS.kind, default=cls._changed.get(p.name, p.default)) for p in keywords]
        cls._options = inspect.Signature([_PARAMS, *options, _MAXIMIZE])
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        shown = cls._options if cls.__init__ is Ruled.__init__ else inspect.Signature(own)
        cls.__signature__ = shown  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(**bound(type(self).__name__, type(self), self._options, args, options))

    def update(self, p: np.ndarray, g: np.ndarray, state: State, *, maximize: bool = False, **options: Any) -> Step:
        rule, states, numbers, decay = self.rule(p, state, **options)
        return Step(rule, p, g, states, numbers, decay, maximize)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        super()._check_options(group)
        for name, p in self._options.parameters.items():
            if isinstance(p.default, bool):
                flag(type(self).__name__, name, group[name])

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
