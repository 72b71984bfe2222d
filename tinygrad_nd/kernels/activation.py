"""Activations with an error function or a logistic in them: value and slope, in few large tiles, or in a compiled loop.

gelu and silu are x p(x), where p rises from 0 to 1 and is ½ at 0. Their slopes begin with p again, which is the value over x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from . import engines, memory, norm, parallel
from .bits import replace
from .cells import compiled
from .elementwise import LARGE, PASSES, TILE, fused, loop_over
from .memory import Array

COMPILED = 1 << 11  # elements; below, a compiled loop saves nothing
ROOT = float(np.sqrt(2 / np.pi))
CUBIC = 0.044715  # gelu's approximation: x³'s part in the argument of tanh

# erf(x / √2) = tanh(x R(x²)) to 1e-7 for every x: R is smooth, and errors vanish where the tangent saturates. Fitted to
# log(Φ(x) / Φ(-x)) / 2x by reweighted least squares, Φ(x) = (1 + erf(x / √2)) / 2 the normal distribution function. NumPy takes numbers
# in arrays of no axis in half the time of Python's.
RATE = tuple(
    np.array(c, np.float32)
    for c in (
        0.79788463655574635, 0.03633434835991424, -3.3911462174884785e-5, -5.4781643678152955e-5, 3.873042198006568e-6,
        -1.252555043548222e-7, 1.5672260012230419e-9,
    )
)  # fmt: skip
GELU_RATE = [-2 * c for c in RATE]
_LEAST = np.finfo(np.float32).tiny

# W. J. Cody, "Rational Chebyshev approximations for the error function" (1969): erf below 0.46875, exp(x²) erfc(x) above.
_NEAR = 0.46875
_NEAR_P = (3209.37758913846947, 377.485237685302021, 113.864154151050156, 3.16112374387056560, 0.185777706184603153)
_NEAR_Q = (2844.23683343917062, 1282.61652607737228, 244.024637934444173, 23.6012909523441209, 1.0)
_FAR_P = (
    1230.33935479799725, 2051.07837782607147, 1712.04761263407058, 881.952221241769090, 298.635138197400131, 66.1191906371416295,
    8.88314979438837594, 0.564188496988670089, 2.15311535474403846e-8,
)  # fmt: skip
_FAR_Q = (
    1230.33935480374942, 3439.36767414372164, 4362.61909014324716, 3290.79923573345963, 1621.38957456669019, 537.181101862009858,
    117.693950891312499, 15.7449261107098347, 1.0,
)  # fmt: skip


def erf(x: Any) -> Any:
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    return curve(_erf, x)


def erf_grad(g: Any, x: Any) -> Any:
    """g times the slope of erf at x, 2/√π exp(-x²)."""
    return curve(_erf_grad, g, x)


def gelu(x: Any, approximate: str) -> Any:
    """x Φ(x), with the normal distribution function or ("tanh") its classic approximation."""
    return curve(_gelu if approximate == "none" else _gelu_tanh, x)


def gelu_grad(g: Any, x: Any, found: Any, approximate: str) -> Any:
    """g times the slope of gelu at x, whose value there was found before."""
    return _pulled(_gelu, _gelu_grad, g, x, found) if approximate == "none" else _pulled(_gelu_tanh, _gelu_tanh_grad, g, x, found)


def silu(x: Any) -> Any:
    """x / (1 + exp(-x))."""
    return curve(_silu, x)


def silu_grad(g: Any, x: Any, found: Any) -> Any:
    """g times the slope of silu at x, whose value there was found before."""
    return _pulled(_silu, _silu_grad, g, x, found)


def _pulled(value: Callable[..., object], slope: Callable[..., object], g: Any, x: Any, y: Any) -> Any:
    if x.dtype != np.float16:
        return curve(slope, g, y, x)
    x = x.astype(np.float32)  # and y anew, which is too coarse to be divided
    with np.errstate(over="ignore"):
        return curve(slope, g.astype(np.float32), curve(value, x), x).astype(np.float16)


def prelu(x: Any, weight: Any, of: Any) -> Any:
    """x where `of` > 0, weight · x elsewhere. Operands broadcast."""
    x, weight, of = np.asarray(x), np.asarray(weight), np.asarray(of)
    if not x.ndim:
        return np.where(of > 0, x, x * weight)
    if x.size >= COMPILED and compiled("prelu_rows", x) and x.shape == of.shape and x.dtype == of.dtype == weight.dtype:
        return norm.per_cell(_prelu, [x, of], [weight[(None,) * (x.ndim - weight.ndim)]])
    with np.errstate(all="ignore"):
        return fused(_prelu, x, of, weight, dtype=np.result_type(x, weight))


def _prelu(out: Array, x: Array, of: Array, weight: Array) -> None:
    np.multiply(x, weight, out=out)
    replace(out, np.greater(of, 0, out=scratch("above", out, np.bool_)), x)


def curve(tile: Callable[..., object], *operands: Any, parameters: tuple[float, ...] = (), loop: str = "", straight: bool = False) -> Any:
    """tile(out, *operands, *parameters) over all tiles, or the compiled loop "module.name". float16 is computed in float32.

    `straight` pieces have compiled loops in double precision, too; in NumPy their few passes are over before a second thread is awake.
    """
    place = loop or f"activations.{tile.__name__[1:]}"
    x = operands[-1]
    if type(x) is np.ndarray and engines.LEAST <= x.size <= engines.ALONE and x.dtype.char in ("fd" if straight else "f"):
        f = _few(place, len(operands) + 1, len(parameters))[x.dtype]
        if f is not None and f(out := memory.empty_like(x), *operands, *map(float, parameters)) is out:
            return out
    arrays = [np.asarray(a) for a in operands]
    x, dtype = arrays[-1], np.result_type(*arrays)
    if not x.ndim:
        return curve(tile, *[a.reshape(1) for a in arrays], parameters=parameters, loop=loop, straight=straight).reshape(())
    if dtype == np.float16:
        found = curve(tile, *[a.astype(np.float32) for a in arrays], parameters=parameters, loop=loop, straight=straight)
        with np.errstate(over="ignore"):
            return found.astype(dtype)
    f = _loop(place) if dtype.char in ("fd" if straight else "f") and x.size >= engines.LEAST else None
    if f is not None:
        alike = all([a.dtype == dtype and memory.alike(a, x) for a in arrays])
        found = loop_over(f, *arrays, parameters=parameters) if alike else None
        return loop_over(f, *[dense(a, x) for a in arrays], parameters=parameters) if found is None else found
    with np.errstate(all="ignore"):
        return fused(tile, *arrays, *parameters, dtype=dtype, tile=max(share(x.size), LARGE * straight))


_few = cache(engines.Builtins)


def share(size: int, least: int = TILE) -> int:
    """How many of so many elements a tile of NumPy calls takes, and of how few it is not worth being cut."""
    return min(max(-(-size // parallel.num_threads()), least), PASSES)


def _loop(place: str) -> Callable[..., object] | None:
    module, name = place.split(".")
    return getattr(engines.compiled(module), name, None)


def dense(a: Array, like: Array) -> Array:
    """`a` in the memory order of `like` and without gaps, so that both are seen as one row."""
    if a.dtype == like.dtype and a.transpose(memory.memory_order(like)).flags.c_contiguous:
        return a
    out = memory.empty_like(like)
    np.copyto(out, a)
    return out


def scratch(name: str, like: Array, dtype: Any = None) -> Array:
    """Work space of a tile, shaped as `like`."""
    return memory.scratch(("activation", name), like.shape, like.dtype if dtype is None else dtype)


def log1p(out: Array, x: Array) -> None:
    """log(1 + x). In single precision by NumPy's log, which is a vector's where its log1p is not, and what rounding took from 1 + x."""
    if x.dtype != np.float32:
        np.log1p(x, out=out)
        return
    sum_, rest = np.add(x, 1, out=scratch("sum", x)), scratch("rest", x)
    np.subtract(x, np.subtract(sum_, 1, out=rest), out=rest)
    np.divide(rest, np.maximum(sum_, _LEAST, out=out), out=rest)
    np.add(np.log(sum_, out=out), rest, out=out)


def expm1(out: Array, x: Array) -> None:
    """exp(x) - 1 for x up to 0. In single precision by the tangent of x / 2, which is a vector's in NumPy."""
    if x.dtype != np.float32:
        np.expm1(x, out=out)
        return
    np.tanh(np.multiply(x, 0.5, out=out), out=out)
    np.divide(out, np.subtract(1, out, out=scratch("rest", x)), out=out)
    np.multiply(out, 2, out=out)


