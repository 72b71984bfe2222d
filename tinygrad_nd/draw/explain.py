"""One element of a convolution's input gradient, with the numbers: an SVG made here, which needs no program to draw."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..kernels import reference
from ..kernels.geometry import ConvSpec, input_grad_spec
from ..kernels.padding import integer, several
from ..node import Node
from ..tape import saved_operands
from ..tensor import Tensor
from .text import filled

Array = np.ndarray[Any, np.dtype[Any]]
_MOST_CELLS = 16  # along an axis
_MOST_CHANNELS = 3
_CELL, _HIGH, _GAP = 44, 26, 18
_STYLE = (
    "text{font:12px Helvetica,Arial,sans-serif;fill:#14181D;text-anchor:middle}.say{text-anchor:start}.head{font-weight:bold}"
    "rect{fill:#FFFFFF;stroke:#9AA1AB}.zero{fill:#F1F2F4}.g{fill:#FFF0D2}.seen{stroke:#14181D;stroke-width:2.5}.kernel{fill:#D6E8F8}"
    ".one{fill:#F3E4F0;stroke:#14181D;stroke-width:2.5}.faint{fill:#9AA1AB}"
)
_STYLE = re.sub(r"[^{}]+{", r".in-numbers \g<0>", _STYLE)  # for this picture alone: a page applies it to all that stands in it


class Picture(str):
    """SVG text that a notebook shows as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)


