"""A Graph as DOT text: cards for vertices, boxes for scopes, a legend below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from .card import BESIDE, SCOPES, SLOT_SIDES, card, escaped, look, quoted, tooltip
from .graph import Edge, Graph, Vertex
from .style import Heat, edge_style, legend

RANKDIRS = tuple(SLOT_SIDES)
_FONT = "Helvetica"
Beside = dict[int, dict[int | None, tuple[int, bool]]]  # {operation: {slot: (leaf, whether it stands after the operation)}}


def to_dot(graph: Graph, rankdir: str, legend: bool, dpi: int | None = None) -> str:
    """DOT source, in time linear in the graph. `dpi` is for pixels only."""
    return "\n".join(_lines(graph, rankdir, legend, dpi)) + "\n"


def _lines(graph: Graph, rankdir: str, with_legend: bool, dpi: int | None) -> Iterator[str]:
    yield "digraph tinygrad_nd {"
    yield f'  graph [rankdir={rankdir} fontname="{_FONT}" nodesep=0.22 ranksep=0.32 pad=0.15 bgcolor="white" labelloc=b tooltip=" "];'
    if dpi:
        yield f"  graph [dpi={dpi}];"
    if graph.tangled:
        yield "  graph [nslimit=0.5 mclimit=0.2 splines=line];"  # a picture in good time rather than the best
    yield f'  node [shape=plain fontname="{_FONT}" fontsize=11 fontcolor="#14181D"];'
    yield f'  edge [color="#5B6470" arrowsize=0.6 penwidth=1.1 fontname="{_FONT}" fontsize=8 fontcolor="#3A424D" weight=6];'
    # Layout starts from the nodes named first: with the inputs before the weights, the main stream keeps to the left of them.
    yield f"  {' '.join(f'n{i};' for i, v in enumerate(graph.vertices) if v.title != 'parameter')}"
    heat, beside = Heat(graph), _beside(graph)
    yield from _clusters(graph, _cards(graph, rankdir, heat, beside), beside, _titled_below(graph) if rankdir == "TB" else set())
    yield from _edges(graph, rankdir, beside)
    if with_legend:
        yield f"  label=<{legend(graph, heat)}>;"
    yield "}"


def _clusters(graph: Graph, cards: Sequence[str], beside: Beside, below: set[str]) -> Iterator[str]:
    """Vertices inside the boxes of their scopes, which nest; those of `below` have their titles there."""
    members: dict[str, list[int]] = {}
    inner: dict[str, list[str]] = {"": []}
    for i, v in enumerate(graph.vertices):
        members.setdefault(v.scope, []).append(i)
    for scope in graph.scopes:
        inner.setdefault(scope, [])
        inner[scope.rpartition("/")[0]].append(scope)
    stack: list[tuple[str, bool]] = [("", False)]
    number = 0
    while stack:
        scope, closing = stack.pop()
        if closing:
            yield "  }"
            continue
        if scope:
            depth = scope.count("/")
            fill = SCOPES[min(depth, 2)]
            label = f"<B>{escaped(scope.rpartition('/')[2])}</B>"
            yield f"  subgraph cluster_{number} {{"
            yield f"    label=<{label}>; labelloc={'b' if scope in below else 't'}; labeljust=r;"
            yield f'    style="rounded,filled"; fillcolor="{fill}"; color="#AEB4BD";'
            yield f'    fontsize=12; fontcolor="#3A424D"; margin=10; tooltip="{quoted(scope)}";'
            number += 1
            stack.append((scope, True))
        for i in members.get(scope, ()):
            yield f"    n{i} {cards[i]};"
            if near := beside.get(i):
                yield f"    {{rank=same; n{i} {' '.join(f'n{leaf}' for leaf, _ in near.values())}}}"
                yield from (f"    n{i} -> n{leaf} [style=invis weight=1];" for leaf, after in near.values() if after)
        stack += [(s, False) for s in reversed(inner[scope])]


def _titled_below(graph: Graph) -> set[str]:
    """Scopes that several arrows enter and fewer leave: there are fewer to cross a title at the lower end."""
    entering, leaving = Counter[str](), Counter[str]()
    for e in graph.edges:
        tail, head = (set(_around(graph.vertices[i].scope)) for i in (e.tail, e.head))
        entering.update(head - tail)
        leaving.update(tail - head)
    return {scope for scope, n in entering.items() if n > max(1, leaving[scope])}


def _around(scope: str) -> Iterator[str]:
    """It and all that it lies in."""
    while scope:
        yield scope
        scope = scope.rpartition("/")[0]


def _cards(graph: Graph, rankdir: str, heat: Heat, beside: Beside) -> list[str]:
    """Label and tooltip of every vertex. Those that look alike, as most do in a large graph, are written once."""
    told = {e.tail for e in graph.edges if e.value and e.slot not in beside.get(e.head, ())}  # what flows is told on an edge
    written: dict[Hashable, str] = {}
    cards = []
    for i, v in enumerate(graph.vertices):
        fill, near = heat.fill(v), tuple((slot, after) for slot, (_, after) in beside.get(i, {}).items())
        key = look(v), fill, near, i in told
        if key not in written:
            sides = {slot: BESIDE[rankdir][after] for slot, after in near}
            written[key] = f'[label=<{card(v, rankdir, fill, i in told, sides)}> tooltip="{quoted(tooltip(v))}"]'
        cards.append(written[key])
    return cards


def _edges(graph: Graph, rankdir: str, beside: Beside) -> Iterator[str]:
    """Edges; those between operations are heavier, so that the main stream runs straight and leaves stand beside it.

    A leaf that many read stands above the first of them; were it drawn to the later ones too, it would pull them up, against the arrows.

    Inside a scope, what is computed from weights stands above the operation that reads it. Where the stream enters the scope it leaves that
    much room, or the box would reach up beside the one before it and be pushed aside: a long network would become a staircase.
    """
    room = _side_depths(graph)
    above = [0] * len(graph.vertices)
    first = _first_readers(graph)
    for e in graph.edges:
        if room[e.tail] and e.head not in beside and graph.vertices[e.tail].scope == graph.vertices[e.head].scope:
            above[e.head] = max(above[e.head], room[e.tail])
    for e in graph.edges:
        near = beside[e.head].get(e.slot) if e.head in beside else None
        attributes = edge_style(e, silent=near is not None) if e.label or e.value or e.grad else []
        if _is_leaf(graph.vertices[e.tail]) and e.head != first[e.tail]:
            attributes.append("weight=0")
        elif room[e.tail]:
            attributes.append("weight=1")
        if above[e.head] and not f"{graph.vertices[e.tail].scope}/".startswith(f"{graph.vertices[e.head].scope}/"):
            attributes.append(f"minlen={min(1 + above[e.head], 6)}")
        side = SLOT_SIDES[rankdir]
        if near:  # its card tells what flows
            side = BESIDE[rankdir][near[1]]
            attributes += ["constraint=false"] if near[1] else []  # it stands on the far side, against the order
        port = f":s{e.slot}:{side}" if e.slot is not None and graph.vertices[e.head].operands else ""
        options = f" [{' '.join(attributes)}]" if attributes else ""
        yield f"  n{e.tail} -> n{e.head}{port}{options};"


def _first_readers(graph: Graph) -> dict[int, int]:
    """Of what each vertex is read by, what fewest operations lie above."""
    depths = [0] * len(graph.vertices)
    for e in sorted(graph.edges, key=lambda e: e.head):
        depths[e.head] = max(depths[e.head], depths[e.tail] + 1)
    return {e.tail: e.head for e in sorted(graph.edges, key=lambda e: (depths[e.head], e.head), reverse=True)}


def _beside(graph: Graph) -> Beside:
    """Where the weights of an operation stand to its sides instead of above it: only so can the main
    stream enter their box from above."""
    readers = [0] * len(graph.vertices)
    operands: dict[int, list[Edge]] = {}
    for e in graph.edges:
        readers[e.tail] += 1
        operands.setdefault(e.head, []).append(e)
    found: Beside = {}
    for head, edges in operands.items():
        scope = graph.vertices[head].scope
        if not scope:
            continue
        near = [e for e in edges if _is_leaf(graph.vertices[e.tail]) and graph.vertices[e.tail].scope == scope and readers[e.tail] == 1]
        if near and len(near) == len(edges) - 1 and all(e.slot is not None for e in edges):
            half = (len(near) + 1) // 2
            found[head] = {e.slot: (e.tail, k >= half) for k, e in enumerate(near) if e.slot is not None}
    return found


def _is_leaf(v: Vertex) -> bool:
    return v.kind in ("leaf", "constant")


def _side_depths(graph: Graph) -> list[int]:
    """For what is computed from leaves of its own scope alone: how many rows it and they take. 0 for the main stream."""
    operands: list[list[int]] = [[] for _ in graph.vertices]
    for e in graph.edges:
        operands[e.head].append(e.tail)
    depths: list[int] = []
    for i, v in enumerate(graph.vertices):
        inside = [depths[t] if t < i and graph.vertices[t].scope == v.scope else 0 for t in operands[i]]
        side = all(inside) if v.kind == "op" else _is_leaf(v) and bool(v.scope)
        depths.append(1 + max(inside, default=0) if side else 0)
    return depths
