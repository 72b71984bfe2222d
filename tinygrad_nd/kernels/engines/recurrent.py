"""Compiled recurrences, for float32: each thread takes some of the sequences through all steps, which needs nothing of the others.

A step is a product with the weights and a loop over the gates; all of them are written down for `crew` at once.
"""

# mypy: ignore-errors
import numpy as np
from numba import njit

from .. import memory, parallel
from . import native, products, programs
from .exponential import expm1, logistic

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_f = np.float32
_ONE, _TWO = _f(1), _f(2)


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
            native.call(_lstm_gates, (a, b, c, out[t, 0, part], out[t, 1, part])),
        )

    _run("lstm", (z, turned, b, s, out, gates), range(steps), n, step)
    return out, gates


def lstm_back(g, w, before, out, gates):
    steps, n, size = len(gates), gates.shape[1], w.shape[1]
    d, carried = memory.empty(gates.shape, gates.dtype), np.zeros((2, n, size), gates.dtype)

    def step(t, part):
        dh, dc = carried[0, part], carried[1, part]
        arrays = gates[t, part], before[t, 1, part], out[t, 1, part], g[t, 0, part], g[t, 1, part], dh, dc, d[t, part]
        return native.call(_lstm_slopes, arrays), _product(d[t, part], w, dh)

    _run("lstm back", (g, w, before, out, gates, d, carried), reversed(range(steps)), n, step)
    return d, d, carried


def gru(z, w, b, s):
    steps, n, size = len(z), z.shape[1], w.shape[1]
    out, kept = memory.empty((steps, 1, n, size), z.dtype), memory.empty((steps, n, 4 * size), z.dtype)
    turned = np.ascontiguousarray(w.T)

    def step(t, part):
        (h,) = (out[t - 1] if t else s)[:, part]
        q = memory.scratch(("gru", part.start), (len(h), 3 * size), z.dtype)
        return _product(h, turned, q), native.call(_gru_gates, (z[t, part], q, b, h, out[t, 0, part], kept[t, part]))

    _run("gru", (z, turned, b, s, out, kept), range(steps), n, step)
    return out, kept


def gru_back(g, w, before, kept):
    steps, n, size = len(kept), kept.shape[1], w.shape[1]
    d, carried = memory.empty(kept.shape, kept.dtype), np.zeros((n, size), kept.dtype)

    def step(t, part):
        dh, back = carried[part], d[t, part]
        arrays = kept[t, part], before[t, 0, part], g[t, 0, part], dh, back
        return native.call(_gru_slopes, arrays), _product(back[:, : 3 * size], w, dh, add=True)

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


@_jit
def _lstm_gates(a, b, c, new_h, new_c):
    """What comes to the gates, in a, becomes what they let through: i, f, g, o."""
    n, size = c.shape
    for r in range(n):
        i, f, k, o = a[r, :size], a[r, size : 2 * size], a[r, 2 * size : 3 * size], a[r, 3 * size :]
        for j in range(size):
            i[j] = logistic(i[j] + b[j])
            f[j] = logistic(f[j] + b[size + j])
            k[j] = _tanh(k[j] + b[2 * size + j])
            o[j] = logistic(o[j] + b[3 * size + j])
            new_c[r, j] = f[j] * c[r, j] + i[j] * k[j]
            new_h[r, j] = o[j] * _tanh(new_c[r, j])


@_jit
def _lstm_slopes(gates, c, new_c, g_h, g_c, dh, dc, d):
    """The cotangents of what came to the gates, in d; those of the states before, but for what comes back by the product, in dc.

    In loops of few arrays each: of more, LLVM gives up telling whether they overlap, and makes no vectors.
    """
    n, size = c.shape
    for r in range(n):
        i, f, k, o = gates[r, :size], gates[r, size : 2 * size], gates[r, 2 * size : 3 * size], gates[r, 3 * size :]
        di, df, dk, do = d[r, :size], d[r, size : 2 * size], d[r, 2 * size : 3 * size], d[r, 3 * size :]
        of_h, of_c = dh[r], dc[r]
        for j in range(size):
            do[j] = _tanh(new_c[r, j])
        for j in range(size):
            of_h[j] += g_h[r, j]
        for j in range(size):
            of_c[j] += g_c[r, j] + of_h[j] * o[j] * (_ONE - do[j] * do[j])
        for j in range(size):
            do[j] *= of_h[j] * o[j] * (_ONE - o[j])
        for j in range(size):
            di[j] = of_c[j] * k[j] * i[j] * (_ONE - i[j])
        for j in range(size):
            df[j] = of_c[j] * c[r, j] * f[j] * (_ONE - f[j])
        for j in range(size):
            dk[j] = of_c[j] * i[j] * (_ONE - k[j] * k[j])
        for j in range(size):
            of_c[j] *= f[j]


@_jit
def _gru_gates(z, q, b, h, new, kept):
    """From z and q, the product: what the gates let through, r, u, k, and the q of k; the new state."""
    n, size = h.shape
    for m in range(n):
        r, u, k, inner = kept[m, :size], kept[m, size : 2 * size], kept[m, 2 * size : 3 * size], kept[m, 3 * size :]
        for j in range(size):
            r[j] = logistic(z[m, j] + (q[m, j] + b[j]))
        for j in range(size):
            u[j] = logistic(z[m, size + j] + (q[m, size + j] + b[size + j]))
        for j in range(size):
            inner[j] = q[m, 2 * size + j] + b[2 * size + j]
        for j in range(size):
            k[j] = _tanh(z[m, 2 * size + j] + r[j] * inner[j])
        for j in range(size):
            new[m, j] = k[j] + u[j] * (h[m, j] - k[j])


@_jit
def _gru_slopes(kept, h, g, dh, d):
    """The cotangents of r and u, of the q of k and of k before their functions, in d; those of the state before, by u alone, in dh."""
    n, size = h.shape
    for m in range(n):
        r, u, k, inner = kept[m, :size], kept[m, size : 2 * size], kept[m, 2 * size : 3 * size], kept[m, 3 * size :]
        dr, du, dq, dk = d[m, :size], d[m, size : 2 * size], d[m, 2 * size : 3 * size], d[m, 3 * size :]
        back = dh[m]
        for j in range(size):
            back[j] += g[m, j]
        for j in range(size):
            dk[j] = back[j] * (_ONE - u[j]) * (_ONE - k[j] * k[j])
        for j in range(size):
            dr[j] = dk[j] * inner[j] * r[j] * (_ONE - r[j])
        for j in range(size):
            du[j] = (h[m, j] - k[j]) * u[j] * (_ONE - u[j])
        for j in range(size):
            du[j] *= back[j]
        for j in range(size):
            dq[j] = dk[j] * r[j]
        for j in range(size):
            back[j] *= u[j]


@_jit
def _tanh(x):
    e = expm1(-_TWO * np.abs(x))
    return np.copysign(-e / (_TWO + e), x)
