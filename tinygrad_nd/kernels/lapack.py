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
        found = f(*(np.asarray(a, np.float32) if half else a for a in arrays), **options)
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
    return a.astype(np.float16) if a.dtype == np.float32 else a


def matrix(a: Any, who: str, *, square: bool = False) -> None:
    """Raises LinAlgError unless `a` is one or more matrices, square ones if asked."""
    if a.ndim < 2 or (square and a.shape[-1] != a.shape[-2]):
        raise LinAlgError(f"{who}: needs {'square ' * square}matrices in the last two axes, but a has shape {a.shape}")


PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
        33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip
REACH = 5.371920351148152  # 1-norm up to which the approximant has full precision


def expm(a: Any) -> Any:
    """exp of matrices (..., n, n): the Padé approximant of degree 13 of a / 2^s, squared s times.

    Source: Higham, The scaling and squaring method for the matrix exponential revisited (2005).
    """
    if not a.size:
        return a.astype(np.result_type(a, np.float32 if a.dtype.itemsize <= 4 and a.dtype.kind in "fc" else float))
    dtype = a.dtype if a.dtype.char in "fdFD" else np.dtype(np.float32 if a.dtype == np.float16 else float)
    norm = np.abs(a).sum(-2).max(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.nan_to_num(np.ceil(np.log2(norm / REACH)), nan=0, posinf=0, neginf=0).clip(0).astype(int)
    a = (a / np.exp2(times)[..., None, None]).astype(dtype)
    one = np.eye(a.shape[-1], dtype=dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    b = [float(c) for c in PADE]
    odd = a @ (a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    x = np.linalg.solve(even - odd, even + odd)
    for k in range(times.max(initial=0)):
        x = np.where((times > k)[..., None, None], x @ x, x) if times.ndim else x @ x
    return x
