"""The tape: how an operation is declared, and what it records.

An operation is a function on arrays with one rule per differentiable argument:

    @primitive(a=lambda g, b: g @ b.mT,
               b=lambda g, a: a.mT @ g)
    def matmul(a, b):
        return np.matmul(a, b)

A rule gets the cotangent `g` of the result and whatever else its parameters name: an input, `out`, `x_shape` (the shape of input x) or a
keyword. Those names are also the save list: nothing else is kept alive. Rules are written in tensor operations, so a sweep can itself be
recorded, and derivatives of every order come for free.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from numpy import asarray, generic, ndarray

from .node import Node
from .operation import operation
from .tensor import Tensor, handle
from .titles import TITLES
from .values import frozen

Rule = Callable[..., Any]
OPS: dict[str, Op] = {}


class _Freed:
    """What a node has saved once a sweep has freed it; a sweep that asks for it then was under way before."""

    def __getitem__(self, where: Any) -> Any:
        raise RuntimeError("backward: a sweep inside this one, in a hook or a rule, has freed its graph; pass retain_graph=True to that")


FREED = _Freed()


def primitive(name: str | None = None, **rules: Rule | None) -> Callable[[Callable[..., Any]], Callable[..., Tensor]]:
    """Declares a differentiable operation: `rules` maps an argument's name to its vector-Jacobian product.

    The decorated function receives arrays (or Python numbers) for its positional arguments, and keywords as they are; it must return a
    new array or a view, and change nothing. None is passed on only if some argument defaults to it. With `*xs`, the rule for `xs` is
    called for each operand in turn; `i` is its position. An operation without rules is not differentiable: its results need no gradient.

    Raises TypeError at declaration if a rule is for no argument or names something that does not exist.

    >>> import tinygrad_nd as nd
    >>> @nd.primitive(x=lambda g, x: 3 * g * x ** 2)
    ... def cube(x):
    ...     return x * x * x
    >>> x = nd.tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> float(x.grad)
    12.0
    """

    if callable(name):
        raise TypeError("primitive: give the rules first, as in @primitive(x=lambda g, x: ...); @primitive() if there are none")

    def declare(kernel: Callable[..., Any]) -> Callable[..., Tensor]:
        op = Op(name or kernel.__name__.strip("_"), kernel, rules)
        if (kernel.__module__ or "").startswith(__package__ + "."):
            if op.name in OPS:
                raise TypeError(f"primitive: an operation named {op.name!r} exists already")
            OPS[op.name] = op
        return op.function()

    return declare


class Op:
    """A declared operation: its kernel, its rules, and which values each rule reads.

    `bare`: where nothing is recorded, below so many elements of g its rules are given arrays in the place of tensors. `add(total, g, node,
    i)` adds to an array what the rule of argument i makes of g, where that is cheaper; it returns False if it did not. `fresh`: what its
    rules make of arrays is nobody else's, and is added into from the first. `scalar`, if there is one, does with two of NumPy's floats what
    the kernel does with arrays without axes.
    """

    __slots__ = (
        "name", "kernel", "rules", "args", "variadic", "defaults", "optional", "slots", "finds", "direct", "barred", "keywords", "bare",
        "add", "fresh", "scalar",
    )  # fmt: skip

    def __init__(self, name: str, kernel: Callable[..., Any], rules: dict[str, Rule | None]) -> None:
        parameters = inspect.signature(kernel).parameters.values()
        self.name, self.kernel = name, kernel
        self.args = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if self.variadic and len(self.args) > 1:
            raise TypeError(f"primitive {name}: *{self.args[-1]} must be the only positional argument")
        keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.defaults = {p.name: p.default for p in keywords if p.default is not p.empty}
        self.optional = {p.name: p.default for p in parameters if p.name in self.args and p.default is not p.empty}
        read: dict[str, list[str]] = {}
        for arg, rule in rules.items():
            if arg not in self.args:
                raise TypeError(f"primitive {name}: there is a rule for {arg!r}, but the arguments are {', '.join(self.args)}")
            if rule is not None and not callable(rule):
                raise TypeError(f"primitive {name}: the rule for {arg!r} must be a function of g, but is {rule!r}")
            read[arg] = [] if rule is None else list(inspect.signature(rule).parameters)
            if rule is not None and not read[arg]:
                raise TypeError(f"primitive {name}: the rule for {arg!r} takes no argument; the first is the cotangent g of the result")
        self.rules = [rules.get(a) for a in self.args]
        self.keywords, self.bare = bool(keywords), 0.0
        self.add: Callable[..., bool] | None = None
        self.fresh = False
        self.scalar: Callable[[Any, Any], Any] | None = None
        self._plan([read.get(a, [])[1:] for a in self.args], {p.name for p in keywords})

    def _plan(self, read: list[list[str]], keywords: set[str]) -> None:
        """What a node saves, and where each rule finds what it reads, the names of its parameters after g.

        `slots` holds, for each entry of a node's `saved`, (kind, argument, the bit mask of the arguments whose rules read it): it is
        filled if one of them needs a gradient. `finds` holds, for each rule and each of its parameters after g, (kind, where, argument).
        `barred` is the mask of the arguments that may not need one: all of them for an operation without rules is no mistake.
        """
        slots: dict[tuple[str, int], int] = {}
        self.finds: list[list[tuple[str, Any, int]]] = []
        for i, names in enumerate(read):
            found: list[tuple[str, Any, int]] = []
            for p in names:
                if p == "i" and self.variadic:
                    found.append(("position", None, 0))
                elif p in keywords:
                    found.append(("param", p, 0))
                else:
                    key = self._saved_as(i, p, keywords)
                    slots[key] = slots.get(key, 0) | (-1 if self.variadic else 1 << i)
                    found.append((key[0], list(slots).index(key), key[1]))
            self.finds.append(found)
        self.slots = [(kind, arg, readers) for (kind, arg), readers in slots.items()]
        self.direct = [_direct(rule, finds) for rule, finds in zip(self.rules, self.finds)]
        self.barred = 0 if not any(self.rules) or self.variadic else sum(1 << i for i, r in enumerate(self.rules) if r is None)

    def _saved_as(self, i: int, p: str, keywords: set[str]) -> tuple[str, int]:
        """(kind, argument) of the value that the rule of argument i calls p."""
        if p == "out":
            return "out", 0
        if p in self.args:
            return ("inputs" if self.variadic else "input"), self.args.index(p)
        if p.endswith("_shape") and p[:-6] in self.args:
            return ("shapes" if self.variadic else "shape"), self.args.index(p[:-6])
        known = [*self.args, "out", *(f"{a}_shape" for a in self.args), *sorted(keywords)]
        raise TypeError(f"primitive {self.name}: the rule for {self.args[i]!r} reads {p!r}, which is none of {', '.join(known)}")

    def function(self) -> Callable[..., Tensor]:
        """The operation on tensors: runs the kernel and, where a gradient may be asked for, records a node."""
        return operation(self)

    def pull(self, node: Node, i: int, g: Any, recorded: bool) -> Any:
        """The cotangent of argument i, from the cotangent g of the result: tensors where the sweep is `recorded`, else arrays."""
        if g.size < self.bare and not recorded:
            return self.direct[i](g, node)
        k = 0 if self.variadic else i
        rule, finds, saved = self.rules[k], self.finds[k], node.saved
        assert rule is not None
        values: list[Any] = []
        for kind, where, arg in finds:
            if kind == "input":
                values.append(_as_tensor(saved[where], node.parents[arg] if recorded else None))
            elif kind == "out":
                values.append(_as_tensor(saved[where], node if recorded else None))
            elif kind == "param":
                values.append(node.params[where])
            elif kind == "inputs":
                values.append([_as_tensor(a, p if recorded else None) for a, p in zip(saved[where], node.parents)])
            elif kind == "position":
                values.append(i)
            else:
                values.append(saved[where])
        try:
            result = rule(g if recorded else handle(frozen(g), None), *values)
        except Exception as error:
            error.add_note(f"raised by the rule of {self.name} for {self.arg(i)!r}, from a cotangent {g.shape} {g.dtype}")
            raise
        if not isinstance(result, Tensor) or result._data.dtype.kind not in "fc":
            kind = f"one of {result.dtype}" if isinstance(result, Tensor) else type(result).__name__
            parent = node.parents[i]
            raise TypeError(
                f"{self.name}: the rule for {self.arg(i)!r} must return a tensor like it, {parent.shape} {parent.dtype}, computed "
                f"by tensor operations, but returned {kind}"
            )
        return result if recorded else result._data

    @property
    def kind(self) -> str:
        """The name by which the library's tables know it; "" of anybody else's operation, whatever it is called."""
        return self.name if OPS.get(self.name) is self else ""

    @property
    def title(self) -> str:
        """What a user calls it."""
        return TITLES.get(self.kind, self.name)

    def arg(self, i: int) -> str:
        """The name of argument i."""
        return f"{self.args[0]}[{i}]" if self.variadic else self.args[i]


def _direct(rule: Any, finds: Sequence[tuple[str, Any, int]]) -> Callable[[Any, Node], Any]:
    """The rule as a function of g and the node, on bare arrays: handles would cost more than the arithmetic."""
    rule = getattr(rule, "bare", rule)

    def pull(g: Any, node: Node) -> Any:
        values = [node.params[where] if kind == "param" else node.saved[where] for kind, where, _ in finds]
        if not g.ndim:  # NumPy computes with numbers six times faster than with 0-d arrays
            values = [a[()] if type(a) is ndarray else a for a in values]
        result = rule(g, *values)
        return result._data if isinstance(result, Tensor) else result

    def pull_one(g: Any, node: Node) -> Any:
        """The same, written out for one value."""
        a = node.saved[first]
        if type(a) is ndarray and not g.ndim:
            a = a[()]
        result = rule(g, a)
        return result._data if isinstance(result, Tensor) else result

    def pull_alone(g: Any, node: Node) -> Any:
        """For none."""
        result = rule(g)
        return result._data if isinstance(result, Tensor) else result

    if not finds:
        return pull_alone
    if len(finds) > 1 or finds[0][0] == "param":
        return pull
    first = finds[0][1]
    return pull_one


def saved_operands(node: Node) -> dict[int, Any]:
    """What an operation keeps for its backward pass, by position of the operand; -1 is its own result."""
    if node.op is None or node.saved is FREED or len(node.op.slots) != len(node.saved):
        return {}
    kept: dict[int, Any] = {}
    for (kind, i, _), value in zip(node.op.slots, node.saved):
        if kind == "inputs" and value is not None:
            kept |= enumerate(value)
        elif kind in ("input", "out") and value is not None:
            kept[i if kind == "input" else -1] = asarray(value) if isinstance(value, generic) else value
    return kept


def _as_tensor(a: Any, node: Any) -> Any:
    """A saved operand as its rule sees it: numbers stay numbers, so that they stay weak in promotion."""
    return handle(a, node) if type(a) is ndarray else handle(frozen(a), node) if isinstance(a, generic) else a
