"""Depthwise convolution in compiled kernels that read the image where it lies: borders are not padded but see fewer taps.

Vectors run along the channels. Per axis, the outputs that see the same taps are a range. Boxes of such ranges are cut into runs: lines of
points along which inputs and outputs lie at a constant step, so that a vector of the input is loaded once for all taps along the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product, starmap
from math import prod
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from .. import memory
from ..geometry import ConvSpec
from . import llvm
from .crew import Call
from .llvm import Kernel, integer
from .products import places

Array = NDArray[Any]
Ranges = tuple[tuple[int, int], ...]

RUN = 32  # points of a run, at most: what their windows see stays in a core's first cache
SUMS = 9  # points, or taps, that are summed at once


def correlate(x: Array, spec: ConvSpec, ranges: Ranges, w: Array, y: Array) -> list[Call]:
    """Calls for y (N, *o, G) of x (N, *n, G) and w (*k, G), for the outputs in `ranges`. Channels lie side by side in all of them."""
    return [_call(_correlate, x, w, y, work, work.height) for work in _plan(spec, ranges, _steps(x), _steps(y))]


def weight_grad(x: Array, spec: ConvSpec, ranges: Ranges, g: Array, dw: Array) -> list[Call]:
    """Calls for dw (*k, G) += per tap, the sum over the outputs in `ranges` of g (N, *o, G) times what the tap sees of x (N, *n, G)."""
    calls = []
    for work in _plan(spec, ranges, _steps(x), _steps(g)):
        together = max(1, SUMS // (work.width * _vectors(g.shape[-1], g.dtype)))
        calls.append(_call(_weight_grad, x, dw, g, work, _even(prod(spec.kernel) // work.width, together)))
    return calls


def _call(body: Callable[..., None], x: Array, w: Array, y: Array, work: _Work, height: int) -> Call:
    n, dtype = w.shape[-1], w.dtype
    vectors = _vectors(n, dtype)
    whole = n % (vectors * llvm.lanes(dtype)) == 0
    f = llvm.function(f"depthwise{body.__name__}", "ppprriiiii", dtype, body, work.width, height, vectors, whole)
    steps = x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
    return f.address, x, w, y, work.runs, work.rows, len(work.runs), n, len(x), *steps


def _vectors(n: int, dtype: np.dtype[Any]) -> int:
    """How many vectors of channels are worked on at once: two, where there is room and no half of them stays empty."""
    return 2 if llvm.registers() == 32 and -(-n // llvm.lanes(dtype)) % 2 == 0 else 1


def _steps(a: Array) -> tuple[int, ...]:
    return tuple(s // a.itemsize for s in a.strides[1:-1])


FIELDS = 8  # of a run


class _Work(NamedTuple):
    """What one call does: runs, by tiles of `height` points; they see rows of `width` taps along the run."""

    width: int
    height: int
    runs: Array  # start in x, start in y, step in x, step in y, step between taps, points, first row, end of rows
    rows: Array  # offset in x, number of the first tap


@lru_cache(256)
def _plan(spec: ConvSpec, ranges: Ranges, x_steps: Sequence[int], y_steps: Sequence[int]) -> list[_Work]:
    steps, apart = _times(x_steps, spec.stride), _times(x_steps, spec.dilation)  # between outputs, and between taps
    number = tuple(prod(spec.kernel[i + 1 :]) for i in range(spec.rank))  # of taps that one step along an axis goes past
    x_origin, y_origin = -_dot(x_steps, [a for a, _ in spec.padding]), -_dot(y_steps, [a for a, _ in ranges])
    axes = starmap(_alike, zip(ranges, spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation))
    boxes = [tuple(zip(*box)) for box in product(*axes)]  # (first outputs, counts, first taps, counts)
    height = _even(_even(max(max((counts for _, counts, _, _ in boxes), key=prod)), RUN), SUMS)  # suits the largest box
    found: dict[tuple[int, int], tuple[list[Array], list[Array]]] = {}
    for first, counts, tap, window in boxes:
        line = max(range(spec.rank), key=lambda i: (counts[i], i))
        points = _even(counts[line], RUN)
        grid = _with(counts, line, -(-counts[line] // points))
        left = counts[line] - points * places(grid, _with([0] * spec.rank, line, 1), 1)
        slides = window[line] == spec.kernel[line] and spec.stride[line] == spec.dilation[line] == 1
        width = max(i for i in range(1, SUMS + 1) if window[line] % i == 0) if slides else 1
        runs, rows = found.setdefault(
            (width, height if left.min() >= height else 1), ([], [np.zeros((1, 2), int)])
        )  # a row before the first
        known = sum(map(len, rows))
        lead = _with(window, line, window[line] // width)
        rows.append(np.stack([_dot(tap, by) + places(lead, _with(by, line, by[line] * width), 1) for by in (apart, number)], 1))
        x_start = x_origin + _dot(first, steps) + places(grid, _with(steps, line, steps[line] * points), 1)
        y_start = y_origin + _dot(first, y_steps) + places(grid, _with(y_steps, line, y_steps[line] * points), 1)
        run = (x_start, y_start, steps[line], y_steps[line], number[line], np.minimum(left, points), known, known + len(rows[-1]))
        runs.append(np.stack(np.broadcast_arrays(*run), 1))
    return [_Work(*key, *(memory.table(np.concatenate(a)) for a in both)) for key, both in found.items()]


def _alike(outputs: tuple[int, int], n: int, k: int, s: int, padding: tuple[int, int], d: int) -> list[tuple[int, int, int, int]]:
    """The outputs o of one axis by what they see: (first, count) of outputs, (first, count) of taps t with 0 <= so + dt - a < n."""
    seen: dict[tuple[int, int], list[int]] = {}
    for o in range(*outputs):
        low, end = (min(max(-((s * o - padding[0] - bound) // d), 0), k) for bound in (0, n))
        seen.setdefault((low, end - low), []).append(o)
    return [(same[0], len(same), *taps) for taps, same in seen.items()]


def _even(n: int, most: int) -> int:
    """The length of even pieces of n that are no longer than `most`."""
    return -(-n // -(-n // most))


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(i * j for i, j in zip(a, b))


def _times(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    return tuple(i * j for i, j in zip(a, b))


def _with(a: Sequence[int], axis: int, value: int) -> tuple[int, ...]:
    return (*a[:axis], value, *a[axis + 1 :])


# The kernels. Images lie x_ahead and y_ahead apart, the n channels of a point side by side.
# Parameters: width (taps of a row), height (of a tile: points, or rows), vectors (of channels at once), whole (n cuts no vector off).


def _correlate(kernel: Kernel, *arguments: Any) -> None:
    """y = the sums over taps of x w, tile by tile of a run's points."""
    *rest, width, height, vectors, whole = arguments
    w, rows, n = rest[1], rest[4], rest[6]
    b = kernel.b

    def run(x: Any, y: Any, x_step: Any, y_step: Any, w_step: Any, points: Any, first: Any, end: Any) -> None:
        def tile(point: Any) -> None:
            start = kernel.least(point, b.sub(points, integer(height)))  # the last tile overlaps the one before
            bottom = kernel.at(x, b.mul(b.add(start, integer(height)), x_step), _row(kernel, rows, b.sub(end, integer(1)))[0])
            place = [b.add(start, integer(i)) for i in range(height + width - 1)]
            seen, to = [kernel.at(x, b.mul(i, x_step)) for i in place], [kernel.at(y, b.mul(i, y_step)) for i in place[:height]]

            def columns(c: Any) -> None:
                own = _columns(kernel, c, n, vectors, whole)
                for i in range(height):  # of what the next tile sees, the last row is new
                    for at, _ in own:
                        _expect(kernel, kernel.at(bottom, b.mul(integer(i + width - 1), x_step), at))

                def row(r: Any, *sums: Any) -> list[Any]:
                    offset, tap = _row(kernel, rows, r)
                    across = [[kernel.load(kernel.at(a, i), mask) for i, mask in own] for a in _taps(kernel, w, tap, w_step, n, width)]
                    new = list(sums)
                    for i, a in enumerate(seen):
                        for v, (at, mask) in enumerate(own):
                            value = kernel.load(kernel.at(a, offset, at), mask)
                            for t in range(max(i - height + 1, 0), min(i + 1, width)):
                                j = (i - t) * vectors + v
                                new[j] = kernel.multiply_add(value, across[t][v], new[j])
                    return new

                sums = kernel.loop(first, end, 1, row, *[kernel.zero] * (height * vectors))
                for i, a in enumerate(to):
                    for v, (at, mask) in enumerate(own):
                        kernel.store(sums[i * vectors + v], kernel.at(a, at), mask)

            kernel.loop(integer(0), n, kernel.lanes * vectors, columns)

        kernel.loop(integer(0), points, height, tile)

    _over_runs(kernel, run, *rest)


