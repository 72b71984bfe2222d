"""Why a gradient does not come: where the way from the loss back to a tensor ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..arguments import joined
from ..node import Node
from ..tape import saved_operands
from ..tensor import Tensor
from .sources import Operand, Origin, address, origin
from .words import graph_of, place, public, told, way

Stop = Node | Origin | int  # what a way leads through; an int is the address of a value that nothing is remembered of


def why_no_grad(loss: Tensor, p: Tensor) -> str:
    """Says in a sentence why `loss` gives `p` no gradient: where on the way it was cut, and how; or that it does.

    What became of a value off the tape (detached, cast to an integer, computed under no_grad), and on which line, is known of what ran
    under `nd.debug.sources()`.

    >>> import tinygrad_nd as nd
    >>> w = nd.tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> x = nd.tensor([3.0, 4.0], requires_grad=True, name="x")
    >>> with nd.debug.sources(), nd.scope("head"):
    ...     loss = (w.astype(int) * x).sum()
    >>> print(nd.debug.why_no_grad(loss, w))
    'w' gets no gradient because on the way to the loss its own value became integer or true and false in astype in scope 'head', at ...
    """
    for t, what in ((loss, "loss"), (p, "p")):
        if not isinstance(t, Tensor):
            raise TypeError(f"why_no_grad: {what} must be a tensor, but is {type(t).__name__}")
    name = repr(p.name) if p.name else f"The tensor {p.shape}"
    if p.dtype.kind not in "fc":
        return f"{name} gets no gradient because it holds {p.dtype}, and only floating and complex values have any; use .astype(float)."
    if not p.requires_grad:
        made = origin(p)
        if made is not None:
            if made.why == "recorded":
                return f"{name} gets no gradient because it was detached from the result of {_told(made)}."
            return f"{name} gets no gradient because it was computed by {_told(made)}, {_UNRECORDED[made.why]}."
        variable = p.name or "p"
        return f"{name} gets no gradient because it does not require any; make it a leaf with {variable}.requires_grad = True."
    path = _way(loss, p)
    if path is None:
        return f"{name} gets no gradient because {_unreached(loss, p)}"
    cuts = [clause for user, operand in path if (clause := _cut(user, operand))]
    if cuts:
        return f"{name} gets no gradient because on the way to the loss {joined(cuts)}."
    return _connected(loss, p, name, [n for n in (p._node, *(user for user, _ in path)) if isinstance(n, Node)])


def _connected(loss: Tensor, p: Tensor, name: str, path: list[Node]) -> str:
    if p is loss:
        return f"{name} is the loss itself; its gradient is 1."
    if p.grad is not None:
        return f"{name} has a gradient; it comes by {way(path)}."
    if not p.is_leaf and path[0].handle is None:
        return (
            f"{name} is the result of {told(path[0])}, and only leaves keep their gradients: call retain_grad() on it before backward(). "
            f"The way to the loss is whole: {way(path)}."
        )
    return f"{name} is connected to the loss, by {way(path)}; it will have a gradient after loss.backward()."


def _unreached(loss: Tensor, p: Tensor) -> str:
    """The rest of the sentence where no way was found, from what the graph alone can tell."""
    if not isinstance(loss._node, Node):
        made = origin(loss)
        if made is not None:
            return f"the loss itself was computed by {_told(made)}, {_UNRECORDED.get(made.why, 'and then detached')}."
        return (
            "the loss itself has no graph: it was computed under no_grad(), or from constants alone. "
            "Compute it under nd.debug.sources() to see which."
        )
    nodes = graph_of("why_no_grad", loss)
    twins = [n for n in nodes if n.op is None and p.name and n.name == p.name and n is not p._node]
    if twins:
        return (
            f"the loss was computed from another leaf named {p.name!r} {twins[0].shape}: the tensor you ask about has taken its place "
            "since, or is a copy. Keep one leaf, and assign its .data instead."
        )
    text = f"none of the {len(nodes):,} nodes of the loss leads to it: it had no part in computing this loss"
    if all(n.op is None or "origin" in (n.extra or {}) for n in nodes):
        return text + "."
    takers = [n for n in nodes if n.op is not None and any(q is None or not q.tracked for q in n.parents)]
    if takers:
        listed = joined([told(n) for n in takers[:3]] + ([f"{len(takers) - 3} more"] if len(takers) > 3 else []))
        text += f", unless it went in as a constant, to {listed}"
    return text + ". Compute the loss under nd.debug.sources() to see where values were cut."


def _way(loss: Tensor, p: Tensor) -> list[tuple[Stop, Operand]] | None:
    """The way from p to the loss as (operation, operand that it took), on the tape if there is one, else over what was cut; or None."""
    goals: set[Any] = {p._node, (p._node.extra or {}).get("origin") if p._node else None, address(p._data) or None} - {None}
    start: Any = loss._node if isinstance(loss._node, Node) else origin(loss)
    if start is None:
        return None
    for on_tape in (True, False):
        came: dict[Any, tuple[Stop, Operand] | None] = {start: None}
        queue: list[Any] = [start]
        for at in queue:
            if at in goals:
                path, step = [], came[at]
                while step is not None:
                    path.append(step)
                    step = came[step[0]]
                return path
            for operand in _operands(at, on_tape):
                for further in (operand.maker, operand.address or None):
                    if further is not None and further not in came:
                        came[further] = at, operand
                        queue.append(further)
    return None


def _operands(at: Stop, on_tape: bool) -> Iterator[Operand]:
    if isinstance(at, Node):
        yield from (Operand(True, n, 0) for n in at.parents if isinstance(n, Node))
        made = (at.extra or {}).get("origin")
        if on_tape:
            return
        if made is not None:
            yield from made.operands
        else:  # as far as it saved them
            saved = saved_operands(at).items()
            yield from (Operand(False, None, address(a)) for i, a in saved if i >= 0 and not isinstance(at.parents[i], Node))
    elif isinstance(at, Origin):
        yield from at.operands


def _cut(user: Stop, operand: Operand) -> str | None:
    """A clause, if the gradient is lost where `user` takes the operand."""
    assert not isinstance(user, int)
    made = operand.maker
    if isinstance(made, Origin):
        what = f"the result of {public(made.op)}{place(made.scope, made.source)},"
    else:
        what = "its own value"
    if not operand.tracked and (not isinstance(made, Origin) or made.why == "recorded"):
        return f"{what} was taken without its gradient (detached, or as .data) by {_told(user)}"
    if not operand.tracked or not isinstance(user, Origin) or user.why == "recorded":
        return None
    return {
        "no_grad": f"{what} went into {_told(user)}, under no_grad()",
        "integer": f"{what} became integer or true and false in {_told(user)}",
        "no rule": f"{what} went into {_told(user)}, which has no rule for gradients",
    }[user.why]


_UNRECORDED = {
    "no_grad": "under no_grad()",
    "integer": "which gives integers or truth values",
    "no rule": "which has no rule for gradients",
    "constant": "from constants alone",
}


def _told(made: Node | Origin) -> str:
    return told(made) if isinstance(made, Node) else public(made.op) + place(made.scope, made.source)
