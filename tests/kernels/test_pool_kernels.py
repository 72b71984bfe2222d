"""The pool kernels against windows picked one by one."""

import itertools

import numpy as np
import pytest
from orders import lying

from tinygrad_nd.kernels import pool, pool_parts, winners
from tinygrad_nd.kernels.geometry import PoolSpec, pool_spec

RNG = np.random.default_rng(3)
# lead, size, kernel, stride, padding, dilation, ceil
HARD = [
    ((2, 3), (7, 8), (3, 2), (2, 2), 0, 1, False),
    ((2, 3), (7, 8), (3, 3), (2, 1), 1, 1, False),
    ((2, 3), (7, 8), (2, 3), (3, 2), 1, 1, True),
    ((2, 3), (7, 8), (2, 2), (3, 4), 0, 1, True),
    ((2, 3), (5, 6), (5, 6), (1, 1), 0, 1, False),
    ((2, 3), (9, 8), (3, 2), (2, 3), [(3, 1), (0, 2)], (2, 3), False),
    ((2, 3), (6, 5), (3, 3), (1, 2), 2, 1, False),
    ((2, 3), (2, 3), (1, 1), (1, 1), 3, 1, False),
    ((2, 3), (5, 4), (1, 1), (2, 3), 0, 1, False),
    ((2, 3), (2, 2), (2, 2), (5, 5), [(4, 4), (0, 4)], 1, False),
    ((0, 3), (5, 6), (2, 2), (2, 2), 0, 1, False),
    ((3,), (9,), (4,), (3,), [(2, 0)], 1, True),
    ((), (6, 7), (3, 2), (2, 2), 1, 1, False),
    ((4, 2, 3), (5,), (2,), (2,), 0, 2, False),
    ((2, 3), (), (), (), 0, 1, False),
    ((2, 2), (4, 5, 6), (2, 3, 2), (2, 1, 2), 1, 1, False),
    ((1, 2), (3, 4, 3, 4), (2, 2, 3, 2), 1, (1, 0, 1, 0), 1, False),
    ((1, 2), (3, 2, 3, 3, 2), (2, 2, 2, 2, 1), 2, 0, 1, True),
    ((1, 1), (40, 3), (20, 3), (1, 1), 0, 1, False),
    ((2, 3), (300,), (260,), (7,), 0, 1, False),
    ((2, 9), (7, 6), (3, 2), (2, 2), 1, 1, False),
    ((2, 9), (6, 4), (2, 2), (2, 2), 0, 1, False),
    ((2, 9), (10, 11), (2, 2), (2, 2), 1, 3, False),
    ((2, 3), (12, 9), (3, 2), (3, 4), 0, (2, 3), True),
]
LAYOUTS = ["first", "last", "gaps", "F"]


def spec_of(case) -> PoolSpec:
    _, size, kernel, stride, padding, dilation, ceil = case
    return pool_spec("test", size, kernel, stride, padding, dilation, ceil)


def sample(case, dtype=np.float64, layout="first", out=False):
    spec = spec_of(case)
    x = np.asarray(RNG.integers(-4, 5, (*case[0], *(spec.out if out else spec.size))), dtype)  # many ties
    return lying(x, layout, x.ndim - spec.rank - 1)


def positions(spec, o):
    """The input positions of window o, in row-major order of its taps; None where a tap lies outside the input."""
    for taps in itertools.product(*map(range, spec.kernel)):
        at = tuple(j * s - a + t * d for j, t, s, (a, _), d in zip(o, taps, spec.stride, spec.padding, spec.dilation))
        yield at if all(0 <= i < n for i, n in zip(at, spec.size)) else None


def plain_max_pool(x, spec):
    lead = x.shape[: x.ndim - spec.rank]
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    values, winner = np.full((*lead, *spec.out), lowest, x.dtype), np.zeros((*lead, *spec.out), np.int64)
    for o in np.ndindex(*spec.out):
        for i in np.ndindex(*lead):
            won = False
            for number, at in enumerate(positions(spec, o)):
                if at is None:
                    continue
                v, best = x[(*i, *at)], values[(*i, *o)]
                if not won or v > best or (v != v and best == best):
                    values[(*i, *o)], winner[(*i, *o)], won = v, number, True
    return values, winner


