"""L-BFGS: a quasi-Newton method, for small problems whose loss is the same at every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from ..arguments import answering, whole
from ..kernels.words import shown
from ..node import enable_grad
from ..tensor import Tensor
from ..values import frozen
from .optimizer import Optimizer, Params, State, check_closure

__all__ = ["LBFGS"]

CURVED = 1e-10  # a pair with a smaller y·s is not remembered


class LBFGS(Optimizer):
    """Newton's steps with an inverse Hessian estimated from the last `history_size` steps and changes of the gradient.

    `step(closure)` makes up to `max_iter` iterations and `max_eval` evaluations; the closure clears the gradients, computes the loss, calls
    `backward` and returns the loss. It ends early where no gradient is above `tolerance_grad`, or no change above `tolerance_change`.
    `line_search_fn` is None (steps of lr) or "strong_wolfe". All parameters are one vector: there is one group.

    >>> import tinygrad_nd as nd
    >>> x = nd.Parameter([-1.2, 1.0])
    >>> optimiser = nd.optim.LBFGS([x], max_iter=40, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimiser.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> loss = optimiser.step(closure)
    >>> x.data.round(3)
    array([1., 1.], dtype=float32)

    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989.
    """

    @answering
    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn is not None and not (isinstance(line_search_fn, str) and line_search_fn == "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn is None or 'strong_wolfe', but got {shown(line_search_fn)}")
        whole("LBFGS", "max_iter", max_iter)
        whole("LBFGS", "history_size", history_size)
        if max_eval is not None:
            whole("LBFGS", "max_eval", max_eval)
        options = {"max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval, "history_size": history_size}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, lr=lr, **options, **tolerances, line_search_fn=line_search_fn)
        self._memory = State(func_evals=0, n_iter=0, old_dirs=[], old_stps=[])

    @property
    def state(self) -> list[State]:
        return [self._memory]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: all parameters are one vector, so there can be one group only")
        super().add_param_group(group)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Goes on from where it stands; returns the loss before the first iteration."""
        check_closure(self, closure)
        self._check_groups()
        group, m = self.param_groups[0], self._memory

        def measure() -> tuple[Tensor, np.ndarray]:
            with enable_grad():
                loss = closure()
            try:
                float(loss)
            except (TypeError, ValueError):
                told = f"a tensor of shape {loss.shape}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
                raise TypeError(f"LBFGS.step: the closure must return the loss, a tensor of one number, but gave {told}") from None
            m["func_evals"] += 1
            return loss, np.concatenate([_row(np.zeros_like(p._data) if p.grad is None else p.grad._data) for p in group["params"]])

        def at(t: float) -> Point:
            self._set(x + t * m["d"])
            loss, g = measure()
            return Point(t, float(loss), g, float(g @ m["d"]))

        tolerance, first_eval = group["tolerance_change"], m["func_evals"]
        first, g = measure()
        loss = float(first)
        x = np.concatenate([_row(p._data) for p in group["params"]])
        for i in range(group["max_iter"] if _largest(g) > group["tolerance_grad"] else 0):
            m["n_iter"] += 1
            self._learn(g)
            m["prev_flat_grad"], m["prev_loss"] = g, loss
            m["t"] = t = group["lr"] * (min(1.0, 1 / float(np.abs(g).sum())) if m["n_iter"] == 1 else 1.0)
            slope = float(g @ m["d"])
            if slope > -tolerance:
                break
            if group["line_search_fn"]:
                (m["t"], loss, g, _), _ = strong_wolfe(at, Point(0.0, loss, g, slope), t, _largest(m["d"]), tolerance)
            x = x + m["t"] * m["d"]
            self._set(x)
            if not group["line_search_fn"] and i + 1 < group["max_iter"]:
                now, g = measure()
                loss = float(now)
            if m["func_evals"] - first_eval >= group["max_eval"] or _largest(g) <= group["tolerance_grad"]:
                break
            if _largest(m["t"] * m["d"]) <= tolerance or abs(loss - m["prev_loss"]) < tolerance:
                break
        return first

    def state_dict(self) -> dict[str, Any]:
        kept = {k: [a.copy() for a in v] if isinstance(v, list) else v for k, v in self._memory.items()}
        return {**super().state_dict(), "state": {0: kept}}

    def _load(self, where: str, saved: Mapping[str, Any]) -> None:
        state = {int(i): s for i, s in saved.get("state", {}).items()}.get(0, {})
        if missing := {"func_evals", "n_iter", "old_dirs", "old_stps"} - set(state):
            raise ValueError(f"{where}: the state lacks {', '.join(sorted(missing))}")
        size = sum(p.size * (2 if p.dtype.kind == "c" else 1) for p in self.parameters)
        vectors = [*state["old_dirs"], *state["old_stps"], *(state[k] for k in ("d", "prev_flat_grad") if k in state)]
        if wrong := [np.shape(v) for v in vectors if np.shape(v) != (size,)]:
            raise ValueError(f"{where}: a vector of shape {wrong[0]} was saved, but the parameters are {size} numbers")
        memory = {k: [np.array(a) for a in v] if isinstance(v, (list, tuple)) else v for k, v in state.items()}
        super()._load(where, {**saved, "state": {}})
        self._memory = memory

    def _learn(self, g: np.ndarray) -> None:
        """The next direction d, from the last step and what it did to the gradient, by the two loops of the method."""
        m = self._memory
        steps, changes = m["old_stps"], m["old_dirs"]
        if m["n_iter"] == 1:
            m["d"], m["H_diag"] = -g, 1.0
            return
        y, s = g - m["prev_flat_grad"], m["t"] * m["d"]
        if (ys := float(y @ s)) > CURVED:
            if len(steps) == self.param_groups[0]["history_size"]:
                del steps[0], changes[0]
            steps.append(s)
            changes.append(y)
            m["H_diag"] = ys / float(y @ y)
        rho = [1 / float(y @ s) for y, s in zip(changes, steps)]
        q, parts = -g, []
        for s, y, r in zip(reversed(steps), reversed(changes), reversed(rho)):
            parts.append(r * float(s @ q))
            q = q - parts[-1] * y
        d = m["H_diag"] * q
        for s, y, r, part in zip(steps, changes, rho, reversed(parts)):
            d = d + (part - r * float(y @ d)) * s
        m["d"] = d

    def _set(self, x: np.ndarray) -> None:
        """Gives the parameters their values from the vector of all."""
        begin = 0
        for p in self.parameters:
            row = _row(p._data)
            p._data = frozen(x[begin : begin + row.size].astype(row.dtype).view(p.dtype).reshape(p.shape))
            begin += row.size


def _row(a: np.ndarray) -> np.ndarray:
    """The numbers of an array, a complex one as two."""
    row = np.ascontiguousarray(a).reshape(-1)
    return row.view(row.real.dtype) if row.dtype.kind == "c" else row


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0.0))


