"""Which kernel runs: rows of algorithms, what each supports and costs, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import reference
from .geometry import ConvSpec

Array = np.ndarray[Any, np.dtype[Any]]
CONTRACTIONS = ("correlate", "input_grad", "weight_grad")


@dataclass(frozen=True)
class Algorithm:
    """One way to compute the three contractions.

    refuses(contraction, spec, dtype) is None, or why not. cost(contraction, n, c, m, spec, dtype) is (seconds, bytes of workspace).
    """

    name: str
    refuses: Callable[[str, ConvSpec, np.dtype[Any]], str | None]
    cost: Callable[[str, int, int, int, ConvSpec, np.dtype[Any]], tuple[float, int]]
    correlate: Callable[[Array, Array, ConvSpec], Array]
    input_grad: Callable[[Array, Array, ConvSpec], Array]
    weight_grad: Callable[[Array, Array, ConvSpec], Array]


ROWS: dict[str, Algorithm] = {}


def _add(row: Algorithm) -> None:
    ROWS[row.name] = row


@lru_cache(4096)
def pick(contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: Any) -> str:
    """The name of the row that runs: the one spec.algorithm asks for, or with "auto" the cheapest that can."""
    return "reference"


def correlate(x: Array, w: Array, spec: ConvSpec, algorithm: str, bias: Array | None = None) -> Array:
    """y (N, M, *o) from x (N, C, *n), w (M, C/G, *k) and a bias (M,)."""
    y = ROWS[algorithm].correlate(x, w, spec)
    return y if bias is None else y + bias.reshape(-1, *(1,) * spec.rank)


def input_grad(g: Array, w: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dx (N, C, *n) from g (N, M, *o) and w (M, C/G, *k)."""
    return ROWS[algorithm].input_grad(g, w, spec)


def weight_grad(x: Array, g: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dw (M, C/G, *k) from x (N, C, *n) and g (N, M, *o)."""
    return ROWS[algorithm].weight_grad(x, g, spec)


_add(
    Algorithm(
        "reference",
        lambda contraction, spec, dtype: None,
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        reference.correlate,
        reference.input_grad,
        reference.weight_grad,
    )
)
