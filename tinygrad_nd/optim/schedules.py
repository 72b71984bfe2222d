"""Schedules of the learning rate: `step()` after every epoch (or every batch, if it counts batches) sets the rate of every group.

All are functions of the number of steps so far and of the rate that the group began with, so what they give does not depend on the way
there, and `step(epoch)` may go anywhere. Names and values are PyTorch's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any

from ..arguments import flag, number, option, whole
from ..kernels.words import shown
from .optimizer import Optimizer
from .schedule import Schedule, check_optimizer, per_group

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR",
    "OneCycleLR", "PolynomialLR", "SequentialLR", "StepLR",
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
            raise TypeError(f"SequentialLR: schedulers must be a list of schedules, but are {shown(schedulers)}")
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
        raise TypeError(f"{who}: milestones must be a list of ints, but are {shown(given)}")
    return [whole(who, "a milestone", step, 0) for step in given]


class OneCycleLR(Schedule):
    """From max_lr / div_factor up to `max_lr` in the first `pct_start` of the steps, then down to the start's part in `final_div_factor`.

    It counts batches: `total_steps`, or `epochs` times `steps_per_epoch`. Meanwhile the momentum (or Adam's first beta) goes from
    `max_momentum` to `base_momentum` and back, if `cycle_momentum`. `max_lr` is a number or one per group; `anneal_strategy` is "cos" or
    "linear"; `three_phase` comes back to the start as fast as it went up, and falls to the end in what is left.

    Raises ValueError at a step past the last.

    Source: Smith and Topin, Super-convergence: very fast training of neural networks using large learning rates, 2018.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        check_optimizer("OneCycleLR", optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: needs total_steps, or epochs and steps_per_epoch")
            total_steps = whole("OneCycleLR", "epochs", epochs) * whole("OneCycleLR", "steps_per_epoch", steps_per_epoch)
        whole("OneCycleLR", "total_steps", total_steps)
        number("OneCycleLR", "pct_start", pct_start, least=0, most=1)
        for name, part in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            number("OneCycleLR", name, part, above=0, below=inf)
        for name, part in (("base_momentum", base_momentum), ("max_momentum", max_momentum)):
            number("OneCycleLR", name, part, least=0, below=1)
        peaks = per_group("OneCycleLR", "max_lr", max_lr, optimizer)
        flag("OneCycleLR", "cycle_momentum", cycle_momentum)
        momentum = "momentum" if "momentum" in optimizer.param_groups[0] else "betas"
        option("OneCycleLR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        if cycle_momentum and momentum not in optimizer.param_groups[0]:
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas to cycle; pass cycle_momentum=False")
        self.max_lrs, self.total_steps, self.anneal_strategy = peaks, total_steps, anneal_strategy
        self.momentum = momentum if cycle_momentum else None
        up, last = pct_start * total_steps - 1, total_steps - 1
        start, peak, end = 1 / div_factor, 1.0, 1 / (div_factor * final_div_factor)  # in parts of max_lr
        low, high = base_momentum, max_momentum
        # (last step, part of max_lr and momentum at its beginning, and at its end) of each phase
        self._phases = [(up, start, high, peak, low), (last, peak, low, end, high)]
        if three_phase:
            self._phases[1:] = [(2 * up, peak, low, start, high), (last, start, high, end, high)]
        for group, peak in zip(optimizer.param_groups, peaks):
            group["initial_lr"] = peak * start
        super().__init__(optimizer)

    def _set(self, t: float) -> None:
        begin = 0.0
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} lies past the last of total_steps={self.total_steps}")
        for end, lr, momentum, last_lr, last_momentum in self._phases:
            if t <= end or end == self._phases[-1][0]:
                part = (t - begin) / (end - begin) if end != begin else 1.0  # a phase of one step is at its end
                lr, momentum = self._between(lr, last_lr, part), self._between(momentum, last_momentum, part)
                break
            begin = end
        for group, peak in zip(self.optimizer.param_groups, self.max_lrs):
            group["lr"] = lr * peak
            if self.momentum == "betas":
                group["betas"] = (momentum, *group["betas"][1:])
            elif self.momentum:
                group["momentum"] = momentum

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (1 + cos(pi * part))
        return start + (end - start) * part
