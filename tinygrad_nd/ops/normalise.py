"""Normalisation, the one operation behind batch, layer, group, instance and RMS norm.

With x̂ = (x - mean) · rstd, the result is x̂ · weight + bias. Every derivative follows from two facts: x̂ changes by rstd · P(dx), where
P(v) = v - mean(v) - x̂ · mean(x̂ v) is symmetric; and rstd by -rstd² · mean(x̂ dx). (Without a mean, as in RMS norm, its terms are missing.)
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..kernels import norm as kernel
from ..kernels.memory import freeze
from ..tape import primitive
from ..tensor import Tensor, astensor
from .elementwise import square
from .parts import astype, wide
from .reduce import mean
from .shape import broadcast_to, reshape, sum_to
from .ufunc import bare_rules, cut, either

Axes = tuple[int, ...]


def normalised(x: Tensor, weight: Tensor, bias: Tensor, over: Over) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """The result, and the mean and rstd that were found."""
    if not x.dtype == weight.dtype == bias.dtype:
        kind = np.result_type(x.dtype, weight.dtype, bias.dtype)
        x, weight = astype(x, kind), astype(weight, kind)  # kernels give the slopes of both parameters in the weight's dtype
    y, middle, rstd = over.normalise(x.data, weight.data, bias.data)
    for a in (y, middle, rstd):
        freeze(a)
    return _normalise(x, weight, bias, middle, rstd, y, over=over), middle, rstd


class Over:
    """Over which axes of x, and how, statistics are taken; `shape` is that in which weight and bias broadcast to x.

    `groups` = (axis, number): each of that many parts of an axis has its own; so x is seen with that axis split in two. `given`: mean and
    rstd are these, whatever x is; P is the identity then. What the pass back for x gave to weight and bias along the way is remembered.
    """

    def __init__(
        self,
        axes: Axes,
        shape: Axes,
        eps: float,
        centred: bool = True,
        groups: tuple[int, int] | None = None,
        given: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.axes, self.shape, self.eps, self.centred, self.groups = axes, shape, eps, centred, groups
        self.within, self.laid = axes, shape  # the same where x is seen
        if groups is not None:
            self.within, self.laid = tuple(a + (a >= groups[0]) for a in axes), self._split(shape)
        self.given = given
        self.last: tuple[Any, Any, Any] = (lambda: None, None, None)

    def _split(self, shape: Axes) -> Axes:
        assert self.groups is not None
        axis, number = self.groups
        return (*shape[:axis], number, shape[axis] // number, *shape[axis + 1 :])

    def seen(self, x: Any) -> Any:
        """x, an array or a tensor, as its statistics are taken."""
        return x if self.groups is None else x.reshape(self._split(x.shape))

    def normalise(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The result; and mean and rstd, for x as it is seen."""
        weight, bias = weight.reshape(self.laid), bias.reshape(self.laid)
        if self.given is not None:
            return kernel.standardise(x, weight, bias, *self.given), *self.given
        y, mean, rstd = kernel.normalise(self.seen(x), weight, bias, self.within, self.eps, self.centred)
        return y.reshape(x.shape), mean, rstd

    def gradients(self, g: np.ndarray, x: np.ndarray, weight: np.ndarray, mean: np.ndarray, rstd: np.ndarray) -> list[np.ndarray]:
        along = weight.reshape(self.laid)
        if self.given is not None:
            found = kernel.given_gradients(g, x, along, mean, rstd)
        else:
            found = kernel.gradients(self.seen(g), self.seen(x), along, mean, rstd, self.within, self.centred)
        dx, dweight, dbias = (a.reshape(to.shape) for a, to in zip(found, (x, weight, weight)))
        self.last = (weakref.ref(g), dweight, dbias)
        return [dx, dweight, dbias]

    def parameter_gradients(self, g: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What comes back to weight and bias: neither depends on weight, so any sweep of this g will do."""
        of, dweight, dbias = self.last
        if of() is not g:
            _, dweight, dbias = self.gradients(g, *rest)
        return dweight, dbias

    def spread(self, parameter: Tensor) -> Tensor:
        """Weight or bias as it meets x."""
        return reshape(parameter, self.shape)

    def collected(self, g: Tensor, parameter: Tensor) -> Tensor:
        """The transpose of `spread`, along what it repeats."""
        return reshape(sum_to(g, shape=self.shape), parameter.shape)

    def mean(self, x: Tensor) -> Tensor:
        return mean(x, self.within, keepdims=True)

    def standard(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x̂ and rstd of an x as it is seen, in tensor operations; of halves in single precision, whose squares may overflow."""
        x = wide(x)
        if self.given is not None:
            middle, rstd = map(astensor, self.given)
            return (x - middle) * rstd, rstd
        distance = x - self.mean(x) if self.centred else x
        rstd = (self.mean(square(distance)) + self.eps) ** -0.5
        return distance * rstd, rstd


@bare_rules
@primitive(
    x=lambda g, x, weight, mean, rstd, over: either(_normalise_grad, g, x, weight, mean, rstd, over=over),
    weight=lambda g, x, weight, mean, rstd, over: either(_normalise_weight_grad, g, x, cut(weight), mean, rstd, over=over),
    bias=lambda g, x, weight, mean, rstd, over: either(_normalise_bias_grad, g, cut(x), cut(weight), mean, rstd, over=over),
)
def _normalise(x: Any, weight: Any, bias: Any, mean: Any, rstd: Any, found: Any, *, over: Over) -> Any:
    return found  # along with mean and rstd


@primitive(
    g=lambda h, x, weight, mean, rstd, over: over.spread(weight) * _normalise_grad(h, x, _ones(weight), mean, rstd, over=over),
    weight=lambda h, g, x, weight, mean, rstd, over: over.collected(
        g * _normalise_grad(h, x, _ones(weight), mean, rstd, over=over), weight
    ),
    x=lambda h, g, x, weight, over: _bend(h, g * over.spread(weight), x, over),
)
def _normalise_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: Over) -> Any:
    """rstd · P(g · weight): the cotangent of x."""
    return over.gradients(g, x, weight, mean, rstd)[0]


