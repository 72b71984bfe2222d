"""Compiled elementwise loops: f(out, *operands), flat arrays of one length and dtype. What they compute is told in the NumPy kernels."""

# mypy: ignore-errors
import numpy as np

from .plain import Loop


def _finite(formula):
    """f(out, x, y, odd): odd counts what is not finite."""

    @Loop
    def loop(out, x, y, odd):
        count = np.int32(0)
        for i in range(out.size):
            value = formula(x[i], y[i])
            count += np.int32(0 if value - value == 0 else 1)
            out[i] = value
        odd[0] = count

    return loop


@_finite
def add(x, y):
    return x + y


@_finite
def subtract(x, y):
    return x - y


@_finite
def multiply(x, y):
    return x * y


@_finite
def divide(x, y):
    return x / y


@Loop
def scale(out, g, d):
    for i in range(out.size):
        product = g[i] * d[i]
        out[i] = 0 if g[i] == 0 else product


@Loop
def add_product(total, g, d):
    for i in range(total.size):
        product = g[i] * d[i]
        total[i] += 0 if g[i] == 0 else product


@Loop
def over(out, g, d):
    for i in range(out.size):
        quotient = g[i] / d[i]
        out[i] = 0 if g[i] == 0 else quotient


@Loop
def relu(out, x):
    for i in range(out.size):
        value = x[i]
        out[i] = 0 if value < 0 else value


@Loop
def relu_grad(out, g, of):
    for i in range(out.size):
        value = g[i]
        out[i] = value if of[i] > 0 else 0


relu.then = relu_grad


@Loop
def tanh_grad(out, g, y):
    for i in range(out.size):
        product = g[i] * (1 - y[i] * y[i])
        out[i] = 0 if g[i] == 0 else product


@Loop
def sigmoid_grad(out, g, y):
    for i in range(out.size):
        product = g[i] * (y[i] * (1 - y[i]))
        out[i] = 0 if g[i] == 0 else product


@Loop
def sum_rows(rows, partial, short, start, stop):
    """partial (outer, pieces, inner): sums of so many rows (outer, n, inner) each, the pieces from start to stop."""
    n, inner = rows.shape[1:]
    pieces = partial.shape[1]
    for i in range(start, stop):
        o, first = i // pieces, i % pieces * short
        total = partial[o, i % pieces]
        for j in range(inner):
            total[j] = 0
        last = min(first + short, n)
        for r in range(first, last - 3, 4):
            for j in range(inner):
                total[j] += (rows[o, r, j] + rows[o, r + 1, j]) + (rows[o, r + 2, j] + rows[o, r + 3, j])
        for r in range(last - (last - first) % 4, last):
            for j in range(inner):
                total[j] += rows[o, r, j]
