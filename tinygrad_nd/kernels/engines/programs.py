"""Loops for `crew` that are written down once: for operands of a layout seen before, only their addresses change.

Writing the calls of a small convolution down takes longer than making them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from .. import memory, parallel
from . import crew
from .crew import Call

Array = NDArray[Any]

SIZE = 1 << 26  # bytes that all may keep
_known: dict[Hashable, Program] = {}
_lock = threading.Lock()


def run(key: Hashable, operands: Sequence[Array], write: Callable[[], Sequence[Sequence[Call]]]) -> None:
    """Makes the calls that write() gives, see `crew.run`.

    They follow from `key`, the layout of the operands and the number of threads, and name as arrays only operands, their parts, scratch,
    and read-only tables.
    """
    key = key, parallel.num_threads(), *[(a.shape, a.strides, a.dtype) for a in operands]
    program = _known.get(key)
    if program is None:
        with memory.noted_scratch() as noted:
            tasks = write()
        program = Program(tasks, operands, noted)
        if program.lasting:
            _keep(key, program)
    program.run(operands)


def _keep(key: Hashable, program: Program) -> None:
    with _lock:
        while _known and sum(p.nbytes for p in _known.values()) + program.nbytes > SIZE:
            _known.pop(next(iter(_known)))
        _known[key] = program


class Program:
    """Words with blanks: where an address belongs, how far it lies from that of which operand or scratch."""

    def __init__(self, tasks: Sequence[Sequence[Call]], operands: Sequence[Array], noted: Sequence[tuple[Hashable, Array]]) -> None:
        self.starts, self.places, words = crew.written(tasks)
        scratch: dict[Hashable, int] = {}
        for name, a in noted:
            scratch[name] = max(scratch.get(name, 0), a.nbytes)
        self.scratch = list(scratch.items())
        owners = sorted((*byte_bounds(a), i, memory.address(a)) for i, a in enumerate(operands) if a.size)
        separate = all(end <= low for (_, end, *_), (low, *_) in zip(owners, owners[1:]))
        names = list(scratch)
        owners += [(*byte_bounds(a), len(operands) + names.index(name), memory.address(a)) for name, a in noted if a.size]
        self.tables: list[Array] = []
        blanks: list[tuple[int, int]] = []
        for i, word in enumerate(words):
            if isinstance(word, np.ndarray):
                words[i] = at = memory.address(word)
                owner = next(((which, start) for low, end, which, start in owners if low <= at < end), None)
                if owner is not None:
                    blanks.append((i, owner[0]))
                    words[i] = at - owner[1]
                elif word.size:
                    assert not word.flags.writeable, "a program keeps tables only"
                    self.tables.append(word)
        self.words = np.array([*words, *[0] * crew.MOST], np.int64)
        self.blanks, self.owners = (np.array(column, np.intp) for column in (zip(*blanks) if blanks else ((), ())))
        self.nbytes = self.words.nbytes + sum({id(a): a.nbytes for a in self.tables}.values())
        self.lasting = separate and self.nbytes <= SIZE  # in operands that overlap it cannot be told which of them is meant

    def run(self, operands: Sequence[Array]) -> None:
        """The calls with these operands."""
        arrays = [*operands, *[memory.scratch(name, (nbytes,), np.uint8) for name, nbytes in self.scratch]]
        words = self.words.copy()
        words[self.blanks] += np.array([memory.address(a) for a in arrays], np.int64)[self.owners]
        crew.perform(self.starts, self.places, words)
