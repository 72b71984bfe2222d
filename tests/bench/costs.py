"""What is not a ratio of times: memory, import, compilation, long graphs, drawing. A fresh process for every figure."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

STEP = "photographs b128"
DEEPEST = {"mygrad": 10**4, "autograd": 10**5}  # beyond, minutes or the end of the stack
MODULES = {"nd": "tinygrad_nd", "nd-numpy": "tinygrad_nd"}


def run(worker: Callable[..., Any], engines: Iterable[str]) -> dict[str, Any]:
    """All of them, printed. worker: makes a process for an engine, with environment variables."""
    engines = list(engines)
    plain = [e for e in engines if not e.endswith(":last")]
    tapes, ours = [e for e in plain if e != "jax"], [e for e in plain if e.startswith("nd")]

    def ask(engine: str, do: str, variables: Mapping[str, str] = MappingProxyType({}), **request: Any) -> dict[str, Any]:
        process = worker(engine, **variables)
        try:
            return process.ask(do, **request)
        finally:
            process.close()

    found: dict[str, Any] = {}

    def tell(title: str, key: str, answers: dict[str, dict[str, Any]]) -> None:
        print(f"\n{title}", flush=True)
        for e, answer in answers.items():
            print(f"  {e:14} " + "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k}: {v}" for k, v in answer.items()), flush=True)
        found[key] = answers

    peaks = {e: ask(e, "peak", workload=STEP) for e in engines if e not in ("jax", "autograd")}
    tell(f"peak memory, four steps of {STEP}: MB", "memory", peaks)
    tell("import: ms", "import", {e: {"ms": imported(MODULES.get(e, e))} for e in plain if e != "nd-numpy"})
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "filled"):
            told = {e: ask(e, "first", {"TINYGRAD_ND_CACHE_DIR": folder}, workload=STEP) for e in ours}
            tell(f"first use with the cache of compiled loops {cache}, {STEP}: s", f"first use, cache {cache}", told)
    for n in (10**3, 10**4, 10**5, 10**6):
        lengths = {e: ask(e, "length", n=n) for e in tapes if n <= DEEPEST.get(e, n)}
        tell(f"chain of {n} scalar products: us and bytes per operation", f"chain {n}", lengths)
    tell("DOT text of 5000 operations", "dot", {e: ask(e, "dot", n=5000) for e in ours})
    return found


def imported(module: str) -> float:
    """Milliseconds of `import module` in a fresh process, the least of five."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    told = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(5)]
    return min(map(float, told)) * 1e3
