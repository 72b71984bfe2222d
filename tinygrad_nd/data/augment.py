"""Random changes to batches of any rank: x (N, C, *n) in, a new array out, each example changed in its own way.

Functions of (x, rng, ...): `rng` is a Generator, a seed or None. The dtype and the order of axes in memory stay, x is never written to, and
`layout="N*C"` takes channels last. Two arrays, as an image and its mask, are changed alike by generators in the same state. With batches:

    def vary(batch, rng):
        x, y = batch
        return augment.crop(augment.flip(x, rng), rng, 96, padding=8), y

    nd.data.batches((images, labels), 128, shuffle=True, rng=0, transform=vary)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import numpy as np

from ..arguments import Rng, generator, number, option, whole
from ..kernels.memory import empty_like, memory_order
from ..kernels.padding import NUMPYS, IntN, per_axis
from ..ops.conv import is_channels_last
from .arrays import as_array

__all__ = ["brightness", "compose", "contrast", "crop", "flip", "noise", "shift"]


def flip(x: Any, rng: Rng, axes: IntN = -1, *, p: float = 0.5, layout: str | None = None) -> np.ndarray:
    """x with every example mirrored with probability p along each of `axes`, which count the spatial axes: -1 is the last.

    >>> flip(np.arange(3).reshape(1, 1, 3), 0, p=1)
    array([[[2, 1, 0]]])
    """
    x, space = _checked("flip", x, layout)
    mirrored = np.zeros((len(x), len(space)), bool)
    number("augment.flip", "p", p, least=0, most=1)
    draw = generator("augment.flip", rng)
    for axis in axes if isinstance(axes, Sequence) else (axes,):
        whole("augment.flip", "an axis", axis, -inf)
        if not -len(space) <= axis < len(space):
            raise ValueError(f"augment.flip: there is no spatial axis {axis} in x {x.shape}, which has {len(space)}")
        mirrored[:, axis] ^= draw.random(len(x)) < p
    ways = slice(None), slice(None, None, -1)
    return _picked(x, space, [x.shape[a] for a in space], [[ways[m] for m in row] for row in mirrored.tolist()])


def crop(x: Any, rng: Rng, size: IntN, *, padding: IntN = 0, padding_mode: str = "zeros", layout: str | None = None) -> np.ndarray:
    """A window of `size` from a random place of every example: (N, C, *n) to (N, C, *size), after `padding` on both sides of each axis.

    `padding_mode` is "zeros", "reflect", "replicate" or "circular". Raises ValueError where the window is larger than the padded axis.
    """
    x, space = _checked("crop", x, layout)
    sizes, pads = (per_axis(given, len(space), what, "augment.crop") for given, what in ((size, "size"), (padding, "padding")))
    option("augment.crop", "padding_mode", padding_mode, NUMPYS)
    room = [x.shape[a] + 2 * p - k for a, p, k in zip(space, pads, sizes)]
    if min(room, default=0) < 0 or min(sizes, default=0) < 0 or min(pads, default=0) < 0:
        raise ValueError(f"augment.crop: a window of {sizes} does not fit into x {x.shape} with padding {pads}")
    if any(pads) and padding_mode != "zeros" and 0 in [x.shape[a] for a in space]:
        raise ValueError(f"augment.crop: padding_mode={padding_mode!r} repeats what is in x {x.shape}, where there is nothing")
    draw = generator("augment.crop", rng)
    starts = np.stack([draw.integers(0, r, len(x), endpoint=True) for r in room], 1)
    windows = [[slice(i, i + k) for i, k in zip(row, sizes)] for row in starts.tolist()]
    return _picked(_padded(x, space, pads, NUMPYS[padding_mode]) if any(pads) else x, space, sizes, windows)


def shift(x: Any, rng: Rng, most: IntN, *, padding_mode: str = "zeros", layout: str | None = None) -> np.ndarray:
    """x with every example moved by up to `most` places (an int, or one per spatial axis), either way; the edge is filled as by `crop`."""
    x, space = _checked("shift", x, layout)
    if min(per_axis(most, len(space), "most", "augment.shift"), default=0) < 0:
        raise ValueError(f"augment.shift: most={most} must not be negative")
    return crop(x, rng, [x.shape[a] for a in space], padding=most, padding_mode=padding_mode, layout=layout)


def noise(x: Any, rng: Rng, scale: float) -> np.ndarray:
    """x plus normal noise of standard deviation `scale`; integers are rounded, and held to the range of their dtype."""
    x, draw = _real("noise", x), generator("augment.noise", rng)
    number("augment.noise", "scale", scale, least=0, below=inf)
    order = memory_order(x)
    z = draw.standard_normal([x.shape[a] for a in order], _computed_in(x)).transpose(np.argsort(order))
    z *= scale
    z += x
    return _as(x, z)


def brightness(x: Any, rng: Rng, most: float) -> np.ndarray:
    """x plus one number for each example, uniform between -most and most."""
    x = _real("brightness", x)
    return _as(x, x + _amounts("brightness", x, rng, most))


def contrast(x: Any, rng: Rng, most: float) -> np.ndarray:
    """Each example's distance from its mean, times a number uniform between 1 - most and 1 + most."""
    x = _real("contrast", x)
    factor, rest = 1 + _amounts("contrast", x, rng, most), tuple(range(1, x.ndim))
    if not x.size:
        return np.array(x)
    return _as(x, x * factor + x.mean(rest, dtype=factor.dtype, keepdims=True) * (1 - factor))


