"""Numbers of NumPy's types as values in LLVM IR, and what `plain` computes with them.

A number of Python takes the type of what it meets; of two integers of one size the unsigned type wins. What Python knows already while a
function is compiled, Python computes.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from . import ir

INTEGER, BOOL = np.dtype(np.int64), np.dtype(np.bool_)


class Number(NamedTuple):
    value: Any
    dtype: np.dtype[Any]


class Arithmetic:
    """Writes where the builder b stands. fast: LLVM's fast-math flags."""

    def __init__(self, module: Any, b: Any, fast: Sequence[str]) -> None:
        self.module, self.b, self.fast = module, b, fast

    def constant(self, value: Any, dtype: np.dtype[Any]) -> Number:
        return Number(ir.Constant(held(dtype), dtype.type(value).item()), dtype)

    def cast(self, value: Any, dtype: np.dtype[Any]) -> Number:
        if not isinstance(value, Number):
            return self.constant(value, dtype)
        a, b, kind = value.dtype, self.b, held(dtype)
        if a == dtype:
            return value
        if dtype == BOOL:
            return Number(self.truth(value).value, BOOL)
        if a.kind == dtype.kind == "f":
            change = b.fpext if a.itemsize < dtype.itemsize else b.fptrunc
        elif a.kind == "f":
            change = b.fptoui if dtype.kind == "u" else b.fptosi
        elif dtype.kind == "f":
            change = b.sitofp if a.kind == "i" else b.uitofp
        else:
            width = held(a).width
            change = b.bitcast if width == kind.width else b.trunc if width > kind.width else b.sext if a.kind == "i" else b.zext
        return Number(change(value.value, kind), dtype)

    def stored(self, value: Any, dtype: np.dtype[Any]) -> Any:
        number = self.cast(value, dtype).value
        return self.b.zext(number, stored(BOOL)) if dtype == BOOL else number

    def alike(self, *values: Any) -> tuple[list[Any], np.dtype[Any]]:
        dtype = common(*values)
        return [self.cast(v, dtype).value for v in values], dtype

    def truth(self, value: Any) -> Any:
        return (value if value.dtype == BOOL else self.compare(ast.NotEq(), value, 0)) if isinstance(value, Number) else bool(value)

    def binary(self, op: ast.operator, a: Any, b: Any) -> Any:
        if not isinstance(a, Number) and not isinstance(b, Number):
            return STATIC[type(op)](a, b)
        (x, y, *_), dtype = self.alike(a, b, *((1.0,) if isinstance(op, ast.Div) else ()))  # whole numbers give a real one
        if dtype.kind == "f":
            return Number(getattr(self.b, _REAL[type(op)])(x, y, flags=self.fast), dtype)
        return Number(getattr(self.b, _WHOLE[type(op)])(x, y), dtype)

    def compare(self, op: ast.cmpop, a: Any, b: Any) -> Any:
        sign = _SIGNS[type(op)]
        if not isinstance(a, Number) and not isinstance(b, Number):
            return STATIC[type(op)](a, b)
        (x, y), dtype = self.alike(a, b)
        if dtype.kind == "f":
            found = (self.b.fcmp_unordered if sign == "!=" else self.b.fcmp_ordered)(sign, x, y)
        else:
            found = (self.b.icmp_signed if dtype.kind == "i" else self.b.icmp_unsigned)(sign, x, y)
        return Number(found, BOOL)

    def select(self, test: Any, a: Any, b: Any) -> Number:
        (x, y), dtype = self.alike(a, b)
        return Number(self.b.select(test.value, x, y), dtype)

    def intrinsic(self, name: str, *values: Any) -> Number:
        given, dtype = self.alike(*values)
        f = self.module.declared(f"{name}.f{8 * dtype.itemsize}", ir.FunctionType(held(dtype), [held(dtype)] * len(given)))
        return Number(self.b.call(f, given), dtype)


def _maximum(w: Arithmetic, a: Any, b: Any) -> Number:
    """NaN wins."""
    return w.select(w.binary(ast.BitOr(), w.compare(ast.GtE(), a, b), w.compare(ast.NotEq(), a, a)), a, b)


def _sign(w: Arithmetic, a: Number) -> Number:
    """NaN stays."""
    of = w.select(w.compare(ast.Gt(), a, 0), 1, w.select(w.compare(ast.Lt(), a, 0), -1, a))
    return w.select(w.compare(ast.Eq(), a, 0), 0, of)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    min: lambda w, a, b: w.select(w.compare(ast.Lt(), b, a), b, a),
    max: lambda w, a, b: w.select(w.compare(ast.Gt(), b, a), b, a),
    np.maximum: _maximum,
    np.sign: _sign,
    np.sqrt: lambda w, a: w.intrinsic("llvm.sqrt", a),
    np.log: lambda w, a: w.intrinsic("llvm.log", a),
    np.abs: lambda w, a: w.intrinsic("llvm.fabs", a),
    np.copysign: lambda w, a, b: w.intrinsic("llvm.copysign", a, b),
    np.isfinite: lambda w, a: w.compare(ast.Lt(), w.intrinsic("llvm.fabs", a), np.inf),
}
_REAL = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_WHOLE = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "udiv", ast.Mod: "urem", ast.BitAnd: "and_", ast.BitOr: "or_",
    ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
_SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
STATIC: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.USub: operator.neg, ast.Not: operator.not_, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def common(*values: Any) -> np.dtype[Any]:
    """The type in which values meet."""
    typed = [v.dtype for v in values if isinstance(v, (Number, np.generic))]
    weak = [np.dtype(type(v)) for v in values if not isinstance(v, (Number, np.generic))]
    found = reduce(_wider, typed or weak)
    return reduce(_wider, (w for w in weak if "biuf".index(w.kind) > "biuf".index(found.kind)), found)


def _wider(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if a.kind in "iu" and b.kind in "iu":
        return max(a, b, key=lambda t: (t.itemsize, t.kind == "u"))
    return np.result_type(a, b)


def held(dtype: np.dtype[Any]) -> Any:
    """In a register."""
    if dtype.kind == "f":
        return {4: ir.FloatType(), 8: ir.DoubleType()}[dtype.itemsize]
    return ir.IntType(1 if dtype == BOOL else 8 * dtype.itemsize)


def stored(dtype: np.dtype[Any]) -> Any:
    return ir.IntType(8) if dtype == BOOL else held(dtype)
