"""A training as it goes: what `fit` was given, where it is, and what came of it so far."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn.module import Module
from ..node import no_grad
from ..tensor import Tensor
from ..tree import leaves
from .history import History
from .metrics import Means, Metric
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
    metrics: Mapping[str, Metric]
    schedule: Any
    schedule_every: str
    clip: float | None
    accumulate: int
    ema: Any
    callbacks: Sequence[Any]
    early_stopping: EarlyStopping | None

    def __post_init__(self) -> None:
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
                self.history.put(told)

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
        if self.metrics and prediction is not None:
            with no_grad():
                for name, metric in self.metrics.items():
                    means.add(name, float(metric(prediction, batch[1])), examples)

    def validate(self) -> dict[str, float]:
        """The means of loss and metrics over the validation data, if there are any, in eval mode, without recording."""
        if self.validation is None:
            return {}
        means = Means()
        with evaluating(self.model), no_grad():
            for batch in self.validation:
                value, prediction = self.judge(batch)
                self.measure(means, batch, value.item(), prediction)
                if self.stopped:
                    break
        if not means.sums:
            raise ValueError("fit: validation gave no batches")
        return means.read("val_")

    def complete(self, validated: Mapping[str, float], seconds: float) -> None:
        """Ends the epoch: its numbers go into the history."""
        if not self.means.sums:
            raise ValueError("fit: data gave no batches")
        lr = {"lr": float(self.optimiser.param_groups[0]["lr"])} if "lr" in self.optimiser.param_groups[0] else {}
        self.history.add({**self.means.read(), **validated, **lr, "seconds": seconds})
        self.epoch, self.batch, self.means = self.epoch + 1, 0, Means()

    def keep_best(self) -> None:
        self.best = [t.data.copy(order="K") for t in (*self.parameters, *self.buffers)]

    def restore_best(self) -> None:
        for t, value in zip((*self.parameters, *self.buffers), self.best):
            t.data = value

    def state_dict(self) -> dict[str, Any]:
        """Where it is and what came of it; what it was given has states of its own."""
        counts = {"epoch": self.epoch, "batch": self.batch, "step": self.step}
        best = {str(i): a for i, a in enumerate(self.best)}
        return {**counts, "means": {k: list(v) for k, v in self.means.sums.items()}, "history": self.history.state_dict(), "best": best}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        means = {str(k): [float(total), float(weight)] for k, (total, weight) in saved["means"].items()}
        best = [np.asarray(saved["best"][str(i)]) for i in range(len(saved["best"]))]
        shapes = [t.shape for t in (*self.parameters, *self.buffers)]
        if best and [a.shape for a in best] != shapes:
            raise ValueError(f"fit: the best values saved have shapes {[a.shape for a in best]}, but those to learn have {shapes}")
        epoch, batch, step = (int(saved[name]) for name in ("epoch", "batch", "step"))
        self.history.load_state_dict(saved["history"])
        self.epoch, self.batch, self.step, self.means.sums, self.best = epoch, batch, step, means, best


def takes_model(loss: Callable[..., Any]) -> bool:
    """Whether a loss is written loss(model, batch) rather than loss(prediction, target): by the name of its first parameter."""
    try:
        return next(iter(inspect.signature(loss).parameters), "") == "model"
    except (TypeError, ValueError):  # builtins tell nothing
        return False


def parameters_of(optimiser: Any) -> list[Tensor]:
    return [p for group in optimiser.param_groups for p in group["params"]]


def pair(batch: Any) -> tuple[Any, Any]:
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    told = f"{len(batch)} things" if isinstance(batch, (tuple, list, dict)) else f"a {type(batch).__name__}"
    raise TypeError(f"fit: a batch must be a pair (x, y), but is {told}; for others write the loss as `def loss(model, batch)`")


def count(batch: Any) -> int:
    """The number of examples in a batch: the length of its first array."""
    _, first = next(leaves(batch), ("", None))
    shape = getattr(first, "shape", ())
    return int(shape[0]) if shape else 1


def length(data: Any) -> int | None:
    """The number of batches, where it can be known."""
    try:
        return len(data)
    except TypeError:
        return None


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
