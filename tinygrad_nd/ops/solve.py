"""Linear systems with matrices in the last two axes: solutions, inverses, determinants."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..kernels import lapack
from ..kernels.lapack import LinAlgError
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .elementwise import absolute, square
from .linalg import _matmul as product
from .linalg import adjoint, matrices, operand
from .matrix import trace, tril, triu
from .naming import named
from .parts import cast, floating, imag, real
from .reduce import sum as sum_along
from .shape import expand_dims, ravel, reshape, squeeze, transpose
from .ufunc import conj, scale

__all__ = ["cho_solve", "det", "inv", "lstsq", "pinv", "slogdet", "solve", "solve_triangular", "tensorinv", "tensorsolve"]

_UNSET: Any = np._NoValue


@primitive(b=lambda g, a: _solve(adjoint(a), g), a=lambda g, a, out: -product(_solve(adjoint(a), g), adjoint(out)))
def _solve(a: Any, b: Any) -> Any:
    return lapack.run(np.linalg.solve, "solve", a, b)


def solve(a: Any, b: Any) -> Tensor:
    """x with a @ x = b: b is one vector (n,), or matrices (..., n, k); leading axes broadcast.

    Raises LinAlgError for a singular matrix.
    """
    a, b = matrices(a, "solve", square=True), floating(operand(b, "solve"))
    if not b.ndim or b.shape[-2 if b.ndim > 1 else 0] != a.shape[-1]:
        raise ValueError(f"solve: a {a.shape} needs a b of {a.shape[-1]} rows, but b has shape {b.shape}")
    return squeeze(_solve(a, expand_dims(b, -1)), -1) if b.ndim == 1 else _solve(a, b)


@named
def solve_triangular(a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False) -> Tensor:
    """x with T @ x = b, where T is the upper (or `lower`) triangle of a, transposed with trans="T" and conjugated too with "C".

    With `unit_diagonal` the diagonal of T is taken to be 1. The arguments are SciPy's.
    """
    a = matrices(a, "solve_triangular", square=True)
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', but got {shown(trans)}")
    t = tril(a) if lower else triu(a)
    if unit_diagonal:
        t = where(np.eye(a.shape[-1], dtype=bool), 1, t)
    return solve(t if trans in (0, "N") else adjoint(t) if trans in (2, "C") else t.mT, b)


@named
def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Tensor:
    """x with a @ x = b, from (the Cholesky factor of a, whether that is its lower triangle), as in SciPy."""
    c, lower = c_and_lower
    return solve_triangular(c, solve_triangular(c, b, 0 if lower else "C", lower), "C" if lower else 0, lower)


@primitive(a=lambda g, out: -product(product(adjoint(out), g), adjoint(out)))
def _inv(a: Any) -> Any:
    return lapack.run(np.linalg.inv, "inv", a)


def inv(a: Any) -> Tensor:
    """The inverse of square matrices. Raises LinAlgError for a singular one."""
    return _inv(matrices(a, "inv", square=True))


# Determinants.


@primitive(a=lambda g, a, out: scale(g[..., None, None], _cofactors(a, out)))
def _det(a: Any) -> Any:
    return np.asarray(lapack.run(np.linalg.det, "det", a))


def det(a: Any) -> Tensor:
    """The determinant of square matrices; differentiable at singular ones, too."""
    return _det(matrices(a, "det", square=True))


def _cofactors(a: Tensor, out: Tensor) -> Tensor:
    """The slope of the determinant: det(a) a^-H, or the adjugate by itself where a is nearly singular."""
    one = np.eye(a.shape[-1], dtype=a.dtype)
    singular = (out.data == 0)[..., None, None]
    inverse = inv(where(singular, one, a) if singular.any() else a)
    size, back = (np.abs(m.data).sum(-2, keepdims=True).max(-1, keepdims=True, initial=0) for m in (a, inverse))
    nearly = singular | (size * back > max(1e5, 2 ** min(0.75 * len(one), 1000)))  # what the adjugate loses grows with the number of rows
    if nearly.any():
        return adjoint(where(nearly, _adjugate(a), inv(where(nearly, one, a)) * out[..., None, None]))  # type: ignore[no-any-return]
    return adjoint(inverse * out[..., None, None])


def _adjugate(a: Tensor) -> Tensor:
    """The adjugate as a polynomial in a, without a division. Source: the recursion of Faddeev and Le Verrier."""
    n = a.shape[-1]
    one = np.eye(n, dtype=a.dtype)
    size = float(np.abs(a.data).max(initial=0)) or 1.0
    a = a / size
    m: Any = astensor(np.broadcast_to(one, a.shape))
    for k in range(1, n):
        am = product(a, m)
        m = am - (trace(am, 0, -2, -1) / k)[..., None, None] * one
    return m * ((-1) ** (n - 1) * size ** (n - 1))  # type: ignore[no-any-return]


class SlogdetResult(NamedTuple):
    """The determinant's sign (or phase) and the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


@primitive(a=lambda g, a, out: scale(_of_logarithm(g, out)[..., None, None], _log_slope(a, out)))
def _slogdet(a: Any) -> Any:
    """The sign, and the logarithm of the absolute value."""
    return np.stack(lapack.run(np.linalg.slogdet, "slogdet", a), -1)


def _of_logarithm(g: Tensor, out: Tensor) -> Tensor:
    """The cotangent of log det a, whose imaginary part is the angle of the sign."""
    if g.dtype.kind != "c":
        return g[..., 1]
    return real(g[..., 1]) + 1j * imag(conj(out[..., 0]) * g[..., 0])


