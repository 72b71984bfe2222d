"""Hooks: functions that look on at the calls of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self


class Hook:
    """A registered hook. It ends with `remove()`, or with the `with` block that it was given to."""

    __slots__ = ("function", "before", "_others")

    def __init__(self, function: Callable[..., Any], before: bool, others: list[Hook]) -> None:
        if not callable(function):
            raise TypeError(f"a hook must be a function, but is a {type(function).__name__}")
        self.function, self.before, self._others = function, before, others
        others.append(self)

    def remove(self) -> None:
        """Ends it; once is enough."""
        if self in self._others:
            self._others.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def run_before(hooks: list[Hook], module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call after the hooks before it: what one returns, if not None, replaces them."""
    for hook in [h for h in hooks if h.before]:
        changed = hook.function(module, args)
        if changed is not None:
            args = changed if isinstance(changed, tuple) else (changed,)
    return args


def run_after(hooks: list[Hook], module: Any, args: tuple[Any, ...], result: Any) -> Any:
    """The result of a call after the hooks behind it: what one returns, if not None, replaces it."""
    for hook in [h for h in hooks if not h.before]:
        changed = hook.function(module, args, result)
        if changed is not None:
            result = changed
    return result
