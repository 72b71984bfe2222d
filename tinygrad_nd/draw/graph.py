"""The picture as data: vertices, edges and scopes in plain values. Nothing here refers to a node, so a drawing keeps no graph alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..node import Constant, Node
from ..tape import saved_operands
from ..tensor import Parameter, Tensor
from . import facts, labels
from .measure import measure
from .names import Names

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


def trace(
    outputs: Sequence[Tensor], names: Names, *, grads: bool, stats: bool, cost: bool, source: bool, marks: Mapping[int, str] | None = None
) -> Graph:
    """The graph behind `outputs`, every node once, with the facts that were asked for, and `marks` by index of node."""
    roots = [t._node if t._node is not None else Constant(t._data) for t in outputs]
    nodes = reachable(roots)
    builder = Builder(names)
    for node in nodes:
        if isinstance(node, Node) and node.op is not None:
            builder.operation(node)
    for root in roots:
        builder.graph.vertices[builder.place(root)].output = True
    _settle(builder.graph)
    for node, position in builder.places.items():
        vertex = builder.graph.vertices[position]
        if grads:
            vertex.grad = facts.gradient(node)
        if source:
            vertex.source = (node.extra or {}).get("source")
    if stats or grads or cost:
        measure(builder, nodes, outputs, grads=grads, stats=stats, cost=cost)
    for node, position in builder.places.items():
        if marks and node.index in marks:
            builder.graph.vertices[position].mark = marks[node.index]
    if marks and not any(n.index in marks for n in nodes):
        builder.graph.remarks.append("nothing of what is to be marked is in this graph")
    if source and builder.calls and not any(v.source for v in builder.graph.vertices):
        builder.graph.remarks.append("no source lines were recorded; make the graph inside nd.debug.sources()")
    return builder.graph


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


class Builder:
    """Nodes to vertices. A leaf takes its place right before the first operation that reads it."""

    def __init__(self, names: Names) -> None:
        self.graph = Graph()
        self.names = names
        self.places: dict[Node | Constant, int] = {}
        self.arrays: dict[int, tuple[Any, int]] = {}
        self.calls: list[tuple[Node, list[Shape | None]]] = []
        self.reads: list[tuple[Node, int]] = []  # for every edge: who reads, and as which operand

    def operation(self, node: Node) -> None:
        assert node.op is not None
        vertex = Vertex(
            "op", labels.title(node.op.name), self.names.of(node), node.shape, _spelled(node.dtype), tidy(node.scope), operations=1
        )
        vertex.family = labels.family(node.op.name)
        kept = saved_operands(node)
        args = labels.operand_names(node.op, len(node.parents))
        sources: list[tuple[int, int]] = []
        shapes: list[Shape | None] = []
        numbers: dict[int, Any] = {}
        unknown: list[int] = []
        for i, parent in enumerate(node.parents):
            # What a product reads first is data, and data comes from outside the layer.
            home = "" if vertex.family == "product" and i == 0 else vertex.scope
            at: int | None = None
            if parent is not None:
                at = self.place(parent)
            elif args[i] in labels.OWN:
                pass
            elif isinstance(kept.get(i), np.ndarray) and kept[i].ndim:
                at = self.array(kept[i], home)
            elif i in kept:
                numbers[i] = kept[i]
            elif (shape := labels.operand_shape(node, i)) is not None:
                at = self.add(Vertex("constant", "constant", None, shape, _spelled(node.dtype), home))
            elif vertex.family != "product":
                unknown.append(i)
            shapes.append(None if at is None else self.graph.vertices[at].shape)
            if at is not None:
                sources.append((at, i))
        if node.params or numbers or unknown:
            vertex.details = (*labels.details(node), *labels.constants(node.op, args, numbers, unknown))
        ordered = len(sources) > 1 and labels.order_matters(node.op, len(sources))
        if ordered:
            vertex.operands = tuple([args[i] for _, i in sources])
        position = self.places[node] = self.add(vertex)
        self.graph.edges += [Edge(at, position, slot if ordered else None) for slot, (at, _) in enumerate(sources)]
        vertex.flops = facts.cost(node, shapes).flops
        self.reads += [(node, i) for _, i in sources]
        self.calls.append((node, shapes))

    def place(self, node: Node | Constant) -> int:
        if node not in self.places:
            name, dtype = self.names.of(node), _spelled(node.dtype)
            if isinstance(node, Node):
                title = "parameter" if isinstance(node.handle, Parameter) else "leaf"
                vertex = Vertex("leaf", title, name, node.shape, dtype, tidy(node.scope), leaves=1)
                vertex.parameters = prod(node.shape) if title == "parameter" else 0
            else:
                vertex = Vertex("constant", "constant", name, node.shape, dtype)
            self.places[node] = self.add(vertex)
        return self.places[node]

    def array(self, array: np.ndarray, scope: str) -> int:
        """The vertex of an operand that was no tracked tensor, but whose value the operation kept."""
        if id(array) not in self.arrays:
            name = self.names.of_array(array)
            vertex = Vertex("constant", "constant", name, array.shape, _spelled(array.dtype), "" if name else scope)
            self.arrays[id(array)] = (array, self.add(vertex))
        return self.arrays[id(array)][1]

    def add(self, vertex: Vertex) -> int:
        self.graph.vertices.append(vertex)
        return len(self.graph.vertices) - 1


@cache
def _spelled(dtype: np.dtype[Any]) -> str:
    """str(dtype), for which NumPy takes 4 µs."""
    return str(dtype)


@cache
def tidy(scope: str) -> str:
    """A scope without parts that have no name, as in "a//b" or "/"."""
    return "/".join(filter(None, scope.split("/")))


def _settle(graph: Graph) -> None:
    """Gives leaves made outside all scopes a home: the scope their dotted name spells, or what the readers of a parameter share."""
    spelled: dict[str, str] = {}
    for scope in graph.scopes:
        parts = scope.split("/")
        spelled |= {".".join(parts[i:]): scope for i in range(len(parts))}
    readers: dict[int, set[str]] = {}
    for edge in graph.edges:
        readers.setdefault(edge.tail, set()).add(graph.vertices[edge.head].scope)
    for i, v in enumerate(graph.vertices):
        if v.kind == "op" or v.scope:
            continue
        path = (v.name or "").rpartition(".")[0]
        if path in spelled:
            v.scope = spelled[path]
        elif v.title == "parameter" and i in readers:
            v.scope = _shared(readers[i])


def _shared(scopes: set[str]) -> str:
    """The deepest scope that holds all of `scopes`."""
    first, *others = [s.split("/") for s in scopes]
    depth = len(first)
    for other in others:
        depth = next((i for i, (a, b) in enumerate(zip(first[:depth], other)) if a != b), min(depth, len(other)))
    return "/".join(first[:depth])


def held(v: Vertex) -> int:
    """Bytes of what an operation made or a leaf holds; of a fold, of all inside."""
    if v.kind in ("constant", "fold", "rest") or v.shape is None:
        return v.memory
    return prod(v.shape) * np.dtype(v.dtype).itemsize


def short_name(v: Vertex) -> str | None:
    """A vertex's name without the path that the boxes around it spell."""
    path, _, last = (v.name or "").rpartition(".")
    return last if path and f".{v.scope.replace('/', '.')}".endswith(f".{path}") else v.name
