"""A search along a line for a point that satisfies the strong Wolfe conditions.

Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6 and equation 3.59; safeguards as in PyTorch, whose points
it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np

DECREASE, CURVATURE = 1e-4, 0.9  # c1, c2
MOST = 25  # points looked at


class Point(NamedTuple):
    """On the line: how far, the value there, the gradient, and the slope along the line."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def strong_wolfe(at: Callable[[float], Point], start: Point, t: float, length: float, tolerance: float) -> tuple[Point, int]:
    """A point with f <= f(0) + c1 t f'(0) and |f'| <= c2 |f'(0)|, or the best seen; and how many were looked at.

    t is tried first; the search ends when the bracket, times `length`, is shorter than `tolerance`.
    """

    def too_high(p: Point) -> bool:
        return p.f > start.f + DECREASE * p.t * start.slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -CURVATURE * start.slope

    before, here, looks = start, at(t), 1
    while looks <= MOST:  # go on until a minimum is bracketed
        if too_high(here) or (looks > 2 and here.f >= before.f):
            break
        if flat(here):
            return here, looks
        if here.slope >= 0:
            break
        t = _minimum(before, here, here.t + 0.01 * (here.t - before.t), 10 * here.t)
        before, here = here, at(t)
        looks += 1
    else:
        before = start
    ends, stuck = [before, here], False
    low, high = (0, 1) if before.f <= here.f else (1, 0)
    while looks <= MOST and abs(ends[1].t - ends[0].t) * length >= tolerance:  # narrow the bracket
        left, right = sorted((ends[0].t, ends[1].t))
        t = _minimum(ends[0], ends[1], left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):  # twice close to an end: go to its margin
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        here = at(t)
        looks += 1
        if too_high(here) or here.f >= ends[low].f:
            ends[high] = here
            low, high = (0, 1) if ends[0].f <= ends[1].f else (1, 0)
        else:
            if flat(here):
                return here, looks
            if here.slope * (ends[high].t - ends[low].t) >= 0:
                ends[high] = ends[low]
            ends[low] = here
    return ends[low], looks


def _minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points and their slopes is smallest, between `least` and `most`; their middle if it has no minimum."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = sqrt(square)
    if not (bend := b.slope - a.slope + 2 * d2):  # a straight line, downhill
        return most if b.slope < 0 else least
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bend), least), most)
