"""Filters and feature maps: the values of a layer as lines or images."""

from __future__ import annotations

from math import ceil, inf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import no_numbers, whole
from ..kernels.memory import Array
from ..ops.conv import is_channels_last
from ..tensor import Tensor
from .figures import COLORS, GREY, LIGHT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def filters(weight: Any, *, most: int = 64) -> Figure:
    """The filters of a convolution: lines in 1-D, images in 2-D, the central slice through the last two axes beyond; red is positive.

    weight (M, C/groups, *k), or (out, in) of a dense layer. A row for each filter, a column for each of its channels; three channels in 2-D
    are shown as colours, with 0 in the middle grey. Of each no more than `most` rows and as many columns.
    """
    w = _real("filters", weight, 2, "(M, C, *k) or (out, in)")
    most = whole("filters", "most", most)
    title = f"weight {w.shape}"
    if w.ndim == 2:
        return _image(w, title, "input", "output", signed=True)
    w, slices = _flat(w, 2)
    if w.ndim == 3:
        return _lines(w[:most], f"{title}, a line per channel" + _kept(most, len(w), "filters"), "filter")
    if w.shape[1] == 3:
        side = max(float(np.abs(w[np.isfinite(w)]).max(initial=0)), 1e-30)
        tiles = np.moveaxis(np.where(np.isinf(w[:most]), 0, w[:most] / side / 2 + 0.5), 1, -1)  # (M, *k, 3)
        return _image(_mosaic(_grid(tiles), 1.0), f"{title}, channels as colours{slices}" + _kept(most, len(w), "filters"))
    left_out = _kept(most, len(w), "filters") + _kept(most, w.shape[1], "channels")
    tiles = w[:most, :most]
    if tiles.shape[1] == 1:
        return _image(_mosaic(_grid(tiles[:, 0])), title + slices + left_out, signed=True)
    return _image(_mosaic(tiles), title + slices + left_out, "channel", "filter", signed=True)


def feature_maps(x: Any, index: int = 0, *, most: int = 64, layout: str | None = None) -> Figure:
    """What the channels of a layer's result hold for one example: lines in 1-D, images in 2-D, the central slice beyond, on one scale.

    x (N, C, *n), or (N, *n, C) with layout="N*C"; `index` picks the example. The title tells how many channels are 0 throughout.
    """
    a = _real("feature_maps", x, 3, "(N, C, *n)")
    most = whole("feature_maps", "most", most)
    index = whole("feature_maps", "index", index, -inf)
    if is_channels_last("feature_maps", layout):
        a = np.moveaxis(a, -1, 1)
    if not -len(a) <= index < len(a):
        raise ValueError(f"feature_maps: index={index}, but x {a.shape} has {len(a)} examples")
    maps, slices = _flat(a[index], 1)
    dead = int(sum(not m.any() for m in maps))
    title = f"example {index} of {a.shape}, {len(maps)} channels" + (f", {dead} of them 0" if dead else "")
    title += slices + _kept(most, len(maps), "channels")
    if maps.ndim == 2:
        return _lines(maps[:most, None], title, "channel")
    return _image(_mosaic(_grid(maps[:most])), title)


def _real(where: str, a: Any, least: int, axes: str) -> Array:
    """The values as an array of real numbers with so many axes, and something in it; inf for whatever is not finite."""
    try:
        array = np.asarray(a.data if isinstance(a, Tensor) else a)
    except ValueError:
        raise no_numbers(where, a) from None
    if array.dtype.kind == "O":
        raise TypeError(f"{where}: draws an array or a tensor, such as layer.weight, but got a {type(a).__name__}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{where}: draws real numbers, but got {array.dtype}; pass .real, .imag or the magnitude")
    if array.ndim < least or not array.size:
        raise ValueError(f"{where}: needs axes {axes}, none of them empty, but got shape {array.shape}")
    return np.where(np.isfinite(array), array, np.inf).astype(np.float64)  # nan stands for what is between tiles


