"""Convolution without matrices: one multiply-add of a whole tile per tap of the kernel. For depthwise kernels and very few channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blas, engines, memory, parallel, phases
from .geometry import ConvSpec
from .phases import Target, wide_dtype
from .slabs import Box, dense, fetch, lengths, split, windows

Array = NDArray[Any]

SLAB = 1 << 21  # bytes of input: every call is on a whole slab, and between calls threads wait for one another
ROWS = 1 << 22  # bytes of repeated weights
ALONE = 1 << 19  # multiply-adds below which a second thread does not pay


def engine(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
    """Correlates x (N, *n, C) with kernels (G, *k, C/G, P), tap by tap."""
    (groups, *_, c, p), dtype = kernels.shape, kernels.dtype
    if depthwise := _compiled(groups, p, dtype):
        depthwise.engine(x, kernels, spec, target)
        return
    weights = np.moveaxis(kernels, 0, -1)[..., None, :]  # (*k, C/G, P, 1, G)
    if spec.rank and weights.nbytes * spec.out[-1] <= ROWS:  # repeated along a row: the inner loop is then a row, not a point
        weights = np.broadcast_to(weights, (*weights.shape[:-2], spec.out[-1], groups)).copy()

    def work(slab: Box) -> None:
        view = _taps(fetch(x, spec, slab, dtype), spec, slab, c)
        tile = target.tile(slab)
        seen = memory.scratch("product", (*lengths(slab), groups), dtype)
        total = tile if p == 1 else memory.scratch("total", seen.shape, dtype)
        width = lengths(slab)[-1]
        for j in range(p):
            for count, tap in enumerate(np.ndindex(*spec.kernel, c)):
                np.multiply(view[tap], weights[(*tap, j)][..., :width, :], out=seen if count else total)
                if count:
                    np.add(total, seen, out=total)
            if p > 1:
                tile.reshape(*seen.shape, p)[..., j] = total
        target.put(slab, tile)

    parallel.run(split(spec, x.shape[0], x.shape[-1], dtype.itemsize, _parts(x.shape[0] * prod(spec.out) * kernels.size), SLAB), work)


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """dw (M, C/G, *k) of x (N, C, *n) and g (N, M, *o): per tap, the sum over points of the product of what it sees and the cotangents."""
    dtype = np.result_type(x, g)
    wide = wide_dtype(dtype)
    groups, c, m = spec.groups, x.shape[1] // spec.groups, g.shape[1] // spec.groups
    if depthwise := _compiled(groups, m, wide):
        dw: Array = depthwise.weight_grad(x, g, spec)
        return dw
    last, cotangents = np.moveaxis(x, 1, -1), np.moveaxis(g, 1, -1)
    sums = [np.zeros((groups, *spec.kernel, c, m), wide) for _ in range(parallel.num_threads())]

    def share(slabs: Sequence[Box], part: int) -> None:
        for slab in slabs:
            view = _taps(fetch(last, spec, slab, wide), spec, slab, c)
            given = dense(cotangents[slab], wide).reshape(*lengths(slab), groups, m)
            ones = np.ones((1, given.size // (groups * m)), wide)
            seen = memory.scratch("product", (*lengths(slab), groups), wide)
            for *tap, j in np.ndindex(*spec.kernel, c, m):
                np.multiply(view[tuple(tap)], given[..., j], out=seen)
                sums[part][(slice(None), *tap, j)] += (ones @ seen.reshape(-1, groups))[0]

    with blas.single_blas():
        parallel.run_parts(split(spec, x.shape[0], x.shape[1], wide.itemsize, _parts(g.size * c * prod(spec.kernel)), SLAB), share)
    return phases.as_weight(sum(sums[1:], start=sums[0]), dtype)


def cost(n: int, c: int, m: int, spec: ConvSpec, dtype: np.dtype[Any]) -> tuple[float, int]:
    """Seconds and workspace bytes: two passes over a tile per tap, slow where the channels of a group do not lie side by side."""
    if depthwise := _compiled(spec.groups, m // spec.groups, dtype):
        told: tuple[float, int] = depthwise.cost(n, c, m, spec, dtype)
        return told
    calls = prod(spec.kernel) * (c // spec.groups) * (m // spec.groups)
    moved = 2 * n * prod(spec.out) * spec.groups * calls * dtype.itemsize
    rate = 0.2e-9 if spec.groups < c else 0.04e-9 if spec.groups == m else 0.08e-9
    return 6e-5 + 3e-6 * calls + rate * moved, 3 * SLAB


def _compiled(groups: int, p: int, dtype: np.dtype[Any]) -> Any:
    """The compiled kernels, where they are in use and suit so many groups with p results each."""
    module: Any = engines.compiled("depthwise")
    return module if module is not None and module.takes(groups, p, dtype) else None


def _taps(slab: Array, spec: ConvSpec, box: Box, c: int) -> Array:
    """(*k, C/G, n, *o, G): what each tap and channel of a group sees."""
    view = windows(slab, spec, lengths(box)[1:])  # (G, n, *o, *k, C/G)
    r = spec.rank
    return view.transpose(*range(2 + r, 2 + 2 * r), 2 + 2 * r, *range(1, 2 + r), 0)


def _parts(macs: int) -> int:
    return parallel.num_threads() if macs > ALONE else 1
