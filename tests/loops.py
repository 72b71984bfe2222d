"""The definitions, as plain loops over every index. Slow, obvious, and written without a look at the library: what it is held against.

x (N, C, *n), w (M, C/groups, *k), y and g (N, M, *o); padding is a (before, after) pair per spatial axis, negative crops.
"""

from itertools import product

import numpy as np


def indices(*sizes):
    return product(*(range(n) for n in sizes))


def out_size(n, k, stride, padding, dilation):
    return tuple((ni + a + b - d * (ki - 1) - 1) // s + 1 for ni, ki, s, (a, b), d in zip(n, k, stride, padding, dilation))


def taps(n, k, stride, padding, dilation):
    """(output position, kernel position, input position) for every product that a correlation sums, zeros of the padding left out."""
    for o in indices(*out_size(n, k, stride, padding, dilation)):
        for t in indices(*k):
            i = tuple(oi * s + ti * d - a for oi, ti, s, (a, _), d in zip(o, t, stride, padding, dilation))
            if all(0 <= ii < ni for ii, ni in zip(i, n)):
                yield o, t, i


def conv(x, w, stride, padding, dilation, groups=1):
    """y[b, m, o] = sum over c, t of x[b, c, o s + t d - p] w[m, c, t]."""
    n, k = x.shape[2:], w.shape[2:]
    y = np.zeros((x.shape[0], w.shape[0], *out_size(n, k, stride, padding, dilation)), x.dtype)
    for b, m, c in indices(x.shape[0], w.shape[0], w.shape[1]):
        channel = m // (w.shape[0] // groups) * w.shape[1] + c
        for o, t, i in taps(n, k, stride, padding, dilation):
            y[(b, m, *o)] += x[(b, channel, *i)] * w[(m, c, *t)]
    return y


def conv_backward(g, x, w, stride, padding, dilation, groups=1):
    """(dx, dw, dbias): every product of the forward sum hands g on to both of its factors."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for b, m, c in indices(x.shape[0], w.shape[0], w.shape[1]):
        channel = m // (w.shape[0] // groups) * w.shape[1] + c
        for o, t, i in taps(x.shape[2:], w.shape[2:], stride, padding, dilation):
            dx[(b, channel, *i)] += g[(b, m, *o)] * w[(m, c, *t)]
            dw[(m, c, *t)] += g[(b, m, *o)] * x[(b, channel, *i)]
    db = np.zeros(w.shape[0], x.dtype)
    for at in indices(*g.shape):
        db[at[1]] += g[at]
    return dx, dw, db


def max_pool(x, k, stride):
    """(y, winner): the largest entry of every window and its index into x; the first one among equals."""
    r = len(k)
    lead, n = x.shape[:-r], x.shape[-r:]
    o_size = out_size(n, k, stride, ((0, 0),) * r, (1,) * r)
    y = np.zeros((*lead, *o_size), x.dtype)
    winner = {}
    for at in indices(*lead, *o_size):
        first, o = at[:-r], at[-r:]
        best = None
        for t in indices(*k):
            i = (*first, *(oi * s + ti for oi, ti, s in zip(o, t, stride)))
            if best is None or x[i] > x[best]:
                best = i
        y[at], winner[at] = x[best], best
    return y, winner


def max_pool_backward(g, winner, x_shape):
    dx = np.zeros(x_shape, g.dtype)
    for at, i in winner.items():
        dx[i] += g[at]
    return dx


def dense(x, w, b):
    y = np.zeros((x.shape[0], w.shape[0]), x.dtype)
    for n, m in indices(*y.shape):
        y[n, m] = b[m]
        for c in range(x.shape[1]):
            y[n, m] += x[n, c] * w[m, c]
    return y


def dense_backward(g, x, w):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[0], x.dtype)
    for n, m in indices(*g.shape):
        db[m] += g[n, m]
        for c in range(x.shape[1]):
            dx[n, c] += g[n, m] * w[m, c]
            dw[m, c] += g[n, m] * x[n, c]
    return dx, dw, db


def relu(x):
    y = np.zeros_like(x)
    for at in indices(*x.shape):
        y[at] = max(0, x[at])
    return y


def relu_backward(g, x):
    dx = np.zeros_like(x)
    for at in indices(*x.shape):
        dx[at] = g[at] if x[at] > 0 else 0
    return dx


def softmax_cross_entropy(z, labels):
    """(mean of -log softmax(z)[label], its gradient in z)."""
    loss, dz = 0.0, np.zeros_like(z)
    for n in range(z.shape[0]):
        top = max(z[n])
        e = [np.exp(v - top) for v in z[n]]
        total = sum(e)
        loss -= np.log(e[labels[n]] / total) / z.shape[0]
        for m in range(z.shape[1]):
            dz[n, m] = (e[m] / total - (m == labels[n])) / z.shape[0]
    return loss, dz
