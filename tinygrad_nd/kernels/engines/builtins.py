"""Compiled loops as functions of the interpreter, like those of its C modules. A call takes a tenth of a microsecond, so they are for small
arrays: `crew` takes several to begin. They keep the GIL."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial, reduce
from inspect import signature
from typing import Any

import numpy as np

from .. import parallel
from . import ir
from .arithmetic import INTEGER, Number, stored
from .arrays import SHARE, Block
from .llvm import BIT, INT, Kernel, function, integer
from .plain import Loop
from .statements import Writer, call

_HEAD = object.__basicsize__ // 8  # words of any object, of which the last is its type
TYPE, DATA, RANK, SHAPE, STRIDES, _BASE, DTYPE = range(_HEAD - 1, _HEAD + 6)  # words of an array
VALUE = _HEAD  # of a float
_FASTCALL = 0x80  # METH_FASTCALL: f(self, where the arguments are, how many)


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


_prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.POINTER(_Definition), ctypes.c_void_p, ctypes.c_void_p)
_new = _prototype(("PyCFunction_NewEx", ctypes.pythonapi))
_kept: list[_Definition] = []


@cache
def builtin(f: Loop, dtype: np.dtype[Any], arrays: int, numbers: int) -> Callable[..., Any]:
    """f(*arrays, *numbers): the first is an array of this dtype without gaps, taken as flat; then other arrays, then floats of Python.

    Returns the first. Where the others do not lie as it does, nothing is done, and the second is returned; so it is if f has one more
    argument, an array of one int32, and leaves there what is not 0.
    """
    name = f.py_func.__name__
    if f.then is not None:
        parallel.ahead(partial(builtin, f.then, dtype, arrays + 1, numbers))
    code = function(name, "rri>r", dtype, _enter, f, dtype, arrays, numbers)
    definition = _Definition(name.encode(), code.address, _FASTCALL, None)
    _kept.append(definition)
    return _new(ctypes.byref(definition), None, None)  # type: ignore[no-any-return]


def _enter(kernel: Kernel, _self: Any, arguments: Any, _count: Any, f: Loop, dtype: np.dtype[Any], arrays: int, numbers: int) -> Any:
    kernel.level, kernel.vectors = 2, f.vectors
    b = kernel.b
    things = [_pointer(kernel, arguments, i) for i in range(arrays + numbers)]
    out, *others = things[:arrays]
    result = b.alloca(out.type)
    b.store(others[0], result)
    with b.if_then(_equal(kernel, things[:arrays], TYPE)), b.if_then(_equal(kernel, things[:arrays], DTYPE)):
        ranks = [b.zext(b.load(b.bitcast(kernel.at(a, integer(RANK)), ir.IntType(32).as_pointer())), INT) for a in things[:arrays]]
        with b.if_then(_all(b, [b.icmp_signed("==", ranks[0], r) for r in ranks[1:]])):
            size, alike = _size(kernel, ranks[0], things[:arrays])
            with b.if_then(alike):
                values: list[Number | Block] = []
                for a in things[:arrays]:
                    data = b.inttoptr(_word(kernel, a, DATA), stored(dtype).as_pointer())
                    values.append(Block(data, dtype, (Number(size, INTEGER),)))
                for number in things[arrays:]:
                    value = b.load(b.bitcast(kernel.at(number, integer(VALUE)), ir.DoubleType().as_pointer()))
                    values.append(Writer(kernel.module, b, f).cast(Number(value, np.dtype(np.float64)), dtype))
                if verdict := len(signature(f.py_func).parameters) > len(values):
                    odd = b.alloca(ir.IntType(32))
                    values.append(Block(odd, np.dtype(np.int32), (Number(integer(1), INTEGER),)))
                call(kernel.module, b, f, values)
                with b.if_then(b.icmp_signed("==", b.load(odd), ir.Constant(odd.type.pointee, 0)) if verdict else ir.Constant(BIT, 1)):
                    b.store(out, result)
    returned = b.load(result)
    b.call(kernel.module.declared(SHARE, ir.FunctionType(ir.VoidType(), [out.type])), [returned])
    return returned


def _size(kernel: Kernel, rank: Any, arrays: Sequence[Any]) -> tuple[Any, Any]:
    """Of each of the arrays; and whether they have one shape and the same strides, but for axes of length one."""
    b = kernel.b
    (shape, *shapes), (strides, *others) = ([_pointer(kernel, a, place) for a in arrays] for place in (SHAPE, STRIDES))

    def axis(k: Any, size: Any, alike: Any) -> tuple[Any, Any]:
        n, stride = (b.load_atomic(kernel.at(p, k), "unordered", 8) for p in (shape, strides))  # of these, LLVM makes no vectors
        alike = _all(b, [alike, *[b.icmp_signed("==", n, b.load(kernel.at(p, k))) for p in shapes]])
        lie = _all(b, [b.icmp_signed("==", stride, b.load(kernel.at(p, k))) for p in others])
        return b.mul(size, n), b.and_(alike, b.or_(lie, b.icmp_signed("==", n, integer(1))))

    size, alike = kernel.loop(integer(0), rank, 1, axis, integer(1), ir.Constant(BIT, 1))
    return size, alike


def _equal(kernel: Kernel, things: Sequence[Any], place: int) -> Any:
    """Whether they have the same word there."""
    first, *rest = (_word(kernel, thing, place) for thing in things)
    return _all(kernel.b, [kernel.b.icmp_signed("==", first, word) for word in rest])


def _all(b: Any, bits: Sequence[Any]) -> Any:
    return reduce(b.and_, bits, ir.Constant(BIT, 1))


def _word(kernel: Kernel, thing: Any, place: int) -> Any:
    return kernel.b.load(kernel.at(thing, integer(place)))


def _pointer(kernel: Kernel, thing: Any, place: int) -> Any:
    return kernel.b.inttoptr(_word(kernel, thing, place), INT.as_pointer())
