"""What is compared with PyTorch and JAX, as a table: `python -m tests.peers_table` runs the comparisons and prints those that passed.

The README's table must be the one of all comparisons that the tests declare (see tests/conftest.py), which is the same if all pass.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

Cell = tuple[str, str, int, int]  # family, against, rank, order
HERE = Path(__file__).parent
PEERS = {"torch": "PyTorch", "jax": "JAX"}
ORDERS = {0: "values", 1: "first derivatives", 2: "second derivatives"}


@cache
def declared() -> set[Cell]:
    """Every comparison that a mark in tests/test_*.py declares."""
    found = set()
    for path in sorted(HERE.glob("test_*.py")):
        for call in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            family, against = (ast.literal_eval(a) for a in call.args)
            more = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            found |= {(family, against, rank, more["order"]) for rank in more["ranks"]}
    return found


def table(cells: Iterable[Cell]) -> str:
    """A row per family: the ranks compared with each library, and up to which derivative."""
    best: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for family, against, rank, order in cells:
        best[family, against][rank] = max(order, best[family, against].get(rank, 0))
    lines = [f"| ranks compared | {' | '.join(PEERS.values())} |", "|---" * (1 + len(PEERS)) + "|"]
    for family in sorted({family for family, _ in best}):
        lines.append(f"| {family} | {' | '.join(_cell(best.get((family, peer), {})) for peer in PEERS)} |")
    return "\n".join(lines)


def _marks(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "peer":
            yield node


def _cell(orders: dict[int, int]) -> str:
    parts = []
    for order in sorted(set(orders.values()), reverse=True):
        parts.append(f"{_ranges(sorted(rank for rank, o in orders.items() if o == order))}: {ORDERS[order]}")
    return "; ".join(parts) or "–"


def _ranges(ranks: list[int]) -> str:
    """[0, 4, 5, 6] as "0, 4–6"."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "peers.json"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "peer", f"--peers={out}", str(HERE)]
        code = subprocess.run(command, stdout=sys.stderr).returncode
        ran = {(a, b, c, d) for a, b, c, d in json.loads(out.read_text())}
    print(table(ran))
    for cell in sorted(declared() - ran):
        print("declared, but did not pass:", *cell, file=sys.stderr)
    sys.exit(code)
