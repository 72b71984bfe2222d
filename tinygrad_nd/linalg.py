"""Linear algebra on tensors, named and called as in np.linalg: everything takes stacks of matrices in the last two axes."""

from __future__ import annotations

from typing import Any

from .kernels.lapack import LinAlgError
from .ops import linalg as _products
from .ops import matrix as _matrix
from .ops.decompose import QRResult, SVDResult, cholesky, qr, svd, svdvals
from .ops.eigen import EighResult, EigResult, eig, eigh, eigvals, eigvalsh
from .ops.linalg import matmul, operand, vecdot
from .ops.matrix_functions import expm, matrix_power, multi_dot
from .ops.matrix_norm import cond, matrix_norm, matrix_rank, norm, vector_norm
from .ops.shape import axis_of, matrix_transpose
from .ops.solve import SlogdetResult, cho_solve, det, inv, lstsq, pinv, slogdet, solve, solve_triangular, tensorinv, tensorsolve
from .ops.vectors import cross as _cross
from .tensor import Tensor

__all__ = [
    "EigResult", "EighResult", "LinAlgError", "QRResult", "SVDResult", "SlogdetResult", "cho_solve", "cholesky", "cond", "cross", "det",
    "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "expm", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
    "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals",
    "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip

# What is flat in nd. and means less here: vectors only, or the last two axes.


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices: (..., m, n) to (..., k)."""
    return _matrix.diagonal(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sums along the diagonals of matrices."""
    return _matrix.trace(x, offset, -2, -1, dtype)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over pairs of axes (see `nd.tensordot`)."""
    return _products.tensordot(x1, x2, axes)


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Every product of an entry of one vector with an entry of another."""
    x1, x2 = operand(x1, "outer"), operand(x2, "outer")
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: needs two vectors, but x1 has shape {x1.shape} and x2 {x2.shape}")
    return _products.outer(x1, x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The vector product of vectors of three components along an axis."""
    x1, x2 = operand(x1, "cross"), operand(x2, "cross")
    if any(x.shape[axis_of(axis, x.ndim, "cross")] != 3 for x in (x1, x2)):
        raise ValueError(f"cross: needs 3 components along axis {axis}, but x1 has shape {x1.shape} and x2 {x2.shape}")
    return _cross(x1, x2, axis=axis)
