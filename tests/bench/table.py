"""What the figures say. A ratio is time / time of PyTorch's faster memory layout for that very measure; ours, too, in the faster layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .turns import Row
from .workloads import WORKLOADS

OURS, PEERS = ("nd", "nd-numpy"), ("mygrad", "autograd", "jax")


def layouts(row: Row, measure: str, library: str) -> dict[str, float]:
    """Seconds in each of a library's layouts whose result was right."""
    return {e: s for e, s in row["seconds"].get(measure, {}).items() if e.split(":")[0] == library and e not in row["wrong"]}


def fastest(times: dict[str, float]) -> str:
    return min(times, key=times.__getitem__)


def ratio(row: Row, measure: str, library: str) -> float | None:
    """None where there is no right result; where there is no PyTorch, milliseconds."""
    ours, theirs = layouts(row, measure, library), layouts(row, measure, "torch")
    return min(ours.values()) / min(theirs.values(), default=1e-3) if ours else None


def disturbed(row: Row, measure: str, library: str) -> bool:
    """Whether a ratio rests on turns that other processes disturbed."""
    both = [times for of in (library, "torch") if (times := layouts(row, measure, of))]
    return any(fastest(times) in row["disturbed"].get(measure, ()) for times in both)


def geomean(rows: Iterable[Row], measure: str, library: str) -> float | None:
    """Of the ratios that are right and undisturbed."""
    logs = [math.log(r) for row in rows if (r := ratio(row, measure, library)) and not disturbed(row, measure, library)]
    return math.exp(sum(logs) / len(logs)) if logs else None


class Table:
    """The lines of a section: PyTorch's milliseconds, then ratios; ours for every measure, the peers' for training."""

    def __init__(self, section: str, measures: Sequence[str], engines: Iterable[str]) -> None:
        self.section, self.measures = section, measures
        libraries = {e.split(":")[0] for e in engines}
        self.columns = [(m, library) for library in OURS if library in libraries for m in measures]
        self.columns += [("train", library) for library in PEERS if library in libraries and (section == "tape" or library != "autograd")]

    def head(self) -> str:
        first = f"{'':38}{'PyTorch, ms':>{10 * len(self.measures) - 1}} " + "".join(f"{library:>8} " for _, library in self.columns)
        return f"\n{first}\n{self.section:38}" + "".join(f"{m:>9} " for m in self.measures) + "".join(f"{m:>8} " for m, _ in self.columns)

    def line(self, name: str, row: Row) -> str:
        text = f"{name:38}"
        for m in self.measures:
            theirs = layouts(row, m, "torch")
            text += f"{min(theirs.values()) * 1e3:9.2f}{tick(theirs)}" if theirs else f"{'-':>9} "
        for m, library in self.columns:
            r = ratio(row, m, library)
            void = "!" if library in row["wrong"] else "-"
            text += f"{void if r is None else '~' * disturbed(row, m, library) + format(r, '.2f'):>8}{tick(layouts(row, m, library))}"
        told = {why: e for e, why in row["notes"].items() if e.startswith("nd")} | {why: f"{e} !" for e, why in row["wrong"].items()}
        return "\n    ".join([text, *(f"{e}: {why}" for why, e in told.items())])

    def foot(self, rows: Sequence[Row]) -> str:
        means = [geomean(rows, m, library) for m, library in self.columns]
        return f"{'geometric mean':{38 + 10 * len(self.measures)}}" + "".join(f"{'-' if g is None else f'{g:.2f}':>8} " for g in means)


def tick(times: dict[str, float]) -> str:
    """Where channels last was the faster layout."""
    return "'" if times and fastest(times).endswith(":last") else " "


def rates(rows: dict[str, Row]) -> str:
    """GF/s of the training of convolutions, three passes each, a column a row: flat or rising, if time follows the work."""
    lines = ["GF/s, train"]
    for e in dict.fromkeys(e for row in rows.values() for e in row["seconds"].get("train", ())):
        rate = [3e-9 * WORKLOADS[n].flops / row["seconds"]["train"].get(e, math.inf) for n, row in rows.items()]
        lines.append(f"  {e:14}" + "".join(f"{r:8.0f}" for r in rate))
    return "\n".join(lines)
