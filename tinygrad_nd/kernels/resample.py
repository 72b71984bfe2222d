"""Axes sampled: every output is a weighted sum of a few inputs, so sampling an axis is a product with the bands of a matrix."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import blas, engines, few, memory, parallel
from .indexing import scatter_along, take_along
from .memory import Array
from .pool_parts import spread
from .taps import Taps, extended, part

Widths = tuple[tuple[int, int], ...]

TILE = 1 << 20  # numbers written at a time: a few hundred microseconds of work
ALONE = 1 << 19  # numbers; with fewer threads wait for one another longer than they work
COMPILED = 1 << 11  # numbers; with fewer a compiled loop saves nothing
BAND = 16  # inputs, or outputs, of a band: with more a product meets more zeros, with fewer it is over too soon
WIDE = 512  # numbers side by side, with which half a band is enough
SHORT = 4  # outputs that make a product worth its call
TURNED = 128  # numbers in a row; with fewer it is quicker to turn channels innermost than to move it
NARROW = 8  # numbers side by side; with fewer, one product that meets more zeros takes less time than one for every row


class Band(NamedTuple):
    """Outputs of an axis from low to high, the inputs they see, from first to last, and the weights (outputs, inputs)."""

    low: int
    high: int
    first: int
    last: int
    weights: Array


class Step(NamedTuple):
    """An axis to sample: `outside` entries before it and `inside` numbers after it. Where it is done by products, its bands."""

    axis: int
    taps: Taps
    outside: int
    inside: int
    bands: list[Band]


def sampled(x: Array, taps: tuple[Taps, ...], factor: float = 1) -> Array:
    """The last axes of x sampled, times a factor, in x's memory order. What is no tap of an output never touches it, NaN and infinity
    included."""
    outputs = x.size // max(prod([t.size for t in taps]), 1) * prod([t.out for t in taps])
    if max(x.size, outputs) >= COMPILED and x.dtype in (np.float32, np.float64) and taps and (fast := engines.compiled("pools")):
        return fast.sampled(x, taps, factor)  # type: ignore[no-any-return]
    if x.dtype == np.float16 and not (factor == 1 and all(t.copies for t in taps)):  # sums of halves lose digits
        return sampled(x.astype(np.float32), taps, factor).astype(x.dtype)
    if (found := few.sampled(x, taps, factor)) is not None:
        return found
    order, lead = memory.memory_order(x), x.ndim - len(taps)
    axes = tuple((place, taps[axis - lead]) for place, axis in enumerate(order) if axis >= lead and not taps[axis - lead].identity)
    if not axes:
        return x * x.dtype.type(factor) if factor != 1 else x.view()
    y = _sampled(np.ascontiguousarray(x.transpose(order)), axes, factor)
    return y.transpose(sorted(range(x.ndim), key=order.__getitem__))


def extend(x: Array, widths: Widths, mode: str) -> Array:
    """np.pad(x, widths, mode), for a mode that takes values from x."""
    axes = _ends(x.shape, widths, mode)
    if _beside(x, len(axes)):
        return sampled(x, axes)
    for axis, taps in enumerate(axes, x.ndim - len(axes)):
        x = x if taps.identity else take_along(x, taps.index[0], axis)
    return x


def extend_adjoint(g: Array, widths: Widths, mode: str) -> Array:
    """The transpose of `extend`: what lies around is added where it was taken from."""
    axes = _ends(tuple([n - a - b for n, (a, b) in zip(g.shape, widths)]), widths, mode)
    if _beside(g, len(axes)):
        return sampled(g, tuple([taps.transposed for taps in axes]))
    for axis, taps in enumerate(axes, g.ndim - len(axes)):
        g = g if taps.identity else scatter_along(g, taps.index[0], axis, taps.size)
    return g


def _beside(a: Array, rank: int) -> bool:
    """Whether channels lie side by side, or are worth being turned so: else stretches are moved, which long rows are."""
    return spread(a, rank, turned=a.shape[-1] < TURNED)[1].inner >= NARROW


def _ends(shape: tuple[int, ...], widths: Widths, mode: str) -> tuple[Taps, ...]:
    """Where values come from, along the axes from the first on that grows."""
    first = next(axis for axis, pair in enumerate(widths) if max(pair))
    return tuple([extended(n, a, b, mode) for n, (a, b) in zip(shape[first:], widths[first:])])


def _sampled(x: Array, axes: tuple[tuple[int, Taps], ...], factor: float) -> Array:
    """These axes of a dense x sampled."""
    shape = list(x.shape)
    for axis, taps in axes:
        shape[axis] = taps.out
    y = memory.empty(shape, x.dtype)
    if not y.size:
        return y
    if x.dtype in (np.float32, np.float64) and not all(taps.plain for _, taps in axes):
        with blas.single_blas(), np.errstate(all="ignore"):
            _fill(x, y, axes, factor, True)
        # What is not finite reaches, by a weight or by 0, every output of its bands: the first of them tell.
        each = {step.axis: step.bands[0].high for step in _steps(x.shape, axes, x.dtype) if step.bands}
        if np.isfinite(y[tuple([slice(None, None, each.get(axis)) for axis in range(x.ndim)])]).all():
            return y
    _fill(x, y, axes, factor, False)
    return y


@memory.remembered(256)
def _steps(shape: tuple[int, ...], axes: tuple[tuple[int, Taps], ...], dtype: np.dtype[Any] | None) -> list[Step]:
    """In which order the axes are sampled; by products where there is a dtype.

    The products of an inner axis are many and short. There are fewest while the outer axes are short: axes that shrink are sampled from
    the outermost on, then those that grow from the innermost.
    """
    first, sizes = axes[0][0], list(shape)
    steps = []
    for i, taps in sorted(axes, key=lambda each: each[0] if each[1].out < each[1].size else 2 * len(shape) - each[0]):
        inside = prod(sizes[i + 1 :])
        bands = [] if dtype is None or taps.plain else _bands(taps, dtype, inside)
        steps.append(Step(i, taps, prod(sizes[first:i]), inside, bands))
        sizes[i] = taps.out
    return steps


def _bands(taps: Taps, dtype: np.dtype[Any], inside: int) -> list[Band]:
    """The bands of an axis; where little lies inside, the weights of whole places, so many numbers each, for products from the right."""
    size = BAND if inside < WIDE else BAND // 2
    step = -(-taps.out // max(1, min(max(taps.out, taps.size) // size, taps.out // SHORT)))
    bands = []
    for low in range(0, taps.out, step):
        high = min(low + step, taps.out)
        t, j = np.nonzero(taps.used[:, low:high])
        seen = taps.index[t, low + j]
        first, last = (int(seen.min()), int(seen.max()) + 1) if len(seen) else (0, 0)
        weights = np.zeros((high - low, last - first), dtype)
        np.add.at(weights, (j, seen - first), 1 if taps.weight is None else taps.weight[t, low + j])
        bands.append(Band(low, high, first, last, np.kron(weights.T, np.eye(inside, dtype=dtype)) if inside < NARROW else weights))
    return bands


def _fill(x: Array, y: Array, axes: tuple[tuple[int, Taps], ...], factor: float, products: bool) -> None:
    """y from x, some of the outermost entries at a time, or a part of the first axis of one, axis by axis."""
    (first, taps), rest = axes[0], axes[1:]
    outer = prod(x.shape[:first])
    source, result = x.reshape(outer, *x.shape[first:]), y.reshape(outer, *y.shape[first:])
    threads = parallel.num_threads() if max(x.size, y.size) > ALONE else 1
    some = max(1, min(TILE * outer // y.size, -(-outer // threads)))
    pieces = max(1, min(taps.out, threads * max(x.size, y.size) // (outer * TILE))) if some == 1 else 1
    cuts = [(i * taps.out // pieces, (i + 1) * taps.out // pieces) for i in range(pieces)]
    dtype = x.dtype if products else None

    def work(task: tuple[int, tuple[int, int]]) -> None:
        start, (low, high) = task
        begin, end, mine = part(taps, low, high) if pieces > 1 else (0, taps.size, taps)
        a, out = source[start : start + some, begin:end], result[start : start + some, low:high]
        steps = _steps(a.shape, ((1, mine), *((axis - first + 1, t) for axis, t in rest)), dtype)
        grows = a.size < out.size
        if factor != 1 and grows:
            a = np.multiply(a, factor, out=memory.scratch("scaled", a.shape, a.dtype))
        for number, step in enumerate(steps, 1):
            shape = len(out) * step.outside, step.taps.out, step.inside
            target = out.reshape(shape) if number == len(steps) else memory.scratch(("sampled", number), shape, x.dtype)
            (_multiply if step.bands else _add)(a.reshape(-1, step.taps.size, step.inside), step, target)
            a = target
        if factor != 1 and not grows:
            np.multiply(out, factor, out=out)

    parallel.run([(start, cut) for start in range(0, outer, some) for cut in cuts], work)


def _multiply(x: Array, step: Step, y: Array) -> None:
    """The middle axis of x (rows, n, inside) sampled into y (rows, o, inside), band by band."""
    parts = 1 if parallel.inside() or y.size < TILE // 2 else parallel.num_threads()
    cuts = [cut for (cut,) in parallel.boxes((len(x),), -(-len(x) // parts))]
    if step.inside < NARROW:
        k = step.inside
        x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
        tasks = [(x[cut, b.first * k : b.last * k], b.weights, y[cut, b.low * k : b.high * k]) for cut in cuts for b in step.bands]
    else:
        tasks = [(b.weights, x[cut, b.first : b.last], y[cut, b.low : b.high]) for cut in cuts for b in step.bands]
    parallel.run(tasks, lambda task: np.matmul(task[0], task[1], out=task[2]))


def _add(x: Array, step: Step, y: Array) -> None:
    """The same, tap by tap."""
    taps, weight = step.taps, step.taps.weight
    total: Array | None = None
    if weight is not None and taps.factors is not None and taps.size < taps.out:
        x, weight = x * taps.factors.astype(x.real.dtype)[:, None], None
    for t, which, index in taps.turns:
        whole = isinstance(which, slice) and which == slice(None)
        if isinstance(index, slice):
            seen = x[:, index]
        else:
            out = y if whole and total is None else memory.scratch("seen", (len(x), len(index), step.inside), x.dtype)
            seen = np.take(x, index, 1, out=out, mode="clip")
        if weight is not None:
            seen = seen * weight[t, which].astype(x.real.dtype)[:, None]
        if whole:
            total = seen if total is None else np.add(total, seen, out=y)
            continue
        if total is not y:
            y[...] = 0 if total is None else total
            total = y
        y[:, which] += seen
    if total is not y:
        y[...] = 0 if total is None else total
