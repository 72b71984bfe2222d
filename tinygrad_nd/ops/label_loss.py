"""Losses against class labels: input (N, C, *n) holds a score or a logarithm for every class, target (N, *n) an index."""

from __future__ import annotations

from math import inf, isfinite, isnan
from typing import Any

import numpy as np

from ..arguments import answering, number
from ..arguments import whole as whole_number
from ..kernels import labels as kernel
from ..kernels.losses import times
from ..kernels.memory import freeze, table
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor
from .activation import log_softmax, softmax
from .choice import where
from .curves import real
from .loss import check_reduction, reduced
from .parts import astype
from .reduce import sum
from .shape import expand_dims, reshape, stack
from .ufunc import bare_rules, cut, either

__all__ = ["cross_entropy", "nll_loss"]
_LONG = np.dtype(np.int64)


@bare_rules
@primitive(
    x=lambda g, x, labels, weights, slope, axis, ignore, scale: _to_scores(g, x, labels, weights, slope, axis, ignore, scale),
    weights=lambda g, x, labels, axis, ignore, scale: _to_weights(g, -log_softmax(astensor(x), axis), labels, axis, ignore, scale),
)
def _label_loss(x: Any, labels: Any, weights: Any, found: Any, slope: Any, *, axis: int, ignore: int, scale: float | None) -> Any:
    """The loss of every row, or their sum times `scale`: `found`, as the slope in x was, beforehand, in one pass."""
    return found


@bare_rules
@primitive(
    x=lambda g, x, labels, weights, slope, axis, ignore, scale: (
        either(_nll_transposed, g, cut(x), labels, weights, axis=axis, ignore=ignore, scale=scale)
        if slope is None or isinstance(g, Tensor) or not isfinite(g)
        else times(slope, g)
    ),
    weights=lambda g, x, labels, axis, ignore, scale: _to_weights(g, -astensor(x), labels, axis, ignore, scale),
)
def _nll(x: Any, labels: Any, weights: Any, found: Any, slope: Any = None, *, axis: int, ignore: int, scale: float | None) -> Any:
    """-w[l] x[l] for every row, or their sum times `scale`: `found` beforehand, a sum in one pass with its slope, where that is wanted."""
    return found


def _negative_log(x: Tensor, labels: Any, weights: Any, *, axis: int, ignore: int, scale: float | None) -> Tensor:
    l, w = (a.data if isinstance(a, Tensor) else a for a in (labels, weights))
    slope = None
    if scale is not None and x.requires_grad and recording.get():
        found, slope = kernel.picked_and_slope(x.data, l, w, axis, ignore, scale)
    else:
        found = kernel.reduced(kernel.picked(x.data, l, w, axis, ignore), axis, scale)
    return _nll(x, labels, weights, found, slope, axis=axis, ignore=ignore, scale=scale)


@primitive(
    g=lambda h, labels, weights, axis, ignore, scale: _negative_log(
        h, labels, weights, axis=axis, ignore=ignore, scale=_met(scale, labels, ignore)
    ),
    weights=lambda h, g, labels, axis, ignore, scale: _to_weights(g, -h, labels, axis, ignore, scale),
)
def _nll_transposed(g: Any, like: Any, labels: Any, weights: Any, *, axis: int, ignore: int, scale: float | None) -> Any:
    return kernel.put(_each(g, labels, axis, ignore, scale), like, labels, weights, axis, ignore)


def _each(g: Any, labels: Any, axis: int, ignore: int, scale: float | None) -> Any:
    """The cotangent of every row, 0 where it does not count: what `reduced` pulls back."""
    if scale is not None:
        return g * _met(scale, labels, ignore)
    if not isinstance(g, Tensor):
        g = np.expand_dims(g, axis)
        return g if ignore == kernel.NONE else np.where(labels != ignore, g, g.dtype.type(0))
    g = expand_dims(g, axis)
    return g if ignore == kernel.NONE else where(labels.data != ignore, g, 0)


def _met(scale: float | None, labels: Any, ignore: int) -> float | None:
    """The scale, 0 where all rows are ignored: the mean of nothing is no number, but has slope 0."""
    return 0.0 if scale is not None and isnan(scale) and (astensor(labels).data == ignore).all() else scale


