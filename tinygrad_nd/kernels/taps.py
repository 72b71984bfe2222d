"""What every output along an axis sees, and by which weight: nearest, linear and cubic sampling, and windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import memory
from .memory import Array

A = -0.75  # the slope of the cubic kernel at 1


@dataclass(frozen=True, eq=False)
class Taps:
    """Output j of `out` is the sum over t where used[t, j] of weight[t, j] * input[index[t, j]], of `size` inputs; no weights are ones."""

    out: int
    size: int
    index: Array
    used: Array
    weight: Array | None
    identity: bool = False

    @cached_property
    def turns(self) -> list[tuple[int, Array | slice, Array | slice]]:
        """(a tap, the outputs that have it, their inputs), as slices where that can be said; first one that all outputs have, if any."""
        order = sorted(range(len(self.used)), key=lambda t: not self.used[t].all())
        which = [slice(None) if self.used[t].all() else _as_slice(np.flatnonzero(self.used[t])) for t in order]
        return [(t, some, _as_slice(self.index[t, self.used[t]])) for t, some in zip(order, which) if self.used[t].any()]

    @cached_property
    def stride(self) -> int:
        """How far on neighbours see; 1 where that is not the same for all."""
        steps = {index.step if isinstance(index, slice) else 1 for _, _, index in self.turns}
        return steps.pop() if len(steps) == 1 else 1

    @cached_property
    def copies(self) -> bool:
        """Whether every output is one of the inputs."""
        return self.weight is None and bool((self.used.sum(0) == 1).all())

    @cached_property
    def plain(self) -> bool:
        """Whether tap by tap is the way to sum: nothing is weighted, or few outputs see several inputs."""
        return self.weight is None or 4 * int(self.used.sum()) < 5 * self.out

    @cached_property
    def factors(self) -> Array | None:
        """One weight for each input, if it has the same wherever it is seen."""
        if self.weight is None:
            return None
        factors = np.ones(self.size)
        factors[self.index[self.used]] = self.weight[self.used]
        return factors if (factors[self.index[self.used]] == self.weight[self.used]).all() else None

    @cached_property
    def transposed(self) -> Taps:
        if self.identity:
            return self
        t, j = np.nonzero(self.used)
        i = self.index[t, j]
        weights = None if self.weight is None else self.weight[t, j]
        # Where neighbours see neighbours every tap stays one; else as few as can be.
        kept = len(self.used) == np.bincount(i).max(initial=0) and np.bincount(t * self.size + i).max(initial=0) == 1
        return taps(i, j, weights, self.size, self.out, t if kept else None)


def taps(rows: Array, columns: Array, weights: Array | None, out: int, size: int, number: Array | None = None) -> Taps:
    """Taps from a list: output `rows` sums input `columns` times `weights`, as its tap `number`, counted as they come if not given."""
    if number is None:
        order = np.argsort(rows, kind="stable")
        count = np.bincount(rows, minlength=out)
        number = np.empty_like(rows)
        number[order] = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    shape = number.max(initial=-1) + 1, out
    index, used = np.zeros(shape, np.intp), np.zeros(shape, np.bool_)
    index[number, rows], used[number, rows] = columns, True
    if weights is None:
        return Taps(out, size, index, used, None)
    weight = np.zeros(shape)
    weight[number, rows] = weights
    return Taps(out, size, index, used, weight)


@memory.remembered(256)
def part(whole: Taps, low: int, high: int) -> tuple[int, int, Taps]:
    """The inputs, from first to last, that outputs from low to high see, and their taps."""
    index, used = whole.index[:, low:high], whole.used[:, low:high]
    seen = index[used]
    first, last = (int(seen.min()), int(seen.max()) + 1) if len(seen) else (0, 0)
    weight = None if whole.weight is None else whole.weight[:, low:high]
    return first, last, Taps(high - low, last - first, np.where(used, index - first, 0), used, weight)


def together(axes: Sequence[Taps]) -> tuple[Array, Array, Array | None]:
    """(flat places, which of them are used, their weights), each (taps, outputs), of several axes at once."""
    places, used = np.zeros((1, 1), np.intp), np.ones((1, 1), np.bool_)
    weights = None if all(t.weight is None for t in axes) else np.ones((1, 1))
    for t in axes:
        shape = len(places) * len(t.index), places.shape[1] * t.out
        places = (places[:, None, :, None] * t.size + t.index[:, None]).reshape(shape)
        used = (used[:, None, :, None] & t.used[:, None]).reshape(shape)
        if weights is not None:
            weight = np.ones(t.index.shape) if t.weight is None else t.weight
            weights = (weights[:, None, :, None] * weight[:, None]).reshape(shape)
    return places, used, weights


def _as_slice(places: Array) -> Array | slice:
    steps = set(np.diff(places).tolist() or [1])
    if len(steps) != 1 or min(steps) < 1 or not len(places):
        return places
    return slice(int(places[0]), int(places[-1]) + 1, steps.pop())


@memory.remembered(256)
def same(n: int) -> Taps:
    """An axis as it is."""
    return Taps(n, n, np.arange(n)[None], np.ones((1, n), np.bool_), None, True)


@memory.remembered(256)
def extended(n: int, before: int, after: int, mode: str) -> Taps:
    """An axis with more of its own at its ends, by one of NumPy's modes of padding: edge, wrap, reflect or symmetric."""
    if not (before or after):
        return same(n)
    place = np.arange(-before, n + after)
    turn, rest = np.divmod(place, n if mode in ("wrap", "symmetric") else max(n - 1, 1))
    back = turn % 2 if mode in ("reflect", "symmetric") else 0
    source = place.clip(0, n - 1) if mode == "edge" else np.where(back, n - 1 - rest, rest)
    return taps(np.arange(len(place)), source, None, len(place), n)


