"""A Graph as DOT text: cards for vertices, boxes for scopes, a legend below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from ..kernels.memory import uncollected
from .card import BESIDE, SCOPES, SLOT_SIDES, card, escaped, look, quoted, tooltip
from .graph import Edge, Graph, Vertex
from .style import Heat, edge_style, legend

RANKDIRS = tuple(SLOT_SIDES)
_FONT = "Helvetica"
Beside = dict[int, dict[int | None, tuple[int, bool]]]  # {operation: {slot: (leaf, whether it stands after the operation)}}


@uncollected()
def to_dot(graph: Graph, rankdir: str, legend: bool, dpi: int | None = None) -> str:
    """DOT source, in time linear in the graph. `dpi` is for pixels only."""
    return "\n".join(_lines(graph, rankdir, legend, dpi))


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
    yield f"  {' '.join([f'n{i};' for i, v in enumerate(graph.vertices) if v.title != 'parameter'])}"
    heat, boxed = Heat(graph), any([v.scope for v in graph.vertices])
    beside, below = _beside(graph) if boxed else {}, _titled_below(graph) if boxed and rankdir == "TB" else set()
    yield from _clusters(graph, _cards(graph, rankdir, heat, beside), beside, below)
    yield from _edges(graph, rankdir, beside, boxed)
    if with_legend:
        yield f"  label=<{legend(graph, heat)}>;"
    yield "}\n"


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
    scopes = [v.scope for v in graph.vertices]
    for ends in [(scopes[e.tail], scopes[e.head]) for e in graph.edges if scopes[e.tail] != scopes[e.head]]:
        tail, head = (set(_around(scope)) for scope in ends)
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
        fill = heat.fill(v) if v.cost else ""
        near = tuple([(slot, after) for slot, (_, after) in beside[i].items()]) if i in beside else ()
        key = look(v), fill, near, i in told
        if (text := written.get(key)) is None:
            sides = {slot: BESIDE[rankdir][after] for slot, after in near}
            text = written[key] = f'[label=<{card(v, rankdir, fill, i in told, sides)}> tooltip="{quoted(tooltip(v))}"]'
        cards.append(text)
    return cards


def _edges(graph: Graph, rankdir: str, beside: Beside, boxed: bool) -> Iterator[str]:
    """Edges; those between operations are heavier, so that the main stream runs straight and leaves stand beside it. `boxed`: whether any
    vertex lies in a scope.

    A leaf that many read stands above the first of them; were it drawn to the later ones too, it would pull them up, against the arrows.

    Inside a scope, what is computed from weights stands above the operation that reads it. Where the stream enters the scope it leaves that
    much room, or the box would reach up beside the one before it and be pushed aside: a long network would become a staircase.
    """
    scopes, slotted = [v.scope for v in graph.vertices], [bool(v.operands) for v in graph.vertices]
    reads: list[list[int]] = [[] for _ in scopes]
    for e in graph.edges:
        reads[e[1]].append(e[0])
    room = _side_depths(graph, scopes, reads) if boxed else [0] * len(scopes)
    first, side = _first_readers(graph, reads), SLOT_SIDES[rankdir]
    above = [0] * len(scopes)
    for head, tails in enumerate(reads) if boxed else ():
        if head not in beside:
            for tail in tails:
                if room[tail] > above[head] and scopes[tail] == scopes[head]:
                    above[head] = room[tail]
    for e in graph.edges:
        tail, head, slot, label, value, grad = e
        near = beside[head].get(slot) if head in beside else None
        attributes = edge_style(e, silent=near is not None) if label or value or grad else []
        if first.get(tail, head) != head:
            attributes.append("weight=0")
        elif room[tail]:
            attributes.append("weight=1")
        if above[head] and not f"{scopes[tail]}/".startswith(f"{scopes[head]}/"):
            attributes.append(f"minlen={min(1 + above[head], 6)}")
        if near and near[1]:
            attributes.append("constraint=false")  # it stands on the far side, against the order
        stands = BESIDE[rankdir][near[1]] if near else side  # its card tells what flows
        port = f":s{slot}:{stands}" if slotted[head] and slot is not None else ""
        options = f" [{' '.join(attributes)}]" if attributes else ""
        yield f"  n{tail} -> n{head}{port}{options};"


def _first_readers(graph: Graph, reads: Sequence[Sequence[int]]) -> dict[int, int]:
    """Of each leaf that several read the reader that fewest operations lie above."""
    shared = {i for i, n in Counter([e[0] for e in graph.edges]).items() if n > 1 and _is_leaf(graph.vertices[i])}
    depths = [0] * len(reads)
    first: dict[int, int] = {}
    for head, tails in enumerate(reads) if shared else ():
        depth = 0
        for tail in tails:
            if depths[tail] >= depth:
                depth = depths[tail] + 1
        depths[head] = depth
        for tail in tails:
            if tail in shared and (tail not in first or depth < depths[first[tail]]):
                first[tail] = head
    return first


def _beside(graph: Graph) -> Beside:
    """Where the weights of an operation stand to its sides instead of above it: only so can the main
    stream enter their box from above."""
    operands: dict[int, list[Edge]] = {}
    for e in graph.edges:
        if graph.vertices[e.head].scope:
            operands.setdefault(e.head, []).append(e)
    if not operands:
        return {}
    readers = Counter([e.tail for e in graph.edges])
    found: Beside = {}
    for head, edges in operands.items():
        scope = graph.vertices[head].scope
        near = [e for e in edges if _is_leaf(graph.vertices[e.tail]) and graph.vertices[e.tail].scope == scope and readers[e.tail] == 1]
        if near and len(near) == len(edges) - 1 and all(e.slot is not None for e in edges):
            half = (len(near) + 1) // 2
            found[head] = {e.slot: (e.tail, k >= half) for k, e in enumerate(near) if e.slot is not None}
    return found


def _is_leaf(v: Vertex) -> bool:
    return v.kind in ("leaf", "constant")


def _side_depths(graph: Graph, scopes: Sequence[str], reads: Sequence[Sequence[int]]) -> list[int]:
    """For what is computed from leaves of its own scope alone: how many rows it and they take. 0 for the main stream."""
    depths: list[int] = []
    for i, (v, scope, tails) in enumerate(zip(graph.vertices, scopes, reads)):
        depth = 1 if v.kind == "op" or (scope and _is_leaf(v)) else 0
        for tail in tails:
            if tail >= i or not depths[tail] or scopes[tail] != scope:
                depth = 0
                break
            depth = max(depth, depths[tail] + 1)
        depths.append(depth)
    return depths
