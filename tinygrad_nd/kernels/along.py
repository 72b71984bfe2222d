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

from . import engines, memory, parallel
from .cells import TILE, numpy_tiles
from .memory import Array

COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing
WIDE = 16  # neighbours that are worth going side by side
LANES = 256  # of them, in a compiled loop
SHORT = 64  # numbers in a row that NumPy is slow with: it is quicker to turn them round
TURNED = 1 << 17  # elements of them at a time: copies stay in the second-level cache


def along(tile: Callable[..., None], axis: int, length: int | None, *operands: Array, **more: Any) -> Array:
    """`several` where there is one result."""
    return several(tile, axis, (length,), *operands, **more)[0]


def several(
    tile: Callable[..., None],
    axis: int,
    lengths: Sequence[int | None],
    *operands: Array,
    constants: tuple[Any, ...] = (),
    loops: str = "softmax",
    columns: bool = True,
    least: int = COMPILED,
) -> list[Array]:
    """What tile(*results, *operands, *constants) fills on tiles (outer, n, inner), or the compiled loop of its name from `least` elements.

    With `columns`, tiles of short rows are handed over turned round.

    The last operand, x, decides how the results lie in memory. Operands have its shape, but for their own length along the axis; results
    but for the length given, where None is that of x.
    """
    x = operands[-1]
    if x.dtype == np.float16:
        wide = [a.astype(np.float32) if a.dtype == np.float16 else a for a in operands]
        found = several(tile, axis, lengths, *wide, constants=constants, loops=loops, columns=columns, least=least)
        return [out.astype(np.float16) for out in found]
    axis %= x.ndim
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    compiled = engines.compiled(loops) if x.dtype == np.float32 and x.size >= least else None
    inner, at_once = prod(rest), compiled is not None and all([a.flags.c_contiguous for a in operands])
    if x.flags.c_contiguous and (0 < x.size < COMPILED or (at_once and not 1 < inner < WIDE)):
        outs = [memory.empty(x.shape if m is None else (*lead, m, *rest), x.dtype) for m in lengths]
        arrays: Sequence[Array] = (*outs, *operands)
        if len(lead) != 1 or rest:
            arrays = [a.reshape(prod(lead), a.shape[axis], *([inner] if inner > 1 else [])) for a in arrays]
        if at_once:
            m = len(outs)
            _spread_compiled(compiled, tile.__name__[1:], x.shape[axis], arrays[:m], arrays[m:], constants)
        else:
            with np.errstate(invalid="ignore", over="ignore", under="ignore"):
                tile(*arrays, *constants)
        return outs
    order, back, outer, inner = _seen(x.shape, memory.memory_order(x), axis)
    n = x.shape[axis]
    outs = [memory.empty([x.shape[i] if i != axis or m is None else m for i in order], x.dtype).transpose(back) for m in lengths]
    if not x.size:
        return outs
    targets, sources = ([_matrices(a, order, (outer, a.shape[axis], inner)) for a in arrays] for arrays in (outs, operands))
    if compiled is None:
        with numpy_tiles(inner if inner > 1 else n), np.errstate(under="ignore"):
            _spread(lambda *arrays: tile(*arrays, *constants), n, targets, sources, columns and inner == 1 and n < SHORT)
    else:
        _spread_compiled(compiled, tile.__name__[1:], n, targets, sources, constants)
    return outs


@lru_cache(256)
def _seen(shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
    """The order in which axes are to lie in memory, the one that turns it back, and how many numbers are outside and inside the axis."""
    inner = prod(shape[i] for i in order[order.index(axis) + 1 :])
    if 1 < inner < WIDE:
        order, inner = (*(i for i in order if i != axis), axis), 1
    back = sorted(range(len(order)), key=order.__getitem__)
    return order, tuple(back), prod(n for i, n in enumerate(shape) if i != axis) // max(inner, 1), inner


def _matrices(a: Array, order: tuple[int, ...], shape: tuple[int, int, int]) -> Array:
    """`a` as (outer, n, inner), or (outer, n) where there are no neighbours."""
    a = a.transpose(order)
    if not a.flags.c_contiguous:
        a = _turned(a)
    return a.reshape(shape if shape[2] > 1 else shape[:2])


def _spread(tile: Callable[..., None], n: int, targets: list[Array], sources: list[Array], turned: bool) -> None:
    """tile(*targets, *sources) on tiles of about TILE elements, on all threads."""
    outer, inner = targets[0].shape[0], targets[0].shape[2] if targets[0].ndim > 2 else 1
    share = -(-outer * inner * n // parallel.num_threads())
    size = max(1, (TURNED if turned else min(TILE, max(share, TURNED))) // n)
    boxes = parallel.boxes((outer, inner), size) if inner > 1 else [(box,) for (box,) in parallel.boxes((outer,), size)]
    cells = [(box[0] if type(box[0]) is slice else slice(box[0], box[0] + 1), slice(None), *box[1:]) for box in boxes]
    if turned:
        tile = by_columns(tile, len(targets))
    parallel.run(cells, lambda cell: tile(*[a[cell] for a in (*targets, *sources)]))


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


def _spread_compiled(
    loops: Any, name: str, n: int, targets: Sequence[Array], sources: Sequence[Array], constants: tuple[Any, ...]
) -> None:
    """The compiled loop of this name over rows, or over blocks of lanes."""
    outer, inner = targets[0].shape[0], targets[0].shape[2] if targets[0].ndim > 2 else 1
    f = getattr(loops, f"{name}_rows" if inner == 1 else f"{name}_lanes")
    arrays = [*targets, *sources]

    def tasks() -> list[tuple[Any, ...]]:
        if inner == 1:
            boxes = parallel.boxes((outer,), max(1, engines.share(outer * n) // n))
            return [(*[a[box] for a in arrays], *constants) for box in boxes]
        blocks = outer * -(-inner // LANES)
        each = max(1, -(-blocks * engines.share(outer * n * inner) // (outer * n * inner)))
        return [(*arrays, *constants, i, min(i + each, blocks)) for i in range(0, blocks, each)]

    given = [c for c in constants if isinstance(c, np.ndarray)]
    engines.repeat(f, [*arrays, *given], tasks, (n, *[c for c in constants if not isinstance(c, np.ndarray)]))


def _turned(a: Array) -> Array:
    """A copy of `a` in C order, made by the compiled engine where there is one."""
    out = memory.empty(a.shape, a.dtype)
    products = engines.compiled("products") if a.dtype == np.float32 and a.size >= COMPILED else None
    if products is None:
        np.copyto(out, a)
    else:
        products.copy(a, out)
    return out
