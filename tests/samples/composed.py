"""Rows for functions that are made of others' operations and have no row of their own elsewhere."""

from __future__ import annotations

import numpy as np

import tinygrad_nd as nd

from .rows import Sample, normal, rows

X = (normal(3, 4),)

SAMPLES: list[Sample] = [
    *rows("matmul", nd.inner, (normal(3, 4), normal(2, 4)), (normal(4), normal(4))),
    *rows("multiply", nd.outer, (normal(3), normal(4)), (normal(2, 2), normal(3))),
    *rows("multiply", nd.linalg.outer, (normal(3), normal(4))),
    *rows("matmul", lambda a, b: nd.linalg.tensordot(a, b, axes=1), (normal(2, 3), normal(3, 4))),
    *rows("diagonal", nd.linalg.diagonal, (normal(2, 3, 4),), linear=True),
    *rows("sum", nd.linalg.trace, (normal(2, 3, 3),), linear=True),
    *rows("attention", nd.scaled_dot_product_attention, (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2))),
    *rows("matmul", nd.scaled_dot_product_attention, (normal(3, 4), normal(2, 5, 4), normal(2, 5, 2), normal(3, 5))),
    *rows("multiply", lambda x: nd.dropout(x, 0.5, rng=0), X, linear=True),
    *rows("mean", nd.global_avg_pool, (normal(2, 3, 4, 5),), linear=True),
    *rows("alias", lambda x: nd.asarray([x[0], x[1]]), X, linear=True),
    *rows("equal", lambda x: nd.astensor([nd.allclose(x, x), nd.array_equal(x, x), nd.array_equiv(x, x)]), X, differentiable=False),
    *rows("equal", lambda x: nd.astensor([nd.iscomplexobj(x), nd.isrealobj(x), *nd.broadcast_shapes((2, 1), (3,))]), X,
          differentiable=False),
    *rows("equal", lambda x: nd.zeros_like(x) + nd.ones_like(x) + 0 * nd.empty_like(x), (np.ones(3),), differentiable=False),
    *rows("equal", lambda x: nd.fft.fftfreq(4) + nd.fft.rfftfreq(6), X, differentiable=False),
]
