"""Optimisers, with PyTorch's semantics step for step.

A step gives every parameter a new value (`p.data = new`); arrays that a graph or a user may hold are never written to. State and new
values lie in memory as the gradient does, which is one change of order at the first step instead of one in every step. Parameters whose
`.grad` is None are left alone. Parameters are tensors, or groups with options of their own:
`[{"params": [w], "lr": 0.1}, {"params": [b]}]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from .kernels import update
from .kernels.memory import freeze
from .tensor import Parameter, Tensor

Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class Optimizer:
    """What optimisers share: groups of parameters with their options, a state per parameter, and the walk over both.

    A subclass says how one parameter moves: `update(value, g, state, **options)` returns the new value as a new array; `state` is a dict
    that is the parameter's own from step to step.
    """

    def __init__(self, params: Params, **options: Any) -> None:
        self.param_groups = _groups(type(self).__name__, params, options)
        self.state: list[dict[str, Any]] = [{} for _ in self.parameters]

    @property
    def parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group. Assigning sets every group's."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, lr: float) -> None:
        for group in self.param_groups:
            group["lr"] = lr

    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        state = iter(self.state)
        for group in self.param_groups:
            # Python floats are weak in promotion; a NumPy float64 would turn float32 parameters into float64.
            options = {k: float(v) if isinstance(v, np.floating) else v for k, v in group.items() if k != "params"}
            for p in group["params"]:
                mine = next(state)
                if p.grad is not None:
                    new = self.update(p._data, p.grad._data, mine, **options)
                    freeze(new)
                    p._data = new

    def zero_grad(self) -> None:
        """Clears every parameter's gradient."""
        for p in self.parameters:
            p.grad = None

    def update(self, value: np.ndarray, g: np.ndarray, state: dict[str, Any], **options: Any) -> np.ndarray:
        """One parameter's new value, a new array; every subclass says its own."""
        raise NotImplementedError(f"{type(self).__name__} must define update(value, g, state, **options)")

    def state_dict(self) -> dict[str, Any]:
        """Options and per-parameter state, copied; parameters are numbered in order, as in PyTorch."""
        numbers = iter(range(len(self.state)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups]
        return {"state": {i: _copied(s) for i, s in enumerate(self.state) if s}, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave, for as many parameters in the same order; else raises ValueError and changes nothing."""
        who, groups, state = type(self).__name__, saved["param_groups"], saved["state"]
        sizes, expected = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise ValueError(f"{who}.load_state_dict: groups of {sizes} parameters were saved, but this optimiser has groups of {expected}")
        for i, (p, values) in enumerate((p, state.get(i, {})) for i, p in enumerate(self.parameters)):
            for key, value in values.items():
                if isinstance(value, np.ndarray) and value.shape != p.shape:
                    raise ValueError(f"{who}.load_state_dict: {key} of parameter {i} is {value.shape}, but the parameter is {p.shape}")
        for group, options in zip(self.param_groups, groups):
            group.update({k: v for k, v in options.items() if k != "params"})
        self.state = [_copied(state.get(i, {})) for i in range(len(self.state))]

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            size = sum(p.size for p in group["params"])
            lines.append(f"{type(self).__name__}({len(group['params'])} tensors, {size:,} numbers, {options})")
        return "\n".join(lines)


class SGD(Optimizer):
    """Gradient descent: v = momentum v + (1 - dampening) g, then p -= lr v; with `nesterov`, p -= lr (g + momentum v).

    The first step takes v = g. `weight_decay` adds weight_decay * p to g.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013 (lr outside v, as in PyTorch).
    """

    def __init__(
        self, params: Params, lr: float, momentum: float = 0, dampening: float = 0, weight_decay: float = 0, nesterov: bool = False
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)
        for group in self.param_groups:
            if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
                given = f"{group['momentum']} and {group['dampening']}"
                raise ValueError(f"SGD: nesterov needs momentum above 0 and no dampening, but got {given}")

    def update(  # type: ignore[override]
        self,
        value: np.ndarray,
        g: np.ndarray,
        state: dict[str, Any],
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> np.ndarray:
        if not momentum:
            return update.sgd(value, g, None, lr, 0, 0, weight_decay, False)
        if "momentum_buffer" not in state:
            state["momentum_buffer"], dampening = np.zeros_like(g), 0
        return update.sgd(value, g, state["momentum_buffer"], lr, momentum, dampening, weight_decay, nesterov)


class Adam(Optimizer):
    """Steps of the mean gradient over its root mean square, m / (sqrt(v) + eps), both means exponential and corrected for their start at 0.

    `weight_decay` adds weight_decay * p to the gradient (AdamW shrinks p instead). `amsgrad` divides by the largest v so far.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2014; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    decoupled = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)

    def update(  # type: ignore[override]
        self,
        value: np.ndarray,
        g: np.ndarray,
        state: dict[str, Any],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
    ) -> np.ndarray:
        p, g = _real(value), _real(g)
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(g), exp_avg_sq=np.zeros_like(g))
            if amsgrad:
                state["max_exp_avg_sq"] = np.zeros_like(g)
        state["step"] = t = state["step"] + 1
        b1, b2 = map(float, betas)
        rate, root = lr / (1 - b1**t), 1 / sqrt(1 - b2**t)  # the means began at 0
        decay, shrink = (0.0, 1 - lr * weight_decay) if self.decoupled else (weight_decay, 1.0)
        largest = state["max_exp_avg_sq"] if amsgrad else None
        new = update.adam(p, g, state["exp_avg"], state["exp_avg_sq"], largest, rate, root, (b1, b2), eps, decay, shrink)
        return new if p is value else new.view(value.dtype).reshape(value.shape)


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay before the step, and the gradient is left alone.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2017.
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


