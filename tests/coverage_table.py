"""What each public function can do, read off the registry and the sample rows: `python -m tests.coverage_table` prints it in Markdown.

A function counts as sampled if a row runs it: its operation, or its own code. What holds of the row (tests/test_every_op.py: derivatives to
order 2 against differences, forward mode, complex operands) then holds of the function.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent)]

from samples import SAMPLES, Sample  # noqa: E402

import tinygrad_nd as nd  # noqa: E402
from tinygrad_nd.dispatch import FUNCTIONS  # noqa: E402
from tinygrad_nd.methods import MODULES  # noqa: E402
from tinygrad_nd.tree import leaves  # noqa: E402

YES, NO, NA = "yes", "no", "–"
FAMILIES = {  # of the modules in ops/
    "elementwise": "elementwise choice parts special",
    "steps, comparisons, bits": "steps",
    "reductions, scans, statistics": "reduce moments scan quantile statistics sampled",
    "shape, joining, indexing, sorting": "shape apply broadcasting join rearrange pad index sort plain matrix create",
    "linear algebra, products": "linalg einsum vectors matrix_norm",
    "Fourier transforms": "fft fourier",
    "second names": "aliases",
    "networks": "activation adaptive attention conv convolve ctc curves distance dropout label_loss layers loss margin_loss norm pool "
    "window",
}
_FAMILY = {module: family for family, modules in FAMILIES.items() for module in modules.split()}


@dataclass(frozen=True)
class Row:
    name: str
    family: str
    numpy: str  # np.f(t) is this function
    sampled: bool
    order: int  # of the derivatives that are tested; 0 for a constant result
    complex: str


def table() -> list[Row]:
    """One row for every public array function."""
    seen = [(sample, *_run(sample, sample.args)) for sample in SAMPLES]
    also = [(s, *_run(s, [a + 0.3j * np.roll(a, 1) for a in s.args])) for s in SAMPLES if _real(s)]
    return [_row(name, family, f, seen, also) for name, family, f in _functions()]


def counts(rows: list[Row]) -> dict[str, int]:
    differentiable = [r for r in rows if r.order]
    return {
        "functions": len(rows),
        "of NumPy's names": len([r for r in rows if r.numpy != NA]),
        "through np.f": len([r for r in rows if r.numpy == YES]),
        "differentiable": len(differentiable),
        "order 2 and forward mode": len([r for r in differentiable if r.order >= 2]),
        "complex": len([r for r in differentiable if r.complex == YES]),
        "without gradient": len([r for r in rows if not r.order]),
    }


def summary(rows: list[Row]) -> str:
    """The counts by family, as a table for the README."""
    lines = ["| | functions | by `np.f(t)` | differentiable | complex |", "|---|---|---|---|---|"]
    for name, some in [*((f, [r for r in rows if r.family == f]) for f in FAMILIES), ("in all", rows)]:
        n = counts(some)
        lines.append(f"| {name} | {n['functions']} | {n['through np.f']} | {n['differentiable']} | {n['complex']} |")
    return "\n".join(lines)


def _functions() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for module in MODULES:
        family = module.__name__.rpartition(".")[2]
        for name in module.__all__:
            f = getattr(module, name)
            if callable(f) and not inspect.isclass(f) and not name.startswith("explain"):
                yield name, _FAMILY[family], f
    for space in (nd.linalg, nd.fft):
        for name in space.__all__:
            f = getattr(space, name)
            if callable(f) and not inspect.isclass(f) and getattr(nd, name, None) is not f:
                part = space.__name__.rpartition(".")[2]
                yield f"{part}.{name}", _FAMILY[part], f


def _row(name: str, family: str, f: Any, seen: list[Any], also: list[Any]) -> Row:
    space: Any = np
    for part in name.split("."):
        space = getattr(space, part, None)
    numpy = NA if family == "networks" or not _dispatches(space) else YES if space in FUNCTIONS else NO
    key = getattr(f, "op", None) or getattr(f, "__wrapped__", None) or f.__code__  # those made by one function share their code
    mine = [(sample, key in tracked) for sample, run, tracked in seen if key in run]
    order = max((sample.order for sample, tracked in mine if tracked), default=0)
    complex_ = any(tracked and any(a.dtype.kind == "c" for a in s.args) for s, tracked in mine) or any(key in t for _, _, t in also)
    return Row(name, family, numpy, bool(mine) or "gradient" in (inspect.getdoc(f) or ""), order, YES if complex_ else NA)


def _dispatches(f: Any) -> bool:
    return isinstance(f, (type(np.sum), np.ufunc))


def _real(s: Sample) -> bool:
    return s.differentiable and all(a.dtype.kind == "f" for a in s.args)


def _run(sample: Sample, args: Any) -> tuple[set[Any], set[Any]]:
    """What a call of the row's function runs, operations and code objects, and those of them whose result is tracked."""
    run: set[Any] = set()
    tracked: set[Any] = set()

    def watch(frame: Any, event: str, result: Any) -> None:
        if event == "return":
            key = frame.f_locals.get({"result": "op", "of_two": "op", "function": "f"}.get(frame.f_code.co_name, ""), frame.f_code)
            run.add(key)
            if any(t.requires_grad for _, t in leaves(result) if isinstance(t, nd.Tensor)):
                tracked.add(key)

    tensors = [nd.tensor(a, requires_grad=True) for a in args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.setprofile(watch)
        try:
            sample.f(*tensors)
        except TypeError:  # no complex operands
            return set(), set()
        finally:
            sys.setprofile(None)
    return run, tracked


def markdown(rows: list[Row]) -> str:
    lines = ["| function | family | np.f | order 2 | forward | complex |", "|---|---|---|---|---|---|"]
    for r in sorted(rows, key=lambda r: (r.family, r.name)):
        derivatives = (NA, NA) if not r.order else (YES if r.order >= 2 else NO, YES)
        lines.append(f"| {r.name} | {r.family} | {r.numpy} | {derivatives[0]} | {derivatives[1]} | {r.complex} |")
    return "\n".join([*lines, "", *(f"{count} {what}" for what, count in counts(rows).items())])


if __name__ == "__main__":
    found = table()
    print(markdown(found), summary(found), sep="\n\n")
    print("not sampled:", " ".join(r.name for r in found if not r.sampled))
    print("numpy has it, but np.f refuses:", " ".join(r.name for r in found if r.numpy == NO))
