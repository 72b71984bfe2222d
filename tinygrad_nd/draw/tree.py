"""A graph as text: a tree of scopes with what each operation reads and makes, sums per scope, and what repeats told once."""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .fold import LEAST, stem
from .graph import Graph, Vertex, held, short_name
from .text import clean, cut, notes, scaled, summary, totals

MOST_LINES = 100  # that are printed in a terminal
_SMALL = 60  # vertices; in a graph of no more, only scopes are told once where they repeat
_LONGEST = 64  # steps of a loop that are recognised as one round
_WIDEST = 64  # characters of what stands before the shape
_HEAD = ("", "result", "dtype", "parameters", "flop", "memory", "")
_NUMBERS = (3, 4, 5)


@dataclass(slots=True)
class Row:
    """A line inside `depth` others: what it is, the vertex whose result it tells, and the sums of all that it stands for."""

    depth: int
    label: str
    result: Vertex | None = None
    parameters: int = 0
    flops: int = 0
    bytes: int = 0
    words: str = ""

    def add(self, more: Vertex) -> None:
        self.parameters += more.parameters
        self.flops += more.flops
        self.bytes += held(more)
        self.result = more if more.kind in ("op", "fold") else self.result

    def cells(self) -> tuple[str, ...]:
        label, v = "  " * self.depth + self.label, self.result
        shape, dtype = (str(v.shape), v.dtype or "") if v is not None and v.shape is not None else ("", "")
        numbers = f"{self.parameters:,}" if self.parameters else "", scaled(self.flops).strip() if self.flops else ""
        return cut(label, _WIDEST), shape, dtype, *numbers, f"{scaled(self.bytes)}B" if self.bytes else "", self.words


@dataclass
class _Scope:
    """What a scope holds, in order: positions of vertices, and inner scopes."""

    name: str
    inside: list[int | _Scope] = field(default_factory=list)
    sums: Row = field(default_factory=lambda: Row(0, ""))
    kind: int = 0


def tree(graph: Graph) -> str:
    """A line per operation, indented by scope; a scope tells its last result and the sums of what is inside."""
    return "\n".join(_lines(graph, list(_Tree(graph).rows())))