# The line search.

DECREASE, CURVATURE = 1e-4, 0.9  # c1, c2
MOST = 25  # points looked at


class Point(NamedTuple):
    """On the line: how far, the value there, the gradient, and the slope along the line."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def strong_wolfe(at: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float) -> tuple[Point, int]:
    """A point with f <= f(0) + c1 t f'(0) and |f'| <= c2 |f'(0)|, or the best seen; and how many were looked at.

    t is tried first; the search ends when the bracket, times `length`, is shorter than `tolerance`.

    Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6 and equation 3.59; safeguards as in PyTorch, whose
    points it finds.
    """

    def too_high(p: Point) -> bool:
        return p.f > start.f + DECREASE * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -CURVATURE * start.slope

    before, here, looks = start, at(t), 1
    while looks <= MOST:  # go on until a minimum is bracketed
        if too_high(here) or (looks > 2 and here.f >= before.f):
            break
        if flat(here):
            return here, looks
        if here.slope >= 0:
            break
        t = _minimum(before, here, here.t + 0.01 * (here.t - before.t), 10 * here.t)
        before, here = here, at(t)
        looks += 1
    else:
        before = start
    ends, stuck = [before, here], False
    low, high = (0, 1) if before.f <= here.f else (1, 0)
    while looks <= MOST and abs(ends[1].t - ends[0].t) * length >= tolerance:  # narrow the bracket
        left, right = sorted((ends[0].t, ends[1].t))
        t = _minimum(ends[0], ends[1], left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):  # twice close to an end: go to its margin
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        here = at(t)
        looks += 1
        if too_high(here) or here.f >= ends[low].f:
            ends[high] = here
            low, high = (0, 1) if ends[0].f <= ends[1].f else (1, 0)
        else:
            if flat(here):
                return here, looks
            if here.slope * (ends[high].t - ends[low].t) >= 0:
                ends[high] = ends[low]
            ends[low] = here
    return ends[low], looks


def _minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points and their slopes is smallest, between `least` and `most`; their middle if it has no minimum."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = sqrt(square)
    if not (bend := b.slope - a.slope + 2 * d2):  # a straight line, downhill
        return most if b.slope < 0 else least
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bend), least), most)