_LIMITS = {"lr": None, "momentum": None, "weight_decay": None, "eps": None, "betas": 1.0}  # at least 0, and below this


def _groups(who: str, params: Params, options: dict[str, Any]) -> list[dict[str, Any]]:
    """One dict per group: "params" (a list) and every option, checked."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        hint = "model.parameters()" if hasattr(params, "parameters") else "[p]"
        raise TypeError(f"{who}: params must be an iterable of tensors or of groups, but got {type(params).__name__}; pass {hint}")
    entries: list[Any] = list(params)
    if not entries:
        raise ValueError(f"{who}: there are no parameters to optimise")
    groups = []
    for entry in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
        unknown = set(entry) - set(options) - {"params"}
        if unknown or "params" not in entry:
            raise ValueError(f"{who}: a group needs 'params' and may set {', '.join(options)}, but got {', '.join(map(str, entry))}")
        tensors = [entry["params"]] if isinstance(entry["params"], Tensor) else list(entry["params"])
        groups.append({**options, **entry, "params": tensors})
        _check_options(who, groups[-1])
    seen: set[int] = set()
    for i, p in enumerate(p for group in groups for p in group["params"]):
        if not isinstance(p, Tensor):
            raise TypeError(f"{who}: parameter {i} is no tensor but a {type(p).__name__}")
        if not p.is_leaf or not (p.requires_grad or isinstance(p, Parameter)):  # a frozen Parameter waits
            raise ValueError(f"{who}: parameter {i} {p.name or ''}{p.shape} is not a leaf that requires grad; make it with nd.Parameter")
        if id(p) in seen:
            raise ValueError(f"{who}: parameter {i} {p.name or ''}{p.shape} is given twice, and would be stepped twice")
        seen.add(id(p))
    return groups


def _check_options(who: str, group: Mapping[str, Any]) -> None:
    for name, below in _LIMITS.items():
        for value in np.atleast_1d(group.get(name, 0)):
            if not value >= 0 or (below is not None and value >= below):
                raise ValueError(f"{who}: {name}={group[name]} must be at least 0{'' if below is None else f' and below {below:g}'}")


def _real(a: np.ndarray) -> np.ndarray:
    """A complex array's real and imaginary parts as a trailing axis, which Adam treats as numbers of their own; a view where possible."""
    if a.dtype.kind != "c":
        return a
    return np.stack([a.real, a.imag], -1) if not a.flags.c_contiguous else a.view(a.real.dtype).reshape(*a.shape, 2)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.copy(order="K") if isinstance(v, np.ndarray) else v for k, v in state.items()}
