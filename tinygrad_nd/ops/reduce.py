"""Reductions along axes."""

from __future__ import annotations

from math import prod as _product
from typing import Any

import numpy as np

from ..kernels import choice as choices
from ..kernels import softmax
from ..kernels.indexing import unlocked
from ..kernels.sums import reduce_sum
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import maximum, minimum
from .choice import where as pick
from .elementwise import subtract
from .naming import named
from .parts import astype, cast, floating, storable
from .scan import _cumprod, exclusive_product
from .shape import Axes, _broadcast_to, _reshape, axes_of, axis_of, broadcast_to, transpose
from .ufunc import bare, bare_rules, conj, either, of_kernel, over, scale

__all__ = ["all", "any", "argmax", "argmin", "count_nonzero", "logsumexp", "max", "mean", "min", "prod", "ptp", "sum"]

Axis = Axes | None


@bare_rules
@primitive(x=lambda g, x_shape, axes: spread(g, x_shape, axes))
def _sum(x: Any, *, axes: tuple[int, ...]) -> Any:
    return reduce_sum(x, axes, keepdims=False)


@bare_rules
@primitive(x=lambda g, x_shape, axes: spread(_wide(g) / _count(x_shape, axes), x_shape, axes))
def _mean(x: Any, *, axes: tuple[int, ...]) -> Any:
    if x.dtype == np.float16:  # whose sums overflow
        return np.mean(x, axes)
    return np.divide(reduce_sum(x, axes, keepdims=False), _count(x.shape, axes))


def _wide(g: Any) -> Any:
    """A cotangent in single precision, if it is of halves, which hold neither all counts nor the sums that are its own derivative."""
    return either(cast, g, dtype=np.dtype(np.float32)) if g.dtype == np.float16 else g


@primitive(x=lambda g, x, out, axes: _share(g, x, out, axes))
def _max(x: Any, *, axes: tuple[int, ...]) -> Any:
    return choices.extreme(np.maximum, x, axes)


@primitive(x=lambda g, x, out, axes: _share(g, x, out, axes))
def _min(x: Any, *, axes: tuple[int, ...]) -> Any:
    return choices.extreme(np.minimum, x, axes)


_logsumexp = of_kernel("logsumexp", softmax.logsumexp, x=lambda g, x, out, axes: _exp_less(g, conj(x), conj(out), axes=axes))


