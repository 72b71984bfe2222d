"""Embedding: a learned row for each of so many things."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, whole
from ..node import no_grad
from ..ops.layers import embedding
from ..tensor import Tensor
from .lazy import Initialiser, check_counts, recipe
from .module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """`embedding`: whole numbers (*) to rows (*, embedding_dim) of weight (num_embeddings, embedding_dim), drawn normally.

    The row padding_idx starts at zero and is not learned.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        init: Initialiser = initialisers.normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        check_counts(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= whole("Embedding", "padding_idx", padding_idx, -inf) < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is none of the {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = recipe(self, init, dtype, rng).weight(num_embeddings, embedding_dim)
        if padding_idx is not None:
            with no_grad():
                self.weight[padding_idx] = 0

    def forward(self, indices: Any) -> Tensor:
        return embedding(indices, self.weight, padding_idx=self.padding_idx)
