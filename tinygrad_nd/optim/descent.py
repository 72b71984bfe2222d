"""Optimisers that move every number by one rule: along the gradient or its sign, over its size, and by the means of both."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from math import inf, sqrt
from typing import Any, ClassVar

import numpy as np

from ..arguments import bound, flag, number
from ..kernels import update as rules
from .optimizer import Optimizer, Params, State

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam", "RAdam", "RMSprop", "SGD"]

Betas = tuple[float, float]
_PARAMS = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Params)
_MAXIMIZE = inspect.Parameter("maximize", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)
Move = tuple[rules.Rule, Sequence[np.ndarray], Sequence[float], float]  # a rule, its states and constants, and the decay of weights


class Ruled(Optimizer):
    """The library's own: all numbers of a row move by one rule, which a subclass names with its states and constants.

    The keywords of its method `rule` are its options, in this order, and the defaults theirs, unless the class statement has others.
    """

    elementwise = True
    _options: ClassVar[inspect.Signature]
    _changed: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **defaults: Any) -> None:
        cls._changed = {**cls._changed, **defaults}
        keywords = [p for p in inspect.signature(cls.rule).parameters.values() if p.kind is p.KEYWORD_ONLY]
        options = [p.replace(kind=_PARAMS.kind, default=cls._changed.get(p.name, p.default)) for p in keywords]
        cls._options = inspect.Signature([_PARAMS, *options, _MAXIMIZE])
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        shown = cls._options if cls.__init__ is Ruled.__init__ else inspect.Signature(own)
        cls.__signature__ = shown  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(**bound(type(self).__name__, type(self), self._options, args, options))

    def update(self, p: np.ndarray, g: np.ndarray, state: State, *, maximize: bool = False, **options: Any) -> rules.Step:
        rule, states, numbers, decay = self.rule(p, state, **options)
        return rules.Step(rule, p, g, states, numbers, decay, maximize)

    def _check_options(self, group: Mapping[str, Any]) -> None:
        super()._check_options(group)
        for name, p in self._options.parameters.items():
            if isinstance(p.default, bool):
                flag(type(self).__name__, name, group[name])

    def rule(self, p: np.ndarray, state: State, *args: Any, **options: Any) -> Move:
        """What the next step of these numbers is, given the options of their group."""
        raise NotImplementedError


def zeros(state: State, p: np.ndarray, *keys: str) -> list[np.ndarray]:
    """The arrays of these names in the state, which begin as zeros."""
    for key in keys:
        if key not in state:
            state[key] = np.zeros_like(p)
    return [state[key] for key in keys]


def count(state: State) -> int:
    """The number of this step, from 1."""
    t: int = state.get("step", 0) + 1
    state["step"] = t
    return t


# Along the gradient, or along its sign.


class SGD(Ruled):
    """Gradient descent: v = momentum v + (1 - dampening) g, then p -= lr v; with `nesterov`, p -= lr (g + momentum v).

    The first step takes v = g. `weight_decay` adds weight_decay * p to g; `maximize` goes uphill.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013 (lr outside v, as in PyTorch).
    """

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> Move:
        if not momentum:
            return rules.descend, (), (lr,), weight_decay
        if "momentum_buffer" not in state:
            dampening = 0
        velocity = zeros(state, p, "momentum_buffer")
        return rules.sgd, velocity, (lr, momentum, 1 - dampening, nesterov), weight_decay

    def _check_options(self, group: Mapping[str, Any]) -> None:
        super()._check_options(group)
        number("SGD", "dampening", group["dampening"], below=inf)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            given = f"{group['momentum']} and {group['dampening']}"
            raise ValueError(f"SGD: nesterov needs momentum above 0 and no dampening, but got {given}")


class Lion(Ruled):
    """Steps of one length: p -= lr (sign(b1 m + (1 - b1) g) + weight_decay p), then m = b2 m + (1 - b2) g.

    Half of Adam's state. A learning rate 3 to 10 times smaller than AdamW's, and as much more `weight_decay`, suit it.

    Source: Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """

    def rule(self, p: np.ndarray, state: State, *, lr: float = 1e-4, betas: Betas = (0.9, 0.99), weight_decay: float = 0) -> Move:
        b1, b2 = map(float, betas)
        numbers = (1 - lr * weight_decay, lr, b1, 1 - b1, b2, 1 - b2)
        return rules.lion, zeros(state, p, "exp_avg"), numbers, 0


# The gradient over its root mean square.


class Adagrad(Ruled):
    """Steps of the gradient over the root of the sum of all its squares so far; lr falls as lr / (1 + (t - 1) lr_decay) besides.

    Source: Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
    ) -> Move:
        if not state:
            state["sum"] = np.full_like(p, initial_accumulator_value)
        rate = lr / (1 + (count(state) - 1) * lr_decay)
        return rules.adagrad, (state["sum"],), (rate, eps), weight_decay