def _flat(a: Array, lead: int) -> tuple[Array, str]:
    """No more than two spatial axes: the middle along the others; and words for that."""
    inner = a.shape[lead:-2]
    middle = tuple(n // 2 for n in inner)
    return a[(slice(None),) * lead + middle], f", slice {', '.join(map(str, middle))} of {inner}" if inner else ""


def _kept(most: int, count: int, what: str) -> str:
    return f", the first {most} of {count} {what}" if count > most else ""


def _grid(tiles: Array) -> Array:
    """(n, *tile) in rows and columns, about as wide as high; empty places are nan (of colours: white)."""
    across = ceil(sqrt(len(tiles)))
    down = ceil(len(tiles) / across)
    whole = np.full((down * across, *tiles.shape[1:]), np.nan)
    whole[: len(tiles)] = tiles
    return whole.reshape(down, across, *tiles.shape[1:])


def _mosaic(tiles: Array, between: float = np.nan) -> Array:
    """(down, across, h, w, ...) as one image, a pixel of nothing between tiles."""
    down, across, high, wide = tiles.shape[:4]
    whole = np.full((down * (high + 1) - 1, across * (wide + 1) - 1, *tiles.shape[4:]), between)
    for i, j in np.ndindex(down, across):
        whole[i * (high + 1) :, j * (wide + 1) :][:high, :wide] = np.where(np.isnan(tiles[i, j]), between, tiles[i, j])
    return whole


def _image(image: Array, title: str, across: str = "", down: str = "", *, signed: bool = False) -> Figure:
    """An image with a scale beside it, 0 in the middle of it if `signed`; colours have none."""
    size = 6.0 / max(image.shape[:2])
    figure = new_figure(
        "filters" if signed or image.ndim == 3 else "feature_maps",
        (max(image.shape[1] * size, 2.4) + 0.8, max(image.shape[0] * size, 1.2) + 0.6),
    )
    from matplotlib import colormaps

    axes = figure.subplots()
    finite = image[np.isfinite(image)]
    side = float(np.abs(finite).max(initial=0)) or 1.0
    low, high = (-side, side) if signed else (finite.min(initial=side), finite.max(initial=-side))
    colours = colormaps["RdBu_r" if signed else "viridis"].with_extremes(over="black")
    drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest", aspect="equal")
    if image.ndim == 2:
        figure.colorbar(drawn, ax=axes, shrink=0.8)
    axes.set_title(title + ", black: nan or inf" * bool(np.isinf(image).any()), size=9)
    axes.set(xlabel=across, ylabel=down)
    if across != "input":
        axes.set(xticks=[], yticks=[], frame_on=False)
    return figure


def _lines(a: Array, title: str, what: str) -> Figure:
    """(n, lines, k): n small plots in rows, each of its lines about 0, all on one scale."""
    figure = new_figure("filters" if what == "filter" else "feature_maps", (6.4, 4.8))
    from matplotlib.collections import LineCollection

    axes, across = figure.subplots(), ceil(sqrt(len(a)))
    side = float(np.abs(a[np.isfinite(a)]).max(initial=0)) or 1.0
    title += ", gaps: nan or inf" * bool(np.isinf(a).any())
    a = np.where(np.isinf(a), np.nan, a)
    steps = np.linspace(0, 1, a.shape[2])
    for i, lines in enumerate(a):
        left, middle = 1.2 * (i % across), -1.2 * (i // across)
        axes.plot([left, left + 1], [middle, middle], color=LIGHT, lw=1, zorder=0)
        segments = [np.stack([left + steps, middle + line / side / 2], 1) for line in lines]
        axes.add_collection(LineCollection(segments, colors=COLORS, linewidths=1.2))
        axes.text(left, middle + 0.5, f"{i}", size=7, color=GREY, va="top")
    axes.set(xlim=(-0.1, 1.2 * across), ylim=(-1.2 * ((len(a) - 1) // across) - 0.6, 0.6), xticks=[], yticks=[], frame_on=False)
    axes.set_title(f"{title}; {what} by {what}, ±{side:.3g}", size=9)
    return figure
