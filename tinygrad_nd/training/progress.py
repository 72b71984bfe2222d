"""Telling how a training goes: a line per epoch, and in a terminal or notebook with tqdm a bar within it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from .checks import count, length
from .run import Run

PAUSE = 0.1  # seconds between two looks of the bar


class Progress:
    """Told of every step and every epoch; silent unless `shown`."""

    def __init__(self, run: Run, shown: bool) -> None:
        self.run, self.shown, self.batches = run, shown, length(run.data)
        self.start = self.began = self.looked = perf_counter()
        self.first = run.epoch + (run.batch / self.batches if self.batches else 0)  # where this process begins
        self.examples, self.rate = 0, ""
        self.bar: Any = None
        if run.step:
            self.say(f"going on after {run.epoch} epochs and {run.step} steps")

    def begin(self) -> None:
        """An epoch begins, or goes on."""
        self.began = self.looked = perf_counter()
        self.examples = 0
        make = _tqdm() if self.shown else None
        if make is not None:
            layout = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
            self.bar = make(desc=self._place(1), total=self.batches, leave=False, bar_format=layout if self.batches else None)

    def step(self, group: Sequence[Any]) -> None:
        """A step is done."""
        self.examples += sum(map(count, group))
        now = perf_counter()
        if self.bar is None or now - self.looked < PAUSE:
            return
        self.looked = now
        left = f", {_clock(self._left(now))} left" if self.batches else ""
        self.bar.set_postfix_str(f"{_listed(self.run.means.read())}  {self._rate(now)}{left}", refresh=False)
        self.bar.n = self.run.batch
        self.bar.refresh()

    def trained(self) -> None:
        """The epoch's last step is done; the bar makes room for what validation and callbacks may print."""
        self.rate = self._rate(perf_counter())
        self.close()

    def end(self) -> None:
        """An epoch is complete."""
        run = self.run
        told = {name: values[-1] for name, values in run.history.items() if name not in ("lr", "seconds")}
        left = "" if run.stopped or run.epoch == run.epochs else f"  {_clock(self._left(perf_counter()))} left"
        self.say(f"{self._place(0)}  {_listed(told)}  {self.rate}{left}")

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def say(self, line: str) -> None:
        if self.shown:
            print(line, flush=True)

    def _place(self, begun: int) -> str:
        return f"epoch {self.run.epoch + begun:{len(str(self.run.epochs))}}/{self.run.epochs}"

    def _rate(self, now: float) -> str:
        return f"{self.examples / max(now - self.began, 1e-9):.0f} examples/s"

    def _left(self, now: float) -> float:
        """Seconds to the last epoch's end, at the pace so far."""
        done = self.run.epoch + (self.run.batch / self.batches if self.batches else 0)
        return (self.run.epochs - done) * (now - self.start) / max(done - self.first, 1e-9)


def _tqdm() -> Any:
    """tqdm's bar, where there is one and somebody who looks at it."""
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def _listed(numbers: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _clock(seconds: float) -> str:
    """
    >>> _clock(75), _clock(3601)
    ('1:15', '1:00:01')
    """
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
