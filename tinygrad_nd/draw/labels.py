"""What an operation says about itself: its name in the user's terms, its family, the parameters worth reading."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from ..kernels.adaptive import Parted
from ..node import Node
from ..ops import curves, loss
from ..tape import Op

# What an operation that gradients alone are made of computes, of the cotangent g and the operation's x or result y.
FORMULAS = {
    "softmax_grad": "y (g - Σ y g)",
    "log_softmax_grad": "g - exp(y) Σ g",
    "sigmoid_grad": "g y (1 - y)",
    "tanh_grad": "g (1 - y²)",
    "normalise_grad": "(h - mean h - x̂ mean(h x̂)) / σ, h = g weight",
    "normalise_weight_grad": "Σ g x̂",
    "normalise_bias_grad": "Σ g",
    "exp_less": "g exp(x - y)",
    "from_mean": "g (x - mean x) factor",
    "keep_positive": "g where the operand was positive, else 0",
    "to_inside": "g where x is within the bounds, else 0",
    "to_winner": "g where x was taken, half of it at ties",
    "to_extreme": "g where the extreme is, shared at ties",
    "pool_scatter": "g where each window's maximum is",
    "window_sum_adjoint": "g at every place of its window",
    **dict.fromkeys(("scatter", "put_along", "put_back", "extend_adjoint"), "g where it was taken from, 0 elsewhere"),
}
# Operands that an operation computes for itself; nobody passed them.
OWN = {"winner", "best", "found", "slope", "mean", "rstd", "weights"}
# What an operation was told by the function that it is a part of; the user knows it by other names.
TOLD = {"ignore", "scale"}

FAMILIES = {
    "product": "correlate input_grad weight_grad matmul linear inv solve pinv lstsq det slogdet cholesky qr eigh eigvalsh eig svd svdvals "
    "expm complement sum_of_products fft rfft irfft cross attention lstm gru rnn_tanh rnn_relu",
    "reduction": "sum mean max min to_extreme order_statistics prod cumsum cumprod recurrence diff logsumexp pnorm softmax var std "
    "log_softmax sum_to max_pool lp_pool resample fold unpool_gather pool_gather pool_scatter window_sum "
    "window_sum_adjoint softmax_grad log_softmax_grad label_loss margin_loss nll kl_div "
    "mse_loss l1_loss smooth_l1_loss huber_loss soft_margin_loss poisson_nll_loss binary_cross_entropy binary_cross_entropy_with_logits "
    "normalise normalise_grad normalise_weight_grad normalise_bias_grad unit cosine masked_softmax",
    "movement": "reshape transpose broadcast_to flip roll sort partition pick put_back zero_pad extend crop concatenate stack diagonal "
    "extend_adjoint on_diagonal take_along put_along unfold unpool nll_transposed pixel_shuffle pixel_unshuffle getitem scatter setitem "
    "cast alias real imag unwrap",
}
_FAMILY = {op: family for family, ops in FAMILIES.items() for op in ops.split()}
COMMUTATIVE = {"add", "multiply", "maximum", "minimum", "logaddexp", "hypot"}
SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**"}
MOST_SLOTS = 8  # a concatenation of more operands would be a strip of numbers


def family(op: Op) -> str:
    """product, reduction (whatever looks along axes or windows), movement (no arithmetic), or elementwise."""
    return _FAMILY.get(op.kind, "elementwise")


class Kind:
    """What calls of an operation with so many operands have in common: whether their order matters, whether their shapes tell how much it
    computes (`sums`), and the slots and their names where every operand is drawn."""

    __slots__ = ("op", "name", "title", "family", "sums", "ordered", "formula", "args", "slots", "names")

    def __init__(self, op: Op, operands: int) -> None:
        self.op, self.name, self.title, self.family = op, op.kind, op.title, family(op)
        self.sums, self.ordered = self.family in ("product", "reduction"), self.name not in COMMUTATIVE
        self.formula = self.name in FORMULAS
        self.args: Sequence[str] = [str(i) for i in range(operands)] if op.variadic else op.args
        self.slots, self.names = self.slotted([True] * operands)

    def slotted(self, drawn: Sequence[bool]) -> tuple[Sequence[int | None], tuple[str, ...]]:
        """The slot of each operand that is drawn, and their names; none where their order does not matter."""
        names = tuple(arg for arg, shown in zip(self.args, drawn) if shown)
        if self.ordered and 1 < len(names) <= MOST_SLOTS:
            return range(len(names)), names
        return [None] * len(names), ()


def details(node: Node) -> Iterator[str]:
    """A window's geometry where it says something, the algorithm that ran, and short keyword values."""
    params = node.params
    if node.op is not None and node.op.kind in FORMULAS:
        yield _formula(node.op.kind, params.get("over"))
    if "spec" in params:
        yield from window(params["spec"])
    for key, value in params.items():
        if key == "algorithm":
            yield f"by {value}"
        elif key in ("axis", "axes") and value is not None:
            yield f"{'axis' if np.ndim(value) == 0 or len(value) == 1 else 'axes'} {_tuple(value)}"
        elif key == "dtype":
            yield f"to {np.dtype(value)}"
        elif key == "over" and node.op is not None and node.op.kind == "normalise":
            yield from _over(value)
        elif key == "widths" and node.op is not None and node.op.kind == "crop":
            yield f"[{', '.join(_index(slice(a or None, -b or None)) for a, b in value)}]"
        elif key == "parameters" and node.op is not None:
            for name, one in zip(_parameters(node.op.name), value):
                yield from operand_value(name, one)
        elif key == "index":
            yield f"[{', '.join(map(_index, value if isinstance(value, tuple) else (value,)))}]"
        elif key not in ("spec", "shape", "shapes", "size", "keepdims", "i", "axis", "axes", "averaged", "summed", "cuts", *TOLD):
            yield from operand_value(key, value)


