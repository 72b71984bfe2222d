"""How well predictions do, in numbers to read; and means over many batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor
from ..values import numeric

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
