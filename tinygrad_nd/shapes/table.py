"""A model's layers as a table: what each gives, how many parameters it has, what it computes and moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import dtype_of, whole
from ..debug.words import table
from ..draw.facts import Cost, cost
from ..draw.labels import OWN, Kind, operand_shape
from ..nn.module import Module, attributes, watching
from ..node import Node, current_scope, enable_grad, now, setting
from ..replay import reachable
from ..tape import saved_operands
from ..tensor import Tensor, astensor, default_dtype
from ..tree import leaves

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer: a call of a module that calls no other, or an operation outside of such.

    name: the scope it ran in, such as "Net/block/conv". kind: the module's class, or the operation. shape: of its output, a tuple of shapes
    for several. parameters: numbers learned, each counted where it is used first. flops: floating-point operations of one run forward, two
    per multiply-add. bytes: read and written by its operations, every operand and result once.
    """

    name: str
    kind: str
    shape: Any
    parameters: int
    flops: int
    bytes: int


@dataclass(frozen=True)
class Table:
    """The rows in the order they ran; printing it shows them, and the sums."""

    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        return sum(row.flops for row in self.rows)

    @property
    def bytes(self) -> int:
        return sum(row.bytes for row in self.rows)

    def __repr__(self) -> str:
        cells = [(r.name, r.kind, str(r.shape), *(f"{v:,}" for v in (r.parameters, r.flops, r.bytes))) for r in self.rows]
        cells += [("in all", "", "", *(f"{v:,}" for v in (self.parameters, self.flops, self.bytes)))]
        return table(("layer", "kind", "output", "parameters", "flops", "bytes"), cells, left=3)


@dataclass(frozen=True)
class _Call:
    """A call of a module, and the numbers between which its nodes were made."""

    module: Module
    scope: str
    first: int
    last: int
    result: Any


def trace(model: Callable[..., Any], shape: Sequence[int] | Sequence[Sequence[int]], dtype: npt.DTypeLike | None = None) -> Table:
    """The layers of a module or function, found by running it once on ones of the given shape (a sequence of shapes: several inputs).

    An integer dtype makes zeros, valid indices. Parameters, gradients, running statistics and generators stay as they were. Operations
    that lead to no output are not seen, nor is what a custom module changes beyond its tensors put back.

    >>> from tinygrad_nd import nn
    >>> trace(nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)), (2, 3, 8, 8))
    layer         kind     output        parameters    flops   bytes
    Sequential/0  Conv2d   (2, 8, 8, 8)         224   55,296   6,528
    Sequential/1  ReLU     (2, 8, 8, 8)           0    1,024   8,192
    Sequential/2  Flatten  (2, 512)               0        0       0
    Sequential/3  Linear   (2, 10)            5,130   20,480  24,696
    in all                                    5,354   76,800  39,416
    """
    if not callable(model):
        raise TypeError(f"trace: model must be a module or a function, but is a {type(model).__name__}")
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise TypeError(f"trace: shape must be a sequence of ints, or a sequence of shapes, but is {shape!r}")
    several = len(shape) and all(isinstance(s, Sequence) for s in shape)
    shapes: Any = shape if several else [shape]
    shapes = [tuple(whole("trace", "a size in shape", n, 0) for n in s) for s in shapes]
    kind = default_dtype() if dtype is None else dtype_of("trace", dtype)
    fill = np.ones if kind.kind in "fc" else np.zeros
    inputs = [astensor(fill(s, kind), requires_grad=kind.kind in "fc") for s in shapes]
    calls: list[_Call] = []
    with _as_it_was() as keep:

        def watch(module: Module, run: Callable[[], Any]) -> Any:
            keep(module)
            first = now()
            result = run()
            calls.append(_Call(module, current_scope.get(), first, now(), result))
            return result

        with enable_grad(), setting(watching, watch), np.errstate(all="ignore"):
            result = model(*inputs)
        roots = [t._node for _, t in leaves(result) if isinstance(t, Tensor) and t._node is not None]
        return Table(tuple(_rows(reachable(roots), calls, {id(t._node) for t in inputs})))


def _rows(nodes: Sequence[Any], calls: list[_Call], counted: set[int]) -> Iterator[Row]:
    """A row for each innermost call, and for each operation outside of them, in order."""
    inner = [c for c in calls if not any(c.first < other.first and other.last < c.last for other in calls)]
    alone = [n for n in nodes if n.op is not None and not any(c.first < n.index < c.last for c in inner)]
    for part in sorted([*inner, *alone], key=lambda part: part.first if isinstance(part, _Call) else part.index):
        if isinstance(part, _Call):
            own = [n for n in nodes if n.op is not None and part.first < n.index < part.last]
            shapes = tuple(np.shape(leaf) for _, leaf in leaves(part.result))
            name, what, shape = part.scope, type(part.module).__name__, shapes[0] if len(shapes) == 1 else shapes
            learned = [(id(p._node), p.size) for p in part.module.parameters()]
        else:
            own, name, what, shape, learned = [part], part.scope, part.op.title, part.shape, []
        learned += [(id(p), int(np.prod(p.shape))) for n in own for p in n.parents if isinstance(p, Node) and p.op is None]
        fresh = {key: size for key, size in learned if key not in counted}
        counted |= fresh.keys()
        total = sum((cost(n, _operands(n)) for n in own), Cost(0, 0))
        yield Row(name, what, shape, sum(fresh.values()), total.flops, total.bytes)


def _operands(node: Node) -> list[Shape | None]:
    """The shape of each operand that somebody passed, as far as the graph tells."""
    kept, names = saved_operands(node), Kind(node.operation, len(node.parents)).args
    known = [p.shape if p is not None else np.shape(kept[i]) if i in kept else None for i, p in enumerate(node.parents)]
    known = [None if name in OWN else shape for name, shape in zip(names, known)]
    return [operand_shape(node, i) if shape is None and i < 2 else shape for i, shape in enumerate(known)]


@contextmanager
def _as_it_was() -> Iterator[Callable[[Module], None]]:
    """Gives a function that remembers a module's tensors and generators; afterwards they are as when it was called first."""
    tensors: dict[int, tuple[Tensor, Any, Any]] = {}
    generators: dict[int, tuple[np.random.Generator, Any]] = {}

    def keep(module: Module) -> None:
        for value in (v for m in module.modules() for v in attributes(m)):
            if isinstance(value, Tensor):
                tensors.setdefault(id(value), (value, value._data, value._node))
            elif isinstance(value, np.random.Generator):
                generators.setdefault(id(value), (value, value.bit_generator.state))

    try:
        yield keep
    finally:
        for t, data, node in tensors.values():
            t._data, t._node = data, node
        for generator, state in generators.values():
            generator.bit_generator.state = state
