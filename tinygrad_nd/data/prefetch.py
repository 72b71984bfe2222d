"""Loading ahead in a thread, so that the next batch is there when the last is done."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from ..arguments import whole

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
