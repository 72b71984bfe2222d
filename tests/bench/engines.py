"""One engine per process: `python engines.py nd|nd-last|torch|torch-last` answers a workload's name with seconds per call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# The five convolutions of the photograph network: input channels, output channels, size, kernel, stride; batch 128.
CONVS = {
    "conv1 4x4 s2 3>40 96": (3, 40, 96, 4, 2),
    "conv2 2x2 40>105 23": (40, 105, 23, 2, 1),
    "conv3 2x2 105>158 10": (105, 158, 10, 2, 1),
    "conv4 2x2 158>158 9": (158, 158, 9, 2, 1),
    "conv5 2x2 158>105 8": (158, 105, 8, 2, 1),
}
STEP = "training step, five convs, batch 128"
POOLS = {1: (3, 2), 2: (4, 2), 5: (3, 2)}
DENSE = ((945, 945), (945, 475), (475, 8))
BATCH = 128


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s, dtype=np.float32) for s in shapes]


def network_arrays() -> list[np.ndarray]:
    shapes = [s for ci, co, _, k, _ in CONVS.values() for s in ((co, ci, k, k), (co,))] + [s for i, o in DENSE for s in ((o, i), (o,))]
    return [a * np.float32((2 / np.prod(a.shape[1:])) ** 0.5 if a.ndim > 1 else 0) for a in arrays(*shapes)]


class NdEngine:
    def __init__(self, last: bool = False) -> None:
        import tinygrad_nd as nd

        self.nd, self.last = nd, last

    def tensor(self, a: np.ndarray, grad: bool = False) -> Any:
        """(N, C, *n) in C order, or in the memory order that the library's own results have: channels last."""
        a = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if self.last and a.ndim == 4 else a
        return self.nd.tensor(a, requires_grad=grad)

    def conv(self, ci: int, co: int, n: int, k: int, s: int) -> Callable[[], Any]:
        nd = self.nd
        o = (n - k) // s + 1
        x, w, g = arrays((BATCH, ci, n, n), (co, ci, k, k), (BATCH, co, o, o))
        x, w, g = self.tensor(x, True), nd.tensor(w, requires_grad=True), self.tensor(g)

        def call() -> None:
            x.grad = w.grad = None
            nd.conv_nd(x, w, stride=s).backward(g)

        return call

    def step(self) -> Callable[[], Any]:
        nd = self.nd
        params = [nd.Parameter(a) for a in network_arrays()]
        optimiser = nd.optim.SGD(params, 0.005, momentum=0.9)
        x, labels = self.tensor(arrays((BATCH, 3, 96, 96))[0]), np.arange(BATCH) % 8

        def call() -> None:
            optimiser.zero_grad()
            h, p = x, iter(params)
            for i, (_, _, _, _, s) in enumerate(CONVS.values(), 1):
                h = nd.relu(nd.conv_nd(h, next(p), next(p), stride=s))
                h = nd.max_pool_nd(h, *POOLS[i]) if i in POOLS else h
            h = nd.reshape(h, (BATCH, -1))
            for i in range(3):
                h = nd.linear(h, next(p), next(p))
                h = nd.relu(h) if i < 2 else h
            nd.cross_entropy(h, labels).backward()
            optimiser.step()

        return call


class TorchEngine:
    def __init__(self, last: bool = False) -> None:
        import torch

        torch.set_num_threads(2)
        self.torch, self.format = torch, torch.channels_last if last else torch.contiguous_format

    def tensor(self, a: np.ndarray, grad: bool = False) -> Any:
        t = self.torch.from_numpy(a.copy())
        return (t.to(memory_format=self.format) if t.ndim == 4 else t).requires_grad_(grad)

    def conv(self, ci: int, co: int, n: int, k: int, s: int) -> Callable[[], Any]:
        F = self.torch.nn.functional
        o = (n - k) // s + 1
        x, w, g = arrays((BATCH, ci, n, n), (co, ci, k, k), (BATCH, co, o, o))
        x, w, g = self.tensor(x, True), self.tensor(w, True), self.tensor(g)

        def call() -> None:
            x.grad = w.grad = None
            F.conv2d(x, w, stride=s).backward(g)

        return call

    def step(self) -> Callable[[], Any]:
        F = self.torch.nn.functional
        params = [self.tensor(a, True) for a in network_arrays()]
        optimiser = self.torch.optim.SGD(params, 0.005, momentum=0.9)
        x, labels = self.tensor(arrays((BATCH, 3, 96, 96))[0]), self.torch.arange(BATCH) % 8

        def call() -> None:
            optimiser.zero_grad()
            h, p = x, iter(params)
            for i, (_, _, _, _, s) in enumerate(CONVS.values(), 1):
                h = F.relu(F.conv2d(h, next(p), next(p), stride=s))
                h = F.max_pool2d(h, *POOLS[i]) if i in POOLS else h
            h = h.reshape(BATCH, -1)
            for i in range(3):
                h = F.linear(h, next(p), next(p))
                h = F.relu(h) if i < 2 else h
            F.cross_entropy(h, labels).backward()
            optimiser.step()

        return call


ENGINES: dict[str, Callable[[], Any]] = {
    "nd": NdEngine,
    "nd-last": lambda: NdEngine(True),
    "torch": TorchEngine,
    "torch-last": lambda: TorchEngine(True),
}


def serve(name: str) -> None:
    engine = ENGINES[name]()
    made: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        work = line.strip()
        if work not in made:
            made.clear()
            made[work] = engine.step() if work == STEP else engine.conv(*CONVS[work])
            made[work]()
        times = []
        for _ in range(3):
            start = time.perf_counter()
            made[work]()
            times.append(time.perf_counter() - start)
        print(sorted(times)[1], flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
