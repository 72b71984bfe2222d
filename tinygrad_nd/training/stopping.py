"""When a training ends before its last epoch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from ..arguments import number, option, whole


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when `monitor` has not become better by more than `min_delta` for `patience` epochs.

    `monitor` is a name in the history, "val_loss" if left out ("loss" without validation); `mode` says whether its "min" or "max" is best.
    With `restore_best`, a training that ends, early or not, leaves parameters and buffers as they were after the best epoch.
    """

    patience: int = 5
    min_delta: float = 0.0
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        whole("EarlyStopping", "patience", self.patience)
        number("EarlyStopping", "min_delta", self.min_delta, least=0)
        option("EarlyStopping", "mode", self.mode, ("min", "max"))

    def best(self, values: Sequence[float]) -> int:
        """The place of the best value: the last that was better than the best before it by more than min_delta.

        >>> EarlyStopping(min_delta=0.1).best([1.0, 0.5, 0.45])
        1
        """
        found, least = -1, inf
        for i, value in enumerate(values):
            value = value if self.mode == "min" else -value
            if value < least - self.min_delta or (found < 0 and value < inf):
                found, least = i, value
        return found


@contextmanager
def interruptible(stop: Callable[[str], Any]) -> Iterator[None]:
    """Ctrl-C calls `stop(reason)`, so that no step is cut in half; a second one raises KeyboardInterrupt at once.

    Only in the main thread, where Python lets signals be handled, and where Ctrl-C does what it does by default.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def asked(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop("interrupted")

    signal.signal(signal.SIGINT, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
