"""What is drawn of numbers: the words, width and colour of edges, the shade of costs, and the legend that explains what occurs."""

from __future__ import annotations

from collections.abc import Iterable
from math import log10

from .card import INK, escaped, font, frame, quoted
from .graph import Edge, Graph, Vertex
from .text import gradient_words, totals, value_words

MEANING = {
    "product": "product",
    "elementwise": "elementwise",
    "reduction": "along axes or windows",
    "movement": "no arithmetic",
    "leaf": "gets a gradient",
    "given": "given",
    "constant": "constant",
    "fold": "folded scope",
    "output": "output",
}
# Light to dark in one hue: the same order for every eye, and on paper.
SHADES = ("#FFFFFF", "#FFF2D6", "#FFE0A6", "#FFC76B", "#FFAE4A", "#F0963C")


class Heat:
    """The shade of a vertex by its share of the largest cost: of seconds where any were measured, else of operations."""

    def __init__(self, graph: Graph) -> None:
        known = [v.cost for v in graph.vertices if v.cost]
        self.timed = any(c.seconds for c in known)
        self.most = max((c.seconds if self.timed else float(c.flops) for c in known), default=0.0)

    def fill(self, v: Vertex) -> str:
        """ "" where costs are not drawn."""
        if not v.cost or not self.most:
            return ""
        share = (v.cost.seconds if self.timed else v.cost.flops) / self.most
        return SHADES[round(share * (len(SHADES) - 1))]


def edge_style(e: Edge, silent: bool) -> list[str]:
    """Words for what flows, unless `silent`; width by the gradient's norm, two decades to a step; red and bold from a nan or inf on, grey
    dashes for none."""
    lines = [e.label] if e.label else []
    if e.value:
        lines.append(value_words(e.value))
    if e.grad:
        lines.append(gradient_words(e.grad))
    words = quoted("\n".join(lines), "\u00a0")  # a little away from the line
    style = [] if silent else [f'label="{words}"']
    if (e.value and e.value.bad) or (e.grad and e.grad.bad):
        style += [f'color="{INK["red"]}:{INK["red"]}" fontcolor="{INK["red"]}" penwidth=2']
    elif e.grad and e.grad.norm is None:
        style += ['color="#9AA1AB" style=dashed']
    elif e.grad and e.grad.norm is not None:
        style += [f"penwidth={width(e.grad.norm):.2g}"] + (["style=dotted"] if not e.grad.norm else [])
    return style


def width(norm: float) -> float:
    """
    >>> [width(norm) for norm in (0.0, 1e-6, 0.01, 1.0, 100.0, 1e9)]
    [0.5, 0.5, 1.0, 2.0, 3.0, 5.0]
    """
    return min(max(2 + 0.5 * log10(norm), 0.5), 5.0) if norm else 0.5


def samples(vertices: Iterable[Vertex]) -> list[Vertex]:
    """One vertex of every look that occurs, called by what it means."""
    vertices = list(vertices)
    looks = {v.family or v.kind: v for v in vertices}
    found = [Vertex(v.kind, meaning, family=v.family) for look, meaning in MEANING.items() if (v := looks.get(look))]
    output = Vertex("op", MEANING["output"], family="elementwise", output=True)
    return [*found, output] if any(v.output for v in vertices) else found


def legend(graph: Graph, heat: Heat) -> str:
    """What borders, colours and lines mean, for those that occur; below it, sums."""
    shown = samples(graph.vertices)
    cells = "".join(f"<TD>{frame(s, f'<TR><TD>{font(s.title, 9)}</TD></TR>')}</TD>" for s in shown)
    below = "".join(
        f"<TR><TD>{line}</TD></TR>"
        for line in [*_shades(heat), *(font(escaped(line, 160), 9, "plain") for line in [*reading(graph), *totals(graph)])]
    )
    plain = 'BORDER="0" CELLBORDER="0" CELLPADDING="0"'
    kinds = f'<TR><TD><TABLE {plain} CELLSPACING="4"><TR>{cells}</TR></TABLE></TD></TR>' if shown else ""
    return f'<TABLE {plain} CELLSPACING="4">{kinds}{below or "<TR><TD></TD></TR>" * (not shown)}</TABLE>'


def _shades(heat: Heat) -> list[str]:
    if not heat.most:
        return []
    what = "time, forward and backward" if heat.timed else "operations"
    cells = "".join(f'<TD BGCOLOR="{shade}" WIDTH="18" HEIGHT="9"></TD>' for shade in SHADES)
    scale = f"<TD>{font('none', 9, 'plain')}</TD>{cells}<TD>{font(f'most {what}', 9, 'plain')}</TD>"
    return [f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0"><TR>{scale}</TR></TABLE>']


def reading(graph: Graph) -> list[str]:
    """How to read the edges."""
    said = []
    values, grads = [e.value for e in graph.edges if e.value], [e.grad for e in graph.edges if e.grad]
    if values:
        said.append("on an edge: mean ± deviation of the value")
    if any(g.norm is not None for g in grads):
        said += ["grad: norm of the gradient, which flows against the arrow", "every step in width is a factor of 100"]
    if any(g.norm is None for g in grads):
        said.append("grey dashes: no gradient")
    if any(s.bad for s in values) or any(g.bad for g in grads):
        said.append("red double line: nan or inf")
    return said
