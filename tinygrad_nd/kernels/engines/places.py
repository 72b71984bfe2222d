"""Compiled loops of `kernels.places`, on blocks (outer, n, inner)."""

# mypy: ignore-errors
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


@Loop
def largest_lanes(at, x):
    outer, n, inner = x.shape
    top, place = np.empty(inner, x.dtype), np.empty(inner, np.int32)
    for p in range(outer):
        top[:], place[:] = x[p, 0], 0
        for q in range(1, n - 1, 2):
            _raise_twice(top, place, x[p, q], x[p, q + 1], q)
        if n % 2 == 0:
            _raise_twice(top, place, x[p, n - 1], x[p, n - 1], n - 1)
        at[p, 0] = place


@Loop
def _raise_twice(top, place, x, y, q):
    """By what stands at q, then by what stands after it."""
    first = np.int32(q)
    for i in range(x.size):
        t, u, v, old = top[i], x[i], y[i], place[i]
        wins = (v > u) | ((v != v) & (u == u))
        w, new = v if wins else u, first + 1 if wins else first
        wins = (w > t) | ((w != w) & (t == t))
        top[i] = w if wins else t
        place[i] = new if wins else old


@Loop
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
def repeated(twice, at, size):
    outer, n, inner = at.shape
    seen = np.empty(size * inner, np.uint8)
    for p in range(outer):
        seen[:], found = 0, np.uint8(0)
        if inner == 1:
            for q in range(n):
                found |= _mark(seen, at[p, q, 0])
        else:
            for q in range(n):
                for i in range(inner):
                    found |= _mark(seen, at[p, q, i] * inner + i)
        twice[p] = found


def _mark(seen, place):
    """Whether it has been there before."""
    before = seen[place]
    seen[place] = 1
    return before
