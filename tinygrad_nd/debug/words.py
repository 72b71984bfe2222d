"""Words for what went wrong and where: an operation with its scope and line, an array with its statistics, a way through the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..node import Constant, Node
from ..replay import reachable
from ..tape import FREED, Op
from ..tensor import Tensor

_CALLED = {"window_sum": "avg_pool_nd"}  # of which a picture shows the parts


def title(node: Node | Constant | None) -> str:
    """An operation's public name, or what else the node is: "conv_nd", "leaf 'weight'"."""
    if node is None or not node.tracked:
        return f"constant {node.name!r}" if node is not None and node.name else "a constant"
    if node.op is None:
        return f"leaf {node.name!r}" if node.name else f"a leaf {node.shape}"
    return public(node.op) + (f" {node.name!r}" if node.name else "")


def public(op: Op) -> str:
    """What the user called, where the operation is named otherwise."""
    return _CALLED.get(op.kind) or op.title


def place(scope: str, line: str | None) -> str:
    """Where that is, as a clause: " in scope 'encoder/block1', at model.py:12"."""
    return (f" in scope {scope!r}" if scope else "") + (f", at {line}" if line else "")


def line_of(node: Node | Constant | None) -> str | None:
    return (node.extra or {}).get("source") if node is not None else None


def told(node: Node | Constant | None) -> str:
    """Title and place of a node."""
    return title(node) + (place(node.scope, line_of(node)) if node is not None else "")


def statistics(array: Any) -> str:
    """Shape, dtype, range, mean, zeros and non-finite entries of an array or number, in one line.

    >>> statistics(np.array([0.0, 1.0, 2.0, np.nan]))
    '(4,) float64, min 0, max 2, mean 1, 25% zeros, 1 of 4 nan'
    """
    a = np.asarray(array)
    head = f"{a.shape} {a.dtype}" if a.ndim else f"{a.dtype} {a[()]:.6g}" if a.dtype.kind in "fc" else f"{a.dtype} {a[()]}"
    if not a.ndim or not a.size or a.dtype.kind not in "biufc":
        return head
    good = a[np.isfinite(a)]
    if good.size:
        size, what = (np.abs(good), "|min|, |max|, |mean|") if a.dtype.kind == "c" else (good, "min, max, mean")
        with np.errstate(all="ignore"):
            values = size.min(), size.max(), size.mean(dtype=np.float64)
        head += "".join(f", {w} {v:.4g}" for w, v in zip(what.split(", "), values))
        head += f", {1 - np.count_nonzero(a) / a.size:.0%} zeros"
    counts = [(int(np.isnan(a).sum()), "nan"), (int(np.isinf(a).sum()), "inf")]
    return head + "".join(f", {n:,} of {a.size:,} {kind}" for n, kind in counts if n)


def way(nodes: Sequence[Node], most: int = 12) -> str:
    """The operations on a path, its middle left out where it is long."""
    words = [title(n) + (f" ({n.scope})" if n.scope else "") for n in nodes]
    if len(words) > most:
        words[most // 2 : -(most // 2)] = [f"... {len(words) - most + most % 2:,} more ..."]
    return " -> ".join(words)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Columns, the first `left` of them (and the last, if its head is "where") aligned to the left."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    flush = [k < left or head[k] in ("where", "note") for k in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) if f else c.rjust(w) for c, w, f in zip(line, widths, flush)).rstrip() for line in lines)


def graph_of(where: str, loss: Any, kept: bool = False) -> list[Node]:
    """The tracked nodes from which `loss` was computed, oldest first.

    Raises TypeError for what is no tensor, ValueError for a constant, RuntimeError for a graph that was freed and must be `kept`.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"{where}: looks at the graph of a tensor, but got {type(loss).__name__}")
    if not isinstance(loss._node, Node):
        raise ValueError(
            f"{where}: this tensor {loss.shape} has no graph: it does not depend on any tensor that requires grad; make a leaf with "
            "requires_grad=True, and compute outside no_grad()"
        )
    nodes = [n for n in reachable([loss._node]) if isinstance(n, Node)]
    if freed := [n for n in nodes if kept and n.saved is FREED]:
        raise RuntimeError(
            f"{where}: backward() has freed this graph (at {told(freed[0])}); look before backward(), or pass it retain_graph=True"
        )
    return nodes
