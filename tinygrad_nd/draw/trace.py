"""From nodes to the picture: every node that leads to an output as a vertex, and what it reads as edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import repeat
from math import prod
from typing import Any

import numpy as np

from ..kernels.memory import uncollected
from ..node import Constant, Node
from ..replay import reachable
from ..tape import saved_operands
from ..tensor import Parameter, Tensor
from . import facts, labels
from .graph import Edge, Graph, Shape, Vertex
from .measure import measure
from .names import Names

_edge = partial(tuple.__new__, Edge)  # a third of the time that Edge() takes


@uncollected()
def trace(
    outputs: Sequence[Tensor], names: Names, *, grads: bool, stats: bool, cost: bool, source: bool, marks: Mapping[int, str] | None = None
) -> Graph:
    """The graph behind `outputs`, every node once, with the facts that were asked for, and `marks` by index of node."""
    roots = [t._node if t._node is not None else Constant(t._data) for t in outputs]
    nodes = reachable(roots)
    builder, marks = Builder(names), marks or {}
    for node in nodes:
        if isinstance(node, Node) and node.op is not None:
            builder.operation(node)
    builder.connect()
    for root in roots:
        builder.graph.vertices[builder.place(root)].output = True
    _settle(builder.graph)
    for node, position in builder.places.items() if grads or source else ():
        vertex = builder.graph.vertices[position]
        vertex.grad = facts.gradient(node) if grads else None
        vertex.source = (node.extra or {}).get("source") if source else None
    if stats or grads or cost:
        measure(builder, nodes, outputs, grads=grads, stats=stats, cost=cost)
    for node, position in builder.places.items() if marks else ():
        if node.index in marks:
            builder.graph.vertices[position].mark = marks[node.index]
    if marks and not any(n.index in marks for n in nodes):
        builder.graph.remarks.append("nothing of what is to be marked is in this graph")
    if source and builder.calls and not any(v.source for v in builder.graph.vertices):
        builder.graph.remarks.append("no source lines were recorded; make the graph inside nd.debug.sources()")
    return builder.graph


class Builder:
    """Nodes to vertices. A leaf takes its place right before the first operation that reads it."""

    def __init__(self, names: Names) -> None:
        self.graph = Graph()
        self.names, self.named = names, names.explicit.keys() | names.found.keys()
        self.places: dict[Node | Constant, int] = {}
        self.arrays: dict[int, tuple[Any, int]] = {}
        self.alike: dict[Hashable, tuple[labels.Kind, str, str, int]] = {}  # what calls of an operation on arrays of a kind share
        self.calls: dict[Node, Sequence[int | None]] = {}  # of every operation, the vertex that each operand is drawn as
        self.tails: list[int | None] = []  # of the edges to come, as the next two
        self.heads: list[int] = []
        self.slots: list[int | None] = []

    def operation(self, node: Node) -> None:
        op, parents, shape, params = node.operation, node.parents, node.shape, node.params
        key = op, len(parents), shape, node.dtype, node.scope
        if (alike := self.alike.get(key)) is None:
            alike = self.alike[key] = labels.Kind(op, len(parents)), _spelled(node.dtype), tidy(node.scope), prod(shape)
        kind, dtype, scope, size = alike
        reads: tuple[int | None, ...] = (*map(self.places.get, parents),)
        drawn, slots, names = reads, kind.slots, kind.names
        details = (*labels.details(node),) if params or kind.formula else ()
        if None in reads:
            numbers: dict[int, Any] = {}
            unknown: list[int] = []
            reads = (*self.operands_of(node, kind, scope, numbers, unknown),)
            drawn = tuple([at for at in reads if at is not None])
            slots, names = kind.slotted([at is not None for at in reads])
            details += (*labels.constants(kind, numbers, unknown),)
        if params or kind.family != "elementwise":
            size = facts.flops(node, kind.family, self.shapes(reads) if kind.sums else ())
        name = self.names.of(node) if node.extra or id(node) in self.named else None
        vertex = Vertex("op", kind.title, name, shape, dtype, scope, kind.family, details, names, False, 1, 0, 0, size)
        position = self.places[node] = self.graph.add(vertex)
        self.tails += drawn
        self.heads += [position] * len(drawn)
        self.slots += slots
        self.calls[node] = reads

    def connect(self) -> None:
        """Draws the edges, of which a large graph has so many that each is made without a step of Python."""
        self.graph.edges += map(_edge, zip(self.tails, self.heads, self.slots, repeat(""), repeat(None), repeat(None)))

    def operands_of(self, node: Node, kind: labels.Kind, scope: str, numbers: dict[int, Any], unknown: list[int]) -> Iterator[int | None]:
        """The vertex of every operand; None of those that are drawn as none: `numbers`, and what is `unknown` as it was not kept."""
        kept = saved_operands(node) if None in node.parents else {}
        for i, parent in enumerate(node.parents):
            at: int | None = None
            if parent is not None:
                at = self.place(parent)
            elif kind.args[i] in labels.OWN:
                pass
            elif isinstance(kept.get(i), np.ndarray) and kept[i].ndim:
                at = self.array(kept[i], _home(kind.family, i, scope))
            elif i in kept:
                numbers[i] = kept[i]
            elif (shape := labels.operand_shape(node, i)) is not None:
                at = self.graph.add(Vertex("constant", "constant", None, shape, _spelled(node.dtype), _home(kind.family, i, scope)))
            elif kind.args[i] not in kind.op.optional:
                unknown.append(i)
            yield at

    def place(self, node: Node | Constant) -> int:
        """The vertex of a node; a new one for a leaf or constant that is read for the first time."""
        at = self.places.get(node)
        if at is None:
            name, dtype = self.names.of(node), _spelled(node.dtype)
            if isinstance(node, Node):
                title = "parameter" if isinstance(node.handle, Parameter) else "leaf"
                vertex = Vertex("leaf", title, name, node.shape, dtype, tidy(node.scope), leaves=1)
                vertex.parameters = prod(node.shape) if title == "parameter" else 0
            else:
                vertex = Vertex("constant", "constant", name, node.shape, dtype)
            at = self.places[node] = self.graph.add(vertex)
        return at

    def array(self, array: np.ndarray, scope: str) -> int:
        """The vertex of an operand that was no tracked tensor, but whose value the operation kept."""
        if id(array) not in self.arrays:
            name = self.names.of_array(array)
            vertex = Vertex("constant", "constant", name, array.shape, _spelled(array.dtype), "" if name else scope)
            self.arrays[id(array)] = (array, self.graph.add(vertex))
        return self.arrays[id(array)][1]

    def shapes(self, reads: Sequence[int | None]) -> list[Shape | None]:
        """Of the operands that are drawn; None for others."""
        return [None if at is None else self.graph.vertices[at].shape for at in reads]

    def operands(self) -> Iterator[tuple[Node, int]]:
        """For every edge: who reads, and as which operand."""
        return ((node, i) for node, reads in self.calls.items() for i, at in enumerate(reads) if at is not None)


def _home(family: str, i: int, scope: str) -> str:
    """The scope of an operand without one. What a product reads first is data, and data comes from outside the layer."""
    return "" if family == "product" and i == 0 else scope


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
    spelled: dict[str, list[str]] = {}
    scopes = graph.scopes
    if not scopes:
        return
    for scope in scopes:
        parts = scope.split("/")
        for i in range(len(parts)):
            spelled.setdefault(".".join(parts[i:]), []).append(scope)
    homeless = {i: v for i, v in enumerate(graph.vertices) if v.kind != "op" and not v.scope}
    readers: dict[int, set[str]] = {}
    for edge in graph.edges:
        if edge.tail in homeless:
            readers.setdefault(edge.tail, set()).add(graph.vertices[edge.head].scope)
    for i, v in homeless.items():
        path, shared = (v.name or "").rpartition(".")[0], _shared(readers[i]) if i in readers else ""
        if path in spelled:  # by several scopes, such as Net/0 and Net/1/0: the one around its readers, or the outermost
            v.scope = min(spelled[path], key=lambda scope: (not f"{shared}/".startswith(f"{scope}/"), scope.count("/")))
        elif v.title == "parameter":
            v.scope = shared


def _shared(scopes: set[str]) -> str:
    """The deepest scope that holds all of `scopes`."""
    first, *others = [s.split("/") for s in scopes]
    depth = len(first)
    for other in others:
        depth = next((i for i, (a, b) in enumerate(zip(first[:depth], other)) if a != b), min(depth, len(other)))
    return "/".join(first[:depth])


def marks_of(found: Any) -> dict[int, str]:
    """Words by index of node, of whatever `nd.debug` finds (it says so itself, as `.marks`), of lists of that, or of {tensor: words}."""
    if found is None:
        return {}
    if isinstance(found, Mapping):
        return {_index(t): str(words) for t, words in found.items()}
    if isinstance(found, (list, tuple)):
        merged: dict[int, str] = {}
        for one in found:
            for index, words in marks_of(one).items():
                merged[index] = f"{merged[index]}; {words}" if index in merged else words
        return merged
    marks = getattr(found, "marks", None)
    if not isinstance(marks, dict):
        what = f"{type(found).__name__}, which tells no place in the graph" if isinstance(found, Exception) else type(found).__name__
        raise TypeError(f"draw: mark takes what nd.debug found, or a mapping {{tensor: words}}, but got {what}")
    return marks


def _index(t: Any) -> int:
    if not isinstance(t, Tensor) or t._node is None or not t._node.tracked:
        raise TypeError(
            f"draw: mark maps tensors of the graph to words, but got {'a constant' if isinstance(t, Tensor) else type(t).__name__}"
        )
    return t._node.index
