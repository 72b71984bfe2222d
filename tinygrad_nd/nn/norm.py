"""Normalising layers: the functions of `ops.norm` with their weights, which start at one (bias: zero), and running statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..ops.norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from ..tensor import Parameter, Tensor, default_dtype, tensor
from .function import module_of
from .module import Module

LocalResponseNorm = module_of("LocalResponseNorm", local_response_norm)


class BatchNorm(Module):
    """`batch_norm` over any spatial rank: (N, num_features, *n), normalised by the batch while training, else by running statistics."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.num_features, self.eps, self.momentum, self.affine, self.layout = num_features, eps, momentum, affine, layout
        self.weight, self.bias = _parameters((num_features,), affine, dtype)
        self.running_mean, self.running_var = (tensor(f(num_features, dtype or default_dtype())) for f in (np.zeros, np.ones))

    def forward(self, x: Any) -> Tensor:
        running = self.running_mean, self.running_var
        return batch_norm(x, *running, self.weight, self.bias, self.training, self.momentum, self.eps, layout=self.layout)


class InstanceNorm(Module):
    """`instance_norm` over any spatial rank: every channel of every example by itself. Without weights unless affine=True."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = False,
        *,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.num_features, self.eps, self.affine, self.layout = num_features, eps, affine, layout
        self.weight, self.bias = _parameters((num_features,), affine, dtype)

    def forward(self, x: Any) -> Tensor:
        return instance_norm(x, None, None, self.weight, self.bias, eps=self.eps, layout=self.layout)


class GroupNorm(Module):
    """`group_norm` over any spatial rank: num_channels in num_groups groups."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine, self.layout = num_groups, num_channels, eps, affine, layout
        self.weight, self.bias = _parameters((num_channels,), affine, dtype)

    def forward(self, x: Any) -> Tensor:
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps, layout=self.layout)


class LayerNorm(Module):
    """`layer_norm` over the last axes, those of normalized_shape (an int for one)."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.normalized_shape, self.eps, self.affine = _shape(normalized_shape), eps, affine
        self.weight, self.bias = _parameters(self.normalized_shape, affine, dtype)

    def forward(self, x: Any) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """`rms_norm` over the last axes, those of normalized_shape (an int for one)."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        affine: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.normalized_shape, self.eps, self.affine = _shape(normalized_shape), eps, affine
        self.weight = _parameters(self.normalized_shape, affine, dtype)[0]

    def forward(self, x: Any) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)


def _parameters(shape: tuple[int, ...], affine: bool, dtype: npt.DTypeLike | None) -> tuple[Parameter | None, Parameter | None]:
    kind = dtype or default_dtype()
    return (Parameter(np.ones(shape, kind)), Parameter(np.zeros(shape, kind))) if affine else (None, None)
