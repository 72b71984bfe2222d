"""Weighted sums of a few rows, then of a few columns, in compiled loops: see `pool_loops`."""

# mypy: ignore-errors
import numpy as np

from .plain import Loop
from .pool_loops import ONE, TWO, ZERO, U


@Loop
def sample_lines(
    x, y, inner, row, row_source, row_weight, height, column, column_source, column_weight, width, begin, end
):  # fmt: skip
    """Output rows from begin to end."""
    rows, columns = U(row.size - 1), U(column.size - 1)
    length = width * inner
    line = np.empty(length, x.dtype)
    for l in range(begin, end):
        image, r = (l // rows) * height, l % rows
        a, b, o = row[r], row[r + ONE], l * columns * inner
        if a == b:
            for i in range(columns * inner):
                y[o + i] = 0
            continue
        before = a - ONE  # the one tap of the row before, if it has one and is at hand
        if (
            l > begin and r > ZERO and b == a + ONE and row[r - ONE] == before
            and row_source[a] == row_source[before] and row_weight[a] == row_weight[before]
        ):  # fmt: skip
            for i in range(columns * inner):
                y[o + i] = y[o - columns * inner + i]
        elif b == a + ONE and row_weight[a] == 1:
            _sample_line(y, o, x, (image + row_source[a]) * length, inner, column, column_source, column_weight)
        else:
            _weigh(length, line, ZERO, x, ZERO, length, image, row_source, row_weight, a, b)
            _sample_line(y, o, line, ZERO, inner, column, column_source, column_weight)


@Loop
def _sample_line(y, o, line, at, inner, column, source, weight):
    for c in range(U(column.size - 1)):
        a, b = column[c], column[c + ONE]
        if a == b:
            for i in range(inner):
                y[o + c * inner + i] = 0
        elif inner == ONE:
            total = weight[a] * line[at + source[a]]
            for j in range(a + ONE, b):
                total += weight[j] * line[at + source[j]]
            y[o + c] = total
        else:
            _weigh(inner, y, o + c * inner, line, at, inner, ZERO, source, weight, a, b)


@Loop
def _weigh(n, y, o, x, start, step, base, source, weight, a, b):
    """y[o + i] = the sum over j from a to b of weight[j] x[start + (base + source[j]) step + i]."""
    at, w = start + (base + source[a]) * step, weight[a]
    if b == a + ONE:
        for i in range(n):
            y[o + i] = w * x[at + i]
    else:
        bt, v = start + (base + source[a + ONE]) * step, weight[a + ONE]
        for i in range(n):
            y[o + i] = w * x[at + i] + v * x[bt + i]
    for j in range(a + TWO, b, TWO):
        at, w = start + (base + source[j]) * step, weight[j]
        if j + ONE == b:
            for i in range(n):
                y[o + i] += w * x[at + i]
        else:
            bt, v = start + (base + source[j + ONE]) * step, weight[j + ONE]
            for i in range(n):
                y[o + i] += w * x[at + i] + v * x[bt + i]
