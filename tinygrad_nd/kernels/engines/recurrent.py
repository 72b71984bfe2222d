"""Compiled recurrences, for float32: each thread takes some of the sequences through all steps, which needs nothing of the others.

A step is a product with the weights and a loop over the gates; all of them are written down for `crew` at once.
"""

# mypy: ignore-errors
import numpy as np

from .. import memory, parallel
from . import products, programs
from .exponential import expm1, logistic
from .plain import exact


def lstm(z, w, b, s):
    steps, n, size = len(z), z.shape[1], w.shape[1]
    out, gates = memory.empty((steps, 2, n, size), z.dtype), memory.empty(z.shape, z.dtype)
    turned = np.ascontiguousarray(w.T)

    def step(t, part):
        h, c = (out[t - 1] if t else s)[:, part]
        a = gates[t, part]
        return (
            products.moved(z[t, part], a),
            _product(h, turned, a, add=True),
            _lstm_gates.call((a, b, c, out[t, 0, part], out[t, 1, part])),
        )

    _run("lstm", (z, turned, b, s, out, gates), range(steps), n, step)
    return out, gates


def lstm_back(g, w, before, out, gates):
    steps, n, size = len(gates), gates.shape[1], w.shape[1]
    d, carried = memory.empty(gates.shape, gates.dtype), np.zeros((2, n, size), gates.dtype)

    def step(t, part):
        dh, dc = carried[0, part], carried[1, part]
        arrays = gates[t, part], before[t, 1, part], out[t, 1, part], g[t, 0, part], g[t, 1, part], dh, dc, d[t, part]
        return _lstm_slopes.call(arrays), _product(d[t, part], w, dh)

    _run("lstm back", (g, w, before, out, gates, d, carried), reversed(range(steps)), n, step)
    return d, d, carried


def gru(z, w, b, s):
    steps, n, size = len(z), z.shape[1], w.shape[1]
    out, kept = memory.empty((steps, 1, n, size), z.dtype), memory.empty((steps, n, 4 * size), z.dtype)
    turned = np.ascontiguousarray(w.T)

    def step(t, part):
        (h,) = (out[t - 1] if t else s)[:, part]
        q = memory.scratch(("gru", part.start), (len(h), 3 * size), z.dtype)
        return _product(h, turned, q), _gru_gates.call((z[t, part], q, b, h, out[t, 0, part], kept[t, part]))

    _run("gru", (z, turned, b, s, out, kept), range(steps), n, step)
    return out, kept


def gru_back(g, w, before, kept):
    steps, n, size = len(kept), kept.shape[1], w.shape[1]
    d, carried = memory.empty(kept.shape, kept.dtype), np.zeros((n, size), kept.dtype)

    def step(t, part):
        dh, back = carried[part], d[t, part]
        arrays = kept[t, part], before[t, 0, part], g[t, 0, part], dh, back
        return _gru_slopes.call(arrays), _product(back[:, : 3 * size], w, dh, add=True)

    _run("gru back", (g, w, before, kept, d, carried), reversed(range(steps)), n, step)
    return d, carried[None]


def _run(name, operands, steps, n, step):
    """The calls step(t, part) for these steps t in their order, each thread with a part of n sequences."""
    threads, order = min(parallel.num_threads(), n), list(steps)
    parts = [slice(n * i // threads, n * (i + 1) // threads) for i in range(threads)]
    programs.run(name, operands, lambda: [[call for t in order for call in step(t, part)] for part in parts])


def _product(x, w, out, add=False):
    """A call for out = x @ w, or out + x @ w."""
    rows, offsets = (products.places((n,), (stride,), x.itemsize) for n, stride in zip(x.shape, x.strides))
    return products.multiply(x, rows, offsets, w, out, add)


@exact
def _lstm_gates(a, b, c, new_h, new_c):
    """What comes to the gates, in a, becomes what they let through: i, f, g, o."""
    size = c.shape[1]
    for r in range(c.shape[0]):
        _lstm_row(a[r, :size], a[r, size : 2 * size], a[r, 2 * size : 3 * size], a[r, 3 * size :], b, c[r], new_h[r], new_c[r])


@exact
def _lstm_row(i, f, k, o, b, c, new_h, new_c):
    """Gates are arrays of their own, and so known not to overlap: where some are read and written, LLVM can tell that in no other way."""
    size = c.size
    for j in range(size):
        i[j], f[j] = logistic(i[j] + b[j]), logistic(f[j] + b[size + j])
        k[j], o[j] = _tanh(k[j] + b[2 * size + j]), logistic(o[j] + b[3 * size + j])
        new_c[j] = f[j] * c[j] + i[j] * k[j]
        new_h[j] = o[j] * _tanh(new_c[j])


@exact
def _lstm_slopes(gates, c, new_c, g_h, g_c, dh, dc, d):
    """The cotangents of what came to the gates, in d; those of the states before, but for what comes back by the product, in dc."""
    n, size = c.shape
    for r in range(n):
        for j in range(size):
            i, f, k, o = gates[r, j], gates[r, size + j], gates[r, 2 * size + j], gates[r, 3 * size + j]
            t, of_h = _tanh(new_c[r, j]), dh[r, j] + g_h[r, j]
            of_c = dc[r, j] + g_c[r, j] + of_h * o * (1 - t * t)
            d[r, j], d[r, size + j] = of_c * k * i * (1 - i), of_c * c[r, j] * f * (1 - f)
            d[r, 2 * size + j], d[r, 3 * size + j] = of_c * i * (1 - k * k), of_h * t * o * (1 - o)
            dc[r, j] = of_c * f


@exact
def _gru_gates(z, q, b, h, new, kept):
    """From z and q, the product: what the gates let through, r, u, k, and the q of k; the new state."""
    n, size = h.shape
    for m in range(n):
        for j in range(size):
            r = logistic(z[m, j] + (q[m, j] + b[j]))
            u = logistic(z[m, size + j] + (q[m, size + j] + b[size + j]))
            inner = q[m, 2 * size + j] + b[2 * size + j]
            k = _tanh(z[m, 2 * size + j] + r * inner)
            kept[m, j], kept[m, size + j], kept[m, 2 * size + j], kept[m, 3 * size + j] = r, u, k, inner
            new[m, j] = k + u * (h[m, j] - k)


@exact
def _gru_slopes(kept, h, g, dh, d):
    """The cotangents of r and u, of the q of k and of k before their functions, in d; those of the state before, by u alone, in dh."""
    n, size = h.shape
    for m in range(n):
        for j in range(size):
            r, u, k, inner = kept[m, j], kept[m, size + j], kept[m, 2 * size + j], kept[m, 3 * size + j]
            back = dh[m, j] + g[m, j]
            of_k = back * (1 - u) * (1 - k * k)
            d[m, j], d[m, size + j] = of_k * inner * r * (1 - r), (h[m, j] - k) * u * (1 - u) * back
            d[m, 2 * size + j], d[m, 3 * size + j] = of_k * r, of_k
            dh[m, j] = back * u


def _tanh(x):
    e = expm1(-2 * np.abs(x))
    return np.copysign(-e / (2 + e), x)
