"""Dropout: entries, whole channels, or entries set to what keeps a self-normalising network so.

`rng` is a Generator, a seed, or None for the generator that `nd.random.seed` sets; the same seed drops the same entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import Rng, answering, flag, number
from ..kernels.curves import ALPHA, SCALE
from ..tensor import Tensor, astensor
from .elementwise import add, multiply
from .parts import floating
from .sampling import generator
from .space import space

__all__ = ["alpha_dropout", "dropout", "dropout_nd"]


@answering
def dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Tensor:
    """x with each entry zeroed with probability p and the rest scaled by 1 / (1 - p), so that the mean stays; x itself if not training.

    `rng` is a Generator, a seed, or None for the generator that `nd.random.seed` sets.
    """
    t = _checked("dropout", x, p, training)
    return _scaled(t, p, _kept("dropout", t.shape, p, rng)) if training and p else t


def dropout_nd(x: Any, p: float = 0.5, training: bool = True, *, rng: Rng = None, layout: str | None = None) -> Tensor:
    """`dropout` of whole channels: all of x[i, c] is kept or zeroed. Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C".

    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015).
    """
    t, inside = space("dropout_nd", _checked("dropout_nd", x, p, training), layout)
    mask = tuple(1 if i in inside else n for i, n in enumerate(t.shape))
    return _scaled(t, p, _kept("dropout_nd", mask, p, rng)) if training and p else t


def alpha_dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: Rng = None) -> Tensor:
    """x with each entry set with probability p to the least value of `selu`, then scaled and shifted so that mean 0 and variance 1 stay.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017).
    """
    t = _checked("alpha_dropout", x, p, training)
    if not training or not p:
        return t
    if p == 1:
        return multiply(t, 0)
    keep, least = _kept("alpha_dropout", t.shape, p, rng), -SCALE * ALPHA
    scale = ((1 - p) * (1 + p * least**2)) ** -0.5
    factor = keep.astype(t.dtype) * t.dtype.type(scale)
    shift = (np.where(keep, 0, least * scale) - p * least * scale).astype(t.dtype)
    return add(multiply(t, factor), shift)


def _checked(where: str, x: Any, p: float, training: bool) -> Tensor:
    number(where, "p", p, least=0, most=1)
    flag(where, "training", training)
    return floating(x)


def _kept(where: str, shape: tuple[int, ...], p: float, rng: Rng) -> np.ndarray:
    return generator(rng, where).random(shape, np.float32) >= p


def _scaled(t: Tensor, p: float, keep: np.ndarray) -> Tensor:
    return multiply(t, astensor(keep.astype(t.dtype) * t.dtype.type(1 / (1 - p) if p < 1 else 0)))
