"""A second run of a recorded graph, for the picture alone: values and gradients that nobody kept, and how long every operation takes.

Nothing is written to the graph: hooks stay silent, `.grad` stays as it is, and what `backward()` freed is computed again where the leaves
and constants it came from are still known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..node import Constant, Node
from ..tape import FREED, Op, saved_operands
from ..tensor import Tensor
from . import facts

Array = np.ndarray[Any, np.dtype[Any]]
_ARRAYS = (np.ndarray, np.generic)  # a checkpoint passes several cotangents on as one, which is neither
_UNKNOWN = object()
_SHORT = 1e-3  # seconds; what takes less is run again, for the first run finds cold caches


class _Again(NamedTuple):
    """A node as its rules see it, with what it saved."""

    parents: tuple[Node | Constant | None, ...]
    params: dict[str, Any]
    saved: Sequence[Any]


class Replay:
    """What was found: `values` by id of node; by node, the gradient that `arrived`, what `flows` to each operand, and seconds each way."""

    def __init__(self, nodes: Sequence[Node | Constant], outputs: Sequence[Tensor], values: dict[int, Array], timed: bool) -> None:
        self.values, self.timed = values, timed
        self.forward: dict[Node, float] = {}
        self.backward: dict[Node, float] = {}
        self.flows: dict[Node, dict[int, facts.Grad]] = {}
        self.arrived: dict[Node, facts.Grad] = {}
        self.failed: dict[Node, str] = {}
        self._outputs = outputs
        self._nodes = [n for n in nodes if isinstance(n, Node)]

    def run_forward(self) -> Replay:
        """Fills in the values that follow from known ones."""
        with np.errstate(all="ignore"):
            for node in self._nodes:
                if type(node.op) is Op and (self.timed or id(node) not in self.values):
                    self._compute(node)
        return self

    def run_backward(self) -> Replay:
        """Pulls ones back from the outputs (the gradient of the sum of all their values)."""
        pending: dict[Node, Any] = {}
        unknown: set[Node] = set()
        for t in self._outputs:
            if isinstance(t._node, Node):
                pending[t._node] = np.ones(t.shape, t.dtype)
        with np.errstate(all="ignore"):
            for node in reversed(self._nodes):
                g = pending.pop(node, None)
                tracked = [p for p in node.parents if isinstance(p, Node)]
                if node in unknown:
                    unknown.update(tracked)
                if node in unknown or g is None:
                    continue
                if isinstance(g, _ARRAYS):
                    self.arrived[node] = facts.measure(g)
                if node.op is None:
                    continue
                again = self._recall(node)
                if again is None:
                    unknown.update(tracked)
                    continue
                try:
                    pulled = list(self._pulled(node, again, g))
                except Exception as error:  # a picture of a graph with a wrong rule is what is wanted most
                    self.failed[node] = f"its rule raised {type(error).__name__}: {error}"
                    unknown.update(tracked)
                    continue
                for i, h in pulled:
                    parent = node.parents[i]
                    assert isinstance(parent, Node)
                    if isinstance(h, _ARRAYS):
                        self.flows.setdefault(node, {})[i] = facts.measure(h)
                    pending[parent] = pending[parent] + h if parent in pending else h
        return self

    def _compute(self, node: Node) -> None:
        op = node.op
        assert op is not None
        operands, certain = self._operands(node), True
        for i, value in enumerate(operands):
            if value is _UNKNOWN and not op.variadic and op.args[i] in op.optional:
                # Nothing tells an operand that was left out from one that needs no gradient and was not kept: right for the clock only.
                operands[i], certain = op.optional[op.args[i]], False
        if any(o is _UNKNOWN for o in operands):
            return
        result, seconds = self._clocked(lambda: op.kernel(*operands, **node.params))
        if self.timed:
            self.forward[node] = seconds
        if certain:
            self.values.setdefault(id(node), np.asarray(result))

    def _operands(self, node: Node) -> list[Any]:
        kept = saved_operands(node)
        return [self.values[id(p)] if p is not None and id(p) in self.values else kept.get(i, _UNKNOWN) for i, p in enumerate(node.parents)]

    def _recall(self, node: Node) -> _Again | None:
        """The node with what it saved, or saved once; None if that cannot be had again."""
        op = node.op
        assert op is not None
        if node.saved is not FREED:
            return _Again(node.parents, node.params, node.saved)
        if type(op) is not Op:
            return None
        operands = self._operands(node)
        tracked = sum(1 << i for i, p in enumerate(node.parents) if isinstance(p, Node))
        saved: list[Any] = []
        for kind, i, readers in op.slots:
            value: Any = None
            if tracked & readers:
                if kind == "out":
                    value = self.values.get(id(node), _UNKNOWN)
                elif kind in ("inputs", "shapes"):
                    missing = any(o is _UNKNOWN for o in operands)
                    value = _UNKNOWN if missing else operands if kind == "inputs" else [np.shape(o) for o in operands]
                elif kind == "shape" and (parent := node.parents[i]) is not None:
                    value = parent.shape
                else:
                    value = operands[i] if kind == "input" or operands[i] is _UNKNOWN else np.shape(operands[i])
                if value is _UNKNOWN:
                    return None
            saved.append(value)
        return _Again(node.parents, node.params, saved)

    def _pulled(self, node: Node, again: Any, g: Any) -> Iterator[tuple[int, Any]]:
        """(i, cotangent) of every operand that gets a gradient."""
        op = node.op
        assert op is not None
        for i, parent in enumerate(node.parents):
            if isinstance(parent, Node):
                h, seconds = self._clocked(lambda i=i: op.pull(again, i, g, False), type(op) is not Op)  # type: ignore[misc]
                if self.timed:
                    self.backward[node] = self.backward.get(node, 0.0) + seconds
                yield i, _fitted(np.asarray(h), parent) if isinstance(h, _ARRAYS) else h

    def _clocked(self, f: Callable[[], Any], once: bool = False) -> tuple[Any, float]:
        start = time.perf_counter()
        result = f()
        seconds = time.perf_counter() - start
        for _ in range(2 if self.timed and seconds < _SHORT and not once else 0):
            start = time.perf_counter()
            f()
            seconds = min(seconds, time.perf_counter() - start)
        return result, seconds


def _fitted(g: Array, to: Node) -> Array:
    """The cotangent in its input's shape and dtype: summed over what was broadcast."""
    if g.shape != to.shape:
        lead = g.ndim - len(to.shape)
        g = g.sum((*range(lead), *(lead + i for i, n in enumerate(to.shape) if n != g.shape[lead + i]))).reshape(to.shape)
    return (g.real if to.dtype.kind != "c" else g).astype(to.dtype, copy=False)
