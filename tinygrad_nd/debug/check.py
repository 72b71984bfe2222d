"""Holding every rule of a graph against finite differences, at the values it was recorded with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ..arguments import number, whole
from ..node import Node, enable_grad
from ..replay import Unknown, Values, consistent, operands, run, values
from ..sweep import gradients
from ..tape import Op
from ..tensor import Tensor, tensor
from ..tree import leaves
from .words import graph_of, line_of, place, public, table

STEP = 1e-6  # of the differences, along a direction as long as the operand
_OF_HERMITIAN = {"cholesky", "eigh", "eigvalsh", "hermitian_part"}  # they read one triangle, and their rules count on the other


@dataclass(frozen=True)
class Check:
    """One rule of one node: "right", "wrong" or "skipped"; both derivatives along a random direction; why it was skipped or is wrong."""

    index: int
    operation: str
    argument: str
    scope: str
    source: str | None
    status: str
    expected: float | None = None
    found: float | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        where = ", ".join(filter(None, (self.scope, self.source)))
        values = _number(self.expected), _number(self.found)
        return f"#{self.index}", self.operation, self.argument, self.status, *values, where, self.note

    @property
    def marks(self) -> dict[int, str]:
        """Words for a drawing: `nd.draw(loss, mark=check)`."""
        if self.status != "wrong":
            return {}
        numbers = f"gives {self.found:.4g}, differences {self.expected:.4g}" if self.expected is not None and self.found is not None else ""
        return {self.index: f"rule for {self.argument!r} is wrong: {numbers or self.note}"}

    def __str__(self) -> str:
        rule = f"the rule of {self.operation} for {self.argument!r}{place(self.scope, self.source)}"
        if self.status != "wrong":
            return f"{rule} {'is right' if self.status == 'right' else f'was not checked: {self.note}'}"
        if self.expected is None or self.found is None:
            return f"{rule} is wrong: {self.note}"
        return f"{rule} is wrong: along a random direction it gives {self.found:.7g}, differences give {self.expected:.7g}" + (
            f" ({self.note})" if self.note else ""
        )


@dataclass(frozen=True)
class Report:
    """What `check_nodes` found: a row for every rule, oldest node first. Print it for a table; `nd.draw(loss, mark=report)` draws it."""

    rows: list[Check]

    @property
    def wrong(self) -> list[Check]:
        return [r for r in self.rows if r.status == "wrong"]

    @property
    def first_wrong(self) -> Check | None:
        return next(iter(self.wrong), None)

    @property
    def ok(self) -> bool:
        """Whether no rule is wrong."""
        return not self.wrong

    @property
    def marks(self) -> dict[int, str]:
        """Words for a drawing, of every wrong rule; the first is told to be."""
        found: dict[int, str] = {}
        for row in self.wrong:
            found |= {i: f"{found[i]}; {words}" if i in found else words for i, words in row.marks.items()}
        return {i: ("" if k or len(found) == 1 else "first: ") + words for k, (i, words) in enumerate(found.items())}

    def __str__(self) -> str:
        right, skipped = (sum(r.status == s for r in self.rows) for s in ("right", "skipped"))
        rules, operations = len(self.rows), len({r.index for r in self.rows})
        counts = f"{rules} rule{'s' * (rules != 1)} of {operations} operation{'s' * (operations != 1)}"
        lines = [f"{counts}: {right} right, {len(self.wrong)} wrong, {skipped} skipped"]
        if self.first_wrong:
            lines.append(f"First, {self.first_wrong}.")
        head = ("node", "operation", "argument", "status", "expected", "found", "where", "note")
        return "\n".join([*lines, table(head, [r.cells() for r in self.rows], left=4)])


def check_nodes(loss: Tensor, rtol: float = 1e-4, atol: float = 1e-7, *, seed: int = 0) -> Report:
    """Runs every node of the graph again on its recorded inputs, in double precision, and holds its rules against central differences.

    An operation with a wrong rule is found out by name, argument and scope, and by its line if it was made under `nd.debug.sources()`.
    Where an operation has a kink, a point nearby is tried. Run it before `backward()`, or with a retained graph.

    Raises RuntimeError for a freed graph, TypeError for what is no tensor, ValueError for a constant.

    >>> import tinygrad_nd as nd
    >>> @nd.primitive(x=lambda g, x: 2 * g * x)
    ... def third_power(x):
    ...     return x ** 3
    >>> x = nd.tensor([1.0, 2.0], requires_grad=True)
    >>> print(nd.debug.check_nodes(third_power(x).sum()).first_wrong)
    the rule of third_power for 'x' is wrong: along a random direction it gives ..., differences give ...
    """
    for what, value in (("rtol", rtol), ("atol", atol)):
        number("check_nodes", what, value, least=0, below=inf)
    seed = whole("check_nodes", "seed", seed, 0)
    graph = graph_of("check_nodes", loss, kept=True)
    nodes, known = [n for n in graph if n.op is not None], values(graph, [loss])
    return Report([row for n in nodes for row in _rows(n, known, rtol, atol, np.random.default_rng([seed, len(nodes)]))])


def _rows(node: Node, known: Values, rtol: float, atol: float, rng: np.random.Generator) -> Iterator[Check]:
    op = node.operation

    def row(i: int, status: str, *more: Any) -> Check:
        return Check(node.index, public(op), op.arg(i), node.scope, line_of(node), status, *more)

    tracked = [i for i, p in enumerate(node.parents) if isinstance(p, Node)]
    try:
        if type(op) is not Op:
            raise Unknown("it calls a function again, whose operations are not recorded")
        arrays = [_double(a) for a in operands(node, known, rng)]
        params = {k: _double_dtype(v) for k, v in node.params.items()}
        y = _run(op, arrays, params)
        _refuse(node, op, y, arrays, params)
    except Exception as error:
        reason = str(error) if isinstance(error, Unknown) else f"it cannot be run again: {type(error).__name__}: {error}"
        yield from (row(i, "skipped", None, None, reason) for i in tracked)
        return
    u = _random(np.asarray(y), rng)
    for i in tracked:
        try:
            yield row(i, *_compare(op, arrays, params, i, u, rtol, atol, rng))
        except Exception as error:
            yield row(i, "wrong", None, None, f"it raises {type(error).__name__}: {error}")


def _compare(
    op: Op, arrays: list[Any], params: dict[str, Any], i: int, u: np.ndarray, rtol: float, atol: float, rng: np.random.Generator
) -> tuple[str, float | None, float | None, str]:
    """(status, expected, found, note) of the rule for operand i, against the cotangent u."""
    note = ""
    for _ in range(3):
        x = np.asarray(arrays[i])
        if not np.isfinite(x).all():
            return "skipped", None, None, "its values are not finite here"
        v = _random(x, rng) * (np.abs(x) + 1e-3 * (np.sqrt(np.mean(np.square(np.abs(x)))) or 1) if x.size else 1)
        if op.kind in _OF_HERMITIAN:
            v = v + np.conj(v.swapaxes(-1, -2))

        def at(t: float) -> float:
            moved = [x + t * v if k == i else a for k, a in enumerate(arrays)]
            return float(np.vdot(u, _run(op, moved, params)).real)

        here, up, down = at(0), at(STEP), at(-STEP)
        expected, found = (up - down) / (2 * STEP), float(np.vdot(_pulled(op, arrays, params, i, u), v).real)
        noise = 1e-15 * (float(np.sum(np.abs(u) * np.abs(np.asarray(_run(op, arrays, params))))) + abs(here)) / STEP
        if abs(found - expected) <= atol + noise + rtol * max(abs(found), abs(expected)):
            return "right", expected, found, note
        if not np.isfinite(expected):
            return "skipped", expected, found, "its values are not finite here"
        right, left = (up - here) / STEP, (here - down) / STEP
        if abs(right - left) <= 0.1 * abs(found - expected) + noise:  # no kink explains it
            return "wrong", expected, found, note
        note = "it has a kink here; tried nearby"
        arrays = [x + 1e4 * STEP * v if k == i else a for k, a in enumerate(arrays)]
    return "wrong", expected, found, note


def _pulled(op: Op, arrays: list[Any], params: dict[str, Any], i: int, u: np.ndarray) -> np.ndarray:
    """What the rule for operand i makes of u."""
    x = tensor(np.asarray(arrays[i]), requires_grad=True)
    given = consistent(op, arrays, params)
    with enable_grad(), np.errstate(all="ignore"):
        y = op.function()(*(x if k == i else a for k, a in enumerate(given)), **params)
        return gradients(y, x, u).data  # type: ignore[no-any-return]


def _refuse(node: Node, op: Op, y: Any, arrays: list[Any], params: dict[str, Any]) -> None:
    """Raises Unknown where differences would tell nothing."""
    free = params.get("full") or params.get("mode") == "complete" or node.dtype.kind == "c"
    if op.kind == "eig" or (op.kind in ("eigh", "qr", "svd") and free):
        raise Unknown("its vectors are determined up to signs or phases only")
    if np.shape(y) != node.shape:
        raise Unknown("the value of a constant operand is not kept")
    beforehand = [*(v for _, v in leaves(params)), *(a for a, p in zip(arrays, node.parents) if not isinstance(p, Node))]
    if any(y is a for a in beforehand):
        raise Unknown("its result is computed beforehand")
    if not np.array_equal(y, _run(op, arrays, params), equal_nan=True):
        raise Unknown("it gives another result every time")


def _run(op: Op, arrays: list[Any], params: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        return run(op, arrays, params)


def _double(a: Any) -> Any:
    kind = getattr(getattr(a, "dtype", None), "kind", "")
    return np.asarray(a, {"f": np.float64, "c": np.complex128}[kind]) if kind in ("f", "c") else a


def _double_dtype(v: Any) -> Any:
    """A keyword that names a floating dtype, widened."""
    if isinstance(v, np.dtype) or (isinstance(v, type) and issubclass(v, np.generic)):
        return {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}.get(np.dtype(v).kind, v)
    return v


def _random(like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    r = rng.standard_normal(like.shape)
    return r + 1j * rng.standard_normal(like.shape) if like.dtype.kind == "c" else r


def _number(v: float | None) -> str:
    return "" if v is None else f"{v:.6g}"
