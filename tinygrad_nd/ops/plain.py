"""NumPy's functions of values alone: where things are, which there are, how many. Their results carry no gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import whole
from ..tensor import Tensor, astensor
from ..values import numeric
from .naming import named, titled

__all__ = [
    "argpartition", "argsort", "argwhere", "diag_indices", "diag_indices_from", "digitize", "flatnonzero", "histogram2d",
    "histogram_bin_edges", "histogramdd", "intersect1d", "isin", "ix_", "lexsort", "mask_indices", "nonzero", "ravel_multi_index",
    "searchsorted", "setdiff1d", "setxor1d", "tril_indices", "tril_indices_from", "triu_indices", "triu_indices_from", "union1d",
    "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unravel_index",
]  # fmt: skip


def constant(f: Callable[..., Any], doc: str, *, several: bool = False, arrays: int = 1) -> Callable[..., Any]:
    """NumPy's f, of the values of tensors, with tensors for arrays in what it returns.

    Of its arguments the first are `arrays`, so many; the first of them may be `several`.
    """
    name = f.__name__

    def function(*args: Any, **options: Any) -> Any:
        given = [values(a) for a in args]
        for x in given[0] if several and given and isinstance(given[0], (list, tuple)) else given[:arrays]:
            array = numeric(x, None, name)
            given[0] = array if name.endswith("_from") else given[0]
        return _tensors(f(*given, **{k: values(v) for k, v in options.items()}))

    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:  # it is written in C
        parameters = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
    return named(titled(function, name, f"{doc} Carries no gradient.", [p.replace(annotation=Any) for p in parameters], Any))


def values(x: Any) -> Any:
    """What NumPy is to see: the arrays of tensors, also of those inside lists and tuples."""
    if isinstance(x, Tensor):
        return x.data
    return type(x)(values(v) for v in x) if type(x) in (list, tuple) else x


def _tensors(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return astensor(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(_tensors, x))
    return type(x)(map(_tensors, x)) if isinstance(x, (list, tuple)) else x


# Places.

nonzero = constant(np.nonzero, "Where x is not 0: an index tensor per axis.")
flatnonzero = constant(np.flatnonzero, "Where the flattened x is not 0.")
argwhere = constant(np.argwhere, "Where x is not 0: a row of indices for each place.")
argsort = constant(np.argsort, "The places of the entries along an axis, in the order of their values.")
argpartition = constant(np.argpartition, "The places of the entries in the order of `partition`.")
lexsort = constant(np.lexsort, "The places of the entries sorted by several keys, the last one first.")
searchsorted = constant(np.searchsorted, "Where values would be inserted into a sorted vector.", arrays=2)
digitize = constant(np.digitize, "The number of the bin that each value falls into.")
ix_ = constant(np.ix_, "Index tensors of the block where given rows, columns, ... cross.")
ravel_multi_index = constant(np.ravel_multi_index, "Places of the flattened array, from an index array per axis.", several=True)
unravel_index = constant(np.unravel_index, "An index tensor per axis, from places of the flattened array.")
_diag_indices = constant(np.diag_indices, "")
diag_indices_from = constant(np.diag_indices_from, "Indices of the diagonal of an array.")
tril_indices = constant(np.tril_indices, "Indices of the lower triangle of an (n, m) matrix.")
triu_indices = constant(np.triu_indices, "Indices of the upper triangle of an (n, m) matrix.")
tril_indices_from = constant(np.tril_indices_from, "Indices of the lower triangle of a matrix.")
triu_indices_from = constant(np.triu_indices_from, "Indices of the upper triangle of a matrix.")
mask_indices = constant(np.mask_indices, "Indices of the entries of an (n, n) matrix that a mask function keeps.")


@named
def diag_indices(n: Any, ndim: int = 2) -> tuple[Tensor, ...]:
    """Indices of the diagonal of an array of n entries along each of `ndim` axes. Carries no gradient."""
    if np.ndim(values(n)):
        raise ValueError(f"diag_indices: n must be an int, but has shape {np.shape(values(n))}; diag_indices_from takes an array")
    return _diag_indices(whole("diag_indices", "n", n, 0), ndim)  # type: ignore[no-any-return]


# Sets.

unique = constant(np.unique, "The distinct values, sorted; their first places, inverse and counts if asked.")
unique_values = constant(np.unique_values, "The distinct values.")
unique_counts = constant(np.unique_counts, "The distinct values, and how often each occurs.")
unique_inverse = constant(np.unique_inverse, "The distinct values, and which of them each entry is.")
unique_all = constant(np.unique_all, "The distinct values, their first places, which of them each entry is, and how often each occurs.")
isin = constant(np.isin, "Whether each entry is among the test elements.", arrays=2)
union1d = constant(np.union1d, "The distinct values that are in either of two, sorted.", arrays=2)
intersect1d = constant(np.intersect1d, "The distinct values that are in both of two, sorted.", arrays=2)
setdiff1d = constant(np.setdiff1d, "The distinct values of the first that are not in the second.", arrays=2)
setxor1d = constant(np.setxor1d, "The distinct values that are in exactly one of two, sorted.", arrays=2)

# Counts.

histogram_bin_edges = constant(np.histogram_bin_edges, "The edges of the bins that `histogram` would use.")
histogram2d = constant(np.histogram2d, "Counts of points of the plane by bins: (counts, x edges, y edges).")
histogramdd = constant(np.histogramdd, "Counts of points of space by bins: (counts, edges per axis).")
