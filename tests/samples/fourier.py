"""Rows for Fourier transforms: odd and even lengths, cut off and filled up, along one axis and several, with every norm."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_nd as nd

from .rows import Sample, normal, rows

F = nd.fft
NORMS = ("backward", "ortho", "forward")


def z(*shape: int) -> np.ndarray:
    return normal(*shape) + 1j * normal(*shape)


def lines(op: str, name: str, *values: np.ndarray) -> list[Sample]:
    """One row for each length and norm of a transform along one axis."""
    f: Any = getattr(F, name)
    calls = [lambda x, n=n, norm=norm: f(x, n, 0, norm) for n, norm in zip((None, 3, 4, 7, 8), NORMS * 2)]
    return [s for call in calls for s in rows(op, call, *[(x,) for x in values], keeps_dtype=False)]


def planes(op: str, name: str, *values: np.ndarray) -> list[Sample]:
    """The same along several axes."""
    f: Any = getattr(F, name)
    sizes = ((None, (0, 1)), ((4, 5), (0, 1)), ((3, -1), (1, 0)))
    calls = [lambda x, s=s, axes=axes, norm=norm: f(x, s, axes, norm) for (s, axes), norm in zip(sizes, NORMS)]
    return [s for call in calls for s in rows(op, call, *[(x,) for x in values], keeps_dtype=False)]


SAMPLES: list[Sample] = [
    *[s for name in ("fft", "ifft") for s in lines("fft", name, normal(5, 2), z(4))],
    *[s for name in ("rfft", "ihfft") for s in lines("rfft", name, normal(5, 2), normal(6))],
    *[s for name in ("irfft", "hfft") for s in lines("irfft", name, normal(4, 2), z(5))],
    *[s for name in ("fft2", "ifft2", "fftn", "ifftn") for s in planes("fft", name, normal(3, 4), z(4, 3))],
    *[s for name in ("rfft2", "rfftn") for s in planes("rfft", name, normal(3, 4), normal(4, 3))],
    *[s for name in ("irfft2", "irfftn") for s in planes("irfft", name, normal(3, 4), z(4, 3))],
    *rows("irfft", lambda x: F.irfft(x, 7), (normal(4),), (normal(2, 3),), linear=True),
    *rows("fft", lambda x: F.fftn(x, axes=(0, 0)), (normal(3, 2),), keeps_dtype=False),
    *[s for f in (F.fftshift, F.ifftshift) for s in rows("roll", f, (normal(4, 5),), (z(3),))],
    *rows("roll", lambda x: F.fftshift(x, 1), (normal(4, 5),), linear=True),
]
