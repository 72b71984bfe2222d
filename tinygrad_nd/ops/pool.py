"""Pooling at any rank. Max-pooling is a selection: where each window's maximum lies is found once, then values are gathered there and
gradients scattered back. Average pooling is a window sum. Each is one half of a transpose pair, so every derivative stays inside the pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import pool as kernel
from ..kernels.geometry import IntN, Padding, PoolSpec, pool_spec
from ..kernels.memory import freeze
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor, handle
from .conv import is_channels_last
from .reduce import mean
from .shape import moveaxis

__all__ = ["avg_pool_nd", "global_avg_pool", "global_max_pool", "max_pool_nd"]


@primitive(x=lambda g, winner, spec: _pool_scatter(g, winner, spec=spec))
def _max_pool(x: Any, winner: Any, best: Any, *, spec: PoolSpec) -> Any:
    return best  # found along with the winners


@primitive(x=lambda g, winner, spec: _pool_scatter(g, winner, spec=spec))
def _pool_gather(x: Any, winner: Any, *, spec: PoolSpec) -> Any:
    return kernel.gather(x, winner, spec)


@primitive(g=lambda h, winner, spec: _pool_gather(h, winner, spec=spec))
def _pool_scatter(g: Any, winner: Any, *, spec: PoolSpec) -> Any:
    return kernel.scatter(g, winner, spec)


@primitive(x=lambda g, spec, factor: _window_sum_adjoint(g, spec=spec, factor=factor))
def _window_sum(x: Any, *, spec: PoolSpec, factor: float) -> Any:
    return kernel.window_sum(x, spec, factor)


@primitive(g=lambda h, spec, factor: _window_sum(h, spec=spec, factor=factor))
def _window_sum_adjoint(g: Any, *, spec: PoolSpec, factor: float) -> Any:
    return kernel.window_sum_adjoint(g, spec, factor)


def max_pool_nd(
    x: Any,
    kernel_size: IntN,
    stride: IntN | None = None,
    padding: Padding = 0,
    dilation: IntN = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    layout: str | None = None,
) -> Any:
    """The maximum of every window, at any spatial rank.

    Shapes: x (*lead, *n) -> (*lead, *o); a kernel_size of length r pools the last r axes, an int all axes after (N, C). With
    layout="N*C" channels are the last axis. stride=None means kernel_size. Padding counts as -inf and may exceed half the kernel; with
    ceil_mode a last window may overhang, unless it would start in the padding. Of equal values the first gets the gradient; NaN wins.

    With return_indices, returns (values, indices): flat positions within the spatial block, as int64.

    >>> import tinygrad_nd as nd
    >>> nd.max_pool_nd([[[1.0, 3.0, 2.0, 0.0]]], 2).tolist()
    [[[3.0, 2.0]]]
    """
    x, spec, restore = _pooled("max_pool_nd", x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    if x.dtype.kind == "c":
        raise TypeError(f"max_pool_nd: complex numbers have no order, but x is {x.dtype}; pool x.real, x.imag or nd.abs(x)")
    best, winner = kernel.max_pool(x.data, spec, return_indices or (x.requires_grad and recording.get()))
    freeze(best)
    if winner is None:
        return restore(handle(best, None))
    freeze(winner)
    y = restore(_max_pool(x, winner, best, spec=spec))
    return (y, restore(astensor(kernel.flat_index(winner, spec)))) if return_indices else y


def avg_pool_nd(
    x: Any,
    kernel_size: IntN,
    stride: IntN | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    layout: str | None = None,
) -> Tensor:
    """The mean of every window, at any spatial rank.

    Shapes: x (*lead, *n) -> (*lead, *o); which axes are pooled, stride, padding and ceil_mode are as in `max_pool_nd`.

    The divisor counts the padding unless count_include_pad is False, and never the overhang of ceil_mode; `divisor_override` replaces it.
    """
    x, spec, restore = _pooled("avg_pool_nd", x, kernel_size, stride, padding, 1, ceil_mode, layout)
    if divisor_override is not None and divisor_override == 0:
        raise ValueError("avg_pool_nd: divisor_override must not be 0")
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if divisor_override is not None:
        return restore(_window_sum(x, spec=spec, factor=1 / divisor_override))
    count = kernel.window_count(spec, count_include_pad)
    count = np.maximum(count, 1)  # a window of nothing but padding sums to 0
    if count.size and count.min() == count.max():
        return restore(_window_sum(x, spec=spec, factor=1 / int(count.flat[0])))
    return restore(_window_sum(x, spec=spec, factor=1.0) * astensor((1 / count).astype(x.dtype)))


def global_avg_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The mean of every channel over space, whose axes keep length 1. Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C"."""
    x, space = _space("global_avg_pool", x, layout)
    return mean(x, space, keepdims=True)


def global_max_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The maximum of every channel over space, whose axes keep length 1; of equal values the first gets the gradient.

    Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C".
    """
    x, space = _space("global_max_pool", x, layout)
    y: Tensor = max_pool_nd(x, tuple(x.shape[a] for a in space), layout=layout)
    return y


def _space(where: str, x: Any, layout: str | None) -> tuple[Tensor, tuple[int, ...]]:
    """x and its spatial axes."""
    t, last = astensor(x), is_channels_last(where, layout)
    if t.ndim < 2:
        raise ValueError(f"{where}: x needs axes {'(N, *n, C)' if last else '(N, C, *n)'}, but has shape {t.shape}")
    return t, tuple(range(1, t.ndim - 1) if last else range(2, t.ndim))


def _pooled(
    where: str,
    x: Any,
    kernel_size: IntN,
    stride: IntN | None,
    padding: Padding,
    dilation: IntN,
    ceil_mode: bool,
    layout: str | None,
) -> tuple[Tensor, PoolSpec, Callable[[Tensor], Tensor]]:
    """x with its spatial axes last, the checked spec, and the function that puts channels back where they were."""
    x = astensor(x)
    last = is_channels_last(where, layout)
    if isinstance(kernel_size, (int, np.integer)):
        rank = x.ndim - 2
        if rank < 0:
            raise ValueError(f"{where}: an int kernel_size pools all axes after (N, C), but x has shape {x.shape}; give a tuple")
    else:
        rank = len(tuple(kernel_size))
        if rank + last > x.ndim:
            raise ValueError(f"{where}: kernel_size={tuple(kernel_size)} pools {rank} axes, but x has shape {x.shape}")
    home = x.ndim - 1 - rank
    if last:
        x = moveaxis(x, -1, home)
    spec = pool_spec(where, x.shape[x.ndim - rank :], kernel_size, stride, padding, dilation, ceil_mode)
    return x, spec, (lambda y: moveaxis(y, home, -1)) if last else (lambda y: y)
