"""Layers that are linear in their inputs and carry weights: dense, bilinear, embedding, convolution, transposed convolution.

Weights are drawn by `init.he_normal` (variance 2 / fan_in: every use here precedes a ReLU unless told otherwise) and biases start at zero.
`init` takes any `(shape, *, dtype, rng)`. Where the number of input channels (features) is None, the first call finds it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import init as initialisers
from ..arguments import Rng, whole
from ..kernels.geometry import conv_window, transpose_window
from ..kernels.padding import IntN, Padding, per_axis, several
from ..kernels.words import shown
from ..node import no_grad
from ..ops.conv import conv_nd, conv_transpose_nd, padding_modes
from ..ops.layers import bilinear, embedding, linear
from ..tensor import Parameter, Tensor
from .kept import check_kept, told_by
from .lazy import Initialiser, Lazy, Recipe, channel_axis, check_counts, recipe
from .module import Module

__all__ = [
    "Bilinear", "Conv", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Embedding",
    "Linear",
]  # fmt: skip

Shapes = Mapping[str, tuple[int, ...]]
ANY = 1 << 48  # a size that every window fits


class Linear(Lazy):
    """x @ weight.T + bias over the last axis: (*, in_features) to (*, out_features). weight (out, in), bias (out,)."""

    _width = "in_features"
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int | None,
        out_features: int,
        bias: bool = True,
        *,
        init: Initialiser = initialisers.he_normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        check_counts(self, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self._begin(recipe(self, init, dtype, rng, bias))

    def _make(self, recipe: Recipe) -> None:
        assert self.in_features is not None
        self.weight, self.bias = recipe.weight(self.out_features, self.in_features), recipe.zeros(self.out_features)

    def forward(self, x: Any) -> Tensor:
        if self._awaited:
            self._meet(x)
        return linear(x, self.weight, self.bias)


class Bilinear(Module):
    """`bilinear`: (*, in1_features) and (*, in2_features) to (*, out_features). weight (out, in1, in2), bias (out,)."""

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initialiser = initialisers.he_normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        check_counts(self, in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        parts = recipe(self, init, dtype, rng, bias)
        self.weight, self.bias = parts.weight(out_features, in1_features, in2_features), parts.zeros(out_features)

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return bilinear(x1, x2, self.weight, self.bias)


class Embedding(Module):
    """`embedding`: whole numbers (*) to rows (*, embedding_dim) of weight (num_embeddings, embedding_dim), drawn normally.

    The row padding_idx starts at zero and is not learned.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        init: Initialiser = initialisers.normal,
        dtype: npt.DTypeLike | None = None,
        rng: Rng = None,
    ) -> None:
        check_counts(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= whole("Embedding", "padding_idx", padding_idx, -inf) < num_embeddings:
            raise ValueError(f"Embedding: padding_idx={padding_idx} is none of the {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = recipe(self, init, dtype, rng).weight(num_embeddings, embedding_dim)
        if padding_idx is not None:
            with no_grad():
                self.weight[padding_idx] = 0

    def forward(self, indices: Any) -> Tensor:
        return embedding(indices, self.weight, padding_idx=self.padding_idx)


class _Convolution(Lazy):
    """What convolution and its transpose share."""

    rank: ClassVar[int | None] = None
    in_channels: int | None
    kernel_size: tuple[int, ...]
    weight: Parameter
    bias: Parameter | None

    def __init_subclass__(cls, rank: int | None = None) -> None:
        super().__init_subclass__()
        if rank is not None:
            cls.rank, cls.__doc__ = rank, told_by(cls.__doc__, cls.__base__)

    def _sizes(self, in_channels: int | None, out_channels: int, kernel_size: IntN, groups: int, layout: str | None) -> None:
        check_counts(self, in_channels=in_channels, out_channels=out_channels, groups=groups)
        self.in_channels, self.out_channels, self.groups, self.layout = in_channels, out_channels, groups, layout
        self.kernel_size = _kernel_size(self, kernel_size)
        check_kept(self, ("layout",))

    def _anywhere(self) -> tuple[int, ...]:
        """A space that any window fits: what is refused there suits no input."""
        return (ANY,) * len(self.kernel_size)

    def _width_axis(self) -> int:
        return channel_axis(self, self.layout, len(self.kernel_size))

    def _channels_per_group(self) -> tuple[int, int]:
        """Those of the input, and of the output."""
        c, m, groups = self.in_channels, self.out_channels, self.groups
        assert c is not None
        if c % groups or m % groups:
            raise ValueError(f"{type(self).__name__}: groups={groups} must divide both {c} input and {m} output channels")
        return c // groups, m // groups


class Conv(_Convolution):
    """`conv_nd` with weight (out, in/groups, *k) and bias (out,); the spatial rank is the length of `kernel_size`.

    Shapes: (N, in, *n) to (N, out, *o). Other arguments are `conv_nd`'s.
    """

    def __init__(
        self,
        in_channels: int | None,
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
        self._sizes(in_channels, out_channels, kernel_size, groups, layout)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.padding_mode, self.algorithm = padding_mode, algorithm
        conv_window(type(self).__name__, self._anywhere(), self.kernel_size, stride, padding, dilation, 1, algorithm)
        padding_modes(type(self).__name__, padding_mode, len(self.kernel_size))
        self._begin(recipe(self, init, dtype, rng, bias))

    def _make(self, recipe: Recipe) -> None:
        c, _ = self._channels_per_group()
        self.weight, self.bias = recipe.weight(self.out_channels, c, *self.kernel_size), recipe.zeros(self.out_channels)

    def _width_saved(self, shapes: Shapes) -> int | None:
        weight = shapes.get("weight", ())
        return weight[1] * self.groups if len(weight) == 2 + len(self.kernel_size) else None

    def forward(self, x: Any) -> Tensor:
        if self._awaited:
            self._meet(x)
        window = self.stride, self.padding, self.dilation, self.groups
        how: Any = {"padding_mode": self.padding_mode, "layout": self.layout, "algorithm": self.algorithm}
        return conv_nd(x, self.weight, self.bias, *window, **how)


Conv.__doc__ = told_by(inspect.getdoc(Conv), conv_nd)


class Conv1d(Conv, rank=1):
    """`Conv` over one spatial axis."""


class Conv2d(Conv, rank=2):
    """`Conv` over two spatial axes; kernel_size=3 means (3, 3)."""


class Conv3d(Conv, rank=3):
    """`Conv` over three spatial axes; kernel_size=3 means (3, 3, 3)."""


class ConvTranspose(_Convolution):
    """`conv_transpose_nd`, the adjoint of a `Conv` of the same arguments from out to in channels: weight (in, out/groups, *k), bias (out,).

    Shapes: (N, in, *o) to (N, out, *n). Weights are drawn with the fan of the channels summed into an output. A call may say its own
    `output_size`, such as that of the tensor a skip comes from.
    """

    def __init__(
        self,
        in_channels: int | None,
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
        self._sizes(in_channels, out_channels, kernel_size, groups, layout)
        self.stride, self.padding, self.output_padding, self.output_size = stride, padding, output_padding, output_size
        self.dilation, self.algorithm = dilation, algorithm
        window = self.kernel_size, stride, padding, output_padding, dilation, 1, None, algorithm
        transpose_window(type(self).__name__, self._anywhere(), *window)
        check_kept(self, ("kernel_size", "output_size"))
        self._begin(recipe(self, init, dtype, rng, bias))

    def _make(self, recipe: Recipe) -> None:
        (c, m), k = self._channels_per_group(), self.kernel_size
        drawn = recipe.weight(self.out_channels, c, *k).data.reshape(self.groups, m, c, *k)
        self.weight = Parameter(np.ascontiguousarray(drawn.swapaxes(1, 2)).reshape(self.groups * c, m, *k))
        self.bias = recipe.zeros(self.out_channels)

    def _width_saved(self, shapes: Shapes) -> int | None:
        weight = shapes.get("weight", ())
        return weight[0] if len(weight) == 2 + len(self.kernel_size) else None

    def forward(self, x: Any, output_size: IntN | None = None) -> Tensor:
        if self._awaited:
            self._meet(x)
        window = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        size = self.output_size if output_size is None else output_size
        return conv_transpose_nd(x, self.weight, self.bias, *window, output_size=size, layout=self.layout, algorithm=self.algorithm)


ConvTranspose.__doc__ = told_by(inspect.getdoc(ConvTranspose), conv_transpose_nd)


class ConvTranspose1d(ConvTranspose, rank=1):
    """`ConvTranspose` over one spatial axis."""


class ConvTranspose2d(ConvTranspose, rank=2):
    """`ConvTranspose` over two spatial axes; kernel_size=3 means (3, 3)."""


class ConvTranspose3d(ConvTranspose, rank=3):
    """`ConvTranspose` over three spatial axes; kernel_size=3 means (3, 3, 3)."""


def _kernel_size(layer: _Convolution, kernel_size: IntN) -> tuple[int, ...]:
    who = type(layer).__name__
    if layer.rank is None:
        if not several(kernel_size):
            raise TypeError(
                f"{who}: kernel_size={shown(kernel_size)} does not say how many spatial axes there are; "
                f"give a tuple, such as {(kernel_size,) * 2} for two, or use {who}2d"
            )
        return per_axis(kernel_size, len(kernel_size), "kernel_size", who)
    return per_axis(kernel_size, layer.rank, "kernel_size", who)