def plain_sum(x, spec):
    y = np.zeros((*x.shape[: x.ndim - spec.rank], *spec.out), x.dtype)
    for o in np.ndindex(*spec.out):
        for at in positions(spec, o):
            if at is not None:
                y[(..., *o)] += x[(..., *at)]
    return y


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.uint8])
def test_max_pool_picks_the_first_maximum(case, layout, dtype):
    x, spec = sample(case, dtype, layout), spec_of(case)
    expected, number = plain_max_pool(x, spec)
    values, winner = pool.max_pool(x, spec, True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(winner, number)
    assert values.dtype == dtype and winner.dtype.kind == "u"
    alone, none = pool.max_pool(x, spec, False)
    np.testing.assert_array_equal(alone, expected)
    assert none is None


@pytest.mark.parametrize("case", HARD)
def test_nan_wins_and_infinities_are_values(case):
    x, spec = sample(case), spec_of(case)
    x[RNG.random(x.shape) < 0.2] = np.nan
    x[RNG.random(x.shape) < 0.2] = -np.inf
    x[RNG.random(x.shape) < 0.1] = np.inf
    expected, number = plain_max_pool(x, spec)
    values, winner = pool.max_pool(x, spec, True)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(winner, number)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", HARD)
def test_gather_at_the_winners_is_the_maximum(case, layout):
    x, spec = sample(case, layout=layout), spec_of(case)
    values, winner = pool.max_pool(x, spec, True)
    flat = pool.flat_index(winner, spec)
    inside = flat >= 0
    np.testing.assert_array_equal(winners.gather(x, winner, spec), np.where(inside, values, 0))
    block = x.reshape(*x.shape[: x.ndim - spec.rank], max(1, int(np.prod(spec.size))))
    picked = np.take_along_axis(block, flat.reshape(*block.shape[:-1], int(np.prod(spec.out))), -1).reshape(flat.shape)
    np.testing.assert_array_equal(picked[inside], values[inside])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", HARD)
def test_scatter_is_the_transpose_of_gather(case, layout):
    x, g, spec = sample(case, layout=layout), sample(case, layout=layout, out=True), spec_of(case)
    _, winner = pool.max_pool(sample(case), spec, True)
    dx = winners.scatter(g, winner, spec)
    assert dx.shape == x.shape and dx.dtype == g.dtype
    assert np.vdot(winners.gather(x, winner, spec), g) == np.vdot(x, dx)
    flat, expected = pool.flat_index(winner, spec), np.zeros((*case[0], max(1, int(np.prod(spec.size)))))
    for i in np.ndindex(*flat.shape):
        if flat[i] >= 0:
            expected[(*i[: len(case[0])], flat[i])] += g[i]
    np.testing.assert_array_equal(dx, expected.reshape(x.shape))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", HARD)
def test_window_sum_and_its_transpose(case, layout):
    x, g, spec = sample(case, layout=layout), sample(case, layout=layout, out=True), spec_of(case)
    y, dx = pool.window_sum(x, spec), pool.window_sum_adjoint(g, spec)
    np.testing.assert_array_equal(y, plain_sum(x, spec))
    assert dx.shape == x.shape
    assert np.vdot(y, g) == np.vdot(x, dx)


def test_scatter_passes_infinite_cotangents_to_the_winner_alone():
    spec = pool_spec("test", (4,), 2)
    _, winner = pool.max_pool(np.array([[1.0, 2, 4, 3]]), spec, True)
    np.testing.assert_array_equal(winners.scatter(np.array([[np.inf, np.nan]]), winner, spec), [[0, np.inf, np.nan, 0]])


def test_halves_are_summed_in_single_precision():
    spec = pool_spec("test", (4096,), 4096)
    assert pool.window_sum(np.full((1, 4096), 0.5, np.float16), spec)[0, 0] == 2048


def test_the_divisor_never_counts_the_overhang():
    spec = pool_spec("test", (5,), 3, 2, 1, ceil_mode=True)
    assert pool.window_count(spec, True).tolist() == [3, 3, 3]
    assert pool.window_count(spec, False).tolist() == [2, 3, 2]
    spec = pool_spec("test", (6, 6), 3, 2, 1, ceil_mode=True)
    assert pool.window_count(spec, True)[-1].tolist() == [6, 6, 6, 4]
    assert pool.window_count(pool_spec("test", (), ()), True).tolist() == 1


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("part", [1, 2000, 20000])
@pytest.mark.parametrize("case", HARD)
def test_parts_of_any_size_give_the_same(case, part, layout, monkeypatch):
    x, g, spec = sample(case, layout=layout), sample(case, layout=layout, out=True), spec_of(case)

    def everything():
        values, winner = pool.max_pool(x, spec, True)
        sums = pool.window_sum(x, spec), pool.window_sum_adjoint(g, spec)
        return values, winner, winners.scatter(g, winner, spec), winners.gather(x, winner, spec), *sums

    whole = everything()
    monkeypatch.setattr(pool_parts, "PART", part)
    for a, b in zip(everything(), whole):
        np.testing.assert_array_equal(a, b)
