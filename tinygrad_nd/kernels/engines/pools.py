"""Pools in compiled loops, for any rank.

Windows are products of intervals, so a pool of rank r is one of rank 2: the leading spatial axes together count rows, the last one columns.
Tables say which rows and columns of the input a window sees, and as which tap. The loops are in `pool_loops`,
`winner_loops` and `sample_loops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial, reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import memory, parallel
from ..adaptive import Parted, along, seen_by, windows
from ..geometry import PoolSpec
from ..memory import Array
from ..pool_parts import alone, spread
from ..taps import Taps, together
from . import llvm, plain, products, programs, sample_loops, winner_loops
from . import pool_loops as loops
from .crew import Call

Cut = tuple[int, int]
U = np.uintp
PART = 1 << 15  # numbers read by a task, at least
TASKS = 4  # per thread
CACHED = 1 << 20  # numbers of an image that are brought to their places for nothing
WIDTH = 64  # columns that are enough
FEW = 16  # taps of windows that overlap, up to which it is quicker to look at each window by itself
COLUMN = llvm.lanes(np.dtype(np.float32))  # numbers in one that are worth going side by side


def max_pool(x: Array, spec: PoolSpec | Parted, want_index: bool) -> tuple[Array, Array | None]:
    if spec.rank == 1 and alone(spec) and (size := _in_rows(spec.size[0]))[1] > 1:
        values, found = max_pool(x.reshape(*x.shape[:-1], *size), windows(size, (1, 1)), want_index)
        return values[..., 0], None if found is None else found[..., 0]
    source, layout = spread(x, spec.rank)
    values = memory.empty((layout.outer, *spec.out, layout.inner), x.dtype)
    if not want_index:
        _over_lines(loops.maximum_lines, spec, _tables(spec), source, values)
        return layout.restore(values, spec.out), None
    _foresee(spec, source.shape[-1], x.dtype)
    winner = memory.empty(values.shape, np.min_scalar_type(max(prod(spec.kernel) - 1, 0)))
    single = _by_windows(spec, layout.inner) and (prod(spec.kernel) <= FEW or _beside(spec))
    _over_lines(loops.winner_windows if single else loops.winner_lines, spec, _coded(spec, winner.dtype), source, values, winner)
    return layout.restore(values, spec.out), layout.restore(winner, spec.out)


def gather(x: Array, winner: Array, spec: PoolSpec | Parted) -> Array:
    codes, layout = spread(winner, spec.rank, turned=False)
    source, _ = spread(x, spec.rank, layout)
    y = memory.empty(codes.shape, x.dtype)
    _over_images(winner_loops.gather_images, spec, source, codes, y)
    return layout.restore(y, spec.out)


def scatter(g: Array, winner: Array, spec: PoolSpec | Parted) -> Array:
    codes, layout = spread(winner, spec.rank, turned=False)
    source, _ = spread(g, spec.rank, layout)
    x = memory.empty((layout.outer, *spec.size, layout.inner), g.dtype)
    beside = _by_windows(spec, layout.inner) and _beside(spec)
    _over_images(winner_loops.scatter_windows if beside else winner_loops.scatter_images, spec, source, codes, x)
    return layout.restore(x, spec.size)


def sampled(x: Array, taps: tuple[Taps, ...], factor: float) -> Array:
    source, layout = spread(x, len(taps), turned=taps[-1].out > taps[-1].size)  # sums of a row are long enough where it is not to grow
    out = tuple(t.out for t in taps)
    y = memory.empty((layout.outer, *out, layout.inner), x.dtype)
    _over_lines(sample_loops.sample_lines, (taps, factor), _sampling(taps, x.dtype, factor), source, y)
    return layout.restore(y, out)


@lru_cache(256)
def _foresee(spec: PoolSpec | Parted, inner: int, dtype: np.dtype[Any]) -> None:
    """That cotangents are brought to the winners' places: what does it is compiled meanwhile, by doing it once for one small image."""
    if prod(spec.size) * inner > CACHED:
        return
    g = np.moveaxis(np.zeros((1, *spec.out, inner), dtype), -1, 1)
    parallel.ahead(partial(scatter, g, np.zeros_like(g, np.min_scalar_type(max(prod(spec.kernel) - 1, 0))), spec))


