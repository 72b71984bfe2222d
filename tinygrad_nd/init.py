"""Initial values of weights, as plain arrays: each initialiser is `(shape, *, dtype=None, rng=None)`.

Weights are (M, C/groups, *k) at any rank, and (out, in) for a dense layer. Fans follow from the shape: fan_in = C/groups * prod(k) terms
are summed into an output, and fan_out = M * prod(k) outputs are reached from a channel of the input.

`rng` is a `np.random.Generator`, a seed, or None (unpredictable but for `nd.random.seed`). `dtype` defaults to `nd.set_default_dtype`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import Rng, answering, dtype_of, generator, number, whole
from .elsewhere import hinting
from .tensor import default_dtype
from .values import numeric

Shape = int | Sequence[int]
MOST = np.iinfo(np.intp).max // 16  # numbers of the largest dtype that one array can have

__all__ = [
    "constant", "dirac", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
    "normal", "orthogonal", "truncated_normal", "uniform", "zeros",
]  # fmt: skip

_PYTORCHS = {
    **{f"{name}_{kind}": f"{ours}_{kind}" for name, ours in (("kaiming", "he"), ("xavier", "glorot")) for kind in ("normal", "uniform")},
    **{name: name for name in __all__}, "trunc_normal": "truncated_normal", "ones": "np.ones", "eye": "np.eye",
}  # fmt: skip
globals()["__getattr__"] = hinting("init", __all__, _PYTORCHS | {f"{name}_": ours for name, ours in _PYTORCHS.items()})


def _scaled(name: str, uniform: bool, scale: float, fan: Callable[[float, float], float], doc: str) -> Callable[..., np.ndarray]:
    """A member of the variance-scaling family: of variance scale / fan(fan_in, fan_out)."""

    def draw(shape: Shape, *, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
        variance = scale / max(fan(*fans(_shape(name, shape, at_least=2))), 1)
        if not uniform:
            return _normal(name, shape, 0.0, sqrt(variance), dtype, rng)
        bound = sqrt(3 * variance)  # the variance of a uniform over (-b, b) is b^2 / 3
        return _uniform(name, shape, -bound, bound, dtype, rng)

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = doc
    return draw


_HE = """{} of variance 2 / fan_in: keeps the variance of activations through layers of ReLUs, which halve it.

    Source: He et al., Delving Deep into Rectifiers, 2015.
    """
_GLOROT = """{} of variance 2 / (fan_in + fan_out): a compromise between activations (1 / fan_in) and gradients (1 / fan_out).

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.
    """
_LECUN = """{} of variance 1 / fan_in, for linear, tanh and SELU layers.

    Source: LeCun et al., Efficient BackProp, 1998; Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
he_normal = _scaled("he_normal", False, 2.0, lambda fan_in, _: fan_in, _HE.format("Normal"))
he_uniform = _scaled("he_uniform", True, 2.0, lambda fan_in, _: fan_in, _HE.format("Uniform"))
glorot_normal = _scaled("glorot_normal", False, 2.0, lambda fan_in, fan_out: fan_in + fan_out, _GLOROT.format("Normal"))
glorot_uniform = _scaled("glorot_uniform", True, 2.0, lambda fan_in, fan_out: fan_in + fan_out, _GLOROT.format("Uniform"))
lecun_normal = _scaled("lecun_normal", False, 1.0, lambda fan_in, _: fan_in, _LECUN.format("Normal"))
lecun_uniform = _scaled("lecun_uniform", True, 1.0, lambda fan_in, _: fan_in, _LECUN.format("Uniform"))


