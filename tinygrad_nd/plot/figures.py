"""An empty figure, and the colours that all of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RED, GREY, LIGHT = "#B00020", "#6B7280", "#E3E6EA"
COLORS = ("#1F5F99", "#B06A00", "#2E7D4F", "#8A3F7C", "#5B6470", "#B00020")


def new_figure(where: str, size: tuple[float, float]) -> Figure:
    """A figure of so many inches, made without pyplot; ImportError that says what to install."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f'plot.{where}: needs matplotlib; pip install "tinygrad_nd[plot]"') from error
    return Figure(figsize=size, layout="constrained")
