"""Pools and samplings of small arrays: a table tells what all windows see, and one call of NumPy picks it.

Passes tap by tap are quicker per number, but there are many of them, and each costs what a thousand numbers do.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import memory
from .adaptive import Parted, seen_by
from .geometry import PoolSpec
from .memory import Array
from .pool_parts import Layout, spread
from .taps import Taps, together

MOST = 1 << 15  # numbers that windows see of which the largest is sought, or winners; with more, passes tap by tap are quicker
SUMMED = 4 * MOST  # numbers that are summed
Windows = PoolSpec | Parted


def seen(a: Array, spec: Windows) -> int:
    """How many numbers the windows over an array of inputs, or of outputs, see."""
    return prod(a.shape[: a.ndim - spec.rank]) * prod(spec.out) * prod(spec.kernel)


def max_pool(x: Array, spec: Windows, lowest: Any, want_index: bool) -> tuple[Array, Array | None]:
    values, layout = _picked(x, spec.rank, table(spec), lowest)
    best = values.max(1)
    if not want_index:
        return _restored(best, layout, spec.out), None
    code = values.argmax(1)
    if (low := best == lowest).any():  # the first of what may be padding
        code[low] = ((values == lowest) & (table(spec) < prod(spec.size))[:, :, None]).argmax(1)[low]
    codes = code.astype(np.min_scalar_type(max(prod(spec.kernel) - 1, 0)))
    return _restored(best, layout, spec.out), _restored(codes, layout, spec.out)


def gather(x: Array, winner: Array, spec: Windows) -> Array:
    codes, layout = spread(winner, spec.rank)
    found = np.take_along_axis(_padded(layout.spread(x), spec.rank, 0), _places(codes, spec), 1)
    return _restored(found, layout, spec.out)


def scatter(g: Array, winner: Array, spec: Windows) -> Array:
    codes, layout = spread(winner, spec.rank)
    places, n = _places(codes, spec), prod(spec.size)
    outer, _, inner = places.shape
    x = memory.empty((outer, n + _padding(spec), inner), g.dtype)
    x[...] = 0
    at = places * inner + ((np.arange(outer) * (x.shape[1] * inner))[:, None, None] + np.arange(inner))
    np.add.at(x.reshape(-1), at.reshape(-1), layout.spread(g).reshape(-1))
    return _restored(x[:, :n], layout, spec.size)


def sampled(x: Array, taps: tuple[Taps, ...], factor: float) -> Array | None:
    """`resample.sampled`, if the outputs see few numbers."""
    out, size = prod([t.out for t in taps]), prod([t.size for t in taps])
    most = prod([len(t.index) for t in taps])
    if x.size // max(size, 1) * most * out > SUMMED or x.dtype.kind not in "fc" or not taps:
        return None
    places, weights = _sampling(taps)
    values, layout = _picked(x, len(taps), places, 0)
    if weights is not None:
        values *= weights.astype(x.real.dtype)
    return _restored(_summed(values, factor), layout, tuple(t.out for t in taps))


# Tables: (taps, windows) of flat places; the one past the end stands for nothing.


@memory.remembered(256)
def table(spec: Windows) -> Array:
    """What every window sees."""
    places, used, _ = together(seen_by(spec))
    return memory.table(np.where(used, places, prod(spec.size)))


@lru_cache(256)
def _padding(spec: Windows) -> bool:
    """Whether windows see any."""
    return bool((table(spec) == prod(spec.size)).any())


@memory.remembered(256)
def _sampling(taps: tuple[Taps, ...]) -> tuple[Array, Array | None]:
    """What every output sees, and by which weights (taps, outputs, 1)."""
    places, used, weights = together(taps)
    places = memory.table(np.where(used, places, prod([t.size for t in taps])))
    return places, None if weights is None else memory.table(weights[..., None])


def _places(codes: Array, spec: Windows) -> Array:
    """Where the winners (outer, *o, inner) lie, (outer, windows, inner)."""
    outer, inner = len(codes), codes.shape[-1]
    places: Array = table(spec)[codes.reshape(outer, prod(spec.out), inner), np.arange(prod(spec.out))[:, None]]
    return places


# Arrays: (outer, places, inner).


def _picked(x: Array, rank: int, places: Array, fill: Any) -> tuple[Array, Layout]:
    """x at the places, (outer, taps, windows, inner)."""
    source, layout = spread(x, rank)
    return _padded(source, rank, fill).take(places, 1), layout


def _padded(source: Array, rank: int, fill: Any) -> Array:
    n = prod(source.shape[1:-1])
    padded = np.empty((len(source), n + 1, source.shape[-1]), source.dtype)
    padded[:, :n].reshape(source.shape)[...] = source
    padded[:, n] = fill
    return padded


def _summed(values: Array, factor: float) -> Array:
    """Sums over the taps; those of halves in single precision."""
    wide = np.float32 if values.dtype == np.float16 else None
    total: Array = values[:, 0] if values.shape[1] == 1 else values.sum(1, dtype=wide)  # a sum makes 0 of -0
    if factor != 1:
        total *= factor
    return total.astype(values.dtype, copy=False)


def _restored(a: Array, layout: Layout, space: tuple[int, ...]) -> Array:
    return layout.restore(a.reshape(a.shape[0], *space, a.shape[-1]), space)
