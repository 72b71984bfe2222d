"""Which axes of x are space, and these sampled: what the functions of windows and sizes have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..kernels import resample as kernel
from ..kernels.padding import several
from ..kernels.taps import Taps
from ..kernels.words import axes_word, shown
from ..tape import primitive
from ..tensor import Tensor
from .conv import is_channels_last
from .linalg import operand
from .shape import moveaxis

__all__: list[str] = []

T = TypeVar("T")
Restore = Callable[[Tensor], Tensor]


@primitive(x=lambda g, taps: resample(g, taps=tuple(t.transposed for t in taps)))
def resample(x: Any, *, taps: tuple[Taps, ...]) -> Any:
    """The last axes of x at another size: every output a weighted sum of a few inputs along each."""
    return kernel.sampled(x, taps)


def space_last(where: str, x: Any, sizes: Any, what: str, layout: str | None) -> tuple[Tensor, int, Restore]:
    """x with its spatial axes last, how many these are, and the function that puts channels back where they were.

    `sizes` (a kernel, an output size, factors) given as r entries speak of the last r axes, one number of all axes after (N, C).
    """
    x, last = operand(x, where), is_channels_last(where, layout)
    if several(sizes):
        rank = len(tuple(sizes))
        if rank + last > x.ndim:
            raise ValueError(f"{where}: {what}={shown(tuple(sizes))} speaks of {rank} spatial {axes_word(rank)}, but x has shape {x.shape}")
    else:
        rank = x.ndim - 2
        if rank < 0:
            raise ValueError(f"{where}: an int {what} speaks of all axes after (N, C), but x has shape {x.shape}; give a tuple")
    home = x.ndim - 1 - rank
    if not last:
        return x, rank, lambda y: y
    return moveaxis(x, -1, home), rank, lambda y: moveaxis(y, home, -1)


def fitting(make: Callable[[tuple[int, ...]], T], x: Tensor, rank: int, layout: str | None) -> T:
    """make(spatial sizes); if these do not fit but would with channels last, the error says so."""
    try:
        return make(x.shape[x.ndim - rank :])
    except ValueError as error:
        if layout is None and rank and x.ndim == rank + 2:
            try:
                make(x.shape[1:-1])
            except ValueError:
                raise error from None
            raise ValueError(f"{error}; x {x.shape} looks channels-last: pass layout='N*C'") from None
        raise


def space(where: str, x: Any, layout: str | None) -> tuple[Tensor, tuple[int, ...]]:
    """x and its spatial axes, all but batch and channels."""
    t, last = operand(x, where), is_channels_last(where, layout)
    if t.ndim < 2:
        raise ValueError(f"{where}: x needs axes {'(N, *n, C)' if last else '(N, C, *n)'}, but has shape {t.shape}")
    return t, tuple(range(1, t.ndim - 1) if last else range(2, t.ndim))
