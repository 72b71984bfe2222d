"""The convolution of kernels/spectra.py, compiled: all tiles along the first axis, then frequency by frequency, then back.

Tiles lie side by side, as (points, tiles, channels), so that vectors run over both and a product has the rows of all tiles. No image is
padded or cut: tables say where the lines of its tiles lie. Along the last axis a line of x, of weights and of results is transformed,
multiplied and transformed back while it is in a core's first caches. The weight gradient is the same with cotangents as weights, summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import memory, parallel
from ..blas import moved_seconds
from ..geometry import ConvSpec
from ..memory import address
from ..phases import Target
from ..tilings import LONG, SPECTRA, Tiling, fourier_tilings
from . import fourier, llvm, products, tiles
from .fourier import Way
from .images import by_images, summed_by_images
from .products import places
from .tiles import OUTSIDE
from .winograd import table, zeros

Array = NDArray[Any]

CIRCLES = 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64  # points; code for more would be long
SHARES = 4  # of lines, for each thread


@by_images
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (1, *k, C, P)."""
    (*_, c, p), dtype = kernels.shape, kernels.dtype
    tiling = _plan(len(x), c, p, spec, dtype)
    y = memory.empty((len(x), *spec.out, p), dtype) if target.y is None else target.y
    plus = zeros(p, dtype) if target.y is None or target.bias is None else target.bias
    of_x, of_weights, of_y = _ways(tiling, spec.kernel, c, p, dtype)
    weights = _Side(of_weights, c * p)
    given = _along_first(weights, np.ascontiguousarray(kernels) * dtype.type(_scale(tiling)))
    for some in _stretches(tiling, len(x), c, p, dtype):
        count = some.stop - some.start
        seen, made = _Side(of_x, count * c), _Side(of_y, count * p)
        read = _read(x, seen, tiling, some, tiling.length, spec.padding)
        found = memory.empty(made.shape, dtype)
        _meet((seen, weights, made), (read, given, found), (places((count,), (c,), 1), places((c,), (1,), 1)), p)
        _write(found, y, plus, made, tiling, some)
    if target.y is None:
        target.put_all(y)


@summed_by_images
def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """Its weight gradient (1, *k, C, M), for x (N, *n, C) and cotangents g (N, *o, M)."""
    c, m, dtype = x.shape[-1], g.shape[-1], x.dtype
    tiling = _plan(len(x), c, m, spec, dtype)
    of_x, of_g, of_weights = _ways(tiling, spec.kernel, c, m, dtype, gradient=True)
    made = _Side(of_weights, c * m)
    total = memory.empty(made.shape, dtype)
    for some in _stretches(tiling, len(x), c, m, dtype):
        count = some.stop - some.start
        seen, asked = _Side(of_x, count * c), _Side(of_g, count * m)
        read = _read(x, seen, tiling, some, tiling.length, spec.padding)
        given = _read(g, asked, tiling, some, tiling.points, ((0, 0),) * spec.rank)
        found = memory.empty(made.shape, dtype) if some.start else total
        _meet((seen, asked, made), (read, given, found), (places((c,), (1,), 1), places((count,), (c,), 1)), m)
        if some.start:
            total += found
    dw = np.empty((1, *spec.kernel, c, m), dtype)
    _first(made, total, dw)
    dw *= dtype.type(_scale(tiling))
    return dw


class _Side(NamedTuple):
    """One of the three that meet: the ways of its lines along each axis, and how many numbers (tiles, channels) lie at a point."""

    ways: tuple[Way, ...]
    columns: int

    def row(self, axis: int) -> int:
        """Numbers at a point of an axis."""
        return prod(way.points for way in self.ways[axis + 1 :]) * self.columns

    @property
    def shape(self) -> tuple[int, int]:
        """Of what is transformed along the first axis: (frequencies, (forms, points of the other axes, columns))."""
        return self.ways[0].f // 2, self.ways[0].forms * self.row(0)


@lru_cache(256)
def _ways(
    tiling: Tiling, kernel: tuple[int, ...], c: int, m: int, dtype: np.dtype[Any], gradient: bool = False
) -> tuple[tuple[Way, ...], tuple[Way, ...], tuple[Way, ...]]:
    """Of x, weights and results; for their gradient, of x, cotangents and weights. The transforms are compiled here, side by side."""

    def of(points: Sequence[int], sign: int, back: bool = False) -> tuple[Way, ...]:
        axes = enumerate(zip(points, _circles(tiling), strict=True), 1)
        return tuple(Way(back, i == 1, n, f, sign, 3 if i == len(points) else 2) for i, (n, f) in axes)

    few, lanes = (tiling.points, kernel) if gradient else (kernel, tiling.points), llvm.lanes(dtype)
    x, given, made = of(tiling.length, -1), of(few[0], 1), of(few[1], 1, back=True)
    first = [partial(fourier.read, dtype, x[0], c < lanes), partial(fourier.transform, dtype, (made if gradient else given)[0])]
    first.append(partial(fourier.read, dtype, given[0], m < lanes) if gradient else partial(fourier.write, dtype, made[0], m < lanes))
    rest = [partial(fourier.transform, dtype, way) for way in dict.fromkeys(way for ways in (x, given, made) for way in ways[1:])]
    llvm.together(*first, *rest, partial(fourier.meet, dtype))
    return x, given, made


