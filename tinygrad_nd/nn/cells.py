"""Single steps of recurrent layers, for loops of one's own; and how all recurrent layers are made."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, generator, option
from ..ops.elementwise import relu, sigmoid, tanh
from ..ops.join import split
from ..ops.layers import linear
from ..tensor import Tensor, astensor
from .lazy import Lazy, Recipe, check_counts, recipe
from .module import Module

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Lazy):
    """What single steps share."""

    _width, _matrix = "input_size", "weight_ih"
    gates: ClassVar[int]
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self, input_size: int | None, hidden_size: int, bias: bool = True, *, dtype: npt.DTypeLike | None = None, rng: Rng = None
    ) -> None:
        check_counts(self, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        self._begin(uniform(self, dtype, generator(type(self).__name__, rng), bias))

    def _make(self, recipe: Recipe) -> None:
        assert self.input_size is not None
        set_parameters(self, "", self.gates * self.hidden_size, self.input_size, self.hidden_size, recipe)

    def _projected(self, x: Any, *states: Any) -> tuple[Tensor, Tensor, list[Tensor]]:
        """What comes from x, what comes from the first state, h, and the states, zeros for None."""
        x = astensor(x)
        if self._awaited:
            self._meet(x)
        from_x = linear(x, self.weight_ih, self.bias_ih)
        shape = (*x.shape[:-1], self.hidden_size)
        given = [astensor(np.zeros(shape, from_x.dtype) if state is None else state) for state in states]
        if wrong := [state.shape for state in given if state.shape != shape]:  # which might broadcast in silence
            raise ValueError(f"{type(self).__name__}: for x {x.shape} a state needs shape (N, hidden_size) = {shape}, but has {wrong[0]}")
        return from_x, linear(given[0], self.weight_hh, self.bias_hh), given


class RNNCell(_Cell):
    """One step of `RNN`: x (N, input_size) and h (N, hidden_size), zeros if left out, to the new h."""

    gates = 1

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        option("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, dtype=dtype, rng=rng)

    def forward(self, x: Any, h: Any = None) -> Tensor:
        from_x, from_h, _ = self._projected(x, h)
        y: Tensor = (tanh if self.nonlinearity == "tanh" else relu)(from_x + from_h)
        return y


class LSTMCell(_Cell):
    """One step of `LSTM`: x (N, input_size) and (h, c), each (N, hidden_size), zeros if left out, to the new (h, c)."""

    gates = 4

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Tensor, Tensor]:
        if state is not None and not (isinstance(state, (tuple, list)) and len(state) == 2):
            raise TypeError(f"LSTMCell: state must be a pair (h, c), but is a {type(state).__name__}")
        from_x, from_h, (_, c) = self._projected(x, *((None, None) if state is None else state))
        i, f, g, o = split(from_x + from_h, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c


class GRUCell(_Cell):
    """One step of `GRU`: x (N, input_size) and h (N, hidden_size), zeros if left out, to the new h."""

    gates = 3

    def forward(self, x: Any, h: Any = None) -> Tensor:
        from_x, from_h, (h,) = self._projected(x, h)
        (xr, xu, xk), (hr, hu, hk) = split(from_x, 3, -1), split(from_h, 3, -1)
        k: Tensor = tanh(xk + sigmoid(xr + hr) * hk)
        y: Tensor = k + sigmoid(xu + hu) * (h - k)
        return y


def uniform(layer: Any, dtype: npt.DTypeLike | None, rng: Rng, bias: bool) -> Recipe:
    """Parameters uniform within ±1/√hidden_size."""
    bound = layer.hidden_size**-0.5
    return recipe(layer, partial(initialisers.uniform, low=-bound, high=bound), dtype, rng, bias)


def set_parameters(layer: Module, suffix: str, rows: int, below: int, size: int, recipe: Recipe) -> None:
    """Weights and biases for what comes from below and from the step before, for so many rows: those of all gates."""
    for name, shape in (("weight_ih", (rows, below)), ("weight_hh", (rows, size)), ("bias_ih", (rows,)), ("bias_hh", (rows,))):
        setattr(layer, name + suffix, recipe.weight(*shape) if recipe.bias or len(shape) == 2 else None)
