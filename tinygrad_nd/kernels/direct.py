"""Convolution without matrices: one multiply-add of a whole tile per tap of the kernel. For depthwise kernels and very few channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory, parallel
from .geometry import ConvSpec
from .memory import Array
from .phases import Target
from .slabs import Box, dense, fetch, lengths, split, windows

SLAB = 1 << 20  # bytes of input: with results, and weights repeated along a row, they stay in a core's own cache
CALL = 1 << 21  # bytes of input where every tap is a call: between calls threads wait for one another
TAPS = 128  # up to which weights are repeated along a row of points, so that the inner loop is a row
ROWS = 1 << 24  # bytes of them
ALONE = 1 << 19  # multiply-adds below which a second thread does not pay


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), tap by tap."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    if depthwise := _compiled(groups, p, dtype):
        depthwise.engine(x, kernels, spec, target)
        return
    weights = np.moveaxis(kernels, (0, -1), (-1, 0))[..., None, :]  # (P, *k, C/G, 1, G)
    boxes = _boxes(spec, x, kernels.size, dtype)
    if repeated := spec.rank > 0 and prod(spec.kernel) * c <= TAPS:  # along a row
        weights = np.repeat(weights, max(lengths(box)[-1] for box in boxes), -2)
    total = _total_by_rows if _by_rows(spec, c) else _total_by_taps

    def work(slab: Box) -> None:
        view = _taps(fetch(x, spec, slab, dtype), spec, slab, c)
        sums = target.tile(slab)[None] if p == 1 else memory.scratch("sums", (p, *lengths(slab), groups), dtype)
        for made, w in zip(sums, weights):
            total(view, w[..., : view.shape[-2] if repeated else 1, :], made)
        tile = np.moveaxis(sums, 0, -1)  # (..., G, P)
        if target.form is None:
            given, tile = tile, sums[0] if p == 1 else target.tile(slab)
            if p > 1:
                tile.reshape(given.shape)[...] = given
        target.put(slab, tile)

    parallel.run(boxes, work)


def _total_by_rows(view: Array, w: Array, out: Array) -> None:
    """out (n, *o, G) = the sum over taps of view (*k, C/G, n, *o, G) times w (*k, C/G, o, G), in one pass along rows of points."""
    view, w, out = (a.reshape(*a.shape[:-2], -1) for a in (view, w, out))
    taps, points = list(range(w.ndim - 1)), list(range(w.ndim - 1, view.ndim))
    np.einsum(view, [*taps, *points], w, [*taps, points[-1]], points, out=out)


def _total_by_taps(view: Array, w: Array, out: Array) -> None:
    """The same, where the points of a row do not lie side by side."""
    seen = memory.scratch("product", out.shape, out.dtype)
    for count, tap in enumerate(np.ndindex(*w.shape[:-2])):
        np.multiply(view[tap], w[tap], out=seen if count else out)
        if count:
            np.add(out, seen, out=out)


def weight_grad(x: Array, g: Array, spec: ConvSpec, dtype: np.dtype[Any]) -> Array:
    """Per tap, the sum over points of the product of what it sees and the cotangents."""
    groups, c, m = spec.groups, x.shape[-1] // spec.groups, g.shape[-1] // spec.groups
    if depthwise := _compiled(groups, m, dtype):
        dw: Array = depthwise.weight_grad(x, g, spec, dtype)
        return dw
    sums = [np.zeros((m, *spec.kernel, c, groups), dtype) for _ in range(parallel.num_threads())]
    taps, points, group = list(range(spec.rank + 1)), list(range(spec.rank + 1, 2 * spec.rank + 2)), 2 * spec.rank + 2
    row = points[-1:] if spec.rank > 1 and _by_rows(spec, c) else []  # summed along last, so that the inner loop is a row

    def share(slabs: Sequence[Box], part: int) -> None:
        for slab in slabs:
            view = _taps(fetch(x, spec, slab, dtype), spec, slab, c)
            given = dense(g[slab], dtype).reshape(*lengths(slab), groups, m)
            for j in range(m):
                total = np.einsum(view, [*taps, *points, group], given[..., j], [*points, group], [*taps, *row, group])
                sums[part][j] += total.sum(-2) if row else total

    parallel.run_parts(_boxes(spec, x, g.shape[-1] * c * prod(spec.kernel), dtype), share)
    return np.moveaxis(sum(sums[1:], start=sums[0]), (-1, 0), (0, -1))


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes: passes over a tile per tap, slow where the channels of a group do not lie side by side."""
    if depthwise := _compiled(spec.groups, m // spec.groups, dtype):
        told: tuple[float, int] = depthwise.cost(n, c, m, spec, dtype)
        return told
    points, calls = n * prod(spec.out), prod(spec.kernel) * (c // spec.groups) * (m // spec.groups)
    rows = _by_rows(spec, c // spec.groups)
    passes = (1.2 if spec.groups < c else 0.38 if rows else 0.6) + (0.3 if rows else 6) / spec.groups
    moved = 2 * passes * points * spec.groups * calls + (4.5 * points * m if spec.groups < m else 0)
    return 4e-4 + 7e-6 * calls + blas.moved_seconds(moved, dtype), 3 * SLAB


def _compiled(groups: int, p: int, dtype: np.dtype[Any]) -> Any:
    """The compiled kernels, where they are in use and suit so many groups with p results each."""
    module: Any = engines.compiled("depthwise")
    return module if module is not None and module.takes(groups, p, dtype) else None


def _by_rows(spec: ConvSpec, c: int) -> bool:
    """Whether the points of a row lie side by side, and weights are repeated along it."""
    return spec.rank > 0 and spec.stride[-1] == 1 and prod(spec.kernel) * c <= TAPS


def _taps(slab: Array, spec: ConvSpec, box: Box, c: int) -> Array:
    """(*k, C/G, n, *o, G): what each tap and channel of a group sees."""
    view = windows(slab, spec, lengths(box)[1:])  # (G, n, *o, *k, C/G)
    r = spec.rank
    return view.transpose(*range(2 + r, 2 + 2 * r), 2 + 2 * r, *range(1, 2 + r), 0)


def _boxes(spec: ConvSpec, x: Array, per_point: int, dtype: np.dtype[Any]) -> list[Box]:
    parts = parallel.num_threads() if x.shape[0] * prod(spec.out) * per_point > ALONE else 1
    c = x.shape[-1] // spec.groups
    limit = min(SLAB if _by_rows(spec, c) else CALL, max(ROWS // (prod(spec.kernel) * c), ROWS // TAPS))
    return split(spec, x.shape[0], x.shape[-1], dtype.itemsize, parts, limit)
