"""Pools that are told the size of their result: adaptive and global ones; and what puts pooled values back in their places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..kernels import adaptive as kernel
from ..kernels import memory
from ..kernels.padding import IntN, Padding, integer, per_axis, resolve_padding
from ..tape import primitive
from ..tensor import Tensor, astensor
from .index import setitem
from .parts import floating
from .pool import avg_pool_nd, max_pool_nd
from .reduce import mean
from .shape import reshape
from .space import resample, space, space_last

__all__ = ["adaptive_avg_pool_nd", "adaptive_max_pool_nd", "global_avg_pool", "global_max_pool", "max_unpool_nd"]

Sizes = int | Sequence[int | None]


@primitive(x=lambda g, at: _unpool_gather(g, at=at))
def _unpool(x: Any, *, at: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x at the flat places `at`, each named once."""
    y = memory.empty(shape, x.dtype)
    y[...] = 0
    y.reshape(-1)[at.reshape(-1)] = x.reshape(-1)
    return y


@primitive(x=lambda g, at, x_shape: _unpool(g, at=at, shape=x_shape))
def _unpool_gather(x: Any, *, at: Any) -> Any:
    return x.reshape(-1).take(at)


def adaptive_avg_pool_nd(x: Any, output_size: Sizes, *, layout: str | None = None) -> Tensor:
    """The means of windows that part space into `output_size`: window i of o spans floor(i n / o) to ceil((i + 1) n / o).

    Shapes: x (*lead, *n) -> (*lead, *output_size). r sizes speak of the last r axes, None keeps a size; an int of all axes after (N, C).
    """
    x, rank, restore = space_last("adaptive_avg_pool_nd", x, output_size, "output_size", layout)
    x = floating(x)
    n, o = x.shape[x.ndim - rank :], _output_size("adaptive_avg_pool_nd", output_size, x, rank)
    if (whole := _whole(n, o)) is not None:
        return restore(avg_pool_nd(x, whole))
    for axis in range(rank):
        if n[axis] != o[axis]:
            x = resample(x, taps=kernel.means(n[axis], o[axis]), axis=x.ndim - rank + axis)
    return restore(x)


