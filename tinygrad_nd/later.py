"""Parts of the package that are imported when they are first asked for, so that `import tinygrad_nd` is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from .elsewhere import hint, near

MODULES = ("data", "debug", "nn", "optim", "plot", "shapes", "testing")
NAMES = {
    "Drawing": "draw.drawing",
    "draw_vjp": "draw.vjp",
    "explain_vjp": "draw.explain",
    **dict.fromkeys(("Checkpoint", "load", "save"), "files"),
    **dict.fromkeys(("EarlyStopping", "History", "accuracy", "fit"), "training"),
}


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return import_module(f".{name}", __package__)  # which makes it an attribute of the package
    if name not in NAMES:
        said = hint(name) or _in_a_part(name) or ((close := near(name, sys.modules[str(__package__)].__all__)) and f"use nd.{close}")
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}" + (f"; {said}" if said else ""))
    found = getattr(import_module(f".{NAMES[name]}", __package__), name)
    setattr(sys.modules[str(__package__)], name, found)
    return found


def _in_a_part(name: str) -> str:
    """Which part has it, such as nn."""
    parts = () if name.startswith("_") else ("nn", "optim", "data", "random", "linalg")
    return next((f"use nd.{part}.{name}" for part in parts if name in import_module(f".{part}", __package__).__all__), "")


def __dir__() -> list[str]:
    package = sys.modules[str(__package__)]
    return sorted({*vars(package), *package.__all__})
