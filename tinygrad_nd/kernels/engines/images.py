"""What compiled convolutions ask of their operands, channels side by side and one dtype: brought about a few images at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import memory, phases
from ..geometry import ConvSpec
from ..phases import Engine, Target, into, wide_dtype
from .products import dense, is_dense

Array = NDArray[Any]

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


def summed_by_images(weight_grad: Callable[[Array, Array, ConvSpec], Array]) -> Callable[[Array, Array, ConvSpec], Array]:
    """dw (M, C/G, *k) of any x (N, C, *n) and g (N, M, *o): weight_grad gets channels-last images and gives sums (G, *k, C/G, M/G)."""

    @wraps(weight_grad)
    def run(x: Array, g: Array, spec: ConvSpec) -> Array:
        dtype = np.result_type(x, g)
        wide = wide_dtype(dtype)
        x, g = phases.channels_last(x), phases.channels_last(g)
        total: Any = None
        for start, stop in _batches(wide, x, g):
            part = weight_grad(dense(x[start:stop], wide), dense(g[start:stop], wide), spec)
            total = part if total is None else np.add(total, part, out=total)
        return phases.as_weight(total, dtype)

    return run


def _batches(dtype: np.dtype[Any], *arrays: Array) -> Iterator[tuple[int, int]]:
    n = len(arrays[0])
    step = n
    if not all(is_dense(a, dtype) for a in arrays):
        step = max(1, COPY * n // max(*(a.nbytes for a in arrays), 1))
    for start in range(0, n, step):
        yield start, min(start + step, n)
