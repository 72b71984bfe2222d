"""Sequential: layers one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .module import Module

__all__ = ["Sequential"]

Layer = Callable[[Any], Any]


class Sequential(Module):
    """Each layer applied to what the one before gave. A layer is a module or any function of one tensor.

    Layers are called "0", "1", … or by the keys of one dict: `Sequential({"conv": Conv2d(3, 8, 3), "act": nd.relu})`. Indexing takes a
    position, a slice (a Sequential that shares the layers) or a name.

    >>> from tinygrad_nd import nn, relu
    >>> net = Sequential(nn.Linear(3, 5, rng=0), relu, nn.Linear(5, 2, rng=0))
    >>> net
    Sequential()                                       32 parameters
      0: Linear(3, 5)  weight (5, 3), bias (5,)  20
      1: relu
      2: Linear(5, 2)  weight (2, 5), bias (2,)  12
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Layer | Mapping[str, Layer]) -> None:
        named = layers[0] if len(layers) == 1 and isinstance(layers[0], Mapping) else {str(i): layer for i, layer in enumerate(layers)}
        for name, layer in named.items():
            if not callable(layer):
                hint = "; pass its items, Sequential(*layers)" if isinstance(layer, (list, tuple)) else ""
                raise TypeError(f"Sequential: layer {name} must be a module or a function, but is a {type(layer).__name__}{hint}")
            if isinstance(layer, type) and issubclass(layer, Module):
                raise TypeError(f"Sequential: layer {name} is the class {layer.__name__}, not a layer; make one with {layer.__name__}(...)")
        self.layers: dict[str, Layer] = dict(named)  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        for layer in self.layers.values():
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers.values())

    def __getitem__(self, which: int | slice | str) -> Any:
        if isinstance(which, str):
            if which not in self.layers:
                raise KeyError(f"{type(self).__name__}: there is no layer {which!r}, but {', '.join(self.layers)}")
            return self.layers[which]
        if isinstance(which, slice):
            return type(self)(dict(list(self.layers.items())[which]))
        if not -len(self.layers) <= which < len(self.layers):
            raise IndexError(f"{type(self).__name__}: there is no layer {which}, but {len(self.layers)} of them, from 0 on")
        return list(self.layers.values())[which]

    def _attributes(self) -> Mapping[str, Any]:
        """The layers under their own names, so that paths are "0.weight" as in PyTorch, and what a subclass may add."""
        own = {k: v for k, v in super()._attributes().items() if k != "layers"}
        if both := self.layers.keys() & own.keys():
            raise ValueError(f"{type(self).__name__}: {', '.join(both)} is a layer and an attribute besides; give one of them another name")
        return {**self.layers, **own}
