"""Kernels along an axis, in tiles that hold the axis whole.

An array is seen as it lies in memory, (outer, n, inner) with the axis in the middle. Where the axis is the last, its n numbers are a row;
else `inner` neighbours go through the same steps side by side, as the pixels of an image do whose channels are classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from . import elementwise, engines, memory, parallel
from .cells import TILE, numpy_tiles
from .memory import Array

COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing
WIDE = 16  # neighbours that are worth going side by side
LANES = 256  # of them, in a compiled loop
SHORT = 20  # numbers in a row that NumPy is slow with: it is quicker to turn them round
TURNED = 1 << 17  # elements of them at a time: copies stay in the second-level cache


def along(tile: Callable[..., None] | str, axis: int, length: int | None, *operands: Array, **more: Any) -> Array:
    """`several` where there is one result."""
    return several(tile, axis, (length,), *operands, **more)[0]


def several(
    tile: Callable[..., None] | str,
    axis: int,
    lengths: Sequence[int | None],
    *operands: Array,
    constants: tuple[Any, ...] = (),
    loops: str = "softmax",
    columns: bool = True,
) -> list[Array]:
    """What tile(*results, *operands, *constants) fills on tiles (outer, n, inner), or the compiled loop of its name.

    With `columns`, tiles of short rows are handed over turned round.

    The last operand, x, decides how the results lie in memory. Operands have its shape, but for their own length along the axis; results
    but for the length given, where None is that of x.
    """
    x = operands[-1]
    if x.dtype == np.float16:
        widened = [
            [a.astype(np.float32) if getattr(a, "dtype", None) == np.float16 else a for a in those] for those in (operands, constants)
        ]
        found = several(tile, axis, lengths, *widened[0], constants=tuple(widened[1]), loops=loops, columns=columns)
        return [out.astype(np.float16) for out in found]
    axis %= x.ndim
    compiled = engines.compiled(loops) if x.dtype == np.float32 and x.size >= engines.LEAST else None
    in_order = x.flags.c_contiguous
    if compiled is None and in_order and 0 < x.size < COMPILED and not isinstance(tile, str):
        lead, rest = x.shape[:axis], x.shape[axis + 1 :]
        outs = [np.empty(x.shape if m is None else (*lead, m, *rest), x.dtype) for m in lengths]
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            tile(*_matrices([*outs, *operands], prod(lead), prod(rest)), *constants)
        return outs
    order, back, outer, inner = _seen(x.shape, () if in_order else memory.memory_order(x), axis)
    results = [memory.empty([x.shape[i] if i != axis or m is None else m for i in order or range(x.ndim)], x.dtype) for m in lengths]
    if x.size:
        arrays = [*results, *[dense(a, order) for a in operands]]
        if compiled is not None or isinstance(tile, str):
            name = tile if isinstance(tile, str) else tile.__name__[1:]
            _spread_compiled(compiled, name, outer, x.shape[axis], inner, arrays, constants)
        else:
            with numpy_tiles(inner if inner > 1 else x.shape[axis]), np.errstate(under="ignore"):
                turned = columns and inner == 1 and x.shape[axis] < SHORT
                _spread(lambda *parts: tile(*parts, *constants), _matrices(arrays, outer, inner), len(lengths), turned)
    return [out.transpose(back) for out in results] if order else results


@lru_cache(256)
def _seen(shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
    """The order in which axes are to lie in memory and the one that turns it back, none where it is C's; and how many numbers are outside
    and inside the axis.
    """
    plain = tuple(range(len(shape)))
    order = order or plain
    inner = prod(shape[i] for i in order[order.index(axis) + 1 :])
    if 1 < inner < WIDE:
        order, inner = (*(i for i in order if i != axis), axis), 1
    outer = prod(n for i, n in enumerate(shape) if i != axis) // max(inner, 1)
    return (() if order == plain else order), tuple(sorted(plain, key=order.__getitem__)), outer, inner


def dense(a: Array, order: tuple[int, ...]) -> Array:
    """`a`, its axes in this order, without gaps."""
    a = a.transpose(order) if order else a
    return a if a.flags.c_contiguous else elementwise.in_c_order(a)


def _matrices(arrays: Sequence[Array], outer: int, inner: int) -> list[Array]:
    """Arrays without gaps as (outer, n, inner), or (outer, n) where there are no neighbours."""
    shape = (outer, -1, inner) if inner > 1 else (outer, -1)
    return [a.reshape(shape) for a in arrays]


def _spread(tile: Callable[..., None], arrays: list[Array], results: int, turned: bool) -> None:
    """tile(*arrays) on tiles of about TILE elements, on all threads."""
    outer, n, inner = (*arrays[-1].shape, 1)[:3]
    share = -(-outer * inner * n // parallel.num_threads())
    size = max(1, (TURNED if turned else min(TILE, max(share, TURNED))) // n)
    boxes = parallel.boxes((outer, inner), size) if inner > 1 else [(box,) for (box,) in parallel.boxes((outer,), size)]
    cells = [(box[0] if type(box[0]) is slice else slice(box[0], box[0] + 1), slice(None), *box[1:]) for box in boxes]
    if turned:
        tile = by_columns(tile, results)
    parallel.run(cells, lambda cell: tile(*[a[cell] for a in arrays]))


def by_columns(tile: Callable[..., None], results: int) -> Callable[..., None]:
    """The tile of rows by way of their columns."""

    def run(*arrays: Array) -> None:
        turned = [memory.scratch(("turned", i), (1, *a.T.shape), a.dtype) for i, a in enumerate(arrays)]
        for a, t in zip(arrays[results:], turned[results:]):
            t[0] = a.T
        tile(*turned)
        for a, t in zip(arrays[:results], turned):
            a[...] = t[0].T

    return run


def _spread_compiled(loops: Any, name: str, outer: int, n: int, inner: int, arrays: Sequence[Array], constants: tuple[Any, ...]) -> None:
    """The compiled loop of this name over rows, or over blocks of lanes."""
    f = getattr(loops, f"{name}_rows" if inner == 1 else f"{name}_lanes")

    def tasks() -> list[tuple[Any, ...]]:
        given = _matrices(arrays, outer, inner)
        if inner == 1:
            boxes = parallel.boxes((outer,), max(1, engines.share(outer * n) // n))
            return [(*[a[box] for a in given], *constants) for box in boxes]
        blocks = outer * -(-inner // LANES)
        each = max(1, -(-blocks * engines.share(outer * n * inner) // (outer * n * inner)))
        return [(*given, *constants, i, min(i + each, blocks)) for i in range(0, blocks, each)]

    tables = [c for c in constants if isinstance(c, np.ndarray)]
    engines.repeat(f, [*arrays, *tables], tasks, (outer, n, *[c for c in constants if not isinstance(c, np.ndarray)]))
