"""Factorisations of matrices in the last two axes: Cholesky, QR, eigenvalues, singular values.

A factorisation has several results and a primitive has one, so the factors are kept in one array, below each other, and cut apart again.
What is arbitrary in the factors (signs, phases, bases of eigenspaces) has no derivative: losses must not depend on it. The gap between
equal eigenvalues is a division by zero, unless nothing depends on it; then the gradient is 0 (see `over`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..kernels import lapack
from ..kernels.lapack import matrix
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import where
from .elementwise import absolute, sign
from .linalg import _matmul as product
from .linalg import adjoint
from .matrix import _diagonal, tril, triu
from .parts import floating, imag, real
from .shape import concatenate, expand_dims, swapaxes
from .solve import solve
from .ufunc import conj, over

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of a matrix."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """Eigenvalues, in ascending order, and eigenvectors of a Hermitian matrix."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """Orthonormal columns Q and a triangle R."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """Left singular vectors, singular values in descending order, and conjugate transposed right singular vectors."""

    U: Tensor
    S: Tensor
    Vh: Tensor


# Cholesky.


@primitive(a=lambda g, out: _cholesky_grad(g, out))
def _cholesky(a: Any) -> Any:
    return lapack.run(np.linalg.cholesky, "cholesky", a)


def _cholesky_grad(g: Tensor, low: Tensor) -> Tensor:
    """L^-H P L^-1 for P the lower triangle of L^H g, its diagonal halved. Source: Murray, Differentiation of the Cholesky decomposition."""
    p = tril(product(adjoint(low), g))
    p = where(_eye(p), p / 2, p)
    return adjoint(solve(adjoint(low), adjoint(solve(adjoint(low), p))))


def cholesky(a: Any, *, upper: bool = False) -> Tensor:
    """The lower triangle L with L @ L^H = a, for a Hermitian and positive definite; its conjugate transpose if `upper`.

    Raises LinAlgError if a is not positive definite.
    """
    low = _cholesky(_hermitian(a, "U" if upper else "L", "cholesky"))
    return adjoint(low) if upper else low


def _hermitian(a: Any, uplo: str, who: str) -> Tensor:
    """The Hermitian matrix that is meant: (a + a^H) / 2, or a triangle of a, as in NumPy, where that differs by more than rounding.

    So gradients are Hermitian, as in JAX and PyTorch, and differences of values agree with them.
    """
    a = floating(a)
    matrix(a, who, square=True)
    gap = np.abs(a.data - np.conj(a.data.swapaxes(-1, -2))).max(initial=0)
    if gap == 0 or gap <= 1e-3 * np.abs(a.data).max():
        return _hermitian_part(a, exact=bool(gap == 0))
    part = triu(a, 1) if uplo == "U" else tril(a, -1)
    return where(_eye(a), real(a), part + adjoint(part))


@primitive(a=lambda g: _hermitian_part(g, exact=False))
def _hermitian_part(a: Any, *, exact: bool) -> Any:
    """(a + a^H) / 2, which is a itself if it is `exact`ly Hermitian."""
    return a if exact else (a + np.conj(a.swapaxes(-1, -2))) / 2


def _eye(a: Tensor) -> np.ndarray:
    return np.eye(a.shape[-1], dtype=bool)


# QR.


@primitive(a=lambda g, out, a_shape: _qr_grad(*_cut(g[..., : a_shape[-1]], a_shape[-2]), *_cut(out[..., : a_shape[-1]], a_shape[-2])))
def _qr(a: Any, *, mode: str) -> Any:
    """Q above R^T, for a with no fewer rows than columns."""
    q, r = lapack.run(np.linalg.qr, "qr", a, mode=mode)
    return np.concatenate([q, r.swapaxes(-1, -2)], -2)


def _cut(x: Tensor, *rows: int) -> list[Tensor]:
    """The parts of x, so many rows each, and the rest."""
    bounds = np.cumsum([0, *rows, x.shape[-2] - sum(rows)]).tolist()
    return [x[..., a:b, :] for a, b in zip(bounds, bounds[1:])]


def _qr_grad(gq: Tensor, gr: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """(gq + Q S) R^-H, with S the Hermitian matrix whose upper triangle is that of gr R^H - Q^H gq. Source: Walter and Lehmann (2010)."""
    gr, r = swapaxes(gr, -1, -2), swapaxes(r, -1, -2)
    upper = triu(product(gr, adjoint(r)) - product(adjoint(q), gq))
    s = where(_eye(upper), real(upper), upper + adjoint(upper))
    return adjoint(solve(r, adjoint(gq + product(q, s))))


def qr(a: Any, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and upper triangular R, with Q @ R = a: `reduced`, `complete` (Q square), or R alone (`r`).

    Shapes: (*n, m, n) to (*n, m, k) and (*n, k, n), with k the lesser of m and n, or m.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be reduced, complete or r, but got {mode!r}")
    a = floating(a)
    matrix(a, "qr")
    m, n = a.shape[-2:]
    packed = _qr(a[..., :m], mode="complete" if mode == "complete" and m > n else "reduced")
    q, r = _cut(packed, m)
    r = swapaxes(r, -1, -2)
    if n > m:
        r = concatenate([triu(r), product(adjoint(q), a[..., m:])], -1)
    if mode == "r":
        return triu(r)
    return QRResult(_completed(q[..., :n], packed.data[..., :m, n:]), triu(r))


def _completed(q: Tensor, rest: np.ndarray) -> Tensor:
    """q with the orthonormal columns `rest` that complete its own to a basis, turning with q as little as they can.

    Source: Newton's iteration for the polar factor; each step squares the order to which derivatives are right, and eight are.
    """
    if not rest.shape[-1] or not q.requires_grad:
        return concatenate([q, rest], -1) if rest.shape[-1] else q
    y = astensor(rest) - product(q, product(adjoint(q), rest))
    for _ in range(3):
        y = product(y, 1.5 * np.eye(y.shape[-1], dtype=y.dtype) - 0.5 * product(adjoint(y), y))
    return concatenate([q, y], -1)


# Eigenvalues.


@primitive(a=lambda g, out: _eigh_grad(*_cut(g, g.shape[-1]), *_cut(out, g.shape[-1])))
def _eigh(a: Any) -> Any:
    """Eigenvectors above eigenvalues."""
    w, v = lapack.run(np.linalg.eigh, "eigh", a)
    return np.concatenate([v, w[..., None, :]], -2)


def _eigh_grad(gv: Tensor, gw: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """V (gw on the diagonal, V^H gv over the gaps elsewhere) V^H. Source: Giles, An extended collection of matrix derivative results."""
    inner = where(_eye(v), 0, product(adjoint(v), gv))
    return product(product(v, where(_eye(v), real(gw), over(inner, _gaps(real(w))))), adjoint(v))


def _gaps(w: Tensor) -> Tensor:
    """w_j - w_i for values (..., 1, n)."""
    return w - swapaxes(w, -1, -2)


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """(eigenvalues in ascending order, eigenvectors in columns) of Hermitian matrices.

    The eigenvectors' derivative is infinite where eigenvalues are equal, and theirs is as it should be.
    """
    packed = _eigh(_hermitian(a, _uplo(UPLO, "eigh"), "eigh"))
    v, w = _cut(packed, packed.shape[-1])
    return EighResult(_row(real(w)), v)


def eigvalsh(a: Any, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order."""
    return _eigvalsh(_hermitian(a, _uplo(UPLO, "eigvalsh"), "eigvalsh"))


