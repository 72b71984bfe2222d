"""Compiled steps of optimisers: f(out, value, gradient, *state, *numbers), flat arrays. `update` says what they compute."""

# mypy: ignore-errors
import numpy as np
from numba import njit

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


@_jit
def _slope(g, p, decay):
    decayed = g + decay * p
    return decayed if decay != 0 else g


@_jit
def descend(out, p, g, lr, decay):
    real = out.dtype.type
    lr, decay = real(lr), real(decay)
    for i in range(out.size):
        out[i] = p[i] - lr * _slope(g[i], p[i], decay)


@_jit
def sgd(out, p, g, v, lr, momentum, dampening, decay, nesterov):
    real = out.dtype.type
    lr, momentum, part, decay = real(lr), real(momentum), real(1 - dampening), real(decay)
    for i in range(out.size):
        slope = _slope(g[i], p[i], decay)
        velocity = momentum * v[i] + part * slope
        v[i] = velocity
        ahead = slope + momentum * velocity
        out[i] = p[i] - lr * (ahead if nesterov else velocity)


@_jit
def adam(out, p, g, m, v, rate, root, b1, b2, eps, decay, shrink):
    real = out.dtype.type
    rate, root, eps, decay, shrink = real(rate), real(root), real(eps), real(decay), real(shrink)
    new1, new2, b2 = real(1 - b1), real(1 - b2), real(b2)
    for i in range(out.size):
        slope = _slope(g[i], p[i], decay)
        mean = m[i] + new1 * (slope - m[i])
        square = b2 * v[i] + new2 * (slope * slope)
        m[i] = mean
        v[i] = square
        out[i] = shrink * p[i] - rate * (mean / (root * np.sqrt(square) + eps))
