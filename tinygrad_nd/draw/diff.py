"""Two graphs side by side: where they first differ."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import astuple, replace
from math import isclose

from .facts import Grad, Stats
from .graph import Edge, Graph, called


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
