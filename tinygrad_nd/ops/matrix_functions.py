"""Functions of square matrices, and products of many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from ..arguments import whole
from ..kernels import lapack
from ..tape import primitive
from ..tensor import Tensor, astensor
from .linalg import adjoint, dot, matmul, matrices, operand
from .naming import named
from .shape import broadcast_to, concatenate, ravel, reshape
from .solve import inv

__all__ = ["expm", "matrix_power", "multi_dot"]


@primitive(a=lambda g, a: _expm_grad(g, a))
def _expm(a: Any) -> Any:
    return lapack.rounded(lapack.expm(a)) if a.dtype == np.float16 else lapack.expm(a)


def _expm_grad(g: Tensor, a: Tensor) -> Tensor:
    """The derivative of exp at a^H along g: a block of exp of [[a^H, g], [0, a^H]], in which the size of g must not matter.

    Source: Mathias, A chain rule for matrix functions and applications (1996).
    """
    n = a.shape[-1]
    size = float(np.abs(g.data).max(initial=0)) or 1.0
    h = adjoint(a)
    block = concatenate([concatenate([h, g / size], -1), concatenate([astensor(np.zeros(a.shape, a.dtype)), h], -1)], -2)
    return _expm(block)[..., :n, n:] * size


def expm(a: Any) -> Tensor:
    """The exponential of square matrices."""
    return _expm(matrices(a, "expm", square=True))


@named
def matrix_power(a: Any, n: int) -> Tensor:
    """Square matrices multiplied by themselves n times; their inverses for negative n."""
    a = operand(a, "matrix_power")
    lapack.matrix(a, "matrix_power", square=True)
    if whole("matrix_power", "n", n, -inf) < 0:
        with lapack.within("matrix_power"):
            a, n = inv(a), -n
    result = None
    while n:
        if n & 1:
            result = a if result is None else matmul(result, a)
        n >>= 1
        a = matmul(a, a) if n else a
    return broadcast_to(astensor(np.eye(a.shape[-1], dtype=a.dtype)), a.shape) if result is None else result


@named
def multi_dot(arrays: Sequence[Any]) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and last may be vectors."""
    parts = [operand(a, "multi_dot") for a in arrays]
    if len(parts) < 2:
        raise ValueError(f"multi_dot: needs at least two matrices, but got {len(parts)}")
    if len(parts) == 2 and not {p.ndim for p in parts} <= {1, 2}:
        return dot(*parts)
    first, last = parts[0].ndim, parts[-1].ndim
    if first == 1:
        parts[0] = reshape(parts[0], (1, -1))
    if last == 1:
        parts[-1] = reshape(parts[-1], (-1, 1))
    for a in parts:
        if a.ndim != 2:
            raise lapack.LinAlgError(f"multi_dot: needs matrices, of which the first and last may be vectors, but got shape {a.shape}")
    for a, b in zip(parts, parts[1:]):
        if a.shape[1] != b.shape[0]:
            raise ValueError(f"multi_dot: matrices {a.shape} and {b.shape} cannot be multiplied")
    sizes = (*(a.shape[0] for a in parts), parts[-1].shape[1])

    def chain(i: int, j: int) -> Tensor:
        if j - i == 1:
            return parts[i]
        k = _split(sizes, i, j)[1]
        return matmul(chain(i, k), chain(k, j))

    found = chain(0, len(parts))
    return found if first == last == 2 else ravel(found) if first + last == 3 else reshape(found, ())


@lru_cache(4096)
def _split(sizes: tuple[int, ...], i: int, j: int) -> tuple[int, int]:
    """(multiply-adds, where to cut) for the cheapest product of the matrices from i to before j."""
    if j - i == 1:
        return 0, i
    return min((_split(sizes, i, k)[0] + _split(sizes, k, j)[0] + sizes[i] * sizes[k] * sizes[j], k) for k in range(i + 1, j))
