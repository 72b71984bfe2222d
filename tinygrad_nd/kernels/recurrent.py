"""Recurrences over a whole sequence: the steps forward, and the sweep back through them.

Shapes: z (T, N, G·H), the gates' inputs from outside, T steps of N sequences; w (G·H, H) and b (G·H,) act on the state h of the step
before; s (S, N, H), the states at first. Forward gives the states of all steps (T, S, N, H), and what the sweep back can use again.

The sweeps back are written with operators and NumPy's functions alone, so that they also run on what only behaves like arrays. From the
cotangent g of all states they give those of z, of the products with w, and of s. What does not depend on later steps is computed for
many at once; σ(a) is ½ + ½ tanh(a/2) throughout, which cannot overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import engines
from .memory import empty

Array = np.ndarray
_nothing: Any = 0  # what comes back from behind the last step
BLOCK = 1 << 16  # bytes of one array of a block of steps


class Cell(NamedTuple):
    """A recurrence: G gates, S states, forward(z, w, b, s) -> (states, kept), back(g, z, w, b, before, out, kept) -> cotangents."""

    gates: int
    states: int
    forward: Callable[..., tuple[Array, Any]]
    back: Callable[..., tuple[Any, Any, Any]]


def previous(s: Any, out: Any) -> Any:
    """The states before each step, (T, S, N, H)."""
    parts = [s[None], out[:-1]]
    return np.concatenate(parts, out=empty(out.shape, out.dtype)) if isinstance(out, Array) else np.concatenate(parts)


def _lstm(z: Array, w: Array, b: Array, s: Array) -> tuple[Array, Array]:
    """i, f, o = σ, g = tanh of z + b + h w'; c' = f c + i g, h' = o tanh c'. Keeps (T, N, 4H): i, f, g, o."""
    if loops := _compiled(z, w, b, s):
        return loops.lstm(z, w, b, s)  # type: ignore[no-any-return]
    steps, n, size = len(z), z.shape[1], w.shape[1]
    out = empty((steps, 2, n, size), np.result_type(z, w, b, s))
    half = np.repeat(np.asarray([0.5, 0.5, 1, 0.5], out.dtype), size)
    rest, turned = 1 - half, np.ascontiguousarray(w.T * half)
    gates = np.add(z, b, out=empty((steps, n, 4 * size), out.dtype))
    gates *= half
    product, fresh = np.empty((n, 4 * size), out.dtype), np.empty((n, size), out.dtype)
    h, c = s.astype(out.dtype)
    for a, (new_h, new_c) in zip(gates, out):
        a += np.matmul(h, turned, out=product)
        np.tanh(a, out=a)
        a *= half
        a += rest
        i, f, g, o = a[:, :size], a[:, size : 2 * size], a[:, 2 * size : 3 * size], a[:, 3 * size :]
        np.multiply(f, c, out=new_c)
        new_c += np.multiply(i, g, out=fresh)
        np.tanh(new_c, out=new_h)
        new_h *= o
        h, c = new_h, new_c
    return out, gates


def _lstm_back(g: Any, z: Any, w: Any, b: Any, before: Any, out: Any, gates: Any) -> tuple[Any, Any, Any]:
    if gates is not None and (loops := _compiled(g := np.ascontiguousarray(g), w, before, out, gates)):
        return loops.lstm_back(g, w, before, out, gates)  # type: ignore[no-any-return]
    n, size = z.shape[1], w.shape[1]
    d, dh, dc = _rows(g, (len(z), n, 4 * size)), _nothing, _nothing
    for at in _blocks(g):
        if gates is None:
            i, f, k, o = _cut(z[at] + b + np.matmul(before[at, 0], w.T), 4)
            i, f, k, o = _sigmoid(i), _sigmoid(f), np.tanh(k), _sigmoid(o)
        else:
            i, f, k, o = _cut(gates[at], 4)
        tanh_c = np.tanh(out[at, 1])
        by_c = np.stack([k * i * (1 - i), before[at, 1] * f * (1 - f), i * (1 - k * k)], 2)  # (block, N, 3, H)
        by_h, through = tanh_c * o * (1 - o), o * (1 - tanh_c * tanh_c)
        for t in range(at.stop - 1, at.start - 1, -1):
            j = t - at.start
            dh = g[t, 0] + dh
            dc = g[t, 1] + dh * through[j] + dc
            d[t] = np.concatenate([(by_c[j] * dc[:, None]).reshape(n, 3 * size), dh * by_h[j]], 1)
            dh, dc = np.matmul(d[t], w), dc * f[j]
    d = _joined(d)
    return d, d, np.stack([dh, dc])


def _gru(z: Array, w: Array, b: Array, s: Array) -> tuple[Array, Array]:
    """r, u = σ(z + q), k = tanh(z + r q) with q = b + h w'; h' = k + u (h - k). Keeps (T, N, 4H): r, u, k, q of k."""
    if loops := _compiled(z, w, b, s):
        return loops.gru(z, w, b, s)  # type: ignore[no-any-return]
    steps, n, size = len(z), z.shape[1], w.shape[1]
    out = empty((steps, 1, n, size), np.result_type(z, w, b, s))
    turned, two = np.ascontiguousarray(w.T, out.dtype), 2 * size
    kept, q = empty((steps, n, 4 * size), out.dtype), np.empty((n, 3 * size), out.dtype)
    h = s[0].astype(out.dtype)
    for x, a, (new,) in zip(z, kept, out):
        np.matmul(h, turned, out=q)
        q += b
        ru, r, u, k, inner = a[:, :two], a[:, :size], a[:, size:two], a[:, two : 3 * size], a[:, 3 * size :]
        np.add(x[:, :two], q[:, :two], out=ru)
        ru *= 0.5
        np.tanh(ru, out=ru)
        ru *= 0.5
        ru += 0.5
        inner[:] = q[:, two:]
        np.multiply(r, inner, out=k)
        k += x[:, two:]
        np.tanh(k, out=k)
        np.subtract(h, k, out=new)
        new *= u
        new += k
        h = new
    return out, kept


def _gru_back(g: Any, z: Any, w: Any, b: Any, before: Any, out: Any, kept: Any) -> tuple[Any, Any, Any]:
    n, size = z.shape[1], w.shape[1]
    if kept is not None and (loops := _compiled(g := np.ascontiguousarray(g), w, before, kept)):
        d, dh = loops.gru_back(g, w, before, kept)
        return np.concatenate([d[..., : 2 * size], d[..., 3 * size :]], 2), d[..., : 3 * size], dh
    d, dh = _rows(g, (len(z), n, 4 * size)), _nothing
    for at in _blocks(g):
        h = before[at, 0]
        if kept is None:
            (zr, zu, zk), (qr, qu, q) = _cut(z[at], 3), _cut(b + np.matmul(h, w.T), 3)
            r, u = _sigmoid(zr + qr), _sigmoid(zu + qu)
            k = np.tanh(zk + r * q)
        else:
            r, u, k, q = _cut(kept[at], 4)
        of_k = (1 - u) * (1 - k * k)
        by_h = np.stack([of_k * q * r * (1 - r), (h - k) * u * (1 - u), of_k * r, of_k], 2)  # (block, N, 4, H)
        for t in range(at.stop - 1, at.start - 1, -1):
            j = t - at.start
            dh = g[t, 0] + dh
            d[t] = (by_h[j] * dh[:, None]).reshape(n, 4 * size)
            dh = np.matmul(d[t][:, : 3 * size], w) + dh * u[j]
    d = _joined(d)
    return np.concatenate([d[..., : 2 * size], d[..., 3 * size :]], 2), d[..., : 3 * size], dh[None]


def _rnn(activate: Callable[..., Any]) -> Callable[..., tuple[Array, None]]:
    def forward(z: Array, w: Array, b: Array, s: Array) -> tuple[Array, None]:
        """h' = activate(z + b + h w')."""
        out = empty((len(z), 1, *s.shape[1:]), np.result_type(z, w, b, s))
        turned, h = np.ascontiguousarray(w.T, out.dtype), s[0].astype(out.dtype)
        for x, (new,) in zip(z + b, out):
            np.matmul(h, turned, out=new)
            new += x
            h = activate(new, out=new)
        return out, None

    return forward


def _rnn_back(slope: Callable[[Any], Any]) -> Callable[..., tuple[Any, Any, Any]]:
    def back(g: Any, z: Any, w: Any, b: Any, before: Any, out: Any, kept: None) -> tuple[Any, Any, Any]:
        slopes, d, dh = slope(out[:, 0]), _rows(g, z.shape), _nothing
        for t in range(len(z) - 1, -1, -1):
            d[t] = (g[t, 0] + dh) * slopes[t]
            dh = np.matmul(d[t], w)
        d = _joined(d)
        return d, d, dh[None]

    return back


def _compiled(*arrays: Any) -> Any:
    """The compiled loops, if there are any and these are arrays that they take."""
    fit = all(type(a) is Array and a.dtype == np.float32 and a.flags.c_contiguous for a in arrays)
    return engines.compiled("recurrent") if fit else None


def _sigmoid(a: Any) -> Any:
    return 0.5 * np.tanh(0.5 * a) + 0.5


def _blocks(g: Any) -> list[slice]:
    """The steps in blocks whose arrays stay in the cache, the last block first; all in one where there are no arrays."""
    steps, one = len(g), g[0, 0]
    block = max(1, BLOCK // max(1, one.nbytes)) if isinstance(g, Array) else steps
    return [slice(i, min(i + block, steps)) for i in range(0, steps, block)][::-1]


def _rows(g: Any, shape: tuple[int, ...]) -> Any:
    """Places for so many rows, to be filled one by one."""
    return empty(shape, g.dtype) if isinstance(g, Array) else [None] * shape[0]


def _joined(rows: Any) -> Any:
    return rows if isinstance(rows, Array) else np.stack(rows)


def _cut(a: Any, parts: int) -> list[Any]:
    """So many equal parts of the last axis."""
    size = a.shape[-1] // parts
    return [a[..., i * size : (i + 1) * size] for i in range(parts)]


CELLS = {
    "lstm": Cell(4, 2, _lstm, _lstm_back),
    "gru": Cell(3, 1, _gru, _gru_back),
    "rnn_tanh": Cell(1, 1, _rnn(np.tanh), _rnn_back(lambda h: 1 - h * h)),
    "rnn_relu": Cell(1, 1, _rnn(lambda a, out: np.maximum(a, 0, out=out)), _rnn_back(lambda h: (h > 0).astype(h.dtype))),
}
