"""The values that a recorded graph computed: those that something still holds, and those that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from ..kernels import activation, labels, losses, norm, pool, winners
from ..kernels.memory import Array
from ..node import Constant, Node
from ..tape import FREED, Op, saved_operands
from ..tensor import Tensor

Values = dict[Node | Constant, Array]


class Unknown(Exception):
    """Says why a value cannot be had again."""


def reachable(roots: Iterable[Node | Constant]) -> list[Node | Constant]:
    """Every node that leads to one of `roots`, oldest first (creation order is a topological order)."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("index"))


def held_values(nodes: Iterable[Node | Constant], tensors: Iterable[Tensor] = ()) -> Values:
    """The values of nodes that something still holds: leaves as they are now, `tensors`, and saved ones as they were."""
    recorded = [n for n in nodes if isinstance(n, Node)]
    held: Values = {n: t._data for n in recorded if (t := n.handle) is not None}
    held.update((t._node, t._data) for t in tensors if t._node is not None)
    for n in recorded:
        for i, value in saved_operands(n).items():
            owner = n if i < 0 else n.parents[i]
            if owner is not None and isinstance(value, np.ndarray):
                held[owner] = value
    return held


def values(nodes: Sequence[Node], tensors: Iterable[Tensor] = ()) -> Values:
    """Those that are held, and those that follow from them; `nodes` are given oldest first."""
    found = held_values(nodes, tensors)
    for n in nodes:
        if n not in found and (result := computed(n, found)) is not None:
            found[n] = result
    return found


def computed(node: Node, known: Values) -> Array | None:
    """The result of an operation, from the known values of its operands; None where it cannot be had."""
    if type(node.op) is not Op:
        return None
    try:
        with np.errstate(all="ignore"):
            return np.asarray(run(node.op, operands(node, known), node.params))
    except Exception:  # an operand is not known, or the kernel refuses what is not its value any more
        return None


def operands(node: Node, known: Values, stand_in: np.random.Generator | None = None) -> list[Any]:
    """The operands of a node, as far as they are kept or known; None for what the library computes from others.

    A value that no rule reads is not kept, and cannot matter to the rules: with a generator to `stand_in` for it, an argument that may be
    left out is, and any other is random, if its shape is known. Else raises Unknown.
    """
    op = node.operation
    kept, shapes, found = saved_operands(node), _saved_shapes(node), []
    for i, parent in enumerate(node.parents):
        if i in kept:
            found.append(kept[i])
        elif parent is not None and parent in known:
            found.append(known[parent])
        elif is_derived(op, i):
            found.append(None)
        elif stand_in is None or (parent is not None and parent.dtype.kind not in "fc"):
            raise Unknown(f"the value of the constant operand {op.arg(i)!r} is not kept")
        elif parent is None and not op.variadic and op.args[i] in op.optional:
            found.append(op.optional[op.args[i]])
        else:
            shape = parent.shape if parent is not None else shapes.get(i)
            found.append(np.float64(1) if shape is None else stand_in.uniform(0.5, 1.5, shape))
    return found


