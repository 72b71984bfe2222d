"""Padding by every rule of NumPy's, as moves and arithmetic on tensors, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import option
from ..kernels import resample as kernel
from ..kernels.words import shown
from ..tensor import Tensor, astensor
from .naming import named
from .parts import cast
from .quantile import median
from .reduce import max as max_of_axis
from .reduce import mean
from .reduce import min as min_of_axis
from .shape import Widths, _broadcast_to, _zero_pad, concatenate, part_of, take_along
from .ufunc import Function, either, of_kernel

__all__ = ["pad"]

_STATISTICS: dict[str, Callable[..., Tensor]] = {"maximum": max_of_axis, "minimum": min_of_axis, "mean": mean, "median": median}
_KEYWORD = {  # the one that a mode knows
    "constant": "constant_values", "linear_ramp": "end_values", **dict.fromkeys(_STATISTICS, "stat_length"),
    **dict.fromkeys(("reflect", "symmetric"), "reflect_type"), **dict.fromkeys(("edge", "wrap", "empty")),
}  # fmt: skip


@named
def pad(x: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Tensor:
    """x with more values at its borders: `pad_width` is an int, a (before, after) pair, a pair per axis, or a dict of axes.

    Modes and their options are NumPy's: constant (constant_values), linear_ramp (end_values), maximum, minimum, mean, median (stat_length),
    reflect, symmetric (reflect_type), edge, wrap and empty.
    """
    t = astensor(x)
    widths = _widths(t, pad_width)
    option("pad", "mode", mode, _KEYWORD)
    for keyword in options:
        if keyword != _KEYWORD[mode]:
            raise ValueError(f"pad: mode {mode!r} does not know {keyword}=; it takes {_KEYWORD[mode] or 'no options'}")
    if mode == "empty":
        return _zero_pad(t, widths=widths)
    if mode == "constant":
        return _constant(t, widths, options.get("constant_values", 0))
    if t.dtype.kind not in "fc" and t.ndim:  # no gradient, and NumPy's rounding
        plain = {k: v.data if isinstance(v, Tensor) else v for k, v in options.items()}
        return astensor(np.pad(t.data, widths, mode, **plain))  # type: ignore[call-overload]
    for axis, (a, b) in enumerate(widths):
        if (a or b) and not t.shape[axis]:
            raise ValueError(f"pad: axis {axis} is empty, so mode={mode!r} has nothing to take values from")
    if not t.size:
        return _zero_pad(t, widths=widths)
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        reflect_type = options.get("reflect_type", "even")
        option("pad", "reflect_type", reflect_type, ("even", "odd"))
        even = [(0, 0) if reflect_type == "odd" and n > 1 else pair for pair, n in zip(widths, t.shape)]
        widths = tuple([(0, 0) if pair == done else pair for pair, done in zip(widths, even)])
        t = _extend(t, widths=tuple(even), mode=mode) if any([max(pair) for pair in even]) else t
    along = _rule(mode, t, options)
    for axis, (a, b) in enumerate(widths):
        if a or b:
            t = along(t, axis, a, b)
    return t


def _widths(x: Tensor, pad_width: Any) -> Widths:
    if isinstance(pad_width, dict):
        each: list[Any] = [(0, 0)] * x.ndim
        for axis, width in pad_width.items():
            each[axis] = np.broadcast_to(width, 2)
        pad_width = each
    widths = np.asarray(pad_width)
    if widths.shape != (x.ndim, 2):
        try:
            widths = np.broadcast_to(widths, (x.ndim, 2))
        except ValueError:
            raise ValueError(f"pad: pad_width={shown(pad_width)} must be an int, a pair, or a pair per axis of x {x.shape}") from None
    if widths.size and widths.dtype.kind not in "iu":
        raise TypeError(f"pad: pad_width must be non-negative ints, but got {shown(pad_width)}")
    pairs = widths.tolist()
    if any([a < 0 or b < 0 for a, b in pairs]):
        raise ValueError(f"pad: pad_width must be non-negative ints, but got {shown(pad_width)}")
    return tuple([(a, b) for a, b in pairs])


# x with values of its own around it; and its transpose: what lies around is added where it was taken from.
_extend: Function = of_kernel(
    "extend", kernel.extend, bare=True, x=lambda g, widths, mode: either(_extend_adjoint, g, widths=widths, mode=mode)
)
_extend_adjoint: Function = of_kernel(
    "extend_adjoint", kernel.extend_adjoint, bare=True, g=lambda h, widths, mode: either(_extend, h, widths=widths, mode=mode)
)


def _pairs(x: Tensor, values: Any, what: str) -> Tensor:
    """An option given as a number, a pair or a pair per axis, as (axes, 2)."""
    t = astensor(values)
    try:
        return _broadcast_to(t, shape=(x.ndim, 2))
    except ValueError:
        raise ValueError(f"pad: {what} {t.shape} must be a number, a pair, or a pair per axis of x {x.shape}") from None


def _constant(t: Tensor, widths: Widths, values: Any) -> Tensor:
    if type(values) is int and not values:
        return _zero_pad(t, widths=widths)
    pairs = _pairs(t, values, "constant_values")
    if not pairs.requires_grad:
        return _zero_pad(t, widths=widths, value=np.array(values) if pairs.data.any() else None)
    pairs = cast(pairs, dtype=t.dtype)
    for axis, (a, b) in enumerate(widths):
        t = _between(t, axis, [_filled(t, axis, n, pairs[axis, end]) for end, n in enumerate((a, b))])
    return t


def _rule(mode: str, x: Tensor, options: dict[str, Any]) -> Callable[[Tensor, int, int, int], Tensor]:
    """How to pad a tensor along one axis by so many before and after."""
    if mode in _STATISTICS:
        return _statistic(_STATISTICS[mode], x, options.get("stat_length"))
    if mode == "linear_ramp":
        return _ramp(x, options.get("end_values", 0))

    def along(t: Tensor, axis: int, a: int, b: int) -> Tensor:
        n = t.shape[axis]
        period = n if mode == "symmetric" else max(n - 1, 1)
        return _between(t, axis, [_mirrored(t, axis, np.arange(-a, 0), period), _mirrored(t, axis, np.arange(n, n + b), period)])

    return along


def _mirrored(t: Tensor, axis: int, place: np.ndarray, period: int) -> Tensor:
    """The values at places beyond the ends of x when its graph is reflected in its end points L and R, again and again.

    In turn m, of `period` places, x is x[r] + m (R - L) where m is even, and 2 R - x[n-1-r] + (m - 1) (R - L) where m is odd.
    """
    n = t.shape[axis]
    turn, r = np.divmod(place, period)
    odd = turn % 2
    column = (-1, *[1] * (t.ndim - axis - 1))
    sign, right, left = ((c.reshape(column)).astype(t.dtype) for c in (1 - 2 * odd, turn + odd, odd - turn))
    first, last = (take_along(t, index=np.array([k]), axis=axis) for k in (0, n - 1))
    return take_along(t, index=np.where(odd, n - 1 - r, r), axis=axis) * sign + last * right + first * left


def _between(t: Tensor, axis: int, ends: list[Tensor]) -> Tensor:
    return concatenate([ends[0], t, ends[1]], axis)


def _filled(t: Tensor, axis: int, count: int, value: Tensor) -> Tensor:
    return _broadcast_to(value, shape=(*t.shape[:axis], count, *t.shape[axis + 1 :]))


def _statistic(statistic: Callable[..., Tensor], x: Tensor, lengths: Any) -> Callable[[Tensor, int, int, int], Tensor]:
    spans = [[None, None]] * x.ndim if lengths is None else _pairs(x, lengths, "stat_length").data.tolist()

    def along(t: Tensor, axis: int, a: int, b: int) -> Tensor:
        n = t.shape[axis]
        first, last = (n if span is None else min(n, int(span)) for span in spans[axis])
        if first < 1 or last < 1:
            raise ValueError(f"pad: stat_length={lengths} of axis {axis} leaves no values")
        front = statistic(part_of(t, axis, 0, first), axis, keepdims=True)
        back = front if first == last == n else statistic(part_of(t, axis, n - last, n), axis, keepdims=True)
        return _between(t, axis, [_filled(t, axis, a, front), _filled(t, axis, b, back)])

    return along


def _ramp(x: Tensor, end_values: Any) -> Callable[[Tensor, int, int, int], Tensor]:
    pairs = _pairs(x, end_values, "end_values")

    def along(t: Tensor, axis: int, a: int, b: int) -> Tensor:
        n, ends = t.shape[axis], []
        for end, count in enumerate((a, b)):
            edge = part_of(t, axis, 0, 1) if end == 0 else part_of(t, axis, n - 1, n)
            steps = np.arange(count, dtype=np.promote_types(t.data.real.dtype, float)) / (count or 1)
            steps = (steps if end == 0 else steps[::-1]).reshape(-1, *[1] * (t.ndim - axis - 1)).astype(t.dtype)
            start = cast(pairs[axis, end], dtype=t.dtype)
            ends.append(start + (edge - start) * steps)
        return _between(t, axis, ends)

    return along
