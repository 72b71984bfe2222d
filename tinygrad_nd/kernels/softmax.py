"""Sums of exponentials along an axis: softmax, its logarithm, the loss of labels under it, and their gradients, in tiles of whole rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .elementwise import LARGE, TILE, fused, reduce_sum
from .memory import Array

COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis; NaN where all of it is -inf."""
    return _along(_softmax, axis, _result(x, axis), x)


def softmax_grad(g: Array, y: Array, axis: int) -> Array:
    """y (g - sum(g y))."""
    return _along(_softmax_grad, axis, _result(y, axis), g, y)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along an axis; NaN where all of it is -inf."""
    return _along(_log_softmax, axis, _result(x, axis), x)


def log_softmax_grad(g: Array, y: Array, axis: int) -> Array:
    """g - exp(y) sum(g)."""
    return _along(_log_softmax_grad, axis, _result(y, axis), g, y)


def log_sum_exp(x: Array, axis: int) -> Array:
    """max(x) and log(sum(exp(x - max(x)))), side by side along the axis: their sum would lose digits. NaN where all of it is -inf."""
    order = _rows_of(x, axis)
    out: Array = np.empty([2 if i == axis % x.ndim else x.shape[i] for i in order], x.dtype).transpose(np.argsort(order))
    return _along(_log_sum_exp, axis, out, x)


def label_grad(g: Array, labels: Array, total: Array, x: Array, axis: int) -> Array:
    """g (softmax(x) - 1 at the label): the gradient of the loss, `total` as `log_sum_exp` gave it. g and labels have length 1 there."""
    return _along(_label_grad, axis, _result(x, axis), g, labels, total, x)


def logsumexp(x: Array, axes: tuple[int, ...]) -> Any:
    """log(sum(exp(x))) over axes, without overflow; -inf where all of it is -inf."""
    top = np.max(x, axes, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0).astype(x.dtype, copy=False)

    def powers(out: Array, x: Array, shift: Array) -> None:
        np.subtract(x, shift, out=out)
        np.exp(out, out=out)

    with np.errstate(over="ignore", divide="ignore"):
        return np.log(reduce_sum(fused(powers, x, shift, dtype=x.dtype), axes, False)) + shift.reshape(_kept(x.shape, axes))


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def _along(rows: Callable[..., None], axis: int, out: Array, *operands: Array) -> Array:
    """`out`, filled by rows(out, *operands) on tiles of whole rows, or by the compiled loop of the same name."""
    x = operands[-1]
    if not x.size:
        return out
    order = _rows_of(x, axis)
    target, *sources = (a.transpose(order) for a in (out, *operands))
    loops = _loops(x)
    if loops is not None and target.flags.c_contiguous:
        turned = (a if a.flags.c_contiguous else _turned(a) for a in (target, *sources))
        target, *sources = (a.reshape(-1, a.shape[-1]) for a in turned)
        for a in sources:
            a.flags.writeable = False  # one kind of operand, one compilation
        rows, share = getattr(loops, rows.__name__[1:]), engines.share(x.size)
    else:
        share = TILE if x.size >= LARGE else x.size
    with np.errstate(invalid="ignore", under="ignore"):
        if x.size <= share:
            rows(target, *sources)
        else:
            boxes = parallel.boxes(target.shape[:-1], max(1, share // x.shape[axis]))
            engines.run(rows, [(target[box], *[a[box] for a in sources]) for box in boxes])
    return out


def _turned(a: Array) -> Array:
    """A copy of `a` in C order, made by the compiled engine."""
    out = memory.empty(a.shape, a.dtype)
    products: Any = engines.compiled("products")
    products.copy(a, out)
    return out


def _loops(x: Array) -> Any:
    return engines.compiled("softmax") if x.dtype == np.float32 and x.size >= COMPILED else None


def _result(x: Array, axis: int) -> Array:
    """Memory for a result, in the order of x; with whole rows where a compiled loop is to fill them."""
    if _loops(x) is None:
        return memory.empty_like(x)
    order = _rows_of(x, axis)
    return memory.empty([x.shape[i] for i in order], x.dtype).transpose(np.argsort(order))


def _rows_of(x: Array, axis: int) -> list[int]:
    """The axes of x as they lie in memory, but `axis` last."""
    return [i for i in memory.memory_order(x) if i != axis % x.ndim] + [axis % x.ndim]


def _softmax(out: Array, x: Array) -> None:
    np.subtract(x, x.max(-1, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(-1, keepdims=True), out=out)


def _softmax_grad(out: Array, g: Array, y: Array) -> None:
    np.multiply(g, y, out=out)
    np.subtract(g, out.sum(-1, keepdims=True), out=out)
    np.multiply(out, y, out=out)


def _log_softmax(out: Array, x: Array) -> None:
    np.subtract(x, x.max(-1, keepdims=True), out=out)
    powers = np.exp(out, out=memory.scratch("powers", out.shape, out.dtype))
    np.subtract(out, np.log(powers.sum(-1, keepdims=True)), out=out)


def _log_softmax_grad(out: Array, g: Array, y: Array) -> None:
    np.exp(y, out=out)
    np.multiply(out, g.sum(-1, keepdims=True), out=out)
    np.subtract(g, out, out=out)


def _log_sum_exp(out: Array, x: Array) -> None:
    top = x.max(-1, keepdims=True)
    powers = np.subtract(x, top, out=memory.scratch("powers", x.shape, x.dtype))
    np.exp(powers, out=powers)
    out[..., :1], out[..., 1:] = top, np.log(powers.sum(-1, keepdims=True))


def _label_grad(out: Array, g: Array, labels: Array, total: Array, x: Array) -> None:
    np.subtract(x, total[..., :1], out=out)
    np.subtract(out, total[..., 1:], out=out)
    np.exp(out, out=out)
    np.multiply(out, g, out=out)
    np.put_along_axis(out, labels, np.take_along_axis(out, labels, -1) - g, -1)
