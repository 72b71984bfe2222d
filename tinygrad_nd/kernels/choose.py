"""Which kernel runs: rows of algorithms, what each supports and costs, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from . import depthwise, gemm, reference, transform, winograd
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
    correlate: Callable[[Array, Array, ConvSpec, Array | None], Array]
    input_grad: Callable[[Array, Array, ConvSpec], Array]
    weight_grad: Callable[[Array, Array, ConvSpec], Array]


ROWS: dict[str, Algorithm] = {}


def _add(row: Algorithm) -> None:
    ROWS[row.name] = row


@lru_cache(4096)
def pick(contraction: str, n: int, c: int, m: int, spec: ConvSpec, dtype: Any) -> str:
    """The name of the row that runs: the one spec.algorithm asks for, or with "auto" the cheapest that can."""
    return "gemm" if spec.algorithm == "auto" else spec.algorithm


def correlate(x: Array, w: Array, spec: ConvSpec, algorithm: str, bias: Array | None = None) -> Array:
    """y (N, M, *o) from x (N, C, *n), w (M, C/G, *k) and a bias (M,)."""
    if x.size and w.size:
        return ROWS[algorithm].correlate(x, w, spec, bias)
    y = np.zeros((x.shape[0], w.shape[0], *spec.out), np.result_type(x, w))
    return y if bias is None else y + bias.reshape(-1, *(1,) * spec.rank)


def input_grad(g: Array, w: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dx (N, C, *n) from g (N, M, *o) and w (M, C/G, *k)."""
    if g.size and w.size:
        return ROWS[algorithm].input_grad(g, w, spec)
    return np.zeros((g.shape[0], w.shape[1] * spec.groups, *spec.size), np.result_type(g, w))


def weight_grad(x: Array, g: Array, spec: ConvSpec, algorithm: str) -> Array:
    """dw (M, C/G, *k) from x (N, C, *n) and g (N, M, *o)."""
    if x.size and g.size:
        return ROWS[algorithm].weight_grad(x, g, spec)
    return np.zeros((g.shape[1], x.shape[1] // spec.groups, *spec.kernel), np.result_type(x, g))


def _reference(x: Array, w: Array, spec: ConvSpec, bias: Array | None) -> Array:
    y = reference.correlate(x, w, spec)
    return y if bias is None else y + bias.reshape(-1, *(1,) * spec.rank)


_add(
    Algorithm(
        "reference",
        lambda contraction, spec, dtype: None,
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        _reference,
        reference.input_grad,
        reference.weight_grad,
    )
)
_add(
    Algorithm(
        "gemm",
        lambda contraction, spec, dtype: None,
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        gemm.correlate,
        gemm.input_grad,
        gemm.weight_grad,
    )
)
_add(
    Algorithm(
        "fft",
        lambda contraction, spec, dtype: None,
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        transform.correlate,
        transform.input_grad,
        transform.weight_grad,
    )
)
_add(
    Algorithm(
        "direct",
        lambda contraction, spec, dtype: None,
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        depthwise.correlate,
        depthwise.input_grad,
        depthwise.weight_grad,
    )
)
_add(
    Algorithm(
        "winograd",
        lambda contraction, spec, dtype: winograd.refuses(spec, np.dtype(dtype), contraction),
        lambda contraction, n, c, m, spec, dtype: (1.0, 0),
        winograd.correlate,
        winograd.input_grad,
        winograd.weight_grad,
    )
)
