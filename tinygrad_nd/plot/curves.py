"""Losses over time, and gradients over the layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number
from ..draw.facts import measure
from ..kernels.memory import Array
from ..node import Node
from ..replay import reachable
from ..sweep import gradients
from ..tape import FREED
from ..tensor import Tensor
from .figures import COLORS, GREY, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ASIDE = ("lr", "seconds")  # columns of a history that are no losses


def losses(history: Any, *, smoothing: float = 0.0) -> Figure:
    """Curves by step or epoch: of a sequence of numbers, several of them, a mapping {name: sequence}, or the history of a training.

    Losses share a panel, any other quantity has one with its "val_" twin; learning rate and seconds of a history are left out.
    smoothing: from 0 to below 1, the weight of the past in a moving average, drawn over the faint curve. Red marks: nan or infinity.
    """
    number("losses", "smoothing", smoothing, least=0, below=1)
    curves = _curves(history)
    panels: dict[str, list[str]] = {}
    for name in curves:
        plain = name.removeprefix("val_")
        panels.setdefault("loss" if plain.endswith("loss") else plain, []).append(name)
    if "loss" not in panels:
        panels = {"": list(curves)}  # names of runs, not of quantities
    figure = new_figure("losses", (6.4, 0.4 + 2.8 * len(panels)))
    for axes, (panel, names) in zip(np.atleast_1d(figure.subplots(len(panels), sharex=True)), panels.items()):
        for name, color in zip(names, COLORS * len(names)):
            _curve(axes, name, curves[name], color, smoothing)
        axes.set_ylabel(panel)
        axes.grid(alpha=0.3)
        if len(names) > 1 or names[0] != panel:
            axes.legend(frameon=False)
    axes.set_xlabel("epoch" if hasattr(history, "epochs") else "step")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    return figure


def gradient_norms(of: Any) -> Figure:
    """The norm of every parameter's gradient, on a logarithmic scale, first layer on top; grey where there is none, red where not finite.

    of: a loss, a module, a mapping {name: tensor}, or tensors. Gradients are what `.grad` holds; of a loss not swept yet they are computed
    here, which changes nothing. Deviating by orders of magnitude from layer to layer: the network's gradients vanish or explode.
    """
    norms = _norms(of)
    known = [n for n in norms.values() if n and isfinite(n)]
    low, high = (min(known) / 3, max(known) * 3) if known else (0.1, 1.0)
    figure = new_figure("gradient_norms", (7.0, min(0.8 + 0.24 * len(norms), 60)))
    axes = figure.subplots()
    for i, norm in enumerate(norms.values()):
        if norm is None or not norm or not isfinite(norm):
            word = "none" if norm is None else "0" if not norm else "nan or inf"
            axes.text(low * 1.05, i, f" {word}", va="center", size=8, color=GREY if norm is None else RED)
        else:
            axes.barh(i, norm - low, left=low, color=COLORS[0], height=0.7)
            axes.text(norm, i, f" {norm:.3g}", va="center", size=8)
    axes.set(xscale="log", xlim=(low, high), ylim=(len(norms) - 0.5, -0.5), xlabel="norm of the gradient")
    axes.set_yticks(range(len(norms)), [name.replace("$", r"\$") for name in norms], size=8)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _curves(history: Any) -> dict[str, Array]:
    """Sequences of numbers by name, checked."""
    if isinstance(history, Mapping):
        named = {str(k): v for k, v in history.items()}
        if any(k.endswith("loss") for k in named):
            named = {k: v for k, v in named.items() if k not in _ASIDE}
    else:
        values = list(history) if isinstance(history, Iterable) else history
        several = isinstance(values, list) and values and all(np.ndim(v) == 1 for v in values)
        named = {str(i): v for i, v in enumerate(values)} if several else {"loss": values}
    found = {}
    for name, values in named.items():
        try:
            curve = np.array([float(v) for v in values])
        except (TypeError, ValueError):
            raise TypeError(
                f"losses: takes a sequence of numbers, several, or a mapping {{name: sequence}}, but {name!r} is {type(values).__name__}"
            ) from None
        if curve.size:
            found[name] = curve
    if not found:
        raise ValueError("losses: there is nothing to draw yet")
    return found


def _curve(axes: Axes, name: str, values: Array, color: str, smoothing: float) -> None:
    steps, finite = np.arange(1, len(values) + 1), np.isfinite(values)
    dashes = "--" if name.startswith("val_") else "-"
    shown = np.where(finite, values, np.nan)
    marker = "o" if len(values) == 1 else None
    if smoothing:
        axes.plot(steps, shown, color=color, alpha=0.25, lw=1)
        shown = _smooth(shown, smoothing)
    axes.plot(steps, shown, dashes, color=color, lw=1.6, label=name, marker=marker)
    if not finite.all():
        axes.plot(steps[~finite], np.full(int((~finite).sum()), 0.02), "x", color=RED, transform=axes.get_xaxis_transform(), clip_on=False)


def _smooth(values: Array, weight: float) -> Array:
    """An exponential moving average without bias to its start; over what is not a number it stands still."""
    smooth, total, mass = np.empty_like(values), 0.0, 0.0
    for i, v in enumerate(values.tolist()):
        if isfinite(v):
            total, mass = weight * total + (1 - weight) * v, weight * mass + (1 - weight)
        smooth[i] = total / mass if mass else np.nan
    return smooth


def _norms(of: Any) -> dict[str, float | None]:
    """Norms of gradients by the parameter's name; None where there is none."""
    tensors = _parameters(of)
    held = {name: t.grad for name, t in tensors.items()}
    root = of._node if isinstance(of, Tensor) else None
    if isinstance(root, Node) and root.op is not None and root.saved is not FREED and not any(g is not None for g in held.values()):
        ones = np.ones(of.shape, of.dtype)
        held = dict(zip(tensors, gradients(of, list(tensors.values()), ones, retain_graph=True)))
    if not any(g is not None for g in held.values()):
        raise ValueError("gradient_norms: none of these tensors has a gradient yet; call loss.backward() first, or pass the loss before it")
    return {name: None if g is None else measure(g.data).norm for name, g in held.items()}


def _parameters(of: Any) -> dict[str, Tensor]:
    """Leaves by name, in the order in which they were made or are listed."""
    if isinstance(of, Tensor) and isinstance(of._node, Node) and of._node.op is not None:
        listed = [t for n in reachable([of._node]) if isinstance(n, Node) and n.op is None and (t := n.handle) is not None]
    elif hasattr(of, "named_parameters"):
        return dict(of.named_parameters())
    elif isinstance(of, Mapping):
        return {str(name): _tensor(t) for name, t in of.items()}
    else:
        listed = [_tensor(t) for t in ([of] if isinstance(of, Tensor) or not isinstance(of, Iterable) else of)]
    names: dict[str, Tensor] = {}
    for t in listed:
        name = t.name or f"{t.shape}"
        names[name if name not in names else f"{name} #{len(names)}"] = t
    if not names:
        raise ValueError("gradient_norms: there are no parameters here")
    return names


def _tensor(t: Any) -> Tensor:
    if not isinstance(t, Tensor):
        raise TypeError(f"gradient_norms: takes a loss, a module, a mapping {{name: tensor}} or tensors, but got {type(t).__name__}")
    return t
