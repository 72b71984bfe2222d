"""Sums of exponentials along an axis: softmax, its logarithm, their gradients, logsumexp."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import memory
from .along import COMPILED, SHORT, along, by_columns
from .elementwise import in_c_order
from .engines import recalled
from .memory import Array

LOW, HIGH = 1e-20, 1e20  # between them, sums of exponentials have lost nothing to underflow or overflow
ROUNDED = 16  # from here on what the logarithm of a sum of exponentials lost by rounding shows in exp(x - it), whose sum is to be 1
NEAR = 1e-1  # a sum of exponentials relative to the largest number of all, to which its logarithm can be added


@recalled
def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis; NaN where all of it is -inf."""
    return along(_softmax, axis, None, x, columns=False)


@recalled
def masked_softmax(x: Array, mask: Array | None, scale: float) -> Array:
    """softmax(scale x + mask) along the last axis, of a mask that broadcasts; 0 where all of a row's mask is -inf."""
    rows, at = mask_rows(mask, x.shape, x.dtype)
    x = x if x.flags.c_contiguous else in_c_order(x)
    return along(_masked_softmax, -1, None, at, x, columns=False, constants=(rows, x.dtype.type(scale)))


def mask_rows(mask: Array | None, shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
    """The rows of a mask that broadcasts to this shape, zeros for None, and which of them belongs to each row: (*shape[:-1], 1)."""
    *lead, n = shape
    mask = memory.table(np.zeros(n, dtype)) if mask is None else np.atleast_1d(mask)
    rows = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-1], n))).reshape(-1, n)
    return rows, _places(mask.shape[:-1], tuple(lead))


@memory.remembered(64)
def _places(shape: tuple[int, ...], lead: tuple[int, ...]) -> Array:
    return memory.table(np.ascontiguousarray(np.broadcast_to(np.arange(prod(shape)).reshape(shape), lead))[..., None])


@recalled
def softmax_grad(g: Array, y: Array, axis: int, scale: float = 1.0) -> Array:
    """scale y (g - sum(g y))."""
    return along(_softmax_grad, axis, None, g, y, columns=False, constants=(y.dtype.type(scale),))


@recalled
def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along an axis; NaN where all of it is -inf."""
    return along(_log_softmax, axis, None, x, columns=False)


@recalled
def log_softmax_grad(g: Array, y: Array, axis: int) -> Array:
    """g - exp(y) sum(g)."""
    return along(_log_softmax_grad, axis, None, g, y, columns=False)


@recalled
def logsumexp(x: Array, axes: tuple[int, ...]) -> Any:
    """log(sum(exp(x))) over axes, without overflow; -inf where all of it is -inf. Of complex numbers the principal logarithm."""
    x = _merged(x, axes)
    if not x.shape[-1]:
        return np.full(x.shape[:-1], -np.inf, x.dtype)[()]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return along(_logsumexp, -1, 1, x)[..., 0][()]


@recalled
def exp_less(x: Array, g: Array, y: Array, axes: tuple[int, ...]) -> Array:
    """g exp(x - y), where g and y have not the axes of x, and y is the logarithm of the sum of exp(x)."""
    kept = [a for a in range(x.ndim) if a not in axes]
    found = along(_exp_less, -1, None, g[..., None], y[..., None], _merged(x, axes))
    return found.reshape([x.shape[a] for a in (*kept, *axes)]).transpose(np.argsort((*kept, *axes)))


def _merged(x: Array, axes: tuple[int, ...]) -> Array:
    """x with these axes as one, the last."""
    kept = [a for a in range(x.ndim) if a not in axes]
    merged = x.transpose(*kept, *axes).reshape([x.shape[a] for a in kept] + [prod(x.shape[a] for a in axes)])
    return merged if x.size >= COMPILED else np.ascontiguousarray(merged)


# Tiles: the axis is the second.


def _softmax(out: Array, x: Array) -> None:
    sums = total(np.exp(x, out=out))
    if not (sums.min() > LOW and sums.max() < HIGH):
        _from_top(out, x)
        sums = total(np.exp(out, out=out))
    np.multiply(out, np.reciprocal(sums), out=out)


def _masked_softmax(out: Array, at: Array, x: Array, rows: Array, scale: Any) -> None:
    scores = np.multiply(x, scale, out=memory.scratch("scores", x.shape, x.dtype))
    np.add(scores, rows[at[:, 0]] if len(rows) > 1 else rows, out=scores)
    _softmax(out, scores)
    lost = np.flatnonzero(np.isnan(out[:, 0]))
    out[lost[rows[at[lost, 0]].max(1) == -np.inf]] = 0


def _softmax_grad(out: Array, g: Array, y: Array, scale: Any) -> None:
    if y.ndim == 2:
        np.subtract(g, np.vecdot(g, y)[:, None], out=out)
    else:
        np.multiply(g, y, out=out)
        np.subtract(g, out.sum(1, keepdims=True), out=out)
    np.multiply(out, y, out=out)
    if scale != 1:
        np.multiply(out, scale, out=out)


def _log_softmax(out: Array, x: Array) -> None:
    """From the largest number on: a likely class has a logarithm near 0, which a difference of large ones would not give."""
    _from_top(out, x)
    powers = np.exp(out, out=memory.scratch("powers", out.shape, out.dtype))
    np.subtract(out, np.log(total(powers)), out=out)


def _from_top(out: Array, x: Array) -> None:
    """x less the largest number along the axis."""
    if x.ndim == 2 and x.shape[1] < SHORT:
        by_columns(_from_top, 1)(out, x)
    else:
        np.subtract(x, x.max(1, keepdims=True), out=out)


def _logsumexp(out: Array, x: Array) -> None:
    powers = memory.scratch("powers", x.shape, x.dtype)
    top = x.real.max()
    sums = total(np.exp(np.subtract(x, top, out=powers), out=powers))
    if not np.abs(sums).min() > NEAR:
        top = x.real.max(1, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        sums = total(np.exp(np.subtract(x, top, out=powers), out=powers))
    np.add(np.log(sums), top, out=out)


def _exp_less(out: Array, g: Array, y: Array, x: Array) -> None:
    np.exp(np.subtract(x, y, out=out), out=out)
    if not np.abs(y).max() < ROUNDED:
        sums = total(out)
        np.divide(out, np.where(np.isfinite(sums) & (sums != 0), sums, 1), out=out)
    np.multiply(out, g, out=out)


def _log_softmax_grad(out: Array, g: Array, y: Array) -> None:
    np.exp(y, out=out)
    np.multiply(out, total(g), out=out)
    np.subtract(g, out, out=out)


def total(x: Array) -> Array:
    """The sum along the second axis, kept; that of rows as a product with ones, which takes a quarter of the time."""
    return x.sum(1, keepdims=True) if x.ndim > 2 else x @ np.ones((x.shape[1], 1), x.dtype)
