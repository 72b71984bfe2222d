"""Eigenvalues and eigenvectors of matrices in the last two axes.

A factorisation has several results and a primitive has one, so the factors are kept in one array, below each other, and cut apart again.
What is arbitrary in the factors (signs, phases, bases of eigenspaces) has no derivative: losses must not depend on it. The gap between
equal eigenvalues is a division by zero, unless nothing depends on it; then the gradient is 0 (see `over`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..kernels import lapack
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .linalg import _matmul as product
from .linalg import adjoint, matrices
from .matrix import _diagonal, tril, triu
from .naming import named
from .parts import real
from .shape import expand_dims, swapaxes
from .solve import solve
from .ufunc import conj, over

__all__ = ["eig", "eigh", "eigvals", "eigvalsh"]


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of a matrix."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """Eigenvalues, in ascending order, and eigenvectors of a Hermitian matrix."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def cut(x: Tensor, *rows: int) -> list[Tensor]:
    """The parts of x, so many rows each, and the rest."""
    bounds = np.cumsum([0, *rows, x.shape[-2] - sum(rows)]).tolist()
    return [x[..., a:b, :] for a, b in zip(bounds, bounds[1:])]


def row(x: Tensor) -> Tensor:
    """The only row of each matrix."""
    return x[..., 0, :]


def hermitian(a: Any, uplo: str, who: str) -> Tensor:
    """The Hermitian matrix that is meant: (a + a^H) / 2, or a triangle of a, as in NumPy, where that differs by more than rounding.

    So gradients are Hermitian, as in JAX and PyTorch, and differences of values agree with them.
    """
    a = matrices(a, who, square=True)
    with np.errstate(invalid="ignore"):
        gap = np.abs(a.data - np.conj(a.data.swapaxes(-1, -2))).max(initial=0)
    if gap == 0 or gap <= 1e-3 * np.abs(a.data).max():
        return _hermitian_part(a, exact=bool(gap == 0))
    part = triu(a, 1) if uplo == "U" else tril(a, -1)
    return where(eye(a), real(a), part + adjoint(part))  # type: ignore[no-any-return]


@primitive(a=lambda g: _hermitian_part(g, exact=False))
def _hermitian_part(a: Any, *, exact: bool) -> Any:
    """(a + a^H) / 2, which is a itself if it is `exact`ly Hermitian."""
    return a if exact else (a + np.conj(a.swapaxes(-1, -2))) / 2


def eye(a: Tensor) -> np.ndarray:
    """Where the diagonal is, of matrices with as many columns."""
    return np.eye(a.shape[-1], dtype=bool)


@primitive(a=lambda g, out: _eigh_grad(*cut(g, g.shape[-1]), *cut(out, g.shape[-1])))
def _eigh(a: Any) -> Any:
    """Eigenvectors above eigenvalues."""
    w, v = lapack.run(np.linalg.eigh, "eigh", a)
    return np.concatenate([v, w[..., None, :]], -2)


def _eigh_grad(gv: Tensor, gw: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """V (gw on the diagonal, V^H gv over the gaps elsewhere) V^H. Source: Giles, An extended collection of matrix derivative results."""
    inner = where(eye(v), 0, product(adjoint(v), gv))
    return product(product(v, where(eye(v), real(gw), over(inner, gaps(real(w))))), adjoint(v))


def gaps(w: Tensor) -> Tensor:
    """w_j - w_i for values (..., 1, n)."""
    return w - swapaxes(w, -1, -2)


@named
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """(eigenvalues in ascending order, eigenvectors in columns) of Hermitian matrices.

    Where eigenvalues are equal, the derivative of their eigenvectors is infinite; that of the eigenvalues is not.
    """
    packed = _eigh(hermitian(a, _uplo(UPLO, "eigh"), "eigh"))
    v, w = cut(packed, packed.shape[-1])
    return EighResult(row(real(w)), v)


@named
def eigvalsh(a: Any, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order."""
    return _eigvalsh(hermitian(a, _uplo(UPLO, "eigvalsh"), "eigvalsh"))


@primitive(a=lambda g, a: product((v := eigh(a).eigenvectors) * expand_dims(g, -2), adjoint(v)))
def _eigvalsh(a: Any) -> Any:
    return lapack.run(np.linalg.eigvalsh, "eigvalsh", a)


def _uplo(uplo: str, who: str) -> str:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise ValueError(f"{who}: UPLO must be 'L' or 'U', but got {shown(uplo)}")
    return uplo.upper()


@primitive(a=lambda g, out: _eig_grad(*cut(g, g.shape[-1]), *cut(out, g.shape[-1])))
def _eig(a: Any) -> Any:
    """Eigenvectors above eigenvalues."""
    w, v = lapack.run(np.linalg.eig, "eig", a)
    return np.concatenate([v, w[..., None, :]], -2)


def _eig_grad(gv: Tensor, gw: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """V^-H (gw on the diagonal, elsewhere V^H gv less what would change lengths, over the gaps) V^H.

    Source: Boeddeker et al., On the computation of complex-valued gradients (2017).
    """
    inner = product(adjoint(v), gv)
    inner = inner - product(adjoint(v), v) * expand_dims(real(_diagonal(inner, offset=0)), -2)
    core = where(eye(v), gw, over(where(eye(v), 0, inner), conj(gaps(w))))
    return solve(adjoint(v), product(core, adjoint(v)))


def eig(a: Any) -> EigResult:
    """(eigenvalues, eigenvectors of length 1 in columns) of square matrices: real if all of them are, else complex.

    The derivative is infinite where eigenvalues are equal; of a matrix without a basis of eigenvectors there is none (LinAlgError).
    """
    a = matrices(a, "eig", square=True)
    packed = _eig(a)
    v, w = cut(packed, packed.shape[-1])
    return EigResult(row(w), v)


def eigvals(a: Any) -> Tensor:
    """The eigenvalues of square matrices, in no particular order: real if all of them are, else complex."""
    a = matrices(a, "eigvals", square=True)
    return eig(a).eigenvalues if a.requires_grad else astensor(lapack.run(np.linalg.eigvals, "eigvals", a.data))
