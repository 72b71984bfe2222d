"""Pools on every engine, held against windows picked one by one."""

from itertools import product

import numpy as np
import pytest
from orders import lying

import tinygrad_nd as nd
from tinygrad_nd.kernels import engines, few, pool, pool_parts, winners
from tinygrad_nd.kernels.adaptive import Parted, along
from tinygrad_nd.kernels.geometry import pool_spec

LAYOUTS = ("first", "last", "reversed", "gaps")


@pytest.fixture(params=["slabs", "tables", "jit"], autouse=True)
def engine(request, monkeypatch):
    if request.param == "jit":
        pytest.importorskip("llvmlite")
    if request.param == "slabs":
        monkeypatch.setattr(few, "MOST", -1)
        monkeypatch.setattr(few, "SUMMED", -1)
    monkeypatch.setattr(pool_parts, "COMPILED", 0)
    monkeypatch.setattr(engines, "_setting", "jit" if request.param == "jit" else "numpy")


def random_spec(rng, rank, most=9):
    while True:
        size, kernel, stride, dilation = (tuple(rng.integers(1, top, rank).tolist()) for top in (most, 4, 4, 3))
        try:
            padding = [tuple(p) for p in rng.integers(0, 3, (rank, 2))]
            return pool_spec("test", size, kernel, stride, padding, dilation, bool(rng.integers(2)))
        except ValueError:  # a kernel larger than the padded input, or padding without a window
            continue


def draw(rng, shape, dtype, hard):
    x = rng.standard_normal(shape) * 4
    if hard and np.dtype(dtype).kind == "f":
        x = np.where(rng.random(shape) < 0.3, rng.choice([np.nan, -np.inf, np.inf], shape), np.round(x) + 0.0)
    return (np.abs(x) if np.dtype(dtype).kind in "ub" else x).astype(dtype)


def windows(spec):
    """Per output, the numbers of its taps within the input and their flat positions."""
    for o in product(*map(range, spec.out)):
        seen = []
        for number, taps in enumerate(product(*map(range, spec.kernel))):
            at = [i * s - a + t * d for i, s, (a, _), t, d in zip(o, spec.stride, spec.padding, taps, spec.dilation)]
            if all(0 <= p < n for p, n in zip(at, spec.size)):
                seen.append((number, int(np.ravel_multi_index(at, spec.size)) if at else 0))
        yield seen


def best_of(values):
    """Where the maximum of a window is: the first NaN, else the first of equals."""
    return int(np.argmax(np.isnan(values))) if values.dtype.kind == "f" and np.isnan(values).any() else int(np.argmax(values))


DTYPES = ("f4", "f8", "f4", "f4", "f2", "i4", "f8", "?")
CASES = [(rank, seed, LAYOUTS[seed % 4], dtype) for rank in range(5) for seed, dtype in enumerate(DTYPES)]


@pytest.mark.parametrize(("rank", "seed", "layout", "dtype"), CASES)
@pytest.mark.parametrize("hard", [False, True])
def test_maxima_and_winners(rank, seed, layout, dtype, hard):
    rng = np.random.default_rng(seed)
    spec = random_spec(rng, rank, 6 if rank > 3 else 9)
    x = lying(draw(rng, (2, int(rng.choice([1, 3, 9, 20])), *spec.size), dtype, hard), layout)
    y, winner = pool.max_pool(x, spec, True)
    rows, found, codes = (a.reshape(x.shape[0] * x.shape[1], -1) for a in (x, y, winner))
    for j, seen in enumerate(windows(spec)):
        for i, row in enumerate(rows):
            if seen:
                best = best_of(row[[p for _, p in seen]])
                np.testing.assert_equal((found[i, j], codes[i, j]), (row[seen[best][1]], seen[best][0]))
            else:
                assert codes[i, j] == 0 and found[i, j] == pool._lowest(x.dtype)
    np.testing.assert_array_equal(pool.max_pool(x, spec, False)[0], y)
    assert y.dtype == x.dtype


@pytest.mark.parametrize(("rank", "seed", "layout", "dtype"), CASES)
def test_sums_and_selections_and_their_transposes(rank, seed, layout, dtype):
    if dtype in "i4?":
        pytest.skip("sums and cotangents are of floats")
    rng = np.random.default_rng(seed)
    spec = random_spec(rng, rank, 6 if rank > 3 else 9)
    lead = (2, int(rng.choice([1, 3, 9, 20])))
    x, g = (lying(draw(rng, (*lead, *space), dtype, False), layout) for space in (spec.size, spec.out))
    _, winner = pool.max_pool(x, spec, True)
    rows, codes = x.reshape(lead[0] * lead[1], -1), winner.reshape(lead[0] * lead[1], -1)
    sums, picked = np.zeros(codes.shape), np.zeros(codes.shape)
    for j, seen in enumerate(windows(spec)):
        sums[:, j] = 0.5 * rows[:, [p for _, p in seen]].sum(1, dtype=float)
        for number, place in seen:
            picked[:, j] += np.where(codes[:, j] == number, rows[:, place], 0)
    tolerance = {"f2": 5e-3, "f4": 1e-5, "f8": 1e-13}[dtype]
    for forward, transpose, expected in (
        (lambda x: pool.window_sum(x, spec, 0.5), lambda g: pool.window_sum_adjoint(g, spec, 0.5), sums),
        (lambda x: winners.gather(x, winner, spec), lambda g: winners.scatter(g, winner, spec), picked),
    ):
        y, dx = forward(x), transpose(g)
        np.testing.assert_allclose(y.reshape(expected.shape), expected, tolerance, tolerance * 10)
        assert (y.dtype, dx.dtype, dx.shape) == (x.dtype, x.dtype, x.shape)
        one, other = (np.vdot(a.astype(float), b.astype(float)) for a, b in ((y, g), (x, dx)))
        assert one == pytest.approx(other, abs=tolerance * 20 * np.sqrt(g.size) * 16)


@pytest.mark.parametrize(("seed", "layout"), list(enumerate(LAYOUTS)))
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("hard", [False, True])
def test_uneven_windows(rank, seed, layout, hard):
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(5, 9, rank).tolist())
    spec = Parted(size, tuple(int(rng.integers(2, n + 1)) for n in size))
    x = lying(draw(rng, (2, int(rng.choice([1, 3, 9])), *size), "f4", hard), layout)
    y, winner = pool.max_pool(x, spec, True)
    at = pool.flat_index(winner, spec)
    taps = [[(f + m)[i] for f, i in zip(first[:, None], inside)] for first, m, inside in (along(spec, a) for a in range(rank))]
    for j, seen in enumerate(product(*taps)):
        flat = np.ravel_multi_index([g.ravel() for g in np.meshgrid(*seen, indexing="ij")], size)
        for row, top, place in zip(x.reshape(-1, np.prod(size)), y.reshape(-1, np.prod(spec.out)), at.reshape(-1, np.prod(spec.out))):
            best = flat[best_of(row[flat])]
            np.testing.assert_equal((top[j], place[j]), (row[best], best))
    if not hard:
        g = draw(rng, y.shape, "f4", False)
        np.testing.assert_array_equal(winners.gather(x, winner, spec), y)
        assert np.vdot(winners.scatter(g, winner, spec), x) == pytest.approx(np.vdot(g, y), rel=1e-4, abs=1e-3)


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
