"""Compiled loops over the rules of optimisers: f(p, gradient, *states, constants), rows of one length. `update` holds the rules."""

# mypy: ignore-errors
from functools import cache

from numba import njit
from numba.extending import register_jitable
from numba.np.unsafe.ndarray import to_fixed_tuple

from ..update import slope
from .objects import SOURCE

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
register_jitable(slope)


@cache
def loop(rule, states, constants):
    """The loop over `rule`, a function of (p, g, *states, *constants) that returns the new (p, *states)."""
    register_jitable(rule)
    return _jit(_LOOPS[states](rule, constants, SOURCE))


# numba keeps what it compiled under what a function refers to from outside: with `source` there, old rules are not taken for new ones.


def _without_state(rule, constants, source):
    def loop(p, g, k):
        turn, rest = to_fixed_tuple(k[:2], 2), to_fixed_tuple(k[2:], constants)
        for i in range(p.size):
            p[i] = rule(p[i], slope(g[i], p[i], *turn), *rest)[0]
        source  # noqa: B018

    return loop


def _with_one(rule, constants, source):
    def loop(p, g, a, k):
        turn, rest = to_fixed_tuple(k[:2], 2), to_fixed_tuple(k[2:], constants)
        for i in range(p.size):
            p[i], a[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], *rest)
        source  # noqa: B018

    return loop


def _with_two(rule, constants, source):
    def loop(p, g, a, b, k):
        turn, rest = to_fixed_tuple(k[:2], 2), to_fixed_tuple(k[2:], constants)
        for i in range(p.size):
            p[i], a[i], b[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], b[i], *rest)
        source  # noqa: B018

    return loop


def _with_three(rule, constants, source):
    def loop(p, g, a, b, c, k):
        turn, rest = to_fixed_tuple(k[:2], 2), to_fixed_tuple(k[2:], constants)
        for i in range(p.size):
            p[i], a[i], b[i], c[i] = rule(p[i], slope(g[i], p[i], *turn), a[i], b[i], c[i], *rest)
        source  # noqa: B018

    return loop


_LOOPS = (_without_state, _with_one, _with_two, _with_three)
