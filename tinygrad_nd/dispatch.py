"""np.f(tensor) is the operation of the same name: NumPy's two protocols, as a table each for functions and ufuncs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import fft, linalg
from .methods import MODULES, PUBLIC, rebind
from .tensor import Tensor, astensor
from .tree import mapped

Function = Callable[..., Any]


def _of_values(f: Function) -> Function:
    def asked(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = mapped(lambda a: a.data if isinstance(a, Tensor) else a, (args, kwargs))
        return f(*args, **kwargs)

    return asked


SPACES: tuple[tuple[Any, tuple[Any, ...]], ...] = (  # NumPy's namespaces, and the modules that stand for each
    (np, MODULES),
    (np.linalg, (linalg,)),
    (np.fft, (fft,)),
)
FUNCTIONS: dict[Any, Function] = {
    getattr(space, name): getattr(module, name)
    for space, modules in SPACES
    for module in modules
    for name in module.__all__
    if hasattr(space, name)
} | {
    np.amax: PUBLIC["max"],
    np.amin: PUBLIC["min"],
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, *axis, **named: np.size(x.data, *axis, **named),
}


# What NumPy does in place gives the tensor's handle a new value, as x += y does.
def _in_place(name: str, f: Function) -> Function:
    def write(x: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(x, Tensor):
            raise _written(name)
        rebind(x, f(x, *args, **kwargs), name)

    return write


def _put(x: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    if not isinstance(x, Tensor):
        raise _written("np.put")
    x.put(indices, values, mode)


def _copyto(dst: Tensor, src: Any, casting: Any = "same_kind", where: Any = True) -> Any:
    kind = np.result_type(dst.dtype, src) if type(src) in (int, float, complex) else astensor(src).dtype
    if not np.can_cast(kind, dst.dtype, casting):
        raise TypeError(f"np.copyto: cannot cast from {kind} to {dst.dtype} by the rule {casting!r}")
    return PUBLIC["where"](where, src, dst).astype(dst.dtype)


FUNCTIONS |= {
    np.copyto: _in_place("np.copyto", _copyto),
    np.put: _put,
    np.put_along_axis: _in_place("np.put_along_axis", PUBLIC["put_along_axis"]),
}
# What asks about values, or writes them out: no array comes back.
ASK = "array2string array_repr array_str can_cast common_type may_share_memory min_scalar_type result_type save savetxt savez "
FUNCTIONS |= {f: _of_values(f) for f in (getattr(np, name) for name in (ASK + "savez_compressed shares_memory").split())}
UFUNCS: dict[np.ufunc, Function] = {u: f for u, f in FUNCTIONS.items() if isinstance(u, np.ufunc)}

# ufunc.reduce and ufunc.accumulate, along the first axis by default.
REDUCE = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any"}
ACCUMULATE = {"add": "cumsum", "multiply": "cumprod"}


def _array_function(self: Tensor, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = f"{(func.__module__ or 'numpy').replace('numpy', 'np', 1)}.{func.__name__}"
    if func not in FUNCTIONS:
        raise _unsupported(name)
    return _call(FUNCTIONS[func], name, args, {k: v for k, v in kwargs.items() if k != "out" or v is not None}, func)


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if kwargs.pop("out", None) is not None:
        raise _written(name)
    if method == "__call__" and ufunc in UFUNCS:
        f = UFUNCS[ufunc]
        if not kwargs:
            return f(*inputs)
        takes_axis = "axis" in kwargs and ufunc.signature is not None and "axis" in inspect.signature(f).parameters
        axes = {"axis": kwargs.pop("axis")} if takes_axis else {}
        return f(*_loop(ufunc, name, inputs, kwargs), **axes)
    if method == "outer" and ufunc in UFUNCS and ufunc.signature is None:
        x, y = (astensor(a) for a in inputs)
        return _array_ufunc(self, ufunc, "__call__", x.reshape((*x.shape, *(1,) * y.ndim)), y, **kwargs)
    along = {"reduce": REDUCE, "accumulate": ACCUMULATE}.get(method, {}).get(ufunc.__name__)
    if along not in PUBLIC:
        raise _unsupported(name, f"nd.{ufunc.__name__}" if method == "__call__" and ufunc.__name__ in PUBLIC else "another operation")
    x, *rest = inputs
    given = {"axis": 0} | dict(zip(("axis", "dtype", "out", "keepdims", "initial", "where"), rest)) | kwargs
    return _call(PUBLIC[along], name, (x,), {k: v for k, v in given.items() if k not in ("dtype", "out") or v is not None})


def _loop(ufunc: np.ufunc, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The operands in the dtypes of the loop that dtype=, casting= and signature= choose, by NumPy's own rules."""
    known = {k: kwargs.pop(k) for k in ("dtype", "casting", "signature", "sig") if k in kwargs}
    if kwargs.pop("order", "K") != "K" or not kwargs.pop("subok", True) or kwargs.pop("where", True) is not True or kwargs:
        raise TypeError(
            f"{name}: of its keywords, tensors take dtype=, casting= and signature=; where= would leave entries undefined, use nd.where"
        )
    signature = known.get("signature", known.get("sig"))
    if signature is None:
        dtype = known.get("dtype")
        signature = (None,) * ufunc.nin + (dtype if dtype is None else np.dtype(dtype),) * ufunc.nout
    operands = [a if type(a) in (int, float, complex) else astensor(a) for a in inputs]
    kinds = tuple(a.dtype if isinstance(a, Tensor) else type(a) for a in operands)
    chosen = ufunc.resolve_dtypes(kinds + (None,) * ufunc.nout, signature=signature, casting=known.get("casting", "same_kind"))
    return tuple(a if isinstance(a, Tensor) and a.dtype == d else PUBLIC["astype"](a, d) for a, d in zip(operands, chosen))


