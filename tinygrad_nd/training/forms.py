"""What losses, optimisers, data and batches look like to a training."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data.batches import Batches
from ..tensor import Tensor
from ..tree import leaves, mapped


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


def sample(data: Any) -> Any:
    """The first batch of data that have one without being gone through; None of others."""
    if isinstance(data, Batches) and data.transform is None:
        return mapped(lambda a: a[: data.size], data.arrays)
    return data[0] if isinstance(data, (list, tuple)) else None


def shapes(batch: Any) -> list[Any]:
    """Of one example's arrays, and their dtypes."""
    return [(np.shape(a)[1:], getattr(a, "dtype", None)) for _, a in leaves(batch)]


def length(data: Any) -> int | None:
    """The number of batches, where it can be known."""
    try:
        return len(data)
    except TypeError:
        return None
