"""Adam and its relatives: steps of the mean gradient over a measure of its size, both exponential means."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..kernels import update as rules
from .optimizer import State
from .ruled import Move, Ruled, count, zeros

__all__ = ["Adam", "Adamax", "AdamW", "NAdam", "RAdam"]

Betas = tuple[float, float]


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
