"""Loops for `crew` that are written down once: for operands of a layout seen before, only their addresses change.

Writing the calls of a small convolution down takes longer than making them.
"""

from __future__ import annotations

import threading
from array import array
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
        program.nbytes += memory.held(key)
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
    """Words as numbers, to which the address of an operand or scratch is added where they name a place in it."""

    def __init__(self, tasks: Sequence[Sequence[Call]], operands: Sequence[Array], noted: Sequence[tuple[Hashable, Array]]) -> None:
        starts, places, words = crew.written(tasks)
        sizes: dict[Hashable, int] = {}
        for name, a in noted:
            sizes[name] = max(sizes.get(name, 0), a.nbytes)
        self.scratch = list(sizes.items())
        base = {name: i for i, name in enumerate(sizes, len(operands) + 1)}
        parts = [*enumerate(operands, 1), *((base[name], a) for name, a in noted)]
        owners = [(*byte_bounds(a), memory.address(a), i) for i, a in parts if a.size]
        bases = [0] * (len(words) + crew.MOST)
        tables: list[Array] = []
        for i, word in enumerate(words):
            if isinstance(word, np.ndarray):
                at = memory.address(word)
                start, bases[i] = next(((start, owner) for low, end, start, owner in owners if low <= at < end), (0, 0))
                words[i] = at - start
                if not bases[i] and word.size:
                    assert not word.flags.writeable, "a program keeps tables only"
                    tables.append(word)
        columns = starts, places, array("q", words + [0] * crew.MOST), array("q", bases)
        self.held = *columns, *tables
        self.tasks, self.columns = len(tasks), crew.addresses(columns)
        self.nbytes = sum(8 * len(column) for column in columns) + sum({id(a): a.nbytes for a in tables}.values())

    def run(self, operands: Sequence[Array]) -> None:
        """The calls with these operands."""
        bases = [0, *map(memory.address, operands)]
        for name, nbytes in self.scratch:
            bases.append(memory.address(memory.scratch(name, (nbytes,), np.uint8)))
        crew.perform(self.tasks, self.columns, array("q", bases))
