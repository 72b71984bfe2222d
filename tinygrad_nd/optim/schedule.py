"""What schedules of the learning rate share: `step()` after every epoch or batch sets the rate of every group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from ..arguments import answering, number, reading
from .optimizer import Optimizer

__all__ = ["Schedule"]


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
        with reading(f"{type(self).__name__}.load_state_dict", saved):
            self._check_state(saved)
        self.last_epoch, self.base_lrs = saved["last_epoch"], [float(lr) for lr in saved["base_lrs"]]
        self._given = None  # the optimiser's state may come before or after

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        who, own = type(self).__name__, self.state_dict()
        if set(saved) != set(own):
            raise ValueError(f"{who}.load_state_dict: needs {', '.join(own)}, but got {', '.join(map(str, saved)) or 'nothing'}")
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
