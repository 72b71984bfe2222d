"""Layers without weights: pools, activations, flatten, dropout. Each is the function of the same name with its arguments kept."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..kernels.padding import IntN, Padding
from ..ops.activation import gelu, log_softmax, silu, softmax
from ..ops.elementwise import relu, sigmoid, tanh
from ..ops.layers import dropout
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


class Dropout(Module):
    """`dropout` while training, nothing otherwise. One generator, made from `rng`, serves all calls."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must lie in [0, 1], but is {p}")
        self.p, self.generator = p, np.random.default_rng(rng)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, rng=self.generator)


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Any) -> Tensor:
        return relu(x)


class GELU(Module):
    """`gelu`, exact or with approximate="tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return gelu(x, self.approximate)


class SiLU(Module):
    """x / (1 + exp(-x))."""

    def forward(self, x: Any) -> Tensor:
        return silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Any) -> Tensor:
        return sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Tensor:
        return tanh(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return softmax(x, self.axis)


class LogSoftmax(Module):
    """log(softmax(x)) along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        return log_softmax(x, self.axis)