@lru_cache(256)
def _in_rows(n: int) -> tuple[int, int]:
    """The same numbers as rows of many."""
    width = max(d for d in range(1, WIDTH + 1) if n % d == 0)
    return n // width, width


# Tables.


class Table(NamedTuple):
    """What output i sees along an axis (or several): source[j] as tap[j], for j from start[i] to start[i + 1]."""

    start: Array
    source: Array
    tap: Array
    size: Any  # of the input


class Plan(NamedTuple):
    """Where the windows lie whole within the input along the last axis: outputs from low to high, the first of them from `first` on."""

    low: Any
    high: Any
    first: Any
    stride: Any
    taps: Any
    dilation: Any


@memory.remembered(256)
def _tables(spec: PoolSpec | Parted) -> tuple[Table, Table, Plan]:
    """The rows' table (its taps count whole rows of the window), the columns' and where its windows are whole."""
    axes, k = seen_by(spec), spec.kernel[-1] if spec.rank else 1
    rows, columns = _table(axes[:-1], lambda t, _: (t * k).astype(U)), _table(axes[-1:], lambda t, _: t.astype(U))
    s, d = (1, 1) if isinstance(spec, Parted) or not spec.rank else (spec.stride[-1], spec.dilation[-1])
    whole = np.flatnonzero(np.diff(columns.start) == k)
    low, high = (whole[0], whole[-1] + 1) if isinstance(spec, PoolSpec) and len(whole) and k else (0, 0)
    first = columns.source[columns.start[low]] if high else 0
    return rows, columns, Plan(*map(U, (low, high, first, s, k, d)))


@memory.remembered(256)
def _coded(spec: PoolSpec | Parted, codes: np.dtype[Any]) -> tuple[Table, Table, Plan]:
    """The same with taps as codes for winners."""
    *both, plan = _tables(spec)
    rows, columns = (table._replace(tap=memory.table(table.tap.astype(codes))) for table in both)
    return rows, columns, plan


@memory.remembered(256)
def _sampling(taps: tuple[Taps, ...], dtype: np.dtype[Any], factor: float) -> tuple[Table, Table]:
    """The tables of rows, their weights times a factor, and of columns."""
    rows = _table(taps[:-1], lambda _, weights: (weights * factor).astype(dtype))
    return rows, _table(taps[-1:], lambda _, weights: weights.astype(dtype))


def _table(axes: tuple[Taps, ...], tap: Callable[[Array, Array], Array]) -> Table:
    """What outputs along these axes together see; the taps are made of their numbers and their weights."""
    places, used, weights = together(axes)
    window, t = np.nonzero(used.T)
    start = np.concatenate([[0], np.cumsum(used.sum(0))])
    last = tap(t, np.ones(len(t)) if weights is None else weights[t, window])
    size = U(prod(axis.size for axis in axes))
    return Table(memory.table(start.astype(U)), memory.table(places[t, window].astype(U)), memory.table(last), size)


def _by_windows(spec: PoolSpec | Parted, inner: int) -> bool:
    return inner >= COLUMN and prod(spec.kernel) <= loops.MOST


@lru_cache(256)
def _beside(spec: PoolSpec | Parted) -> bool:
    """Whether no position is seen by two windows."""
    return all(len(np.unique(table.source)) == len(table.source) for table in _tables(spec)[:2])


