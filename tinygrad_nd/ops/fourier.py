"""Discrete Fourier transforms: three linear maps, and what they are transposed.

The transpose of a transform is the one back, its factor 1/n moved to where the other does not have it. A transform of real values gives
half of a spectrum; the other half mirrors it, so all frequencies that have a mirror image count twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

from ..arguments import option
from ..kernels.fft import _fft as library
from ..kernels.padding import integer, several
from ..kernels.words import shown
from ..tape import primitive
from ..tensor import Tensor, astensor
from .linalg import operand
from .naming import named, titled
from .rearrange import roll
from .shape import _crop, _zero_pad
from .ufunc import conj

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2", "irfftn",
    "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Sizes = Sequence[int] | None
Axes = Sequence[int] | None
Norm = str | None
SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


@primitive(x=lambda g, axes, norm, inverse: _fft(g, axes=axes, norm=SWAPPED[norm], inverse=not inverse))
def _fft(x: Any, *, axes: tuple[int, ...], norm: str, inverse: bool) -> Any:
    return (library().ifftn if inverse else library().fftn)(_single(x), axes=axes, norm=norm)


@primitive(x=lambda g, x_shape, axes, norm: _irfft(_mirrored(g, x_shape, axes, 0.5), axes=axes, n=x_shape[axes[-1]], norm=SWAPPED[norm]))
def _rfft(x: Any, *, axes: tuple[int, ...], norm: str) -> Any:
    return library().rfftn(_single(x), axes=axes, norm=norm)


@primitive(x=lambda g, axes, norm: _mirrored(_rfft(g, axes=axes, norm=SWAPPED[norm]), g.shape, axes, 2))
def _irfft(x: Any, *, axes: tuple[int, ...], n: int, norm: str) -> Any:
    out = library().irfftn(_single(x), [*(x.shape[i] for i in axes[:-1]), n], axes, norm=norm)
    return out.astype(np.float16) if x.dtype == np.float16 else out


def _single(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _mirrored(g: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], factor: float) -> Tensor:
    """Half a spectrum of real values of `shape`, times a factor at the frequencies that have a mirror image in the other half."""
    n = shape[axes[-1]]
    weights = np.full(n // 2 + 1, factor, g.data.real.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return g * weights.reshape(-1, *(1,) * (g.ndim - 1 - axes[-1] % g.ndim))


# The functions: arguments made definite, and the transforms one after the other where an axis is named twice.


def _axes(who: str, x: Tensor, s: Sizes, axes: Axes, least: int = 0) -> tuple[int, ...]:
    for given in (s, axes):
        if given is not None and not several(given):
            raise TypeError(f"{who}: sizes and axes must be sequences of integers, but got {shown(given)}")
    if axes is None:
        axes = range(-x.ndim if s is None else -len(s), 0)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{who}: needs a size for each axis, but got sizes {shown(tuple(s))} and axes {shown(tuple(axes))}")
    for i in axes:
        if not -x.ndim <= integer(i, "axes", who) < x.ndim:
            raise AxisError(f"{who}: axis {i} does not fit x {x.shape}")
    if len(axes) < least:
        raise AxisError(f"{who}: needs at least one axis, but x has shape {x.shape} and axes={tuple(axes)}")
    return tuple(i % x.ndim for i in axes)


def _norm(who: str, norm: Norm) -> str:
    if norm is None:
        return "backward"
    option(who, "norm", norm, SWAPPED)
    return norm


def _lengths(who: str, x: Tensor, s: Sizes, axes: tuple[int, ...]) -> list[int]:
    """So many points along each axis; -1 is all there are."""
    asked: Sequence[int | None] = [None] * len(axes) if s is None else s
    lengths = [x.shape[i] if n is None or n == -1 else integer(n, "s", who) for i, n in zip(axes, asked)]
    for i, n in zip(axes, lengths):
        if n < 1:
            raise ValueError(f"{who}: cannot transform {n} points, along axis {i} of x {x.shape}")
    return lengths


def _resized(x: Tensor, axes: tuple[int, ...], lengths: Sequence[int]) -> Tensor:
    """x cut off, or filled up with zeros, at the end of each axis."""
    change = dict(zip(axes, lengths))
    kept = tuple((0, max(n - change.get(i, n), 0)) for i, n in enumerate(x.shape))
    x = _crop(x, widths=kept) if any(b for _, b in kept) else x
    more = tuple((0, max(change.get(i, n) - n, 0)) for i, n in enumerate(x.shape))
    return _zero_pad(x, widths=more) if any(b for _, b in more) else x


def _complex(who: str, a: Any, s: Sizes, axes: Axes, norm: Norm, inverse: bool) -> Tensor:
    x = operand(a, who)
    axes, how = _axes(who, x, s, axes), _norm(who, norm)
    lengths = _lengths(who, x, s, axes)
    if len(set(axes)) < len(axes):
        for i, n in list(zip(axes, lengths))[::-1]:
            x = _complex(who, x, [n], [i], norm, inverse)
        return x
    return _fft(_resized(x, axes, lengths), axes=axes, norm=how, inverse=inverse) if axes else x


def _to_half(who: str, a: Any, s: Sizes, axes: Axes, norm: Norm) -> Tensor:
    x = operand(a, who)
    if x.dtype.kind == "c":
        raise TypeError(f"{who}: needs real values, but x is {x.dtype}; use fft")
    axes, how = _axes(who, x, s, axes, 1), _norm(who, norm)
    lengths = _lengths(who, x, s, axes)
    if len(set(axes)) < len(axes):
        return _complex(who, _to_half(who, x, lengths[-1:], axes[-1:], norm), lengths[:-1], axes[:-1], norm, False)
    return _rfft(_resized(x, axes, lengths), axes=axes, norm=how)


def _from_half(who: str, a: Any, s: Sizes, axes: Axes, norm: Norm) -> Tensor:
    x = operand(a, who)
    axes, how = _axes(who, x, s, axes, 1), _norm(who, norm)
    if s is None:
        s = [*(x.shape[i] for i in axes[:-1]), 2 * (x.shape[axes[-1]] - 1)]
    lengths = _lengths(who, x, s, axes)
    if len(set(axes)) < len(axes):
        return _from_half(who, _complex(who, x, lengths[:-1], axes[:-1], norm, True), lengths[-1:], axes[-1:], norm)
    return _irfft(_resized(x, axes, [*lengths[:-1], lengths[-1] // 2 + 1]), axes=axes, n=lengths[-1], norm=how)


def _along_one(name: str, doc: str, run: Callable[..., Tensor], *rest: Any) -> Callable[..., Tensor]:
    """A transform along one axis; `rest` goes to `run` last."""

    def transform(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Tensor:
        if n is not None and integer(n, "n", name) < 1:
            raise ValueError(f"{name}: cannot transform {n} points")
        return run(name, a, None if n is None else [n], [axis], norm, *rest)

    return named(titled(transform, name, doc))


def _along_several(name: str, doc: str, usual: Axes, run: Callable[..., Tensor], *rest: Any) -> Callable[..., Tensor]:
    """A transform along axes, the `usual` ones by default."""

    def transform(a: Any, s: Sizes = None, axes: Axes = usual, norm: Norm = None) -> Tensor:
        return run(name, a, s, axes, norm, *rest)

    return named(titled(transform, name, doc))


def _hermitian(who: str, a: Any, s: Sizes, axes: Axes, norm: Norm) -> Tensor:
    return _from_half(who, conj(operand(a, who)), s, axes, SWAPPED[_norm(who, norm)])


def _to_hermitian(who: str, a: Any, s: Sizes, axes: Axes, norm: Norm) -> Tensor:
    return conj(_to_half(who, a, s, axes, SWAPPED[_norm(who, norm)]))  # type: ignore[no-any-return]


_FFT = """The Fourier transform along one axis, of its first n entries or of those and zeros up to n; complex.

    The factor 1/n stands in the inverse (norm="backward"), here ("forward"), or its root in both ("ortho").
    """
_FFTN = "The Fourier transform along several axes (all, or the last ones if only sizes `s` are given; -1 is the length as it is)."
_MIRROR = "The Fourier transform, real, of values that are the conjugates of their mirror images, given half of them."
_LAST = (-2, -1)
fft = _along_one("fft", _FFT, _complex, False)
ifft = _along_one("ifft", "The inverse of `fft`.", _complex, True)
rfft = _along_one("rfft", "The n // 2 + 1 entries of the Fourier transform of real values that determine the rest.", _to_half)
irfft = _along_one("irfft", "The inverse of `rfft`: n real values, 2 (m - 1) of m entries by default.", _from_half)
hfft = _along_one("hfft", _MIRROR, _hermitian)
ihfft = _along_one("ihfft", "The inverse of `hfft`.", _to_hermitian)
fftn = _along_several("fftn", _FFTN, None, _complex, False)
ifftn = _along_several("ifftn", "The inverse of `fftn`.", None, _complex, True)
rfftn = _along_several("rfftn", "`fftn` of real values, of which the last axis gives half a spectrum.", None, _to_half)
irfftn = _along_several("irfftn", "The inverse of `rfftn`.", None, _from_half)
fft2 = _along_several("fft2", "The Fourier transform along the last two axes.", _LAST, _complex, False)
ifft2 = _along_several("ifft2", "The inverse of `fft2`.", _LAST, _complex, True)
rfft2 = _along_several("rfft2", "`fft2` of real values, of which the last axis gives half a spectrum.", _LAST, _to_half)
irfft2 = _along_several("irfft2", "The inverse of `rfft2`.", _LAST, _from_half)


def fftshift(x: Any, axes: int | Axes = None) -> Tensor:
    """Entries turned along axes (all by default) so that frequency 0 comes to the middle."""
    return _turned("fftshift", x, axes, 1)


def ifftshift(x: Any, axes: int | Axes = None) -> Tensor:
    """The inverse of `fftshift`, which differs at odd lengths."""
    return _turned("ifftshift", x, axes, -1)


def _turned(who: str, x: Any, axes: int | Axes, sign: int) -> Tensor:
    x = operand(x, who)
    each = _axes(who, x, None, [axes] if isinstance(axes, (int, np.integer)) else axes)
    return roll(x, [sign * (x.shape[i] // 2) for i in each], each) if each else x


@named
def fftfreq(n: int, d: float = 1.0) -> Tensor:
    """The frequencies of the n entries of a transform of samples at distance d; a constant."""
    return astensor(np.fft.fftfreq(n, d))


@named
def rfftfreq(n: int, d: float = 1.0) -> Tensor:
    """The frequencies of the n // 2 + 1 entries of a transform of n real samples at distance d; a constant."""
    return astensor(np.fft.rfftfreq(n, d))
