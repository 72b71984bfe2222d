"""Reductions along axes."""

from __future__ import annotations

from math import prod as _product
from typing import Any

import numpy as np

from ..kernels import elementwise as kernel
from ..kernels import softmax
from ..tape import primitive
from ..tensor import Tensor, astensor
from .elementwise import absolute, conj, exp, floating, over, scale, square, subtract, where
from .shape import Axes, _broadcast_to, _reshape, axes_of, concatenate, transpose

__all__ = ["all", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "var"]

Axis = Axes | None


@primitive(x=lambda g, x_shape, axes: spread(g, x_shape, axes))
def _sum(x: Any, *, axes: tuple[int, ...]) -> Any:
    return kernel.reduce_sum(x, axes, keepdims=False)


@primitive(x=lambda g, x_shape, axes: spread(g / _count(x_shape, axes), x_shape, axes))
def _mean(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.divide(kernel.reduce_sum(x, axes, keepdims=False), _count(x.shape, axes))


@primitive(x=lambda g, x, out, axes: _share(g, x, out, axes))
def _max(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.max(x, axes)


@primitive(x=lambda g, x, out, axes: _share(g, x, out, axes))
def _min(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.min(x, axes)


@primitive()
def _winners(x: Any, best: Any, *, axes: tuple[int, ...]) -> Any:
    """1 / (how many entries reach the best) at each of them, 0 elsewhere; NaN reaches NaN."""
    hit = (x == best) | (np.isnan(x) & np.isnan(best))
    return np.divide(hit, hit.sum(axes, keepdims=True), dtype=x.dtype)


@primitive(x=lambda g, x, out, axes: spread(g, x.shape, axes) * _softmax_from(x, out, axes))
def _logsumexp(x: Any, *, axes: tuple[int, ...]) -> Any:
    return softmax.logsumexp(x, axes)


@primitive(x=lambda g, x, out, axes: scale(spread(g, x.shape, axes), over(x, spread(out, x.shape, axes))))
def _norm(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The Euclidean norm; its derivative at 0 is 0."""
    return np.sqrt(np.sum(np.square(np.abs(x)), axes))


@primitive(x=lambda g, x, axes: scale(spread(g, x.shape, axes), _others(x, axes=axes)))
def _prod(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.prod(x, axes)


def _others(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    """At each entry, the product of all other entries: exclusive products from both sides, right also where entries are 0."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    flat = _reshape(transpose(x, rest + axes), shape=(*(x.shape[i] for i in rest), -1 if x.size else _count(x.shape, axes)))
    n = flat.shape[-1]
    one = astensor(np.ones((*flat.shape[:-1], 1), x.dtype))
    before, after = [one], [one]
    for k in range(n - 1):
        before.append(before[-1] * flat[..., k : k + 1])
        after.append(after[-1] * flat[..., n - 1 - k : n - k])
    joined = concatenate(before, -1) * concatenate(after[::-1], -1) if n else flat
    back = tuple(np.argsort(rest + axes).tolist())
    return transpose(_reshape(conj(joined), shape=tuple(x.shape[i] for i in rest + axes)), back)


def spread(g: Tensor, x_shape: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """A reduction's cotangent, repeated along the axes that were reduced."""
    return _broadcast_to(_reshape(g, shape=_kept(x_shape, axes)), shape=x_shape)


def _share(g: Tensor, x: Tensor, out: Tensor, axes: tuple[int, ...]) -> Tensor:
    best = _reshape(out.detach(), shape=_kept(x.shape, axes))
    return spread(g, x.shape, axes) * _winners(x, best, axes=axes)


def _softmax_from(x: Tensor, out: Tensor, axes: tuple[int, ...]) -> Tensor:
    """exp(x - logsumexp), 0 where x is -inf (also where all are)."""
    total = _reshape(out, shape=_kept(x.shape, axes))
    finite = np.isfinite(total.data)
    return exp(x - total) if finite.all() else where(x == -np.inf, 0, exp(subtract(x, where(finite, total, 0))))


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    return _product(shape[i] for i in axes)


def _keep(y: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return _reshape(y, shape=_kept(shape, axes)) if keepdims else y


def _reduction(op: Any, x: Any, axis: Axis, keepdims: bool, who: str, *, needs_one: bool = False) -> Tensor:
    """Normalises the axes, runs the primitive, and keeps the reduced axes if asked."""
    x = astensor(x)
    axes = axes_of(axis, x.ndim, who)
    # An empty result is fine, but an entry over no values is not.
    if needs_one and _count(x.shape, axes) == 0 and x.size == 0 and _product(x.shape[i] for i in range(x.ndim) if i not in axes):
        raise ValueError(f"{who}: x {x.shape} has no entries along axis {axis}, and nothing has no {who}")
    return _keep(op(x, axes=axes), x.shape, axes, keepdims)


def sum(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The sum along `axis` (an int, several, or None for all)."""
    return _reduction(_sum, x, axis, keepdims, "sum")


def mean(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`."""
    x = floating(x)
    return _reduction(_mean, x, axis, keepdims, "mean")


def var(x: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The variance along `axis`: squared distances from the mean, summed and divided by count - ddof (0 as in NumPy)."""
    x, axes, count = _for_variance(x, axis, ddof, "var")
    distance = x - mean(x, axes, keepdims=True)
    total = sum(square(absolute(distance) if x.dtype.kind == "c" else distance), axes, keepdims=keepdims)
    return total / count if count > 0 else total * float("nan")


def std(x: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation along `axis`: the square root of `var`."""
    x, axes, count = _for_variance(x, axis, ddof, "std")
    norm = _norm(x - mean(x, axes, keepdims=True), axes=axes)
    return _keep(norm / count**0.5 if count > 0 else norm * float("nan"), x.shape, axes, keepdims)


def _for_variance(x: Any, axis: Axis, ddof: float, who: str) -> tuple[Tensor, tuple[int, ...], float]:
    x = floating(x)
    axes = axes_of(axis, x.ndim, who)
    return x, axes, _count(x.shape, axes) - ddof


def prod(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The product along `axis`."""
    return _reduction(_prod, x, axis, keepdims, "prod")


def max(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The largest entry along `axis`; NaN wins. Entries that tie share the gradient evenly."""
    return _reduction(_max, x, axis, keepdims, "max", needs_one=True)


def min(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The smallest entry along `axis`; NaN wins. Entries that tie share the gradient evenly."""
    return _reduction(_min, x, axis, keepdims, "min", needs_one=True)


def logsumexp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) along `axis`, without overflow."""
    x = floating(x)
    return _reduction(_logsumexp, x, axis, keepdims, "logsumexp")


def argmax(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Where the largest entry is (the first of them); integers, which carry no gradient."""
    return _arg(np.argmax, "argmax", x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Where the smallest entry is (the first of them); integers, which carry no gradient."""
    return _arg(np.argmin, "argmin", x, axis, keepdims)


def _arg(find: Any, who: str, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = astensor(x)
    if axis is not None:
        (axis,) = axes_of(axis, x.ndim, who)
    if not x.size and (axis is None or not x.shape[axis]):
        raise ValueError(f"{who}: x {x.shape} has no entries along axis {axis}")
    return astensor(find(x.data, axis=axis, keepdims=keepdims))


def all(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """Whether every entry along `axis` is true; carries no gradient."""
    x = astensor(x)
    return astensor(np.all(x.data, axis=axes_of(axis, x.ndim, "all"), keepdims=keepdims))


def any(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """Whether any entry along `axis` is true; carries no gradient."""
    x = astensor(x)
    return astensor(np.any(x.data, axis=axes_of(axis, x.ndim, "any"), keepdims=keepdims))
