"""Arguments and results nested in tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """f of every leaf, in the same nest."""
    if isinstance(tree, dict):
        return type(tree)((k, mapped(f, v)) for k, v in tree.items())
    if isinstance(tree, (tuple, list)):
        items = [mapped(f, v) for v in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return f(tree)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) for every leaf, in the order of `mapped`; a path reads as the expression that finds the leaf."""
    if isinstance(tree, (dict, tuple, list)):
        for k, v in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(v, f"{path}[{k!r}]")
    else:
        yield path, tree
