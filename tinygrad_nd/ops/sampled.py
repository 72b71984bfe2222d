"""Functions given by samples along an axis, or by pieces: differences, slopes, integrals, interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import number, whole
from ..kernels import scan as kernel
from ..kernels.padding import several
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .elementwise import multiply
from .index import getitem, setitem
from .naming import named
from .parts import astype, floating, real
from .reduce import sum
from .shape import _zero_pad, axes_of, axis_of, broadcast_to, concatenate, part_of, put_along, ravel, reshape, stack, take_along
from .ufunc import Function, along, conj, of_kernel, scale

__all__ = ["diff", "ediff1d", "gradient", "interp", "piecewise", "trapezoid", "unwrap"]

Axis = int | tuple[int, ...] | None


@primitive(x=lambda g, axis: _spread_differences(g, axis=axis))
def _diff(x: Any, *, axis: int) -> Any:
    return np.diff(x, axis=axis)


_spread_differences: Function = of_kernel("spread_differences", kernel.spread_differences, g=lambda h, axis: _diff(h, axis=axis))
# The difference quotient, for samples 1 apart.
_even_slope: Function = of_kernel(
    "even_slope", kernel.slope, x=lambda g, axis, edge_order: _slope_transposed(g, axis=axis, edge_order=edge_order)
)
_slope_transposed: Function = of_kernel(
    "slope_transposed", kernel.slope_transposed, g=lambda h, axis, edge_order: _even_slope(h, axis=axis, edge_order=edge_order)
)


@named
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    """Each entry along `axis` less the one before it, n times over, of x between `prepend` and `append`."""
    x = astensor(x)
    if whole("diff", "n", n, 0) == 0:
        return x  # type: ignore[no-any-return]
    if not x.ndim:
        raise ValueError("diff: needs at least one axis, but x is 0-d")
    axis = axis_of(axis, x.ndim, "diff")
    ends = [
        None if e is None else astensor(e, np.result_type(x.dtype, e) if type(e) in (int, float, complex) else None)
        for e in (prepend, append)
    ]
    parts = [e if e is None or e.ndim else broadcast_to(e, (*x.shape[:axis], 1, *x.shape[axis + 1 :])) for e in ends]
    if any(p is not None for p in parts):
        x = concatenate([p for p in (parts[0], x, parts[1]) if p is not None], axis)
    for _ in range(min(n, x.shape[axis])):  # of nothing there are no differences
        x = _diff(x, axis=axis)
    return x  # type: ignore[no-any-return]


@named
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    """Differences of neighbours in the flattened x, between `to_begin` and `to_end`."""
    x = ravel(x)
    parts = [ravel(to_begin if to_begin is not None else []), diff(x), ravel(to_end if to_end is not None else [])]
    for p in parts:
        if p.size and not np.can_cast(p.dtype, x.dtype, "same_kind"):
            raise TypeError(f"ediff1d: to_begin and to_end must fit into x of dtype {x.dtype}, but one is {p.dtype}")
    return concatenate([astype(p, x.dtype) for p in parts if p.size]) if parts[0].size or parts[2].size else parts[1]


@named
def gradient(f: Any, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """The slope of f along each axis (a tuple), or along one: central differences inside, one-sided ones at the borders.

    `varargs` are distances between samples or their coordinates: one for all axes or one for each, 1 by default. The border is accurate
    to `edge_order` 1 or 2.
    """
    f = floating(f)
    whole("gradient", "edge_order", edge_order)
    axes = axes_of(axis, f.ndim, "gradient")
    spacings = [1.0] * len(axes) if not varargs else list(varargs) * (len(axes) if len(varargs) == 1 else 1)
    if len(spacings) != len(axes) or (len(varargs) == 1 and len(axes) > 1 and astensor(varargs[0]).ndim):
        raise TypeError(f"gradient: {len(varargs)} spacings do not fit {len(axes)} axes; give one number, or a spacing for each axis")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, but is {shown(edge_order)}")
    slopes = tuple(_slope(f, spacing, a, edge_order) for spacing, a in zip(spacings, axes))
    return slopes[0] if len(slopes) == 1 else slopes


def _slope(f: Tensor, spacing: Any, axis: int, edge_order: int) -> Tensor:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(f"gradient: axis {axis} of f {f.shape} has {n} samples, but edge_order={edge_order} needs {edge_order + 1}")
    h = astype(spacing, f.data.real.dtype)
    if h.ndim > 1 or (h.ndim and h.shape != (n,)):
        raise ValueError(f"gradient: coordinates {h.shape} must be one per sample along axis {axis} of f {f.shape}")
    if not h.ndim or (not h.requires_grad and np.ptp(np.diff(h.data)) == 0):
        return _even_slope(f, axis=axis, edge_order=edge_order) / (h[1] - h[0] if h.ndim else h)
    gaps = reshape(_diff(h, axis=0), tuple(n - 1 if i == axis else 1 for i in range(f.ndim)))
    secants = _diff(f, axis=axis) / gaps
    # Inside, the parabola through a sample and its neighbours has the mean of both secants, each weighed by the other's gap.
    first, last = part_of(secants, axis, 0, 1), part_of(secants, axis, n - 2, n - 1)
    part = part_of(gaps, axis, 0, -1) / (part_of(gaps, axis, 0, -1) + part_of(gaps, axis, 1, 0))
    bend = _diff(secants, axis=axis)
    inner = part_of(secants, axis, 0, -1) + part * bend
    if edge_order == 2:  # the parabola at its ends
        first = first - part_of(part * bend, axis, 0, 1)
        last = last + part_of((1 - part) * bend, axis, n - 3, n - 2)
    return concatenate([first, inner, last], axis)


@named
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """The integral of y along `axis` by the trapezoidal rule; samples lie at x, or dx apart."""
    y = astensor(y)
    axis = axis_of(axis, y.ndim, "trapezoid")
    if x is not None:
        x = astensor(x)
        if x.ndim == 1 and x.shape[0] != y.shape[axis]:
            raise ValueError(f"trapezoid: x {x.shape} must have one entry per sample along axis {axis} of y {y.shape}")
        dx = reshape(diff(x), tuple(-1 if i == axis else 1 for i in range(y.ndim))) if x.ndim == 1 else diff(x, axis=axis)
    return sum(multiply(dx, part_of(y, axis, 1, 0) + part_of(y, axis, 0, -1)) / 2.0, axis)


@primitive(
    x=lambda g, points, at: along(g, take_along(_slopes(points), index=at.data, axis=0)),
    points=lambda g, x, points, at: _onto_points(g, x, points, at.data),
)
def _interp(x: Any, points: Any, at: Any) -> Any:
    """The polygon through `points`, coordinates above values, at x, which lies on the segments `at` (see `kernel.segments`)."""
    return kernel.interp(x, points[0].real, points[1]).astype(np.result_type(x, points), copy=False)


def _slopes(points: Tensor) -> Tensor:
    """The slope of each segment; 0 before the first and behind the last."""
    steps = _diff(points, axis=1)
    return _zero_pad(steps[1] / steps[0], widths=((1, 1),))


def _onto_points(g: Tensor, x: Tensor, points: Tensor, at: np.ndarray) -> Tensor:
    """The cotangents of each segment, summed, and divided among its ends by the distance; of coordinates, times the slope."""
    n, xp = points.shape[1], real(points[0])
    left = concatenate([xp[:1], xp])  # where each segment begins
    along = x - take_along(left, index=at, axis=0)
    total, moment = (put_along(c, index=at, axis=0, size=n + 1) for c in (g, scale(g, along)))
    upper = moment[1:-1] / _diff(xp, axis=0)
    ends = _zero_pad(upper, widths=((1, 0),)) + _zero_pad(total[1:-1] - upper, widths=((0, 1),))
    moved = scale(-upper, conj(_slopes(points)[1:-1])), scale(upper - total[1:-1], conj(_slopes(points)[1:-1]))
    of_xp = _zero_pad(moved[0], widths=((1, 0),)) + _zero_pad(moved[1], widths=((0, 1),))
    outside = concatenate([total[:1], np.zeros(n - 2, total.dtype), total[-1:]])
    return stack([of_xp, ends + outside])


@named
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> Tensor:
    """The piecewise linear function through the points (xp, fp), at x; xp must increase. Differentiable in x, xp and fp.

    Left and right of all points it is `left` and `right`, or the value of the nearest point; with `period` it repeats.
    """
    x, xp, fp = floating(x), floating(xp), floating(fp)
    if x.dtype.kind == "c" or xp.dtype.kind == "c":
        raise TypeError(f"interp: complex numbers have no order, but x is {x.dtype} and xp {xp.dtype}; only fp may be complex")
    if xp.ndim != 1 or fp.shape != xp.shape:
        raise ValueError(f"interp: xp {xp.shape} and fp {fp.shape} must be 1-D and of one length")
    if not xp.size:
        raise ValueError("interp: needs at least one point, but xp is empty")
    if period is not None:
        if period == 0:
            raise ValueError("interp: period must not be 0")
        period, left, right = abs(period), None, None
        x, xp = x % period, xp % period
        order = np.argsort(xp.data)
        ring = np.concatenate([order[-1:], order, order[:1]])
        turn = np.zeros(ring.size, xp.dtype)
        turn[0], turn[-1] = -period, period
        xp, fp = take_along(xp, index=ring, axis=0) + turn, take_along(fp, index=ring, axis=0)
    at = np.zeros(x.shape, int)
    y = _interp(x, stack([xp, fp]), kernel.segments(x.data, xp.data)) if xp.size > 1 else take_along(fp, index=at, axis=0)
    y = y if left is None else where(np.less(x.data, xp.data[0]), left, y)
    return y if right is None else where(np.greater(x.data, xp.data[-1]), right, y)


@named
def piecewise(x: Any, condlist: Sequence[Any], funclist: Sequence[Any], *args: Any, **kw: Any) -> Tensor:
    """Where the last of several conditions holds, its function of x there, or its constant; one more function is for the rest, else 0.

    `args` and `kw` are passed on to the functions. The result has the dtype of x.
    """
    x = astensor(x)
    alone = not several(condlist) or (x.ndim > 0 and len(condlist) > 0 and np.ndim(condlist[0]) == 0)
    conditions = [astensor(c).data for c in ([condlist] if alone else condlist)]
    conditions = [np.broadcast_to(c.astype(bool), x.shape) for c in conditions]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    if len(funclist) != len(conditions):
        raise ValueError(f"piecewise: {len(conditions)} conditions need as many functions, or one more, but got {len(funclist)}")
    y = astensor(np.zeros(x.shape, x.dtype))
    for condition, f in zip(conditions, funclist):
        if condition.any():
            y = setitem(y, condition, astype(f(getitem(x, condition), *args, **kw), x.dtype) if callable(f) else f)
    return y


@primitive(x=lambda g: g)
def _unwrap(x: Any, *, discont: float | None, axis: int, period: float) -> Any:
    return np.unwrap(x, discont, axis, period=period)


@named
def unwrap(x: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Tensor:
    """Angles along `axis` with whole periods added so that they do not jump by more than `discont` (half a period by default)."""
    x = astensor(x)
    axis = axis_of(axis, x.ndim, "unwrap")
    number("unwrap", "discont", 0 if discont is None else discont)
    number("unwrap", "period", period, above=0)
    return _unwrap(x, discont=discont, axis=axis, period=period)
