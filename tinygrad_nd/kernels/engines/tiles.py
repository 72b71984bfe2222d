"""The compiled kernels of the engine: a matrix product whose operand is found by offsets, and a transpose."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from . import llvm
from .llvm import Kernel, integer

Compiled = Any  # see llvm.function

DEPTH = 256  # terms of a sum between two visits to its place in memory: as many rows of w as a core's first cache holds
FIRST = 1 << 15  # bytes of that cache
CLASH = 1 << 8  # bytes between rows of which caches hold few at a time
PART = 512  # points of all channels that are turned before the next: what is written by halves of lines is still in cache
OUTSIDE = -(1 << 61)  # an entry of a table: nowhere in the array


def widest() -> int:
    """The most vectors of columns that one tile is made of."""
    return 4 if llvm.registers() == 32 else 2


def product(dtype: np.dtype[Any]) -> Compiled:
    """f(x, rows, m, offsets, k, w, ldw, n, out, ldo, add, panels): out[i, j] = sum over q < k of x[rows[i] + offsets[q]] w[q, j].

    The rows of w and out are ldw and ldo apart. With `add` the sums are added to out. The rest is `panels(n)`.
    """
    return llvm.function("product", "priripiipii" + "i" * 5, dtype, write_panels)


@cache
def panels(n: int, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """n columns as even panels of a few vectors: what makes those, and the last, narrower one; the columns of one; where the last starts.

    At the end how many terms of a sum stay in registers.
    """
    vectors = -(-n // llvm.lanes(dtype))
    count = -(-vectors // widest())
    width = -(-vectors // count)
    before = (count - 1) * width
    wide, narrow = _panel(width, False, dtype), _panel(vectors - before, n % llvm.lanes(dtype) > 0, dtype)
    return wide.address, narrow.address, width * llvm.lanes(dtype), before * llvm.lanes(dtype), DEPTH


def _panel(vectors: int, cut: bool, dtype: np.dtype[Any]) -> Compiled:
    """f(x, rows, m, offsets, k, w, ldw, n, out, ldo, add, depth): the product for one panel.

    A tile of its rows stays in registers while `depth` terms of the sum go by, and the part of w that they need in a cache, for which it is
    copied where its rows would drive one another out. The last of several vectors ends with the columns, and makes some of them again; a
    single one may be `cut` off by them.
    """
    return llvm.function("panel", "priripiipiii", dtype, _write_panel, vectors, cut and vectors == 1)


def transpose(dtype: np.dtype[Any]) -> Compiled:
    """f(x, starts, out, places, count, m, n, ldx, ldo): out[places[a] + j ldo + i] = x[starts[a] + i ldx + j], a < count, i < m, j < n."""
    return llvm.function("transpose", "prpriiiii", dtype, _transpose)


def move(dtype: np.dtype[Any], add: bool = False) -> Compiled:
    """f(x, starts, out, places, count, n): out[places[a] + j] = x[starts[a] + j], or 0 where starts[a] is OUTSIDE, a < count, j < n.

    With `add` that is added to what was there, piece after piece: they may overlap.
    """
    return llvm.function("move", "prprii", dtype, _move, add)


def _move(kernel: Kernel, x: Any, starts: Any, out: Any, places: Any, count: Any, n: Any, add: bool) -> None:
    b = kernel.b
    whole = b.mul(b.sdiv(n, integer(kernel.lanes)), integer(kernel.lanes))
    tail = kernel.first(b.sub(n, whole))

    def piece(a: Any) -> None:
        start, to = b.load(kernel.at(starts, a)), kernel.at(out, b.load(kernel.at(places, a)))

        def fill(value: Callable[..., Any]) -> None:
            kernel.loop(integer(0), whole, kernel.lanes, lambda j: kernel.store(value(j), kernel.at(to, j)))
            kernel.store(value(whole, tail), kernel.at(to, whole), tail)

        with b.if_else(b.icmp_signed("!=", start, integer(OUTSIDE))) as (inside, outside):
            with inside:
                source = kernel.at(x, start)

                def value(j: Any, *mask: Any) -> Any:
                    found = kernel.load(kernel.at(source, j), *mask)
                    return b.fadd(found, kernel.load(kernel.at(to, j), *mask)) if add else found

                fill(value)
            with outside:
                fill(lambda j, *mask: kernel.zero)

    kernel.loop(integer(0), count, 1, piece)


def write_panels(
    kernel: Kernel, x: Any, rows: Any, m: Any, offsets: Any, k: Any, w: Any, ldw: Any, n: Any, out: Any, ldo: Any, add: Any,
    wide: Any, narrow: Any, width: Any, last: Any, depth: Any,
) -> None:  # fmt: skip
    """The product, panel by panel."""

    def panel(f: Any, first: Any, columns: Any) -> None:
        kernel.call(f, x, rows, m, offsets, k, kernel.at(w, first), ldw, columns, kernel.at(out, first), ldo, add, depth)

    kernel.loop(integer(0), last, width, lambda first: panel(wide, first, width))
    panel(narrow, last, kernel.b.sub(n, last))


def _write_panel(kernel: Kernel, *arguments: Any) -> None:
    x, rows, m, offsets, k, w, ldw, n, out, ldo, add, depth, vectors, cut = arguments
    b, lanes, kernel.turned = kernel.b, kernel.lanes, True
    height = min(9, (llvm.registers() - vectors - 1) // vectors)  # more rows would want more addresses than there are registers for
    ending = kernel.first(n) if cut else None
    columns = [integer(lanes * j) for j in range(vectors - 1)]
    columns.append(integer(0) if vectors == 1 else b.sub(n, integer(lanes)))
    width = vectors * lanes
    with b.goto_entry_block():  # of w
        copy = b.bitcast(b.alloca(kernel.vector, integer(DEPTH * vectors)), kernel.number.as_pointer())

    def packed(first: Any, last: Any) -> tuple[Any, Any, list[Any]]:
        """Where row 0 of w would lie, how far apart rows are, and at which columns to read those that are needed: w's own, or a copy."""
        start = kernel.at(copy, b.mul(first, integer(-width)))

        def row(q: Any) -> None:
            across, to = kernel.at(w, b.mul(q, ldw)), kernel.at(start, b.mul(q, integer(width)))
            for j, c in enumerate(columns):
                kernel.store(kernel.load(kernel.at(across, c)), kernel.at(to, integer(lanes * j)))

        apart = b.icmp_signed("!=", b.srem(ldw, integer(CLASH // kernel.itemsize)), integer(0))
        few = b.icmp_signed("<", kernel.least(m, b.sub(last, first)), integer(64))
        there = b.or_(apart, few)
        kernel.loop(b.select(there, last, first), last, 1, row)
        own = [*columns[:-1], b.select(there, columns[-1], integer(width - lanes))]
        return b.select(there, w, start), b.select(there, ldw, integer(width)), own

    def block(first: Any) -> None:
        last = kernel.least(b.add(first, depth), k)
        copies = vectors > 1 and DEPTH * width * kernel.itemsize < FIRST
        where, step, own = packed(first, last) if copies else (w, ldw, columns)
        added = b.select(b.icmp_signed(">", first, integer(0)), integer(1), add)

        def tile(row: Any) -> None:
            these = [kernel.least(b.add(row, integer(i)), b.sub(m, integer(1))) for i in range(height)]  # past the end: the last again
            seen = [kernel.at(x, b.load(kernel.at(rows, i))) for i in these]
            places = [kernel.at(out, b.mul(i, ldo)) for i in these]

            def term(q: Any, *sums: Any) -> list[Any]:
                offset = b.load(kernel.at(offsets, q))
                across = kernel.at(where, b.mul(q, step))
                weights = [kernel.load(kernel.at(across, c), ending) for c in own]
                new = []
                for i in range(height):
                    point = kernel.at(seen[i], offset)
                    number = kernel.splat(b.load(point))
                    new += [kernel.multiply_add(number, weight, sums[i * vectors + j]) for j, weight in enumerate(weights)]
                return new

            def stored(_: Any, *zeros: Any) -> list[Any]:
                return [kernel.load(kernel.at(place, c), ending) for place in places for c in columns]

            before = kernel.loop(integer(0), added, 1, stored, *[kernel.zero] * (height * vectors))  # once, or not at all
            sums = kernel.loop(first, last, 1, term, *before)
            for i, place in enumerate(places):
                for j, c in enumerate(columns):
                    kernel.store(sums[i * vectors + j], kernel.at(place, c), ending)

        kernel.loop(integer(0), m, height, tile)

    kernel.loop(integer(0), k, depth, block)


def _transpose(kernel: Kernel, *arguments: Any) -> None:
    x, starts, out, places, count, m, n, ldx, ldo = arguments
    b, lanes = kernel.b, kernel.lanes
    turned = b.alloca(kernel.vector, integer(lanes))

    def piece(a: Any) -> None:
        source, to = kernel.at(x, b.load(kernel.at(starts, a))), kernel.at(out, b.load(kernel.at(places, a)))

        def part(first: Any) -> None:
            last = kernel.least(b.add(first, integer(PART)), n)

            def strip(i: Any) -> None:
                inside = b.sub(m, i)
                own = [b.mul(kernel.least(b.add(i, integer(a)), b.sub(m, integer(1))), ldx) for a in range(lanes)]
                kernel.loop(first, last, lanes, partial(square, own, kernel.at(to, i), inside))

            kernel.loop(integer(0), m, lanes, strip)

        def square(own: list[Any], to: Any, inside: Any, j: Any) -> None:
            left, here = b.sub(n, j), kernel.at(to, b.mul(j, ldo))
            some = kernel.first(left)
            block = [kernel.load(kernel.at(source, row, j), some) for row in own]
            step = 1
            while step < lanes:  # swap the off-diagonal blocks of size `step`
                for r in range(lanes):
                    if not r & step:
                        low = [c if not c & step else lanes + c - step for c in range(lanes)]
                        high = [c + step if not c & step else lanes + c for c in range(lanes)]
                        upper, lower = block[r], block[r + step]
                        block[r], block[r + step] = kernel.shuffle(upper, lower, low), kernel.shuffle(upper, lower, high)
                step *= 2
            with b.if_else(b.icmp_signed(">=", kernel.least(left, inside), integer(lanes))) as (whole, edge):
                with whole:
                    for c, column in enumerate(block):
                        kernel.store(column, kernel.at(here, b.mul(integer(c), ldo)))
                with edge:
                    for c, column in enumerate(block):
                        b.store(column, kernel.at(turned, integer(c)))
                    part = kernel.first(inside)

                    def put(c: Any) -> None:
                        kernel.store(b.load(kernel.at(turned, c)), kernel.at(here, b.mul(c, ldo)), part)

                    kernel.loop(integer(0), kernel.least(left, integer(lanes)), 1, put)

        kernel.loop(integer(0), n, PART, part)

    kernel.loop(integer(0), count, 1, piece)
