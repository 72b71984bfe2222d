"""The three contractions of a convolution in their plainest form: what every faster kernel is tested against.

correlate is the definition. The two gradients are correlations too: of the dilated, padded cotangent with the rotated kernel, and of the
input with the cotangent as its kernel.

Shapes: x (N, C, *n), w (M, C/G, *k), y and g (N, M, *o). Any rank, any strides in memory, any numeric dtype.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .geometry import ConvSpec, Pairs, input_grad_spec, weight_grad_spec
from .memory import Array


def correlate(x: Array, w: Array, spec: ConvSpec, bias: Array | None = None) -> Array:
    """y[n, m, j] = sum over c, t of x[n, c, s*j + d*t - p] * w[m, c, t], zero outside x, plus bias[m]."""
    dtype = np.result_type(x, w)
    wide = np.float32 if dtype == np.float16 else dtype  # sums of halves lose digits
    n, (m, c), groups = x.shape[0], w.shape[:2], spec.groups
    points, taps = prod(spec.out), prod(spec.kernel)
    columns = windows(pad(x, spec.padding), spec).reshape(n, groups, c * taps, points)
    kernels = w.reshape(groups, m // groups, c * taps)
    y: Array = kernels.astype(wide, copy=False) @ columns.astype(wide, copy=False)  # (N, G, M/G, points)
    y = y.reshape(n, m, *spec.out)
    return (y if bias is None else y + bias.reshape(m, *(1,) * spec.rank)).astype(dtype, copy=False)


def input_grad(g: Array, w: Array, spec: ConvSpec) -> Array:
    """The transpose of correlate in x: dilate by the stride, pad (or crop), correlate with the rotated kernel."""
    return correlate(dilate(g, spec.stride), swap_channels(rotate(w), spec.groups), input_grad_spec(spec))


def weight_grad(x: Array, g: Array, spec: ConvSpec) -> Array:
    """The transpose of correlate in w: per group, correlate x with g, batch and channels swapped, stride and dilation swapped."""
    swapped = weight_grad_spec(spec)
    c, m = x.shape[1] // spec.groups, g.shape[1] // spec.groups
    per_group = [
        correlate(x[:, i * c : (i + 1) * c].swapaxes(0, 1), g[:, i * m : (i + 1) * m].swapaxes(0, 1), swapped).swapaxes(0, 1)
        for i in range(spec.groups)
    ]
    return np.concatenate(per_group)


def pad(x: Array, padding: Pairs) -> Array:
    """Zeros before and after each spatial axis; a negative pad crops, even past the other end.

    >>> pad(np.array([[[1, 2, 3]]]), ((1, -1),))
    array([[[0, 1, 2]]])
    """
    if all(a == b == 0 for a, b in padding):
        return x
    out = np.zeros((*x.shape[:2], *(n + a + b for n, (a, b) in zip(x.shape[2:], padding))), x.dtype)
    sizes = list(zip(x.shape[2:], padding))
    to = [slice(max(a, 0), max(min(n + a, n + a + b), 0)) for n, (a, b) in sizes]
    source = [slice(max(-a, 0), max(min(n, n + b), 0)) for n, (a, b) in sizes]
    if all(t.start < t.stop for t in to):
        out[(slice(None), slice(None), *to)] = x[(slice(None), slice(None), *source)]
    return out


def dilate(x: Array, stride: tuple[int, ...]) -> Array:
    """s - 1 zeros between neighbours.

    >>> dilate(np.array([[[1, 2, 3]]]), (2,))
    array([[[1, 0, 2, 0, 3]]])
    """
    out = np.zeros((*x.shape[:2], *(s * (n - 1) + 1 for s, n in zip(stride, x.shape[2:]))), x.dtype)
    out[(slice(None), slice(None), *(slice(None, None, s) for s in stride))] = x
    return out


def rotate(w: Array) -> Array:
    """The kernel turned round: reversed along every spatial axis (in 2-D by 180 degrees; not transposed)."""
    return np.flip(w, tuple(range(2, w.ndim)))


def swap_channels(w: Array, groups: int) -> Array:
    """(M, C/G, *k) -> (C, M/G, *k): within each group, inputs and outputs change places."""
    m, c = w.shape[:2]
    return w.reshape(groups, m // groups, c, *w.shape[2:]).swapaxes(1, 2).reshape(groups * c, m // groups, *w.shape[2:])


def windows(x: Array, spec: ConvSpec) -> Array:
    """A read-only view (N, C, *k, *o) of a padded x: what each tap of the kernel sees at every output point, nothing copied."""
    steps = x.strides[2:]
    return as_strided(
        x,
        (*x.shape[:2], *spec.kernel, *spec.out),
        (*x.strides[:2], *(a * d for a, d in zip(steps, spec.dilation)), *(a * s for a, s in zip(steps, spec.stride))),
        writeable=False,
    )
