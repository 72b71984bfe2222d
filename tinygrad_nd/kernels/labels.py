"""Losses of class labels. Where a row's label is l: w[l] (log(sum(exp(x))) - x[l]), or -w[l] x[l] where x are logarithms already.

Labels have length 1 along the axis of the classes. `weights` (2, n) tells what a class counts where it is the label, and what it counts
everywhere (label smoothing). A label equal to `ignore` counts for nothing, and may be no class.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .along import along, several
from .elementwise import LARGE
from .memory import Array
from .softmax import total

NONE = -(1 << 62)  # no label
FEW = 1 << 6  # numbers; Python looks at so many in less time than NumPy takes to begin


def check(labels: Array, classes: int, ignore: int) -> tuple[bool, Any]:
    """Whether every label counts; and one that is wrong, or None."""
    if not labels.size:
        return True, None
    if labels.size <= FEW:
        values = labels.reshape(-1).tolist()
        low, high = min(values), max(values)
    else:
        low, high = 0, np.maximum.reduce(labels.view(f"u{labels.itemsize}"), None)  # where what is negative is the largest of all
    if 0 <= low and high < classes and not 0 <= ignore <= high:
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


def loss(x: Array, labels: Array, weights: Array, axis: int, ignore: int, scale: float | None) -> tuple[Any, Array]:
    """w[l] (log(sum(exp(x))) - x[l]) for every row, or, with a scale, their sum times that; and the slope in x, found in the same pass."""
    slope, rows = _slope_and_rows(x, labels, weights, _factor(1.0 if scale is None else scale, _wide(x)), axis, ignore)
    memory.freeze(slope)
    return reduced(rows, axis, scale), slope


@engines.recalled
def _slope_and_rows(x: Array, labels: Array, weights: Array, scale: Array, axis: int, ignore: int) -> list[Array]:
    return several(_loss, axis, (None, 1), labels, x, constants=(weights.astype(_wide(x), copy=False), ignore, scale), loops="labels")


def reduced(rows: Array, axis: int, scale: float | None) -> Any:
    """A number for every row, or their sum times the scale."""
    if scale is None:
        return rows.squeeze(axis)
    total = sum(rows.reshape(-1).tolist()) if rows.size <= FEW else float(np.add.reduce(rows, None, np.float64))
    return memory.rounded(total * scale, rows.dtype)


def picked_and_slope(x: Array, labels: Array, weights: Array, axis: int, ignore: int, scale: float) -> tuple[Any, Array]:
    """The sum of `picked` times the scale; and its slope in x."""
    if _compiled(x):
        slope, rows = _put_and_picked(x, labels, weights, _factor(scale, x.dtype), axis, ignore)
    else:
        rows, slope = picked(x, labels, weights, axis, ignore), put(_factor(scale, x.dtype), x, labels, weights, axis, ignore)
    memory.freeze(slope)
    return reduced(rows, axis, scale), slope


def picked(x: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    """-w[l] x[l] for every row."""
    if not _compiled(x):
        safe, counted = _safe(labels, ignore)
        order = memory.memory_order(x)
        found = x.transpose(order).reshape(-1).take(_places(safe, x.shape, order, axis), mode="clip")
        found = found * -weights[0].take(safe)
        return (found if counted is None else np.where(counted, found, 0)).astype(x.dtype, copy=False)
    return _picked(x, labels, weights, axis, ignore)


def put(g: Array, x: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    """-w[l] g at the labels of an array like x, and 0 elsewhere: the transpose of `picked`."""
    if not _compiled(x):
        safe, counted = _safe(labels, ignore)
        order = memory.memory_order(x)
        out = _zeros([x.shape[i] for i in order], x.dtype)
        out.reshape(-1)[_places(safe, x.shape, order, axis)] = _weighted(g, weights, safe, counted)
        return out.transpose(sorted(range(x.ndim), key=order.__getitem__))
    return _put(x, _rows(g, labels), labels, weights, axis, ignore)


@engines.recalled
def _picked(x: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    return along("picked", axis, 1, labels, x, constants=(weights, ignore), loops="labels")


@engines.recalled
def _put_and_picked(x: Array, labels: Array, weights: Array, scale: Array, axis: int, ignore: int) -> list[Array]:
    return several("put_and_picked", axis, (None, 1), labels, x, constants=(weights, ignore, scale), loops="labels")


@engines.recalled
def _put(x: Array, g: Array, labels: Array, weights: Array, axis: int, ignore: int) -> Array:
    return along("put", axis, None, g, labels, x, constants=(weights, ignore), loops="labels")


def _zeros(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    out = memory.empty(shape, dtype)
    flat = out.reshape(-1).view(np.uint8)  # bytes are filled in half the time
    if out.size < LARGE:
        flat.fill(0)
    else:
        parallel.run(parallel.boxes(flat.shape, 4 * LARGE), lambda box: flat[box].fill(0))
    return out


def _compiled(x: Array) -> bool:
    """Whether there are compiled loops for x; else its numbers at labels are found one by one."""
    return x.size >= engines.LEAST and x.dtype == np.float32 and engines.engine() == "jit"


@lru_cache(64)
def _factor(value: float, dtype: Any) -> Array:
    return memory.table(np.array(value, dtype))


def _wide(x: Array) -> Any:
    """In what losses of x are computed."""
    return np.dtype(np.float32) if x.dtype == np.float16 else x.dtype


def _rows(g: Array, labels: Array) -> Array:
    """A number for every row."""
    if g.shape == labels.shape:
        return g
    out = memory.empty_like(labels, g.dtype)
    out[...] = g
    return out


def _places(labels: Array, shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> Array:
    """Where the numbers of the labels lie in an array of this shape whose axes lie in memory in this order."""
    starts, step = _starts(shape, order, axis)
    return starts + (labels if step == 1 else labels * step)


@memory.remembered(8)
def _starts(shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> tuple[Array, int]:
    """Where those of label 0 lie, and how far apart classes do."""
    starts, step = np.zeros(len(shape) * (1,), np.int64), 1
    for i in reversed(order):
        if i == axis:
            across = step
        else:
            starts = starts + (np.arange(shape[i]) * step).reshape(-1, *(1,) * (len(shape) - 1 - i))
        step *= shape[i]
    return memory.table(starts), across


# Tiles (rows, n), (outer, n, lanes), or whatever has its classes second.


def _loss(out: Array, rows: Array, labels: Array, x: Array, weights: Array, ignore: int, scale: Array) -> None:
    """log(sum(exp(x))) is in two parts, the first the largest x: their sum would lose digits. The slope: w softmax(x), less w[l] at l."""
    safe, counted = _safe(labels, ignore)
    there, everywhere = weights[0].take(safe), weights[1].sum()
    top = x.max(1, keepdims=True)
    at = _at(safe)
    np.subtract(top, x[at], out=rows)
    np.subtract(x, top, out=out)
    below: Any = 0
    if everywhere:
        below = np.expand_dims(weights[1] @ out if x.ndim == 3 else np.tensordot(out, weights[1], (1, 0)), 1)
    np.exp(out, out=out)
    sums = total(out)
    rest = np.log(sums)
    np.add(rows, rest, out=rows)
    np.multiply(rows, there, out=rows)
    np.add(rows, rest * everywhere - below, out=rows)
    np.multiply(out, scale * (there + everywhere) / sums, out=out)
    if everywhere:
        np.subtract(out, scale * weights[1].reshape(-1, *(1,) * (x.ndim - 2)), out=out)
    out[at] -= scale * there
    if counted is not None:
        np.copyto(rows, 0, where=~counted)
        np.copyto(out, 0, where=~counted)


def _weighted(g: Array, weights: Array, safe: Array, counted: Array | None) -> Array:
    """-w[l] g, and 0 where no label counts, whatever g is there."""
    found = g * -weights[0].take(safe)
    return found if counted is None else np.where(counted, found, 0)


def _at(labels: Array) -> tuple[Array, ...]:
    """The index of the numbers of the labels, along the second axis."""
    last = labels.ndim - 1
    return tuple([labels if i == 1 else np.arange(n).reshape(-1, *(1,) * (last - i)) for i, n in enumerate(labels.shape)])


def _safe(labels: Array, ignore: int) -> tuple[Array, Array | None]:
    """The labels, 0 for those that do not count; and which do, if not all."""
    counted = labels != ignore
    return (labels, None) if ignore == NONE else (np.where(counted, labels, 0), counted)


# Margins.


def margins(x: Array, places: Array, margin: float, p: int, scale: float | None) -> tuple[Any, Array]:
    """A loss of margins, by how much other classes come too near to the scores of the labels.

    The sum of max(0, margin - x[j] + x[i]) ** p over the labels j of a row and the classes i that are none, divided by their number C.

    For every row, or the sum of that times the scale; and the slope in x. x (N, C), places (N, K) of the labels, -1 where there is none.
    """
    rate = (1 if scale is None else scale) / max(x.shape[1], 1)
    loops = engines.compiled("labels") if places.size and x.size >= engines.LEAST and x.dtype.char in "fd" else None
    if loops is None:
        found, slope = _margins_of(x, places, margin, p, rate)
    else:
        found, slope = _margins_by(loops.margins, x, places, margin, p, rate)
    memory.freeze(slope)
    return reduced(found[:, None], 1, scale), slope


def _margins_by(loop: Any, x: Array, places: Array, margin: float, p: int, rate: float) -> tuple[Array, Array]:
    x, places = np.ascontiguousarray(x), np.ascontiguousarray(places, np.int64)
    found, slope = np.empty(len(x), x.dtype), memory.empty(x.shape, x.dtype)
    arrays, size = (found, slope, x, places), x.size * places.shape[1]
    boxes = parallel.boxes(found.shape, max(engines.share(size) * len(x) // size, 1))
    numbers = x.dtype.type(margin), p == 2, x.dtype.type(rate)
    engines.repeat(loop, arrays, lambda: [(*[a[box] for a in arrays], *numbers) for box in boxes], (margin, p, rate))
    return found, slope


def _margins_of(x: Array, places: Array, margin: float, p: int, rate: float) -> tuple[Array, Array]:
    wide = x.astype(np.result_type(x, np.float32), copy=False)
    rows, classes = np.arange(len(x))[:, None], x.shape[1]
    others = np.ones((len(x), classes + 1), np.bool_)
    others[rows, places] = False  # what is no label has the spare last column
    short = (margin - wide[rows, places])[:, :, None] + wide[:, None]  # (N, K, C)
    np.maximum(short, 0, out=short)
    np.multiply(short, others[:, None, :-1], out=short)
    if places.size and places.min() < 0:
        np.multiply(short, (places >= 0)[:, :, None], out=short)
    values, steps = (short, np.greater(short, 0).astype(wide.dtype)) if p == 1 else (np.square(short), 2 * short)
    slope = np.zeros(others.shape, wide.dtype)
    steps.sum(1, out=slope[:, :-1])
    np.subtract.at(slope, (rows, places), steps.sum(2))  # a class listed twice counts twice
    slope = (slope[:, :-1] * rate).astype(x.dtype, copy=False)
    found = (values.sum((1, 2)) / classes).astype(x.dtype, copy=False) if classes else np.zeros(len(x), x.dtype)
    return found, slope
