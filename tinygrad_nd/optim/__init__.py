"""Optimisers, schedules of their options, averages of what they find, and clipping: PyTorch's names, and its numbers step for step.

    optimiser = AdamW(model.parameters(), lr=1e-3)
    schedule = CosineAnnealingLR(optimiser, T_max=steps)
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()

Gradients add up until `zero_grad`: several `backward` before one `step` make a batch of several (divide each loss by their number). All of
them have `state_dict` and `load_state_dict`.
"""

from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .averages import EMA
from .clip import clip_grad_norm_, clip_grad_value_
from .lbfgs import LBFGS
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from .sgd import SGD, Lion

__all__ = [
    "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "EMA",
    "ExponentialLR", "LBFGS", "LambdaLR", "LinearLR", "Lion", "MultiStepLR", "NAdam", "OneCycleLR", "Optimizer", "PolynomialLR",
    "RAdam", "RMSprop", "ReduceLROnPlateau", "SGD", "Schedule", "SequentialLR", "StepLR", "clip_grad_norm_", "clip_grad_value_",
]  # fmt: skip
