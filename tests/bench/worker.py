"""One process, one engine: reads requests as lines of JSON and answers each with a line. Started by turns.py.

A measure is `forward` (recording off), `dx` or `dw` (the backward part alone, for the first argument, or for the others) or `train`
(recorded forward and backward for all; a network's ends with its optimiser step). Results are allocated and dropped inside the timed
window, as a user's are. Two inputs alternate and every other argument gets a new value, untimed, before each call, so that nothing is
gained by remembering.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from functools import lru_cache, partial
from itertools import cycle
from math import prod
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from . import engines, models
from .workloads import WORKLOADS, Workload

CALLS = 3
SAMPLES = 64


@lru_cache(maxsize=2)
def draw(w: Workload, seed: int) -> list[np.ndarray]:
    """The arguments: normal input, He-normal weights, vectors near one."""
    rng = np.random.default_rng(seed)
    if w.ones:
        return [np.ones(s, np.float32) for s in w.shapes]

    def combined(s: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(s, np.float32) * np.float32(2 / prod(s[1:])) ** 0.5 if s[1:] else 1 + rng.random(s, np.float32) / 2

    return [rng.standard_normal(w.shapes[0], np.float32), *map(combined, w.shapes[1:])]


@lru_cache(maxsize=1)
def draw_cotangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(2).standard_normal(shape, np.float32)


class Job:
    """A workload and a measure on an engine, ready to be called."""

    def __init__(self, engine: Any, w: Workload, measure: str) -> None:
        network = getattr(models, w.call, None)
        self.engine, self.w, self.measure = engine, w, measure
        self.f = partial(network, engine, **w.options) if network else partial(getattr(engine, w.call), **w.options)
        every = range(len(w.shapes))
        self.wanted = {"forward": (), "dx": every[:1], "dw": every[1:], "train": every[1:] if w.step else every}[measure]
        drawn = [draw(w, seed) for seed in (0, 1)]
        self.rest = [engine.tensor(a, grad=i in self.wanted) for i, a in enumerate(drawn[0][1:], 1)]
        self.sets = [(engine.tensor(first, w.images, grad=0 in self.wanted), rest) for first, *rest in drawn]
        self.next = cycle(self.sets)
        self.g = None
        if self.wanted and not w.step:
            shape = engine.array(engine.forward(self.f, self.arguments(*self.sets[0])), w.images).shape
            self.g = engine.tensor(draw_cotangent(shape), w.images)
        self.step = engine.optimiser(self.rest) if w.step and measure == "train" else None

    def arguments(self, first: Any, rest: list[np.ndarray]) -> list[Any]:
        """The arguments of a call, with these values, if any, and no gradients."""
        for t, a in zip(self.rest, rest):
            self.engine.set(t, a)
        self.engine.clear([first, *self.rest])
        return [first, *self.rest]

    def __call__(self) -> tuple[float, float | None]:
        """Seconds of one call, and of its backward part. A training step goes on from where the last one led."""
        first, rest = next(self.next)
        arguments = self.arguments(first, [] if self.step else rest)
        start = perf_counter()
        middle = self._work(arguments)
        end = perf_counter()
        return end - start, end - middle if middle else None

    def _work(self, arguments: list[Any]) -> float | None:
        if self.measure == "forward":
            self.engine.forward(self.f, arguments)
            return None
        middle = self.engine.train(self.f, arguments, self.wanted, self.g)[2]
        if self.step:
            self.step()
        return middle

    def results(self) -> dict[str, list[float]]:
        """Some entries of the result and of every gradient, by which engines are compared."""
        arguments = self.arguments(*self.sets[0])
        y, gradients, _ = self.engine.train(self.f, arguments, self.wanted, self.g)
        found = {"y": self.engine.array(y, self.w.images and not self.w.step)}
        for i, t in zip(self.wanted, gradients):
            found[f"d{i}"] = self.engine.array(t, self.w.images and i == 0)
        return {k: sample(a) for k, a in found.items()}


def sample(a: np.ndarray) -> list[float]:
    return [float(v) for v in np.ravel(a)[np.random.default_rng(0).integers(0, a.size, SAMPLES)]]


def turn(job: Job, seconds: float) -> dict[str, Any]:
    """Calls for that long, three at least if they fit into four times as long.

    whole, back: medians. foreign: how many processors other processes kept busy meanwhile, None if unknown.
    """
    times = []
    busy, own, start = machine_seconds(), process_time(), perf_counter()
    while (spent := perf_counter() - start) < seconds or (len(times) < CALLS and spent < 4 * seconds):
        times.append(job())
    wall, own, after = perf_counter() - start, process_time() - own, machine_seconds()
    whole, back = zip(*times)
    foreign = None if busy is None or after is None else max(0.0, after - busy - own - CLOCK) / wall
    return {"whole": median(whole), "back": None if None in back else median(back), "foreign": foreign}


CLOCK = 0.02  # what /proc/stat may be wrong by: a tick at each end


def machine_seconds() -> float | None:
    """Processor time of all processes since the machine started, what a hypervisor took away included; None where there is no /proc."""
    try:
        with open("/proc/stat") as stat:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    except OSError:
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def resident(what: str) -> float | None:
    """Megabytes: VmRSS now, VmHWM at most so far."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what))
    except OSError:
        return None


