"""Normalising layers: the functions of `ops.norm` with their weights, which start at one (bias: zero), and running statistics.

Where the number of channels is None, the first call finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..arguments import flag, number, whole
from ..kernels.padding import integer
from ..ops.conv import is_channels_last
from ..ops.norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from ..tensor import Parameter, Tensor, astensor, tensor
from .kept import check_kept, module_of, of_ranks
from .lazy import Lazy, Recipe, check_counts, floating, recipe
from .module import Module

__all__ = [
    "BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip

LocalResponseNorm = module_of("LocalResponseNorm", local_response_norm)


class _ByChannel(Lazy):
    """What normalising layers with a weight and a bias per channel share."""

    _width = "num_features"
    affine: bool
    layout: str | None
    weight: Parameter | None
    bias: Parameter | None

    def _make(self, recipe: Recipe) -> None:
        channels = getattr(self, self._width)
        self.weight = Parameter(np.ones(channels, recipe.dtype)) if self.affine else None
        self.bias = recipe.zeros(channels)

    def _width_axis(self) -> int:
        return -1 if is_channels_last(type(self).__name__, self.layout) else 1

    def _width_saved(self, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        saved = shapes.get("weight") or shapes.get("running_mean") or ()
        return saved[0] if len(saved) == 1 else None


class _Tracking(_ByChannel):
    """Those that may keep running statistics: BatchNorm and InstanceNorm, with PyTorch's arguments."""

    def __init__(
        self,
        num_features: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        check_counts(self, num_features=num_features)
        if momentum is not None:
            number(type(self).__name__, "momentum", momentum, least=0, most=1)
        self.num_features, self.eps, self.momentum, self.layout = num_features, eps, momentum, layout
        self.affine, self.track_running_stats = affine, track_running_stats
        check_kept(self, ("eps", "layout", "affine", "track_running_stats"))
        self._begin(recipe(self, initialisers.zeros, dtype, None, affine and bias))

    def _make(self, recipe: Recipe) -> None:
        super()._make(recipe)
        self.running_mean: Tensor | None = None
        self.running_var: Tensor | None = None
        self.num_batches_tracked: Tensor | None = None
        if self.track_running_stats:
            assert self.num_features is not None
            self.running_mean = tensor(np.zeros(self.num_features, recipe.dtype))
            self.running_var = tensor(np.ones(self.num_features, recipe.dtype))
            self.num_batches_tracked = tensor(0)


class BatchNorm(_Tracking):
    """`batch_norm` over any spatial rank: (N, num_features, *n), normalised by the batch while training, else by running statistics.

    momentum=None makes these the plain mean over all batches; without track_running_stats the batch's own serve in evaluation, too.
    """

    def forward(self, x: Any) -> Tensor:
        if self._awaited:
            self._meet(x)
        running, by_batch = (self.running_mean, self.running_var), self.training or not self.track_running_stats
        tracked = self.num_batches_tracked if self.training else None
        momentum = self.momentum or 0.0 if tracked is None or self.momentum is not None else 1 / (tracked.item() + 1)
        y = batch_norm(x, *running, self.weight, self.bias, by_batch, momentum, self.eps, layout=self.layout)
        if tracked is not None:
            tracked.data = tracked.data + 1  # now that it was not refused
        return y


class InstanceNorm(_Tracking):
    """`instance_norm` over any spatial rank: every channel of every example by itself. Without weights unless affine=True.

    With track_running_stats, running statistics are kept, and normalise in evaluation.
    """

    def __init__(
        self,
        num_features: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias, layout=layout, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        if self._awaited:
            self._meet(x)
        x, axis = astensor(x), self._width_axis()
        if x.ndim > 1 and x.shape[axis] != self.num_features:
            raise ValueError(f"{type(self).__name__}: num_features is {self.num_features}, but x {x.shape} has {x.shape[axis]} channels")
        running, by_input = (self.running_mean, self.running_var), self.training or not self.track_running_stats
        return instance_norm(x, *running, self.weight, self.bias, by_input, self.momentum or 0.0, self.eps, layout=self.layout)


BatchNorm1d, BatchNorm2d, BatchNorm3d = of_ranks(BatchNorm)
InstanceNorm1d, InstanceNorm2d, InstanceNorm3d = of_ranks(InstanceNorm, alone=True)


class GroupNorm(_ByChannel):
    """`group_norm` over any spatial rank: num_channels in num_groups groups."""

    _width = "num_channels"

    def __init__(
        self,
        num_groups: int,
        num_channels: int | None,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        check_counts(self, num_groups=num_groups, num_channels=num_channels)
        self.num_groups, self.num_channels, self.eps, self.affine, self.layout = num_groups, num_channels, eps, affine, layout
        check_kept(self, ("eps", "layout", "affine"))
        self._begin(recipe(self, initialisers.zeros, dtype, None, affine and bias))

    def _make(self, recipe: Recipe) -> None:
        assert self.num_channels is not None
        if self.num_channels % self.num_groups:
            raise ValueError(f"GroupNorm: num_groups={self.num_groups} must divide num_channels={self.num_channels}")
        super()._make(recipe)

    def forward(self, x: Any) -> Tensor:
        if self._awaited:
            self._meet(x)
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps, layout=self.layout)


class LayerNorm(Module):
    """`layer_norm` over the last axes, those of normalized_shape (an int for one)."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(self, normalized_shape), eps, elementwise_affine
        check_kept(self, ("eps", "elementwise_affine"))
        flag(type(self).__name__, "bias", bias)
        kind = floating(type(self).__name__, dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, kind)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, kind)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """`rms_norm` over the last axes, those of normalized_shape (an int for one)."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(self, normalized_shape), eps, elementwise_affine
        check_kept(self, ("eps", "elementwise_affine"))
        kind = floating(type(self).__name__, dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, kind)) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)


def _shape(layer: Module, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The lengths of the last axes, checked as the other numbers are."""
    who = type(layer).__name__
    several = isinstance(normalized_shape, Sequence) and not isinstance(normalized_shape, str)
    sizes: Any = normalized_shape if several else (normalized_shape,)
    if not sizes:
        raise ValueError(f"{who}: normalized_shape needs the length of at least one axis, but is {normalized_shape!r}")
    return tuple(integer(whole(who, "normalized_shape", n), "normalized_shape", who) for n in sizes)
