"""Losses of a prediction and a target of one shape, entry by entry; their mean unless `reduction` says "sum" or "none".

A loss never broadcasts. Those of one formula are operations: one pass over memory finds their sum and its slope.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import getdoc
from math import inf, log, pi
from typing import Any

import numpy as np

from ..arguments import flag, number, option
from ..kernels import losses as kernel
from ..kernels.elementwise import fits
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor, astensor
from .choice import clip, where
from .curves import log_sigmoid, real
from .elementwise import exp, sigmoid, square
from .elementwise import log as log_of
from .parts import astype, wide
from .reduce import mean, sum
from .ufunc import bare_rules

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div",
    "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip


def _operation(name: str, by_input: Callable[..., Tensor] | None = None, by_target: Callable[..., Tensor] | None = None) -> Any:
    """The operation of a row of the kernel's table; what is given are its pullbacks on tensors, where the kernel's would overflow there.

    `found` is the value, and `slope` that in the input, if both were found beforehand, in one pass.
    """
    row = kernel.LOSSES[name]
    recorded = (None, by_input or row.by_input, by_target or row.by_target)

    def pull(of: int, g: Any, input: Any, target: Any, slope: Any, parameters: tuple[float, ...], scale: float) -> Any:
        if isinstance(g, Tensor):
            return recorded[of](wide(g) * scale, input, target, *parameters)  # type: ignore[misc]
        return kernel.pull(name, of, g * scale, input, target, parameters) if slope is None else kernel.times(slope, g)

    @bare_rules
    @primitive(
        name,
        input=lambda g, input, target, slope, parameters, scale: pull(1, g, input, target, slope, parameters, scale),
        target=lambda g, input, target, parameters, scale: pull(2, g, input, target, None, parameters, scale),
    )
    def run(input: Any, target: Any, found: Any, slope: Any = None, *, parameters: tuple[float, ...], scale: float) -> Any:
        return found

    return run


_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "binary_cross_entropy_with_logits": _operation(
        "binary_cross_entropy_with_logits", lambda g, x, t: g * ((1 - t) * sigmoid(x) - t * sigmoid(-x))
    ),
    "soft_margin_loss": _operation("soft_margin_loss", lambda g, x, t: -g * t * sigmoid(-t * x), lambda g, x, t: -g * x * sigmoid(-t * x)),
}
_OPERATIONS |= {name: _operation(name) for name in kernel.LOSSES if name not in _OPERATIONS}


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """The square of input - target."""
    return _pointwise("mse_loss", input, target, reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """|input - target|."""
    return _pointwise("l1_loss", input, target, reduction)


def smooth_l1_loss(input: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Tensor:
    """d² / (2 beta) for a distance d = |input - target| below beta, d - beta / 2 above. Source: Girshick, "Fast R-CNN" (2015)."""
    number("smooth_l1_loss", "beta", beta, least=0)
    return _pointwise("smooth_l1_loss", input, target, reduction, beta)


def huber_loss(input: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """d² / 2 for a distance d = |input - target| up to delta, delta (d - delta / 2) above. Source: Huber (1964)."""
    number("huber_loss", "delta", delta, above=0)
    return _pointwise("huber_loss", input, target, reduction, delta)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) of probabilities p; logarithms are not let below -100.

    Shapes: input and target alike; weight broadcasts to them. With logits at hand, `binary_cross_entropy_with_logits` is exact.
    """
    p = astensor(input).data
    if p.size and p.dtype.kind == "f" and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy: input must hold probabilities from 0 to 1, but reaches from {p.min()} to {p.max()}; "
            "use binary_cross_entropy_with_logits for logits"
        )
    if weight is None:
        return _pointwise("binary_cross_entropy", input, target, reduction)
    input, target = pair("binary_cross_entropy", input, target)
    return _weighted("binary_cross_entropy", losses("binary_cross_entropy", input, target), weight, input, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, pos_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(p t log s + (1 - t) log(1 - s)) with s = sigmoid(input) and p = pos_weight, exact where s rounds to 0 or 1.

    Shapes: input and target alike; weight and pos_weight broadcast to them.
    """
    name = "binary_cross_entropy_with_logits"
    if pos_weight is None and weight is None:
        return _pointwise(name, input, target, reduction)
    x, t = pair(name, input, target)
    if pos_weight is None:
        return _weighted(name, losses(name, x, t), weight, x, reduction)
    loss = -((1 - t) * log_sigmoid(-x) + _factor(name, "pos_weight", pos_weight, x) * t * log_sigmoid(x))
    return _weighted(name, loss, weight, x, reduction)


def kl_div(input: Any, target: Any, *, log_target: bool = False, reduction: str = "mean") -> Tensor:
    """target (log target - input): the divergence of probabilities `target` from those whose logarithms are `input`.

    With log_target=True, target holds logarithms, too. reduction="batchmean", which is the divergence by its definition, divides the sum by
    the length of the first axis.
    """
    check_reduction(reduction, "kl_div", "batchmean")
    flag("kl_div", "log_target", log_target)
    input, target = pair("kl_div", input, target)
    loss = exp(target) * (target - input) if log_target else None
    if reduction == "batchmean":
        return (losses("kl_div", input, target, "sum") if loss is None else sum(loss)) / (input.shape[0] if input.ndim else 1)
    return losses("kl_div", input, target, reduction) if loss is None else reduced(loss, reduction, "kl_div", "batchmean")


def poisson_nll_loss(
    input: Any, target: Any, *, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    """exp(input) - target · input, the negative logarithm of Poisson's probability of target but for a constant.

    With log_input=False, input is the rate itself: input - target log(input + eps). full=True adds Stirling's formula for log(target!).
    """
    number("poisson_nll_loss", "eps", eps, least=0, below=inf)
    flag("poisson_nll_loss", "log_input", log_input)
    flag("poisson_nll_loss", "full", full)
    if log_input and not full:
        return _pointwise("poisson_nll_loss", input, target, reduction)
    input, target = pair("poisson_nll_loss", input, target)
    loss = exp(input) - target * input if log_input else input - target * log_of(input + eps)
    if full:
        many = target.data > 1
        t = where(many, target, 1)
        loss = loss + where(many, t * log_of(t) - t + 0.5 * log_of(2 * pi * t), 0)
    return reduced(loss, reduction, "poisson_nll_loss")


def gaussian_nll_loss(input: Any, target: Any, var: Any, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    """(log var + (input - target)² / var) / 2, the negative logarithm of a normal density but for a constant, which full=True adds.

    Shapes: input and target alike; var like them, without their last axis, or with 1 there. A variance below eps counts as eps, but keeps
    its gradient.
    """
    number("gaussian_nll_loss", "eps", eps, least=0, below=inf)
    flag("gaussian_nll_loss", "full", full)
    input, target = pair("gaussian_nll_loss", input, target)
    v = real(var, "gaussian_nll_loss", input)
    if v.shape == input.shape[:-1] and v.shape != input.shape:
        v = v[..., None]
    if v.shape not in (input.shape, (*input.shape[:-1], 1)) and v.ndim:
        raise ValueError(
            f"gaussian_nll_loss: var needs shape {input.shape}, {input.shape[:-1]} or {(*input.shape[:-1], 1)}, but has {v.shape}"
        )
    least = v.data.min(initial=np.inf)
    if least < 0:
        raise ValueError(f"gaussian_nll_loss: a variance cannot be negative, but var holds {least}")
    if least < eps:
        v = v + (np.maximum(v.data, v.dtype.type(eps)) - v.data)
    loss, kind = 0.5 * (log_of(wide(v)) + square(wide(input) - target) / v), np.result_type(input.dtype, target.dtype, v.dtype)
    return astype(reduced(loss + 0.5 * log(2 * pi) if full else loss, reduction, "gaussian_nll_loss"), kind)


def soft_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target · input)), for targets 1 and -1."""
    return _pointwise("soft_margin_loss", input, target, reduction)


def hinge_embedding_loss(input: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1."""
    number("hinge_embedding_loss", "margin", margin)
    input, target = pair("hinge_embedding_loss", input, target)
    near, far = where(target.data != -1, input, 0), where(target.data != 1, clip(float(margin) - input, 0, None), 0)
    return reduced(near + far, reduction, "hinge_embedding_loss")


def pair(where: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of real floating numbers; a target of whole numbers or booleans takes the dtype of input."""
    x, t = real(input, where), astensor(target)
    same_shape(where, input=x, target=t)
    return x, astype(t, x.dtype) if t.dtype.kind in "biu" else real(t, where)


def same_shape(where: str, **tensors: Tensor) -> None:
    (first, x), *others = tensors.items()
    for name, t in others:
        if t.shape != x.shape:
            way = f"reshape one, as in {name}.reshape({x.shape})" if t.size == x.size else "give one entry for each"
            raise ValueError(f"{where}: {first} {x.shape} and {name} {t.shape} must have the same shape; a loss does not broadcast, {way}")


def _pointwise(name: str, input: Any, target: Any, reduction: str, *parameters: float) -> Tensor:
    check_reduction(reduction, name)
    return losses(name, *pair(name, input, target), reduction, tuple(float(p) for p in parameters))


def losses(name: str, x: Tensor, t: Tensor, reduction: str = "none", parameters: tuple[float, ...] = ()) -> Tensor:
    """The losses of all entries; or their sum or mean, together with its slope where gradients may be asked for."""
    if reduction == "none":
        return _OPERATIONS[name](x, t, kernel.values(name, x.data, t.data, parameters), None, parameters=parameters, scale=1.0)
    scale = 1.0 if reduction == "sum" else 1 / x.size if x.size else float("nan")
    wanted = recording.get() and (x.requires_grad or t.requires_grad)
    found, slope = kernel.summed(name, x.data, t.data, parameters, scale, wanted)
    return _OPERATIONS[name](x, t, found, slope, parameters=parameters, scale=scale)


def _weighted(name: str, loss: Tensor, weight: Any, x: Tensor, reduction: str) -> Tensor:
    return reduced(loss if weight is None else loss * _factor(name, "weight", weight, x), reduction, name)


def _factor(where: str, name: str, a: Any, x: Tensor) -> Tensor:
    """A weight of x's dtype that broadcasts to x."""
    t = astensor(a)
    if not fits(t.shape, x.shape):
        raise ValueError(f"{where}: {name} {t.shape} must broadcast to input {x.shape}")
    return astype(t, x.dtype) if t.dtype != x.dtype else t


def check_reduction(reduction: str, where: str, *more: str) -> None:
    option(where, "reduction", reduction, ("mean", "sum", "none", *more))


def reduced(loss: Tensor, reduction: str, where: str, *more: str) -> Tensor:
    """The mean (NaN of no losses), the sum, or the losses themselves."""
    check_reduction(reduction, where, *more)
    if reduction == "mean":
        return mean(loss) if loss.size else sum(loss) * float("nan")
    return sum(loss) if reduction == "sum" else loss


for _name in __all__:
    globals()[_name].__doc__ = f"""{getdoc(globals()[_name])}

Shapes: input and target alike -> (), or theirs with reduction="none". Raises ValueError for any others: a loss never broadcasts.
"""
