"""What optimisers share: groups of parameters with options of their own, the walk over them, and their state as a dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from math import inf
from operator import is_not
from typing import Any, ClassVar

import numpy as np

from ..arguments import number, reading
from ..kernels.update import Step, run
from ..kernels.words import shown
from ..node import enable_grad
from ..tensor import Parameter, Tensor
from .rows import Own, Row, computed_in, joined
from .rows import State as State

__all__ = ["Optimizer"]

Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]
LIMITS = {  # options that are numbers at least 0 (betas: two of them), and below what
    **dict.fromkeys(("lr", "momentum", "weight_decay", "eps", "lr_decay", "momentum_decay", "initial_accumulator_value", "alpha"), inf),
    **dict.fromkeys(("tolerance_grad", "tolerance_change"), inf),
    "betas": 1.0,
    "rho": 1.0,
}


class Optimizer:
    """Moves parameters against their gradients.

    params: tensors, or groups with options of their own: `[{"params": [w], "lr": 0.1}, {"params": [b]}]`. Parameters whose `.grad` is None
    are left alone.

    A subclass says how one parameter moves: `update(p, g, state, **options)` changes the array p in place, given the gradient g (read-only)
    and the group's options; `state` is a dict that is the parameter's own from step to step. With `elementwise = True` it promises that
    every number moves by itself: p, g and the arrays in `state` are then rows of numbers, of many small parameters at once (complex
    numbers as two), and numbers in `state` are the same for all of them.

    >>> import numpy as np, tinygrad_nd as nd
    >>> class SignDescent(nd.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, lr=lr)
    ...     def update(self, p, g, state, *, lr):
    ...         p -= lr * np.sign(g)
    >>> w = nd.Parameter([1.0, 2.0])
    >>> nd.sum(w * [3.0, -5.0]).backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([0.5, 2.5], dtype=float32)
    """

    elementwise: ClassVar[bool] = False

    def __init__(self, params: Params, **options: Any) -> None:
        who = type(self).__name__
        model = hasattr(params, "parameters")
        if model or isinstance(params, (Tensor, Mapping)) or not isinstance(params, Iterable):
            named = isinstance(params, Mapping) and "params" not in params
            hint = "model.parameters()" if model else "its values()" if named else "[p]"
            raise TypeError(f"{who}: params must be an iterable of tensors or of groups, but got {type(params).__name__}; pass {hint}")
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{who}: there are no parameters to optimise; a model learns nd.Parameter(array)")
        self.param_groups: list[dict[str, Any]] = []
        self._defaults = options
        self._owns: list[list[Own]] = []  # of each group
        self._moving: list[list[Own]] = []  # those of them that had gradients in the last step
        self._rows: list[list[Row]] = []  # what these were joined to
        self._checked: list[list[Any]] = []  # the options that are known to be right, for anybody may set those of a group
        for entry in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(entry)

    @property
    def parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group. Assigning sets every group's."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, lr: float) -> None:
        number(type(self).__name__, "lr", lr, least=0, below=inf)
        for group in self.param_groups:
            group["lr"] = lr

    @property
    def state(self) -> list[State]:
        """What every parameter has gathered so far, by position."""
        self._share_out()
        return [own.state for owns in self._owns for own in owns]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """One more group: "params", and options that differ from the optimiser's."""
        who = type(self).__name__
        if not isinstance(group, Mapping):
            raise TypeError(f"{who}: a group is a dict such as {{'params': [p], 'lr': 0.1}}, but got a {type(group).__name__}")
        unknown = set(group) - set(self._defaults) - {"params", "initial_lr"}
        if unknown or "params" not in group:
            raise ValueError(f"{who}: a group needs 'params' and may set {', '.join(self._defaults)}, but got {', '.join(map(str, group))}")
        given = [group["params"]] if isinstance(group["params"], Tensor) else group["params"]
        if not isinstance(given, Iterable):
            raise TypeError(f"{who}: the 'params' of a group are tensors, but got a {type(given).__name__}")
        tensors = list(given)
        complete = {**self._defaults, **group, "params": tensors}
        self._check_options(complete)
        seen = {id(p) for p in self.parameters}
        for i, p in enumerate(tensors, len(seen)):
            if not isinstance(p, Tensor):
                hint = "; of (name, tensor) pairs pass the tensors alone" if isinstance(p, tuple) else "; make one with nd.Parameter(array)"
                raise TypeError(f"{who}: parameter {i} must be a tensor, but is a {type(p).__name__}{hint}")
            named = f"parameter {i} {p.name or ''}{p.shape}"
            if not p.is_leaf or not (p.requires_grad or isinstance(p, Parameter)):  # a frozen Parameter waits
                raise ValueError(f"{who}: {named} is not a leaf that requires grad; make it with nd.Parameter")
            if id(p) in seen:
                raise ValueError(f"{who}: {named} is given twice, and would be stepped twice")
            seen.add(id(p))
        self.param_groups.append(complete)
        self._checked.append([complete[k] for k in self._defaults])
        self._owns.append([Own(p) for p in tensors])
        self._moving.append([])
        self._rows.append([])

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Moves every parameter that has a gradient. A `closure`, which computes the loss and its gradients, is called first."""
        loss = None
        if closure is not None:
            check_closure(self, closure)
            with enable_grad():
                loss = closure()
        self._check_groups()
        for own in chain.from_iterable(self._owns):
            if own.parameter.grad is not None:
                own.claim()
        for i, group in enumerate(self.param_groups):
            # Python floats are weak in promotion; a NumPy float64 would turn float32 into float64.
            options = {k: float(group[k]) if isinstance(group[k], np.floating) else group[k] for k in self._defaults}
            moving = [own for own in self._owns[i] if own.parameter.grad is not None]
            if self.elementwise:
                if moving != self._moving[i]:
                    for row in self._rows[i]:
                        row.share_out()
                    self._moving[i], self._rows[i] = moving, joined(moving)
                steps = [row.begin(self.update, options) for row in self._rows[i]]
                run([step for step in steps if step is not None])
                for row in self._rows[i]:
                    row.finish()
            else:
                for own in moving:
                    self.update(own.array, own.parameter.grad._data, own.state, **options)  # type: ignore[union-attr]
        return loss

    def zero_grad(self) -> None:
        """Clears every parameter's gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                p._grad = None

    def update(self, p: np.ndarray, g: np.ndarray, state: State, *args: Any, **options: Any) -> Step | None:
        """Changes p in place, every subclass says how; or returns what is to be done, one of the library's own steps."""
        raise NotImplementedError(f"{type(self).__name__} must define update(p, g, state, **options)")

    def state_dict(self) -> dict[str, Any]:
        """Options and per-parameter state, copied; parameters are numbered in order, as in PyTorch."""
        numbers = iter(range(len(self.parameters)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups]
        return {"state": {i: copied(s) for i, s in enumerate(self.state) if s}, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave, for as many parameters in the same order; else raises ValueError and changes nothing."""
        where = f"{type(self).__name__}.load_state_dict"
        with reading(where, saved):
            self._load(where, saved)

    def _load(self, where: str, saved: Mapping[str, Any]) -> None:
        missing = {"state", "param_groups"} - set(saved)
        if missing:
            raise ValueError(f"{where}: needs 'state' and 'param_groups', but got {', '.join(map(repr, saved)) or 'nothing'}")
        groups, owns = saved["param_groups"], [own for owns in self._owns for own in owns]
        sizes, expected = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise ValueError(f"{where}: groups of {sizes} parameters were saved, but this optimiser has groups of {expected}")
        options = [self._loaded_options(where, group) for group in groups]
        states = {int(i): s for i, s in saved["state"].items()}  # keys that went through a file are strings
        if stray := [i for i in states if not 0 <= i < len(owns)]:
            raise ValueError(f"{where}: there is state for parameter {stray[0]}, but this optimiser has {len(owns)} parameters")
        loaded = [self._loaded_state(where, i, own.parameter, states.get(i, {})) for i, own in enumerate(owns)]
        for group, new in zip(self.param_groups, options):
            group.update(new)
        self._unjoin()
        for own, state in zip(owns, loaded):
            own.state = state

    def _share_out(self) -> None:
        for row in chain.from_iterable(self._rows):
            row.share_out()

    def _unjoin(self) -> None:
        """Ends all rows; the next step joins new ones."""
        self._share_out()
        self._moving, self._rows = [[] for _ in self.param_groups], [[] for _ in self.param_groups]

    def __getstate__(self) -> dict[str, Any]:
        self._unjoin()  # rows hold together by views, which no copy keeps
        return vars(self)

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            options = ", ".join(f"{k}={group[k]}" for k in self._defaults)
            size = sum(p.size for p in group["params"])
            lines.append(f"{type(self).__name__}({len(group['params'])} tensors, {size:,} numbers, {options})")
        return "\n".join(lines)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for options of the wrong kind or out of range."""
        who = type(self).__name__
        if "betas" in group and not (isinstance(group["betas"], (tuple, list)) and len(group["betas"]) == 2):
            raise TypeError(f"{who}: betas must be a pair of numbers such as (0.9, 0.999), but is {shown(group['betas'])}")
        for name, below in LIMITS.items():
            if name in group:
                for value in group[name] if name == "betas" else (group[name],):
                    number(who, name, value, least=0, below=below)

    def _check_groups(self) -> None:
        for group, checked in zip(self.param_groups, self._checked):
            now = [group[k] for k in self._defaults]
            if any(map(is_not, now, checked)):
                self._check_options(group)
                checked[:] = now

    def _loaded_options(self, where: str, group: Mapping[str, Any]) -> dict[str, Any]:
        known = set(self._defaults)
        if wrong := (set(group) ^ known) - {"params", "initial_lr"}:
            raise ValueError(f"{where}: {type(self).__name__} has the options {', '.join(known)}; missing or unknown: {', '.join(wrong)}")
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in group.items() if k != "params"}
        try:
            self._check_options(options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
        return options

    def _loaded_state(self, where: str, i: int, p: Tensor, state: Mapping[str, Any]) -> State:
        loaded = copied(state)
        for key, value in loaded.items() if self.elementwise else ():
            if isinstance(value, np.ndarray):
                if value.shape != p.shape or value.dtype.kind not in "fc":
                    given = f"{value.shape} {value.dtype}, but the parameter is {p.shape} {p.dtype}"
                    raise ValueError(f"{where}: {key} of parameter {i} is {given}")
                loaded[key] = value.astype(computed_in(p.dtype), copy=False)
            elif not isinstance(value, (int, float)):
                raise ValueError(f"{where}: {key} of parameter {i} must be an array or a number, but is {type(value).__name__}")
        return loaded


def check_closure(optimizer: Optimizer, closure: Any) -> None:
    if not callable(closure):
        who, given = type(optimizer).__name__, type(closure).__name__
        raise TypeError(f"{who}.step: takes a function that computes the loss and its gradients, but got a {given}")


def copied(state: Mapping[str, Any]) -> State:
    return {k: v.copy(order="K") if isinstance(v, np.ndarray) else v for k, v in state.items()}
