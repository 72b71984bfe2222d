"""Space at another size. Every mode is separable: along each axis an output is a weighted sum of a few inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any

import numpy as np

from ..arguments import option
from ..kernels import taps as kernel
from ..kernels.padding import IntN, axes_word, per_axis, several
from ..tensor import Tensor
from .adaptive import adaptive_avg_pool_nd
from .naming import named
from .parts import floating
from .space import resample, space_last

__all__ = ["interpolate"]

MODES = ("nearest", "nearest-exact", "linear", "cubic", "area")
RANKED = {"bilinear": ("linear", 2), "trilinear": ("linear", 3), "bicubic": ("cubic", 2)}


@named
def interpolate(
    x: Any,
    size: IntN | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    *,
    layout: str | None = None,
) -> Tensor:
    """x at another spatial size, given as `size` or as floor(n * scale_factor), at any rank.

    Shapes: x (N, C, *n) -> (N, C, *size); r sizes or factors speak of the last r axes, one number of all axes after (N, C).
    mode: "nearest" (PyTorch's, which floors), "nearest-exact" (by centres), "linear", "cubic" or "area" (means, as adaptive_avg_pool_nd);
    "bilinear", "trilinear" and "bicubic" are names of theirs. A size that stays is x itself.
    align_corners: the outermost centres of both grids coincide, rather than their edges.

    >>> import tinygrad_nd as nd
    >>> nd.interpolate([[[0.0, 4.0]]], 4, mode="linear").tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    who = "interpolate"
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{who}: give either size or scale_factor, but got size={size} and scale_factor={scale_factor}")
    what = "size" if scale_factor is None else "scale_factor"
    x, rank, restore = space_last(who, x, size if scale_factor is None else scale_factor, what, layout)
    mode = _mode(mode, rank, align_corners)
    n = x.shape[x.ndim - rank :]
    o, steps = _sizes(n, size, scale_factor)
    if min(n, default=1) < 1 or min(o, default=1) < 1:
        raise ValueError(f"{who}: x {x.shape} would go from spatial size {n} to {o}; sizes must be at least 1")
    if mode == "area":
        return restore(adaptive_avg_pool_nd(x, o))
    x = x if mode.startswith("nearest") else floating(x)
    if o == n:
        return restore(x)
    moved = [p != m or (step != 1 and not align_corners) for m, p, step in zip(n, o, steps)]
    taps = (_taps(mode, m, p, step, align_corners, x.dtype) if moves else kernel.same(m) for m, p, step, moves in zip(n, o, steps, moved))
    return restore(resample(x, taps=tuple(taps)))


def _taps(mode: str, n: int, o: int, step: float, align_corners: bool, dtype: np.dtype[Any]) -> kernel.Taps:
    if mode == "linear":
        return kernel.linear(n, o, step, align_corners)
    if mode == "cubic":
        return kernel.cubic(n, o, step, align_corners)
    return kernel.nearest(n, o, step, mode == "nearest-exact", np.float64 if dtype.itemsize == 8 and dtype.kind == "f" else np.float32)


def _mode(mode: str, rank: int, align_corners: bool) -> str:
    option("interpolate", "mode", mode, (*MODES, *RANKED))
    plain, only = RANKED.get(mode, (mode, rank))
    if only != rank:
        raise ValueError(f"interpolate: mode={mode!r} is for {only} spatial axes, but x has {rank}; mode={plain!r} is for any number")
    if align_corners and plain not in ("linear", "cubic"):
        raise ValueError(f"interpolate: align_corners is for linear and cubic, not for mode={mode!r}")
    return plain


def _sizes(n: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The new size, and how far apart its pixels lie on the old grid: 1 / scale_factor, as in PyTorch, also where the size is floored."""
    who, rank = "interpolate", len(n)
    if scale_factor is None:
        o = per_axis(size, rank, "size", who)
        return o, tuple(m / max(p, 1) for m, p in zip(n, o))
    given = tuple(scale_factor) if several(scale_factor) else (scale_factor,) * rank
    if any(isinstance(f, (str, bool)) or not np.isscalar(f) for f in given):
        raise TypeError(f"{who}: scale_factor must be a number or a number per axis, but is {scale_factor!r}")
    if len(given) != rank:
        raise ValueError(f"{who}: scale_factor={scale_factor} has {len(given)} entries for {rank} spatial {axes_word(rank)}")
    if not all(0 < f < np.inf for f in given):
        raise ValueError(f"{who}: scale_factor={scale_factor} must be above 0 and finite")
    return tuple(floor(float(m) * f) for m, f in zip(n, given)), tuple(1 / float(f) for f in given)
