"""A graph as plain dicts and lists."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from .graph import Graph


def as_dict(graph: Graph) -> dict[str, Any]:
    """Everything in the picture as plain lists and dicts, ready for JSON; facts that say nothing are left out."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (tuple, list)):
            return [plain(v) for v in value]
        return str(value) if isinstance(value, float) and not isfinite(value) else value

    nodes = []
    for i, v in enumerate(graph.vertices):
        said = {k: f for k, f in asdict(v).items() if k == "shape" or f not in (None, "", (), False, 0)}
        nodes.append({"id": i, **plain(said)})
    edges = []
    for e in graph.edges:
        measured = {k: plain(asdict(f)) for k, f in (("value", e.value), ("grad", e.grad)) if f}
        edges.append({"tail": e.tail, "head": e.head, "slot": e.slot, "label": e.label, **measured})
    return {"nodes": nodes, "edges": edges, "scopes": graph.scopes, "left_out": graph.left_out, "remarks": graph.remarks}
