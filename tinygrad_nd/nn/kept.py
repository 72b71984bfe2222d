"""What a layer keeps for its calls, refused when the layer is made rather than when it is used."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from ..arguments import flag, number, option, whole
from ..kernels.padding import per_axis, resolve_padding, several
from ..ops.adaptive import MODES, RANKED
from ..ops.conv import is_channels_last
from ..values import numeric

ANY: Mapping[str, float] = {}
NUMBERS: Mapping[str, Mapping[str, float]] = {  # within which bounds
    "eps": {"least": 0, "below": inf}, "delta": {"above": 0}, "label_smoothing": {"least": 0, "most": 1}, "norm_type": {"above": 0},
    **dict.fromkeys(("alpha", "beta", "divisor_override", "k", "lambd", "margin", "max_val", "min_val"), ANY),
    **dict.fromkeys(("negative_slope", "p", "threshold", "value"), ANY),
}  # fmt: skip
WORDS = {"reduction": ("mean", "sum", "none"), "approximate": ("none", "tanh"), "mode": (*MODES, *RANKED)}
SIZES = {"kernel_size": 1, "output_size": 1, "size": 1, "factor": 1, "stride": 1, "dilation": 1}  # from what on
WHOLE = ("axis", "start_axis", "end_axis", "ignore_index", "blank")


def check_kept(layer: Any, names: Iterable[str], **own: Any) -> None:
    """Raises ValueError or TypeError for attributes of these names that suit no input. A name means the same in every layer, unless `own`
    has other bounds or words for it. What is None by default may be None, and what is True or False must be one of them.
    """
    who, kept = type(layer).__name__, {name: getattr(layer, name) for name in names}
    usual = {name: p.default for name, p in inspect.signature(type(layer)).parameters.items()}
    given = {name: value for name, value in kept.items() if value is not None or usual[name] is not None}
    if {"size", "scale_factor"} <= set(kept) and (kept["size"] is None) == (kept["scale_factor"] is None):
        raise ValueError(f"{who}: give either size or scale_factor, but got size={kept['size']} and scale_factor={kept['scale_factor']}")
    rank = next((len(tuple(given[name])) for name in SIZES if several(given.get(name))), None)
    for name, value in given.items():
        if name in WORDS:
            option(who, name, value, own.get(name, WORDS[name]))
        elif name in NUMBERS:
            number(who, name, value, **own.get(name, NUMBERS[name]))
        elif name in WHOLE:
            whole(who, name, value, -inf)
        elif name in SIZES:
            _check_sizes(who, name, value, 1 if rank is None else rank)
        elif name == "padding":
            n = rank if rank is not None else len(tuple(value)) if several(value) else 1
            pairs = resolve_padding(who, value, (1,) * n, (1,) * n, (1,) * n, (1,) * n)
            if min(map(min, pairs), default=0) < own.get("padding", -inf):
                raise ValueError(f"{who}: padding={value} must not be negative")
        elif name == "scale_factor":
            for one in value if several(value) else [value]:
                number(who, name, one, above=0, below=inf)
        elif isinstance(usual[name], bool):
            flag(who, name, value)
        elif name == "layout":
            is_channels_last(who, value)
        elif name in ("weight", "pos_weight"):
            numeric(value, None, f"{who}: {name}")


def _check_sizes(who: str, name: str, value: Any, rank: int) -> None:
    """An int, or one per axis; of a size that stays, None."""
    sizes = [1 if n is None and name == "output_size" else n for n in value] if several(value) else value
    if min(per_axis(sizes, rank, name, who), default=1) < SIZES[name]:
        raise ValueError(f"{who}: {name}={value} must be at least {SIZES[name]} on every axis")
