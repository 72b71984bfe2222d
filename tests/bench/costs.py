"""What is not a ratio of times: memory, import, compilation, long graphs, drawing. A fresh process for every figure."""

from __future__ import annotations

import os
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
    with tempfile.TemporaryDirectory() as bytecode, tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as folder:
        installed = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}  # a checkout may have none; peers are installed
        imports = {e: imported(MODULES.get(e, e), installed if e in ours else {}) for e in plain if e != "nd-numpy"}
        tell("import: ms", "import", {e: {"ms": ms} for e, ms in imports.items()})
        for cache, place in (("", before), ("empty", folder), ("filled", folder)):
            told = {e: ask(e, "first", {"TINYGRAD_ND_CACHE_DIR": place, **installed}, workload=STEP) for e in ours}
            if not cache:  # this one wrote the bytecode
                continue
            tell(f"first use with the cache of compiled loops {cache}, {STEP}: s", f"first use, cache {cache}", told)
    for n in (10**3, 10**4, 10**5, 10**6):
        lengths = {e: ask(e, "length", n=n) for e in tapes if n <= DEEPEST.get(e, n)}
        tell(f"chain of {n} scalar products: us and bytes per operation", f"chain {n}", lengths)
    tell("DOT text of 5000 operations", "dot", {e: ask(e, "dot", n=5000) for e in ours})
    return found


def imported(module: str, variables: Mapping[str, str]) -> float:
    """Milliseconds of `import module` in a fresh process, the least of six, of which the first may write bytecode."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command, environment = [sys.executable, "-c", code], os.environ | variables
    told = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(6)]
    return min(map(float, told)) * 1e3
