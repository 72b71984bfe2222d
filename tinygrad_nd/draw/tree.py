"""A graph as a tree of scopes for a terminal, with sums per scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .graph import Graph, Vertex, held, short_name
from .text import scaled, summary, totals


@dataclass
class _Scope:
    """What a scope holds, in order: vertices and inner scopes; and the sums of it all."""

    name: str
    inside: list[Vertex | _Scope] = field(default_factory=list)
    parameters: int = 0
    flops: int = 0
    bytes: int = 0
    last: Vertex | None = None


def tree(graph: Graph) -> str:
    """A line per operation, indented by scope; a scope tells the shape of its last result and the sums of what is inside."""
    root = _Scope("total")
    scopes = {"": root}
    for v in graph.vertices:
        around = list(_path(v.scope, scopes))
        around[-1].inside.append(v)
        for scope in around:
            scope.parameters += v.parameters
            scope.flops += v.flops
            scope.bytes += held(v)
            scope.last = v if v.kind in ("op", "fold") else scope.last
    rows = [("operation", "result", "parameters", "flop", "memory"), *_rows(root, 0), _row("total", None, root)]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = ["  ".join([f"{row[0]:{widths[0]}}", f"{row[1]:{widths[1]}}", *(f"{row[k]:>{widths[k]}}" for k in (2, 3, 4))]) for row in rows]
    return "\n".join([summary(graph), *totals(graph), *(line.rstrip() for line in lines)])


def _path(path: str, scopes: dict[str, _Scope]) -> Iterator[_Scope]:
    """The scopes around a vertex, outermost first; new ones are put inside theirs."""
    yield scopes[""]
    parts = path.split("/") if path else []
    for i, name in enumerate(parts):
        key = "/".join(parts[: i + 1])
        if key not in scopes:
            scopes[key] = _Scope(name)
            scopes["/".join(parts[:i])].inside.append(scopes[key])
        yield scopes[key]


def _rows(scope: _Scope, depth: int) -> Iterator[tuple[str, ...]]:
    # Scopes nest no deeper than the calls that opened them, so that recursion is safe.
    for item in scope.inside:
        if isinstance(item, _Scope):
            yield _row("  " * depth + item.name, item.last, item)
            yield from _rows(item, depth + 1)
        else:
            name = short_name(item)
            what = f"{name} = {item.title}" if name and item.kind == "op" else f"{name} [{item.title}]" if name else item.title
            details = f" ({', '.join(item.details)})" if item.details and item.kind == "op" else ""
            yield _row(("  " * depth + what + details)[:64], item, _Scope("", [], item.parameters, item.flops, held(item)))


def _row(label: str, result: Vertex | None, sums: _Scope) -> tuple[str, ...]:
    shape = f"{result.shape} {result.dtype or ''}".rstrip() if result and result.shape is not None else ""
    numbers = (f"{sums.parameters:,}" if sums.parameters else "", scaled(sums.flops).strip() if sums.flops else "")
    return label, shape, *numbers, f"{scaled(sums.bytes)}B" if sums.bytes else ""
