"""Steps of optimisers: one pass over a parameter, which reads its value, its gradient and its state, and writes a new value.

State is written in place. All arrays of a parameter lie in memory as its gradient does; a value that does not is copied so, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import engines, memory, parallel
from .elementwise import COMPILED, fused
from .memory import Array

SHARED = 1 << 18  # elements; below, a step is done before a second thread is awake


def sgd(
    value: Array, g: Array, v: Array | None, lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
) -> Array:
    """value - lr d, with d the velocity v = momentum v + (1 - dampening) g; g itself without momentum; g + momentum v if `nesterov`."""

    def tile(out: Array, p: Array, g: Array, *velocity: Array) -> None:
        if weight_decay:
            g = np.add(g, np.multiply(p, weight_decay, out=out), out=out)
        for v in velocity:
            np.multiply(v, momentum, out=v)
            np.add(v, np.multiply(g, 1 - dampening, out=_part(out)) if dampening else g, out=v)
            g = np.add(g, np.multiply(v, momentum, out=_part(out)), out=out) if nesterov else v
        np.multiply(g, -lr, out=out)
        np.add(out, p, out=out)

    if v is None:
        return _stepped("descend", tile, (lr, weight_decay), value, g)
    return _stepped("sgd", tile, (lr, momentum, dampening, weight_decay, nesterov), value, g, v)


def adam(
    value: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    rate: float,
    root: float,
    betas: tuple[float, float],
    eps: float,
    decay: float,
    shrink: float,
) -> Array:
    """shrink value - rate m / (root √v + eps), with m and v the running means of g + decay value and its square."""
    b1, b2 = betas

    def tile(out: Array, p: Array, g: Array, m: Array, v: Array, *largest: Array) -> None:
        part = _part(out)
        if decay:
            g = np.add(g, np.multiply(p, decay, out=out), out=out)
        np.subtract(g, m, out=part)
        np.multiply(part, 1 - b1, out=part)
        np.add(m, part, out=m)
        np.square(g, out=part)
        np.multiply(part, 1 - b2, out=part)
        np.multiply(v, b2, out=v)
        np.add(v, part, out=v)
        for top in largest:
            v = np.maximum(top, v, out=top)
        np.sqrt(v, out=part)
        np.multiply(part, root, out=part)
        np.add(part, eps, out=part)
        np.divide(m, part, out=part)
        np.multiply(part, -rate, out=part)
        np.multiply(p, shrink, out=out)
        np.add(out, part, out=out)

    if largest is not None:
        return _stepped("", tile, (), value, g, m, v, largest)
    return _stepped("adam", tile, (rate, root, b1, b2, eps, decay, shrink), value, g, m, v)


def _stepped(name: str, tile: Callable[..., None], numbers: tuple[Any, ...], value: Array, g: Array, *state: Array) -> Array:
    """The new value: from the compiled loop of this name, else from `tile`, on threads where that pays."""
    if g.size < COMPILED:
        tile(out := np.empty_like(g), value, g, *state)
        return out
    out = memory.empty_like(g)
    if value.strides != out.strides:
        np.copyto(moved := memory.empty_like(g), value)
        value = moved
    arrays = (value, g, *state)
    share = -(-g.size // (2 * parallel.num_threads()))
    alike = all([a.strides == out.strides for a in arrays])
    if name and alike and g.dtype in (np.float32, np.float64) and (loops := engines.compiled("updates")):
        loop, flat = getattr(loops, name), [a.ravel("K") for a in (out, *arrays)]
        if g.size <= SHARED:
            loop(*flat, *numbers)
        else:
            parallel.run(parallel.boxes((g.size,), share), lambda box: loop(*[a[box] for a in flat], *numbers))
    elif g.size <= SHARED or not alike:
        tile(out, *arrays)
    else:
        return fused(tile, *arrays, dtype=out.dtype, tile=max(SHARED, share))
    return out


def _part(out: Array) -> Array:
    return memory.scratch("part", out.shape, out.dtype)
