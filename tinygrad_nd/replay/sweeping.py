"""The backward sweep once more, one node at a time, also over what backward() freed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..node import Constant, Node, no_grad, setting, watching
from ..sweep import fit
from ..tape import FREED, Op
from .values import Unknown, Values, consistent, is_derived, operands, run

SHORT = 1e-3  # seconds; what takes less is run a third time. A first run finds cold caches, and may compile


class Pulled(NamedTuple):
    """A node of the sweep, the cotangent that arrived, those it passes on, by position, and the seconds it took; or the error it made."""

    node: Node
    cotangent: Any
    passed: dict[int, Any]
    seconds: float
    error: Exception | None = None


def pull_back(nodes: Sequence[Node], cotangents: Mapping[Node, Any], known: Values | None = None, repeats: int = 1) -> Iterator[Pulled]:
    """The sweep from `cotangents` through `nodes` (oldest first), newest first, lazily; each node timed at its best of `repeats`.

    What was freed is taken from `known` values. Behind a node that made an error cotangents are not whole, and none are yielded.
    """
    pending, lost = dict(cotangents), set[Node]()
    for node in reversed(nodes):
        g, tracked = pending.pop(node, None), [p for p in node.parents if isinstance(p, Node)]
        if node in lost:
            lost.update(tracked)
            continue
        if g is None:
            continue
        try:
            again = _remembered(node, known or {})
            passed, seconds = clocked(lambda: _pulled(again, node, g), repeats if type(node.op) is Op else 1)  # noqa: B023 (called here)
        except Exception as error:
            lost.update(tracked)
            yield Pulled(node, g, {}, 0.0, error)
            continue
        for i, h in passed.items():
            parent = node.parents[i]
            pending[parent] = pending[parent] + h if parent in pending else h
        yield Pulled(node, g, passed, seconds)


def clocked(f: Callable[[], Any], repeats: int = 3) -> tuple[Any, float]:
    """What f returns, and the least of the seconds that it takes."""
    best = float("inf")
    for done in range(repeats):
        start = time.perf_counter()
        result = f()
        best = min(best, time.perf_counter() - start)
        if done and best > SHORT:
            break
    return result, best


def forward_seconds(node: Node, known: Values) -> float | None:
    """How long an operation takes to run again; None where it cannot. Stand-ins for what is not known do for the clock."""
    op = node.op
    if type(op) is not Op:
        return None
    try:
        given = operands(node, known, np.random.default_rng(0))
        with np.errstate(all="ignore"):
            return clocked(lambda: run(op, given, node.params))[1]
    except Exception:
        return None


class _Again(NamedTuple):
    """A node as its rules see it, with what it had saved."""

    parents: tuple[Node | Constant | None, ...]
    params: dict[str, Any]
    saved: Sequence[Any]


def _pulled(again: Any, node: Node, g: Any) -> dict[int, Any]:
    """The cotangents of the operands that get one, each in its operand's shape and dtype."""
    passed: dict[int, Any] = {}
    with no_grad(), setting(watching, None), np.errstate(all="ignore"):
        for i, parent in enumerate(node.parents):
            if isinstance(parent, Node):
                h = node.operation.pull(again, i, g, False)
                passed[i] = h if h.shape == parent.shape and h.dtype == parent.dtype else fit(h, node, i)
    return passed


def _remembered(node: Node, known: Values) -> Node | _Again:
    """The node, or what stands for it where it was freed; raises Unknown if what it had saved cannot be had again."""
    op = node.op
    if op is None or node.saved is not FREED:
        return node
    if type(op) is not Op:
        raise Unknown("it calls a function again, and backward() has freed what it was called with")
    tracked = sum(1 << i for i, p in enumerate(node.parents) if isinstance(p, Node))
    saved = [_saved(node, op, kind, i, known) if tracked & readers else None for kind, i, readers in op.slots]
    return _Again(node.parents, node.params, saved)


def _saved(node: Node, op: Op, kind: str, i: int, known: Values) -> Any:
    """What a slot of the node had held."""
    if kind == "shape" and (parent := node.parents[i]) is not None:
        return parent.shape
    if kind in ("inputs", "shapes"):
        every = operands(node, known)
        return every if kind == "inputs" else [np.shape(a) for a in every]
    owner = node if kind == "out" else node.parents[i]
    if owner is not None and owner in known:
        value = known[owner]
    elif kind != "out" and is_derived(op, i):
        value = consistent(op, operands(node, known), node.params)[i]
    else:
        raise Unknown(f"the value of {'its result' if kind == 'out' else op.arg(i)} is not known any more")
    return np.shape(value) if kind == "shape" else value
