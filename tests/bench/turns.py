"""The method: every engine in a process of its own, all alive, on the same number of threads, taking turns: A B C, C B A, …

A turn is a few calls and gives their medians (worker.py); a figure is the lower quartile of its turns, since what disturbs unseen (a
hypervisor fetching pages) only ever adds. A turn during which other processes worked is repeated while patience lasts; where every turn was
disturbed, the figure is marked. Results are compared: a wrong one voids its time. Networks run in fresh processes, several one after the
other: what malloc did before changes a step's time by up to two.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .workloads import Workload

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FOREIGN = 0.1  # processors' worth of other processes that a turn bears
PAUSE = 0.04  # seconds until the threads of the last engine stop spinning
LIMIT = 60  # seconds until a request is given up
SLOW = 2.5  # seconds of a call above which one turn is enough

Answer = dict[str, Any]
Row = dict[str, Any]  # seconds: {measure: {engine: s}}; disturbed: {measure: [engine]}; wrong, notes: {engine: why}; turns: the raw answers


class Worker:
    """A process that holds one engine; `ask` sends a request and returns the answer, {"error": why} if there is none."""

    def __init__(self, engine: str, threads: int, **variables: str) -> None:
        self.engine = engine
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | dict.fromkeys(THREADS, str(threads))
        environment |= {"TINYGRAD_ND_ENGINE": "numpy" if engine.startswith("nd-numpy") else "auto"} | variables
        command = [sys.executable, "-m", "tests.bench.worker"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **pipes, text=True, bufsize=1, cwd=ROOT, env=environment)
        self.hello = self.ask("hello", name=engine, threads=threads)

    def ask(self, do: str, **request: Any) -> Answer:
        limit = threading.Timer(LIMIT, self.process.kill)
        limit.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        limit.cancel()
        time.sleep(PAUSE if do != "close" else 0)
        return json.loads(line) if line else {"error": f"{do}: the process ended (memory, or more than {LIMIT} s)"}

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Bench:
    """The engines at work. rounds: turns of each; seconds: of a turn; patience: seconds for repeating turns; processes: per network."""

    def __init__(self, engines: Iterable[str], threads: int, rounds: int, seconds: float, patience: float, processes: int) -> None:
        self.threads, self.rounds, self.seconds, self.patience, self.processes = threads, rounds, seconds, patience, processes
        with ThreadPoolExecutor() as pool:  # they import side by side
            self.workers = {w.engine: w for w in pool.map(lambda e: Worker(e, threads), engines)}
        self.repeated = self.disturbed = 0

    def engines(self, w: Workload) -> list[str]:
        """Those that run, if there are channels in two layouts; autograd has operators alone."""
        able = [e for e, worker in self.workers.items() if "error" not in worker.hello]
        return [e for e in able if (w.images or not e.endswith(":last")) and (w.call == "chain" or e != "autograd")]

    def renew(self, engine: str) -> None:
        self.workers[engine].close()
        self.workers[engine] = Worker(engine, self.threads)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def row(self, name: str, w: Workload, measures: Sequence[str]) -> Row:
        """One workload on all engines."""
        row: Row = {"seconds": {}, "disturbed": {}, "wrong": {}, "notes": {}, "turns": {}}
        results: dict[str, Answer] = {}
        processes = self.processes if w.step else 1
        for process in range(processes):
            for e in self.engines(w):
                if processes > 1 and e not in row["notes"]:
                    self.renew(e)
            for measure in measures:
                ready = self.open(row, name, w, measure)
                for i in range(self.rounds):
                    for e in list(ready)[:: (1, -1)[i % 2]]:
                        if i == 0 or ready[e] < SLOW:
                            row["turns"].setdefault(measure, {}).setdefault(e, []).append(self.turn(self.workers[e]))
                for e in ready:
                    if measure == "train" and process == 0:
                        results[e] = self.workers[e].ask("results")
                    self.workers[e].ask("close")
        for measure, taken in row["turns"].items():
            for e in taken:
                enter(row, measure, e, taken[e])
        row["wrong"] = wrong(results, 1e-2 if w.step else 1e-3)
        return row

    def open(self, row: Row, name: str, w: Workload, measure: str) -> dict[str, float]:
        """Seconds of the first call, by engine, of those that can do it; the others get a note."""
        ready = {}
        for e in self.engines(w):
            if e in row["notes"] or (e == "jax" and measure in ("dx", "dw")):  # JAX compiles forward and backward as one
                continue
            if not self.workers[e].alive:
                self.renew(e)
            answer = self.workers[e].ask("open", workload=name, measure=measure)
            if "error" in answer:
                row["notes"][e] = answer["error"]
            else:
                ready[e] = answer["seconds"]
        return ready

    def turn(self, worker: Worker) -> Answer:
        """A turn, repeated while other processes disturb it and patience lasts."""
        while True:
            start = time.monotonic()
            answer = worker.ask("turn", seconds=self.seconds)
            answer["quiet"] = "error" in answer or (answer["foreign"] or 0) < FOREIGN
            if answer["quiet"] or self.patience <= 0:
                self.disturbed += not answer["quiet"]
                return answer
            time.sleep(0.2)
            self.repeated += 1
            self.patience -= time.monotonic() - start


def enter(row: Row, measure: str, engine: str, taken: Sequence[Answer]) -> None:
    """The figure of the turns, undisturbed ones if there are any. The backward part of training is a measure of its own."""
    done = [t for t in taken if "error" not in t]
    quiet = [t for t in done if t["quiet"]]
    if not done:
        row["notes"][engine] = taken[0]["error"]
    columns = {measure: "back" if measure in ("dx", "dw") else "whole"} | ({"backward": "back"} if measure == "train" else {})
    for column, part in columns.items():
        if times := [t[part] for t in quiet or done if t[part] is not None]:
            row["seconds"].setdefault(column, {})[engine] = sorted(times)[len(times) // 4]
            if not quiet:
                row["disturbed"].setdefault(column, []).append(engine)


def wrong(results: dict[str, Answer], tolerance: float) -> dict[str, str]:
    """Who differs from PyTorch (without it, JAX, mygrad, or the first of ourselves), in units of the largest sample."""
    sound = [e for e in ("torch", "jax", "mygrad", *results) if "error" not in results.get(e, {"error": ""})]
    found = {}
    for e, answer in results.items():
        for k, expected in results[sound[0]].items() if sound else ():
            got, scale = answer.get(k, []), max(map(abs, expected)) or 1
            off = max(map(abs, map(float.__sub__, got, expected))) / scale if len(got) == len(expected) else math.inf
            if not off < tolerance:
                found[e] = answer.get("error", f"{k} is off by {off:.1e}")
    return found
