"""fit: the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from os import PathLike
from time import perf_counter
from typing import Any, Literal, NoReturn

import numpy as np

from ..arguments import answering, flag
from ..debug import anomaly
from ..kernels.memory import memory_order
from ..optim import clip_grad_norm_
from .checks import count, length
from .history import History, Metric
from .progress import Progress
from .run import Keeper, Run, training
from .stopping import EarlyStopping, interruptible


@answering
def fit(
    model: Callable[..., Any],
    loss: Callable[..., Any],
    data: Iterable[Any],
    optimiser: Any,
    epochs: int,
    *,
    validation: Iterable[Any] | None = None,
    metrics: Mapping[str, Metric] | Sequence[Metric] = (),
    schedule: Any = None,
    schedule_every: Literal["epoch", "step"] = "epoch",
    clip: float | None = None,
    accumulate: int = 1,
    ema: Any = None,
    callbacks: Any = (),
    early_stopping: EarlyStopping | int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    rng: np.random.Generator | Sequence[np.random.Generator] = (),
    progress: bool = True,
) -> History:
    """Trains: for every batch (x, y) of `data`, epoch after epoch, the optimiser takes a step down the gradient of loss(model(x), y).

    loss: a function of prediction and target; or, if its first parameter is called `model`, of the model and a batch of any form.
    validation: data to judge by after every epoch, in eval mode. metrics: functions of prediction and target, or a dict of them by name.
    schedule: its `step()` is called after every epoch or step; those that ask for a loss get the validation's, or else the training's.
    clip: what the norm of the gradient is held to. accumulate: as many batches are taken as one.
    ema: an `nd.optim.EMA`; the averaged weights are then those validated, and those that early stopping puts back.
    callbacks: functions of the `Run`, called after every epoch, or objects with any of on_train_begin, on_step_end, on_epoch_end,
        on_train_end. A dict that comes back after an epoch joins the history; `run.stop(reason)` ends the training.
    early_stopping: an `nd.EarlyStopping`, or its patience in epochs.
    checkpoint: a file, written after every epoch and `checkpoint_every` so many steps. A training that finds it goes on from there, bit for
        bit, if the data know their place as `nd.data.batches` do and `rng` names the generators that neither data nor modules own.

    Ctrl-C ends after the step and keeps what was learned; a second one raises. A loss or gradient that is not finite raises
    FloatingPointError (a ValueError, too), which tells the operation that made it. Whatever error ends a step, it leaves parameters and
    buffers as before.
    What can be refused is refused before the first step.

    >>> import tinygrad_nd as nd
    >>> x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    >>> line = nd.nn.Linear(1, 1, rng=0)
    >>> sgd = nd.optim.SGD(line.parameters(), lr=0.5)
    >>> history = fit(line, nd.mse_loss, nd.data.batches((x, 2 * x + 1), 8), sgd, epochs=20, progress=False)
    >>> print(line(np.float32([[3]])).item().__round__(3), history["loss"][-1] < 1e-6)
    7.0 True
    """
    run = Run(
        model, loss, data, optimiser, epochs,
        validation, metrics, schedule, schedule_every, clip, accumulate, ema, callbacks, early_stopping,
    )  # fmt: skip
    flag("fit", "progress", progress)
    if checkpoint is None and checkpoint_every is not None:
        raise ValueError(f"fit: checkpoint_every={checkpoint_every} needs checkpoint, the file to write")
    generators: list[Any] = list(rng) if isinstance(rng, (list, tuple)) else [rng]
    if not all(isinstance(g, np.random.Generator) for g in generators):
        raise TypeError(f"fit: rng must be a np.random.Generator or several, but got {rng!r}")
    keeper = None if checkpoint is None else Keeper(run, checkpoint, checkpoint_every, generators)
    told = Progress(run, progress)
    with training(model), interruptible(run.stop):
        try:
            _train(run, keeper, told)
            if keeper is not None and run.batch:
                keeper.broken_off()
        except KeyboardInterrupt:
            if run.stopped:  # that was the second
                raise
            run.stop("interrupted")
        finally:
            told.close()
        if run.best and run.stopped != "interrupted":
            run.restore_best()
        run.history.stopped = run.stopped or "finished"
        run.call("on_train_end")
    return run.history


def _train(run: Run, keeper: Keeper | None, told: Progress) -> None:
    run.try_validation()
    run.call("on_train_begin")
    run.look_for_best()
    while run.epoch < run.epochs and not run.stopped:
        began = perf_counter()
        told.begin()
        for group in _groups(run):
            _step(run, group)
            told.step(group)
            if keeper is not None:
                keeper.step()
            if run.stopped:
                return
        told.trained()
        validated = run.validate()
        if run.stopped:  # meanwhile
            return
        run.complete(validated, perf_counter() - began)
        run.call("on_epoch_end")
        if run.schedule is not None and run.schedule_every == "epoch":
            run.advance()
        run.look_for_best()
        told.end()
        if keeper is not None:
            keeper.epoch()


def _step(run: Run, group: Sequence[Any]) -> None:
    """One move of the parameters, by the mean gradient over the examples in a group of batches."""
    with _undone_if_broken_off(run):
        weights, losses = [count(batch) for batch in group], []
        run.optimiser.zero_grad()
        for batch, weight in zip(group, weights):
            value, prediction = run.judge(batch)
            losses.append(value.item())
            if not isfinite(losses[-1]):
                _refuse(run, f"the loss is {losses[-1]}", batch)
            value.backward(None if len(group) == 1 else np.full(value.shape, weight / sum(weights), value.dtype))
            run.measure(run.means, batch, losses[-1], prediction)
            del value, prediction  # the memory of one batch may serve the next
        if not all(all_finite(p.grad.data) for p in run.parameters if p.grad is not None):
            _refuse(run, "a gradient is not finite", group[-1])
    if run.clip is not None:
        clip_grad_norm_(run.parameters, run.clip)
    run.optimiser.step()
    run.step += 1
    run.batch += len(group)
    run.history.steps.append(sum(loss * weight for loss, weight in zip(losses, weights)) / sum(weights))
    if run.ema is not None:
        run.ema.update()
    if run.schedule is not None and run.schedule_every == "step":
        run.advance()
    run.call("on_step_end")


def _groups(run: Run) -> Iterator[list[Any]]:
    """So many batches at a time, the last group with what is left: the data are not asked for more, so that their place is after it."""
    batches, total = iter(run.data), length(run.data)
    while group := list(islice(batches, run.accumulate if total is None else min(run.accumulate, max(total - run.batch, 1)))):
        yield group
        del group


# Numbers that are none: found before they do harm, and traced to the operation that made them.


class NotFiniteError(FloatingPointError, ValueError):
    """A loss or a gradient that is nan or infinite; `history` is what came before."""


def all_finite(a: np.ndarray) -> bool:
    """np.isfinite(a).all(), by one product: the sum of squares is finite if they all are, unless they are huge."""
    flat = a if a.flags.c_contiguous else a.transpose(memory_order(a)).reshape(-1)
    return isfinite(abs(np.vdot(flat, flat))) or bool(np.isfinite(a).all())


def _refuse(run: Run, what: str, batch: Any) -> NoReturn:
    """Raises NotFiniteError; the batch is run again to find what made the number."""
    report = "Run the step inside `with nd.debug.anomaly():` to find the operation that made it."
    try:
        with anomaly():
            run.judge(batch)[0].backward()
    except FloatingPointError as found:
        report = f"Inside `with nd.debug.anomaly():` the step stops where it was made:\n{found}"
    where = f"in epoch {run.epoch + 1}, step {run.batch // run.accumulate + 1} ({run.step} steps were done)"
    error = NotFiniteError(f"fit: {what} {where}; the parameters are as before this step.\n{report}")
    error.history = run.history  # type: ignore[attr-defined]
    raise error


@contextmanager
def _undone_if_broken_off(run: Run) -> Iterator[None]:
    """Buffers are as before, and gradients none, if the forward and backward sweeps inside do not end."""
    before = [(b, b.data) for b in run.buffers]
    try:
        yield
    except BaseException:
        for b, value in before:
            b.data = value
        run.optimiser.zero_grad()
        raise
