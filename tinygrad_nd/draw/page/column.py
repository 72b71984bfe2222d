"""A picture without Graphviz: operations in one column in the order of computation, what they read first from outside at their left.

Linear in the graph, so it also serves where a graph is too large to be placed well. The elements are those that Graphviz makes: every node
is a group of class "node", every edge one of class "edge", with the title "n3" or "n3->n4".
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from ..card import COLORS, INK, SCOPES
from ..graph import Edge, Graph, Vertex, called
from ..style import Heat
from ..text import clean, cut, notes

WIDTH, GAP = 200, 26  # of a card; between cards, one above the other
SIDE = 46  # between the column and what stands at its left
LANE = 6  # between edges that run side by side
INSET = 12  # of a scope's box from the one around it
_LETTERS = 40  # of 9 px that fit on a card
_KIND_STROKE = {"constant": ' stroke-dasharray="5 3"', "rest": ' stroke-dasharray="1 3"'}


def column(graph: Graph) -> str:
    """The picture as an SVG element."""
    places, boxes, bottom = _placed(graph)
    deepest = graph.depth
    left, right = -(WIDTH + SIDE + deepest * INSET + 20), WIDTH + deepest * INSET + 20
    lanes = _lanes(graph.edges, places)
    right += LANE * max(lanes.values(), default=0)
    heat = Heat(graph)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} 0 {right - left} {bottom:g}">',
        *_boxes(boxes, deepest),
        *(_edge(places, lanes, e) for e in graph.edges),
        *(_node(f"n{i}", v, places[i], heat.fill(v)) for i, v in enumerate(graph.vertices)),
        "</svg>",
    ]
    return "\n".join(parts)


def swatch(v: Vertex) -> str:
    """The border and colour of a vertex's card, for a legend."""
    return f'<svg class="swatch" width="34" height="20" viewBox="-2 -2 38 24" aria-hidden="true">{_frame(v, 0, 0, 34, 20, "")}</svg>'


Place = tuple[float, float, float]  # left, top, height


def _placed(graph: Graph) -> tuple[list[Place], list[tuple[str, float, float]], float]:
    """Where every vertex stands, (scope, top, bottom) of every box, and the height of all."""
    places: list[Place] = []
    boxes: list[tuple[str, float, float]] = []
    open_: list[tuple[str, float]] = []
    y, row, beside = 10.0, 0, 0.0  # the next free line, the first vertex of the row, the height of what stands at its left
    for i, v in enumerate(graph.vertices):
        height = 12 + sum(size + 5 for _, size, _ in _lines(v))
        if v.kind in ("leaf", "constant") and i + 1 < len(graph.vertices):
            places.append((-(WIDTH + SIDE), beside, height))
            beside += height + 6
            continue
        while open_ and not f"{v.scope}/".startswith(f"{open_[-1][0]}/"):
            scope, top = open_.pop()
            boxes.append((scope, top, y - GAP / 2 + 2))
            y += 8
        parts = v.scope.split("/") if v.scope else []
        for depth in range(len(open_), len(parts)):
            open_.append(("/".join(parts[: depth + 1]), y))
            y += 24
        tall = max(height, beside - 6)
        places[row:] = [(x, y + top + (tall - beside + 6) / 2, h) for x, top, h in places[row:]]
        places.append((0.0, y + (tall - height) / 2, height))
        y, row, beside = y + tall + GAP, i + 1, 0.0
    for scope, top in reversed(open_):
        boxes.append((scope, top, y - GAP / 2 + 2))
        y += 8
    return places, boxes, y


def _boxes(boxes: list[tuple[str, float, float]], deepest: int) -> Iterator[str]:
    for scope, top, bottom in sorted(boxes, key=lambda box: box[0].count("/")):
        depth = scope.count("/")
        margin = (deepest - depth) * INSET
        x, right = -(WIDTH + SIDE + margin), WIDTH + margin
        fill = SCOPES[min(depth, 2)]
        yield f'<rect x="{x}" y="{top:g}" width="{right - x}" height="{bottom - top:g}" rx="8" fill="{fill}" stroke="#AEB4BD"/>'
        yield _text(right - 8, top + 16, scope.rpartition("/")[2], 12, "plain", ' font-weight="bold" text-anchor="end"')


def _node(title: str, v: Vertex, place: Place, fill: str) -> str:
    x, y, height = place
    lines = [f'<g class="node"><title>{title}</title>{_frame(v, x, y, WIDTH, height, fill)}']
    y += 3
    for words, size, tone in _lines(v):
        y += size + 5
        lines.append(_text(x + WIDTH / 2, y, words, size, tone, ' text-anchor="middle"' + (' font-weight="bold"' if size == 13 else "")))
    return "".join([*lines, "</g>"])


