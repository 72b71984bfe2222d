"""What the examples write: a graph as SVG, a figure as PNG, and one curve as PNG or, without matplotlib, as an SVG written by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tinygrad_nd as nd
from tinygrad_nd.draw import DotNotFound


def save_graph(path: Path, *outputs: nd.Tensor, depth: int | None = None) -> Path:
    """Draws the graph of `outputs` to `path` (.svg), or writes its DOT source (.gv) and says what is missing; returns where.

    Scopes deeper than `depth` are folded.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing = nd.draw(*outputs, depth=depth)
    try:
        drawing.save(path)
    except DotNotFound as missing:
        print(missing)
        path = path.with_suffix(".gv")
        drawing.save(path)
    return path


def new_figure(width: float, height: float) -> Any:
    """A matplotlib Figure, in inches; exits saying what to install without it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as missing:
        sys.exit(f'The figure is drawn by matplotlib ({missing}): pip install "tinygrad_nd[examples]"')
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path) -> Path:
    """Writes a matplotlib Figure (.png) and returns where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def save_curve(path: Path, values: Sequence[float], title: str) -> Path:
    """Writes `path`.png or `path`.svg and returns where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        path = path.with_suffix(".svg")
        path.write_text(_svg(values, title), encoding="utf-8")
        return path
    path = path.with_suffix(".png")
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="step")
    axes.plot(values)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return path


def _svg(values: Sequence[float], title: str, width: int = 600, height: int = 300, margin: int = 40) -> str:
    top = max(values) or 1.0
    across, up = (width - 2 * margin) / max(len(values) - 1, 1), (height - 2 * margin) / top
    points = " ".join(f"{margin + i * across:.1f},{height - margin - v * up:.1f}" for i, v in enumerate(values))
    left, right, bottom = margin, width - margin, height - margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        f'<text x="{width / 2}" y="24" text-anchor="middle">{title}</text>'
        f'<path d="M{left} {margin}V{bottom}H{right}" fill="none" stroke="#888"/>'
        f'<text x="{left - 4}" y="{margin + 4}" text-anchor="end">{top:.3g}</text>'
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{len(values)} steps</text>'
        f'<polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="1.5"/></svg>\n'
    )
