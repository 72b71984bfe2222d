"""The im2col layer: gather by fancy indexing, matrix product, sigmoid, scatter back with np.add.at, all by hand.

The same numbers are `sigmoid(conv_nd(x, w, b, stride=s))` and one call of `backward`: measured side by side, in time and in memory.

    python im2col_layer.py [--quick]
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_nd as nd


def forward_by_hand(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int) -> tuple[np.ndarray, Any]:
    """x (n, depth, row, col), w (filters, depth, frow, fcol), b (filters,) -> (activations, what the backward pass needs)."""
    n, depth, rows, cols = x.shape
    filters, _, frow, fcol = w.shape
    orow, ocol = (rows - frow) // stride + 1, (cols - fcol) // stride + 1
    d = np.repeat(np.arange(depth), frow * fcol)[:, None]
    i = np.tile(np.repeat(np.arange(frow), fcol), depth)[:, None] + stride * np.repeat(np.arange(orow), ocol)
    j = np.tile(np.tile(np.arange(fcol), frow), depth)[:, None] + stride * np.tile(np.arange(ocol), orow)
    columns = x[:, d, i, j]  # (n, depth * frow * fcol, orow * ocol): the whole im2col matrix
    z = w.reshape(filters, -1) @ columns + b[:, None]
    a = 1 / (1 + np.exp(-z))
    return a.reshape(n, filters, orow, ocol), (columns, a, (slice(None), d, i, j))


def backward_by_hand(g: np.ndarray, x: np.ndarray, w: np.ndarray, kept: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of x, w and b from that of the activations."""
    columns, a, at = kept
    dz = g.reshape(a.shape) * a * (1 - a)
    dw = np.matmul(dz, columns.swapaxes(1, 2)).sum(0).reshape(w.shape)
    dx = np.zeros_like(x)
    np.add.at(dx, at, w.reshape(len(w), -1).T @ dz)
    return dx, dw, dz.sum((0, 2))


def by_hand(x: np.ndarray, w: np.ndarray, b: np.ndarray, g: np.ndarray, stride: int) -> tuple[np.ndarray, ...]:
    a, kept = forward_by_hand(x, w, b, stride)
    return a, *backward_by_hand(g, x, w, kept)


def by_library(x: np.ndarray, w: np.ndarray, b: np.ndarray, g: np.ndarray, stride: int) -> tuple[np.ndarray, ...]:
    tensors = [nd.tensor(t, requires_grad=True) for t in (x, w, b)]
    a = nd.sigmoid(nd.conv_nd(*tensors, stride=stride))
    return a.data, *(t.data for t in nd.gradients(a, tensors, g))


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small batch")
    args = parser.parse_args(argv)
    n, stride = 4 if args.quick else 32, 1
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 16, 32, 32)).astype(np.float32)
    w, b = (0.1 * rng.standard_normal(s).astype(np.float32) for s in ((32, 16, 5, 5), (32,)))
    g = rng.standard_normal((n, 32, 28, 28)).astype(np.float32)

    # Memory first: later calls of the library find warm buffers to reuse, which tracemalloc would not count.
    mebibytes = [peak(lambda f=f: f(x, w, b, g, stride)) / 2**20 for f in (by_hand, by_library)]
    hand, library = by_hand(x, w, b, g, stride), by_library(x, w, b, g, stride)
    worst = 0.0
    for name, one, other in zip(("activations", "x gradient", "w gradient", "b gradient"), hand, library):
        difference = float(np.abs(one - other).max() / np.abs(one).max())
        print(f"{name:12} {one.shape!s:18} largest difference {difference:.1e} of the largest value")
        worst = max(worst, difference)
    seconds = [measure(lambda f=f: f(x, w, b, g, stride)) for f in (by_hand, by_library)]
    print(f"forward and backward of {x.shape}: by hand {1e3 * seconds[0]:.0f} ms and {mebibytes[0]:.0f} MiB, ", end="")
    print(f"library {1e3 * seconds[1]:.0f} ms and {mebibytes[1]:.0f} MiB: ", end="")
    print(f"{seconds[0] / seconds[1]:.0f} times faster, in {mebibytes[1] / mebibytes[0]:.0%} of the memory")
    return {"difference": worst, "faster": seconds[0] / seconds[1], "smaller": mebibytes[0] / mebibytes[1]}


def measure(f: Callable[[], Any], times: int = 3) -> float:
    """The best of a few runs, in seconds."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best


def peak(f: Callable[[], Any]) -> int:
    """The most bytes that f holds at a time, beyond what was there before."""
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
