"""The Toom-Cook convolution of kernels/winograd.py, compiled: tiles go through all of it while they are in a core's own cache.

A transform applies a constant matrix along each axis of a tile, for one vector of channels at a time. Inputs, weights, cotangents, outputs
and weight gradients differ in the matrices and in the places in memory only. One call takes a batch of tiles, chunk by chunk: transform,
multiply point by point, transform back. Tables say where things lie: tile i begins at starts[i], its points lie points[q] from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from .. import memory, parallel, phases
from ..geometry import ConvSpec
from ..phases import Target, wide_dtype
from ..slabs import Box, boxes, lengths
from ..winograd import Tiling, plan, toom_cook
from . import llvm, products, tiles
from .igemm import fetch
from .llvm import Kernel, integer
from .products import DEPTH, places

Array = NDArray[Any]
Matrix = tuple[tuple[float, ...], ...]
Axes = tuple[tuple[int, int], ...]  # outputs of a tile and taps, per axis
Place = Callable[[Any, Any], Any]  # where point q of tile i lies

CHUNK = 1 << 19  # bytes of transformed tiles: half of a core's own cache
UNROLLED = 36  # points of a tile that are held in registers; more would take long to compile
ALONE = 1 << 16  # numbers, below which a second thread does not pay
BATCH = 1 << 22  # bytes of transformed tiles in one call: after each a thread waits for the GIL


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), a batch of tiles at a time."""
    (groups, *_, c, p), dtype, size = kernels.shape, kernels.dtype, kernels.itemsize
    tiling = plan(x.shape[0], c, p, spec, dtype)
    axes, points = _axes(tiling), tiling.size
    values = memory.empty((points, groups, c, p), dtype)
    _transform("weights", axes, np.moveaxis(np.ascontiguousarray(kernels), 0, -3), values.reshape(*tiling.length, groups, c, p))
    chunk, channels, made = _chunk(points, c, p, groups, size), groups * c, groups * p
    terms, along = places((c,), (size,), size), places((chunk,), (channels * size,), size)
    run = llvm.function("convolve", "prrpppprrrriiiiiii", dtype, _convolve, axes, *_panels(p, dtype))

    def work(batch: Box) -> None:
        seen = _tables(_tiles(slab := fetch(x, tiling.windows, batch, dtype), tiling, tiling.length), spec.rank)
        box = (batch[0], *(slice(t.start * m, min(t.stop * m, o)) for t, m, o in zip(batch[1:], tiling.windows.stride, spec.out)))
        covered = (slab.shape[0], *(t * m for t, m in zip(lengths(batch)[1:], tiling.windows.stride)))
        tile = target.tile(box)
        whole = tile if tile.shape[:-1] == covered else memory.scratch("whole", (*covered, made), dtype)
        to = _tables(_tiles(whole, tiling, tiling.points), spec.rank)
        inputs = memory.scratch("inputs", (points, chunk, channels), dtype)
        outputs = memory.scratch("outputs", (points, chunk, made), dtype)
        where = _addresses(slab, *seen, inputs, values, outputs, whole, *to, along, terms)
        run(*where, len(seen[0]), chunk, groups, c, p, *_ends(p, dtype))
        if whole is not tile:
            tile[...] = whole[tuple(slice(0, n) for n in tile.shape)]
        target.put(box, tile)

    parallel.run(_batches(tiling, x.shape[0], channels + made, chunk, size), work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o), summed over tiles in the order of the parts."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    size = wide.itemsize
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    tiling = plan(x.shape[0], c, m, spec, wide)
    axes, blocks, points = _axes(tiling), tiling.windows.stride, tiling.size
    given = ConvSpec(spec.out, blocks, blocks, ((0, 0),) * spec.rank, (1,) * spec.rank)
    chunk = _chunk(points, c, m, groups, size)
    terms, along = places((c,), (size,), size), places((chunk,), (groups * c * size,), size)
    run = llvm.function("accumulate", "prrprrppprriiiiiii", wide, _accumulate, axes, *_panels(m, wide))
    sums: dict[int, Array] = {}

    def share(batches: Sequence[Box], part: int) -> None:
        total = sums[part] = memory.empty((points, groups, c, m), wide)
        total[...] = 0
        inputs = memory.scratch("inputs", (points, chunk, groups * c), wide)
        asked = memory.scratch("outputs", (points, chunk, groups * m), wide)
        for batch in batches:
            slab = fetch(last, tiling.windows, batch, wide)
            grown = fetch(cotangents, given, batch, wide, "cotangents")
            seen = _tables(_tiles(slab, tiling, tiling.length), spec.rank)
            met = _tables(_tiles(grown, tiling, tiling.points), spec.rank)
            where = _addresses(slab, *seen, grown, *met, inputs, asked, total, terms, along)
            run(*where, len(seen[0]), chunk, groups, c, m, *_ends(m, wide))

    parallel.run_parts(_batches(tiling, x.shape[0], x.shape[1] + g.shape[1], chunk, size), share)
    dw = memory.empty((*spec.kernel, groups, c, m), wide)
    _transform("gradients", axes, phases.total(sums).reshape(*tiling.length, groups, c, m), dw)
    return phases.as_weight(np.moveaxis(dw, -3, 0), dtype)


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: the products at their measured rate, and the numbers that transforms read and write."""
    c, m = c // spec.groups, m // spec.groups
    tiling = plan(n, c, m, spec, dtype)
    count, lanes = n * prod(tiling.count) * prod(tiling.spread) * spec.groups, llvm.lanes(dtype)
    flops = 2 * count * tiling.size * c * -(-m // lanes) * lanes
    moved = count * (2 * tiling.size * (c + m) + prod(tiling.points) * m) + spec.groups * tiling.size * c * m * parallel.num_threads()
    return 1e-4 + flops / products.flops_per_second(dtype) + 4e-11 * moved * dtype.itemsize, CHUNK + BATCH


def _axes(tiling: Tiling) -> Axes:
    return tuple((m, t - m + 1) for m, t in zip(tiling.points, tiling.length))


def _chunk(points: int, c: int, m: int, groups: int, itemsize: int) -> int:
    """How many tiles fit into the cache; but so many that reading them takes as long as reading the weights."""
    return max(c * m // (c + m), CHUNK // (points * groups * (c + m) * itemsize), 8)


def _batches(tiling: Tiling, n: int, channels: int, chunk: int, itemsize: int) -> list[Box]:
    """Boxes of (N, *blocks): a few chunks in each, a few boxes for each thread."""
    spread, total = prod(tiling.spread), n * prod(tiling.count)
    most = max(chunk, BATCH // (tiling.size * channels * itemsize)) // spread
    return boxes((n, *tiling.count), prod, max(1, min(most, -(-total // (2 * parallel.num_threads())))))


def _tiles(a: Array, tiling: Tiling, points: Sequence[int]) -> Array:
    """a (n, *size, C) as tiles of so many points per axis: a view (*points, n, *blocks, *spread, C)."""
    blocks, spread, steps = tiling.windows.stride, tiling.spread, a.strides[1:-1]
    count = tuple((size - d * p) // block + 1 for size, d, p, block in zip(a.shape[1:-1], spread, points, blocks))
    shape = (*points, a.shape[0], *count, *spread, a.shape[-1])
    inside, across = (tuple(step * by for step, by in zip(steps, of)) for of in (spread, blocks))
    return as_strided(a, shape, (*inside, a.strides[0], *across, *steps, a.strides[-1]))


def _tables(tiles: Array, rank: int) -> tuple[Array, Array]:
    """The starts of tiles (*points, ..., C), and where their points lie from there."""
    starts, points = (places(tiles.shape[cut], tiles.strides[cut], tiles.itemsize) for cut in (slice(rank, -1), slice(rank)))
    return starts, points


def _addresses(*arrays: Array) -> list[int]:
    return [a.ctypes.data for a in arrays]


def _transform(which: str, axes: Axes, a: Array, out: Array) -> None:
    """out (*p', ..., L) = the matrices `which` along the leading axes of a (*p, ..., L); both are dense along L."""
    starts, points = _tables(a, len(axes))
    to, spots = _tables(out, len(axes))
    run = llvm.function("transform", "prrprrii", out.dtype, _transform_all, which, axes)
    cuts = range(0, len(starts), max(1, len(starts) // parallel.num_threads()) if a.size > ALONE else len(starts))

    def share(first: int) -> None:
        part = slice(first, first + cuts.step)
        run(*_addresses(a, starts[part], points, out, to[part], spots), len(starts[part]), a.shape[-1])

    parallel.run(cuts, share)


# What is compiled. Columns of products come in panels of `width` vectors, the last of `rest`: see _panels and _ends.


def _panels(p: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """p columns as even panels of a few vectors: the vectors of all panels but the last, and of the last."""
    vectors = -(-p // llvm.lanes(dtype))
    count = -(-vectors // tiles.widest())
    width = -(-vectors // count)
    return width, vectors - (count - 1) * width


def _ends(p: int, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Where the last panel starts, and how many terms of a sum stay in registers."""
    width, rest = _panels(p, dtype)
    return (-(-p // llvm.lanes(dtype)) - rest) * llvm.lanes(dtype), DEPTH


def _convolve(kernel: Kernel, *arguments: Any) -> None:
    x, starts, points, inputs, values, outputs, y, to, spots, along, terms, *numbers = arguments
    m, chunk, groups, c, p, last, depth, axes, width, rest = numbers
    b = kernel.b
    channels, made = b.mul(groups, c), b.mul(groups, p)

    def work(first: Any) -> None:
        count = kernel.least(chunk, b.sub(m, first))
        _apply(kernel, "inputs", axes, _listed(kernel, x, starts, points, first), _dense(kernel, inputs, chunk, channels), count, channels)

        def multiply(q: Any, group: Any) -> None:
            seen = kernel.at(inputs, b.mul(q, b.mul(chunk, channels)), b.mul(group, c))
            weights = kernel.at(values, b.mul(b.add(b.mul(q, groups), group), b.mul(c, p)))
            out = kernel.at(outputs, b.mul(q, b.mul(chunk, made)), b.mul(group, p))
            _panel_products(kernel, seen, along, count, terms, c, weights, p, p, out, made, integer(0), last, depth, width, rest)

        _each(kernel, axes, groups, multiply)
        _apply(kernel, "outputs", axes, _dense(kernel, outputs, chunk, made), _listed(kernel, y, to, spots, first), count, made)

    kernel.loop(integer(0), m, chunk, work)


def _accumulate(kernel: Kernel, *arguments: Any) -> None:
    x, starts, points, g, met, spots, inputs, asked, total, terms, along, *numbers = arguments
    m, chunk, groups, c, p, last, depth, axes, width, rest = numbers
    b = kernel.b
    channels, made = b.mul(groups, c), b.mul(groups, p)

    def work(first: Any) -> None:
        count = kernel.least(chunk, b.sub(m, first))
        _apply(kernel, "inputs", axes, _listed(kernel, x, starts, points, first), _dense(kernel, inputs, chunk, channels), count, channels)
        _apply(kernel, "cotangents", axes, _listed(kernel, g, met, spots, first), _dense(kernel, asked, chunk, made), count, made)

        def multiply(q: Any, group: Any) -> None:
            seen = kernel.at(inputs, b.mul(q, b.mul(chunk, channels)), b.mul(group, c))
            given = kernel.at(asked, b.mul(q, b.mul(chunk, made)), b.mul(group, p))
            out = kernel.at(total, b.mul(b.add(b.mul(q, groups), group), b.mul(c, p)))
            _panel_products(kernel, seen, terms, c, along, count, given, made, p, out, p, integer(1), last, depth, width, rest)

        _each(kernel, axes, groups, multiply)

    kernel.loop(integer(0), m, chunk, work)


def _each(kernel: Kernel, axes: Axes, groups: Any, f: Callable[[Any, Any], None]) -> None:
    """f(point, group) for all of them."""
    size = integer(prod(m + k - 1 for m, k in axes))
    kernel.loop(integer(0), size, 1, lambda q: kernel.loop(integer(0), groups, 1, partial(f, q)))


def _panel_products(
    kernel: Kernel, x: Any, rows: Any, m: Any, offsets: Any, k: Any, w: Any, ldw: Any, n: Any, out: Any, ldo: Any, add: Any,
    last: Any, depth: Any, width: int, rest: int,
) -> None:  # fmt: skip
    def panel(first: Any, vectors: int) -> None:
        columns = kernel.least(kernel.b.sub(n, first), integer(vectors * kernel.lanes))
        place = kernel.at(w, first), kernel.at(out, first)
        tiles.write_product(kernel, x, rows, m, offsets, k, place[0], ldw, columns, place[1], ldo, add, depth, vectors, False)

    kernel.loop(integer(0), last, kernel.lanes * width, lambda first: panel(first, width))
    panel(last, rest)


def _transform_all(kernel: Kernel, *arguments: Any) -> None:
    x, starts, points, out, to, spots, m, n, which, axes = arguments
    zero = integer(0)
    _apply(kernel, which, axes, _listed(kernel, x, starts, points, zero), _listed(kernel, out, to, spots, zero), m, n)


def _listed(kernel: Kernel, base: Any, starts: Any, points: Any, first: Any) -> Place:
    """Tiles whose places are in tables, from the tile `first` on."""
    return lambda q, i: kernel.at(base, kernel.b.load(kernel.at(starts, kernel.b.add(first, i))), kernel.b.load(kernel.at(points, q)))


def _dense(kernel: Kernel, base: Any, chunk: Any, n: Any) -> Place:
    """Tiles (points, chunk, n) in C order."""
    return lambda q, i: kernel.at(base, kernel.b.mul(kernel.b.add(kernel.b.mul(q, chunk), i), n))


def _apply(kernel: Kernel, which: str, axes: Axes, source: Place, target: Place, m: Any, n: Any) -> None:
    """For m tiles and n channels, a vector at a time: a matrix along each axis, from one half of a buffer to the other between them."""
    b, matrices = kernel.b, [_matrix(which, *axis) for axis in axes]
    shapes = [[len(row) for row in matrices[:i]] + [len(row[0]) for row in matrices[i:]] for i in range(len(axes) + 1)]
    with b.goto_entry_block():
        halves = [b.alloca(kernel.vector, integer(max(map(prod, shapes)))) for _ in range(2)]

    def tile(i: Any) -> None:
        def column(j: Any) -> None:
            mask = kernel.first(b.sub(n, j))
            for axis, (matrix, shape) in enumerate(zip(matrices, shapes)):
                half, other = halves[axis % 2], halves[1 - axis % 2]
                read = (lambda q: kernel.load(kernel.at(source(q, i), j), mask)) if axis == 0 else lambda q: b.load(kernel.at(half, q))
                if axis == len(axes) - 1:
                    write = lambda value, q: kernel.store(value, kernel.at(target(q, i), j), mask)
                else:
                    write = lambda value, q: b.store(value, kernel.at(other, q))
                _along(kernel, matrix, prod(shape[:axis]), prod(shape[axis + 1 :]), read, write)

        kernel.loop(integer(0), n, kernel.lanes, column)

    kernel.loop(integer(0), m, 1, tile)


def _along(kernel: Kernel, matrix: Matrix, outer: int, inner: int, read: Callable[[Any], Any], write: Callable[[Any, Any], Any]) -> None:
    """The matrix times the middle axis of a C-ordered block of vectors (outer, columns, inner)."""
    b, columns = kernel.b, len(matrix[0])
    unrolled = outer * inner * columns <= UNROLLED

    def each(count: int, f: Callable[[Any], None]) -> None:
        if unrolled:
            for i in range(count):
                f(integer(i))
        else:
            kernel.loop(integer(0), integer(count), 1, f)

    def line(o: Any, i: Any) -> None:
        def place(count: int, q: int) -> Any:
            return b.add(b.mul(b.add(b.mul(o, integer(count)), integer(q)), integer(inner)), i)

        values = [read(place(columns, q)) for q in range(columns)]
        for q, row in enumerate(matrix):
            write(_sum(kernel, row, values), place(len(matrix), q))

    each(outer, lambda o: each(inner, partial(line, o)))


def _sum(kernel: Kernel, factors: Sequence[float], vectors: Sequence[Any]) -> Any:
    """The sum of vectors times constants."""
    total = None
    for factor, vector in zip(factors, vectors):
        constant = ir.Constant(kernel.vector, [factor] * kernel.lanes)
        if factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else kernel.b.fmul(vector, constant)
        else:
            total = kernel.b.fadd(total, vector) if factor == 1 else kernel.multiply_add(vector, constant, total)
    return kernel.zero if total is None else total


def _matrix(which: str, points: int, k: int) -> Matrix:
    a, b, g = toom_cook(points, k)
    matrix = {"inputs": b, "weights": g, "outputs": a, "cotangents": a.T, "gradients": g.T}[which]
    return tuple(tuple(float(number) for number in row) for row in matrix)
