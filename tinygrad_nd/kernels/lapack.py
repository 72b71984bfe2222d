"""NumPy's factorisations, in half precision too, and with errors that say which function was given which shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

LinAlgError = np.linalg.LinAlgError


def run(f: Callable[..., Any], who: str, *arrays: Any, **options: Any) -> Any:
    """f of matrices. LAPACK knows no float16, so that is computed in float32 and rounded once."""
    half = np.result_type(*arrays) == np.float16
    try:
        found = f(*(np.asarray(a, np.float32) if a.dtype == np.float16 else a for a in arrays), **options)
    except LinAlgError as error:
        raise LinAlgError(f"{who}: {error}, given {' and '.join(str(np.shape(a)) for a in arrays)}") from None
    if not half:
        return found
    return tuple(rounded(part) for part in found) if isinstance(found, tuple) else rounded(found)


@contextmanager
def within(who: str) -> Iterator[None]:
    """Errors inside tell of the function that was called, too."""
    try:
        yield
    except ValueError as error:
        raise type(error)(f"{who}: {error}") from None


def rounded(a: Any) -> Any:
    """Half precision of what was computed in single; complex values have none."""
    return np.asarray(a, np.float16) if getattr(a, "dtype", None) == np.float32 else a


def matrix(a: Any, who: str, *, square: bool = False) -> None:
    """Raises LinAlgError unless `a` is one or more matrices, square ones if asked."""
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        raise LinAlgError(f"{who}: needs {'square ' * square}matrices in the last two axes, but a has shape {a.shape}")


PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
        33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip
REACH = 4.25  # size up to which the approximant has full precision


def expm(a: Any) -> Any:
    """exp of matrices (..., n, n): the Padé approximant of degree 13 of a / 2^s, squared s times.

    Source: Al-Mohy and Higham, A new scaling and squaring algorithm for the matrix exponential (2009).
    """
    dtype = a.dtype if a.dtype.char in "fdFD" else np.dtype(np.float32 if a.dtype == np.float16 else float)
    a = a.astype(dtype)
    if not a.size:
        return a
    one = np.eye(a.shape[-1], dtype=dtype)
    with np.errstate(all="ignore"):
        a2 = a @ a
        a4 = a2 @ a2
        a6 = a4 @ a2
        # Powers tell how large a is: less than its norm does, where it is far from normal.
        size = np.maximum(_norm(a6) ** (1 / 6), np.minimum(_norm(a4 @ a4) ** (1 / 8), _norm(a4) ** (1 / 4)))
        size = np.where(np.isfinite(size), size, _norm(a))
        times = _whole(np.log2(size / REACH))
        times = times + _more(a * _power(-times, dtype), np.finfo(dtype).eps)
        a2, a4, a6, a = (m * _power(-k * times, dtype) for m, k in ((a2, 2), (a4, 4), (a6, 6), (a, 1)))
    finite = np.isfinite(a6).all((-2, -1), keepdims=True)
    if not finite.all():  # powers overflowed, or a itself is not finite
        a = np.where(np.isfinite(a).all((-2, -1), keepdims=True), a, np.nan)
        a2 = np.where(finite, a2, a @ a)
        a4, a6 = np.where(finite, a4, a2 @ a2), np.where(finite, a6, a2 @ a2 @ a2)
    b = [float(c) for c in PADE]
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    x = np.linalg.solve(even - odd, even + odd)
    for k in range(times.max(initial=0)):
        x = np.where((times > k)[..., None, None], x @ x, x) if times.ndim else x @ x
    return x


def _norm(a: Any) -> Any:
    """The largest sum of a column of absolute values."""
    return np.abs(a).sum(-2).max(-1)


def _whole(a: Any) -> Any:
    """At least so many, and at least 0; 0 for what is no number."""
    return np.nan_to_num(np.ceil(a), nan=0, posinf=0, neginf=0).clip(0).astype(int)


def _power(times: Any, dtype: Any) -> Any:
    """2^times, to multiply matrices by."""
    return np.exp2(times)[..., None, None].astype(dtype)


def _more(a: Any, precision: float) -> Any:
    """How many more halvings keep the error of the approximant below rounding, from the norm of |a|^27."""
    size = np.abs(a)
    column = np.ones((*a.shape[:-2], 1, a.shape[-1]), size.dtype)
    for _ in range(27):
        column = column @ size
    return _whole(np.log2(column.max((-2, -1)) / _norm(a) / 1.13e35 / precision) / 26)
