"""Tensor: a handle on an array and on the node that made it. Tensors are values; arrays they hold are read-only."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from .arguments import answering, dtype_of, flag
from .elsewhere import tensor_hint
from .kernels.words import shown
from .node import Constant, Node, new_node, replaced
from .values import immutable, native, numeric

if TYPE_CHECKING:
    from .array_methods import ArrayMethods
else:
    ArrayMethods = object

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


class Tensor(ArrayMethods):
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
            raise ValueError(f"data: only a leaf's value can be replaced, but this tensor is the result of {made_by(self)}; use x.detach()")
        array = value._data if isinstance(value, Tensor) else native(np.asarray(value))
        if array.shape != self._data.shape:
            raise ValueError(f"data: the tensor has shape {self._data.shape}, but the new value has {array.shape}")
        if array.dtype != self._data.dtype:
            raise TypeError(f"data: the tensor has dtype {self._data.dtype}, but the new value has {array.dtype}; convert it with .astype")
        if (noted := replaced.get()) is not None:
            noted.append((self, self._data))
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
        flag("Tensor", "requires_grad", on)
        if on == self.requires_grad:
            return
        if not on and not self.is_leaf:
            raise ValueError(f"requires_grad: this tensor is the result of {made_by(self)}; use x.detach() to cut it from its graph")
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
        g = value if isinstance(value, Tensor) else astensor(numeric(value, None, "grad"))
        if g.shape != self.shape or g.dtype != self.dtype:
            raise ValueError(f"grad: the tensor is {self.shape} {self.dtype}, but the gradient given is {g.shape} {g.dtype}")
        self._grad = g

    @property
    def name(self) -> str | None:
        """A name for pictures and messages."""
        return self._node.name if self._node is not None else None

    @name.setter
    def name(self, name: str | None) -> None:
        _check_name(name)
        if isinstance(self._node, Node):
            self._node.note(name=name)
        else:
            self._node = Constant(self._data, name) if name is not None else None

    def numpy(self) -> np.ndarray:
        """The value as a read-only array; `.numpy().copy()` is yours to write."""
        return self._data

    def item(self, *index: Any) -> Any:
        """The value of a one-element tensor, or of the entry at an index, as a Python number."""
        if not index and self.size != 1:
            raise ValueError(f"item: only a tensor of one element is a number, but this one has shape {self.shape}; say which: x.item(i)")
        try:
            return self._data.item(*index)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            kind = IndexError if isinstance(error, OverflowError) else type(error)
            raise kind(f"item: {', '.join(map(repr, index))} is no place in a tensor of shape {self.shape} ({error})") from None

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
        if not callable(hook):
            raise TypeError(f"register_hook: takes a function of the gradient, but got a {type(hook).__name__}")
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

    def __getattr__(self, name: str) -> Any:
        hint = tensor_hint(name)
        raise AttributeError(f"a tensor has no attribute {name!r}" + (f"; {hint}" if hint else ""))

    def __hash__(self) -> int:
        return id(self)


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


@answering
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

    Another dtype is a recorded conversion; `requires_grad` or `name` make a new leaf.
    Later writes into the caller's array show in the tensor, but not in graphs recorded before: what they need is copied then.
    """
    if requires_grad is not False:
        flag("astensor", "requires_grad", requires_grad)
    if isinstance(obj, Tensor) and not requires_grad and name is None:
        return obj if dtype is None or dtype_of("astensor", dtype) == obj.dtype else obj.astype(dtype)
    array = numeric(obj._data if isinstance(obj, Tensor) else obj, dtype, "astensor").view()
    array.flags.writeable = False
    return _finish(handle(array, None), requires_grad, name)


def handle(data: np.ndarray, node: Node | Constant | None) -> Tensor:
    """A Tensor from an array and a node, unchecked."""
    t: Tensor = object.__new__(Tensor)
    t._data = data
    t._node = node
    return t


def default_dtype() -> np.dtype[Any]:
    """The dtype of parameters and layers made without one."""
    return _default_dtype


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Sets the floating dtype of parameters and layers made from here on (float32 at first). Array functions follow NumPy regardless."""
    global _default_dtype
    d = dtype_of("set_default_dtype", dtype)
    if d.kind not in "fc":
        raise TypeError(f"set_default_dtype: parameters need a floating dtype, but got {d}")
    _default_dtype = d


def _frozen_copy(obj: Any, dtype: npt.DTypeLike | None, where: str) -> np.ndarray:
    array = numeric(obj._data if isinstance(obj, Tensor) else obj, dtype, where)
    array = array.copy(order="K") if array is obj or array.base is not None or isinstance(obj, (Tensor, np.ndarray)) else array
    array.flags.writeable = False
    return array


def _finish(t: Tensor, requires_grad: bool, name: str | None) -> Tensor:
    if requires_grad is not False:
        flag("tensor", "requires_grad", requires_grad)
    if requires_grad:
        t._node = _leaf(t, name)
    elif name is not None:
        t.name = name
    return t


def _check_name(name: Any) -> None:
    if not isinstance(name, str | None):
        raise TypeError(f"name: a tensor's name is a string, but got {shown(name)}; a dtype goes in dtype=")


def _leaf(t: Tensor, name: str | None) -> Node:
    if t._data.dtype.kind not in "fc":
        raise TypeError(f"requires_grad=True: only floating and complex tensors have gradients, not {t._data.dtype}; use .astype(float)")
    _check_name(name)
    node = new_node(None, (), (), {}, t._data)
    t._grad = None
    node.note(handle=weakref.ref(t))
    if name is not None:
        node.note(name=name)
    return node


def made_by(t: Tensor) -> str:
    """The name of the operation whose result t is."""
    node = t._node
    return node.op.title if node is not None and node.op is not None else "nothing"