@primitive(a=lambda g, a: _spectral(g, eigh(a).eigenvectors))
def _eigvalsh(a: Any) -> Any:
    return lapack.run(np.linalg.eigvalsh, "eigvalsh", a)


def _spectral(w: Tensor, v: Tensor) -> Tensor:
    """V diag(w) V^H."""
    return product(v * expand_dims(w, -2), adjoint(v))


def _uplo(uplo: str, who: str) -> str:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise ValueError(f"{who}: UPLO must be 'L' or 'U', but got {uplo!r}")
    return uplo.upper()


def _row(x: Tensor) -> Tensor:
    return x[..., 0, :]


@primitive(a=lambda g, out: _eig_grad(*_cut(g, g.shape[-1]), *_cut(out, g.shape[-1])))
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
    core = where(_eye(v), gw, over(where(_eye(v), 0, inner), conj(_gaps(w))))
    return solve(adjoint(v), product(core, adjoint(v)))


def eig(a: Any) -> EigResult:
    """(eigenvalues, eigenvectors of length 1 in columns) of square matrices: real if all of them are, else complex.

    The derivative is infinite where eigenvalues are equal; of a matrix without a basis of eigenvectors there is none (LinAlgError).
    """
    a = floating(a)
    matrix(a, "eig", square=True)
    packed = _eig(a)
    v, w = _cut(packed, packed.shape[-1])
    return EigResult(_row(w), v)


def eigvals(a: Any) -> Tensor:
    """The eigenvalues of square matrices, in no particular order: real if all of them are, else complex."""
    a = floating(a)
    matrix(a, "eigvals", square=True)
    return eig(a).eigenvalues if a.requires_grad else astensor(lapack.run(np.linalg.eigvals, "eigvals", a.data))


