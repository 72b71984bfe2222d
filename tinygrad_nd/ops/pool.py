"""Pooling at any rank. Max-pooling is a selection: where each window's maximum lies is found once, then values are gathered there and
gradients scattered back. Average pooling is a window sum. Each is one half of a transpose pair, so every derivative stays inside the pairs.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..arguments import answering, flag, number
from ..kernels import pool as kernel
from ..kernels import winners
from ..kernels.adaptive import Parted
from ..kernels.elementwise import tiled
from ..kernels.geometry import IntN, Padding, PoolSpec, pool_spec
from ..kernels.memory import freeze
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor, handle
from .choice import where
from .elementwise import absolute, sign
from .parts import floating
from .space import Restore, fitting, space_last
from .ufunc import Function, bare_rules, either, of_kernel, over, scale

__all__ = ["avg_pool_nd", "lp_pool_nd", "max_pool_nd"]


@bare_rules
@primitive(x=lambda g, winner, spec: either(_pool_scatter, g, winner, spec=spec))
def _max_pool(x: Any, winner: Any, best: Any, *, spec: PoolSpec | Parted) -> Any:
    return best  # found along with the winners


_pool_gather: Function = of_kernel("pool_gather", winners.gather, 2, x=lambda g, winner, spec: _pool_scatter(g, winner, spec=spec))
_pool_scatter: Function = of_kernel("pool_scatter", winners.scatter, 2, g=lambda h, winner, spec: _pool_gather(h, winner, spec=spec))
_window_sum: Function = of_kernel(
    "window_sum", kernel.window_sum, bare=True, x=lambda g, spec, factor: either(_window_sum_adjoint, g, spec=spec, factor=factor)
)
_window_sum_adjoint: Function = of_kernel(
    "window_sum_adjoint", kernel.window_sum_adjoint, g=lambda h, spec, factor: _window_sum(h, spec=spec, factor=factor)
)


@primitive(x=lambda g, x, out, spec, p, share: _lp_pool_grad(g, x, out, spec, p, share))
def _lp_pool(x: Any, *, spec: PoolSpec, p: float, share: Any) -> Any:
    total = kernel.window_sum(tiled(lambda x: _size_to(x, p), x), spec) * share
    return np.sqrt(total) if p == 2 else total ** (1 / p)


def _lp_pool_grad(g: Tensor, x: Tensor, out: Tensor, spec: PoolSpec, p: float, share: Any) -> Tensor:
    """x |x|^(p - 2) · the sum over its windows of g · share / y^(p - 1), and 0 where x or y is 0."""
    empty = out.data == 0
    y = where(empty, 1, out)
    weight = where(empty, 0, over(g, y if p == 2 else _size_to(y, p - 1)) * astensor(share))
    spread = _window_sum_adjoint(weight, spec=spec, factor=1.0)
    if p == 2:
        return scale(spread, x)  # type: ignore[no-any-return]
    if p < 2 or p % 1:
        return scale(spread, sign(x) * _size_to(where(x.data == 0, 1, x), p - 1))  # type: ignore[no-any-return]
    return scale(spread, x * _size_to(x, p - 2))  # type: ignore[no-any-return]


def _size_to(x: Any, p: float) -> Any:
    """|x| ** p; by products where p is a whole number, for a power takes as long as twenty of them."""
    if p % 1 or p < 1:
        return abs(x) ** p
    if p % 2:
        return abs(x) if p == 1 else abs(x) * _size_to(x, p - 1)
    return x * x if p == 2 else _size_to(x * x, p / 2)


@answering
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
    ordered("max_pool_nd", x)
    flag("max_pool_nd", "return_indices", return_indices)
    y, indices = _max_pooled(x, spec, return_indices)
    return restore(y) if indices is None else (restore(y), restore(indices))


@answering
def avg_pool_nd(
    x: Any,
    kernel_size: IntN,
    stride: IntN | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    *,
    dilation: IntN = 1,
    layout: str | None = None,
) -> Tensor:
    """The mean of every window, at any spatial rank.

    Shapes: x (*lead, *n) -> (*lead, *o); which axes are pooled, stride, padding and ceil_mode are as in `max_pool_nd`.

    The divisor counts the padding unless count_include_pad is False, and never the overhang of ceil_mode; `divisor_override` replaces it.
    """
    x, spec, restore = _pooled("avg_pool_nd", x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    x = floating(x)
    flag("avg_pool_nd", "count_include_pad", count_include_pad)
    if divisor_override is not None:
        number("avg_pool_nd", "divisor_override", divisor_override)
        if divisor_override == 0:
            raise ValueError("avg_pool_nd: divisor_override must not be 0")
        return restore(_window_sum(x, spec=spec, factor=1 / float(divisor_override)))
    return restore(_weighted(x, spec, kernel.window_share(spec, count_include_pad)))


def lp_pool_nd(
    x: Any,
    norm_type: float,
    kernel_size: IntN,
    stride: IntN | None = None,
    ceil_mode: bool = False,
    *,
    padding: Padding = 0,
    dilation: IntN = 1,
    layout: str | None = None,
) -> Tensor:
    """The p-norm of every window, p = norm_type > 0 or infinite: (sum of |x|^p)^(1/p), whose derivative at 0 is 0.

    Shapes: x (*lead, *n) -> (*lead, *o); which axes are pooled, stride and ceil_mode are as in `max_pool_nd`.

    As in PyTorch, which takes x for |x| where p is odd, a window that overhangs counts as much as a whole one of the same mean.
    """
    number("lp_pool_nd", "norm_type", norm_type, above=0)
    x, spec, restore = _pooled("lp_pool_nd", x, kernel_size, stride, padding, dilation, ceil_mode, layout)
    ordered("lp_pool_nd", x)
    x = floating(x)
    if norm_type == np.inf:
        return restore(_max_pooled(absolute(x), spec, False)[0])
    share = np.asarray(prod(spec.kernel) * kernel.window_share(spec, True))
    wide = x.astype(np.float32) if x.dtype == np.float16 else x  # powers of halves leave their range
    return restore(_lp_pool(wide, spec=spec, p=float(norm_type), share=share.astype(wide.dtype)).astype(x.dtype))


def _max_pooled(x: Tensor, spec: PoolSpec | Parted, with_indices: bool) -> tuple[Tensor, Tensor | None]:
    best, winner = kernel.max_pool(x.data, spec, with_indices or (x.requires_grad and recording.get()))
    freeze(best)
    if winner is None:
        return handle(best, None), None
    freeze(winner)
    return _max_pool(x, winner, best, spec=spec), astensor(kernel.flat_index(winner, spec)) if with_indices else None


def _weighted(x: Tensor, spec: PoolSpec, weight: np.ndarray[Any, Any] | float) -> Tensor:
    """Window sums, each times its weight."""
    if isinstance(weight, float):
        return _window_sum(x, spec=spec, factor=weight)
    if x.dtype == np.float16:  # a sum may leave the range that its mean is in
        return _weighted(x.astype(np.float32), spec, weight).astype(x.dtype)
    return _window_sum(x, spec=spec, factor=1.0) * astensor(weight.astype(x.data.real.dtype))


def ordered(who: str, x: Tensor) -> None:
    if x.dtype.kind == "c":
        raise TypeError(f"{who}: complex numbers have no order, but x is {x.dtype}; pool x.real, x.imag or nd.abs(x)")


def _pooled(
    where: str, x: Any, kernel_size: IntN, stride: IntN | None, padding: Padding, dilation: IntN, ceil_mode: bool, layout: str | None
) -> tuple[Tensor, PoolSpec, Restore]:
    """x with its spatial axes last, the checked spec, and the function that puts channels back where they were."""
    x, rank, restore = space_last(where, x, kernel_size, "kernel_size", layout)
    flag(where, "ceil_mode", ceil_mode)
    make = lambda size: pool_spec(where, size, kernel_size, stride, padding, dilation, ceil_mode)
    return x, fitting(make, x, rank, layout), restore
