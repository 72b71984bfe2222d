"""The elementwise kernels against plain NumPy, on sizes around the point where tiles and threads begin."""

import itertools

import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

from tinygrad_nd.kernels import elementwise, memory, parallel, softmax
from tinygrad_nd.kernels.sums import reduce_sum

RNG = np.random.default_rng(7)
SHAPES = [(), (1,), (0, 3), (5, 4), (40, 3, 70, 70), (1, 2, 600, 500), (2, 400_003)]


def sample(shape, dtype=np.float32, order="C"):
    return lying(np.asarray(RNG.standard_normal(shape) * 3, dtype), order)


@in_turn("shape, order", list(itertools.product(SHAPES, ["C", "last", "gaps"])))
def test_apply_is_the_ufunc_in_value_dtype_and_order(shape, order):
    x, y = sample(shape, order=order), sample(shape, order=order)
    for ufunc, operands in [
        (np.add, (x, y)),
        (np.exp, (x,)),
        (np.multiply, (x, 2.0)),
        (np.subtract, (1, x)),
        (np.greater, (x, y)),
        (np.isnan, (x,)),
    ]:
        expected, got = ufunc(*operands), elementwise.apply(ufunc, *operands)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype and got.shape == expected.shape
        if got.size:
            assert memory.memory_order(np.asarray(got)) == memory.memory_order(np.asarray(expected))


@pytest.mark.parametrize("order", ["C", "last"])
@pytest.mark.parametrize("other", [(40, 1, 1), (1, 40, 1, 1), (), (60,), (30, 1, 1, 60), (50, 60), (30, 1, 1, 1), (1,)])
def test_apply_broadcasts(order, other):
    x, y = sample((30, 40, 50, 60), order=order), sample(other)
    np.testing.assert_array_equal(elementwise.apply(np.add, x, y), x + y)
    np.testing.assert_array_equal(elementwise.apply(np.subtract, y, x), y - x)


def test_apply_promotes_as_numpy_does():
    x = sample((600, 1000))
    others = [2, 2.0, True, 1j, np.float64(2), np.int8(3), np.arange(1000), np.arange(1000) > 3, sample((600, 1000), np.float16)]
    for y in others:
        expected, got = np.multiply(x, y), elementwise.apply(np.multiply, x, y)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def test_apply_where_memory_orders_differ():
    x, y = sample((30, 40, 50, 60)), sample((30, 40, 50, 60), order="last")
    spread = np.broadcast_to(np.float32(3), x.shape)
    np.testing.assert_array_equal(elementwise.apply(np.add, x, y), x + y)
    assert elementwise.apply(np.add, x, y).strides == y.strides == elementwise.apply(np.add, spread, y).strides


def test_warnings_follow_the_callers_errstate():
    x = np.zeros((600, 1000), np.float32)
    with np.errstate(divide="ignore"):
        assert np.isneginf(elementwise.apply(np.log, x)).all()
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        elementwise.apply(np.log, x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@in_turn("shape, order", list(itertools.product(SHAPES, ["C", "last", "gaps"])))
def test_relu_and_its_gradient(shape, order, dtype):
    x, g = sample(shape, dtype, order), sample(shape, dtype, order)
    if x.size > 2:
        x.flat[0], x.flat[1], g.flat[1], x.flat[2] = np.nan, -1, np.inf, -0.0
    np.testing.assert_array_equal(elementwise.relu(x), np.maximum(x, 0))
    np.testing.assert_array_equal(elementwise.relu_grad(g, x), np.where(x > 0, g, 0))
    assert elementwise.relu(x).dtype == elementwise.relu_grad(g, x).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@in_turn("shape", SHAPES)
def test_sigmoid_neither_overflows_nor_warns(shape, dtype):
    x = sample(shape, dtype) * dtype(300)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    got = elementwise.sigmoid(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=2 * np.finfo(dtype).eps, atol=np.finfo(dtype).smallest_normal)


@in_turn("axes", [(0,), (1,), (2,), (3,), (0, 2, 3), (0, 1, 2, 3), (0, 3), (1, 2), (2, 3), (-1, 0), ()])
@pytest.mark.parametrize("order", ["C", "last", "gaps"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (31, 17, 25, 40), (1, 2, 600, 700), (3, 0, 4, 5), (800, 1, 700, 1)])
def test_reduce_sum_is_numpys(shape, order, axes):
    x = sample(shape, order=order)
    expected = [np.sum(a, axes, np.float64, keepdims=True) for a in (x, np.abs(x))]
    for keepdims in (False, True):
        got, numpys = reduce_sum(x, axes, keepdims), np.sum(x, axes, keepdims=keepdims)
        assert got.shape == numpys.shape and got.dtype == numpys.dtype
        exact, size = (e.reshape(got.shape) for e in expected)
        assert (np.abs(got - exact) <= 1e-6 * size).all()


def test_numpy_adds_what_lies_apart_by_products(choose_engine):
    choose_engine("numpy")
    x = sample((20, 700, 40))
    got, exact = reduce_sum(x, (1,), False), np.sum(x, 1, np.float64)
    assert (np.abs(got - exact) <= 1e-6 * np.sum(np.abs(x), 1)).all()


def test_long_sums_keep_their_digits():
    x = np.full((300_000, 3), 0.1, np.float32)
    np.testing.assert_allclose(reduce_sum(x, (0,), False), 30000.000447, rtol=1e-5)
    np.testing.assert_allclose(reduce_sum(x, (0, 1), False), 90000.00134, rtol=1e-5)


@pytest.mark.parametrize("order", ["C", "last"])
def test_add_into_adds_in_place(order):
    for shape in SHAPES:
        for given in (shape, shape[-1:]):  # the second broadcasts
            a, b = sample(shape, order=order).copy("K"), sample(given)
            expected = a + b
            elementwise.add_into(a, b)
            np.testing.assert_array_equal(a, expected)


def test_results_do_not_depend_on_the_number_of_threads():
    x = sample((64, 30, 40, 50))
    with parallel.threads(1):
        one = reduce_sum(x, (0, 2, 3), False), softmax.softmax(x, 1)
    with parallel.threads(5):
        five = reduce_sum(x, (0, 2, 3), False), softmax.softmax(x, 1)
    for a, b in zip(one, five):
        np.testing.assert_array_equal(a, b)
