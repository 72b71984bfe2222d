"""Why a gradient does not come: where the way from the loss back to a tensor ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..node import Node
from ..tensor import Tensor
from .replay import saved_operands
from .sources import Operand, Origin, address, origin
from .words import graph_of, joined, line_of, place, public, title, told, way

Stop = Node | Origin | int  # what a way leads through; an int is the address of a value that nothing is remembered of


def why_no_grad(loss: Tensor, p: Tensor) -> str:
    """Says in a sentence why `loss` gives `p` no gradient: where on the way it was cut, and how; or that it does.

    What became of a value off the tape (detached, cast to an integer, computed under no_grad), and on which line, is known of what ran under
    `nd.debug.sources()`.

    >>> import tinygrad_nd as nd
    >>> w = nd.tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> with nd.debug.sources(), nd.scope("head"):
    ...     loss = (nd.exp(w).detach() * w).sum() + (w.astype(int) * 1.0).sum()
    >>> print(nd.debug.why_no_grad(loss, nd.tensor([1.0, 2.0], name="x")))
    'x' gets no gradient because it does not require any; make it a leaf with x.requires_grad = True.
    """
    for t, what in ((loss, "loss"), (p, "p")):
        if not isinstance(t, Tensor):
            raise TypeError(f"why_no_grad: {what} must be a tensor, but is {type(t).__name__}")
    name = repr(p.name) if p.name else f"The tensor {p.shape}"
    if p.dtype.kind not in "fc":
        return f"{name} gets no gradient because it holds {p.dtype}, and only floating and complex values have gradients; use .astype(float)."
    if not p.requires_grad:
        made = origin(p)
        if isinstance(made, Origin):
            return f"{name} gets no gradient because it was {_unrecorded(made)}."
        if isinstance(made, Node):
            return f"{name} gets no gradient because it was detached from the result of {told(made)}."
        variable = p.name or "p"
        return f"{name} gets no gradient because it does not require any; make it a leaf with {variable}.requires_grad = True."
    path = _way(loss, p)
    if path is None:
        return f"{name} gets no gradient because {_unreached(loss, p)}"
    cuts = list(_cuts(path, loss, p))
    if cuts:
        return f"{name} gets no gradient because on the way to the loss {joined(cuts)}."
    return _connected(loss, p, name, [n for n in reversed(path) if isinstance(n, Node)])


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
        if isinstance(made, Origin):
            return f"the loss itself was {_unrecorded(made)}, and this tensor had no part in it."
        return (
            "the loss itself has no graph: it was computed under no_grad(), or from constants alone. "
            "Compute it under nd.debug.sources() to see which."
        )
    nodes = graph_of("why_no_grad", loss)
    twins = [n for n in nodes if n.op is None and p.name and n.name == p.name and n is not p._node]
    if twins:
        return (
            f"the loss was computed from another leaf named {p.name!r} {twins[0].shape}: the tensor you ask about has taken its place since, "
            "or is a copy. Keep one leaf, and assign its .data instead."
        )
    unlocated = any(n.op is not None and "cut" not in (n.extra or {}) for n in nodes)
    text = f"none of the {len(nodes):,} nodes of the loss leads to it: it had no part in computing this loss"
    if not unlocated:
        return text + "."
    takers = [n for n in nodes if n.op is not None and any(q is None or not q.tracked for q in n.parents)]
    if takers:
        listed = joined([told(n) for n in takers[:3]] + ([f"{len(takers) - 3} more"] if len(takers) > 3 else []))
        text += f", unless it entered as a constant, which {listed} took{'s' if len(takers) == 1 else ''}"
    return text + ". Compute the loss under nd.debug.sources() to see where values were cut."


def _way(loss: Tensor, p: Tensor) -> list[Stop] | None:
    """What lies between the loss and p, both ends included: whole if it can be, else over what was cut; None if nothing is known."""
    goals = {p._node, address(p._data) or -1}
    start: Any = loss._node if isinstance(loss._node, Node) else origin(loss)
    if start is None:
        return None
    for cut in (False, True):
        came: dict[Stop, Stop | None] = {start: None}
        queue: list[Stop] = [start]
        for at in queue:
            if at in goals:
                path: list[Stop] = [at]
                while (nearer := came[path[-1]]) is not None:
                    path.append(nearer)
                return path[::-1]
            for further in _behind(at, cut):
                if further not in came:
                    came[further] = at
                    queue.append(further)
    return None


def _behind(at: Stop, cut: bool) -> Iterator[Stop]:
    if isinstance(at, Node):
        yield from (n for n in at.parents if isinstance(n, Node))
        if cut:
            for o in _taken(at).values():
                yield from _ends(o)
    elif isinstance(at, Origin) and cut:
        for o in at.operands:
            yield from _ends(o)


def _ends(o: Operand) -> Iterator[Stop]:
    if o.maker is not None:
        yield o.maker
    if o.address:
        yield o.address


def _taken(node: Node) -> dict[int, Operand]:
    """The constants that an operation took: as remembered, else as far as it saved them."""
    remembered = (node.extra or {}).get("cut")
    if remembered is not None:
        return remembered  # type: ignore[no-any-return]
    saved = saved_operands(node).items()
    return {i: Operand(None, address(a)) for i, a in saved if i >= 0 and not isinstance(node.parents[i], Node)}


def _cuts(path: list[Stop], loss: Tensor, p: Tensor) -> Iterator[str]:
    """Clauses for the places where a way from the loss leaves the tape, the one next to p first."""
    for user, used in reversed(list(zip(path, path[1:]))):
        if isinstance(user, Origin):
            if user.why != "constant":
                yield f"{_what(used, p)} {_lost(user)}"
            elif isinstance(used, Node | int):
                yield f"{_what(used, p)} was taken without its gradient (detached, or as .data) by {_told(user)}"
        elif isinstance(user, Node) and not (isinstance(used, Node) and used in user.parents) and not isinstance(used, Origin):
            yield f"{_what(used, p)} was taken without its gradient (detached, or as .data) by {told(user)}"


def _lost(made: Origin) -> str:
    return {
        "no_grad": f"went into {_told(made)}, under no_grad()",
        "integer": f"became integer in {_told(made)}",
        "no rule": f"went into {_told(made)}, which is not differentiable",
    }[made.why]


def _unrecorded(made: Origin) -> str:
    reason = {
        "no_grad": "under no_grad()",
        "integer": "where its values became integers or truth values",
        "no rule": "which is not differentiable",
        "constant": "from constants alone",
    }
    return f"computed by {_told(made)}, {reason[made.why]}"


def _told(made: Origin) -> str:
    return public(made.operation) + place(made.scope, made.source)


def _what(used: Stop, p: Tensor) -> str:
    if used is p._node or isinstance(used, int):
        return "its own value"
    if isinstance(used, Origin):
        return f"the result of {public(used.operation)}"
    return f"the result of {title(used)}{place(used.scope, line_of(used))}"
