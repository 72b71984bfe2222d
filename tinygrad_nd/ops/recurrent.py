"""Recurrences as one operation each: an LSTM, a GRU and plain ones, over a whole sequence.

The tape would spend more on a step's dozen small operations than they take. The rules run the same sweep back on arrays, or, where the
sweep is recorded, on tensors: every further derivative follows from that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.blas import matmul, single_blas
from ..kernels.recurrent import CELLS, Cell, previous
from ..node import recording
from ..tape import primitive
from ..tensor import Tensor
from .parts import floating
from .run import Run

__all__: list[str] = []


def _cotangent(of: str, cell: Cell, run: Run, g: Tensor, *operands: Tensor) -> Tensor:
    if recording.get():
        found: Tensor = _back(cell, None, g, *operands)[of]
        return found
    arrays = [t.data for t in operands]
    return run.cotangent(of, lambda: _back(cell, run.take(arrays[-1]), g.data, *arrays), g.data, arrays[-1])


def _back(cell: Cell, kept: Any, g: Any, z: Any, w: Any, b: Any, s: Any, out: Any) -> dict[str, Any]:
    before = previous(s, out)
    with single_blas():
        dz, dq, ds = cell.back(g, z, w, b, before, out, kept)
    rows, h = dq.reshape(-1, dq.shape[-1]), before[:, 0].reshape(-1, w.shape[1])
    product = matmul if isinstance(g, np.ndarray) else np.matmul
    return {"z": dz, "w": product(rows.T, h), "b": rows.sum(0), "s": ds}


def _declare(name: str) -> Callable[..., Tensor]:
    cell = CELLS[name]

    def kernel(z: Any, w: Any, b: Any, s: Any, *, run: Run) -> Any:
        with single_blas():  # a step's product is too small for two threads
            out, kept = cell.forward(z, w, b, s)
        return run.keep(kept, out)

    kernel.__doc__ = f"The states of all steps of {name}."
    return primitive(
        name,
        z=lambda g, z, w, b, s, out, run: _cotangent("z", cell, run, g, z, w, b, s, out),
        w=lambda g, z, w, b, s, out, run: _cotangent("w", cell, run, g, z, w, b, s, out),
        b=lambda g, z, w, b, s, out, run: _cotangent("b", cell, run, g, z, w, b, s, out),
        s=lambda g, z, w, b, s, out, run: _cotangent("s", cell, run, g, z, w, b, s, out),
    )(kernel)


_RUNS = {name: _declare(name) for name in CELLS}


def recurrence(cell: str, z: Any, weight: Any, bias: Any, states: Any) -> Tensor:
    """The states of all steps of a cell: "lstm" (h and c), "gru", "rnn_tanh" or "rnn_relu" (h).

    Shapes: z (T, N, G·H), what comes to the G gates from outside; weight (G·H, H) and bias (G·H,) for the h of the step before; states
    (S, N, H), those at first -> (T, S, N, H). Gates are in PyTorch's order.

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; Cho et al., Learning phrase representations using RNN
    encoder-decoder, 2014 (with the reset gate inside the candidate, as in PyTorch and cuDNN).
    """
    z, w, b, s = floating(z), floating(weight), floating(bias), floating(states)
    if any(t.dtype.kind == "c" for t in (z, w, b, s)):
        raise TypeError(f"{cell}: needs real numbers, but got {', '.join(str(t.dtype) for t in (z, w, b, s))}")
    if z.ndim != 3 or not len(z.data):
        raise ValueError(f"{cell}: z needs axes (T, N, G·H) with at least one step, but has shape {z.shape}")
    kind, (_, n, width) = CELLS[cell], z.shape
    size = width // kind.gates
    for what, t, shape in (("weight", w, (width, size)), ("bias", b, (width,)), ("states", s, (kind.states, n, size))):
        if t.shape != shape:
            raise ValueError(f"{cell}: {what} needs shape {shape} for z {z.shape}, but has {t.shape}")
    return _RUNS[cell](z, w, b, s, run=Run())
