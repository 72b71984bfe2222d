"""Entries of an array by their index, and its transpose: a pair that other modules are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import indexing as kernel
from ..node import Node
from ..tape import primitive
from .ufunc import bare_rules, either

Index = tuple[Any, ...]


@bare_rules
@primitive("getitem", x=lambda g, x_shape, index: either(scatter, g, index=index, shape=x_shape))
def entries(x: Any, *, index: Index) -> Any:
    return x[index]


def _add_at(total: np.ndarray, g: Any, node: Node, _: int) -> bool:
    kernel.add_at(total, g, **node.params)
    return True


entries.op.add, entries.op.fresh = _add_at, True  # type: ignore[attr-defined]


@primitive(g=lambda h, index: entries(h, index=index))
def scatter(g: Any, *, index: Index, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` to which g is added at `index`, as often as an entry is named."""
    return kernel.scatter(g, index, shape)