def _meet(sides: Sequence[_Side], arrays: Sequence[Array], order: tuple[Array, Array], n: int) -> None:
    """The third of the arrays from the two others, frequency by frequency; `order` is that of rows and terms in a product of n columns."""
    dtype, columns = arrays[0].dtype, [side.columns for side in sides]
    (rows, m), (terms, k), panels = *((address(table), len(table)) for table in order), tiles.panels(n, dtype)

    def multiply(i: int) -> None:
        f = tiles.product(dtype)
        for left, right, out in zip(*(array[i].reshape(3, -1) for array in arrays)):
            f(address(left), rows, m, terms, k, address(right), n, n, address(out), n, 0, *panels)

    if len(sides[0].ways) == 1:
        return parallel.run(range(sides[0].shape[0]), multiply)
    meet, made, last = fourier.meet(dtype), sides[2], [side.ways[-1] for side in sides]
    inner, count = [fourier.transform(dtype, way).address for way in last], prod(way.f for way in made.ways[1:-1])
    steps, points = [2 * way.points * width for way, width in zip(last, columns)], 3 * last[0].f

    def work(i: int) -> None:
        given = [_middle(side, array[i], key) for side, array, key in zip(sides[:2], arrays[:2], "xw")]
        out = arrays[2][i] if len(made.ways) == 2 else memory.scratch("met", (count * steps[2],), dtype)
        lines = [memory.scratch(("line", key), (points, width), dtype) for key, width in zip("xwy", columns)]
        meet(*inner, *map(address, (*given, out, *lines)), rows, terms, count, *steps, *columns, points, m, k, n, n, *panels)
        _middle_back(made, out, arrays[2][i])

    parallel.run(range(made.shape[0]), work)


def _middle(side: _Side, a: Array, key: str) -> Array:
    """Transformed along the axes between the first and the last."""
    count = 1
    for i, way in enumerate(side.ways[1:-1], 1):
        row = side.row(i)
        out = memory.scratch((key, i), (count * way.f * 2 * row,), a.dtype)
        fourier.transform(a.dtype, way)(address(a), address(out), count, 2 * way.points * row, 2 * way.f * row, row, row, row)
        a, count = out, count * way.f
    return a


def _middle_back(side: _Side, a: Array, out: Array) -> None:
    count = prod(way.f for way in side.ways[1:-1])
    for i in reversed(range(1, len(side.ways) - 1)):
        way, row = side.ways[i], side.row(i)
        count //= way.f
        made = out if i == 1 else memory.scratch(("y", i), (count * 2 * way.points * row,), a.dtype)
        fourier.transform(a.dtype, way)(address(a), address(made), count, 2 * way.f * row, 2 * way.points * row, row, row, row)
        a = made


def _along_first(side: _Side, a: Array) -> Array:
    out = memory.empty(side.shape, a.dtype)
    _first(side, a, out)
    return out


