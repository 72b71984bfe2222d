"""Rematerialisation: a function whose intermediate values are dropped, and computed again when the sweep comes to it.

A call is one node of the graph. Its parents are the tensors at which the function's own graph begins, arguments and what it closes over
alike: whatever it reached that was made before it ran. Its rule runs the function again and sweeps that graph as far as those parents.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from .arguments import answering, kind_of
from .node import Node, current_scope, enable_grad, new_node, now, recording, replaced, setting
from .ops.sampling import Drawn, drawn_from, generator
from .sweep import sweep
from .tape import Op
from .tensor import Tensor, astensor, handle
from .tree import leaves, mapped
from .values import immutable


@answering
def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, keeping only its inputs for the backward sweep: what it computes on the way is dropped, and computed again when needed.

    Time for memory: of a chain of n calls, their n inputs stay, and the values inside one call at a time. f takes and returns tensors,
    also in tuples, lists and dicts. It must compute the same when it runs again: no side effects but new values of leaves, such as running
    statistics, and no randomness but from seeds, from Generators among its arguments, and what the library draws itself, as a Dropout does.
    Derivatives of every order.

    Raises RuntimeError in the backward sweep if f then gives other results, or if what it closes over has changed.

    >>> import tinygrad_nd as nd
    >>> block = nd.checkpoint(lambda x: nd.sin(nd.exp(x)))
    >>> float(nd.grad(block)(0.0)) == float(nd.cos(1.0))
    True
    """
    if not callable(f):
        raise TypeError(f"checkpoint: takes a function, but got {kind_of(f)}")

    @wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not recording.get():
            return f(*args, **kwargs)
        call, since = _Call(f, args, kwargs), now()
        with _noting(call.drawn):
            out = f(*args, **kwargs)
        results = list(_tensors(out))
        made = [i for i, t in enumerate(results) if isinstance(t._node, Node) and t._node.op and t._node.index > since]
        parents = _beginnings([results[i] for i in made], since)
        if not parents:
            return out
        call.keep(made, parents)
        nodes, values = [t._node for t in results], [t._data for t in results]
        if len(made) == 1:
            nodes[made[0]] = new_node(_CALL, parents, (call,), call.params, values[made[0]])
        else:
            together = new_node(_CALL, parents, (call,), call.params, np.zeros(()))
            together.extra = None  # nobody holds it, so its cotangent is between it and its parts
            for k, i in enumerate(made):
                nodes[i] = new_node(_PART, (together,), (), {"part": k}, values[i])
        fresh = map(handle, values, nodes)
        return mapped(lambda t: next(fresh) if isinstance(t, Tensor) else t, out)

    return run


