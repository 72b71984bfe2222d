"""Checks for derivatives: against finite differences to any order, in forward mode, and by the adjoint identity."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import numpy as np

from .arguments import number, whole
from .node import enable_grad, no_grad
from .ops.reduce import sum
from .sweep import gradients
from .tensor import Tensor, astensor, tensor
from .transforms import jvp
from .tree import leaves, mapped

__all__ = ["check_adjoint", "check_grads"]

Function = Callable[..., Any]
_HIGHEST = 20  # order: each takes twice the time of the one before
_MOST_COORDINATES = 1000  # tried one by one where a check has failed


def check_grads(
    f: Function, args: Any, order: int = 2, *, eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-5, seed: int = 0
) -> None:
    """Holds the derivatives of f at `args` against central differences along random directions, up to `order`, in reverse and forward mode.

    Every floating or complex array or tensor among the arguments, also in lists and dicts, is differentiated, in double precision; what
    else there is, is passed on as it is. f returns a tensor or several. One array or tensor stands for a list of one.

    Raises AssertionError naming the argument, the mode, the order, and the index where derivative and difference differ most, with both.

    >>> import tinygrad_nd as nd
    >>> nd.testing.check_grads(lambda x: x * x * x, [np.array([1.0, 2.0])], order=3)
    """
    number("check_grads", "order", whole("check_grads", "order", order), most=_HIGHEST)
    whole("check_grads", "seed", seed, 0)
    number("check_grads", "eps", eps, above=0, below=inf)
    for what, value in (("rtol", rtol), ("atol", atol)):
        number("check_grads", what, value, least=0, below=inf)
    if not callable(f) or not isinstance(args, (Tensor, np.ndarray, Iterable)):
        raise TypeError(f"check_grads: takes a function and its arguments, but got a {type(f).__name__} and a {type(args).__name__}")
    given = [args] if isinstance(args, (Tensor, np.ndarray)) else list(args)
    points = mapped(_point, [astensor(a) if isinstance(a, (float, complex)) else a for a in given])
    found = list(leaves(points))
    picked = [k for k, (_, a) in enumerate(found) if isinstance(a, Tensor) and a.dtype.kind in "fc"]
    if not picked:
        kinds = ", ".join(str(a.dtype) if isinstance(a, Tensor) else type(a).__name__ for _, a in found)
        raise ValueError(f"check_grads: there is nothing to differentiate among the arguments ({kinds}); give floating arrays")
    for k in picked:
        path, x = found[k]
        name = f"argument {path[1:].replace(']', '', 1)}"

        def at(t: Any, k: int = k) -> Any:
            counter = itertools.count()
            return f(*mapped(lambda a: t if next(counter) == k else a, points))

        _Check(_projected(at), x.data, name, eps, rtol, atol).run(order, np.random.default_rng([seed, k]))


def check_adjoint(
    f: Function, transpose: Function, x_shape: Sequence[int], *, dtype: Any = np.float64, rtol: float = 1e-10, seed: int = 0
) -> None:
    """Holds a linear map f of x against its claimed transpose: <f(x), g> must equal <x, transpose(g)> for random x and g.

    Raises AssertionError with both numbers, and the index of x where the two differ most.
    """
    rng = np.random.default_rng(seed)
    x = _random_like(np.empty(tuple(x_shape), dtype), rng)
    y = np.asarray(f(x))
    g = _random_like(y, rng)
    back = np.asarray(transpose(g))
    if back.shape != x.shape:
        raise AssertionError(f"check_adjoint: the transpose must return the shape of x {x.shape}, but returned {back.shape}")
    bound = rtol * float(np.linalg.norm(y.ravel()) * np.linalg.norm(g.ravel()))
    found, expected = complex(np.vdot(back, x)).real, complex(np.vdot(g, y)).real
    if not _near(found, expected, rtol, bound):
        worst = _worst(lambda d: float(np.vdot(g, np.asarray(f(d))).real), back, rtol, bound)
        raise AssertionError(f"check_adjoint: <f(x), g> is {expected:.10g}, but <x, transpose(g)> is {found:.10g}{worst}")


class _Check:
    """The derivatives of a real scalar function at x. `along(d)` is its difference quotient in direction d."""

    def __init__(self, g: Function, x: np.ndarray, name: str, eps: float, rtol: float, atol: float) -> None:
        self.g, self.x, self.name, self.eps, self.rtol, self.atol = g, x, name, eps, rtol, atol

    def along(self, d: np.ndarray) -> float:
        with no_grad():
            up, down = (_value(self.g(self.x + s * self.eps * d)) for s in (1, -1))
        return (up - down) / (2 * self.eps)

    def run(self, order: int, rng: np.random.Generator) -> None:
        v = _random_like(self.x, rng)
        for k in range(1, order + 1):
            expected, leaf = self.along(v), tensor(self.x, requires_grad=True)
            y = self.g(leaf)
            tracked = isinstance(y, Tensor) and y.requires_grad
            slope = gradients(y, leaf).data if tracked else np.zeros_like(self.x)
            self.hold(slope, v, expected, f"reverse mode, order {k}", tracked)
            if k == 1:
                forward = float(_value(jvp(self.g, [self.x], [v])[1]))
                if not _near(forward, expected, self.rtol, self.atol):
                    raise AssertionError(
                        f"check_grads: {self.name}, forward mode: along a random direction expected {expected:.10g} by differences, "
                        f"found {forward:.10g}, though reverse mode is right; is a rule not linear in g?"
                    )
            self.g = _directional(self.g, v)

    def hold(self, slope: np.ndarray, v: np.ndarray, expected: float, what: str, tracked: bool) -> None:
        found = float(np.real(np.vdot(slope, v)))
        if _near(found, expected, self.rtol, self.atol):
            return
        if not tracked:
            what += ": the result carries no gradient (a step, a detach or .data on the way?)"
        raise AssertionError(
            f"check_grads: {self.name}, {what}: along a random direction expected {expected:.10g} by differences, found {found:.10g}"
            + _worst(self.along, slope, self.rtol, self.atol)
        )


def _worst(along: Function, slope: np.ndarray, rtol: float, atol: float) -> str:
    """Where a slope differs most from the differences along the axes, as a clause."""
    d, misses = np.zeros_like(slope), []
    for index in itertools.islice(np.ndindex(slope.shape), _MOST_COORDINATES):
        expected: Any = 0.0
        for unit in (1, 1j) if slope.dtype.kind == "c" else (1,):
            d[index] = unit
            expected += unit * along(d)
        d[index] = 0
        misses.append((abs(slope[index] - expected), index, expected))
    if not misses:
        return ""
    _, index, expected = max(misses, key=lambda m: (np.isnan(m[0]), m[0]))
    wrong = len([m for m, i, e in misses if not m <= atol + rtol * abs(e)])
    return f"; worst at index {index}: expected {expected:.10g}, found {slope[index]:.10g} ({wrong} of {len(misses)} entries differ)"


def _point(a: Any) -> Any:
    """Arrays and tensors as constant tensors, in double precision."""
    if not isinstance(a, (Tensor, np.ndarray)):
        return a
    t = astensor(a).detach()
    return t.astype(np.result_type(t.dtype, np.float64)) if t.dtype.kind in "fc" else t


def _projected(f: Function) -> Function:
    """A real scalar function: f's results, projected on random directions."""

    def scalar(t: Any) -> Any:
        out = f(astensor(t))
        results: Iterable[Any] = [out] if isinstance(out, Tensor) else out if isinstance(out, (tuple, list)) else [out]
        total: Any = None
        for k, y in enumerate(results):
            if not isinstance(y, Tensor):
                raise TypeError(f"check_grads: the function must return tensors, but returned {type(y).__name__}")
            if y.dtype.kind in "fc":
                part = y * _random_like(y.data, np.random.default_rng(k))
                part = sum(part.real if y.dtype.kind == "c" else part)
                total = part if total is None else total + part
        if total is None:
            raise AssertionError("check_grads: no result of the function is floating or complex, so it has no derivatives")
        return total

    return scalar


def _directional(g: Function, v: np.ndarray) -> Function:
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


def _value(y: Any) -> float:
    return float(np.real(y.data)) if isinstance(y, Tensor) else float(y)


def _random_like(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    v = rng.standard_normal(a.shape)
    return np.asarray(v + 1j * rng.standard_normal(a.shape) if a.dtype.kind == "c" else v, dtype=a.dtype)


def _near(found: float, expected: float, rtol: float, atol: float) -> bool:
    return abs(found - expected) <= atol + rtol * max(abs(expected), abs(found))
