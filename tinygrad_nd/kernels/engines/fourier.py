"""Fourier transforms of short tiles, which kernels/fourier.py makes by matrices, compiled as fast ones, and what multiplies between them.

A line of points is transformed for as many columns as a vector holds, in straight code or two loops of it, which is written by Cooley and
Tukey's recursion on vectors that have no value yet: zeros that follow a kernel, and outputs that nobody keeps, cost next to nothing.

Real numbers on a circle where what wraps round changes its sign, x_0 .. x_{f-1}, have the frequencies 2h + 1/2, h < f/2: a transform half
as long, of (x_j - i x_{j + f/2}) e^{-i pi j / f}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from math import cos, pi, sin
from typing import Any, NamedTuple

import numpy as np

from . import llvm, tiles
from .llvm import Kernel, integer
from .tiles import OUTSIDE

STRAIGHT = 14  # points of a transform that are written out
FORMS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # of a complex number, that are multiplied
BACK = np.array([[1.0, -1.0, 0.0], [-1.0, -1.0, 1.0]])  # the real and the imaginary part of the product

Number = tuple[Any, Any]  # a complex one: two vectors, None where they are zeros


class Way(NamedTuple):
    """Between `points` of a line and all frequencies of a circle of f: there, or back to those points alone.

    Frequencies have parts (real, imaginary), or three forms that are multiplied; they stand before the parts. The points of a line that is
    not real follow its parts.
    """

    back: bool
    real: bool
    points: int
    f: int
    sign: int  # of i in the exponent
    forms: int = 2


def transform(dtype: np.dtype[Any], way: Way) -> Any:
    """f(a, out, count, step, to, n, lda, ldo): rows of n columns, lda and ldo apart; `count` times, the next a step further on."""
    return llvm.function("lines", "ppiiiiii", dtype, _transform, way)


def read(dtype: np.dtype[Any], way: Way, narrow: bool) -> Any:
    """f(x, starts, along, zeros, out, first, end, tiles, n, ldo): the same of images, for lines (point, tile) from first to end.

    Of n channels, which begin at starts[point, tile] + along[tile, q] for each q of a line; zeros are read outside.
    """
    return llvm.function("read_lines", "prrppiiiii", dtype, _read, way, narrow)


def write(dtype: np.dtype[Any], way: Way, narrow: bool) -> Any:
    """f(a, lda, y, starts, along, lost, plus, first, end, tiles, n): the other way, with `plus` added; `lost` is written outside."""
    return llvm.function("write_lines", "piprrppiiii", dtype, _write, way, narrow)


def meet(dtype: np.dtype[Any]) -> Any:
    """f(parts, a, w, y, scratch, rows, terms, count, steps, columns, points, m, k, n, ldw, panels): of `count` lines of a and w each, y.

    They are transformed, multiplied point by point, and transformed back, in scratch. parts: the addresses of the three transforms. Of all
    three, steps lead from line to line, and columns are numbers of a point; rows, terms and what follows is as in `tiles.product`.
    """
    return llvm.function("meet", "iii" + "pppppp" + "rr" + "i" * 17, dtype, _meet)


def _transform(kernel: Kernel, a: Any, out: Any, count: Any, step: Any, to: Any, n: Any, lda: Any, ldo: Any, way: Way) -> None:
    b = kernel.b

    def lines(i: Any) -> None:
        source, target = kernel.at(a, b.mul(i, step)), kernel.at(out, b.mul(i, to))

        def column(j: Any) -> None:
            j = kernel.least(j, b.sub(n, integer(kernel.lanes)))  # the last makes some again
            load = lambda q: kernel.load(kernel.at(source, b.mul(q, lda), j))
            _line(kernel, way, load, lambda q, value: kernel.store(value, kernel.at(target, b.mul(q, ldo), j)))

        kernel.loop(integer(0), n, kernel.lanes, column)

    kernel.loop(integer(0), count, 1, lines)


def _read(kernel: Kernel, *arguments: Any) -> None:
    x, starts, along, zeros, out, first, end, tiles, n, ldo, way, narrow = arguments
    b = kernel.b

    def line(place: Any, start: Any, tile: Any) -> None:
        inside = b.icmp_signed(">", start, integer(OUTSIDE // 2))
        found = _found(kernel, x, start, along, tile, zeros, way)

        def column(j: Any, mask: Any) -> None:
            def put(q: Any, value: Any) -> None:
                kernel.store(value, kernel.at(out, b.mul(q, ldo), b.mul(place, n), j), mask)

            with b.if_else(inside) as (some, none):
                with some:
                    _line(kernel, way, lambda q: kernel.load(kernel.at(found(q), j), mask), put)
                with none:
                    kernel.loop(integer(0), integer(way.f // 2 * way.forms), 1, lambda q: put(q, kernel.zero))

        _columns(kernel, n, narrow, column)

    _places(kernel, starts, first, end, tiles, line)


def _write(kernel: Kernel, *arguments: Any) -> None:
    a, lda, y, starts, along, lost, plus, first, end, tiles, n, way, narrow = arguments
    b = kernel.b

    def line(place: Any, start: Any, tile: Any) -> None:
        with b.if_then(b.icmp_signed(">", start, integer(OUTSIDE // 2))):
            found = _found(kernel, y, start, along, tile, lost, way)

            def column(j: Any, mask: Any) -> None:
                more = kernel.load(kernel.at(plus, j), mask)
                load = lambda q: kernel.load(kernel.at(a, b.mul(q, lda), b.mul(place, n), j), mask)
                _line(kernel, way, load, lambda q, v: kernel.store(b.fadd(v, more), kernel.at(found(q), j), mask))

            _columns(kernel, n, narrow, column)

    _places(kernel, starts, first, end, tiles, line)


def _places(kernel: Kernel, starts: Any, first: Any, end: Any, tiles: Any, line: Callable[[Any, Any, Any], None]) -> None:
    kernel.loop(first, end, 1, lambda i: line(i, kernel.b.load(kernel.at(starts, i)), kernel.b.urem(i, tiles)))


def _columns(kernel: Kernel, n: Any, narrow: bool, column: Callable[[Any, Any], None]) -> None:
    """column(j, mask) for all n: the last vector ends with them, and makes some again; only where they are `narrow` is it cut off."""
    last, mask = kernel.b.sub(n, integer(kernel.lanes)), kernel.first(n) if narrow else None
    kernel.loop(integer(0), n, kernel.lanes, lambda j: column(j if narrow else kernel.least(j, last), mask))


def _found(kernel: Kernel, base: Any, start: Any, along: Any, tile: Any, otherwise: Any, way: Way) -> Callable[[Any], Any]:
    """Where each point of a line lies."""
    b, first = kernel.b, kernel.at(base, start)
    own = kernel.at(along, b.mul(tile, integer(way.points)))
    with b.goto_entry_block():
        places = b.alloca(base.type, integer(way.points))

    def find(q: Any) -> None:
        offset = b.load(kernel.at(own, q))
        inside = b.icmp_signed(">", offset, integer(OUTSIDE // 2))
        b.store(b.select(inside, kernel.at(first, offset), otherwise), kernel.at(places, q))

    kernel.loop(integer(0), integer(way.points), 1, find)
    return lambda q: b.load(kernel.at(places, q))


def _meet(kernel: Kernel, *arguments: Any) -> None:
    ways, images, scratch, (rows, terms, count), steps, columns, (points, m, k, n, ldw, *panels) = (
        arguments[i:j] for i, j in ((0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 18), (18, 28))
    )
    b, one, none = kernel.b, integer(1), integer(0)

    def line(i: Any) -> None:
        places = [kernel.at(image, b.mul(i, step)) for image, step in zip(images, steps)]
        for way, place, own, width in zip(ways[:2], places, scratch, columns):
            kernel.call(way, place, own, one, none, none, width, width, width)

        def multiply(q: Any) -> None:
            left, right, out = (kernel.at(own, b.mul(q, width)) for own, width in zip(scratch, columns))
            tiles.write_panels(kernel, left, rows, m, terms, k, right, ldw, n, out, n, none, *panels)

        kernel.loop(none, points, 1, multiply)
        kernel.call(ways[2], scratch[2], places[2], one, none, none, *[columns[2]] * 3)

    kernel.loop(none, count, 1, line)


# What one line is made of.


class _Point(NamedTuple):
    """Number `first` of a line, or, inside a loop, first + i, where i < turns."""

    first: int
    i: Any = None
    turns: int = 1

    def at(self, kernel: Kernel, times: int = 1, plus: int = 0) -> Any:
        fixed = integer(times * self.first + plus)
        return fixed if self.i is None else kernel.b.add(kernel.b.mul(self.i, integer(times)), fixed)


def _line(kernel: Kernel, way: Way, load: Callable[[Any], Any], store: Callable[[Any, Any], None]) -> None:
    """Many points by two loops of shorter transforms, of every p-th point and of what these make: straight code takes long to compile."""
    b, n, f, sign, forms, half = kernel.b, way.points, way.f, way.sign, way.forms, way.f // 2
    size, matrix = half if way.real else f, BACK if forms == 3 else np.eye(2)
    p = max(p for p in range(1, size) if size % p == 0 and p * p <= size) if size > STRAIGHT else size
    step = size // p
    twist = kernel.table(_turns(sign * j / (2 * f) for j in range(half))) if way.real and p < size else None

    def twisted(value: Number, j: _Point) -> Number:
        return _times(kernel, value, sign * j.first / (2 * f)) if j.i is None else _by_table(kernel, value, twist, j.at(kernel, 2))

    def given(j: _Point, before: int, limit: int) -> Any:
        if j.first >= limit:
            return None
        at = j.at(kernel, plus=before)
        if j.first + j.turns <= limit:
            return load(at)
        found = load(kernel.least(at, integer(before + limit - 1)))
        return b.select(b.icmp_signed("<", at, integer(before + limit)), found, kernel.zero)

    def get(j: _Point) -> Number:
        if way.back:
            parts = [load(j.at(kernel, forms, a)) for a in range(forms)]
            return _sum(kernel, *zip(matrix[0], parts)), _sum(kernel, *zip(matrix[1], parts))
        if way.real:
            return twisted((given(j, 0, n), _sum(kernel, (sign, given(j, half, n - half)))), j)
        return given(j, 0, n), given(j, n, n)

    def keep(j: _Point, before: int, limit: int, value: Any) -> None:
        if j.first < limit:
            at = j.at(kernel, plus=before)
            with nullcontext() if j.first + j.turns <= limit else b.if_then(b.icmp_signed("<", at, integer(before + limit))):
                store(at, value)

    def put(j: _Point, value: Number) -> None:
        if not way.back:
            for a, factors in enumerate(FORMS[:forms]):
                store(j.at(kernel, forms, a), _sum(kernel, *zip(factors, value)) or kernel.zero)
            return
        re, im = twisted(value, j) if way.real else value
        keep(j, 0, n, re)
        keep(j, *((half, n - half, _sum(kernel, (-sign, im))) if way.real else (n, n, im)))

    if p == size:
        for h, value in enumerate(_dft(kernel, [get(_Point(j)) for j in range(size)], sign)):
            put(_Point(h), value)
        return
    turns = kernel.table(_turns(sign * i * h / size for i in range(p) for h in range(step)))
    with b.goto_entry_block():
        between = b.alloca(kernel.vector, integer(2 * size))

    def short(i: Any) -> None:
        for h, value in enumerate(_dft(kernel, [get(_Point(p * j, i, p)) for j in range(step)], sign)):
            for part, number in enumerate(value):
                b.store(number or kernel.zero, kernel.at(between, b.mul(i, integer(2 * step)), integer(2 * h + part)))

    def join(h: Any) -> None:
        values: list[Number] = []
        for i in range(p):
            at = _Point(i * step, h)
            re, im = (b.load(kernel.at(between, at.at(kernel, 2, part))) for part in (0, 1))
            values.append(_by_table(kernel, (re, im), turns, at.at(kernel, 2)) if i else (re, im))
        for k, value in enumerate(_dft(kernel, values, sign)):
            put(_Point(k * step, h, step), value)

    kernel.loop(integer(0), integer(p), 1, short)
    kernel.loop(integer(0), integer(step), 1, join)


def _turns(turns: Iterable[float]) -> list[float]:
    return [part for turn in turns for part in _turn(turn)]


def _by_table(kernel: Kernel, a: Number, table: Any, at: Any) -> Number:
    """Times a turn whose cosine and sine stand there."""
    b = kernel.b
    c, s = (kernel.splat(b.load(kernel.at(table, at, integer(part)))) for part in (0, 1))
    re, im = a
    if im is None:
        return (None, None) if re is None else (b.fmul(c, re), b.fmul(s, re))
    if re is None:
        return b.fneg(b.fmul(s, im)), b.fmul(c, im)
    return kernel.multiply_add(c, re, b.fneg(b.fmul(s, im))), kernel.multiply_add(s, re, b.fmul(c, im))


def _dft(kernel: Kernel, values: list[Number], sign: int) -> list[Number]:
    """The sums over j of values[j] e^{sign 2 pi i j h / f}."""
    f = len(values)
    if f == 1:
        return values
    p = next(p for p in (2, 3, 5, 7) if f % p == 0)
    parts, step = [_dft(kernel, values[i::p], sign) for i in range(p)], f // p
    out: list[Number] = [(None, None)] * f
    for h in range(step):
        if p == 2:
            out[h], out[h + step] = _butterfly(kernel, parts[0][h], parts[1][h], sign * h / f)
            continue
        first, *others = (_times(kernel, part[h], sign * i * h / f) for i, part in enumerate(parts))
        pairs = list(zip(others[: p // 2], reversed(others[p // 2 :])))
        both = [[_sum(kernel, (1, x), (way, y)) for x, y in zip(a, b)] for a, b in pairs for way in (1, -1)]
        sums, differences = both[::2], both[1::2]
        for j in range(p // 2 + 1):
            angles = [_turn(sign * j * (q + 1) / p) for q in range(p // 2)]
            even = [_sum(kernel, (1, first[part]), *((c, of[part]) for (c, _), of in zip(angles, sums))) for part in (0, 1)]
            odd = [_sum(kernel, *((s, of[part]) for (_, s), of in zip(angles, differences))) for part in (0, 1)]
            for at, way in ((j, 1), (-j % p, -1)):  # even + i odd, and even - i odd
                re, im = _sum(kernel, (1, even[0]), (-way, odd[1])), _sum(kernel, (1, even[1]), (way, odd[0]))
                out[h + at * step] = re, im
    return out


def _butterfly(kernel: Kernel, a: Number, b: Number, turns: float) -> tuple[Number, Number]:
    """a + wb and a - wb, the second as 2a - (a + wb) where that is less work."""
    c, s = _turn(turns)
    up = _sum(kernel, (1, a[0]), (c, b[0]), (-s, b[1])), _sum(kernel, (1, a[1]), (s, b[0]), (c, b[1]))
    if None in a or None in b or c == 0 or s == 0:
        return up, (_sum(kernel, (1, a[0]), (-c, b[0]), (s, b[1])), _sum(kernel, (1, a[1]), (-s, b[0]), (-c, b[1])))
    re, im = (kernel.multiply_add(kernel.constant(2.0), of, kernel.b.fneg(found)) for of, found in zip(a, up))
    return up, (re, im)


def _times(kernel: Kernel, a: Number, turns: float) -> Number:
    c, s = _turn(turns)
    return _sum(kernel, (c, a[0]), (-s, a[1])), _sum(kernel, (s, a[0]), (c, a[1]))


def _turn(turns: float) -> list[float]:
    """cos and sin; at quarters, exactly."""
    return [0.0 if abs(v) < 1e-12 else v for v in (cos(2 * pi * turns), sin(2 * pi * turns))]


def _sum(kernel: Kernel, *terms: tuple[float, Any]) -> Any:
    """Of vectors times constants; None is zeros."""
    b, total = kernel.b, None
    for factor, vector in terms:
        if vector is None or factor == 0:
            continue
        if total is None:
            total = vector if factor == 1 else b.fneg(vector) if factor == -1 else b.fmul(vector, kernel.constant(float(factor)))
        elif abs(factor) == 1:
            total = (b.fadd if factor == 1 else b.fsub)(total, vector)
        else:
            total = kernel.multiply_add(vector, kernel.constant(float(factor)), total)
    return total
