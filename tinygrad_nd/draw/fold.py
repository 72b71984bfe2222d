"""Smaller pictures of the same graph: scopes folded into one vertex each, alike ones in a row as "Block × 12", or only the newest nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

from .facts import total
from .graph import Edge, Graph, Shape, Vertex, pooled

LEAST = 3  # blocks in a row that are told as one; of two both can be seen
Key = tuple[str, int]  # a scope, and which piece of it


def fold(graph: Graph, depth: int) -> Graph:
    """Every scope more than `depth` levels deep as one vertex; its inner edges vanish and its outer ones merge.

    A fold stands where its last member stood, so the vertices stay in topological order (unless the scope was entered more than once). A
    scope that reads what was computed from it, as those of two models of one class may, is as many folds as it has separate pieces.
    """
    paths = [v.scope.split("/") if v.scope else [] for v in graph.vertices]
    keys = _apart(graph, ["/".join(path[: depth + 1]) if len(path) > depth else None for path in paths])
    members: dict[Key, list[int]] = {}
    for i, key in enumerate(keys):
        if key is not None:
            members.setdefault(key, []).append(i)
    stands_for = [[i] if key is None else members[key] for i, key in enumerate(keys) if key is None or members[key][-1] == i]
    position = {old: new for new, group in enumerate(stands_for) for old in group}

    arriving: dict[Key, dict[Shape | None, None]] = {key: {} for key in members}
    leaving: dict[Key, dict[Shape | None, None]] = {key: {} for key in members}
    inner: list[Edge] = []
    merged: dict[Edge, list[Edge]] = {}
    for e in graph.edges:
        tail, head, before, after = position[e.tail], position[e.head], keys[e.tail], keys[e.head]
        if tail == head:
            continue
        shape = graph.vertices[e.tail].shape
        if before is not None:
            leaving[before].setdefault(shape)
        if after is not None:
            arriving[after].setdefault(shape)
        if before is None and after is None:
            inner.append(e._replace(tail=tail, head=head))
        else:
            label = e.label if before is None else str(shape)
            merged.setdefault(Edge(tail, head, None if after is not None else e.slot, label), []).append(e)
    outer = [
        _together(e._replace(label="") if (key := keys[group[0].tail]) is not None and len(leaving[key]) == 1 else e, group)
        for e, group in merged.items()
    ]
    vertices = [
        graph.vertices[group[-1]]
        if (key := keys[group[-1]]) is None
        else _folded(key[0], [graph.vertices[m] for m in group], list(arriving[key]), list(leaving[key]))
        for group in stands_for
    ]
    folded = Graph(vertices, inner + outer, graph.left_out, graph.remarks)
    return collapse(folded, patterns(graph, stands_for, keys))


def _apart(graph: Graph, scopes: Sequence[str | None]) -> list[Key | None]:
    """For every vertex its scope, and the number of the piece of it; one piece, unless folding the whole of it would close a circle."""
    names = [i if scope is None else scope for i, scope in enumerate(scopes)]
    circles = _circles({(names[e.tail], names[e.head]) for e in graph.edges if names[e.tail] != names[e.head]})
    piece = list(range(len(names)))  # the first of its own: operations by what they read inside, then leaves by what reads them

    def first(i: int) -> int:
        while piece[i] != i:
            piece[i] = piece[piece[i]]
            i = piece[i]
        return i

    inside = [e for e in graph.edges if names[e.tail] == names[e.head] in circles]
    for e in inside:
        if graph.vertices[e.tail].kind == "op":
            low, high = sorted((first(e.tail), first(e.head)))
            piece[high] = low
    read: set[int] = set()
    for e in inside:
        if graph.vertices[e.tail].kind != "op" and e.tail not in read:
            read.add(e.tail)
            piece[e.tail] = first(e.head)
    return [None if scope is None else (scope, first(i) if scope in circles else 0) for i, scope in enumerate(scopes)]


def _circles(links: set[tuple[str | int, str | int]]) -> set[str | int]:
    """Those that lie on circles or between them: what is left of a graph without its ends, then without those of the reverse."""
    for _ in range(2):
        waiting = Counter(head for _, head in links)
        reads: dict[str | int, list[str | int]] = {}
        for tail, head in links:
            reads.setdefault(tail, []).append(head)
        ready = [name for name in reads if not waiting[name]]
        while ready:
            for head in reads.pop(ready.pop(), ()):
                waiting[head] -= 1
                if not waiting[head]:
                    ready.append(head)
        links = {(head, tail) for tail, head in links if waiting[tail] and waiting[head]}
    return {name for link in links for name in link}


def limit(graph: Graph, most: int) -> Graph:
    """At most `most` vertices: the deepest scopes fold first; then the oldest nodes give way to one vertex that counts them."""
    for depth in range(graph.depth - 1, -1, -1):
        if len(graph.vertices) <= most:
            break
        graph = fold(graph, depth)
    return graph if len(graph.vertices) <= most else _newest(graph, most)


def _newest(graph: Graph, most: int) -> Graph:
    cut = len(graph.vertices) - most + 1
    gone = sum(max(1, v.operations + v.leaves) for v in graph.vertices[:cut])
    rest = Vertex("rest", f"{gone:,} earlier nodes left out")
    edges = [e._replace(tail=max(0, e.tail - cut + 1), head=e.head - cut + 1) for e in graph.edges if e.head >= cut]
    back = [e for e in edges if e.tail or e.head]
    return Graph([rest, *graph.vertices[cut:]], list(dict.fromkeys(back)), graph.left_out + gone, graph.remarks)


def _folded(key: str, inside: Sequence[Vertex], arriving: Sequence[Shape | None], leaving: Sequence[Shape | None]) -> Vertex:
    outer, _, last = key.rpartition("/")
    operations, leaves = sum(v.operations for v in inside), sum(v.leaves for v in inside)
    outputs = [v.shape for v in inside if v.output]
    shapes = list(dict.fromkeys([*leaving, *outputs]))
    values = sum(prod(v.shape) for v in inside if v.kind == "leaf" and v.shape is not None)
    inner = [_count(operations, "operation"), *([f"{_count(leaves, 'leaf', 'leaves')} ({_count(values, 'value')})"] if leaves else [])]
    dtypes = {v.dtype for v in inside if v.kind != "constant"}
    vertex = Vertex("fold", last, None, shapes[0] if len(shapes) == 1 else None, dtypes.pop() if len(dtypes) == 1 else None, outer)
    several = [(way, s) for way, found in (("in", arriving), ("out", shapes)) if len(found) > 1 for s in found]
    vertex.details = (" · ".join(inner), *(f"{way} {s}" for way, s in several))
    vertex.output, vertex.folds = bool(outputs), (key,)
    return pooled(vertex, inside, (v.grad for v in inside if v.kind == "leaf"))


def _together(edge: Edge, group: Sequence[Edge]) -> Edge:
    """An edge that stands for several: with the value if there is one, and the sum of gradients of one shape."""
    tails = {e.tail for e in group}
    only = group[0].grad if len(group) == 1 else total(e.grad for e in group)
    return edge._replace(value=group[0].value if len(tails) == 1 else None, grad=only)


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# Blocks that follow one another and are built alike.


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
