"""Names for the nodes of a picture: a tensor's own, those given explicitly, and the caller's variable names."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ..node import Constant, Node
from ..tensor import Tensor

_LIBRARY = str(Path(__file__).parents[1]) + os.sep


class Names:
    """What nodes and bare arrays are called, and which tensors were found while looking (their values are known)."""

    def __init__(self) -> None:
        self.explicit: dict[int, str] = {}
        self.found: dict[int, str] = {}
        self.tensors: list[Tensor] = []

    def of(self, node: Node | Constant) -> str | None:
        return self.explicit.get(id(node)) or node.name or self.found.get(id(node))

    def of_array(self, array: np.ndarray) -> str | None:
        whole = array.base if array.base is not None and np.shape(array.base) == array.shape else array
        keys = (id(array), id(whole))
        return next(filter(None, (table.get(k) for table in (self.explicit, self.found) for k in keys)), None)


def gather(names: str | Mapping[str, Tensor] | None, frame: FrameType | None) -> Names:
    """The names asked for: "auto" reads the variables of `frame`, a mapping {name: tensor} is taken as it is, None and "none" add nothing.

    A variable counts only if it is the one name of its node: locals first, then globals. Nothing is read from the library's own frames.
    """
    result = Names()
    if isinstance(names, Mapping):
        for name, tensor in names.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                got = f"{type(name).__name__}: {type(tensor).__name__}"
                raise TypeError(f"draw: names maps strings to tensors, but got {got}")
            result.explicit[_key(tensor)] = name
            result.tensors.append(tensor)
    elif names == "auto":
        if frame is not None and not frame.f_code.co_filename.startswith(_LIBRARY):
            _read(frame, result)
    elif names not in (None, "none"):
        raise ValueError(f"draw: names must be 'auto', None or a mapping {{name: tensor}}, but got {names!r}")
    return result


def _read(frame: FrameType, result: Names) -> None:
    variables = frame.f_locals
    for table in [variables] if variables is frame.f_globals else [variables, frame.f_globals]:
        spelled: dict[int, list[str]] = {}
        for name, value in list(table.items()):
            if isinstance(value, Tensor):
                result.tensors.append(value)
            if isinstance(value, (Tensor, np.ndarray)) and name.isidentifier() and not name.startswith("_"):
                spelled.setdefault(_key(value), []).append(name)
        # A key with several names in the locals stays unnamed, whatever the globals call it.
        result.found |= {key: "" if len(names) > 1 else names[0] for key, names in spelled.items() if key not in result.found}
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(variables) is dict:
        variables.clear()  # before Python 3.13 this is a copy that the frame would keep, and the whole graph with it


def _key(value: Any) -> int:
    """A tensor is known by its node, or if it has none, by its array."""
    if not isinstance(value, Tensor):
        return id(value)
    return id(value._data) if value._node is None else id(value._node)
