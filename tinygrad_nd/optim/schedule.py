"""What schedules share: `step()` after every epoch or batch sets the rate of every group. And one that looks at how training goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from ..arguments import answering, number, option, reading, whole
from ..tensor import Tensor
from .optimizer import Optimizer

__all__ = ["ReduceLROnPlateau", "Schedule"]


class Rated:
    """What sets the rates of an optimiser, and how far it is."""

    optimizer: Optimizer
    last_epoch: float

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = answering(cls.__init__)  # type: ignore[method-assign]

    def get_last_lr(self) -> list[float]:
        """The rate of every group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(after {self.last_epoch} steps, lr={self.get_last_lr()})"


class Schedule(Rated):
    """What schedules share. A subclass says what rate a group has that began with `base`: `rate(base, t)` after t steps.

    >>> import tinygrad_nd as nd
    >>> class InverseRoot(nd.optim.Schedule):
    ...     def rate(self, base, t):
    ...         return base / (1 + t) ** 0.5
    >>> optimiser = nd.optim.SGD([nd.Parameter([1.0])], lr=0.1)
    >>> schedule = InverseRoot(optimiser)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> optimiser.lr
    0.05
    """

    def __init__(self, optimizer: Optimizer) -> None:
        check_optimizer(type(self).__name__, optimizer)
        self.optimizer = optimizer
        self.last_epoch = 0
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self._set(0)
        self._given: list[float] | None = self.get_last_lr()  # what it set last, None where that is not known

    def rate(self, base: float, t: float) -> float:
        """The rate after t steps of a group that began with `base`."""
        raise NotImplementedError(f"{type(self).__name__} must define rate(base, t)")

    def rates(self, t: float) -> list[float]:
        """The rates of all groups after t steps."""
        return [self.rate(base, t) for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Sets the rates of the next epoch, or of the one given (counted from 0).

        Raises ValueError where something else has changed the rates, or the groups, which the next epoch would undo.
        """
        t, where = self.last_epoch + 1 if epoch is None else epoch, f"{type(self).__name__}.step"
        number(where, "epoch", t, least=0, below=inf)
        if epoch is None and self._given is not None and self._given != (found := self.get_last_lr()):
            hint = "use SequentialLR or LambdaLR for two schedules in one, add groups before, or pass the epoch to go on all the same"
            raise ValueError(f"{where}: lr was set to {self._given}, but something else made it {found}, which would be undone; {hint}")
        self._set(t)
        self.last_epoch, self._given = t, self.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Where it stands. The rates themselves are in the optimiser's."""
        return {"schedule": type(self).__name__, "last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave; else raises ValueError and changes nothing."""
        with reading(f"{type(self).__name__}.load_state_dict", saved, *self.state_dict()):
            self._check_state(saved)
        self.last_epoch, self.base_lrs = saved["last_epoch"], [float(lr) for lr in saved["base_lrs"]]
        self._given = None  # the optimiser's state may come before or after

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        who = type(self).__name__
        if saved["schedule"] != who:
            raise ValueError(f"{who}.load_state_dict: this is the state of a {saved['schedule']}")
        wrong = [v for v in (saved["last_epoch"], *saved["base_lrs"]) if not isinstance(v, (int, float))]
        if wrong or not saved["last_epoch"] >= 0:
            raise ValueError(
                f"{who}.load_state_dict: last_epoch={saved['last_epoch']!r} and base_lrs={saved['base_lrs']!r} must be numbers"
            )
        if len(saved["base_lrs"]) != len(self.base_lrs):
            given = f"{len(saved['base_lrs'])} groups were saved, but this optimiser has {len(self.base_lrs)}"
            raise ValueError(f"{who}.load_state_dict: {given}")

    def _set(self, t: float) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.rates(t)):
            group["lr"] = lr


def check_optimizer(who: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{who}: takes an optimiser first, but got {type(optimizer).__name__}")


def per_group(who: str, name: str, given: float | Sequence[float], optimizer: Optimizer) -> list[float]:
    """A rate for every group, from one or as many."""
    groups = len(optimizer.param_groups)
    rates = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * groups
    if len(rates) != groups:
        raise ValueError(f"{who}: the optimiser has {groups} groups, but {name} has {len(rates)} values")
    for rate in rates:
        number(who, name, rate, least=0, below=inf)
    return [float(rate) for rate in rates]


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