def _log_slope(a: Tensor, out: Tensor) -> Tensor:
    """a^-H, infinite where a is singular."""
    singular = (out.data[..., 0] == 0)[..., None, None]
    if not singular.any():
        return adjoint(inv(a))
    return adjoint(where(singular, np.inf, inv(where(singular, np.eye(a.shape[-1], dtype=a.dtype), a))))  # type: ignore[no-any-return]


def slogdet(a: Any) -> SlogdetResult:
    """(sign, log |det a|) of square matrices; the sign of a complex determinant is its phase, and 0 at a singular matrix."""
    a = matrices(a, "slogdet", square=True)
    both = _slogdet(a)
    return SlogdetResult(both[..., 0], real(both[..., 1]) if a.dtype.kind == "c" else both[..., 1])


# Least squares.


@primitive(a=lambda g, a, out: _pinv_grad(g, a, out))
def _pinv(a: Any, *, rcond: Any, hermitian: bool) -> Any:
    return lapack.run(np.linalg.pinv, "pinv", a, rcond=rcond, hermitian=hermitian)


def _pinv_grad(g: Tensor, a: Tensor, p: Tensor) -> Tensor:
    """Source: Golub and Pereyra, The differentiation of pseudo-inverses (1973), at constant rank."""
    g, ph = adjoint(g), adjoint(p)
    rows, columns = product(product(g, p), ph), product(ph, product(p, g))
    along = product(product(ph, adjoint(g)), ph)
    return rows - product(a, product(p, rows)) + columns - product(product(columns, p), a) - along


@named
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSET) -> Tensor:
    """The pseudo-inverse: (..., m, n) to (..., n, m). Singular values up to `rcond` (or `rtol`) times the largest count as 0.

    `rcond` is 1e-15 unless given; rtol=None means max(m, n) times the precision. The derivative is that at constant rank.
    """
    a = matrices(a, "pinv", square=bool(hermitian))
    if rcond is not None and rtol is not _UNSET:
        raise ValueError("pinv: rtol and rcond are two names of one argument; give one")
    if rtol is None:
        rtol = _precision(a)
    if hermitian:
        a = (a + adjoint(a)) / 2
    return _pinv(a, rcond=rcond if rcond is not None else 1e-15 if rtol is _UNSET else rtol, hermitian=bool(hermitian))


def _precision(a: Tensor) -> float:
    return max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)


@primitive(
    a=lambda g, a, b, rcond: _pinv_grad(product(g, adjoint(b)), a, _pinv(a, rcond=rcond, hermitian=False)),
    b=lambda g, a, rcond: product(adjoint(_pinv(a, rcond=rcond, hermitian=False)), g),
)
def _lstsq(a: Any, b: Any, *, x: np.ndarray, rcond: float) -> Any:
    """pinv(a) @ b, as NumPy found it."""
    return x


@named
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Tensor, Tensor, int, Tensor]:
    """(x, residuals, rank, singular values of a), with x the least of those that make |a @ x - b| least; a is one matrix.

    Singular values up to `rcond` times the largest count as 0. x and the residuals are differentiable, at constant rank; the rest is not.
    """
    a, b = floating(operand(a, "lstsq")), floating(operand(b, "lstsq"))
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise LinAlgError(f"lstsq: needs a matrix a and a b of as many rows, but a has shape {a.shape} and b {b.shape}")
    a = cast(a, dtype=np.result_type(a.dtype, b.dtype)) if a.dtype != b.dtype else a
    cut = _precision(a) if rcond is None else float(rcond)
    columns = expand_dims(b, -1) if b.ndim == 1 else b
    found, residuals, rank, s = lapack.run(np.linalg.lstsq, "lstsq", a.data, columns.data, rcond=cut)
    x = _lstsq(a, columns, x=found, rcond=cut if cut >= 0 else float(np.finfo(a.dtype).eps))
    missed = sum_along(square(absolute(columns - product(a, x))), 0) if residuals.size else astensor(residuals)
    return squeeze(x, -1) if b.ndim == 1 else x, missed, rank, astensor(s)


# Tensors as matrices.


@named
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Tensor:
    """x with tensordot(a, x, x.ndim) = b. `axes` of a are moved to its end first."""
    a, b = operand(a, "tensorsolve"), operand(b, "tensorsolve")
    order = list(range(a.ndim))
    for k in axes or ():
        order.remove(k)
        order.append(k)
    a = transpose(a, order)
    shape = a.shape[max(0, b.ndim) :]
    n = prod(shape)
    if a.size != n * n or b.size != n:
        raise LinAlgError(f"tensorsolve: a {a.shape} must be square after its first {b.ndim} axes, and b {b.shape} fit")
    with lapack.within("tensorsolve"):
        return reshape(solve(reshape(a, (n, n)), ravel(b)), shape)


@named
def tensorinv(a: Any, ind: int = 2) -> Tensor:
    """The tensor b with tensordot(b, tensordot(a, x, ..), ind) = x: the inverse of a as a matrix whose rows are its first `ind` axes."""
    a = operand(a, "tensorinv")
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, but is {ind}")
    rows, columns = a.shape[:ind], a.shape[ind:]
    if prod(rows) != prod(columns):
        raise LinAlgError(f"tensorinv: a {a.shape} must have as many entries before as after its first {ind} axes")
    with lapack.within("tensorinv"):
        return reshape(inv(reshape(a, (prod(rows), prod(columns)))), (*columns, *rows))
