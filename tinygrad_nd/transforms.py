"""Derivatives of functions: grad, vjp, jvp, jacobian, hessian, hvp. Each runs the function on a tape of its own and sweeps it.

They nest: what they return is differentiable wherever the function's inputs, or what it closes over, required grad. An argument may be a
dict, or a list or tuple of arrays, nested at will: its derivative is alike. Lists of numbers are arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from math import inf
from typing import Any

import numpy as np

from .arguments import whole
from .kernels.padding import several
from .node import enable_grad, recording
from .ops.linalg import operand
from .ops.parts import alias
from .ops.shape import reshape, stack
from .sweep import depends_on_others, gradients
from .tensor import Tensor, astensor, handle
from .tree import NEST, leaves, like, mapped, parts
from .values import numeric

Function = Callable[..., Any]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """A function that returns (f(*args), gradient of the scalar f with respect to the arguments in `argnums`).

    The gradient is a tensor for an int `argnums`, a tuple of them for a sequence; of a dict, or of a list or tuple of arrays, it is alike.
    """
    return _value_and_grad(f, argnums, "value_and_grad")


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient of a scalar function, as a function of the same arguments.

    argnums: the position of the argument to differentiate by; for a sequence of them the result is a tuple.
    The gradient of a dict, or of a list or tuple of arrays, is alike. Raises TypeError for arguments that have no derivatives, and for
    functions that return no tensor; ValueError for results that are no real scalar.

    >>> import tinygrad_nd as nd
    >>> float(nd.grad(nd.grad(lambda x: x**3))(2.0))
    12.0
    >>> nd.grad(lambda p: p["w"] * 2 + p["b"])({"w": 1.0, "b": 3.0})["w"].item()
    2.0
    """
    return _grad(f, argnums, "grad")