def _polynomial(out: Array, coefficients: Sequence[Any], t: Array) -> None:
    """out = c0 + c1 t + c2 t² + …, by Horner's scheme."""
    np.multiply(t, coefficients[-1], out=out)
    for c in coefficients[-2:0:-1]:
        np.add(out, c, out=out)
        np.multiply(out, t, out=out)
    np.add(out, coefficients[0], out=out)


def _erf(out: Array, x: Array) -> None:
    if out.dtype == np.float64:
        _erf_double(out, x)
    else:
        _erf_single(out, np.multiply(x, 2**0.5, out=scratch("z", x)))


def _erf_grad(out: Array, g: Array, x: Array) -> None:
    bell = np.multiply(x, x, out=scratch("t", x))
    np.exp(np.negative(bell, out=bell), out=bell)
    np.multiply(np.multiply(bell, 2 * np.pi**-0.5, out=bell), g, out=out)


def _erf_single(out: Array, x: Array) -> None:
    """erf(x / √2)."""
    t = np.multiply(x, x, out=scratch("t", x))
    _polynomial(out, RATE, t)
    np.multiply(out, x, out=out)
    np.tanh(out, out=out)


def _erf_double(out: Array, x: Array) -> None:
    """Both of Cody's forms, each where it holds. His second is for x up to 4; beyond, 1 - erf is too small to suffer."""
    z = np.minimum(np.abs(x), 6.0)
    t, p, q = np.square(np.minimum(z, _NEAR)), np.empty_like(z), np.empty_like(z)
    _polynomial(p, _NEAR_P, t)
    _polynomial(q, _NEAR_Q, t)
    near = x * (p / q)
    _polynomial(p, _FAR_P, z)
    _polynomial(q, _FAR_Q, z)
    far = 1 - np.exp(-z * z) * (p / q)
    np.copyto(out, np.where(z <= _NEAR, near, np.copysign(far, x)))


