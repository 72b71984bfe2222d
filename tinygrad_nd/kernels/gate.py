"""Gated linear units: a sigmoid(b), of the halves a and b of an axis, and the pullback; each in one pass over memory."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .activation import one_plus_power, scratch, share
from .memory import Array


@engines.recalled
def glu(x: Array, axis: int) -> Array:
    """a sigmoid(b), half as long along the axis as x."""
    return _along(_glu, axis, 1, x)


@engines.recalled
def glu_grad(g: Array, x: Array, axis: int) -> Array:
    """What g brings back to a and b: g s and g a s (1 - s), s the logistic of b."""
    return _along(_glu_grad, axis, 2, g, x)


def _along(tile: Callable[..., None], axis: int, halves: int, *operands: Array) -> Array:
    """What tile(out, *operands) fills; out has so many halves of x, the last operand, and lies in memory as x does."""
    x = operands[-1]
    if x.dtype == np.float16:
        with np.errstate(over="ignore"):
            return _along(tile, axis, halves, *[a.astype(np.float32) for a in operands]).astype(x.dtype)
    order = memory.memory_order(x)
    shape = [n // 2 * halves if i == axis else n for i, n in enumerate(x.shape)]
    out = memory.empty([shape[i] for i in order], x.dtype)
    outer = prod([x.shape[i] for i in order[: order.index(axis)]])
    if x.size:
        dense = [out, *[np.ascontiguousarray(a.transpose(order), x.dtype) for a in operands]]
        _spread(tile, [a.reshape(outer, -1, x.size // (2 * outer)) for a in dense])
    return out.transpose(sorted(range(x.ndim), key=order.__getitem__))


def _spread(tile: Callable[..., None], arrays: list[Array]) -> None:
    """tile(*arrays) of arrays (outer, halves, half) on all threads, or the compiled loop of its name."""
    outer, _, half = arrays[0].shape
    size = outer * half
    loops = engines.compiled("activations") if arrays[0].dtype == np.float32 and size >= engines.LEAST else None
    if loops is not None:
        step = engines.share(size)
        loop = getattr(loops, tile.__name__[1:])
        engines.repeat(loop, arrays, lambda: [(*arrays, i, min(i + step, size)) for i in range(0, size, step)])
        return
    boxes = parallel.boxes((outer, half), share(size))
    cells: list[Any] = [(box[0] if isinstance(box[0], slice) else slice(box[0], box[0] + 1), slice(None), *box[1:]) for box in boxes]
    with np.errstate(all="ignore"):
        parallel.run(cells, lambda cell: tile(*[a[cell] for a in arrays]))


# Rows of halves may be short, so most steps are made in scratch without gaps.


def _glu(out: Array, x: Array) -> None:
    d = scratch("d", out[:, 0])
    one_plus_power(d, x[:, 1])
    np.divide(x[:, 0], d, out=out[:, 0])


def _glu_grad(out: Array, g: Array, x: Array) -> None:
    s, rest = scratch("d", g[:, 0]), scratch("rest", g[:, 0])
    one_plus_power(s, x[:, 1])
    np.divide(1, s, out=s)
    np.subtract(1, s, out=rest)
    np.multiply(s, g[:, 0], out=s)
    np.copyto(out[:, 0], s)
    np.multiply(rest, s, out=rest)
    np.multiply(rest, x[:, 0], out=out[:, 1])
