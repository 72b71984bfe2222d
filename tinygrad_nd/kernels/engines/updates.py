"""Compiled loops over the rules of optimisers: f(p, gradient, *states, constants), rows of one length. `update` holds the rules."""

# mypy: ignore-errors
from functools import cache

from ..update import slope
from .arrays import numbers, numbers_at, write_at
from .plain import exact


@cache
def loop(rule, constants):
    """The loop over `rule`, a function of (p, g, *states, *constants) that returns the new (p, *states)."""

    @exact
    def loop(p, g, *rest):
        states, k = rest[:-1], rest[-1]
        turn, given = numbers(k, 0, 2), numbers(k, 2, constants)
        for i in range(p.size):
            new = rule(p[i], slope(g[i], p[i], *turn), *numbers_at(i, states), *given)
            write_at(i, (p, *states), new)

    return loop
