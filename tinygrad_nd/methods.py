"""What a Tensor can do beyond being one: operators and the methods of ndarray, as explicit tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import interchange, sweep
from .node import recording
from .ops import (
    activation,
    aliases,
    attention,
    bits,
    choice,
    conv,
    create,
    einsum,
    elementwise,
    index,
    layers,
    linalg,
    loss,
    matrix,
    matrix_norm,
    moments,
    norm,
    parts,
    pool,
    reduce,
    scan,
    shape,
    steps,
)
from .tensor import Tensor, astensor

MODULES = (  # of public functions
    activation,
    aliases,
    attention,
    bits,
    choice,
    conv,
    create,
    einsum,
    elementwise,
    index,
    layers,
    linalg,
    loss,
    matrix,
    matrix_norm,
    moments,
    norm,
    parts,
    pool,
    reduce,
    scan,
    shape,
    steps,
)
PUBLIC: dict[str, Any] = {name: getattr(module, name) for module in MODULES for name in module.__all__}

T: Any = Tensor


def _reflected(op: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    return lambda self, other: op(other, self)


for name, protocol in interchange.PROTOCOLS.items():
    setattr(T, name, protocol)

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
BITS = {
    "and": (bits.bitwise_and, "&"),
    "or": (bits.bitwise_or, "|"),
    "xor": (bits.bitwise_xor, "^"),
    "lshift": (bits.left_shift, "<<"),
    "rshift": (bits.right_shift, ">>"),
}
for name, (op, _) in BITS.items():
    setattr(T, f"__{name}__", op)
    setattr(T, f"__r{name}__", _reflected(op))
T.__divmod__ = lambda self, other: (elementwise.floor_divide(self, other), elementwise.remainder(self, other))
T.__rdivmod__ = lambda self, other: (elementwise.floor_divide(other, self), elementwise.remainder(other, self))
T.__round__ = lambda self, decimals=0: PUBLIC["round"](self, decimals)
T.__invert__ = bits.invert
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
    ("mod", elementwise.remainder, "%"),
    ("floordiv", elementwise.floor_divide, "//"),
    ("matmul", linalg.matmul, "@"),
    *((name, op, symbol) for name, (op, symbol) in BITS.items()),
):
    setattr(T, f"__i{name}__", _in_place(op, symbol))
T.__setitem__ = _setitem
T.at = property(index.At, doc="Functional updates: x.at[index].set(v), .add, .mul, .min, .max.")


def _sort(self: Tensor, axis: int = -1, **options: Any) -> None:
    """Gives this handle the sorted value, as ndarray.sort does; nd.sort(x) is a new tensor."""
    _rebind(self, PUBLIC["sort"](self, axis, **options), "x.sort()")


def _partition(self: Tensor, kth: Any, axis: int = -1, **options: Any) -> None:
    """Gives this handle the partitioned value, as ndarray.partition does; nd.partition(x, kth) is a new tensor."""
    _rebind(self, PUBLIC["partition"](self, kth, axis, **options), "x.partition()")


def _fill(self: Tensor, value: Any) -> None:
    """x[...] = value."""
    _setitem(self, ..., value)


def _put(self: Tensor, indices: Any, values: Any) -> None:
    """Gives this handle the value with x.flat[indices] = values; values are repeated if there are fewer."""
    places = np.asarray(indices).ravel()
    sources = np.arange(places.size) % np.size(values)
    flat = index.setitem(shape.ravel(self), places, shape.ravel(astensor(values))[sources])
    _rebind(self, shape.reshape(flat, self.shape), "x.put(indices, values)")


IN_PLACE = {"sort": _sort, "partition": _partition, "fill": _fill, "put": _put}
for name, method in IN_PLACE.items():
    setattr(T, name, method)

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
T.conjugate = elementwise.conj
T.copy = elementwise.alias
SPECIAL = {"reshape", "transpose", "copy", "real", "imag", *IN_PLACE}
for name in set(dir(np.ndarray)) & set(PUBLIC) - SPECIAL:
    setattr(T, name, PUBLIC[name])
if "compress" in PUBLIC:
    T.compress = lambda self, condition, axis=None: PUBLIC["compress"](condition, self, axis)
