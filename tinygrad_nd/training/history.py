"""What happened during a training, how well predictions do, in numbers to read, and means of these over many batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import reading
from ..debug.words import table
from ..tensor import Tensor
from ..values import numeric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 20  # rows of a table


class History(Mapping[str, list[float]]):
    """A list per quantity, one number per epoch: `history["loss"]`, `history["val_loss"]`, the metrics, "lr", "seconds".

    `steps` is the loss of every step, `stopped` says why training ended. It prints as a table, and `plot()` draws its curves.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self.epochs = 0
        self.steps: list[float] = []
        self.stopped = ""

    def add(self, row: Mapping[str, float]) -> None:
        """The numbers of one more epoch; nan where a quantity is missing."""
        self.epochs += 1
        for values in self.columns.values():
            values.append(nan)
        self.put(row)

    def put(self, numbers: Mapping[str, float]) -> None:
        """More numbers of the latest epoch."""
        for name, value in numbers.items():
            self.columns.setdefault(name, [nan] * self.epochs)[-1] = float(value)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.columns:
            raise KeyError(f"history has no {name!r}, but {', '.join(self.columns) or 'nothing yet'}")
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def to_dict(self) -> dict[str, list[float]]:
        """A copy as plain lists by name."""
        return {name: list(values) for name, values in self.columns.items()}

    def plot(self) -> Figure:
        """A matplotlib Figure of the losses and metrics by epoch (extra `plot`)."""
        from ..plot import losses

        return losses(self)

    def state_dict(self) -> dict[str, Any]:
        """Everything, as arrays and plain values."""
        columns = {name: np.array(values) for name, values in self.columns.items()}
        return {"columns": columns, "epochs": self.epochs, "steps": np.array(self.steps), "stopped": self.stopped}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave; else raises ValueError and changes nothing."""
        with reading("History.load_state_dict", saved):
            columns = {str(name): np.asarray(values, float).tolist() for name, values in saved["columns"].items()}
            epochs, steps, stopped = int(saved["epochs"]), np.asarray(saved["steps"], float).tolist(), str(saved["stopped"])
        if any(len(values) != epochs for values in columns.values()):
            lengths = {name: len(values) for name, values in columns.items()}
            raise ValueError(f"History.load_state_dict: {epochs} epochs need as many numbers each, but there are {lengths}")
        self.columns, self.epochs, self.steps, self.stopped = columns, epochs, steps, stopped

    def __repr__(self) -> str:
        head = f"History: {self.epochs} epochs, {len(self.steps):,} steps" + (f"; {self.stopped}" if self.stopped else "")
        rows = [[str(i + 1), *(f"{values[i]:.4g}" for values in self.columns.values())] for i in range(self.epochs)]
        if len(rows) >= SHOWN:
            rows[SHOWN // 2 - 1 : -SHOWN // 2] = [["..."] * len(rows[0])]
        return f"{head}\n{table(['epoch', *self.columns], rows, left=0)}" if rows else head


# Metrics.

Metric = Callable[[Any, Any], Any]


def accuracy(scores: Any, labels: Any) -> float:
    """The part of the labels that have the highest score: scores (N, C, *n), labels (N, *n) of integers.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    s, y = (a.data if isinstance(a, Tensor) else numeric(a, None, "accuracy") for a in (scores, labels))
    if not y.size or s.ndim < 2 or s.shape[:1] + s.shape[2:] != y.shape:
        raise ValueError(f"accuracy: scores are (N, C, *n) and labels (N, *n), none of them empty, but got {s.shape} and {y.shape}")
    return float((s.argmax(1) == y).mean())


def named(metrics: Mapping[str, Metric] | Sequence[Metric]) -> dict[str, Metric]:
    """Metrics by name: that of the function where no other is given."""
    if not isinstance(metrics, (Mapping, list, tuple)):
        raise TypeError(f"fit: metrics must be a list of functions or a dict of them by name, but got {metrics!r}; pass [{_name(metrics)}]")
    found = dict(metrics) if isinstance(metrics, Mapping) else {_name(f): f for f in metrics}
    for name, f in found.items():
        if not isinstance(name, str):
            raise TypeError(f"fit: metrics have names, but one is {name!r}")
        if not callable(f):
            raise TypeError(f"fit: the metric {name!r} must be a function of prediction and target, but is a {type(f).__name__}")
    if len(found) < len(metrics) or "loss" in found:
        raise ValueError(
            f"fit: metrics need names of their own, other than 'loss', but are {[_name(f) for f in metrics]}; name them in a dict"
        )
    return found


def number(what: str, value: Any) -> float:
    """What a metric or a callback gave."""
    a = value.data if isinstance(value, Tensor) else np.asarray(value)
    if a.size != 1 or a.dtype.kind not in "biuf":
        raise TypeError(f"fit: {what} must give one number, but gave {type(value).__name__} of shape {a.shape}")
    return float(a.item())


def _name(f: Any) -> str:
    return str(f if isinstance(f, str) else getattr(f, "__name__", type(f).__name__))


class Means:
    """Running means by name, each value with its weight."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}  # name to [sum of weight * value, sum of weights]

    def add(self, name: str, value: float, weight: float) -> None:
        sums = self.sums.setdefault(name, [0.0, 0.0])
        sums[0] += weight * value
        sums[1] += weight

    def read(self, prefix: str = "") -> dict[str, float]:
        return {prefix + name: total / weight for name, (total, weight) in self.sums.items()}
