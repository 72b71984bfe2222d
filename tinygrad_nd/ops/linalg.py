"""Products of matrices and tensors. All of them end in one primitive: the batched matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np

from ..kernels import blas
from ..kernels.lapack import matrix
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from ..values import numeric
from .elementwise import multiply
from .naming import named
from .parts import floating
from .shape import axes_of, expand_dims, moveaxis, ravel, reshape, squeeze, transpose
from .ufunc import bare_rules, conj, either

__all__ = ["dot", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat"]

Matrices = TypeVar("Matrices", Tensor, np.ndarray)


@bare_rules
@primitive(a=lambda g, b: either(_matmul, g, adjoint(b)), b=lambda g, a: either(_matmul, adjoint(a), g))
def _matmul(a: Any, b: Any) -> Any:
    if a.shape[-1] == b.shape[-2] == 1:
        return np.multiply(a, b)  # every product once, and no sum
    if a.shape[-2] == 1 or b.shape[-1] == 1:
        return np.matmul(a, b)  # as fast as memory is read
    return blas.matmul(a, b)


@primitive(a=lambda g, b, axes: multiply(expand_dims(g, axes), conj(b)), b=lambda g, a, axes: multiply(expand_dims(g, axes), conj(a)))
def _sum_of_products(a: Any, b: Any, *, axes: tuple[int, ...]) -> Any:
    """a * b, which broadcast but not along `axes`, summed over these."""
    every = list(range(a.ndim))
    if len(axes) == a.ndim:
        return np.dot(a.ravel(), b.ravel())
    return np.einsum(a, every, b, every, [i for i in every if i not in axes])


def operand(x: Any, who: str) -> Tensor:
    """x as a tensor. Raises TypeError, in the name of the function called, for what is not numbers."""
    return x if isinstance(x, Tensor) else astensor(numeric(x, None, who))


def matrices(x: Any, who: str, *, square: bool = False) -> Tensor:
    """x as matrices of floating dtype, in the last two axes. Raises LinAlgError for other shapes."""
    a: Tensor = floating(operand(x, who))
    matrix(a, who, square=square)
    return a


def adjoint(a: Matrices) -> Matrices:
    """The conjugate transpose of matrices."""
    return conj(a.swapaxes(-1, -2))  # type: ignore[no-any-return]


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product over the last axis of a and the last but one of b; leading axes broadcast, a 1-D operand is a row or a column.

    Shapes: (*n, i, k) @ (*n, k, j) -> (*n, i, j).
    """
    a, b = operand(a, "matmul"), operand(b, "matmul")
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: needs operands with axes, but got {a.shape} and {b.shape}; multiply by a number with *")
    k = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != k:
        raise ValueError(f"matmul: the last axis of a {a.shape} has {a.shape[-1]} entries, but b {b.shape} needs {k}")
    if a.ndim == 1:
        return squeeze(matmul(expand_dims(a, 0), b), -2 if b.ndim > 1 else 0)
    if b.ndim == 1:
        return squeeze(matmul(a, expand_dims(b, 1)), -1)
    if a.ndim > 2 and b.ndim == 2:  # one product, and no gradient of b per leading index
        return reshape(_matmul(reshape(a, (prod(a.shape[:-1]), k)), b), (*a.shape[:-1], b.shape[1]))
    return _matmul(a, b)


def dot(a: Any, b: Any) -> Tensor:
    """NumPy's dot: a product of numbers, inner product of vectors, or sum over the last axis of a and the last but one of b."""
    a, b = operand(a, "dot"), operand(b, "dot")
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    return _contract("dot", a, b, (a.ndim - 1,), (max(b.ndim - 2, 0),))


def inner(a: Any, b: Any) -> Tensor:
    """The sum of products over the last axes of both."""
    a, b = operand(a, "inner"), operand(b, "inner")
    return _contract("inner", a, b, (a.ndim - 1,), (b.ndim - 1,)) if a.ndim and b.ndim else multiply(a, b)


def outer(a: Any, b: Any) -> Tensor:
    """Every product of an entry of a with an entry of b, both flattened: (size of a, size of b)."""
    return multiply(expand_dims(ravel(operand(a, "outer")), 1), expand_dims(ravel(operand(b, "outer")), 0))


