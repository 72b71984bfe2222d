"""Arrays in other orders of memory."""

import numpy as np


def lying(x, order, axis=1):
    """x in Fortran's order ("F"), with one axis "last" in memory, "reversed", or with "gaps"; else as it is."""
    if order == "last" and 0 <= axis < x.ndim:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, axis, -1)), -1, axis)
    if order == "gaps" and x.ndim:
        return np.repeat(x, 2, -1)[..., ::2]
    return np.asfortranarray(x) if order == "F" else x[::-1].copy()[::-1] if order == "reversed" else x
