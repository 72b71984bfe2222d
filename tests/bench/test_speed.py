"""Side by side with PyTorch on a CPU: one process per engine, taking turns, ratios of medians.

Run by hand, on a quiet machine, with `python -m pytest tests/bench -s`.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen

import numpy as np
import pytest
from engines import CONVS, STEP

import tinygrad_nd as nd

ROUNDS = 9


def better(t: dict[str, float]) -> float:
    """The library's better memory layout over PyTorch's."""
    return min(t["nd"], t["nd-last"]) / min(t["torch"], t["torch-last"])


@pytest.fixture(scope="module")
def ratios() -> dict[str, dict[str, float]]:
    """Seconds of each engine per workload, measured in turns; nd-last has its inputs in the memory order of the library's results."""
    pytest.importorskip("torch")
    script = Path(__file__).with_name("engines.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                Popen([sys.executable, str(script), name], stdin=PIPE, stdout=PIPE, text=True, bufsize=1, env=environment)
            )
            for name in ("nd", "nd-last", "torch", "torch-last")
        }
        for work in (*CONVS, STEP):
            times: dict[str, list[float]] = {name: [] for name in workers}
            for _ in range(ROUNDS):
                for name, worker in workers.items():
                    worker.stdin.write(work + "\n")
                    times[name].append(float(worker.stdout.readline()))
                    time.sleep(0.05)  # PyTorch's idle threads spin for a while
            found[work] = {name: median(t) for name, t in times.items()}
    print(f"\n{'float32, 2 threads':40} {'/ torch':>10} {'better / better layout':>24}")
    for work, t in found.items():
        print(f"{work:40} {t['nd'] / t['torch']:10.2f} {better(t):24.2f}")
    return found


def test_training_step_takes_at_most_1_3_of_default_torch(ratios: dict[str, dict[str, float]]) -> None:
    assert ratios[STEP]["nd"] <= 1.3 * ratios[STEP]["torch"]


@pytest.mark.parametrize("work", list(CONVS))
def test_convolution_takes_at_most_1_6_of_the_better_layout(ratios: dict[str, dict[str, float]], work: str) -> None:
    assert better(ratios[work]) <= 1.6


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
