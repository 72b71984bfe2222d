"""Steps of the gradient over its root mean square, without a mean of the gradient itself."""

from __future__ import annotations

import numpy as np

from ..kernels import update as rules
from .optimizer import State
from .ruled import Move, Ruled, count, zeros

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


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
