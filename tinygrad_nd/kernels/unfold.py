"""Windows laid out as columns, and columns added up where their windows lie: a transpose pair at any rank.

Shapes: x (N, C, *n), columns (N, C * prod(k), prod(o)); a column holds a window, channel by channel, its taps in row-major order.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from .geometry import ConvSpec
from .reference import pad, windows

Array = np.ndarray[Any, np.dtype[Any]]


def unfold(x: Array, spec: ConvSpec) -> Array:
    """The columns of x; padding counts as 0."""
    return windows(pad(x, spec.padding), spec).reshape(x.shape[0], x.shape[1] * prod(spec.kernel), prod(spec.out))


def fold(columns: Array, spec: ConvSpec) -> Array:
    """x[n, c, s*j + d*t - p] = the sum of columns[n, (c, t), j]; what lies in the padding is dropped."""
    wide = np.float32 if columns.dtype == np.float16 else columns.dtype  # sums of halves lose digits
    taps = columns.reshape(columns.shape[0], columns.shape[1] // prod(spec.kernel), *spec.kernel, *spec.out)
    x = np.zeros((*taps.shape[:2], *(n + a + b for n, (a, b) in zip(spec.size, spec.padding))), wide)
    for t in product(*map(range, spec.kernel)):
        seen: Any = (..., *(slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(t, spec.dilation, spec.out, spec.stride)))
        tap: Any = (slice(None), slice(None), *t)
        x[seen] += taps[tap]
    return pad(x, tuple((-a, -b) for a, b in spec.padding)).astype(columns.dtype, copy=False)
