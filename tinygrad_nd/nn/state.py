"""What a module's tensors hold: values taken from elsewhere, or turned to another dtype. The tensors stay the same objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import flag
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module


_OPTIONAL = "num_batches_tracked"  # which PyTorch does without, too


def load(module: Module, mapping: Mapping[str, Any], strict: bool) -> None:
    """Takes all the values of `mapping`, or, if something is wrong, none."""
    where = f"{type(module).__name__}.load_state_dict"
    if not isinstance(mapping, Mapping):
        raise TypeError(f"{where}: takes a dict of arrays by path, such as nd.load(path) reads, but got a {type(mapping).__name__}")
    flag(where, "strict", strict)
    mapping = {path: _array(where, path, value) for path, value in mapping.items()}
    waiting = [(path, m, dict(vars(m))) for path, m in module.named_modules() if m._awaited]
    problems = [p for path, m, _ in waiting for p in m._fit_to(path, mapping, strict)]
    own = dict(module._state())
    values = {path: a for path, a in mapping.items() if path in own}
    if strict:
        missing = [path for path in own if path not in mapping and not path.endswith(_OPTIONAL)]
        unexpected = [path for path in mapping if path not in own]
        problems += [f"missing: {path} {own[path].shape}" for path in missing] + [f"unexpected: {path}" for path in unexpected]
        longer = next((path.removesuffix(end) for path in unexpected for end in missing if path.endswith(f".{end}")), None)
        problems += [f"perhaps all paths given begin with {longer!r}: strip it"] if longer else []
    for path, a in values.items():
        t = own[path]
        if (a.shape, a.dtype) != (t.shape, t.dtype):
            hint = "; perhaps its transpose" if a.ndim > 1 and a.shape == t.shape[::-1] != t.shape else ""
            problems.append(f"mismatched: {path} is {a.shape} {a.dtype}, but the module has {t.shape} {t.dtype}{hint}")
    if problems:
        for _, m, before in waiting:
            vars(m).clear()
            vars(m).update(before)
        raise ValueError("\n  ".join([f"{where}: nothing was loaded", *problems]))
    for path, a in values.items():
        own[path].data = a


def _array(where: str, path: str, value: Any) -> np.ndarray:
    if not isinstance(path, str):
        raise TypeError(f"{where}: paths are strings, but one is {path!r}; nothing was loaded")
    try:
        return value.data if isinstance(value, Tensor) else np.asarray(value)
    except ValueError:
        raise ValueError(f"{where}: {path} is no array but a {type(value).__name__}; nothing was loaded") from None


def turn(t: Tensor, dtype: np.dtype[Any]) -> None:
    """Turns a floating leaf to `dtype`. It gives up its gradient, and its place in graphs, for that has a dtype."""
    name, learned = t.name, t.requires_grad
    t.name, t.requires_grad, t.grad = None, False, None
    t._data = t.data.astype(dtype)
    t._data.flags.writeable = False
    t.requires_grad, t.name = learned, name
