"""One cycle of the learning rate, up and down again, with the momentum going against it."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, inf, pi

from ..arguments import number, option, whole
from .optimizer import Optimizer
from .schedule import Schedule, check_optimizer, per_group

__all__ = ["OneCycleLR"]


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
                part = (t - begin) / (end - begin)
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
