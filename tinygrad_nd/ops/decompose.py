"""Factorisations of matrices in the last two axes: Cholesky, QR, singular values. See `eigen` for how they are kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arguments import option
from ..kernels import lapack
from ..tape import primitive
from ..tensor import Tensor
from .choice import where
from .eigen import cut, eigh, eye, gaps, hermitian, row
from .elementwise import absolute, sign
from .index import take_along_axis
from .linalg import _matmul as product
from .linalg import adjoint, matrices
from .matrix import _diagonal, tril, triu
from .naming import named
from .parts import imag, real
from .shape import concatenate, expand_dims, swapaxes
from .solve import inv, solve
from .ufunc import over

__all__ = ["cholesky", "qr", "svd", "svdvals"]


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
    p = where(eye(p), p / 2, p)
    back = inv(low)
    return product(product(adjoint(back), p), back)


@named
def cholesky(a: Any, *, upper: bool = False) -> Tensor:
    """The lower triangle L with L @ L^H = a, for a Hermitian and positive definite; its conjugate transpose if `upper`.

    Raises LinAlgError if a is not positive definite.
    """
    low = _cholesky(hermitian(a, "U" if upper else "L", "cholesky"))
    return adjoint(low) if upper else low


# QR.


@primitive(a=lambda g, out, a_shape: _qr_grad(*cut(g[..., : a_shape[-1]], a_shape[-2]), *cut(out[..., : a_shape[-1]], a_shape[-2])))
def _qr(a: Any, *, mode: str) -> Any:
    """Q above R^T, for a with no fewer rows than columns."""
    q, r = lapack.run(np.linalg.qr, "qr", a, mode=mode)
    return np.concatenate([q, r.swapaxes(-1, -2)], -2)


def _qr_grad(gq: Tensor, gr: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """(gq + Q S) R^-H, with S the Hermitian matrix whose upper triangle is that of gr R^H - Q^H gq. Source: Walter and Lehmann (2010)."""
    gr, r = swapaxes(gr, -1, -2), swapaxes(r, -1, -2)
    upper = triu(product(gr, adjoint(r)) - product(adjoint(q), gq))
    s = where(eye(upper), real(upper), upper + adjoint(upper))
    return adjoint(solve(r, adjoint(gq + product(q, s))))


@named
def qr(a: Any, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and upper triangular R, with Q @ R = a: `reduced`, `complete` (Q square), or R alone (`r`).

    Shapes: (*n, m, n) to (*n, m, k) and (*n, k, n), with k the lesser of m and n, or m.
    """
    option("qr", "mode", mode, ("reduced", "complete", "r"))
    a = matrices(a, "qr")
    m, n = a.shape[-2:]
    packed = _qr(a[..., :m], mode="complete" if mode == "complete" and m > n else "reduced")
    q, r = cut(packed, m)
    r = swapaxes(r, -1, -2)
    if n > m:
        r = concatenate([triu(r), product(adjoint(q), a[..., m:])], -1)
    if mode == "r":
        return triu(r)
    return QRResult(_completed(q[..., :n], packed.data[..., :m, n:]), triu(r))


def _completed(q: Tensor, rest: np.ndarray) -> Tensor:
    """q with the orthonormal columns `rest` that complete its own to a basis."""
    return concatenate([q, _complement(q, rest=rest)], -1) if rest.shape[-1] else q


@primitive(q=lambda g, q, out: -product(product(out, adjoint(g)), q))
def _complement(q: Any, *, rest: np.ndarray) -> Any:
    """`rest`, which turns with q as little as it can while staying orthogonal to it: d rest = -q (dq)^H rest."""
    return rest


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
    return cut(x[..., : min(shape[-2:])], shape[-2], 1)


def _svd_grad(gu: Tensor, gs: Tensor, gv: Tensor, u: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """The cotangent of U S V^H, in their basis, and of what lies outside of it.

    Source: Townsend, Differentiating the singular value decomposition (2016); Wan and Zhang (2019) for the phases of complex vectors.
    """
    s, diagonal = real(s), eye(u)
    between = gaps(s) * (s + swapaxes(s, -1, -2))
    of_u, of_v = product(adjoint(u), gu), product(adjoint(v), gv)
    x, y = (over(where(diagonal, 0, t), between) for t in (of_u, of_v))
    core = (x + adjoint(x)) * s + swapaxes(s, -1, -2) * (y + adjoint(y))
    on_diagonal = real(gs)
    if u.dtype.kind == "c":
        on_diagonal = on_diagonal + over(1j * expand_dims(imag(_diagonal(of_u, offset=0)), -2), s)
    found = product(product(u, where(diagonal, on_diagonal, core)), adjoint(v))
    if u.shape[-2] > u.shape[-1]:
        found = found + product(_outside(u, over(gu, s)), adjoint(v))
    if v.shape[-2] > v.shape[-1]:
        found = found + product(u, adjoint(_outside(v, over(gv, s))))
    return found


def _outside(q: Tensor, x: Tensor) -> Tensor:
    """The part of x orthogonal to the columns of q."""
    return x - product(q, product(adjoint(q), x))


@named
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, S, Vh) with U · S @ Vh = a and S descending; S alone without `compute_uv`. `hermitian` says that a is.

    With `full_matrices`, U and Vh are square. The singular vectors' derivative is infinite where singular values are equal or 0.
    """
    a = matrices(a, "svd", square=bool(hermitian))
    if hermitian:
        return _svd_of_hermitian(a, compute_uv)
    if not compute_uv:
        return _svdvals(a)
    m, n = a.shape[-2:]
    packed = _svd(a, full=bool(full_matrices) and m != n)
    u, s, v = _parts(packed, a.shape)
    if full_matrices:
        u, v = _completed(u, packed.data[..., :m, n:]), _completed(v, packed.data[..., m + 1 :, m:])
    return SVDResult(u, row(real(s)), adjoint(v))


@primitive(a=lambda g, a: product((found := svd(a, False)).U * expand_dims(g, -2), found.Vh))
def _svdvals(a: Any) -> Any:
    return lapack.run(np.linalg.svd, "svdvals", a, compute_uv=False)


def _svd_of_hermitian(a: Tensor, compute_uv: bool) -> Any:
    w, v = eigh(a)
    order = np.argsort(np.abs(w.data), -1)[..., ::-1]
    w = take_along_axis(w, order, -1)
    if not compute_uv:
        return absolute(w)
    v = take_along_axis(v, order[..., None, :], -1)
    signs = sign(w.data) + (w.data == 0)
    return SVDResult(v, absolute(w), adjoint(v * expand_dims(signs, -2).astype(w.dtype)))


def svdvals(x: Any) -> Tensor:
    """The singular values of matrices, in descending order."""
    return _svdvals(matrices(x, "svdvals"))
