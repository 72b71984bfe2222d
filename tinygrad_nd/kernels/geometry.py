"""The geometry of sliding windows: the specs that kernels run, how they are made, and how they transform.

One letter, one meaning: n input size, k kernel, o output size, s stride, p padding (before, after), d dilation; every field holds one
entry per spatial axis, so a rank is a length and never a special case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, wraps
from typing import Any, TypeVar

from .channels import conv_channels, transpose_channels
from .padding import IntN, Padding, Pairs, per_axis, resolve_padding, room, transpose_words
from .words import meant, shown

__all__ = [
    "ALGORITHMS", "ConvSpec", "IntN", "Padding", "Pairs", "PoolSpec", "conv_spec", "conv_window", "input_grad_spec", "landing", "pool_spec",
    "reach", "sees", "transpose_spec", "transpose_window", "weight_grad_spec",
]  # fmt: skip

Ints = Sequence[int]
ALGORITHMS = ("auto", "gemm", "fft", "winograd", "direct", "col2im", "igemm", "reference")


@dataclass(frozen=True)
class ConvSpec:
    """What a convolution does to space. Holds the input size, so that all three contractions are unambiguous.

    size, kernel, stride, dilation: one int per spatial axis. padding: a (before, after) pair per axis, negative crops.
    algorithm: what the user asked for ("auto", or one row's name); it travels with the spec into every derivative.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1
    algorithm: str = "auto"

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # of integers alone: it may be pickled
        return hash((self.size, self.kernel, self.stride, self.padding, self.dilation, self.groups))

    @property
    def rank(self) -> int:
        return len(self.size)

    @cached_property
    def out(self) -> tuple[int, ...]:
        """Output size per axis: floor((n + before + after - d(k-1) - 1) / s) + 1."""
        return tuple(
            (n + a + b - d * (k - 1) - 1) // s + 1
            for n, k, s, (a, b), d in zip(self.size, self.kernel, self.stride, self.padding, self.dilation)
        )


@dataclass(frozen=True)
class PoolSpec:
    """What a pooling window does to space; `out` is given, because ceil_mode decides it. Windows may overhang the padded end."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.size)


# One object for all calls of one geometry: plans are found by it, and the same object is found faster than an equal one.
_conv_spec, _pool_spec = lru_cache(4096)(ConvSpec), lru_cache(4096)(PoolSpec)


F = TypeVar("F", bound=Callable[..., Any])
_WORDS = frozenset({int, str, bool, type(None)})


def _once(f: F) -> F:
    """f, asked once for the same ints, words, and tuples of ints; what merely equals an int, True or 2.0, is refused by f itself."""
    known = lru_cache(4096, typed=True)(f)

    @wraps(f)
    def found(*arguments: Any, **named: Any) -> Any:
        for a in (*arguments, *named.values()):
            if type(a) not in _WORDS and (type(a) is not tuple or not {*map(type, a)} <= {int}):
                return f(*arguments, **named)
        return known(*arguments, **named)

    return found  # type: ignore[return-value]


# The specs that public functions build: of arrays, and of space alone.


@_once
def conv_spec(
    where: str,
    x_shape: Ints,
    w_shape: Ints,
    stride: IntN = 1,
    padding: Padding = 0,
    dilation: IntN = 1,
    groups: int = 1,
    algorithm: str = "auto",
    *,
    last: bool = False,
) -> ConvSpec:
    """The spec of correlating x (N, C, *n) or (C, *n) with a weight (M, C/groups, *k), checked; channels are x's last axis with `last`."""
    groups, size = conv_channels(where, x_shape, w_shape, groups, last)
    spec = conv_window(where, size, w_shape[2:], stride, padding, dilation, groups, algorithm)
    room(where, [n + a + b for n, (a, b) in zip(spec.size, spec.padding)])
    return spec


def conv_window(
    where: str, size: Ints, kernel: Ints, stride: IntN, padding: Padding, dilation: IntN, groups: int = 1, algorithm: str = "auto"
) -> ConvSpec:
    """The spec of windows of the kernel's size over space of the given size."""
    size, kernel, stride, dilation = _window(where, size, kernel, stride, dilation, len(size))
    pairs = resolve_padding(where, padding, size, kernel, stride, dilation)
    _fits(where, size, kernel, pairs, dilation)
    return _conv_spec(size, kernel, stride, pairs, dilation, groups, _algorithm(where, algorithm))


@_once
def transpose_spec(
    where: str,
    x_shape: Ints,
    w_shape: Ints,
    stride: IntN = 1,
    padding: Padding = 0,
    output_padding: IntN = 0,
    dilation: IntN = 1,
    groups: int = 1,
    output_size: IntN | None = None,
    algorithm: str = "auto",
    *,
    last: bool = False,
) -> ConvSpec:
    """The spec whose `input_grad` is the transposed convolution of x (N, C, *o) with a weight (C, M/groups, *k), see transpose_window."""
    groups, out = transpose_channels(where, x_shape, w_shape, groups, last)
    spec = transpose_window(where, out, w_shape[2:], stride, padding, output_padding, dilation, groups, output_size, algorithm)
    room(where, spec.size)
    return spec


def transpose_window(
    where: str,
    out: Ints,
    kernel: Ints,
    stride: IntN = 1,
    padding: Padding = 0,
    output_padding: IntN = 0,
    dilation: IntN = 1,
    groups: int = 1,
    output_size: IntN | None = None,
    algorithm: str = "auto",
) -> ConvSpec:
    """The spec whose `out` is the spatial size transposed, and `size` the result's.

    size = (o-1)s - (a+b) + d(k-1) + 1 + output_padding, or output_size.
    The words "same" and "causal" give o*s, the surplus trimmed evenly or at the end; "valid" trims nothing.
    """
    rank = len(out)
    out, kernel, stride, dilation = _window(where, out, kernel, stride, dilation, rank)
    if min(out, default=1) < 1:
        raise ValueError(f"{where}: x has spatial size {out}, and where there is nothing, nothing can be spread out")
    extra = per_axis(output_padding, rank, "output_padding", where)
    for e, s, d in zip(extra, stride, dilation):
        if not 0 <= e < max(s, d):
            raise ValueError(f"{where}: output_padding={shown(output_padding)} must be from 0 to below the stride or dilation ({s}, {d})")
    if isinstance(padding, str):
        pairs, grown = transpose_words(where, padding, kernel, stride, dilation)
    else:
        pairs, grown = resolve_padding(where, padding, out, kernel, stride, dilation), (0,) * rank
    least = tuple((o - 1) * s - a - b + d * (k - 1) + 1 for o, k, s, (a, b), d in zip(out, kernel, stride, pairs, dilation))
    size = tuple(n + e + e0 for n, e, e0 in zip(least, extra, grown))
    if output_size is not None:
        asked = per_axis(output_size, rank, "output_size", where)
        if any(extra) and asked != size:
            raise ValueError(f"{where}: output_size={asked} and output_padding={extra}, which gives {size}, contradict; give one of them")
        size, most = asked, tuple(n + s - 1 for n, s in zip(least, stride))
        if not any(extra) and any(not lo <= n <= hi for lo, n, hi in zip(least, size, most)):
            axis = next(i for i, (lo, n, hi) in enumerate(zip(least, size, most)) if not lo <= n <= hi)
            raise ValueError(
                f"{where}: output_size={size} must lie between {least} and {most} for an input of {out} and stride {stride}, "
                f"but spatial axis {axis} asks for {size[axis]}"
            )
    if min(size, default=1) < 1:
        raise ValueError(f"{where}: the result would have spatial size {size}; padding {pairs} trims more than there is, use less")
    # What is grown at the end is padding not asked of the forward convolution: (n + a + b - d(k-1) - 1) is then (o-1)s exactly.
    pairs = tuple((a, b - (n - lo)) for (a, b), n, lo in zip(pairs, size, least))
    return _conv_spec(size, kernel, stride, pairs, dilation, groups, _algorithm(where, algorithm))


@_once
def pool_spec(
    where: str, size: Ints, kernel_size: IntN, stride: IntN | None = None, padding: Padding = 0, dilation: IntN = 1, ceil_mode: bool = False
) -> PoolSpec:
    """The spec of pooling over axes of the given sizes; stride=None is the kernel size.

    With ceil_mode a last window may overhang the padded end, but one that would start in the right padding is dropped.
    """
    rank = len(size)
    kernel = per_axis(kernel_size, rank, "kernel_size", where)
    sizes, kernel, stride, dilation = _window(where, size, kernel, kernel if stride is None else stride, dilation, rank)
    pairs = resolve_padding(where, padding, sizes, kernel, stride, dilation)
    if any(p < 0 for pair in pairs for p in pair):
        raise ValueError(f"{where}: padding={padding} is negative; a pool cannot crop, slice the input first")
    extents = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation))
    if ceil_mode:
        out = tuple(-((e - n - a - b) // s) + 1 for n, e, s, (a, b) in zip(sizes, extents, stride, pairs))
        out = tuple(o - 1 if (o - 1) * s >= n + a else o for o, n, s, (a, _) in zip(out, sizes, stride, pairs))
    else:
        out = tuple((n + a + b - e) // s + 1 for n, e, s, (a, b) in zip(sizes, extents, stride, pairs))
    if min(out, default=1) < 1:
        _fits(where, sizes, kernel, pairs, dilation)
    room(where, out)
    return _pool_spec(sizes, kernel, stride, pairs, dilation, out)


# Where windows lie.


def reach(spec: ConvSpec | PoolSpec, outputs: Ints) -> list[int]:
    """How many points so many neighbouring outputs see from end to end, per axis."""
    return [s * (o - 1) + d * (k - 1) + 1 for s, o, d, k in zip(spec.stride, outputs, spec.dilation, spec.kernel)]


def landing(n: int, first: int, count: int, step: int) -> tuple[slice, slice]:
    """Which of the places first, first + step, ... lie within n, and these places."""
    low = max(0, -(first // step))
    high = max(low, min(count, -((first - n) // step)))
    return slice(low, high), slice(first + low * step, first + high * step, step)


@lru_cache(4096)
def sees(spec: ConvSpec, tap: tuple[int, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The input points that a tap sees, of (N, C, *n), and the outputs that see them, of (N, C, *o)."""
    axes = zip(spec.size, tap, spec.padding, spec.out, spec.stride, spec.dilation)
    found = [landing(n, d * t - a, o, s) for n, t, (a, _), o, s, d in axes]
    return (slice(None), slice(None), *(to for _, to in found)), (slice(None), slice(None), *(which for which, _ in found))


# Spec transforms: both gradients of a correlation are correlations.


def input_grad_spec(spec: ConvSpec) -> ConvSpec:
    """The correlation that is the input gradient, once g is dilated by the stride and the kernel rotated.

    y[j] = sum_t x[sj + dt - a] w[t], so dx[i] = sum_t G[i + a - dt] w[t] with G[sj] = g[j]; with t' = k-1-t that is
    sum_t' G[i - (d(k-1) - a) + dt'] w[k-1-t']: a correlation padded by d(k-1) - a before, and after by what the size asks for.
    """
    dilated = tuple(s * (o - 1) + 1 for s, o in zip(spec.stride, spec.out))
    spans = tuple(d * (k - 1) for d, k in zip(spec.dilation, spec.kernel))
    padding = tuple((e - a, n - length + a) for e, (a, _), n, length in zip(spans, spec.padding, spec.size, dilated))
    return ConvSpec(dilated, spec.kernel, (1,) * spec.rank, padding, spec.dilation, spec.groups, spec.algorithm)


def weight_grad_spec(spec: ConvSpec) -> ConvSpec:
    """The correlation of x with g as its kernel that is the weight gradient of one group: stride and dilation change places.

    dw[t] = sum_j x[sj + dt - a] g[j]: the kernel index is now j, dilated by s, and t the output index, with stride d.
    """
    padding = tuple((a, seen - n - a) for (a, _), seen, n in zip(spec.padding, reach(spec, spec.out), spec.size))
    return ConvSpec(spec.size, spec.out, spec.dilation, padding, spec.stride, 1, spec.algorithm)


# Checks.


def _window(
    where: str, size: Ints, kernel: Ints, stride: IntN, dilation: IntN, rank: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    strides, dilations = per_axis(stride, rank, "stride", where), per_axis(dilation, rank, "dilation", where)
    for what, values in (("kernel size", kernel), ("stride", strides), ("dilation", dilations)):
        if min(values, default=1) < 1:
            axis = next(i for i, v in enumerate(values) if v < 1)
            raise ValueError(f"{where}: {what} {shown(tuple(values))} must be at least 1 everywhere, but is {values[axis]} on axis {axis}")
    return tuple(map(int, size)), tuple(map(int, kernel)), strides, dilations


def _fits(where: str, size: Ints, kernel: Ints, padding: Pairs, dilation: Ints) -> None:
    for axis, (n, k, (a, b), d) in enumerate(zip(size, kernel, padding, dilation)):
        extent = d * (k - 1) + 1
        if n + a + b < extent:
            spread = f" (with dilation {d}: {extent})" if d > 1 else ""
            raise ValueError(
                f"{where}: kernel {k}{spread} does not fit the input {n} padded by {a} + {b} on spatial axis {axis}; "
                f"it needs {extent - n} of padding in all, or a smaller kernel"
            )


def _algorithm(where: str, algorithm: str) -> str:
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise ValueError(f"{where}: unknown algorithm {algorithm!r}; {meant(algorithm, ALGORITHMS)}known are {', '.join(ALGORITHMS)}")
    return algorithm
