"""The loops of `pools`, compiled.

An output row is made at a time: whole rows of the input are folded into one line, as long as the memory is, then the columns of that line.
A column holds `inner` numbers, the channels where those lie last; where there are none (inner = 1), windows that lie whole within the input
(plan: outputs from low to high) are folded at every position of the line, and every stride-th result is kept.
"""

# mypy: ignore-errors
import numpy as np

from .arrays import numbers
from .plain import Loop

U = np.uintp
ZERO, ONE, TWO, FOUR = U(0), U(1), U(2), U(4)


# Maxima and their taps.


@Loop
def winner_lines(
    x, y, codes, inner, row, row_source, row_taps, height, column, column_source, column_taps, width,
    low, high, first, stride, taps, dilation, begin, end,
):  # fmt: skip
    """Output rows from begin to end. The first of equals wins, NaN wins over all; a window of padding alone is -inf, tap 0."""
    rows, columns = U(row.size - 1), U(column.size - 1)
    length = width * inner
    top, best = np.empty(length, x.dtype), np.empty(length + ONE, x.dtype)
    tap, code = np.empty(length, codes.dtype), np.empty(length + ONE, codes.dtype)
    for line in range(begin, end):
        image, r = (line // rows) * height, line % rows
        a, b, o = row[r], row[r + ONE], line * columns * inner
        if a == b:
            for i in range(columns * inner):
                y[o + i] = -np.inf
                codes[o + i] = 0
            continue
        _label(length, top, tap, x, (image + row_source[a]) * length, row_taps[a])
        for j in range(a + ONE, b):
            _beat(length, top, tap, x, (image + row_source[j]) * length, row_taps[j])
        if inner == ONE and high > low:
            span = (high - low - ONE) * stride + ONE
            _copy(span, best, code, ZERO, top, tap, first, codes.dtype.type(0))
            for t in range(ONE, taps):
                _better(span, best, code, ZERO, top, tap, first + t * dilation, codes.dtype.type(t))
            _every(high - low, y, o + low, best, stride)
            _every(high - low, codes, o + low, code, stride)
        for c in range(columns):
            if inner == ONE and low <= c < high:
                continue
            j, e, at = column[c], column[c + ONE], o + c * inner
            if j == e:
                for i in range(inner):
                    y[at + i] = -np.inf
                    codes[at + i] = 0
                continue
            _copy(inner, y, codes, at, top, tap, column_source[j] * inner, column_taps[j])
            for q in range(j + ONE, e):
                _better(inner, y, codes, at, top, tap, column_source[q] * inner, column_taps[q])


@Loop
def _label(n, top, tap, x, at, t):
    for i in range(n):
        top[i] = x[at + i]
        tap[i] = t


@Loop
def _beat(n, top, tap, x, at, t):
    for i in range(n):
        u, v, old = top[i], x[at + i], tap[i]
        wins = (v > u) | ((v != v) & (u == u))
        top[i] = v if wins else u
        tap[i] = t if wins else old


@Loop
def _copy(n, y, codes, o, top, tap, at, t):
    for i in range(n):
        y[o + i] = top[at + i]
        codes[o + i] = tap[at + i] + t


@Loop
def _better(n, y, codes, o, top, tap, at, t):
    for i in range(n):
        u, v, old, new = y[o + i], top[at + i], codes[o + i], codes.dtype.type(tap[at + i] + t)
        number, same = u == u, (v == u) | ((v != v) & (u != u))
        wins = (number & ((v > u) | (v != v))) | (same & (new < old))
        y[o + i] = v if wins else u
        codes[o + i] = new if wins else old


@Loop
def _every(n, y, o, a, stride):
    for i in range(n):
        y[o + i] = a[stride * i]


# The same where columns are long.

MOST = 64  # taps of a window


@Loop
def winner_windows(
    x, y, codes, inner, row, row_source, row_taps, height, column, column_source, column_taps, width,
    low, high, first, stride, taps, dilation, begin, end,
):  # fmt: skip
    """Window by window, its taps in their order: of up to MOST this is less work than lines are."""
    rows, columns = U(row.size - 1), U(column.size - 1)
    places, labels = np.empty(MOST, U), np.empty(MOST, np.int32)
    for line in range(begin, end):
        image, r = (line // rows) * height, line % rows
        for c in range(columns):
            n, o = ZERO, (line * columns + c) * inner
            for j in range(row[r], row[r + ONE]):
                for q in range(column[c], column[c + ONE]):
                    places[n] = ((image + row_source[j]) * width + column_source[q]) * inner
                    labels[n] = row_taps[j] + column_taps[q]
                    n += ONE
            if n == ZERO:
                for i in range(inner):
                    y[o + i] = -np.inf
                    codes[o + i] = 0
                continue
            for t in range(n, FOUR):  # a tap once more changes nothing
                places[t], labels[t] = places[0], labels[0]
            _first_four(inner, y, codes, o, x, places, labels)
            n = max(n, FOUR)
            fours = n - n % FOUR
            for t in range(FOUR, fours, FOUR):
                _four_more(inner, y, codes, o, x, places[t:], labels[t:])
            for t in range(fours, n):
                _one_more(inner, y, codes, o, x, places[t:], labels[t:])


def _best(u, code, i, x, places, labels):
    """The best of u and what x has at these places, i further on."""
    v = x[places[0] + i]
    wins = (not v <= u) & (u == u)
    found = v if wins else u, labels[0] if wins else code
    return _best(*found, i, x, places[1:], labels[1:]) if len(places) > 1 else found


def _among(count, fresh):
    @Loop
    def among(n, y, codes, o, x, places, labels):
        at, tap = numbers(places, 0, count), numbers(labels, 0, count)
        for i in range(n):
            y[o + i], codes[o + i] = _started(i, x, at, tap) if fresh else _best(y[o + i], np.int32(codes[o + i]), i, x, at, tap)

    return among


def _started(i, x, at, tap):
    return _best(x[at[0] + i], tap[0], i, x, at[1:], tap[1:])


_first_four, _one_more, _four_more = _among(4, True), _among(1, False), _among(4, False)


# Maxima alone.


@Loop
def maximum_lines(
    x, y, inner, row, row_source, _r, height, column, column_source, _c, width,
    low, high, first, stride, taps, dilation, begin, end,
):  # fmt: skip
    """Output rows from begin to end; -inf for a window of padding alone."""
    rows, columns = U(row.size - 1), U(column.size - 1)
    length = width * inner
    top, best = np.empty(length, x.dtype), np.empty(length + ONE, x.dtype)
    for line in range(begin, end):
        image, r = (line // rows) * height, line % rows
        a, b, o = row[r], row[r + ONE], line * columns * inner
        if a == b:
            for i in range(columns * inner):
                y[o + i] = -np.inf
            continue
        at = (image + row_source[a]) * length
        if b == a + ONE:
            for i in range(length):
                top[i] = x[at + i]
        else:
            _pair(length, top, ZERO, x, at, x, (image + row_source[a + ONE]) * length)
        for j in range(a + TWO, b):
            _pair(length, top, ZERO, top, ZERO, x, (image + row_source[j]) * length)
        if inner == ONE and high > low:
            span = (high - low - ONE) * stride + ONE
            if taps == ONE:
                for i in range(span):
                    best[i] = top[first + i]
            else:
                _pair(span, best, ZERO, top, first, top, first + dilation)
            for t in range(TWO, taps):
                _pair(span, best, ZERO, best, ZERO, top, first + t * dilation)
            _every(high - low, y, o + low, best, stride)
        for c in range(columns):
            if inner == ONE and low <= c < high:
                continue
            j, e, at = column[c], column[c + ONE], o + c * inner
            if j == e:
                for i in range(inner):
                    y[at + i] = -np.inf
            elif e == j + ONE:
                for i in range(inner):
                    y[at + i] = top[column_source[j] * inner + i]
            else:
                _pair(inner, y, at, top, column_source[j] * inner, top, column_source[j + ONE] * inner)
            for q in range(j + TWO, e):
                _pair(inner, y, at, y, at, top, column_source[q] * inner)


@Loop
def _pair(n, out, o, a, at, b, bt):
    for i in range(n):
        u, v = a[at + i], b[bt + i]
        wins = (v > u) | (v != v)
        out[o + i] = v if wins else u
