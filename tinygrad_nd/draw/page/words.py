"""What a page says of a vertex, and its legend."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from math import prod
from typing import Any

from ..graph import Graph, Vertex, called
from ..style import SHADES, Heat, reading, samples
from ..text import clean, costs, gradient_words, scaled, times
from .column import swatch


def describe(v: Vertex) -> dict[str, Any]:
    """Everything known of a vertex: its kind, its label, and rows of (what, words). What says nothing is left out."""
    said: dict[str, Any] = {
        "label": _label(v),
        "kind": v.kind,
        "scope": v.scope,
        "shape": "" if v.shape is None else str(v.shape),
        "mark": v.mark,
        "folds": v.folds,
        "rows": [row for row in _rows(v) if row[1]],
        "histogram": v.histogram,
        "range": [f"{v.stats.low:.3g}", f"{v.stats.high:.3g}"] if v.histogram and v.stats else (),
        "code": _code(v.source),
    }
    return {key: value for key, value in said.items() if value}


def _label(v: Vertex) -> str:
    """What a vertex is called where its surroundings are not seen: without a name of its own, with the scope that it stands in."""
    if v.name:
        return clean(called(v))
    scope = v.scope.rpartition("/")[2]
    return clean(f"{scope}/{v.title}") if scope and v.kind == "op" else v.title


def _rows(v: Vertex) -> Iterator[tuple[str, str]]:
    yield ("operation", v.title) if v.kind == "op" else ("kind", {"fold": "folded scope", "rest": "left out"}.get(v.kind, v.title))
    if v.shape is not None:
        yield "shape", f"{v.shape}" + (f" {v.dtype}" if v.dtype else "")
        yield "values", f"{prod(v.shape):,}"
    yield "holds" if v.kind == "fold" else "parameters", " · ".join(v.details)
    yield "scope", v.scope
    if v.parameters and v.kind == "fold":
        yield "parameters", f"{v.parameters:,}"
    if s := v.stats:
        yield "mean ± deviation", f"{s.mean:.4g} ± {s.std:.4g}"
        yield "range", f"{s.low:.4g} to {s.high:.4g}"
        yield "zeros", f"{s.zeros:.1%}"
        yield "nan or inf", f"{s.bad:,}" if s.bad else "none"
    if g := v.grad:
        yield "gradient", "none" if g.norm is None else gradient_words(g).replace("grad", "" if g.bad else "norm").strip()
    if v.cost:
        yield "cost", costs(v.cost)
        yield "time", times(v.cost) if v.cost.seconds else ""
    elif v.flops:
        yield "cost", f"{scaled(v.flops)}flop"
    yield "source", v.source or ""


def _code(source: str | None) -> str:
    """The line of a source file that made a node."""
    path, _, line = (source or "").rpartition(":")
    return linecache.getline(path, int(line)).strip() if path and line.isdigit() else ""


def legend(graph: Graph, levels: list[Graph]) -> str:
    """List items for the borders and colours that occur at any depth, the scale of costs, and how to read the edges."""
    items = [(swatch(s), s.title) for s in samples(v for level in levels for v in level.vertices)]
    heat = Heat(graph)
    if heat.most:
        scale = "".join(f'<rect x="{12 * i}" width="12" height="18" fill="{shade}" stroke="#AEB4BD"/>' for i, shade in enumerate(SHADES))
        most = "most time, forward and backward" if heat.timed else "most operations"
        items.append((f'<svg class="swatch" width="72" height="18" aria-hidden="true">{scale}</svg>', f"none to {most}"))
    items += [("", words) for words in reading(graph)]
    return "".join(f"<li>{picture}{words}</li>" for picture, words in items)
