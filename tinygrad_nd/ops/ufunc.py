"""What elementwise operations are made of: a NumPy ufunc as a primitive, and products that leave a zero cotangent zero."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from math import inf
from typing import Any

import numpy as np
from numpy import ndarray

from ..kernels import elementwise as kernel
from ..kernels import guarded
from ..kernels.elementwise import SMALL, apply
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor, handle
from ..values import frozen

Function = Callable[..., Tensor]


def elementwise(
    ufunc: np.ufunc,
    doc: str,
    *,
    one_pass: bool = False,
    by: Callable[[Any], Any] | None = None,
    scalar: Callable[[Any, Any], Any] | None = None,
    **rules: Callable[..., Any],
) -> Function:
    """A primitive around a NumPy ufunc; its arguments are x, or x and y. Its rules take bare arrays, too (see `Op.pull` and `in_tiles`).

    `one_pass` says that each rule is a single kernel, which does its own tiling; `by` is called instead of the ufunc; `scalar`: see `Op`;
    what has one is arithmetic, of which small arrays have compiled loops.
    """

    pair = kernel.paired(f"loops.{ufunc.__name__}") if scalar else None

    def one(x: Any) -> Any:
        return apply(ufunc, x) if by is None else by(x)

    def two(x: Any, y: Any) -> Any:
        if type(x) is ndarray and type(y) is ndarray:
            if x.size < SMALL and y.size < SMALL:
                return ufunc(x, y)
            if pair and (out := pair(x, y)) is not None:
                return out
        return apply(ufunc, x, y)

    run: Any = one if ufunc.nin == 1 else two
    run.__name__ = run.__qualname__ = ufunc.__name__
    run.__module__ = sys._getframe(1).f_globals["__name__"]  # the module that declares it, for pickle to find it
    run.__doc__ = f"{doc} Operands broadcast." if ufunc.nin == 2 else doc
    run.__annotations__ = {**dict.fromkeys("x" if ufunc.nin == 1 else "xy", "Any"), "return": "Tensor"}
    f: Any = primitive(None, **(rules if one_pass else {a: in_tiles(r) for a, r in rules.items()}))(run)
    f.op.bare, f.op.scalar = kernel.LARGE, scalar
    return f  # type: ignore[no-any-return]


def in_tiles(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that takes bare arrays, too. Large ones it is given tile by tile: what it makes on its way stays in cache."""
    if len(inspect.signature(rule).parameters) == 1:
        return rule

    @wraps(rule)
    def pull(g: Any, *values: Any) -> Any:
        if not isinstance(g, Tensor) or g.size < kernel.LARGE or recording.get():
            return rule(g, *values)
        return handle(frozen(kernel.tiled(lambda *parts: bare(rule(*parts)), *map(bare, (g, *values)))), None)

    pull.bare = rule  # type: ignore[attr-defined]
    return pull


def bare_rules(f: Function) -> Function:
    """An operation whose rules take bare arrays, too, of any size (see `Op.pull`)."""
    f.op.bare = inf  # type: ignore[attr-defined]
    return f


def of_kernel(name: str, kernel: Callable[..., Any], operands: int = 1, *, bare: bool = False, **rules: Callable[..., Any]) -> Function:
    """A kernel as an operation: so many of its first arguments are operands, the rest keywords. `bare`: its rules take arrays, too."""
    parameters = inspect.signature(kernel).parameters
    names = list(parameters)
    run = kernel
    if keywords := names[operands:]:  # kernels are called by position, as those that are recalled must be
        run = eval(f"lambda {', '.join([*names[:operands], '*', *keywords])}: kernel({', '.join(names)})", {"kernel": kernel})
        run.__doc__, run.__module__ = kernel.__doc__, kernel.__module__
        run.__kwdefaults__ = {k: parameters[k].default for k in keywords if parameters[k].default is not inspect.Parameter.empty}
    made = primitive(name, **rules)(run)
    return bare_rules(made) if bare else made


def either(op: Any, g: Any, *operands: Any, **params: Any) -> Any:
    """An operation of tensors, or its kernel alone of arrays."""
    return (op if isinstance(g, Tensor) else op.op.kernel)(g, *operands, **params)


def cut(x: Any) -> Any:
    """A tensor without its graph; an array as it is."""
    return x.detach() if isinstance(x, Tensor) else x


def bare(x: Any) -> Any:
    """A tensor's array; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


def in_precision(x: Any, like: Any) -> Any:
    """x in floats no coarser than those of `like`, for what a rule makes of it: squares of bytes wrap around, those of halves overflow."""
    kind = getattr(x, "dtype", None)
    if kind is None:
        return x * 1.0 if isinstance(x, int) else x
    precision = getattr(like, "dtype", np.float16)
    wanted = np.result_type(kind, np.finfo(precision).dtype if np.issubdtype(precision, np.inexact) else float)
    return x if kind == wanted else x.astype(wanted)


def scale(g: Any, d: Any) -> Any:
    """g * d, and 0 where g is 0 even if d is infinite or NaN: a branch that was not taken has no gradient.

    Its derivative in g is d itself, unmasked, so forward mode and second derivatives pass through a zero cotangent. Of bare arrays it is a
    bare array; so is `over`.
    """
    return _scale(g, d) if isinstance(g, Tensor) or isinstance(d, Tensor) else guarded.scale(g, d)


def over(g: Any, d: Any) -> Any:
    """g / d, and 0 where g is 0 even if d is 0 (see `scale`)."""
    return _over(g, d) if isinstance(g, Tensor) or isinstance(d, Tensor) else guarded.over(g, d)


def along(g: Any, d: Any) -> Any:
    """scale(g, conj(d)), with which the rule of a holomorphic function ends: its g is complex wherever its slope is."""
    if isinstance(g, Tensor) or isinstance(d, Tensor):
        return _scale(g, conj(d))
    return guarded.along(g, d)


_scale = of_kernel("scale", guarded.scale, 2, g=lambda h, d: scale(h, conj(d)), d=lambda h, g: scale(conj(g), h))
_over = of_kernel("over", guarded.over, 2, g=lambda h, d: over(h, conj(d)), d=lambda h, g, d: -scale(conj(over(over(g, d), d)), h))


def conj(x: Any) -> Any:
    """The complex conjugate of a tensor, array or number; x itself if it is real."""
    if isinstance(x, Tensor):
        return x if x._data.dtype.kind != "c" else _conjugate(x)
    return np.conjugate(x) if getattr(x, "dtype", _FLOAT).kind == "c" or type(x) is complex else x


_FLOAT = np.dtype(float)
_conjugate = elementwise(np.conjugate, "The complex conjugate.", x=conj)


def no_slope(g: Any) -> Tensor:
    """The cotangent through a function that is constant almost everywhere."""
    return astensor(np.zeros(g.shape, g.dtype))
