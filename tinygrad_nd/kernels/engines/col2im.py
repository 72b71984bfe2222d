"""The input gradient by columns, compiled: what each output sends to its window, added where that lies (see kernels/col2im.py).

Columns stay in a core's own cache until they are added, those of an image's last axis far from one another: their windows overlap, and
what was written a moment ago is read late.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..geometry import ConvSpec, reach
from ..memory import Array
from ..slabs import boxes, lengths, seen, windows, within
from . import llvm, products, programs
from .crew import Call
from .products import dense, moved, multiply, places

COLUMNS = 1 << 18  # bytes of columns
SUMS = 1 << 17  # bytes of images that they are added to
ALONE = 1 << 20  # multiply-adds below which a second thread does not pay


def input_grad(g: Array, rows: Array, spec: ConvSpec, dx: Array) -> None:
    """Makes dx (N, *n, C) of g (N, *o, M) and rows (G, M/G, taps * C/G); every thread that of some images."""
    g, (_, m, columns) = dense(g, dx.dtype), rows.shape
    image, whole = dx[:1].nbytes, [slice(0, o) for o in spec.out]
    threads = _threads(len(g), g.size * columns)

    def work(part: int) -> list[Call]:
        first, end = (len(g) * i // threads for i in (part, part + 1))
        calls: list[Call] = []
        for (some,) in boxes((end - first,), lambda shape: shape[0] * image, SUMS):
            images = slice(first + some.start, first + some.stop)
            inside, of_slab, sizes = seen(spec, (images, *whole))
            reached, beyond = within(dx[images], inside[1:])
            direct = list(reached.shape[:-1]) == sizes
            slab = reached if direct else memory.scratch(("slab", part), (*sizes, dx.shape[-1]), dx.dtype)
            calls += [moved(None, a) for a in (slab, *beyond)]
            sees = windows(slab, spec, spec.out)  # (G, N, *o, *k, C/G)
            for chunk in boxes((sizes[0], *spec.out), lambda shape: prod(shape) * columns * dx.itemsize, COLUMNS):
                made = memory.scratch(("columns", part), (prod(lengths(chunk)), columns), dx.dtype)
                for i in range(spec.groups):
                    given, window = np.moveaxis(g[images][chunk][..., i * m :], spec.rank, 0), np.moveaxis(sees[i][chunk], spec.rank, 0)
                    starts = places(given.shape[:-1], given.strides[:-1], given.itemsize)
                    calls.append(multiply(given, starts, places((m,), (given.itemsize,), given.itemsize), rows[i], made))
                    calls.append(moved(made.reshape(window.shape), window, add=True))
            if not direct and reached.size:
                calls.append(moved(within(slab, of_slab)[0], reached))
        return calls

    programs.run(("input_grad", spec), (g, rows, dx), lambda: [work(part) for part in range(threads)])


def _threads(n: int, macs: int) -> int:
    return min(n, parallel.num_threads()) if macs > ALONE else 1


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: products at their measured rate, pieces of windows that are added, sums that are moved."""
    points, groups, lanes = n * prod(spec.out), spec.groups, llvm.lanes(dtype)
    columns, threads = prod(spec.kernel) * c // groups, _threads(n, n * m * prod(spec.out) * prod(spec.kernel) * c // groups)
    piece = c // groups * (spec.kernel[-1] if spec.rank and groups == spec.dilation[-1] == 1 else 1)
    multiplied = 1.4 * points * m * -(-columns // lanes)
    added = points * groups * columns // piece * (16 + 7 * -(-piece // lanes))
    sums = n * c * prod(reach(spec, spec.out))
    step = 2 * lanes / products.flops_per_second(dtype)
    seconds = step * (multiplied + added) + blas.moved_seconds(0.4 * sums, dtype) + (1.5e-4 if threads > 1 else 3e-5)
    return parallel.num_threads() / threads * seconds, 2 * COLUMNS + SUMS
