"""Losses of margins between the score of a label's class, or of several labels' classes, and those of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.labels import NONE
from ..tensor import Tensor, astensor
from .curves import real
from .elementwise import relu
from .index import take
from .label_loss import checked, class_weight, scores, whole
from .loss import losses, pair, reduced, same_shape
from .reduce import mean, sum
from .shape import expand_dims
from .sort import _pick

__all__ = ["multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"]


def multi_margin_loss(
    input: Any, target: Any, weight: Any = None, *, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The sum over wrong classes i of max(0, margin - input[target] + input[i]) ** p, divided by the number of classes.

    Shapes: input (N, C) or (C,), target (N,) or (), weight (C,), which scales by the class of the target.
    """
    where = "multi_margin_loss"
    input, axis, w = scores(where, input, weight)
    if input.ndim > 2:
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {input.shape}")
    if p not in (1, 2):
        raise ValueError(f"{where}: p must be 1 or 2, but is {p!r}")
    labels = astensor(target).data
    place, _ = checked(where, labels, input, axis, NONE)
    short = relu(margin - _pick(input, index=place, axis=axis) + input)
    wrong = np.ones(input.shape, input.dtype)
    np.put_along_axis(wrong, place, 0, axis)
    loss = sum((short if p == 1 else short * short) * wrong, axis) / input.shape[axis]
    return reduced(loss if w is None else loss * take(w, labels, 0), reduction, where)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - input[j] + input[i]) over classes j of the target and i that are none, divided by the number of classes.

    Shapes: input (N, C) or (C,); target alike, class indices up to the first -1. A class listed twice counts twice.
    """
    where = "multilabel_margin_loss"
    x, t = real(input, where), astensor(target)
    same_shape(where, input=x, target=t)
    if x.ndim not in (1, 2):
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {x.shape}")
    listed = whole(where, t.data) * (np.minimum.accumulate(t.data, -1) >= 0) - (np.minimum.accumulate(t.data, -1) < 0)
    if listed.size and listed.max() >= x.shape[-1]:
        raise ValueError(f"{where}: target holds class {listed.max()}, but input {x.shape} has classes 0 to {x.shape[-1] - 1}")
    times = (listed[..., None] == np.arange(x.shape[-1])).sum(-2)
    pairs = (times[..., :, None] * (times == 0)[..., None, :]).astype(x.dtype)
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
    if weight is None and reduction in ("mean", "sum") and x.size:
        return losses("binary_cross_entropy_with_logits", x, t, reduction) / (x.shape[-1] if reduction == "sum" else 1)
    loss = losses("binary_cross_entropy_with_logits", x, t)
    if weight is not None:
        loss = loss * class_weight(where, weight, x, x.ndim - 1)
    return reduced(mean(loss, -1), reduction, where)
