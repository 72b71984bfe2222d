"""Rows for convolutions: every argument, ranks 0 to 5."""

from __future__ import annotations

import numpy as np

import tinygrad_nd as nd

from .rows import Sample, rows

rng = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def _modes() -> list[Sample]:
    found: list[Sample] = []
    for mode in ("reflect", "replicate", "circular", ("circular", "zeros")):
        f = lambda x, w, mode=mode: nd.conv_nd(x, w, stride=(1, 2), padding=((2, 1), 1), padding_mode=mode)
        found += rows("correlate", f, (normal(1, 2, 4, 3), normal(2, 2, 2, 3)))
    return found


def _words() -> list[Sample]:
    found: list[Sample] = []
    for word in ("valid", "same", "same_lower", "full", "causal"):
        f = lambda x, w, word=word: nd.conv_nd(x, w, stride=2, padding=word, dilation=2)
        found += rows("correlate", f, (normal(1, 2, 6), normal(2, 2, 3)))
        if word != "full":
            g = lambda x, w, word=word: nd.conv_transpose_nd(x, w, stride=2, padding=word)
            found += rows("input_grad", g, (normal(1, 2, 3), normal(2, 2, 3)))
    return found


def _ranks() -> list[Sample]:
    found: list[Sample] = []
    for rank in (0, 4, 5):
        size, kernel = (3, 2, 2, 3, 2)[:rank], (2, 1, 2, 2, 1)[:rank]
        f = lambda x, w, rank=rank: nd.conv_nd(x, w, stride=2, padding=((1, 0),) * rank)
        found += rows("correlate", f, (normal(1, 2, *size), normal(2, 2, *kernel)))
        g = lambda x, w: nd.conv_transpose_nd(x, w, stride=2)
        found += rows("input_grad", g, (normal(1, 2, *kernel), normal(2, 1, *kernel)))
    return found


SAMPLES: list[Sample] = [
    *_modes(),
    *_words(),
    *_ranks(),
    # forms of x
    *rows("correlate", lambda x, w, b: nd.conv_nd(x, w, b, layout="N*C"), (normal(2, 4, 3, 2), normal(3, 2, 2, 2), normal(3))),
    *rows("correlate", lambda x, w: nd.conv_nd(x, w, padding=-1), (normal(2, 6), normal(3, 2, 3))),
    *rows("input_grad", lambda x, w, b: nd.conv_transpose_nd(x, w, b, layout="N*C"), (normal(3, 2), normal(2, 3, 2), normal(3))),
    # depthwise, separable, grouped
    *rows("correlate", lambda x, w: nd.conv_nd(x, w, groups=3), (normal(1, 3, 4, 4), normal(6, 1, 2, 3))),
    *rows("correlate", lambda x, d, p: nd.conv_nd(nd.conv_nd(x, d, groups=2), p), (normal(1, 2, 5), normal(4, 1, 3), normal(3, 4, 1))),
    *rows("input_grad", lambda x, w: nd.conv_transpose_nd(x, w, None, 2, 1, 1, 2, 2), (normal(1, 4, 3), normal(4, 2, 3))),
    *rows("input_grad", lambda x, w: nd.conv_transpose_nd(x, w, None, 3, output_size=(9, 8)), (normal(1, 2, 3, 3), normal(2, 1, 2, 1))),
    # SciPy's
    *rows("correlate", lambda a, v: nd.convolve_nd(a, v, "full"), (normal(4, 3), normal(2, 2))),
    *rows("correlate", lambda a, v: nd.convolve_nd(a, v, "valid"), (normal(2, 2), normal(4, 3))),
    *rows("correlate", lambda a, v: nd.convolve_nd(a, v, "same", axes=1), (normal(2, 5), normal(2, 2))),
    *rows("correlate", lambda a, v: nd.correlate_nd(a, v, "full", axes=(0, -1)), (normal(3, 2, 4), normal(2, 1, 2))),
    *rows("correlate", lambda a, v: nd.correlate_nd(a, v, "valid"), (normal(5) + 1j * normal(5), normal(2) + 1j * normal(2))),
]
