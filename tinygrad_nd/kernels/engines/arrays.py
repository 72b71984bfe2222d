"""Arrays in C order as values in LLVM IR: their parts and numbers, loops over them, and memory for new ones."""

from __future__ import annotations

import ast
import ctypes
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding

from .. import memory
from . import ir, llvm
from .arithmetic import BOOL, FUNCTIONS, INTEGER, Arithmetic, Number, common, held, stored

_ALLOCATE, _FREE = "PyMem_RawMalloc", "PyMem_RawFree"  # which need no GIL
SHARE = "Py_IncRef"  # which does
for _name in (_ALLOCATE, _FREE, SHARE):
    binding.add_symbol(_name, ctypes.cast(getattr(ctypes.pythonapi, _name), ctypes.c_void_p).value)


class Block(NamedTuple):
    """An array in C order."""

    data: Any
    dtype: np.dtype[Any]
    shape: tuple[Number, ...]


class Arrays(Arithmetic):
    """Writes where the builder b stands."""

    def __init__(self, module: Any, b: Any, fast: Sequence[str]) -> None:
        super().__init__(module, b, fast)
        self.ends: list[tuple[Any, Any]] = []  # where `continue` and `break` lead, loop by loop
        self.allocated: list[Any] = []

    def loop(self, start: Any, stop: Any, step: Any, body: Callable[[Number], None]) -> None:
        """body(i) for i in range(start, stop, step), upwards."""
        dtype = common(start, stop, step)
        start, stop, step = (self.cast(v, dtype) for v in (start, stop, step))
        head, inside, end, after = (self.b.append_basic_block() for _ in range(4))
        before = self.b.block
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(start.value.type)
        i.add_incoming(start.value, before)
        self.b.cbranch(self.compare(ast.Lt(), Number(i, dtype), stop).value, inside, after)
        self.b.position_at_end(inside)
        self.ends.append((end, after))
        body(Number(i, dtype))
        self.ends.pop()
        if not self.b.block.is_terminated:
            self.b.branch(end)
        self.b.position_at_end(end)
        i.add_incoming(self.b.add(i, step.value, flags=("nuw",) if dtype.kind == "u" else ("nsw",)), end)
        self.b.branch(head)
        self.b.position_at_end(after)

    def part(self, block: Block, index: tuple[Any, ...]) -> Block:
        """What lies at one or several leading indices, of which the last may be a slice."""
        place: Any = 0
        shape = block.shape[len(index) :]
        for axis, n in enumerate(block.shape):
            place = self.binary(ast.Mult(), place, n) if axis else place
            if axis < len(index):
                at: Any = index[axis]
                if isinstance(at, slice):
                    assert axis == len(index) - 1
                    at, stop = at.start or 0, n if at.stop is None else FUNCTIONS[min](self, at.stop, n)
                    shape = (self.cast(self.binary(ast.Sub(), stop, at), INTEGER), *shape)
                place = self.binary(ast.Add(), place, at)
        return Block(self.b.gep(block.data, [self.cast(place, INTEGER).value]), block.dtype, shape)

    def fill(self, block: Block, value: Any) -> None:
        """Puts a number, or the numbers of an array, in their places."""

        def put(i: Any) -> None:
            number = self.stored(self.read(value, i) if isinstance(value, Block) else value, block.dtype)
            if isinstance(number, ir.Selected) and not llvm.masks():
                number = self.b.freeze(number)  # else LLVM would make a masked store, if it may be what is in its place already
            self.b.store(number, self.b.gep(block.data, [i.value]))

        if block.shape:
            self.loop(0, self.size(block), 1, put)
        else:
            put(self.constant(0, INTEGER))

    def read(self, block: Block, place: Number) -> Number:
        number = self.b.load(self.b.gep(block.data, [place.value]))
        return Number(self.b.trunc(number, held(BOOL)) if block.dtype == BOOL else number, block.dtype)

    def size(self, block: Block) -> Any:
        return reduce(lambda a, b: self.binary(ast.Mult(), a, b), block.shape, 1)

    def empty(self, size: Any, dtype: Any = float) -> Block:
        """np.empty in front of all loops, aligned for vectors, until the function ends; on the stack if its size is known beforehand."""
        assert not self.ends
        dtype, shape = np.dtype(dtype), (self.cast(size, INTEGER),)
        if not isinstance(size, Number):
            with self.b.goto_entry_block():
                data = self.b.alloca(stored(dtype), shape[0].value, memory.ALIGN)
            return Block(data, dtype, shape)
        pointer, size = ir.IntType(8).as_pointer(), self.b.mul(shape[0].value, llvm.integer(dtype.itemsize))
        allocate = self.module.declared(_ALLOCATE, ir.FunctionType(pointer, [llvm.INT]), "noalias")
        raw = self.b.call(allocate, [self.b.add(size, llvm.integer(memory.ALIGN))])
        self.allocated.append(raw)
        skipped = self.b.and_(self.b.neg(self.b.ptrtoint(raw, llvm.INT)), llvm.integer(memory.ALIGN - 1))
        return Block(self.b.bitcast(self.b.gep(raw, [skipped]), stored(dtype).as_pointer()), dtype, shape)

    def free(self) -> None:
        for pointer in self.allocated:
            self.b.call(self.module.declared(_FREE, ir.FunctionType(ir.VoidType(), [pointer.type])), [pointer])


