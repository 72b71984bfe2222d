"""Compiled elementwise loops: f(out, *operands), flat arrays of one length and dtype. What they compute is told in the NumPy kernels."""

# mypy: ignore-errors
from numba import njit

from .exponential import logistic

_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def scale(out, g, d):
    for i in range(out.size):
        product = g[i] * d[i]
        out[i] = 0 if g[i] == 0 else product


@_jit
def over(out, g, d):
    for i in range(out.size):
        quotient = g[i] / d[i]
        out[i] = 0 if g[i] == 0 else quotient


@_jit
def relu(out, x):
    for i in range(out.size):
        value = x[i]
        out[i] = 0 if value < 0 else value


@_jit
def relu_grad(out, g, of):
    for i in range(out.size):
        value = g[i]
        out[i] = value if of[i] > 0 else 0


@_jit
def tanh_grad(out, g, y):
    for i in range(out.size):
        product = g[i] * (1 - y[i] * y[i])
        out[i] = 0 if g[i] == 0 else product


@_jit
def sigmoid(out, x):
    for i in range(out.size):
        out[i] = logistic(x[i])


@_jit
def sigmoid_grad(out, g, y):
    for i in range(out.size):
        product = g[i] * (y[i] * (1 - y[i]))
        out[i] = 0 if g[i] == 0 else product


@_jit
def sum_rows(rows, partial, short, start, stop):
    """partial (outer, pieces, inner): sums of so many rows (outer, n, inner) each, the pieces from start to stop."""
    n, inner = rows.shape[1:]
    pieces = partial.shape[1]
    for i in range(start, stop):
        o, first = i // pieces, i % pieces * short
        total = partial[o, i % pieces]
        total[:] = 0
        last = min(first + short, n)
        for r in range(first, last - 3, 4):
            for j in range(inner):
                total[j] += (rows[o, r, j] + rows[o, r + 1, j]) + (rows[o, r + 2, j] + rows[o, r + 3, j])
        for r in range(last - (last - first) % 4, last):
            for j in range(inner):
                total[j] += rows[o, r, j]
