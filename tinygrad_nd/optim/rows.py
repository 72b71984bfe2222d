"""Parameters as rows of numbers that a step writes in place.

Values are never changed under the eyes of others: a step writes into an array only if nobody but its parameter refers to it. So training
allocates nothing after the first step, and a graph that is kept, or an array that a user holds, costs one new array and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from math import prod
from sys import getrefcount
from typing import Any

import numpy as np

from ..kernels import memory
from ..kernels.update import Step
from ..tensor import Tensor

State = dict[str, Any]
HALF = np.dtype(np.float16)
JOINED = 1 << 15  # numbers; a parameter with more is a row of its own, for copying it takes longer than a call


class Own:
    """A parameter, its state, and the array that it alone refers to: `array` in its shape, `row` in the order of memory, as real numbers.

    The array lies in memory as the first gradient did. Later gradients do, as a rule, and are then read without a copy.
    """

    __slots__ = ("parameter", "state", "array", "row", "_value", "_alone", "_order", "_sizes")

    def __init__(self, parameter: Tensor) -> None:
        self.parameter, self.state = parameter, State()
        self._value: np.ndarray | None = None
        self._alone = 0  # how often `_value` is referred to by this and the parameter

    def __reduce__(self) -> tuple[Any, ...]:
        return Own, (self.parameter,), (None, {"state": self.state})  # copied arrays are no views of one another any more

    def claim(self) -> None:
        """Have an array that may be written: a new one, of the same value, if anybody else refers to the present one."""
        if self.parameter._data is not self._value or getrefcount(self._value) != self._alone:
            self._move()
            self._alone = getrefcount(self._value)

    def flat(self, a: np.ndarray) -> np.ndarray:
        """An array of the parameter's shape as a row like its own; a view if it lies in memory as that does."""
        row = (a if self._order is None else a.transpose(self._order)).reshape(-1)
        return row.view(row.real.dtype) if row.dtype.kind == "c" else row

    def shaped(self, row: np.ndarray) -> np.ndarray:
        """A row as an array of the parameter's shape."""
        a = (row.view(self.parameter.dtype) if self.parameter.dtype.kind == "c" else row).reshape(self._sizes)
        return a if self._order is None else a.transpose(np.argsort(self._order))

    def _move(self) -> None:
        old, g = self.parameter._data, self.parameter.grad
        if self._value is not None and old.dtype != self._value.dtype:
            named = f"{self.parameter.name or 'a parameter'} {old.shape}"
            raise ValueError(
                f"step: {named} was {self._value.dtype} at the last step, but is {old.dtype}; make a new optimiser after model.astype"
            )
        value = memory.empty_like(self._value if self._value is not None else old if g is None else g._data)
        np.copyto(value, old)
        order = memory.memory_order(value)
        self._order = None if value.flags.c_contiguous else order
        self._sizes = [value.shape[i] for i in order] if self._order else value.shape
        self.array, self.row = value.view(), self.flat(value)  # they stay writable
        memory.freeze(value)
        self.parameter._data = self._value = value


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a parameter's steps and state: single precision for half, in which the square of 1e-4 and an eps of 1e-8 are 0."""
    return np.dtype(np.float32) if dtype == HALF else dtype


class Row:
    """Parameters that move together: their values, gradients and states as rows of numbers, one after the other."""

    def __init__(self, owns: Sequence[Own]) -> None:
        self.owns = owns
        self._copied = len(owns) > 1 or owns[0].row.dtype == HALF
        self._parts = [slice(*ends) for ends in pairwise(accumulate((own.row.size for own in owns), initial=0))]
        self.state = {
            key: np.concatenate([own.flat(own.state[key]) for own in owns]) if isinstance(value, np.ndarray) else value
            for key, value in owns[0].state.items()
        }
        if self._copied:
            self._p, self._g = (np.empty(self._parts[-1].stop, computed_in(owns[0].row.dtype)) for _ in range(2))
            self._pieces = [self._p[part] for part in self._parts]

    def begin(self, update: Callable[..., Step | None], options: State) -> Step | None:
        """Calls `update` on the rows."""
        gradients = [own.flat(own.parameter.grad._data) for own in self.owns]  # type: ignore[union-attr]
        if not self._copied:
            return update(self.owns[0].row, gradients[0], self.state, **options)
        np.concatenate([own.row for own in self.owns], out=self._p)
        np.concatenate(gradients, out=self._g)
        return update(self._p, self._g, self.state, **options)

    def finish(self) -> None:
        """Gives every parameter its new value, when what `begin` returned has been run."""
        if self._copied:
            for own, piece in zip(self.owns, self._pieces):
                own.row[:] = piece

    def share_out(self) -> None:
        """Gives every parameter its part of the state, as views."""
        for own, part in zip(self.owns, self._parts):
            own.state = {k: own.shaped(v[part]) if isinstance(v, np.ndarray) else v for k, v in self.state.items()}


def joined(owns: Iterable[Own]) -> list[Row]:
    """Rows of parameters of one dtype that are equally far: large ones by themselves, small ones together."""
    together: dict[Any, list[Own]] = {}
    for own in owns:
        progress = [(key, None if isinstance(value, np.ndarray) else value) for key, value in own.state.items()]
        alone = id(own) if prod(own.row.shape) > JOINED else None
        together.setdefault((own.row.dtype, tuple(progress), alone), []).append(own)
    return [Row(group) for group in together.values()]
