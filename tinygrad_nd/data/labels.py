"""Labels as numbers to learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arguments import answering, dtype_of, whole
from ..tensor import default_dtype
from .arrays import as_array


@answering
def one_hot(labels: npt.ArrayLike, num_classes: int | None = None, *, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Ones at the labels along a new last axis: labels (...) of integers to (..., num_classes).

    `num_classes` defaults to the largest label plus one, `dtype` to the parameters'. Raises ValueError for labels outside the classes.

    >>> one_hot([2, 0]).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    index = as_array("one_hot", labels)
    if index.size and index.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels must be integers, but got {index.dtype}; use labels.astype(int)")
    index = index.astype(np.intp)
    largest = int(index.max(initial=-1))
    classes = largest + 1 if num_classes is None else whole("one_hot", "num_classes", num_classes, 0)
    if index.min(initial=0) < 0 or largest >= classes:
        raise ValueError(f"one_hot: labels run from {index.min()} to {largest}, outside the {classes} classes 0 to {classes - 1}")
    out = np.zeros((*index.shape, classes), default_dtype() if dtype is None else dtype_of("one_hot", dtype))
    np.put_along_axis(out, index[..., None], 1, axis=-1)
    return out
