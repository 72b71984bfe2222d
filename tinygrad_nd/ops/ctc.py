"""Connectionist temporal classification: the loss of a sequence of labels that nobody aligned with its longer input."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import flag
from ..arguments import whole as whole_number
from ..tensor import Tensor, astensor
from .choice import maximum, where
from .curves import real
from .index import take_along_axis
from .label_loss import whole
from .loss import check_reduction, reduced
from .parts import wide
from .reduce import logsumexp
from .shape import concatenate, expand_dims, reshape

__all__ = ["ctc_loss"]

NEVER = -1e30  # the logarithm of a probability of 0: infinities would meet in differences


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of each target: the sum over all ways to spread its labels over the input, with repeats and blanks.

    Of two equal labels in a row, a blank must lie between.

    Shapes: log_probs (T, N, C), as `log_softmax` gives them; targets (N, S), or all of them in one row; input_lengths and target_lengths
    (N,) -> (), or (N,) with reduction="none". Unbatched: (T, C), (S,), (), ().

    The mean is over the batch, of each loss divided by its target's length. A target that does not fit into its input has an infinite loss,
    or 0 with zero_infinity, and a gradient of 0. Source: Graves et al., "Connectionist temporal classification" (2006).
    """
    who = "ctc_loss"
    x = real(log_probs, who)
    check_reduction(reduction, who)
    flag(who, "zero_infinity", zero_infinity)
    if x.ndim not in (2, 3):
        raise ValueError(f"{who}: log_probs needs shape (T, N, C) or (T, C), but has {x.shape}")
    single, kind = x.ndim == 2, x.dtype
    x = wide(expand_dims(x, 1) if single else x)
    steps, batch, classes = x.shape
    if not 0 <= whole_number(who, "blank", blank, 0) < classes:
        raise ValueError(f"{who}: blank={blank} is none of the {classes} classes of log_probs {x.shape}")
    sizes = _lengths("input_lengths", input_lengths, batch, steps)
    labels, counts = _labels(targets, target_lengths, batch, classes, blank)
    path = np.full((batch, 2 * labels.shape[1] + 1), blank)
    path[:, 1::2] = labels
    places = path.shape[1]
    jump = np.zeros((batch, places, 3), x.dtype)  # from this place of the path, from the one before, and over a blank
    jump[..., 2] = NEVER
    jump[:, 2:, 2][(path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])] = 0
    came = np.broadcast_to((np.arange(places)[:, None] + (2, 1, 0)).reshape(1, -1), (batch, 3 * places))
    seen = maximum(take_along_axis(x, np.broadcast_to(path, (steps, *path.shape)), 2), NEVER)
    before = astensor(np.full((batch, 2), NEVER, x.dtype))
    a = astensor(np.where(np.arange(places), np.full((batch, 1), NEVER), 0).astype(x.dtype))
    for t in range(int(sizes.max(initial=0))):
        ways = reshape(take_along_axis(concatenate([before, a], 1), came, 1), jump.shape)
        b = logsumexp(ways + jump, 2) + seen[t]
        a = b if t < sizes.min() else where((t < sizes)[:, None], b, a)
    ends = np.stack([2 * counts, np.maximum(2 * counts - 1, 0)], 1)
    last = take_along_axis(a, ends, 1) + np.where(np.stack([counts < 0, counts < 1], 1), NEVER, 0).astype(x.dtype)
    loss = -logsumexp(last, 1)
    loss = where(loss.data > -NEVER / 2, 0.0 if zero_infinity else np.inf, loss)
    if reduction == "mean":
        loss = loss / np.maximum(counts, 1).astype(x.dtype)
    loss = reshape(loss, ()) if single and reduction == "none" else reduced(loss, reduction, who)
    return loss if loss.dtype == kind else loss.astype(kind)


def _lengths(name: str, given: Any, batch: int, most: int) -> np.ndarray:
    n = np.atleast_1d(astensor(given).data)
    if n.dtype.kind not in "iu" or n.shape != (batch,):
        raise ValueError(f"ctc_loss: {name} must be {batch} whole numbers, one for each of the batch, but got {n.shape} of {n.dtype}")
    if n.size and not 0 <= n.min() <= n.max() <= most:
        raise ValueError(f"ctc_loss: {name} reach from {n.min()} to {n.max()}, but there are {most} to take them from")
    return n.astype(np.int64)


def _labels(targets: Any, lengths: Any, batch: int, classes: int, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, S), 0 or a class beyond the end of each, and how many count."""
    t = whole("ctc_loss", astensor(targets).data)
    if t.ndim == 2 and len(t) == batch:
        counts = _lengths("target_lengths", lengths, batch, t.shape[1])
        inside = np.arange(t.shape[1]) < counts[:, None]
    elif t.ndim == 1:
        counts = _lengths("target_lengths", lengths, batch, t.size)
        if counts.sum() != t.size:
            raise ValueError(f"ctc_loss: target_lengths sum to {counts.sum()}, but targets in one row are {t.size}")
        inside = np.arange(counts.max(initial=0)) < counts[:, None]
        rows = np.zeros(inside.shape, np.int64)
        rows[inside] = t
        t = rows
    else:
        raise ValueError(f"ctc_loss: targets need shape ({batch}, S), or one row of all, but have {t.shape}")
    wrong = t[inside & ((t < 0) | (t >= classes) | (t == blank))]
    if wrong.size:
        raise ValueError(f"ctc_loss: targets hold {wrong[0]}, but labels are classes 0 to {classes - 1} other than blank={blank}")
    return np.where(inside, t, 0).astype(np.int64), counts