@primitive(
    g=lambda h, x, over: over.spread(h) * reshape(over.standard(over.seen(x))[0], x.shape),
    x=lambda h, g, x, mean, rstd, over: _normalise_grad(g, x, h, mean, rstd, over=over),
)
def _normalise_weight_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: Over) -> Any:
    """The sum of g · x̂ over what weight repeats along."""
    return over.parameter_gradients(g, x, weight, mean, rstd)[0]


@primitive(g=lambda h, g_shape, over: broadcast_to(over.spread(h), g_shape))
def _normalise_bias_grad(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, over: Over) -> Any:
    """The sum of g over what bias repeats along."""
    return over.parameter_gradients(g, x, weight, mean, rstd)[1]


def _bend(h: Tensor, u: Tensor, x: Tensor, over: Over) -> Tensor:
    """The gradient in x of sum(h · rstd · P(u)), which is n · rstd · (mean(h u) - mean(h) mean(u) - mean(x̂ h) mean(x̂ u)) for each mean."""
    if over.given is not None:
        return astensor(np.zeros(x.shape, x.dtype))
    shape, h, u, x = x.shape, over.seen(wide(h)), over.seen(wide(u)), over.seen(x)
    hat, rstd = over.standard(x)
    a, b = over.mean(hat * h), over.mean(hat * u)
    v = b * h + a * u
    value, projected = over.mean(h * u) - a * b, v - hat * over.mean(hat * v)
    if over.centred:
        value, projected = value - over.mean(h) * over.mean(u), projected - over.mean(v)
    return reshape(-square(rstd) * (hat * value + projected), shape)


def _ones(weight: Tensor) -> np.ndarray:
    return np.ones(weight.shape, weight.dtype)
