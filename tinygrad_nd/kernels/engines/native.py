"""Compiled loops as `crew` calls them. Of numba's functions: where their machine code is, and its arguments as that takes them.

numba passes an array as its owner and parent (none here), numbers, bytes of a number, address, shape and strides; before the arguments come
places for a result and for an error (its documentation, "Calling conventions"). These functions return nothing and raise nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import memory
from . import crew, llvm, programs
from .plain import Loop

_HELD = np.zeros(16, np.int64)
_ignored = memory.address(_HELD)  # the place for a result and an error
_known: dict[Any, int] = {}


def run(f: Any, tasks: Sequence[tuple[Any, ...]]) -> None:
    """f(*arguments) for all tasks, on all threads. Arguments are C-ordered arrays, integers and booleans."""
    crew.run([[call(f, arguments)] for arguments in tasks])


def repeat(f: Any, operands: Sequence[np.ndarray], tasks: Callable[[], Sequence[tuple[Any, ...]]], key: Any) -> None:
    """`run`, written down once for operands of one layout: what else is in the tasks follows from `key`, see `programs`."""
    programs.run((f, key), operands, lambda: [[call(f, arguments)] for arguments in tasks()])


def call(f: Any, arguments: tuple[Any, ...]) -> crew.Call:
    if isinstance(f, Loop):
        return f.call(arguments)
    kinds = tuple([(a.dtype, a.ndim) if type(a) is np.ndarray else type(a) for a in arguments])
    address = _known.get((f, kinds)) or _compiled(f, kinds)
    words: list[Any] = [address, _ignored, _ignored]
    for a in arguments:
        if type(a) is np.ndarray:
            assert a.flags.c_contiguous, (f, a.shape, a.strides)  # its code takes that for granted
            words += (0, 0, a.size, a.itemsize, a, *a.shape, *a.strides)
        else:
            words.append(int(a))
    return words


def _compiled(f: Any, kinds: tuple[Any, ...]) -> int:
    from numba import from_dtype, types

    scalars = {int: types.int64, bool: types.boolean, np.uintp: types.uint64}
    signature = tuple(types.Array(from_dtype(k[0]), k[1], "C") if isinstance(k, tuple) else scalars[k] for k in kinds)
    with llvm.compiling():
        f.compile(signature)
    result = f.overloads[signature]
    address: int = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    _known[f, kinds] = address
    return address
