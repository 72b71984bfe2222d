"""Dropout while training, nothing otherwise. One generator, made from `rng`, serves all calls of a layer."""

from __future__ import annotations

from typing import Any

from ..arguments import Rng, generator, number
from ..ops.dropout import alpha_dropout, dropout, dropout_nd
from ..tensor import Tensor
from .function import of_ranks
from .kept import check_kept
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropoutNd"]


class Dropout(Module):
    """`dropout` of single entries."""

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        number(type(self).__name__, "p", p, least=0, most=1)
        self.p, self.generator = p, generator(type(self).__name__, rng)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, rng=self.generator)


class AlphaDropout(Dropout):
    """`alpha_dropout`, the companion of `SELU`."""

    def forward(self, x: Any) -> Tensor:
        return alpha_dropout(x, self.p, self.training, rng=self.generator)


class DropoutNd(Dropout):
    """`dropout_nd` of whole channels."""

    def __init__(self, p: float = 0.5, *, rng: Rng = None, layout: str | None = None) -> None:
        super().__init__(p, rng=rng)
        self.layout = layout
        check_kept(self, ("layout",))

    def forward(self, x: Any) -> Tensor:
        return dropout_nd(x, self.p, self.training, rng=self.generator, layout=self.layout)


Dropout1d, Dropout2d, Dropout3d = of_ranks(DropoutNd, name="Dropout")