def vjp(f: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(f(*primals), pullback): the pullback maps a cotangent of the result to a tuple of cotangents of the primals, as often as asked.

    >>> import tinygrad_nd as nd
    >>> y, pullback = vjp(lambda x, w: x @ w, [[1.0, 2.0]], [[3.0], [4.0]])
    >>> [g.tolist() for g in pullback([[1.0]])]
    [[[3.0, 4.0]], [[1.0], [2.0]]]
    """
    out, points = _called(f, primals, {}, range(len(primals)), "vjp")
    ys = _results(out, "vjp")

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        return _pull(ys, points, list(_along(out, cotangent, "vjp: the cotangent")), retain=True)

    return out if _outer(ys, _flat(points)) else mapped(Tensor.detach, out), pullback


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(f(*primals), the directional derivative along `tangents`).

    The VJP is linear in its cotangent u; its own transpose in u is the JVP, whatever the value of u, so one at u = 0 serves.
    """
    for what, those in (("primals", primals), ("tangents", tangents)):
        if not isinstance(those, (list, tuple)):
            raise TypeError(f"jvp: {what} must be a list or tuple, one for each argument of the function, but got a {type(those).__name__}")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(primals)} primals need as many tangents, but got {len(tangents)}")
    out, points = _called(f, primals, {}, range(len(primals)), "jvp")
    ys, inputs = _results(out, "jvp"), _flat(points)
    directions = [_tangent(t, x, "jvp: a tangent") for t, x in zip(_along(points, tuple(tangents), "jvp: the tangents"), inputs)]
    outer = _outer(ys, inputs) or (recording.get() and any(t.requires_grad for t in directions))
    live = [y for y in ys if y.requires_grad]
    us = [astensor(np.zeros(y.shape, y.dtype), requires_grad=True) for y in live]
    pulled = gradients(live, inputs, us, create_graph=True) if live and inputs else ()
    linear = [(g, t) for g, t in zip(pulled, directions) if g.requires_grad]
    if linear:
        moved = gradients([g for g, _ in linear], us, [t for _, t in linear], create_graph=outer)
    else:
        moved = tuple(astensor(np.zeros(y.shape, y.dtype)) for y in live)
    found = {id(y): m for y, m in zip(live, moved)}
    value = out if outer else mapped(Tensor.detach, out)
    return value, mapped(lambda y: found.get(id(y), astensor(np.zeros(y.shape, y.dtype))), out)


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The matrix of all first derivatives, as a function: its shape is that of f(x) followed by that of x.

    Where f(x) is a nest of tensors, or x one of arrays, there is a matrix for each pair: `jacobian(f)(x)["of f(x)"]["of x"]`.
    Takes a sweep for each entry of f(x). Raises TypeError where f returns no tensor, or x is not floating or complex.

    >>> import tinygrad_nd as nd
    >>> jacobian(lambda x: nd.square(x))([1.0, 2.0]).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    _check_function(f, "jacobian")

    @wraps(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        out, points = _called(f, args, kwargs, _argnums(argnums, len(args), "jacobian"), "jacobian")
        _results(out, "jacobian")

        def matrices(y: Tensor) -> Any:
            units = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
            rows = [_flat(_pull([y], points, [unit], retain=True)) for unit in units]
            inputs = _flat(points)
            columns = zip(*rows) if rows else [()] * len(inputs)
            found = iter(
                reshape(stack(list(column)), (*y.shape, *x.shape)) if rows else astensor(np.zeros((*y.shape, *x.shape), x.dtype))
                for column, x in zip(columns, inputs)
            )
            return _picked(mapped(lambda _: next(found), points), argnums)

        return mapped(matrices, out)

    return matrix


def hessian(f: Function, argnums: int = 0) -> Function:
    """The matrix of all second derivatives of a scalar function, as a function: shape (*x.shape, *x.shape).

    Of a nest of arrays there is a matrix for each pair: `hessian(f)(x)["a"]["b"]`.

    >>> import tinygrad_nd as nd
    >>> hessian(lambda x: nd.prod(x))([2.0, 3.0]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if not isinstance(argnums, (int, np.integer)):
        raise TypeError("hessian: argnums must be one int")
    return jacobian(_grad(f, argnums, "hessian"), argnums)


def hvp(f: Function, primals: Sequence[Any], vector: Any) -> Any:
    """The Hessian of a scalar function of the primals times `vector`, without forming it.

    `primals` is a sequence of arguments and `vector` one of the same shapes; a single tensor, array or dict stands for a sequence of one.
    The result is like `vector`: a tensor or dict, or a tuple for a sequence.
    """
    single = not isinstance(primals, (list, tuple))
    points: Sequence[Any] = [primals] if single else primals
    vectors = list(vector) if not single and isinstance(vector, (list, tuple)) else [vector]
    if len(points) != len(vectors):
        raise ValueError(f"hvp: {len(points)} primals need as many vectors, but got {len(vectors)}")
    every = tuple(range(len(points)))
    slopes, nest = _called(_grad(f, every, "hvp"), points, {}, every, "hvp")
    along = [_tangent(v, x, "hvp: a vector") for v, x in zip(_along(nest, tuple(vectors), "hvp: the vector"), _flat(nest))]
    found = _pull(_flat(slopes), nest, along)  # the Hessian is its own transpose
    return found[0] if single or not isinstance(vector, (list, tuple)) else found


def _value_and_grad(f: Function, argnums: int | Sequence[int], where: str) -> Function:
    _check_function(f, where)

    @wraps(f)
    def valued(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        y, points = _called(f, args, kwargs, _argnums(argnums, len(args), where), where)
        _tensor(y, where)
        if y.size != 1:
            raise ValueError(f"{where}: the function must return a scalar, but its result has shape {y.shape}; use jacobian or vjp")
        if y.dtype.kind == "c":
            raise ValueError(f"{where}: the function must return a real scalar, but its result is {y.dtype}; use nd.real, nd.abs or vjp")
        found = _pull([y], points, None)
        return y if _outer([y], _flat(points)) else y.detach(), _picked(found, argnums)

    return valued


def _grad(f: Function, argnums: int | Sequence[int], where: str) -> Function:
    both = _value_and_grad(f, argnums, where)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def _check_function(f: Any, where: str) -> None:
    if not callable(f):
        hint = "; of tensors at hand, nd.gradients(outputs, inputs) gives the gradients" if isinstance(f, Tensor) else ""
        raise TypeError(f"{where}: takes a function, but got {type(f).__name__}{hint}")


def _argnums(argnums: int | Sequence[int], count: int, where: str) -> tuple[int, ...]:
    picked = tuple(argnums) if several(argnums) else (argnums,)
    if not picked:
        raise ValueError(f"{where}: argnums={argnums} names no argument to differentiate by")
    for i in picked:
        whole(where, "argnums", i, -inf)
        if not -count <= i < count:
            raise ValueError(f"{where}: argnums={argnums} does not fit {count} positional arguments")
    return tuple(int(i) % count for i in picked)


def _picked(found: tuple[Any, ...], argnums: int | Sequence[int]) -> Any:
    """What was found of the arguments in `argnums`: of one, or a tuple."""
    return found[0] if isinstance(argnums, (int, np.integer)) else found


def _called(f: Function, args: Sequence[Any], kwargs: dict[str, Any], picked: Sequence[int], where: str) -> tuple[Any, tuple[Any, ...]]:
    """What f returns, recorded, and its arguments at `picked`, made afresh: leaves, or aliases of tensors that belong to a graph."""
    _check_function(f, where)
    fresh = list(args)
    for i in picked:
        fresh[i] = _fresh(args[i], where, f"argument {i}")
    points = tuple(fresh[i] for i in picked)
    for i in picked:
        fresh[i] = mapped(_other_handle, fresh[i])  # f may give new values to its arguments, or to keys of a dict
    with enable_grad():
        return f(*fresh, **kwargs), points


def _fresh(x: Any, where: str, name: str) -> Any:
    if _is_nest(x):
        return like(x, [_fresh(v, where, f"{name}[{k!r}]") for k, v in parts(x)])
    t: Tensor = operand(x, f"{where}: {name}")
    if t.dtype.kind not in "fc":
        raise TypeError(f"{where}: {name} is {t.dtype}, but only floating and complex values have derivatives; use .astype")
    return alias(t) if t.requires_grad and recording.get() else astensor(t.data, requires_grad=True, name=t.name)


def _other_handle(t: Tensor) -> Tensor:
    return t if t.is_leaf else handle(t._data, t._node)


def _is_nest(x: Any) -> bool:
    """Whether x has parts of their own: a list or tuple of numbers is an array."""
    return isinstance(x, dict) or (isinstance(x, NEST) and any(isinstance(v, (Tensor, np.ndarray)) or _is_nest(v) for v in x))


def _flat(nest: Any) -> list[Tensor]:
    return [t for _, t in leaves(nest)]


def _along(nest: Any, other: Any, what: str) -> Iterator[Any]:
    """What stands in `other` where `nest` has a tensor."""
    if not isinstance(nest, NEST):
        yield other
        return
    keys, kind = [k for k, _ in parts(nest)], dict if isinstance(nest, dict) else (list, tuple)
    given = [k for k, _ in parts(other)] if isinstance(other, kind) else type(other).__name__
    if not isinstance(given, list) or sorted(map(repr, keys)) != sorted(map(repr, given)):
        wanted = f"a dict with {keys}" if isinstance(nest, dict) else f"{len(nest)} in a {type(nest).__name__}"
        came = len(given) if isinstance(given, list) and not isinstance(nest, dict) else given
        raise ValueError(f"{what} must be nested as the values are, {wanted}, but got {came}")
    for k in keys:
        yield from _along(nest[k], other[k], what)


def _results(out: Any, where: str) -> list[Tensor]:
    """The tensors that a function returned: one, or a nest of them."""
    return [_tensor(y, where) for y in _flat(out)]


def _tensor(y: Any, where: str) -> Tensor:
    if not isinstance(y, Tensor):
        raise TypeError(f"{where}: the function must return a tensor, but returned {type(y).__name__}")
    return y


def _outer(ys: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Whether the results depend on a graph beyond the fresh inputs; then derivatives must be differentiable, too."""
    return recording.get() and (any(not x.is_leaf for x in inputs) or depends_on_others(ys, inputs))


def _pull(ys: Sequence[Tensor], points: tuple[Any, ...], cotangents: Sequence[Any] | None, *, retain: bool = False) -> tuple[Any, ...]:
    """The gradients, nested as the points are."""
    inputs = _flat(points)
    if not inputs or not any(y.requires_grad for y in ys):
        return mapped(lambda x: astensor(np.zeros(x.shape, x.dtype)), points)  # type: ignore[no-any-return]
    outer = _outer(ys, inputs) or any(isinstance(c, Tensor) and c.requires_grad for c in cotangents or ())
    found = iter(gradients(ys, inputs, cotangents, retain_graph=retain or outer, create_graph=outer))
    return mapped(lambda _: next(found), points)  # type: ignore[no-any-return]


def _tangent(t: Any, x: Tensor, what: str) -> Tensor:
    v = t if isinstance(t, Tensor) else astensor(numeric(t, None, what))
    if v.shape != x.shape:
        raise ValueError(f"{what} must have its primal's shape {x.shape}, but has {v.shape}")
    return v if v.dtype == x.dtype else v.astype(x.dtype)
