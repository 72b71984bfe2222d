"""From windows to where their maxima lie, and back: a transpose pair. A winner is the number of a tap in row-major order."""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import prod

import numpy as np

from . import engines, few, memory, parallel, places
from .adaptive import Parted
from .bits import keep
from .geometry import PoolSpec, landing
from .memory import Array
from .pool import flat_index
from .pool_parts import PART, alone, apart, engine, even_step, spread

FEW = 8  # taps; with more, computed positions of few winners cost less than passes over all that the windows see
BLOCK = 1 << 17  # windows whose winners' positions are known at a time


@engines.recalled
def gather(x: Array, winner: Array, spec: PoolSpec | Parted) -> Array:
    """x at the winning positions, (*lead, *o); 0 where they lie in the padding. Linear in x, the transpose of `scatter`."""
    if alone(spec):
        return places.take(x, winner, spec.rank)
    if fast := engine(x):
        return fast.gather(x, winner, spec)  # type: ignore[no-any-return]
    if winner.size <= few.MOST or isinstance(spec, Parted):
        return few.gather(x, winner, spec)
    at = flat_index(winner, spec)
    outside = at < 0
    if not outside.any():
        return places.take(x, at, spec.rank)
    y = places.take(x, np.where(outside, 0, at), spec.rank)
    y[outside] = 0
    return y


@engines.recalled
def scatter(g: Array, winner: Array, spec: PoolSpec | Parted) -> Array:
    """Each entry of g (*lead, *o) added to its winning position of (*lead, *size); what lies in the padding is dropped."""
    if alone(spec):
        return places.put(g, winner, (*g.shape[: g.ndim - spec.rank], *spec.size), spec.rank)
    if fast := engine(g):
        return fast.scatter(g, winner, spec)  # type: ignore[no-any-return]
    if winner.size <= few.MOST or isinstance(spec, Parted):
        return few.scatter(g, winner, spec)
    if not spec.rank:
        return g.view()
    codes, layout = spread(winner, spec.rank)
    source, _ = spread(g, spec.rank, layout)
    x = memory.empty((layout.outer, *spec.size, layout.inner), g.dtype)
    beside = all(k <= s and d == 1 for k, s, d in zip(spec.kernel, spec.stride, spec.dilation))
    (_lay_out if beside and prod(spec.kernel) <= FEW else _add_at)(source, codes, spec, x)
    return layout.restore(x, spec.size)


def _lay_out(g: Array, codes: Array, spec: PoolSpec, x: Array) -> None:
    """`scatter` for windows that lie beside one another, tap by tap: each sees places that no other sees.

    Where they touch along the last axis, its taps are taken together: every entry is repeated beside itself, and kept where it won.
    """
    k, s = spec.kernel[-1], spec.stride[-1]
    width = k if k == s else 1
    taps = list(product(*map(range, (*spec.kernel[:-1], k // width))))
    repeated = np.repeat(np.arange(spec.out[-1]), width)
    column = np.tile(np.repeat(np.arange(width, dtype=codes.dtype), x.shape[-1]), spec.out[-1]).reshape(len(repeated), -1)

    def work(task: tuple[slice, slice]) -> None:
        images, lane = task
        target = x[images, ..., lane]
        _clear(target, spec)
        values, winners = (
            np.take(a, repeated, -2, out=memory.scratch(name, (*a.shape[:-2], *column[:, lane].shape), a.dtype), mode="clip")
            for name, a in (("values", g[images, ..., lane]), ("winners", codes[images, ..., lane]))
        )
        for number, tap in enumerate(taps):
            cuts = [
                landing(n, t - a, count, step)
                for n, t, (a, _), count, step in zip(spec.size, tap, spec.padding, winners.shape[1:], (*spec.stride[:-1], s // width))
            ]
            ours, theirs = ((slice(None), *cut) for cut in zip(*cuts))
            winning = column[ours[-1], lane] + codes.dtype.type(number * width)
            hit = np.equal(winners[ours], winning, out=memory.scratch("hit", winners[ours].shape, np.bool_))
            keep(target[theirs], hit, values[ours])

    parallel.run(list(product(_images(x), _lanes(x))), work)


def _clear(x: Array, spec: PoolSpec) -> None:
    """Zeros where no window of x lies, windows being beside one another."""
    for axis, (k, s, o, (a, _)) in enumerate(zip(spec.kernel, spec.stride, spec.out, spec.padding), 1):
        for rest in [slice(max(-a, 0)), slice(max(o * s - a, 0), None)] if k == s else [slice(None)]:
            x[(slice(None),) * axis + (rest,)] = 0


def _add_at(g: Array, codes: Array, spec: PoolSpec, x: Array) -> None:
    """`scatter` to computed positions: of a window's first tap, and from there to its winner. Windows of padding alone are left out."""
    steps = [prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
    places = [np.arange(o) * s - a for o, s, (a, _) in zip(spec.out, spec.stride, spec.padding)]
    taps = [np.arange(k) * d for k, d in zip(spec.kernel, spec.dilation)]
    for axis, (place, tap, n) in enumerate(zip(places, taps, spec.size)):
        inside = place[:, None] + tap
        touching = np.flatnonzero(((inside >= 0) & (inside < n)).any(1))
        if len(touching) < len(place):
            g, codes, places[axis] = g.take(touching, axis + 1), codes.take(touching, axis + 1), place[touching]
    to_winner = _outer_sum([tap * step for tap, step in zip(taps, steps[1:])])
    rows = places[0] * steps[1]
    some = max(1, codes.shape[1] * BLOCK // max(codes[:1].size, 1))  # rows of windows
    add = _set if all(apart(spec, axis) for axis in range(spec.rank)) else np.add.at

    def work(task: tuple[slice, slice]) -> None:
        images, lane = task
        x[images, ..., lane] = 0
        first = np.arange(images.stop - images.start) * steps[0]
        rest = _outer_sum([place * step for place, step in zip(places[1:], steps[2:])] + [np.arange(x.shape[-1])[lane]])
        for low in range(0, len(rows), some):
            seen = images, slice(low, low + some), ..., lane
            at = np.take(to_winner, codes[seen], out=memory.scratch("at", codes[seen].shape, np.intp), mode="clip")
            at = at.reshape(len(first), codes[seen].shape[1], rest.size)
            at += (first[:, None] + rows[low : low + some])[:, :, None]
            at += rest.reshape(-1)
            add(x[images].reshape(-1), at.reshape(-1), g[seen].reshape(-1))

    parallel.run(list(product(_images(x), _lanes(x))), work)


def _set(x: Array, at: Array, values: Array) -> None:
    x[at] = values


def _images(x: Array) -> list[slice]:
    """The outermost entries of x, some at a time."""
    some = max(1, even_step(len(x), x[:1].nbytes))
    return [slice(i, min(i + some, len(x))) for i in range(0, len(x), some)]


def _lanes(x: Array) -> list[slice]:
    """The innermost axis, in parts where there are too few of the outermost entries for all threads."""
    n = x.shape[-1]
    parts = max(1, min(n, parallel.num_threads() // max(len(x), 1))) if x.nbytes > PART else 1
    return [slice(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


def _outer_sum(parts: list[Array]) -> Array:
    """The sums of an entry of each."""
    total: Array = reduce(np.add.outer, parts, np.zeros((), np.intp))
    return total
