"""What losses, optimisers, data and batches look like to a training, and what `fit` refuses before anything has changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, option, whole
from ..data.batches import Batches
from ..nn.module import Module
from ..tensor import Tensor
from ..tree import leaves, mapped
from .stopping import EarlyStopping

if TYPE_CHECKING:
    from .run import Run

ORDER = "fit(model, loss, data, optimiser, epochs)"
HOOKS = ("on_train_begin", "on_step_end", "on_epoch_end", "on_train_end")


def check(run: Run) -> None:
    """Raises ValueError or TypeError for what cannot be trained with."""
    whole("fit", "epochs", run.epochs)
    whole("fit", "accumulate", run.accumulate)
    if run.clip is not None:
        number("fit", "clip", run.clip, above=0)
    _check_model(run.model, run.loss, run.optimiser)
    _check_data("data", run.data, run.loss, run.epochs)
    if run.validation is not None:
        _check_data("validation", run.validation, run.loss, run.epochs)
    if run.metrics and takes_model(run.loss):
        raise ValueError("fit: metrics are of predictions, which loss(model, batch) keeps to itself; let a callback return a dict")
    option("fit", "schedule_every", run.schedule_every, ("epoch", "step"))
    for name, metric in run.metrics.items():
        _check_takes(f"the metric {name!r}", metric, "(prediction, target)")
    _check_method("schedule", run.schedule, "step")
    if getattr(run.schedule, "optimizer", run.optimiser) is not run.optimiser:
        raise ValueError(f"fit: schedule is that of another optimiser: {run.schedule!r}; make it with the one given here")
    _check_method("ema", run.ema, "averaged")
    stepped = {id(p) for p in parameters_of(run.optimiser)}
    if not any(id(p) in stepped for p in getattr(run.ema, "parameters", parameters_of(run.optimiser))):
        raise ValueError("fit: ema averages none of the parameters that the optimiser moves; make it with nd.optim.EMA(model)")
    for callback in run.callbacks:
        hooks = any(hasattr(callback, hook) for hook in HOOKS)
        if isinstance(callback, type) or not (callable(callback) or hooks):
            raise TypeError(f"fit: a callback is a function of the run, or has one of {', '.join(HOOKS)}, but got {callback!r}")
        if not hooks:
            _check_takes("a callback", callback, "(run)")
    _check_early_stopping(run.early_stopping, run)


def _check_model(model: Any, loss: Any, optimiser: Any) -> None:
    for name, f in (("model", model), ("loss", loss)):
        if not callable(f) or isinstance(f, type):
            told = f"the class {f.__name__}" if isinstance(f, type) else f"a {type(f).__name__}"
            raise TypeError(f"fit: {name} must be a function or module, but is {told}; the order is {ORDER}")
    if isinstance(optimiser, type) or not (hasattr(optimiser, "step") and hasattr(optimiser, "param_groups")):
        told = f"the class {optimiser.__name__}" if isinstance(optimiser, type) else f"a {type(optimiser).__name__}"
        raise TypeError(f"fit: optimiser must be an object such as nd.optim.Adam(model.parameters()), but is {told}; the order is {ORDER}")
    if not takes_model(loss):
        _check_takes("loss", loss, "(prediction, target)", " or loss(model, batch)")
    if asks(optimiser.step):
        raise TypeError(f"fit: {type(optimiser).__name__}.step asks for a function that it calls many times; write that loop yourself")
    stepped = {id(p) for p in parameters_of(optimiser)}
    learned = model.parameters() if isinstance(model, Module) else []
    if learned and not any(id(p) in stepped for p in learned):
        raise ValueError(
            f"fit: the optimiser holds none of the model's {len(learned)} parameters, so nothing would be learned; "
            f"make it with {type(optimiser).__name__}(model.parameters(), ...) after the model"
        )


def _check_data(name: str, data: Any, loss: Any, epochs: int) -> None:
    arrays = isinstance(data, (tuple, list)) and any(isinstance(a, (np.ndarray, Tensor)) for a in data) and not takes_model(loss)
    if arrays or isinstance(data, (np.ndarray, Tensor, Mapping, str)) or not isinstance(data, Iterable):
        raise TypeError(f"fit: {name} must give batches, but is a {type(data).__name__}; pass nd.data.batches(({name}_x, {name}_y), 32)")
    if length(data) == 0:
        raise ValueError(f"fit: {name} has no batches")
    if iter(data) is data and epochs > 1:
        raise TypeError(
            f"fit: {name} is a {type(data).__name__}, which can be gone through once, but there are {epochs} epochs; "
            "pass something that starts again, such as nd.data.batches, or a list"
        )


def _check_early_stopping(rule: Any, run: Run) -> None:
    """A rule, whose monitor must be known unless callbacks may add it."""
    if not isinstance(rule, EarlyStopping | None):
        raise TypeError(f"fit: early_stopping must be an nd.EarlyStopping or its patience in epochs, but is {rule!r}")
    names = ["loss", *run.metrics]
    names += [f"val_{name}" for name in names] if run.validation is not None else []
    if rule is not None and rule.monitor is not None and rule.monitor not in names and not run.callbacks:
        raise ValueError(f"fit: EarlyStopping is to monitor {rule.monitor!r}, but the history will have {', '.join(names)}")


def _check_takes(what: str, function: Any, arguments: str, otherwise: str = "") -> None:
    """Refuses a function that cannot be called with so many arguments, as far as its signature tells."""
    if (own := refuses(function, arguments.count(",") + 1)) is not None:
        raise TypeError(f"fit: {what} is called with {arguments}{otherwise}, but takes {own}")


def _check_method(name: str, given: Any, method: str) -> None:
    if given is not None and (isinstance(given, type) or not callable(getattr(given, method, None))):
        raise TypeError(f"fit: {name} must be an object with a method {method}(), but is {given!r}")


def takes_model(loss: Callable[..., Any]) -> bool:
    """Whether a loss is written loss(model, batch) rather than loss(prediction, target): by the name of its first parameter."""
    try:
        return next(iter(inspect.signature(loss).parameters), "") == "model"
    except (TypeError, ValueError):  # builtins tell nothing
        return False


def asks(function: Callable[..., Any]) -> bool:
    """Whether a function must be given something."""
    return any(p.default is p.empty and p.kind < p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())


def refuses(function: Callable[..., Any], count: int) -> inspect.Signature | None:
    """The signature of a function that cannot be called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins tell nothing
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return signature
    return None


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


def sample(data: Any) -> list[Any]:
    """The first batch of data that have one without being gone through; of others, none."""
    if isinstance(data, Batches) and data.transform is None:
        return [mapped(lambda a: a[: data.size], data.arrays)]
    return [*data[:1]] if isinstance(data, (list, tuple)) else []


def shapes(batch: Any) -> list[Any]:
    """Of one example's arrays, and their dtypes."""
    return [(np.shape(a)[1:], getattr(a, "dtype", None)) for _, a in leaves(batch)]


def length(data: Any) -> int | None:
    """The number of batches, where it can be known."""
    try:
        return len(data)
    except TypeError:
        return None