def adaptive_max_pool_nd(x: Any, output_size: Sizes, return_indices: bool = False, *, layout: str | None = None) -> Any:
    """The maxima of windows that part space into `output_size` (see `adaptive_avg_pool_nd`); of equal values the first gets the gradient.

    With return_indices, returns (values, indices): flat positions within the spatial block, as int64.
    """
    x, rank, restore = space_last("adaptive_max_pool_nd", x, output_size, "output_size", layout)
    if x.dtype.kind == "c":
        raise TypeError(f"adaptive_max_pool_nd: complex numbers have no order, but x is {x.dtype}; pool x.real, x.imag or nd.abs(x)")
    n, o = x.shape[x.ndim - rank :], _output_size("adaptive_max_pool_nd", output_size, x, rank)
    if (whole := _whole(n, o)) is not None:
        y = max_pool_nd(x, whole, return_indices=return_indices)
        return (restore(y[0]), restore(y[1])) if return_indices else restore(y)
    spread, taken = x, []
    for axis, (m, parts) in enumerate(zip(n, o)):  # windows side by side, the last place of a shorter one again
        taken.append(kernel.places(m, parts))
        if m != parts:
            spread = resample(spread, taps=kernel.copies(m, parts), axis=x.ndim - rank + axis)
    pooled = max_pool_nd(spread, tuple(len(places) // parts for places, parts in zip(taken, o)), return_indices=return_indices)
    if not return_indices:
        return restore(pooled)
    at = np.unravel_index(pooled[1].data, tuple(map(len, taken)))
    flat = np.ravel_multi_index(tuple(places[i] for places, i in zip(taken, at)), n)
    return restore(pooled[0]), restore(astensor(flat))


def global_avg_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The mean of every channel over space, whose axes keep length 1. Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C"."""
    x, axes = space("global_avg_pool", x, layout)
    return mean(x, axes, keepdims=True)


def global_max_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The maximum of every channel over space, whose axes keep length 1; of equal values the first gets the gradient.

    Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C".
    """
    x, axes = space("global_max_pool", x, layout)
    lead, n = x.shape[:2], prod(x.shape[2:])
    if x.data.flags.c_contiguous and axes and axes[0] == 2 and n and x.dtype.kind != "c":  # every block lies in one piece
        at = x.data.reshape(-1, n).argmax(1) + np.arange(prod(lead)) * n
        return _unpool_gather(x, at=at.reshape(*lead, *(1,) * len(axes)))
    y: Tensor = max_pool_nd(x, tuple(x.shape[a] for a in axes), layout=layout)
    return y


def max_unpool_nd(
    x: Any,
    indices: Any,
    kernel_size: IntN,
    stride: IntN | None = None,
    padding: Padding = 0,
    output_size: IntN | None = None,
    *,
    layout: str | None = None,
) -> Tensor:
    """Pooled values put back where they were found, zeros elsewhere: what `max_pool_nd` with return_indices undoes.

    Shapes: x and indices (*lead, *o) -> (*lead, *n), where n = (o - 1)s - padding + k, or `output_size`, less than a stride away from it.
    A place that several indices name keeps the last of its values.
    """
    who = "max_unpool_nd"
    where = np.asarray(indices)
    if where.dtype.kind not in "iu":
        raise TypeError(f"{who}: indices must be integers, as max_pool_nd(..., return_indices=True) gives them, but are {where.dtype}")
    x, rank, restore = space_last(who, x, kernel_size, "kernel_size", layout)
    where = space_last(who, where, kernel_size, "kernel_size", layout)[0].data if where.ndim == x.ndim else where
    if where.shape != x.shape:
        raise ValueError(f"{who}: x {x.shape} and indices {where.shape} must have the same shape")
    lead, o = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    n = _unpooled(o, kernel_size, stride, padding, output_size)
    if where.size and (where.min() < 0 or where.max() >= prod(n)):
        raise ValueError(
            f"{who}: indices reach from {where.min()} to {where.max()}, but the result has {prod(n)} places {n}; give its output_size"
        )
    at = (where.reshape(prod(lead), prod(o)) + np.arange(prod(lead))[:, None] * prod(n)).reshape(x.shape)
    taken = np.zeros(prod(lead) * prod(n), np.bool_)
    taken[at] = True
    if np.count_nonzero(taken) == at.size:
        return restore(_unpool(x, at=at, shape=(*lead, *n)))
    empty = astensor(np.zeros(taken.size, x.dtype))
    return restore(reshape(setitem(empty, at, x), (*lead, *n)))


def _unpooled(o: tuple[int, ...], kernel_size: IntN, stride: IntN | None, padding: Padding, output_size: IntN | None) -> tuple[int, ...]:
    who, rank = "max_unpool_nd", len(o)
    k = per_axis(kernel_size, rank, "kernel_size", who)
    s = per_axis(k if stride is None else stride, rank, "stride", who)
    pairs = resolve_padding(who, padding, o, k, s, (1,) * rank)
    usual = tuple((m - 1) * step - a - b + size for m, step, (a, b), size in zip(o, s, pairs, k))
    if output_size is None:
        n = usual
    else:
        given = tuple(output_size) if isinstance(output_size, Iterable) else output_size
        n = per_axis(given[2:] if isinstance(given, tuple) and len(given) == rank + 2 else given, rank, "output_size", who)
        if any(not u - step < m < u + step for u, step, m in zip(usual, s, n)):
            raise ValueError(f"{who}: output_size={n} must be less than the stride {s} away from {usual}")
    if min(n, default=1) < 1:
        raise ValueError(f"{who}: the result would have spatial size {n}; padding {pairs} trims more than there is")
    return n


def _output_size(who: str, output_size: Sizes, x: Tensor, rank: int) -> tuple[int, ...]:
    n = x.shape[x.ndim - rank :]
    if isinstance(output_size, Iterable) and not isinstance(output_size, str):
        o = tuple(m if size is None else integer(size, "output_size", who) for m, size in zip(n, output_size))
    else:
        o = per_axis(output_size, rank, "output_size", who)
    if min(o, default=1) < 1:
        raise ValueError(f"{who}: output_size={output_size} must be at least 1 on every axis")
    if min(n, default=1) < 1:
        raise ValueError(f"{who}: x {x.shape} has an axis of no entries, which has no windows")
    return o


def _whole(n: tuple[int, ...], o: tuple[int, ...]) -> tuple[int, ...] | None:
    """The kernel of the pool that the windows are, where they lie side by side."""
    return None if any(m % parts for m, parts in zip(n, o)) else tuple(m // parts for m, parts in zip(n, o))
