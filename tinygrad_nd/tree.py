"""Arguments and results nested in tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

NEST = (dict, tuple, list)


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """f of every leaf, in the same nest."""
    return like(tree, [mapped(f, v) for _, v in parts(tree)]) if isinstance(tree, NEST) else f(tree)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) for every leaf, in the order of `mapped`; a path reads as the expression that finds the leaf."""
    if isinstance(tree, NEST):
        for k, v in parts(tree):
            yield from leaves(v, f"{path}[{k!r}]")
    else:
        yield path, tree


def parts(nest: Any) -> Iterable[tuple[Any, Any]]:
    """(key, value) of a dict, (place, value) of a sequence."""
    return nest.items() if isinstance(nest, dict) else enumerate(nest)


def like(nest: Any, values: Iterable[Any]) -> Any:
    """A container of the same kind and keys with other values."""
    if isinstance(nest, dict):
        made = nest.copy()
        made.update(zip(nest, values))
        return made
    return type(nest)(*values) if hasattr(nest, "_fields") else type(nest)(values)
