"""Rows for linear algebra. Of factors with arbitrary signs and bases, what does not depend on these."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.ops import eigen, linalg, matrix

from .rows import Sample, apart, normal, rows

L = nd.linalg


def z(*shape: int) -> np.ndarray:
    return normal(*shape) + 1j * normal(*shape)


def easy(*shape: int) -> np.ndarray:
    """Matrices far from singular, their singular values far from each other."""
    return normal(*shape) * 0.3 + np.eye(*shape[-2:]) * np.arange(2, 2 + shape[-1])


def definite(a: Any) -> Any:
    """Positive definite, of any matrix."""
    return linalg.adjoint(a) @ a + np.eye(a.shape[-1], dtype=a.dtype)


def both(op: str, f: Any, *real: tuple[Any, ...], **flags: Any) -> list[Sample]:
    """The rows, and the same with complex arrays."""
    return rows(op, f, *real, *[tuple(a + 0.3j * normal(*a.shape) for a in case) for case in real], **flags)


def projectors(vectors: Any, values: Any) -> Any:
    """A function of a factorisation in which phases cancel: the sum of vectors times a function of their values."""
    return (vectors * nd.exp(-values * 0.2)[..., None, :]) @ linalg.adjoint(vectors)


def of_svd(a: Any, full: bool = False) -> Any:
    u, s, vh = L.svd(a, full)
    k = s.shape[-1]
    both = (u[..., :k] * nd.exp(-s * 0.2)[..., None, :]) @ vh[..., :k, :]
    rest = [q[..., k:] @ linalg.adjoint(q[..., k:]) for q in (u, linalg.adjoint(vh)) if q.shape[-1] > k]
    return nd.concatenate([nd.ravel(t) for t in (both, s.astype(both.dtype), *rest)])


def of_qr(a: Any, mode: str) -> Any:
    q, r = L.qr(a, mode)
    k = min(a.shape[-2:])
    return nd.concatenate([nd.ravel(t) for t in (q[..., :k], r, q[..., k:] @ linalg.adjoint(q[..., k:]))])


def of_eig(a: Any) -> Any:
    """The spectral function of a, and its values by a smooth symmetric function; real for real a."""
    w, v = L.eig(a)
    f = (v * nd.exp(w * 0.3)[..., None, :]) @ L.inv(v)
    lengths = nd.sum(nd.square(nd.abs(v)) * nd.sin(nd.abs(w))[..., None, :] * np.arange(1, 1 + v.shape[-2])[:, None], (-1, -2))
    return nd.concatenate([nd.ravel(f if a.dtype.kind == "c" else nd.real(f)), nd.ravel(lengths).astype(a.dtype)])


A, B, T = (easy(3, 3),), (easy(2, 3, 3),), (easy(4, 3),)
WIDE = (easy(3, 3)[:2],)

SAMPLES: list[Sample] = [
    # products
    *both("multiply", nd.kron, (normal(2, 3), normal(2, 2)), (normal(2), normal(3, 1))),
    *both("sum_of_products", nd.vdot, (normal(2, 3), normal(3, 2))),
    *both("sum_of_products", nd.vecdot, (normal(2, 3), normal(4, 1, 3))),
    *both("matmul", nd.matvec, (normal(2, 3, 4), normal(4))),
    *both("matmul", nd.vecmat, (normal(3), normal(2, 3, 4))),
    *both("matmul", lambda a, b, c: L.multi_dot([a, b, c]), (normal(3), normal(3, 4), normal(4, 2))),
    *both("cross", L.cross, (normal(2, 3), normal(3))),
    *both("matmul", lambda a: L.matrix_power(a, 3), A),
    *both("inv", lambda a: L.matrix_power(a, -2), B),
    # einsum
    *both("matmul", lambda a, b: nd.einsum("ij,kj->ik", a, b), (normal(2, 3), normal(4, 3))),
    *both("sum_of_products", lambda a, b: nd.einsum("ijk,kij->j", a, b), (normal(2, 3, 4), normal(4, 2, 3))),
    *rows("hermitian_part", lambda a: eigen._hermitian_part(a, exact=False), (normal(3, 3),), (z(2, 3, 3),)),
    *both("diagonal", lambda a: nd.einsum("iji->j", a), (normal(2, 3, 2),), linear=True),
    *both("diagonal", lambda a: nd.einsum("iii->i", a), (normal(3, 3, 3),), linear=True),
    *both("sum", lambda a: nd.einsum("...ij->...", a), (normal(2, 3, 2),), linear=True),
    *both("matmul", lambda a, b: nd.einsum("...ij,...jk", a, b), (normal(2, 1, 2, 3), normal(4, 3, 2))),
    *both("matmul", lambda a, b: nd.einsum("bij,bkj->bik", a, b), (normal(1, 2, 3), normal(2, 4, 3))),
    *both("multiply", lambda a, b: nd.einsum("i,j", a, b), (normal(3), normal(2))),
    *both("matmul", lambda a, b: nd.einsum(a, [0, 1], b, [1, 2], [2, 0]), (normal(2, 3), normal(3, 4))),
    *both("matmul", lambda a, b, c: nd.einsum("ij,jk,kl->il", a, b, c), (normal(2, 3), normal(3, 4), normal(4, 2))),
    *both("matmul", lambda a, b, c: nd.einsum("ij,ij,kj->k", a, b, c, optimize="optimal"), (normal(2, 3), normal(2, 3), normal(4, 3))),
    # diagonals and triangles
    *both("diagonal", lambda a: nd.diagonal(a, 1, 0, 2), (normal(3, 2, 4),), linear=True),
    *both("diagonal", lambda a: nd.diagonal(a, -1), (normal(3, 2),), linear=True),
    *both("diagonal", nd.trace, (normal(3, 2),), (normal(3, 3, 2),), linear=True),
    *both("diagonal", nd.diag, (normal(3, 2),), linear=True),
    *both("on_diagonal", lambda a: nd.diag(a, -2), (normal(3),), linear=True),
    *both("on_diagonal", nd.diagflat, (normal(2, 2),), linear=True),
    *both("on_diagonal", lambda a: matrix._on_diagonal(a, offset=1, shape=(2, 4)), (normal(2, 2),), linear=True),
    *both("where", lambda a: nd.tril(a, 1), (normal(2, 3, 4),), linear=True),
    *both("where", lambda a: nd.triu(a, -1), (normal(4, 3),), linear=True),
    # norms
    *[s for axis in (None, 0, (1, 2), (2, 0)) for s in both("pnorm", lambda a, i=axis: L.norm(a, axis=i), (normal(2, 3, 4),))],
    *[
        s
        for p in (0, 0.5, 1.5, 2, 3, -1, -2)
        for s in both("pnorm", lambda a, p=p: L.vector_norm(a, ord=p, axis=0, keepdims=True), (apart(3, 2) / 4,))
    ],
    *both("sum", lambda a: L.vector_norm(a, ord=1), (apart(3, 2),)),
    *[s for p in (np.inf, -np.inf) for s in both("absolute", lambda a, p=p: L.vector_norm(a, ord=p, axis=1), (apart(3, 4),))],
    *[s for p in (1, -1, np.inf, -np.inf) for s in both("absolute", lambda a, p=p: L.matrix_norm(a, ord=p), (normal(2, 3, 4),))],
    *[s for p in (2, -2, "nuc") for s in both("svdvals", lambda a, p=p: L.matrix_norm(a, ord=p, keepdims=True), T, WIDE)],
    *both("svdvals", L.cond, T),
    *both("inv", lambda a: L.cond(a, "fro"), B),
    # systems
    *both("solve", L.solve, (*A, normal(3)), (*B, normal(2, 3, 2)), (*A, normal(2, 3, 1))),
    *both("solve", lambda a, b: L.solve_triangular(a, b, "C", True), (*A, normal(3, 2))),
    *both("solve", lambda a, b: L.solve_triangular(a, b, "T", unit_diagonal=True), (*A, normal(3))),
    *both("solve", lambda a, b: L.cho_solve((L.cholesky(definite(a)), True), b), (*A, normal(3))),
    *both("solve", L.tensorsolve, (easy(6, 6).reshape(2, 3, 6), normal(2, 3))),
    *both("inv", L.inv, A, B),
    *both("inv", L.tensorinv, (easy(6, 6).reshape(2, 3, 6),)),
    *both("pinv", L.pinv, T, WIDE, A),
    *both("lstsq", lambda a, b: L.lstsq(a, b)[0], (*T, normal(4, 2)), (*WIDE, normal(2))),
    *both("lstsq", lambda a, b: L.lstsq(a, b)[1], (*T, normal(4, 2))),
    *both("det", L.det, A, B),
    *rows("det", L.det, (np.arange(9.0).reshape(3, 3),), (np.ones((3, 3)),), (np.zeros((2, 2)),), (np.array([[0.0]]),)),
    *both("slogdet", lambda a: L.slogdet(a).logabsdet, A, B),
    *rows("slogdet", lambda a: L.slogdet(a).sign, (z(3, 3),)),
    # factorisations
    *both("cholesky", lambda a: L.cholesky(definite(a)), A, B),
    *both("cholesky", lambda a: L.cholesky(definite(a), upper=True), A),
    *rows("cholesky", L.cholesky, (definite(easy(3, 3)),)),
    *[s for mode in ("reduced", "complete") for s in both("qr", lambda a, m=mode: of_qr(a, m), T, WIDE, A)],
    *both("qr", lambda a: L.qr(a, "r"), B),
    *both("complement", lambda a: of_qr(a, "complete"), (easy(2, 4, 2),)),
    *both("eigh", lambda a: projectors(*L.eigh(definite(a))[::-1]), A, B),
    *both("eigvalsh", lambda a: L.eigvalsh(definite(a), "U"), A, keeps_dtype=False),
    *rows("eigvalsh", L.eigvalsh, (definite(easy(3, 3)),)),
    *rows("eigvalsh", lambda a: L.eigvalsh(a, "U"), A),
    *both("eig", of_eig, A, (np.array([[1.0, 2.0], [-2.0, 0.5]]),), keeps_dtype=False),
    *rows("eig", lambda a: L.eigvals(a).imag, (np.array([[1.0, 2.0], [-2.0, 0.5]]),), keeps_dtype=False),
    *both("svd", of_svd, T, WIDE, A),
    *both("svd", lambda a: of_svd(a, True), T, WIDE),
    *both("svdvals", L.svdvals, B, keeps_dtype=False),
    *both("eigh", lambda a: projectors(*L.svd(definite(a) - 9 * np.eye(3, dtype=a.dtype), hermitian=True)[:2]), A),
    # functions
    *both("expm", L.expm, (normal(3, 3),), (normal(2, 2, 2) * 3,)),
]
