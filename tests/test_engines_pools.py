"""Pools on every engine, held against windows picked one by one."""

from functools import cache

import loops
import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

import tinygrad_nd as nd
from tinygrad_nd.kernels import few, pool, pool_parts, winners
from tinygrad_nd.kernels.adaptive import Parted
from tinygrad_nd.kernels.geometry import pool_spec

LAYOUTS = ("first", "last", "reversed", "gaps", "F")
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
    ((2, 20), (10, 11), (5, 5), (5, 5), 0, 1, False),  # many channels: each window by itself, beside one another
    ((2, 20), (7, 8), (4, 4), (2, 2), 1, 1, False),  # also where few taps overlap
    ((1, 20), (9, 8), (5, 4), (2, 3), 0, 1, False),  # but not where many do
    ((1, 20), (18, 10), (9, 9), (9, 9), 0, 1, True),
]


@pytest.fixture(params=["slabs", "tables", "jit"], autouse=True)
def engine(request, monkeypatch, choose_engine):
    if request.param == "slabs":
        monkeypatch.setattr(few, "MOST", -1)
        monkeypatch.setattr(few, "SUMMED", -1)
    monkeypatch.setattr(pool_parts, "COMPILED", 0)
    choose_engine("jit" if request.param == "jit" else "numpy")
    return request.param


def random_case(rank, seed, most=9):
    rng = np.random.default_rng(seed)
    lead = (2, int(rng.choice([1, 3, 9, 20])))
    while True:
        size, kernel, stride, dilation = (tuple(rng.integers(1, top, rank).tolist()) for top in (most, 4, 4, 3))
        try:
            padding = [tuple(p) for p in rng.integers(0, 3, (rank, 2))]
            ceil = bool(rng.integers(2))
            pool_spec("test", size, kernel, stride, padding, dilation, ceil)
            return lead, size, kernel, stride, padding, dilation, ceil
        except ValueError:  # a kernel larger than the padded input, or padding without a window
            continue


CASES = HARD + [random_case(rank, seed, 6 if rank > 3 else 9) for rank in range(5) for seed in range(8)]


def draw(rng, shape, dtype, hard):
    """Small integers, so that many are equal and sums exact; where `hard`, NaN and infinities among them."""
    x = rng.integers(0 if np.dtype(dtype).kind in "ub" else -4, 5, shape)
    return (np.where(rng.random(shape) < 0.3, rng.choice([np.nan, -np.inf, np.inf], shape), x) if hard else x).astype(dtype)


def transposed(found, g, spec):
    """The entries of g added to all that lies in their windows."""
    dx = np.zeros((*g.shape[: g.ndim - spec.rank], *spec.size), g.dtype)
    for o, inside, _ in found:
        for _, at in inside:
            dx[(..., *at)] += g[(..., *o)]
    return dx


@cache
def known(number, dtype, hard):
    """(the spec, operands of the size before and after, and what loops make of them) of a case, the same for every layout and engine."""
    lead, *how, ceil = CASES[number]
    spec, rng = pool_spec("test", *how, ceil), np.random.default_rng(number)
    x, g = draw(rng, (*lead, *spec.size), dtype, hard), draw(rng, (*lead, *spec.out), dtype, False)
    found = list(loops.windows(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, ceil))
    maxima = loops.max_pool(x, spec.size, found)
    if hard or np.dtype(dtype).kind != "f":
        return spec, x, g, maxima, None
    sums = loops.over_windows(lambda v, *_: (v.sum(1),), x, spec.size, found)
    return spec, x, g, maxima, (loops.max_pool_backward(g, maxima[2], spec.size), sums, transposed(found, g, spec))


def laid(numbers, dtype, hard=False, layouts=LAYOUTS):
    """Those of some cases: the hard ones in all layouts in float32, all others in one each."""
    for number in numbers:
        for layout in layouts if number < len(HARD) and dtype == "f4" else (layouts[number % len(layouts)],):
            spec, x, g, *expected = known(number, dtype, hard)
            yield spec, *(lying(a, layout, a.ndim - spec.rank - 1) for a in (x, g)), *expected


def same(found, expected):
    if not np.array_equal(found, expected):  # much quicker than what follows, which takes NaN as equal, and tells the difference
        np.testing.assert_array_equal(found, expected)


def agree(spec, x, g, maxima, sent):
    """Every kernel does as the loops."""
    expected, numbers, places = maxima
    y, winner = pool.max_pool(x, spec, True)
    same(y, expected)
    same(winner, numbers)
    same(pool.flat_index(winner, spec), places)
    assert y.dtype == x.dtype and winner.dtype.kind == "u"
    alone, none = pool.max_pool(x, spec, False)
    same(alone, expected)
    assert none is None
    if x.dtype.kind == "f":
        same(winners.gather(x, winner, spec), np.where(places < 0, 0, expected))
    if sent:
        to_winners, sums, back = sent
        dx = winners.scatter(g, winner, spec)
        same(dx, to_winners)
        for scale in (1, 0.5):
            how = () if scale == 1 else (scale,)
            y, dy = pool.window_sum(x, spec, *how), pool.window_sum_adjoint(g, spec, *how)
            same(y, sums * scale)
            same(dy, back * scale)
            assert dx.dtype == y.dtype == dy.dtype == x.dtype


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "f4, hard", "f8, hard", "f2, hard", "i4", "i8", "u1", "?"])
@in_turn("number", range(len(CASES)))
def test_maxima_winners_sums_and_their_transposes(dtype, number, engine):
    if engine == "jit" and dtype[:2] not in ("f4", "f8"):
        return  # what it does not compile is as without it
    for each in laid([number], *dtype.split(", ")):
        agree(*each)