def numbers(a: Any, first: int, count: int) -> tuple[Any, ...]:
    """So many numbers of an array, each by itself."""
    return tuple(a[first : first + count])


def numbers_at(i: int, operands: Sequence[Any]) -> tuple[Any, ...]:
    """The numbers of arrays at i, and numbers as they are."""
    return tuple(a[i] if isinstance(a, np.ndarray) else a for a in operands)


def write_at(i: int, arrays: Sequence[Any], values: Sequence[Any]) -> None:
    """Each array gets its value at i."""
    for a, value in zip(arrays, values, strict=True):
        a[i] = value


def _numbers(w: Arrays, a: Block, first: int, count: int) -> tuple[Number, ...]:
    return tuple(w.read(a, w.constant(first + i, INTEGER)) for i in range(count))


def _numbers_at(w: Arrays, i: Number, operands: Sequence[Number | Block]) -> tuple[Number, ...]:
    return tuple(w.read(a, i) if isinstance(a, Block) else a for a in operands)


def _write_at(w: Arrays, i: Number, arrays: Sequence[Block], values: Sequence[Any]) -> None:
    for a, value in zip(arrays, values, strict=True):
        w.fill(w.part(a, (i,)), value)


def _len(w: Arrays, a: Any) -> Any:
    return a.shape[0] if isinstance(a, Block) else len(a)


def _view(w: Arrays, a: Any, dtype: Any) -> Any:
    """Of a number, or of a flat array."""
    dtype = np.dtype(dtype)
    if isinstance(a, Block):
        size = w.binary(ast.FloorDiv(), w.binary(ast.Mult(), w.size(a), a.dtype.itemsize), dtype.itemsize)
        return Block(w.b.bitcast(a.data, stored(dtype).as_pointer()), dtype, (size,))
    return Number(w.b.bitcast(a.value, held(dtype)), dtype)


def _reshape(w: Arrays, a: Block, *shape: Any) -> Block:
    return Block(a.data, a.dtype, tuple(w.cast(n, INTEGER) for n in shape))


FUNCTIONS_OF_ARRAYS: dict[Any, Callable[..., Any]] = {
    len: _len, np.empty: Arrays.empty, numbers: _numbers, numbers_at: _numbers_at, write_at: _write_at,
}  # fmt: skip
METHODS: dict[str, Callable[..., Any]] = {"view": _view, "reshape": _reshape}
