"""Many small groups in the compiled engine: vectors run along the groups, once per output channel of a group.

With channels ordered (C/G, G), a group's channels are one more axis of the window, and what remains is a depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import memory, parallel, phases
from ..geometry import ConvSpec
from ..phases import Target, wide_dtype
from ..slabs import Box, fetch, lengths, split
from . import crew, llvm, products, programs, runs
from .crew import Call
from .products import copy, moved

Array = NDArray[Any]

SLAB = 1 << 22  # bytes of input worked on at a time: few, since threads of the pool wait for one another between two boxes
ALONE = 1 << 20  # multiply-adds below which a second thread does not pay


def takes(groups: int, p: int, dtype: np.dtype[Any]) -> bool:
    """Whether a vector holds more of the groups (read twice as often) than of one group's p results."""
    if dtype.char not in "fd":
        return False
    lanes = llvm.lanes(dtype)
    return groups / -(-groups // lanes) > 2 * p / -(-p // lanes)


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), box by box."""
    (groups, *_, p), dtype = kernels.shape, kernels.dtype
    weights = np.ascontiguousarray(np.moveaxis(kernels, (-1, 0), (0, -1)))  # (P, *k, C/G, G)
    boxes, y = _boxes(spec, x.shape, kernels.size, dtype), target.y

    def work(box: Box) -> None:
        seen = _seen(x, spec, box, groups, dtype)
        tile = target.tile(box)
        sums = tile[..., None, :] if p == 1 else memory.scratch("sums", (*tile.shape[:-1], p, groups), dtype)
        for j in range(p):
            crew.run([runs.correlate(*seen, weights[j], sums[..., j : j + 1, :])])
        if p > 1:
            copy(sums.swapaxes(-1, -2), tile.reshape(*tile.shape[:-1], groups, p))
        target.put(box, tile)

    def written(y: Array) -> list[list[Call]]:
        return [runs.correlate(*_seen(x, spec, box, groups, dtype), weights[0], y[box][..., None, :]) for box in boxes]

    if y is not None and p == 1 and _in_order(x, groups, dtype):
        programs.run(("depthwise", spec), (x, weights, y), lambda: written(y))
        if (bias := target.bias) is not None:
            parallel.run(boxes, lambda box: np.add(y[box], bias, out=y[box]))
    else:
        parallel.run(boxes, work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o), summed in the order of the parts."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    boxes = _boxes(spec, last.shape, g.shape[1] * c * prod(spec.kernel), wide)
    parts = max(1, min(parallel.num_threads(), len(boxes)))
    sums = memory.empty((parts, m, *spec.kernel, c, groups), wide)

    def written() -> list[list[Call]]:
        tasks = []
        for total, share in zip(sums, shares):
            tasks.append([moved(None, total)])
            for box in share:
                tasks[-1] += runs.weight_grad(*_seen(last, spec, box, groups, wide), cotangents[box][..., None, :], total[0])
        return tasks

    def share(boxes: Sequence[Box], part: int) -> None:
        for box in boxes:
            seen = _seen(last, spec, box, groups, wide)
            given = _grouped(cotangents[box], groups, wide, "given")
            for j in range(m):
                crew.run([runs.weight_grad(*seen, given[..., j : j + 1, :], sums[part, j])])

    if _in_order(last, groups, wide) and _in_order(cotangents, groups, wide):
        cuts = [len(boxes) * i // parts for i in range(parts + 1)]
        shares = [boxes[start:end] for start, end in zip(cuts, cuts[1:])]
        programs.run(("depthwise weight_grad", spec), (last, cotangents, sums), written)
    else:
        sums[...] = 0
        parallel.run_parts(boxes, share)
    return phases.as_weight(np.moveaxis(sums.sum(0), (-1, 0), (0, -1)), dtype)


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes of one thread: the products, and a pass over what goes in and out."""
    points, lanes = n * prod(spec.out), llvm.lanes(dtype)
    filled = spec.groups / (-(-spec.groups // lanes) * lanes) / 3  # as many loads as products, where taps share none
    macs = points * prod(spec.kernel) * (c // spec.groups) * m
    moved = (n * c * prod(spec.size) + points * m * (1 if m == spec.groups else 5)) * dtype.itemsize  # several results are turned round
    return 6e-5 + 2.4 * macs / filled / products.flops_per_second(dtype) + 3e-11 * moved, 3 * SLAB


def _seen(x: Array, spec: ConvSpec, box: Box, groups: int, dtype: np.dtype[Any]) -> tuple[Array, ConvSpec, runs.Ranges]:
    """What `box` is computed from: an array (n, *n, C/G, G), its spec with C/G as an axis, and the ranges of outputs."""
    c = x.shape[-1] // groups
    if _in_order(x, groups, dtype):
        seen, size, padding, ranges = x[box[0]][..., None, :], spec.size, spec.padding, tuple((part.start, part.stop) for part in box[1:])
    else:
        seen = _grouped(fetch(x, spec, box, dtype), groups, dtype, "grouped")
        size, padding, ranges = seen.shape[1:-2], ((0, 0),) * spec.rank, tuple((0, length) for length in lengths(box)[1:])
    window = replace(
        spec,
        size=(*size, c),
        kernel=(*spec.kernel, c),
        stride=(*spec.stride, 1),
        padding=(*padding, (0, 0)),
        dilation=(*spec.dilation, 1),
    )
    return seen, window, (*ranges, (0, 1))


def _in_order(a: Array, groups: int, dtype: np.dtype[Any]) -> bool:
    """Whether `a` can be read where it lies: one channel per group, side by side."""
    return a.shape[-1] == groups and a.strides[-1] == a.itemsize and a.dtype == dtype and a.flags.aligned


def _grouped(a: Array, groups: int, dtype: np.dtype[Any], key: str) -> Array:
    """`a` (..., C) with the channels ordered (C/G, G), side by side: a view where it can be one, else scratch."""
    if _in_order(a, groups, dtype):
        return a[..., None, :]
    out = memory.scratch(key, (*a.shape[:-1], a.shape[-1] // groups, groups), dtype)
    if a.shape[-1] == groups:
        copy(a, out[..., 0, :])
    else:
        out[...] = a.reshape(*a.shape[:-1], groups, -1).swapaxes(-1, -2)
    return out


def _boxes(spec: ConvSpec, shape: Sequence[int], per_point: int, dtype: np.dtype[Any]) -> list[Box]:
    n, c = shape[0], shape[-1]
    parts = parallel.num_threads() if n * prod(spec.out) * per_point > ALONE else 1
    return split(spec, n, c, dtype.itemsize, parts, SLAB)