def run(op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """The kernel's result, everything that follows from the operands computed anew."""
    return op.kernel(*consistent(op, arrays, params), **params)


def consistent(op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """The operands, those replaced that the library computes from others beforehand."""
    if op.kind not in _AGAIN:
        return list(arrays)
    named = dict(zip(op.args, arrays))
    return list({**named, **_AGAIN[op.kind]({**named, **params})}.values())


def is_derived(op: Op, i: int) -> bool:
    """Whether the library computes operand i from others beforehand."""
    return op.kind in _AGAIN and op.args[i] in _DERIVED


def saved_bytes(nodes: Iterable[Node]) -> dict[Node, int]:
    """Bytes that each node keeps alive for its backward pass; an array that several keep counts for the oldest, one of a leaf for none."""
    nodes = list(nodes)
    around = {p for n in nodes for p in (n, *n.parents) if isinstance(p, Node)}
    seen = {id(_owner(t._data)) for n in around if n.op is None and (t := n.handle) is not None}
    kept = dict.fromkeys(nodes, 0)
    for node in nodes:
        for value in saved_operands(node).values():
            if isinstance(value, np.ndarray) and id(owner := _owner(value)) not in seen:
                seen.add(id(owner))
                kept[node] += owner.nbytes
    return kept


def _owner(array: Any) -> Any:
    """The array whose memory this is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _saved_shapes(node: Node) -> dict[int, tuple[int, ...]]:
    shapes: dict[int, tuple[int, ...]] = {}
    for (kind, i, _), value in zip(node.operation.slots, node.saved if node.saved is not FREED else ()):
        if kind == "shapes" and value is not None:
            shapes |= enumerate(value)
        elif kind == "shape" and value is not None:
            shapes[i] = value
    return shapes


def _best(of: dict[str, Any]) -> dict[str, Any]:
    if of["winner"] is None:
        best, winner = pool.max_pool(of["x"], of["spec"], True)
        return {"best": best, "winner": winner}
    return {"best": winners.gather(of["x"], of["winner"], of["spec"])}


def _label_loss(of: dict[str, Any]) -> dict[str, Any]:
    found = labels.loss(of["x"], of["labels"], of["weights"], of["axis"], of["ignore"], of["scale"])
    return dict(zip(("found", "slope"), found))


def _nll(of: dict[str, Any]) -> dict[str, Any]:
    x, at, weights, axis, ignore, scale = (of[name] for name in ("x", "labels", "weights", "axis", "ignore", "scale"))
    if of["slope"] is None:
        return {"found": labels.reduced(labels.picked(x, at, weights, axis, ignore), axis, scale)}
    return dict(zip(("found", "slope"), labels.picked_and_slope(x, at, weights, axis, ignore, scale)))


def _margin_loss(of: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(("found", "slope"), labels.margins(of["x"], of["places"], of["margin"], of["p"], of["scale"])))


def _moments(of: dict[str, Any]) -> dict[str, Any]:
    over = of["over"]
    weight, bias = (np.resize(of.get(name, 0), over.shape) for name in ("weight", "bias"))  # one number may stand for all
    found, mean, rstd = over.normalise(of["x"], weight, bias)
    # over remembers what it found for a g, by identity
    return {"mean": mean, "rstd": rstd} | ({"g": of["g"].copy()} if "g" in of else {"found": found})


def _spread(of: dict[str, Any], root: bool = False) -> dict[str, Any]:
    x, axes = of["x"], of["axes"]
    mean, variance = norm.moments(x, axes)
    if "divisor" not in of:
        return {"mean": mean}
    total = np.squeeze(variance, axes) * (x.size / max(variance.size, 1) / of["divisor"])
    return {"mean": mean, "found": (np.sqrt(total) if root else total).astype(x.dtype)}


def _loss(of: dict[str, Any], name: str) -> dict[str, Any]:
    if of["slope"] is None:
        return {"found": losses.values(name, of["input"], of["target"], of["parameters"])}
    return dict(zip(("found", "slope"), losses.summed(name, of["input"], of["target"], of["parameters"], of["scale"], True)))


_AGAIN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "max_pool": _best,
    **{name: partial(_loss, name=name) for name in losses.LOSSES},
    "gelu_grad": lambda of: {"found": activation.gelu(of["x"], of["approximate"])},
    "silu_grad": lambda of: {"found": activation.silu(of["x"])},
    "label_loss": _label_loss,
    "margin_loss": _margin_loss,
    "nll": _nll,
    **{name: partial(_spread, root=name == "std") for name in ("var", "std", "from_mean")},
    "unit": lambda of: dict(zip(("found", "rstd"), norm.unit(of["x"], of["axis"], of["eps"]))),
    **dict.fromkeys(("normalise", "normalise_grad", "normalise_weight_grad", "normalise_bias_grad"), _moments),
}
_DERIVED = {"best", "winner", "mean", "rstd", "found", "slope"}