def _call(f: Function, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], func: Function | None = None) -> Any:
    """f(*args, **kwargs), also as NumPy's `func` names and orders them, or a refusal in the name by which it was called."""
    try:
        return f(*args, **kwargs)
    except TypeError:
        ours = inspect.signature(f)
        try:
            ours.bind(*args, **kwargs)
        except TypeError as mismatch:
            if kwargs.get("out") is not None:
                raise _written(name) from None
            words = _in_our_words(ours, func, args, kwargs)
            if words is None:
                raise TypeError(f"{name}: on tensors, {mismatch}; its arguments are {', '.join(ours.parameters)}") from None
            return f(*words.args, **words.kwargs)
        raise  # from inside f


def _in_our_words(ours: inspect.Signature, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments | None:
    """Arguments that NumPy's function takes, without those at their defaults, for a function that may call the first ones otherwise."""
    try:
        theirs = inspect.signature(func)
        given = theirs.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # wrong for NumPy, too; or written in C
        return None
    parameters = theirs.parameters
    places = [k for k, p in ours.parameters.items() if p.kind is not p.KEYWORD_ONLY]
    names = {t: o for t, o in zip(parameters, places) if t not in ours.parameters and o not in parameters}
    rest = given.pop(next((k for k, p in parameters.items() if p.kind is p.VAR_KEYWORD), ""), {})
    named = {names.get(k, k): v for k, v in given.items() if v is not parameters[k].default} | rest
    first = [named.pop(k) for k, p in ours.parameters.items() if p.kind is p.POSITIONAL_ONLY and k in named]
    try:
        return ours.bind(*first, **named)
    except TypeError:
        return None


def _written(name: str) -> TypeError:
    return TypeError(
        f"{name}: cannot write a tensor into an array (out=, `array += tensor`), which loses its gradient; assign the result to a name. "
        "A parameter takes a new value under nd.no_grad(): w -= 0.1 * w.grad"
    )


def _unsupported(name: str, instead: str = "another operation") -> TypeError:
    return TypeError(
        f"{name} is not an operation on tensors: it would leave the graph. Compute on plain arrays with {name}(x.data), "
        f"use {instead}, or declare one with @nd.primitive"
    )


T: Any = Tensor
T.__array_ufunc__ = _array_ufunc
T.__array_function__ = _array_function
