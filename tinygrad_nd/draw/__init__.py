"""Pictures of the graph: nodes become a plain Graph, which becomes DOT, SVG, HTML or text."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..arguments import flag, option, whole
from ..tensor import Tensor
from .names import gather
from .render import DotNotFound

if TYPE_CHECKING:
    from .drawing import Drawing

__all__ = ["DotNotFound", "draw"]


def draw(
    *outputs: Any,
    grads: bool = False,
    stats: bool = False,
    cost: bool = False,
    source: bool = False,
    depth: int | None = None,
    names: str | Mapping[str, Tensor] | None = "auto",
    rankdir: str = "TB",
    max_nodes: int | None = None,
    mark: Any = None,
) -> Drawing:
    """Draws the graph that computes `outputs` (tensors, or lists and tuples of them): every node once, scopes as boxes.

    stats: mean, deviation, zeros and non-finite values along the edges. grads: `.grad` of leaves, and along the edges the gradient of the
    sum of the outputs: its norm (the width of the edge), zeros and non-finite entries. Both are computed again where nothing holds them any
    more. cost: estimated operations, bytes read and written, bytes kept for the backward pass, and the seconds a second run takes, forward
    and backward; the dearest are the darkest. source: the line that made a node, if it was made under `nd.debug.sources()`.
    depth: folds what lies deeper than so many scopes; a page opens so, and unfolds. names: "auto" adds the caller's variable names, a
    mapping {name: tensor} sets them, None adds none. rankdir: "TB", "LR", "BT" or "RL". max_nodes: folds the deepest scopes, then drops the
    oldest nodes, until it fits. mark: what to draw red: whatever `nd.debug.check_nodes`, `lint` or `anomaly` found, or a mapping
    {tensor: words}.

    Raises TypeError for what is no tensor; ValueError for an unknown rankdir, a negative depth or max_nodes below 1.

    >>> from tinygrad_nd import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> print(draw(y))
    2 operations, 1 leaf, 1 output
                         result  dtype    flop  memory
    %0 x [leaf]          (2,)    float64          16 B
    %1 multiply(%0, %0)  (2,)    float64     2    16 B
    %2 y = sum(%1)       ()      float64     2     8 B  axis 0, output
    total                                    4    40 B
    """
    from .dot import RANKDIRS  # most programs draw nothing, and need not wait for these
    from .drawing import Drawing
    from .fold import fold, limit
    from .trace import marks_of, trace

    tensors = list(_tensors(outputs))
    if not tensors:
        raise TypeError("draw: needs at least one tensor to draw, but got none")
    for name, value in (("grads", grads), ("stats", stats), ("cost", cost), ("source", source)):
        flag("draw", name, value)
    option("draw", "rankdir", rankdir, RANKDIRS)
    depth = None if depth is None else whole("draw", "depth", depth, 0)
    max_nodes = None if max_nodes is None else whole("draw", "max_nodes", max_nodes)
    frame = inspect.currentframe()
    called_as = gather(names, frame.f_back if frame else None)
    del frame
    traced = trace(tensors, called_as, grads=grads, stats=stats, cost=cost, source=source, marks=marks_of(mark))
    graph = traced if depth is None else fold(traced, depth)
    if max_nodes is not None:
        return Drawing(limit(graph, max_nodes), rankdir)
    return Drawing(graph, rankdir, traced, depth)


def _tensors(outputs: Any) -> Iterator[Tensor]:
    for t in outputs:
        if isinstance(t, Tensor):
            yield t
        elif isinstance(t, (list, tuple)):
            yield from _tensors(t)
        else:
            hint = "; call it, and draw its result" if callable(t) else "; only what is computed from tensors has a graph"
            raise TypeError(f"draw: draws tensors, or lists and tuples of them, but got {type(t).__name__}{hint}")
