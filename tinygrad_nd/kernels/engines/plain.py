"""Plain loops over arrays, compiled: the little of Python that they are written in becomes LLVM IR, statement by statement.

numba knows far more, and takes ten times as long: what most networks use first is written for this.

A value is a number of one NumPy type, an array in C order, or whatever Python has for a name: constants, types, functions. In which
type numbers meet `arithmetic` tells; a variable keeps the type of its first value. Both values of `a if c else b` are computed and one is
selected: no branch, so that vectors can be made of the loop. Indices, and what // and % divide, are not negative, and indices are not
checked; the last one may be a slice. What a function writes overlaps with nothing else that it is given. Functions are written out where
they are called, but a Loop that returns nothing is compiled once for each combination of types.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import cache, reduce
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir

from .. import memory
from . import crew, llvm
from .arithmetic import BOOL, FUNCTIONS, INTEGER, STATIC, Arithmetic, Number, common, held, stored
from .llvm import Kernel

_ALLOCATE, _FREE = "PyMem_RawMalloc", "PyMem_RawFree"  # which need no GIL
for _name in (_ALLOCATE, _FREE):
    binding.add_symbol(_name, ctypes.cast(getattr(ctypes.pythonapi, _name), ctypes.c_void_p).value)

Kinds = tuple[Any, ...]  # of arguments: (dtype, rank) of arrays, types of numbers


class Loop:
    """A function of arrays in C order and of numbers. fast: LLVM's fast-math flags; vectors: whether loops may become some."""

    def __init__(self, f: Callable[..., Any], fast: Sequence[str] = (), vectors: bool = True) -> None:
        self.py_func, self.fast, self.vectors = f, tuple(fast), vectors
        self.known: dict[Kinds, Any] = {}

    def __call__(self, *arguments: Any) -> None:
        """At once, on this thread."""
        self._compiled(arguments)(*[memory.address(word) if type(word) is np.ndarray else word for word in _words(arguments)])

    def call(self, arguments: Sequence[Any]) -> crew.Call:
        return [self._compiled(arguments).address, *_words(arguments)]

    def _compiled(self, arguments: Sequence[Any]) -> Any:
        kinds = tuple([(a.dtype, a.ndim) if type(a) is np.ndarray else type(a) for a in arguments])
        if kinds not in self.known:
            words = "i" * len(_words(arguments))
            self.known[kinds] = llvm.function(self.py_func.__name__, words, np.dtype(float), _enter, self, kinds)
        return self.known[kinds]

    def __repr__(self) -> str:
        """By what compiled objects are told apart."""
        given = _outside(self.py_func).nonlocals.items()
        named = {name: _named(value) if callable(value) and not isinstance(value, Loop) else value for name, value in given}
        return f"{_named(self.py_func)} {named}"


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


class Block(NamedTuple):
    """An array in C order."""

    data: Any
    dtype: np.dtype[Any]
    shape: tuple[Number, ...]


class Variable(NamedTuple):
    place: Any
    dtype: np.dtype[Any]


def _enter(kernel: Kernel, *arguments: Any) -> None:
    """From words to the arguments they stand for."""
    *words, f, kinds = arguments
    kernel.level, kernel.vectors = 3, f.vectors
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
            values.append(_Writer(kernel.module, b, f).cast(number, dtype))
    _call(kernel.module, b, f, values)


def _call(module: Any, b: Any, f: Loop, values: Sequence[Any]) -> None:
    """Calls f, which becomes a function of the module if it is not one yet."""
    flat = [part for v in values for part in ((v.data, *(n.value for n in v.shape)) if isinstance(v, Block) else (v.value,))]
    name = f"{f!r} {[(v.dtype.char, len(v.shape)) if isinstance(v, Block) else v.dtype.char for v in values]}"
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [part.type for part in flat]), name)
        function.linkage = "internal"
        rest = iter(function.args)
        own: list[Any] = []
        for v in values:
            argument = next(rest)
            if isinstance(v, Block):
                argument.add_attribute("noalias")
                own.append(Block(argument, v.dtype, tuple(Number(next(rest), INTEGER) for _ in v.shape)))
            else:
                own.append(Number(argument, v.dtype))
        inside = ir.IRBuilder(function.append_basic_block())
        writer = _Writer(module, inside, f)
        writer.run(own)
        writer.free()
        inside.ret_void()
    b.call(function, flat)