def compose(*functions: Callable[[Any, np.random.Generator], np.ndarray]) -> Callable[[Any, Rng], np.ndarray]:
    """One function (x, rng) that applies those given, first to last, with one generator.

    >>> vary = compose(flip, lambda x, rng: crop(x, rng, 4, padding=1))
    >>> vary(np.zeros((2, 3, 5, 5)), 0).shape
    (2, 3, 4, 4)
    """

    for f in functions:
        if not callable(f):
            raise TypeError(f"augment.compose: takes functions of (x, rng), one after the other, but got a {type(f).__name__}")

    def composed(x: Any, rng: Rng) -> np.ndarray:
        draw = generator("augment.compose", rng)
        for f in functions:
            x = f(x, draw)
        return as_array("augment.compose", x)

    return composed


def _checked(where: str, x: Any, layout: str | None) -> tuple[np.ndarray, list[int]]:
    """The array and its spatial axes."""
    a, last = as_array(f"augment.{where}", x), is_channels_last(f"augment.{where}", layout)
    if a.ndim < 3:
        raise ValueError(
            f"augment.{where}: x needs axes {'(N, *n, C)' if last else '(N, C, *n)'} with a spatial one, but has shape {a.shape}"
        )
    return a, list(range(1, a.ndim - 1) if last else range(2, a.ndim))


def _picked(x: np.ndarray, space: Sequence[int], sizes: Sequence[int], windows: Iterable[Sequence[slice]]) -> np.ndarray:
    """Of every example the window given for it, as a new array in x's memory order."""
    shape = list(x.shape)
    for axis, size in zip(space, sizes):
        shape[axis] = size
    out, first = empty_like(x, shape=shape), space[0] - 1
    for to, example, window in zip(out, x, windows):
        to[...] = example[(slice(None),) * first + tuple(window)]
    return out


def _padded(x: np.ndarray, space: Sequence[int], pads: Sequence[int], mode: Any) -> np.ndarray:
    """np.pad of the spatial axes, which alone would lose the memory order."""
    widths = dict(zip(space, pads))
    order = memory_order(x)
    padded = np.pad(x.transpose(order), [(widths.get(a, 0),) * 2 for a in order], mode)
    return padded.transpose(np.argsort(order))


def _real(where: str, x: Any) -> np.ndarray:
    a = as_array(f"augment.{where}", x)
    if a.dtype.kind not in "iuf" or not a.ndim:
        raise TypeError(f"augment.{where}: x needs real numbers and a first axis of examples, but is {a.dtype} of shape {a.shape}")
    return a


def _amounts(where: str, x: np.ndarray, rng: Rng, most: float) -> np.ndarray:
    """A number for each example, uniform between -most and most, to broadcast against x."""
    number(f"augment.{where}", "most", most, least=0, below=inf)
    return generator(f"augment.{where}", rng).uniform(-most, most, (len(x),) + (1,) * (x.ndim - 1)).astype(_computed_in(x))


def _computed_in(x: np.ndarray) -> Any:
    return np.float64 if x.dtype == np.float64 else np.float32


def _as(x: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """What came out, in the dtype of what went in."""
    if x.dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return changed.astype(x.dtype, copy=False)
    limits = np.iinfo(x.dtype)
    most = changed.dtype.type(limits.max)
    most = np.nextafter(most, 0) if int(most) > limits.max else most
    return np.clip(np.rint(changed, out=changed), limits.min, most, out=changed).astype(x.dtype)
