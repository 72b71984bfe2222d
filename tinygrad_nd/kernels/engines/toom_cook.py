"""Compiled Toom-Cook transforms and what multiplies between them.

A transform applies a constant matrix along each axis of a tile, for one vector of channels at a time. Inputs, weights, cotangents, outputs
and weight gradients differ in the matrices and in the places in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from .. import toom_cook
from . import llvm, tiles
from .llvm import Kernel, integer
from .tiles import OUTSIDE

Matrix = tuple[tuple[float, ...], ...]
Axes = tuple[tuple[int, int], ...]  # outputs of a tile and taps, per axis
Place = Callable[[Any], Callable[[Any], Any]]  # of a tile, what tells where its points lie

UNROLLED = 36  # points of a tile that are held in registers; more would take long to compile
_IMAGES = "prri"  # where they begin, two tables whose entries are added, and from one image to the next
_NUMBERS = "i" * 14  # first tile, end; tiles of an image, of a row of it; tiles in a chunk, groups, C/G, P, points, and `tiles.panels`


def convolve(dtype: np.dtype[Any]) -> Any:
    """f(*parts, x, y, zeros, lost, inputs, values, outputs, bias, rows, terms, numbers): y = A'[(G w) * (B' x)] + bias, of values = G w.

    x and y are images; zeros are read and `lost` is written in place of what lies outside. parts: addresses of `read` and `write`.
    """
    return llvm.function("convolve", "ii" + _IMAGES + _IMAGES + "pppppprr" + _NUMBERS, dtype, _convolve)


def accumulate(dtype: np.dtype[Any]) -> Any:
    """f(*parts, x, g, zeros, inputs, asked, total, rows, terms, numbers): total (points, G, C/G, P) = the sum of tiles (B' x) * (A g).

    parts: addresses of what reads x, and g.
    """
    return llvm.function("accumulate", "ii" + _IMAGES + _IMAGES + "pppprr" + _NUMBERS, dtype, _accumulate)


def transform(dtype: np.dtype[Any], which: str, axes: Axes, n: int) -> Any:
    """f(a, out, m, rows, n): out[:, i] = the matrices `which` along the points of a (points, rows, n), i < m."""
    return llvm.function("transform", "ppiii", dtype, _transform, which, axes, _narrow(n, dtype))


def read(dtype: np.dtype[Any], which: str, axes: Axes, n: int) -> Any:
    """f(images, zeros, out, first, m, count, row, rows, n): the same of m tiles of images, of which one has so many, from the first on."""
    return llvm.function("read", _IMAGES + "ppiiiiii", dtype, _read, which, axes, _narrow(n, dtype))


def write(dtype: np.dtype[Any], axes: Axes, n: int) -> Any:
    """f(images, lost, a, first, m, count, row, rows, n, bias): the other way, from `outputs` into images."""
    return llvm.function("write", _IMAGES + "ppiiiiiip", dtype, _write, axes, _narrow(n, dtype))


def _narrow(n: int, dtype: np.dtype[Any]) -> bool:
    """Whether n channels are less than a vector."""
    return n < llvm.lanes(dtype)


def _convolve(kernel: Kernel, into: Any, out_of: Any, *arguments: Any) -> None:
    x, y, (zeros, lost, inputs, values, outputs, plus, rows, terms, *numbers) = arguments[:4], arguments[4:8], arguments[8:]
    first, end, count, row, chunk, groups, c, p, points, *panels = numbers
    b = kernel.b
    channels, made = b.mul(groups, c), b.mul(groups, p)

    def work(start: Any) -> None:
        m = kernel.least(chunk, b.sub(end, start))
        kernel.call(into, *x, zeros, inputs, start, m, count, row, chunk, channels)

        def multiply(q: Any, group: Any) -> None:
            left = kernel.at(inputs, b.mul(q, b.mul(chunk, channels)), b.mul(group, c))
            weights = kernel.at(values, b.mul(b.add(b.mul(q, groups), group), b.mul(c, p)))
            out = kernel.at(outputs, b.mul(q, b.mul(chunk, made)), b.mul(group, p))
            tiles.write_panels(kernel, left, rows, m, terms, c, weights, p, p, out, made, integer(0), *panels)

        _each(kernel, points, groups, multiply)
        kernel.call(out_of, *y, lost, outputs, start, m, count, row, chunk, made, plus)

    kernel.loop(first, end, chunk, work)


def _accumulate(kernel: Kernel, into: Any, ask: Any, *arguments: Any) -> None:
    x, g, (zeros, inputs, asked, total, rows, terms, *numbers) = arguments[:4], arguments[4:8], arguments[8:]
    first, end, count, row, chunk, groups, c, p, points, *panels = numbers
    b = kernel.b
    channels, made = b.mul(groups, c), b.mul(groups, p)

    def work(start: Any) -> None:
        m = kernel.least(chunk, b.sub(end, start))
        kernel.call(into, *x, zeros, inputs, start, m, count, row, chunk, channels)
        kernel.call(ask, *g, zeros, asked, start, m, count, row, chunk, made)
        add = b.zext(b.icmp_signed(">", start, first), llvm.INT)

        def multiply(q: Any, group: Any) -> None:
            left = kernel.at(inputs, b.mul(q, b.mul(chunk, channels)), b.mul(group, c))
            right = kernel.at(asked, b.mul(q, b.mul(chunk, made)), b.mul(group, p))
            out = kernel.at(total, b.mul(b.add(b.mul(q, groups), group), b.mul(c, p)))
            tiles.write_panels(kernel, left, terms, c, rows, m, right, made, p, out, p, add, *panels)

        _each(kernel, points, groups, multiply)

    kernel.loop(first, end, chunk, work)


def _transform(kernel: Kernel, a: Any, out: Any, m: Any, rows: Any, n: Any, which: str, axes: Axes, narrow: bool) -> None:
    _apply(kernel, which, axes, _dense(kernel, a, rows, n), _dense(kernel, out, rows, n), m, n, narrow)


def _read(kernel: Kernel, *arguments: Any) -> None:
    *images, zeros, out, first, m, count, row, rows, n, which, axes, narrow = arguments
    seen = _in_images(kernel, images, zeros, [len(_matrix(which, *axis)[0]) for axis in axes], first, count, row)
    _apply(kernel, which, axes, seen, _dense(kernel, out, rows, n), m, n, narrow)


def _write(kernel: Kernel, *arguments: Any) -> None:
    *images, lost, a, first, m, count, row, rows, n, plus, axes, narrow = arguments
    to = _in_images(kernel, images, lost, [t for t, _ in axes], first, count, row)
    _apply(kernel, "outputs", axes, _dense(kernel, a, rows, n), to, m, n, narrow, plus)


def _each(kernel: Kernel, points: Any, groups: Any, f: Callable[[Any, Any], None]) -> None:
    """f(point, group) for all of them."""
    kernel.loop(integer(0), points, 1, lambda q: kernel.loop(integer(0), groups, 1, partial(f, q)))


def _in_images(kernel: Kernel, images: Sequence[Any], lost: Any, points: list[int], first: Any, count: Any, row: Any) -> Place:
    """Tiles from the one numbered `first` on, whose points are found by tables."""
    base, outer, last, step = images
    b, lines, inner = kernel.b, prod(points[:-1]), points[-1]
    with b.goto_entry_block():
        found = b.alloca(base.type, integer(lines * inner))

    def tile(i: Any) -> Callable[[Any], Any]:
        image, at = _divided(kernel, b.add(first, i), count)
        start, (line, place) = kernel.at(base, b.mul(image, step)), _divided(kernel, at, row)
        across, along = kernel.at(outer, b.mul(line, integer(lines))), kernel.at(last, b.mul(place, integer(inner)))
        offsets = [b.load(kernel.at(along, integer(q))) for q in range(inner)]

        def find(o: Any) -> None:
            by, to = b.load(kernel.at(across, o)), kernel.at(found, b.mul(o, integer(inner)))
            for q, offset in enumerate(offsets):
                offset = b.add(by, offset)
                inside = b.icmp_signed(">", offset, integer(OUTSIDE // 2))
                b.store(b.select(inside, kernel.at(start, offset), lost), kernel.at(to, integer(q)))

        kernel.loop(integer(0), integer(lines), 1, find)
        return lambda q: b.load(kernel.at(found, q))

    return tile


def _divided(kernel: Kernel, a: Any, by: Any) -> tuple[Any, Any]:
    whole = kernel.b.udiv(a, by)
    return whole, kernel.b.sub(a, kernel.b.mul(whole, by))


def _dense(kernel: Kernel, base: Any, rows: Any, n: Any) -> Place:
    """Tiles (points, rows, n) in C order."""
    return lambda i: lambda q: kernel.at(base, kernel.b.mul(kernel.b.add(kernel.b.mul(q, rows), i), n))


def _apply(kernel: Kernel, which: str, axes: Axes, source: Place, target: Place, m: Any, n: Any, narrow: bool, plus: Any = None) -> None:
    """For m tiles and n channels, a vector at a time: a matrix along each axis, from one half of a buffer to the other between them.

    The last vector ends with the channels, and makes some of them again; only where they are `narrow` is it cut off.
    """
    b, matrices = kernel.b, [_matrix(which, *axis) for axis in axes]
    shapes = [[len(row) for row in matrices[:i]] + [len(row[0]) for row in matrices[i:]] for i in range(len(axes) + 1)]
    with b.goto_entry_block():
        halves = [b.alloca(kernel.vector, integer(max(map(prod, shapes)))) for _ in range(2)]

    def tile(i: Any) -> None:
        here, there = source(i), target(i)

        def column(j: Any) -> None:
            first = kernel.first(n) if narrow else None
            if not narrow:
                j = kernel.least(j, b.sub(n, integer(kernel.lanes)))
            more = None if plus is None else kernel.load(kernel.at(plus, j), first)
            for axis, (matrix, shape) in enumerate(zip(matrices, shapes)):
                half, other = halves[axis % 2], halves[1 - axis % 2]
                read = (lambda q: kernel.load(kernel.at(here(q), j), first)) if axis == 0 else lambda q: b.load(kernel.at(half, q))
                if axis < len(axes) - 1:
                    write = lambda value, q: b.store(value, kernel.at(other, q))
                else:
                    write = lambda value, q: kernel.store(value if more is None else b.fadd(value, more), kernel.at(there(q), j), first)
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
                f(i)
        else:
            kernel.loop(integer(0), integer(count), 1, f)

    def line(o: Any, i: Any) -> None:
        def place(count: int, q: int) -> Any:
            if unrolled:
                return integer((o * count + q) * inner + i)
            return b.add(b.add(b.mul(o, integer(count * inner)), i), integer(q * inner))

        values = [read(place(columns, q)) for q in range(columns)]
        for q, row in enumerate(matrix):
            write(_sum(kernel, row, values), place(len(matrix), q))

    each(outer, lambda o: each(inner, partial(line, o)))


def _sum(kernel: Kernel, factors: Sequence[float], vectors: Sequence[Any]) -> Any:
    """The sum of vectors times constants."""
    total = None
    for factor, vector in zip(factors, vectors):
        if factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else kernel.b.fmul(vector, kernel.constant(factor))
        else:
            total = kernel.b.fadd(total, vector) if factor == 1 else kernel.multiply_add(vector, kernel.constant(factor), total)
    return kernel.zero if total is None else total


def _matrix(which: str, points: int, k: int) -> Matrix:
    a, b, g = toom_cook.toom_cook(points, k)
    matrix = {"inputs": b, "weights": g, "outputs": a, "cotangents": a.T, "gradients": g.T}[which]
    return tuple(tuple(float(number) for number in row) for row in matrix)
