"""What the distributions of `nd.random` are made of: the generator, and samples that are a formula of their parameters or constants."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np

from .. import arguments
from ..arguments import Rng
from ..kernels.words import cut, shown
from ..tensor import Tensor, astensor
from ..values import numeric
from .naming import named, titled
from .shape import sizes_of
from .ufunc import bare

Sampler: TypeAlias = Callable[..., Any]
Drawn: TypeAlias = "dict[int | None, tuple[np.random.Generator, Any]]"  # generators by id (None: that of `seed`), and their states at first
drawn_from: ContextVar[Drawn | None] = ContextVar("drawn_from", default=None)  # where what is drawn from is noted

_default: Any = None
_setting = threading.Lock()


def seed(n: int | None = None) -> None:
    """Makes whatever is called without `rng=` from here on, layers, shuffles and splits among it, start over from this seed (None: from an
    unpredictable one). A layer or loader that was made before keeps its own generator.
    """
    global _default
    with _setting:
        arguments.seeded = None
        _default = arguments.generator("random.seed", n)
        arguments.seeded = None if n is None else _default


def generator(rng: Rng, where: str) -> np.random.Generator:
    """The generator asked for; for None the one that `seed` sets."""
    if rng is None and _default is None:
        seed()
    source = arguments.generator(where, _default if rng is None else rng)
    noted, key = drawn_from.get(), None if rng is None else id(source)
    if noted is not None and key not in noted:
        noted[key] = source, source.bit_generator.state
    return source


def _named(name: str, doc: str, f: Sampler, parameters: list[inspect.Parameter]) -> Sampler:
    common = [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY, default=None) for p in ("dtype", "rng")]
    shown = [p.replace(annotation=Any) for p in (*parameters, *common)]
    signature = inspect.Signature(shown)

    def function(*args: Any, **options: Any) -> Tensor:
        return f(**arguments.bound(f"random.{name}", function, signature, args, options))  # type: ignore[no-any-return]

    function.__module__ = "tinygrad_nd.random"
    return named(titled(function, name, doc, shown, Tensor), "random.")


def _arguments(**defaults: Any) -> list[inspect.Parameter]:
    return [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=d) for p, d in defaults.items()]


# A formula of parameters and of noise that does not depend on them.

REQUIRED = inspect.Parameter.empty


def formula(name: str, doc: str, noise: str, f: Sampler, positive: str = "", **defaults: Any) -> Sampler:
    """A distribution whose samples are f(noise, *parameters); parameters named in `positive` must not be negative."""

    def sample(size: Any, dtype: Any, rng: Rng, **given: Any) -> Tensor:
        parameters = [p if isinstance(p, Tensor) or type(p) in (int, float) else _parameter(name, p) for p in given.values()]
        for p in positive.split():
            not_negative(name, p, given[p])
        z = astensor(getattr(generator(rng, f"random.{name}"), noise)(size=size_of(name, size, parameters)))
        kind = dtype_of(dtype, parameters)
        result: Tensor = f(z if z.dtype == kind else z.astype(kind), *parameters)
        return result if result.dtype == kind else result.astype(kind)

    return _named(name, f"{doc} Differentiable in {arguments.joined([*defaults])}.", sample, _arguments(**defaults, size=None))


def _parameter(name: str, p: Any) -> Any:
    array = numeric(p, None, f"random.{name}")
    return astensor(array) if array.ndim else p


def not_negative(name: str, p: str, value: Any) -> None:
    array = numeric(bare(value), None, f"random.{name}")
    wrong = array[~(array >= 0)]
    if wrong.size:
        raise ValueError(f"random.{name}: {p} must not be negative, but {'is' if not array.ndim else 'holds'} {wrong[0]}")


def size_of(name: str, size: Any, parameters: list[Any]) -> tuple[int, ...]:
    """The size asked for, if the parameters broadcast to it; theirs, if none is."""
    shapes = [np.shape(p) for p in parameters]
    wanted = () if size is None else sizes_of(size, f"random.{name}")
    try:
        found = np.broadcast_shapes(wanted, *shapes)
    except ValueError:
        found = None
    if found is None or (size is not None and found != wanted):
        raise ValueError(f"random.{name}: parameters of shape {', '.join(map(str, shapes))} do not fit size={shown(size)}")
    return found


def dtype_of(dtype: Any, parameters: list[Any]) -> np.dtype[Any]:
    """The dtype asked for, or that of floating parameters."""
    if dtype is not None:
        return arguments.dtype_of("random", dtype)
    kinds = [p.dtype for p in parameters if isinstance(p, (Tensor, np.generic)) and p.dtype.kind == "f"]
    return np.result_type(*kinds) if kinds else np.dtype(float)


def constant(name: str, doc: str, *, whole: bool = False, **defaults: Any) -> Sampler:
    """NumPy's distribution of the values of parameters; its samples are `whole` numbers, or parameters may not require grad."""

    def sample(size: Any, dtype: Any, rng: Rng, **given: Any) -> Tensor:
        for p, value in given.items():
            if not whole and isinstance(value, Tensor) and value.requires_grad:
                raise TypeError(f"random.{name}: not differentiable in {p}; pass {p}.detach() if no gradient is meant")
        try:
            drawn = getattr(generator(rng, f"random.{name}"), name)(**{p: bare(v) for p, v in given.items()}, size=size)
        except (ValueError, TypeError) as error:
            raise type(error)(f"random.{name}: {cut(str(error))}") from error
        return astensor(np.asarray(drawn, None if whole and dtype is None else dtype_of(dtype, list(given.values()))))

    return _named(name, f"{doc} Carries no gradient.", sample, _arguments(**defaults, size=None))
