"""Pooling: maxima and sums of windows, and the transposes of both. x is (*lead, *size); the last spec.rank axes are spatial.

PLACEHOLDER in plainest form until the fast kernels land.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .geometry import PoolSpec

Array = np.ndarray[Any, np.dtype[Any]]


def _taps(spec: PoolSpec) -> Any:
    """(tap number, output slices, input slices) for each kernel offset, clipped to where the window lies on the input."""
    for t, off in enumerate(np.ndindex(*spec.kernel)):
        outs, ins = [], []
        for k, n, s, (a, _), d, o in zip(off, spec.size, spec.stride, spec.padding, spec.dilation, spec.out):
            first = k * d - a
            lo = max(0, -(first // s)) if first < 0 else 0
            hi = min(o, (n - 1 - first) // s + 1)
            hi = max(hi, lo)
            outs.append(slice(lo, hi))
            ins.append(slice(first + lo * s, first + (hi - 1) * s + 1 if hi > lo else first + lo * s, s))
        yield t, (..., *outs), (..., *ins)


def max_pool(x: Array, spec: PoolSpec, want_index: bool) -> tuple[Array, Array | None]:
    low = -np.inf if x.dtype.kind == "f" else (False if x.dtype.kind == "b" else np.iinfo(x.dtype).min)
    lead = x.shape[: x.ndim - spec.rank]
    best = np.full((*lead, *spec.out), low, x.dtype)
    winner = np.full(best.shape, prod(spec.kernel), np.int32)
    for t, o, i in _taps(spec):
        part, b = x[i], best[o]
        better = (part > b) | (np.isnan(part) & ~np.isnan(b)) | ((winner[o] == prod(spec.kernel)))
        winner[o] = np.where(better, t, winner[o])
        best[o] = np.where(better, part, b)
    return best, winner if want_index else None


def gather(x: Array, winner: Array, spec: PoolSpec) -> Array:
    out = np.zeros(winner.shape, x.dtype)
    for t, o, i in _taps(spec):
        out[o] += np.where(winner[o] == t, x[i], 0).astype(x.dtype)
    return out


def scatter(g: Array, winner: Array, spec: PoolSpec) -> Array:
    out = np.zeros((*g.shape[: g.ndim - spec.rank], *spec.size), g.dtype)
    for t, o, i in _taps(spec):
        out[i] += np.where(winner[o] == t, g[o], 0).astype(g.dtype)
    return out


def flat_index(winner: Array, spec: PoolSpec) -> Array:
    flat = np.zeros(winner.shape, np.int64)
    places = np.arange(prod(spec.size)).reshape(spec.size)
    for t, o, i in _taps(spec):
        flat[o] = np.where(winner[o] == t, places[i], flat[o])
    return flat


def window_sum(x: Array, spec: PoolSpec) -> Array:
    out = np.zeros((*x.shape[: x.ndim - spec.rank], *spec.out), x.dtype)
    for _, o, i in _taps(spec):
        out[o] += x[i]
    return out


def window_sum_adjoint(g: Array, spec: PoolSpec) -> Array:
    out = np.zeros((*g.shape[: g.ndim - spec.rank], *spec.size), g.dtype)
    for _, o, i in _taps(spec):
        out[i] += g[o]
    return out


def window_count(spec: PoolSpec, count_include_pad: bool) -> Array:
    counts = np.ones(())
    for n, k, s, (a, b), d, o in zip(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.out):
        first = np.arange(o)[:, None] * s - a + np.arange(k) * d
        inside = (first >= -a) & (first < n + b) if count_include_pad else (first >= 0) & (first < n)
        counts = np.multiply.outer(counts, inside.sum(1))
    return counts