def _weight_grad(kernel: Kernel, *arguments: Any) -> None:
    """w += the sums over points of x y, tile by tile of a run's rows of taps."""
    *rest, width, height, vectors, whole = arguments
    w, rows, n = rest[1], rest[4], rest[6]
    b, held = kernel.b, width - 1  # vectors of x that the next point sees, too

    def run(x: Any, y: Any, x_step: Any, y_step: Any, w_step: Any, points: Any, first: Any, end: Any) -> None:
        def tile(r: Any) -> None:
            last = b.sub(end, integer(1))
            pairs = [_row(kernel, rows, kernel.least(b.add(r, integer(i)), last)) for i in range(height)]  # past the end: the last again
            to = [_taps(kernel, w, tap, w_step, n, width) for _, tap in pairs]

            def columns(c: Any) -> None:
                own = _columns(kernel, c, n, vectors, whole)
                lines = [(kernel.at(x, offset, at), mask, v) for offset, _ in pairs for v, (at, mask) in enumerate(own)]

                def value(start: Any, j: Any, step: Any, mask: Any, new: bool = True) -> Any:
                    if new:  # so is what lies there in the next run
                        _expect(kernel, kernel.at(start, b.mul(b.add(j, points), step)))
                    return kernel.load(kernel.at(start, b.mul(j, step)), mask)

                def point(j: Any, *carried: Any) -> list[Any]:
                    given = [value(kernel.at(y, at), j, y_step, mask) for at, mask in own]
                    sums, values = list(carried[: len(lines) * width]), list(carried[len(lines) * width :])
                    for i, (start, mask, v) in enumerate(lines):
                        new = i >= len(lines) - vectors  # the last row
                        values.insert(i * width + held, value(start, b.add(j, integer(held)), x_step, mask, new))
                        for t in range(i * width, (i + 1) * width):
                            sums[t] = kernel.multiply_add(values[t], given[v], sums[t])
                    return sums + [value for t, value in enumerate(values) if t % width]

                begun = [value(start, integer(j), x_step, mask, False) for start, mask, _ in lines for j in range(held)]
                sums = kernel.loop(integer(0), points, 1, point, *[kernel.zero] * (len(lines) * width), *begun)
                places = [(kernel.at(a, at), mask) for taps in to for at, mask in own for a in taps]
                before = [kernel.load(a, mask) for a, mask in places]
                for (a, mask), old, new in zip(places, before, sums):
                    kernel.store(b.fadd(old, new), a, mask)

            kernel.loop(integer(0), n, kernel.lanes * vectors, columns)

        kernel.loop(first, end, height, tile)

    _over_runs(kernel, run, *rest)


