"""Blocks that follow one another and are built alike, as one: "Block × 12"."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise

from .graph import Graph, Vertex, pooled

LEAST = 3  # of two blocks both can be seen


def patterns(graph: Graph, groups: Sequence[Sequence[int]], keys: Sequence[Hashable | None]) -> list[Hashable]:
    """For every group of vertices that a fold stands for: its structure, equal for blocks built alike. None for what is no fold."""
    place = {old: (g, k) for g, group in enumerate(groups) for k, old in enumerate(group)}
    wires: list[list[tuple[int, int, int | None]]] = [[] for _ in groups]
    for e in graph.edges:
        (g, k), (head, j) = place[e.tail], place[e.head]
        if g == head:
            wires[g].append((k, j, e.slot))
    return [None if keys[group[0]] is None else (*(_kind(graph.vertices[i]) for i in group), *wires[g]) for g, group in enumerate(groups)]


def collapse(graph: Graph, pattern: Sequence[Hashable]) -> Graph:
    """Runs of folds alike in structure and stem of their names, each fed by the one before, as one vertex each.

    Between two of them nothing may stand but leaves and constants: the vertices stay in topological order.
    """
    fed = {(e.tail, e.head) for e in graph.edges}
    steps = [i for i, v in enumerate(graph.vertices) if v.kind in ("op", "fold", "rest")]
    runs: list[list[int]] = [[i] for i in steps[:1]]
    for i, j in pairwise(steps):
        a, b = graph.vertices[i], graph.vertices[j]
        alike = pattern[i] is not None and pattern[i] == pattern[j] and stem(a.title) == stem(b.title) and a.scope == b.scope
        if alike and (i, j) in fed and not a.output:
            runs[-1].append(j)
        else:
            runs.append([j])
    runs = [run for run in runs if len(run) >= LEAST]
    if not runs:
        return graph
    gone = {i: run[-1] for run in runs for i in run[:-1]}
    kept = [i for i in range(len(graph.vertices)) if i not in gone]
    position = {old: new for new, old in enumerate(kept)}
    position |= {old: position[last] for old, last in gone.items()}
    edges = {e._replace(tail=position[e.tail], head=position[e.head]): None for e in graph.edges}
    merged = {run[-1]: _merged([graph.vertices[i] for i in run]) for run in runs}
    vertices = [merged.get(i, graph.vertices[i]) for i in kept]
    return Graph(vertices, [e for e in edges if e.tail != e.head], graph.left_out, graph.remarks)


def _kind(v: Vertex) -> Hashable:
    return v.kind, v.title if v.kind != "fold" else "", v.shape, v.dtype, v.details, v.operands


def stem(name: str) -> str:
    """A name without its number: blocks.3 is one of blocks."""
    return name.rstrip("0123456789").rstrip("._ -")


def _merged(run: Sequence[Vertex]) -> Vertex:
    first, last = run[0], run[-1]
    each = f"each: {first.details[0]}" if first.details else ""
    name = stem(last.title) or f"{first.title}…{last.title}"
    folds = tuple(scope for b in run for scope in b.folds)
    merged = replace(last, title=f"{name} × {len(run)}", details=(each, *first.details[1:]), folds=folds)
    return pooled(merged, run, (b.grad for b in run))
