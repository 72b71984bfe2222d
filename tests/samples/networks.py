"""Rows for activations, losses and what else a network is made of."""

from __future__ import annotations

from functools import partial

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.ops.recurrent import recurrence

from .rows import Sample, normal, positive, rng, rows, within

X, T = (normal(3, 4) * 3,), normal(3, 4)
PROBABILITY = 0.1 + 0.8 * rng.random((3, 4))
LABELS = np.array([[[0, 3]], [[1, 1]]])
SIGNS = np.where(rng.random((3, 4)) < 0.5, -1, 1)
ALONE = ("celu", "elu", "hard_sigmoid", "hard_swish", "hard_tanh", "hardshrink", "leaky_relu", "log_sigmoid", "mish", "relu6", "selu",
         "softplus", "softshrink", "softsign", "tanhshrink")  # fmt: skip
PAIRS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits",
         "soft_margin_loss", "poisson_nll_loss")  # fmt: skip
CELLS = {"lstm": (4, 2), "gru": (3, 1), "rnn_tanh": (1, 1), "rnn_relu": (1, 1)}  # gates and states

SAMPLES: list[Sample] = [
    *[s for name in ALONE for s in rows(name, getattr(nd, name), X, (normal(),), (normal(0, 2),))],
    *rows("threshold", lambda x: nd.threshold(x, 0.1, -2.0), X),
    *rows("softplus", lambda x: nd.softplus(x, 2.0, 1.5), X),
    *rows("elu", lambda x: nd.elu(x, 0.3), X),
    *rows("celu", lambda x: nd.celu(x, 0.3), X),
    *rows("prelu", nd.prelu, (normal(2, 3, 4), normal(3)), (normal(2, 3), normal()), (normal(5), normal(1)), (normal(5), normal(5))),
    *rows("prelu", lambda x, w: nd.prelu(x, w, layout="N*C"), (normal(2, 3, 4), normal(4))),
    *rows("glu", nd.glu, (normal(2, 4),)),
    *rows("softmax", nd.softmin, X),
    *rows("multiply", lambda x: nd.dropout_nd(x, 0.5, rng=0), (normal(2, 3, 4),), linear=True),
    *rows("multiply", lambda x: nd.alpha_dropout(x, 0.5, rng=0), X),
    *rows("take_along", lambda w: nd.embedding([[0, 2], [2, 1]], w), (normal(3, 4),), linear=True),
    *rows("power", lambda x: nd.local_response_norm(x, 3, 0.5, 0.75, 2.0), (normal(2, 5, 3),)),
    *[s for name in PAIRS for s in rows(name, getattr(nd, name), (normal(3, 4) * 2, T), (normal(), normal()))],
    *rows("smooth_l1_loss", lambda x, t: nd.smooth_l1_loss(x, t, beta=0.3, reduction="none"), (normal(3, 4), T)),
    *rows("huber_loss", lambda x, t: nd.huber_loss(x, t, delta=0.3, reduction="sum"), (normal(3, 4), T)),
    *rows("binary_cross_entropy", nd.binary_cross_entropy, (PROBABILITY, 0.1 + 0.8 * rng.random((3, 4)))),
    *rows("binary_cross_entropy_with_logits",
          lambda x, t, w: nd.binary_cross_entropy_with_logits(x, t, w, reduction="none"), (normal(3, 4), T, normal(4))),
    *rows("log_sigmoid", lambda x, t, w: nd.binary_cross_entropy_with_logits(x, t, pos_weight=w), (normal(3, 4), T, normal(4))),
    *rows("kl_div", nd.kl_div, (normal(3, 4), positive(3, 4))),
    *rows("exp", lambda x, t: nd.kl_div(x, t, log_target=True, reduction="batchmean"), (normal(3, 4), T)),
    *rows("log", lambda x, t: nd.poisson_nll_loss(x, t, log_input=False, full=True), (positive(3, 4), positive(3, 4))),
    *rows("log", lambda x, t, v: nd.gaussian_nll_loss(x, t, v, full=True),
          (normal(3, 4), T, positive(3, 4)), (normal(3, 4), T, positive(3))),
    *rows("clip", lambda x: nd.hinge_embedding_loss(x, SIGNS), X),
    *rows("clip", lambda x, y: nd.margin_ranking_loss(x, y, SIGNS, margin=0.3), (normal(3, 4), T)),
    *rows("cosine", lambda x, y: nd.cosine_embedding_loss(x, y, [1, -1, 1], margin=-0.5), (normal(3, 4), T)),
    *rows("pnorm", lambda a, b, c: nd.triplet_margin_loss(a, b, c, margin=5.0, swap=True), (normal(3, 4), T, normal(3, 4))),
    *rows("unit", nd.normalize, (normal(3, 4),)),
    *rows("cosine", nd.cosine_similarity, (normal(3, 4), T)),
    *rows("unit", lambda x, y: nd.cosine_similarity(x, y, 0), (normal(3, 4), T)),
    *rows("pnorm", nd.pairwise_distance, (normal(3, 4), T)),
    *rows("nll", lambda x: nd.nll_loss(x, [0, 3, 1], np.arange(1.0, 5.0), ignore_index=3), (normal(3, 4),), linear=True),
    *rows("nll", lambda x, w: nd.nll_loss(x, [[0, 3], [1, 1]], w, reduction="none"), (normal(2, 4, 2), positive(4)), promotes=False),
    *rows("nll_transposed", lambda x, w: nd.grad(lambda x, w: nd.nll_loss(x * x, LABELS[:, 0], w, ignore_index=3))(x, w),
          (normal(2, 4, 2), positive(4)), promotes=False),
    *rows("label_loss", lambda x, w: nd.cross_entropy(x, LABELS[:, 0], w, label_smoothing=0.2, reduction="none"),
          (normal(2, 4, 2), positive(4)), promotes=False),
    *rows("label_loss", lambda x, w: nd.cross_entropy(x, [0, 3, 1], w, label_smoothing=0.2), (normal(3, 4), positive(4)), promotes=False),
    *rows("logsumexp", lambda x: nd.ctc_loss(x, [[1, 2], [3, 3]], [5, 4], [1, 2], reduction="none"), (normal(5, 2, 4),)),
    *rows("matmul", nd.bilinear, (normal(2, 3), normal(2, 4), normal(5, 3, 4), normal(5)), (normal(3), normal(2), normal(1, 3, 2))),
    *rows("log_softmax", lambda x, t: nd.cross_entropy(x, t), (normal(3, 4, 2), positive(3, 4, 2))),
    *rows("margin_loss", lambda x: nd.multi_margin_loss(x, [0, 3, 1], margin=2.0, p=2), (within(3, 4),)),
    *rows("margin_loss", lambda x: nd.multilabel_margin_loss(x, [[0, 3, -1, 2], [1, -1, 0, 0], [2, 1, 0, -1]]), (within(3, 4),)),
    *rows("binary_cross_entropy_with_logits", lambda x, t: nd.multilabel_soft_margin_loss(x, t, np.arange(4.0)), (normal(3, 4), T)),
    *[Sample(cell, partial(recurrence, cell), (normal(3, 2, 2 * gates), normal(2 * gates, 2), normal(2 * gates), normal(states, 2, 2)))
      for cell, (gates, states) in CELLS.items()],
]  # fmt: skip
