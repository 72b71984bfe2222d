"""A training as it goes: what `fit` was given, where it is, what came of it so far, and the file that it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import whole
from ..files import Checkpoint, ensure_writable
from ..nn.module import Module
from ..node import no_grad
from ..tensor import Tensor
from .checks import asks, check, count, pair, parameters_of, sample, shapes, takes_model
from .history import History, Means, named, number
from .stopping import EarlyStopping


@dataclass(eq=False, repr=False)
class Run:
    """What callbacks are given. `stop(reason)` ends the training after this step.

    `epoch` counts the epochs that are complete, `batch` the batches of the one that is not, `step` the moves of the parameters;
    `means` holds this epoch's loss and metrics so far, and `history` the complete ones'.
    """

    model: Callable[..., Any]
    loss: Callable[..., Any]
    data: Iterable[Any]
    optimiser: Any
    epochs: int
    validation: Iterable[Any] | None
    metrics: Any
    schedule: Any
    schedule_every: str
    clip: float | None
    accumulate: int
    ema: Any
    callbacks: Any
    early_stopping: Any

    def __post_init__(self) -> None:
        self.metrics = named(self.metrics)
        self.callbacks = list(self.callbacks) if isinstance(self.callbacks, Iterable) else [self.callbacks]
        if isinstance(self.early_stopping, (int, np.integer)):
            self.early_stopping = EarlyStopping(whole("EarlyStopping", "patience", self.early_stopping))
        check(self)
        self.loss_takes_model = takes_model(self.loss)
        self.parameters = parameters_of(self.optimiser)
        self.buffers = [b for _, b in self.model.named_buffers()] if isinstance(self.model, Module) else []
        self.epoch = self.batch = self.step = 0
        self.means, self.history = Means(), History()
        self.stopped = ""
        self.best: list[np.ndarray] = []  # the values of parameters and buffers after the best epoch, where early stopping keeps them

    def stop(self, reason: str = "a callback stopped it") -> None:
        self.stopped = self.stopped or reason

    def call(self, hook: str) -> None:
        """Lets the callbacks act; functions act on "on_epoch_end", and dicts that come back from there join the history."""
        for callback in self.callbacks:
            act = getattr(callback, hook, callback if hook == "on_epoch_end" and callable(callback) else None)
            told = act(self) if act is not None else None
            if hook == "on_epoch_end" and isinstance(told, Mapping):
                self.history.put({str(name): number(f"a callback, for {name!r},", value) for name, value in told.items()})

    def judge(self, batch: Any) -> tuple[Tensor, Any]:
        """The loss of a batch, and the prediction if the loss was of one."""
        if self.loss_takes_model:
            value, prediction = self.loss(self.model, batch), None
        else:
            x, y = pair(batch)
            prediction = self.model(x)
            value = self.loss(prediction, y)
        if not isinstance(value, Tensor) or value.size != 1:
            told = f"a tensor of shape {value.shape}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise TypeError(f"fit: the loss must give a tensor of one number, but gave {told}")
        return value, prediction

    def measure(self, means: Means, batch: Any, loss: float, prediction: Any) -> None:
        """Adds the loss and the metrics of a batch, weighted by its examples."""
        examples = count(batch)
        means.add("loss", loss, examples)
        if self.metrics:
            with no_grad():
                for name, metric in self.metrics.items():
                    means.add(name, number(f"the metric {name!r}", metric(prediction, batch[1])), examples)

    def validate(self) -> dict[str, float]:
        """The means of loss and metrics over the validation data, if there are any, in eval mode and unrecorded."""
        if self.validation is None:
            return {}
        means = Means()
        with evaluating(self.model), self.averaged(), no_grad():
            for batch in self.validation:
                value, prediction = self.judge(batch)
                self.measure(means, batch, value.item(), prediction)
                if self.stopped:
                    break
        if not means.sums:
            raise ValueError("fit: validation gave no batches")
        return means.read("val_")

    def try_validation(self) -> None:
        """Judges a batch of validation data that are shaped otherwise than the training's, so that what does not fit is refused at once."""
        learned, batch = sample(self.data), sample(self.validation)
        if self.step or self.batch or not learned or not batch or shapes(batch) == shapes(learned):
            return
        try:
            with evaluating(self.model), no_grad():
                value, prediction = self.judge(batch[0])
                self.measure(Means(), batch[0], value.item(), prediction)
        except Exception as error:
            error.add_note("fit: this is the first batch of validation, which was tried before the first step")
            raise

    def complete(self, validated: Mapping[str, float], seconds: float) -> None:
        """Ends the epoch: its numbers go into the history."""
        if not self.means.sums:
            raise ValueError("fit: data gave no batches")
        lr = {"lr": float(self.optimiser.param_groups[0]["lr"])} if "lr" in self.optimiser.param_groups[0] else {}
        self.history.add({**self.means.read(), **validated, **lr, "seconds": seconds})
        self.epoch, self.batch, self.means = self.epoch + 1, 0, Means()

    def advance(self) -> None:
        """The schedule's step, with the latest loss for those that ask for one, as ReduceLROnPlateau does."""
        if not asks(self.schedule.step):
            self.schedule.step()
        elif self.schedule_every == "step":
            self.schedule.step(self.history.steps[-1])
        else:
            self.schedule.step(self.history["loss" if self.validation is None else "val_loss"][-1])

    def look_for_best(self) -> None:
        """Keeps the values of the best epoch, and stops when that is too long ago."""
        rule = self.early_stopping
        if rule is None or self.epoch == 0:
            return
        name = rule.monitor or ("loss" if self.validation is None else "val_loss")
        if name not in self.history:
            raise ValueError(f"fit: EarlyStopping is to monitor {name!r}, but the history has {', '.join(self.history)}")
        best = rule.best(self.history[name])
        if rule.restore_best and best == self.epoch - 1 and not self.batch:  # a training may go on within an epoch
            with self.averaged():
                self.best = [t.data.copy(order="K") for t in (*self.parameters, *self.buffers)]
        if self.epoch - 1 - best >= rule.patience:
            told = f"best in epoch {best + 1}, {self.history[name][best]:.4g}" if best >= 0 else "never a finite number"
            self.stop(f"early stopping: {name} was {told}")

    def averaged(self) -> AbstractContextManager[Any]:
        """Inside, the parameters have their averages as values, if averages are kept."""
        return nullcontext() if self.ema is None else self.ema.averaged()

    def restore_best(self) -> None:
        for t, value in zip((*self.parameters, *self.buffers), self.best):
            t.data = value

    def state_dict(self) -> dict[str, Any]:
        """Where it is and what came of it; what it was given has states of its own."""
        counts = {"epoch": self.epoch, "batch": self.batch, "step": self.step}
        means = {name: list(sums) for name, sums in self.means.sums.items()}
        return {**counts, "means": means, "history": self.history.state_dict(), "best": list(self.best)}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        means = {str(k): [float(total), float(weight)] for k, (total, weight) in saved["means"].items()}
        best = [np.asarray(a) for a in saved["best"]]
        shapes = [t.shape for t in (*self.parameters, *self.buffers)]
        if best and [a.shape for a in best] != shapes:
            raise ValueError(f"fit: the best values saved have shapes {[a.shape for a in best]}, but those to learn have {shapes}")
        epoch, batch, step = (int(saved[name]) for name in ("epoch", "batch", "step"))
        self.history.load_state_dict(saved["history"])
        self.epoch, self.batch, self.step, self.means.sums, self.best = epoch, batch, step, means, best


