"""Batches of arrays, epoch after epoch, from any place in one; and the next one loaded ahead, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np

from ..arguments import Rng, answering, generator, reading, whole
from ..tree import leaves, mapped
from .arrays import as_array, common_length

Transform = Callable[[Any, np.random.Generator], Any]


@answering
def batches(
    arrays: Any, size: int, *, shuffle: bool = False, rng: Rng = None, drop_last: bool = False, transform: Transform | None = None
) -> Batches:
    """Successive batches of `size` along the first axis, as given: an array or tensor gives arrays, a tuple tuples, a dict dicts.

    The result can be iterated again, epoch after epoch, each in a new order if `shuffle`; its `len` is the number of batches. Unshuffled
    batches are read-only views, of memory-mapped arrays too; shuffled ones are copies that keep the order of axes in memory. A last,
    smaller batch is dropped with `drop_last`. `transform(batch, rng)` changes each batch before it is given, with a Generator of that
    batch's own.

    `state_dict()` tells the place after the batch given last; after `load_state_dict` the next pass is the rest of that one, and all
    later ones are as they would have been.

    Raises ValueError where lengths differ or size < 1.

    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> [b.tolist() for _, b in batches((x, y), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return Batches(arrays, size, shuffle, rng, drop_last, transform)


class Batches:
    """What `batches` returns: a sized iterable that knows its place."""

    def __init__(self, arrays: Any, size: int, shuffle: bool, rng: Rng, drop_last: bool, transform: Transform | None) -> None:
        self.size = whole("batches", "size", size)
        if transform is not None and not callable(transform):
            raise TypeError(f"batches: transform must be a function of a batch and a Generator, but got a {type(transform).__name__}")
        self.arrays = mapped(partial(as_array, "batches"), dict(arrays) if isinstance(arrays, Mapping) else arrays)
        self.count = common_length("batches", [a for _, a in leaves(self.arrays)])
        self.shuffle, self.drop_last, self.transform = shuffle, drop_last, transform
        self.rng = generator("batches", rng)
        self._before = self.rng.bit_generator.state  # the generator's state before the latest pass drew from it
        self._given = 0  # batches of that pass given so far
        self._drawn: tuple[np.ndarray | None, int] | None = None  # what a pass that is to go on had drawn

    def __len__(self) -> int:
        return self.count // self.size if self.drop_last else -(-self.count // self.size)

    def __iter__(self) -> Iterator[Any]:
        if self._drawn is None:
            self._before, self._given = self.rng.bit_generator.state, 0
            self._drawn = self._draw()
        (order, seed), self._drawn = self._drawn, None
        for i in range(self._given, len(self)):
            part: Any = slice(i * self.size, (i + 1) * self.size)
            part = part if order is None else order[part]
            batch = mapped(partial(_rows, part), self.arrays)
            if self.transform is not None:
                batch = self.transform(batch, np.random.default_rng((seed, i)))
            self._given = i + 1
            yield batch
        self._before, self._given = self.rng.bit_generator.state, 0

    def __repr__(self) -> str:
        return f"batches({self.count:,} rows in {len(self):,} of {self.size}, shuffle={self.shuffle})"

    def _draw(self) -> tuple[np.ndarray | None, int]:
        """A pass's order, and the seed of its transforms."""
        order = self.rng.permutation(self.count) if self.shuffle else None
        return order, int(self.rng.integers(1 << 63)) if self.transform else 0

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch given, and the generator's states before this pass and now."""
        return {"given": self._given, "before": self._before, "now": self.rng.bit_generator.state, "rows": [self.count, self.size]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Makes the next pass the rest of the one that `state_dict` was asked in; ValueError, and no change, for batches of other rows."""
        with reading("batches.load_state_dict", saved, "given", "before", "now", "rows"):
            self._load(saved)

    def _load(self, saved: Mapping[str, Any]) -> None:
        (count, size), given = saved["rows"], int(saved["given"])
        if [count, size] != [self.count, self.size] or not 0 <= given <= len(self):
            raise ValueError(
                f"batches.load_state_dict: saved after {given} batches of {count} rows in {size}s, "
                f"but these are {len(self)} batches of {self.count} rows in {self.size}s"
            )
        now = self.rng.bit_generator.state
        try:
            self.rng.bit_generator.state = saved["now"]
            self.rng.bit_generator.state = saved["before"]
        except (TypeError, ValueError, KeyError) as error:
            self.rng.bit_generator.state = now
            raise ValueError(f"batches.load_state_dict: this generator, {now['bit_generator']}, cannot take the saved state: {error}")
        self._before, self._given, self._drawn = saved["before"], given, None
        if given:
            self._drawn = self._draw()
            self.rng.bit_generator.state = saved["now"]


def _rows(part: slice | np.ndarray, a: np.ndarray) -> np.ndarray:
    """These rows: a copy, or a view through which nobody can write to what is batched."""
    rows: np.ndarray = a[part]
    if isinstance(part, slice):
        rows.flags.writeable = False
    return rows


T = TypeVar("T")


def prefetch(iterable: Iterable[T], n: int = 2) -> Prefetched[T]:
    """The items of `iterable`, taken up to `n` ahead by a thread, so that loading overlaps with computing.

    Can be iterated again if `iterable` can, and is an iterator itself. An exception in `iterable` is raised here, at its place. Leaving the
    loop early stops the thread and closes `iterable`'s iterator. `state_dict()` is that of `iterable` after the item given last, whatever
    has been loaded since.
    """
    if not isinstance(iterable, Iterable):
        raise TypeError(f"prefetch: takes something to iterate over, such as nd.data.batches, but got a {type(iterable).__name__}")
    return Prefetched(iterable, whole("prefetch", "n", n))


class Prefetched(Generic[T]):
    """What `prefetch` returns."""

    def __init__(self, iterable: Iterable[T], n: int) -> None:
        self.iterable, self.n = iterable, n
        self._state: Any = None  # of the iterable, after the item given last in a pass that goes on
        self._own: Iterator[T] | None = None  # the pass of __next__

    def __len__(self) -> int:
        return len(self.iterable)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[T]:
        return self if hasattr(self.iterable, "__next__") else self._pass()

    def __next__(self) -> T:
        self._own = self._own or self._pass()
        return next(self._own)

    def close(self) -> None:
        """Stops the thread of `next`."""
        if self._own is not None:
            self._own.close()  # type: ignore[attr-defined]

    def _pass(self) -> Iterator[T]:
        for item, state in _ahead(self.iterable, self.n, getattr(self.iterable, "state_dict", _nothing)):
            self._state = state
            yield item
        self._state = None

    def state_dict(self) -> dict[str, Any]:
        """That of `iterable` after the item given last."""
        return self._stateful().state_dict() if self._state is None else self._state  # type: ignore[no-any-return]

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """As `iterable`'s."""
        self._stateful().load_state_dict(saved)
        self._state = None

    def _stateful(self) -> Any:
        if not hasattr(self.iterable, "state_dict"):
            raise TypeError(
                f"prefetch: a {type(self.iterable).__name__} has no state_dict, so its place cannot be kept; nd.data.batches has"
            )
        return self.iterable


_END = object()


def _nothing() -> None: ...


def _ahead(iterable: Iterable[T], n: int, state: Callable[[], Any]) -> Iterator[tuple[T, Any]]:
    """Each item with the state after it."""
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    room, stopped = threading.Semaphore(n), threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        source: Iterator[Any] = iter(())
        try:
            source = iter(iterable)
            while room.acquire() and not stopped.is_set() and (item := next(source, _END)) is not _END:
                ready.put((item, state()))
                del item
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the consumer
            failure.append(error)
        finally:
            ready.put(_END)
            if hasattr(source, "close"):
                source.close()

    thread = threading.Thread(target=copy_context().run, args=(work,), name="prefetch", daemon=True)
    thread.start()
    try:
        while (entry := ready.get()) is not _END:
            room.release()
            yield entry
            del entry
        if failure:
            raise failure.pop()
    finally:
        stopped.set()
        room.release()
        if thread is not threading.current_thread():
            thread.join()