def _to_scores(g: Any, x: Any, labels: Any, weights: Any, slope: Any, axis: int, ignore: int, scale: float | None) -> Any:
    """g (w softmax(x) - p), p what each class counts in a row and w their sum."""
    if not isinstance(g, Tensor):
        return times(slope, g if scale is not None else _each(g, labels, axis, ignore, None))
    p = _targets(labels, weights, x.shape, axis, ignore)
    y = where(labels.data != ignore, softmax(x, axis), 0)
    return _each(g, labels, axis, ignore, scale) * (y * sum(p, axis, keepdims=True) - p)


def _targets(labels: Tensor, weights: Tensor, shape: tuple[int, ...], axis: int, ignore: int) -> Tensor:
    """What each class counts in each row."""
    hot, counted = _hot(labels, shape, axis, ignore)
    there, everywhere = (reshape(w, (-1, *[1] * (len(shape) - axis - 1))) for w in (weights[0], weights[1]))
    return there * hot + everywhere * counted


def _to_weights(g: Any, losses: Tensor, labels: Any, axis: int, ignore: int, scale: float | None) -> Tensor:
    """What comes back to the weights, where `losses` is what each would be multiplied by."""
    g, labels = astensor(g), astensor(labels)
    hot, counted = _hot(labels, losses.shape, axis, ignore)
    rows, others = _each(g, labels, axis, ignore, scale) * losses, tuple(i for i in range(losses.ndim) if i != axis)
    return stack([sum(where(hot, rows, 0), others), sum(where(counted, rows, 0), others)])


def _hot(labels: Tensor, shape: tuple[int, ...], axis: int, ignore: int) -> tuple[np.ndarray, np.ndarray]:
    """1 at every label, and for every row that counts."""
    counted = labels.data != ignore
    classes = np.arange(shape[axis]).reshape(-1, *[1] * (len(shape) - axis - 1))
    return (classes == labels.data) & counted, counted


