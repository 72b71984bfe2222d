"""What a user may say about windows, made plain: one int per axis, and the padding grammar of ints, pairs and words.

One letter, one meaning, as in geometry: n input size, k kernel, s stride, p padding (before, after), d dilation.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from math import prod
from typing import Any, TypeGuard

from .words import axes_word, meant, shown

IntN = int | Sequence[int]
Pairs = tuple[tuple[int, int], ...]
Padding = IntN | Sequence[int | tuple[int, int]] | str

MOST = 1 << 40  # entries along an axis
NUMPYS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # what NumPy calls the modes of padding
PADDINGS = ("valid", "same", "same_lower", "full", "causal")


def resolve_padding(
    where: str, padding: Padding, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """A (before, after) pair per axis, from an int, an int or a pair per axis, or a word.

    >>> resolve_padding("conv_nd", "same", (5, 5), (3, 2), (1, 1), (1, 1))
    ((1, 1), (0, 1))
    """
    rank = len(size)
    if isinstance(padding, str):
        return _padding_words(where, padding, size, kernel, stride, dilation)
    if not several(padding):
        p = integer(padding, "padding", where)
        return ((p, p),) * rank
    entries: list[Any] = list(padding)
    if rank and len(entries) == 2 * rank and all(_is_integer(p) for p in entries):
        flat = [int(p) for p in entries]
        pairs, split = tuple(zip(flat[::2], flat[1::2])), tuple(zip(flat[:rank], flat[rank:]))
        onnx = f", or padding={split} if it lists all befores first, as ONNX does" if split != pairs else ""
        raise ValueError(
            f"{where}: padding={padding} is a flat list of {2 * rank} for {rank} spatial {axes_word(rank)}; "
            f"give (before, after) pairs, probably padding={pairs}{onnx}"
        )
    if len(entries) != rank:
        raise ValueError(
            f"{where}: padding={shown(padding)} has {len(entries)} entries for {rank} spatial {axes_word(rank)}; "
            "give an int or a pair for each"
        )
    return tuple(_pair(p, padding, where) for p in entries)


def _padding_words(
    where: str, word: str, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """What a word means for a convolution."""
    spans = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if word == "valid":
        return ((0, 0),) * len(spans)
    if word == "full":
        return tuple((e, e) for e in spans)
    if word == "causal":
        return tuple((e, 0) for e in spans)
    if word in ("same", "same_lower"):  # ceil(n/s) outputs span (ceil(n/s) - 1)s + d(k-1) + 1
        totals = [max(0, (-(-n // s) - 1) * s + e + 1 - n) for n, s, e in zip(size, stride, spans)]
        halves = [(t // 2, t - t // 2) for t in totals]
        return tuple(halves if word == "same" else [(b, a) for a, b in halves])
    raise ValueError(f"{where}: unknown padding {shown(word)}; {meant(word, PADDINGS)}the words are {', '.join(PADDINGS)}")


def transpose_words(
    where: str, word: str, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Pairs, tuple[int, ...]]:
    """(what to trim, what to grow at the end) for a transposed convolution."""
    surplus = [d * (k - 1) + 1 - s for k, s, d in zip(kernel, stride, dilation)]
    trim = [max(t, 0) for t in surplus]
    grow = tuple(max(-t, 0) for t in surplus)
    if word == "valid":
        return ((0, 0),) * len(trim), (0,) * len(trim)
    if word == "same":
        return tuple((t // 2, t - t // 2) for t in trim), grow
    if word == "same_lower":
        return tuple((t - t // 2, t // 2) for t in trim), grow
    if word == "causal":
        return tuple((0, t) for t in trim), grow
    raise ValueError(f"{where}: padding {shown(word)} means nothing here; use 'valid', 'same', 'same_lower', 'causal', ints or pairs")


def _pair(entry: Any, padding: Any, where: str) -> tuple[int, int]:
    if not several(entry):
        p = integer(entry, "padding", where)
        return p, p
    pair = [integer(p, "padding", where) for p in entry]
    if len(pair) != 2:
        raise ValueError(f"{where}: padding={shown(padding)} must hold an int or a (before, after) pair per spatial axis")
    return pair[0], pair[1]


def per_axis(value: IntN, rank: int, what: str, where: str) -> tuple[int, ...]:
    """One int per axis from an int or a sequence of ints.

    >>> per_axis(2, 3, "stride", "conv_nd")
    (2, 2, 2)
    """
    if not several(value):
        return (integer(value, what, where),) * rank
    entries = tuple(integer(v, what, where) for v in value)
    if len(entries) != rank:
        raise ValueError(
            f"{where}: {what}={shown(value)} has {len(entries)} entries for {rank} spatial {axes_word(rank)}; give one int, or one per axis"
        )
    return entries


def several(value: Any) -> TypeGuard[Sequence[Any]]:
    """Whether `value` holds entries: an array without axes is one number, a string is none, a set has no order, an iterator is used up."""
    return (
        isinstance(value, Iterable) and not isinstance(value, (str, bytes, Set, Mapping, Iterator)) and getattr(value, "shape", None) != ()
    )


def _is_integer(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def integer(value: Any, what: str, where: str) -> int:
    """`value` as an int, if it is one (a NumPy integer is, True and 2.0 are not)."""
    if not _is_integer(value):
        raise TypeError(f"{where}: {what} takes ints, not {shown(value)} ({type(value).__name__})")
    index: int = operator.index(value)
    if abs(index) > MOST:
        raise ValueError(f"{where}: {what}={shown(index)} is beyond what any array has room for")
    return index


def room(where: str, size: Sequence[int]) -> None:
    """Raises ValueError where no array has room for the result: its tables alone would take minutes before memory is missing."""
    if prod(size) > MOST:
        raise ValueError(f"{where}: spatial size {tuple(size)} is beyond what any array has room for")