class _Call:
    """A call that can be repeated: the function, its arguments as they were, and what it closed over."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.inputs, self.scope = f, mapped(_kept, (args, kwargs)), current_scope.get()
        self.drawn: Drawn = {}
        self.params = {"function": getattr(f, "__name__", type(f).__name__)}
        self.last: tuple[Any, dict[Any, Any]] = (None, {})

    def keep(self, results: list[int], parents: Sequence[Node]) -> None:
        """Which of the tensors that f returns are results, and the values of the leaves that it found by itself."""
        given = {t._node for t in _tensors(self.inputs)}
        self.results = results
        self.closed = [(t, t._data) for n in parents if n not in given and (t := n.handle) is not None]

    def cotangent(self, node: Node, i: int, g: Any, recorded: bool) -> Tensor:
        """That of parent i. One sweep finds those of all; they wait for the sweep outside to ask for them, one by one."""
        key, found = self.last
        if key is not g or i not in found:
            arrived = self._sweep(node, g.parts if isinstance(g, _Parts) else {0: g}, recorded)
            found = {k: arrived[p] if p in arrived else astensor(np.zeros(p.shape, p.dtype)) for k, p in enumerate(node.parents)}
            self.last = g, found
        return found.pop(i)  # type: ignore[no-any-return]

    def _sweep(self, node: Node, parts: dict[int, Any], recorded: bool) -> dict[Node, Tensor]:
        args, kwargs = mapped(_kept, self.inputs)
        with enable_grad(), setting(current_scope, self.scope), _once_more(self.drawn):
            since, again = now(), list(_tensors(self.f(*args, **kwargs)))
        ys = {k: again[self.results[k]] for k in parts if self.results[k] < len(again)}
        if any(k not in ys or ys[k].shape != g.shape for k, g in parts.items()):
            raise self._changed("gave other results")
        live = [k for k in parts if ys[k].requires_grad]
        used = set(_beginnings([ys[k] for k in live], since))
        if not used <= set(node.parents) or any(t._data is not value for t, value in self.closed):
            raise self._changed("met other tensors")
        cotangents = [g if isinstance(g := parts[k], Tensor) else handle(np.asarray(g), None) for k in live]
        return sweep([ys[k] for k in live], cotangents, used, retain_graph=recorded, create_graph=recorded, bounded=True)

    def _changed(self, what: str) -> RuntimeError:
        return RuntimeError(
            f"checkpoint: {self.params['function']} {what} when it ran again for the backward sweep; it must compute the same from the "
            "same arguments, and what it closes over must not change until then"
        )


@contextmanager
def _noting(drawn: Drawn) -> Iterator[None]:
    """Inside, the library notes what it draws from; a call outside this one notes it, too."""
    outside = drawn_from.get()
    with setting(drawn_from, drawn):
        yield
    if outside is not None:
        outside.update({key: noted for key, noted in drawn.items() if key not in outside})


@contextmanager
def _once_more(drawn: Drawn) -> Iterator[None]:
    """The generators are in their earlier states inside, and as they were afterwards; so are leaves that get values."""
    sources = [generator(None, "checkpoint") if key is None else source for key, (source, _) in drawn.items()]
    before = [source.bit_generator.state for source in sources]
    for source, (_, state) in zip(sources, drawn.values()):
        source.bit_generator.state = state
    changes: list[tuple[Tensor, np.ndarray]] = []
    try:
        with setting(drawn_from, None), setting(replaced, changes):
            yield
    finally:
        for t, value in reversed(changes):
            t._data = value
        for source, state in zip(sources, before):
            source.bit_generator.state = state


class _Parts:
    """The cotangents of several results of one call, on their way to it as if they were one number."""

    shape, dtype, nbytes = (), np.dtype(float), 0

    def __init__(self, parts: dict[int, Any]) -> None:
        self.parts = parts

    def __add__(self, other: _Parts) -> _Parts:
        return _Parts({**self.parts, **other.parts})


class _CallOp(Op):
    def pull(self, node: Node, i: int, g: Any, recorded: bool) -> Any:
        t = node.saved[0].cotangent(node, i, g, recorded)
        return t if recorded else t._data


class _PartOp(Op):
    def pull(self, node: Node, i: int, g: Any, recorded: bool) -> Any:
        return _Parts({node.params["part"]: g})


_CALL = _CallOp("checkpoint", lambda *inputs: None, {})
_PART = _PartOp("result", lambda call: None, {})


def _beginnings(results: Sequence[Tensor], since: int) -> tuple[Node, ...]:
    """The tracked nodes older than `since` to which the results' own graph, made after it, leads; and leaves that it made for good, as
    the first call of a lazy layer does."""
    stack = [t._node for t in results]
    seen, found = set(stack), []
    while stack:
        n: Any = stack.pop()
        if n.index < since or (n.op is None and n.handle is not None):
            found.append(n)
            continue
        for p in n.parents:
            if p is not None and p.tracked and p not in seen:
                seen.add(p)
                stack.append(p)
    return tuple(sorted(found, key=lambda n: n.index))


def _kept(a: Any) -> Any:
    """An argument that nothing done to the original can change."""
    if isinstance(a, Tensor):
        return handle(immutable(a._data), a._node)
    return immutable(a) if isinstance(a, np.ndarray) else copy.deepcopy(a) if isinstance(a, np.random.Generator) else a


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (t for _, t in leaves(tree) if isinstance(t, Tensor))
