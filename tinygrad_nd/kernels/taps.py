"""What every output along an axis sees, and by which weight: nearest, linear and cubic sampling, and windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

A = -0.75  # the slope of the cubic kernel at 1


@dataclass(frozen=True, eq=False)
class Taps:
    """Output j of `out` is the sum over t < count[j] of weight[t, j] * input[index[t, j]], of `size` inputs; no weights are ones."""

    out: int
    size: int
    index: Array
    count: Array
    weight: Array | None
    identity: bool = False

    @cached_property
    def turns(self) -> list[tuple[Array | slice, Array | slice]]:
        """(which outputs have a tap, where they have it) for the first tap of all, the second, ...; as slices where that can be said."""
        which = [np.flatnonzero(self.count > t) for t in range(len(self.index))]
        return [(slice(None) if len(some) == self.out else some, _as_slice(index[some])) for some, index in zip(which, self.index)]

    @cached_property
    def copies(self) -> bool:
        """Whether every output is one of the inputs."""
        return self.weight is None and bool((self.count == 1).all())

    @cached_property
    def plain(self) -> bool:
        """Whether tap by tap is the way to sum: nothing is weighted, or few outputs see several inputs."""
        return self.weight is None or 4 * int(self.count.sum()) < 5 * self.out

    @cached_property
    def factors(self) -> Array | None:
        """One weight for each input, if it has the same wherever it is seen."""
        if self.weight is None:
            return None
        used = np.arange(len(self.index))[:, None] < self.count
        factors = np.ones(self.size)
        factors[self.index[used]] = self.weight[used]
        return factors if (factors[self.index[used]] == self.weight[used]).all() else None

    @cached_property
    def transposed(self) -> Taps:
        if self.identity:
            return self
        used = np.arange(len(self.index))[:, None] < self.count
        t, j = np.nonzero(used)
        return taps(self.index[t, j], j, None if self.weight is None else self.weight[t, j], self.size, self.out)


def taps(rows: Array, columns: Array, weights: Array | None, out: int, size: int) -> Taps:
    """Taps from a list: output `rows` sums input `columns` times `weights`."""
    order = np.argsort(rows, kind="stable")
    rows, columns = rows[order], columns[order]
    count = np.bincount(rows, minlength=out)
    number = np.arange(len(rows)) - (np.cumsum(count) - count)[rows]
    index = np.zeros((count.max(initial=0), out), np.intp)
    index[number, rows] = columns
    if weights is None:
        return Taps(out, size, index, count, None)
    weight = np.zeros(index.shape)
    weight[number, rows] = weights[order]
    return Taps(out, size, index, count, weight)


def _as_slice(places: Array) -> Array | slice:
    steps = set(np.diff(places).tolist())
    if len(steps) != 1 or min(steps) < 1:
        return places
    return slice(int(places[0]), int(places[-1]) + 1, steps.pop())


@lru_cache(256)
def same(n: int) -> Taps:
    """An axis as it is."""
    return Taps(n, n, np.arange(n)[None], np.ones(n, np.intp), None, True)


# Where a longer or shorter axis is sampled. Pixels are intervals whose centres lie at i + 1/2; with corners aligned, points at i.


@lru_cache(256)
def nearest(n: int, o: int, scale: float, centre: bool, dtype: Any) -> Taps:
    """The pixel in which i * scale lies, or (i + 1/2) * scale, rounded as PyTorch rounds for this dtype."""
    i, step = np.arange(o), float(dtype(scale))
    at = ((i + 0.5) * step - 0.5).astype(dtype) if centre else (i * step).astype(dtype)  # one rounding, as in a fused multiply-add
    exact = at.astype(np.float32) + np.float32(0.5 if centre else 0)
    return taps(np.arange(o), np.clip(np.floor(exact).astype(np.intp), 0, n - 1), None, o, n)


@lru_cache(256)
def linear(n: int, o: int, scale: float, align_corners: bool) -> Taps:
    """The two neighbours, by their distances; past the ends the end alone."""
    at = np.maximum(_positions(n, o, scale, align_corners), 0)
    low = np.minimum(at.astype(np.intp), n - 1)
    t = np.clip(at - low, 0, 1)
    return _neighbours(n, o, low, {0: 1 - t, 1: t})


@lru_cache(256)
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
