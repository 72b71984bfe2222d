"""Loops over tasks that are calls of compiled functions: threads share them out among themselves without the GIL.

A woken thread begins 30 to 130 µs late, and one that wants the GIL back waits as long again: a small network spends its time on that. So
the caller writes down all calls beforehand, and workers, before they sleep, wait a little in compiled code, where they see the next loop.

`_state` is what they agree on. A worker counts itself in and looks again whether the loop is still open; the caller closes it and waits
until nobody is in: then nobody reads the arrays any more. Tasks are dealt out by counting.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

import numpy as np
from llvmlite import binding

from .. import memory, parallel
from . import ir, llvm
from .llvm import INT, Kernel, integer

Call = Sequence[Any]  # the address of a function and its arguments: integers, and arrays, of which it gets the address

OPEN, INSIDE, NEXT, SEATS, LEAVE, PRESENT, JOB = range(0, 56, 8)  # a cache line each; JOB: loops so far, and the program
PATIENCE = 50_000  # pauses, of 10 to 40 ns, that a worker waits before it sleeps
MOST = 48  # words of a call; those past its end are passed, too, and what is called does not look at them
_NONE = array("q", bytes(8 * MOST))
_ANY = np.dtype(np.float64)  # no numbers occur


def run(tasks: Sequence[Sequence[Call]]) -> None:
    """Makes the calls of every task in their order; the tasks are shared by num_threads() threads, the caller among them."""
    starts, places, words = written(tasks)
    numbers = array("q", [memory.address(word) if isinstance(word, np.ndarray) else word for word in words])
    columns = starts, places, numbers + _NONE, array("q", bytes(8 * (len(numbers) + MOST)))
    program = head(len(tasks), columns, 0)
    perform(len(tasks), program.buffer_info()[0], ())


def written(tasks: Sequence[Sequence[Call]]) -> tuple[array[int], array[int], list[Any]]:
    """A program: where each task's calls start, where each call's words, and these, arrays among them."""
    calls = list(chain.from_iterable(tasks))
    if max(map(len, calls), default=0) > MOST:
        raise ValueError(f"crew: a call has up to {MOST} words, but one here has {max(map(len, calls))}; raise MOST")
    starts = array("q", accumulate(map(len, tasks), initial=0))
    places = array("q", accumulate(map(len, calls), initial=0))
    return starts, places, list(chain.from_iterable(calls))


def head(tasks: int, columns: Sequence[array[int]], operands: int) -> array[int]:
    """What compiled code reads of a program. `columns` are its starts, places, words as numbers, and which operand's address is to be added
    to each word, counted from 1; the last two have MOST more than that.
    """
    return array("q", [tasks, *[column.buffer_info()[0] for column in columns], operands])


def perform(tasks: int, program: int, operands: tuple[np.ndarray, ...]) -> None:
    """Runs a program, told by the address of its head."""
    helpers = min(parallel.num_threads(), tasks) - 1 if tasks > 1 else 0
    if helpers < 1 or parallel.inside() or not _turn.acquire(blocking=False):
        compiled()(None, 0, program, id(operands))
        return
    try:
        parallel.beside(int(_state[PRESENT]), helpers, compiled(), memory.address(_state), helpers, program, id(operands))
    finally:
        _turn.release()


def linger() -> None:
    """What a worker does before it sleeps: helps with loops until none has come for a while, or it is asked to leave."""
    _state[LEAVE] = 0
    compiled()(memory.address(_state), PATIENCE, None, 0)


def dismiss() -> None:
    """Ask the workers that linger to come back."""
    _state[LEAVE] = 1


@cache
def compiled() -> Any:
    """f(state, count, program, operands): the program with `count` helpers, alone where there is no state; without one, a helper."""
    return llvm.function("crew", "rirr", _ANY, _crew)


# What is compiled.


def _crew(kernel: Kernel, state: Any, count: Any, program: Any, operands: Any) -> None:
    b = kernel.b
    with b.if_else(b.icmp_unsigned("==", program, ir.Constant(program.type, None))) as (helper, caller):
        with helper:
            _serve(kernel, state, count)
        with caller:
            tasks, *rest = _read(kernel, program, operands)
            with b.if_else(b.icmp_unsigned("==", state, ir.Constant(state.type, None))) as (alone, together):
                with alone:
                    kernel.loop(integer(0), tasks, 1, lambda i: kernel.part("task", _task, i, *rest))
                with together:
                    _lead(kernel, state, count, tasks, *rest)


def _read(kernel: Kernel, program: Any, operands: Any) -> list[Any]:
    """The number of tasks, the columns, and what is to be added to words: 0, and where the numbers of each operand lie.

    A tuple is an object that has the addresses of its items behind its head; an array has that of its numbers there (see `memory`).
    """
    b = kernel.b
    tasks, *columns, count = (b.load(kernel.at(program, integer(i))) for i in range(6))
    bases = b.alloca(INT, b.add(count, integer(1)))
    b.store(integer(0), bases)

    def note(i: Any) -> None:
        item = b.inttoptr(b.load(kernel.at(operands, b.add(i, integer(tuple.__basicsize__ // 8)))), INT.as_pointer())
        b.store(b.load(kernel.at(item, integer(object.__basicsize__ // 8))), kernel.at(bases, b.add(i, integer(1))))

    kernel.loop(integer(0), count, 1, note)
    return [tasks, *(b.inttoptr(c, INT.as_pointer()) for c in columns), bases]


def _lead(kernel: Kernel, state: Any, helpers: Any, tasks: Any, *rest: Any) -> None:
    b = kernel.b
    turn = b.add(b.load(kernel.at(state, integer(JOB))), integer(1))
    for i, word in enumerate((turn, tasks, *(b.ptrtoint(p, INT) for p in rest))):
        b.store(word, kernel.at(state, integer(JOB + i)))
    _set(kernel, state, NEXT, integer(0))
    _set(kernel, state, SEATS, helpers)
    _set(kernel, state, OPEN, turn)
    kernel.part("work", _work, state)
    _set(kernel, state, OPEN, integer(0))

    def wait(_: Any) -> tuple[Any, Any]:
        _pause(kernel)
        inside = _get(kernel, state, INSIDE)
        return _differ(kernel, inside, 0), inside

    _repeat(kernel, wait, integer(1))


def _serve(kernel: Kernel, state: Any, patience: Any) -> None:
    b = kernel.b
    _add(kernel, state, PRESENT, 1)
    done = b.alloca(INT)  # the last loop that this worker has been at
    b.store(integer(0), done)

    def look(waited: Any) -> tuple[Any, Any]:
        turn = _get(kernel, state, OPEN)
        new = b.and_(_differ(kernel, turn, 0), b.icmp_signed("!=", turn, b.load(done)))
        with b.if_else(new) as (then, otherwise):
            with then:
                _add(kernel, state, INSIDE, 1)
                with b.if_then(b.icmp_signed("==", _get(kernel, state, OPEN), turn)):
                    with b.if_then(b.icmp_signed(">", _add(kernel, state, SEATS, -1), integer(0))):
                        kernel.part("work", _work, state)
                _add(kernel, state, INSIDE, -1)
                b.store(turn, done)
            with otherwise:
                _pause(kernel)
        waited = b.select(new, integer(0), b.add(waited, integer(1)))
        stay = b.and_(b.icmp_signed("<", waited, patience), b.not_(_differ(kernel, _get(kernel, state, LEAVE), 0)))
        return stay, waited

    _repeat(kernel, look, integer(0))
    _add(kernel, state, PRESENT, -1)


def _work(kernel: Kernel, state: Any) -> None:
    """Take tasks while there are any."""
    b = kernel.b
    tasks, *program = (b.load(kernel.at(state, integer(JOB + i))) for i in range(1, 7))
    program = [b.inttoptr(p, INT.as_pointer()) for p in program]

    def step(_: Any) -> tuple[Any, Any]:
        i = _add(kernel, state, NEXT, 1)
        more = b.icmp_signed("<", i, tasks)
        with b.if_then(more):
            kernel.part("task", _task, i, *program)
        return more, i

    _repeat(kernel, step, integer(0))


def _task(kernel: Kernel, i: Any, starts: Any, places: Any, words: Any, owners: Any, bases: Any) -> None:
    b = kernel.b

    def call(c: Any) -> None:
        first = b.load(kernel.at(places, c))
        numbers, owner = kernel.at(words, first), kernel.at(owners, first)

        def word(k: int) -> Any:
            return b.add(b.load(kernel.at(numbers, integer(k))), b.load(kernel.at(bases, b.load(kernel.at(owner, integer(k))))))

        kernel.call(*map(word, range(MOST)))

    kernel.loop(b.load(kernel.at(starts, i)), b.load(kernel.at(starts, b.add(i, integer(1)))), 1, call)


def _repeat(kernel: Kernel, body: Any, first: Any) -> None:
    """Again and again (more, value) = body(value), while `more`."""
    b, before = kernel.b, kernel.b.block
    inside, after = kernel.f.append_basic_block(), kernel.f.append_basic_block()
    b.branch(inside)
    b.position_at_end(inside)
    value = b.phi(first.type)
    more, following = body(value)
    value.add_incoming(first, before)
    value.add_incoming(following, b.block)
    b.cbranch(more, inside, after)
    b.position_at_end(after)


def _get(kernel: Kernel, state: Any, word: int) -> Any:
    return kernel.b.load_atomic(kernel.at(state, integer(word)), "seq_cst", 8)


def _set(kernel: Kernel, state: Any, word: int, value: Any) -> None:
    kernel.b.store_atomic(value, kernel.at(state, integer(word)), "seq_cst", 8)


def _add(kernel: Kernel, state: Any, word: int, n: int) -> Any:
    """Adds at once for all threads; returns what was there before."""
    return kernel.b.atomic_rmw("add", kernel.at(state, integer(word)), integer(n), "seq_cst")


def _differ(kernel: Kernel, a: Any, n: int) -> Any:
    return kernel.b.icmp_signed("!=", a, integer(n))


def _pause(kernel: Kernel) -> None:
    """Tell the processor that this is a waiting loop."""
    if binding.get_default_triple().startswith(("x86", "i686", "amd64")):
        kernel.b.call(kernel.module.declared(_PAUSE, ir.FunctionType(ir.VoidType(), [])), [])


_PAUSE = "llvm.x86.sse2.pause"


def _start_afresh() -> None:
    """As it must be at import and in a forked child, where no worker lives."""
    global _state, _turn
    _state, _turn = memory._aligned(8 * 64).view(np.int64), threading.RLock()
    _state[:] = 0


_state: Any
_turn: Any  # held by the caller whose loop it is; re-entrant, for Ctrl-C may come between taking it and the line after
_start_afresh()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
parallel.crew(linger, dismiss)
