"""The cost model against the clock: what "auto" picks takes at most 15 % longer than the best row. Run by hand, on a quiet machine:

python -m pytest tests/bench/test_choice.py
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import pytest

from tinygrad_nd.kernels import choose
from tinygrad_nd.kernels.geometry import conv_spec

from .workloads import CONVOLUTIONS, UNLISTED, conv

SLACK = 1.15
CONSTANT = 3e-4  # seconds; below, calls cost more than work
ROUNDS = 7
HOPELESS = 4  # times the prediction of the row picked: such rows are not run

UNTIMED = {"depthwise 5x5 s2 96 56^2 b16": conv(16, 96, 96, (56, 56), 5, stride=2, padding=2, groups=96)}
CONVS = {name: work for name, work in (CONVOLUTIONS | UNLISTED | UNTIMED).items() if work.call == "conv"}


@pytest.mark.parametrize("contraction", choose.CONTRACTIONS)
@pytest.mark.parametrize("name", CONVS)
def test_auto_picks_a_row_at_most_15_percent_slower_than_the_best(name: str, contraction: str) -> None:
    (x_shape, w_shape), options = CONVS[name].shapes, CONVS[name].options
    spec = conv_spec(name, x_shape, w_shape, **options)
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(shape, dtype=np.float32) for shape in (x_shape, w_shape, (x_shape[0], w_shape[0], *spec.out)))
    operands = {"correlate": (x, w), "input_grad": (g, w), "weight_grad": (x, g)}[contraction]
    about = contraction, x_shape[0], x_shape[1], w_shape[0], spec, x.dtype
    picked = choose.pick(*about, *(a for a in operands if a is not w))
    predicted = {row: offer[0] for row, offer in choose.estimate(*about).items() if not isinstance(offer, str)}
    times: dict[str, list[float]] = {row: [] for row, seconds in predicted.items() if seconds < HOPELESS * predicted[picked]}
    for _ in range(ROUNDS):
        for row, seconds in times.items():
            start = time.perf_counter()
            getattr(choose, contraction)(*operands, spec, row)
            seconds.append(time.perf_counter() - start)
    found = {row: median(seconds) for row, seconds in times.items()}
    table = ", ".join(f"{row} {seconds * 1e3:.2f} ms" for row, seconds in found.items())
    assert found[picked] <= SLACK * min(found.values()) + CONSTANT, f"picked {picked} of {table}"
