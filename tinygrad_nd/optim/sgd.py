"""Steps along the gradient, or along its sign."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np

from ..arguments import number
from ..kernels import update as rules
from .optimizer import State
from .ruled import Move, Ruled, zeros

__all__ = ["SGD", "Lion"]


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

    def rule(
        self, p: np.ndarray, state: State, *, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0
    ) -> Move:
        b1, b2 = map(float, betas)
        numbers = (1 - lr * weight_decay, lr, b1, 1 - b1, b2, 1 - b2)
        return rules.lion, zeros(state, p, "exp_avg"), numbers, 0
