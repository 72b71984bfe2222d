"""Losses: each returns the mean over the batch unless `reduction` says "sum" or "none"."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import softmax as kernel
from ..kernels.memory import freeze
from ..tape import primitive
from ..tensor import Tensor, astensor
from .activation import _softmax, _softmax_grad, log_softmax
from .elementwise import square
from .parts import floating
from .reduce import mean, sum
from .shape import moveaxis, reshape

__all__ = ["cross_entropy", "mse_loss"]


@primitive(x=lambda g, x, labels, total, axis: _label_loss_grad(g, labels, total, x, axis=axis))
def _label_loss(x: Any, labels: Any, total: Any, *, axis: int) -> Any:
    """-log(softmax(x)) at one label per row; `total`, the logarithm of each row's sum of exponentials, was found for both ways."""
    return total - np.take_along_axis(x, labels, axis)


@primitive(
    g=lambda h, labels, x, axis: sum(h * (_softmax(x, axis=axis) - _one_hot(labels, x, axis)), axis, keepdims=True),
    x=lambda h, g, x, axis: _softmax_grad(h * g, _softmax(x, axis=axis), axis=axis),
)
def _label_loss_grad(g: Any, labels: Any, total: Any, x: Any, *, axis: int) -> Any:
    """g (softmax(x) - 1 at the label)."""
    return kernel.label_grad(g, labels, total, x, axis)


def _one_hot(labels: Tensor, x: Tensor, axis: int) -> np.ndarray:
    hot = np.zeros(x.shape, x.dtype)
    np.put_along_axis(hot, labels.data, 1, axis)
    return hot


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """The mean of squared differences. Shapes must be equal: a loss never broadcasts."""
    input, target = floating(input), astensor(target)
    if input.shape != target.shape:
        raise ValueError(
            f"mse_loss: input {input.shape} and target {target.shape} must have the same shape; a loss does not broadcast, reshape one"
        )
    check_reduction(reduction, "mse_loss")
    return reduced(square(input - target), reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of logits `input` (N, C, *n) against class indices (N, *n), or against probabilities (N, C, *n).

    An unbatched (C,) with a single class is accepted. `weight` (C,) scales classes (and the mean divides by the weights met, as in
    PyTorch); targets equal to `ignore_index` count for nothing; `label_smoothing` mixes the target with the uniform distribution.
    """
    input = floating(input)
    if input.dtype.kind == "c":
        raise TypeError(f"cross_entropy: needs real logits, but input is {input.dtype}")
    if not input.ndim:
        raise ValueError("cross_entropy: input needs a class axis, (C,) or (N, C, *n), but is a number")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie in [0, 1], but is {label_smoothing}")
    axis = 1 if input.ndim > 1 else 0
    classes = input.shape[axis]
    if weight is not None and astensor(weight).shape != (classes,):
        raise ValueError(f"cross_entropy: weight needs shape ({classes},), one per class, but has {astensor(weight).shape}")
    check_reduction(reduction, "cross_entropy")
    w = None if weight is None else astensor(weight).astype(input.dtype)
    t = astensor(target)
    if t.dtype.kind in "fc":
        probabilities = _last(_checked_probabilities(input, t), axis)
        return _against_probabilities(_last(log_softmax(input, axis), axis), probabilities, w, label_smoothing, reduction)
    labels = _checked_labels(t.data, input.shape[:axis] + input.shape[axis + 1 :], classes, ignore_index, input.shape)
    counted = labels != ignore_index
    safe = np.where(counted, labels, 0)
    place, total = np.expand_dims(safe, axis), kernel.log_sum_exp(input.data, axis)
    for a in (place, total):
        freeze(a)
    loss = reshape(_label_loss(input, place, total, axis=axis), safe.shape)
    plain = w is None and bool(counted.all())
    share = (np.ones(classes, input.dtype) if w is None else w.data)[safe] * counted.astype(input.dtype)
    if not plain:
        loss = loss * share
    if label_smoothing:
        logs = _last(log_softmax(input, axis), axis)
        uniform = -sum(logs if w is None else logs * w, -1)
        loss = loss * (1 - label_smoothing) + (uniform if plain else uniform * counted.astype(input.dtype)) * (label_smoothing / classes)
    if reduction != "mean" or (plain and loss.size):
        return reduced(loss, reduction)
    divisor = float(share.sum())
    return sum(loss) / divisor if divisor else sum(loss) * (float("nan") if loss.size else 0.0)


def _last(x: Tensor, axis: int) -> Tensor:
    return x if axis == x.ndim - 1 else moveaxis(x, axis, -1)


def _against_probabilities(logs: Tensor, target: Tensor, weight: Tensor | None, smoothing: float, reduction: str) -> Tensor:
    if smoothing:
        target = target * (1 - smoothing) + smoothing / logs.shape[-1]
    loss = -sum(logs * target if weight is None else logs * target * weight, -1)
    return reduced(loss, reduction)


def _checked_probabilities(input: Tensor, target: Tensor) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(
            f"cross_entropy: target of {target.dtype} holds probabilities and needs the shape of input {input.shape}, "
            f"but has {target.shape}; class indices must be integers"
        )
    return target


def _checked_labels(labels: np.ndarray, shape: tuple[int, ...], classes: int, ignore: int, input_shape: tuple[int, ...]) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target must hold class indices (integers) or probabilities (floats), but is {labels.dtype}")
    if labels.shape != shape:
        raise ValueError(f"cross_entropy: input {input_shape} needs a target of shape {shape}, but got {labels.shape}")
    wrong = labels[(labels != ignore) & ((labels < 0) | (labels >= classes))]
    if wrong.size:
        raise ValueError(f"cross_entropy: target holds class {wrong[0]}, but input {input_shape} has classes 0 to {classes - 1}")
    return labels


def check_reduction(reduction: str, where: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{where}: reduction must be 'mean', 'sum' or 'none', but is {reduction!r}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses themselves."""
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss
