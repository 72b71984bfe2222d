"""Attention by blocks of queries: scores stay in a core's own cache between the products that make and use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from .. import blas, memory, parallel
from ..memory import Array
from . import products, programs, softmax
from .crew import Call

BLOCK = 1 << 16  # bytes of the scores of one block
CAUSAL = 64  # queries in a block that sees no later keys
FEWEST = 32  # queries in a block: with fewer, its products would mostly bring keys into order
SHARES = 4  # tasks of a thread

Back = Callable[[Array], list[Array]]


def attention(q: Array, k: Array, v: Array, rows: Array, at: Array, scale: float, causal: bool) -> tuple[Array, Back] | None:
    """softmax(scale q kᵀ + mask) v of arrays (*batch, length, features), and what takes its cotangent to those of q, k and v.

    Each query's row of the mask is rows[at]; if `causal` it hides all later keys. None where the compiled kernel does not take these.
    """
    *batch, n, d = q.shape
    m, e, count = *v.shape[-2:], prod(batch)
    gemm = blas.gemm(q.dtype)
    if gemm is None or not all(products.lies(t[(0,) * len(batch)]) for t in (q, k, v)):
        return None
    height = min(n, max(FEWEST, min(CAUSAL if causal else n, BLOCK // (m * q.itemsize))))
    blocks = [(i, min(i + height, n), min(i + height, m) if causal else m) for i in range(0, n, height)]
    ends = np.cumsum([(j - i) * keys for i, j, keys in blocks]).tolist()
    out, weights = _like(q, (*batch, n, e)), memory.empty((count, ends[-1]), q.dtype)
    heads, shares = list(np.ndindex(*batch)), min(count, SHARES * parallel.num_threads())
    number = q.dtype.type(scale)

    def parts(share: int, *names: str) -> Iterator[tuple[Any, ...]]:
        """Of each block in this share of the heads, the last one first: where it is, what it sees, its weights and scratch like these."""
        for h in range(count * share // shares, count * (share + 1) // shares):
            for (i, j, keys), end in zip(blocks[::-1], ends[::-1]):
                size = (j - i) * keys
                work = [memory.scratch(name, (shares, height * m), q.dtype)[share, :size] for name in names]
                yield h, i, j, keys, *[a.reshape(j - i, keys) for a in (weights[h, end - size : end], *work)]

    def forward(share: int) -> Iterator[Call]:
        for h, i, j, keys, w, scores in parts(share, "scores"):
            b = heads[h]
            yield products.blas_product(gemm, q[b][i:j], k[b][:keys].T, scores)
            yield softmax.masked_softmax_rows.call((w, at[h * n + i : h * n + j], scores, rows, number))
            yield products.blas_product(gemm, w, v[b][:keys], out[b][i:j])

    def backward(share: int, g: Array, dq: Array, dk: Array, dv: Array) -> Iterator[Call]:
        for h, i, j, keys, w, dw, ds in parts(share, "scores", "slopes"):
            b, first = heads[h], j == n
            if first and keys < m:
                yield from (products.moved(None, t[b][keys:]) for t in (dk, dv))
            yield products.blas_product(gemm, g[b][i:j], v[b][:keys].T, dw)
            yield softmax.softmax_grad_rows.call((ds, dw, w, number))
            yield products.blas_product(gemm, ds, k[b][:keys], dq[b][i:j])
            yield products.blas_product(gemm, ds.T, q[b][i:j], dk[b][:keys], not first)
            yield products.blas_product(gemm, w.T, g[b][i:j], dv[b][:keys], not first)

    def run(name: str, tasks: Callable[..., Iterator[Call]], *operands: Array) -> None:
        with blas.single_blas():
            given = *operands, q, k, v, weights, rows, at
            programs.run((name, scale, causal), given, lambda: [[*tasks(s, *operands)] for s in range(shares)])

    def back(g: Array) -> list[Array]:
        g = g if products.lies(g[(0,) * len(batch)]) else np.ascontiguousarray(g)
        found = [_like(t, t.shape) for t in (q, k, v)]
        run("attention back", backward, g, *found)
        return found

    run("attention", lambda share, _: forward(share), out)
    return out, back


def _like(a: Array, shape: tuple[int, ...]) -> Array:
    """An empty array of this shape that lies in memory as `a`, if its rows are dense then."""
    out = memory.empty_like(a, shape=shape)
    return out if out.strides[-1] == out.itemsize else memory.empty(shape, a.dtype)
