"""Sums of exponentials along an axis: softmax, its logarithm, their gradients, in tiles that hold the axis whole.

An array is seen as it lies in memory, (outer, n, inner) with the axis in the middle. Where the axis is the last, its n numbers are a row;
else `inner` neighbours go through the same steps side by side, as the pixels of an image do whose channels are classes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from . import blas, engines, memory, parallel
from .elementwise import LARGE, TILE, fused, reduce_sum
from .memory import Array

COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing
WIDE = 16  # neighbours that are worth going side by side
LANES = 256  # of them, in a compiled loop
SHORT = 64  # numbers in a row that NumPy is slow with: it is quicker to turn them round
NEAR = 16  # between the largest and the least of numbers whose exponentials may be taken relative to the largest of all


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis; NaN where all of it is -inf."""
    return along(_softmax, axis, None, x)


def softmax_grad(g: Array, y: Array, axis: int) -> Array:
    """y (g - sum(g y))."""
    return along(_softmax_grad, axis, None, g, y)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along an axis; NaN where all of it is -inf."""
    return along(_log_softmax, axis, None, x)


def log_softmax_grad(g: Array, y: Array, axis: int) -> Array:
    """g - exp(y) sum(g)."""
    return along(_log_softmax_grad, axis, None, g, y)


def log_sum_exp(x: Array, axis: int) -> Array:
    """max(x) and log(sum(exp(x - max(x)))), side by side along the axis: their sum would lose digits. NaN where all of it is -inf."""
    return along(_log_sum_exp, axis, 2, x)


def logsumexp(x: Array, axes: tuple[int, ...]) -> Any:
    """log(sum(exp(x))) over axes, without overflow; -inf where all of it is -inf. Of complex numbers the principal logarithm."""
    top = np.max(x.real, axes, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0).astype(x.real.dtype, copy=False)

    def powers(out: Array, x: Array, shift: Array) -> None:
        np.subtract(x, shift, out=out)
        np.exp(out, out=out)

    with np.errstate(over="ignore", divide="ignore"):
        return np.log(reduce_sum(fused(powers, x, shift, dtype=x.dtype), axes, False)) + shift.reshape(_kept(x.shape, axes))


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def along(
    tile: Callable[..., None], axis: int, length: int | None, *operands: Array, constants: tuple[Any, ...] = (), loops: str = "softmax"
) -> Array:
    """What tile(out, *operands, *constants) fills on tiles (outer, n, inner), or the compiled loop of its name; of `length` along the axis.

    The last operand, x, decides how the result lies in memory. Operands have its shape, but for their own length along the axis.
    """
    x = operands[-1]
    if x.dtype == np.float16:
        wide = [a.astype(np.float32) if a.dtype == np.float16 else a for a in operands]
        return along(tile, axis, length, *wide, constants=constants, loops=loops).astype(np.float16)
    axis %= x.ndim
    if 0 < x.size < COMPILED and axis == 1 and x.ndim == 2:
        out = np.empty(x.shape if length is None else (len(x), length), x.dtype)
        with np.errstate(invalid="ignore", under="ignore"):
            tile(out, *operands, *constants)
        return out
    order = memory.memory_order(x)
    place = order.index(axis)
    inner = prod([x.shape[i] for i in order[place + 1 :]])
    if 1 < inner < WIDE:
        order, inner = (*(i for i in order if i != axis), axis), 1
    n = x.shape[axis]
    shape = [x.shape[i] if i != axis or length is None else length for i in order]
    out = memory.empty(shape, x.dtype)
    back = sorted(range(x.ndim), key=order.__getitem__)
    if not x.size:
        return out.transpose(back)
    outer = x.size // (n * inner)
    target, *sources = (_matrices(a, order, (outer, a.shape[axis], inner)) for a in (out.transpose(back), *operands))
    compiled = engines.compiled(loops) if x.dtype == np.float32 and x.size >= COMPILED else None
    if compiled is None:
        with np.errstate(invalid="ignore", under="ignore"), blas.single_blas():
            _spread(lambda *arrays: tile(*arrays, *constants), n, target, sources)
    else:
        _spread_compiled(compiled, tile.__name__[1:], n, target, sources, constants)
    return out.transpose(back)


def _matrices(a: Array, order: tuple[int, ...], shape: tuple[int, int, int]) -> Array:
    """`a` as (outer, n, inner), or (outer, n) where there are no neighbours."""
    a = a.transpose(order)
    if not a.flags.c_contiguous:
        a = _turned(a)
    return a.reshape(shape if shape[2] > 1 else shape[:2])


def _spread(tile: Callable[..., None], n: int, target: Array, sources: list[Array]) -> None:
    """tile(target, *sources) on tiles of about TILE elements, on all threads."""
    outer, inner = target.shape[0], target.shape[2] if target.ndim > 2 else 1
    total = outer * n * inner
    size = max(1, (TILE if total >= LARGE else total) // n)
    boxes = parallel.boxes((outer, inner), size) if inner > 1 else [(box,) for (box,) in parallel.boxes((outer,), size)]
    cells = [(box[0] if type(box[0]) is slice else slice(box[0], box[0] + 1), slice(None), *box[1:]) for box in boxes]
    if inner == 1 and n < SHORT:
        tile = _on_turned(tile)
    parallel.run(cells, lambda cell: tile(target[cell], *[a[cell] for a in sources]))


def _on_turned(tile: Callable[..., None]) -> Callable[..., None]:
    """The tile of rows by way of their columns."""

    def run(out: Array, *operands: Array) -> None:
        turned = [memory.scratch(("turned", "out"), (1, *out.T.shape), out.dtype)]
        for i, a in enumerate(operands):
            turned.append(memory.scratch(("turned", i), (1, *a.T.shape), a.dtype))
            turned[-1][0] = a.T
        tile(*turned)
        out[...] = turned[0][0].T

    return run


def _spread_compiled(loops: Any, name: str, n: int, target: Array, sources: list[Array], constants: tuple[Any, ...]) -> None:
    """The compiled loop of this name over rows, or over blocks of lanes."""
    for a in sources:
        a.flags.writeable = False  # one kind of operand, one compilation
    outer, inner = target.shape[0], target.shape[2] if target.ndim > 2 else 1
    f = getattr(loops, f"{name}_rows" if inner == 1 else f"{name}_lanes")

    def tasks() -> list[tuple[Any, ...]]:
        if inner == 1:
            boxes = parallel.boxes((outer,), max(1, engines.share(outer * n) // n))
            return [(target[box], *[a[box] for a in sources], *constants) for box in boxes]
        blocks = outer * -(-inner // LANES)
        each = max(1, -(-blocks * engines.share(outer * n * inner) // (outer * n * inner)))
        return [(target, *sources, *constants, i, min(i + each, blocks)) for i in range(0, blocks, each)]

    if constants:
        engines.run(f, tasks())
    else:
        engines.repeat(f, (target, *sources), tasks, n)


def _turned(a: Array) -> Array:
    """A copy of `a` in C order, made by the compiled engine where there is one."""
    out = memory.empty(a.shape, a.dtype)
    products = engines.compiled("products") if a.dtype == np.float32 and a.size >= COMPILED else None
    if products is None:
        np.copyto(out, a)
    else:
        products.copy(a, out)
    return out


# Tiles: the axis is the second.


def _softmax(out: Array, x: Array) -> None:
    np.subtract(x, _shift(x), out=out)
    np.exp(out, out=out)
    np.multiply(out, np.reciprocal(total(out)), out=out)


def _shift(x: Array) -> Any:
    """What to take from x before its exponentials: the largest number of all, in a tenth of the time, where none is far below."""
    high = x.max()
    return high if high - x.min() < NEAR else x.max(1, keepdims=True)


def _softmax_grad(out: Array, g: Array, y: Array) -> None:
    if y.ndim == 2:
        np.subtract(g, np.vecdot(g, y)[:, None], out=out)
    else:
        np.multiply(g, y, out=out)
        np.subtract(g, out.sum(1, keepdims=True), out=out)
    np.multiply(out, y, out=out)


def _log_softmax(out: Array, x: Array) -> None:
    np.subtract(x, x.max(1, keepdims=True), out=out)
    powers = np.exp(out, out=memory.scratch("powers", out.shape, out.dtype))
    np.subtract(out, np.log(total(powers)), out=out)


def _log_softmax_grad(out: Array, g: Array, y: Array) -> None:
    np.exp(y, out=out)
    np.multiply(out, total(g), out=out)
    np.subtract(g, out, out=out)


def _log_sum_exp(out: Array, x: Array) -> None:
    top = x.max(1, keepdims=True)
    powers = np.subtract(x, top, out=memory.scratch("powers", x.shape, x.dtype))
    np.exp(powers, out=powers)
    out[:, :1], out[:, 1:] = top, np.log(total(powers))


def total(x: Array) -> Array:
    """The sum along the second axis, kept; that of rows as a product with ones, which takes a quarter of the time."""
    return x.sum(1, keepdims=True) if x.ndim > 2 else x @ np.ones((x.shape[1], 1), x.dtype)
