"""Compiled loops over the rules of optimisers: f(p, gradient, *states, constants), rows of one length. `update` holds the rules."""

# mypy: ignore-errors
from functools import cache

from ..update import slope
from .arrays import numbers
from .plain import exact


@cache
def loop(rule, states, constants):
    """The loop over `rule`, a function of (p, g, *states, *constants) that returns the new (p, *states)."""
    return exact(_LOOPS[states](rule, constants))


def _without_state(rule, constants):
    def loop(p, g, k):
        turn, rest = numbers(k, 0, 2), numbers(k, 2, constants)
        for i in range(p.size):
            p[i] = rule(p[i], slope(g[i], p[i], *turn), *rest)[0]

    return loop


def _with_one(rule, constants):
    def loop(p, g, a, k):
        turn, rest = numbers(k, 0, 2), numbers(k, 2, constants)
        for i in range(p.size):
            p[i], a[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], *rest)

    return loop


def _with_two(rule, constants):
    def loop(p, g, a, b, k):
        turn, rest = numbers(k, 0, 2), numbers(k, 2, constants)
        for i in range(p.size):
            p[i], a[i], b[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], b[i], *rest)

    return loop


def _with_three(rule, constants):
    def loop(p, g, a, b, c, k):
        turn, rest = numbers(k, 0, 2), numbers(k, 2, constants)
        for i in range(p.size):
            p[i], a[i], b[i], c[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], b[i], c[i], *rest)

    return loop


_LOOPS = (_without_state, _with_one, _with_two, _with_three)