def training(model: Any) -> AbstractContextManager[None]:
    """In train mode inside, parts that were set to eval in a model that trains excepted; then as found."""
    return _in_mode(model, None if getattr(model, "training", True) else True)


def evaluating(model: Any) -> AbstractContextManager[None]:
    """In eval mode inside, then as found."""
    return _in_mode(model, False)


@contextmanager
def _in_mode(model: Any, mode: bool | None) -> Iterator[None]:
    found = [(m, m.training) for m in model.modules()] if isinstance(model, Module) else []
    for m, before in found:
        m.training = before if mode is None else mode
    try:
        yield
    finally:
        for m, before in found:
            m.training = before


class Keeper:
    """Saves everything that the rest of a training depends on, after every epoch and `every` so many steps; begins by taking it back."""

    def __init__(self, run: Run, path: str | PathLike[str], every: int | None, generators: Sequence[np.random.Generator]) -> None:
        self.every, self.run = every, run
        self.midway = hasattr(run.data, "state_dict")  # so that a training can go on within an epoch
        if every is not None:
            whole("fit", "checkpoint_every", every)
        if every is not None and not self.midway:
            kind = type(run.data).__name__
            raise TypeError(
                f"fit: checkpoint_every needs data that know their place, as nd.data.batches do, but a {kind} has no state_dict"
            )
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
