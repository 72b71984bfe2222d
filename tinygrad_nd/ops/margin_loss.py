"""Losses of margins between the score of a label's class, or of several labels' classes, and those of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number
from ..kernels import labels as kernel
from ..kernels.labels import NONE
from ..kernels.losses import times
from ..tape import primitive
from ..tensor import Tensor, astensor
from .curves import real
from .elementwise import relu
from .entries import pick
from .index import take
from .label_loss import checked, class_weight, scores, whole
from .loss import check_reduction, losses, pair, reduced, same_shape
from .reduce import mean, sum
from .shape import expand_dims, reshape
from .ufunc import bare_rules

__all__ = ["multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"]


@bare_rules
@primitive(x=lambda g, x, places, slope, margin, p, scale: _to_scores(g, x, places, slope, margin, p, scale))
def _margin_loss(x: Any, places: Any, found: Any, slope: Any, *, margin: float, p: int, scale: float | None) -> Any:
    """The loss of every row, or their sum times `scale`: `found`, as the slope in x was, beforehand, in one pass."""
    return found


def _to_scores(g: Any, x: Any, places: Any, slope: Any, margin: float, p: int, scale: float | None) -> Any:
    if not isinstance(g, Tensor):
        return times(slope, g if scale is not None else np.expand_dims(g, 1))
    places = places.data
    hot = places[:, :, None] == np.arange(x.shape[1])  # (N, K, C)
    pairs = hot.any(2)[:, :, None] & ~hot.any(1)[:, None]
    labels = pick(x, index=np.maximum(places, 0), axis=1, distinct=False)
    short = relu(margin - expand_dims(labels, 2) + expand_dims(x, 1)) * pairs.astype(x.dtype)
    steps = short.data > 0 if p == 1 else 2 * short
    pulled = sum(steps, 1) - sum(hot * sum(steps, 2, keepdims=True), 1)
    return pulled * (g * scale if scale is not None else expand_dims(g, 1)) / x.shape[1]


def _margins(where: str, x: Tensor, places: np.ndarray, reduction: str, margin: float = 1.0, p: int = 1) -> Tensor:
    """The loss of x (N, C) or (C,) and places (N, K) or (K,)."""
    check_reduction(reduction, where)
    if x.ndim == 1:
        loss = _margins(where, expand_dims(x, 0), places[None], reduction, margin, p)
        return reshape(loss, ()) if reduction == "none" else loss
    scale = None if reduction == "none" else 1.0 if reduction == "sum" else 1 / len(x.data) if len(x.data) else float("nan")
    found, slope = kernel.margins(x.data, places, margin, p, scale)
    return _margin_loss(x, places, found, slope, margin=margin, p=p, scale=scale)


def multi_margin_loss(input: Any, target: Any, weight: Any = None, *, p: int = 1, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The sum over wrong classes i of max(0, margin - input[target] + input[i]) ** p, divided by the number of classes.

    Shapes: input (N, C) or (C,), target (N,) or (), weight (C,), which scales by the class of the target.
    """
    where = "multi_margin_loss"
    number(where, "margin", margin)
    number(where, "p", p)
    input, axis, w = scores(where, input, weight)
    if input.ndim > 2:
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {input.shape}")
    if p not in (1, 2):
        raise ValueError(f"{where}: p must be 1 or 2, but is {p!r}")
    labels = astensor(target).data
    place, _ = checked(where, labels, input, axis, NONE)
    if w is None:
        return _margins(where, input, place, reduction, margin, p)
    return reduced(_margins(where, input, place, "none", margin, p) * take(w, labels, 0), reduction, where)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - input[j] + input[i]) over classes j of the target and i that are none, divided by the number of classes.

    Shapes: input (N, C) or (C,); target alike, class indices up to the first -1. A class listed twice counts twice.
    """
    where = "multilabel_margin_loss"
    x, t = real(input, where), astensor(target)
    same_shape(where, input=x, target=t)
    if x.ndim not in (1, 2):
        raise ValueError(f"{where}: input needs shape (N, C) or (C,), but has {x.shape}")
    labels = whole(where, t.data).astype(np.int64, copy=False)
    ended = np.ones((*labels.shape[:-1], labels.shape[-1] + 1), np.bool_)
    np.less(labels, 0, out=ended[..., :-1])
    counts = ended.argmax(-1)
    listed = labels[..., : max(counts.max(initial=1), 1)]
    listed = np.where(np.arange(listed.shape[-1]) < np.expand_dims(counts, -1), listed, -1)
    if listed.size and listed.max() >= x.shape[-1]:
        raise ValueError(f"{where}: target holds class {listed.max()}, but input {x.shape} has classes 0 to {x.shape[-1] - 1}")
    return _margins(where, x, listed, reduction)


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """-(t log s + (1 - t) log(1 - s)), s = sigmoid(input), averaged over the classes of the last axis.

    Shapes: input and target (*lead, C), weight (C,).
    """
    where = "multilabel_soft_margin_loss"
    check_reduction(reduction, where)
    x, t = pair(where, input, target)
    if not x.ndim:
        raise ValueError(f"{where}: input needs a class axis, (*lead, C), but is a number")
    if weight is None and reduction in ("mean", "sum") and x.size:
        return losses("binary_cross_entropy_with_logits", x, t, reduction) / (x.shape[-1] if reduction == "sum" else 1)
    loss = losses("binary_cross_entropy_with_logits", x, t)
    if weight is not None:
        loss = loss * class_weight(where, weight, x, x.ndim - 1)
    return reduced(mean(loss, -1), reduction, where)
