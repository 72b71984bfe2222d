"""Axes sampled: every output is a weighted sum of a few inputs, so sampling an axis is a product with the bands of a matrix."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import blas, engines, memory, parallel
from .taps import Taps

Array = np.ndarray[Any, np.dtype[Any]]

TILE = 1 << 19  # numbers written at a time: a few hundred microseconds of work
COMPILED = 1 << 11  # numbers; with fewer a compiled loop saves nothing
BAND = 16  # inputs, or outputs, of a band: with more a product meets more zeros, with fewer it is over too soon
SHORT = 4  # outputs that make a product worth its call
NARROW = 8  # numbers side by side; with fewer, one product that meets more zeros takes less time than one for every row


def sampled(x: Array, taps: tuple[Taps, ...]) -> Array:
    """The last axes of x sampled, in x's memory order. What is no tap of an output never touches it, NaN and infinity included."""
    if x.size >= COMPILED and x.dtype in (np.float32, np.float64) and len(taps) and (fast := engines.compiled("pools")):
        return fast.sampled(x, taps)  # type: ignore[no-any-return]
    if x.dtype == np.float16 and not all(t.copies for t in taps):  # sums of halves lose digits
        return sampled(x.astype(np.float32), taps).astype(x.dtype)
    order, lead = memory.memory_order(x), x.ndim - len(taps)
    axes = {place: taps[axis - lead] for place, axis in enumerate(order) if axis >= lead and not taps[axis - lead].identity}
    if not axes:
        return x.view()
    y = _sampled(np.ascontiguousarray(x.transpose(order)), axes)
    return y.transpose(sorted(range(x.ndim), key=order.__getitem__))


def _sampled(x: Array, axes: dict[int, Taps]) -> Array:
    """These axes of a dense x sampled."""
    y = memory.empty([axes[i].out if i in axes else n for i, n in enumerate(x.shape)], x.dtype)
    if not y.size:
        return y
    products = x.dtype in (np.float32, np.float64) and any(t.weight is not None for t in axes.values())
    if products:
        with blas.single_blas(), np.errstate(all="ignore"):
            _fill(x, y, axes, True)
        # What is not finite reaches, by a weight or by 0, every output of its bands: the first of them tell.
        firsts = [_bands(axes[i], x.dtype, 0)[0].high if i in axes and axes[i].weight is not None else 1 for i in range(x.ndim)]
        if np.isfinite(y[tuple(slice(None, None, step) for step in firsts)]).all():
            return y
    _fill(x, y, axes, False)
    return y


def _fill(x: Array, y: Array, axes: dict[int, Taps], products: bool) -> None:
    """y from x, some of the outermost entries at a time, axis by axis.

    The products of an inner axis are many and short. There are fewest while the outer axes are short: axes that shrink are sampled from
    the outermost on, then those that grow from the innermost.
    """
    first, sizes = min(axes), list(x.shape)
    steps = []  # (taps, entries outside of it, numbers inside)
    for i in sorted(axes, key=lambda i: i if axes[i].out < axes[i].size else 2 * x.ndim - i):
        steps.append((axes[i], prod(sizes[first:i]), prod(sizes[i + 1 :])))
        sizes[i] = axes[i].out
    outer = prod(x.shape[:first])
    source, result = x.reshape(outer, -1), y.reshape(outer, -1)
    some = max(1, min(TILE // result.shape[1], -(-outer // parallel.num_threads())))

    def work(start: int) -> None:
        a, out = source[start : start + some], result[start : start + some]
        for number, (taps, outside, inside) in enumerate(steps, 1):
            shape = len(a) * outside, taps.out, inside
            step = out.reshape(shape) if number == len(steps) else memory.scratch(("sampled", number), shape, x.dtype)
            (_multiply if products and taps.weight is not None else _add)(a.reshape(-1, taps.size, inside), taps, step)
            a = step.reshape(len(a), -1)

    parallel.run(range(0, outer, some), work)


def _add(x: Array, taps: Taps, y: Array) -> None:
    """The middle axis of x (rows, n, inside) sampled into y (rows, o, inside), tap by tap."""
    for t, (which, index) in enumerate(taps.turns):
        whole = len(which) == taps.out
        seen = np.take(x, index, 1, out=y if whole and not t else None, mode="clip")
        if taps.weight is not None:
            np.multiply(seen, taps.weight[t, which].astype(x.real.dtype)[:, None], out=seen)
        if t:
            y[:, slice(None) if whole else which] += seen
        elif not whole:
            y[...] = 0
            y[:, which] = seen


def _multiply(x: Array, taps: Taps, y: Array) -> None:
    """The same, band by band."""
    rows, _, inside = x.shape
    parts = 1 if parallel.inside() or y.size < TILE else parallel.num_threads()
    cuts = [cut for (cut,) in parallel.boxes((rows,), -(-rows // parts))]
    narrow, scale = (True, inside) if inside < NARROW else (False, 1)
    x, y = (a.reshape(rows, -1) if narrow else a for a in (x, y))

    def multiply(task: tuple[slice, Band]) -> None:
        cut, (low, high, first, last, weights) = task
        seen, target = x[cut, first * scale : last * scale], y[cut, low * scale : high * scale]
        np.matmul(seen, weights, out=target) if narrow else np.matmul(weights, seen, out=target)

    parallel.run([(cut, band) for cut in cuts for band in _bands(taps, x.dtype, inside if narrow else 0)], multiply)


class Band(NamedTuple):
    """Outputs of an axis from low to high, the inputs they see, from first to last, and the weights (outputs, inputs)."""

    low: int
    high: int
    first: int
    last: int
    weights: Array


@lru_cache(256)
def _bands(taps: Taps, dtype: np.dtype[Any], inside: int) -> list[Band]:
    """The bands of an axis; with `inside`, the weights of whole places, so many numbers each, for products from the right."""
    step = -(-taps.out // max(1, min(max(taps.out, taps.size) // BAND, taps.out // SHORT)))
    bands = []
    for low in range(0, taps.out, step):
        high = min(low + step, taps.out)
        t, j = np.nonzero(np.arange(len(taps.index))[:, None] < taps.count[low:high])
        seen = taps.index[t, low + j]
        first, last = (int(seen.min()), int(seen.max()) + 1) if len(seen) else (0, 0)
        weights = np.zeros((high - low, last - first), dtype)
        np.add.at(weights, (j, seen - first), 1 if taps.weight is None else taps.weight[t, low + j])
        bands.append(Band(low, high, first, last, np.kron(weights.T, np.eye(inside, dtype=dtype)) if inside else weights))
    return bands
