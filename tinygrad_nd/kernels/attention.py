"""Attention: a mean of values, weighted by the softmax of products of queries and keys."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from . import engines, parallel
from .blas import HANDED, matmul
from .memory import Array
from .softmax import mask_rows, masked_softmax, softmax_grad


def attention(q: Array, k: Array, v: Array, mask: Array | None, scale: float, causal: bool) -> tuple[Array, Callable[[Array], list[Array]]]:
    """softmax(scale q kᵀ + mask) v, and what takes its cotangent to those of q, k and v, summed over no axis that was broadcast.

    `causal` says that the mask hides all later keys.
    """
    batch = q.shape[:-2]
    large = prod(batch) >= parallel.num_threads() and q.size * k.shape[-2] >= HANDED and v.size
    alike = q.dtype == k.dtype == v.dtype == np.float32 and batch == k.shape[:-2] == v.shape[:-2]
    if large and alike and (compiled := engines.compiled("attention")) is not None:
        rows, at = mask_rows(mask, (*q.shape[:-1], k.shape[-2]), q.dtype)
        found = compiled.attention(q, k, v, rows, at.reshape(-1, 1), scale, causal)
        if found:
            return found  # type: ignore[no-any-return]
    weights = masked_softmax(matmul(q, k.swapaxes(-1, -2)), mask, scale)

    def back(g: Array) -> list[Array]:
        slopes = softmax_grad(matmul(g, v.swapaxes(-1, -2)), weights, -1, scale)
        return [matmul(slopes, k), matmul(slopes.swapaxes(-1, -2), q), matmul(weights.swapaxes(-1, -2), g)]

    return matmul(weights, v), back
