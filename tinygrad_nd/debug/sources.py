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
    """A value that an operation took without its gradient: what had computed it, and where its memory lies."""

    maker: Node | Origin | None
    address: int


@dataclass(frozen=True, eq=False)
class Origin:
    """An operation that was not recorded, and why: "no_grad", "integer" (its result is), "no rule", or "constant" (its operands are)."""

    why: str
    operation: str
    scope: str
    source: str
    operands: tuple[Operand, ...]


_makers: dict[int, tuple[weakref.ref[np.ndarray], Any]] = {}  # by id of array: while it lives, who made it


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
    """Notes who made the result, and on its node, which operands it took without their gradients."""
    node = result._node
    cut = {i: Operand(_maker(a), address(a)) for i, (a, n) in enumerate(zip(arrays, nodes)) if n is None or not n.tracked}
    maker: Any = weakref.ref(node) if isinstance(node, Node) else None
    if isinstance(node, Node):
        node.note(cut={i: o for i, o in cut.items() if isinstance(arrays[i], np.ndarray)})
    elif any(isinstance(a, np.ndarray) for a in arrays):
        tracked = [n for n in nodes if n is not None and n.tracked]
        if not tracked:
            why = "constant"
        elif not recording.get():
            why = "no_grad"
        else:
            why = "integer" if result._data.dtype.kind not in "fc" else "no rule"
        operands = tuple(cut[i] if i in cut else Operand(n, address(a)) for i, (a, n) in enumerate(zip(arrays, nodes)))
        maker = Origin(why, op.name, current_scope.get(), source_line(), operands)
    if maker is not None:
        array = result._data
        key = id(array)
        _makers[key] = weakref.ref(array, lambda _: _makers.pop(key, None)), maker


def origin(t: Tensor) -> Node | Origin | None:
    """Who made a constant's value, if that was remembered."""
    return _maker(t._data)


def address(array: Any) -> int:
    """Where the memory of an array begins; 0 for a number."""
    return int(array.__array_interface__["data"][0]) if isinstance(array, np.ndarray) and array.size else 0


def _maker(array: Any) -> Node | Origin | None:
    ref, maker = _makers.get(id(array), (None, None))
    if ref is None or ref() is not array:
        return None
    return maker() if isinstance(maker, weakref.ref) else maker
