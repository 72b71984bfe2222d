"""The geometry of sliding windows: sizes, padding, and the specs that kernels run.

One letter, one meaning: n input size, k kernel, o output size, s stride, p padding (before, after), d dilation; every field holds one
entry per spatial axis, so a rank is a length and never a special case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

IntN = int | Sequence[int]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ConvSpec:
    """What a convolution does to space. Holds the input size, so that all three contractions are unambiguous.

    size, kernel, stride, dilation: one int per spatial axis. padding: a (before, after) pair per axis, negative crops.
    algorithm: what the user asked for ("auto", or one row's name); it travels with the spec into every derivative.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1
    algorithm: str = "auto"

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def out(self) -> tuple[int, ...]:
        """Output size per axis: floor((n + before + after - d(k-1) - 1) / s) + 1."""
        return tuple(
            (n + a + b - d * (k - 1) - 1) // s + 1
            for n, k, s, (a, b), d in zip(self.size, self.kernel, self.stride, self.padding, self.dilation)
        )

    @property
    def macs(self) -> int:
        """Multiply-adds per image, input channel and output channel of one group."""
        return prod(self.out) * prod(self.kernel)


@dataclass(frozen=True)
class PoolSpec:
    """What a pooling window does to space; `out` is given, because ceil_mode decides it. Windows may overhang the padded end."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.size)
