"""What the library promises to cost. Run by hand, on a quiet machine with PyTorch: `python -m pytest tests/bench -s`, about half an hour.

TINYGRAD_ND_BENCH=out.json judges a run of `python -m tests.bench.compare --json out.json` instead.
"""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_nd as nd

from . import compare
from .table import disturbed, geomean, ratio
from .workloads import CHAINS, CONVOLUTIONS, FUNCTIONS

ENGINES = "nd,nd:last,nd-numpy,nd-numpy:last,torch,torch:last"
LIGHT = ("depthwise 3x3", "4 groups", "4-D", "LeNet")  # little work for much overhead, where NumPy alone may take longer

# Training time over that of PyTorch's faster layout: the mean of a section, …
MEANS = [("nd-numpy", "conv", 0.8), ("nd", "conv", 0.6), ("nd", "unlisted", 1.0)]
# … and a row.
ROWS = [
    *(("nd-numpy", "conv", name, 3.0 if name.startswith(LIGHT) else 1.5) for name in CONVOLUTIONS),
    *(("nd", "conv", name, 1.0) for name in CONVOLUTIONS),
    *(("nd", "functions", name, 1.0) for name in FUNCTIONS),
    ("nd", "networks", "photographs b128", 0.8),
    *(("nd", "tape", name, limit) for name, limit in zip(CHAINS, (0.6, 0.8))),
]


@pytest.fixture(scope="module")
def sections() -> dict[str, Any]:
    """The figures of one run."""
    if found := os.environ.get("TINYGRAD_ND_BENCH"):
        return json.loads(Path(found).read_text())["sections"]
    pytest.importorskip("torch")
    pytest.importorskip("llvmlite")
    return compare.main(["--engines", ENGINES, "--sections", "conv,unlisted,networks,functions,tape"])["sections"]


@pytest.mark.parametrize(("engine", "section", "limit"), MEANS)
def test_mean(sections: dict[str, Any], engine: str, section: str, limit: float) -> None:
    mean = geomean(sections[section].values(), "train", engine)
    assert mean is not None and mean <= limit


@pytest.mark.parametrize(("engine", "section", "name", "limit"), ROWS)
def test_row(sections: dict[str, Any], engine: str, section: str, name: str, limit: float) -> None:
    row = sections[section][name]
    if disturbed(row, "train", engine):
        pytest.skip("other processes worked")
    taken = ratio(row, "train", engine)
    assert taken is not None, {**row["notes"], **row["wrong"]}
    assert taken <= limit


@pytest.mark.parametrize("batch", [32, 256])
def test_workspace_stays_under_64_mb(batch: int) -> None:
    x = nd.tensor(np.ones((batch, 40, 23, 23), np.float32), requires_grad=True)
    w = nd.tensor(np.ones((105, 40, 2, 2), np.float32), requires_grad=True)
    g = nd.tensor(np.ones((batch, 105, 22, 22), np.float32))
    tracemalloc.start()
    y = nd.conv_nd(x, w)
    y.backward(g)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - y.nbytes - x.nbytes - w.nbytes < 64e6


def test_recording_costs_at_most_2_5_microseconds_per_operation() -> None:
    a, n = np.ones((), np.float32), 1000
    x, w = nd.tensor(a, requires_grad=True), nd.tensor(a, requires_grad=True)

    def chain(first: object, factor: object) -> float:
        start = time.perf_counter()
        y = first
        for _ in range(n):
            y = y * factor
        return (time.perf_counter() - start) / n * 1e6

    bare, recorded = (min(chain(f, v) for _ in range(30)) for f, v in ((a, a), (x, w)))
    print(f"\nrecording: {recorded - bare:.2f} us per operation above NumPy's {bare:.2f}")
    assert recorded - bare <= 2.5
