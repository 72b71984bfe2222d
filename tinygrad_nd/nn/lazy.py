"""Layers that need not be told how wide their input is: `Conv2d(None, 16, 3)` finds its channels at its first call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, dtype_of, flag, generator, whole
from ..kernels.padding import integer
from ..ops.conv import is_channels_last
from ..tensor import Parameter, default_dtype
from .module import Module

Initialiser = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How a layer's parameters are made: their initialiser, dtype and generator (or seed), and whether there is a bias."""

    init: Initialiser
    dtype: np.dtype[Any]
    rng: Rng = None
    bias: bool = True

    def weight(self, *shape: int) -> Parameter:
        drawn = self.init(shape, dtype=self.dtype, rng=self.rng)
        if np.shape(drawn) != shape:
            raise ValueError(f"nn: init must give an array of the shape it is called with, {shape}, but gave {np.shape(drawn)}")
        return Parameter(drawn)

    def zeros(self, *shape: int) -> Parameter | None:
        return Parameter(np.zeros(shape, self.dtype)) if self.bias else None


class Lazy(Module):
    """A layer with one argument, named by `_width`, that may be None: its parameters are then made at the first call, or by
    `load_state_dict`. Until then the model's `parameters()` and `state_dict()` raise ValueError: make the optimiser after a call.
    """

    _width: ClassVar[str] = "in_channels"
    _matrix: ClassVar[str] = "weight"  # the parameter whose second axis is the width, unless a class says otherwise
    _recipe: Recipe | None = None

    def _make(self, recipe: Recipe) -> None:
        """Sets the parameters. Raises ValueError if the width does not suit the other arguments."""
        raise NotImplementedError

    def _width_axis(self) -> int:
        """The axis of the input whose length is the width."""
        return -1

    def _width_saved(self, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        """The width that parameters of these shapes, by their names here, were made for; None if they are not this layer's."""
        weight = shapes.get(self._matrix, ())
        return weight[1] if len(weight) == 2 else None

    def _begin(self, recipe: Recipe) -> None:
        """Makes the parameters if the width is known, else waits."""
        if getattr(self, self._width) is None:
            self._recipe, self._awaited = recipe, self._width
        else:
            self._make(recipe)

    def _meet(self, x: Any) -> None:
        """Makes the parameters for the input of the first call."""
        shape, axis = np.shape(x), self._width_axis()
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"{type(self).__name__}: x {shape} has no axis {axis}, in which {self._width} is found")
        assert self._recipe is not None
        self._become(shape[axis], self._recipe)

    def _become(self, width: int, recipe: Recipe) -> None:
        before = dict(vars(self))
        try:
            vars(self).update({self._width: width, "_recipe": None, "_awaited": None})
            self._make(recipe)
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit_to(self, path: str, mapping: Mapping[str, Any], strict: bool) -> list[str]:
        stem = f"{path}." if path else ""
        shapes = {k.removeprefix(stem): np.shape(v) for k, v in mapping.items() if k.startswith(stem)}
        if not shapes:
            return [f"missing: {stem}*, all parameters of a {type(self).__name__}"] if strict else []
        width = self._width_saved(shapes)
        assert self._recipe is not None
        try:
            if width is None:
                raise ValueError(f"{type(self).__name__}: no {self._width} follows from its shapes")
            self._become(width, replace(self._recipe, init=initialisers.zeros))
        except ValueError as error:
            return [f"mismatched: {stem}*, for {error}"]
        return []

    def _turn_to(self, dtype: np.dtype[Any]) -> None:
        super()._turn_to(dtype)
        if self._recipe is not None:
            self._recipe = replace(self._recipe, dtype=dtype)


def recipe(layer: Module, init: Initialiser, dtype: npt.DTypeLike | None, rng: Rng = None, bias: bool = True) -> Recipe:
    """A Recipe whose dtype is that of parameters made now, if none is given."""
    who = type(layer).__name__
    if not callable(init):
        raise TypeError(f"{who}: init must be a function (shape, *, dtype, rng) such as nd.init.he_normal, but is {init!r}")
    flag(who, "bias", bias)
    if rng is not None:
        generator(who, rng)
    return Recipe(init, floating(who, dtype), rng, bias)


def floating(where: str, dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    """The dtype of parameters: the default for None."""
    kind = default_dtype() if dtype is None else dtype_of(where, dtype)
    if kind.kind not in "fc":
        raise TypeError(f"{where}: dtype must be a floating one such as np.float32, but is {kind}")
    return kind


def channel_axis(layer: Module, layout: str | None, rank: int) -> int:
    """The channel axis of an input of `rank` spatial axes, batched or not."""
    return -1 if is_channels_last(type(layer).__name__, layout) else -1 - rank


def check_counts(layer: Module, **counts: int | None) -> None:
    """Raises TypeError or ValueError unless all counts are ints from 1 on; that which a lazy layer finds may be None."""
    for name, n in counts.items():
        if not (n is None and isinstance(layer, Lazy) and name == layer._width):
            integer(whole(type(layer).__name__, name, n), name, type(layer).__name__)
