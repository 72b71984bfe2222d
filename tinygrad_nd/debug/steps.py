"""The backward sweep, one node at a time, and where the time and the memory of a graph go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..draw.text import duration, scaled
from ..node import Node
from ..replay import Pulled, forward_seconds, pull_back, saved_bytes, values
from ..sweep import cotangent
from ..tensor import Tensor
from ..values import frozen
from .words import graph_of, line_of, place, statistics, table, title


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
    return (
        Step(n.index, title(n), n.scope, line_of(n), g, {n.operation.arg(i): _shown(h) for i, h in out.items()}) for n, g, out, *_ in swept
    )


def pulled(where: str, loss: Tensor, gradient: Any = None, repeats: int = 1) -> Iterator[Pulled]:
    """The sweep of `loss`, lazily; refused where a graph was freed. What a rule raises is raised when its turn comes."""
    nodes = graph_of(where, loss, kept=True)
    g = cotangent(where, loss, gradient)._data
    return _raising(pull_back(nodes, {nodes[-1]: g}, repeats=repeats))


def _raising(swept: Iterable[Pulled]) -> Iterator[Pulled]:
    for step in swept:
        if step.error:
            raise step.error
        yield step


def _shown(h: Any) -> Any:
    return h if hasattr(h, "parts") else frozen(h)


# Time and memory.


@dataclass(frozen=True)
class Cost:
    """Seconds forward (None: it could not be run again) and backward, bytes of the result, and bytes kept for the backward sweep."""

    what: str
    where: str
    forward: float | None
    backward: float
    result: int
    saved: int

    @property
    def seconds(self) -> float:
        return (self.forward or 0) + self.backward


@dataclass(frozen=True)
class Profile:
    """What `profile` measured, costliest first: a row for every operation, and one for every scope with all that lies within it."""

    nodes: list[Cost]
    scopes: list[Cost]
    total: Cost

    def __str__(self) -> str:
        head = ("operation", "forward", "backward", "share", "result", "saved", "where")
        parts = [table(head, [self._row(c) for c in [self.total, *self.nodes]])]
        if self.scopes:
            parts.append(table(("scope", *head[1:-1]), [self._row(c)[:-1] for c in self.scopes]))
        return "\n\n".join(parts)

    def _row(self, c: Cost) -> tuple[str, ...]:
        share = c.seconds / self.total.seconds if self.total.seconds else 0.0
        forward = "?" if c.forward is None else duration(c.forward)
        return c.what, forward, duration(c.backward), f"{share:.0%}", f"{scaled(c.result)}B", f"{scaled(c.saved)}B", c.where


def profile(loss: Tensor) -> Profile:
    """Times every operation of the graph, forward (run again on its recorded inputs) and backward, and counts the bytes it makes and keeps.

    An array kept by several operations is counted at the first. `.grad` and the graph stay as they are. Print the result for a table.

    Raises RuntimeError for a graph that an earlier sweep has freed.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor(np.ones((64, 64)), requires_grad=True)
    >>> nd.debug.profile(nd.exp(x @ x).mean()).total.result
    65544
    """
    swept = pulled("profile", loss, np.ones(loss.shape, loss.dtype) if isinstance(loss, Tensor) else None, repeats=3)
    nodes = graph_of("profile", loss)
    known, kept = values(nodes, [loss]), saved_bytes(nodes)
    backward = {step.node: step.seconds for step in swept}
    costs: dict[Node, Cost] = {}
    for n in nodes:
        if n.op is not None:
            where, nbytes = ", ".join(filter(None, (n.scope, line_of(n)))), prod(n.shape) * n.dtype.itemsize
            costs[n] = Cost(title(n), where, forward_seconds(n, known), backward.get(n, 0.0), nbytes, kept[n])
    scopes: dict[str, list[Cost]] = {}
    for n, cost in costs.items():
        parts = n.scope.split("/") if n.scope else []
        for k in range(len(parts)):
            scopes.setdefault("/".join(parts[: k + 1]), []).append(cost)
    return Profile(
        sorted(costs.values(), key=lambda c: -c.seconds),
        sorted((_sum(name, inside) for name, inside in scopes.items()), key=lambda c: -c.seconds),
        _sum(f"all {len(costs)}", costs.values()),
    )


def _sum(what: str, costs: Iterable[Cost]) -> Cost:
    every = list(costs)
    forward = sum(c.forward or 0.0 for c in every)
    return Cost(what, "", forward, sum(c.backward for c in every), sum(c.result for c in every), sum(c.saved for c in every))
