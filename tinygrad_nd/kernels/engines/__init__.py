"""Optional compiled engines: kernels under the same signatures as those in NumPy, imported when first needed, silent where absent.

There is one, "jit" (the extra of that name): loops compiled by `plain`, and matrix products in registers, generated as LLVM IR, of which
llvmlite makes machine code. They release the GIL and run on the library's own threads; for few elements they are built-in functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

from .. import memory, parallel
from ..words import shown

F = TypeVar("F", bound=Callable[..., Any])
ALONE = 1 << 16  # elements; with fewer a compiled loop is through about when another thread has begun
LEAST = 1 << 8  # elements from which a compiled loop takes less time than a few steps in NumPy
ENGINES = ("auto", "jit", "numpy")


def engine() -> str:
    """The engine in use: "jit" or "numpy"."""
    return "jit" if _setting != "numpy" and _installed() else "numpy"


def set_engine(name: str) -> None:
    """Choose what kernels run on: "auto" (compiled kernels where the extra `jit` is installed), "jit" (an error if it is not), "numpy".

    For the whole process; the environment variable TINYGRAD_ND_ENGINE sets what it starts with.
    """
    global _setting
    _setting = _checked(name, "set_engine")
    for known in Builtins.all:
        known.clear()


def compiled(name: str) -> ModuleType | None:
    """The module `engines.<name>` if the jit engine is in use, else None."""
    return _load(name) if engine() == "jit" else None


def run(f: Callable[..., object], tasks: Sequence[tuple[Any, ...]]) -> None:
    """f(*arguments) for all tasks on all threads; without waiting for the GIL if f is compiled."""
    if is_compiled(f):
        _load("plain").run(f, tasks)
    else:
        parallel.run(tasks, lambda arguments: f(*arguments))


def repeat(f: Callable[..., object], operands: Sequence[Any], tasks: Callable[[], Sequence[tuple[Any, ...]]], key: Any = None) -> None:
    """`run` for a compiled f, written down once: its tasks follow from the layout of the operands and `key`."""
    _load("plain").repeat(f, operands, tasks, key)


class Builtins(dict[Any, "Callable[..., Any] | None"]):
    """The compiled loop `module.name` of so many arrays and numbers, as built-in functions for few elements (see `builtins`), by dtype:
    made when first asked for; None where there is none.
    """

    all: list[Builtins] = []

    def __init__(self, place: str, arrays: int, numbers: int = 0) -> None:
        self.place, self.counts = place.split("."), (arrays, numbers)
        self.all.append(self)

    def __missing__(self, dtype: Any) -> Callable[..., Any] | None:
        module, name = self.place
        f = getattr(compiled(module), name, None) if dtype.char in "fd" else None
        self[dtype] = None if f is None else _load("builtins").builtin(f, dtype, *self.counts)
        return self[dtype]


def share(size: int) -> int:
    """How many of so many elements a task of a compiled loop takes: as many tasks as threads, but none for too little."""
    return max(ALONE, -(-size // parallel.num_threads()))


def is_compiled(f: Callable[..., object]) -> bool:
    """Whether f is compiled, a Loop of `plain`."""
    return hasattr(f, "py_func")


def compiled_in(name: str) -> Callable[[F], F]:
    """A decorator: where the jit engine is in use, the function of the same name in `engines.<name>` runs instead."""

    def decorate(f: F) -> F:
        @wraps(f)
        def run(*args: Any, **keywords: Any) -> Any:
            module = compiled(name)
            return (f if module is None else getattr(module, f.__name__))(*args, **keywords)

        return run  # type: ignore[return-value]

    return decorate


def recalled(f: F) -> F:
    """A decorator for kernels of arrays, the first of them first, and other arguments: with the jit engine, see `programs.recall`."""

    @wraps(f)
    def run(*arguments: Any) -> Any:
        if arguments[0].size < LEAST or engine() != "jit":
            return f(*arguments)
        return _load("programs").recall(f, arguments)

    return run  # type: ignore[return-value]


@cache
def _load(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name}")


@cache
def _installed() -> bool:
    return memory.FOUND and find_spec("llvmlite") is not None


def _checked(name: str, where: str) -> str:
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(f"{where}: there is no engine {shown(name)}; use one of {', '.join(map(repr, ENGINES))}")
    if name == "jit" and not _installed():
        raise ImportError(f"{where}: the engine 'jit' needs llvmlite: pip install 'tinygrad_nd[jit]'")
    return name


_setting = _checked(os.environ.get("TINYGRAD_ND_ENGINE") or "auto", "TINYGRAD_ND_ENGINE")