@pytest.mark.parametrize("part", [1, 2000, 20000])
def test_parts_of_any_size_give_the_same(part, monkeypatch):
    monkeypatch.setattr(pool_parts, "PART", part)
    for each in laid(range(len(CASES)), "f4", layouts=("first", "last")):
        agree(*each)


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


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("hard", [False, True])
@in_turn("seed, layout", list(enumerate(LAYOUTS)))
def test_uneven_windows(rank, seed, layout, hard):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(5, 9, rank).tolist())
    spec = Parted(size, tuple(int(rng.integers(2, n + 1)) for n in size))
    x = lying(draw(rng, (2, int(rng.choice([1, 3, 9])), *size), "f4", hard), layout)
    y, winner = pool.max_pool(x, spec, True)
    expected, _, places = loops.max_pool(x, size, loops.adaptive_windows(size, spec.out))
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(pool.flat_index(winner, spec), places)
    if not hard:
        g = draw(rng, y.shape, "f4", False)
        np.testing.assert_array_equal(winners.gather(x, winner, spec), y)
        np.testing.assert_array_equal(winners.scatter(g, winner, spec), loops.max_pool_backward(g, places, size))


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4)])
def test_nothing_in_nothing_out(shape):
    spec = pool_spec("test", (4, 4), 2, 2, 0, 1, False)
    x = np.zeros(shape, np.float32)
    y, winner = pool.max_pool(x, spec, True)
    assert y.shape == winner.shape == pool.window_sum(x, spec).shape == (*shape[:2], 2, 2)
    assert winners.scatter(y, winner, spec).shape == pool.window_sum_adjoint(y, spec).shape == shape


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(1, 24, 90, 91), (40, 3, 33, 32), (2, 24, 70, 50), (1, 1, 200, 201)])
def test_the_number_of_threads_does_not_matter(shape, threads):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    spec = pool_spec("test", shape[2:], 3, 2, 1, 1, False)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    taps = [padded[:, :, i : i + 2 * spec.out[0] - 1 : 2, j : j + 2 * spec.out[1] - 1 : 2] for i in range(3) for j in range(3)]
    with nd.threads(threads):
        for a in (x, lying(x, "last")):
            y, winner = pool.max_pool(a, spec, True)
            np.testing.assert_array_equal(y, np.max(taps, 0))
            np.testing.assert_array_equal(winner, np.argmax(taps, 0))
            np.testing.assert_array_equal(winners.gather(a, winner, spec), y)
            for g in (np.ones_like(y), np.ones(y.shape, np.float32)):
                dx = winners.scatter(g, winner, spec)
                assert dx.sum() == y.size and ((dx > 0) <= np.isin(x, y)).all()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_one_image_is_summed_in_parts(stride, threads):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (1, 4, 300, 301)).astype(np.float32)
    spec = pool_spec("test", x.shape[2:], 3, stride, 1, 1, False)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    h, w = ((o - 1) * stride + 1 for o in spec.out)
    expected = sum(padded[:, :, i : i + h : stride, j : j + w : stride] for i in range(3) for j in range(3))
    g = rng.integers(-9, 9, expected.shape).astype(np.float32)
    with nd.threads(threads):
        for order in ("first", "last"):
            np.testing.assert_array_equal(pool.window_sum(lying(x, order), spec), expected)
            dx = pool.window_sum_adjoint(lying(g, order), spec)
            assert np.vdot(dx.astype(float), x) == np.vdot(g.astype(float), expected)


def test_derivatives_to_order_2():
    x = np.random.default_rng(0).permutation(2 * 3 * 5 * 4).reshape(2, 3, 5, 4) * 0.1
    for f in (nd.max_pool_nd, nd.avg_pool_nd):
        nd.testing.check_grads(lambda x: f(x, (3, 2), 2, 1) ** 2, [x], order=2)


def test_a_maximum_and_a_sum_of_one_shape_are_told_apart():
    x = np.random.default_rng(0).standard_normal((2, 3, 40, 40)).astype(np.float32)
    spec = pool_spec("test", (40, 40), 2)
    blocks = x.reshape(2, 3, 20, 2, 20, 2)
    for _ in range(2):
        np.testing.assert_array_equal(pool.max_pool(x, spec, False)[0], blocks.max((3, 5)))
        np.testing.assert_allclose(pool.window_sum(x, spec, 1.0), blocks.sum((3, 5)), atol=1e-5)
        np.testing.assert_allclose(pool.window_sum(x, spec, 0.5), blocks.sum((3, 5)) / 2, atol=1e-5)
