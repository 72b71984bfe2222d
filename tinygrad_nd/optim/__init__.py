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

from ..elsewhere import hinting
from . import averages, clip, descent, lbfgs, optimizer, schedule, schedules
from .averages import *
from .clip import *
from .descent import *
from .lbfgs import *
from .optimizer import *
from .schedule import *
from .schedules import *

__all__ = [m for part in (averages, clip, descent, lbfgs, optimizer, schedule, schedules) for m in part.__all__]

globals()["__getattr__"] = hinting("optim", __all__, {"swa_utils": "EMA", "AveragedModel": "EMA"})
