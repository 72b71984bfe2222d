"""One file to explore a graph with, without a server or a network: the picture at every depth, what is known of each node, a script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from string import Template
from typing import Any

from ..dot import to_dot
from ..fold import fold, limit
from ..graph import Edge, Graph
from ..render import INSTALL, DotNotFound, render, slim
from ..text import clean, gradient_words, summary, totals, value_words
from ..tree import tree
from .column import column
from .words import describe, legend

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
