"""Convolution at any rank: one trilinear form, T(x, w, g) = <g, correlate(x, w)>, and three contractions that each leave one argument out.

The VJPs of each contraction are the other two, so derivatives of every order stay inside these three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arguments import answering, dtype_of
from ..kernels import choose
from ..kernels.geometry import ConvSpec, IntN, Padding, conv_spec, transpose_spec
from ..kernels.padding import NUMPYS
from ..kernels.words import shown
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor
from .naming import named
from .pad import pad
from .reduce import _sum
from .shape import expand_dims, moveaxis, reshape, squeeze
from .ufunc import conj, of_kernel

__all__ = ["conv_nd", "conv_transpose_nd", "explain_conv"]


@primitive(
    x=lambda g, w, spec: input_grad(g, conj(w), spec),
    w=lambda g, x, spec: weight_grad(conj(x), g, spec),
    bias=lambda g: _sum(g, axes=(0, *range(2, g.ndim))),
)
def _correlate(x: Any, w: Any, bias: Any = None, *, spec: ConvSpec, algorithm: str) -> Any:
    return choose.correlate(x, w, spec, algorithm, bias)


_input_grad = of_kernel(
    "input_grad", choose.input_grad, 2,
    g=lambda h, w, spec: correlate(h, conj(w), None, spec),
    w=lambda h, g, spec: weight_grad(h, conj(g), spec),
)  # fmt: skip
_weight_grad = of_kernel(
    "weight_grad", choose.weight_grad, 2,
    x=lambda h, g, spec: input_grad(conj(g), h, spec),
    g=lambda h, x, spec: correlate(conj(x), h, None, spec),
)  # fmt: skip


def correlate(x: Tensor, w: Tensor, bias: Tensor | None, spec: ConvSpec) -> Tensor:
    """y (N, M, *o) of x (N, C, *n) and w (M, C/groups, *k), by the row that suits."""
    then = ("weight_grad",) * w.requires_grad + ("input_grad",) * x.requires_grad if recording.get() else ()
    row = choose.pick("correlate", x.shape[0], x.shape[1], w.shape[0], spec, x.dtype, x._data, then=then)
    return _correlate(x, w, bias, spec=spec, algorithm=row)


def input_grad(g: Tensor, w: Tensor, spec: ConvSpec) -> Tensor:
    """dx (N, C, *n) of g (N, M, *o) and w: the transpose of `correlate` in x."""
    row = choose.pick("input_grad", g.shape[0], w.shape[1] * spec.groups, w.shape[0], spec, g.dtype, g._data)
    return _input_grad(g, w, spec=spec, algorithm=row)


def weight_grad(x: Tensor, g: Tensor, spec: ConvSpec) -> Tensor:
    """dw (M, C/groups, *k) of x (N, C, *n) and g (N, M, *o): the transpose of `correlate` in w."""
    row = choose.pick("weight_grad", x.shape[0], x.shape[1], g.shape[1], spec, x.dtype, x._data, g._data)
    return _weight_grad(x, g, spec=spec, algorithm=row)


@answering
def conv_nd(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: IntN = 1,
    padding: Padding = 0,
    dilation: IntN = 1,
    groups: int = 1,
    *,
    padding_mode: str | Sequence[str] = "zeros",
    layout: str | None = None,
    algorithm: str = "auto",
) -> Tensor:
    """N-dimensional convolution as networks mean it (a correlation: the kernel is not rotated), at any spatial rank from 0 up.

    Shapes: x (N, C, *n) or (C, *n), weight (M, C/groups, *k), bias (M,) -> (N, M, *o) or (M, *o), where
    o = floor((n + padding - d(k-1) - 1) / s) + 1.
    With layout="N*C" channels are the last axis of x and of the result; the weight stays as it is.

    padding: an int, an int per axis, a (before, after) pair per axis (negative crops), or "valid", "same", "same_lower", "full", "causal".
    padding_mode: "zeros", "reflect", "replicate" or "circular", one for all axes or one per axis.
    algorithm: "auto" picks by a cost model (see `explain_conv`), or "gemm", "fft", "winograd", "direct", "col2im", "igemm" (extra `jit`).
    Of these "fft" and "winograd" spread an infinity or NaN over the tile in which it lies.

    Raises ValueError or TypeError, naming the sizes, for shapes that do not fit together.

    >>> import tinygrad_nd as nd
    >>> nd.conv_nd([[1.0, 2.0, 3.0, 4.0]], [[[1.0, -1.0]]]).tolist()
    [[-1.0, -1.0, -1.0]]
    """
    x, weight, bias = same_dtype("conv_nd", x=x, weight=weight, bias=bias)
    last = is_channels_last("conv_nd", layout)
    spec = conv_spec("conv_nd", x.shape, weight.shape, stride, padding, dilation, groups, algorithm, last=last)
    _check_bias("conv_nd", bias, weight.shape[0])
    if bias is not None and bias._node is None:
        bias = astensor(bias, name="bias")  # nothing else remembers a constant one; so it is drawn
    x, restore = _channels_second(x, spec.rank, last)
    x, spec = _pad_by_mode(x, spec, padding_mode)
    _check_algorithm("conv_nd", x.shape[:2], weight.shape[0], spec, x.dtype)
    return restore(correlate(x, weight, bias, spec))


@answering
def conv_transpose_nd(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: IntN = 1,
    padding: Padding = 0,
    output_padding: IntN = 0,
    groups: int = 1,
    dilation: IntN = 1,
    *,
    output_size: IntN | None = None,
    layout: str | None = None,
    algorithm: str = "auto",
) -> Tensor:
    """The transpose of `conv_nd` in its input: what maps a convolution's output gradient to its input gradient.

    Shapes: x (N, C, *o) or (C, *o), weight (C, M/groups, *k), bias (M,) -> (N, M, *n), where
    n = (o-1)s - padding + d(k-1) + 1 + output_padding, or `output_size`, which settles the sizes that a stride leaves open.

    Raises ValueError or TypeError, naming the sizes, for shapes that do not fit together.
    """
    where = "conv_transpose_nd"
    x, weight, bias = same_dtype(where, x=x, weight=weight, bias=bias)
    last = is_channels_last(where, layout)
    window = stride, padding, output_padding, dilation, groups, output_size, algorithm
    spec = transpose_spec(where, x.shape, weight.shape, *window, last=last)
    _check_bias(where, bias, weight.shape[1] * spec.groups)
    x, restore = _channels_second(x, spec.rank, last)
    _check_algorithm(where, (x.shape[0], weight.shape[1] * spec.groups), weight.shape[0], spec, x.dtype)
    y = input_grad(x, weight, spec)
    return restore(y if bias is None else y + reshape(bias, (-1, *(1,) * spec.rank)))


@named
def explain_conv(
    x_shape: Any,
    w_shape: Any,
    stride: IntN = 1,
    padding: Padding = 0,
    dilation: IntN = 1,
    groups: int = 1,
    *,
    dtype: Any = np.float32,
    algorithm: str = "auto",
) -> str:
    """Prints every algorithm for this convolution and its two gradients: predicted time, a bound of its workspace, and the one that runs.

    Shapes: those of x (N, C, *n) and of the weight (M, C/groups, *k), or what has them. What is not shown lies channels-last in memory, as
    results do. Returns the table as text, too, which an interpreter does not show a second time.
    """
    x = getattr(x_shape, "_data", x_shape)
    x_shape, w_shape = (tuple(getattr(shape, "shape", shape)) for shape in (x_shape, w_shape))
    if len(x_shape) == len(w_shape) - 1:  # one image
        x_shape = (1, *x_shape)
    spec = conv_spec("explain_conv", x_shape, w_shape, stride, padding, dilation, groups, algorithm)
    shown = (x.reshape(x_shape),) if isinstance(x, np.ndarray) else ()
    table = choose.explain(x_shape, w_shape, spec, dtype_of("explain_conv", dtype), *shown)
    print(table)
    return Printed(table)


class Printed(str):
    """Text that has been shown."""

    def __repr__(self) -> str:
        return f"<the {len(self.splitlines())} lines above, as text>"


# What the public functions share.


def same_dtype(where: str, **operands: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    """Two operands and a third that may be None, as tensors of their common dtype."""
    last = len(operands) - 1
    tensors = [None if t is None and i == last else operand(where, name, t) for i, (name, t) in enumerate(operands.items())]
    dtype = np.result_type(*[t.dtype for t in tensors if t is not None])
    x, w, bias = (t if t is None or t.dtype == dtype else t.astype(dtype) for t in tensors)
    return x, w, bias  # type: ignore[return-value]


def operand(where: str, name: str, value: Any) -> Tensor:
    if value is None:
        raise TypeError(f"{where}: {name} must be an array or a tensor, but is None")
    return astensor(value)


def _check_bias(where: str, bias: Tensor | None, channels: int) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ValueError(f"{where}: bias needs shape ({channels},), one per output channel, but has {bias.shape}")


def _check_algorithm(where: str, n_c: Sequence[int], m: int, spec: ConvSpec, dtype: Any) -> None:
    """Raises if the algorithm asked for cannot do this convolution; here, so that the message names the function called."""
    if spec.algorithm != "auto":
        try:
            n, c = n_c
            choose.pick("correlate", n, c, m, spec, dtype)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def _channels_second(x: Tensor, rank: int, last: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """x as (N, C, *n), and the function that gives a result the form x came in."""
    single = x.ndim == rank + 1
    if single:
        x = expand_dims(x, 0)
    if last:
        x = moveaxis(x, -1, 1)

    def restore(y: Tensor) -> Tensor:
        y = moveaxis(y, 1, -1) if last else y
        return squeeze(y, 0) if single else y

    return x, restore


def is_channels_last(where: str, layout: str | None) -> bool:
    """Whether `layout` is "N*C"; None means "NC*"."""
    if layout is not None and (not isinstance(layout, str) or layout not in ("NC*", "N*C")):
        text = str(layout).upper()
        guess = "N*C" if text[-1:] == "C" or "LAST" in text else "NC*" if text[:2] == "NC" or text[:1] == "C" else None
        probably = f'; "{guess}" is probably meant, whatever the rank' if guess else ""
        raise ValueError(f'{where}: layout must be "NC*" or "N*C", but is {shown(layout)}{probably}')
    return layout == "N*C"


def _pad_by_mode(x: Tensor, spec: ConvSpec, padding_mode: str | Sequence[str]) -> tuple[Tensor, ConvSpec]:
    """x padded along the axes whose mode is not zeros, and the spec of what is left to do."""
    if isinstance(padding_mode, str) and padding_mode == "zeros":
        return x, spec
    modes = padding_modes("conv_nd", padding_mode, spec.rank)
    size, left = list(spec.size), list(spec.padding)
    for mode in [m for m in dict.fromkeys(modes) if m != "zeros"]:
        grow = [(0, 0)] * x.ndim
        for i, (own, (a, b)) in enumerate(zip(modes, spec.padding)):
            if own == mode:
                grow[2 + i], left[i] = (max(a, 0), max(b, 0)), (min(a, 0), min(b, 0))
                size[i] += sum(grow[2 + i])
        x = pad(x, grow, NUMPYS[mode])
    return x, replace(spec, size=tuple(size), padding=tuple(left))


def padding_modes(where: str, padding_mode: str | Sequence[str], rank: int) -> tuple[str, ...]:
    """The mode of every axis."""
    modes: tuple[Any, ...] = tuple(padding_mode) if isinstance(padding_mode, (list, tuple)) else (padding_mode,) * rank
    if len(modes) != rank or not all(isinstance(m, str) and m in NUMPYS for m in modes):
        words = [m for m in modes if isinstance(m, str)]
        guess = next((f"; NumPy's {numpys!r} is {ours!r} here" for ours, numpys in NUMPYS.items() if numpys in words), "")
        raise ValueError(
            f"{where}: padding_mode must be zeros, reflect, replicate or circular, one for all or one for each of {rank} axes, "
            f"but is {shown(padding_mode)}{guess}"
        )
    return modes