def _frame(v: Vertex, x: float, y: float, width: float, height: float, fill: str) -> str:
    usual, line = COLORS[v.family or v.kind]
    line, thick = (INK["red"], 4) if v.mark else ("#14181D", 3) if v.output else (line, 1)
    look = f'fill="{fill or usual}" stroke="{line}" stroke-width="{thick}"{_KIND_STROKE.get(v.kind, "")}'
    radius = 7 if v.kind == "op" else 0
    box = f'<rect x="{x:g}" y="{y:g}" width="{width}" height="{height:g}" rx="{radius}" {look}/>'
    if v.kind == "leaf":
        box += f'<rect x="{x:g}" y="{y:g}" width="6" height="{height:g}" fill="{line}"/>'
    if v.kind == "fold":
        box += f'<rect x="{x + 3:g}" y="{y + 3:g}" width="{width - 6}" height="{height - 6:g}" fill="none" stroke="{line}"/>'
    return box


def _lines(v: Vertex) -> list[tuple[str, int, str]]:
    """(words, size, tone) of every line on a card."""
    details = v.details if v.kind == "fold" else filter(None, [" · ".join(v.details)])
    shape = [] if v.shape is None else [(f"{v.shape} {v.dtype or ''}", 11, "plain")]
    below = [*((d, 9, "plain") for d in details), *shape, *((n.text, 9, n.tone) for n in notes(v))]
    return [(called(v, short=True), 10 if v.kind == "rest" else 13, ""), *below]


def _text(x: float, y: float, words: str, size: int, tone: str, more: str) -> str:
    words = cut(words, _LETTERS * 9 // size)
    color = f' fill="{INK[tone]}"' if tone else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{color}{more}>{html.escape(clean(words))}</text>'


def _lanes(edges: list[Edge], places: list[Place]) -> dict[int, int]:
    """For every vertex that is read again further down: the lane beside the column in which all these edges run. Lanes are used again."""
    near: dict[int, int] = {}
    last: dict[int, int] = {}
    for e in edges:
        near[e.tail] = min(near.get(e.tail, e.head), e.head)
        last[e.tail] = max(last.get(e.tail, e.head), e.head)
    lanes: dict[int, int] = {}
    ends: dict[bool, list[int]] = {True: [], False: []}  # by side, where each lane becomes free
    for tail in sorted(last):
        beside = places[tail][0] < 0
        if last[tail] > near[tail] or not (beside or _adjacent(places, tail, near[tail])):
            taken = ends[beside]
            lanes[tail] = next((k for k, end in enumerate(taken) if end <= tail), len(taken))
            taken[lanes[tail] : lanes[tail] + 1] = [last[tail]]
    return lanes


def _adjacent(places: list[Place], tail: int, head: int) -> bool:
    """Whether nothing of the column stands between two of its cards."""
    return all(places[i][0] < 0 for i in range(tail + 1, head))


def _edge(places: list[Place], lanes: dict[int, int], e: Edge) -> str:
    (x, y, height), (_, top, tall) = places[e.tail], places[e.head]
    beside = x < 0
    if _adjacent(places, e.tail, e.head):
        if beside:  # across to its row
            a, b = y + height / 2, top + tall / 2
            path, tip = f"M{-SIDE},{a:g}C{-SIDE / 2:g},{a:g} {-SIDE / 2:g},{b:g} -6,{b:g}", _tip(-1, b, across=1)
        else:
            path, tip = f"M{WIDTH / 2:g},{y + height:g}V{top - 6:g}", _tip(WIDTH / 2, top - 1, across=0)
    elif beside:  # down between the leaves and the column
        lane = LANE * (lanes[e.tail] % (SIDE // LANE - 3)) + 2 * LANE - SIDE
        path, tip = f"M{-SIDE},{y + height * 0.8:g}H{lane}V{top + tall * 0.8:g}H-6", _tip(-1, top + tall * 0.8, across=1)
    else:  # down at the right of the column
        lane = WIDTH + LANE * (lanes[e.tail] + 2)
        path, tip = f"M{WIDTH},{y + height * 0.7:g}H{lane}V{top + tall * 0.3:g}H{WIDTH + 6}", _tip(WIDTH + 1, top + tall * 0.3, across=-1)
    color = INK["red"] if any(f and f.bad for f in (e.value, e.grad)) else "#5B6470"
    dashes = ' stroke-dasharray="5 3"' if e.grad and e.grad.norm is None else ""
    line = f'<path fill="none" stroke="{color}" stroke-width="1.1"{dashes} d="{path}"/>'
    return f'<g class="edge"><title>n{e.tail}-&gt;n{e.head}</title>{line}<polygon fill="{color}" points="{tip}"/></g>'


def _tip(x: float, y: float, across: int) -> str:
    """The triangle of an arrow that ends at (x, y), pointing right (1), left (-1) or down (0)."""
    back, side = (x - 7 * across, y) if across else (x, y - 7), 3.5
    wings = [(back[0], back[1] - side), (back[0], back[1] + side)] if across else [(back[0] - side, back[1]), (back[0] + side, back[1])]
    return " ".join(f"{a:g},{b:g}" for a, b in [(x, y), *wings])
