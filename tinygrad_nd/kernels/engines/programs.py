"""Loops for `crew` that are written down once: for operands of a layout seen before, only their addresses change.

Writing the calls of a small convolution down takes longer than making them. And where a kernel is such loops and nothing else, it need not
be called again to find what follows from layouts: `recall`.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .. import memory, parallel
from ..memory import Array
from . import crew
from .crew import Call

Tasks = Sequence[Sequence[Call]]
Noted = Sequence[tuple[Hashable, Array]]  # scratch

SIZE = 1 << 25  # bytes that all programs remembered may keep
LARGE = 1 << 23  # bytes of results; to make more takes so long that it does not matter how they are asked for
_known: dict[Hashable, Program | Recalled] = {}
_kept = 0
_lock = threading.Lock()
_learning: dict[int, list[Tasks]] = {}  # by thread: what a kernel runs that is called for the first time


def run(key: Hashable, operands: Sequence[Array], write: Callable[[], Tasks]) -> None:
    """Makes the calls that write() gives, see `crew.run`.

    They follow from `key`, the layout of the operands and the number of threads, and name as arrays only operands, their parts, scratch,
    and read-only tables, of which none is an operand: what plays two parts in one call may not do so in the next.
    """
    learnt = _learning.get(threading.get_ident()) if _learning else None
    key = key, parallel.num_threads(), *[(a.shape, a.strides, a.dtype) for a in operands]
    program: Any = _known.get(key)
    overlapping = program is OVERLAPPING
    if overlapping:
        key = *key, _distances(operands)
        program = _known.get(key)
    if program is not None and learnt is None:
        program.run(operands)
        return
    with memory.noted_scratch() as noted:
        tasks = write()
    if learnt is not None:
        learnt.append(tasks)
    else:
        if not overlapping and (distances := _distances(operands)):
            _keep(key, OVERLAPPING)
            key = *key, distances
        program = Program(tasks, operands, noted)
        program.nbytes += memory.held(key)
        _keep(key, program)
    crew.run(tasks)


def recall(f: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """f(*arguments), of a kernel that returns new arrays, one or several, and all that it does with numbers is to `run` programs.

    What these are follows from the layout of the arrays among the arguments, and from the other arguments: f is called twice. The first
    time says only that there is such a layout: many never come again. Integers that f returns are found by programs (NaN is not among
    them, so it would not be seen that they are not).
    """
    key = f, parallel.num_threads(), *[(a.shape, a.strides, a.dtype) if type(a) is np.ndarray else a for a in arguments]
    known: Any = _known.get(key)
    if _learning and threading.get_ident() in _learning or known is NOTHING:
        return f(*arguments)
    if known is None:
        _keep(key, Recalled())
        return f(*arguments)
    return known.again(arguments) if known.programs else _learn(key, f, arguments)


def _learn(key: Hashable, f: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """f(*arguments). It is recalled if its programs alone do the same to memory full of NaN; nothing is told by results that have some."""
    me = threading.get_ident()
    found = _learning[me] = []
    try:
        with memory.noted_scratch() as noted:
            result = f(*arguments)
    finally:
        del _learning[me]
    results = result if isinstance(result, (tuple, list)) else [result]
    recalled = Recalled()
    if found and all(type(a) is np.ndarray for a in results) and sum(a.nbytes for a in results) <= LARGE:
        given, made = [a for a in arguments if type(a) is np.ndarray], list({id(r): r for r in map(_root, results)}.values())
        if any(np.isnan(a).any() for a in results) or _distances([*given, *made]):
            return result
        try:
            recalled.learn([Program(tasks, (*given, *made), noted) for tasks in found], result, made)
        except UnknownError:
            pass
        else:
            again = recalled.again(arguments, np.nan)
            if not all(map(np.array_equal, results, again if results is result else [again])):
                recalled = NOTHING
    _keep(key, recalled if recalled.programs else NOTHING)
    return result


def _root(a: Array) -> Array:
    """The array of whose memory `a` is a view."""
    while type(a.base) is np.ndarray:
        a = a.base
    return a


def _distances(operands: Sequence[Array]) -> tuple[tuple[int, int, int], ...]:
    """Of operands that overlap, as the parts of one array do: (which, with which other, how far behind that one it begins).

    What these say once, an address in the memory of both may be taken to belong to either.
    """
    found, last, end = [], 0, 0
    for (low, high), i in sorted((byte_bounds(a), i) for i, a in enumerate(operands) if a.size):
        if low < end:
            found.append((i, last, memory.address(operands[i]) - memory.address(operands[last])))
        if high > end:
            last, end = i, high
    return tuple(found)


def _keep(key: Hashable, program: Program | Recalled) -> None:
    global _kept
    with _lock:
        _kept += program.nbytes - (_known[key].nbytes if key in _known else 0)
        _known[key] = program
        while _kept > SIZE:
            _kept -= _known.pop(next(iter(_known))).nbytes


class UnknownError(AssertionError):
    """An array that is no operand, no scratch, and no table."""


class Program:
    """Words as numbers, to which the address of an operand or scratch is added where they name a place in it."""

    def __init__(self, tasks: Tasks, operands: Sequence[Array], noted: Noted) -> None:
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
                    if word.flags.writeable:
                        raise UnknownError("a program keeps tables only")
                    tables.append(word)
        columns = starts, places, array("q", words + [0] * crew.MOST), array("q", bases)
        self.tasks, head = len(tasks), crew.head(len(tasks), columns, len(operands) + len(sizes))
        self.held, self.address = (head, *columns, *tables), head.buffer_info()[0]
        self.nbytes = sum(8 * len(column) for column in columns) + sum({id(a): a.nbytes for a in tables}.values())

    def run(self, operands: Sequence[Array]) -> None:
        """The calls with these operands."""
        if self.scratch:
            operands = (*operands, *[memory.scratch(name, (nbytes,), np.uint8) for name, nbytes in self.scratch])
        crew.perform(self.tasks, self.address, tuple(operands))


class Recalled:
    """What a kernel does: programs, into new memory, of which its results are parts. No programs: it has been called once."""

    def __init__(self) -> None:
        self.programs: Sequence[Program] = ()
        self.nbytes = 1 << 10  # or so: as an object, and its key

    def learn(self, programs: Sequence[Program], result: Any, made: Sequence[Array]) -> None:
        """That the programs make the result, in this memory."""
        self.programs, self.several = programs, isinstance(result, (tuple, list))
        self.nbytes += sum(p.nbytes for p in programs)
        self.make = [memory.maker(a) for a in made]
        self.parts = []  # of each result: which memory it is in, and where, if it is not all of it
        for a in result if self.several else [result]:
            root = _root(a)
            i = next(i for i, m in enumerate(made) if m is root)
            whole = (a.shape, a.strides) == (root.shape, root.strides)
            self.parts.append((i, None if whole else (a.shape, a.dtype, memory.address(a) - memory.address(root), a.strides)))
        self.single = not self.several and self.parts == [(0, None)]

    def again(self, arguments: Sequence[Any], fill: Any = None) -> Any:
        """The results for other arguments."""
        made = [make() for make in self.make]
        if fill is not None:
            for a in made:
                a.fill(fill if a.dtype.kind == "f" else 1)
        operands = (*[a for a in arguments if type(a) is np.ndarray], *made)
        for program in self.programs:
            program.run(operands)
        if self.single:
            return made[0]
        found = []
        for i, part in self.parts:
            a = made[i]
            if part is not None:
                a.setflags(write=False)  # nobody writes to a part of it, as nobody sees the whole
                a = np.ndarray(part[0], part[1], a, part[2], part[3])
            found.append(a)
        return found if self.several else found[0]


NOTHING = Recalled()  # of a kernel that is to be called
OVERLAPPING = Recalled()  # of operands that overlap: how far they are apart is told besides their layout
