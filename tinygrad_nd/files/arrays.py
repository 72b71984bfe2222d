"""Arrays by name, in a file: .npz or .safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from errno import EINVAL
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..atomic import replacing
from ..kernels.words import shown
from ..tensor import Tensor
from . import npz, safetensors

__all__ = ["ensure_writable", "load", "save"]

FORMATS = {".npz": npz, ".safetensors": safetensors}


def save(path: str | os.PathLike[str], mapping: Any) -> Path:
    """Writes arrays by name, whole or not at all: whatever happens, `path` is the old file or the whole new one. Returns the path.

    `mapping` takes names to arrays, tensors or numbers; or it is a model, whose `state_dict()` is saved. The suffix says how:

    * .npz, also read by `np.load`: every dtype but objects.
    * .safetensors, also read by the package of that name: real numbers, truth values and complex64, in C order and little-endian.

    The file carries its format's version and checksums; nothing is pickled. `Checkpoint` saves nested state and whole runs.

    Raises ValueError or TypeError for another suffix and for what the format cannot hold, OSError where the file cannot be written; what
    was there stays.

    >>> import tempfile, tinygrad_nd as nd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = nd.save(f"{folder}/line.npz", {"slope": nd.Parameter(2.0), "points": np.arange(3)})
    ...     nd.load(path)
    {'slope': array(2., dtype=float32), 'points': array([0, 1, 2])}
    """
    form = _format_of("save", path)
    path = Path(path)
    arrays = _arrays(mapping)
    with replacing(path) as file:
        try:
            form.write(file, arrays)
        except (ValueError, TypeError) as error:
            raise type(error)(f"save: {path}: {error}; nothing was written") from None
    return path


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a .npz or .safetensors file by name, in the order they were saved; `model.load_state_dict(nd.load(path))`.

    The file may be another program's. What it says is checked against its checksums and its size; nothing is unpickled. bfloat16, which
    NumPy does not have, becomes float32. The arrays are yours to change; they are views of one piece of memory, the file's bytes.

    Raises ValueError, saying what is wrong, for a file that is damaged, cut short or hostile, OSError where it cannot be read.
    """
    form = _format_of("load", path)
    with open(path, "rb") as file:
        try:
            return form.read(file)  # type: ignore[no-any-return]
        except MemoryError:
            raise
        except Exception as error:  # zipfile and zlib have many ways to say so
            if isinstance(error, OSError) and error.errno not in (None, EINVAL):  # EINVAL: a place before the file's beginning
                raise
            raise ValueError(f"load: {os.fspath(path)} is damaged, or no {Path(path).suffix} file: {error}; nothing was loaded") from error


def ensure_writable(path: str | os.PathLike[str]) -> None:
    """Raises the ValueError or OSError that `save(path, ...)` would; to say so before hours of work, not after."""
    _format_of("save", path)
    with suppress(_Enough), replacing(path):
        raise _Enough


class _Enough(Exception):
    pass


def _format_of(where: str, path: str | os.PathLike[str]) -> ModuleType:
    """What writes and reads files of this suffix."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{where}: a path, such as 'weights.npz', comes first, but is a {type(path).__name__}")
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        torchs = path.suffix.lower() in (".pt", ".pth") and where == "load"
        hint = "; PyTorch reads it: model.load_state_dict(torch.load(path))" if torchs else ""
        raise ValueError(f"{where}: {shown(path.name)} ends in {path.suffix or 'no suffix'}; use one of {' '.join(FORMATS)}{hint}")
    return FORMATS[path.suffix.lower()]


def _arrays(mapping: Any) -> dict[str, np.ndarray]:
    """What is to be saved, as arrays, checked as far as every format must."""
    if isinstance(mapping, type):
        raise TypeError(f"save: needs a dict of arrays by name, or a model, but got the class {mapping.__name__}")
    if callable(getattr(mapping, "state_dict", None)):
        mapping = mapping.state_dict()
    if not isinstance(mapping, Mapping):
        raise TypeError(f"save: needs a dict of arrays by name, or a model, but got {type(mapping).__name__}; give it a name: {{'x': x}}")
    arrays = {}
    for name, value in mapping.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names are strings, but one is {name!r} ({type(name).__name__}); Checkpoint saves nested state")
        if not name.isprintable() and any("\ud800" <= c <= "\udfff" for c in name):
            raise ValueError(f"save: the name {name[:80]!r} is no text that UTF-8 can write")
        if isinstance(value, (Mapping, np.ma.MaskedArray)) or value is None:
            raise TypeError(f"save: {name!r} is a {type(value).__name__}, not an array; Checkpoint saves nested state")
        arrays[name] = _array(name, value)
    return arrays


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = value.data if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"save: {name!r} is no array: {error}") from None
    if array.dtype.hasobject:
        raise TypeError(f"save: {name!r} holds objects ({type(value).__name__}), which only pickle could save; nothing is pickled")
    return array