def orthogonal(shape: Shape, *, gain: float = 1.0, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """A random (semi-)orthogonal matrix M x (everything else), times `gain`: rows orthonormal, or columns where there are fewer.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, 2013.
    """
    shape = _shape("orthogonal", shape, at_least=2)
    number("orthogonal", "gain", gain)
    rows, columns = shape[0], prod(shape[1:])
    q, r = np.linalg.qr(generator("orthogonal", rng).standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # signs of R's diagonal make Q uniform over the orthogonal group
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(_dtype("orthogonal", dtype))


def dirac(shape: Shape, *, groups: int = 1, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """The convolution that copies its input: a one at the middle of kernel (i, i), per group, for as many channels as there are.

    Odd kernels with padding k // 2 then give the identity. `rng` is accepted for a uniform signature and not used.
    """
    shape = _shape("dirac", shape, at_least=2)
    if shape[0] % whole("dirac", "groups", groups):
        raise ValueError(f"dirac: groups={groups} must divide the {shape[0]} output channels of {shape}")
    weight = np.zeros(shape, _dtype("dirac", dtype, "fc"))
    per_group = shape[0] // groups
    channel = np.arange(min(per_group, shape[1]))
    middle = [k // 2 for k in shape[2:]]
    for g in range(groups):
        at: tuple[Any, ...] = (g * per_group + channel, channel, *middle)
        weight[at] = 1
    return weight


def normal(shape: Shape, *, mean: float = 0.0, std: float = 1.0, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """Normal with the given mean and standard deviation."""
    return _normal("normal", shape, mean, std, dtype, rng)


def truncated_normal(
    shape: Shape,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    dtype: npt.DTypeLike | None = None,
    rng: Rng = None,
) -> np.ndarray:
    """Normal conditioned on lying between `mean + low * std` and `mean + high * std`; what falls outside is drawn again.

    `std` is the deviation before truncation; between -2 and 2 it shrinks by 0.88.
    """
    shape, dtype = _shape("truncated_normal", shape), _dtype("truncated_normal", dtype)
    source = generator("truncated_normal", rng)
    for name, value in (("mean", mean), ("low", low), ("high", high)):
        number("truncated_normal", name, value)
    number("truncated_normal", "std", std, least=0)
    if not (low < high and low < 3 and high > -3):
        raise ValueError(f"truncated_normal: low={low} and high={high} (in deviations) must be in order and leave part of [-3, 3]")
    z = source.standard_normal(prod(shape))
    outside = np.flatnonzero((z < low) | (z > high))
    while outside.size:
        z[outside] = source.standard_normal(outside.size)
        outside = outside[(z[outside] < low) | (z[outside] > high)]
    return (mean + std * z).reshape(shape).astype(dtype)


def uniform(shape: Shape, *, low: float = 0.0, high: float = 1.0, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """Uniform over [low, high)."""
    return _uniform("uniform", shape, low, high, dtype, rng)


def zeros(shape: Shape, *, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """Zeros. `rng` is accepted for a uniform signature and not used."""
    return np.zeros(_shape("zeros", shape), _dtype("zeros", dtype, "fc"))


def constant(shape: Shape, value: float = 0.0, *, dtype: npt.DTypeLike | None = None, rng: Rng = None) -> np.ndarray:
    """`value` everywhere. `rng` is accepted for a uniform signature and not used."""
    number = numeric(value, None, "constant")
    if number.size != 1:
        raise ValueError(f"constant: value must be one number, but has shape {number.shape}")
    return np.full(_shape("constant", shape), number.item(), _dtype("constant", dtype, "fc"))


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (M, C/groups, *k) or (out, in).

    >>> fans((40, 3, 4, 4))
    (48, 640)
    """
    shape = _shape("fans", shape, at_least=2)
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _normal(name: str, shape: Shape, mean: float, std: float, dtype: npt.DTypeLike | None, rng: Rng) -> np.ndarray:
    number(name, "mean", mean)
    number(name, "std", std, least=0)
    return (mean + std * generator(name, rng).standard_normal(_shape(name, shape))).astype(_dtype(name, dtype))


def _uniform(name: str, shape: Shape, low: float, high: float, dtype: npt.DTypeLike | None, rng: Rng) -> np.ndarray:
    number(name, "low", low, below=inf)
    number(name, "high", high, below=inf)
    if not low <= high:
        raise ValueError(f"{name}: low={low} must not be above high={high}")
    return generator(name, rng).uniform(low, high, _shape(name, shape)).astype(_dtype(name, dtype))


def _shape(name: str, shape: Shape, at_least: int = 0) -> tuple[int, ...]:
    several = isinstance(shape, Sequence) and not isinstance(shape, str)
    shape = tuple(whole(name, "a size in shape", n, -inf) for n in (shape if several else (shape,)))  # type: ignore[union-attr]
    if any(n < 0 for n in shape):
        raise ValueError(f"{name}: shape {shape} has a negative size")
    if prod(shape) > MOST:
        raise ValueError(f"{name}: no memory has a place for shape {shape}, of {prod(shape):.3g} numbers")
    if len(shape) < at_least:
        raise ValueError(f"{name}: needs a weight (M, C/groups, *k) or (out, in), but shape {shape} has {len(shape)} axes")
    return shape


def _dtype(name: str, dtype: npt.DTypeLike | None, kinds: str = "f") -> np.dtype[Any]:
    chosen = default_dtype() if dtype is None else dtype_of(name, dtype)
    if chosen.kind not in kinds:
        hint = "; draw real and imaginary parts apart" if chosen.kind == "c" else ""
        raise TypeError(f"{name}: needs a floating dtype, but got {chosen}{hint}")
    return chosen


for _name in __all__:
    globals()[_name] = answering(globals()[_name])
