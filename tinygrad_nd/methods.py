"""What a Tensor can do beyond being one: operators and the methods of ndarray, as tables of the public functions they stand for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from . import interchange, sweep
from .arguments import answering
from .node import recording
from .ops import index, parts, shape
from .tensor import Tensor, astensor

MODULES = tuple(  # of public functions
    import_module(f".ops.{name}", __package__)
    for name in """
        activation adaptive aliases apply attention broadcasting choice conv convolve create ctc curves distance dropout einsum
        elementwise index join label_loss layers linalg loss margin_loss matrix matrix_norm moments norm pad parts plain pool quantile
        rearrange reduce sampled scan shape sort special statistics steps vectors window
    """.split()
)
PUBLIC: dict[str, Callable[..., Any]] = {name: getattr(module, name) for module in MODULES for name in module.__all__}
T: Any = Tensor

for name, protocol in interchange.PROTOCOLS.items():
    setattr(T, name, protocol)

# Operators.

BINARY = {
    "add": ("+", "add"),
    "sub": ("-", "subtract"),
    "mul": ("*", "multiply"),
    "truediv": ("/", "divide"),
    "floordiv": ("//", "floor_divide"),
    "mod": ("%", "remainder"),
    "pow": ("**", "power"),
    "matmul": ("@", "matmul"),
    "and": ("&", "bitwise_and"),
    "or": ("|", "bitwise_or"),
    "xor": ("^", "bitwise_xor"),
    "lshift": ("<<", "left_shift"),
    "rshift": (">>", "right_shift"),
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


def _in_place(op: Callable[..., Tensor], symbol: str) -> Callable[[Tensor, Any], Tensor]:
    def update(self: Tensor, other: Any) -> Tensor:
        rebind(self, op(self, other), f"x {symbol}= y")
        return self

    return update


def rebind(self: Tensor, new: Tensor, what: str) -> None:
    """Gives this handle a new value and its graph; any other handle keeps the old one."""
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


for name, (symbol, function) in BINARY.items():
    setattr(T, f"__{name}__", PUBLIC[function])
    setattr(T, f"__r{name}__", lambda self, other, op=PUBLIC[function]: op(other, self))
    setattr(T, f"__i{name}__", _in_place(PUBLIC[function], symbol))
for name, function in (UNARY | COMPARISONS).items():
    setattr(T, f"__{name}__", PUBLIC[function])
T.__eq__ = lambda self, other: NotImplemented if other is None else PUBLIC["equal"](self, other)
T.__ne__ = lambda self, other: NotImplemented if other is None else PUBLIC["not_equal"](self, other)
T.__divmod__ = lambda self, other: (self // other, self % other)
T.__rdivmod__ = lambda self, other: (other // self, other % self)
T.__round__ = lambda self, decimals=0: PUBLIC["round"](self, decimals)
T.__iter__ = lambda self: (self[i] for i in range(len(self)))
T.__getitem__ = index.getitem
T.at = property(index.At, doc="Functional updates: x.at[index].set(v), .add, .mul, .min, .max.")

# Methods that change their handle, as x += y does.


def _setitem(self: Tensor, place: Any, value: Any) -> None:
    rebind(self, index.setitem(self, place, value), "x[index] = value")


@answering
def _fill(self: Tensor, value: Any) -> None:
    """x[...] = value."""
    rebind(self, index.setitem(self, ..., value), "x.fill(value)")


@answering
def _put(self: Tensor, indices: Any, values: Any, mode: str = "raise") -> None:
    """Sets x.flat[indices]; values are repeated if there are fewer of them. For `mode` see `nd.take`."""
    places, values = np.asarray(indices).ravel(), shape.ravel(astensor(values))
    if places.size and places.dtype.kind not in "iu":
        what = f"x.put(indices, values): indices must be integers, but got dtype {places.dtype}"
        raise TypeError(f"{what}; x[mask] = values writes where a mask holds")
    if places.size and not values.size:
        raise ValueError(f"x.put(indices, values): there are no values for {places.size} indices")
    places = index.within(places, self.size, mode, f"x.put(indices, values): x.ravel() of x {self.shape}")
    flat = index.setitem(shape.ravel(self), places, values[np.arange(places.size) % max(values.size, 1)])
    rebind(self, shape.reshape(flat, self.shape), "x.put(indices, values)")


@answering
def _sort(self: Tensor, axis: int = -1, **options: Any) -> None:
    """Sorts the values of this handle along an axis; nd.sort(x) is a new tensor."""
    rebind(self, PUBLIC["sort"](self, axis, **options), "x.sort()")


@answering
def _partition(self: Tensor, kth: Any, axis: int = -1, **options: Any) -> None:
    """Partitions the values of this handle along an axis; nd.partition(x, kth) is a new tensor."""
    rebind(self, PUBLIC["partition"](self, kth, axis, **options), "x.partition(kth)")


# Methods whose arguments are not those of the function.


def _sizes(args: tuple[Any, ...]) -> Any:
    """Sizes or axes given one by one, or as one sequence."""
    return args[0] if len(args) == 1 else args


@answering
def _reshape(self: Tensor, *shape_: Any, **options: Any) -> Tensor:
    """x in another shape of the same size, given as one sequence or one by one; one entry may be -1."""
    return shape.reshape(self, _sizes(shape_), **options)


@answering
def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """x with its axes permuted, given as one sequence or one by one; reversed without any."""
    return shape.transpose(self, _sizes(axes) if axes else None)


@answering
def _compress(self: Tensor, condition: Any, axis: int | None = None) -> Tensor:
    """The slices of x along an axis where `condition` holds; of the flattened x if `axis` is None."""
    return PUBLIC["compress"](condition, self, axis)  # type: ignore[no-any-return]


def _delitem(self: Tensor, place: Any) -> None:
    raise TypeError("del x[index]: a tensor's entries cannot be taken away; nd.delete(x, index, axis) is x without them")


T.__setitem__, T.__delitem__ = _setitem, _delitem
T.backward = sweep.backward
T.T = property(shape.transpose, doc="All axes reversed.")
T.mT = property(shape.matrix_transpose, doc="The last two axes swapped.")
T.real = property(parts.real)
T.imag = property(parts.imag)
OWN = {"reshape": _reshape, "transpose": _transpose, "compress": _compress, "copy": parts.alias, "flatten": shape.ravel}
OWN |= {"conjugate": parts.conj, "fill": _fill, "put": _put, "sort": _sort, "partition": _partition}
for name in dir(np.ndarray):  # ndarray's methods are the public functions of the same names
    if method := OWN.get(name) or PUBLIC.get(name):
        if name not in ("real", "imag", "resize"):
            setattr(T, name, method)
