"""Products and quotients in which zero stays zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import LARGE, fused


def zero_stays(ufunc: np.ufunc, g: Any, d: Any) -> Any:
    """ufunc(g, d), np.multiply or np.divide, but 0 wherever g is 0, whatever d is.

    Only a NaN can be wrong, and a sum that is not NaN says that there is none: one pass over values still in cache.
    """
    if (isinstance(g, np.ndarray) and g.size >= LARGE) or (isinstance(d, np.ndarray) and d.size >= LARGE):
        return fused(lambda out, g, d: _mend(ufunc(g, d, out=out), g), g, d, dtype=np.result_type(g, d))
    out = ufunc(g, d)
    if out.ndim:
        _mend(out, g)
    elif out != out and g == 0:
        out = out.dtype.type(0)
    return out


def _mend(out: Any, g: Any) -> None:
    total = np.add.reduce(out, None)
    if total != total:
        np.copyto(out, 0, where=np.equal(g, 0))
