"""tinygrad_nd side by side with PyTorch, mygrad, autograd and JAX on a CPU. How it measures: turns.py.

    pip install -e ".[bench]"
    python -m tests.bench.compare                              # everything, about half an hour
    python -m tests.bench.compare --quick                      # about a minute
    python -m tests.bench.compare --sections conv --only depthwise --json out.json

Figures are time / time of PyTorch's faster memory layout, ours in our faster layout (N*C is marked '). `nd` is what is installed,
`nd-numpy` NumPy alone. forward: recording off; dx, dw, backward: the backward part; train: recorded forward, backward, and a network's
optimiser step. ~ means disturbed by other processes, ! a wrong result; neither counts in the mean.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import costs
from .table import Table, rates
from .turns import Bench, Worker
from .workloads import QUICK, SECTIONS

PACKAGES = {"nd": "llvmlite", "nd-numpy": "numpy", "torch": "torch", "mygrad": "mygrad", "autograd": "autograd", "jax": "jax"}
ENGINES = [f"{e}{layout}" for e in PACKAGES for layout in (("", ":last") if e in ("nd", "nd-numpy", "torch") else ("",))]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All the measurements that the arguments ask for; prints as it goes, returns what goes into the JSON."""
    start, sections = time.monotonic(), {}
    bench = Bench(args.engines, args.threads, args.rounds, args.seconds, args.patience, args.processes)
    versions = {e: next(iter(worker.hello.values())) for e, worker in bench.workers.items()}
    print(*(f"{e:14} {version}" for e, version in versions.items()), sep="\n")
    engines = [e for e, worker in bench.workers.items() if "error" not in worker.hello]
    try:
        for section in [s for s in SECTIONS if s in args.sections]:
            workloads = {n: w for n, w in SECTIONS[section].items() if args.only in n and (n in QUICK or not args.quick)}
            split = section in ("conv", "unlisted") and not args.quick
            measures = ("forward", "dx", "dw", "train") if split else ("forward", "train")
            table = Table(section, ("forward", "backward", "train") if section in ("functions", "tape") else measures, engines)
            rows = sections[section] = {}
            for name, w in workloads.items():
                if not rows:
                    print(table.head())
                rows[name] = bench.row(name, w, measures)
                print(table.line(name, rows[name]), flush=True)
            if len(rows) > 1:
                print(table.foot(list(rows.values())))
            if section == "growing":
                print(rates(rows))
    finally:
        bench.close()
    if "costs" in args.sections:
        sections["costs"] = costs.run(partial(Worker, threads=args.threads), engines)
    seconds = time.monotonic() - start
    print(f"\n{seconds:.0f} s, {args.threads} threads, {bench.repeated} turns repeated, {bench.disturbed} kept though disturbed")
    machine = {"processor": platform.processor(), "system": platform.platform(), "python": platform.python_version()}
    return {"machine": machine, "threads": args.threads, "versions": versions, "disturbed": bench.disturbed, "sections": sections}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__, formatter_class=form)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    known = [*SECTIONS, "costs"]
    parser.add_argument("--sections", default="", help=f"by commas, of {', '.join(known)}")
    parser.add_argument("--only", default="", metavar="PATTERN", help="workloads whose name contains it")
    parser.add_argument("--engines", default="", help=f"by commas, of {', '.join(ENGINES)}")
    parser.add_argument("--threads", type=int, default=cores, help="of every engine (default: all cores)")
    parser.add_argument("--quick", action="store_true", help="a few workloads, three rounds, ourselves and PyTorch")
    parser.add_argument("--rounds", type=int, help="turns of each engine (default 5; quick 3)")
    parser.add_argument("--patience", type=float, help="seconds in all for repeating disturbed turns (default 600; quick 20)")
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args(argv)
    rounds, patience, args.seconds, args.processes = (3, 20, 0.03, 1) if args.quick else (5, 600, 0.06, 3)
    args.rounds = args.rounds or rounds
    args.patience = patience if args.patience is None else args.patience
    few = ("nd", "nd-numpy", "torch")
    present = [e for e in ENGINES if find_spec(PACKAGES[e.split(":")[0]]) and (e.split(":")[0] in few or not args.quick)]
    args.engines = args.engines.split(",") if args.engines else present
    args.sections = args.sections.split(",") if args.sections else known[:-2] if args.quick else known
    if unknown := {*args.engines} - {*ENGINES} | {*args.sections} - {*known}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; engines: {', '.join(ENGINES)}; sections: {', '.join(known)}")
    return args


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    args = arguments(argv)
    found = run(args)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    main()
