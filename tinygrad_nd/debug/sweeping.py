"""The backward sweep, one node at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..node import Node, no_grad
from ..sweep import _cotangent, _fit
from ..tape import FREED
from ..tensor import Tensor, frozen
from .words import graph_of, line_of, place, statistics, title, told


@dataclass(frozen=True)
class Step:
    """One node of the sweep: what it is, the cotangent of its result, and those it passes on, by argument. Leaves pass none on."""

    index: int
    operation: str
    scope: str
    source: str | None
    cotangent: np.ndarray
    outgoing: dict[str, np.ndarray]

    def __str__(self) -> str:
        passed = "".join(f"\n  to {name}: {statistics(h)}" for name, h in self.outgoing.items())
        return f"#{self.index} {self.operation}{place(self.scope, self.source)}\n  arrives: {statistics(self.cotangent)}{passed}"


def steps(loss: Tensor, gradient: Any = None) -> Iterator[Step]:
    """The backward sweep of `loss` as an iterator: nodes in the order of the sweep, each with what arrives and what it passes on.

    Nothing is computed before it is asked for; `.grad` and the graph stay as they are, and hooks are not called. `gradient` is the
    cotangent of `loss` (1 for a scalar).

    Raises RuntimeError for a graph that an earlier sweep has freed.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor(3.0, requires_grad=True)
    >>> for step in nd.debug.steps(nd.square(x) * 2):
    ...     print(step.operation, float(step.cotangent), {name: float(h) for name, h in step.outgoing.items()})
    multiply 1.0 {'x': 2.0}
    square 2.0 {'x': 12.0}
    a leaf () 12.0 {}
    """
    swept = pulled("steps", loss, gradient)
    return (Step(n.index, title(n), n.scope, line_of(n), g, {_arg(n, i): h for i, h in out.items()}) for n, g, out, _ in swept)


def pulled(where: str, loss: Tensor, gradient: Any = None) -> Iterator[tuple[Node, np.ndarray, dict[int, np.ndarray], float]]:
    """(node, its cotangent, the cotangents of its arguments by position, seconds) for every node, newest first."""
    nodes = graph_of(where, loss)
    g = _cotangent(where, loss, gradient)._data
    for n in nodes:
        if n.saved is FREED:
            raise RuntimeError(
                f"{where}: backward() has freed this graph (at {told(n)}); look before backward(), or pass it retain_graph=True"
            )
    return _pulled(nodes, {nodes[-1]: g})


def _pulled(nodes: list[Node], pending: dict[Node, Any]) -> Iterator[tuple[Node, np.ndarray, dict[int, np.ndarray], float]]:
    for node in reversed(nodes):
        g = pending.pop(node, None)
        if g is None:
            continue
        out: dict[int, Any] = {}
        start = time.perf_counter()
        with no_grad(), np.errstate(all="ignore"):
            for i, parent in enumerate(node.parents):
                if isinstance(parent, Node):
                    assert node.op is not None
                    h = node.op.pull(node, i, g, False)
                    out[i] = h if h.shape == parent.shape and h.dtype == parent.dtype else _fit(h, node, i)
            seconds = time.perf_counter() - start
            for i, h in out.items():
                parent = node.parents[i]
                pending[parent] = pending[parent] + h if parent in pending else h
        yield node, g, {i: h if hasattr(h, "parts") else frozen(h) for i, h in out.items()}, seconds


def _arg(node: Node, i: int) -> str:
    assert node.op is not None
    return node.op.arg(i)
