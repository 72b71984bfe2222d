"""What compiled convolutions ask of their operands, channels side by side and one dtype: brought about a few images at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from .. import memory
from ..geometry import ConvSpec
from ..memory import Array
from ..phases import Engine, Sums, Target, into
from .products import dense, is_dense

COPY = 1 << 23  # bytes of images copied at a time


def by_images(engine: Engine) -> Engine:
    """The engine for any x and target: it is called for some images, or for all of them where nothing must be copied."""

    @wraps(engine)
    def run(x: Array, kernels: Array, spec: ConvSpec, target: Target) -> None:
        if target.converts:
            y = memory.empty((len(x), *spec.out, target.channels), target.dtype)
            run(x, kernels, spec, Target(target.channels, target.dtype, into(y), y, y))
            return target.put_all(y)
        for start, stop in _batches(kernels.dtype, x):
            engine(dense(x[start:stop], kernels.dtype), kernels, spec, target.images(start, stop))

    return run


def summed_by_images(sums: Callable[[Array, Array, ConvSpec], Array]) -> Sums:
    """The sums for any x and g: they are asked for of some images, or of all."""

    @wraps(sums)
    def run(x: Array, g: Array, spec: ConvSpec, dtype: np.dtype[Any]) -> Array:
        total: Any = None
        for start, stop in _batches(dtype, x, g):
            part = sums(dense(x[start:stop], dtype), dense(g[start:stop], dtype), spec)
            total = part if total is None else np.add(total, part, out=total)
        return np.asarray(total)

    return run


def _batches(dtype: np.dtype[Any], *arrays: Array) -> Iterator[tuple[int, int]]:
    n = len(arrays[0])
    step = n
    if not all(is_dense(a, dtype) for a in arrays):
        step = max(1, COPY * n // max(*(a.nbytes for a in arrays), 1))
    for start in range(0, n, step):
        yield start, min(start + step, n)
