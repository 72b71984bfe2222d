"""Remembering where things come from: the line that made an operation, and what became of values on their way past the tape."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..node import Node, Watch, current_scope, locating, recording, setting, source_line, watch, watching
from ..tape import Op
from ..tensor import Tensor


@dataclass(frozen=True, eq=False)
class Operand:
    """A value that an operation took: with its gradient or not, what had computed it (a leaf's node for a leaf), where its memory lies."""

    tracked: bool
    maker: Node | Origin | None
    address: int


@dataclass(frozen=True, eq=False)
class Origin:
    """What computed a value, recorded or not, without holding on to any array.

    why: "recorded", or why it was not: "no_grad", "integer" (its result is), "no rule", or "constant" (its operands are).
    """

    why: str
    op: Op
    scope: str
    source: str
    operands: tuple[Operand, ...]
    depth: int


_LONGEST = 1000  # what lies further back is forgotten, or a training loop would remember everything
_makers: dict[int, tuple[weakref.ref[np.ndarray], Origin]] = {}  # by id of array, while it lives


@contextmanager
def sources() -> Iterator[None]:
    """Context manager (and decorator): operations inside remember the line that called them, and where their constants came from.

    `nd.draw(loss, source=True)` and all of `nd.debug` then name lines, and `nd.debug.why_no_grad` finds out what was cut, and where.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor(1.0, requires_grad=True)
    >>> with nd.debug.sources():
    ...     y = nd.exp(x)
    >>> "doctest" in nd.draw(y, source=True).dot
    True
    """
    with setting(locating, True):
        if watching.get():  # an anomaly watch, which remembers as well
            yield
        else:
            with watch(Watch(remember)):
                yield


def remember(result: Tensor, op: Op, arrays: Sequence[Any], nodes: Sequence[Any], params: dict[str, Any]) -> None:
    """Notes what made the result, and on its node, if it has one, the same."""
    node, array = result._node, result._data
    tracked = [n is not None and n.tracked for n in nodes]
    if isinstance(node, Node):
        why = "recorded"
    elif not any(tracked):
        why = "constant"
    elif not recording.get():
        why = "no_grad"
    else:
        why = "integer" if array.dtype.kind not in "fc" else "no rule"
    operands = tuple(Operand(t, _maker(a, n if t else None), address(a)) for a, n, t in zip(arrays, nodes, tracked))
    depth = 1 + max((o.maker.depth for o in operands if isinstance(o.maker, Origin)), default=0)
    made = Origin(why, op, current_scope.get(), source_line(), operands if depth < _LONGEST else (), depth % _LONGEST)
    if isinstance(node, Node):
        node.note(origin=made)
    key = id(array)
    _makers[key] = weakref.ref(array, lambda _: _makers.pop(key, None)), made


def origin(t: Tensor) -> Origin | None:
    """What computed a tensor's value, if that was remembered."""
    made = _maker(t._data, None)
    return made if isinstance(made, Origin) else None


def address(array: Any) -> int:
    """Where the memory of an array begins; 0 for a number."""
    return int(array.__array_interface__["data"][0]) if isinstance(array, np.ndarray) and array.size else 0


def _maker(array: Any, node: Node | None) -> Node | Origin | None:
    if node is not None:
        return node if node.op is None else (node.extra or {}).get("origin")
    ref, made = _makers.get(id(array), (None, None))
    return made if ref is not None and ref() is array else None
