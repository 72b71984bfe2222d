"""Entries of an array by their index, and its transpose; the same along one axis: pairs that other modules are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import indexing as kernel
from ..node import Node
from ..tape import primitive
from .ufunc import Function, bare_rules, either, of_kernel

Index = tuple[Any, ...]


@bare_rules
@primitive("getitem", x=lambda g, x_shape, index: either(scatter, g, index=index, shape=x_shape))
def entries(x: Any, *, index: Index) -> Any:
    return x[index]


def _add_at(total: np.ndarray, g: Any, node: Node, _: int) -> bool:
    kernel.add_at(total, g, **node.params)
    return True


entries.op.add, entries.op.fresh = _add_at, True  # type: ignore[attr-defined]


# Zeros of `shape` to which g is added at `index`, as often as an entry is named.
scatter: Function = of_kernel("scatter", kernel.scatter, g=lambda h, index: entries(h, index=index))


@bare_rules
@primitive(x=lambda g, x_shape, index, axis, distinct: either(put_back, g, index=index, axis=axis, size=x_shape[axis], distinct=distinct))
def pick(x: Any, *, index: np.ndarray, axis: int, distinct: bool) -> Any:
    """np.take_along_axis of places from 0 on, in the shape of x along the other axes. `distinct`: no line names a place twice."""
    return kernel.pick_along(x, index, axis)


# The transpose of picking: zeros to which g is added where it was picked from.
put_back: Function = of_kernel(
    "put_back", kernel.put_along, g=lambda h, index, axis, distinct: pick(h, index=index, axis=axis, distinct=distinct)
)
