"""Arrays, tensors and nested lists that share a first axis: taken as they are, split for training and testing, and labels as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import Rng, answering, dtype_of, flag, generator, no_numbers, number, whole
from ..tensor import Tensor, default_dtype


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
    number("one_hot", "num_classes", classes, most=1 << 40)
    if index.min(initial=0) < 0 or largest >= classes:
        raise ValueError(f"one_hot: labels run from {index.min()} to {largest}, outside the {classes} classes 0 to {classes - 1}")
    out = np.zeros((*index.shape, classes), default_dtype() if dtype is None else dtype_of("one_hot", dtype))
    np.put_along_axis(out, index[..., None], 1, axis=-1)
    return out


@answering
def train_test_split(
    *arrays: npt.ArrayLike, test_size: float = 0.25, shuffle: bool = True, stratify: npt.ArrayLike | None = None, rng: Rng = None
) -> tuple[np.ndarray, ...]:
    """Each array split along its first axis into a training and a test part: train_1, test_1, train_2, test_2, ...

    `test_size` is a fraction or a count. With `stratify` (labels), every label is split in that proportion.
    Unshuffled, the test part is the end.

    >>> [a.tolist() for a in train_test_split(np.arange(4), shuffle=False)]
    [[0, 1, 2], [3]]
    """
    columns = [as_array("train_test_split", a) for a in arrays]
    count = common_length("train_test_split", columns)
    number("train_test_split", "test_size", test_size, above=0)
    flag("train_test_split", "shuffle", shuffle)
    fraction = isinstance(test_size, (float, np.floating))
    tests = round(min(test_size, 1.0) * count) if fraction else whole("train_test_split", "test_size", test_size)
    if not 0 < tests < count:
        raise ValueError(f"train_test_split: test_size={test_size} of {count} leaves {count - tests} to train and {tests} to test")
    order = generator("train_test_split", rng).permutation(count) if shuffle else np.arange(count)
    if stratify is not None:
        labels = as_array("train_test_split", stratify)
        common_length("train_test_split", [*columns, labels])
        if labels.ndim > 1:
            raise ValueError(f"train_test_split: stratify needs one label for each row, but has shape {labels.shape}")
        order = _interleaved(order, labels[order])
    return tuple(part for a in columns for part in (a[order[: count - tests]], a[order[count - tests :]]))


def _interleaved(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`order`, rearranged so that every label is spread evenly along it: its j-th of m members goes to (j + 1/2) / m."""
    place = np.empty(len(order))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(place, kind="stable")]
