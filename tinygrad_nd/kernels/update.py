"""Rules of optimisers: how a number moves, given its gradient and its state.

One text serves two engines: NumPy runs a rule on tiles of arrays, which it changes in place, and a compiled loop on one number after the
other (`engines.updates`). What a rule returns are the new values of p and of its state. Constants come as arguments: one loop serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from . import engines, parallel
from .memory import Array

COMPILED = 1 << 12  # numbers; with fewer a compiled loop saves nothing
TILE = 1 << 17  # bytes of a tile in NumPy: what lies between its calls stays in a core's cache
SHARED = 1 << 19  # bytes of a tile in NumPy on several threads: between shorter calls they would wait for one another

Rule = Callable[..., tuple[Any, ...]]


class Step(NamedTuple):
    """The numbers p and their states are to move by the rule for the gradient g + decay p (-g + decay p if `uphill`).

    All arrays are rows of one length and dtype; `numbers` are the rule's constants.
    """

    rule: Rule
    p: Array
    g: Array
    states: Sequence[Array]
    numbers: Sequence[float]
    decay: float = 0.0
    uphill: bool = False


def run(steps: Sequence[Step]) -> None:
    """Makes the steps, in place."""
    loops = engines.compiled("updates") if sum([s.p.size for s in steps]) >= COMPILED else None
    for s in steps:
        if loops and s.p.dtype.char in "fd":
            _run_compiled(loops.loop(s.rule, len(s.numbers)), s)
        else:
            _run_numpy(s)


def _run_compiled(loop: Callable[..., None], s: Step) -> None:
    arrays, share = (s.p, s.g, *s.states), engines.share(s.p.size)
    constants = np.array((_sign(s), s.decay, *s.numbers), s.p.dtype)
    if share >= s.p.size:
        return loop(*arrays, constants)
    boxes = parallel.boxes(s.p.shape, share)
    engines.repeat(loop, (*arrays, constants), lambda: [(*[a[box] for a in arrays], constants) for box in boxes], share)


def _run_numpy(s: Step) -> None:
    nbytes = SHARED if s.p.nbytes >= 4 * SHARED and parallel.num_threads() > 1 else TILE
    boxes = parallel.boxes(s.p.shape, nbytes // s.p.itemsize)
    work = partial(_tile, s.rule, (s.p, s.g, *s.states), s.numbers, s.decay, _sign(s))
    if nbytes == SHARED:
        parallel.run(boxes, work)
    else:
        for box in boxes:
            work(box)


def _sign(s: Step) -> float:
    return -1.0 if s.uphill else 1.0


def _tile(rule: Rule, arrays: Sequence[Array], numbers: Sequence[float], decay: float, sign: float, box: Any) -> None:
    p, g, *states = [a[box] for a in arrays]
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite gradient, or square; as compiled
        for a, new in zip((p, *states), rule(p, slope(g, p, sign, decay), *states, *numbers)):
            if new is not a:
                np.copyto(a, new)


def slope(g: Any, p: Any, sign: Any, decay: Any) -> Any:
    """sign g + decay p, for sign ±1."""
    if sign < 0:
        g = -g
    return g + decay * p if decay else g


def descend(p: Any, g: Any, lr: Any) -> tuple[Any, ...]:
    p -= lr * g
    return (p,)


def sgd(p: Any, g: Any, v: Any, lr: Any, momentum: Any, part: Any, nesterov: Any) -> tuple[Any, ...]:
    v *= momentum
    v += part * g
    p -= lr * (g + momentum * v) if nesterov else lr * v
    return p, v


def _moments(p: Any, g: Any, m: Any, v: Any, shrink: Any, new1: Any, b2: Any, new2: Any) -> tuple[Any, ...]:
    """The numbers shrunk, and the means of gradients and of their squares."""
    m += new1 * (g - m)
    v *= b2
    v += new2 * (g * g)
    if shrink != 1:
        p *= shrink
    return p, m, v


def adam(p: Any, g: Any, m: Any, v: Any, shrink: Any, new1: Any, b2: Any, new2: Any, rate: Any, eps: Any) -> tuple[Any, ...]:
    p, m, v = _moments(p, g, m, v, shrink, new1, b2, new2)
    p -= rate * m / (np.sqrt(v) + eps)
    return p, m, v


def amsgrad(p: Any, g: Any, m: Any, v: Any, top: Any, shrink: Any, new1: Any, b2: Any, new2: Any, rate: Any, eps: Any) -> tuple[Any, ...]:
    p, m, v = _moments(p, g, m, v, shrink, new1, b2, new2)
    top = np.maximum(top, v)
    p -= rate * m / (np.sqrt(top) + eps)
    return p, m, v, top


def nadam(p: Any, g: Any, m: Any, v: Any, shrink: Any, new1: Any, b2: Any, new2: Any, rate: Any, ahead: Any, eps: Any) -> tuple[Any, ...]:
    p, m, v = _moments(p, g, m, v, shrink, new1, b2, new2)
    p -= (rate * g + ahead * m) / (np.sqrt(v) + eps)
    return p, m, v


def radam(p: Any, g: Any, m: Any, v: Any, shrink: Any, new1: Any, b2: Any, new2: Any, rate: Any, eps: Any, known: Any) -> tuple[Any, ...]:
    p, m, v = _moments(p, g, m, v, shrink, new1, b2, new2)
    p -= rate * m / (np.sqrt(v) + eps) if known else rate * m
    return p, m, v


def adamax(p: Any, g: Any, m: Any, u: Any, new1: Any, b2: Any, rate: Any, eps: Any) -> tuple[Any, ...]:
    m += new1 * (g - m)
    u = np.maximum(b2 * u, np.abs(g) + eps)
    p -= rate * m / u
    return p, m, u


def lion(p: Any, g: Any, m: Any, shrink: Any, lr: Any, b1: Any, new1: Any, b2: Any, new2: Any) -> tuple[Any, ...]:
    if shrink != 1:
        p *= shrink
    p -= lr * np.sign(b1 * m + new1 * g)
    m *= b2
    m += new2 * g
    return p, m


def adagrad(p: Any, g: Any, total: Any, rate: Any, eps: Any) -> tuple[Any, ...]:
    total += g * g
    p -= rate * g / (np.sqrt(total) + eps)
    return p, total


def adadelta(p: Any, g: Any, v: Any, u: Any, lr: Any, rho: Any, new: Any, eps: Any) -> tuple[Any, ...]:
    v *= rho
    v += new * (g * g)
    delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u *= rho
    u += new * (delta * delta)
    p -= lr * delta
    return p, v, u


def rmsprop(p: Any, g: Any, v: Any, lr: Any, alpha: Any, new: Any, eps: Any) -> tuple[Any, ...]:
    v *= alpha
    v += new * (g * g)
    p -= lr * g / (np.sqrt(v) + eps)
    return p, v


def rmsprop_momentum(p: Any, g: Any, v: Any, b: Any, lr: Any, alpha: Any, new: Any, eps: Any, momentum: Any) -> tuple[Any, ...]:
    v *= alpha
    v += new * (g * g)
    b *= momentum
    b += g / (np.sqrt(v) + eps)
    p -= lr * b
    return p, v, b


def rmsprop_centered(
    p: Any, g: Any, v: Any, b: Any, a: Any, lr: Any, alpha: Any, new: Any, eps: Any, momentum: Any, zero: Any
) -> tuple[Any, ...]:
    v *= alpha
    v += new * (g * g)
    a += new * (g - a)
    b *= momentum
    b += g / (np.sqrt(np.maximum(v - a * a, zero)) + eps)  # a variance below 0 is an error of rounding
    p -= lr * b
    return p, v, b, a


def average(p: Any, g: Any, weight: Any) -> tuple[Any, ...]:
    p += weight * (g - p)
    return (p,)
