"""What layers keep for their calls: modules around functions, which keep all arguments but the inputs, and of a named rank.

What suits no input is refused when the layer is made rather than when it is used.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import numpy as np

from ..arguments import bound, flag, number, option, whole
from ..kernels.padding import per_axis, resolve_padding, several
from ..kernels.words import shown
from ..ops.adaptive import MODES, RANKED
from ..ops.conv import is_channels_last
from ..ops.shape import expand_dims
from ..tensor import Tensor
from ..values import numeric
from .module import Module

SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
ANY: Mapping[str, float] = {}
NUMBERS: Mapping[str, Mapping[str, float]] = {  # within which bounds
    "eps": {"least": 0, "below": inf}, "delta": {"above": 0}, "label_smoothing": {"least": 0, "most": 1}, "norm_type": {"above": 0},
    **dict.fromkeys(("alpha", "beta", "divisor_override", "k", "lambd", "margin", "max_val", "min_val"), ANY),
    **dict.fromkeys(("negative_slope", "p", "threshold", "value"), ANY),
}  # fmt: skip
WORDS = {"reduction": ("mean", "sum", "none"), "approximate": ("none", "tanh"), "mode": (*MODES, *RANKED)}
SIZES = {"kernel_size": 1, "output_size": 1, "size": 1, "factor": 1, "stride": 1, "dilation": 1}  # from what on
WHOLE = ("axis", "start_axis", "end_axis", "ignore_index", "blank")


def told_by(doc: str | None, f: Any) -> str:
    """A text, and below it that of what it is about, without its examples."""
    return f"{doc}\n\n{(inspect.getdoc(f) or '').partition('>>>')[0]}".rstrip()


def module_of(name: str, f: Callable[..., Tensor], inputs: int = 1, **own: Any) -> Any:
    """A subclass of Module whose constructor takes what follows the first `inputs` arguments of f, with f's defaults.

    They are checked by name, see `check_kept`, which also tells what `own` is.
    """
    kept = inspect.Signature(list(inspect.signature(f).parameters.values())[inputs:])

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        vars(self).update(bound(type(self).__name__, type(self), kept, args, kwargs))
        check_kept(self, kept.parameters, **own)

    def forward(self: Any, *xs: Any) -> Tensor:
        return f(*xs, **{argument: getattr(self, argument) for argument in kept.parameters})

    __init__.__signature__ = kept.replace(parameters=[SELF, *kept.parameters.values()])  # type: ignore[attr-defined]
    doc = told_by(f"`{f.__name__}`, its other arguments kept.", f)
    body = {"__init__": __init__, "forward": forward, "__doc__": doc}
    return type(name, (Module,), body | {"__module__": sys._getframe(1).f_globals["__name__"]})


def of_ranks(layer: Any, size: str | None = None, name: str | None = None, alone: bool = False) -> tuple[Any, Any, Any]:
    """`layer` over one, two and three spatial axes, under PyTorch's names ("MaxPool2d").

    With `size`, the name of an argument, an int stands for that many axes, and batch and channels may lead or not, as the layer allows;
    without, the input must be (N, C, *n) of this rank (at "1d", (N, C) too, but if one example may be `alone`: (C, *n)).
    """
    one, two, three = (_of_rank(layer, f"{name or layer.__name__}{rank}d", rank, size, alone) for rank in (1, 2, 3))
    return one, two, three


def _of_rank(layer: Any, name: str, rank: int, size: str | None, alone: bool) -> Any:
    names = list(inspect.signature(layer.__init__).parameters)[1:]
    fits = (rank + 1, rank + 2) if alone or rank == 1 else (rank + 2,)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        assert size is not None
        layer.__init__(self, *args, **kwargs)
        given = getattr(self, size)
        if not several(given):
            setattr(self, size, (given,) * rank)
        elif np.shape(given) != (rank,):
            raise ValueError(f"{name}: {size} must be an int or {rank} of them, but is {given!r}")
        check_kept(self, names)

    def forward(self: Any, x: Any) -> Any:
        if np.ndim(x) not in fits:
            raise ValueError(f"{name}: x needs {' or '.join(map(str, fits))} axes, but has shape {np.shape(x)}")
        one = alone and np.ndim(x) == rank + 1
        return layer.forward(self, expand_dims(x, 0))[0] if one else layer.forward(self, x)

    __init__.__signature__ = inspect.signature(layer.__init__)  # type: ignore[attr-defined]
    own = {"__init__": __init__} if size else {"forward": forward}
    doc = f"`{layer.__name__}` over {('one spatial axis', 'two spatial axes', 'three spatial axes')[rank - 1]}."
    return type(name, (layer,), {**own, "__doc__": told_by(doc, layer), "__module__": layer.__module__})


def check_kept(layer: Any, names: Iterable[str], **own: Any) -> None:
    """Raises ValueError or TypeError for attributes of these names that suit no input. A name means the same in every layer, unless `own`
    has other bounds or words for it. What is None by default may be None, and what is True or False must be one of them.
    """
    who, kept = type(layer).__name__, {name: getattr(layer, name) for name in names}
    usual = {name: p.default for name, p in inspect.signature(type(layer)).parameters.items()}
    given = {name: value for name, value in kept.items() if value is not None or usual[name] is not None}
    if {"size", "scale_factor"} <= set(kept) and (kept["size"] is None) == (kept["scale_factor"] is None):
        raise ValueError(
            f"{who}: give either size or scale_factor, but got size={shown(kept['size'])} and scale_factor={shown(kept['scale_factor'])}"
        )
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
        raise ValueError(f"{who}: {name}={shown(value)} must be at least {SIZES[name]} on every axis")
