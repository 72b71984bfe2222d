"""Layers without weights that change space: pools, columns, other sizes, borders, flatten. Most are a function with its arguments kept."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..arguments import option
from ..kernels.padding import NUMPYS, IntN, Padding, resolve_padding, several
from ..kernels.words import shown
from ..ops import adaptive, window
from ..ops.conv import is_channels_last
from ..ops.pad import pad
from ..ops.pool import avg_pool_nd, lp_pool_nd, max_pool_nd
from ..ops.shape import axis_of, reshape, sizes_of
from ..tensor import Tensor, astensor
from .kept import check_kept, module_of, of_ranks
from .module import Module

__all__ = [
    "AdaptiveAvgPool", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool", "AvgPool1d", "AvgPool2d", "AvgPool3d", "Flatten", "Fold", "GlobalAvgPool",
    "GlobalMaxPool", "Identity", "LPPool", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "MaxUnpool", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Pad", "PixelShuffle", "PixelUnshuffle", "Unflatten", "Unfold", "Upsample",
]  # fmt: skip

MaxPool = module_of("MaxPool", max_pool_nd, padding=0)
AvgPool = module_of("AvgPool", avg_pool_nd, padding=0)
LPPool = module_of("LPPool", lp_pool_nd, padding=0)
AdaptiveAvgPool = module_of("AdaptiveAvgPool", adaptive.adaptive_avg_pool_nd)
AdaptiveMaxPool = module_of("AdaptiveMaxPool", adaptive.adaptive_max_pool_nd)
GlobalAvgPool = module_of("GlobalAvgPool", adaptive.global_avg_pool)
GlobalMaxPool = module_of("GlobalMaxPool", adaptive.global_max_pool)
Unfold = module_of("Unfold", window.unfold_nd)
Fold = module_of("Fold", window.fold_nd)
Upsample = module_of("Upsample", adaptive.interpolate)
PixelShuffle = module_of("PixelShuffle", window.pixel_shuffle_nd)
PixelUnshuffle = module_of("PixelUnshuffle", window.pixel_unshuffle_nd)


class MaxUnpool(Module):
    """`max_unpool_nd`: called with pooled values, their indices and, where the pool's floor left it open, the size to return to."""

    def __init__(self, kernel_size: IntN, stride: IntN | None = None, padding: Padding = 0, *, layout: str | None = None) -> None:
        self.kernel_size, self.stride, self.padding, self.layout = kernel_size, stride, padding, layout
        check_kept(self, ("kernel_size", "stride", "padding", "layout"))

    def forward(self, x: Any, indices: Any, output_size: IntN | None = None) -> Tensor:
        return adaptive.max_unpool_nd(x, indices, self.kernel_size, self.stride, self.padding, output_size, layout=self.layout)


MaxPool1d, MaxPool2d, MaxPool3d = of_ranks(MaxPool, "kernel_size")
AvgPool1d, AvgPool2d, AvgPool3d = of_ranks(AvgPool, "kernel_size")
LPPool1d, LPPool2d, LPPool3d = of_ranks(LPPool, "kernel_size")
MaxUnpool1d, MaxUnpool2d, MaxUnpool3d = of_ranks(MaxUnpool, "kernel_size")
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = of_ranks(AdaptiveAvgPool, "output_size")
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = of_ranks(AdaptiveMaxPool, "output_size")


class Pad(Module):
    """Space padded: by an int, or an int or (before, after) per axis; with zeros (or `value`), or by padding_mode as `Conv` does."""

    def __init__(self, padding: Padding, padding_mode: str = "zeros", value: float = 0.0, *, layout: str | None = None) -> None:
        option("Pad", "padding_mode", padding_mode, NUMPYS)
        if isinstance(padding, str):
            raise TypeError(
                f"Pad: padding must be an int, or an int or (before, after) per axis, but is {shown(padding)}, a word of windows"
            )
        self.padding, self.padding_mode, self.value, self.layout = padding, padding_mode, value, layout
        check_kept(self, ("padding", "value", "layout"))

    def forward(self, x: Any) -> Tensor:
        x = astensor(x)
        rank = len(self.padding) if several(self.padding) else x.ndim - 2
        last = is_channels_last("Pad", self.layout)
        if not 0 <= rank < x.ndim:
            raise ValueError(f"Pad: x needs channels and {rank} spatial axes for padding={self.padding}, but has shape {x.shape}")
        pairs = resolve_padding("Pad", self.padding, (0,) * rank, (1,) * rank, (1,) * rank, (1,) * rank)
        widths = [(0, 0)] * (x.ndim - rank - last) + [*pairs] + [(0, 0)] * last
        return pad(x, widths, NUMPYS[self.padding_mode], **({"constant_values": self.value} if self.padding_mode == "zeros" else {}))


class Identity(Module):
    """Its input as it is, for the place of a layer that is left out. Takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """The axes from `start_axis` to `end_axis` in one: (N, C, *n) to (N, C * prod(n))."""

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis
        check_kept(self, ("start_axis", "end_axis"))

    def forward(self, x: Any) -> Tensor:
        x = astensor(x)
        first, last = (axis + x.ndim if axis < 0 else axis for axis in (self.start_axis, self.end_axis))
        if not 0 <= first <= last < max(x.ndim, 1):
            raise ValueError(f"Flatten: x {x.shape} has no axes from {self.start_axis} to {self.end_axis}")
        return reshape(x, (*x.shape[:first], prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


class Unflatten(Module):
    """One axis as several: with axis=1, (N, C * prod(n)) to (N, *shape). One length may be -1: what is left."""

    def __init__(self, axis: int, shape: Sequence[int]) -> None:
        self.axis, self.shape = axis, sizes_of(shape, "Unflatten")
        if min(self.shape, default=0) < -1 or self.shape.count(-1) > 1:
            raise ValueError(f"Unflatten: shape {self.shape} must hold lengths, of which one may be -1")
        check_kept(self, ("axis",))

    def forward(self, x: Any) -> Tensor:
        x = astensor(x)
        axis = axis_of(self.axis, x.ndim, "Unflatten")
        held, known = x.shape[axis], prod(n for n in self.shape if n != -1)
        left = held // known if -1 in self.shape and known else 1
        if held != known * left:
            raise ValueError(f"Unflatten: axis {self.axis} of x {x.shape} does not hold the {known} of shape {self.shape}")
        return reshape(x, (*x.shape[:axis], *(left if n == -1 else n for n in self.shape), *x.shape[axis + 1 :]))
