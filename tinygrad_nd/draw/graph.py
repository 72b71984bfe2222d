"""The picture as data: vertices, edges and scopes in plain values. Nothing here refers to a node, so a drawing keeps no graph alive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
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

    def add(self, vertex: Vertex) -> int:
        """One more vertex; its position."""
        self.vertices.append(vertex)
        return len(self.vertices) - 1

    @property
    def scopes(self) -> list[str]:
        """Every scope that holds a vertex, and the scopes around it."""
        paths = [scope.split("/") for scope in dict.fromkeys(v.scope for v in self.vertices) if scope]
        return list(dict.fromkeys("/".join(path[: i + 1]) for path in paths for i in range(len(path))))

    @property
    def depth(self) -> int:
        """How many scopes lie around the deepest vertex."""
        return max((v.scope.count("/") + 1 for v in self.vertices if v.scope), default=0)

    @property
    def tangled(self) -> bool:
        """Whether edges pass by so many vertices that Graphviz takes its time: a second for these, minutes for ten times as many."""
        return sum([e.head - e.tail for e in self.edges]) > 5_000


def held(v: Vertex) -> int:
    """Bytes of what an operation made or a leaf holds; of a fold, of all inside."""
    if v.kind in ("constant", "fold", "rest") or v.shape is None:
        return v.memory
    return prod(v.shape) * np.dtype(v.dtype).itemsize


def pooled(v: Vertex, parts: Sequence[Vertex], grads: Iterable[facts.Grad | None]) -> Vertex:
    """v with the sums and the first mark of the vertices that it stands for, and the gradient of several values as if they were one."""
    v.operations, v.leaves = sum(p.operations for p in parts), sum(p.leaves for p in parts)
    v.parameters, v.flops, v.memory = sum(p.parameters for p in parts), sum(p.flops for p in parts), sum(map(held, parts))
    costs = [p.cost for p in parts if p.cost]
    v.cost = reduce(facts.Cost.__add__, costs) if costs else None
    v.grad, v.mark = facts.total(grads), next((p.mark for p in parts if p.mark), "")
    return v


def called(v: Vertex, short: bool = False) -> str:
    """What a vertex is, in one line, by its whole name or the short one."""
    name = short_name(v) if short else v.name
    return f"{name} = {v.title}" if name and v.kind == "op" else name or v.title


def short_name(v: Vertex) -> str | None:
    """A vertex's name without the path that the boxes around it spell."""
    path, _, last = (v.name or "").rpartition(".")
    return last if path and f".{v.scope.replace('/', '.')}".endswith(f".{path}") else v.name
