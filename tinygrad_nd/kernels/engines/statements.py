"""Statements and expressions of Python as LLVM IR, from the syntax tree of a function. What they may be is told in `plain`."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Sequence
from functools import cache, reduce
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import ir
from .arithmetic import BOOL, FUNCTIONS, INTEGER, STATIC, Number, common, held
from .arrays import FUNCTIONS_OF_ARRAYS, METHODS, Arrays, Block


class Source:
    """A function to be compiled. fast: LLVM's fast-math flags, which its operations on real numbers get."""

    def __init__(self, f: Callable[..., Any], fast: Sequence[str] = ()) -> None:
        self.py_func, self.fast = f, tuple(fast)

    def __repr__(self) -> str:
        """By what compiled objects are told apart."""
        given = _outside(self.py_func).nonlocals.items()
        named = {name: _named(value) if callable(value) and not isinstance(value, Source) else value for name, value in given}
        return f"{_named(self.py_func)} {named}"


def call(module: Any, b: Any, f: Source, values: Sequence[Any]) -> None:
    """Calls f, which becomes a function of the module if it is not one yet."""
    flat = [part for v in values for part in ((v.data, *(n.value for n in v.shape)) if isinstance(v, Block) else (v.value,))]
    name = f"{f!r} {[(v.dtype.char, len(v.shape)) if isinstance(v, Block) else v.dtype.char for v in values]}"
    function = module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(ir.VoidType(), [part.type for part in flat])
        # noinline: once it is known by itself, the loops around it are not looked through for its own
        function = ir.Function(module, kind, name, "internal", ("", "noinline"))
        rest = iter(function.args)
        own: list[Any] = []
        for v in values:
            argument = next(rest)
            if isinstance(v, Block):
                function.noalias.add(argument)
                own.append(Block(argument, v.dtype, tuple(Number(next(rest), INTEGER) for _ in v.shape)))
            else:
                own.append(Number(argument, v.dtype))
        inside = ir.IRBuilder(function)
        writer = Writer(module, inside, f)
        writer.run(own)
        writer.free()
        inside.ret_void()
    b.call(function, flat)


class Variable(NamedTuple):
    place: Any
    dtype: np.dtype[Any]


class Writer(Arrays, ast.NodeVisitor):
    """Writes statements where the builder stands; expressions become values."""

    def __init__(self, module: Any, b: Any, f: Source) -> None:
        super().__init__(module, b, f.fast)
        self.f = f
        self.names: dict[str, Any] = {}
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

    # Expressions.

    def visit_Constant(self, e: ast.Constant) -> Any:
        return e.value

    def visit_Name(self, e: ast.Name) -> Any:
        value = self.names[e.id]
        return Number(self.b.load(value.place), value.dtype) if isinstance(value, Variable) else value

    def visit_Tuple(self, e: ast.Tuple) -> Any:
        return tuple(self.several(e.elts))

    def several(self, parts: Sequence[ast.expr]) -> list[Any]:
        values: list[Any] = []
        for part in parts:
            values += self.visit(part.value) if isinstance(part, ast.Starred) else [self.visit(part)]
        return values

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
        block, index = self.visit(e.value), self.visit(e.slice)
        return self.part(block, index if type(index) is tuple else (index,))

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
        values = self.several(e.args)
        if isinstance(e.func, ast.Attribute) and e.func.attr in METHODS:
            return METHODS[e.func.attr](self, self.visit(e.func.value), *values)
        f = self.visit(e.func)
        if isinstance(f, Source):
            if _returns(f.py_func):
                return self.inline(f, values)
            return call(self.module, self.b, f, [v if isinstance(v, Block) else self.cast(v, common(v)) for v in values])
        if f in _FUNCTIONS:
            return _FUNCTIONS[f](self, *values)
        if isinstance(f, type) and issubclass(f, np.generic):
            return self.cast(values[0], np.dtype(f))
        if isinstance(f, FunctionType):
            return self.inline(Source(f, self.fast), values)
        raise TypeError(f"{self.f}: line {e.lineno}: {f} cannot be compiled")

    def inline(self, f: Source, values: Sequence[Any]) -> Any:
        return Writer(self.module, self.b, f).run(values)


_FUNCTIONS = {**FUNCTIONS, **FUNCTIONS_OF_ARRAYS}


def _named(f: Any) -> str:
    return f"{f.__module__}.{f.__qualname__}"


def _text(f: Callable[..., Any]) -> ast.FunctionDef:
    linecache.lazycache(f.__code__.co_filename, f.__globals__)  # as a file inside an archive must be
    return _functions(f.__code__.co_filename)[f.__code__.co_firstlineno]


@cache
def _functions(file: str) -> dict[int, ast.FunctionDef]:
    """All functions of a file by their first line, that of a decorator if they have one."""
    found = (node for node in ast.walk(ast.parse("".join(linecache.getlines(file)))) if isinstance(node, ast.FunctionDef))
    return {node.decorator_list[0].lineno if node.decorator_list else node.lineno: node for node in found}


_outside = cache(inspect.getclosurevars)


@cache
def _returns(f: Callable[..., Any]) -> bool:
    return any(isinstance(node, ast.Return) for node in ast.walk(_text(f)))
