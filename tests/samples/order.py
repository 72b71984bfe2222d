"""Rows for sorting, ranks, quantiles, covariance and counts."""

from __future__ import annotations

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.ops import entries, sort

from .rows import Sample, apart, normal, positive, rows

X = (apart(3, 4),)
CUBE = (apart(2, 3, 4),)
Z = (normal(3, 4) + 1j * normal(3, 4),)
HOLES = (np.where(np.arange(20).reshape(4, 5) % 6 == 2, np.nan, apart(4, 5)),)
CONTINUOUS = (
    "linear",
    "hazen",
    "weibull",
    "interpolated_inverted_cdf",
    "median_unbiased",
    "normal_unbiased",
    "midpoint",
    "averaged_inverted_cdf",
)
STEPPED = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")

SAMPLES: list[Sample] = [
    *[s for a in (-1, 0, None) for s in rows("sort", lambda x, a=a: nd.sort(x, a), X, Z)],
    *rows("sort", nd.sort_complex, X, Z, keeps_dtype=False),
    *[s for a in (-1, 0, None) for s in rows("partition", lambda x, a=a: nd.partition(x, (0, 2), a), X)],
    *rows("pick", lambda x: nd.topk(x, 2)[0], X, CUBE),
    *rows("pick", lambda x: nd.topk(x, 3, axis=0, largest=False)[0], X),
    *rows("pick", lambda x: nd.topk(x, 2)[0], (apart(2, 12),)),
    *rows("pick", lambda x: entries.pick(x, index=np.array([[2, 0], [1, 3], [0, 0]]), axis=1, distinct=False), X, linear=True),
    *rows("put_back", lambda g: entries.put_back(g, index=np.array([[2, 0, 5, 1]] * 3), axis=1, size=6, distinct=True), X, linear=True),
    *rows("order_statistics", lambda x: sort.order_statistics(x, ranks=(0, 3)), X),
    *[s for a in (None, 0, (0, -1)) for s in rows("order_statistics", lambda x, a=a: nd.median(x, a, keepdims=True), CUBE)],
    *rows("order_statistics", nd.median, Z, (apart(5),)),
    *[s for m in (*CONTINUOUS, *STEPPED) for s in rows("order_statistics", lambda x, m=m: nd.quantile(x, 0.37, 1, method=m), X, CUBE)],
    *[s for m in (*CONTINUOUS, *STEPPED) for s in rows("order_statistics", lambda x, m=m: nd.quantile(x, [0.1, 0.37, 0.8], 1, method=m), X,
                                                       keeps_dtype=m in STEPPED)],
    *rows("order_statistics", lambda x: nd.percentile(x, 30.0, (0, 2), keepdims=True), CUBE),
    *[s for m in CONTINUOUS[:6] for s in rows("order_statistics", lambda x, q, m=m: nd.quantile(x, q, 1, method=m),
                                              (apart(3, 9), np.array([0.31, 0.64])),
                                              keeps_dtype=False)],
    *rows("order_statistics", lambda x, q: nd.percentile(x, q), (apart(9), np.array(33.0)), keeps_dtype=False),
    *rows("pick", lambda x: nd.quantile(x, [0.2, 0.7], 0, method="inverted_cdf", weights=np.arange(1, 4.0)), X),
    *[s for m in ("linear", "hazen", "lower", "midpoint") for s in rows("sort",
    lambda x, m=m: nd.nanquantile(x, np.array([0.2, 0.7]), 0, method=m), X,
                                                                        keeps_dtype=m == "lower")],
    *rows("sort", lambda x: nd.nanpercentile(nd.where(np.isnan(HOLES[0]), np.nan, x), 40.0, 1), (apart(4, 5),)),
    *rows("sort", lambda x: nd.nanmedian(nd.where(np.isnan(HOLES[0]), np.nan, x), 1), (apart(4, 5),)),
    *rows("sort", lambda x: nd.nanmedian(x), X),
    # covariance and counts
    *rows("matmul", nd.cov, (normal(3, 5),), (normal(5),), Z, keeps_dtype=False),
    *rows("matmul", lambda x, y: nd.cov(x, y, rowvar=False, bias=True), (normal(5, 2), normal(5)), keeps_dtype=False),
    *rows("matmul", lambda x, w: nd.cov(x, aweights=w), (normal(3, 5), positive(5)), keeps_dtype=False),
    *rows("matmul", lambda x, w: nd.cov(x, aweights=w, fweights=[1, 2, 1, 3, 1], ddof=0), (normal(3, 5), positive(5)), keeps_dtype=False),
    *rows("matmul", nd.corrcoef, (normal(3, 6),), Z, keeps_dtype=False),
    *rows("put_along", lambda w: nd.bincount([0, 2, 2, 5, 1], w, 7), (normal(5),), linear=True, keeps_dtype=False),
    *rows("put_along", lambda w: nd.histogram([0.1, 0.9, 0.5, 2.0, -1.0], 3, (0, 1), weights=w)[0], (normal(5),), linear=True),
    *rows("put_along", lambda w: nd.histogram([0.1, 0.9, 0.5], 4, density=True, weights=w)[0], (positive(3),), keeps_dtype=False),
]  # fmt: skip
