"""Layers without weights that change space: pools, columns, other sizes, flatten. Each is a function with its arguments kept."""

from __future__ import annotations

from math import prod
from typing import Any

from ..kernels.padding import IntN, Padding
from ..ops import adaptive, resize, window
from ..ops.pool import avg_pool_nd, lp_pool_nd, max_pool_nd
from ..ops.shape import reshape
from ..tensor import Tensor
from .function import module_of
from .module import Module

MaxPool = module_of("MaxPool", max_pool_nd)
AvgPool = module_of("AvgPool", avg_pool_nd)
LPPool = module_of("LPPool", lp_pool_nd)
AdaptiveAvgPool = module_of("AdaptiveAvgPool", adaptive.adaptive_avg_pool_nd)
AdaptiveMaxPool = module_of("AdaptiveMaxPool", adaptive.adaptive_max_pool_nd)
GlobalAvgPool = module_of("GlobalAvgPool", adaptive.global_avg_pool)
GlobalMaxPool = module_of("GlobalMaxPool", adaptive.global_max_pool)
Unfold = module_of("Unfold", window.unfold_nd)
Fold = module_of("Fold", window.fold_nd)
Upsample = module_of("Upsample", resize.interpolate)
PixelShuffle = module_of("PixelShuffle", window.pixel_shuffle_nd)
PixelUnshuffle = module_of("PixelUnshuffle", window.pixel_unshuffle_nd)


class MaxUnpool(Module):
    """`max_unpool_nd`: called with pooled values, their indices and, where the pool's floor left it open, the size to return to."""

    def __init__(self, kernel_size: IntN, stride: IntN | None = None, padding: Padding = 0, *, layout: str | None = None) -> None:
        self.kernel_size, self.stride, self.padding, self.layout = kernel_size, stride, padding, layout

    def forward(self, x: Any, indices: Any, output_size: IntN | None = None) -> Tensor:
        return adaptive.max_unpool_nd(x, indices, self.kernel_size, self.stride, self.padding, output_size, layout=self.layout)


class Flatten(Module):
    """All axes from `start_axis` on in one: (N, C, *n) to (N, C * prod(n))."""

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Tensor) -> Tensor:
        return reshape(x, (*x.shape[: self.start_axis], prod(x.shape[self.start_axis :])))
