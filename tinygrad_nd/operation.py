"""What an operation does to tensors: it runs its kernel on their arrays and records a node where a gradient may be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import asarray, ndarray, number

from .arguments import no_numbers
from .kernels.memory import freeze
from .kernels.words import cut, shown
from .node import Node, new_node, recording, watched, watching
from .tensor import Tensor
from .values import immutable, native, numeric

if TYPE_CHECKING:
    from .tape import Op

_MISSING = object()
_NONE: dict[str, Any] = {}  # the keywords of a node without any
_REFUSALS = (ValueError, TypeError, OverflowError, ZeroDivisionError)  # what a kernel raises for arguments that mean nothing
_NUMBERS = frozenset({int, float, complex, bool})  # operands that a kernel takes as they are


def operation(op: Op) -> Callable[..., Tensor]:
    """The operation as a function of tensors, arrays and numbers."""
    pair = len(op.args) == 2 and not op.keywords and all(kind in ("input", "out") for kind, _, _ in op.slots)
    f: Any = wraps(op.kernel)(_pair(op) if pair else _call(op))
    f.op = op
    return f  # type: ignore[no-any-return]


def _call(op: Op) -> Callable[..., Tensor]:
    kernel, name, arity, defaults, result = op.kernel, op.name, len(op.args), op.defaults, _result(op)
    plain = _NUMBERS | {type(None)} if None in op.optional.values() else _NUMBERS  # such as a convolution's bias

    def call(*args: Any, **params: Any) -> Tensor:
        if len(args) != arity and not op.variadic:
            args, params = _bind(op, args, params)
        if defaults:
            params = {**defaults, **params}
        arrays: list[Any] = []
        nodes: list[Any] = []
        for a in args:
            if isinstance(a, Tensor):
                arrays.append(a._data)
                nodes.append(a._node)
                continue
            ready = type(a) in plain or type(a) is ndarray and a.dtype.isnative and a.dtype.kind in "biufc"
            arrays.append(a if ready else _as_operand(a, name))
            nodes.append(None)
        try:
            out = kernel(*arrays, **params)
        except _REFUSALS as error:
            raise _named(error, name, arrays) from error
        return result(out, arrays, nodes, params)

    return call


def _result(op: Op) -> Callable[..., Tensor]:
    """What makes a Tensor of what the kernel returned, with a node if any operand is tracked."""
    slots, barred, differentiable, record, new = op.slots, op.barred, any(op.rules), recording.get, object.__new__

    def result(out: Any, arrays: Sequence[Any], nodes: Sequence[Any], params: dict[str, Any]) -> Tensor:
        if type(out) is not ndarray:
            out = asarray(out) if isinstance(out, number) else _as_result(op, out)
        else:
            for a in arrays:
                if a is out:  # freezing an operand would freeze the caller's array
                    out = out.view()
        if out.base is None:
            out.setflags(False)
        else:
            freeze(out)
        t: Tensor = new(Tensor)
        t._data = out
        t._node = None
        mask, bit = 0, 1  # which arguments are tracked: bit i of mask for argument i
        for node in nodes:
            if type(node) is Node:
                mask |= bit
            bit += bit
        if mask and differentiable and record() and out.dtype.kind in "fc":
            if mask & barred:
                _refuse(op, mask)
            saved: list[Any] = []
            for kind, i, readers in slots:
                if not mask & readers:
                    saved.append(None)
                elif kind == "input":
                    saved.append(immutable(arrays[i]))
                elif kind == "out":
                    saved.append(immutable(out))
                elif kind == "shape":
                    saved.append(np.shape(arrays[i]))
                else:
                    saved.append([immutable(a) if kind == "inputs" else np.shape(a) for a in arrays])
            t._node = new_node(op, tuple(nodes), tuple(saved), params, out)
        if watched and (watch := watching.get()):
            watch.made(t, op, arrays, nodes, params)
        return t

    return result


def _pair(op: Op) -> Callable[..., Tensor]:
    """`_call` and `_result` written out for two operands, which arithmetic has: where tensors are small, the way to the kernel is what
    takes the time. Whatever is out of the ordinary goes the long way."""
    call, result, kernel, name, record, new = _call(op), _result(op), op.kernel, op.name, recording.get, object.__new__
    barred, differentiable = op.barred, any(op.rules)
    setflags: Any = ndarray.setflags
    keep = [_keeping([(i if kind == "input" else 2) if mask & readers else 3 for kind, i, readers in op.slots]) for mask in range(4)]

    def long(*args: Any, **params: Any) -> Tensor:
        return call(*[a for a in args if a is not _MISSING], **params)

    def of_two(x: Any = _MISSING, y: Any = _MISSING, /, *rest: Any, **params: Any) -> Tensor:
        m: Any = None
        n: Any = None
        if isinstance(x, Tensor):
            a, m = x._data, x._node
        elif type(a := x) not in _NUMBERS:
            return long(x, y, *rest, **params)
        if isinstance(y, Tensor):
            b, n = y._data, y._node
        elif type(b := y) not in _NUMBERS:
            return long(x, y, *rest, **params)
        if rest or params:
            return long(x, y, *rest, **params)
        mask = 1 if type(m) is Node else 0
        if type(n) is Node:
            mask += 2
        # Who needs a gradient is no integer, and so neither is the result.
        scalar = op.scalar if mask and not watched and not (type(a) is ndarray and a.ndim) and not (type(b) is ndarray and b.ndim) else None
        try:
            if scalar is None:
                out: Any = kernel(a, b)
            else:
                a = a[()] if type(a) is ndarray else a
                b = b[()] if type(b) is ndarray else b
                out = scalar(a, b)
        except _REFUSALS as error:
            raise _named(error, name, (a, b)) from error
        data = asarray(out) if isinstance(out, number) else out
        if watched or mask & barred or type(data) is not ndarray or data.base is not None or data is a or data is b:
            return result(data, (a, b), (m, n), params)
        setflags(data, False)
        t: Tensor = new(Tensor)
        t._data = data
        t._node = None
        if mask and differentiable and record() and data.dtype.kind in "fc":
            saved = keep[mask]((a, b, out, None))
            if scalar is None:
                for v in saved:
                    if type(v) is ndarray and v.base is not None:  # a tensor's array that is no view is read-only
                        saved = tuple([immutable(v) for v in saved])
            t._node = new_node(op, (m, n), saved, _NONE, data)
        return t

    return of_two


def _keeping(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """What makes a tuple of the values at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda values: (values[places[0]],)) if places else lambda values: ()