def explain_vjp(y: Tensor, at: Sequence[int] | int | None = None, *, gradient: Any = None) -> Picture:
    """SVG of how one element of the input gradient of the convolution `y` comes about, with every number.

    It shows the gradient of y dilated by the stride and padded, the rotated kernel, the window under it, and the sum; for one or two
    spatial axes, and small enough to be read.

    at: the element's index in the input, (n, c, *i) or its place *i in the first image and channel; the middle if None.
    gradient: of y, in its shape; 1, 2, 3, … if None.

    Raises TypeError for what is no tensor; ValueError for what no convolution made, for one that is too large, and for an index outside;
    RuntimeError where backward() freed the kernel.
    """
    node = _convolution(y)
    spec: ConvSpec = node.params["spec"]
    w = _kernel(node)
    values = gradient.data if isinstance(gradient, Tensor) else gradient
    given: Array = np.arange(1, np.prod(node.shape) + 1) if values is None else np.asarray(values)
    if given.size != np.prod(node.shape, dtype=int) or (gradient is not None and given.shape != y.shape):
        raise ValueError(f"explain_vjp: gradient must have the shape of y, {y.shape}, but has {given.shape}")
    g = given.astype(node.dtype).reshape(node.shape)
    back = input_grad_spec(spec)
    padded = reference.pad(reference.dilate(g, spec.stride), back.padding)
    _refuse_large(spec, padded.shape, w.shape[0] // spec.groups)
    shape = (node.shape[0], w.shape[1] * spec.groups, *spec.size)
    index = _index(at, shape)
    n, c, place = index[0], index[1], index[2:]

    channels, within = w.shape[0] // spec.groups, w.shape[1]
    first = c // within * channels
    holes = reference.pad(reference.dilate(np.ones(g.shape), spec.stride), back.padding)  # where the gradient's own numbers stand
    parts, total = [], 0.0
    for m in range(first, first + channels):
        kernel = np.conj(np.flip(w[m, c % within]))
        seen = {tuple(i + d * t for i, d, t in zip(place, spec.dilation, tap)): tap for tap in np.ndindex(*spec.kernel)}
        products = [(padded[(n, m, *cell)], kernel[tap]) for cell, tap in seen.items()]
        total = total + sum(a * b for a, b in products)
        parts.append((m, c % within, padded[n, m], holes[n, m], kernel, set(seen), products))
    return _draw(parts, index, total, spec, back)


def _convolution(y: Any) -> Node:
    """The convolution that made y, looking past the reshape that takes a single image out of its batch."""
    if not isinstance(y, Tensor):
        raise TypeError(f"explain_vjp: explains the result of nd.conv_nd, a tensor, but got {type(y).__name__}")
    node = y._node
    while isinstance(node, Node) and node.op is not None and node.op.kind == "reshape":
        node = node.parents[0]
    if not isinstance(node, Node) or node.op is None or node.op.kind != "correlate":
        made = f"was made by {node.op.title}" if isinstance(node, Node) and node.op else "was made by no recorded operation"
        raise ValueError(f"explain_vjp: explains the result of nd.conv_nd, but this tensor {y.shape} {made}; nd.draw_vjp draws any other")
    return node


def _kernel(node: Node) -> Array:
    parent = node.parents[1]
    value = saved_operands(node).get(1)
    held = parent.handle if isinstance(parent, Node) else None
    if isinstance(value, np.ndarray):
        return value
    if held is None:
        raise RuntimeError("explain_vjp: nothing holds the kernel any more; call it before backward(), or give x requires_grad=True")
    return held._data


def _refuse_large(spec: ConvSpec, shape: Sequence[int], channels: int) -> None:
    if spec.rank not in (1, 2):
        raise ValueError(f"explain_vjp: shows 1 or 2 spatial axes, but this convolution has {spec.rank}; nd.draw_vjp draws any rank")
    if max(*shape[2:], *spec.kernel) > _MOST_CELLS or channels > _MOST_CHANNELS:
        raise ValueError(
            f"explain_vjp: shows at most {_MOST_CELLS} numbers along an axis and {_MOST_CHANNELS} output channels per group, but the "
            f"padded gradient has {tuple(shape[2:])} and there are {channels}; take a smaller one, or nd.draw_vjp, which draws shapes"
        )


def _index(at: Sequence[int] | int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    space = shape[2:]
    if at is None:
        return (0, 0, *(s // 2 for s in space))
    given = tuple(integer(i, "at", "explain_vjp") for i in (at if several(at) else (at,)))
    whole = given if len(given) == len(shape) else (0, 0, *given)
    if len(whole) != len(shape) or not all(-s <= i < s for i, s in zip(whole, shape)):
        raise ValueError(f"explain_vjp: at={at!r} must be an index into the input's space {space}, or into all of it, {shape}")
    return tuple(i % s for i, s in zip(whole, shape))


def _draw(parts: Sequence[Any], index: tuple[int, ...], total: Any, spec: ConvSpec, back: ConvSpec) -> Picture:
    """Per output channel a row: the gradient's grid, the kernel's, and the products; below, the element."""
    drawn: list[str] = []
    high, wide = _GAP, 0
    for m, within, padded, own, kernel, seen, products in parts:
        grid, kern = np.atleast_2d(padded), np.atleast_2d(kernel)
        left = _GAP * 2 + grid.shape[1] * _CELL
        title = f"gradient of y, channel {m}: {_how(spec, back)}"
        drawn += [_say(_GAP, high + 8, title, "head"), _say(_GAP, high + 24, "thick: the window that the kernel covers")]
        top = high + 32
        marked = {c if len(c) == 2 else (0, *c) for c in seen}
        look = lambda i, own=np.atleast_2d(own), marked=marked: ("g" if own[i] else "zero") + " seen" * (i in marked)
        drawn += _grid(grid, _GAP, top, look)
        room = max(left, _GAP * 2 + 13 * len(title) // 2)
        drawn += [_say(room, high + 8, f"kernel w[{m}, {within}], rotated", "head")]
        drawn += _grid(kern, room, top, lambda i: "kernel")
        wide = max(wide, room + max(kern.shape[1] * _CELL, 170))
        high = top + max(grid.shape[0], kern.shape[0]) * _HIGH + _GAP
        words = [f"{_number(a)} · {_factor(b)}" for a, b in products if a != 0] or ["0"]
        *full, last = filled(words, " + ", max(wide // 7, 40))
        lines = [*(f"{line} +" for line in full), f"{last} = {_number(sum(a * b for a, b in products))}"]
        drawn += [_say(_GAP, high + 6 + 16 * k, line) for k, line in enumerate(lines)]
        high += 16 * len(lines) + _GAP
    where = ", ".join(map(str, index))
    label = f"dx[{where}]"
    drawn += [_say(_GAP, high + 17, f"{label} ="), *_grid(np.array([[total]]), _GAP + 6 * len(label) + 24, high, lambda i: "one")]
    high += _HIGH + _GAP
    wide += _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="in-numbers" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img">'
    )
    title = f"<title>How {label} of a convolution comes about</title>"
    back_ground = '<rect width="100%" height="100%" style="stroke:none"/>'
    return Picture("\n".join([head, title, f"<style>{_STYLE}</style>", back_ground, *drawn, "</svg>"]))


def _how(spec: ConvSpec, back: ConvSpec) -> str:
    words = [f"dilated by {'×'.join(map(str, spec.stride))}"] if any(s != 1 for s in spec.stride) else []
    words.append(f"padded by {' '.join(map(str, back.padding))}")
    return ", ".join(words)


def _grid(values: Array, left: int, top: int, kind: Any) -> Iterator[str]:
    """Cells, those of the window last: their thick borders lie on top."""
    for row, column in sorted(np.ndindex(*values.shape), key=lambda i: "seen" in kind(i)):
        x, y, name = left + column * _CELL, top + row * _HIGH, kind((row, column))
        yield f'<rect class="{name}" x="{x}" y="{y}" width="{_CELL}" height="{_HIGH}"/>'
        yield f'<text class="{"faint" if name == "zero" else "n"}" x="{x + _CELL // 2}" y="{y + 17}">{_number(values[row, column])}</text>'


def _say(x: int, y: int, text: str, kind: str = "") -> str:
    return f'<text class="say {kind}" x="{x}" y="{y}">{html.escape(text)}</text>'


def _number(value: Any) -> str:
    return f"{value:.4g}"


def _factor(value: Any) -> str:
    text = _number(value)
    return f"({text})" if text.startswith("-") else text
