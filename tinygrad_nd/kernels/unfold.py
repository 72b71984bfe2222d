"""Windows laid out as columns, and columns added up where their windows lie: a transpose pair at any rank. Blocks of pixels as channels.

Shapes: x (N, C, *n), columns (N, C * prod(k), prod(o)); a column holds a window, channel by channel, its taps in row-major order.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from . import memory, parallel
from .elementwise import LARGE
from .geometry import ConvSpec, sees
from .memory import Array
from .reference import pad, windows


def unfold(x: Array, spec: ConvSpec) -> Array:
    """The columns of x; padding counts as 0."""
    return windows(pad(x, spec.padding), spec).reshape(x.shape[0], x.shape[1] * prod(spec.kernel), prod(spec.out))


def fold(columns: Array, spec: ConvSpec) -> Array:
    """x[n, c, s*j + d*t - p] = the sum of columns[n, (c, t), j]; what lies in the padding is dropped."""
    wide = np.float32 if columns.dtype == np.float16 else columns.dtype  # sums of halves lose digits
    taps = columns.reshape(columns.shape[0], columns.shape[1] // prod(spec.kernel), *spec.kernel, *spec.out)
    beside = spec.stride == spec.kernel and {*spec.dilation} <= {1} and not any(map(any, spec.padding))
    if beside and spec.size == tuple(o * k for o, k in zip(spec.out, spec.kernel)):
        between = [axis for i in range(2, 2 + spec.rank) for axis in (i + spec.rank, i)]
        return taps.transpose(0, 1, *between).reshape(*taps.shape[:2], *spec.size)
    x = np.zeros((*taps.shape[:2], *spec.size), wide)
    for tap in product(*map(range, spec.kernel)):
        points, outputs = sees(spec, tap)
        at: Any = (slice(None), slice(None), *tap, *outputs[2:])
        x[points] += taps[at]
    return x.astype(columns.dtype, copy=False)


def shuffle(x: Array, factors: tuple[int, ...]) -> Array:
    """Channels as pixels: (*lead, C * prod(f), *n) -> (*lead, C, *(n f)), in the memory order of x."""
    rank = len(factors)
    *lead, c = x.shape[: x.ndim - rank]
    n = x.shape[x.ndim - rank :]
    y = memory.empty_like(x, shape=(*lead, c // prod(factors), *(m * f for m, f in zip(n, factors))))
    _move(_apart(x, factors), _pixels(y, factors), factors, inverse=False)
    return y


def unshuffle(y: Array, factors: tuple[int, ...]) -> Array:
    """The inverse of `shuffle`, and its transpose."""
    rank = len(factors)
    *lead, c = y.shape[: y.ndim - rank]
    n = y.shape[y.ndim - rank :]
    x = memory.empty_like(y, shape=(*lead, c * prod(factors), *(m // f for m, f in zip(n, factors))))
    _move(_apart(x, factors), _pixels(y, factors), factors, inverse=True)
    return x


def _apart(x: Array, factors: tuple[int, ...]) -> Array:
    """(*lead, C * prod(f), *n) as (*f, *lead, C, *n)."""
    rank = len(factors)
    lead, n = x.shape[: x.ndim - rank - 1], x.shape[x.ndim - rank :]
    view = x.reshape(*lead, x.shape[len(lead)] // prod(factors), *factors, *n)
    return np.moveaxis(view, range(len(lead) + 1, len(lead) + 1 + rank), range(rank))


def _pixels(y: Array, factors: tuple[int, ...]) -> Array:
    """(*lead, C, *(n f)) as (*f, *lead, C, *n)."""
    rank = len(factors)
    lead, n = y.shape[: y.ndim - rank], y.shape[y.ndim - rank :]
    view = y.reshape(*lead, *(size for m, f in zip(n, factors) for size in (m // f, f)))
    return np.moveaxis(view, range(len(lead) + 1, len(lead) + 2 * rank, 2), range(rank))


def _move(x: Array, y: Array, factors: tuple[int, ...], inverse: bool) -> None:
    """y[t] = x[t] for all places t in a block, or the other way round: loops as long as the rows, where a block's would be short."""
    source, target = (y, x) if inverse else (x, y)
    rank = len(factors)
    taps: Any = list(product(*map(range, factors)))
    if target.strides[x.ndim - rank - 1] == x.itemsize:  # rows of channels
        taps = [()]

    def move(part: Any) -> None:
        for t in taps:
            np.copyto(target[(*t, *part)], source[(*t, *part)])

    if x.size < LARGE or x.ndim == rank:
        move(())
    else:
        skipped = (slice(None),) * (0 if taps[0] else rank)
        parallel.run([(*skipped, *box) for box in parallel.boxes(x.shape[rank : rank + 1], 1)], move)
