"""What a sample row is, and where its arrays come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Sample:
    op: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    linear: bool = False
    differentiable: bool = True
    keeps_dtype: bool = True
    promotes: bool = True
    order: int = 2


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    return 0.5 + rng.random(shape)


def within(*shape: int) -> np.ndarray:
    """In (-0.8, 0.8), the inside of every bounded domain."""
    return 1.6 * rng.random(shape) - 0.8


def apart(*shape: int) -> np.ndarray:
    """Distinct values, far enough from each other and from 0 for differences to see no jump."""
    n = int(np.prod(shape))
    return (rng.permutation(n) - n // 2 + 0.3).reshape(shape).astype(float)


def rows(op: str, f: Callable[..., Any], *cases: tuple[Any, ...], **flags: Any) -> list[Sample]:
    return [Sample(op, f, case, **flags) for case in cases]
