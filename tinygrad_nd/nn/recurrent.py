"""Recurrent layers, whose state steps through time, and their single steps. PyTorch's arguments, names of parameters and order of gates.

Parameters are drawn uniformly from ±1/√hidden_size. What comes to a layer from below is one product for all steps.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, generator, number, option
from ..ops.dropout import dropout
from ..ops.elementwise import relu, sigmoid, tanh
from ..ops.join import split
from ..ops.layers import linear
from ..ops.rearrange import flip
from ..ops.recurrent import recurrence
from ..ops.shape import concatenate, expand_dims, squeeze, stack, swapaxes
from ..tensor import Tensor, astensor
from .kept import check_kept
from .lazy import Lazy, Recipe, check_counts, recipe
from .module import Module

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"]

# Single steps, for loops of one's own; and how all recurrent layers are made.


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


# Whole sequences.


State = Any  # a tensor, or for an LSTM the pair (h, c)


class _Recurrent(Lazy):
    """What RNN, LSTM and GRU share: layers on layers, in one direction or both."""

    _width, _matrix = "input_size", "weight_ih_l0"
    gates: ClassVar[int]
    states: ClassVar[int] = 1
    cell: str

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        check_counts(self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        number(type(self).__name__, "dropout", dropout, least=0, most=1)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        check_kept(self, ("batch_first", "bidirectional"))
        source = generator(type(self).__name__, rng)
        self.generator = source if dropout else None
        self._begin(uniform(self, dtype, source, bias))

    def _make(self, recipe: Recipe) -> None:
        assert self.input_size is not None
        rows, below = self.gates * self.hidden_size, self.input_size
        for layer in range(self.num_layers):
            for suffix in self._suffixes(layer):
                set_parameters(self, suffix, rows, below, self.hidden_size, recipe)
            below = self.hidden_size * len(self._suffixes(layer))

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        return (f"_l{layer}", f"_l{layer}_reverse") if self.bidirectional else (f"_l{layer}",)

    def forward(self, x: Any, state: State = None) -> tuple[Tensor, State]:
        x = astensor(x)
        if x.ndim not in (2, 3):
            raise ValueError(f"{type(self).__name__}: x needs axes (steps, batch, features), or (steps, features), but has shape {x.shape}")
        if self._awaited:
            self._meet(x)
        if x.shape[-1] != self.input_size:
            raise ValueError(f"{type(self).__name__}: input_size is {self.input_size}, but x {x.shape} has {x.shape[-1]} features")
        batched = x.ndim == 3
        x = (swapaxes(x, 0, 1) if self.batch_first else x) if batched else expand_dims(x, 1)
        first = self._first_states(state, x, batched)
        last: list[Tensor] = []
        for layer in range(self.num_layers):
            suffixes, ys = self._suffixes(layer), []
            for suffix in suffixes:
                y, end = self._along(x, None if first is None else first[:, len(last)], suffix)
                ys.append(y)
                last.append(end)
            x = ys[0] if len(ys) == 1 else concatenate(ys, -1)
            if self.dropout and layer + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training, rng=self.generator)
        ends = last[0][:, None] if len(last) == 1 else stack(last, 1)  # (S, D·layers, N, H)
        if not batched:
            return squeeze(x, 1), self._told(squeeze(ends, 2))
        return swapaxes(x, 0, 1) if self.batch_first else x, self._told(ends)

    def _along(self, x: Tensor, states: Tensor | None, suffix: str) -> tuple[Tensor, Tensor]:
        """One layer in one direction: h of all steps, and the states after the last."""
        w, b, u, c = (getattr(self, name + suffix) for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"))
        reverse = suffix.endswith("reverse")
        z = linear(flip(x, 0) if reverse else x, w, b)
        if states is None:
            states = astensor(np.zeros((self.states, x.shape[1], self.hidden_size), z.dtype))
        out = recurrence(self.cell, z, u, np.zeros(len(u.data), u.dtype) if c is None else c, states)
        return flip(out[:, 0], 0) if reverse else out[:, 0], out[-1]

    def _first_states(self, state: State, x: Tensor, batched: bool) -> Tensor | None:
        """The given states as (S, D·layers, N, H)."""
        if state is None:
            return None
        if self.states == 2 and not (isinstance(state, (tuple, list)) and len(state) == 2):
            raise TypeError(f"{type(self).__name__}: state must be a pair (h, c), but is a {type(state).__name__}")
        given = [state] if self.states == 1 else list(state)
        shape: tuple[int, ...] = (self.num_layers * len(self._suffixes(0)), x.shape[1], self.hidden_size)
        shape = shape if batched else (shape[0], shape[2])
        if [np.shape(t) for t in given] != [shape] * self.states:
            what = "state" if self.states == 1 else "state (h, c)"
            raise ValueError(f"{type(self).__name__}: {what} needs shape {shape}, but has {', '.join(str(np.shape(t)) for t in given)}")
        states = stack(given)
        return states if batched else expand_dims(states, 2)

    def _told(self, states: Tensor) -> State:
        return states[0] if self.states == 1 else (states[0], states[1])


class RNN(_Recurrent):
    """h' = tanh(W x + b + U h + b'), or relu with nonlinearity="relu".

    Shapes: x (L, N, input_size), (N, L, input_size) with batch_first, or (L, input_size); state (D·num_layers, N, hidden_size), zeros
    if left out, where D is 2 if bidirectional. Returns (y, state): y (L, N, D·hidden_size), the states of the last layer, and those of
    all layers after their last step. dropout acts between layers while training.

    >>> from tinygrad_nd import nn
    >>> y, h = nn.RNN(3, 5, rng=0)(np.ones((7, 2, 3), np.float32))
    >>> y.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    gates = 1

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        option("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity, self.cell = nonlinearity, f"rnn_{nonlinearity}"
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype=dtype, rng=rng)


class LSTM(_Recurrent):
    """i, f, o = σ(W x + b + U h + b'), g = tanh of the same; c' = f c + i g, h' = o tanh c'.

    Shapes are those of `RNN`; states are pairs (h, c).

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997.
    """

    gates, states, cell = 4, 2, "lstm"


class GRU(_Recurrent):
    """r, u = σ(W x + b + U h + b'), k = tanh(W x + b + r (U h + b')); h' = k + u (h - k). Shapes are those of `RNN`.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.
    """

    gates, cell = 3, "gru"
