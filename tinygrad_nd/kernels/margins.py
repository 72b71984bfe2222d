"""Losses of margins: by how much other classes come too near to the scores of the labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import engines, memory, parallel
from .labels import reduced
from .memory import Array, freeze


def loss(x: Array, places: Array, margin: float, p: int, scale: float | None) -> tuple[Any, Array]:
    """The sum of max(0, margin - x[j] + x[i]) ** p over the labels j of a row and the classes i that are none, divided by their number C.

    For every row, or the sum of that times the scale; and the slope in x. x (N, C), places (N, K) of the labels, -1 where there is none.
    """
    rate = (1 if scale is None else scale) / max(x.shape[1], 1)
    loops = engines.compiled("margins") if places.size and x.size >= engines.LEAST and x.dtype.char in "fd" else None
    if loops is None:
        found, slope = _margins(x, places, margin, p, rate)
    else:
        found, slope = _compiled(loops.margins, x, places, margin, p, rate)
    freeze(slope)
    return reduced(found[:, None], 1, scale), slope


def _compiled(loop: Any, x: Array, places: Array, margin: float, p: int, rate: float) -> tuple[Array, Array]:
    x, places = np.ascontiguousarray(x), np.ascontiguousarray(places, np.int64)
    found, slope = np.empty(len(x), x.dtype), memory.empty(x.shape, x.dtype)
    arrays, size = (found, slope, x, places), x.size * places.shape[1]
    boxes = parallel.boxes(found.shape, max(engines.share(size) * len(x) // size, 1))
    numbers = x.dtype.type(margin), p == 2, x.dtype.type(rate)
    engines.repeat(loop, arrays, lambda: [(*[a[box] for a in arrays], *numbers) for box in boxes], (margin, p, rate))
    return found, slope


def _margins(x: Array, places: Array, margin: float, p: int, rate: float) -> tuple[Array, Array]:
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