@primitive(
    g=lambda h, x, y, axes: _sum(h * conj(_exp_less(np.ones(y.shape, y.dtype), x, y, axes=axes)), axes=axes),
    x=lambda h, out: h * conj(out),
    y=lambda h, out, axes: -_sum(h * conj(out), axes=axes),
)
def _exp_less(g: Any, x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    """g exp(x - y), where g and y have not the axes of x; 0 where x is -inf."""
    if np.isfinite(y).all():
        return softmax.exp_less(x, g, y, axes)
    with np.errstate(invalid="ignore"):
        found = softmax.exp_less(x, g, np.where(np.equal(y, -np.inf), 0, y).astype(x.dtype), axes)
    return np.where(np.equal(x, -np.inf), 0, found)


@primitive(x=lambda g, x, out, axes: _prod_slope(g, x, out, axes))
def _prod(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.prod(x, axes)


def _prod_slope(g: Tensor, x: Tensor, out: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The product of all other entries: a quotient, or where a product is 0 those before and after each entry, multiplied."""
    if out.data.all() and np.isfinite(out.data).all():
        return over(spread(g * conj(out), x.shape, axes), conj(x))  # type: ignore[no-any-return]
    flat, order = merged(x, axes)
    last = flat.ndim - 1
    before, after = (exclusive_product(flat, _cumprod(flat, axis=last, reverse=r), last, r) for r in (False, True))
    others = transpose(_reshape(before * after, shape=tuple(x.shape[i] for i in order)), tuple(np.argsort(order).tolist()))
    return scale(spread(g, x.shape, axes), conj(others))  # type: ignore[no-any-return]


def merged(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """x with some of its axes as one, the last; and the order in which they came there."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    return _reshape(transpose(x, rest + axes), shape=(*(x.shape[i] for i in rest), _count(x.shape, axes))), rest + axes


def spread(g: Any, x_shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """A reduction's cotangent, repeated along the axes that were reduced."""
    return either(_broadcast_to, either(_reshape, g, shape=_kept(x_shape, axes)), shape=x_shape)


@primitive(g=lambda h, x, best, axes: _sum(scale(choices.to_extreme(np.ones(best.shape, h.dtype), x.data, best.data, axes), h), axes=axes))
def _to_extreme(g: Any, x: Any, best: Any, *, axes: tuple[int, ...]) -> Any:
    """The cotangent of an extreme along axes, which `best` keeps, divided among the entries that reach it; NaN reaches NaN."""
    kept = np.shape(best)
    return choices.to_extreme(np.reshape(g, kept), x, best, axes)


def _share(g: Tensor, x: Tensor, out: Tensor, axes: tuple[int, ...]) -> Tensor:
    return _to_extreme(g, x.data, np.reshape(out.data, _kept(x.shape, axes)), axes=axes)


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    return _product(shape[i] for i in axes)


def _keep(y: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return _reshape(y, shape=_kept(shape, axes)) if keepdims else y


def along(axis: Axis, x: Tensor, who: str) -> tuple[int, ...]:
    """The axes to reduce. NumPy takes a 0-d array for one entry along one axis; so do we."""
    return () if not x.ndim and isinstance(axis, (int, np.integer)) and axis in (0, -1) else axes_of(axis, x.ndim, who)


def _reduction(op: Any, x: Any, axis: Axis, keepdims: bool, who: str, *, needs_one: bool = False) -> Tensor:
    """Normalises the axes, runs the primitive, and keeps the reduced axes if asked."""
    x = astensor(x)
    axes = along(axis, x, who)
    # An empty result is fine, but an entry over no values is not.
    if needs_one and _count(x.shape, axes) == 0 and x.size == 0 and _product(x.shape[i] for i in range(x.ndim) if i not in axes):
        raise ValueError(f"{who}: x {x.shape} has no entries along axis {axis}, and without initial= nothing has no {who}")
    return _keep(op(x, axes=axes), x.shape, axes, keepdims)


def _as(x: Any, dtype: Any) -> Tensor:
    return astensor(x) if dtype is None else astype(x, dtype)


def _in(y: Tensor, dtype: Any) -> Tensor:
    """A result in the dtype asked for, where small integers have been summed as large ones."""
    return y if dtype is None or y.dtype == dtype else astype(y, dtype)


def _start(initial: Any, dtype: Any, who: str) -> Tensor:
    """The one number that a reduction begins with."""
    start = astype(storable(initial, dtype, who), dtype)
    if start.ndim:
        raise ValueError(f"{who}: initial must be one number, but has shape {start.shape}")
    return start


def chosen(x: Tensor, mask: Any, fill: Any) -> Tensor:
    """x where the mask holds (it may be True for everywhere), else `fill`."""
    return x if mask is True else pick(mask, x, fill)


@named
def sum(x: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Tensor:
    """The sum along `axis` (an int, several, or None for all) of the entries where `where` holds, added to `initial`."""
    y = _in(_reduction(_sum, chosen(_as(x, dtype), where, 0), axis, keepdims, "sum"), dtype)
    return y if initial is None else y + _start(initial, y.dtype, "sum")


@named
def prod(x: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Tensor:
    """The product along `axis` of the entries where `where` holds, times `initial`."""
    y = _in(_reduction(_prod, chosen(_as(x, dtype), where, 1), axis, keepdims, "prod"), dtype)
    return y if initial is None else y * _start(initial, y.dtype, "prod")


@named
def mean(x: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Tensor:
    """The arithmetic mean along `axis` of the entries where `where` holds."""
    x = floating(_as(x, dtype))
    if where is True:
        return _in(_reduction(_mean, x, axis, keepdims, "mean"), dtype)
    if x.dtype == np.float16:
        return astype(mean(x, axis, np.float32, keepdims=keepdims, where=where), x.dtype)
    return sum(x, axis, keepdims=keepdims, where=where) / counted(x, along(axis, x, "mean"), where, keepdims)  # type: ignore[no-any-return]


def counted(x: Tensor, axes: tuple[int, ...], where: Any, keepdims: bool) -> Any:
    """How many entries of x the mask `where` chooses along axes: a number if all, else numbers of x's precision."""
    if where is True:
        return _count(x.shape, axes)
    chosen_ = np.broadcast_to(astensor(where).data.astype(bool, copy=False), x.shape)
    return np.sum(chosen_, axes, keepdims=keepdims).astype(x.data.real.dtype)


@named
def max(x: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Tensor:
    """The largest entry along `axis` where `where` holds, and `initial`; NaN wins. Entries that tie share the gradient evenly."""
    return _extreme(_max, maximum, x, axis, keepdims, initial, where)


@named
def min(x: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Tensor:
    """The smallest entry along `axis` where `where` holds, and `initial`; NaN wins. Entries that tie share the gradient evenly."""
    return _extreme(_min, minimum, x, axis, keepdims, initial, where)


def _extreme(op: Any, merge: Any, x: Any, axis: Axis, keepdims: bool, initial: Any, where: Any) -> Tensor:
    who, x = op.op.name, astensor(x)
    if initial is None:
        if where is not True:
            raise ValueError(f"{who}: with where= there may be nothing to choose from; say by initial= what the {who} is then")
        return _reduction(op, x, axis, keepdims, who, needs_one=True)
    start, axes = _start(initial, x.dtype, who), along(axis, x, who)
    if not _count(x.shape, axes):
        return broadcast_to(start, tuple(n for i, n in enumerate(_kept(x.shape, axes)) if keepdims or i not in axes))
    return merge(_reduction(op, chosen(x, where, _bound(x.dtype, who)), axes, keepdims, who), start)  # type: ignore[no-any-return]


def _bound(dtype: Any, who: str) -> Any:
    """What every other value of the dtype beats."""
    least = who == "max"
    if dtype.kind in "iu":
        return dtype.type(np.iinfo(dtype).min if least else np.iinfo(dtype).max)
    return np.bool_(not least) if dtype.kind == "b" else -np.inf if least else np.inf


@named
def ptp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """From peak to peak: the largest entry along `axis` less the smallest."""
    return subtract(max(x, axis, keepdims=keepdims), min(x, axis, keepdims=keepdims))


@named
def logsumexp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) along `axis`, without overflow."""
    return _reduction(_logsumexp, floating(x), axis, keepdims, "logsumexp")


@named
def argmax(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Where the largest entry is (the first of them); integers, which carry no gradient."""
    return _arg(np.argmax, "argmax", x, axis, keepdims)


@named
def argmin(x: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
    """Where the smallest entry is (the first of them); integers, which carry no gradient."""
    return _arg(np.argmin, "argmin", x, axis, keepdims)


def _arg(find: Any, who: str, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = astensor(x)
    along(axis, x, who)
    axis = axis_of(axis, x.ndim, who) if x.ndim and axis is not None else None
    if not x.size and (axis is None or not x.shape[axis]):
        raise ValueError(f"{who}: x {x.shape} has no entries along axis {axis}")
    return astensor(find(unlocked(x.data), axis=axis, keepdims=keepdims))


@named
def all(x: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True) -> Tensor:
    """Whether every entry along `axis` is true, of those where `where` holds; carries no gradient."""
    x = astensor(x)
    return astensor(np.all(x.data, axis=along(axis, x, "all"), keepdims=keepdims, where=bare(where)))


@named
def any(x: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True) -> Tensor:
    """Whether any entry along `axis` is true, of those where `where` holds; carries no gradient."""
    x = astensor(x)
    return astensor(np.any(x.data, axis=along(axis, x, "any"), keepdims=keepdims, where=bare(where)))


@named
def count_nonzero(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """How many entries along `axis` are not 0; integers, which carry no gradient."""
    x = astensor(x)
    return astensor(np.count_nonzero(x.data, axis=along(axis, x, "count_nonzero"), keepdims=keepdims))
