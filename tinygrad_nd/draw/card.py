"""A vertex as a card: an HTML-like table of DOT, with a slot per operand, what it is, its shape, and what was measured.

Kinds differ by border as well as by colour, so the picture survives a black-and-white printer: operations are rounded, leaves square with
a bar at the left, constants dashed, folded scopes double, outputs thick.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from textwrap import wrap

from .graph import Vertex, called, short_name
from .text import Note, clean, cut, filled, notes

# (fill, border) by family of operation or kind of vertex.
COLORS = {
    "product": ("#D6E8F8", "#1F5F99"),
    "elementwise": ("#FFFFFF", "#5B6470"),
    "reduction": ("#F3E4F0", "#8A3F7C"),
    "movement": ("#F1F2F4", "#9AA1AB"),
    "leaf": ("#FFF0D2", "#B06A00"),
    "given": ("#FFF0D2", "#B06A00"),
    "constant": ("#FFFFFF", "#5B6470"),
    "fold": ("#E3E6EA", "#3A424D"),
    "rest": ("#FFFFFF", "#9AA1AB"),
}
SCOPES = ("#F6F7F9", "#EEF0F3", "#E7EAEE")  # by depth
INK = {"plain": "#3A424D", "grey": "#6B7280", "red": "#B00020"}
SLOT_SIDES = {"TB": "n", "BT": "s", "LR": "w", "RL": "e"}
BESIDE = {"TB": "we", "BT": "we", "LR": "sn", "RL": "sn"}  # where what comes first in a rank stands, and what comes after
_MOST_CHARACTERS = 48  # of a line on a card
_remembered = lru_cache(1 << 12)  # most of the words in a large graph are the same few
look: Callable[[Vertex], Hashable] = attrgetter(
    *"kind title name shape dtype scope family details operands output grad stats cost source mark".split()
)  # all that a card and its tooltip tell


def card(v: Vertex, rankdir: str, fill: str, flows: bool, sides: Mapping[int | None, str]) -> str:
    """An HTML-like table: operand slots where edges enter, ahead or at `sides` (compass points by slot), and in the middle the rows. What
    `flows` on along edges is told there."""
    rows = [f"<TR><TD>{row}</TD></TR>" for row in _rows(v, flows)]
    body = f'<TD CELLPADDING="3"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{"".join(rows)}</TABLE></TD>'
    slots = [f'<TD PORT="s{i}" CELLPADDING="1">{font(escaped(name), 8, "grey")}</TD>' for i, name in enumerate(v.operands)]
    ahead = SLOT_SIDES[rankdir]
    for side in (*BESIDE[rankdir], ahead) if sides else ahead if slots else "":
        here = [slot for i, slot in enumerate(slots) if sides.get(i, ahead) == side]
        if here:
            parts = _together(here, side in "we", padding=1), body
            body = _together(parts if side in "wn" else parts[::-1], side not in "we", padding=0)
    return frame(v, f"<TR>{body}</TR>", fill)


def _together(cells: Sequence[str], down: bool, padding: int) -> str:
    """Cells in a column or a row, as one cell."""
    rows = "".join(f"<TR>{cell}</TR>" for cell in cells) if down else f"<TR>{''.join(cells)}</TR>"
    return f'<TD CELLPADDING="0"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{rows}</TABLE></TD>'


def frame(v: Vertex, rows: str, fill: str = "") -> str:
    usual, line = COLORS[v.family or v.kind]
    fill = fill or usual
    border = 4 if v.mark else 3 if v.output else 1
    line = INK["red"] if v.mark else "#14181D" if v.output else line
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


def _rows(v: Vertex, flows: bool) -> Iterator[str]:
    name = short_name(v)
    if v.kind == "op":
        given = font(f"{escaped(name)} = ", 11, "grey") if name else ""
        yield f"{given}{font(f'<B>{escaped(v.title)}</B>', 13)}"
    elif v.kind in ("fold", "rest"):
        yield font(f"<B>{escaped(v.title)}</B>", 13 if v.kind == "fold" else 10)
    else:
        yield f"<B>{escaped(name)}</B>" if name else f"<I>{escaped(v.title)}</I>"
    for line in v.details if v.kind == "fold" else filled(v.details, " · ", 30):
        yield font(escaped(line), 9, "plain")
    if v.shape is not None:
        yield f"{v.shape} {font(str(v.dtype), 8, 'grey')}" if v.dtype else str(v.shape)
    for note in notes(v, flows):
        yield from _note(note)


def _note(note: Note) -> Iterator[str]:
    """A line; what is wrong is told whole, on as many as it takes."""
    if note.tone != "red":
        yield font(escaped(note.text), 9, note.tone)
    else:
        yield from (f"<B>{font(escaped(line), 9, 'red')}</B>" for line in wrap(note.text, _MOST_CHARACTERS, max_lines=6, placeholder=" …"))


def tooltip(v: Vertex) -> str:
    lines = [called(v), f"{v.shape} {v.dtype}" if v.shape is not None else ""]
    whole = [n.text for n in notes(v)] + ([v.source] if v.source else [])
    return "\n".join([*filter(None, lines), *v.details, *([f"in {v.scope}"] if v.scope else []), *whole])


def font(text: str, size: int, tone: str = "") -> str:
    color = f' COLOR="{INK[tone]}"' if tone else ""
    return f'<FONT POINT-SIZE="{size}"{color}>{text}</FONT>'


@_remembered
def escaped(text: str, most: int = _MOST_CHARACTERS) -> str:
    """Text inside an HTML-like label; Graphviz expands \\N and its like there too."""
    return html.escape(cut(clean(text), most)).replace("\\", "\\\\")


@_remembered
def quoted(text: str, before: str = "") -> str:
    """Text inside a double-quoted DOT string, with something `before` each line. Programs disagree on how to escape a backslash there, so
    it becomes a look-alike."""
    return "\\n".join([before + clean(line).replace("\\", "⧵").replace('"', '\\"') for line in text.split("\n")])
