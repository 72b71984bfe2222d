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
            # an index cropped away by negative padding is outside as well
            cropped = any(ii < max(0, -a) or ii >= ni + min(0, b) for ii, ni, (a, b) in zip(i, n, padding))
            if not cropped:
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
        y[at] = x[at] if x[at] > 0 else 0
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


def conv_channels_last(x, w, stride, pad):
    """Case D's own form: x (m, H, W, C_in), w (fh, fw, C_in, C_out), zero padding ((top, bottom), (left, right)); four nested loops."""
    m, h, wd, _ = x.shape
    fh, fw, _, filters = w.shape
    (top, bottom), (left, right) = pad
    padded = np.zeros((m, h + top + bottom, wd + left + right, x.shape[3]), x.dtype)
    padded[:, top : top + h, left : left + wd] = x
    rows, columns = (padded.shape[1] - fh) // stride[0] + 1, (padded.shape[2] - fw) // stride[1] + 1
    z = np.zeros((m, rows, columns, filters), x.dtype)
    for image, i, j, f in indices(m, rows, columns, filters):
        z[image, i, j, f] = np.sum(padded[image, i * stride[0] :, j * stride[1] :][:fh, :fw] * w[..., f])
    return z


def conv_channels_last_backward(dz, x, w, stride, pad):
    """(dx, dw, db) of `conv_channels_last`."""
    m, h, wd, _ = x.shape
    fh, fw, _, filters = w.shape
    (top, bottom), (left, right) = pad
    padded = np.zeros((m, h + top + bottom, wd + left + right, x.shape[3]), x.dtype)
    padded[:, top : top + h, left : left + wd] = x
    dpadded, dw, db = np.zeros_like(padded), np.zeros_like(w), np.zeros(filters, x.dtype)
    for image, i, j, f in indices(m, *dz.shape[1:3], filters):
        rows, columns = slice(i * stride[0], i * stride[0] + fh), slice(j * stride[1], j * stride[1] + fw)
        dpadded[image, rows, columns] += w[..., f] * dz[image, i, j, f]
        dw[..., f] += padded[image, rows, columns] * dz[image, i, j, f]
        db[f] += dz[image, i, j, f]
    return dpadded[:, top : top + h, left : left + wd], dw, db


def im2col_layer(x, w, b, stride):
    """Case C as its author writes it: (sigmoid(z), columns, positions), the whole column matrix gathered by fancy indexing.

    x (n, depth, row, col), w (filters, depth, frow, fcol); one integer stride, no padding.
    """
    n, depth, rows, cols = x.shape
    filters, _, frow, fcol = w.shape
    orow, ocol = (rows - frow) // stride + 1, (cols - fcol) // stride + 1
    d = np.repeat(np.arange(depth), frow * fcol)[:, None]
    i = np.tile(np.repeat(np.arange(frow), fcol), depth)[:, None] + stride * np.repeat(np.arange(orow), ocol)
    j = np.tile(np.tile(np.arange(fcol), frow), depth)[:, None] + stride * np.tile(np.arange(ocol), orow)
    columns = x[:, d, i, j]  # (n, depth frow fcol, orow ocol)
    z = w.reshape(filters, -1) @ columns + b[:, None]
    return (1 / (1 + np.exp(-z))).reshape(n, filters, orow, ocol), columns, (d, i, j)


def im2col_layer_backward(g, y, columns, positions, x_shape, w):
    """(dx, dw, db) of `im2col_layer`, scattered back with np.add.at."""
    n, filters = y.shape[:2]
    dz = (g * y * (1 - y)).reshape(n, filters, -1)
    dw = np.einsum("nfp,nkp->fk", dz, columns).reshape(w.shape)
    dcolumns = w.reshape(filters, -1).T @ dz
    dx = np.zeros(x_shape, g.dtype)
    d, i, j = positions
    np.add.at(dx, (slice(None), d, i, j), dcolumns)
    return dx, dw, dz.sum((0, 2))
