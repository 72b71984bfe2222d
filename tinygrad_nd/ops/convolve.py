"""Convolution and correlation as signal processing means them: along some axes of two arrays, the others broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..arguments import option
from ..kernels.geometry import ALGORITHMS
from ..tensor import Tensor
from .conv import conv_nd, operand, same_dtype
from .rearrange import flip
from .shape import axes_of, broadcast_to, reshape, transpose
from .ufunc import conj

__all__ = ["convolve_nd", "correlate_nd"]


def convolve_nd(a: Any, v: Any, mode: str = "full", *, axes: int | Sequence[int] | None = None, algorithm: str = "auto") -> Tensor:
    """Discrete convolution of a with v along `axes` (all of them by default); other axes broadcast. SciPy's `fftconvolve`.

    mode: "full" (n + k - 1), "same" (the size of a, centred) or "valid" (only where the smaller fits wholly in the larger).
    """
    return _convolve("convolve_nd", a, v, mode, axes, algorithm)


def correlate_nd(a: Any, v: Any, mode: str = "full", *, axes: int | Sequence[int] | None = None, algorithm: str = "auto") -> Tensor:
    """Cross-correlation of a with v (conjugated if complex) along `axes`: convolution with v reversed. SciPy's `correlate`."""
    v = operand("correlate_nd", "v", v)
    over = axes_of(axes, v.ndim, "correlate_nd")
    return _convolve("correlate_nd", a, flip(conj(v), over), mode, over, algorithm)


def _convolve(where: str, a: Any, v: Any, mode: str, axes: int | Sequence[int] | None, algorithm: str) -> Tensor:
    """Correlation with v reversed: as one channel where an operand does not vary along the other axes, else as one group for each."""
    a, v, _ = same_dtype(where, a=a, v=v, none=None)
    if a.ndim != v.ndim:
        raise ValueError(f"{where}: a {a.shape} and v {v.shape} must have as many axes")
    over = axes_of(axes, a.ndim, where)
    option(where, "mode", mode, ("full", "same", "valid"))
    option(where, "algorithm", algorithm, ALGORITHMS)
    n, k = [a.shape[i] for i in over], [v.shape[i] for i in over]
    if mode == "valid" and any(p < q for p, q in zip(n, k)):
        if any(p > q for p, q in zip(n, k)):
            raise ValueError(f"{where}: for mode='valid' one of a {a.shape} and v {v.shape} must be the larger along every axis")
        a, v, n, k = v, a, k, n
    if 0 in n or 0 in k:
        raise ValueError(f"{where}: a {a.shape} and v {v.shape} must have entries along the axes {over}")
    halves = [((q - 1) - (q - 1) // 2, (q - 1) // 2) for q in k]
    padding: Any = "full" if mode == "full" else halves if mode == "same" else "valid"
    rest = [i for i in range(a.ndim) if i not in over]
    try:
        lead = np.broadcast_shapes([a.shape[i] for i in rest], [v.shape[i] for i in rest])
    except ValueError:
        message = f"{where}: a {a.shape} and v {v.shape} must broadcast along the axes {tuple(rest)} that are not convolved"
        raise ValueError(message) from None
    order = (*rest, *over)
    x, w = transpose(a, order), flip(transpose(v, order), tuple(range(len(rest), a.ndim)))
    count = prod(lead)
    if prod(w.shape[: len(rest)]) == 1:
        y = conv_nd(reshape(x, (count, 1, *n)), reshape(w, (1, 1, *k)), padding=padding, algorithm=algorithm)
    elif prod(x.shape[: len(rest)]) == 1:
        y = conv_nd(reshape(x, (1, 1, *n)), reshape(w, (count, 1, *k)), padding=padding, algorithm=algorithm)
    else:
        x, w = broadcast_to(x, (*lead, *n)), broadcast_to(w, (*lead, *k))
        y = conv_nd(reshape(x, (1, count, *n)), reshape(w, (count, 1, *k)), padding=padding, groups=count, algorithm=algorithm)
    return transpose(reshape(y, (*lead, *y.shape[2:])), tuple(np.argsort(order).tolist()))
