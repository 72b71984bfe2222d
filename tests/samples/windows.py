"""Rows for windows and sizes: lp, adaptive and global pools, unpooling, columns, resizing, pixels as channels."""

from __future__ import annotations

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.kernels.geometry import pool_spec
from tinygrad_nd.ops import adaptive, pool

from .rows import Sample, apart, normal, positive, rows

X1, X2, X3, X4 = (2, 3, 7), (1, 2, 5, 6), (1, 2, 4, 3, 5), (1, 1, 3, 2, 3, 2)
PLACES = np.array([[[0, 3, 8], [5, 2, 4]]])  # distinct in each of two rows of 9


SAMPLES: list[Sample] = [
    # pools
    *rows("lp_pool", lambda x: nd.lp_pool_nd(x, 2, 3, 2, True), (normal(*X1),), (normal(*X2),), (normal(*X3),)),
    *rows("lp_pool", lambda x: nd.lp_pool_nd(x, 3, 2), (normal(*X2),), (normal(2, 3),)),
    *rows("lp_pool", lambda x: nd.lp_pool_nd(x, 1.5, 2, 1, padding=1, dilation=2), (apart(*X1),), (apart(*X4) / 9,)),
    *rows("lp_pool", lambda x: nd.lp_pool_nd(x, 0.5, 2), (positive(*X1),)),
    *rows("max_pool", lambda x: nd.lp_pool_nd(x, np.inf, 2), (apart(*X2),)),
    *rows("window_sum", lambda x: nd.avg_pool_nd(x, 2, 1, 1, dilation=2), (normal(*X1),), (normal(*X2),), (normal(*X4),), linear=True),
    *rows("window_sum", lambda x: nd.avg_pool_nd(x, 3, 2, 1, True, False), (normal(*X2),), (normal(*X3),), linear=True),
    *rows("window_sum_adjoint", lambda g: pool._window_sum_adjoint(g, spec=pool_spec("test", (5, 6), 2), factor=0.5), (normal(2, 2, 3),),
          linear=True),
    *rows("mean", lambda x: nd.global_avg_pool(x, layout="N*C"), (normal(*X2),), (normal(2, 3),), linear=True),
    *rows("max_pool", lambda x: nd.global_max_pool(x, layout="N*C"), (apart(*X1),), (apart(*X3),)),
    *rows("max_pool", nd.global_max_pool, (apart(2, 3),), (apart(2, 3, 4),)),
    *rows("resample", lambda x: nd.adaptive_avg_pool_nd(x, 4), (normal(*X2),), (normal(*X3),), linear=True),
    *rows("resample", lambda x: nd.adaptive_avg_pool_nd(x, (None, 4)), (normal(*X2),), (normal(5, 3),), linear=True),
    *rows("window_sum", lambda x: nd.adaptive_avg_pool_nd(x, (5, 3)), (normal(*X2),), linear=True),
    *rows("max_pool", lambda x: nd.adaptive_max_pool_nd(x, 4), (apart(*X1),), (apart(*X2),), (apart(*X4),)),
    *rows("max_pool", lambda x: nd.adaptive_max_pool_nd(x, (2, 3), layout="N*C"), (apart(1, 4, 6, 2),)),
    *rows("unpool", lambda x: nd.max_unpool_nd(x, PLACES, (3,)), (normal(1, 2, 3),), linear=True),
    *rows("setitem", lambda x: nd.max_unpool_nd(x, PLACES // 2, (3,)), (normal(1, 2, 3),), linear=True),
    *rows("unpool_gather", lambda x: adaptive._unpool_gather(x, at=PLACES, rank=1), (normal(1, 2, 9),), linear=True),
    # columns
    *rows("unfold", lambda x: nd.unfold_nd(x, 2, 1, 1, 2), (normal(*X1),), (normal(*X2),), (normal(*X4),), (normal(2, 3),), linear=True),
    *rows("unfold", lambda x: nd.unfold_nd(x, (2, 3), 2, ((0, 1), (-1, 2))), (normal(*X2),), (normal(2, 5, 6),), linear=True),
    *rows("fold", lambda x: nd.fold_nd(x, (5, 6), (2, 3), 2, ((0, 1), (-1, 2))), (normal(1, 12, 12),), (normal(12, 12),), linear=True),
    *rows("fold", lambda x: nd.fold_nd(x, (4,), 3, padding=1, stride=2, layout="N*C"), (normal(2, 2, 6),), linear=True),
    # another size
    *[s for mode in ("nearest", "nearest-exact", "linear", "cubic", "area")
      for s in rows("resample", lambda x, m=mode: nd.interpolate(x, scale_factor=1.7, mode=m), (normal(*X1),), (normal(*X2),),
                    linear=True)],
    *rows("resample", lambda x: nd.interpolate(x, 4, mode="linear", align_corners=True), (normal(*X1),), (normal(*X3),), linear=True),
    *rows("resample", lambda x: nd.interpolate(x, (3, 8), mode="bicubic", align_corners=True), (normal(*X2),), linear=True),
    *rows("resample", lambda x: nd.interpolate(x, (4, 8), layout="N*C"), (normal(2, 2, 4, 1),), linear=True),
    *rows("resample", lambda x: nd.interpolate(x, (3, 8), layout="N*C"), (normal(2, 2, 4, 1),), linear=True),
    *rows("pixel_shuffle", lambda x: nd.pixel_shuffle_nd(x, (2, 3)), (normal(1, 12, 2, 3),), (normal(6, 2, 1),), linear=True),
    *rows("pixel_unshuffle", lambda x: nd.pixel_unshuffle_nd(x, 2, layout="N*C"), (normal(1, 4, 6, 3),), (normal(2, 4, 3),), linear=True),
]  # fmt: skip
