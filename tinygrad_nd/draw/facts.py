"""What can be said about a node beyond its shape: its gradient, its values, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot, prod
from typing import Any

import numpy as np

from ..node import Constant, Node
from . import labels

BINS, SAMPLE = 24, 1 << 16  # of a histogram


@dataclass(frozen=True)
class Grad:
    """The Euclidean norm of a gradient (None: there is no gradient), the share of its zeros, and how many entries are nan or infinite."""

    norm: float | None = None
    bad: int = 0
    zeros: float = 0.0


@dataclass(frozen=True)
class Stats:
    """Mean, deviation and range of the finite values (of their magnitudes, where complex), the share of zeros, the count of nan and inf."""

    mean: float
    std: float
    low: float
    high: float
    zeros: float
    bad: int


@dataclass(frozen=True)
class Cost:
    """Of one run forward: estimated floating-point operations, bytes read and written, bytes kept for the backward pass; and the seconds
    that a run forward and one backward took when measured (None: they could not be)."""

    flops: int
    bytes: int
    saved: int = 0
    forward: float | None = None
    backward: float | None = None

    @property
    def seconds(self) -> float:
        return (self.forward or 0.0) + (self.backward or 0.0)

    def __add__(self, other: Cost) -> Cost:
        seconds = _sum(self.forward, other.forward), _sum(self.backward, other.backward)
        return Cost(self.flops + other.flops, self.bytes + other.bytes, self.saved + other.saved, *seconds)


def _sum(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else a + b


def gradient(node: Node | Constant) -> Grad | None:
    """The gradient of a leaf, or of a tensor that retains its own; None where none is kept."""
    handle = node.handle if isinstance(node, Node) else None
    if handle is None:
        return None
    return Grad() if handle.grad is None else measure(handle.grad._data)


def measure(g: Any) -> Grad:
    with np.errstate(all="ignore"):
        norm = float(np.sqrt(np.sum(np.square(np.abs(g), dtype=np.float64))))
    size = np.size(g)
    return Grad(norm, int(size - np.isfinite(g).sum()), 1 - int(np.count_nonzero(g)) / size if size else 0.0)


def total(grads: Iterable[Grad | None]) -> Grad | None:
    """The gradient of several values as if they were one; its zeros are not told. None if none is known."""
    known = [g for g in grads if g]
    norms = [g.norm for g in known if g.norm is not None]
    return Grad(hypot(*norms) if norms else None, sum(g.bad for g in known)) if known else None


def statistics(array: np.ndarray) -> Stats | None:
    finite = np.isfinite(array)
    good = array[finite]
    if not good.size:
        return Stats(0.0, 0.0, 0.0, 0.0, 0.0, array.size) if array.size else None
    good = np.abs(good) if good.dtype.kind == "c" else good
    with np.errstate(all="ignore"):
        mean, std = good.mean(dtype=np.float64), good.std(dtype=np.float64)
    zeros = 1 - np.count_nonzero(good) / good.size
    return Stats(float(mean), float(std), float(good.min()), float(good.max()), zeros, int(array.size - good.size))


def histogram(array: np.ndarray, stats: Stats) -> tuple[int, ...]:
    """How many finite values lie in each of BINS equal parts of [low, high]; of a large array, among SAMPLE values picked at random."""
    width = stats.high - stats.low
    if not 0 < width < np.inf:
        return ()
    values = array.ravel(order="K")
    if values.size > SAMPLE:
        values = values[np.random.default_rng(0).integers(values.size, size=SAMPLE)]
    values = values[np.isfinite(values)]
    values = np.abs(values) if values.dtype.kind == "c" else values
    part = ((values.astype(np.float64) - stats.low) / width * BINS).astype(int)
    return tuple(np.bincount(part.clip(0, BINS - 1), minlength=BINS).tolist())


def cost(node: Node, operands: Sequence[tuple[int, ...] | None]) -> Cost:
    """What is computed, read and written; moving values about is for free."""
    family = labels.family(node.operation)
    if family == "movement":
        return Cost(0, 0)
    moved = prod(node.shape) + sum(prod(s) for s in operands if s is not None)
    return Cost(flops(node, family, operands), moved * node.dtype.itemsize)


def flops(node: Node, family: str, operands: Sequence[tuple[int, ...] | None]) -> int:
    """Products count two operations per multiply-add, reductions and pools one per value read, the rest one per value made."""
    if family == "movement":
        return 0
    if family == "product":
        return 2 * labels.multiply_adds(node, operands)
    size = prod(node.shape)
    if "spec" in node.params:
        return size * int(prod(node.params["spec"].kernel))
    return max([size, *(prod(s) for s in operands if s is not None)]) if family == "reduction" else size
