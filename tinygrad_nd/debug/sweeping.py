"""The backward sweep, one node at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..node import Node
from ..replay import Pulled, pull_back
from ..sweep import cotangent
from ..tensor import Tensor
from ..values import frozen
from .words import graph_of, line_of, place, statistics, title


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
    return (Step(n.index, title(n), n.scope, line_of(n), g, {_arg(n, i): _shown(h) for i, h in out.items()}) for n, g, out, *_ in swept)


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


def _arg(node: Node, i: int) -> str:
    assert node.op is not None
    return node.op.arg(i)
