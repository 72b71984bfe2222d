"""Compiled loops of `kernels.places`, on blocks (outer, n, inner)."""

# mypy: ignore-errors
import numpy as np
from numba import njit

from .softmax import _largest

U = np.uintp
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def largest_rows(at, x):
    for r in range(x.shape[0]):
        top, i = _largest(x[r]), 0
        while x[r, i] != top and x[r, i] == x[r, i]:
            i += 1
        at[r] = i


@_jit
def largest_lanes(at, x):
    outer, n, inner = x.shape
    top, place = np.empty(inner, x.dtype), np.empty(inner, np.int32)
    for p in range(outer):
        top[:], place[:] = x[p, 0], 0
        for q in range(1, n - 1, 2):
            _raise_twice(top, place, x[p, q], x[p, q + 1], np.int32(q))
        if n % 2 == 0:
            _raise_twice(top, place, x[p, n - 1], x[p, n - 1], np.int32(n - 1))
        at[p, 0] = place


@_jit
def _raise_twice(top, place, x, y, q):
    """By what stands at q, then by what stands after it."""
    for i in range(x.size):
        t, u, v, old = top[i], x[i], y[i], place[i]
        wins = (v > u) | ((v != v) & (u == u))
        w, new = (v if wins else u), (np.int32(q + 1) if wins else q)
        wins = (w > t) | ((w != w) & (t == t))
        top[i] = w if wins else t
        place[i] = new if wins else old


@_jit
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


@_jit
def put(y, x, at):
    outer, n, inner = x.shape
    size = U(y.size // max(outer, 1))
    for p in range(outer):
        base = U(p) * size
        for i in range(base, base + size):
            y[i] = 0
        for q in range(n):
            for i in range(inner):
                y[base + U(at[p, q, i] * inner + i)] = x[p, q, i]


@_jit
def repeated(twice, at, size):
    outer, n, inner = at.shape
    seen = np.empty(size * inner, np.uint8)
    for p in range(outer):
        seen[:] = 0
        if inner == 1:
            for q in range(n):
                seen[at[p, q, 0]] = 1
        else:
            for q in range(n):
                for i in range(inner):
                    seen[at[p, q, i] * inner + i] = 1
        count = 0
        for q in range(seen.size):
            count += seen[q]
        twice[p] = count < n * inner
