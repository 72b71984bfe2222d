"""What happened during a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import reading
from ..debug.words import table

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
