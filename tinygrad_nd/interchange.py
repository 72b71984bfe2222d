"""A tensor as Python and other libraries see it: an array, a number, a container, a text, a copy. Values only, never the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .tensor import Parameter, Tensor, astensor, handle, made_by, tensor

__all__ = ["from_dlpack"]


def from_dlpack(x: Any, /, *, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array on the CPU (anything with `__dlpack__`); copied only if asked.

    >>> import tinygrad_nd as nd
    >>> nd.from_dlpack(np.arange(3)).tolist()
    [0, 1, 2]
    """
    if isinstance(x, Tensor):
        return tensor(x) if copy else x.detach()
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: needs an array with __dlpack__, but got {type(x).__name__}; use nd.tensor or nd.astensor")
    try:
        array = np.from_dlpack(x)
    except BufferError as error:
        raise TypeError(f"from_dlpack: this {type(x).__name__} is not to be shared: {error}") from error
    return tensor(array) if copy else astensor(array)


# Arrays.


def _array(self: Tensor, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
    """The value: a read-only view, or a copy if one is asked for or needed."""
    if dtype is not None and np.dtype(dtype) != self.dtype:
        if copy is False:
            raise ValueError(f"__array__: {self.dtype} to {np.dtype(dtype)} needs a copy, but copy=False was asked")
        return self._data.astype(dtype)
    return self._data.copy() if copy else self._data


def _dlpack(
    self: Tensor,
    *,
    stream: None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """The value for another library: shared, and marked read-only. DLPack before 1.0 has no such mark, so its readers get a copy.

    PyTorch does not heed the mark: clone what it reads before writing to it.
    """
    if copy is None and (max_version is None or max_version[0] < 1):
        copy = True
    array = self._data.copy() if copy else self._data
    return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=False)


# Numbers and containers.


def _number(kind: type) -> Any:
    def convert(self: Tensor) -> Any:
        if self.size != 1:
            raise TypeError(
                f"{kind.__name__}: only a tensor of one element converts to a number, but this one has shape {self.shape}; "
                "reduce it (.sum(), .max()) or take x[i]"
            )
        return kind(self._data.item())

    return convert


def _truth(self: Tensor) -> bool:
    if self.size != 1:
        raise ValueError(f"bool: a tensor of shape {self.shape} has no one truth value; use x.any() or x.all()")
    return bool(self._data)


def _index(self: Tensor) -> int:
    if self.ndim or self.dtype.kind not in "iu":
        raise TypeError(f"index: only a 0-d tensor of integers can be an index of a list, but this one is {self.shape} {self.dtype}")
    return self._data.__index__()


def _length(self: Tensor) -> int:
    if not self.shape:
        raise TypeError("len: a 0-d tensor has no length")
    return self.shape[0]


# Text.


def _repr(self: Tensor) -> str:
    """One line: the values (the ends of a long row of them), then what the tensor is."""
    if self.size > 12:
        ends = np.concatenate([self._data.flat[:3], self._data.flat[-3:]])
        first, last = (np.array2string(e, separator=", ") for e in (ends[:3], ends[3:]))
        return f"tensor({first[:-1]}, ..., {last[1:]}, {_facts(self)})"
    return f"tensor({' '.join(np.array2string(self._data, separator=', ').split())}, {_facts(self)})"


def _str(self: Tensor) -> str:
    """The values laid out as NumPy does, then what the tensor is."""
    return f"tensor({np.array2string(self._data, separator=', ', prefix='tensor(', threshold=100, edgeitems=2)}, {_facts(self)})"


def _facts(t: Tensor) -> str:
    facts = [f"shape={t.shape}", f"dtype={t.dtype}"]
    if t.name:
        facts.append(f"name={t.name!r}")
    if t.requires_grad:
        facts.append("requires_grad=True" if t.is_leaf else f"requires_grad=True, op={made_by(t)}")
    return ", ".join(facts)


def _format(self: Tensor, spec: str) -> str:
    if spec and self.ndim:
        raise TypeError(f"format: {spec!r} is for one number, but this tensor has shape {self.shape}; use x.item() or str(x)")
    return format(self._data.item(), spec) if spec else str(self)


# Copies: value, name, and whether it requires grad. The copy of a leaf is a leaf of its own, without gradient or hooks; the shallow one of
# a result, such as matplotlib makes of what it draws, is another handle on it.


def _parts(t: Tensor, what: str) -> tuple[type[Tensor], np.ndarray, bool, str | None]:
    if not t.is_leaf:
        raise TypeError(f"{what}: this tensor is the result of {made_by(t)}, and its graph cannot be copied; use x.detach()")
    return type(t), t._data, t.requires_grad, t.name


def _rebuild(kind: type[Tensor], array: np.ndarray, requires_grad: bool, name: str | None) -> Tensor:
    if kind is not Parameter:
        return tensor(array, requires_grad=requires_grad, name=name)
    p = Parameter(array, name)
    p.requires_grad = requires_grad
    return p


PROTOCOLS = {
    "__array__": _array,
    "__dlpack__": _dlpack,
    "__dlpack_device__": lambda self: self._data.__dlpack_device__(),
    "__int__": _number(int),
    "__float__": _number(float),
    "__complex__": _number(complex),
    "__bool__": _truth,
    "__index__": _index,
    "__len__": _length,
    "__contains__": lambda self, value: bool(np.any(self._data == (value._data if isinstance(value, Tensor) else value))),
    "__repr__": _repr,
    "__str__": _str,
    "__format__": _format,
    "__copy__": lambda self: _rebuild(*_parts(self, "copy")) if self.is_leaf else handle(self._data, self._node),
    "__deepcopy__": lambda self, memo: _rebuild(*_parts(self, "deepcopy")),
    "__reduce__": lambda self: (_rebuild, _parts(self, "pickle")),
}
