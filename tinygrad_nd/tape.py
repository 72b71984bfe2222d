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
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .kernels.memory import freeze
from .node import Node, recording
from .tensor import Tensor, handle, immutable, numeric

Rule = Callable[..., Any]
# Where the rule of argument i finds what it reads, then what to save for all of them. A find is (kind, slot in `saved` or a name, parent):
# input, out, shape and param as they are named; with *xs also all, shapes and position.
Plan = tuple[dict[int, list[tuple[str, Any, Any]]], tuple[tuple[str, Any], ...]]
OPS: dict[str, Op] = {}
FREED = object()
_PLAIN = frozenset({int, float, complex, bool, np.ndarray})  # operands that a kernel takes as they are


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
    """A declared operation: its kernel, its rules, and which values each rule reads."""

    __slots__ = ("name", "kernel", "rules", "args", "variadic", "defaults", "optional", "reads", "plans", "differentiable")

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
        for arg, rule in rules.items():
            if arg not in self.args:
                raise TypeError(f"primitive {name}: there is a rule for {arg!r}, but the arguments are {', '.join(self.args)}")
            if rule is not None and not callable(rule):
                raise TypeError(f"primitive {name}: the rule for {arg!r} must be a function of g, but is {rule!r}")
        self.rules = [rules.get(a) for a in self.args]
        self.reads = [self._reads(a, r, {p.name for p in keywords}) for a, r in zip(self.args, self.rules)]
        self.differentiable = any(r is not None for r in self.rules)
        self.plans: dict[tuple[int, int], Plan] = {}

    def _reads(self, arg: str, rule: Rule | None, keywords: set[str]) -> tuple[tuple[str, Any], ...]:
        """(kind, key) for every parameter of a rule after g."""
        if rule is None:
            return ()
        found: list[tuple[str, Any]] = []
        for p in list(inspect.signature(rule).parameters)[1:]:
            if p == "out":
                found.append(("out", None))
            elif p == "i" and self.variadic:
                found.append(("position", None))
            elif p in self.args:
                found.append(("all" if self.variadic else "input", self.args.index(p)))
            elif p.endswith("_shape") and p[:-6] in self.args:
                found.append(("shape", self.args.index(p[:-6])))
            elif p in keywords:
                found.append(("param", p))
            else:
                known = [*self.args, "out", *(f"{a}_shape" for a in self.args), *sorted(keywords)]
                raise TypeError(f"primitive {self.name}: the rule for {arg!r} reads {p!r}, which is none of {', '.join(known)}")
        return tuple(found)

    def function(self) -> Callable[..., Tensor]:
        """The operation on tensors: runs the kernel and, where a gradient may be asked for, records a node."""
        op, kernel, arity, defaults, plans = self, self.kernel, len(self.args), self.defaults, self.plans
        variadic, differentiable, record = self.variadic, self.differentiable, recording.get
        plain = _PLAIN | {type(None)} if None in self.optional.values() else _PLAIN  # such as a convolution's bias

        @wraps(kernel)
        def call(*args: Any, **params: Any) -> Tensor:
            if len(args) != arity and not variadic:
                args, params = op._bind(args, params)
            if defaults:
                params = {**defaults, **params}
            arrays = []
            mask, bit = 0, 1  # which arguments are tracked: bit i of mask for argument i
            for a in args:
                if isinstance(a, Tensor):
                    arrays.append(a._data)
                    node = a._node
                    if node is not None and node.tracked:
                        mask |= bit
                else:
                    arrays.append(a if type(a) in plain else _as_operand(a, op.name))
                bit += bit
            try:
                out = kernel(*arrays, **params)
            except (ValueError, TypeError) as error:
                raise _named(error, op.name) from error
            if type(out) is not np.ndarray:
                out = np.asarray(out)
            for a in arrays:
                if a is out:  # freezing an operand would freeze the caller's array
                    out = out.view()
            if out.base is None:
                out.setflags(write=False)
            else:
                freeze(out)
            t = object.__new__(Tensor)
            t._data = out
            if mask and differentiable and record() and out.dtype.kind in "fc":
                # What the needed rules read was planned once per mask; nothing else is kept.
                finds, slots = plans.get((mask, len(args))) or op._plan(mask, len(args))
                saved: list[Any] = [finds]
                for kind, i in slots:
                    saved.append(np.shape(arrays[i]) if kind == "shape" else immutable(out if kind == "out" else arrays[i]))
                t._node = Node(op, tuple([a._node if isinstance(a, Tensor) else None for a in args]), saved, params, out)
            else:
                t._node = None
            return t

        call.op = self  # type: ignore[attr-defined]
        return call

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional arguments given by keyword, put in their places."""
        given = {**self.optional, **params}
        missing = [a for a in self.args[len(args) :] if a not in given]
        if missing or len(args) > len(self.args):
            raise TypeError(f"{self.name}: takes {', '.join(self.args)}, but got {len(args)} positional argument{'s' * (len(args) != 1)}")
        rest = {k: v for k, v in params.items() if k not in self.args}
        return (*args, *(given[a] for a in self.args[len(args) :])), rest

    def _plan(self, mask: int, count: int) -> Plan:
        """What to save when the arguments in `mask` need gradients, and where each of their rules will find what it reads."""
        needed = [i for i in range(count) if mask >> i & 1]
        rule_of = [0 if self.variadic else i for i in range(count)]
        for i in needed:
            if self.rules[rule_of[i]] is None:
                raise TypeError(f"{self.name}: not differentiable in {self.args[i]!r}; pass x.detach() if no gradient is meant")
        slots: dict[tuple[str, Any], int] = {}

        def slot(kind: str, key: Any) -> int:
            return slots.setdefault((kind, key), len(slots) + 1)

        finds: dict[int, list[tuple[str, Any, Any]]] = {}
        for i in needed:
            found: list[tuple[str, Any, Any]] = []
            finds[i] = found
            for kind, key in self.reads[rule_of[i]]:
                if kind == "all":
                    found.append(("all", [slot("input", k) for k in range(count)], None))
                elif kind == "shape" and self.variadic:
                    found.append(("shapes", [slot("shape", k) for k in range(count)], None))
                elif kind == "shape":
                    found.append(("shape", slot("shape", key), None))
                elif kind == "input":
                    found.append(("input", slot("input", key), key))
                else:
                    found.append((kind, slot("out", None) if kind == "out" else key, None))
        plan = self.plans[mask, count] = (finds, tuple(slots))
        return plan

    def pull(self, node: Node, i: int, g: Tensor) -> Tensor:
        """The cotangent of argument i, from the cotangent g of the result."""
        saved, parents, values = node.saved, node.parents, []
        for kind, where, key in saved[0][i]:
            if kind == "input":
                values.append(_as_tensor(saved[where], parents[key]))
            elif kind == "param":
                values.append(node.params[where])
            elif kind == "shape":
                values.append(saved[where])
            elif kind == "out":
                values.append(handle(saved[where], node))
            elif kind == "all":
                values.append([_as_tensor(saved[k], p) for k, p in zip(where, parents)])
            elif kind == "shapes":
                values.append([saved[k] for k in where])
            else:
                values.append(i)
        rule = self.rules[0 if self.variadic else i]
        assert rule is not None
        result = rule(g, *values)
        if not isinstance(result, Tensor):
            kind = type(result).__name__
            raise TypeError(f"{self.name}: the rule for {self.arg(i)!r} must return a tensor, in tensor operations, but returned {kind}")
        return result

    def arg(self, i: int) -> str:
        """The name of argument i."""
        return f"{self.args[0]}[{i}]" if self.variadic else self.args[i]


def _named(error: Exception, name: str) -> Exception:
    """The same error, saying which operation raised it."""
    if str(error).startswith(name) or isinstance(error, np.linalg.LinAlgError):
        return error
    return (TypeError if isinstance(error, TypeError) else ValueError)(f"{name}: {error}")


def _as_operand(a: Any, where: str) -> Any:
    """A NumPy scalar as it is, anything else as an array of numbers."""
    return a if isinstance(a, np.generic) else numeric(a, None, where)


def _as_tensor(a: Any, node: Any) -> Any:
    """A saved operand as its rule sees it: numbers stay numbers, so that they stay weak in promotion."""
    return handle(a, node) if type(a) is np.ndarray else a
