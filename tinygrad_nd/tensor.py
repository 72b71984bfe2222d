"""Tensor: a handle on an array and on the node that made it. Tensors are values; arrays they hold are read-only."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from numpy import asarray, ndarray

from .kernels.memory import freeze
from .node import Constant, Node

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


class Tensor:
    """An n-dimensional array that remembers how it was computed.

    Make one with `tensor`, `astensor` or `Parameter`, or by computing with others. A tensor that needs no gradient has no tracked node;
    one made by the user with `requires_grad=True` is a leaf, and `backward` adds into its `.grad`.
    """

    __slots__ = ("_data", "_node", "_grad", "__weakref__")
    __array_priority__ = 1000.0
    _data: np.ndarray
    _node: Node | Constant | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Tensor: make one with nd.tensor(obj), nd.astensor(obj) or nd.Parameter(obj)")

    @property
    def data(self) -> np.ndarray:
        """The value, as a read-only array. Assigning replaces a leaf's value; shape and dtype must stay."""
        return self._data

    @data.setter
    def data(self, value: npt.ArrayLike | Tensor) -> None:
        if self._node is not None and not self.is_leaf:
            raise ValueError(
                f"data: only a leaf's value can be replaced, but this tensor is the result of {_made_by(self)}; use x.detach()"
            )
        array = value._data if isinstance(value, Tensor) else np.asarray(value)
        if array.shape != self._data.shape:
            raise ValueError(f"data: the tensor has shape {self._data.shape}, but the new value has {array.shape}")
        if array.dtype != self._data.dtype:
            raise TypeError(f"data: the tensor has dtype {self._data.dtype}, but the new value has {array.dtype}; convert it with .astype")
        self._data = immutable(array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def itemsize(self) -> int:
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Assigning makes a constant a leaf, or a leaf a constant."""
        return self._node is not None and self._node.tracked

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if bool(on) == self.requires_grad:
            return
        if not on and not self.is_leaf:
            raise ValueError(f"requires_grad: this tensor is the result of {_made_by(self)}; use x.detach() to cut it from its graph")
        name = self.name
        self._node = _leaf(self, name) if on else (Constant(self._data, name) if name else None)

    @property
    def is_leaf(self) -> bool:
        """True unless the tensor is the recorded result of an operation."""
        return self._node is None or self._node.op is None

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient of a leaf, or None. Assign None to clear it."""
        return getattr(self, "_grad", None)

    @grad.setter
    def grad(self, value: Tensor | npt.ArrayLike | None) -> None:
        if value is None:
            self._grad = None
            return
        g = value if isinstance(value, Tensor) else astensor(value)
        if g.shape != self.shape or g.dtype != self.dtype:
            raise ValueError(f"grad: the tensor is {self.shape} {self.dtype}, but the gradient given is {g.shape} {g.dtype}")
        self._grad = g

    @property
    def name(self) -> str | None:
        """A name for pictures and messages."""
        return self._node.name if self._node is not None else None

    @name.setter
    def name(self, name: str | None) -> None:
        if isinstance(self._node, Node):
            self._node.note(name=name)
        else:
            self._node = Constant(self._data, name) if name is not None else None

    def numpy(self) -> np.ndarray:
        """The value as a read-only array; `.numpy().copy()` is yours to write."""
        return self._data

    def item(self, *index: Any) -> Any:
        """The value of a one-element tensor as a Python number."""
        return self._data.item(*index)

    def tolist(self) -> Any:
        return self._data.tolist()

    def detach(self) -> Tensor:
        """The same value, cut from the graph; shares memory."""
        return handle(self._data, None)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Calls `hook(gradient)` when this tensor's gradient is complete; what it returns, if not None, replaces the gradient.

        Returns a function that removes the hook.
        """
        if not isinstance(self._node, Node):
            raise ValueError("register_hook: this tensor does not require grad, so no gradient will reach it")
        node, key = self._node, object()
        node.note(hooks={**((node.extra or {}).get("hooks") or {}), key: hook})

        def remove() -> None:
            node.note(hooks={k: f for k, f in ((node.extra or {}).get("hooks") or {}).items() if k is not key})

        return remove

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf tensor in `.grad`, as leaves do."""
        if not isinstance(self._node, Node):
            raise ValueError("retain_grad: this tensor does not require grad, so no gradient will reach it")
        self._node.note(handle=weakref.ref(self))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if dtype is not None and np.dtype(dtype) != self._data.dtype:
            if copy is False:
                raise ValueError(f"__array__: {self._data.dtype} to {np.dtype(dtype)} needs a copy, but copy=False was asked")
            return self._data.astype(dtype)
        return self._data.copy() if copy else self._data

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len: a 0-d tensor has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self._data)

    def __int__(self) -> int:
        return int(self._one("int"))

    def __float__(self) -> float:
        return float(self._one("float"))

    def __complex__(self) -> complex:
        return complex(self._one("complex"))

    def __index__(self) -> int:
        return self._data.__index__()

    def _one(self, kind: str) -> Any:
        if self.size != 1:
            raise TypeError(f"{kind}: only a one-element tensor converts to a number, but this one has shape {self.shape}")
        return self._data.item()

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec and self.ndim == 0 else format(str(self), spec)

    def __getattr__(self, name: str) -> Any:
        hint = _ELSEWHERE.get(name)
        raise AttributeError(f"a tensor has no attribute {name!r}" + (f"; {hint}" if hint else ""))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        """One line: the values (the ends of a long row of them), then what the tensor is."""
        if self.size > 12:
            ends = np.concatenate([self._data.flat[:3], self._data.flat[-3:]])
            first, last = (np.array2string(e, separator=", ") for e in (ends[:3], ends[3:]))
            return f"tensor({first[:-1]}, ..., {last[1:]}, {self._facts()})"
        return f"tensor({' '.join(np.array2string(self._data, separator=', ').split())}, {self._facts()})"

    def __str__(self) -> str:
        """The values laid out as NumPy does, then what the tensor is."""
        return f"tensor({np.array2string(self._data, separator=', ', prefix='tensor(', threshold=100, edgeitems=2)}, {self._facts()})"

    def _facts(self) -> str:
        facts = [f"shape={self.shape}", f"dtype={self.dtype}"]
        if self.name:
            facts.append(f"name={self.name!r}")
        if self.requires_grad:
            facts.append("requires_grad=True" if self.is_leaf else f"op={_made_by(self)}")
        return ", ".join(facts)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self._copy(self._data.copy())

    def __copy__(self) -> Tensor:
        return self._copy(self._data)

    def __reduce__(self) -> Any:
        self._require_no_graph("pickle")
        return _rebuild, (type(self), self._data, self.requires_grad, self.name)

    def _copy(self, array: np.ndarray) -> Tensor:
        self._require_no_graph("copy")
        return _rebuild(type(self), array, self.requires_grad, self.name)

    def _require_no_graph(self, what: str) -> None:
        if not self.is_leaf:
            raise TypeError(f"{what}: this tensor is the result of {_made_by(self)}, and its graph cannot be copied; use x.detach()")

    if TYPE_CHECKING:  # what methods.py attaches; its tables say which operation each one is

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __iadd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __isub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __imul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __itruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __ipow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __imatmul__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def backward(self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None: ...
        def sum(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def prod(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def all(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def any(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor: ...
        def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor: ...
        def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor: ...
        def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def astype(self, dtype: npt.DTypeLike) -> Tensor: ...
        def clip(self, a_min: Any = None, a_max: Any = None) -> Tensor: ...
        def dot(self, b: Any) -> Tensor: ...
        def take(self, indices: Any, axis: int | None = None) -> Tensor: ...
        def flatten(self) -> Tensor: ...
        def ravel(self) -> Tensor: ...
        def conj(self) -> Tensor: ...
        def conjugate(self) -> Tensor: ...
        def copy(self) -> Tensor: ...
        @property
        def T(self) -> Tensor: ...
        @property
        def mT(self) -> Tensor: ...
        @property
        def real(self) -> Tensor: ...
        @property
        def imag(self) -> Tensor: ...
        @property
        def at(self) -> Any: ...


class Parameter(Tensor):
    """A leaf that requires grad, for a model to learn: `Parameter(obj, name=None)`. Copies; Python numbers become the default dtype.

    >>> import tinygrad_nd as nd
    >>> nd.Parameter([0.5, 1.5], name="bias").dtype
    dtype('float32')
    """

    __slots__ = ()

    def __new__(cls, obj: Any, name: str | None = None, *, dtype: npt.DTypeLike | None = None) -> Self:
        if dtype is None and not hasattr(obj, "dtype"):
            dtype = default_dtype()
        self = object.__new__(cls)
        self._data = _frozen_copy(obj, dtype, "Parameter")
        self._node = _leaf(self, name)
        return self

    def __init__(self, obj: Any, name: str | None = None, *, dtype: npt.DTypeLike | None = None) -> None:
        pass


_ELSEWHERE = {  # what other libraries call it
    "view": "use x.reshape(...)",
    "permute": "use x.transpose(...)",
    "unsqueeze": "use nd.expand_dims(x, axis)",
    "clone": "use x.copy()",
    "contiguous": "memory order is the library's own affair",
    "requires_grad_": "use x.requires_grad = True",
    "zero_": "tensors are values: assign x.grad = None, or x[...] = 0 under nd.no_grad()",
    **dict.fromkeys(("cuda", "cpu", "device"), "everything is computed on the CPU"),
    **dict.fromkeys(("to", "float", "double", "half", "type"), "use x.astype(dtype)"),
    **dict.fromkeys(("exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "softmax"), "functions are nd.exp(x), nd.abs(x), ..."),
}


def tensor(obj: Any, dtype: npt.DTypeLike | None = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A tensor holding a copy of `obj` (number, nested lists, array or tensor), of NumPy's dtype for it unless `dtype` says otherwise.

    Raises TypeError for objects and strings, and for integers asked to require grad.

    >>> import tinygrad_nd as nd
    >>> nd.tensor([[1.0, 2.0]], requires_grad=True)
    tensor([[1., 2.]], shape=(1, 2), dtype=float64, requires_grad=True)
    """
    return _finish(handle(_frozen_copy(obj, dtype, "tensor"), None), requires_grad, name)


def astensor(obj: Any, dtype: npt.DTypeLike | None = None, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A tensor on `obj`'s own memory where possible, else a copy. A tensor is returned as it is if nothing about it would change.

    Later writes into the caller's array show in the tensor, but not in graphs recorded before: what they need is copied then.
    """
    if isinstance(obj, Tensor) and (dtype is None or np.dtype(dtype) == obj.dtype) and not requires_grad and name is None:
        return obj
    array = numeric(obj._data if isinstance(obj, Tensor) else obj, dtype, "astensor").view()
    array.flags.writeable = False
    return _finish(handle(array, None), requires_grad, name)


def handle(data: np.ndarray, node: Node | Constant | None) -> Tensor:
    """A Tensor from an array and a node, unchecked."""
    t: Tensor = object.__new__(Tensor)
    t._data = data
    t._node = node
    return t


def frozen(array: Any) -> ndarray:
    """A NumPy result as an array that has become read-only."""
    if type(array) is not ndarray:
        array = asarray(array)
    if array.base is None:
        array.setflags(False)
    else:
        freeze(array)
    return array  # type: ignore[no-any-return]


def immutable(array: Any) -> Any:
    """`array` itself if nobody can write to its memory (or it is a number), else a read-only copy."""
    if type(array) is not ndarray:
        return array
    if not array.flags.writeable:
        base = array.base
        if base is None or (isinstance(base, ndarray) and not base.flags.writeable):
            return array
    array = array.copy(order="K")
    array.setflags(write=False)
    return array


def default_dtype() -> np.dtype[Any]:
    """The dtype of parameters and layers made without one."""
    return _default_dtype


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Sets the floating dtype of parameters and layers made from here on (float32 at first). Array functions follow NumPy regardless."""
    global _default_dtype
    d = np.dtype(dtype)
    if d.kind not in "fc":
        raise TypeError(f"set_default_dtype: parameters need a floating dtype, but got {d}")
    _default_dtype = d


def numeric(obj: Any, dtype: npt.DTypeLike | None, where: str) -> np.ndarray:
    """np.asarray, refusing what is not a number. Constant tensors inside a list are taken by value."""
    if isinstance(obj, (list, tuple)) and _holds_tracked(obj):
        kind = type(obj).__name__
        raise TypeError(f"{where}: got a {kind} of tensors that require grad, which would lose their graph; join them with nd.stack")
    array = np.asarray(obj, dtype=dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{where}: needs numbers, but {type(obj).__name__} gives an array of dtype {array.dtype}")
    return array


def _holds_tracked(items: Any) -> bool:
    return any(x.requires_grad if isinstance(x, Tensor) else isinstance(x, (list, tuple)) and _holds_tracked(x) for x in items)


def _frozen_copy(obj: Any, dtype: npt.DTypeLike | None, where: str) -> np.ndarray:
    array = numeric(obj._data if isinstance(obj, Tensor) else obj, dtype, where)
    array = array.copy(order="K") if array is obj or array.base is not None or isinstance(obj, (Tensor, np.ndarray)) else array
    array.flags.writeable = False
    return array


def _finish(t: Tensor, requires_grad: bool, name: str | None) -> Tensor:
    if requires_grad:
        t._node = _leaf(t, name)
    elif name is not None:
        t._node = Constant(t._data, name)
    return t


def _leaf(t: Tensor, name: str | None) -> Node:
    if t._data.dtype.kind not in "fc":
        raise TypeError(f"requires_grad: only floating and complex tensors have gradients, but this is {t._data.dtype}; use .astype(float)")
    node = Node(None, (), (), {}, t._data)
    t._grad = None
    node.note(handle=weakref.ref(t))
    if name is not None:
        node.note(name=name)
    return node


def _rebuild(kind: type[Tensor], array: np.ndarray, requires_grad: bool, name: str | None) -> Tensor:
    return kind(array, name) if kind is Parameter else tensor(array, requires_grad=requires_grad, name=name)


def _made_by(t: Tensor) -> str:
    node = t._node
    return node.op.name if node is not None and node.op is not None else "nothing"
