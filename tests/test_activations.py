"""Activations: their definitions, PyTorch's derivatives to order 2 also at kinks, both engines in single precision, tails."""

import inspect
from math import erf, exp, expm1, inf, log1p, tanh

import numpy as np
import peers
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.ops import curves

SCALE, ALPHA = 1.0507009873554804934, 1.6732632423543772848


def softplus(x):
    return max(x, 0) + log1p(exp(-abs(x)))


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


# (function, its arguments after x, PyTorch's function, the definition for one number)
ROWS = [
    ("relu", (), "relu", lambda x: max(x, 0)),
    ("relu6", (), "relu6", lambda x: min(max(x, 0), 6)),
    ("leaky_relu", (), "leaky_relu", lambda x: x if x > 0 else 0.01 * x),
    ("leaky_relu", (-0.5,), "leaky_relu", lambda x: x if x > 0 else -0.5 * x),
    ("elu", (), "elu", lambda x: x if x > 0 else expm1(x)),
    ("elu", (1.7,), "elu", lambda x: x if x > 0 else 1.7 * expm1(x)),
    ("selu", (), "selu", lambda x: SCALE * (x if x > 0 else ALPHA * expm1(x))),
    ("celu", (), "celu", lambda x: x if x > 0 else expm1(x)),
    ("celu", (0.5,), "celu", lambda x: x if x > 0 else 0.5 * expm1(x / 0.5)),
    ("gelu", (), "gelu", lambda x: x * (1 + erf(x / 2**0.5)) / 2),
    ("silu", (), "silu", lambda x: x * sigmoid(x)),
    ("mish", (), "mish", lambda x: x * tanh(softplus(x))),
    ("softplus", (), "softplus", lambda x: x if x > 20 else softplus(x)),
    ("softplus", (2.5, 3.0), "softplus", lambda x: x if 2.5 * x > 3 else softplus(2.5 * x) / 2.5),
    ("softsign", (), "softsign", lambda x: x / (1 + abs(x))),
    ("sigmoid", (), "sigmoid", sigmoid),
    ("tanh", (), "tanh", tanh),
    ("hard_sigmoid", (), "hardsigmoid", lambda x: min(max(x + 3, 0), 6) / 6),
    ("hard_swish", (), "hardswish", lambda x: x * min(max(x + 3, 0), 6) / 6),
    ("hard_tanh", (), "hardtanh", lambda x: min(max(x, -1), 1)),
    ("hard_tanh", (-0.5, 3.0), "hardtanh", lambda x: min(max(x, -0.5), 3)),
    ("tanh", (), "tanh", tanh),
    ("log_sigmoid", (), "logsigmoid", lambda x: -softplus(-x)),
    ("threshold", (0.5, -2.0), "threshold", lambda x: x if x > 0.5 else -2.0),
    ("softshrink", (), "softshrink", lambda x: x - 0.5 if x > 0.5 else x + 0.5 if x < -0.5 else 0),
    ("softshrink", (1.0,), "softshrink", lambda x: x - 1 if x > 1 else x + 1 if x < -1 else 0),
    ("hardshrink", (), "hardshrink", lambda x: x if abs(x) > 0.5 else 0),
    ("hardshrink", (1.0,), "hardshrink", lambda x: x if abs(x) > 1 else 0),
    ("tanhshrink", (), "tanhshrink", lambda x: x - tanh(x)),
]
row = pytest.mark.parametrize("name, args, theirs, plain", ROWS, ids=[f"{r[0]}{r[1] or ''}" for r in ROWS])
KINKS = np.array([0, -0.0, 1, -1, 0.5, -0.5, 3, -3, 6, -6, 21, 2.5, 1.3, 1e-8, -1e-8])
RNG = np.random.default_rng(5)


