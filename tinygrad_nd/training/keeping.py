"""The file that a training goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ..arguments import whole
from ..files import Checkpoint, ensure_writable
from ..nn.module import Module
from .run import Run


class Keeper:
    """Saves everything that the rest of a training depends on, after every epoch and `every` so many steps; begins by taking it back."""

    def __init__(
        self, run: Run, path: str | PathLike[str], every: int | None, rng: np.random.Generator | Sequence[np.random.Generator]
    ) -> None:
        self.every, self.run = every, run
        self.midway = hasattr(run.data, "state_dict")  # so that a training can go on within an epoch
        if every is not None:
            whole("fit", "checkpoint_every", every)
        if every is not None and not self.midway:
            kind = type(run.data).__name__
            raise TypeError(
                f"fit: checkpoint_every needs data that know their place, as nd.data.batches do, but a {kind} has no state_dict"
            )
        generators = list(rng) if isinstance(rng, (list, tuple)) else [rng]
        if not all(isinstance(g, np.random.Generator) for g in generators):
            raise TypeError(f"fit: rng must be a np.random.Generator or several, but got {rng!r}")
        ensure_writable(path)
        self.path = Path(path)
        learned = {id(p) for p in run.model.parameters()} if isinstance(run.model, Module) else set()
        stateful = {"model": run.model, "optimiser": run.optimiser, "schedule": run.schedule, "ema": run.ema}
        stateful |= {"data": run.data, "validation": run.validation, "run": run}
        stateful |= {f"callback{i}": callback for i, callback in enumerate(run.callbacks)}
        others = [p for p in run.parameters if id(p) not in learned]
        parts = {name: part for name, part in stateful.items() if hasattr(part, "state_dict")}
        self.checkpoint = Checkpoint(**parts, parameters=others, rng=generators)
        if self.path.exists():
            self.checkpoint.load(path)

    def step(self) -> None:
        """A step is done."""
        if self.every is not None and self.run.step % self.every == 0:
            self.checkpoint.save(self.path)

    def epoch(self) -> None:
        """An epoch is complete."""
        self.checkpoint.save(self.path)

    def broken_off(self) -> None:
        """Training ends between two steps of an epoch."""
        if self.midway:
            self.checkpoint.save(self.path)
