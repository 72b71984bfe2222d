"""Medians and quantiles: sorted values, and lines between them. A gradient goes to the values that a result lies between."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import option
from ..kernels.words import shown
from ..tensor import Tensor, astensor
from .choice import where
from .index import take_along_axis
from .moments import laid_along
from .naming import named, titled
from .parts import floating
from .reduce import mean, merged
from .shape import Axes, _reshape, axes_of, broadcast_to, expand_dims, take_along, transpose
from .sort import order_statistics, sort

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

Axis = Axes | None
Place = Callable[[Any, Any], Any]

# Where the quantile q of n sorted values lies. Source: Hyndman and Fan, Sample quantiles in statistical packages, 1996.


def _line(alpha: float, beta: float) -> Place:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


_LINES: dict[str, Place] = {
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": _line(0, 1),
    "hazen": _line(0.5, 0.5),
    "weibull": _line(0, 0),
    "median_unbiased": _line(1 / 3, 1 / 3),
    "normal_unbiased": _line(3 / 8, 3 / 8),
}


def _step(place: Place, takes_lower: Callable[[Any, Any], Any]) -> Place:
    """The neighbour below a place where `takes_lower` (of the fraction and the neighbour) holds, else the one above."""

    def index(n: Any, q: Any) -> Any:
        below = np.floor(place(n, q))
        return np.maximum(np.where(takes_lower(place(n, q) - below, below), below, below + 1), 0).astype(np.intp)

    return index


_STEPS: dict[str, Place] = {
    "inverted_cdf": _step(lambda n, q: n * q - 1, lambda fraction, below: fraction == 0),
    "closest_observation": _step(lambda n, q: n * q - 1.5, lambda fraction, below: (fraction == 0) & (below % 2 == 1)),
    "lower": lambda n, q: np.floor((n - 1) * q).astype(np.intp),
    "higher": lambda n, q: np.ceil((n - 1) * q).astype(np.intp),
    "nearest": lambda n, q: np.around((n - 1) * q).astype(np.intp),
}
_MIDDLES: dict[str, tuple[Place, tuple[float, float]]] = {  # the share of the upper neighbour: at a value, and between two
    "averaged_inverted_cdf": (lambda n, q: n * q - 1, (0.5, 1.0)),
    "midpoint": (lambda n, q: (n - 1) * q, (0.0, 0.5)),
}


def _fractions(name: str, doc: str) -> Callable[..., Tensor]:
    def function(x: Any, q: Any, axis: Axis = None, *, method: str = "linear", keepdims: bool = False, weights: Any = None) -> Tensor:
        return _quantile(name, x, q, axis, method, keepdims, weights)

    return named(titled(function, name, doc))


def _middles(name: str, doc: str) -> Callable[..., Tensor]:
    def function(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        return _median(name, x, axis, keepdims)

    return named(titled(function, name, doc))


_QUANTILE = """The values below which the fractions q of the entries along `axis` lie, by NumPy's methods: shape (*q.shape, *rest).

    `weights` (constants) go with method "inverted_cdf" only. A continuous method is differentiable in q, too.
    """
quantile = _fractions("quantile", _QUANTILE)
percentile = _fractions("percentile", "The values below which q percent of the entries along `axis` lie (see `quantile`).")
nanquantile = _fractions("nanquantile", "`quantile` of the entries that are not NaN.")
nanpercentile = _fractions("nanpercentile", "`percentile` of the entries that are not NaN.")
median = _middles("median", "The middle one of the sorted entries along `axis`, or the mean of the two in the middle.")
nanmedian = _middles("nanmedian", "`median` of the entries that are not NaN.")


def _quantile(name: str, x: Any, q: Any, axis: Axis, method: str, keepdims: bool, weights: Any) -> Tensor:
    x, weak = astensor(x), type(q) in (int, float)
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: complex numbers have no order, but x is {x.dtype}")
    option(name, "method", method, [*_LINES, *_STEPS, *_MIDDLES])
    whole = 100 if name.endswith("percentile") else 1
    q = astensor(q)
    if q.ndim > 2 or not ((q.data >= 0) & (q.data <= whole)).all():
        raise ValueError(f"{name}: q must lie between 0 and {whole} and have at most 2 axes, but got {shown(q.tolist())}")
    if not (x.size and q.size):
        try:
            return astensor(getattr(np, name)(x.data, q.data, axis, method=method, keepdims=keepdims))
        except IndexError:
            raise IndexError(f"{name}: x {x.shape} has no entries along axis {axis}") from None
    q = q / 100 if whole == 100 else q
    y, axes = _merged(x, axis, name)
    only_numbers = name.startswith("nan")
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"{name}: only method 'inverted_cdf' takes weights, but got {method!r}")
        result = take_along_axis(y, _weighted(name, y.data, _merged(_weights(x, weights, axis, name), axes, name)[0].data, q.data), -1)
        result = _reshape(result, shape=(*y.shape[:-1], *q.shape))
    elif only_numbers:
        count = y.shape[-1] - np.isnan(y.data).sum(-1)
        ordered = sort(y)

        def pick(index: np.ndarray) -> Tensor:
            return _reshape(take_along_axis(ordered, index.reshape((*count.shape, -1)), -1), shape=(*count.shape, *q.shape))

        result = _interpolated(pick, method, count.reshape((*count.shape, *[1] * q.ndim)), q, weak)
    else:
        n = y.shape[-1]
        lower, upper, _ = _neighbours(method, n, q.data)
        ranks = np.unique([lower, upper])
        known = order_statistics(y, ranks=tuple(ranks.tolist()))
        result = _interpolated(lambda i: take_along(known, index=np.searchsorted(ranks, i), axis=y.ndim - 1), method, n, q, weak)
    result = _without_nan(name, y, result)
    front = range(y.ndim - 1, y.ndim - 1 + q.ndim)
    result = transpose(result, (*front, *range(y.ndim - 1))) if q.ndim else result
    return expand_dims(result, tuple(i + q.ndim for i in axes)) if keepdims else result


def _median(name: str, x: Any, axis: Axis, keepdims: bool) -> Tensor:
    x = floating(x)
    if not x.size:
        return astensor(getattr(np, name)(x.data, axis, keepdims=keepdims))
    y, axes = _merged(x, axis, name)
    if name.startswith("nan"):
        count = y.shape[-1] - np.isnan(y.data).sum(-1, keepdims=True)
        middle = np.concatenate([(count - 1) // 2, count // 2], -1)
        result = mean(take_along_axis(sort(y), np.maximum(middle, 0), -1), -1)
    else:
        n = y.shape[-1]
        result = mean(order_statistics(y, ranks=tuple({(n - 1) // 2, n // 2})), -1)
    result = _without_nan(name, y, result)
    return expand_dims(result, axes) if keepdims else result


def _merged(x: Tensor, axis: Axis, name: str) -> tuple[Tensor, tuple[int, ...]]:
    """x with the axes to reduce as one, the last; and which they were."""
    axes = axes_of(axis, x.ndim, name)
    return merged(x, axes)[0], axes


def _neighbours(method: str, n: Any, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The ranks that the quantile q of n values lies between, and the share of the upper one; None if it is exactly at one."""
    if method in _STEPS or (method == "linear" and q.dtype.kind in "iub"):
        at = (_STEPS.get(method) or _LINES[method])(n, q)
        at = np.clip(at, 0, n - 1)
        return at, at, None
    place, shares = _MIDDLES[method] if method in _MIDDLES else (_LINES[method], None)
    at = np.asarray(place(n, q), q.dtype if q.dtype.kind == "f" else float)
    below = np.floor(at).astype(np.intp)
    share = at - below.astype(at.dtype)
    if shares:
        share = np.where(share == 0, *np.array(shares, at.dtype))
    return np.clip(below, 0, n - 1), np.where(at >= n - 1, n - 1, np.clip(below + 1, 0, n - 1) * (at >= 0)), share


