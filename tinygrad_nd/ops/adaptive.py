"""Space at a size that is asked for: adaptive and global pools, what puts pooled values back in their places, and interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, prod
from typing import Any

import numpy as np

from ..arguments import flag, option
from ..kernels import adaptive as kernel
from ..kernels import places
from ..kernels import taps as tap
from ..kernels.geometry import PoolSpec
from ..kernels.memory import freeze
from ..kernels.padding import IntN, Padding, integer, per_axis, resolve_padding, room, several
from ..kernels.words import axes_word, shown
from ..tensor import Tensor, astensor
from ..values import numeric
from .index import setitem
from .naming import named
from .parts import floating
from .pool import _max_pooled, _window_sum, max_pool_nd, ordered
from .reduce import mean
from .shape import reshape
from .space import resample, space, space_last
from .ufunc import Function, of_kernel

__all__ = ["adaptive_avg_pool_nd", "adaptive_max_pool_nd", "global_avg_pool", "global_max_pool", "interpolate", "max_unpool_nd"]

Sizes = int | Sequence[int | None]


_unpool: Function = of_kernel("unpool", places.put, x=lambda g, at, rank: _unpool_gather(g, at=at, rank=rank))
_unpool_gather: Function = of_kernel(
    "unpool_gather", places.take, x=lambda g, at, rank, x_shape: _unpool(g, at=at, shape=x_shape, rank=rank)
)


def adaptive_avg_pool_nd(x: Any, output_size: Sizes, *, layout: str | None = None) -> Tensor:
    """The means of windows that part space into `output_size`: window i of o spans floor(i n / o) to ceil((i + 1) n / o).

    Shapes: x (*lead, *n) -> (*lead, *output_size). r sizes speak of the last r axes, None keeps a size; an int of all axes after (N, C).
    """
    x, rank, restore = space_last("adaptive_avg_pool_nd", x, output_size, "output_size", layout)
    x = floating(x)
    n, o = x.shape[x.ndim - rank :], _output_size("adaptive_avg_pool_nd", output_size, x, rank)
    if rank and prod(o) == 1:
        return restore(mean(x, tuple(range(x.ndim - rank, x.ndim)), keepdims=True))
    windows = kernel.windows(n, o)
    if isinstance(windows, PoolSpec):
        return restore(_window_sum(x, spec=windows, factor=1 / prod(windows.kernel)))
    return restore(resample(x, taps=tuple(map(kernel.means, n, o))))


def adaptive_max_pool_nd(x: Any, output_size: Sizes, return_indices: bool = False, *, layout: str | None = None) -> Any:
    """The maxima of windows that part space into `output_size` (see `adaptive_avg_pool_nd`); of equal values the first gets the gradient.

    With return_indices, returns (values, indices): flat positions within the spatial block, as int64.
    """
    x, rank, restore = space_last("adaptive_max_pool_nd", x, output_size, "output_size", layout)
    ordered("adaptive_max_pool_nd", x)
    flag("adaptive_max_pool_nd", "return_indices", return_indices)
    n, o = x.shape[x.ndim - rank :], _output_size("adaptive_max_pool_nd", output_size, x, rank)
    y, indices = _max_pooled(x, kernel.windows(n, o), return_indices)
    return restore(y) if indices is None else (restore(y), restore(indices))


def global_avg_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The mean of every channel over space, whose axes keep length 1. Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C"."""
    x, axes = space("global_avg_pool", x, layout)
    return mean(x, axes, keepdims=True)


def global_max_pool(x: Any, *, layout: str | None = None) -> Tensor:
    """The maximum of every channel over space, whose axes keep length 1; of equal values the first gets the gradient.

    Shapes: x (N, C, *n) -> (N, C, *1); (N, *n, C) with layout="N*C".
    """
    who = "global_max_pool"
    x, axes = space(who, x, layout)
    if not prod([x.shape[a] for a in axes]):
        raise ValueError(f"{who}: x {x.shape} has no positions, and nothing has no maximum")
    if not axes or x.dtype.kind == "c":
        return max_pool_nd(x, tuple([x.shape[a] for a in axes]), layout=layout)  # type: ignore[no-any-return]
    x, rank, restore = space_last(who, x, axes, "x", layout)
    return restore(_max_pooled(x, kernel.windows(x.shape[x.ndim - rank :], (1,) * rank), False)[0])


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
    where = indices.data if isinstance(indices, Tensor) else numeric(indices, None, who)
    if where.dtype.kind not in "iu":
        raise TypeError(f"{who}: indices must be integers, as max_pool_nd(..., return_indices=True) gives them, but are {where.dtype}")
    x, rank, restore = space_last(who, x, kernel_size, "kernel_size", layout)
    where = space_last(who, where, kernel_size, "kernel_size", layout)[0].data if where.ndim == x.ndim else where
    if where.shape != x.shape:
        raise ValueError(f"{who}: x {x.shape} and indices {where.shape} must have the same shape")
    lead, o = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    n = _unpooled(o, kernel_size, stride, padding, output_size)
    where = where.astype(np.int64, copy=False)
    within, once = places.checked(where, prod(n), rank)
    if not within:
        low, high = where.min(), where.max()
        raise ValueError(f"{who}: indices reach from {low} to {high}, but the result has {prod(n)} places {n}; give its output_size")
    if once:
        freeze(where := where.view())
        return restore(_unpool(x, at=where, shape=(*lead, *n), rank=rank))
    at = (where.reshape(prod(lead), prod(o)) + np.arange(prod(lead))[:, None] * prod(n)).reshape(x.shape)
    empty = astensor(np.zeros(prod(lead) * prod(n), x.dtype))
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
        given = tuple(output_size) if several(output_size) else output_size
        n = per_axis(given[2:] if isinstance(given, tuple) and len(given) == rank + 2 else given, rank, "output_size", who)
        if any(not u - step < m < u + step for u, step, m in zip(usual, s, n)):
            raise ValueError(f"{who}: output_size={n} must be less than the stride {s} away from {usual}")
    if min(n, default=1) < 1:
        raise ValueError(f"{who}: the result would have spatial size {n}; padding {pairs} trims more than there is")
    room(who, n)
    return n


