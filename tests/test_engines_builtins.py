"""Compiled loops as built-in functions: they check what they are given, for nobody else does."""

import operator
import sys
import warnings

import numpy as np
import pytest
from in_turn import in_turn

pytest.importorskip("llvmlite")

import tinygrad_nd as nd
from tinygrad_nd.kernels import guarded
from tinygrad_nd.kernels.engines import Builtins, loops
from tinygrad_nd.kernels.engines.builtins import builtin


def shapes():
    a = np.arange(1.0, 121.0)
    moved = a.reshape(4, 5, 6).transpose(2, 0, 1)
    return [a[0:1].reshape(()), a[:0], a, a.reshape(2, 3, 4, 5), moved, a.reshape(8, 15).T, a.reshape(1, 120, 1)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("i", range(7))
def test_arrays_of_any_rank_and_order_are_taken_as_flat(dtype, i):
    x = shapes()[i].astype(dtype, order="K")
    out, y = np.empty_like(x), np.asarray(x + 1)
    assert builtin(loops.scale, np.dtype(dtype), 3, 0)(out, x, y) is out
    np.testing.assert_array_equal(out, x * y)


MISFITS = {
    "another dtype": lambda x: x.astype(np.float32),
    "bytes in another order": lambda x: x.astype(">f8"),
    "another shape": lambda x: x.reshape(6, 20),
    "fewer axes": lambda x: x.ravel(),
    "another order": lambda x: np.asfortranarray(x),
    "gaps": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "backwards": lambda x: x[::-1],
    "a broadcast row": lambda x: np.broadcast_to(x[:1], x.shape),
    "a subclass": lambda x: x.view(np.matrix),
    "a number": lambda x: 2.0,
    "an integer": lambda x: 2,
    "a scalar": lambda x: np.float64(2),
    "nothing": lambda x: None,
    "a list": lambda x: x.tolist(),
    "text": lambda x: "",
}


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
@in_turn("of", MISFITS)
def test_what_does_not_lie_alike_is_left_alone(of, place):
    x = np.ones((10, 12))
    out = np.full_like(x, 7)
    arguments = [out, x, x]
    arguments[place] = MISFITS[of](x)
    assert builtin(loops.scale, x.dtype, 3, 0)(*arguments) is arguments[1]
    assert (out == 7).all()


def test_axes_of_length_one_may_have_any_stride():
    x = np.ones((3, 1, 4))
    y = np.lib.stride_tricks.as_strided(x, x.shape, (32, 5000, 8))
    out = np.empty_like(x)
    assert builtin(loops.scale, x.dtype, 3, 0)(out, x, y) is out and (out == 1).all()


def test_nothing_is_held_or_lost():
    out, x, other = np.ones(9), np.ones(9), np.ones(8)
    counts = [sys.getrefcount(a) for a in (out, x, other, None)]
    f = builtin(loops.relu, x.dtype, 2, 0)
    for _ in range(100):
        f(out, x)
        f(out, other)
    assert [sys.getrefcount(a) for a in (out, x, other)] == counts[:3]


def test_numbers_are_passed_in_the_precision_of_the_arrays():
    f = Builtins("curves.leaky_relu", 2, 1)[np.dtype(np.float32)]
    x, out = np.float32([-1, 2]), np.empty(2, np.float32)
    assert f(out, x, 0.5) is out
    np.testing.assert_array_equal(out, [-0.5, 2])


def test_there_is_none_without_the_engine_or_the_loop(engine):
    few = Builtins("loops.scale", 3)
    assert (few[np.dtype(np.float32)] is None) == (engine == "numpy")
    assert few[np.dtype(np.complex64)] is None and few[np.dtype(np.int64)] is None
    assert Builtins("loops.nothing_like_it", 3)[np.dtype(np.float32)] is None


def test_products_are_added_as_they_are_made(engine):
    rng = np.random.default_rng(0)
    g, d, total = rng.standard_normal((3, 50, 60)).astype(np.float32)
    g[:5], d[:9] = 0, np.inf
    with np.errstate(invalid="ignore"):
        expected = total + guarded.scale(g, d)
    assert guarded.add_product(total, g, d) == (engine == "jit")
    if engine == "jit":
        np.testing.assert_array_equal(total, expected)
    assert not guarded.add_product(total[:, ::2], g[:, ::2], d[:, ::2])
    assert not guarded.add_product(total, g[0], d) and not guarded.add_product(total, g, 2.0)
    assert not guarded.add_product(np.ones(9), np.ones(9), np.ones(9))  # so few take no longer in NumPy


def told(f, *operands):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = f(*operands)
    return np.asarray(found), sorted(str(w.message).split(" in ")[0] for w in told)


@pytest.mark.parametrize("f", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_of_small_arrays_does_what_numpy_does(f, dtype, engine):
    rng = np.random.default_rng(0)
    x, y, large = rng.standard_normal((3, 40, 60)).astype(dtype)
    large[3, 4] = np.finfo(dtype).max
    odd = [np.where(x > 2, number, y).astype(dtype) for number in (0, np.inf, np.nan)]
    others = [y, large, *odd, y.T.copy().T, y[:1], y[:, :1], y[::-1], y.astype(int), y.astype(np.float16), y.astype(float)]
    for b in others:
        for a in (x, large, x.T.copy().T, np.repeat(x, 2, 1)[:, ::2]):
            before = a.copy(), b.copy()
            expected, warned = told(f, a, b)
            for _ in range(2):  # the second finds memory of the first
                got, said = told(f, nd.tensor(a), nd.tensor(b))
                assert got.dtype == expected.dtype and said == warned
                np.testing.assert_array_equal(got, expected, strict=True)
            np.testing.assert_array_equal(a, before[0]), np.testing.assert_array_equal(b, before[1])