# Singular values.


@primitive(a=lambda g, out, a_shape: _svd_grad(*_parts(g, a_shape), *_parts(out, a_shape)))
def _svd(a: Any, *, full: bool) -> Any:
    """U above S above V; the columns that complete U or V to a square stand behind, where the others have zeros."""
    u, s, vh = lapack.run(np.linalg.svd, "svd", a, full_matrices=full)
    out = np.zeros((*a.shape[:-2], sum(a.shape[-2:]) + 1, max(u.shape[-1], vh.shape[-2])), u.dtype)
    m = a.shape[-2]
    out[..., :m, : u.shape[-1]] = u
    out[..., m, : s.shape[-1]] = s
    out[..., m + 1 :, : vh.shape[-2]] = np.conj(vh.swapaxes(-1, -2))
    return out


def _parts(x: Tensor, shape: tuple[int, ...]) -> list[Tensor]:
    """U, S and V of a matrix of this shape."""
    return _cut(x[..., : min(shape[-2:])], shape[-2], 1)


def _svd_grad(gu: Tensor, gs: Tensor, gv: Tensor, u: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """The cotangent of U S V^H, in their basis, and of what lies outside of it.

    Source: Townsend, Differentiating the singular value decomposition (2016); Wan and Zhang (2019) for the phases of complex vectors.
    """
    s, eye = real(s), np.eye(u.shape[-1], dtype=bool)
    gaps = _gaps(s) * (s + swapaxes(s, -1, -2))
    of_u, of_v = product(adjoint(u), gu), product(adjoint(v), gv)
    x, y = (over(where(eye, 0, t), gaps) for t in (of_u, of_v))
    core = (x + adjoint(x)) * s + swapaxes(s, -1, -2) * (y + adjoint(y))
    on_diagonal = real(gs)
    if u.dtype.kind == "c":
        on_diagonal = on_diagonal + over(1j * expand_dims(imag(_diagonal(of_u, offset=0)), -2), s)
    found = product(product(u, where(eye, on_diagonal, core)), adjoint(v))
    if u.shape[-2] > u.shape[-1]:
        found = found + product(_outside(u, over(gu, s)), adjoint(v))
    if v.shape[-2] > v.shape[-1]:
        found = found + product(u, adjoint(_outside(v, over(gv, s))))
    return found


def _outside(q: Tensor, x: Tensor) -> Tensor:
    """The part of x orthogonal to the columns of q."""
    return x - product(q, product(adjoint(q), x))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, S, Vh) with U · S @ Vh = a and S descending; S alone without `compute_uv`. `hermitian` says that a is.

    With `full_matrices`, U and Vh are square. The singular vectors' derivative is infinite where singular values are equal or 0.
    """
    a = floating(a)
    matrix(a, "svd", square=hermitian)
    if hermitian:
        return _svd_of_hermitian(a, compute_uv)
    if not compute_uv:
        return _svdvals(a)
    m, n = a.shape[-2:]
    packed = _svd(a, full=bool(full_matrices) and m != n)
    u, s, v = _parts(packed, a.shape)
    if full_matrices:
        u, v = _completed(u, packed.data[..., :m, n:]), _completed(v, packed.data[..., m + 1 :, m:])
    return SVDResult(u, _row(real(s)), adjoint(v))


@primitive(a=lambda g, a: _between(g, *svd(a, False)))
def _svdvals(a: Any) -> Any:
    return lapack.run(np.linalg.svd, "svdvals", a, compute_uv=False)


def _between(g: Tensor, u: Tensor, s: Tensor, vh: Tensor) -> Tensor:
    """U diag(g) V^H."""
    return product(u * expand_dims(g, -2), vh)


def _svd_of_hermitian(a: Tensor, compute_uv: bool) -> Any:
    w, v = eigh(a)
    order = np.argsort(np.abs(w.data), -1)[..., ::-1]
    lead = np.ix_(*(np.arange(n) for n in w.shape))[:-1]
    w = w[(*lead, order)]
    if not compute_uv:
        return absolute(w)
    v = swapaxes(swapaxes(v, -1, -2)[(*lead, order)], -1, -2)
    signs = sign(w.data) + (w.data == 0)
    return SVDResult(v, absolute(w), adjoint(v * expand_dims(signs, -2).astype(w.dtype)))


def svdvals(x: Any) -> Tensor:
    """The singular values of matrices, in descending order."""
    x = floating(x)
    matrix(x, "svdvals")
    return _svdvals(x)
