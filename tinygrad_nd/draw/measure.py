"""Numbers for a traced graph: what flows along its edges and against them, what its nodes cost, and where the first nan or inf is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..node import Constant, Node
from ..tape import FREED, saved_operands
from ..tensor import Tensor
from . import facts
from .replay import Replay

if TYPE_CHECKING:
    from .graph import Builder, Graph

MADE_HERE = "nan or inf begins here"
GRAD_MADE_HERE = "nan or inf in gradients begins here"


def measure(built: Builder, nodes: Sequence[Node | Constant], outputs: Sequence[Tensor], *, grads: bool, stats: bool, cost: bool) -> None:
    """Adds the numbers asked for to the graph that was built."""
    known = facts.known_values(nodes, outputs, built.names)
    replay = Replay(nodes, outputs, known, timed=cost)
    freed = any(isinstance(n, Node) and n.saved is FREED for n in nodes)
    if stats or cost or (grads and freed):
        replay.run_forward()
    if grads or cost:
        replay.run_backward()
    if stats:
        _add_statistics(built, replay)
    if grads:
        _add_gradients(built, replay)
        if freed and any(node not in replay.flows for node, _ in built.calls):
            built.graph.remarks.append("backward() freed some values: pass it retain_graph=True, or draw before it, to see every gradient")
    if cost:
        kept = facts.saved_bytes(node for node, _ in built.calls)
        for node, shapes in built.calls:
            estimate = facts.cost(node, shapes)
            measured = replace(estimate, saved=kept.get(node, 0), forward=replay.forward.get(node), backward=replay.backward.get(node))
            built.graph.vertices[built.places[node]].cost = measured


def _add_statistics(built: Builder, replay: Replay) -> None:
    graph = built.graph
    values = [(position, replay.values[id(node)]) for node, position in built.places.items() if id(node) in replay.values]
    values += [(position, array) for array, position in built.arrays.values()]
    for position, array in values:
        vertex = graph.vertices[position]
        vertex.stats = facts.statistics(array)
        if vertex.stats:
            vertex.histogram = facts.histogram(array, vertex.stats)
    graph.edges = [e._replace(value=graph.vertices[e.tail].stats) for e in graph.edges]
    mark_origins(graph)


def _add_gradients(built: Builder, replay: Replay) -> None:
    graph, arrived, flows = built.graph, replay.arrived, replay.flows
    for node, position in built.places.items():
        vertex = graph.vertices[position]
        if isinstance(node, Node) and node in arrived and (vertex.grad is None or vertex.grad.norm is None):
            vertex.grad = arrived[node]
    edges = []
    for e, (node, i) in zip(graph.edges, built.reads):
        tracked = isinstance(node.parents[i], Node)
        grad = flows.get(node, {}).get(i) if tracked else facts.Grad()
        if grad and grad.bad and node in arrived and not arrived[node].bad and _finite(node):
            graph.vertices[e.head].mark = graph.vertices[e.head].mark or GRAD_MADE_HERE
        edges.append(e._replace(grad=grad))
    graph.edges = edges
    for node, why in replay.failed.items():
        graph.vertices[built.places[node]].mark = why


def _finite(node: Node) -> bool:
    """Whether the rules of a node read finite values only; what comes of others begins elsewhere."""
    return all(np.isfinite(a).all() for a in saved_operands(node).values() if isinstance(a, np.ndarray))


def mark_origins(graph: Graph) -> None:
    """Marks what holds a nan or inf while everything it was computed from is finite."""
    spoiled = {e.head for e in graph.edges if e.value is None or e.value.bad}
    for i, v in enumerate(graph.vertices):
        if v.stats and v.stats.bad and i not in spoiled:
            v.mark = MADE_HERE
