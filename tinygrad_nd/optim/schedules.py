"""Schedules of the learning rate: `step()` after every epoch (or every batch, if it counts batches) sets the rate of every group.

All are functions of the number of steps so far and of the rate that the group began with, so what they give does not depend on the way
there, and `step(epoch)` may go anywhere. Names and values are PyTorch's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any

from ..arguments import number, whole
from .optimizer import Optimizer
from .schedule import Schedule, check_optimizer

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR",
    "PolynomialLR", "SequentialLR", "StepLR",
]  # fmt: skip


class StepLR(Schedule):
    """The rate times `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        number("StepLR", "gamma", gamma, least=0, below=inf)
        self.step_size, self.gamma = whole("StepLR", "step_size", step_size), gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return float(base * self.gamma ** (t // self.step_size))


class MultiStepLR(Schedule):
    """The rate times `gamma` at every one of the `milestones`."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        number("MultiStepLR", "gamma", gamma, least=0, below=inf)
        self.milestones, self.gamma = sorted(_milestones("MultiStepLR", milestones)), gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return base * self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(Schedule):
    """The rate times `factor` for the first `total_iters` steps."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        number("ConstantLR", "factor", factor, least=0, most=1)
        self.factor, self.total_iters = factor, whole("ConstantLR", "total_iters", total_iters, 0)
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return base * (self.factor if t < self.total_iters else 1)


class LinearLR(Schedule):
    """Warm-up: the rate times a factor that goes in a line from `start_factor` to `end_factor` in `total_iters` steps, and stays there."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5) -> None:
        number("LinearLR", "start_factor", start_factor, above=0, most=1)
        number("LinearLR", "end_factor", end_factor, least=0, most=1)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = whole("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return base * (self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters)


class ExponentialLR(Schedule):
    """The rate times `gamma` at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        number("ExponentialLR", "gamma", gamma, least=0, below=inf)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return float(base * self.gamma**t)


class PolynomialLR(Schedule):
    """The rate times (1 - t / total_iters) ** power, and 0 from then on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        number("PolynomialLR", "power", power, least=0, below=inf)
        self.total_iters, self.power = whole("PolynomialLR", "total_iters", total_iters), power
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return float(base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the rate down to `eta_min` in `T_max` steps, and up again in as many.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        number("CosineAnnealingLR", "eta_min", eta_min, least=0, below=inf)
        self.T_max, self.eta_min = whole("CosineAnnealingLR", "T_max", T_max), eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine down to `eta_min` in `T_0` steps, and again from the top, every time `T_mult` times as long.

    `step(epoch + i / batches)` anneals within epochs. Source: as `CosineAnnealingLR`.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        who = "CosineAnnealingWarmRestarts"
        number(who, "eta_min", eta_min, least=0, below=inf)
        self.T_0, self.T_mult, self.eta_min = whole(who, "T_0", T_0), whole(who, "T_mult", T_mult), eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: float) -> float:
        since, length = (t % self.T_0, self.T_0) if self.T_mult == 1 else (t, self.T_0)
        while since >= length:
            since, length = since - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * since / length)) / 2


class LambdaLR(Schedule):
    """The rate times lr_lambda(t), a function or one per group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[Any], float] | Sequence[Callable[[Any], float]]) -> None:
        check_optimizer("LambdaLR", optimizer)
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * groups
        if not all(callable(f) for f in self.lr_lambdas):
            raise TypeError(f"LambdaLR: lr_lambda must be a function of the step, or one per group, but is {lr_lambda!r}")
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: the optimiser has {groups} groups, but there are {len(self.lr_lambdas)} functions")
        super().__init__(optimizer)

    def rates(self, t: float) -> list[float]:
        factors = [f(t) for f in self.lr_lambdas]
        for factor in factors:
            number("LambdaLR", "what lr_lambda gave", factor, least=0, below=inf)
        return [base * factor for base, factor in zip(self.base_lrs, factors)]


class SequentialLR(Schedule):
    """One schedule after the other: the next begins, at its step 0, at each of the `milestones`."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]) -> None:
        if not isinstance(schedulers, Sequence):
            raise TypeError(f"SequentialLR: schedulers must be a list of schedules, but are {schedulers!r}")
        self.schedulers, self.milestones = list(schedulers), _milestones("SequentialLR", milestones)
        if len(self.schedulers) != len(self.milestones) + 1 or self.milestones != sorted(self.milestones):
            given = f"{len(self.schedulers)} schedules and the milestones {self.milestones}"
            raise ValueError(f"SequentialLR: n schedules need n - 1 milestones in ascending order, but got {given}")
        for s in self.schedulers:
            if not isinstance(s, Schedule) or s.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: every part must be a schedule of the same optimiser, but got {s!r}")
        super().__init__(optimizer)

    def _set(self, t: float) -> None:
        k = bisect_right(self.milestones, t)
        self.schedulers[k].step(t - (self.milestones[k - 1] if k else 0))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        super().load_state_dict(saved)
        for s, own in zip(self.schedulers, saved["schedulers"]):
            s.load_state_dict(own)

    def _check_state(self, saved: Mapping[str, Any]) -> None:
        super()._check_state(saved)
        if len(saved["schedulers"]) != len(self.schedulers):
            given = f"{len(saved['schedulers'])} schedules were saved, but there are {len(self.schedulers)}"
            raise ValueError(f"SequentialLR.load_state_dict: {given}")
        for s, own in zip(self.schedulers, saved["schedulers"]):
            s._check_state(own)


def _milestones(who: str, given: Sequence[int]) -> list[int]:
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise TypeError(f"{who}: milestones must be a list of ints, but are {given!r}")
    return [whole(who, "a milestone", step, 0) for step in given]
