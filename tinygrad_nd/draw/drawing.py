"""Drawing: a graph that can be looked at, in a notebook, a terminal or a file, or side by side with another."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator
from dataclasses import asdict, astuple, replace
from math import isclose, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import write
from . import text
from .dot import to_dot
from .facts import Grad, Stats
from .graph import Edge, Graph, called
from .page import page
from .render import DotNotFound, render, slim
from .tree import brief, tree

MOST = 20_000  # vertices that Graphviz is asked to place; it takes minutes for a tenth of that
SUFFIXES = (".gv", ".dot", ".svg", ".png", ".pdf", ".html", ".json")


class Drawing:
    """A picture of a graph. It holds plain values only: the graph it was drawn from is neither kept alive nor changed.

    `.dot` is DOT source; `.svg()`, `.png()`, `.pdf()` need a Graphviz program; `print(drawing)` shows a tree of scopes.
    Set `.legend = False` to leave out the legend.
    """

    def __init__(self, graph: Graph, rankdir: str = "TB", whole: Graph | None = None, depth: int | None = None) -> None:
        self.graph, self.rankdir, self.legend = graph, rankdir, True
        self._whole, self._depth = whole or graph, depth  # what `graph` was folded from, and where

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            hint = "; save(path) writes a picture or a page, and a notebook shows it" if name in ("show", "view", "render", "plot") else ""
            raise AttributeError(f"a drawing has no attribute {name!r}{hint}")

    @property
    def dot(self) -> str:
        """DOT source text."""
        return to_dot(self.graph, self.rankdir, self.legend)

    def svg(self) -> str:
        """The picture as an SVG element, ready to stand in a page."""
        return slim(self._rendered("svg").decode())

    def png(self) -> bytes:
        """The picture as a PNG file's bytes, at twice the resolution of a plain screen."""
        return self._rendered("png", dpi=144)

    def pdf(self) -> bytes:
        """The picture as a PDF file's bytes."""
        return self._rendered("pdf")

    def _rendered(self, format: str, dpi: int | None = None) -> bytes:
        if len(self.graph.vertices) > MOST:
            raise ValueError(
                f"draw: {len(self.graph.vertices):,} vertices make no readable {format}, and take too long to place; pass depth= or "
                f"max_nodes= (at most {MOST:,}) to nd.draw. .dot, .json() and .summary() work at any size"
            )
        return render(to_dot(self.graph, self.rankdir, self.legend, dpi), format)

    def html(self) -> str:
        """A page that needs nothing else, to explore the graph in a browser: pan, zoom, search, fold and unfold scopes, click a node for
        all that is known of it, and step through the operations forward and backward. Without Graphviz the nodes stand in one column.
        """
        return page(self._whole, self.rankdir, self.legend, self._depth)

    def summary(self) -> str:
        """The graph as a tree of scopes: what reads what (%n is line n), results, values of parameters, operations, bytes of results.

        What repeats is told once, "× 12"; its sums are of all. `print(drawing)` shows as much of it as fits a terminal.
        """
        return tree(self.graph)

    def diff(self, other: Drawing, *, rtol: float = 1e-5) -> Drawing:
        """This drawing with the first difference from `other` marked, and told in `.graph.remarks`: of structure; else of values, if both
        were drawn with stats=True; else of gradients, if both were drawn with grads=True. What only one of them has is marked, too.

        >>> import tinygrad_nd as nd
        >>> x = nd.tensor([1.0, 2.0], requires_grad=True)
        >>> nd.draw(nd.exp(x).sum()).diff(nd.draw(nd.sin(x).sum())).graph.remarks
        ['first difference, in structure: %1 exp (2,) here, sin (2,) there']
        """
        if not isinstance(other, Drawing):
            raise TypeError(f"diff: compares with another Drawing, as nd.draw returns it, but got {type(other).__name__}")
        result = Drawing(compare(self.graph, other.graph, rtol), self.rankdir)
        result.legend = self.legend
        return result

    def json(self) -> dict[str, Any]:
        """Everything in the picture as plain dicts and lists, in the order of computation; what says nothing is left out.

        nodes: dicts of
            id: position in this list; kind: "op", "leaf", "constant", "fold" or "rest"; title: operation or kind in the user's words; name;
            shape; dtype; scope: "outer/inner"; family: "product", "elementwise", "reduction" or "movement"; details: parameters as text;
            operands: names of the operands, where their order matters; output: true for what was asked to be drawn; operations, leaves:
            how many this stands for; folds: the scopes that a fold stands for;
            flops: estimated; parameters: values; memory: bytes, of folds;
            source: "file:line"; mark: what is remarkable;
            grad: {norm (none: no gradient), bad: how many nan or inf, zeros: share};
            stats: {mean, std, low, high, zeros, bad} of the finite values; histogram: their counts in equal parts of [low, high];
            cost: {flops, bytes read and written, saved: bytes kept for the backward pass, forward, backward: seconds measured}.
        edges: dicts of tail and head (ids), slot (position among the operands, or none), label, value (as stats), grad (as grad).
        scopes: list of all. left_out: how many nodes are not drawn. remarks: list of sentences. Numbers that are not finite are strings.
        """
        nodes = []
        for i, v in enumerate(self.graph.vertices):
            said = {k: f for k, f in asdict(v).items() if k == "shape" or f not in (None, "", (), False, 0)}
            nodes.append({"id": i, **_plain(said)})
        edges = []
        for e in self.graph.edges:
            measured = {k: _plain(asdict(f)) for k, f in (("value", e.value), ("grad", e.grad)) if f}
            edges.append({"tail": e.tail, "head": e.head, "slot": e.slot, "label": e.label, **measured})
        return {"nodes": nodes, "edges": edges, "scopes": self.graph.scopes, "left_out": self.graph.left_out, "remarks": self.graph.remarks}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file that the suffix of `path` names: .gv .dot .svg .png .pdf .html .json. Returns its path.

        Raises ValueError for another suffix; DotNotFound where a Graphviz program is needed and missing, after writing the .gv beside it.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"save: takes a path, such as 'graph.svg', but got a {type(path).__name__}")
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"save: {path.name!r} ends in {suffix or 'no suffix'}; use one of {' '.join(SUFFIXES)}")
        try:
            data = self._as(suffix)
        except DotNotFound as error:
            source = path.with_suffix(".gv")
            if source.exists() and not source.read_text(encoding="utf-8", errors="replace").startswith("digraph"):
                source = path.with_name(path.name + ".gv")  # somebody else's file stands there
            write(source, self.dot.encode())
            raise DotNotFound(f"{error}. The DOT source was written to {source}") from None
        write(path, data)
        return path

    def _as(self, suffix: str) -> bytes:
        if suffix in (".png", ".pdf"):
            return self.png() if suffix == ".png" else self.pdf()
        if suffix == ".json":
            return json.dumps(self.json(), indent=1, allow_nan=False).encode()
        return (self.svg() if suffix == ".svg" else self.html() if suffix == ".html" else self.dot).encode()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except DotNotFound as error:
            return {"text/plain": f"{self}\n\n{error}"}

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def __repr__(self) -> str:
        return f"<Drawing of {text.summary(self.graph)}>"

    def __str__(self) -> str:
        return brief(self.graph)