def _over_runs(kernel: Kernel, body: Callable[..., None], *arguments: Any) -> None:
    """body(x, y, steps and ends) at every run of every image."""
    x, _, y, runs, _, count, _, images, x_ahead, y_ahead = arguments
    b = kernel.b

    def image(i: Any) -> None:
        def run(r: Any) -> None:
            x_start, y_start, *line = (b.load(kernel.at(runs, b.mul(r, integer(FIELDS)), integer(j))) for j in range(FIELDS))
            body(kernel.at(x, b.mul(i, x_ahead), x_start), kernel.at(y, b.mul(i, y_ahead), y_start), *line)

        kernel.loop(integer(0), count, 1, run)

    kernel.loop(integer(0), images, 1, image)


def _expect(kernel: Kernel, pointer: Any) -> None:
    """Fetch a cache line that is soon loaded: the processor foresees lines one after the other, not steps of many lines."""
    word = ir.IntType(32)
    prefetch = kernel._intrinsic("llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word]))
    kernel.b.call(prefetch, [pointer, *(ir.Constant(word, i) for i in (0, 3, 1))])  # to read, soon again, data


def _columns(kernel: Kernel, c: Any, n: Any, vectors: int, whole: bool) -> list[tuple[Any, Any]]:
    """The first channels of some vectors from c on, and the masks of those below n."""
    own = [kernel.b.add(c, integer(v * kernel.lanes)) for v in range(vectors)]
    return [(at, None if whole else kernel.first(kernel.b.sub(n, at))) for at in own]


def _row(kernel: Kernel, rows: Any, r: Any) -> list[Any]:
    """The offset in x of a row of taps, and the number of its first."""
    return [kernel.b.load(kernel.at(rows, kernel.b.mul(r, integer(2)), integer(j))) for j in range(2)]


def _taps(kernel: Kernel, w: Any, tap: Any, step: Any, n: Any, width: int) -> list[Any]:
    """Where the weights of a row of taps lie."""
    b = kernel.b
    return [kernel.at(w, b.mul(b.add(tap, b.mul(integer(t), step)), n)) for t in range(width)]
