"""The values that a recorded graph computed: those that something still holds, and those that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels import pool, softmax
from ..node import Node
from ..tape import FREED, OPS, Op, saved_operands
from ..tensor import Tensor


class Unknown(Exception):
    """Says why a value cannot be had again."""


def values(nodes: Sequence[Node], outputs: Sequence[Tensor] = ()) -> dict[Node, np.ndarray]:
    """The values of nodes (given oldest first) as far as they can be had: saved ones as they were, leaves as they are now, others again."""
    found: dict[Node, np.ndarray] = {}
    for n in nodes:
        if n.handle is not None:
            found[n] = n.handle._data
    found.update((t._node, t._data) for t in outputs if isinstance(t._node, Node))
    for n in nodes:
        for i, value in saved_operands(n).items():
            owner = n if i < 0 else n.parents[i]
            if isinstance(owner, Node) and isinstance(value, np.ndarray):
                found[owner] = value
    with np.errstate(all="ignore"):
        for n in nodes:
            if n not in found and type(n.op) is Op:
                try:
                    found[n] = np.asarray(run(n.op, operands(n, found), n.params))
                except Exception:  # noqa: S112 (it stays unknown: an operand is missing)
                    continue
    return found


def operands(node: Node, known: dict[Node, np.ndarray], stand_in: np.random.Generator | None = None) -> list[Any]:
    """The operands of a node.

    A value that no rule reads is not kept, and cannot matter to the rules: a random one may stand in for it, if its shape is known.
    Raises Unknown if there is none.
    """
    op = node.op
    assert op is not None
    kept, shapes, found = saved_operands(node), _saved_shapes(node), []
    for i, parent in enumerate(node.parents):
        shape = parent.shape if parent is not None else shapes.get(i)
        if i in kept:
            found.append(kept[i])
        elif isinstance(parent, Node) and parent in known:
            found.append(known[parent])
        elif parent is None and not op.variadic and op.args[i] in op.optional:
            found.append(op.optional[op.args[i]])
        elif stand_in is None:
            raise Unknown(f"the value of the constant operand {op.arg(i)!r} is not kept")
        elif shape is None:
            found.append(np.float64(1))
        elif parent is not None and parent.dtype.kind not in "fc":
            raise Unknown(f"the value of the constant operand {op.arg(i)!r} is not kept")
        else:
            found.append(stand_in.uniform(0.5, 1.5, shape))
    return found


def run(op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """The kernel's result, everything that follows from the operands computed anew."""
    return op.kernel(*consistent(op, arrays, params), **params)


def consistent(op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """The operands, those replaced that the library computes from others beforehand."""
    again = _OWN.get(op.name)
    if again is None or not ours(op):
        return list(arrays)
    named = dict(zip(op.args, arrays))
    return list({**named, **again({**named, **params})}.values())


def ours(op: Op) -> bool:
    """Whether the operation is the library's; a user's may have the same name."""
    return OPS.get(op.name) is op


def _saved_shapes(node: Node) -> dict[int, tuple[int, ...]]:
    assert node.op is not None
    shapes: dict[int, tuple[int, ...]] = {}
    for (kind, i, _), value in zip(node.op.slots, node.saved if node.saved is not FREED else ()):
        if kind == "shapes" and value is not None:
            shapes |= enumerate(value)
        elif kind == "shape" and value is not None:
            shapes[i] = value
    return shapes


def _best(of: dict[str, Any]) -> dict[str, Any]:
    return {"best": pool.gather(of["x"], of["winner"], of["spec"])}


def _total(of: dict[str, Any]) -> dict[str, Any]:
    return {"total": softmax.log_sum_exp(of["x"], of["axis"])}


def _moments(of: dict[str, Any]) -> dict[str, Any]:
    x, over = of["x"], of["over"]
    mean = x.mean(over.axes, keepdims=True) * over.centred
    rstd = 1 / np.sqrt(np.square(x - mean).mean(over.axes, keepdims=True) + over.eps)
    moments = {"mean": mean, "rstd": rstd}
    if "g" in of:  # over remembers what it found for a g, by identity
        return moments | {"g": of["g"].copy()}
    return moments | {"found": (x - mean) * rstd * of["weight"] + of["bias"]}


_OWN = {
    "max_pool": _best,
    **dict.fromkeys(("label_loss", "label_loss_grad"), _total),
    **dict.fromkeys(("normalise", "normalise_grad", "normalise_weight_grad", "normalise_bias_grad"), _moments),
}