class Server:
    """The requests, one method each. `hello` comes first."""

    engine: Any
    job: Job

    def hello(self, name: str, threads: int) -> dict[str, Any]:
        if hasattr(os, "sched_setaffinity"):  # for libraries that no variable tells how many threads to use
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
        self.engine = engines.make(name)
        return {"version": self.engine.version}

    def open(self, workload: str, measure: str) -> dict[str, Any]:
        """Makes the arguments and calls once."""
        self.close()
        self.job = Job(self.engine, WORKLOADS[workload], measure)
        return {"seconds": self.job()[0]}

    def close(self) -> dict[str, Any]:
        self.__dict__.pop("job", None)
        return {}

    def turn(self, seconds: float) -> dict[str, Any]:
        return turn(self.job, seconds)

    def results(self) -> dict[str, Any]:
        return self.job.results()

    def first(self, workload: str) -> dict[str, Any]:
        """Seconds of the first call and of a later one."""
        job = Job(self.engine, WORKLOADS[workload], "train")
        times = [job()[0] for _ in range(4)]
        return {"first": times[0], "later": median(times[1:])}

    def peak(self, workload: str) -> dict[str, Any]:
        """Megabytes at most, before and after four calls."""
        before, job = resident("VmHWM"), Job(self.engine, WORKLOADS[workload], "train")
        for _ in range(4):
            job()
        return {"import": before, "peak": resident("VmHWM")}

    def length(self, n: int) -> dict[str, Any]:
        """A chain of n scalar products: microseconds, forward and backward, and bytes of graph, per operation."""
        job, kept = Job(self.engine, WORKLOADS["chain 1000 ()"], "train"), None
        job.f = partial(models.chain, self.engine, length=n)
        if isinstance(self.engine, engines.Tape):
            before = resident("VmRSS")
            y = job.f(*job.arguments(*job.sets[0]))
            kept = None if before is None else (resident("VmRSS") - before) * 2**20 / n
            del y
        return {"us": min(job()[0] for _ in range(5 if n < 10**5 else 1)) / n * 1e6, "bytes": kept}

    def dot(self, n: int) -> dict[str, Any]:
        """Milliseconds for the DOT text of a graph of n operations."""
        x = self.engine.tensor(np.ones(4, np.float32), grad=True)
        y = models.chain(self.engine, x, x, n)
        times = []
        for _ in range(3):  # what draws is imported by the first
            start = perf_counter()
            text = self.engine.drawn(y)
            times.append(perf_counter() - start)
        return {"ms": min(times) * 1e3, "kilobytes": len(text) / 1e3}


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(server, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".split("\n")[0][:120]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
