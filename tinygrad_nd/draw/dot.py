"""A Graph as DOT text: cards for vertices, boxes for scopes, a legend below.

Kinds differ by border as well as by colour, so the picture survives a black-and-white printer: operations are rounded, leaves square with
a bar at the left, constants dashed, folded scopes double, outputs thick.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache

from .graph import Graph, Vertex, short_name
from .text import Note, notes, totals

# (fill, border) by family of operation or kind of vertex.
COLORS = {
    "product": ("#D6E8F8", "#1F5F99"),
    "elementwise": ("#FFFFFF", "#5B6470"),
    "reduction": ("#F3E4F0", "#8A3F7C"),
    "movement": ("#F1F2F4", "#9AA1AB"),
    "leaf": ("#FFF0D2", "#B06A00"),
    "constant": ("#FFFFFF", "#5B6470"),
    "fold": ("#E3E6EA", "#3A424D"),
    "rest": ("#FFFFFF", "#9AA1AB"),
}
MEANING = {
    "product": "product",
    "elementwise": "elementwise",
    "reduction": "along axes or windows",
    "movement": "no arithmetic",
    "leaf": "gets a gradient",
    "constant": "constant",
    "fold": "folded scope",
    "output": "output",
}
_TONES = {"plain": "#3A424D", "grey": "#6B7280", "red": "#B00020"}
_FONT = "Helvetica"
_SLOT_SIDES = {"TB": "n", "BT": "s", "LR": "w", "RL": "e"}
RANKDIRS = tuple(_SLOT_SIDES)
_MOST_CHARACTERS = 48  # of a line on a card
_remembered = lru_cache(1 << 12)  # most of the words in a large graph are the same few


def to_dot(graph: Graph, rankdir: str = "TB", legend: bool = True, dpi: int | None = None) -> str:
    """DOT source, in time linear in the graph. `dpi` is for pixels only."""
    return "\n".join(_lines(graph, rankdir, legend, dpi)) + "\n"


def _lines(graph: Graph, rankdir: str, legend: bool, dpi: int | None) -> Iterator[str]:
    yield "digraph tinygrad_nd {"
    yield f'  graph [rankdir={rankdir} fontname="{_FONT}" nodesep=0.22 ranksep=0.32 pad=0.15 bgcolor="white" labelloc=b tooltip=" "];'
    if dpi:
        yield f"  graph [dpi={dpi}];"
    yield f'  node [shape=plain fontname="{_FONT}" fontsize=11 fontcolor="#14181D"];'
    yield f'  edge [color="#5B6470" arrowsize=0.6 penwidth=1.1 fontname="{_FONT}" fontsize=8 fontcolor="#3A424D"];'
    # Layout starts from the nodes named first: with the inputs before the weights, the main stream keeps to the left of them.
    yield f"  {' '.join(f'n{i};' for i, v in enumerate(graph.vertices) if v.title != 'parameter')}"
    yield from _clusters(graph, rankdir)
    yield from _edges(graph, rankdir)
    if legend:
        yield f"  label=<{_legend(graph)}>;"
    yield "}"


def _clusters(graph: Graph, rankdir: str) -> Iterator[str]:
    """Vertices inside the boxes of their scopes, which nest."""
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
            fill = ("#F6F7F9", "#EEF0F3", "#E7EAEE")[min(depth, 2)]
            label = f"<B>{_text(scope.rpartition('/')[2])}</B>"
            yield f"  subgraph cluster_{number} {{"
            yield f'    label=<{label}>; labelloc=t; labeljust=r; style="rounded,filled"; fillcolor="{fill}"; color="#AEB4BD";'
            yield f'    fontsize=12; fontcolor="#3A424D"; margin=10; tooltip="{_quoted(scope)}";'
            number += 1
            stack.append((scope, True))
        for i in members.get(scope, ()):
            v = graph.vertices[i]
            yield f'    n{i} [label=<{_card(v, rankdir)}> tooltip="{_quoted(_tooltip(v))}"];'
        stack += [(s, False) for s in reversed(inner[scope])]


def _edges(graph: Graph, rankdir: str) -> Iterator[str]:
    """Edges; those between operations are heavier, so that the main stream runs straight and leaves stand beside it.

    Inside a scope a weight stands above the operation that reads it. Where the stream enters the scope it leaves that much room, or the
    box would reach up beside the one before it and be pushed aside: a long network would become a staircase.
    """
    room = _side_depths(graph)
    above = [0] * len(graph.vertices)
    for e in graph.edges:
        if graph.vertices[e.tail].scope == graph.vertices[e.head].scope:
            above[e.head] = max(above[e.head], room[e.tail])
    for e in graph.edges:
        tail, head = graph.vertices[e.tail], graph.vertices[e.head]
        attributes = [f'label=" {_quoted(e.label)}"'] if e.label else []
        if not room[e.tail]:
            attributes.append("weight=6")
        if above[e.head] and not f"{tail.scope}/".startswith(f"{head.scope}/"):
            attributes.append(f"minlen={min(1 + above[e.head], 6)}")
        port = f":s{e.slot}:{_SLOT_SIDES[rankdir]}" if e.slot is not None and head.operands else ""
        options = f" [{' '.join(attributes)}]" if attributes else ""
        yield f"  n{e.tail} -> n{e.head}{port}{options};"


def _side_depths(graph: Graph) -> list[int]:
    """For what is computed from leaves of its own scope alone: how many rows it and they take. 0 for the main stream."""
    operands: list[list[int]] = [[] for _ in graph.vertices]
    for e in graph.edges:
        operands[e.head].append(e.tail)
    depths: list[int] = []
    for i, v in enumerate(graph.vertices):
        inside = [depths[t] if t < i and graph.vertices[t].scope == v.scope else 0 for t in operands[i]]
        side = all(inside) if v.kind == "op" else v.kind in ("leaf", "constant") and bool(v.scope)
        depths.append(1 + max(inside, default=0) if side else 0)
    return depths


def _card(v: Vertex, rankdir: str) -> str:
    """An HTML-like table: operand slots where edges enter, then the rows."""
    rows = [f"<TR><TD>{row}</TD></TR>" for row in _rows(v)]
    body = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{"".join(rows)}</TABLE>'
    if not v.operands:
        return _frame(v, f'<TR><TD CELLPADDING="3">{body}</TD></TR>')
    slots = [f'<TD PORT="s{i}" CELLPADDING="1">{_font(_text(name), 8, "grey")}</TD>' for i, name in enumerate(v.operands)]
    if rankdir in ("TB", "BT"):
        wide, strip = f'<TR><TD COLSPAN="{len(slots)}" CELLPADDING="3">{body}</TD></TR>', f"<TR>{''.join(slots)}</TR>"
        return _frame(v, strip + wide if rankdir == "TB" else wide + strip)
    tall = f'<TD ROWSPAN="{len(slots)}">{body}</TD>'
    first = slots[0] + tall if rankdir == "LR" else tall + slots[0]
    return _frame(v, f"<TR>{first}</TR>" + "".join(f"<TR>{slot}</TR>" for slot in slots[1:]))


def _frame(v: Vertex, rows: str) -> str:
    fill, line = COLORS[v.family or v.kind]
    border = 3 if v.output else 1
    line = "#14181D" if v.output else line
    if v.kind == "leaf":
        rows = _barred(rows)
    style = {"op": ' STYLE="ROUNDED"', "constant": ' STYLE="DASHED"', "rest": ' STYLE="DOTTED"'}.get(v.kind, "")
    table = f'<TABLE{style} BORDER="{border}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="{line}" BGCOLOR="{fill}">{rows}</TABLE>'
    if v.kind == "fold":
        table = f'<TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" COLOR="{line}"><TR><TD>{table}</TD></TR></TABLE>'
    return table


def _barred(rows: str) -> str:
    """The rows with a dark bar to their left."""
    bar = f'<TD BGCOLOR="{COLORS["leaf"][1]}" WIDTH="5" CELLPADDING="0"></TD>'
    return rows.replace("<TR>", f"<TR>{bar}", 1)


def _rows(v: Vertex) -> Iterator[str]:
    name = short_name(v)
    if v.kind == "op":
        given = _font(f"{_text(name)} = ", 11, "grey") if name else ""
        yield f"{given}{_font(f'<B>{_text(v.title)}</B>', 13)}"
    elif v.kind in ("fold", "rest"):
        yield _font(f"<B>{_text(v.title)}</B>", 13 if v.kind == "fold" else 10)
    else:
        yield f"<B>{_text(name)}</B>" if name else f"<I>{_text(v.title)}</I>"
    for line in _wrapped(v):
        yield _font(_text(line), 9, "plain")
    if v.shape is not None:
        yield f"{v.shape} {_font(str(v.dtype), 8, 'grey')}" if v.dtype else str(v.shape)
    for note in notes(v):
        yield _note(note)


def _wrapped(v: Vertex) -> Iterator[str]:
    """Details, two or three to a line; a fold's stand on lines of their own."""
    if v.kind == "fold":
        yield from v.details
        return
    line = ""
    for detail in v.details:
        if line and len(line) + len(detail) > 30:
            yield line
            line = ""
        line = f"{line} · {detail}" if line else detail
    if line:
        yield line


