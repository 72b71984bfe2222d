"""Averages of the values that parameters take while they are learned: better to evaluate, and to keep, than the last ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arguments import answering, number, reading, whole
from ..kernels import update as rules
from ..tensor import Parameter, Tensor
from .descent import Move, Ruled
from .optimizer import State

__all__ = ["EMA"]


class EMA:
    """Exponential moving averages of parameters: a = decay a + (1 - decay) p at each `update()`, from the present values on.

    parameters: tensors, or a model (anything with `.parameters()`). With `decay=None` a is the mean of p over all updates (stochastic
    weight averaging). State that is not learned, such as the running means of batch norm, is not averaged.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; Izmailov et al., Averaging weights leads to
    wider optima and better generalization, 2018.

    >>> import numpy as np, tinygrad_nd as nd
    >>> w = nd.Parameter([0.0])
    >>> ema = nd.optim.EMA([w], decay=0.9)
    >>> w.data = np.float32([1.0])
    >>> ema.update()
    >>> with ema.averaged():
    ...     print(w.data)
    [0.1]
    >>> print(w.data)
    [1.]
    """

    @answering
    def __init__(self, parameters: Any, decay: float | None = 0.999) -> None:
        model = hasattr(parameters, "parameters") and not isinstance(parameters, type)
        given: Any = parameters.parameters() if model else parameters
        tensors = list(given) if isinstance(given, Iterable) and not isinstance(given, Tensor) else []
        if not tensors or not all(isinstance(p, Tensor) for p in tensors):
            raise TypeError(f"EMA: takes tensors or a model that has parameters, but got a {type(parameters).__name__}")
        if decay is not None:
            number("EMA", "decay", decay, least=0, most=1)
        self.parameters, self.decay, self.updates = tensors, decay, 0
        self.averages = [Parameter(p.data) for p in self.parameters]
        self._steps = _Toward(self.averages)

    def update(self) -> None:
        """Counts in the present values: to be called after each step of the optimiser."""
        self.updates += 1
        if self.decay is None and self.updates == 1:
            for a, p in zip(self.averages, self.parameters):
                a._data = p._data
            return
        self._steps.param_groups[0]["part"] = 1 / self.updates if self.decay is None else 1 - self.decay
        for a, p in zip(self.averages, self.parameters):
            a._grad = p  # what it moves toward
        self._steps.step()

    def copy_to(self) -> None:
        """Gives the parameters their averages as values, for good."""
        for a, p in zip(self.averages, self.parameters):
            p._data = a._data

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Context manager: inside, the parameters have their averages as values."""
        learned = [p._data for p in self.parameters]
        self.copy_to()
        try:
            yield
        finally:
            for p, value in zip(self.parameters, learned):
                p._data = value

    def state_dict(self) -> dict[str, Any]:
        """The averages, copied, and how many updates made them."""
        return {"decay": self.decay, "updates": self.updates, "averages": [a.data.copy(order="K") for a in self.averages]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave; else raises ValueError and changes nothing."""
        where = "EMA.load_state_dict"
        with reading(where, saved, "decay", "updates", "averages"):
            arrays = [np.asarray(a) for a in saved["averages"]]
            if [(a.shape, a.dtype.kind) for a in arrays] != [(a.shape, a.dtype.kind) for a in self.averages]:
                told, expected = (", ".join(f"{a.shape} {a.dtype}" for a in several) for several in (arrays, self.averages))
                raise ValueError(f"{where}: averages {told} were saved, but the parameters are {expected}")
            updates = whole(where, "updates", saved["updates"], 0)
            if saved["decay"] is not None:
                number(where, "decay", saved["decay"], least=0, most=1)
        self.decay, self.updates = saved["decay"], updates
        for a, array in zip(self.averages, arrays):
            a.data = array.astype(a.dtype, copy=False)


class _Toward(Ruled):
    """Each step goes a part of the way to what stands in the place of the gradient."""

    def rule(self, p: np.ndarray, state: State, *, part: float = 0.0) -> Move:
        return rules.average, (), (part,), 0.0
