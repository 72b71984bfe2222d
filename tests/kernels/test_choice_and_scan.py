"""Choice by masks and scans along an axis give what NumPy's plain functions do."""

import numpy as np
import pytest

from tinygrad_nd.kernels import choice, scan

rng = np.random.default_rng(3)
SHAPES = ((5000,), (70, 80), (700, 900))  # below and above the sizes from which other code runs


def values(shape, dtype):
    a = rng.integers(-3, 4, shape).astype(dtype)
    if a.dtype.kind == "f":
        a.flat[::7], a.flat[3::11], a.flat[1::13] = np.nan, np.inf, -0.0
    return a


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.complex128, np.int64])
def test_where_is_numpys_to_the_sign_of_zero(shape, dtype):
    a, b = values(shape, dtype), values(shape, dtype)
    for condition in (rng.random(shape) < 0.5, (rng.random(shape[::-1]) < 0.5).T):
        for x, y in (
            (a, b),
            (a, 0),
            (0, b),
            (a, 0.0),
            (-0.0, b),
            (a, 1),
            (a[::-1], b),
            (np.broadcast_to(a[:1], shape), b),
            (a, np.float32(0)),
        ):
            found, expected = choice.where(condition, x, y), np.where(condition, x, y)
            assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
            np.testing.assert_array_equal(np.signbit(found.real), np.signbit(expected.real))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("beats, skips", [(np.greater, False), (np.greater, True), (np.less, False), (np.less, True)])
def test_shares_of_two_are_one_half_where_they_are_equal(shape, beats, skips):
    a, b, g = values(shape, np.float32), values(shape, np.float32), rng.standard_normal(shape).astype(np.float32)
    for x, y in ((a, b), (a, b[:1]), (a, 1.0), (2, b)):
        expected = np.where(np.equal(x, y), 0.5, np.logical_or(beats(x, y), np.isnan(y if skips else x)))
        found = choice.to_winner(g, x, y, beats, skips)
        assert found.dtype == g.dtype
        np.testing.assert_array_equal(found, g * expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_inside_bounds_a_cotangent_passes(shape):
    x, g = values(shape, np.float32), rng.standard_normal(shape).astype(np.float32)
    lows = np.broadcast_to(values(shape[-1:], np.float32), shape)
    for low, high in ((-1, 2), (None, 2), (-1, None), (2, 1), (lows, 2.0), (lows[:1], None), (None, None)):
        inside = np.logical_and(True if low is None else low <= x, True if high is None else x <= high)
        np.testing.assert_array_equal(choice.to_inside(g, x, low, high), np.where(inside, g, 0))


@pytest.mark.parametrize("shape", [(5000,), (70, 80), (3, 4), (100, 9000)])
@pytest.mark.parametrize("kind", ["distinct", "ties", "nan"])
def test_an_extreme_shares_its_cotangent_among_the_entries_that_reach_it(shape, kind):
    x = rng.permutation(np.arange(float(np.prod(shape)))).reshape(shape) if kind == "distinct" else values(shape, np.float64)
    x = np.nan_to_num(x, nan=0.0) if kind == "ties" else x
    for axes in (tuple(range(len(shape))), (0,), (-1,)):
        best = x.max(axes, keepdims=True)
        g = rng.standard_normal(best.shape)
        hit = (x == best) | (np.isnan(x) & np.isnan(best))
        expected = np.where(hit, g / hit.sum(axes, keepdims=True), 0)
        np.testing.assert_allclose(choice.to_extreme(g, x, best, tuple(a % x.ndim for a in axes)), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrence_is_its_steps(axis, reverse):
    a, b = rng.standard_normal((4, 7, 5)), rng.standard_normal((4, 7, 5))
    f, t = (np.moveaxis(v, axis, 0)[:: -1 if reverse else 1] for v in (a, b))
    expected = [t[0]]
    for i in range(1, len(t)):
        expected.append(f[i] * expected[-1] + t[i])
    found = np.moveaxis(scan.recurrence(a, b, axis, reverse), axis, 0)[:: -1 if reverse else 1]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("n", [3, 4, 9])
def test_transposes_of_slopes_and_differences(n, edge_order):
    x, g, d = rng.standard_normal((2, n)), rng.standard_normal((2, n)), rng.standard_normal((2, n - 1))
    np.testing.assert_allclose(scan.slope(x, 1, edge_order), np.gradient(x, axis=1, edge_order=edge_order))
    assert np.vdot(scan.slope(x, 1, edge_order), g) == pytest.approx(np.vdot(x, scan.slope_transposed(g, 1, edge_order)))
    assert np.vdot(np.diff(x, axis=1), d) == pytest.approx(np.vdot(x, scan.spread_differences(d, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5000,), (67, 50), (7, 5, 90), (5, 4, 3, 300)])
def test_running_sums_are_numpys_along_any_axis_and_back(shape, dtype, engine):
    x, near = rng.standard_normal(shape).astype(dtype), 1e-4 if dtype is np.float32 else 1e-12
    for a in (x, np.asfortranarray(x)):
        for axis in range(x.ndim):
            np.testing.assert_allclose(scan.accumulate(np.add, a, axis, False), np.cumsum(a, axis), near, near)
            back = np.flip(np.cumsum(np.flip(a, axis), axis), axis)
            np.testing.assert_allclose(scan.accumulate(np.add, a, axis, True), back, near, near)


@pytest.mark.parametrize("shape", [(2000, 7), (64, 4, 40), (30, 20, 5, 6)])
def test_extremes_are_numpys_over_any_axes(shape):
    x = values(shape, np.float32)
    for a in (x, np.asfortranarray(x), x[::-1], x[..., ::-1], np.broadcast_to(x[:1], shape)):
        for axes in ((0,), (x.ndim - 1,), (0, x.ndim - 1), tuple(range(x.ndim)), (), (1,)):
            np.testing.assert_array_equal(choice.extreme(np.maximum, a, axes), np.max(a, axes))
            np.testing.assert_array_equal(choice.extreme(np.minimum, a, axes), np.min(a, axes))