def _note(note: Note) -> str:
    text = _font(_text(note.text), 9, note.tone)
    return f"<B>{text}</B>" if note.tone == "red" else text


def _tooltip(v: Vertex) -> str:
    lines = [
        f"{v.name} = {v.title}" if v.name and v.kind == "op" else v.name or v.title,
        f"{v.shape} {v.dtype}" if v.shape is not None else "",
    ]
    return "\n".join([*filter(None, lines), *v.details, *([f"in {v.scope}"] if v.scope else [])])


def _legend(graph: Graph) -> str:
    """What the borders and colours mean, for those that occur; below it, sums."""
    present = {v.family or v.kind for v in graph.vertices}
    samples = [Vertex("op", MEANING[f], family=f) for f in ("product", "elementwise", "reduction", "movement") if f in present]
    samples += [Vertex(k, MEANING[k]) for k in ("leaf", "constant", "fold") if k in present]
    if any(v.output for v in graph.vertices):
        samples.append(Vertex("op", MEANING["output"], family="elementwise", output=True))
    cells = "".join(f"<TD>{_frame(s, f'<TR><TD>{_font(s.title, 9)}</TD></TR>')}</TD>" for s in samples)
    below = "".join(f'<TR><TD COLSPAN="{len(samples)}">{_font(_text(line), 9, "plain")}</TD></TR>' for line in totals(graph))
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="6" CELLPADDING="0"><TR>{cells}</TR>{below}</TABLE>'


def _font(text: str, size: int, tone: str = "") -> str:
    color = f' COLOR="{_TONES[tone]}"' if tone else ""
    return f'<FONT POINT-SIZE="{size}"{color}>{text}</FONT>'


def _clean(text: str) -> str:
    """One line, without what XML forbids."""
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "�", re.sub(r"\s+", " ", text))


@_remembered
def _text(text: str) -> str:
    """Text inside an HTML-like label; Graphviz expands \\N and its like there too."""
    text = _clean(text)
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return html.escape(text).replace("\\", "\\\\")


@_remembered
def _quoted(text: str) -> str:
    """Text inside a double-quoted DOT string. Programs disagree on how to escape a backslash there, so it becomes a look-alike."""
    return "\\n".join(_clean(line).replace("\\", "⧵").replace('"', '\\"') for line in text.split("\n"))
