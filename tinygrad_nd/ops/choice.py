"""Choice between values: what is not chosen gets a gradient of exactly 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels import choice as kernel
from ..tape import primitive
from ..tensor import Tensor, astensor
from .naming import named
from .parts import imag, real
from .steps import not_equal
from .ufunc import Function, bare, elementwise, no_slope, of_kernel

__all__ = ["clip", "fmax", "fmin", "heaviside", "maximum", "minimum", "nan_to_num", "select", "where"]


_where = of_kernel("where", kernel.where, 3, x=lambda g, condition: where(condition, g, 0), y=lambda g, condition: where(condition, 0, g))


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """x where `condition` holds, else y; the three broadcast. Without x and y: where it holds, as an index array per axis."""
    condition = astensor(condition).detach()
    if x is None and y is None:
        if not condition.ndim:
            raise ValueError("where: a number has no places; give x and y to choose from, or nd.atleast_1d(condition)")
        return tuple(astensor(i) for i in np.nonzero(condition.data))
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither of them")
    if condition.dtype.kind != "b":
        condition = not_equal(condition, 0)
    return _where(condition, x, y)


@named
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """At each place the first choice whose condition holds, else `default`. All of them broadcast."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select: needs as many conditions as choices, and one at least, but got {len(condlist)} and {len(choicelist)}")
    chosen = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        if (kind := astensor(condition).dtype) != np.bool_:
            raise TypeError(f"select: a condition must be boolean, but has dtype {kind}")
        chosen = where(condition, choice, chosen)
    return chosen  # type: ignore[no-any-return]


def _best(ufunc: np.ufunc, beats: np.ufunc, doc: str, skips: bool) -> Function:
    return elementwise(
        ufunc,
        f"{doc}. Equal values share the gradient evenly.",
        one_pass=True,
        x=lambda g, x, y: _to_winner(g, bare(x), bare(y), beats=beats, skips=skips),
        y=lambda g, x, y: _to_winner(g, bare(y), bare(x), beats=beats, skips=skips),
    )


# The part of the cotangent that goes to x: all where it beats y, half where they are equal, else 0. NaN beats y, or loses.
_to_winner: Function = of_kernel(
    "to_winner", kernel.to_winner, 3, g=lambda h, x, y, beats, skips: _to_winner(h, bare(x), bare(y), beats=beats, skips=skips)
)


maximum = _best(np.maximum, np.greater, "The larger of x and y; NaN wins", False)
minimum = _best(np.minimum, np.less, "The smaller of x and y; NaN wins", False)
fmax = _best(np.fmax, np.greater, "The larger of x and y; a number wins over NaN", True)
fmin = _best(np.fmin, np.less, "The smaller of x and y; a number wins over NaN", True)


@primitive(
    x=lambda g, x, low, high: _to_inside(g, *map(bare, (x, low, high))),
    low=lambda g, x, low, high: where(_below(x, low, high), g, 0),
    high=lambda g, x, low, high: where(_above(x, low, high), g, 0),
)
def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    return np.clip(x, low, high)


# g where x is within the bounds, else 0.
_to_inside: Function = of_kernel("to_inside", kernel.to_inside, 4, g=lambda h, x, low, high: _to_inside(h, *map(bare, (x, low, high))))


@named
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, a_min), a_max); a bound may be None. x at a bound keeps its gradient, and beyond it the bound gets it."""
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("clip: a_min and min= are the same bound, and so are a_max and max=; give one of them")
    low, high = a_min if min is None else min, a_max if max is None else max
    return _clip(astensor(x), low, high)


def _below(x: Any, low: Any, high: Any) -> Any:
    """Where a lower bound decides; an upper one below it decides instead."""
    x, low, high = bare(x), bare(low), bare(high)
    under = np.less(x, low)
    return under if high is None else under & np.less_equal(low, high)


def _above(x: Any, low: Any, high: Any) -> Any:
    x, low, high = bare(x), bare(low), bare(high)
    return np.greater(x if low is None else np.maximum(x, low), high)


heaviside = elementwise(
    np.heaviside,
    "0 where x < 0, 1 where x > 0, y where x = 0; the gradient of x is 0.",
    x=no_slope,
    y=lambda g, x: where(np.equal(bare(x), 0), g, 0),
)


@primitive(x=lambda g, x: where(np.isfinite(x.data), g, 0))
def _nan_to_num(x: Any, *, nan: float, posinf: float | None, neginf: float | None) -> Any:
    return np.nan_to_num(x, True, nan, posinf, neginf)


@named
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with numbers in place of NaN and of the infinities (the largest finite ones by default); these get no gradient."""
    x = astensor(x)
    if x.dtype.kind != "c":
        return _nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
    return _nan_to_num(real(x), nan=nan, posinf=posinf, neginf=neginf) + 1j * _nan_to_num(imag(x), nan=nan, posinf=posinf, neginf=neginf)
