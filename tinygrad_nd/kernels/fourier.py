"""The discrete Fourier transform of short tiles as products with real matrices, as Toom-Cook's transforms are.

A correlation of k taps that gives m points wraps round into none of them on a circle of m + k - 1. Real numbers have half as many complex
frequencies h + 1/2, of a circle on which what wraps round changes its sign; the other axes have whole ones. A complex product is three
real ones: xr wr, xi wi and (xr + xi)(wr + wi). So there are 1.5 products per point of a tile, at any length, and errors stay small.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .memory import Array

Chain = list[tuple[int, Array]]  # (batch, a matrix (rows, columns) for an array (batch, columns, ..)), one after another

FORMS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # of a complex number, that are multiplied
BACK = np.array([[1.0, -1.0, 0.0], [-1.0, -1.0, 1.0]])  # the real and the imaginary part of the product


def lengths(axes: Sequence[tuple[int, int]]) -> list[int]:
    """Of the circles for so many outputs and taps along each axis."""
    first, *others = (m + k - 1 for m, k in axes)
    return [first + first % 2, *others]


def points(axes: Sequence[tuple[int, int]]) -> int:
    """Of a transformed tile."""
    return 3 * prod(lengths(axes)) // 2


def fourier(axes: Sequence[tuple[int, int]]) -> tuple[Chain, Chain, Chain]:
    """A, B' and G for so many outputs and taps along each axis, in float64: the first axis, then what each of its frequencies goes through.

    Between two axes the parts (real, imaginary) of a number stand before the points of the axis to come.
    """
    chains: tuple[Chain, Chain, Chain] = ([], [], [])
    batch, last = 1, len(axes) - 1
    for i, ((m, k), f) in enumerate(zip(axes, lengths(axes))):
        angles = 2 * np.pi / f * (np.arange(f // 2) + 0.5 if i == 0 else np.arange(f))
        waves = np.exp(1j * np.outer(angles, np.arange(f)))
        there, back = (FORMS, BACK) if i == last > 0 else (np.eye(2), np.eye(2))
        a = _back(waves[:, :m] * ((2 if i == 0 else 1) / f), back, i == 0).T
        for chain, matrix in zip(chains, (a, _there(waves[:, : m + k - 1].conj(), there, i == 0), _there(waves[:, :k], there, i == 0))):
            chain.append((batch, matrix))
        batch *= len(waves)
    if not last:
        for chain, forms in zip(chains, (BACK.T, FORMS, FORMS)):
            chain.append((batch, forms))
    return chains


def _there(waves: Array, forms: Array, real: bool) -> Array:
    """(frequencies * forms, parts * points): the forms of the sums of points times waves."""
    parts = np.array([[waves.real, -waves.imag], [waves.imag, waves.real]])[:, : 1 if real else 2]  # (to, from, frequencies, points)
    return np.asarray(np.einsum("at,tfhj->hafj", forms, parts)).reshape(len(waves) * len(forms), -1)


def _back(waves: Array, forms: Array, real: bool) -> Array:
    """(parts * points, frequencies * forms): the sums of frequencies times waves."""
    parts = np.array([[waves.real, -waves.imag], [waves.imag, waves.real]])[: 1 if real else 2]
    return np.asarray(np.einsum("tfhj,fa->tjha", parts, forms)).reshape(-1, len(waves) * forms.shape[1])
