"""Compiled loops of `kernels.places`, on blocks (outer, n, inner)."""

# mypy: ignore-errors
from functools import partial

import numpy as np

from .plain import Loop
from .softmax import _largest


@Loop
def largest_rows(at, x):
    for r in range(x.shape[0]):
        top, none = _largest(x[r]), np.int32(x.shape[1])
        first, unknown = none, none
        for i in range(x.shape[1]):
            first = min(first, np.int32(i) if x[r, i] == top else none)
            unknown = min(unknown, np.int32(i) if x[r, i] != x[r, i] else none)
        at[r] = unknown if unknown < none else first


@partial(Loop, vectors=False)
def take(y, x, at):
    outer, n, inner = y.shape
    for p in range(outer):
        if inner == 1:
            for q in range(n):
                y[p, q, 0] = x[p, at[p, q, 0], 0]
        else:
            for q in range(n):
                for i in range(inner):
                    y[p, q, i] = x[p, at[p, q, i], i]


@Loop
def put(y, x, at):
    outer, n, inner = x.shape
    size = y.size // max(outer, 1)
    for p in range(outer):
        block = y[p * size : (p + 1) * size]
        block[:] = 0
        for q in range(n):
            for i in range(inner):
                block[at[p, q, i] * inner + i] = x[p, q, i]


@Loop
def add(y, x, at):
    outer, n, inner = x.shape
    size = y.size // max(outer, 1)
    y[:] = 0
    for p in range(outer):
        for q in range(n):
            for i in range(inner):
                y[p * size + at[p, q, i] * inner + i] += x[p, q, i]


@Loop
def add_slices(y, x, index, low, high):
    """y[p, index[q], i] += x[p, q, i], for i from low to high."""
    for p in range(x.shape[0]):
        for q in range(x.shape[1]):
            at = index[q]
            for i in range(low, high):
                y[p, at, i] += x[p, q, i]


@Loop
def checked(faults, at, size):
    """1 for blocks where a place is named twice, 2 where one is none of the `size`."""
    outer, n, inner = at.shape
    seen = np.empty((size + 1) * inner, np.uint8)
    for p in range(outer):
        seen[:], found = 0, np.uint8(0)
        if inner == 1:
            for q in range(n):
                found |= _mark(seen, at[p, q, 0], size, 1, 0)
        else:
            for q in range(n):
                for i in range(inner):
                    found |= _mark(seen, at[p, q, i], size, inner, i)
        faults[p] = min(found, np.uint8(2))


def _mark(seen, place, size, inner, i):
    """Whether it has been there before; 2 if it is outside."""
    inside = np.uintp(place) < np.uintp(size)
    slot = (place if inside else size) * inner + i
    before = seen[slot]
    seen[slot] = 1
    return before if inside else np.uint8(2)