@answering
def cross_entropy(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of logits `input` (N, C, *n) against class indices (N, *n), or against probabilities (N, C, *n).

    An unbatched (C,) with a single class is accepted. `weight` (C,) scales classes (and the mean divides by the weights met, as in
    PyTorch); targets equal to `ignore_index` count for nothing; `label_smoothing` mixes the target with the uniform distribution.
    """
    where = "cross_entropy"
    input, axis, w = scores(where, input, weight)
    check_reduction(reduction, where)
    if type(label_smoothing) is not float or label_smoothing:
        number("cross_entropy", "label_smoothing", label_smoothing, least=0, most=1)
    labels = _labels(target)
    if labels.dtype.kind in "fc":
        return _against_probabilities(input, astensor(target), axis, w, label_smoothing, reduction)
    place, ignore, scale, divisor = _rows(where, labels, input, axis, w, ignore_index, reduction)
    weights = _weights(w, input, axis, label_smoothing)
    found, slope = kernel.loss(input.data, place, weights.data if isinstance(weights, Tensor) else weights, axis, ignore, scale)
    loss = _label_loss(input, place, weights, found, slope, axis=axis, ignore=ignore, scale=scale)
    return loss if divisor is None else loss / divisor


def nll_loss(input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """-input at the target's class: `cross_entropy` of what is already logarithms of probabilities.

    Shapes: input (N, C, *n) or (C,), target (N, *n) or (), weight (C,).
    """
    input, axis, w = scores("nll_loss", input, weight)
    check_reduction(reduction, "nll_loss")
    place, ignore, scale, divisor = _rows("nll_loss", _labels(target), input, axis, w, ignore_index, reduction)
    loss = _negative_log(input, place, _weights(w, input, axis, 0.0), axis=axis, ignore=ignore, scale=scale)
    return loss if divisor is None else loss / divisor


def _labels(target: Any) -> np.ndarray:
    """The array of `target`, itself if it is one of integers: a tensor of it takes a twentieth of the time of a small loss."""
    plain = type(target) is np.ndarray and target.dtype.kind in "iu" and target.dtype.isnative
    return target if plain else astensor(target).data


def _rows(
    where: str, labels: np.ndarray, input: Tensor, axis: int, weight: Tensor | None, ignore: int, reduction: str
) -> tuple[np.ndarray, int, float | None, Tensor | None]:
    """The labels, checked, with an axis for the classes; the one to ignore; what their sum is to be multiplied by; and divided by.

    The mean divides by the weights met, a tensor if these need a gradient.
    """
    if type(ignore) is not int:
        whole_number(where, "ignore_index", ignore, -inf)
    place, every = checked(where, labels, input, axis, ignore)
    if reduction == "none":
        return place, ignore if not every else kernel.NONE, None, None
    scale, divisor = 1.0, None
    if reduction == "mean":
        if weight is None:
            met: Any = labels.size if every else np.count_nonzero(labels != ignore)
        else:
            counts = np.bincount((labels if every else labels[labels != ignore]).reshape(-1), minlength=input.shape[axis])
            met = sum(weight * counts.astype(weight.dtype)) if weight.requires_grad else float(weight.data @ counts)
        scale, divisor = (1.0, met) if isinstance(met, Tensor) else (1 / met if met else np.nan, None)
    return place, kernel.NONE if every else ignore, scale, divisor


def checked(where: str, labels: np.ndarray, input: Tensor, axis: int, ignore: int) -> tuple[np.ndarray, bool]:
    """The labels with an axis for the classes, and whether all count."""
    given = input.shape
    before, classes, after = given[:axis], given[axis], given[axis + 1 :]
    whole(where, labels)
    if labels.shape != before + after:
        hints = {given[:-1]: "; if the classes are on its last axis, pass nd.moveaxis(input, -1, 1)", (*before, 1, *after): "; squeeze it"}
        raise ValueError(
            f"{where}: input {given} needs a target of shape {before + after}, but got {labels.shape}{hints.get(labels.shape, '')}"
        )
    every, wrong = kernel.check(labels, classes, ignore)
    if wrong is not None:
        raise ValueError(f"{where}: target holds class {wrong}, but input {given} has classes 0 to {classes - 1}")
    if labels.dtype != _LONG:
        labels = table(labels.astype(_LONG))
    place = labels.reshape(*before, 1, *after)
    freeze(place)
    return place, every


def _weights(weight: Tensor | None, input: Tensor, axis: int, smoothing: float) -> Any:
    """What a class counts as the label, and what it counts everywhere."""
    classes = input.shape[axis]
    if weight is None:
        return kernel.even(classes, smoothing, input.dtype)
    if weight.requires_grad:
        return stack([weight * (1 - smoothing), weight * (smoothing / classes)])
    return kernel.even(classes, smoothing, input.dtype) * weight.data


def whole(where: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "iu":
        hint = " or probabilities (floats)" if where == "cross_entropy" else ""
        raise TypeError(f"{where}: target must hold class indices (integers){hint}, but is {labels.dtype}")
    return labels


def scores(where: str, input: Any, weight: Any) -> tuple[Tensor, int, Tensor | None]:
    """The input, its class axis, and the weights of the classes in its dtype."""
    x = real(input, where)
    if not x.ndim:
        raise ValueError(f"{where}: input needs a class axis, (C,) or (N, C, *n), but is a number")
    axis = 1 if x.ndim > 1 else 0
    return x, axis, None if weight is None else class_weight(where, weight, x, axis)


def class_weight(where: str, weight: Any, x: Tensor, axis: int) -> Tensor:
    w = astensor(weight)
    if w.shape != (x.shape[axis],):
        raise ValueError(f"{where}: weight needs shape ({x.shape[axis]},), one per class, but has {w.shape}")
    return w if w.dtype == x.dtype else astype(w, x.dtype)


def _against_probabilities(input: Tensor, target: Tensor, axis: int, weight: Tensor | None, smoothing: float, reduction: str) -> Tensor:
    if target.shape != input.shape:
        raise ValueError(
            f"cross_entropy: target of {target.dtype} holds probabilities and needs the shape of input {input.shape}, "
            f"but has {target.shape}; class indices must be integers: target.astype(int)"
        )
    logs = log_softmax(input, axis)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[axis]
    loss = logs * target
    if weight is not None:
        loss = loss * reshape(weight, (-1, *[1] * (input.ndim - axis - 1)))
    return reduced(-sum(loss, axis), reduction, "cross_entropy")
