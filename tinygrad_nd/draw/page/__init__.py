"""One file to explore a graph with, without a server or a network: the picture at every depth, what is known of each node, a script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import linecache
import re
from collections.abc import Iterator
from importlib.resources import files
from math import prod
from string import Template
from typing import Any

from ..dot import to_dot
from ..fold import fold, limit
from ..graph import Edge, Graph, Vertex, called
from ..render import INSTALL, DotNotFound, render, slim
from ..style import SHADES, Heat, reading, samples
from ..text import clean, costs, gradient_words, scaled, summary, times, totals, value_words
from ..tree import tree
from .column import column, swatch

MOST = 3_000  # vertices of one picture: 4 MB
PLACED = 1_000  # vertices that Graphviz is asked to place; it takes a third of a second for a chain of these
READABLE = 60  # vertices of the picture that is shown first, if folding gets there
SCRIPTS = ("graph.js", "view.js", "panel.js", "picture.js", "play.js", "main.js")  # read from the first to the last


def page(graph: Graph, rankdir: str, with_legend: bool, depth: int | None) -> str:
    """The text of an HTML file, which opens folded at `depth`, or as deep as can be read at once. What runs in it is named by its hash:
    nothing else may run, and nothing can be fetched."""
    whole = limit(graph, MOST)
    levels = [*(fold(whole, d) for d in range(whole.depth)), whole]
    readable = max((i for i, level in enumerate(levels) if len(level.vertices) <= READABLE), default=0)
    start = readable if depth is None else min(depth, len(levels) - 1)
    pictures = [_picture(level, rankdir) for level in levels]
    style, script = _resource("page.css"), "\n".join(map(_resource, SCRIPTS))
    title = f"Graph of {', '.join(v.name or v.title for v in graph.vertices if v.output)}"
    data = {"rankdir": rankdir, "start": start, **_data(levels), "notices": [notice for _, notice in pictures]}
    said = [*([_cut(graph, whole)] if whole is not graph else []), *totals(graph)]
    text = Template(_resource("page.html")).substitute(
        title=_plain(title),
        summary=_plain(summary(graph)),
        said="".join(f"<p>{_plain(line)}</p>" for line in said),
        legend=legend(whole, levels) if with_legend else "",
        listing=_plain(tree(whole)),
        picture=pictures[start][0],
        others="\n".join(f'<template id="depth-{i}">{svg}</template>' for i, (svg, _) in enumerate(pictures) if i != start),
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),  # nothing that ends the element
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )
    return text


def _picture(graph: Graph, rankdir: str) -> tuple[str, str]:
    """An SVG element, and what is to be said of how it was made."""
    if len(graph.vertices) > PLACED or graph.tangled:
        return column(graph), "Too much for Graphviz to place in good time: the nodes stand in the order of computation."
    try:
        svg = slim(render(to_dot(graph, rankdir, legend=False), "svg").decode())
    except DotNotFound:
        return column(graph), f"Without Graphviz the nodes stand in the order of computation; for a better picture {INSTALL}."
    return re.sub(r"<title>(?:tinygrad_nd|cluster_\d+)</title>\n", "", svg), ""


def _data(levels: list[Graph]) -> dict[str, Any]:
    """Every vertex of any level once, and the levels as the numbers of their vertices and the edges between these numbers.

    Folding passes on the vertices that it leaves as they are.
    """
    numbers: dict[int, int] = {}
    nodes: list[dict[str, Any]] = []
    for level in levels:
        for v in level.vertices:
            if id(v) not in numbers:
                numbers[id(v)] = len(nodes)
                nodes.append(describe(v))
    places = [[numbers[id(v)] for v in level.vertices] for level in levels]
    return {
        "nodes": nodes,
        "levels": [{"nodes": at, "edges": [_edge(level, at, e) for e in level.edges]} for level, at in zip(levels, places)],
    }


def _edge(graph: Graph, numbers: list[int], e: Edge) -> dict[str, Any]:
    shape = e.label or (str(graph.vertices[e.tail].shape) if graph.vertices[e.tail].shape is not None else "")
    head = graph.vertices[e.head]
    said = {
        "shape": shape,
        "operand": head.operands[e.slot] if e.slot is not None and head.operands else "",
        "value": value_words(e.value) if e.value else "",
        "grad": ("none" if e.grad.norm is None else gradient_words(e.grad).removeprefix("grad ")) if e.grad else "",
    }
    return {"tail": numbers[e.tail], "head": numbers[e.head], **{k: words for k, words in said.items() if words}}


def _cut(graph: Graph, kept: Graph) -> str:
    """What a page that does not hold the whole graph says."""
    left_out = "the oldest are left out; inside nd.scope they would fold instead"
    how = left_out if kept.left_out > graph.left_out else "the deepest scopes stay folded"
    return f"This page holds {MOST:,} nodes at most, and the graph has {len(graph.vertices):,}: {how}."


def _plain(text: str) -> str:
    return html.escape(clean(text))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


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
