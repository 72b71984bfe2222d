"""Stopping at the first operation that makes a nan or an infinity, forward or backward."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..arguments import joined
from ..node import Node, Watch, current_scope, locating, setting, source_line, watch, watching
from ..tape import Op, saved_operands
from ..tensor import Tensor
from .sources import remember
from .words import line_of, place, public, statistics, told, way


class Anomaly(FloatingPointError):
    """The first nan or infinity. `marks` puts it on a drawing: `nd.draw(loss, grads=True, mark=error)`.

    Where it was made forward there is no loss yet: `tensor` is the result that holds it, and `nd.draw(error.tensor, mark=error)` shows how
    it came about. It is None where the backward sweep made it.
    """

    def __init__(self, message: str, marks: dict[int, str], tensor: Tensor | None = None) -> None:
        super().__init__(message)
        self.marks, self.tensor = marks, tensor


@contextmanager
def anomaly() -> Iterator[None]:
    """Context manager (and decorator): the first operation inside that makes a nan or an infinity raises Anomaly, a FloatingPointError.

    The message names the operation, its scope and the line that called it, tells its operands, and in the backward sweep also the way from
    there to the loss. Lines are known of operations recorded inside, so compute forward inside, too. An infinity that was put in on
    purpose (a constant -inf that masks) passes; a nan never does.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor([0.0, 1.0], requires_grad=True)
    >>> with nd.debug.anomaly(), nd.scope("entropy"):
    ...     nd.log(x)
    Traceback (most recent call last):
    tinygrad_nd.debug.anomaly.Anomaly: anomaly: log in scope 'entropy', at <doctest ...>:2 made inf from finite operands
      x:      (2,) float64, min 0, max 1, mean 0.5, 50% zeros; from a leaf (2,)
      result: (2,) float64, min 0, max 0, mean 0, 50% zeros, 1 of 2 inf
    """
    followed: weakref.WeakKeyDictionary[Node, weakref.ref[Node]] = weakref.WeakKeyDictionary()

    def pull(op: Op, node: Node, i: int, g: Any, recorded: bool) -> Any:
        with setting(watching, None):
            h = op.pull(node, i, g, recorded)
            parent = node.parents[i]
            followed.setdefault(parent, weakref.ref(node))
            if not hasattr(h, "shape") or _finite(h):
                return h
            path = [node]
            while (ref := followed.get(path[-1])) is not None and (follower := ref()) is not None:
                path.append(follower)
            made = "nan" if np.isnan(_values(h)).any() else "inf"
            raise Anomaly(_backward(op, node, i, _values(g), _values(h), path), {node.index: f"its backward makes {made} here"})

    with np.errstate(all="ignore"), setting(locating, True), watch(Watch(_made, pull)):
        yield


def _made(result: Tensor, op: Op, arrays: Sequence[Any], nodes: Sequence[Any], params: dict[str, Any]) -> None:
    remember(result, op, arrays, nodes, params)
    out = result._data
    if out.dtype.kind not in "fc" or _finite(out):
        return
    nan = bool(np.isnan(out).any())
    bad = [i for i, a in enumerate(arrays) if not _finite(a)]
    if not nan and any(isinstance(v, float) and not np.isfinite(v) for v in params.values()):
        return
    if not nan and any(np.isinf(arrays[i]).any() and not _is_leaf(nodes[i]) for i in bad):
        return  # let through where it was made
    marks = {result._node.index: f"makes {'nan' if nan else 'inf'} here"} if isinstance(result._node, Node) else {}
    raise Anomaly(_forward(result, op, arrays, nodes, bad), marks, result)


def _forward(result: Tensor, op: Op, arrays: Sequence[Any], nodes: Sequence[Any], bad: list[int]) -> str:
    node = result._node
    where = place(current_scope.get(), (line_of(node) if isinstance(node, Node) else None) or source_line())
    made = "nan" if np.isnan(result._data).any() else "inf"
    cause = "from finite operands" if not bad else f"from operands that were bad already: {joined([op.arg(i) for i in bad])}"
    rows = [(op.arg(i), statistics(a) + _from(n)) for i, (a, n) in enumerate(zip(arrays, nodes)) if a is not None]
    return f"anomaly: {public(op)}{where} made {made} {cause}" + _rows([*rows, ("result", statistics(result._data))])


def _backward(op: Op, node: Node, i: int, g: Any, h: Any, path: list[Node]) -> str:
    made = "nan" if np.isnan(h).any() else "inf"
    if _finite(g):
        cause = "from a finite cotangent"
    elif len(path) == 1:
        cause = "from a cotangent that was given to the sweep bad already"
    else:
        cause = "from a cotangent that was bad already: a sum of finite ones overflowed, or a hook replaced it"
    rows = [("cotangent", statistics(g))]
    rows += [("result" if k < 0 else op.arg(k), statistics(a)) for k, a in saved_operands(node).items()]
    rows.append((f"gradient of {op.arg(i)}", statistics(h)))
    rows.append((op.arg(i), f"made by {told(node.parents[i])}"))
    if len(path) > 1:
        rows.append(("way to the loss", way(path)))
    return f"anomaly: the backward of {told(node)} made {made} {cause}" + _rows(rows)


def _rows(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 1
    return "".join(f"\n  {name + ':':{width}} {text}" for name, text in rows)


def _from(node: Any) -> str:
    return f"; from {told(node)}" if node is not None and (node.tracked or node.name) else ""


def _is_leaf(node: Any) -> bool:
    return node is not None and node.tracked and node.op is None


def _values(g: Any) -> Any:
    return g._data if isinstance(g, Tensor) else g


def _finite(a: Any) -> bool:
    a = np.asarray(_values(a)) if a is not None else np.zeros(())
    return a.dtype.kind not in "fc" or bool(np.isfinite(a).all())
