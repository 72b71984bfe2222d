"""Losses of class labels. Where a row's label is l: w[l] (log(sum(exp(x))) - x[l]), or -w[l] x[l] where x are logarithms already.

Labels have length 1 along the axis of the classes. `weights` (2, n) tells what a class counts where it is the label, and what it counts
everywhere (label smoothing). A label equal to `ignore` counts for nothing, and may be no class.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .elementwise import LARGE
from .memory import Array
from .softmax import COMPILED, along

NONE = -(1 << 62)  # no label


def check(labels: Array, classes: int, ignore: int) -> tuple[bool, Any]:
    """Whether every label counts; and one that is wrong, or None."""
    if not labels.size:
        return True, None
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < classes and not low <= ignore <= high:
        return True, None
    counted = labels != ignore
    wrong = labels[counted & ((labels < 0) | (labels >= classes))]
    return bool(counted.all()), wrong[0] if wrong.size else None


@lru_cache(64)
def even(classes: int, smoothing: float, dtype: np.dtype[Any]) -> Array:
    """The weights where no class counts more than another."""
    weights = np.array([[1 - smoothing], [smoothing / max(classes, 1)]], dtype).repeat(classes, 1)
    weights.flags.writeable = False
    return weights


def loss(x: Array, labels: Array, weights: Array, total: Array, axis: int, ignore: int) -> Array:
    """w[l] (log(sum(exp(x))) - x[l]) for every row, `total` being that logarithm in two parts (see `softmax.log_sum_exp`)."""
    if axis == 1 and labels.size < COMPILED:
        out = np.empty(labels.shape, x.dtype)
        _loss(out, labels, total, x, *_constants(x, weights, ignore))
        return out
    return along(_loss, axis, 1, labels, total, x, constants=_constants(x, weights, ignore), loops="labels")


def grad(g: Array, x: Array, labels: Array, weights: Array, total: Array, axis: int, ignore: int) -> Array:
    """g (w softmax(x) - w[l] at the label); g is of length 1 along the axis."""
    return along(_grad, axis, None, _rows(g, labels), labels, total, x, constants=_constants(x, weights, ignore), loops="labels")


def picked(x: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    """-w[l] x[l] for every row."""
    if axis == 1 and labels.size < COMPILED:
        out = np.empty(labels.shape, x.dtype)
        _picked(out, labels, x, *_constants(x, weights, ignore))
        return out
    if engines.compiled("labels") is None:
        safe, counted = _safe(labels, ignore)
        order = memory.memory_order(x)
        found = x.transpose(order).reshape(-1).take(_places(safe, x.shape, order, axis), mode="clip")
        found = found * -weights[0].take(safe)
        return (found if counted is None else np.where(counted, found, 0)).astype(x.dtype, copy=False)
    return along(_picked, axis, 1, labels, x, constants=_constants(x, weights, ignore), loops="labels")


def put(g: Array, x: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    """-w[l] g at the labels of an array like x, and 0 elsewhere: the transpose of `picked`."""
    if axis == 1 and labels.size < COMPILED:
        out = memory.empty(x.shape, x.dtype)
        _put(out, _rows(g, labels), labels, x, *_constants(x, weights, ignore))
        return out
    if engines.compiled("labels") is None:
        safe, counted = _safe(labels, ignore)
        order = memory.memory_order(x)
        out = memory.empty([x.shape[i] for i in order], x.dtype)
        flat = out.reshape(-1)
        parallel.run(parallel.boxes(flat.shape, LARGE), lambda box: flat[box].fill(0))
        flat[_places(safe, x.shape, order, axis)] = g * -weights[0].take(safe) * (1 if counted is None else counted)
        return out.transpose(sorted(range(x.ndim), key=order.__getitem__))
    return along(_put, axis, None, _rows(g, labels), labels, x, constants=_constants(x, weights, ignore), loops="labels")


def _constants(x: Array, weights: Array, ignore: int) -> tuple[Array, int]:
    weights = weights.astype(np.result_type(x.dtype, np.float32), copy=False).view()
    weights.flags.writeable = False  # one kind of operand, one compilation
    return weights, ignore


def _rows(g: Array, labels: Array) -> Array:
    """A number for every row."""
    if g.shape == labels.shape:
        return g
    out = memory.empty_like(labels, g.dtype)
    out[...] = g
    return out


def _places(labels: Array, shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> Array:
    """Where the numbers of the labels lie in an array of this shape whose axes lie in memory in this order."""
    starts: Any = 0
    step = 1
    for i in reversed(order):
        if i == axis:
            across = step
        else:
            starts = starts + (np.arange(shape[i]) * step).reshape(-1, *(1,) * (len(shape) - 1 - i))
        step *= shape[i]
    found: Array = labels * across + starts
    return found


# Tiles (rows, n), (outer, n, lanes), or whatever has its classes second.


def _loss(out: Array, labels: Array, total: Array, x: Array, weights: Array, ignore: int) -> None:
    safe, counted = _safe(labels, ignore)
    np.subtract(total[:, :1], np.take_along_axis(x, safe, 1), out=out)
    np.add(out, total[:, 1:], out=out)
    np.multiply(out, weights[0].take(safe), out=out)
    if weights[1].any():
        below = np.subtract(total[:, :1], x, out=memory.scratch("below", x.shape, x.dtype))
        everywhere = weights[1] @ below if x.ndim == 3 else np.tensordot(below, weights[1], (1, 0))
        np.add(out, np.expand_dims(everywhere, 1) + total[:, 1:] * weights[1].sum(), out=out)
    if counted is not None:
        out[~counted] = 0


def _grad(out: Array, g: Array, labels: Array, total: Array, x: Array, weights: Array, ignore: int) -> None:
    safe, counted = _safe(labels, ignore)
    if counted is not None:
        g = np.where(counted, g, 0)
    there = weights[0].take(safe)
    np.subtract(x, total[:, :1], out=out)
    np.subtract(out, total[:, 1:], out=out)
    np.exp(out, out=out)
    np.multiply(out, g * (there + weights[1].sum()), out=out)
    if weights[1].any():
        np.subtract(out, g * _by_class(weights[1], x), out=out)
    np.put_along_axis(out, safe, np.take_along_axis(out, safe, 1) - g * there, 1)
    if counted is not None:
        np.copyto(out, 0, where=~counted)


def _picked(out: Array, labels: Array, x: Array, weights: Array, ignore: int) -> None:
    safe, counted = _safe(labels, ignore)
    np.multiply(np.take_along_axis(x, safe, 1), -weights[0].take(safe), out=out)
    if counted is not None:
        out[~counted] = 0


def _put(out: Array, g: Array, labels: Array, x: Array, weights: Array, ignore: int) -> None:
    safe, counted = _safe(labels, ignore)
    out[...] = 0
    np.put_along_axis(out, safe, g * -weights[0].take(safe) * (1 if counted is None else counted), 1)


def _safe(labels: Array, ignore: int) -> tuple[Array, Array | None]:
    """The labels, 0 for those that do not count; and which do, if not all."""
    counted = labels != ignore
    return (labels, None) if ignore == NONE else (np.where(counted, labels, 0), counted)


def _by_class(weights: Array, x: Array) -> Array:
    return weights.reshape(-1, *(1,) * (x.ndim - 2))
