"""Batch, layer, group, instance and RMS norm: one operation over different axes; and local response norm."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ..arguments import answering, flag, number, whole
from ..kernels.words import shown
from ..tensor import Tensor, astensor
from .elementwise import square
from .naming import named
from .normalise import Axes, Over, normalised
from .parts import astype, floating, wide
from .pool import avg_pool_nd
from .shape import moveaxis, sizes_of
from .space import space

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


@answering
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


@named
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *, layout: str | None = None) -> Tensor:
    """Channels of every example normalised in num_groups groups, over each group's channels and space.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C"; weight and bias (C,), or None.
    Source: Wu and He, "Group normalization" (2018).
    """
    x, axis = _with_channels("group_norm", x, layout)
    channels = x.shape[axis]
    number("group_norm", "eps", eps, least=0, below=inf)
    if channels % whole("group_norm", "num_groups", num_groups):
        raise ValueError(f"group_norm: num_groups={num_groups} must divide the {channels} channels of x {x.shape}")
    weight, bias = _parameters("group_norm", (channels,), x, weight=weight, bias=bias)
    if 0 in x.shape[1:]:
        raise ValueError(f"group_norm: x {x.shape} has no values in its groups, and statistics need some")
    over = Over(tuple(range(1, x.ndim)), _along(axis, x), eps, groups=(axis, num_groups))
    return normalised(x, weight, bias, over)[0]


@answering
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


@named
def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *, layout: str | None = None) -> Tensor:
    """x / (k + alpha · m) ** beta, m the mean square of the `size` channels around each: size // 2 before, the rest from it on.

    Shapes: x (N, C, *n), or (N, *n, C) with layout="N*C". Channels beyond the first and last count as 0.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012).
    """
    x, axis = _with_channels("local_response_norm", x, layout)
    size = whole("local_response_norm", "size", size)
    for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
        number("local_response_norm", name, value)
    squares = moveaxis(square(wide(x)), axis, -1)
    seen = min(size, max(2 * squares.shape[-1] - 1, 1))  # from there on all channels are
    means = moveaxis(avg_pool_nd(squares, (seen,), 1, ((seen // 2, (seen - 1) // 2),)), -1, axis)
    return astype(wide(x) * (k + alpha * (seen / size) * means) ** -beta, x.dtype)


def _over_last(where: str, x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float | None, centred: bool) -> Tensor:
    t, shape = _real(where, x), sizes_of(normalized_shape, where)
    if not shape or t.shape[-len(shape) :] != shape:
        raise ValueError(f"{where}: normalized_shape={shown(shape)} must be the last axes of x, but x has shape {t.shape}")
    if 0 in shape:
        raise ValueError(f"{where}: normalized_shape={shape} holds no values, and statistics need some")
    w, b = _parameters(where, shape, t, weight=weight, bias=bias)
    lead = t.ndim - len(shape)
    if eps is None and not centred:
        eps = float(np.finfo(t.dtype).eps)
    number(where, "eps", eps, least=0, below=inf)
    assert eps is not None
    return normalised(t, w, b, Over(tuple(range(lead, t.ndim)), (1,) * lead + shape, eps, centred))[0]


def _by_channel(
    where: str,
    x: Tensor,
    axis: int,
    axes: Axes,
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
    number(where, "eps", eps, least=0, below=inf)
    flag(where, "use_input_stats" if where == "instance_norm" else "training", training)
    channels = x.shape[axis]
    running = {"running_mean": running_mean, "running_var": running_var}
    known = {name: astensor(r).data for name, r in running.items() if r is not None}
    for name, a in known.items():
        if a.shape != (channels,):
            raise ValueError(f"{where}: {name} needs shape ({channels},), one per channel of x {x.shape}, but has {a.shape}")
    weight, bias = _parameters(where, (channels,), x, weight=weight, bias=bias)
    shape = _along(axis, x)
    if not training:
        if len(known) < 2:
            raise ValueError(f"{where}: without statistics of x it needs running_mean and running_var, but got {running_mean!r}")
        dtype = np.float32 if x.dtype == np.float16 else x.dtype
        middle, variance = (a.astype(dtype, copy=False).reshape(shape) for a in known.values())
        given = middle, 1 / np.sqrt(variance + eps)
        return normalised(x, weight, bias, Over((), shape, eps, given=given))[0]
    count = prod(x.shape[a] for a in axes) if channels else 0
    if count < 2:
        told = f"{where}: x {x.shape} has {'one value' if count else 'no values'} per channel"
        raise ValueError(f"{told}, and statistics of x need more; use the running ones")
    y, middle, rstd = normalised(x, weight, bias, Over(axes, shape, eps))
    for name, old in running.items():
        if isinstance(old, Tensor) and x.size:
            new = middle if name == "running_mean" else np.maximum(rstd.astype(np.float64) ** -2 - eps, 0) * (count / (count - 1))
            fresh = new.reshape(channels) if new.size == channels else np.moveaxis(new, axis, 0).reshape(channels, -1).mean(1)
            old.data = ((1 - momentum) * old.data + momentum * fresh).astype(old.dtype)
    return y


def _along(axis: int, x: Tensor) -> Axes:
    """The shape in which an array of the length of this axis broadcasts to x."""
    return (*[1] * axis, x.shape[axis], *[1] * (x.ndim - axis - 1))


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
    t, inside = space(where, _real(where, x), layout)
    return t, next(i for i in range(1, t.ndim) if i not in inside)


def _real(where: str, x: Any) -> Tensor:
    t = floating(x)
    if t.dtype.kind == "c":
        raise TypeError(f"{where}: needs real numbers, but x is {t.dtype}; normalise x.real and x.imag, or nd.abs(x)")
    return t
