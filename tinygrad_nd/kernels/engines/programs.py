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

SIZE = 1 << 25  # bytes that all programs remembered may keep
_known: dict[Hashable, Program] = {}
_kept = 0
_lock = threading.Lock()


def run(key: Hashable, operands: Sequence[Array], write: Callable[[], Sequence[Sequence[Call]]]) -> None:
    """Makes the calls that write() gives, see `crew.run`.

    They follow from `key`, the layout of the operands and the number of threads, and name as arrays only operands, their parts, scratch,
    and read-only tables, of which none is an operand: what plays two parts in one call may not do so in the next.
    """
    key = key, parallel.num_threads(), *[(a.shape, a.strides, a.dtype) for a in operands]
    program = _known.get(key)
    if program is not None:
        return program.run(operands)
    with memory.noted_scratch() as noted:
        tasks = write()
    if _apart(operands):
        program = Program(tasks, operands, noted)
        _keep(key, program)
        program.run(operands)
    else:  # where operands overlap it cannot be told to which of them an address belongs
        crew.run(tasks)


def _apart(operands: Sequence[Array]) -> bool:
    bounds = sorted(byte_bounds(a) for a in operands if a.size)
    return all(end <= low for (_, end), (low, _) in zip(bounds, bounds[1:]))


def _keep(key: Hashable, program: Program) -> None:
    global _kept
    with _lock:
        _kept += program.nbytes - (_known[key].nbytes if key in _known else 0)
        _known[key] = program
        while _kept > SIZE:
            _kept -= _known.pop(next(iter(_known))).nbytes


class Program:
    """Words with blanks: where an address belongs, how far it lies from that of which operand or scratch."""

    def __init__(self, tasks: Sequence[Sequence[Call]], operands: Sequence[Array], noted: Sequence[tuple[Hashable, Array]]) -> None:
        self.starts, self.places, words = crew.written(tasks)
        sizes: dict[Hashable, int] = {}
        for name, a in noted:
            sizes[name] = max(sizes.get(name, 0), a.nbytes)
        self.scratch = list(sizes.items())
        order = {name: i for i, name in enumerate(sizes, len(operands))}
        places = [(a, i) for i, a in enumerate(operands)] + [(a, order[name]) for name, a in noted]
        owners = [(*byte_bounds(a), memory.address(a), i) for a, i in places if a.size]
        blanks: list[tuple[int, int]] = []
        self.tables: list[Array] = []
        for i, word in enumerate(words):
            if isinstance(word, np.ndarray):
                at = memory.address(word)
                start, owner = next(((start, owner) for low, end, start, owner in owners if low <= at < end), (0, None))
                words[i] = at - start
                if owner is not None:
                    blanks.append((i, owner))
                elif word.size:
                    assert not word.flags.writeable, "a program keeps tables only"
                    self.tables.append(word)
        self.words = np.array([*words, *[0] * crew.MOST], np.int64)
        self.blanks, self.owners = (np.array(column, np.intp) for column in (zip(*blanks) if blanks else ((), ())))
        self.nbytes = self.words.nbytes + sum({id(a): a.nbytes for a in self.tables}.values())

    def run(self, operands: Sequence[Array]) -> None:
        """The calls with these operands."""
        arrays = [*operands, *[memory.scratch(name, (nbytes,), np.uint8) for name, nbytes in self.scratch]]
        words = self.words.copy()
        words[self.blanks] += np.array([memory.address(a) for a in arrays], np.int64)[self.owners]
        crew.perform(self.starts, self.places, memory.address(words))
