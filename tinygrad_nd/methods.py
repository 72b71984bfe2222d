"""What a Tensor can do beyond being one: operators, methods and NumPy's protocols, as explicit tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import sweep
from .node import recording
from .ops import activation, attention, conv, create, elementwise, index, layers, linalg, loss, norm, pool, reduce, shape
from .tensor import Tensor, astensor

T: Any = Tensor


def _reflected(op: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    return lambda self, other: op(other, self)


def _bitwise(ufunc: np.ufunc) -> Callable[..., Tensor]:
    """On booleans and integers, which carry no gradient."""
    return lambda *operands: astensor(ufunc(*(astensor(t).data for t in operands)))


# Operators.

for name, op in {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "pow": elementwise.power,
    "mod": elementwise.remainder,
    "floordiv": elementwise.floor_divide,
    "matmul": linalg.matmul,
}.items():
    setattr(T, f"__{name}__", op)
    setattr(T, f"__r{name}__", _reflected(op))
T.__neg__ = elementwise.negative
T.__pos__ = elementwise.positive
T.__abs__ = elementwise.absolute
T.__eq__ = lambda self, other: NotImplemented if other is None else elementwise.equal(self, other)
T.__ne__ = lambda self, other: NotImplemented if other is None else elementwise.not_equal(self, other)
T.__lt__ = elementwise.less
T.__le__ = elementwise.less_equal
T.__gt__ = elementwise.greater
T.__ge__ = elementwise.greater_equal
for name, bitwise in {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}.items():
    setattr(T, f"__{name}__", _bitwise(bitwise))
    setattr(T, f"__r{name}__", _reflected(_bitwise(bitwise)))
T.__invert__ = _bitwise(np.invert)
T.__getitem__ = index.getitem
T.__iter__ = lambda self: (self[i] for i in range(len(self)))

# Values that change their handle: this tensor gets the new value, any other handle keeps the old one.


def _in_place(op: Callable[..., Tensor], symbol: str) -> Callable[[Tensor, Any], Tensor]:
    def update(self: Tensor, other: Any) -> Tensor:
        _rebind(self, op(self, other), f"x {symbol}= y")
        return self

    return update


def _setitem(self: Tensor, place: Any, value: Any) -> None:
    _rebind(self, index.setitem(self, place, value), "x[index] = value")


def _rebind(self: Tensor, new: Tensor, what: str) -> None:
    leaf = self.is_leaf and self.requires_grad
    if leaf and recording.get():
        raise RuntimeError(
            f"{what}: this tensor is a leaf that requires grad, and a new value would cut it from its gradient; "
            "update it under nd.no_grad(), or compute a new tensor (x.at[index].set(v))"
        )
    if new.shape != self.shape:
        raise ValueError(f"{what}: the result has shape {new.shape}, which does not fit into x {self.shape}")
    if new.dtype != self.dtype:
        if not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{what}: the result has dtype {new.dtype}, which does not fit into x of dtype {self.dtype}")
        new = new.astype(self.dtype)
    self._data = new._data
    if not leaf:
        self._node = new._node


for name, op, symbol in (
    ("add", elementwise.add, "+"),
    ("sub", elementwise.subtract, "-"),
    ("mul", elementwise.multiply, "*"),
    ("truediv", elementwise.divide, "/"),
    ("pow", elementwise.power, "**"),
    ("matmul", linalg.matmul, "@"),
):
    setattr(T, f"__i{name}__", _in_place(op, symbol))
T.__setitem__ = _setitem
T.at = property(index.At, doc="Functional updates: x.at[index].set(v), .add, .mul, .min, .max.")

# Methods.


def _sizes(args: tuple[Any, ...]) -> Any:
    """Sizes or axes given one by one, or as one sequence."""
    return args[0] if len(args) == 1 else args


def _reshape(self: Tensor, *shape_: Any) -> Tensor:
    """x in another shape of the same size, given as one sequence or one by one; one entry may be -1."""
    return shape.reshape(self, _sizes(shape_))


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """x with its axes permuted, given as one sequence or one by one; reversed without any."""
    return shape.transpose(self, _sizes(axes) if axes else None)


T.T = property(shape.transpose, doc="All axes reversed.")
T.mT = property(shape.matrix_transpose, doc="The last two axes swapped.")
T.real = property(elementwise.real)
T.imag = property(elementwise.imag)
T.backward = sweep.backward
T.reshape = _reshape
T.transpose = _transpose
T.flatten = shape.ravel
T.ravel = shape.ravel
T.squeeze = shape.squeeze
T.swapaxes = shape.swapaxes
T.astype = elementwise.astype
T.clip = elementwise.clip
T.conj = T.conjugate = elementwise.conj
T.copy = elementwise.alias
T.dot = linalg.dot
T.take = index.take
for method in ("sum", "mean", "var", "std", "prod", "max", "min", "argmax", "argmin", "all", "any"):
    setattr(T, method, getattr(reduce, method))

# NumPy's protocols: np.f(tensor) is the operation of the same name.

UFUNCS: dict[np.ufunc, Callable[..., Tensor]] = {
    u: getattr(elementwise, u.__name__)
    for u in vars(np).values()
    if isinstance(u, np.ufunc) and u is not np.matmul and hasattr(elementwise, u.__name__)
} | {np.matmul: linalg.matmul, np.conjugate: elementwise.conj}
UFUNCS |= {u: _bitwise(u) for u in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert)}

MODULES = (activation, attention, conv, create, elementwise, index, layers, linalg, loss, norm, pool, reduce, shape)  # of public functions
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(np, name): getattr(module, name) for module in MODULES for name in module.__all__ if hasattr(np, name)
} | {
    np.amax: reduce.max,
    np.amin: reduce.min,
    np.permute_dims: shape.transpose,
    np.concat: shape.concatenate,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
}

_REDUCERS = {np.add: reduce.sum, np.multiply: reduce.prod, np.maximum: reduce.max, np.minimum: reduce.min}


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if kwargs.pop("out", None) is not None:
        raise TypeError(
            f"np.{ufunc.__name__}: cannot write a tensor into an array (out=, or `array += tensor`), its gradient would be lost; "
            "assign the result to a name"
        )
    if method == "reduce" and ufunc in _REDUCERS and set(kwargs) <= {"axis", "keepdims"}:
        return _REDUCERS[ufunc](*inputs, **{"axis": 0, **kwargs})
    if method != "__call__" or ufunc not in UFUNCS:
        raise _unsupported(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))
    if kwargs:
        raise TypeError(f"np.{ufunc.__name__}: {', '.join(kwargs)}= is not supported on tensors; use astype or where")
    return UFUNCS[ufunc](*inputs)


def _array_function(self: Tensor, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func not in FUNCTIONS:
        raise _unsupported(f"{func.__module__.replace('numpy', 'np')}.{func.__name__}")
    return FUNCTIONS[func](*args, **kwargs)


def _unsupported(name: str) -> TypeError:
    return TypeError(
        f"{name} is not an operation on tensors: it would leave the graph. Compute on plain arrays with {name}(x.data), "
        "use another operation, or declare one with @nd.primitive"
    )


T.__array_ufunc__ = _array_ufunc
T.__array_function__ = _array_function
