"""Covariance, correlation and counts."""

from __future__ import annotations

import warnings
from math import inf
from typing import Any

import numpy as np

from ..arguments import dtype_of, number, whole
from ..tensor import Tensor, astensor
from .choice import clip as clip_
from .elementwise import divide, sqrt
from .index import getitem
from .linalg import matmul
from .naming import named
from .parts import cast, imag, real
from .plain import constant, values
from .reduce import mean, sum
from .shape import _reshape, _transpose, concatenate, put_along, ravel, squeeze
from .ufunc import conj

__all__ = ["bincount", "corrcoef", "cov", "histogram"]


@named
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Tensor:
    """The covariance matrix of variables in rows (in columns unless `rowvar`), of m and y together; float64 or wider as in NumPy.

    Divided by the count minus ddof, which is 1, or 0 with `bias`; `fweights` count observations, `aweights` weigh them.
    """
    parts = [astensor(m), *([] if y is None else [astensor(y)])]
    for t in parts:
        if t.ndim > 2:
            raise ValueError(f"cov: takes vectors or matrices, but got shape {t.shape}")
    if ddof is not None:
        number("cov", "ddof", ddof, below=inf)
        if ddof != int(ddof):
            raise ValueError(f"cov: ddof must be an integer, but got {ddof}")
    kind = dtype_of("cov", dtype) if dtype is not None else np.result_type(np.float64, *(t.dtype for t in parts))
    rows = [_variables(t, kind, rowvar) for t in parts]
    if not rows[0].shape[0]:
        return astensor(np.zeros((0, 0)))
    x = concatenate(rows) if len(rows) > 1 else rows[0]
    n = x.shape[1]
    counts, weights = _weights(fweights, n, "fweights"), _weights(aweights, n, "aweights")
    w = counts if weights is None else weights if counts is None else counts * weights
    ddof = int(not bias) if ddof is None else int(ddof)
    total = astensor(float(n)) if w is None else sum(w)
    centred = x - (mean(x, 1, keepdims=True) if w is None else divide(sum(x * w, 1, keepdims=True), total))
    divisor = total - (ddof * sum(w * weights) / total if ddof and weights is not None else ddof)
    product = matmul(centred if w is None else centred * w, _transpose(conj(centred), axes=(1, 0)))
    if divisor.data <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        divisor = astensor(0.0)
    return squeeze(product * cast(divide(1.0, divisor), dtype=kind) if divisor.data else divide(product, astensor(0.0, kind)))


def _variables(t: Tensor, dtype: Any, rowvar: bool) -> Tensor:
    """(variables, observations)"""
    t = cast(t, dtype=dtype) if t.dtype != dtype else t
    if t.ndim < 2:
        return _reshape(t, shape=(1, t.size))
    return t if rowvar else _transpose(t, axes=(1, 0))


def _weights(weights: Any, n: int, name: str) -> Tensor | None:
    if weights is None:
        return None
    w = astensor(weights)
    w = cast(w, dtype=np.dtype(float)) if w.dtype != float else w
    if w.shape != (n,):
        raise ValueError(f"cov: {name} {w.shape} must be one number for each of the {n} observations")
    if (w.data < 0).any():
        raise ValueError(f"cov: {name} must not be negative")
    if name == "fweights" and (w.data != np.around(w.data)).any():
        raise TypeError("cov: fweights must be integers")
    return w


@named
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Tensor:
    """Correlation coefficients: covariances (see `cov`) divided by both standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    diagonal = np.arange(c.shape[0])
    spread = sqrt(real(getitem(c, (diagonal, diagonal))))
    r = c / _reshape(spread, shape=(c.shape[0], 1)) / spread
    if r.dtype.kind == "c":
        return clip_(real(r), -1, 1) + clip_(imag(r), -1, 1) * 1j
    return clip_(r, -1, 1)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs in a vector of integers; with `weights`, their sum at each (which carries their gradient)."""
    index = values(x)
    if weights is None or not astensor(weights).requires_grad:
        return _bincount(index, values(weights), minlength)  # type: ignore[no-any-return]
    index, w = np.asarray(index), astensor(weights)
    if index.ndim != 1 or index.dtype.kind not in "iub" or (index.size and index.min() < 0):
        raise ValueError(f"bincount: x must be a vector of whole numbers from 0, but is {index.shape} of dtype {index.dtype}")
    if w.shape != index.shape:
        raise ValueError(f"bincount: weights {w.shape} must have the shape of x {index.shape}")
    w = w if w.dtype == float else cast(w, dtype=np.dtype(float))
    size = max(int(index.max(initial=-1)) + 1, whole("bincount", "minlength", minlength, 0))
    return put_along(w, index=index.astype(np.intp), axis=0, size=size)


@named
def histogram(x: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None) -> tuple[Tensor, Tensor]:
    """(counts of the entries of x by bins, the edges of the bins); with `weights`, their sums (which carry their gradient)."""
    if weights is None or not astensor(weights).requires_grad:
        return _histogram(x, bins, range, density, weights)  # type: ignore[no-any-return]
    array, w = np.asarray(values(x)), astensor(weights)
    if w.shape != array.shape:
        raise ValueError(f"histogram: weights {w.shape} must have the shape of x {array.shape}")
    edges = np.histogram_bin_edges(array, values(bins), range, w.data)
    # Bins are half open but for the last, which has both its edges; 0 and len(edges) are outside.
    place = np.where(array == edges[-1], len(edges) - 1, np.searchsorted(edges, array, "right")).ravel()
    counts = put_along(ravel(w), index=place, axis=0, size=len(edges) + 1)[1:-1]
    return counts / sum(counts) / np.diff(edges) if density else counts, astensor(edges)


_bincount = constant(np.bincount, "Counts of integers.")
_histogram = constant(np.histogram, "Counts by bins.")
