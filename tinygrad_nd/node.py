"""What a graph is made of: nodes, and the recording state under which they are made."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from inspect import isgeneratorfunction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from .kernels.words import shown

if TYPE_CHECKING:
    from .tape import Op
    from .tensor import Tensor

_LIBRARY = str(Path(__file__).parent) + os.sep
_clock = itertools.count()
recording: ContextVar[bool] = ContextVar("recording", default=True)
current_scope: ContextVar[str] = ContextVar("current_scope", default="")
locating: ContextVar[bool] = ContextVar("locating", default=False)
_scope, _locating, _new = current_scope.get, locating.get, object.__new__
replaced: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("replaced", default=None)  # leaves that got others, and the old


class Watch(NamedTuple):
    """Who looks on: `made(result, op, arrays, nodes, params)` is called after every operation, `pull` in the place of Op.pull."""

    made: Callable[..., None]
    pull: Callable[..., Any] | None = None


watching: ContextVar[Watch | None] = ContextVar("watching", default=None)
watched: list[Watch] = []  # in any thread; an empty list is looked at in no time, a context variable is not


class Node:
    """One recorded operation, or a leaf (`op` is None).

    Nodes are numbered as they are made, so descending `index` is a reverse topological order. `parents` lines up with the operation's
    tensor arguments (None where an argument was a bare array or a number); `saved` holds what its VJPs read, until the backward sweep
    drops it; `params` are the operation's keywords. `extra` is a dict for what few nodes have: name, hooks, handle.
    """

    __slots__ = ("index", "op", "parents", "saved", "params", "shape", "dtype", "scope", "extra", "__weakref__")
    tracked: ClassVar[bool] = True

    index: int
    op: Op | None
    parents: tuple[Any, ...]
    saved: Any
    params: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scope: str
    extra: dict[str, Any] | None

    @property
    def operation(self) -> Op:
        """`op`, of a node that is known to be no leaf."""
        assert self.op is not None
        return self.op

    @property
    def name(self) -> str | None:
        return self.extra.get("name") if self.extra else None

    @property
    def handle(self) -> Tensor | None:
        """The Tensor that receives this node's gradient (a leaf's, or one that asked by `retain_grad`), if it still lives."""
        ref = self.extra.get("handle") if self.extra else None
        return ref() if ref else None

    def note(self, **facts: Any) -> None:
        self.extra = {**(self.extra or {}), **facts}

    def __repr__(self) -> str:
        scope = f" in {self.scope}" if self.scope else ""
        return f"<{self.op.title if self.op else 'leaf'} #{self.index}{scope} {self.shape} {self.dtype}>"


def new_node(op: Op | None, parents: tuple[Any, ...], saved: Any, params: dict[str, Any], data: np.ndarray) -> Node:
    """The node of a result, or of a leaf. (A function: to call a class takes twice as long.)"""
    node: Node = _new(Node)
    node.index = next(_clock)
    node.op = op
    node.parents = parents
    node.saved = saved
    node.params = params
    node.shape = data.shape
    node.dtype = data.dtype
    node.scope = _scope()
    node.extra = {"source": source_line()} if _locating() else None
    return node


class Constant:
    """The place of a tensor that needs no gradient, for pictures: it has a name and a shape, and nothing is swept through it."""

    __slots__ = ("name", "shape", "dtype", "__weakref__")
    tracked: ClassVar[bool] = False
    index: ClassVar[int] = -1
    op: ClassVar[None] = None
    parents: ClassVar[tuple[()]] = ()
    params: ClassVar[dict[str, Any]] = {}
    scope: ClassVar[str] = ""
    extra: ClassVar[None] = None

    def __init__(self, data: np.ndarray, name: str | None = None) -> None:
        self.name, self.shape, self.dtype = name, data.shape, data.dtype


def now() -> int:
    """A number between the index of every node made so far and that of the next."""
    return next(_clock)


def source_line() -> str:
    """File and line of the innermost frame outside the library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def asked_for(where: str) -> str:
    """The public function that was called on the way to `where`: errors are told in its name."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        name = frame.f_code.co_name
        if frame.f_code.co_filename.startswith(_FUNCTIONS) and name in frame.f_globals.get("__all__", ()):
            where = name
        frame = frame.f_back
    return where


_FUNCTIONS = tuple(_LIBRARY + name for name in ("ops" + os.sep, "linalg", "fft", "random"))


@contextmanager
def watch(by: Watch) -> Iterator[None]:
    """`by` looks on at what this thread computes inside; an outer watch does not."""
    watched.append(by)
    try:
        with setting(watching, by):
            yield
    finally:
        watched.remove(by)


class Inside:
    """The context manager that `make` makes, as a decorator, too: of a generator it holds while that runs, not while it waits."""

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        self.make, self.args, self.entered = make, args, list[Any]()

    def __enter__(self) -> None:
        (manager := self.make(*self.args)).__enter__()
        self.entered.append(manager)

    def __exit__(self, *error: Any) -> Any:
        return self.entered.pop().__exit__(*error)

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.make(*self.args):
                return f(*args, **kwargs)

        @wraps(f)
        def between(*args: Any, **kwargs: Any) -> Any:
            generator = f(*args, **kwargs)
            resume: Callable[[], Any] = partial(next, generator)
            while True:
                with self.make(*self.args):
                    try:
                        found = resume()
                    except StopIteration as end:
                        return end.value
                try:
                    resume = partial(generator.send, (yield found))
                except GeneratorExit:
                    with self.make(*self.args):
                        generator.close()
                    raise
                except BaseException as error:
                    resume = partial(generator.throw, error)

        return between if isgeneratorfunction(f) else inside


class setting(Inside):
    """`variable` has `value` inside."""

    def __init__(self, variable: Any, value: Any) -> None:
        self.make, self.args, self.entered = setting, (variable, value), []

    def __enter__(self) -> None:
        variable, value = self.args
        self.entered.append(variable.get())
        try:
            variable.set(value)
        except BaseException:  # Ctrl-C may come right after it is set, and must not leave it so
            self.__exit__()
            raise

    def __exit__(self, *error: Any) -> None:
        self.args[0].set(self.entered.pop())

    def __del__(self) -> None:
        while self.entered:  # Ctrl-C came right before the end
            self.__exit__()


def no_grad() -> Any:
    """Context manager (and decorator): operations inside are not recorded.

    >>> import tinygrad_nd as nd
    >>> x = nd.tensor([1.0], requires_grad=True)
    >>> with nd.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    return setting(recording, False)


def enable_grad() -> Any:
    """Context manager (and decorator): operations inside are recorded, also within `no_grad`."""
    return setting(recording, True)


def scope(name: str) -> Any:
    """Context manager (and decorator): nodes made inside carry `name`; scopes nest as "encoder/block1", and drawings box them.

    >>> import tinygrad_nd as nd
    >>> with scope("encoder"), scope("block1"):
    ...     y = nd.exp(nd.ones(2, requires_grad=True))
    >>> nd.draw(y).graph.scopes
    ['encoder', 'encoder/block1']
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"scope: name must be a non-empty string, but got {shown(name)}")
    return Inside(_inner_scope, name)


@contextmanager
def _inner_scope(name: str) -> Iterator[None]:
    outer = current_scope.get()
    with setting(current_scope, f"{outer}/{name}" if outer else name):
        yield
