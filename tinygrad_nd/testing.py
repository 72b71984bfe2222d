"""Checks for derivatives: against finite differences to any order, in forward mode, and by the adjoint identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .node import enable_grad, no_grad
from .ops.reduce import sum
from .sweep import gradients
from .tensor import Tensor, astensor, tensor
from .transforms import jvp

Function = Callable[..., Any]


def check_grads(
    f: Function, args: Sequence[Any], order: int = 2, *, eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-5, seed: int = 0
) -> None:
    """Holds the derivatives of f at `args` against central differences along random directions, up to `order`, in reverse and forward mode.

    Arguments of floating dtype (give float64) are differentiated, the others passed on as they are. f returns a tensor or several.

    Raises AssertionError saying which argument and order disagree, with the value expected and the one found.

    >>> import tinygrad_nd as nd
    >>> nd.testing.check_grads(lambda x: x * x * x, [np.array([1.0, 2.0])], order=3)
    """
    rng = np.random.default_rng(seed)
    points = [astensor(a).detach() if isinstance(a, (Tensor, np.ndarray, float, complex)) else a for a in args]
    for i, a in enumerate(points):
        if isinstance(a, Tensor) and a.dtype.kind in "fc":
            _check_argument(f, points, i, order, eps, rtol, atol, rng)


def _check_argument(
    f: Function, points: list[Any], i: int, order: int, eps: float, rtol: float, atol: float, rng: np.random.Generator
) -> None:
    x = points[i].data
    v = _random_like(x, rng)

    def of_one(t: Any) -> Tensor:
        """Argument i to a real scalar: a random projection of the result."""
        out = f(*points[:i], astensor(t), *points[i + 1 :])
        total: Any = 0.0
        for k, y in enumerate([out] if isinstance(out, Tensor) else out):
            if y.dtype.kind in "fc":
                weight = _random_like(y.data, np.random.default_rng(k))
                total = total + sum((y * weight).real if y.dtype.kind == "c" else y * weight)
        return total  # type: ignore[no-any-return]

    g: Function = of_one
    for k in range(1, order + 1):
        with no_grad():
            expected = (float(_value(g(x + eps * v))) - float(_value(g(x - eps * v)))) / (2 * eps)
        leaf = tensor(x, requires_grad=True)
        y = g(leaf)
        slope = gradients(y, leaf).data if isinstance(y, Tensor) and y.requires_grad else np.zeros_like(x)
        _agree(float(np.real(np.vdot(slope, v))), expected, rtol, atol, f"argument {i}: derivative of order {k}")
        if k == 1:
            forward = jvp(g, [x], [v])[1]
            _agree(float(np.real(forward.data)), expected, rtol, atol, f"argument {i}: forward-mode derivative")
        g = _along(g, v)


def _along(g: Function, v: np.ndarray) -> Function:
    """The derivative of a scalar function along v, as a scalar function that can be differentiated again."""

    def directional(t: Any) -> Any:
        with enable_grad():
            leaf = t if isinstance(t, Tensor) and t.requires_grad else tensor(t, requires_grad=True)
            y = g(leaf)
            if not (isinstance(y, Tensor) and y.requires_grad):
                return astensor(0.0)
            product = gradients(y, leaf, create_graph=True) * np.conj(v)
            return sum(product.real if product.dtype.kind == "c" else product)

    return directional


def check_adjoint(
    f: Function, transpose: Function, x_shape: Sequence[int], *, dtype: Any = np.float64, rtol: float = 1e-10, seed: int = 0
) -> None:
    """Holds a linear map f of x against its claimed transpose: <f(x), g> must equal <x, transpose(g)> for random x and g.

    Raises AssertionError with both numbers.
    """
    rng = np.random.default_rng(seed)
    x = _random_like(np.empty(tuple(x_shape), dtype), rng)
    y = np.asarray(f(x))
    g = _random_like(y, rng)
    back = np.asarray(transpose(g))
    if back.shape != x.shape:
        raise AssertionError(f"check_adjoint: the transpose must return the shape of x {x.shape}, but returned {back.shape}")
    scale = float(np.linalg.norm(y.ravel()) * np.linalg.norm(g.ravel()))
    found, expected = complex(np.vdot(back, x)).real, complex(np.vdot(g, y)).real
    _agree(found, expected, rtol, rtol * scale, "check_adjoint: <x, transpose(g)> against <f(x), g>")


def _value(y: Any) -> Any:
    return y.data.real if isinstance(y, Tensor) else y


def _random_like(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    v = rng.standard_normal(a.shape)
    return np.asarray(v + 1j * rng.standard_normal(a.shape) if a.dtype.kind == "c" else v, dtype=a.dtype)


def _agree(found: float, expected: float, rtol: float, atol: float, what: str) -> None:
    if not abs(found - expected) <= atol + rtol * max(abs(expected), abs(found)):
        raise AssertionError(f"{what}: expected {expected:.10g} by differences, found {found:.10g}")