@row
def test_values_are_those_of_the_definition(name, args, theirs, plain):
    x = np.concatenate([KINKS, RNG.standard_normal(40) * 4, [700, -700]]).reshape(3, 1, 19)
    expected = np.vectorize(plain, otypes=[float])(x)
    np.testing.assert_allclose(getattr(nd, name)(x, *args).data, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.peer("activations", "torch", ranks=(0, 1, 2, 3, 4), order=2)
@row
def test_derivatives_are_pytorchs_also_at_kinks(name, args, theirs, plain, torch):
    f, g = getattr(nd, name), getattr(torch.nn.functional, theirs)
    for x in (KINKS, RNG.standard_normal((3, 4)) * 3, RNG.standard_normal(()), RNG.standard_normal((2, 1, 3, 1)), np.zeros((0, 2))):
        order, tol = (1, 1e-7) if name == "hard_sigmoid" else (2, 1e-10)  # PyTorch has no second derivative of it, and a single 1/6
        peers.equal_torch(lambda x: f(x, *args), lambda x: g(x, *args), [x], order, tol, name)


@row
def test_single_precision_of_both_engines_is_double_precision_rounded(name, args, theirs, plain, engine):
    x = np.concatenate([RNG.standard_normal(9000) * 5, np.repeat(KINKS, 10), [1e4, -1e4, 88, -88, 41, -41] * 5]).astype(np.float32)
    t = nd.tensor(x.reshape(3, -1).T, requires_grad=True)
    wide = nd.tensor(t.data.astype(np.float64), requires_grad=True)
    g = RNG.standard_normal(t.shape).astype(np.float32)
    for v in (t, wide):
        getattr(nd, name)(v, *args).backward(g.astype(v.dtype))
    y, exact = getattr(nd, name)(t, *args), getattr(nd, name)(wide, *args).data
    assert y.dtype == t.grad.dtype == np.float32
    small = 1 if name in ("gelu", "tanhshrink") else 1e-3  # these are differences of larger numbers
    assert np.max(np.abs(y.data - exact) / (np.abs(exact) + small)) < 2e-6
    np.testing.assert_allclose(t.grad.data, wide.grad.data, rtol=5e-6, atol=2e-6)


@pytest.mark.parametrize("axis", [1, -1])
def test_prelu_of_many_numbers_is_its_definition(axis, engine):
    rng = np.random.default_rng(7)  # sums that nearly cancel would be held to too much
    x = rng.standard_normal((3, 6, 20, 9)).astype(np.float32)
    x[0, 0, 0, :4] = 0.0, -0.0, np.inf, np.nan
    g = rng.standard_normal(x.shape).astype(np.float32)
    for many in (x.shape[axis], 1):
        t = nd.tensor(x, requires_grad=True)
        w = nd.tensor(rng.standard_normal(many).astype(np.float32), requires_grad=True)
        y = nd.prelu(t, w, layout="N*C" if axis < 0 else None)
        y.backward(g)
        slope = w.data.reshape(-1, *(1,) * (2 * (axis > 0)))
        np.testing.assert_array_equal(y.data, np.where(x > 0, x, x * slope))
        np.testing.assert_array_equal(t.grad.data, np.where(x > 0, g, g * slope))
        below = np.where(x >= 0, 0, x * g).astype(float)
        whole = below.sum() if many == 1 else below.sum(tuple(a for a in range(4) if a != axis % 4))
        np.testing.assert_allclose(w.grad.data, whole, rtol=1e-5)


@row
def test_tails_are_exact_and_finite_in_every_order(name, args, theirs, plain):
    for dtype in (np.float32, np.float64):
        x = nd.tensor(np.array([1e4, -1e4, 100, -100], dtype), requires_grad=True)
        y = getattr(nd, name)(x, *args)
        first = nd.gradients(nd.sum(y), [x], create_graph=True)[0]
        again = nd.gradients(nd.sum(first), [x])[0] if first.requires_grad else nd.zeros(4)
        expected = [plain(v) for v in (1e4, -1e4, 100.0, -100.0)]
        np.testing.assert_allclose(y.data, expected, rtol=1e-6, atol=1e-37)
        assert np.isfinite(first.data).all() and np.abs(again.data).max() < 1e-5
        moved = nd.jvp(lambda x: getattr(nd, name)(x, *args), [x.data], [np.ones_like(x.data)])[1]
        np.testing.assert_allclose(moved.data, first.data, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_slopes_found_from_values_are_a_half_where_both_vanish(dtype, engine):
    small = np.geomspace(float(np.finfo(dtype).smallest_subnormal), 1e-4, 100)
    for f in (nd.silu, nd.gelu, lambda x: nd.gelu(x, "tanh")):
        x = nd.tensor(np.resize(np.concatenate([[0], small, -small]), 5000).astype(dtype), requires_grad=True)
        nd.sum(f(x)).backward()
        np.testing.assert_allclose(x.grad.data, 0.5 + 0 * x.data, atol=2e-4)


def test_log_sigmoid_and_softplus_keep_their_small_values():
    x = np.array([-80.0, -30.0, 30.0, 80.0], np.float32)
    np.testing.assert_allclose(nd.log_sigmoid(x).data, [-80, -30, -exp(-30), -exp(-80)], rtol=1e-6)
    np.testing.assert_allclose(nd.softplus(x, 1, 1e3).data, [exp(-80), exp(-30), 30, 80], rtol=1e-6)
    t = nd.tensor(x, requires_grad=True)
    nd.sum(nd.log_sigmoid(t)).backward()
    np.testing.assert_allclose(t.grad.data, [1, 1, exp(-30), exp(-80)], rtol=1e-6)


@pytest.mark.parametrize("dtype, x", [(np.float32, -120.0), (np.float64, -800.0)])
@pytest.mark.parametrize("size", (1, 5000, 100_000))
def test_sigmoid_is_0_where_it_is_below_every_number(dtype, x, size, engine):
    with np.errstate(all="raise", under="ignore"):
        assert not nd.sigmoid(np.full(size, x, dtype)).data.any()


@row
def test_what_is_not_a_number_stays_so(name, args, theirs, plain, engine):
    for size in (1, 5000):
        x = nd.tensor(np.full(size, np.nan, np.float32), requires_grad=True)
        y = getattr(nd, name)(x, *args)
        recorded = nd.gradients(nd.sum(y), x, create_graph=True)
        nd.sum(y).backward()
        assert np.isnan(y.data).all()
        np.testing.assert_array_equal(recorded.data, x.grad.data)


@row
def test_half_precision_is_computed_in_single(name, args, theirs, plain):
    x = np.linspace(-8, 8, 33).astype(np.float16)
    y = getattr(nd, name)(x, *args)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data, getattr(nd, name)(x.astype(np.float64), *args).data.astype(np.float16), rtol=2e-3, atol=1e-6)


# Those that look along an axis, or learn.


@pytest.mark.peer("activations", "torch", ranks=(1, 2, 3, 4), order=2)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 6), (2, 4, 2, 6)])
def test_functions_along_an_axis_are_pytorchs(shape, torch):
    F, x = torch.nn.functional, RNG.standard_normal(shape) * 3
    for axis in (*range(len(shape)), -1):
        for name in ("softmax", "log_softmax", "softmin"):
            f, g = getattr(nd, name), getattr(F, name)
            peers.equal_torch(lambda x: f(x, axis=axis), lambda x: g(x, dim=axis), [x], name=name)  # noqa: B023
        if shape[axis] % 2 == 0:
            peers.equal_torch(lambda x: nd.glu(x, axis), lambda x: F.glu(x, axis), [x], name="glu")  # noqa: B023


