"""What one position of an output sees of an input, read off the recorded graph.

A sweep goes back from the output and carries the positions that are seen of every axis of every node, see `back`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod

import numpy as np

from ..node import Node
from ..ops.shape import axes_of
from ..replay import reachable
from ..tensor import Tensor
from .back import back, phases
from .seen import Axes, Seen, fixed

_MOST_PHASES = 64  # neighbouring outputs that are followed where the network upsamples


@dataclass(frozen=True)
class ReceptiveField:
    """Per spatial axis of the input, in its positions: position j of the output sees position j·stride + offset and the size - 1 after it.

    size: from the first to the last position seen. stride: how far the field moves with one step of the output, an int or a Fraction; 0 if
    every position sees the same, as behind a global pool. offset: where the field of output position 0 begins, negative in the padding.
    Where the network upsamples, neighbouring positions differ: size is then that of the largest field, and none begins before the offset.
    """

    size: tuple[int, ...]
    stride: tuple[int | Fraction, ...]
    offset: tuple[int, ...]

    def __repr__(self) -> str:
        stride = ", ".join(map(str, self.stride)) + "," * (len(self.stride) == 1)
        return f"ReceptiveField(size={self.size}, stride=({stride}), offset={self.offset})"


def receptive_field(output: Tensor, input: Tensor, *, axes: Sequence[int] | None = None) -> ReceptiveField:
    """What each position of `output` sees of `input`, exactly, through strides, dilation, pools, skips and upsampling.

    axes: the spatial axes of the input, by default all after (N, C). Statistics over space, such as those of a batch norm that is training,
    see everything: put the model in `eval()` to look at its windows. A skip of another stride is an error.

    >>> import tinygrad_nd as nd
    >>> x = nd.ones((1, 1, 32), requires_grad=True)
    >>> y = nd.conv_nd(nd.max_pool_nd(nd.conv_nd(x, np.ones((1, 1, 3))), 2), np.ones((1, 1, 3)), padding=1)
    >>> receptive_field(y, x)
    ReceptiveField(size=(8,), stride=(2,), offset=(-2,))

    Raises ValueError if the output does not depend on the input, or through an operation whose positions cannot be followed.
    """
    for name, t in (("output", output), ("input", input)):
        if not isinstance(t, Tensor):
            raise TypeError(f"receptive_field: {name} must be a tensor, but is a {type(t).__name__}")
    if not isinstance(input._node, Node) or not isinstance(output._node, Node):
        which = "input" if not isinstance(input._node, Node) else "output"
        raise ValueError(f"receptive_field: the {which} is in no graph; make the input with requires_grad=True and run the model again")
    chosen = tuple(range(2, input.ndim)) if axes is None else axes_of(axes, input.ndim, "receptive_field")
    seen = _sweep(output._node, input._node)
    if seen is None:
        raise ValueError("receptive_field: the output does not depend on the input")
    found = [_summary(seen[a], input.shape[a], a) for a in chosen]
    return ReceptiveField(*(tuple(f[i] for f in found) for i in range(3)))  # type: ignore[arg-type]


def _sweep(output: Node, input: Node) -> Axes | None:
    """What is seen of each axis of the input; None if nothing is."""
    nodes = [n for n in reachable([output]) if isinstance(n, Node) and n.index >= input.index]
    most = min(prod(map(phases, nodes)), _MOST_PHASES)
    seen: dict[Node, Axes] = {output: []}
    for axis, n in enumerate(output.shape):
        count = min(most, n)
        first = (n - count) // 2
        seen[output].append(Seen(axis, Fraction(1), first, tuple(np.array([first + i]) for i in range(count))))
    for node in reversed(nodes):
        if node is input or node not in seen or node.op is None:
            continue
        axes = seen.pop(node)
        for i, parent in enumerate(node.parents):
            if isinstance(parent, Node) and parent.index >= input.index:
                found = back(node, i, axes)
                seen[parent] = [_united(a, b, node) for a, b in zip(seen[parent], found)] if parent in seen else found
    return seen.get(input)


def _united(a: Seen, b: Seen, node: Node) -> Seen:
    if a.source is not None and b.source is not None:
        if (a.source, a.stride) != (b.source, b.stride):
            raise ValueError(
                f"receptive_field: branches meet with strides {a.stride} and {b.stride}, before {node!r}; no single field describes both"
            )
        return Seen(a.source, a.stride, a.first, tuple(np.union1d(p, q) for p, q in zip(a.sets, b.sets)), a.blocked or b.blocked)
    if a.source is None and b.source is None and len(a.sets) == len(b.sets) == 1:
        return fixed(np.union1d(a.sets[0], b.sets[0]), a.blocked or b.blocked)
    return a if a.source is None else b  # one of them sees everything


def _summary(seen: Seen, n: int, axis: int) -> tuple[int, int | Fraction, int]:
    """(size, stride, offset) of an axis of length n."""
    if seen.blocked:
        raise ValueError(f"receptive_field: cannot follow positions of axis {axis} through {seen.blocked}")
    if seen.source is None:
        inside = seen.sets[0][(seen.sets[0] >= 0) & (seen.sets[0] < n)]
        return (int(inside[-1] - inside[0]) + 1 if inside.size else 0), 0, int(inside[0]) if inside.size else 0
    filled = [(seen.first + i, s) for i, s in enumerate(seen.sets) if s.size]
    if not filled:
        return 0, 0, 0
    size = max(int(s[-1] - s[0]) + 1 for _, s in filled)
    offset = min(floor(int(s[0]) - position * seen.stride) for position, s in filled)
    return size, int(seen.stride) if seen.stride.denominator == 1 else seen.stride, offset
