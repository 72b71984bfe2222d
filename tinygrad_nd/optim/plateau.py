"""A schedule that looks at how training goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from ..arguments import number, option, reading, whole
from ..tensor import Tensor
from .optimizer import Optimizer
from .schedule import Rated, check_optimizer, per_group

__all__ = ["ReduceLROnPlateau"]

PROGRESS = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")


class ReduceLROnPlateau(Rated):
    """The rate times `factor` when a metric has not improved for more than `patience` epochs: `step(metric)` after each.

    `mode` "min" or "max" says which way is better. To count, a metric must beat the best by the part `threshold` of it ("rel") or by
    `threshold` itself ("abs"). After a reduction `cooldown` epochs are not counted. The rate stays at least `min_lr` (a number or one
    per group), and changes smaller than `eps` are not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer("ReduceLROnPlateau", optimizer)
        number("ReduceLROnPlateau", "factor", factor, least=0, below=1)
        number("ReduceLROnPlateau", "threshold", threshold, least=0, below=inf)
        number("ReduceLROnPlateau", "eps", eps, least=0, below=inf)
        for name, epochs in (("patience", patience), ("cooldown", cooldown)):
            whole("ReduceLROnPlateau", name, epochs, 0)
        option("ReduceLROnPlateau", "mode", mode, ("min", "max"))
        option("ReduceLROnPlateau", "threshold_mode", threshold_mode, ("rel", "abs"))
        self.min_lrs = per_group("ReduceLROnPlateau", "min_lr", min_lr, optimizer)
        self.optimizer, self.mode, self.factor, self.patience, self.eps = optimizer, mode, factor, patience, eps
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.last_epoch, self.num_bad_epochs, self.cooldown_counter = 0, 0, 0
        self.best = inf if mode == "min" else -inf

    def step(self, metric: Any) -> None:
        """Counts one epoch that ended with this metric, a number or a tensor of one element."""
        where = "ReduceLROnPlateau.step"
        value = metric.item() if isinstance(metric, (Tensor, np.ndarray)) and metric.size == 1 else metric
        if not isinstance(value, (float, np.floating)):  # of which nan is no improvement
            number(where, "metric", value)
        value = float(value)
        self.last_epoch += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, least in zip(self.optimizer.param_groups, per_group(where, "min_lr", self.min_lrs, self.optimizer)):
                lr = max(group["lr"] * self.factor, least)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """What it has counted. The rates themselves are in the optimiser's."""
        return {name: getattr(self, name) for name in PROGRESS}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave; else raises ValueError and changes nothing."""
        where = "ReduceLROnPlateau.load_state_dict"
        with reading(where, saved, *PROGRESS):
            if wrong := [name for name in PROGRESS if not isinstance(saved[name], (int, float))]:
                raise ValueError(f"{where}: {wrong[0]}={saved[wrong[0]]!r} must be a number")
        for name in PROGRESS:
            setattr(self, name, saved[name])

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * value < sign * self.best * (1 - sign * self.threshold)
        return sign * value < sign * self.best - self.threshold