class Adadelta(Ruled):
    """Steps of the gradient times the ratio of two root mean squares: that of the steps so far to that of the gradients.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    def rule(self, p: np.ndarray, state: State, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0) -> Move:
        states = zeros(state, p, "square_avg", "acc_delta")
        return rules.adadelta, states, (lr, float(rho), 1 - float(rho), eps), weight_decay


class RMSprop(Ruled):
    """Steps of the gradient over its root mean square, sqrt(v) + eps, with v = alpha v + (1 - alpha) g².

    `centered` takes the variance, v less the square of the mean gradient; `momentum` gathers the steps: b = momentum b + step, p -= lr b.

    Source: Tieleman and Hinton, lecture 6.5, 2012; centered: Graves, Generating sequences with recurrent neural networks, 2013.
    """

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
    ) -> Move:
        numbers = (lr, float(alpha), 1 - float(alpha), eps)
        if centered:
            states = zeros(state, p, "square_avg", "momentum_buffer", "grad_avg")
            return rules.rmsprop_centered, states, (*numbers, momentum, 0.0), weight_decay
        elif momentum:
            states = zeros(state, p, "square_avg", "momentum_buffer")
            return rules.rmsprop_momentum, states, (*numbers, momentum), weight_decay
        else:
            return rules.rmsprop, zeros(state, p, "square_avg"), numbers, weight_decay


# The mean gradient over a measure of its size; both are exponential means.


class Adam(Ruled):
    """Steps of the mean gradient over its root mean square, m / (sqrt(v) + eps), both means exponential and corrected for their start at 0.

    `weight_decay` adds weight_decay * p to the gradient (AdamW shrinks p instead). `amsgrad` divides by the largest v so far.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2014; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    decoupled = False

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
    ) -> Move:
        t, (b1, b2) = count(state), map(float, betas)
        root = sqrt(1 - b2**t)
        rate = root * lr / (1 - b1**t)  # of m / (sqrt(v) + root eps): the means began at 0
        decay, shrink = _split(weight_decay, lr, self.decoupled)
        states = zeros(state, p, "exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * amsgrad)
        numbers = (shrink, 1 - b1, b2, 1 - b2, rate, root * eps)
        return (rules.amsgrad if amsgrad else rules.adam), states, numbers, decay


class AdamW(Adam, weight_decay=1e-2):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay before the step, and the gradient is left alone.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2017.
    """

    decoupled = True


class Adamax(Ruled):
    """Adam with the largest recent gradient, max(b2 u, |g|), in the place of its root mean square.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2014, section 7.
    """

    def rule(
        self, p: np.ndarray, state: State, *, lr: float = 2e-3, betas: Betas = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0
    ) -> Move:
        t, (b1, b2) = count(state), map(float, betas)
        states = zeros(state, p, "exp_avg", "exp_inf")
        return rules.adamax, states, (1 - b1, b2, lr / (1 - b1**t), eps), weight_decay


class NAdam(Ruled):
    """Adam with Nesterov's momentum: the step looks one gradient ahead. The momentum grows to b1 as `momentum_decay` says.

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
    ) -> Move:
        t, (b1, b2) = count(state), map(float, betas)
        now, ahead = (b1 * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
        product = state["mu_product"] = state.get("mu_product", 1.0) * now
        decay, shrink = _split(weight_decay, lr, decoupled_weight_decay)
        root = sqrt(1 - b2**t)
        rates = root * lr * (1 - now) / (1 - product), root * lr * ahead / (1 - product * ahead)  # of the gradient, of the mean
        numbers = (shrink, 1 - b1, b2, 1 - b2, *rates, root * eps)
        return rules.nadam, zeros(state, p, "exp_avg", "exp_avg_sq"), numbers, decay


class RAdam(Ruled):
    """Adam that divides by the root mean square only once enough gradients are known to estimate it, and less at first: no warm-up needed.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2019.
    """

    def rule(
        self,
        p: np.ndarray,
        state: State,
        *,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
    ) -> Move:
        t, (b1, b2) = count(state), map(float, betas)
        most = 2 / (1 - b2) - 1
        length = most - 2 * t * b2**t / (1 - b2**t)  # of the simple mean that knows as much
        rate, known = lr / (1 - b1**t), length > 5
        if known:
            rate *= sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)) * sqrt(1 - b2**t)
        decay, shrink = _split(weight_decay, lr, decoupled_weight_decay)
        numbers = (shrink, 1 - b1, b2, 1 - b2, rate, eps, known)
        return rules.radam, zeros(state, p, "exp_avg", "exp_avg_sq"), numbers, decay


def _split(weight_decay: float, lr: float, decoupled: bool) -> tuple[float, float]:
    """(what is added to the gradient, in parts of p; what p is multiplied by)."""
    return (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