def _first(side: _Side, a: Array, out: Array) -> None:
    """From `a` to `out` along the first axis, some columns at a time."""
    f, row, size = fourier.transform(a.dtype, side.ways[0]), side.row(0), a.itemsize
    step = max(llvm.lanes(a.dtype), -(-row // (SHARES * parallel.num_threads())))
    starts = [min(start, row - step) for start in range(0, row, step)]
    parallel.run(starts, lambda start: f(address(a) + start * size, address(out) + start * size, 1, 0, 0, step, row, row))


def _read(x: Array, side: _Side, tiling: Tiling, some: slice, points: Sequence[int], padding: Sequence[tuple[int, int]]) -> Array:
    """Tiles of so many points of images x (N, *n, C), transformed along the first axis."""
    c, dtype, row = x.shape[-1], x.dtype, side.row(0)
    starts, along = _tables(x, tiling, some, points, padding)
    out, outside = memory.empty(side.shape, dtype), zeros(c, dtype)
    f = fourier.read(dtype, side.ways[0], c < llvm.lanes(dtype))
    given = [address(a) for a in (x, starts, along, outside, out)]
    _shared(starts.size, lambda first, end: f(*given, first, end, len(along), c, row))
    return out


def _write(a: Array, y: Array, plus: Array, side: _Side, tiling: Tiling, some: slice) -> None:
    """The other way, into y (N, *o, P)."""
    p, dtype, row = y.shape[-1], y.dtype, side.row(0)
    starts, along = _tables(y, tiling, some, tiling.points, ((0, 0),) * (y.ndim - 2))
    f = fourier.write(dtype, side.ways[0], p < llvm.lanes(dtype))
    places = [address(of) for of in (y, starts, along)]

    def work(first: int, end: int) -> None:
        lost = memory.scratch("lost", (p,), dtype)
        f(address(a), row, *places, address(lost), address(plus), first, end, len(along), p)

    _shared(starts.size, work)


def _shared(count: int, work: Callable[[int, int], object]) -> None:
    parts = min(count, SHARES * parallel.num_threads())
    parallel.run([(count * i // parts, count * (i + 1) // parts) for i in range(parts)], lambda part: work(*part))


def _tables(a: Array, tiling: Tiling, some: slice, points: Sequence[int], padding: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    image, *steps = (stride // a.itemsize for stride in a.strides[:-1])
    before = tuple(start for start, _ in padding)
    axes = tuple(zip(a.shape[1:-1], steps, tiling.count, tiling.spread, tiling.points, points, before))
    return _lines(len(a), image, axes, some.start, some.stop)


@memory.remembered(256)
def _lines(images: int, step: int, axes: tuple[tuple[int, ...], ...], start: int, stop: int) -> tuple[Array, Array]:
    """Where lines along the first axis begin, [points of the other axes, tile], and [tile, point of the first axis], for some tiles."""
    first, *others = (table(*axis) for axis in axes)
    counts = images, len(first), *map(len, others)
    image, tile, *rest = np.unravel_index(np.arange(start, stop), counts)
    total = np.zeros((1, stop - start), np.int64) + image * step
    for points, at in zip(others, rest):
        total = (total[:, None] + points[at].T).reshape(-1, stop - start)
        total[total <= OUTSIDE // 2] = OUTSIDE
    return memory.table(np.ascontiguousarray(total)), memory.table(first[tile])


# Which tiles.


def _circles(tiling: Tiling) -> list[int]:
    return [_circle(n) for n in tiling.length]


def _circle(n: int) -> int:
    return next(f for f in CIRCLES if f >= n)


def _scale(tiling: Tiling) -> float:
    return 2 / prod(_circles(tiling))


def _stretches(tiling: Tiling, n: int, c: int, m: int, dtype: np.dtype[Any]) -> list[slice]:
    """The tiles whose spectra are multiplied together: no fewer than fill a vector."""
    count, least = n * tiling.tiles, -(-llvm.lanes(dtype) // min(c, m))
    rounds = min(count // least, -(-count * prod(_circles(tiling)) * (c + m) * dtype.itemsize // SPECTRA))
    return [slice(count * i // rounds, count * (i + 1) // rounds) for i in range(rounds)]


def takes(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> bool:
    """Whether these kernels can do a correlation, and are not sure to take longer than others."""
    alone = spec.groups == 1 and spec.rank > 0 and all(s == 1 for s in spec.stride) and dtype.char in "fd"
    long = alone and min(spec.kernel) > 1 and LONG <= max(spec.kernel) <= CIRCLES[-1] // 2 + 1 and min(spec.out) > 0
    return long and bool(_tilings(n, c, m, spec, dtype))


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread."""
    tiling = _plan(n, c, m, spec, dtype)
    numbers = n * tiling.tiles * prod(_circles(tiling)) * (c + m) + prod(_circles(tiling)) * c * m
    return _seconds(tiling, n, c, m, spec, dtype), numbers * dtype.itemsize // parallel.num_threads()


@lru_cache(1024)
def _plan(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> Tiling:
    return min(_tilings(n, c, m, spec, dtype), key=lambda tiling: _seconds(tiling, n, c, m, spec, dtype))


def _tilings(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> list[Tiling]:
    """Those whose tiles fill vectors, and whose lines of weights may be kept as scratch."""
    lanes, most = llvm.lanes(dtype), memory.SCRATCH_LIMIT // (3 * dtype.itemsize * c * m)
    found = fourier_tilings(spec, CIRCLES) if c * m >= lanes else []
    return [t for t in found if t.tiles * n * min(c, m) >= 2 * lanes and _circle(t.length[-1]) <= most]


def _seconds(tiling: Tiling, n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> float:
    """Of one thread."""
    step, lanes, count = 2 * llvm.lanes(dtype) / products.flops_per_second(dtype), llvm.lanes(dtype), n * tiling.tiles
    circles, steps, moved = _circles(tiling), 0.0, 0.0
    for points, columns in ((tiling.length, count * c), (spec.kernel, c * m), (tiling.points, count * m)):
        before = 1.0
        for i, f in enumerate(circles):
            lines = before * prod(points[i + 1 :]) * columns / lanes
            steps += lines * f * (6 + 3.4 * log2(f)) * (0.5 if i == 0 else 1) * (1.5 if f > 48 else 1)
            before *= f / 2 if i == 0 else f
        moved += circles[0] * prod(points[1:]) * columns
    steps += 1.5 * prod(circles) * (count * -(-m // lanes) * c + 60)
    return 3e-3 + 1.45 * (step * steps + moved_seconds(2 * moved, dtype))