def _gelu(out: Array, x: Array) -> None:
    """x Φ(x)."""
    if out.dtype == np.float32:
        t = np.multiply(x, x, out=scratch("t", x))
        _polynomial(out, GELU_RATE, t)
        np.multiply(out, x, out=out)
        _gated(out, x)
        return
    _erf_double(out, x * 0.5**0.5)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)
    np.multiply(out, x, out=out)


def _gelu_tanh(out: Array, x: Array) -> None:
    """x (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³)."""
    np.multiply(x, x, out=out)
    np.multiply(out, -2 * ROOT * CUBIC, out=out)
    np.add(out, -2 * ROOT, out=out)
    np.multiply(out, x, out=out)
    _gated(out, x)


def _gated(out: Array, x: Array) -> None:
    """out = x / (1 + exp(out)), which is x (1 + tanh u) / 2 for out = -2 u: NumPy's exp takes half the time of its tanh."""
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(x, out, out=out)


def _silu(out: Array, x: Array) -> None:
    _gated(np.negative(x, out=out), x)


def one_plus_power(out: Array, x: Array) -> None:
    """1 + exp(-x)."""
    np.exp(np.negative(x, out=out), out=out)
    np.add(out, 1, out=out)


def _part(out: Array, y: Array, x: Array) -> Array:
    """out = p, where y = x p; returns scratch. So small a number is added to both that it matters at 0 alone."""
    spare, least = scratch("spare", x), np.finfo(x.dtype).tiny * 2.0**26
    np.add(np.abs(y, out=out), least / 2, out=out)
    np.add(np.abs(x, out=spare), least, out=spare)
    np.divide(out, spare, out=out)
    return spare


def _gelu_grad(out: Array, g: Array, y: Array, x: Array) -> None:
    """g (Φ(x) + x φ(x)), φ the normal density."""
    bell = _part(out, y, x)
    np.multiply(x, x, out=bell)
    np.multiply(bell, -0.5, out=bell)
    np.exp(bell, out=bell)
    np.multiply(bell, (2 * np.pi) ** -0.5, out=bell)
    np.multiply(bell, x, out=bell)
    np.add(out, bell, out=out)
    np.multiply(out, g, out=out)


def _gelu_tanh_grad(out: Array, g: Array, y: Array, x: Array) -> None:
    """g (p + 2 y (1 - p) u'): p is a logistic of 2 u."""
    rest = _part(out, y, x)
    np.subtract(1, out, out=rest)
    np.multiply(rest, y, out=rest)
    inner = np.multiply(x, x, out=scratch("t", x))
    np.multiply(inner, 6 * ROOT * CUBIC, out=inner)
    np.add(inner, 2 * ROOT, out=inner)
    np.multiply(rest, inner, out=rest)
    np.add(out, rest, out=out)
    np.multiply(out, g, out=out)


def _silu_grad(out: Array, g: Array, y: Array, x: Array) -> None:
    """g (p + y (1 - p))."""
    rest = _part(out, y, x)
    np.subtract(1, out, out=rest)
    np.multiply(rest, y, out=rest)
    np.add(out, rest, out=out)
    np.multiply(out, g, out=out)
