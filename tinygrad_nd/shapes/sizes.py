"""Output sizes of windows in plain integers, by the code that the functions themselves use.

Every argument is an int, or a sequence with an int per spatial axis; a result is an int if all of them are, else a tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arguments import flag
from ..kernels.geometry import conv_window, pool_spec, transpose_window
from ..kernels.padding import IntN, Padding, Pairs, per_axis, several

Size = int | tuple[int, ...]


def conv_nd(n: IntN, k: IntN, stride: IntN = 1, padding: Padding = 0, dilation: IntN = 1) -> Size:
    """The output size of `conv_nd` for input size n and kernel size k: floor((n + padding - d(k-1) - 1) / s) + 1.

    Raises as `conv_nd` does.

    >>> conv_nd(32, 3, stride=2, padding="same"), conv_nd((32, 20), (3, 5))
    (16, (30, 16))
    """
    where = "shapes.conv_nd"
    rank = _rank(n, k, stride, dilation)
    size, kernel = _sizes(where, rank, n=n, k=k)
    return _like(rank, conv_window(where, size, kernel, stride, padding, dilation).out)


def conv_transpose_nd(
    n: IntN,
    k: IntN,
    stride: IntN = 1,
    padding: Padding = 0,
    output_padding: IntN = 0,
    dilation: IntN = 1,
    *,
    output_size: IntN | None = None,
) -> Size:
    """The output size of `conv_transpose_nd`: (n-1)s - padding + d(k-1) + 1 + output_padding.

    Raises as `conv_transpose_nd` does, also where `output_size` is out of reach.

    >>> conv_transpose_nd(16, 3, stride=2, padding=1, output_padding=1)
    32
    """
    where = "shapes.conv_transpose_nd"
    rank = _rank(n, k, stride, output_padding, dilation, output_size)
    size, kernel = _sizes(where, rank, n=n, k=k)
    spec = transpose_window(where, size, kernel, stride, padding, output_padding, dilation, output_size=output_size)
    return _like(rank, spec.size)


def pool_nd(n: IntN, k: IntN, stride: IntN | None = None, padding: Padding = 0, dilation: IntN = 1, ceil_mode: bool = False) -> Size:
    """The output size of the pools; stride=None is k. With ceil_mode a last window may overhang, unless it would start in the padding.

    Raises as the pools do.

    >>> pool_nd(7, 2), pool_nd(7, 2, ceil_mode=True)
    (3, 4)
    """
    where = "shapes.pool_nd"
    rank = _rank(n, k, stride, dilation)
    size, kernel = _sizes(where, rank, n=n, k=k)
    flag(where, "ceil_mode", ceil_mode)
    return _like(rank, pool_spec(where, size, kernel, stride, padding, dilation, ceil_mode).out)


def solve_padding(n: IntN, k: IntN, stride: IntN, out: IntN, dilation: IntN = 1) -> Pairs:
    """The least padding, a (before, after) pair per axis and the odd one after, with which a convolution of n by k gives exactly `out`.

    Raises ValueError for an output smaller than without padding, and says which are possible.

    >>> solve_padding(32, 3, stride=2, out=16)
    ((0, 1),)
    """
    where = "shapes.solve_padding"
    rank = _rank(n, k, stride, out, dilation)
    pairs = []
    for axis, (n_, k_, s, o, d) in enumerate(zip(*_sizes(where, rank, n=n, k=k, stride=stride, out=out, dilation=dilation))):
        extent = d * (k_ - 1) + 1
        least = max((n_ - extent) // s + 1, 1)
        if o < least:
            raise ValueError(
                f"{where}: out={o} on spatial axis {axis} is not possible; a kernel of {k_} with stride {s} and dilation {d} gives "
                f"{least} outputs or more of {n_} inputs (fewer by cropping the input, or with a larger stride)"
            )
        total = max((o - 1) * s + extent - n_, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def _rank(*arguments: Any) -> int | None:
    """How many axes the arguments speak of; None if all are ints."""
    return next((len(tuple(a)) for a in arguments if several(a)), None)


def _sizes(where: str, rank: int | None, **arguments: Any) -> list[tuple[int, ...]]:
    """Each argument with an entry per axis; all but an input size must be positive."""
    found = [per_axis(a, 1 if rank is None else rank, name, where) for name, a in arguments.items()]
    for (name, _), sizes in zip(arguments.items(), found):
        least = 0 if name == "n" else 1
        for axis, size in enumerate(sizes):
            if size < least:
                raise ValueError(f"{where}: {name}={size} on spatial axis {axis} must be at least {least}")
    return found


def _like(rank: int | None, sizes: Sequence[int]) -> Size:
    return sizes[0] if rank is None else tuple(sizes)