@pytest.mark.parametrize("dtype, tol", [(np.float16, 1e-2), (np.float32, 3e-6), (np.float64, 1e-13)])
@in_turn("order", [(0, 1, 2, 3), (0, 3, 1, 2), (2, 0, 3, 1)])
def test_gates_are_the_same_however_they_lie_in_memory(dtype, tol, order, engine):
    x = (RNG.standard_normal((4, 30, 12, 34)) * 3).astype(dtype).transpose(order)
    g = RNG.standard_normal(x.shape).astype(dtype)
    for axis in range(4):
        some = tuple(slice(n // 2 if i == axis else n) for i, n in enumerate(x.shape))
        t = nd.tensor(x, requires_grad=True)
        y = nd.glu(t, axis)
        y.backward(nd.tensor(g[some]))
        a, b = np.split(x.astype(np.float64), 2, axis)
        s = 1 / (1 + np.exp(-b))
        assert y.dtype == t.grad.dtype == dtype
        np.testing.assert_allclose(y.data, a * s, rtol=tol, atol=tol)
        np.testing.assert_allclose(t.grad.data, np.concatenate([g[some] * s, g[some] * a * s * (1 - s)], axis), rtol=tol, atol=tol)


@pytest.mark.peer("activations", "torch", ranks=(0, 1, 2, 3), order=2)
@pytest.mark.parametrize("shape", [(6,), (3, 4), (2, 3, 5), (2, 3, 1, 2), (2, 3, 2, 1, 2)])
def test_prelu_is_pytorchs_and_channels_may_come_last(shape, torch):
    x = RNG.standard_normal(shape)
    x.flat[:2] = 0
    channels = shape[1] if len(shape) > 1 else 1
    for w in (RNG.standard_normal(1), RNG.standard_normal(channels)):
        peers.equal_torch(nd.prelu, torch.nn.functional.prelu, [x, w])
        if len(shape) > 1:
            last = nd.prelu(np.moveaxis(x, 1, -1), w, layout="N*C")
            np.testing.assert_array_equal(np.moveaxis(last.data, -1, 1), nd.prelu(x, w).data)
    peers.equal_torch(nd.prelu, torch.nn.functional.prelu, [x, np.array(0.3)])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_of_many_halves_is_that_of_single_precision_rounded(name, axis, engine):
    x, g = RNG.standard_normal((2, 300, 40)).astype(np.float16)
    exact, found = (nd.tensor(x, dtype, requires_grad=True) for dtype in (np.float32, np.float16))
    for t in (exact, found):
        getattr(nd, name)(t, axis).backward(g.astype(t.dtype))
    assert found.grad.dtype == np.float16
    np.testing.assert_allclose(found.grad.data, exact.grad.data, rtol=2e-2, atol=2e-3 if name == "log_softmax" else 1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_huge_numbers_is_exact(axis):
    x = np.array([[1e4, -1e4], [1e4, 1e4]], np.float32)
    x = x if axis else x.T
    np.testing.assert_array_equal(nd.softmax(x, axis).data, (np.array([[1, 0], [0.5, 0.5]]) if axis else [[1, 0.5], [0, 0.5]]))
    half = -np.float32(np.log(2))
    expected = np.array([[0, -2e4], [half, half]], np.float32)
    np.testing.assert_array_equal(nd.log_softmax(x, axis).data, expected if axis else expected.T)


# How they are called.


def test_parameters_are_given_by_place_or_name_and_shown():
    x = [-1.0, 2.0]
    np.testing.assert_array_equal(nd.leaky_relu(x, 0.5).data, nd.leaky_relu(x, negative_slope=0.5).data)
    np.testing.assert_array_equal(nd.hard_tanh(x, max_val=0.5).data, [-1, 0.5])
    assert str(inspect.signature(nd.softplus)) in ("(x: 'Any', beta: 'float' = 1.0, threshold: 'float' = 20.0) -> 'Tensor'",)
    for name in curves.__all__:
        assert getattr(nd, name).__doc__ and getattr(nd.nn.activation.curves, name) is getattr(nd, name)


@pytest.mark.parametrize("call, kind, words", [
    (lambda: nd.elu([1.0], 1, 2), TypeError, "elu: .*alpha"),
    (lambda: nd.elu([1.0], slope=1), TypeError, "elu: .*slope"),
    (lambda: nd.threshold([1.0]), TypeError, "threshold: .*missing"),
    (lambda: nd.mish([1j]), TypeError, "mish: needs real numbers"),
    (lambda: nd.glu(np.zeros((2, 3))), ValueError, r"glu: axis 1 of x \(2, 3\).* 3 is odd"),
    (lambda: nd.prelu(np.zeros((2, 3)), np.zeros(2)), ValueError, r"prelu: weight needs shape \(\), \(1,\) or \(3,\).*has \(2,\)"),
    (lambda: nd.prelu(np.zeros((2, 3)), 0.1, layout="NHWC"), ValueError, "prelu"),
    (lambda: nd.softmin(np.zeros(3), 1), ValueError, "softmin"),
    (lambda: nd.nn.ELU(1, 2), TypeError, "ELU: .*alpha"),
    (lambda: nd.nn.PReLU(0), ValueError, "PReLU: num_parameters"),
])  # fmt: skip
def test_what_does_not_fit_is_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize("shape", [(1, 80, 43), (80, 43, 1), (1, 12, 12, 32), (2, 1, 40, 1, 32)])
def test_an_axis_of_length_one_may_have_any_stride(shape):
    """Such an array is without gaps, whatever it says; beside one of other strides, too."""
    x = RNG.standard_normal(shape).astype(np.float32)
    odd = [[stride if n == 1 else s for n, s in zip(shape, x.strides)] for stride in (*x.strides, 36)]
    layouts = [x, *(np.lib.stride_tricks.as_strided(x, shape, strides) for strides in odd)]
    for f in (nd.silu, nd.gelu, nd.elu, nd.softplus, lambda x: nd.mse_loss(x, 0 * x), lambda x: nd.huber_loss(x, 0 * x, reduction="sum")):
        for last in (False, True):
            grads = []
            for a in layouts:
                a = nd.astensor(np.moveaxis(a, -1, 1) if last else a, requires_grad=True)
                f(a).sum().backward()
                grads.append(a.grad.data)
            for g in grads[1:]:
                np.testing.assert_array_equal(g, grads[0])


def test_infinity_is_a_number_like_others():
    for name in ("elu", "selu", "celu", "relu6", "leaky_relu", "softplus", "log_sigmoid", "hard_tanh", "hard_sigmoid", "hardshrink"):
        y = getattr(nd, name)([inf, -inf]).data
        assert not np.isnan(y).any(), name


def test_layers_are_pytorchs(torch):
    x = RNG.standard_normal((2, 4, 3)).astype(np.float32)
    for name in ("CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish ReLU ReLU6 SELU Sigmoid SiLU "
                 "Softplus Softshrink Softsign Tanh Tanhshrink").split():  # fmt: skip
        args = (1,) if name == "GLU" else ()
        found, expected = getattr(nd.nn, name)(*args)(x), getattr(torch.nn, name)(*args)(torch.tensor(x))
        np.testing.assert_allclose(found.data, expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    for name in ("Softmax", "LogSoftmax", "Softmin"):
        found, expected = getattr(nd.nn, name)(1)(x), getattr(torch.nn, name)(1)(torch.tensor(x))
        np.testing.assert_allclose(found.data, expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(nd.nn.Threshold(0.1, 2)(x).data, torch.nn.Threshold(0.1, 2)(torch.tensor(x)).numpy())
    ours, theirs = nd.nn.PReLU(4), torch.nn.PReLU(4)
    np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6)
    assert set(ours.state_dict()) == set(theirs.state_dict()) and repr(nd.nn.ELU(0.5)) == repr(nd.nn.ELU(alpha=0.5))