def _output_size(who: str, output_size: Sizes, x: Tensor, rank: int) -> tuple[int, ...]:
    n = x.shape[x.ndim - rank :]
    if several(output_size):
        o = tuple(m if size is None else integer(size, "output_size", who) for m, size in zip(n, output_size))
    else:
        o = per_axis(output_size, rank, "output_size", who)  # type: ignore[arg-type]
    if min(o, default=1) < 1:
        raise ValueError(f"{who}: output_size={output_size} must be at least 1 on every axis")
    if min(n, default=1) < 1:
        raise ValueError(f"{who}: x {x.shape} has an axis of no entries, which has no windows")
    room(who, o)
    return o


# Interpolation: every mode is separable, along each axis an output is a weighted sum of a few inputs.


MODES = ("nearest", "nearest-exact", "linear", "cubic", "area")
RANKED = {"bilinear": ("linear", 2), "trilinear": ("linear", 3), "bicubic": ("cubic", 2)}


@named
def interpolate(
    x: Any,
    size: IntN | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    *,
    layout: str | None = None,
) -> Tensor:
    """x at another spatial size, given as `size` or as floor(n * scale_factor), at any rank.

    Shapes: x (N, C, *n) -> (N, C, *size); r sizes or factors speak of the last r axes, one number of all axes after (N, C).
    mode: "nearest" (PyTorch's, which floors), "nearest-exact" (by centres), "linear", "cubic" or "area" (means, as adaptive_avg_pool_nd);
    "bilinear", "trilinear" and "bicubic" are names of theirs. A size that stays is x itself.
    align_corners: the outermost centres of both grids coincide, rather than their edges.

    >>> import tinygrad_nd as nd
    >>> nd.interpolate([[[0.0, 4.0]]], 4, mode="linear").tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    who = "interpolate"
    flag(who, "align_corners", align_corners)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{who}: give either size or scale_factor, but got size={shown(size)} and scale_factor={shown(scale_factor)}")
    what = "size" if scale_factor is None else "scale_factor"
    x, rank, restore = space_last(who, x, size if scale_factor is None else scale_factor, what, layout)
    mode = _mode(mode, rank, align_corners)
    n = x.shape[x.ndim - rank :]
    o, steps = _sizes(n, size, scale_factor)
    if min(n, default=1) < 1 or min(o, default=1) < 1:
        raise ValueError(f"{who}: x {x.shape} would go from spatial size {n} to {o}; sizes must be at least 1")
    room(who, o)
    if mode == "area":
        return restore(adaptive_avg_pool_nd(x, o))
    x = x if mode.startswith("nearest") else floating(x)
    left = align_corners or mode == "linear"  # alone where the size stays, whatever the factor, as in PyTorch
    moved = [p != m or (step != 1 and not left) for m, p, step in zip(n, o, steps)]
    if not any(moved) or (o == n and mode == "nearest"):
        return restore(x)
    taps = (_taps(mode, m, p, step, align_corners, x.dtype) if moves else tap.same(m) for m, p, step, moves in zip(n, o, steps, moved))
    return restore(resample(x, taps=tuple(taps)))


def _taps(mode: str, n: int, o: int, step: float, align_corners: bool, dtype: np.dtype[Any]) -> tap.Taps:
    if mode == "linear":
        return tap.linear(n, o, step, align_corners)
    if mode == "cubic":
        return tap.cubic(n, o, step, align_corners)
    return tap.nearest(n, o, step, mode == "nearest-exact", np.float64 if dtype.itemsize == 8 and dtype.kind == "f" else np.float32)


def _mode(mode: str, rank: int, align_corners: bool) -> str:
    option("interpolate", "mode", mode, (*MODES, *RANKED))
    plain, only = RANKED.get(mode, (mode, rank))
    if only != rank:
        raise ValueError(f"interpolate: mode={mode!r} is for {only} spatial axes, but x has {rank}; mode={plain!r} is for any number")
    if align_corners and plain not in ("linear", "cubic"):
        raise ValueError(f"interpolate: align_corners is for linear and cubic, not for mode={mode!r}")
    return plain


def _sizes(n: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The new size, and how far apart its pixels lie on the old grid: 1 / scale_factor, as in PyTorch, also where the size is floored."""
    who, rank = "interpolate", len(n)
    if scale_factor is None:
        o = per_axis(size, rank, "size", who)
        return o, tuple(m / max(p, 1) for m, p in zip(n, o))
    given = tuple(scale_factor) if several(scale_factor) else (scale_factor,) * rank
    if any(isinstance(f, (str, bool)) or not np.isscalar(f) for f in given):
        raise TypeError(f"{who}: scale_factor must be a number or a number per axis, but is {scale_factor!r}")
    if len(given) != rank:
        raise ValueError(f"{who}: scale_factor={scale_factor} has {len(given)} entries for {rank} spatial {axes_word(rank)}")
    if not all(0 < f < np.inf for f in given):
        raise ValueError(f"{who}: scale_factor={scale_factor} must be above 0 and finite")
    return tuple(floor(float(m) * f) for m, f in zip(n, given)), tuple(1 / float(f) for f in given)
