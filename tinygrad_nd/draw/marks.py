"""What was found wrong, put on a picture: words by the node that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tensor import Tensor


def marks_of(found: Any) -> dict[int, str]:
    """Words by index of node, of whatever `nd.debug` finds (it says so itself, as `.marks`), of lists of that, or of {tensor: words}."""
    if found is None:
        return {}
    if isinstance(found, Mapping):
        return {_index(t): str(words) for t, words in found.items()}
    if isinstance(found, (list, tuple)):
        merged: dict[int, str] = {}
        for one in found:
            for index, words in marks_of(one).items():
                merged[index] = f"{merged[index]}; {words}" if index in merged else words
        return merged
    marks = getattr(found, "marks", None)
    if not isinstance(marks, dict):
        what = f"{type(found).__name__}, which tells no place in the graph" if isinstance(found, Exception) else type(found).__name__
        raise TypeError(f"draw: mark takes what nd.debug found, or a mapping {{tensor: words}}, but got {what}")
    return marks


def _index(t: Any) -> int:
    if not isinstance(t, Tensor) or t._node is None or not t._node.tracked:
        raise TypeError(
            f"draw: mark maps tensors of the graph to words, but got {'a constant' if isinstance(t, Tensor) else type(t).__name__}"
        )
    return t._node.index
