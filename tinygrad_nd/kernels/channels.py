"""Whether x and a weight fit together: which axis of x holds its channels, and what was probably meant where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .padding import integer
from .words import axes_word, shown

CONV, TRANSPOSED = "(M, C/groups, *k)", "(C, M/groups, *k)"  # the forms of a weight

Shape = Sequence[int]


def conv_channels(where: str, x_shape: Shape, w_shape: Shape, groups: Any, last: bool) -> tuple[int, tuple[int, ...]]:
    """(groups, spatial size of x) for a weight (M, C/groups, *k). x is (N, C, *n) or (C, *n), channels `last` with layout="N*C"."""
    groups, c, size, form = _split(where, x_shape, w_shape, CONV, groups, last)
    m, per_group = w_shape[:2]
    if c != per_group * groups:
        takes = f"{per_group} channels per group" if groups > 1 else f"{per_group} channels"
        gives = f" and groups={groups} gives {c // groups if c % groups == 0 else f'{c}/{groups}'}" if groups > 1 else ""
        hint = _guess(x_shape, w_shape, CONV, per_group * groups, c, last)
        axis = _axis(x_shape, w_shape, last)
        raise ValueError(
            f"{where}: weight takes {takes}, but x {tuple(x_shape)} has {c}{gives}; "
            f"axis {axis} of x, read as {form}, and axis 1 of weight {tuple(w_shape)} disagree{hint}"
        )
    if m % groups:
        raise ValueError(f"{where}: weight {tuple(w_shape)} makes {m} channels, which groups={groups} does not divide")
    return groups, size


def transpose_channels(where: str, x_shape: Shape, w_shape: Shape, groups: Any, last: bool) -> tuple[int, tuple[int, ...]]:
    """(groups, spatial size of x) for the weight (C, M/groups, *k) of a transposed convolution."""
    groups, c, size, form = _split(where, x_shape, w_shape, TRANSPOSED, groups, last)
    if c != w_shape[0]:
        hint = _guess(x_shape, w_shape, TRANSPOSED, w_shape[0], c, last)
        raise ValueError(f"{where}: weight {tuple(w_shape)} takes {w_shape[0]} channels, but x {tuple(x_shape)} has {c}; "
                         f"axis {_axis(x_shape, w_shape, last)} of x, read as {form}, and axis 0 of weight disagree{hint}")  # fmt: skip
    if c % groups:
        raise ValueError(f"{where}: x {tuple(x_shape)} has {c} channels, which groups={groups} does not divide")
    return groups, size


def _split(where: str, x_shape: Shape, w_shape: Shape, weight_form: str, groups: Any, last: bool) -> tuple[int, int, tuple[int, ...], str]:
    """(groups, channels, spatial size, the form x was read as)."""
    if len(w_shape) < 2:
        raise ValueError(f"{where}: weight must be {weight_form}, at least 2 axes; it is {tuple(w_shape)}")
    rank = len(w_shape) - 2
    batch, single = ("(N, *n, C)", "(*n, C)") if last else ("(N, C, *n)", "(C, *n)")
    if len(x_shape) not in (rank + 1, rank + 2):
        raise ValueError(
            f"{where}: weight {shown(tuple(w_shape))} has {rank} spatial {axes_word(rank)}, so x must be {batch} with {rank + 2} axes or "
            f"{single} with {rank + 1}; x {shown(tuple(x_shape))} has {len(x_shape)}"
        )
    count = integer(groups, "groups", where)
    if count < 1:
        raise ValueError(f"{where}: groups={shown(groups)} must be at least 1")
    at = _axis(x_shape, w_shape, last)
    space = x_shape[at - rank : at] if last else x_shape[at + 1 :]
    return count, x_shape[at], tuple(space), batch if len(x_shape) == rank + 2 else single


def _axis(x_shape: Shape, w_shape: Shape, last: bool) -> int:
    """The axis of x that holds its channels."""
    return len(x_shape) - 1 if last else len(x_shape) - len(w_shape) + 1


def _guess(x_shape: Shape, w_shape: Shape, form: str, needed: int, c: int, last: bool) -> str:
    return next(("; " + guess for guess in _guesses(x_shape, w_shape, form, needed, c, last)), "")


def _guesses(x_shape: Shape, w_shape: Shape, form: str, needed: int, c: int, last: bool) -> Iterator[str]:
    """What was probably meant, the likeliest first."""
    rank = len(w_shape) - 2
    if rank and not last and x_shape[-1] == needed:
        yield "x looks channels-last: pass layout='N*C'"
    if rank and last and x_shape[len(x_shape) - rank - 1] == needed:
        yield "x looks channels-first: leave out layout='N*C'"
    if form == CONV and w_shape[1] == 1 and w_shape[0] % c == 0:
        yield f"for a depthwise convolution, pass groups={c}"
    if rank and w_shape[-2 if form == CONV else -1] == c and max(w_shape[:rank]) <= min(w_shape[-2:]):
        yield f"weight looks like {'(*k, C, M)' if form == CONV else '(*k, M, C)'}: pass nd.moveaxis(weight, (-1, -2), (0, 1))"
    if form == CONV and w_shape[0] == c:
        yield f"weight looks like a transposed convolution's {TRANSPOSED}: swap its first two axes, or use conv_transpose_nd"
    if form == TRANSPOSED and w_shape[1] == c:
        yield f"weight looks like a convolution's {CONV}: swap its first two axes, or use conv_nd"
    if form == CONV and 1 < w_shape[1] < c and c % w_shape[1] == 0 and w_shape[0] % (c // w_shape[1]) == 0:
        yield f"groups={c // w_shape[1]} would fit"
    if len(x_shape) == rank + 1:
        yield f"weight has {rank} spatial {axes_word(rank)}, so a batch needs {rank + 2} axes; x {tuple(x_shape)} has {rank + 1}"
