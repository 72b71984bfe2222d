"""Plain loops over arrays, compiled: the little of Python that they are written in becomes LLVM IR, statement by statement.

It is so little that most loops are compiled in 20 to 60 ms.

A value is a number of one NumPy type, an array in C order, or whatever Python has for a name: constants, types, functions. In which
type numbers meet `arithmetic` tells; a variable keeps the type of its first value. Both values of `a if c else b` are computed and one is
selected: no branch, so that vectors can be made of the loop. Indices, and what // and % divide, are not negative, and indices are not
checked; the last one may be a slice. What a function writes overlaps with nothing else that it is given. Functions are written out where
they are called, but a Loop that returns nothing is compiled once for each combination of types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import memory, parallel
from . import crew, ir, llvm, programs
from .arithmetic import INTEGER, Number, stored
from .arrays import Block
from .llvm import Kernel
from .statements import Source, Writer, call

Kinds = tuple[Any, ...]  # of arguments: (dtype, rank) of arrays, types of numbers


class Loop(Source):
    """A function of arrays in C order and of numbers. fast: LLVM's fast-math flags; vectors: whether loops may become some."""

    def __init__(self, f: Callable[..., Any], fast: Sequence[str] = (), vectors: bool = True) -> None:
        super().__init__(f, fast)
        self.vectors = vectors
        self.known: dict[Kinds, Any] = {}
        self.then: Loop | None = None  # what the way back calls, with one array more

    def __call__(self, *arguments: Any) -> None:
        """At once, on this thread."""
        self._compiled(arguments)(*[memory.address(word) if type(word) is np.ndarray else word for word in _words(arguments)])

    def call(self, arguments: Sequence[Any]) -> crew.Call:
        return [self._compiled(arguments).address, *_words(arguments)]

    def _compiled(self, arguments: Sequence[Any]) -> Any:
        kinds = tuple([(a.dtype, a.ndim) if type(a) is np.ndarray else type(a) for a in arguments])
        return self.known.get(kinds) or self._of(kinds)

    def _of(self, kinds: Kinds) -> Any:
        words = "i" * sum(kind[1] + 1 if isinstance(kind, tuple) else 1 for kind in kinds)
        if self.then is not None:
            parallel.ahead(partial(self.then._of, (kinds[0], *kinds)))
        self.known[kinds] = llvm.function(self.py_func.__name__, words, np.dtype(float), _enter, self, kinds)
        return self.known[kinds]


exact = partial(Loop, fast=("contract",))  # rounding by a large summand must not be simplified away, NaN and infinities keep their meaning
summing = partial(Loop, fast=("contract", "reassoc", "nsz"))  # sums may be reordered, so that vectors of partial sums are kept


def run(f: Loop, tasks: Sequence[tuple[Any, ...]]) -> None:
    """f(*arguments) for all tasks, on all threads."""
    crew.run([[f.call(arguments)] for arguments in tasks])


def repeat(f: Loop, operands: Sequence[np.ndarray], tasks: Callable[[], Sequence[tuple[Any, ...]]], key: Any) -> None:
    """`run`, written down once for operands of one layout: what else is in the tasks follows from `key`, see `programs`."""
    programs.run((f, key), operands, lambda: [[f.call(arguments)] for arguments in tasks()])


def _words(arguments: Sequence[Any]) -> list[Any]:
    """An array is its address and its shape, a number that is not whole the bits of a float64."""
    words: list[Any] = []
    for a in arguments:
        if type(a) is np.ndarray:
            assert a.flags.c_contiguous, (a.shape, a.strides)
            words += (a, *a.shape)
        else:
            words.append(int(np.float64(a).view(np.int64)) if isinstance(a, (float, np.floating)) else int(a))
    return words


def _enter(kernel: Kernel, *arguments: Any) -> None:
    """From words to the arguments they stand for."""
    *words, f, kinds = arguments
    kernel.level, kernel.vectors = 2, f.vectors
    b, rest = kernel.b, iter(words)
    values: list[Number | Block] = []
    for kind in kinds:
        if isinstance(kind, tuple):
            data = b.inttoptr(next(rest), stored(kind[0]).as_pointer())
            values.append(Block(data, kind[0], tuple(Number(next(rest), INTEGER) for _ in range(kind[1]))))
        else:
            dtype, number = np.dtype(kind), Number(next(rest), INTEGER)
            if dtype.kind == "f":
                number = Number(b.bitcast(number.value, ir.DoubleType()), np.dtype(np.float64))
            values.append(Writer(kernel.module, b, f).cast(number, dtype))
    call(kernel.module, b, f, values)
