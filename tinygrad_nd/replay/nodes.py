"""The nodes of a recorded graph."""

from __future__ import annotations

from collections.abc import Iterable

from ..node import Constant, Node


def reachable(roots: Iterable[Node | Constant]) -> list[Node | Constant]:
    """Every node that leads to one of `roots`, oldest first (creation order is a topological order)."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.index)