@memory.remembered(256)
def _places(spec: PoolSpec | Parted, inner: int) -> tuple[Array, Array, Array]:
    """Where each row of windows begins, where each window in its row, and how far on each tap is, in numbers, `inner` to a column."""
    steps = [prod(spec.size[axis + 1 :]) for axis in range(spec.rank)]
    known = [along(spec, axis) for axis in range(spec.rank)]
    starts, taps = ([axis[i] * step for axis, step in zip(known, steps)] for i in (0, 1))
    one = np.zeros(1, np.intp)

    def together(parts: list[Array]) -> Array:
        return memory.table(reduce(lambda a, b: np.add.outer(a, b).reshape(-1), parts, one) * inner)

    return together(starts[:-1]), together(starts[-1:]), together(taps)


# Tasks.


def _over_lines(f: plain.Loop, key: Any, tables: tuple[Any, ...], x: Array, y: Array, *more: Array) -> None:
    """f on shares of the output rows, or of images where these must be turned round first."""
    rows = len(tables[0].start) - 1

    def arguments(source: Array, others: Sequence[Array], begin: int, end: int) -> tuple[Any, ...]:
        constants = (a for table in tables for a in table)
        return source.reshape(-1), *(a.reshape(-1) for a in others), U(x.shape[-1]), *constants, U(begin), U(end)

    def images(source: Array, cut: Cut) -> tuple[Any, ...]:
        return arguments(source, [a[slice(*cut)] for a in (y, *more)], 0, (cut[1] - cut[0]) * rows)

    def tasks() -> list[tuple[Any, ...]]:
        return [arguments(x, (y, *more), *cut) for cut in _shares(len(x) * rows, max(x.size, y.size))]

    if not x.flags.c_contiguous:
        _turned_first(f, key, images, x, y, *more)
    else:
        plain.repeat(f, (x, y, *more), tasks, key)


def _turned_first(f: plain.Loop, key: Any, arguments: Callable[[Array, Cut], tuple[Any, ...]], x: Array, *more: Array) -> None:
    """f(*arguments(images, cut)) on shares of the images, (outer, *space, inner), each of which is laid out so first."""

    def calls(i: int, cut: Cut) -> list[Call]:
        source = x[slice(*cut)]
        laid = memory.scratch(("turned", i), source.shape, x.dtype)
        return [products.brought(source, laid), f.call(arguments(laid, cut))]

    cuts = _shares(len(x), max(x.size, *(a.size for a in more)))
    programs.run((f, key), (x, *more), lambda: [calls(i, cut) for i, cut in enumerate(cuts)])


def _over_images(f: plain.Loop, spec: PoolSpec | Parted, a: Array, codes: Array, out: Array) -> None:
    """f on shares of the images; where these are few, on shares of their channels."""
    rows, columns, _ = _tables(spec)
    outer, inner = len(out), out.shape[-1]
    constants = (*rows, *columns, *_places(spec, inner), U(inner))
    codes = np.ascontiguousarray(codes)
    few = outer < parallel.num_threads()
    a = np.ascontiguousarray(a) if few else a

    def images(source: Array, cut: Cut) -> tuple[Any, ...]:
        part = slice(*cut)
        return source.reshape(-1), codes[part].reshape(-1), out[part].reshape(-1), *constants, U(cut[1] - cut[0]), U(0), U(inner)

    def channels(cut: Cut) -> tuple[Any, ...]:
        return a.reshape(-1), codes.reshape(-1), out.reshape(-1), *constants, U(outer), U(cut[0]), U(cut[1])

    if few:
        plain.repeat(f, (a, codes, out), lambda: [channels(cut) for cut in _shares(inner, out.size)], spec)
    elif a.flags.c_contiguous:
        plain.repeat(f, (a, codes, out), lambda: [images(a[slice(*cut)], cut) for cut in _shares(outer, out.size)], spec)
    else:
        _turned_first(f, spec, images, a, codes, out)


def _shares(total: int, work: int) -> list[Cut]:
    pieces = max(1, min(total, work // PART, TASKS * parallel.num_threads()))
    return [(i * total // pieces, (i + 1) * total // pieces) for i in range(pieces)]