class _Writer(Arithmetic, ast.NodeVisitor):
    """Writes statements where the builder stands; expressions become values."""

    def __init__(self, module: Any, b: Any, f: Loop) -> None:
        super().__init__(module, b, f.fast)
        self.f = f
        self.names: dict[str, Any] = {}
        self.ends: list[tuple[Any, Any]] = []  # where `continue` and `break` lead, loop by loop
        self.allocated: list[Any] = []
        self.result: Any = None

    def run(self, values: Sequence[Any]) -> Any:
        """What the function returns of values."""
        text, outside = _text(self.f.py_func), _outside(self.f.py_func)
        self.names = {**outside.builtins, **outside.globals, **outside.nonlocals}
        named, rest = text.args.args, text.args.vararg
        if rest is not None:
            self.names[rest.arg], values = tuple(values[len(named) :]), values[: len(named)]
        for argument, value in zip(named, values, strict=True):
            self.assign(ast.Name(argument.arg), value)
        self.all(text.body)
        return self.result

    def all(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.visit(statement)

    def generic_visit(self, node: ast.AST) -> Any:
        raise TypeError(f"{self.f}: line {getattr(node, 'lineno', '?')}: {type(node).__name__} cannot be compiled")

    # Statements.

    def visit_Expr(self, s: ast.Expr) -> None:
        self.visit(s.value)

    def visit_Assign(self, s: ast.Assign) -> None:
        value = self.visit(s.value)
        for target in s.targets:
            self.assign(target, value)

    def visit_AugAssign(self, s: ast.AugAssign) -> None:
        self.assign(s.target, self.binary(s.op, self.visit(s.target), self.visit(s.value)))

    def visit_Return(self, s: ast.Return) -> None:
        assert s.value is not None
        self.result = self.visit(s.value)

    def visit_Continue(self, s: ast.Continue) -> None:
        self.b.branch(self.ends[-1][0])

    def visit_Break(self, s: ast.Break) -> None:
        self.b.branch(self.ends[-1][1])

    def visit_If(self, s: ast.If) -> None:
        test = self.truth(self.visit(s.test))
        if not isinstance(test, Number):
            return self.all(s.body if test else s.orelse)
        then, otherwise, after = (self.b.append_basic_block() for _ in range(3))
        self.b.cbranch(test.value, then, otherwise)
        for block, statements in ((then, s.body), (otherwise, s.orelse)):
            self.b.position_at_end(block)
            self.all(statements)
            if not self.b.block.is_terminated:
                self.b.branch(after)
        self.b.position_at_end(after)

    def visit_For(self, s: ast.For) -> None:
        """for ... in range(...), upwards."""
        assert isinstance(s.iter, ast.Call)
        ends = [self.visit(a) for a in s.iter.args]
        start, stop, step = (0, *ends, 1) if len(ends) == 1 else (*ends, 1)[:3]

        def body(i: Number) -> None:
            self.assign(s.target, i)
            self.all(s.body)

        self.loop(start, stop, step, body)

    def loop(self, start: Any, stop: Any, step: Any, body: Callable[[Number], None]) -> None:
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

    def assign(self, target: Any, value: Any) -> None:
        if isinstance(target, ast.Tuple):
            for part, v in zip(target.elts, value, strict=True):
                self.assign(part, v)
        elif isinstance(target, ast.Subscript):
            self.fill(self.element(target), value)
        elif isinstance(value, (Number, int, float, np.generic)):
            variable = self.names.get(target.id)
            if not isinstance(variable, Variable):
                dtype = common(value)
                with self.b.goto_entry_block():
                    variable = Variable(self.b.alloca(held(dtype)), dtype)
                self.names[target.id] = variable
            self.b.store(self.cast(value, variable.dtype).value, variable.place)
        else:
            self.names[target.id] = value

    def fill(self, block: Block, value: Any) -> None:
        """Puts a number, or the numbers of an array, in their places."""

        def put(i: Any) -> None:
            number = self.read(value, i) if isinstance(value, Block) else value
            self.b.store(self.stored(number, block.dtype), self.b.gep(block.data, [i.value]))

        if block.shape:
            self.loop(0, self.size(block), 1, put)
        else:
            put(self.constant(0, INTEGER))

    def read(self, block: Block, place: Number) -> Number:
        number = self.b.load(self.b.gep(block.data, [place.value]))
        return Number(self.b.trunc(number, held(BOOL)) if block.dtype == BOOL else number, block.dtype)

    def size(self, block: Block) -> Any:
        return reduce(lambda a, b: self.binary(ast.Mult(), a, b), block.shape, 1)

    # Expressions.

    def visit_Constant(self, e: ast.Constant) -> Any:
        return e.value

    def visit_Name(self, e: ast.Name) -> Any:
        value = self.names[e.id]
        return Number(self.b.load(value.place), value.dtype) if isinstance(value, Variable) else value

    def visit_Tuple(self, e: ast.Tuple) -> Any:
        return tuple(self.visit(part) for part in e.elts)

    def visit_Slice(self, e: ast.Slice) -> Any:
        return slice(*(None if part is None else self.visit(part) for part in (e.lower, e.upper, e.step)))

    def visit_Attribute(self, e: ast.Attribute) -> Any:
        value = self.visit(e.value)
        if isinstance(value, Block) and e.attr == "size":
            return self.size(value)
        return getattr(value, e.attr)

    def visit_Subscript(self, e: ast.Subscript) -> Any:
        value = self.visit(e.value)
        if not isinstance(value, Block):
            return value[self.visit(e.slice)]
        part = self.element(e)
        return part if part.shape else self.read(part, self.constant(0, INTEGER))

    def element(self, e: ast.Subscript) -> Block:
        """What lies at one or several leading indices, of which the last may be a slice."""
        block, index = self.visit(e.value), self.visit(e.slice)
        index = index if type(index) is tuple else (index,)
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

    def visit_BinOp(self, e: ast.BinOp) -> Any:
        return self.binary(e.op, self.visit(e.left), self.visit(e.right))

    def visit_UnaryOp(self, e: ast.UnaryOp) -> Any:
        value = self.visit(e.operand)
        if not isinstance(value, Number):
            return STATIC[type(e.op)](value)
        if isinstance(e.op, ast.Not):
            return Number(self.b.not_(self.truth(value).value), BOOL)
        return Number(self.b.fneg(value.value) if value.dtype.kind == "f" else self.b.neg(value.value), value.dtype)

    def visit_BoolOp(self, e: ast.BoolOp) -> Any:
        op = ast.BitAnd() if isinstance(e.op, ast.And) else ast.BitOr()
        return reduce(lambda a, b: self.binary(op, a, b), (self.truth(self.visit(value)) for value in e.values))

    def visit_Compare(self, e: ast.Compare) -> Any:
        values = [self.visit(part) for part in (e.left, *e.comparators)]
        found = [self.compare(op, a, b) for op, a, b in zip(e.ops, values, values[1:])]
        return reduce(lambda a, b: self.binary(ast.BitAnd(), a, b), found)

    def visit_IfExp(self, e: ast.IfExp) -> Any:
        test = self.truth(self.visit(e.test))
        if not isinstance(test, Number):
            return self.visit(e.body if test else e.orelse)
        return self.select(test, self.visit(e.body), self.visit(e.orelse))

    def visit_Call(self, e: ast.Call) -> Any:
        values: list[Any] = []
        for a in e.args:
            values += self.visit(a.value) if isinstance(a, ast.Starred) else [self.visit(a)]
        if isinstance(e.func, ast.Attribute) and e.func.attr in _METHODS:
            return _METHODS[e.func.attr](self, self.visit(e.func.value), *values)
        f = self.visit(e.func)
        if hasattr(f, "targetoptions"):  # numba's
            f = Loop(f.py_func, f.targetoptions.get("fastmath") or ())
        if isinstance(f, Loop):
            if _returns(f.py_func):
                return self.inline(f, values)
            return _call(self.module, self.b, f, [v if isinstance(v, Block) else self.cast(v, common(v)) for v in values])
        if f in _FUNCTIONS:
            return _FUNCTIONS[f](self, *values)
        if isinstance(f, type) and issubclass(f, np.generic):
            return self.cast(values[0], np.dtype(f))
        if isinstance(f, FunctionType):
            return self.inline(Loop(f, self.fast), values)
        raise TypeError(f"{self.f}: line {e.lineno}: {f} cannot be compiled")

    def inline(self, f: Loop, values: Sequence[Any]) -> Any:
        return _Writer(self.module, self.b, f).run(values)

    def empty(self, size: Any, dtype: Any = float) -> Block:
        """np.empty in front of all loops; it lasts until the function ends. It is on the stack if its size is known beforehand."""
        assert not self.ends
        dtype, shape = np.dtype(dtype), (self.cast(size, INTEGER),)
        if not isinstance(size, Number):
            with self.b.goto_entry_block():
                data = self.b.alloca(stored(dtype), shape[0].value)
            data.align = memory.ALIGN
            return Block(data, dtype, shape)
        pointer = ir.IntType(8).as_pointer()
        allocate = self.outside(_ALLOCATE, pointer, llvm.INT)
        allocate.return_value.add_attribute("noalias")
        self.allocated.append(self.b.call(allocate, [self.b.mul(shape[0].value, llvm.integer(dtype.itemsize))]))
        return Block(self.b.bitcast(self.allocated[-1], stored(dtype).as_pointer()), dtype, shape)

    def free(self) -> None:
        for pointer in self.allocated:
            self.b.call(self.outside(_FREE, ir.VoidType(), pointer.type), [pointer])

    def outside(self, name: str, result: Any, argument: Any) -> Any:
        """A function of Python's own."""
        return self.module.globals.get(name) or ir.Function(self.module, ir.FunctionType(result, [argument]), name)


def numbers(a: Any, first: int, count: int) -> tuple[Any, ...]:
    """So many numbers of an array, each by itself."""
    return tuple(a[first : first + count])


def numbers_at(i: int, operands: Sequence[Any]) -> tuple[Any, ...]:
    """The numbers of arrays at i, and numbers as they are."""
    return tuple(a[i] if isinstance(a, np.ndarray) else a for a in operands)


def _numbers(w: _Writer, a: Block, first: int, count: int) -> tuple[Number, ...]:
    return tuple(Number(w.b.load(w.b.gep(a.data, [llvm.integer(first + i)])), a.dtype) for i in range(count))


def _numbers_at(w: _Writer, i: Number, operands: Sequence[Number | Block]) -> tuple[Number, ...]:
    return tuple(w.read(a, i) if isinstance(a, Block) else a for a in operands)


def _len(w: _Writer, a: Any) -> Any:
    return a.shape[0] if isinstance(a, Block) else len(a)


def _view(w: _Writer, a: Number, dtype: Any) -> Number:
    dtype = np.dtype(dtype)
    return Number(w.b.bitcast(a.value, held(dtype)), dtype)


def _reshape(w: _Writer, a: Block, *shape: Any) -> Block:
    return Block(a.data, a.dtype, tuple(w.cast(n, INTEGER) for n in shape))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **FUNCTIONS, len: _len, np.empty: _Writer.empty, numbers: _numbers, numbers_at: _numbers_at,
}  # fmt: skip
_METHODS: dict[str, Callable[..., Any]] = {"view": _view, "reshape": _reshape}


def _named(f: Any) -> str:
    return f"{f.__module__}.{f.__qualname__}"


@cache
def _text(f: Callable[..., Any]) -> ast.FunctionDef:
    found = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


_outside = cache(inspect.getclosurevars)


@cache
def _returns(f: Callable[..., Any]) -> bool:
    return any(isinstance(node, ast.Return) for node in ast.walk(_text(f)))
