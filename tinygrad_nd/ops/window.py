"""Windows as columns and back, and channels as pixels and back: space rearranged at any rank."""

from __future__ import annotations

from math import prod
from typing import Any

from ..kernels import unfold as kernel
from ..kernels.geometry import IntN, Padding, conv_window
from ..kernels.padding import per_axis, several
from ..kernels.words import shown
from ..tensor import Tensor
from .conv import is_channels_last
from .linalg import operand
from .shape import expand_dims, moveaxis, squeeze, swapaxes
from .space import Restore, fitting, space_last
from .ufunc import Function, of_kernel

__all__ = ["fold_nd", "pixel_shuffle_nd", "pixel_unshuffle_nd", "unfold_nd"]

Sizes = tuple[int, ...]


_unfold: Function = of_kernel("unfold", kernel.unfold, x=lambda g, spec: _fold(g, spec=spec))
_fold: Function = of_kernel("fold", kernel.fold, columns=lambda g, spec: _unfold(g, spec=spec))
_pixel_shuffle: Function = of_kernel("pixel_shuffle", kernel.shuffle, x=lambda g, factors: _pixel_unshuffle(g, factors=factors))
_pixel_unshuffle: Function = of_kernel("pixel_unshuffle", kernel.unshuffle, y=lambda g, factors: _pixel_shuffle(g, factors=factors))


def unfold_nd(
    x: Any, kernel_size: IntN, dilation: IntN = 1, padding: Padding = 0, stride: IntN = 1, *, layout: str | None = None
) -> Tensor:
    """Every window as a column: a convolution is a matrix product with these.

    Shapes: x (N, C, *n) or, with a tuple for a kernel, (C, *n) -> (N, C * prod(k), prod(o)) or (C * prod(k), prod(o)); a column holds
    its window channel by channel, taps in row-major order. With layout="N*C", x (N, *n, C) -> (N, prod(o), C * prod(k)).

    >>> import tinygrad_nd as nd
    >>> nd.unfold_nd([[[1.0, 2.0, 3.0]]], 2).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    who = "unfold_nd"
    x, rank, _ = space_last(who, x, kernel_size, "kernel_size", layout)
    single = x.ndim == rank + 1
    if x.ndim - rank not in (1, 2):
        raise ValueError(
            f"{who}: kernel_size={shown(kernel_size)} needs x (N, C, *n) or (C, *n) with {rank} spatial axes, but x has {x.shape}"
        )
    k = per_axis(kernel_size, rank, "kernel_size", who)
    x = expand_dims(x, 0) if single else x
    spec = fitting(lambda size: conv_window(who, size, k, stride, padding, dilation), x, rank, layout)
    return _columns(_unfold(x, spec=spec), single, layout)


def fold_nd(
    x: Any, output_size: IntN, kernel_size: IntN, dilation: IntN = 1, padding: Padding = 0, stride: IntN = 1, *, layout: str | None = None
) -> Tensor:
    """Columns added up where their windows lie: the transpose of `unfold_nd`.

    Shapes: x (N, C * prod(k), prod(o)) or (C * prod(k), prod(o)) -> (N, C, *output_size) or (C, *output_size); with layout="N*C",
    (N, prod(o), C * prod(k)) -> (N, *output_size, C). One of the sizes must be a tuple, to say how many axes there are.
    """
    who, last = "fold_nd", is_channels_last("fold_nd", layout)
    x = operand(x, who)
    rank = next((len(tuple(v)) for v in (output_size, kernel_size, dilation, stride) if several(v)), None)
    if rank is None:
        raise ValueError(f"{who}: give output_size as a tuple, one size for each spatial axis; {output_size} alone does not tell the rank")
    if x.ndim not in (2, 3):
        raise ValueError(f"{who}: x must be columns (N, C * prod(k), L) or (C * prod(k), L), but has shape {x.shape}")
    single = x.ndim == 2
    x = _columns(expand_dims(x, 0) if single else x, False, layout)
    n, k = per_axis(output_size, rank, "output_size", who), per_axis(kernel_size, rank, "kernel_size", who)
    if min(k, default=1) < 1 or x.shape[1] % prod(k):
        raise ValueError(f"{who}: columns of {x.shape[1]} entries hold no whole number of windows {k} of {prod(k)}")
    spec = conv_window(who, n, k, stride, padding, dilation)
    if x.shape[2] != prod(spec.out):
        raise ValueError(f"{who}: {n} has {prod(spec.out)} windows {spec.out} of kernel {k}, but x holds {x.shape[2]} columns")
    y = _fold(x, spec=spec)
    y = moveaxis(y, 1, -1) if last else y
    return squeeze(y, 0) if single else y


def _columns(y: Tensor, single: bool, layout: str | None) -> Tensor:
    y = swapaxes(y, 1, 2) if layout == "N*C" else y
    return squeeze(y, 0) if single else y


def pixel_shuffle_nd(x: Any, factor: IntN, *, layout: str | None = None) -> Tensor:
    """Channels laid out as pixels: each group of prod(factor) channels, in row-major order, becomes a block of that shape.

    Shapes: x (N, C * prod(f), *n) -> (N, C, *(n f)). An int factor speaks of all axes after (N, C), r factors of the last r.
    """
    who = "pixel_shuffle_nd"
    x, c, n, f, restore = _blocks(who, x, factor, layout)
    if c % prod(f):
        last = x.ndim == len(n) + 2 and layout is None and len(n) and x.shape[-1] % prod(f) == 0
        hint = f"; x {x.shape} looks channels-last: pass layout='N*C'" if last else ""
        raise ValueError(f"{who}: {c} channels are no whole number of blocks {f} of {prod(f)}{hint}")
    return restore(_pixel_shuffle(x, factors=f))


def pixel_unshuffle_nd(x: Any, factor: IntN, *, layout: str | None = None) -> Tensor:
    """Blocks of pixels laid out as channels: the inverse of `pixel_shuffle_nd`. Shapes: x (N, C, *(n f)) -> (N, C * prod(f), *n)."""
    who = "pixel_unshuffle_nd"
    x, _, n, f, restore = _blocks(who, x, factor, layout)
    if any(m % block for m, block in zip(n, f)):
        raise ValueError(f"{who}: space {n} of x {x.shape} does not divide into blocks {f}")
    return restore(_pixel_unshuffle(x, factors=f))


def _blocks(who: str, x: Any, factor: IntN, layout: str | None) -> tuple[Tensor, int, Sizes, Sizes, Restore]:
    """x, channels, space, the factors, and how to give channels their place back."""
    x, rank, restore = space_last(who, x, factor, "factor", layout)
    f = per_axis(factor, rank, "factor", who)
    if min(f, default=1) < 1:
        raise ValueError(f"{who}: factor={factor} must be at least 1 on every axis")
    if x.ndim < rank + 1:
        raise ValueError(f"{who}: factor={factor} needs channels before {rank} spatial axes, but x has shape {x.shape}")
    home = x.ndim - rank - 1
    return x, x.shape[home], x.shape[home + 1 :], f, restore