def _interpolated(pick: Callable[[np.ndarray], Tensor], method: str, n: Any, q: Tensor, weak: bool) -> Tensor:
    """The values at ranks, and on the line between them from the nearer end."""
    lower, upper, share = _neighbours(method, n, q.data)
    if share is None:
        return pick(lower)
    low, high, near = pick(lower), pick(upper), share >= 0.5
    step: Any = (share - near).astype(low.dtype) if weak and low.dtype.kind == "f" else share - near
    if q.requires_grad and method in _LINES:
        place, n = _LINES[method], n.astype(q.dtype) if isinstance(n, np.ndarray) else n
        step = place(n, q) - astensor(np.floor(place(n, q.data)) + near)
    nearer: Tensor = where(near, high, low) if near.ndim else high if near else low
    result: Tensor = nearer + (high - low) * step
    return result


def _without_nan(name: str, y: Tensor, result: Tensor) -> Tensor:
    """NaN where an entry is (for the nan-functions, where all are), which sorting had put last."""
    if y.dtype.kind not in "fc":
        return result
    missing = np.isnan(y.data)
    void = missing.all(-1) if name.startswith("nan") else missing.any(-1)
    if not void.any():
        return result
    if name.startswith("nan"):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
    filled: Tensor = where(void.reshape((*void.shape, *[1] * (result.ndim - void.ndim))), result.dtype.type(np.nan), result)
    return filled


def _weights(x: Tensor, weights: Any, axis: Axis, name: str) -> Tensor:
    """One weight for every entry of x, from that or one for every entry along the axes."""
    w = astensor(weights)
    if w.requires_grad:
        raise TypeError(f"{name}: not differentiable in weights; pass weights.detach() if no gradient is meant")
    return broadcast_to(laid_along(name, x, axis, axes_of(axis, x.ndim, name), w), x.shape)


def _weighted(name: str, x: np.ndarray, weights: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The place of the first value, by size, at which the weights so far reach the fraction q of all: (*rest, q.size)."""
    if (weights < 0).any():
        raise ValueError(f"{name}: weights must not be negative")
    if name.startswith("nan"):
        weights = np.where(np.isnan(x), 0, weights)
    order = np.argsort(x, -1)
    reached = np.take_along_axis(weights, order, -1).cumsum(-1, dtype=np.float64)
    total = reached[..., -1:]
    if not (np.isfinite(total) & ((total > 0) | np.isnan(x).all(-1, keepdims=True))).all():
        raise ValueError(f"{name}: weights must be finite and not all 0")
    part = np.divide(reached, total, out=np.full_like(reached, np.nan), where=total > 0).astype(q.dtype if q.dtype.kind == "f" else float)
    part[part == 0] = -1
    index = np.minimum((part[..., None, :] < q.reshape(-1, 1)).sum(-1), x.shape[-1] - 1)
    return np.take_along_axis(order, index, -1)
