"""Softmax and the activations: their NumPy kernels and their compiled loops against float64."""

import math

import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

import tinygrad_nd as nd
from tinygrad_nd.kernels import activation, labels, softmax

RNG = np.random.default_rng(5)


def sample(shape, order="C"):
    return lying(RNG.standard_normal(shape).astype(np.float32), order)


@pytest.mark.parametrize("order", ["C", "last"])
@in_turn(
    "shape, axis", [((5, 4), 1), ((5, 4), 0), ((3, 0), 1), ((0, 3), 1), ((700, 1000), -1), ((700, 1000), 0), ((20, 30, 50, 60), 1)]
)
def test_softmax_and_its_logarithm(shape, axis, order, engine):
    x = sample(shape, order) * 300
    if 0 in shape:
        assert softmax.softmax(x, axis).shape == softmax.log_softmax(x, axis).shape == shape
        return
    wide = x.astype(np.float64)
    shifted = wide - wide.max(axis, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
    np.testing.assert_allclose(softmax.log_softmax(x, axis), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(softmax.softmax(x, axis), np.exp(expected), rtol=1e-5, atol=1e-7)


def test_rows_of_minus_infinity(engine):
    x = np.full((3, 4000), -np.inf, np.float32)
    x[0, 7] = x[2, 5] = 0
    x[2, 3] = np.nan
    expected = np.zeros_like(x)
    expected[0, 7], expected[1:] = 1, np.nan
    np.testing.assert_array_equal(softmax.softmax(x, 1), expected)
    np.testing.assert_array_equal(np.isnan(softmax.log_softmax(x, 1)), np.isnan(expected))


@pytest.mark.parametrize("factor", [1, 300])
@pytest.mark.parametrize("shape", [(3, 4, 5), (30, 40, 50)])
@in_turn("axes", [(0,), (2,), (1, 2), (0, 2), (0, 1, 2)])
def test_logsumexp_and_its_gradient(shape, axes, factor, engine):
    x = sample(shape) * factor
    x[0, 1, 3] = -np.inf
    y = np.log(np.exp(x.astype(np.longdouble)).sum(axes))
    found = softmax.logsumexp(x, axes)
    np.testing.assert_allclose(found, y.astype(float), rtol=2e-6, atol=1e-6)
    g = sample(y.shape)
    expected = np.expand_dims(g, axes) * np.exp(x - np.expand_dims(y.astype(float), axes))
    np.testing.assert_allclose(softmax.exp_less(x, g, found, axes), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype, top", [("f2", 1e4), ("f4", 1e8), ("f8", 1e17)])
@pytest.mark.parametrize("copies", [1, 1000])
def test_the_gradient_of_logsumexp_sums_to_1_where_the_logarithm_was_rounded(dtype, top, copies, engine):
    x = np.tile(np.array([top, top, -np.inf, 0], dtype), (copies, 1))
    t = nd.tensor(x, requires_grad=True)
    nd.logsumexp(t, axis=1).backward(np.ones(copies))
    np.testing.assert_array_equal(t.grad.data, np.tile([0.5, 0.5, 0, 0], (copies, 1)))


def test_the_gradient_of_an_infinite_logsumexp_stays_in_its_row():
    t = nd.tensor([[np.inf, 1], [2, 2], [-np.inf, -np.inf], [np.nan, 1]], requires_grad=True)
    nd.logsumexp(t, axis=1).backward(np.ones(4))
    np.testing.assert_allclose(t.grad.data, [[np.nan, 0], [0.5, 0.5], [0, 0], [np.nan, np.nan]])


@pytest.mark.parametrize("copies", [1, 2000])
def test_logsumexp_of_infinities(copies, engine):
    x = np.tile(np.array([[0, -np.inf], [-np.inf, -np.inf], [np.inf, 0], [0, np.nan]], np.float32), (1, copies))
    expected = np.array([np.log(copies), -np.inf, np.inf, np.nan], np.float32)
    np.testing.assert_allclose(softmax.logsumexp(x, (1,)), expected)
    np.testing.assert_allclose(softmax.logsumexp(x.T, (0,)), expected)
    assert softmax.logsumexp(np.array([np.inf, 1000], np.float32), (0,)) == np.inf
    assert softmax.logsumexp(np.zeros((2, 0), np.float32), (1,)).tolist() == [-np.inf, -np.inf]


def test_logsumexp_of_complex_numbers_is_the_principal_one():
    z = np.array([3 + 9j, 2 - 20j, 1000 + 5j])
    np.testing.assert_allclose(softmax.logsumexp(z[:2], (0,)), np.log(np.exp(z[:2]).sum()), rtol=1e-14)
    np.testing.assert_allclose(softmax.logsumexp(z, (0,)), 1000 + 1j * (5 - 2 * np.pi), rtol=1e-14)


@pytest.mark.parametrize("shape, axis", [((5, 4), 1), ((300, 100), 1), ((300, 100), 0), ((20, 30, 50), 1)])
@pytest.mark.parametrize("order", ["C", "last"])
def test_gradients_along_rows(shape, axis, order, engine):
    x, g = sample(shape, order), sample(shape)
    y = np.exp(x.astype(np.float64))
    y /= y.sum(axis, keepdims=True)
    at = RNG.integers(0, shape[axis], [1 if i == axis else n for i, n in enumerate(shape)])
    hot = np.zeros(shape)
    np.put_along_axis(hot, at, 1, axis)
    rows, slope = labels.loss(x, at, labels.even(shape[axis], 0.0, x.dtype), axis, labels.NONE, None)
    for got, expected in (
        (softmax.softmax_grad(g, y.astype(np.float32), axis, 1.0), y * (g - (g * y).sum(axis, keepdims=True))),
        (softmax.log_softmax_grad(g, np.log(y).astype(np.float32), axis), g - y * g.sum(axis, keepdims=True)),
        (slope, y - hot),
        (rows, -np.log((y * hot).sum(axis))),
    ):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


def test_exp_is_exact_to_two_units_in_the_last_place():
    pytest.importorskip("llvmlite")
    from tinygrad_nd.kernels.engines.exponential import exp
    from tinygrad_nd.kernels.engines.formulas import over

    run = over(exp)
    x = np.linspace(-87.3, 88.3, 1_000_001, dtype=np.float32)
    y = np.empty_like(x)
    run(y, x)
    exact = np.exp(x.astype(np.float64))
    assert np.max(np.abs(y - exact) / np.spacing(exact.astype(np.float32))) < 1.5
    ends = np.array([0, -0.0, -np.inf, np.inf, np.nan, -1e30, 1e30, -100, 100], np.float32)
    y = np.empty_like(ends)
    run(y, ends)
    np.testing.assert_array_equal(y, np.array([1, 1, 0, np.inf, np.nan, 0, np.inf, 0, np.inf], np.float32))


def exact_erf(x):
    return np.array([math.erf(v) for v in x])


def exact_gelu(x):
    return np.array([v * math.erfc(-v / 2**0.5) / 2 for v in x])


def test_erf_is_exact():
    x = np.concatenate([np.linspace(-7, 7, 20001), [1e-300, 1e-9, 0.46875, np.inf, -np.inf, 40.0]])
    np.testing.assert_allclose(activation.erf(x), exact_erf(x), rtol=1e-15)
    np.testing.assert_allclose(activation.erf(x.astype(np.float32)), exact_erf(x.astype(np.float32)), rtol=4e-7)
    np.testing.assert_allclose(activation.erf(x.astype(np.float16)), exact_erf(x.astype(np.float16)), rtol=1e-3)
    assert np.isnan(activation.erf(np.array([np.nan])))[0] and activation.erf(np.float32(0)) == 0


def test_gelu_is_exact(engine):
    x = np.linspace(-12, 12, 20001)
    np.testing.assert_allclose(activation.gelu(x, "none"), exact_gelu(x), rtol=1e-14, atol=1e-15)
    for dtype, far in ((np.float32, 1e6), (np.float64, 1e300)):
        ends = np.resize(np.array([far, -far, 0, np.nan, 1], dtype), 5000)
        np.testing.assert_allclose(activation.gelu(ends, "none")[:5], [far, 0, 0, np.nan, 0.841344746], rtol=1e-6)
    single = x.astype(np.float32)
    np.testing.assert_allclose(activation.gelu(single, "none"), exact_gelu(single), rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize("order", ["C", "last", "gaps"])
@pytest.mark.parametrize("kind", ["none", "tanh", "silu"])
def test_activations_in_single_precision_are_those_in_double(kind, order, engine):
    x, g = sample((20, 6, 9, 8), order) * 3, sample((20, 6, 9, 8))
    if order == "gaps":
        x = np.repeat(x, 2, 0)[::2]
    wide = g.astype(np.float64), x.astype(np.float64)
    value, slope = activation.gelu, activation.gelu_grad
    more = (kind,)
    if kind == "silu":
        value, slope, more = activation.silu, activation.silu_grad, ()
    y, exact = value(x, *more), value(wide[1], *more)
    for got, expected in ((y, exact), (slope(g, x, y, *more), slope(*wide, exact, *more))):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=3e-6)


@pytest.mark.parametrize("axis", [0, 1])
@in_turn("height", [-200, -60, -20, 0, 40, 80, 200])
def test_softmax_is_exact_at_any_height(height, axis, engine):
    x = sample((80, 90)) * 4 + height
    powers = np.exp(x.astype(np.float64) - height)
    np.testing.assert_allclose(softmax.softmax(x, axis), powers / powers.sum(axis, keepdims=True), rtol=5e-6)


@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_tells_quotients_that_are_larger_than_their_exponentials(axis, engine):
    x = np.full((64, 64, 64), -88.1, np.float32)  # e^-88.1 is no normal float32
    x[:, 0, 0] = x[:, 0] = x[:, :, 0] = -4
    exact = np.exp(x.astype(float))
    exact /= exact.sum(axis, keepdims=True)
    np.testing.assert_allclose(softmax.softmax(x, axis), exact, rtol=1e-6)