def _parameters(name: str) -> list[str]:
    """What an activation's or a loss's numbers are called."""
    f = getattr(curves, name, None) or getattr(loss, name, None)
    return [n for n, p in inspect.signature(f).parameters.items() if p.annotation == "float"] if f else []


def _formula(kind: str, over: Any) -> str:
    if kind == "normalise_grad" and over.given:
        return "g weight / σ"
    return FORMULAS[kind].replace(" - mean h", "" if over is not None and not over.centred else " - mean h")


def _over(over: Any) -> Iterator[str]:
    """Where a norm takes its statistics."""
    if over.given:
        yield "by running statistics"
        return
    yield f"over {'axis' if len(over.axes) == 1 else 'axes'} {_tuple(over.axes)}"
    if over.groups:
        yield f"{over.groups[1]} groups"
    if not over.centred:
        yield "no mean taken off"
    yield f"eps = {_number(over.eps)}"


def window(spec: Any) -> Iterator[str]:
    """kernel 3×3, stride 2, padding 1 …; what is at its default is left out."""
    if isinstance(spec, Parted):
        yield f"{'×'.join(map(str, spec.out))} windows of up to {'×'.join(map(str, spec.kernel))}"
        return
    yield f"kernel {'×'.join(map(str, spec.kernel)) or '()'}"
    if any(s != 1 for s in spec.stride):
        yield f"stride {alike(spec.stride)}"
    if any(p for pair in spec.padding for p in pair):
        even = all(a == b for a, b in spec.padding)
        yield f"padding {alike(tuple(a for a, _ in spec.padding)) if even else _tuple(spec.padding)}"
    if any(d != 1 for d in spec.dilation):
        yield f"dilation {alike(spec.dilation)}"
    if getattr(spec, "groups", 1) != 1:
        yield f"groups {spec.groups}"


def operand_value(name: str, value: Any) -> Iterator[str]:
    """name = value, for values that fit on a line."""
    if isinstance(value, (bool, str, int, float, complex, np.generic)) or (isinstance(value, np.ndarray) and value.ndim == 0):
        yield f"{name} = {_number(value)}"
    elif isinstance(value, tuple) and value and len(text := _tuple(value)) <= 32:
        yield f"{name} = {text}"
    elif callable(value) and hasattr(value, "__name__"):
        yield f"{name} = {value.__name__}"


def constants(kind: Kind, values: dict[int, Any], unknown: Sequence[int]) -> Iterator[str]:
    """Operands that are drawn as no vertex: numbers, and what an operation did not need to keep."""
    written = [("constant" if i in unknown else _number(values[i])) if i in unknown or i in values else a for i, a in enumerate(kind.args)]
    if kind.name in SIGNS and (values or unknown):
        yield f" {SIGNS[kind.name]} ".join(written)
        return
    for i, value in values.items():
        yield from operand_value(kind.args[i], value)
    for i in unknown:
        yield f"{kind.args[i]} constant"


def operand_shape(node: Node, i: int) -> tuple[int, ...] | None:
    """The shape of an operand that left no trace, where the other operand and the spec of a convolution tell it."""
    if node.op is None or node.op.kind != "correlate" or node.parents[1 - i] is None:
        return None
    spec, other = node.params["spec"], node.parents[1 - i].shape
    if i == 0:
        return (node.shape[0], other[1] * spec.groups, *spec.size)
    return (node.shape[1], other[1] // spec.groups, *spec.kernel)


def multiply_adds(node: Node, operands: Sequence[tuple[int, ...] | None]) -> int:
    """Multiply-adds of a product. A convolution pairs every value of its output y with a filter of C/G · ∏k weights."""
    name, shape = node.operation.kind, node.shape
    shapes = [s for s in operands if s is not None]
    if name == "correlate":
        return prod(shape) * operands[1][1] * prod(node.params["spec"].kernel) if operands[1] else prod(shape)
    if name == "input_grad":
        spec = node.params["spec"]
        return prod(operands[0]) * (shape[1] // spec.groups) * prod(spec.kernel) if operands[0] else prod(shape)
    if name == "weight_grad":
        g = operands[node.operation.args.index("g")]
        return prod(g) * prod(shape[1:]) if g else prod(shape)
    if name in ("matmul", "linear") and len(shapes) >= 2 and shapes[0]:
        return prod(shape) * shapes[0][-1]
    if name == "attention" and shapes[0] and shapes[1]:
        return prod(shape[:-1]) * shapes[1][-2] * (shapes[0][-1] + shape[-1])
    return max([prod(shape), *map(prod, shapes)])


def _number(value: Any) -> str:
    value = value[()] if isinstance(value, np.ndarray) else value
    return f"{value:.6g}" if isinstance(value, (int, float, complex, np.number)) and not isinstance(value, bool) else str(value)


def alike(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


def _tuple(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return _tuple(value[0]) if len(value) == 1 else f"({', '.join(map(_tuple, value))})"
    return str(value)


def _index(value: Any) -> str:
    """One part of a subscript, as it is written.

    >>> ", ".join(map(_index, (slice(1, None), ..., None, 3)))
    '1:, ..., None, 3'
    """
    if isinstance(value, slice):
        start, stop, step = ("" if v is None else str(v) for v in (value.start, value.stop, value.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype}{list(value.shape)}"
    return "..." if value is ... else str(value)
