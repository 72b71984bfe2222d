"""Gradients held to a norm."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import numpy as np

from ..tensor import Tensor


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scales all gradients so that their norm together is at most max_norm; returns what it was."""
    held = [(p, p.grad.data) for p in parameters if p.grad is not None]
    norm = sqrt(sum([float(np.sum(np.abs(g) ** 2, dtype=float)) for _, g in held]))
    if norm > max_norm:
        for p, g in held:
            p.grad = g * p.dtype.type(max_norm / norm)
    return norm