# Where a longer or shorter axis is sampled. Pixels are intervals whose centres lie at i + 1/2; with corners aligned, points at i.


@memory.remembered(256)
def nearest(n: int, o: int, scale: float, centre: bool, dtype: Any) -> Taps:
    """The pixel in which i * scale lies, or (i + 1/2) * scale, rounded as PyTorch rounds for this dtype."""
    i, step = np.arange(o), float(dtype(scale))
    at = ((i + 0.5) * step - 0.5).astype(dtype) if centre else (i * step).astype(dtype)  # one rounding, as in a fused multiply-add
    exact = at.astype(np.float32) + np.float32(0.5 if centre else 0)
    return taps(np.arange(o), np.clip(np.floor(exact).astype(np.intp), 0, n - 1), None, o, n)


@memory.remembered(256)
def linear(n: int, o: int, scale: float, align_corners: bool) -> Taps:
    """The two neighbours, by their distances; past the ends the end alone."""
    at = np.maximum(_positions(n, o, scale, align_corners), 0)
    low = np.minimum(at.astype(np.intp), n - 1)
    t = np.clip(at - low, 0, 1)
    return _neighbours(n, o, low, {0: 1 - t, 1: t})


@memory.remembered(256)
def cubic(n: int, o: int, scale: float, align_corners: bool) -> Taps:
    """Four neighbours by Keys' kernel; past the ends the end repeats. Source: Keys, Cubic convolution interpolation, 1981."""
    at = _positions(n, o, scale, align_corners)
    low = np.minimum(np.floor(at).astype(np.intp), n - 1)
    t = np.clip(at - low, 0, 1)
    return _neighbours(n, o, low, {-1: _far(1 + t), 0: _near(t), 1: _near(1 - t), 2: _far(2 - t)})


def _near(d: Array) -> Array:
    """Keys' kernel at distances up to 1."""
    return ((A + 2) * d - (A + 3)) * d * d + 1


def _far(d: Array) -> Array:
    """Keys' kernel at distances from 1 to 2."""
    return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A


def _positions(n: int, o: int, scale: float, align_corners: bool) -> Array:
    if align_corners:
        return np.arange(o) * ((n - 1) / (o - 1) if o > 1 else 0.0)
    return (np.arange(o) + 0.5) * scale - 0.5


def _neighbours(n: int, o: int, low: Array, weights: dict[int, Array]) -> Taps:
    columns = [np.clip(low + step, 0, n - 1) for step in weights]
    return taps(np.tile(np.arange(o), len(weights)), np.concatenate(columns), np.concatenate(list(weights.values())), o, n)
