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
    """y[b, m, o] = sum over c, t of x[b, c, o s + t d - p] w[m, c, t], all images and channels of a group at once."""
    n, k = x.shape[2:], w.shape[2:]
    y = np.zeros((x.shape[0], w.shape[0], *out_size(n, k, stride, padding, dilation)), x.dtype)
    for o, t, i in taps(n, k, stride, padding, dilation):
        for c, m in channels(x, w, groups):
            y[(slice(None), m, *o)] += x[(slice(None), c, *i)] @ w[(m, slice(None), *t)].T
    return y


def conv_backward(g, x, w, stride, padding, dilation, groups=1):
    """(dx, dw, dbias): every product of the forward sum hands g on to both of its factors."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for o, t, i in taps(x.shape[2:], w.shape[2:], stride, padding, dilation):
        for c, m in channels(x, w, groups):
            dx[(slice(None), c, *i)] += g[(slice(None), m, *o)] @ w[(m, slice(None), *t)]
            dw[(m, slice(None), *t)] += g[(slice(None), m, *o)].T @ x[(slice(None), c, *i)]
    db = np.zeros(w.shape[0], x.dtype)
    for at in indices(*g.shape):
        db[at[1]] += g[at]
    return dx, dw, db


def channels(x, w, groups):
    """The channels of x, and those of the result, that belong to each group."""
    into, out = x.shape[1] // groups, w.shape[0] // groups
    return [(slice(j * into, (j + 1) * into), slice(j * out, (j + 1) * out)) for j in range(groups)]


def windows(n, k, stride, padding, dilation, ceil_mode=False):
    """Per output of a pool: its position, the (number, position) of its taps within the input, how many lie within the padded input."""
    sizes = []
    for ni, ki, s, (a, b), d in zip(n, k, stride, padding, dilation):
        room = ni + a + b - d * (ki - 1) - 1
        o = (-(-room // s) if ceil_mode else room // s) + 1
        sizes.append(o - 1 if ceil_mode and (o - 1) * s >= ni + a else o)
    for o in indices(*sizes):
        inside, padded = [], 0
        for number, t in enumerate(indices(*k)):
            i = tuple(oi * s + ti * d - a for oi, ti, s, (a, _), d in zip(o, t, stride, padding, dilation))
            padded += all(ii < ni + b for ii, ni, (_, b) in zip(i, n, padding))
            if all(0 <= ii < ni for ii, ni in zip(i, n)):
                inside.append((number, i))
        yield o, inside, padded


def adaptive_windows(n, o):
    """The same of a pool told the size of its result, None where that is n."""
    o = tuple(m if parts is None else parts for m, parts in zip(n, o))
    for at in indices(*o):
        inside = list(product(*(range(i * m // parts, -(-(i + 1) * m // parts)) for i, m, parts in zip(at, n, o))))
        yield at, list(enumerate(inside)), len(inside)


def over_windows(f, x, n, found):
    """Each part of f(entries, taps' numbers, flat positions, how many with padding) of every window of x (*lead, *n), as (*lead, *out)."""
    rows, lead = x.reshape(-1, int(np.prod(n))), x.shape[: x.ndim - len(n)]
    found, results = list(found), []
    for _, inside, padded in found:
        numbers = np.array([number for number, _ in inside], int)
        places = np.array([np.ravel_multi_index(i, n) if n else 0 for _, i in inside], int)
        results.append(f(rows[:, places], numbers, places, padded))
    out = tuple(m + 1 for m in max(o for o, *_ in found))
    made = [np.stack([np.broadcast_to(r, len(rows)) for r in part], -1).reshape(*lead, *out) for part in zip(*results)]
    return made[0] if len(made) == 1 else made


def max_pool(x, n, found):
    """(the first largest entry of every window, NaN above all; its number; its flat position), or (the lowest, 0, -1) in padding alone."""
    lowest = -np.inf if x.dtype.kind == "f" else False if x.dtype.kind == "b" else np.iinfo(x.dtype).min

    def first(entries, numbers, places, _):
        best = entries.argmax(1) if len(places) else None
        return (lowest, 0, -1) if best is None else (np.take_along_axis(entries, best[:, None], 1)[:, 0], numbers[best], places[best])

    return over_windows(first, x, n, found)


def max_pool_backward(g, places, n):
    """g (*lead, *out) added to the flat positions, of which -1 is none."""
    rows = g.reshape(-1, int(np.prod(g.shape[g.ndim - len(n) :])))
    dx = np.zeros((len(rows), int(np.prod(n))), g.dtype)
    for row, at, to in zip(rows, places.reshape(rows.shape), dx):
        np.add.at(to, at[at >= 0], row[at >= 0])
    return dx.reshape(*g.shape[: g.ndim - len(n)], *n)


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
