"""Steps of the gradient over its root mean square, without a mean of the gradient itself."""

from __future__ import annotations

import numpy as np

from ..kernels import update as rules
from ..kernels.update import Step
from .optimizer import Optimizer, Params, State, count, zeros

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps of the gradient over the root of the sum of all its squares so far; lr falls as lr / (1 + (t - 1) lr_decay) besides.

    Source: Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr_decay": lr_decay, "weight_decay": weight_decay, "initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__(params, lr=lr, **options, maximize=maximize)

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        lr_decay: float,
        weight_decay: float,
        initial_accumulator_value: float,
        eps: float,
        maximize: bool,
    ) -> Step:
        if not state:
            state["sum"] = np.full_like(p, initial_accumulator_value)
        rate = lr / (1 + (count(state) - 1) * lr_decay)
        return Step(rules.adagrad, p, g, (state["sum"],), (rate, eps), weight_decay, maximize)


class Adadelta(Optimizer):
    """Steps of the gradient times the ratio of two root mean squares: that of the steps so far to that of the gradients.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    elementwise = True

    def __init__(
        self, params: Params, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, *, maximize: bool = False
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def update(
        self, p: np.ndarray, g: np.ndarray, state: State, *, lr: float, rho: float, eps: float, weight_decay: float, maximize: bool
    ) -> Step:
        states = zeros(state, p, "square_avg", "acc_delta")
        return Step(rules.adadelta, p, g, states, (lr, float(rho), 1 - float(rho), eps), weight_decay, maximize)


class RMSprop(Optimizer):
    """Steps of the gradient over its root mean square, sqrt(v) + eps, with v = alpha v + (1 - alpha) g².

    `centered` takes the variance, v less the square of the mean gradient; `momentum` gathers the steps: b = momentum b + step, p -= lr b.

    Source: Tieleman and Hinton, lecture 6.5, 2012; centered: Graves, Generating sequences with recurrent neural networks, 2013.
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"weight_decay": weight_decay, "momentum": momentum, "centered": centered}
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, **options, maximize=maximize)

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        *,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
    ) -> Step:
        numbers = (lr, float(alpha), 1 - float(alpha), eps)
        if centered:
            states = zeros(state, p, "square_avg", "momentum_buffer", "grad_avg")
            return Step(rules.rmsprop_centered, p, g, states, (*numbers, momentum, 0.0), weight_decay, maximize)
        elif momentum:
            states = zeros(state, p, "square_avg", "momentum_buffer")
            return Step(rules.rmsprop_momentum, p, g, states, (*numbers, momentum), weight_decay, maximize)
        else:
            return Step(rules.rmsprop, p, g, zeros(state, p, "square_avg"), numbers, weight_decay, maximize)
