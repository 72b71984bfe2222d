"""Numbers for a traced graph: what flows along its edges and against them, what its nodes cost, and where the first nan or inf is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..node import Constant, Node
from ..replay import Unknown, Values, forward_seconds, pull_back, saved_bytes, values
from ..tape import FREED, saved_operands
from ..tensor import Tensor
from . import facts

if TYPE_CHECKING:
    from .graph import Graph
    from .trace import Builder

MADE_HERE = "nan or inf begins here"
GRAD_MADE_HERE = "nan or inf in gradients begins here"
_ARRAYS = (np.ndarray, np.generic)  # a checkpoint passes several cotangents on as one, which is neither


@dataclass
class _Swept:
    """What a sweep found: by node the gradient that arrived, those that flow to each operand, seconds, and errors."""

    arrived: dict[Node, facts.Grad] = field(default_factory=dict)
    flows: dict[tuple[Node, int], facts.Grad] = field(default_factory=dict)
    seconds: dict[Node, float] = field(default_factory=dict)
    failed: dict[Node, Exception] = field(default_factory=dict)


def measure(built: Builder, nodes: Sequence[Node | Constant], outputs: Sequence[Tensor], *, grads: bool, stats: bool, cost: bool) -> None:
    """Adds the numbers asked for to the graph that was built. Gradients are those of the sum of all values of the outputs."""
    recorded = [n for n in nodes if isinstance(n, Node)]
    freed = any(n.saved is FREED for n in recorded)
    known = values(recorded, [*built.names.tensors, *outputs]) if stats or cost or freed else {}
    swept = _sweep(recorded, outputs, known, timed=cost) if grads or cost else _Swept()
    if stats:
        _add_statistics(built, known)
    if grads:
        _add_gradients(built, swept)
        if freed and any(isinstance(e, Unknown) for e in swept.failed.values()):
            built.graph.remarks.append("backward() freed some values: pass it retain_graph=True, or draw before it, to see every gradient")
    if cost:
        _add_costs(built, known, swept.seconds)


def _sweep(recorded: Sequence[Node], outputs: Sequence[Tensor], known: Values, timed: bool) -> _Swept:
    found = _Swept()
    ones = {t._node: np.ones(t.shape, t.dtype) for t in outputs if isinstance(t._node, Node)}
    for node, g, passed, seconds, error in pull_back(recorded, ones, known, repeats=3 if timed else 1):
        if isinstance(g, _ARRAYS):
            found.arrived[node] = facts.measure(g)
        found.flows |= {(node, i): facts.measure(h) for i, h in passed.items() if isinstance(h, _ARRAYS)}
        if error:
            found.failed[node] = error
        else:
            found.seconds[node] = seconds
    return found


def _add_statistics(built: Builder, known: Values) -> None:
    graph = built.graph
    held = [(position, known[node]) for node, position in built.places.items() if node in known]
    held += [(position, array) for array, position in built.arrays.values()]
    for position, array in held:
        stats = graph.vertices[position].stats = facts.statistics(array)
        graph.vertices[position].histogram = facts.histogram(array, stats) if stats else ()
    graph.edges = [e._replace(value=graph.vertices[e.tail].stats) for e in graph.edges]
    mark_origins(graph)


def _add_gradients(built: Builder, swept: _Swept) -> None:
    graph, arrived = built.graph, swept.arrived
    for node, position in built.places.items():
        vertex = graph.vertices[position]
        if isinstance(node, Node) and node in arrived and (vertex.grad is None or vertex.grad.norm is None):
            vertex.grad = arrived[node]
    for k, (e, (node, i)) in enumerate(zip(graph.edges, built.operands())):
        grad = swept.flows.get((node, i)) if isinstance(node.parents[i], Node) else facts.Grad()
        if grad and grad.bad and node in arrived and not arrived[node].bad and _finite(node):
            graph.vertices[e.head].mark = graph.vertices[e.head].mark or GRAD_MADE_HERE
        graph.edges[k] = e._replace(grad=grad)
    for node, error in swept.failed.items():
        if not isinstance(error, Unknown):  # a picture of a graph with a wrong rule is what is wanted most
            graph.vertices[built.places[node]].mark = f"its rule raised {type(error).__name__}: {error}"


def _add_costs(built: Builder, known: Values, backward: dict[Node, float]) -> None:
    kept = saved_bytes(built.calls)
    for node, reads in built.calls.items():
        estimate = facts.cost(node, built.shapes(reads))
        measured = replace(estimate, saved=kept[node], forward=forward_seconds(node, known), backward=backward.get(node))
        built.graph.vertices[built.places[node]].cost = measured


def _finite(node: Node) -> bool:
    """Whether the rules of a node read finite values only; what comes of others begins elsewhere."""
    return all(np.isfinite(a).all() for a in saved_operands(node).values() if isinstance(a, np.ndarray))


def mark_origins(graph: Graph) -> None:
    """Marks what holds a nan or inf while everything it was computed from is finite."""
    spoiled = {e.head for e in graph.edges if e.value is None or e.value.bad}
    for i, v in enumerate(graph.vertices):
        if v.stats and v.stats.bad and i not in spoiled:
            v.mark = MADE_HERE