@named
def tensordot(a: Any, b: Any, axes: int | Sequence[Any] = 2) -> Tensor:
    """The sum of products over pairs of axes: the last `axes` of a with the first of b, or (axes of a, axes of b)."""
    a, b = operand(a, "tensordot"), operand(b, "tensordot")
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes={shown(axes)} does not fit a {a.shape} and b {b.shape}")
        over_a, over_b = tuple(range(a.ndim - int(axes), a.ndim)), tuple(range(int(axes)))
    else:
        if not isinstance(axes, (list, tuple, np.ndarray)) or len(axes) != 2:
            raise TypeError(f"tensordot: axes must be an int or two lists of axes, those of a and those of b, but got {shown(axes)}")
        over_a, over_b = axes_of(axes[0], a.ndim, "tensordot"), axes_of(axes[1], b.ndim, "tensordot")
    return _contract("tensordot", a, b, over_a, over_b)


def _contract(who: str, a: Tensor, b: Tensor, over_a: tuple[int, ...], over_b: tuple[int, ...]) -> Tensor:
    """The sum of products over pairs of axes, as one product of matrices."""
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(f"{who}: axes {over_a} of a {a.shape} and {over_b} of b {b.shape} must have equal lengths")
    rest_a, rest_b = [i for i in range(a.ndim) if i not in over_a], [i for i in range(b.ndim) if i not in over_b]
    k = prod(a.shape[i] for i in over_a)
    left = reshape(transpose(a, (*rest_a, *over_a)), (prod(a.shape[i] for i in rest_a), k))
    right = reshape(transpose(b, (*over_b, *rest_b)), (k, prod(b.shape[i] for i in rest_b)))
    return reshape(_matmul(left, right), tuple([a.shape[i] for i in rest_a] + [b.shape[i] for i in rest_b]))


def kron(a: Any, b: Any) -> Tensor:
    """The Kronecker product: a with every entry multiplied by the whole of b, (*m) and (*n) to (*m·n)."""
    a, b = operand(a, "kron"), operand(b, "kron")
    rank = max(a.ndim, b.ndim)
    m, n = ((1,) * (rank - t.ndim) + t.shape for t in (a, b))
    blocks = multiply(reshape(a, [k for i in m for k in (i, 1)]), reshape(b, [k for j in n for k in (1, j)]))
    return reshape(blocks, [i * j for i, j in zip(m, n)])


def vdot(a: Any, b: Any) -> Tensor:
    """The sum of conj(a) · b over all entries, both flattened."""
    a, b = ravel(operand(a, "vdot")), ravel(operand(b, "vdot"))
    if a.shape != b.shape:
        raise ValueError(f"vdot: a and b must hold as many values, but hold {a.size} and {b.size}")
    return _sum_of_products(conj(a), b, axes=(0,))


@named
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Tensor:
    """The sum of conj(x1) · x2 along one axis of both; the others broadcast."""
    x1, x2 = (moveaxis(t, axis, -1) if t.ndim else t for t in (operand(x1, "vecdot"), operand(x2, "vecdot")))
    _same_core("vecdot", x1, x2, 1, 1)
    rank = max(x1.ndim, x2.ndim)
    x1, x2 = (reshape(t, (1,) * (rank - t.ndim) + t.shape) if t.ndim < rank else t for t in (x1, x2))
    return _sum_of_products(conj(x1), x2, axes=(rank - 1,))


def matvec(x1: Any, x2: Any) -> Tensor:
    """Matrices times vectors: (..., m, n) and (..., n) to (..., m)."""
    x1, x2 = operand(x1, "matvec"), operand(x2, "matvec")
    _same_core("matvec", x1, x2, 2, 1)
    return squeeze(_matmul(x1, expand_dims(x2, -1)), -1)


def vecmat(x1: Any, x2: Any) -> Tensor:
    """Conjugated vectors times matrices: (..., n) and (..., n, m) to (..., m)."""
    x1, x2 = operand(x1, "vecmat"), operand(x2, "vecmat")
    _same_core("vecmat", x1, x2, 1, 2)
    return squeeze(_matmul(expand_dims(conj(x1), -2), x2), -2)


def _same_core(who: str, x1: Tensor, x2: Tensor, rank1: int, rank2: int) -> None:
    if x1.ndim < rank1 or x2.ndim < rank2 or x1.shape[-1] != x2.shape[-rank2]:
        raise ValueError(f"{who}: x1 {x1.shape} and x2 {x2.shape} do not agree in the axis that is summed")