def _bind(op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional arguments given by keyword, put in their places."""
    given = {**op.optional, **params}
    missing = [a for a in op.args[len(args) :] if a not in given]
    if missing or len(args) > len(op.args):
        raise TypeError(f"{op.name}: takes {', '.join(op.args)}, but got {len(args)} positional argument{'s' * (len(args) != 1)}")
    rest = {k: v for k, v in params.items() if k not in op.args}
    return (*args, *(given[a] for a in op.args[len(args) :])), rest


def _as_operand(a: Any, where: str) -> Any:
    """A scalar of NumPy's, anything else as a plain array; of numbers, in the machine's byte order."""
    return native(a) if (type(a) is ndarray or isinstance(a, np.generic)) and a.dtype.kind in "biufc" else numeric(a, None, where)


def _as_result(op: Op, out: Any) -> ndarray:
    array = asarray(out)
    if array.dtype.kind not in "biufc" or isinstance(out, (Tensor, tuple, list)):
        if isinstance(out, int):
            raise no_numbers(op.name, out)
        hint = "; its body sees arrays: use NumPy's functions there" if isinstance(out, Tensor) else ""
        raise TypeError(f"{op.name}: computes on arrays and must return one, but returned {type(out).__name__}{hint}")
    return array


def _refuse(op: Op, mask: int) -> None:
    arg = next(a for i, a in enumerate(op.args) if mask & op.barred & 1 << i)
    raise TypeError(f"{op.name}: not differentiable in {arg!r}; pass x.detach() if no gradient is meant")


def _named(error: Exception, name: str, operands: Sequence[Any]) -> Exception:
    """The same error, saying which operation raised it."""
    if str(error).startswith(name) or isinstance(error, np.linalg.LinAlgError):
        return error
    if isinstance(error, TypeError) and " ufunc" in f" {error}":  # NumPy has no loop for these
        kinds = [f"the int {shown(a)}" if type(a) is int else str(getattr(a, "dtype", type(a).__name__)) for a in operands]
        return TypeError(f"{name}: is not defined for {' and '.join(kinds)}")
    if "remapped" in str(error):
        return ValueError(f"{name}: shapes {' and '.join(str(np.shape(a)) for a in operands)} do not broadcast")
    return (TypeError if isinstance(error, TypeError) else ValueError)(f"{name}: {cut(str(error))}")
