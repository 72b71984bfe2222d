"""From a window to where its maximum lies, and back, in compiled loops: see `pool_loops`."""

# mypy: ignore-errors
from functools import partial

from .plain import Loop
from .pool_loops import ONE, ZERO, U


@partial(Loop, vectors=False)  # of loads from anywhere, which processors make one by one and more slowly
def gather_images(
    x, codes, y, row, row_source, _r, height, column, column_source, _c, width,
    row_places, column_places, taps, inner, images, low, high,
):  # fmt: skip
    """The channels from low to high of all images; 0 for a window of padding alone."""
    rows, columns = U(row.size - 1), U(column.size - 1)
    for image in range(images):
        base = image * height * width * inner
        for r in range(rows):
            for c in range(columns):
                at = ((image * rows + r) * columns + c) * inner
                inside = row[r] < row[r + ONE] and column[c] < column[c + ONE]
                place = row_places[r] + column_places[c]
                if inside:
                    for i in range(low, high):
                        y[at + i] = x[base + i + U(place + taps[codes[at + i]])]
                else:
                    for i in range(low, high):
                        y[at + i] = 0


def _scatter(beside):
    @Loop
    def scatter(
        g, codes, x, row, row_source, row_taps, height, column, column_source, column_taps, width,
        row_places, column_places, taps, inner, images, low, high,
    ):  # fmt: skip
        rows, columns = U(row.size - 1), U(column.size - 1)
        whole = (U(row_source.size) == height) & (U(column_source.size) == width) if beside else False
        for image in range(images):
            base, done = image * height * width * inner, ZERO
            for r in range(rows):
                if row[r] == row[r + ONE]:
                    continue
                reach = row_source[row[r + ONE] - ONE] + ONE
                if not whole:
                    _clear(x, base + done * width * inner, base + reach * width * inner, inner, low, high)
                    done = max(done, reach)
                for c in range(columns):
                    if column[c] == column[c + ONE]:
                        continue
                    at, place = ((image * rows + r) * columns + c) * inner, row_places[r] + column_places[c]
                    if beside:
                        for j in range(row[r], row[r + ONE]):
                            for q in range(column[c], column[c + ONE]):
                                o = base + (row_source[j] * width + column_source[q]) * inner
                                _put(high - low, x, o + low, g, codes, at + low, row_taps[j] + column_taps[q])
                    else:
                        for i in range(low, high):
                            x[base + i + U(place + taps[codes[at + i]])] += g[at + i]
            if not whole:
                _clear(x, base + done * width * inner, base + height * width * inner, inner, low, high)

    return scatter


# The transpose. Rows of x are made 0 when the first window that sees them comes, while they are about to be in cache. Of windows beside one
# another, with long columns, all is written.
scatter_images, scatter_windows = _scatter(False), _scatter(True)


@Loop
def _put(n, x, o, g, codes, at, tap):
    t = codes.dtype.type(tap)
    for i in range(n):
        value = g[at + i]
        x[o + i] = value if codes[at + i] == t else 0


@Loop
def _clear(x, begin, end, inner, low, high):
    if high - low == inner:
        for i in range(begin, end):
            x[i] = 0
    else:
        for at in range(begin, end, inner):
            for i in range(low, high):
                x[at + i] = 0
