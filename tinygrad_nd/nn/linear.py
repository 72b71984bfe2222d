"""Layers that are linear in their input and carry weights: dense, convolution, transposed convolution.

Weights are drawn by `init.he_normal` (variance 2 / fan_in: every use here precedes a ReLU unless told otherwise) and biases start at zero.
`init` takes any `(shape, *, dtype, rng)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..kernels.padding import IntN, Padding, per_axis
from ..ops.conv import conv_nd, conv_transpose_nd
from ..ops.layers import linear
from ..tensor import Parameter, Tensor
from .module import Module

Initialiser = Callable[..., np.ndarray]
Rng: TypeAlias = "np.random.Generator | int | None"  # a string, so that numpy.random is imported when it is used


class Linear(Module):
    """x @ weight.T + bias over the last axis: (*, in_features) to (*, out_features). weight (out, in), bias (out,)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initialiser = initialisers.he_normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        _check_counts(self, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(init((out_features, in_features), dtype=dtype, rng=rng))
        self.bias = Parameter(initialisers.zeros(out_features, dtype=dtype)) if bias else None

    def forward(self, x: Any) -> Tensor:
        return linear(x, self.weight, self.bias)


class Conv(Module):
    """`conv_nd` with weight (out, in/groups, *k) and bias (out,); the spatial rank is the length of `kernel_size`.

    Shapes: (N, in, *n) to (N, out, *o). Other arguments are `conv_nd`'s.
    """

    rank: ClassVar[int | None] = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntN,
        stride: IntN = 1,
        padding: Padding = 0,
        dilation: IntN = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        padding_mode: str | Sequence[str] = "zeros",
        layout: str | None = None,
        algorithm: str = "auto",
        init: Initialiser = initialisers.he_normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        _check_counts(self, in_channels=in_channels, out_channels=out_channels, groups=groups)
        _check_groups(self, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, _kernel_size(self, kernel_size)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.padding_mode, self.layout, self.algorithm = padding_mode, layout, algorithm
        self.weight = Parameter(init((out_channels, in_channels // groups, *self.kernel_size), dtype=dtype, rng=rng))
        self.bias = Parameter(initialisers.zeros(out_channels, dtype=dtype)) if bias else None

    def forward(self, x: Any) -> Tensor:
        return conv_nd(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            padding_mode=self.padding_mode,
            layout=self.layout,
            algorithm=self.algorithm,
        )


class Conv1d(Conv):
    """`Conv` over one spatial axis."""

    rank = 1


class Conv2d(Conv):
    """`Conv` over two spatial axes; kernel_size=3 means (3, 3)."""

    rank = 2


class Conv3d(Conv):
    """`Conv` over three spatial axes; kernel_size=3 means (3, 3, 3)."""

    rank = 3


class ConvTranspose(Module):
    """`conv_transpose_nd`, the adjoint of a `Conv` of the same arguments from out to in channels: weight (in, out/groups, *k), bias (out,).

    Shapes: (N, in, *o) to (N, out, *n). Weights are drawn with the fan of the channels summed into an output. A call may say its own
    `output_size`, such as that of the tensor a skip comes from.
    """

    rank: ClassVar[int | None] = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntN,
        stride: IntN = 1,
        padding: Padding = 0,
        output_padding: IntN = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntN = 1,
        *,
        output_size: IntN | None = None,
        layout: str | None = None,
        algorithm: str = "auto",
        init: Initialiser = initialisers.he_normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        _check_counts(self, in_channels=in_channels, out_channels=out_channels, groups=groups)
        _check_groups(self, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, _kernel_size(self, kernel_size)
        self.stride, self.padding, self.output_padding, self.output_size = stride, padding, output_padding, output_size
        self.groups, self.dilation, self.layout, self.algorithm = groups, dilation, layout, algorithm
        c, m = in_channels // groups, out_channels // groups
        drawn = init((out_channels, c, *self.kernel_size), dtype=dtype, rng=rng).reshape(groups, m, c, *self.kernel_size)
        self.weight = Parameter(np.ascontiguousarray(drawn.swapaxes(1, 2)).reshape(in_channels, m, *self.kernel_size))
        self.bias = Parameter(initialisers.zeros(out_channels, dtype=dtype)) if bias else None

    def forward(self, x: Any, output_size: IntN | None = None) -> Tensor:
        return conv_transpose_nd(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
            output_size=self.output_size if output_size is None else output_size,
            layout=self.layout,
            algorithm=self.algorithm,
        )


class ConvTranspose1d(ConvTranspose):
    """`ConvTranspose` over one spatial axis."""

    rank = 1


class ConvTranspose2d(ConvTranspose):
    """`ConvTranspose` over two spatial axes; kernel_size=3 means (3, 3)."""

    rank = 2


class ConvTranspose3d(ConvTranspose):
    """`ConvTranspose` over three spatial axes; kernel_size=3 means (3, 3, 3)."""

    rank = 3


def _kernel_size(layer: Conv | ConvTranspose, kernel_size: IntN) -> tuple[int, ...]:
    who = type(layer).__name__
    if layer.rank is None:
        if not isinstance(kernel_size, Sequence):
            raise TypeError(
                f"{who}: kernel_size={kernel_size!r} does not say how many spatial axes there are; "
                f"give a tuple, such as {(kernel_size,) * 2} for two, or use {who}2d"
            )
        return per_axis(kernel_size, len(kernel_size), "kernel_size", who)
    return per_axis(kernel_size, layer.rank, "kernel_size", who)


def _check_counts(layer: Module, **counts: int) -> None:
    for name, n in counts.items():
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise TypeError(f"{type(layer).__name__}: {name} must be an int, but is {n!r}")
        if n < 1:
            raise ValueError(f"{type(layer).__name__}: {name} must be at least 1, but is {n}")


def _check_groups(layer: Module, in_channels: int, out_channels: int, groups: int) -> None:
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(f"{type(layer).__name__}: groups={groups} must divide both {in_channels} input and {out_channels} output channels")
