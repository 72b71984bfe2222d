"""Checkpoint: everything that a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..ops.sampling import generator
from ..tensor import Tensor
from ..tree import NEST, leaves, mapped
from .arrays import load, save
from .document import Arrays, decode, encode, parse

__all__ = ["Checkpoint"]

VERSION = 1
STATE = "state.json"  # the array that holds everything but arrays
RANDOM = "nd.random"  # the part that is always there: the library's own generator


class Checkpoint:
    """Named parts of a run, saved together and put back together: `Checkpoint(model=..., optimiser=..., rng=..., epoch=0)`.

    A part is
    * anything with `state_dict` and `load_state_dict`: a model, an optimiser, a schedule, an average of weights, batches. A model's random
      generators (as of `nn.Dropout`) are part of it;
    * a tensor, or a `np.random.Generator`, which is put back in place;
    * a number, string, array or None: a value, read and set as an attribute, `checkpoint.epoch += 1`;
    * a list, tuple or dict of these.

    The generator of `nd.random` always is one. A run that saves now and then, is killed, and loads what it saved last computes what
    it would have computed, to the last bit, as long as all that changes while it runs is a part.

    >>> import tempfile, tinygrad_nd as nd
    >>> w, rng = nd.Parameter([1.0, 2.0]), np.random.default_rng(0)
    >>> checkpoint = nd.Checkpoint(w=w, rng=rng, step=7)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = checkpoint.save(f"{folder}/run.npz")
    ...     first, w.data, checkpoint.step = rng.random(), 0 * w.data, 8
    ...     checkpoint.load(path)
    >>> first == rng.random(), w.data.tolist(), checkpoint.step
    (True, [1.0, 2.0], 7)
    """

    def __init__(self, *unnamed: Any, **parts: Any) -> None:
        if unnamed:
            told = ", ".join(type(part).__name__ for part in unnamed)
            raise TypeError(f"Checkpoint: parts have names, as in Checkpoint(model=model), and the path goes to save(path); but got {told}")
        taken = [name for name in parts if hasattr(type(self), name)]
        if taken:
            raise ValueError(f"Checkpoint: no part can be called {taken[0]!r}, which a checkpoint has already")
        vars(self).update(parts)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this checkpoint has no part {name!r}; it has {', '.join(vars(self)) or 'none'}")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes all parts to a .npz or .safetensors file, as `nd.save` does: whole or not at all. Returns the path.

        Raises TypeError, naming it, for a part that cannot be saved; ValueError for one that holds itself; and what `nd.save` does.
        """
        arrays: Arrays = {STATE: np.empty(0, np.uint8)}
        try:
            states = {name: encode(_captured(part), name, arrays) for name, part in self._parts().items()}
        except TypeError as error:
            raise TypeError(f"Checkpoint.save: {error}; nothing was written") from None
        except RecursionError:
            raise ValueError("Checkpoint.save: a part is nested too deeply, or holds itself; nothing was written") from None
        document = json.dumps({"version": VERSION, "parts": states})
        return save(path, {**arrays, STATE: np.frombuffer(document.encode(), np.uint8)})

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> None:
        """Puts every part back to what it was when saved. With strict=False, parts that only one side has are passed over, and `nd.random`.

        Raises ValueError for a file that is damaged, hostile or no checkpoint, and where parts do not fit, listing all that is missing,
        unexpected and mismatched; nothing has changed then. OSError where the file cannot be read.
        """
        saved, parts = _read(path), self._parts()
        problems = [f"missing: {name}" for name in parts if name not in saved] if strict else []
        problems += [f"unexpected: {name}" for name in saved if name not in parts] if strict else []
        both = [name for name in parts if name in saved and (strict or name != RANDOM)]
        before, after = {}, {}
        for name in both:
            with suppress(ValueError):  # a lazy model has no state yet, and is not made unless the others fit
                before[name] = _captured(parts[name])
        try:
            for name in sorted(both, key=lambda name: name not in before):
                try:
                    after[name] = _restored(parts[name], saved[name])
                except Exception as error:
                    told = error if isinstance(error, (ValueError, TypeError)) else repr(error)
                    problems.append(f"mismatched: {name}: {told}")
            if problems:
                raise ValueError("\n  ".join([f"Checkpoint.load: {os.fspath(path)}: nothing was loaded", *problems]))
        except BaseException:
            for name, state in before.items():
                _restored(parts[name], state)
            raise
        after.pop(RANDOM, None)
        vars(self).update(after)

    def _parts(self) -> dict[str, Any]:
        return {**vars(self), RANDOM: generator(None, "Checkpoint")}


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The states of the parts in a file, by name."""
    arrays = load(path)
    try:
        if STATE not in arrays:
            raise ValueError("it holds arrays alone, which nd.load reads")
        document = parse(arrays[STATE].tobytes())
        if document["version"] != VERSION:
            raise ValueError(f"it is of version {document['version']}, but this library reads {VERSION}")
        return {name: decode(state, arrays) for name, state in document["parts"].items()}
    except Exception as error:  # whatever a hostile document may lead to
        raise ValueError(f"Checkpoint.load: {os.fspath(path)} is no checkpoint: {error}; nothing was loaded") from error


def _captured(part: Any) -> Any:
    """The state of a part as plain values, which later changes of the part leave alone."""
    if isinstance(part, Tensor):
        return part.data
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    if hasattr(part, "state_dict"):
        return {"state": part.state_dict(), "generators": _captured(_generators(part))}
    return mapped(_captured, part) if isinstance(part, NEST) else part


def _restored(part: Any, state: Any) -> Any:
    """The part, put back to this state; of a plain value, the state itself."""
    if isinstance(part, Tensor):
        part.data = state
    elif isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    elif hasattr(part, "state_dict"):
        part.load_state_dict(state["state"])
        _restored_items(_generators(part), state["generators"])
    elif isinstance(part, NEST) and any(isinstance(a, (Tensor, np.random.Generator)) or hasattr(a, "state_dict") for _, a in leaves(part)):
        return _restored_items(part, state)
    else:
        return state
    return part


def _restored_items(parts: Any, states: Any) -> Any:
    if isinstance(parts, Mapping):
        if not isinstance(states, Mapping) or parts.keys() != states.keys():
            here, there = (", ".join(map(str, names)) or "nothing" for names in (parts, states))
            raise ValueError(f"has {here}, but the file has {there}")
        return {key: _restored(part, states[key]) for key, part in parts.items()}
    if not isinstance(states, (list, tuple)) or len(parts) != len(states):
        raise ValueError(f"has {len(parts)} items, but the file has {len(states)}")
    restored = list(map(_restored, parts, states))
    return tuple(restored) if isinstance(parts, tuple) else restored


def _generators(model: Any) -> dict[str, np.random.Generator]:
    """The random generators that are attributes of a model's parts, by path."""
    modules = model.named_modules() if hasattr(model, "named_modules") else []
    found = ((f"{path}.{name}".lstrip("."), value) for path, module in modules for name, value in vars(module).items())
    return {path: value for path, value in found if isinstance(value, np.random.Generator)}
