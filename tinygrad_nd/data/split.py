"""What is learned from, and what is kept to judge by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arguments import Rng, answering, generator, number, whole
from .arrays import as_array, common_length


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
