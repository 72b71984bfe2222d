"""The picture as data: vertices, edges and scopes in plain values. Nothing here refers to a node, so a drawing keeps no graph alive."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import numpy as np

from . import facts

Shape = tuple[int, ...]


@dataclass(slots=True)
class Vertex:
    """One box: an operation, a leaf, a constant, a folded scope, or the rest that was left out.

    `details` are the parameters worth reading, `operands` the argument names where their order matters (edges then enter at a slot).
    `folds` are the scopes that a fold stands for.
    """

    kind: str
    title: str
    name: str | None = None
    shape: Shape | None = None
    dtype: str | None = None
    scope: str = ""
    family: str = ""
    details: tuple[str, ...] = ()
    operands: tuple[str, ...] = ()
    output: bool = False
    operations: int = 0
    leaves: int = 0
    parameters: int = 0
    flops: int = 0
    memory: int = 0
    folds: tuple[str, ...] = ()
    grad: facts.Grad | None = None
    stats: facts.Stats | None = None
    histogram: tuple[int, ...] = ()
    cost: facts.Cost | None = None
    source: str | None = None
    mark: str = ""


class Edge(NamedTuple):
    """A value flowing from vertex `tail` into operand `slot` of vertex `head` (None: its order does not matter)."""

    tail: int
    head: int
    slot: int | None = None
    label: str = ""
    value: facts.Stats | None = None
    grad: facts.Grad | None = None


@dataclass(slots=True)
class Graph:
    """Vertices in topological order, edges between their positions, how many nodes were left out, and remarks about the whole.

    The value that flows along an edge is known if it has `value`, the gradient that flows against it if it has `grad`.
    """

    vertices: list[Vertex] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    left_out: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def scopes(self) -> list[str]:
        """Every scope that holds a vertex, and the scopes around it."""
        found: dict[str, None] = {}
        for scope in {v.scope: None for v in self.vertices}:
            parts = scope.split("/") if scope else []
            for i in range(len(parts)):
                found.setdefault("/".join(parts[: i + 1]))
        return list(found)

    @property
    def tangled(self) -> bool:
        """Whether edges pass by so many vertices that Graphviz takes its time: a second for these, minutes for ten times as many."""
        return sum(e.head - e.tail for e in self.edges) > 5_000


def held(v: Vertex) -> int:
    """Bytes of what an operation made or a leaf holds; of a fold, of all inside."""
    if v.kind in ("constant", "fold", "rest") or v.shape is None:
        return v.memory
    return prod(v.shape) * np.dtype(v.dtype).itemsize


def short_name(v: Vertex) -> str | None:
    """A vertex's name without the path that the boxes around it spell."""
    path, _, last = (v.name or "").rpartition(".")
    return last if path and f".{v.scope.replace('/', '.')}".endswith(f".{path}") else v.name
