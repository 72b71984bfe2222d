"""Feeding a training loop: batches, one-hot labels, a train/test split, and loading ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from .tensor import Tensor, default_dtype

T = TypeVar("T")
Rng: TypeAlias = "np.random.Generator | int | None"  # a string, so that numpy.random is imported when it is used

__all__ = ["batches", "one_hot", "prefetch", "train_test_split"]


def batches(arrays: Any, size: int, *, shuffle: bool = False, rng: Rng = None, drop_last: bool = False) -> Batches:
    """Successive batches of `size` along the first axis, in the form given: an array gives arrays, a tuple tuples, a dict dicts.

    The result can be iterated again, epoch after epoch, each in a new order if `shuffle`; its `len` is the number of batches. Unshuffled
    batches are views. A last, smaller batch is dropped with `drop_last`.

    Raises ValueError where lengths differ or size < 1.

    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> [b.tolist() for _, b in batches((x, y), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return Batches(arrays, size, shuffle, rng, drop_last)


class Batches:
    """What `batches` returns: a sized iterable."""

    def __init__(self, arrays: Any, size: int, shuffle: bool, rng: Rng, drop_last: bool) -> None:
        if size < 1:
            raise ValueError(f"batches: size={size} must be at least 1")
        if isinstance(arrays, Mapping):
            self.keys: list[Any] | None = list(arrays)
            columns = list(arrays.values())
        else:
            self.keys = None
            columns = list(arrays) if isinstance(arrays, (tuple, list)) else [arrays]
        self.single = not isinstance(arrays, (tuple, list, Mapping))
        self.columns = [_array(a) for a in columns]
        self.count = _common_length("batches", self.columns)
        self.size, self.shuffle, self.drop_last = size, shuffle, drop_last
        self.rng = np.random.default_rng(rng)

    def __len__(self) -> int:
        return self.count // self.size if self.drop_last else -(-self.count // self.size)

    def __iter__(self) -> Iterator[Any]:
        order = self.rng.permutation(self.count) if self.shuffle else None
        for start in range(0, len(self) * self.size, self.size):
            part = slice(start, start + self.size)
            yield self._form([a[part if order is None else order[part]] for a in self.columns])

    def _form(self, parts: list[np.ndarray]) -> Any:
        if self.keys is not None:
            return dict(zip(self.keys, parts))
        return parts[0] if self.single else tuple(parts)


def one_hot(labels: npt.ArrayLike, num_classes: int | None = None, *, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Ones at the labels along a new last axis: labels (...) of integers to (..., num_classes).

    `num_classes` defaults to the largest label plus one, `dtype` to the parameters'. Raises ValueError for labels outside the classes.

    >>> one_hot([2, 0]).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    index = np.asarray(labels)
    if index.size and index.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels must be integers, but got {index.dtype}")
    index = index.astype(np.intp)
    largest = int(index.max(initial=-1))
    classes = largest + 1 if num_classes is None else num_classes
    if index.min(initial=0) < 0 or largest >= classes:
        raise ValueError(f"one_hot: labels run from {index.min()} to {largest}, outside the {classes} classes 0 to {classes - 1}")
    out = np.zeros((*index.shape, classes), default_dtype() if dtype is None else dtype)
    np.put_along_axis(out, index[..., None], 1, axis=-1)
    return out


def train_test_split(
    *arrays: npt.ArrayLike, test_size: float = 0.25, shuffle: bool = True, stratify: npt.ArrayLike | None = None, rng: Rng = None
) -> tuple[np.ndarray, ...]:
    """Each array split along its first axis into a training and a test part: train_1, test_1, train_2, test_2, ...

    `test_size` is a fraction or a count. With `stratify` (labels), every label is split in that proportion.
    Unshuffled, the test part is the end.

    >>> [a.tolist() for a in train_test_split(np.arange(4), shuffle=False)]
    [[0, 1, 2], [3]]
    """
    columns = [_array(a) for a in arrays]
    count = _common_length("train_test_split", columns)
    tests = round(test_size * count) if isinstance(test_size, float) else int(test_size)
    if not 0 < tests < count:
        raise ValueError(f"train_test_split: test_size={test_size} of {count} leaves {count - tests} to train and {tests} to test")
    generator = np.random.default_rng(rng)
    order = generator.permutation(count) if shuffle else np.arange(count)
    if stratify is not None:
        labels = _array(stratify)
        _common_length("train_test_split", [*columns, labels])
        order = _interleaved(order, labels[order])
    return tuple(part for a in columns for part in (a[order[: count - tests]], a[order[count - tests :]]))


def prefetch(iterable: Iterable[T], n: int = 2) -> Iterator[T]:
    """The items of `iterable`, taken up to `n` ahead by a thread, so that loading overlaps with computing.

    An exception in `iterable` is raised here, at its place. Leaving the loop early stops the thread and closes `iterable`'s iterator.
    """
    if n < 1:
        raise ValueError(f"prefetch: n={n} must be at least 1")
    return _prefetched(iterable, n)


_END = object()


def _prefetched(iterable: Iterable[T], n: int) -> Iterator[T]:
    ready: queue.Queue[Any] = queue.Queue()
    room, stopped = threading.Semaphore(n), threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        source = iter(())
        try:
            source = iter(iterable)  # type: ignore[arg-type]
            while room.acquire() and not stopped.is_set() and (item := next(source, _END)) is not _END:
                ready.put(item)
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the consumer
            failure.append(error)
        finally:
            ready.put(_END)
            if hasattr(source, "close"):
                source.close()

    thread = threading.Thread(target=copy_context().run, args=(work,), name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            room.release()
            yield item
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        room.release()
        thread.join()


def _array(a: Any) -> np.ndarray:
    return a.data if isinstance(a, Tensor) else np.asarray(a)


def _common_length(where: str, arrays: Sequence[np.ndarray]) -> int:
    if not arrays or any(a.ndim == 0 for a in arrays):
        raise ValueError(f"{where}: needs arrays with a first axis to go along, but got shapes {[a.shape for a in arrays]}")
    lengths = {len(a) for a in arrays}
    if len(lengths) > 1:
        raise ValueError(f"{where}: arrays must be equally long, but got shapes {[a.shape for a in arrays]}")
    return lengths.pop()


def _interleaved(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`order`, rearranged so that every label is spread evenly along it: its j-th of m members goes to (j + 1/2) / m."""
    place = np.empty(len(order))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return order[np.argsort(place, kind="stable")]
