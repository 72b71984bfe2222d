"""Numbers that are none: found before they do harm, and traced to the operation that made them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from ..debug import anomaly
from ..kernels.memory import memory_order
from .run import Run


class NotFiniteError(FloatingPointError, ValueError):
    """A loss or a gradient that is nan or infinite; `history` is what came before."""


def all_finite(a: np.ndarray) -> bool:
    """np.isfinite(a).all(), by one product: the sum of squares is finite if they all are, unless they are huge."""
    flat = a if a.flags.c_contiguous else a.transpose(memory_order(a)).reshape(-1)
    return isfinite(abs(np.vdot(flat, flat))) or bool(np.isfinite(a).all())


def refuse(run: Run, what: str, batch: Any) -> NoReturn:
    """Raises NotFiniteError; the batch is run again to find what made the number."""
    report = "Run the step inside `with nd.debug.anomaly():` to find the operation that made it."
    try:
        with anomaly():
            run.judge(batch)[0].backward()
    except FloatingPointError as found:
        report = f"Inside `with nd.debug.anomaly():` the step stops where it was made:\n{found}"
    where = f"in epoch {run.epoch + 1}, step {run.batch // run.accumulate + 1} ({run.step} steps were done)"
    error = NotFiniteError(f"fit: {what} {where}; the parameters are as before this step.\n{report}")
    error.history = run.history  # type: ignore[attr-defined]
    raise error


@contextmanager
def undone_if_broken_off(run: Run) -> Iterator[None]:
    """Buffers are as before, and gradients none, if the forward and backward sweeps inside do not end."""
    before = [(b, b.data) for b in run.buffers]
    try:
        yield
    except BaseException:
        for b, value in before:
            b.data = value
        run.optimiser.zero_grad()
        raise
