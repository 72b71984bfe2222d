"""Many small groups in the compiled engine: vectors run along the groups, once per output channel of a group.

With channels ordered (C/G, G), a group's channels are one more axis of the window, and what remains is a depthwise convolution,

    y[j, h] = sum over t of x[start(j) + offset(t), h] w[t, h],   dw[t, h] = sum over j of x[offset(t) + start(j), h] g[j, h]

for outputs j, taps t and groups h: one product, whose rows are found by tables (compare igemm). The image is read where it lies: nothing
is padded, but outputs at a border are products of their own, with fewer taps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product, starmap
from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..geometry import ConvSpec
from ..memory import Array
from ..phases import Target
from ..slabs import Box, lengths, split
from . import llvm, products, programs
from .crew import Call
from .images import by_images, summed_by_images
from .llvm import Kernel, integer
from .products import brought, moved, places

SLAB = 1 << 20  # bytes of input worked on at a time
HEIGHT = 9  # rows of a tile, at most: their sums stay in registers
NEAR = 5  # of rows that are outputs, where the addresses of more have no place in registers beside one vector of each
DEPTH = 64  # terms of a sum between two visits to its place in memory: what they read stays in a core's first cache
AHEAD = 24  # terms after which what is fetched is used
PIECE = 1 << 16  # numbers that a thread brings into order at a time
ALONE = 1 << 20  # multiply-adds below which a second thread does not pay


def takes(groups: int, p: int, dtype: np.dtype[Any]) -> bool:
    """Whether a vector holds no fewer of the groups than of one group's p results."""
    if dtype.char not in "fd":
        return False
    lanes = llvm.lanes(dtype)
    return groups / -(-groups // lanes) >= p / -(-p // lanes)


@by_images
def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), box by box."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    x, spec = _grouped(x, groups), _with_channels(spec, c)
    weights = np.ascontiguousarray(np.moveaxis(kernels, (-1, 0), (0, -1)))  # (P, *k, C/G, G)
    bias = () if target.bias is None else (np.ascontiguousarray(target.bias.reshape(groups, p).T),)

    def work(boxes: list[Box], part: int) -> list[Call]:
        calls: list[Call] = []
        for box in boxes:
            windows = list(_windows(x, spec, box))
            if p == 1:
                made = (tile := target.tile(box[:-1], part, dense=False))[None]
            else:
                made = memory.scratch(("made", part), (p, *lengths(box[:-1]), groups), dtype)
                tile = np.moveaxis(made, 0, -1)  # (..., G, P)
            for sums, kernel, *added in zip(made[..., None, :], weights, *bias):
                for seen, starts, offsets, outputs, taps in windows:
                    out = sums[outputs]
                    if added or not len(offsets):
                        calls.append(moved(np.broadcast_to(added[0], out.shape) if added else None, out))
                    calls.append(_multiply(seen, starts, offsets, kernel[taps], out, bool(added)))
            if p > 1 and target.y is not None:
                given, tile = tile, target.tile(box[:-1], part, dense=False)
                calls.append(brought(given, tile.reshape(given.shape)))
            if target.y is None or not np.may_share_memory(tile, target.y):
                calls += [moved(source, place) for place, source in target.parts(box[:-1], tile)]
        return calls

    operands = x, weights, target.place, *bias
    programs.run(("depthwise", spec, target.form, target.y is None), operands, lambda: _tasks(work, spec, x, kernels.size))


