"""What the functions here take: arrays, tensors and nested lists that share a first axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import no_numbers
from ..tensor import Tensor


def as_array(where: str, a: Any) -> np.ndarray:
    """A plain array on the same memory where there is one: of a tensor its value, of a memory map the map."""
    if isinstance(a, Tensor):
        return a.data
    try:
        return np.asarray(a)
    except ValueError:
        raise no_numbers(where, a) from None


def common_length(where: str, arrays: Sequence[np.ndarray]) -> int:
    if not arrays or any(a.ndim == 0 for a in arrays):
        hint = "; pass a list of numbers as np.array(numbers)" if len(arrays) > 1 else ""
        raise ValueError(f"{where}: needs arrays with a first axis to go along, but got shapes {_shapes(arrays)}{hint}")
    lengths = {len(a) for a in arrays}
    if len(lengths) > 1:
        raise ValueError(f"{where}: arrays must be equally long, but got shapes {_shapes(arrays)}")
    return lengths.pop()


def _shapes(arrays: Sequence[np.ndarray]) -> str:
    return ", ".join(str(shape) for shape in list(dict.fromkeys(a.shape for a in arrays))[:8]) or "of none"
