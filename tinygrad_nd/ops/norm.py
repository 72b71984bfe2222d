"""Normalisation: batch, layer, group, instance and RMS norm are one operation over different axes.

With x̂ = (x - mean) · rstd, the result is x̂ · weight + bias. Every derivative follows from two facts: x̂ changes by rstd · P(dx), where
P(v) = v - mean(v) - x̂ · mean(x̂ v) is symmetric; and rstd by -rstd² · mean(x̂ dx). (Without a mean, as in RMS norm, its terms are missing.)
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..arguments import number, whole
from ..kernels import norm as kernel
from ..kernels.memory import freeze
from ..tape import primitive
from ..tensor import Tensor, astensor
from .conv import is_channels_last
from .elementwise import square
from .parts import astype, floating
from .pool import avg_pool_nd
from .reduce import mean
from .shape import broadcast_to, moveaxis, reshape, sizes_of

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


class _Over:
    """Over which axes of x, and how, statistics are taken. It remembers what the pass back for x gave to weight and bias along the way."""

    def __init__(self, axes: tuple[int, ...], eps: float, centred: bool) -> None:
        self.axes, self.eps, self.centred = axes, eps, centred
        self.last: tuple[Any, Any, Any] = (lambda: None, None, None)

    def gradients(self, g: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, rstd: np.ndarray) -> list[np.ndarray]:
        found = kernel.gradients(g, x, weight, mean, rstd, self.axes, self.centred)
        self.last = (weakref.ref(g), *found[1:])
        return list(found)

    def parameter_gradients(self, g: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What comes back to weight and bias: neither depends on weight, so any sweep of this g will do."""
        of, dweight, dbias = self.last
        if of() is not g:
            _, dweight, dbias = self.gradients(g, *rest)
        return dweight, dbias

    def mean(self, x: Tensor) -> Tensor:
        return mean(x, self.axes, keepdims=True)

    def standard(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x̂ and rstd, in tensor operations."""
        distance = x - self.mean(x) if self.centred else x
        rstd = (self.mean(square(distance)) + self.eps) ** -0.5
        return distance * rstd, rstd


@primitive(
    x=lambda g, x, weight, mean, rstd, over: _normalise_grad(g, x, weight, mean, rstd, over=over),
    weight=lambda g, x, weight, mean, rstd, over: _normalise_weight_grad(g, x, weight.detach(), mean, rstd, over=over),
    bias=lambda g, x, weight, mean, rstd, over: _normalise_bias_grad(g, x.detach(), weight.detach(), mean, rstd, over=over),
)
def _normalise(x: Any, weight: Any, bias: Any, mean: Any, rstd: Any, found: Any, *, over: _Over) -> Any:
    return found  # along with mean and rstd


@primitive(
    g=lambda h, x, weight, mean, rstd, over: weight * _normalise_grad(h, x, _ones(weight), mean, rstd, over=over),
    weight=lambda h, g, x, weight, mean, rstd, over: g * _normalise_grad(h, x, _ones(weight), mean, rstd, over=over),
    x=lambda h, g, x, weight, over: _bend(h, g * weight, x, over),
)
def _normalise_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: _Over) -> Any:
    """rstd · P(g · weight): the cotangent of x."""
    return over.gradients(g, x, weight, mean, rstd)[0]


@primitive(
    g=lambda h, x, over: h * over.standard(x)[0],
    x=lambda h, g, x, mean, rstd, over: _normalise_grad(g, x, h, mean, rstd, over=over),
)
def _normalise_weight_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: _Over) -> Any:
    """The sum of g · x̂ over what weight repeats along."""
    return over.parameter_gradients(g, x, weight, mean, rstd)[0]


@primitive(g=lambda h, g_shape: broadcast_to(h, g_shape))
def _normalise_bias_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: _Over) -> Any:
    """The sum of g over what bias repeats along."""
    return over.parameter_gradients(g, x, weight, mean, rstd)[1]


def _bend(h: Tensor, u: Tensor, x: Tensor, over: _Over) -> Tensor:
    """The gradient in x of sum(h · rstd · P(u)), which is n · rstd · (mean(h u) - mean(h) mean(u) - mean(x̂ h) mean(x̂ u)) for each mean."""
    hat, rstd = over.standard(x)
    a, b = over.mean(hat * h), over.mean(hat * u)
    v = b * h + a * u
    value, projected = over.mean(h * u) - a * b, v - hat * over.mean(hat * v)
    if over.centred:
        value, projected = value - over.mean(h) * over.mean(u), projected - over.mean(v)
    return -square(rstd) * (hat * value + projected)


def _ones(weight: Tensor) -> np.ndarray:
    return np.ones(weight.shape, weight.dtype)


@primitive(
    x=lambda g, weight, rstd: g * (weight * rstd),
    weight=lambda g, x, mean, rstd: g * ((x - mean) * rstd),
    bias=lambda g: g,
)
def _standardise(x: Any, weight: Any, bias: Any, mean: Any, rstd: Any) -> Any:
    """The same for statistics that are given."""
    return kernel.standardise(x, weight, bias, mean, rstd)


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    layout: str | None = None,
) -> Tensor:
    """Every channel normalised: over batch and space in training, else by the running statistics.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C", of any rank; the others (C,), or None.

    Training replaces the values of running_mean and running_var, where these are tensors, by (1 - momentum) · old + momentum · new, the new
    variance divided by count - 1; plain arrays are never changed. They are constants: no gradient reaches them.

    Raises ValueError where a channel has one value in training (it would always become 0), or statistics are missing otherwise.
    Source: Ioffe and Szegedy, "Batch normalization" (2015).
    """
    x, axis = _with_channels("batch_norm", x, layout)
    axes = tuple(i for i in range(x.ndim) if i != axis)
    return _by_channel("batch_norm", x, axis, axes, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    layout: str | None = None,
) -> Tensor:
    """Every channel of every example normalised over space; the arguments are those of `batch_norm`.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C"; the others (C,), or None.
    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016).
    """
    x, axis = _with_channels("instance_norm", x, layout)
    axes = tuple(i for i in range(1, x.ndim) if i != axis)
    return _by_channel("instance_norm", x, axis, axes, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *, layout: str | None = None) -> Tensor:
    """Channels of every example normalised in num_groups groups, over each group's channels and space.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C"; weight and bias (C,), or None.
    Source: Wu and He, "Group normalization" (2018).
    """
    x, axis = _with_channels("group_norm", x, layout)
    channels = x.shape[axis]
    number("group_norm", "eps", eps, least=0)
    if channels % whole("group_norm", "num_groups", num_groups):
        raise ValueError(f"group_norm: num_groups={num_groups} must divide the {channels} channels of x {x.shape}")
    weight, bias = _parameters("group_norm", (channels,), x, weight=weight, bias=bias)
    grouped = reshape(x, (*x.shape[:axis], num_groups, channels // num_groups, *x.shape[axis + 1 :]))
    shape = tuple(n if i in (axis, axis + 1) else 1 for i, n in enumerate(grouped.shape))
    axes = tuple(i for i in range(1, grouped.ndim) if i != axis)
    return reshape(_normalised(grouped, weight, bias, shape, axes, eps)[0], x.shape)


def layer_norm(x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """x normalised over its last axes, those of normalized_shape.

    Shapes: x (*lead, *normalized_shape); weight and bias normalized_shape, or None.
    Source: Ba, Kiros and Hinton, "Layer normalization" (2016).

    >>> import tinygrad_nd as nd
    >>> nd.layer_norm([[1.0, 2.0, 3.0]], 3).data.round(3).tolist()
    [[-1.225, 0.0, 1.225]]
    """
    return _over_last("layer_norm", x, normalized_shape, weight, bias, eps, True)


def rms_norm(x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Tensor:
    """x divided by the root of its mean square over its last axes, those of normalized_shape.

    Shapes: x (*lead, *normalized_shape); weight normalized_shape, or None. eps=None is the spacing of x's dtype at 1.
    Source: Zhang and Sennrich, "Root mean square layer normalization" (2019).
    """
    return _over_last("rms_norm", x, normalized_shape, weight, None, eps, False)


def local_response_norm(
    x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, layout: str | None = None
) -> Tensor:
    """x / (k + alpha · m) ** beta, m the mean square of the `size` channels around each: size // 2 before, the rest from it on.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C". Channels beyond the first and last count as 0.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """
    x, axis = _with_channels("local_response_norm", x, layout)
    size = whole("local_response_norm", "size", size)
    for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
        number("local_response_norm", name, value)
    wide = astype(x, np.float32) if x.dtype == np.float16 else x
    squares = moveaxis(square(wide), axis, -1)
    means = moveaxis(avg_pool_nd(squares, (size,), 1, ((size // 2, (size - 1) // 2),)), -1, axis)
    return astype(wide * (k + alpha * means) ** -beta, x.dtype)


def _over_last(where: str, x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float | None, centred: bool) -> Tensor:
    t, shape = _real(where, x), sizes_of(normalized_shape, where)
    if not shape or t.shape[-len(shape) :] != shape:
        raise ValueError(f"{where}: normalized_shape={shape} must be the last axes of x, but x has shape {t.shape}")
    w, b = _parameters(where, shape, t, weight=weight, bias=bias)
    lead = t.ndim - len(shape)
    if eps is None and not centred:
        eps = float(np.finfo(t.dtype).eps)
    number(where, "eps", eps, least=0)
    assert eps is not None
    return _normalised(t, w, b, (1,) * lead + shape, tuple(range(lead, t.ndim)), eps, centred)[0]


def _by_channel(
    where: str,
    x: Tensor,
    axis: int,
    axes: tuple[int, ...],
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Statistics per channel: those of x, which then change the running ones, or the running ones."""
    number(where, "momentum", momentum)
    number(where, "eps", eps, least=0)
    channels = x.shape[axis]
    running = {"running_mean": running_mean, "running_var": running_var}
    for name, r in running.items():
        if r is not None and astensor(r).shape != (channels,):
            raise ValueError(f"{where}: {name} needs shape ({channels},), one per channel of x {x.shape}, but has {astensor(r).shape}")
    weight, bias = _parameters(where, (channels,), x, weight=weight, bias=bias)
    shape = tuple(channels if i == axis else 1 for i in range(x.ndim))
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(f"{where}: without statistics of x it needs running_mean and running_var, but got {running_mean!r}")
        middle, variance = (
            astensor(r).data.astype(np.result_type(x.dtype, np.float32)).reshape(shape) for r in running.values()
        )
        return _standardise(x, reshape(weight, shape), reshape(bias, shape), middle, 1 / np.sqrt(variance + eps))
    count = prod(x.shape[a] for a in axes)
    if count < 2:
        told = f"{where}: x {x.shape} has {'one value' if count else 'no values'} per channel"
        raise ValueError(f"{told}, and statistics of x need more; use the running ones")
    y, middle, rstd = _normalised(x, weight, bias, shape, axes, eps)
    variance = np.maximum(rstd.astype(np.float64) ** -2 - eps, 0) * (count / (count - 1))
    for old, new in zip(running.values(), (middle, variance)):
        if isinstance(old, Tensor):
            fresh = new.reshape(channels) if new.size == channels else np.moveaxis(new, axis, 0).reshape(channels, -1).mean(1)
            old.data = ((1 - momentum) * old.data + momentum * fresh).astype(old.dtype)
    return y


def _normalised(
    x: Tensor, weight: Tensor, bias: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], eps: float, centred: bool = True
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """The result, and the mean and rstd that were found; weight and bias in `shape`, in which they broadcast."""
    dtype = np.result_type(x.dtype, weight.dtype, bias.dtype)
    x = x if x.dtype == dtype else astype(x, dtype)
    weight, bias = reshape(weight, shape), reshape(bias, shape)
    y, middle, rstd = kernel.normalise(x.data, weight.data, bias.data, axes, eps, centred)
    for a in (y, middle, rstd):
        freeze(a)
    return _normalise(x, weight, bias, middle, rstd, y, over=_Over(axes, eps, centred)), middle, rstd


def _parameters(where: str, shape: tuple[int, ...], x: Tensor, **given: Any) -> list[Tensor]:
    """Weight and bias, checked; ones and zeros where they are None."""
    found = []
    for name, a in given.items():
        t = astensor(np.full(shape, name == "weight", x.dtype) if a is None else a)
        if t.shape != shape:
            raise ValueError(f"{where}: {name} needs shape {shape} for x {x.shape}, but has {t.shape}")
        found.append(t)
    return found


def _with_channels(where: str, x: Any, layout: str | None) -> tuple[Tensor, int]:
    """x, and which of its axes holds channels."""
    t, last = _real(where, x), is_channels_last(where, layout)
    if t.ndim < 2:
        raise ValueError(f"{where}: x needs axes {'(N, *n, C)' if last else '(N, C, *n)'}, but has shape {t.shape}")
    return t, t.ndim - 1 if last else 1


def _real(where: str, x: Any) -> Tensor:
    t = floating(x)
    if t.dtype.kind == "c":
        raise TypeError(f"{where}: needs real numbers, but x is {t.dtype}; normalise x.real and x.imag, or nd.abs(x)")
    return t
