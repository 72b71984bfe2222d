"""Parts and kinds of numbers: real and imaginary part, dtypes, and the same value under a node of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import dtype_of, no_numbers
from ..tape import primitive
from ..tensor import Tensor, astensor
from ..values import numeric
from .naming import named
from .plain import constant
from .ufunc import _conjugate

__all__ = ["astype", "conj", "imag", "iscomplex", "iscomplexobj", "isreal", "isrealobj", "real", "real_if_close"]


@primitive(x=lambda g: g)
def real(x: Any) -> Any:
    """The real part."""
    return np.real(x)


@primitive(x=lambda g: g * 1j)
def _imag(x: Any) -> Any:
    return np.imag(x)


@named
def imag(x: Any) -> Tensor:
    """The imaginary part; 0 for real x."""
    x = astensor(x)
    return _imag(x) if x.dtype.kind == "c" else astensor(np.zeros(x.shape, x.dtype))


@named
def conj(x: Any) -> Tensor:
    """The complex conjugate; x itself if it is real."""
    x = astensor(x)
    return _conjugate(x) if x.dtype.kind in "cb" else x  # NumPy's conjugate of a boolean is an integer


@named
def real_if_close(x: Any, tol: float = 100) -> Tensor:
    """The real part if all imaginary parts are below `tol` (in units of the dtype's precision, if above 1), else x."""
    x = astensor(x)
    return real(x) if np.isrealobj(np.real_if_close(x.data, tol)) else x


isreal = constant(np.isreal, "Where the imaginary part is 0.")
iscomplex = constant(np.iscomplex, "Where the imaginary part is not 0.")


def isrealobj(x: Any) -> bool:
    """Whether x is of a real dtype."""
    return not iscomplexobj(x)


@named
def iscomplexobj(x: Any) -> bool:
    """Whether x is of a complex dtype."""
    return astensor(x).dtype.kind == "c"


@primitive(x=lambda g: g)
def cast(x: Any, *, dtype: Any) -> Any:
    """x in another dtype; the gradient comes back in x's own."""
    return np.asarray(x).astype(dtype)


def astype(x: Any, dtype: Any, *, copy: bool = True) -> Tensor:
    """x in another dtype, into which a Python int must fit. Integer and boolean results carry no gradient.

    `copy` is NumPy's word; tensors are values.
    """
    kind = dtype_of("astype", dtype)
    return astensor(x, kind) if type(x) is int else cast(astensor(x), dtype=kind)


def storable(value: Any, dtype: np.dtype[Any], what: str) -> Tensor:
    """A value to be held in `dtype`: a number is made one of it if that is to round it (300 is no uint8, NaN no integer)."""
    if isinstance(value, (int, float, complex)):
        try:
            return astensor(dtype.type(value.item() if isinstance(value, np.generic) else value))
        except (OverflowError, TypeError, ValueError):
            raise no_numbers(what, value, dtype) from None
    t: Tensor = value if isinstance(value, Tensor) else astensor(numeric(value, None, what))
    if t.dtype.kind == "c" != dtype.kind:
        raise TypeError(f"{what}: a value of dtype {t.dtype} does not fit into dtype {dtype}; convert it with .astype")
    return t


def floating(x: Any) -> Tensor:
    """x, converted to float64 if it holds integers or booleans."""
    x = astensor(x)
    return cast(x, dtype=np.dtype(np.float64)) if x.dtype.kind in "biu" else x


def wide(x: Tensor) -> Tensor:
    """x, of halves in float32: their squares and products leave the range that results are in."""
    return cast(x, dtype=np.dtype(np.float32)) if x.dtype == np.float16 else x


@primitive(x=lambda g: g)
def alias(x: Any) -> Any:
    """The same value as a node of its own."""
    return np.asarray(x).view()
