"""A graph in words: how much there is, what is known of a vertex, and numbers as they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from .facts import Cost, Grad, Stats
from .graph import Graph, Vertex


@dataclass(frozen=True)
class Note:
    """A line of a card; its tone is plain, grey, or red for what is wrong."""

    text: str
    tone: str = "plain"


def summary(graph: Graph) -> str:
    """How much there is of what.

    >>> summary(Graph([Vertex("leaf", "leaf", leaves=1), Vertex("op", "exp", operations=1, output=True)]))
    '1 operation, 1 leaf, 1 output'
    """
    counts = [
        (sum(v.operations for v in graph.vertices), "operation", "operations"),
        (sum(v.leaves for v in graph.vertices), "leaf", "leaves"),
        (sum(v.kind == "constant" for v in graph.vertices), "constant", "constants"),
        (sum(v.output for v in graph.vertices), "output", "outputs"),
        (graph.left_out, "node left out", "nodes left out"),
    ]
    return ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts if n)


def notes(v: Vertex, flows: bool = False) -> Iterator[Note]:
    """What was asked for and is known: statistics (unless the value `flows` on along an edge that tells them), gradient, cost, source."""
    if v.mark:
        yield Note(v.mark, "red")
    if (s := v.stats) and not flows:
        yield Note(value_words(s) if s.low == s.high else f"{value_words(s)}, in [{s.low:.3g}, {s.high:.3g}]", "red" if s.bad else "plain")
    if g := v.grad:
        missing = g.norm is None
        yield Note("no gradient", "grey") if missing else Note(gradient_words(g), "red" if g.bad else "plain")
    if v.cost:
        if v.cost.flops or v.cost.bytes:
            yield Note(costs(v.cost))
        if v.cost.seconds:
            yield Note(times(v.cost))
    if v.source:
        yield Note(re.split(r"[/\\\\]", v.source)[-1], "grey")


def value_words(s: Stats) -> str:
    """
    >>> value_words(Stats(0.5, 0.25, 0.0, 1.0, 0.4, 0))
    '0.5 ± 0.25, 40% zero'
    """
    words = f"= {s.low:.3g}" if s.low == s.high else f"{s.mean:.3g} ± {s.std:.3g}"
    words += f", {s.zeros:.0%} zero" if s.zeros >= 0.005 else ""
    return f"{s.bad:,} nan or inf; rest {words}" if s.bad else words


def gradient_words(g: Grad) -> str:
    """
    >>> gradient_words(Grad(0.5, 0, 0.4)), gradient_words(Grad())
    ('grad 0.5, 40% zero', '')
    """
    if g.bad:
        return f"grad {g.bad:,} nan or inf"
    return "" if g.norm is None else f"grad {g.norm:.3g}" + (f", {g.zeros:.0%} zero" if g.zeros >= 0.005 else "")


def totals(graph: Graph) -> Iterator[str]:
    """Lines about the whole graph, where there is something to add up."""
    known = [v.cost for v in graph.vertices if v.cost]
    if known:
        whole = reduce(Cost.__add__, known)
        yield f"forward in all: {costs(whole)}"
        if whole.seconds:
            yield f"measured: {times(whole)}"
    if graph.left_out:
        yield f"{graph.left_out:,} nodes are left out; raise max_nodes to see them"
    yield from graph.remarks


def costs(cost: Cost) -> str:
    """
    >>> costs(Cost(2_500_000, 1024, 512))
    '2.5 Mflop, 1.02 kB, keeps 512 B'
    """
    return f"{scaled(cost.flops)}flop, {scaled(cost.bytes)}B" + (f", keeps {scaled(cost.saved)}B" if cost.saved else "")


def times(cost: Cost) -> str:
    """
    >>> times(Cost(0, 0, 0, 0.0015, 2e-6))
    '1.5 ms forward, 2 µs backward'
    """
    both = (cost.forward, "forward"), (cost.backward, "backward")
    return ", ".join(f"{duration(t)} {way}" for t, way in both if t is not None)


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.3g} µs"


def scaled(n: float) -> str:
    for unit in ("", "k", "M", "G"):
        if n < 999.5:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} T"


def filled(items: Iterable[str], between: str, most: int) -> list[str]:
    """Items in lines, as many on each as fit.

    >>> filled(["a", "b", "c"], " + ", 3)
    ['a + b', 'c']
    """
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) <= most:
            lines[-1] += between + item
        else:
            lines.append(item)
    return lines


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clean(text: str) -> str:
    """One line, without what XML forbids."""
    if text.isprintable() and "  " not in text:
        return text
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "�", re.sub(r"\s+", " ", text))