def brief(graph: Graph, most: int = MOST_LINES) -> str:
    """The tree for a terminal: as deep as fits into so many lines, each cut at its width. Without a terminal, lines are whole."""
    rows = kept = list(_Tree(graph).rows())
    for depth in range(max((r.depth for r in rows), default=0) - 1, -1, -1):
        if len(kept) <= most:
            break
        kept = [r for r in rows if r.depth <= depth]
    left_out = len(rows) - len(kept) + max(len(kept) - most, 0)
    if len(kept) > most:
        kept = [*kept[: most // 2], Row(0, f"… {len(kept) - most:,} more …"), *kept[-(most // 2) :]]
    width = shutil.get_terminal_size((1 << 20, 0)).columns
    lines = [cut(line, width) for line in _lines(graph, kept)]
    return "\n".join([*lines, *([f"{left_out:,} lines are left out; .summary() has them all"] if left_out else [])])


def _lines(graph: Graph, rows: Sequence[Row]) -> Iterator[str]:
    """Summary, head and rows, in columns; a column that says nothing is left out."""
    table = [_HEAD, *(r.cells() for r in rows)]
    columns = [k for k in range(len(_HEAD)) if any(row[k] for row in table[1:])]
    widths = [max(len(row[k]) for row in table) for k in columns]
    yield summary(graph)
    yield from totals(graph)
    for row in table:
        yield "  ".join(f"{row[k]:{'>' if k in _NUMBERS else '<'}{w}}" for k, w in zip(columns, widths)).rstrip()


class _Tree:
    """The vertices of a graph by scope, and the rows that tell them."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.root = graph, _Scope("")
        self.scopes = {"": [self.root]}  # by path: the scopes around what lies there, outermost first
        self.reads: list[list[int]] = [[] for _ in graph.vertices]
        self.width = len(str(len(graph.vertices) - 1)) + 1
        for e in sorted(graph.edges, key=lambda e: e.slot or 0):
            self.reads[e.head].append(e.tail)
        for i, v in enumerate(graph.vertices):
            around = self.around(v.scope)
            around[-1].inside.append(i)
            for scope in around:
                scope.sums.add(v)
        self.kinds = self.alike()

    def around(self, path: str) -> list[_Scope]:
        if path not in self.scopes:
            parts = path.split("/")
            for i in range(len(parts)):
                outer, inner = "/".join(parts[:i]), "/".join(parts[: i + 1])
                if inner not in self.scopes:
                    scope = _Scope(clean(parts[i]))
                    self.scopes[outer][-1].inside.append(scope)
                    self.scopes[inner] = [*self.scopes[outer], scope]
        return self.scopes[path]

    def alike(self) -> list[int]:
        """A number for every vertex, and for every scope its `kind`: equal for what is built alike. Empty where each must be told."""
        if any(v.stats or v.grad or v.cost or v.source for v in self.graph.vertices):
            return []
        numbers: dict[Hashable, int] = {}

        def number(what: Hashable) -> int:
            return numbers.setdefault(what, len(numbers))

        kinds = [
            number((v.kind, v.title, v.shape, v.dtype, v.details if v.family != "movement" else (), v.output, v.mark))
            for v in self.graph.vertices
        ]
        for *_, scope in reversed(self.scopes.values()):  # inner ones first
            scope.kind = number((stem(scope.name), *(kinds[i] if isinstance(i, int) else -1 - i.kind for i in scope.inside)))
        return kinds

    def rows(self) -> Iterator[Row]:
        """The lines of the whole graph, the last with the sums of it."""
        stack = [self.inside(self.root.inside, 0)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, Row):
                yield item
            else:
                stack.append(self.inside(*item))
        total = replace(self.root.sums, label="total", result=None)
        yield from [total] if total.parameters or total.flops or total.bytes else []

    def inside(self, items: Sequence[int | _Scope], depth: int) -> Iterator[Row | tuple[Sequence[int | _Scope], int]]:
        """The rows of items; a pair (more items, their depth) stands for the rows of those."""
        for start, period, count in self.rounds(items):
            one, last, times = items[start], items[start + count - 1], f" × {count}" if count > 1 else ""
            whole = self.sums(items[start : start + period * count], depth)
            if period > 1:
                whole.label = times.strip()
                yield whole
                yield items[start : start + period], depth + 1
            elif isinstance(one, _Scope) and isinstance(last, _Scope):
                whole.label = (stem(one.name) or f"{one.name} … {last.name}" if times else one.name) + times
                yield whole
                yield one.inside, depth + 1
            elif isinstance(one, int):
                whole.label, whole.words = self.label(one) + times, self.words(one)
                whole.result = self.graph.vertices[one]
                yield whole

    def rounds(self, items: Sequence[int | _Scope]) -> Iterator[tuple[int, int, int]]:
        """(start, period, count) of what repeats; the rest one by one."""
        small = len(self.graph.vertices) <= _SMALL
        kinds = [-1 - i.kind if isinstance(i, _Scope) else self.kinds[i] if not small else i for i in items] if self.kinds else []
        at = 0
        for start, period, count in [*_repeats(np.array(kinds)), (len(items), 1, 0)]:
            end = start + period * count
            if start < at and end < len(items):
                start, count = at, (end - at) // period
            if start >= at and (count >= LEAST or not count):
                yield from ((k, 1, 1) for k in range(at, start))
                at = start + period * count
                yield from [(start, period, count)] if count else []

    def sums(self, items: Iterable[int | _Scope], depth: int) -> Row:
        total = Row(depth, "")
        for i in items:
            if isinstance(i, int):
                total.add(self.graph.vertices[i])
            else:
                total.parameters, total.flops = total.parameters + i.sums.parameters, total.flops + i.sums.flops
                total.bytes, total.result = total.bytes + i.sums.bytes, i.sums.result or total.result
        return total

    def label(self, i: int) -> str:
        v = self.graph.vertices[i]
        name, title = clean(short_name(v) or ""), clean(v.title)
        if v.kind in ("op", "fold"):
            read = [f"%{t}" for t in self.reads[i]]
            read[3:] = read[3:] if len(read) <= 6 else ["…", read[-1]]
            what = (f"{name} = " if name else "") + f"{title}({', '.join(read)})"
        else:
            what = f"{name} [{title}]" if name else f"[{title}]"
        return f"{f'%{i}':{self.width}} {what}"

    def words(self, i: int) -> str:
        """What is wrong, parameters, and what was measured."""
        v = self.graph.vertices[i]
        said = [n.text for n in notes(v)]
        wrong = bool(v.mark)
        return clean(", ".join([*said[:wrong], *v.details, *said[wrong:], *(["output"] if v.output else [])]))


def _repeats(kinds: np.ndarray) -> list[tuple[int, int, int]]:
    """(start, period, count) of every stretch that repeats itself LEAST times or more, the earliest and shortest first.

    >>> _repeats(np.array([9, 1, 2, 1, 2, 1, 2, 7, 7, 7, 7]))
    [(1, 2, 3), (7, 1, 4)]
    """
    found = []
    for period in range(1, min(_LONGEST, len(kinds) // LEAST) + 1):
        same = kinds[period:] == kinds[:-period]
        turns = np.flatnonzero(np.diff(same, prepend=False, append=False))
        for start, end in zip(turns[::2].tolist(), turns[1::2].tolist()):
            if end - start >= (LEAST - 1) * period:
                found.append((start, period, (end - start) // period + 1))
    return sorted(found)
