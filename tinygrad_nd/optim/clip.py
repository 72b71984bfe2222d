"""Clipping of gradients, between `backward` and `step`. Gradients are values: a clipped one is a new array."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import numpy as np

from ..arguments import flag, number
from ..kernels.elementwise import apply
from ..tensor import Tensor, handle
from ..values import frozen

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Scales all gradients by one factor, so that their norm, taken over all of them as one vector, is at most `max_norm`.

    Returns the norm before. `norm_type` is the order, `inf` for the largest absolute value. Parameters without a gradient are passed over.

    Raises ValueError if the norm is not finite and `error_if_nonfinite`; nothing has changed then.

    >>> import tinygrad_nd as nd
    >>> w = nd.Parameter([0.0, 0.0])
    >>> nd.sum(w * [3.0, 4.0]).backward()
    >>> nd.optim.clip_grad_norm_([w], 1.0)
    5.0
    >>> print(w.grad.data.round(3))
    [0.6 0.8]
    """
    moving = _with_gradients("clip_grad_norm_", parameters)
    number("clip_grad_norm_", "max_norm", max_norm, least=0)
    number("clip_grad_norm_", "norm_type", norm_type, above=0)
    flag("clip_grad_norm_", "error_if_nonfinite", error_if_nonfinite)
    norm = _norm([g._data for _, g in moving], float(norm_type))
    if error_if_nonfinite and not isfinite(norm):
        raise ValueError(f"clip_grad_norm_: the norm of the gradients is {norm}; nd.debug.anomaly() names the operation that made it so")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        for p, g in moving:
            p._grad = handle(frozen(apply(np.multiply, g._data, factor)), None)
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clips every number of every gradient to [-clip_value, clip_value]."""
    moving = _with_gradients("clip_grad_value_", parameters)
    number("clip_grad_value_", "clip_value", clip_value, least=0)
    for p, g in moving:
        p._grad = handle(frozen(np.clip(g._data, -clip_value, clip_value)), None)


def _with_gradients(where: str, parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{where}: takes tensors, but got a {type(parameters).__name__}; pass model.parameters()")
    if not isinstance(parameters, Iterable):
        raise TypeError(f"{where}: takes tensors, but got a {type(parameters).__name__}")
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"{where}: takes tensors, but got a {type(p).__name__}")
    return [(p, p.grad) for p in tensors if p.grad is not None]


def _norm(arrays: list[np.ndarray], order: float) -> float:
    if order == 2:
        squares = sum([_square(a) for a in arrays])
        if isfinite(squares) and squares > 1e-30:
            return float(squares**0.5)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        norms = np.array([np.linalg.norm(np.abs(a).astype(np.float64, copy=False).ravel(), order) for a in arrays])
        return float(np.linalg.norm(norms, order)) if norms.size else 0.0


def _square(a: np.ndarray) -> float:
    """The sum of |a|², without an array of squares."""
    row = a.ravel("K")
    row = row.view(row.real.dtype) if row.dtype.kind == "c" else row
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.dot(row, row))
