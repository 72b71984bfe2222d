"""Arrays as values: what is taken from the caller, and what nobody can write to any more."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import asarray, ndarray

from .arguments import no_numbers
from .kernels.elementwise import copied
from .kernels.memory import Lease, freeze
from .node import asked_for


def numeric(obj: Any, dtype: npt.DTypeLike | None, where: str) -> np.ndarray:
    """np.asarray in the machine's byte order, refusing what is not a number. Constant tensors inside a list are taken by value."""
    if isinstance(obj, (list, tuple)) and _holds_tracked(obj):
        what = f"{asked_for(where)}: got a {type(obj).__name__} of tensors that require grad"
        raise TypeError(f"{what}, which would lose their graph; join them with nd.stack")
    try:
        array: np.ndarray = native(np.asarray(obj, dtype=dtype))
    except (TypeError, ValueError, OverflowError) as error:
        raise no_numbers(asked_for(where), obj, dtype) from error
    made_up = obj is None or (dtype is not None and isinstance(obj, np.ndarray) and obj.dtype.kind in "SUmMV")
    if made_up or array.dtype.kind not in "biufc":
        raise no_numbers(asked_for(where), obj, dtype)
    if isinstance(obj, ndarray) and type(obj) is not ndarray and np.any(getattr(obj, "mask", False)):
        raise ValueError(f"{asked_for(where)}: a masked array has no values where it is masked; fill them in by m.filled(value)")
    return array


def native(array: Any) -> Any:
    """The array (or NumPy number) in the machine's byte order, which compiled kernels take for granted."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _holds_tracked(items: Any) -> bool:
    return any(_holds_tracked(x) if isinstance(x, (list, tuple)) else getattr(x, "requires_grad", False) is True for x in items)


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
        if base is None:
            return array
        if isinstance(base, ndarray):  # arrays of other classes can lie in between
            while isinstance(base, ndarray) and not base.flags.writeable:
                base = None if type(base) is Lease else base.base  # nobody sees the memory that is leased
            if not isinstance(base, ndarray):
                return array
    array = copied(array)
    freeze(array)
    return array
