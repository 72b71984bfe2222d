"""Losses against class labels: input (N, C, *n) holds a score or a logarithm for every class, target (N, *n) an index."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import softmax as kernel
from ..kernels.memory import freeze
from ..tape import primitive
from ..tensor import Tensor, astensor
from .activation import _softmax, _softmax_grad, log_softmax
from .curves import log_sigmoid, real
from .elementwise import relu
from .index import take
from .loss import check_reduction, pair, reduced, same_shape
from .parts import astype
from .reduce import mean, sum
from .shape import expand_dims, reshape
from .sort import _pick

__all__ = ["cross_entropy", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss"]


@primitive(x=lambda g, x, labels, total, axis: _label_loss_grad(g, labels, total, x, axis=axis))
def _label_loss(x: Any, labels: Any, total: Any, *, axis: int) -> Any:
    """-log(softmax(x)) at one label per row; `total`, the row's maximum and the logarithm of what else it sums to, serves both ways."""
    top, rest = np.split(total, 2, axis)
    return (top - np.take_along_axis(x, labels, axis)) + rest


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
    where = "cross_entropy"
    input, axis, w = _scores(where, input, weight)
    check_reduction(reduction, where)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie in [0, 1], but is {label_smoothing}")
    t = astensor(target)
    if t.dtype.kind in "fc":
        return _against_probabilities(input, t, axis, w, label_smoothing, reduction)
    labels = _Labels(where, t.data, input, axis, w, ignore_index)
    total = kernel.log_sum_exp(input.data, axis)
    freeze(total)
    loss = labels.weighted(reshape(_label_loss(input, labels.place, total, axis=axis), labels.shape))
    if label_smoothing:
        logs = log_softmax(input, axis)
        uniform = -sum(logs if w is None else logs * _along(w, input, axis), axis) * (label_smoothing / input.shape[axis])
        loss = loss * (1 - label_smoothing) + (uniform if labels.all else uniform * labels.counted.astype(input.dtype))
    return labels.reduced(loss, reduction)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-input at the target's class: `cross_entropy` of what is already logarithms of probabilities.

    Shapes: input (N, C, *n) or (C,), target (N, *n) or (), weight (C,).
    """
    input, axis, w = _scores("nll_loss", input, weight)
    check_reduction(reduction, "nll_loss")
    labels = _Labels("nll_loss", astensor(target).data, input, axis, w, ignore_index)
    picked = reshape(_pick(input, index=labels.place, axis=axis), labels.shape)
    return labels.reduced(labels.weighted(-picked), reduction)


def multi_margin_loss(
    input: Any, target: Any, weight: Any = None, *, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The sum over wrong classes i of max(0, margin - input[target] + input[i]) ** p, divided by the number of classes.

    Shapes: input (N, C) or (C,), target (N,) or (), weight (C,), which scales by the class of the target.
    """
    where = "multi_margin_loss"
    input, axis, w = _scores(where, input, weight)
    if input.ndim > 2:
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {input.shape}")
    if p not in (1, 2):
        raise ValueError(f"{where}: p must be 1 or 2, but is {p!r}")
    labels = _Labels(where, astensor(target).data, input, axis, w, None)
    short = relu(margin - _pick(input, index=labels.place, axis=axis) + input)
    wrong = np.ones(input.shape, input.dtype)
    np.put_along_axis(wrong, labels.place, 0, axis)
    loss = sum((short if p == 1 else short * short) * wrong, axis) / input.shape[axis]
    return reduced(labels.weighted(loss), reduction, where)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - input[j] + input[i]) over classes j of the target and i that are none, divided by the number of classes.

    Shapes: input (N, C) or (C,); target alike, class indices up to the first -1.
    """
    where = "multilabel_margin_loss"
    x, t = real(input, where), astensor(target)
    same_shape(where, input=x, target=t)
    if x.ndim not in (1, 2):
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {x.shape}")
    listed = _whole(where, t.data) * (np.minimum.accumulate(t.data, -1) >= 0) - (np.minimum.accumulate(t.data, -1) < 0)
    if listed.size and listed.max() >= x.shape[-1]:
        raise ValueError(f"{where}: target holds class {listed.max()}, but input {x.shape} has classes 0 to {x.shape[-1] - 1}")
    member = (listed[..., None] == np.arange(x.shape[-1])).any(-2)
    pairs = (member[..., :, None] & ~member[..., None, :]).astype(x.dtype)
    short = relu(1 - expand_dims(x, -1) + expand_dims(x, -2))
    return reduced(sum(short * pairs, (-1, -2)) / x.shape[-1], reduction, where)


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """-(t log s + (1 - t) log(1 - s)), s = sigmoid(input), averaged over the classes of the last axis.

    Shapes: input and target (*lead, C), weight (C,).
    """
    where = "multilabel_soft_margin_loss"
    x, t = pair(where, input, target)
    if not x.ndim:
        raise ValueError(f"{where}: input needs a class axis, (*lead, C), but is a number")
    loss = -(t * log_sigmoid(x) + (1 - t) * log_sigmoid(-x))
    if weight is not None:
        loss = loss * _class_weight(where, weight, x, x.ndim - 1)
    return reduced(mean(loss, -1), reduction, where)


class _Labels:
    """Checked class indices: where they point, which count, and how much."""

    def __init__(self, where: str, labels: np.ndarray, input: Tensor, axis: int, weight: Tensor | None, ignore: int | None) -> None:
        shape, classes = input.shape[:axis] + input.shape[axis + 1 :], input.shape[axis]
        _whole(where, labels)
        if labels.shape != shape:
            raise ValueError(f"{where}: input {input.shape} needs a target of shape {shape}, but got {labels.shape}")
        self.counted = np.ones(shape, bool) if ignore is None else labels != ignore
        wrong = labels[self.counted & ((labels < 0) | (labels >= classes))]
        if wrong.size:
            raise ValueError(f"{where}: target holds class {wrong[0]}, but input {input.shape} has classes 0 to {classes - 1}")
        self.shape, self.all = shape, bool(self.counted.all())
        safe = np.where(self.counted, labels, 0)
        self.place = np.expand_dims(safe, axis)
        freeze(self.place)
        counted = astensor(self.counted.astype(input.dtype))
        self.share = take(weight, safe, 0) * counted if weight is not None else None if self.all else counted

    def weighted(self, loss: Tensor) -> Tensor:
        return loss if self.share is None else loss * self.share

    def reduced(self, loss: Tensor, reduction: str) -> Tensor:
        """The mean divides by the weights met."""
        if reduction != "mean" or (self.share is None and loss.size):
            return reduced(loss, reduction, "loss")
        divisor = None if self.share is None else sum(self.share)
        return sum(loss) / divisor if divisor is not None and divisor.data else sum(loss) * float("nan")


def _whole(where: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        hint = " or probabilities (floats)" if where == "cross_entropy" else ""
        raise TypeError(f"{where}: target must hold class indices (integers){hint}, but is {labels.dtype}")
    return labels


def _scores(where: str, input: Any, weight: Any) -> tuple[Tensor, int, Tensor | None]:
    """The input, its class axis, and the weights of the classes in its dtype."""
    x = real(input, where)
    if not x.ndim:
        raise ValueError(f"{where}: input needs a class axis, (C,) or (N, C, *n), but is a number")
    axis = 1 if x.ndim > 1 else 0
    return x, axis, None if weight is None else _class_weight(where, weight, x, axis)


def _class_weight(where: str, weight: Any, x: Tensor, axis: int) -> Tensor:
    w = astensor(weight)
    if w.shape != (x.shape[axis],):
        raise ValueError(f"{where}: weight needs shape ({x.shape[axis]},), one per class, but has {w.shape}")
    return w if w.dtype == x.dtype else astype(w, x.dtype)


def _along(w: Tensor, x: Tensor, axis: int) -> Tensor:
    return reshape(w, (-1, *[1] * (x.ndim - axis - 1)))


def _against_probabilities(
    input: Tensor, target: Tensor, axis: int, weight: Tensor | None, smoothing: float, reduction: str
) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(
            f"cross_entropy: target of {target.dtype} holds probabilities and needs the shape of input {input.shape}, "
            f"but has {target.shape}; class indices must be integers"
        )
    logs = log_softmax(input, axis)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[axis]
    loss = -sum(logs * target if weight is None else logs * target * _along(weight, input, axis), axis)
    if reduction == "mean" and not loss.size:
        return sum(loss) * float("nan")
    return reduced(loss, reduction, "cross_entropy")
