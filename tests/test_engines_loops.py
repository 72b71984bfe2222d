"""Products that keep zeros, and slopes, on every engine and in every order of memory."""

from functools import cache

import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

from tinygrad_nd.kernels import elementwise, guarded

pytestmark = pytest.mark.usefixtures("engine")


FORMULAS = {
    guarded.scale: lambda g, y: g * y,
    guarded.over: lambda g, y: g / y,
    guarded.tanh_grad: lambda g, y: g * (1 - y * y),
    guarded.sigmoid_grad: lambda g, y: g * (y * (1 - y)),
    elementwise.relu_grad: lambda g, y: np.where(y > 0, g, 0),
}


@cache
def drawn(dtype, shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *shape)).astype(dtype)
    x[0][rng.random(shape) < 0.2] = 0
    x[1][rng.random(shape) < 0.1] = np.inf
    return x


@pytest.mark.parametrize("f", FORMULAS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("shape", [(2, 3), (5, 9, 8, 16), (3, 20, 25, 60)])
@in_turn("orders", [("C", "C"), ("last", "last"), ("F", "F"), ("C", "last"), ("reversed", "reversed"), ("gaps", "C")])
def test_a_loop_is_its_formula_and_zero_stays_zero(f, dtype, shape, orders):
    if "last" in orders and len(shape) < 3:
        return
    g, y = (lying(a, order) for a, order in zip(drawn(dtype, shape), orders))
    with np.errstate(all="ignore"):
        expected = np.where(g == 0, 0, FORMULAS[f](g, y)).astype(dtype)
        found = f(g, y)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, {"f2": 5e-3, "f4": 2e-6, "f8": 1e-15}[dtype])


@pytest.mark.parametrize("f", FORMULAS)
def test_so_many_numbers_that_threads_share_them(f):
    g, y = np.random.default_rng(0).standard_normal((2, 800, 700)).astype("f4")
    np.testing.assert_allclose(f(g, y), FORMULAS[f](g, y), rtol=2e-6, atol=1e-6)


def test_nan_cotangents_stay():
    g = np.full(5000, np.nan)
    for f in (guarded.scale, guarded.tanh_grad):
        assert np.isnan(f(g, np.ones(5000) * 0.5)).all()


def test_operands_of_other_shapes_and_kinds_broadcast():
    g, y = np.ones((5000, 2), np.float32), np.float32([2, 3])
    np.testing.assert_array_equal(guarded.scale(g, y), g * y)
    np.testing.assert_array_equal(guarded.scale(g, 2.0), g * 2)
    assert guarded.scale(g, y.astype(float)).dtype == np.float64


@pytest.mark.parametrize("one", [0.0, -0.5, np.inf, np.nan])
def test_a_number_that_repeats_scales_as_an_array_of_it_does(one):
    d = np.random.default_rng(0).standard_normal((60, 80)).astype(np.float32)
    d[0, :3] = np.nan, np.inf, 0
    g = np.full(d.shape, one, np.float32)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(guarded.scale(np.broadcast_to(g[0, 0], d.shape), d), guarded.scale(g, d))
