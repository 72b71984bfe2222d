"""Layers without weights: pools and flatten. Each is the function of the same name with its arguments kept."""

from __future__ import annotations

from math import prod
from typing import Any

from ..kernels.padding import IntN, Padding
from ..ops.pool import avg_pool_nd, max_pool_nd
from ..ops.shape import reshape
from ..tensor import Tensor
from .module import Module


class MaxPool(Module):
    """`max_pool_nd`: an int pools all axes after (N, C), a tuple the last ones; stride=None is the kernel size."""

    def __init__(
        self,
        kernel_size: IntN,
        stride: IntN | None = None,
        padding: Padding = 0,
        dilation: IntN = 1,
        ceil_mode: bool = False,
        *,
        layout: str | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode, self.layout = dilation, ceil_mode, layout

    def forward(self, x: Any) -> Tensor:
        y: Tensor = max_pool_nd(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, layout=self.layout)
        return y


class AvgPool(Module):
    """`avg_pool_nd`: an int pools all axes after (N, C), a tuple the last ones; stride=None is the kernel size."""

    def __init__(
        self,
        kernel_size: IntN,
        stride: IntN | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
        *,
        layout: str | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        self.count_include_pad, self.divisor_override, self.layout = count_include_pad, divisor_override, layout

    def forward(self, x: Any) -> Tensor:
        counting = self.count_include_pad, self.divisor_override
        return avg_pool_nd(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, *counting, layout=self.layout)


class Flatten(Module):
    """All axes from `start_axis` on in one: (N, C, *n) to (N, C * prod(n))."""

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Tensor) -> Tensor:
        return reshape(x, (*x.shape[: self.start_axis], prod(x.shape[self.start_axis :])))