@summed_by_images
def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """Summed box by box, and the sums of threads in their order."""
    x, g, spec = _grouped(x, spec.groups), _grouped(g, spec.groups), _with_channels(spec, x.shape[-1] // spec.groups)
    m, count = g.shape[-2], prod(spec.kernel)
    height = -(-count // -(-count // HEIGHT))  # of even tiles
    sums = memory.empty((parallel.num_threads(), m, *spec.kernel, spec.groups), x.dtype)
    sums[...] = 0

    def work(boxes: list[Box], part: int) -> list[Call]:
        return [
            _multiply(seen, offsets, starts, g[(*box[:-1], slice(j, j + 1))][outputs], sums[part, j][taps], True, height)
            for box in boxes
            for seen, starts, offsets, outputs, taps in _windows(x, spec, box)
            for j in range(m)
        ]

    programs.run(("depthwise weight_grad", spec), (x, g, sums), lambda: _tasks(work, spec, x, sums[0].size))
    return np.moveaxis(sums.sum(0), (-1, 0), (0, -1))


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: the products, and a pass over what goes in and out, longer where it is turned round."""
    points, lanes = n * prod(spec.out), llvm.lanes(dtype)
    filled = spec.groups / (-(-spec.groups // lanes) * lanes) / 3  # as many loads as products, where taps share none
    macs = points * prod(spec.kernel) * (c // spec.groups) * m
    moved = n * c * prod(spec.size) * (0.4 if c == spec.groups else 2.5) + points * m * (0.4 if m == spec.groups else 1.4)
    seconds = 1.5 * macs / filled / products.flops_per_second(dtype) + blas.moved_seconds(moved, dtype)
    return 2e-4 + seconds, 3 * SLAB


def _grouped(a: Array, groups: int) -> Array:
    """a (..., C) as (..., C/G, G): a copy where a group has several channels."""
    view = a.reshape(*a.shape[:-1], groups, -1).swapaxes(-1, -2)
    if view.shape[-2] == 1:
        return view
    out = memory.empty(view.shape, a.dtype)
    parallel.run(parallel.boxes(view.shape[:-2], PIECE // a.shape[-1]), lambda box: np.copyto(out[box], view[box]))
    return out


def _with_channels(spec: ConvSpec, c: int) -> ConvSpec:
    """The spec with the channels of a group as an axis of the window."""
    size, kernel, stride, dilation = (*spec.size, c), (*spec.kernel, c), (*spec.stride, 1), (*spec.dilation, 1)
    return ConvSpec(size, kernel, stride, (*spec.padding, (0, 0)), dilation, spec.groups)


def _tasks(work: Callable[[list[Box], int], list[Call]], spec: ConvSpec, x: Array, per_point: int) -> list[list[Call]]:
    """The calls of each thread, which gets an even part of the boxes of (N, *o)."""
    parts = parallel.num_threads() if len(x) * prod(spec.out) * per_point > ALONE else 1
    boxes = split(spec, len(x), spec.groups, x.itemsize, parts, SLAB)
    return [work(boxes[len(boxes) * i // parts : len(boxes) * (i + 1) // parts], i) for i in range(parts)]


def _windows(x: Array, spec: ConvSpec, box: Box) -> Iterator[tuple[Array, Array, Array, tuple[slice, ...], tuple[slice, ...]]]:
    """The outputs in `box` by what they see of x (N, *n, G): what lies from the first tap of the first of them on, how far from there other
    windows start, (points,), and other taps lie, (taps,); which outputs they are, counted from the box, and which taps.
    """
    image, *steps, _ = x.strides
    apart, within = ([a * b for a, b in zip(steps, by)] for by in (spec.stride, spec.dilation))
    axes = starmap(_alike, zip(box[1:], spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation))
    for outputs, taps, corner in (zip(*of_axes) for of_axes in product(*axes)):
        seen = x[(box[0], *(slice(at, None) for at in corner))]
        starts = places((len(seen), *lengths(outputs)), (image, *apart), x.itemsize)
        yield seen, starts, places(tuple(lengths(taps)), tuple(within), x.itemsize), (slice(None), *outputs), taps


def _alike(part: slice, n: int, k: int, s: int, padding: tuple[int, int], d: int) -> list[tuple[slice, slice, int]]:
    """The outputs o of one axis that see the same taps, those t with 0 <= so + dt - a < n, and where the first sees its first."""
    seen: dict[tuple[int, int], list[int]] = {}
    for o in range(part.start, part.stop):
        low, end = (min(max(-((s * o - padding[0] - bound) // d), 0), k) for bound in (0, n))
        seen.setdefault((low, end), []).append(o)
    return [
        (slice(same[0] - part.start, same[-1] + 1 - part.start), slice(low, end), max(s * same[0] + d * low - padding[0], 0))
        for (low, end), same in seen.items()
    ]


def _multiply(x: Array, rows: Array, offsets: Array, w: Array, out: Array, add: bool, height: int | None = None) -> Call:
    """A call for out[i] = sum over q of x.flat[rows[i] + offsets[q] :] w[q], or out + that, all of them channels that lie side by side."""
    (terms, to), n, dtype = (places(a.shape[:-1], a.strides[:-1], a.itemsize) for a in (w, out)), out.shape[-1], out.dtype
    vectors = 2 if llvm.registers() == 32 and -(-n // llvm.lanes(dtype)) % 2 == 0 else 1
    height = height or (HEIGHT if vectors == 2 else NEAR)
    whole, long = n % (vectors * llvm.lanes(dtype)) == 0, len(offsets) > len(rows)
    f = llvm.function("along", "priripripri", dtype, _along, height, vectors, whole, long)
    return f.address, x, rows, len(rows), offsets, len(offsets), w, terms, n, out, to, add


def _along(kernel: Kernel, *arguments: Any) -> None:
    """The product by tiles of `height` rows, whose sums stay in registers while DEPTH terms go by, for some vectors of columns at once.

    whole: columns cut no vector off. long: there are more terms than rows, so that x is fetched ahead along these.
    """
    x, rows, m, offsets, k, w, terms, n, out, to, add, height, vectors, whole, long = arguments
    b, kernel.level = kernel.b, 1

    def found(a: Any, table: Any, i: Any, end: Any) -> Any:
        return kernel.at(a, b.load(kernel.at(table, kernel.least(i, b.sub(end, integer(1))))))  # past the end: the last again

    def block(first: Any) -> None:
        last = kernel.least(b.add(first, integer(DEPTH)), k)
        added = b.select(b.icmp_signed(">", first, integer(0)), integer(1), add)

        def tile(row: Any) -> None:
            seen, following = ([found(x, rows, b.add(row, integer(i)), m) for i in range(j, j + height)] for j in (0, height))
            made = [found(out, to, b.add(row, integer(i)), m) for i in range(height)]

            def columns(c: Any) -> None:
                parts = [b.add(c, integer(v * kernel.lanes)) for v in range(vectors)]
                masks = [None if whole else kernel.first(b.sub(n, part)) for part in parts]
                own = [(kernel.at(a, part), mask) for a in made for part, mask in zip(parts, masks)]

                def expect(*pointers: Any) -> None:
                    for pointer, part in product(pointers, parts):
                        kernel.expect(kernel.at(pointer, part))

                def term(q: Any, *sums: Any) -> list[Any]:
                    if long:
                        ahead = b.add(q, integer(AHEAD))
                        expect(found(seen[-1], offsets, ahead, k), found(w, terms, ahead, k))
                    offset, across = b.load(kernel.at(offsets, q)), kernel.at(w, b.load(kernel.at(terms, q)))
                    weights = [kernel.load(kernel.at(across, part), mask) for part, mask in zip(parts, masks)]
                    values = (kernel.load(kernel.at(a, offset, part), mask) for a in seen for part, mask in zip(parts, masks))
                    return list(map(kernel.multiply_add, values, weights * height, sums))

                if not long:  # of what the next tile sees, the last term is new
                    expect(*(found(a, offsets, k, k) for a in following))
                before = kernel.loop(integer(0), added, 1, lambda *_: [kernel.load(*place) for place in own], *[kernel.zero] * len(own))
                for total, place in zip(kernel.loop(first, last, 1, term, *before), own):
                    kernel.store(total, *place)

            kernel.loop(integer(0), n, kernel.lanes * vectors, columns)

        kernel.loop(integer(0), m, height, tile)

    kernel.loop(integer(0), k, DEPTH, block)
