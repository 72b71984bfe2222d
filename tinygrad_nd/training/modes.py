"""Models in train and eval mode, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..nn.module import Module


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
