"""Modules around functions: the module takes the function's inputs, and keeps its other arguments. And modules of a named rank."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import bound
from ..kernels.padding import several
from ..tensor import Tensor
from .kept import check_kept
from .module import Module

SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


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


def of_ranks(layer: Any, size: str | None = None, name: str | None = None) -> tuple[Any, Any, Any]:
    """`layer` over one, two and three spatial axes, under PyTorch's names ("MaxPool2d").

    With `size`, the name of an argument, an int stands for that many axes, and batch and channels may lead or not, as the layer allows;
    without, the input must be (N, C, *n) of this rank (at "1d", (N, C) too).
    """
    one, two, three = (_of_rank(layer, f"{name or layer.__name__}{rank}d", rank, size) for rank in (1, 2, 3))
    return one, two, three


def _of_rank(layer: Any, name: str, rank: int, size: str | None) -> Any:
    names = list(inspect.signature(layer.__init__).parameters)[1:]
    fits = (2, 3) if rank == 1 else (rank + 2,)

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
        return layer.forward(self, x)

    __init__.__signature__ = inspect.signature(layer.__init__)  # type: ignore[attr-defined]
    own = {"__init__": __init__} if size else {"forward": forward}
    doc = f"`{layer.__name__}` over {('one spatial axis', 'two spatial axes', 'three spatial axes')[rank - 1]}."
    return type(name, (layer,), {**own, "__doc__": told_by(doc, layer), "__module__": layer.__module__})