def _plain(value: Any) -> Any:
    """Dicts and lists of what JSON knows."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def compare(a: Graph, b: Graph, rtol: float) -> Graph:
    """`a` with marks: the first difference from `b`, and what has no counterpart there. Linear: what both begin with and end with is
    aligned, and what lies between is the difference."""
    ours, theirs = list(_structure(a)), list(_structure(b))
    least = min(len(ours), len(theirs))
    start = next((i for i in range(least) if ours[i] != theirs[i]), least)
    end = next((i for i in range(least - start) if a.vertices[-1 - i].title != b.vertices[-1 - i].title), least - start)
    vertices = list(a.vertices)
    if start < max(len(ours), len(theirs)):
        found = f"first difference, in structure: %{start} {_said(a, start)} here, {_said(b, start)} there"
        for i in range(start, max(start, len(ours) - end)):
            vertices[i] = replace(vertices[i], mark="not in the other graph")
        at = min(start, len(ours) - 1)
        vertices[at] = replace(vertices[at], mark=f"differs: {_said(b, start)} there")
    else:
        at, words = next(_numbers(a, b, rtol), (-1, ""))
        found = f"first difference, in {words}" if words else "no difference found"
        if words:
            vertices[at] = replace(vertices[at], mark=f"differs in {words}")
    return Graph(vertices, a.edges, a.left_out, [*a.remarks, found])


def _structure(graph: Graph) -> Iterator[Hashable]:
    """What each vertex is and which vertices it reads."""
    reads: list[list[tuple[int, int | None]]] = [[] for _ in graph.vertices]
    for e in graph.edges:
        reads[e.head].append((e.tail, e.slot))
    for v, operands in zip(graph.vertices, reads):
        yield v.kind, v.title, v.shape, v.dtype, v.details, v.output, tuple(operands)


def _numbers(a: Graph, b: Graph, rtol: float) -> Iterator[tuple[int, str]]:
    """(position, words) of differing values in the order of computation, then of differing gradients in the order of the sweep."""
    for i, (v, w) in enumerate(zip(a.vertices, b.vertices)):
        if v.stats and w.stats and not _close(v.stats, w.stats, rtol):
            yield i, f"values: %{i} {called(v)}, mean {v.stats.mean:.6g} here, {w.stats.mean:.6g} there"
    flows: list[tuple[Edge, Edge]] = sorted(zip(a.edges, b.edges), key=lambda pair: -pair[0].head)
    for e, f in flows:
        if e.grad and f.grad and not _close(e.grad, f.grad, rtol):
            what = f"into %{e.tail} {called(a.vertices[e.tail])} from %{e.head}"
            yield e.tail, f"gradients: {what}, norm {e.grad.norm} here, {f.grad.norm} there"
    for i, (v, w) in enumerate(zip(a.vertices, b.vertices)):
        if v.grad and w.grad and not _close(v.grad, w.grad, rtol):
            yield i, f"gradients: %{i} {called(v)}, norm {v.grad.norm} here, {w.grad.norm} there"


def _close(a: Stats | Grad, b: Stats | Grad, rtol: float) -> bool:
    """Numbers equal but for rounding, relative to the largest of them."""
    x, y = astuple(a), astuple(b)
    size = max((abs(n) for n in (*x, *y) if n is not None and n - n == 0), default=0.0)
    return all(p == q or (p is not None and q is not None and isclose(p, q, rel_tol=rtol, abs_tol=rtol * size)) for p, q in zip(x, y))


def _said(graph: Graph, i: int) -> str:
    return f"{called(v := graph.vertices[i])} {v.shape}" if i < len(graph.vertices) else "nothing"
