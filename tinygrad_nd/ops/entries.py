"""Entries of an array by their index, and its transpose: a pair that other modules are made of."""

from __future__ import annotations

from typing import Any

from ..kernels import indexing as kernel
from ..tape import primitive

Index = tuple[Any, ...]


@primitive("getitem", x=lambda g, x_shape, index: scatter(g, index=index, shape=x_shape))
def entries(x: Any, *, index: Index) -> Any:
    return x[index]


entries.op.add = kernel.add_at  # type: ignore[attr-defined]


@primitive(g=lambda h, index: entries(h, index=index))
def scatter(g: Any, *, index: Index, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` to which g is added at `index`, as often as an entry is named."""
    return kernel.scatter(g, index, shape)
