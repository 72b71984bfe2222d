"""Elementwise functions, reductions and scans give NumPy's values, shapes and dtypes, for NumPy's arguments and of NumPy's errors."""

import warnings
from itertools import product

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

rng = np.random.default_rng(5)
EVEN = np.array([True, False, True, True])
PLAIN = rng.standard_normal((3, 2, 4))
HOLED = np.where(rng.random((3, 2, 4)) < 0.2, np.nan, PLAIN)
ARRAYS = {
    "plain": PLAIN,
    "float32": PLAIN.astype(np.float32),
    "float16": PLAIN.astype(np.float16),
    "complex": PLAIN + 1j * PLAIN[::-1],
    "ints": rng.integers(-5, 6, (3, 2, 4)),
    "small ints": rng.integers(0, 5, (3, 2, 4)).astype(np.int8),
    "bools": PLAIN > 0,
    "NaN": HOLED,
    "infinite": np.array([[1.0, np.inf], [-np.inf, -2.0]]),
    "F order": np.asfortranarray(PLAIN),
    "reversed": PLAIN[::-1, :, ::-2],
    "0-d": np.array(1.5),
    "empty": np.zeros((0, 3)),
    "empty inside": np.zeros((2, 0, 3), np.float32),
}


def outcome(call):
    """What a call gives, or the kind of error it raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call()
        except Exception as error:
            return error


def same(found, expected, what):
    if isinstance(expected, tuple):
        assert len(found) == len(expected), what
        for f, e in zip(found, expected):
            same(f, e, what)
        return
    if isinstance(expected, Exception):
        kinds = tuple(k for k in (ValueError, TypeError, ZeroDivisionError, IndexError) if isinstance(expected, k))
        assert isinstance(found, kinds), f"{what}: expected {expected!r}, but got {found!r}"
        return
    assert not isinstance(found, Exception), f"{what}: {found!r}"
    value, expected = np.asarray(found), np.asarray(expected)
    assert value.shape == expected.shape, f"{what}: {value.shape} instead of {expected.shape}"
    assert value.dtype == expected.dtype, f"{what}: {value.dtype} instead of {expected.dtype}"
    exact = {2: 2e-3, 4: 1e-5}.get(expected.real.dtype.itemsize, 1e-12)
    np.testing.assert_allclose(value, expected, rtol=exact, atol=exact, err_msg=what)


def agree(name, args, options, kind="plain"):
    """nd's function on tensors, and NumPy's on tensors of some kinds, do as NumPy's on arrays."""
    tensors = [nd.tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    expected = outcome(lambda: getattr(np, name)(*args, **options))
    what = f"{name}({', '.join(str(getattr(a, 'dtype', a)) + str(getattr(a, 'shape', '')) for a in args)}, {options})"
    same(outcome(lambda: getattr(nd, name)(*tensors, **options)), expected, what)
    if kind in ("plain", "small ints", "0-d"):  # which function is called does not depend on it
        same(outcome(lambda: getattr(np, name)(*tensors, **options)), expected, f"np.{what}")


UNARY = """
    absolute angle arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh deg2rad degrees exp exp2 expm1 fabs fix
    floor frexp imag iscomplex isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not modf nan_to_num negative
    positive rad2deg radians real real_if_close reciprocal rint round sign signbit sin sinh sinc spacing sqrt square tan tanh trunc unwrap
"""
BINARY = """
    add arctan2 copysign divide divmod equal float_power floor_divide fmax fmin fmod greater greater_equal heaviside hypot isclose less
    less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal power remainder subtract
"""


@in_turn("kind", ARRAYS)
@pytest.mark.parametrize("name", UNARY.split())
def test_a_function_of_one_array(name, kind):
    agree(name, [ARRAYS[kind]], {}, kind)


@in_turn("kind", ARRAYS)
@pytest.mark.parametrize("name", BINARY.split())
def test_a_function_of_two_arrays(name, kind):
    a = ARRAYS[kind]
    for b in (a[..., ::-1] if a.ndim else a, np.float32(1.5), 2, 0.5, np.zeros((), a.dtype)):
        agree(name, [a, b], {}, kind)
        agree(name, [b, a], {}, kind)


REDUCTIONS = {
    "sum": [{}, {"dtype": np.float64}, {"initial": 2}, {"where": EVEN}, {"where": EVEN, "initial": 3}],
    "prod": [{}, {"dtype": np.float64}, {"initial": 2}, {"where": EVEN}],
    "mean": [{}, {"dtype": np.float64}, {"where": EVEN}],
    "var": [{}, {"ddof": 1}, {"correction": 0.5}, {"where": EVEN}, {"dtype": np.float64}],
    "std": [{}, {"ddof": 1}, {"where": EVEN}],
    "max": [{}, {"initial": 1}, {"where": EVEN, "initial": -1}, {"where": EVEN}],
    "min": [{}, {"initial": 1}, {"where": EVEN, "initial": -1}],
    "amax": [{}],
    "amin": [{}],
    "ptp": [{}],
    "all": [{}, {"where": EVEN}],
    "any": [{}, {"where": EVEN}],
    "count_nonzero": [{}],
    "average": [{}],
    "nansum": [{}, {"where": EVEN}, {"initial": 1}],
    "nanprod": [{}],
    "nanmean": [{}, {"where": EVEN}],
    "nanvar": [{}, {"ddof": 1}, {"ddof": 3}],
    "nanstd": [{}, {"ddof": 3}],
    "nanmax": [{}, {"initial": 0}],
    "nanmin": [{}, {"where": EVEN, "initial": 5}],
}


@in_turn("kind", ARRAYS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction(name, kind):
    a = ARRAYS[kind]
    for options, axis, keepdims in product(REDUCTIONS[name], (None, 0, -1, 1, (0, -1), (), 7), (False, True)):
        if "where" in options and (a.ndim != 3 or a.shape[-1] != 4 or axis in (7, ())):
            continue
        if (name == "count_nonzero" and axis == ()) or (name == "average" and not a.size) or (a.dtype.kind == "c" and "dtype" in options):
            continue  # NumPy divides by zero here, or throws imaginary parts away
        if not a.ndim and axis in (0, -1) and name in ("mean", "var", "std", "average"):
            continue  # where NumPy, unlike in sum, finds no axis
        agree(name, [a], {"axis": axis, "keepdims": keepdims} | options, kind)


@in_turn("kind", ARRAYS)
@pytest.mark.parametrize("name", ["argmax", "argmin", "nanargmax", "nanargmin"])
def test_a_search(name, kind):
    for axis, keepdims in product((None, 0, -1, 1, 7), (False, True)):
        agree(name, [ARRAYS[kind]], {"axis": axis, "keepdims": keepdims}, kind)


@in_turn("kind", ARRAYS)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod", "cumulative_sum", "cumulative_prod"])
def test_a_scan(name, kind):
    extra = {"include_initial": True} if name.startswith("cumulative") else {"dtype": np.float64}
    for axis, options in product((None, 0, -1, 1, 7), ({}, extra)):
        agree(name, [ARRAYS[kind]], {"axis": axis} | options, kind)


X = np.array([0.0, 1.0, 1.5, 4.0])
CALLS = [
    ("clip", [PLAIN, -0.5, 0.5], {}),
    ("clip", [PLAIN, None, EVEN * 1.0], {}),
    ("clip", [PLAIN], {"min": 0.0}),
    ("clip", [PLAIN, 0.5, -0.5], {}),
    ("clip", [HOLED, 0.0, np.nan], {}),
    ("clip", [ARRAYS["ints"], 1, 3], {}),
    ("clip", [ARRAYS["ints"], 0.5, None], {}),
    ("clip", [PLAIN], {}),
    ("round", [PLAIN * 100, 1], {}),
    ("round", [ARRAYS["ints"] * 100, -2], {}),
    ("around", [PLAIN * 100], {"decimals": -1}),
    ("angle", [ARRAYS["complex"], True], {}),
    ("nan_to_num", [ARRAYS["infinite"]], {"posinf": 5.0, "neginf": -6.0, "nan": 1.0}),
    ("ldexp", [PLAIN, ARRAYS["ints"]], {}),
    ("ldexp", [PLAIN.astype(np.float32), 3], {}),
    ("ldexp", [PLAIN, 1.5], {}),
    ("select", [[PLAIN > 1, PLAIN > 0], [PLAIN, 2 * PLAIN], -1.0], {}),
    ("select", [[PLAIN > 1], [PLAIN, PLAIN]], {}),
    ("piecewise", [PLAIN, [PLAIN < 0, PLAIN > 1], [-1, 1]], {}),
    ("piecewise", [PLAIN, [PLAIN < 0, PLAIN > 1], [1, 2, 3]], {}),
    ("piecewise", [PLAIN, PLAIN < 0, [5.0, 6.0]], {}),
    ("piecewise", [PLAIN, [PLAIN < 0], [1, 2, 3]], {}),
    ("where", [PLAIN > 0, PLAIN], {}),
    ("where", [PLAIN > 0], {}),
    ("where", [PLAIN, np.float32(1), PLAIN.astype(np.float32)], {}),
    ("unwrap", [np.cumsum(np.abs(PLAIN) * 3, -1)], {"period": 2.0, "axis": 0}),
    ("unwrap", [np.cumsum(np.abs(PLAIN) * 3, -1)], {"discont": 4.0}),
    ("array_equal", [PLAIN, PLAIN.copy()], {}),
    ("array_equal", [HOLED, HOLED], {"equal_nan": True}),
    ("array_equiv", [PLAIN[:1], PLAIN], {}),
    ("allclose", [PLAIN, PLAIN + 1e-9], {}),
    ("isclose", [HOLED, HOLED], {"equal_nan": True}),
    ("isclose", [np.float32(1.0), 1 - 1e-12], {"rtol": 0, "atol": 0}),
    ("average", [PLAIN], {"axis": -1, "weights": X}),
    ("average", [PLAIN], {"axis": (0, 1), "weights": PLAIN[..., 0] ** 2, "keepdims": True}),
    ("average", [PLAIN], {"axis": (1, 0), "weights": PLAIN[..., 0].T ** 2}),
    ("average", [PLAIN], {"weights": PLAIN**2, "returned": True}),
    ("average", [ARRAYS["ints"]], {"weights": ARRAYS["ints"] ** 2, "returned": True}),
    ("average", [np.array([250, 255], np.uint8)], {"weights": np.array([250, 255], np.uint8)}),
    ("average", [PLAIN], {"axis": 1, "returned": True}),
    ("average", [PLAIN], {"weights": X}),
    ("average", [PLAIN], {"weights": X, "axis": 0}),
    ("average", [PLAIN], {"weights": X * 0, "axis": 2}),
    ("var", [PLAIN], {"axis": -1, "mean": PLAIN.mean(-1, keepdims=True)}),
    ("var", [PLAIN], {"ddof": 1, "correction": 1}),
    ("std", [PLAIN[0, 0]], {"ddof": 4}),
    ("var", [PLAIN[0, 0]], {"ddof": 7}),
    ("mean", [np.full(3000, 100, np.float16)], {}),
    ("mean", [np.array([1, 2, 4, 7])], {"dtype": np.int8}),
    ("var", [np.array([400, -400, 300], np.float16)], {}),
    ("sum", [PLAIN], {"axis": 0.5}),
    ("max", [np.zeros((0, 3))], {"axis": 0, "initial": 2.0}),
    ("diff", [PLAIN], {"n": 2, "axis": 0}),
    ("diff", [PLAIN], {"n": 0}),
    ("diff", [PLAIN], {"n": 9}),
    ("diff", [PLAIN], {"n": -1}),
    ("diff", [ARRAYS["bools"]], {"axis": 1}),
    ("diff", [PLAIN], {"prepend": 0.0, "append": PLAIN[..., :2]}),
    ("diff", [PLAIN], {"prepend": X, "axis": 0}),
    ("diff", [np.array(1.0)], {}),
    ("ediff1d", [PLAIN], {"to_begin": -1.0, "to_end": X}),
    ("ediff1d", [ARRAYS["ints"], 0.5], {}),
    ("gradient", [PLAIN], {}),
    ("gradient", [PLAIN, 0.5], {"axis": (0, 2)}),
    ("gradient", [PLAIN, 0.5, X], {"axis": (0, 2)}),
    ("gradient", [PLAIN, X], {"axis": -1, "edge_order": 2}),
    ("gradient", [PLAIN, np.arange(4) * 0.3], {"axis": -1, "edge_order": 2}),
    ("gradient", [PLAIN.astype(np.float32), X], {"axis": -1}),
    ("gradient", [ARRAYS["complex"], X], {"axis": -1}),
    ("gradient", [ARRAYS["ints"][:, 0, 0]], {}),
    ("gradient", [np.array([3e38, 0, 1, 2], np.float32)], {"edge_order": 1}),
    ("gradient", [PLAIN, 1.0, 2.0], {}),
    ("gradient", [PLAIN], {"edge_order": 2}),
    ("gradient", [PLAIN], {"edge_order": 3}),
    ("gradient", [PLAIN, X[:3]], {"axis": -1}),
    ("trapezoid", [PLAIN], {"dx": 0.5, "axis": 1}),
    ("trapezoid", [PLAIN, X], {}),
    ("trapezoid", [PLAIN, PLAIN**2], {"axis": 0}),
    ("trapezoid", [ARRAYS["ints"]], {}),
    ("interp", [np.linspace(-1, 5, 23).reshape(1, 23), X, X**2], {}),
    ("interp", [np.linspace(-1, 5, 23), X, X**2], {"left": -1.0, "right": 7.0}),
    ("interp", [np.linspace(-9, 5, 23), X[::-1], X**2], {"period": 4.5}),
    ("interp", [1.25, X, X + 2j], {}),
    ("interp", [np.array([np.nan, 1.0, np.inf]), X, X], {}),
    ("interp", [X, X[:1], X[:1]], {"left": -4.0}),
    ("interp", [X, X[:0], X[:0]], {}),
    ("interp", [X, X, X[:2]], {}),
    *(
        (f, [a, v, m], {})
        for f in ("convolve", "correlate")
        for m in ("full", "same", "valid")
        for a, v in ((PLAIN[:, 0, 0], X), (X, PLAIN[:, 0, 0]), (X, X + 1j * X[::-1]), (PLAIN[0, 0], X[:2]), (np.arange(4), np.arange(3)))
    ),
    ("convolve", [X, X[:0]], {}),
    ("convolve", [X, PLAIN], {}),
    ("convolve", [X, X, "most"], {}),
    ("cross", [PLAIN[:, 0, 0], PLAIN[:, 0, 1]], {}),
    ("cross", [PLAIN, PLAIN[:, ::-1]], {"axis": 0}),
    ("cross", [PLAIN, PLAIN[:, ::-1]], {"axisa": 0, "axisb": 0, "axisc": 1}),
    ("cross", [PLAIN, PLAIN], {}),
    ("polyval", [X, PLAIN], {}),
    ("polyval", [np.array([1, 2, 3]), np.arange(4)], {}),
    ("polyadd", [X, PLAIN[0, 0, :2]], {}),
    ("polysub", [X[1:3], X[1:]], {}),
    ("polymul", [X[1:], X[2:]], {}),
    ("polysub", [X[1:3], np.array([1, 2, 3], np.uint8)], {}),
    ("polyder", [X[1:], 2], {}),
    ("polyder", [np.array([200, 1, 1], np.uint8)], {}),
    ("polyint", [np.array([True, True, False])], {}),
    ("expand_dims", [X, np.array(1)], {}),
    ("polyint", [X[1:], 2, [3.0, 4.0]], {}),
    ("polyint", [X[1:]], {"k": 2.0}),
    ("i0", [PLAIN * 3], {}),
]


@in_turn("name, args, options", CALLS)
def test_a_call(name, args, options):
    agree(name, args, options)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
def test_small_integers_stay_small_if_asked(name):
    x = np.full(11, 7, np.int8)
    found, expected = getattr(nd, name)(x, dtype=np.int8).data, getattr(np, name)(x, dtype=np.int8)
    assert found.dtype == expected.dtype == np.int8
    np.testing.assert_array_equal(found, expected)


def test_diagonal_indices_of_an_array_are_another_function():
    with pytest.raises(ValueError, match=r"diag_indices: n must be an int, but has shape \(3, 3\); diag_indices_from"):
        nd.diag_indices(np.eye(3))


LARGE = rng.standard_normal((1200, 440))  # so large that gradients are computed tile by tile, on all threads
POSITIVE = 0.2 + LARGE % 1, 0.2 + LARGE[::-1] % 1
OF_ONE = "abs arctan arcsinh cbrt cos expm1 fabs log1p reciprocal sin sinc sqrt square tan".split()
OF_TWO = "arctan2 copysign divide float_power fmax fmod hypot logaddexp maximum minimum multiply power remainder".split()
ELEMENTWISE = {n: getattr(nd, n) for n in OF_ONE + OF_TWO} | {"clip": lambda x: nd.clip(x, 0.3, 0.6), "x³": lambda x: x**3}


@pytest.mark.parametrize("name", ELEMENTWISE)
@in_turn("kind", ["plain", "row", "columns"])
def test_gradients_of_large_arrays_are_those_of_their_parts(name, kind):
    f, (x, y) = ELEMENTWISE[name], POSITIVE
    operands = [x, y] if name in OF_TWO else [x]
    if kind == "row":
        operands = [x, y[:1]][: len(operands)]
    elif kind == "columns":
        operands = [np.asfortranarray(a) for a in operands]

    def gradients(g, *operands):
        leaves = [nd.tensor(a, requires_grad=True) for a in operands]
        return [t.data for t in nd.gradients(f(*leaves), leaves, g)]

    found = gradients(LARGE, *operands)
    parts = [gradients(LARGE[i : i + 300], *(a[i : i + 300] if len(a) > 1 else a for a in operands)) for i in range(0, 1200, 300)]
    for at, a in enumerate(operands):
        expected = np.concatenate([p[at] for p in parts]) if len(a) > 1 else sum(p[at] for p in parts)
        np.testing.assert_allclose(found[at], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("f", [nd.sort, lambda x, axis: nd.partition(x, 100, axis), lambda x, axis: nd.topk(x, 5, axis)[0]])
def test_large_arrays_send_gradients_back_to_where_values_came_from(f, axis):
    x = nd.tensor(LARGE, requires_grad=True)
    y = f(x, axis)
    sent = nd.gradients(y, x, y).data
    np.testing.assert_array_equal(sent[sent != 0], LARGE[sent != 0])
    assert np.count_nonzero(sent) == y.size


def test_large_interpolation():
    x, xp, fp = (nd.tensor(a, requires_grad=True) for a in (LARGE, np.linspace(-2, 2, 9), rng.standard_normal(9)))
    y = nd.interp(x, xp, fp)
    np.testing.assert_array_equal(y.data, np.interp(x.data, xp.data, fp.data))
    gx, gxp, gfp = (t.data for t in nd.gradients(y, [x, xp, fp], LARGE))
    eps, d, dp = 1e-6, np.linspace(-1, 1, 9), rng.standard_normal(9)

    def moved(t):
        return (np.interp(LARGE, xp.data + t * d, fp.data + t * dp) * LARGE).sum()

    assert (moved(eps) - moved(-eps)) / (2 * eps) == pytest.approx(gxp @ d + gfp @ dp, rel=1e-5)
    at = np.searchsorted(xp.data, LARGE)
    steps = np.diff(fp.data) / np.diff(xp.data)
    np.testing.assert_allclose(gx, LARGE * np.concatenate([[0], steps, [0]])[at])


def test_trigamma_is_scipys():
    special = pytest.importorskip("scipy.special")
    x = 10 ** rng.uniform(-8, 8, 5000)
    np.testing.assert_allclose(nd.polygamma(1, x).data, special.polygamma(1, x), rtol=1e-14)


def test_float32_stays_float32_where_numpy_widens():
    x = nd.tensor([0.5, 1.25], np.float32)
    assert nd.interp(x, nd.tensor(X, np.float32), nd.tensor(X, np.float32)).dtype == np.float32


def test_special_functions_are_scipys():
    special = pytest.importorskip("scipy.special")
    x = np.linspace(-6, 6, 97) + 0.013
    for name, at in (
        *((n, x) for n in ("erfc", "ndtr", "log_ndtr", "expit", "i0", "i1", "gamma", "gammaln", "digamma")),
        *((n, np.linspace(-0.99, 0.99, 30)) for n in ("erfinv",)),
        ("logit", np.linspace(0.01, 0.99, 30)),
    ):
        np.testing.assert_allclose(getattr(nd, name)(at).data, getattr(special, name)(at), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(nd.polygamma(3, x).data, special.polygamma(3, x))
    np.testing.assert_allclose(nd.xlogy([0.0, 0.0, 2.0], [0.0, np.nan, 3.0]).data, special.xlogy([0.0, 0.0, 2.0], [0.0, np.nan, 3.0]))
    np.testing.assert_allclose(nd.xlog1py([0.0, 2.0], [-1.0, 3.0]).data, special.xlog1py([0.0, 2.0], [-1.0, 3.0]))


def test_the_second_derivative_of_erf_is_0_where_its_argument_doubled_is_infinite():
    assert nd.hvp(lambda x: nd.sum(nd.erf(x)), [np.array([1e308, -1e308])], np.ones(2)).data.tolist() == [0, 0]


def test_without_scipy_there_are_erfc_and_the_bessel_functions_and_the_others_say_what_to_install(monkeypatch):
    from tinygrad_nd.kernels import special as kernel

    x = np.concatenate([np.linspace(-7, 27, 400), [np.inf, -np.inf]])
    exact, slopes = nd.erfc(x).data, nd.grad(lambda x: nd.i0(x).sum())(x[:200]).data
    monkeypatch.setattr(kernel, "_scipy", lambda: None)
    np.testing.assert_allclose(nd.erfc(x).data, exact, rtol=4e-14, atol=1e-300)
    np.testing.assert_allclose(nd.grad(lambda x: nd.i0(x).sum())(x[:200]).data, slopes, rtol=1e-12, atol=1e-13)
    assert nd.erfc(x.astype(np.float32)).dtype == np.float32
    for f in (nd.gamma, nd.gammaln, nd.digamma, nd.erfinv, lambda x: nd.polygamma(1, x)):
        with pytest.raises(ImportError, match=r"tinygrad_nd\[fast\]"):
            f(nd.tensor(1.5))


def grad(f, *args):
    return nd.grad(lambda *a: nd.sum(f(*a)), argnums=tuple(range(len(args))))(*map(np.asarray, args))


def test_slopes_at_points_where_they_are_agreed_on():
    zero = np.zeros(2)
    for f in (nd.fabs, lambda x: nd.copysign(x, 1.0), nd.sign, nd.angle, nd.absolute):
        assert (grad(f, zero)[0].data == 0).all()
    for f in (nd.absolute, lambda z: nd.sign(z).real, nd.angle):
        assert (grad(f, zero + 0j)[0].data == 0).all()
    assert [g.data.tolist() for g in grad(nd.fmax, [1.0, np.nan, 2.0, np.nan], [1.0, 3.0, np.nan, np.nan])] == [
        [0.5, 0, 1, 1],
        [0.5, 1, 0, 1],
    ]
    assert grad(lambda x: nd.clip(x, 0.0, 1.0), [-1.0, 0.0, 0.5, 1.0, 2.0])[0].data.tolist() == [0, 1, 1, 1, 0]
    assert [float(g) for g in grad(lambda x, a, b: nd.clip(x, a, b), 0.0, 2.0, 1.0)] == [0, 0, 1]
    assert grad(nd.nan_to_num, [np.nan, 1.0, np.inf])[0].data.tolist() == [0, 1, 0]
    assert grad(nd.xlogy, [0.0], [0.0])[0].data.tolist() == [0]
    assert grad(nd.nanmax, [np.nan, 1.0, 1.0])[0].data.tolist() == [0, 0.5, 0.5]
    assert grad(lambda x: nd.std(x), [2.0, 2.0])[0].data.tolist() == [0, 0]


def test_slopes_of_products_with_zeros():
    assert grad(nd.prod, [2.0, 0.0, 3.0])[0].data.tolist() == [0, 6, 0]
    assert grad(nd.prod, [2.0, 0.0, 0.0])[0].data.tolist() == [0, 0, 0]
    assert nd.hessian(nd.prod)(np.array([2.0, 0.0, 0.0])).data.tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 0]]
    assert grad(nd.cumprod, [2.0, 0.0, 3.0, 0.0])[0].data.tolist() == [1, 8, 0, 0]


@pytest.mark.parametrize(
    "f, x, expected",
    [
        (nd.logaddexp, (1.0, 1.0), [[0.25, -0.25], [-0.25, 0.25]]),
        (nd.power, (2.0, 0.0), [[0, 0.5], [0.5, np.log(2) ** 2]]),
        (nd.power, (0.0, 0.0), [[0, 0], [0, 0]]),
    ],
)
def test_second_derivatives_at_ties_and_zeros(f, x, expected):
    assert nd.hessian(lambda v: f(v[0], v[1]))(np.array(x)).data == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    "f, x, expected",
    [
        (nd.arcsinh, np.float32(1e30), 1e-30),
        (lambda x: nd.arctan2(x, np.float32(1e30)), np.float32(1e30), 5e-31),
        (lambda x: nd.arctan2(x, np.float16(400)), np.float16(300), 400 / 500**2),
        (nd.log_ndtr, np.float32(-1e4), 1e4),
        (nd.grad(nd.reciprocal), np.float64(1e100), 2e-300),
        (nd.grad(nd.gelu), np.float16(400), 0),
        (nd.grad(lambda x: nd.gelu(x, "tanh")), np.float16(400), 0),
        (nd.sinc, np.float16(398), 1 / 398),
    ],
)
def test_slopes_are_finite_where_squares_on_the_way_would_not_be(f, x, expected):
    assert grad(f, x)[0].data == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    "f", [nd.tanh, nd.sigmoid, lambda x: nd.hypot(x, 2.0), lambda x: nd.arctan2(x, 2.0), lambda x: nd.copysign(x, 2.0)]
)
def test_nan_in_a_branch_not_taken_is_in_no_derivative(f):
    x, taken = np.array([np.nan, 0.5]), np.array([False, True])
    h = nd.hessian(lambda x: nd.sum(nd.where(taken, f(x), 0)))(x).data
    assert h[0].tolist() == h[:, 0].tolist() == [0, 0]
    assert h[1, 1] == nd.hessian(lambda x: nd.sum(f(x)))(x[1:]).item()


def test_a_result_without_gradient_is_a_constant():
    x = nd.tensor(PLAIN, requires_grad=True)
    for f in (nd.isreal, nd.spacing, nd.count_nonzero, nd.nanargmax, nd.isposinf, lambda x: nd.isclose(x, x), lambda x: nd.frexp(x)[1]):
        assert not f(x).requires_grad
    assert nd.allclose(x, x) is True and nd.array_equal(x, x) is True and nd.iscomplexobj(x) is False


def test_sums_and_norms_of_halves_are_those_of_singles():
    """NumPy's sum of ones stops at 2048, and its norm overflows at 256."""
    ones, b = np.ones((5000, 2), np.float16), nd.tensor(np.zeros(2, np.float16), requires_grad=True)
    assert nd.sum(ones, 0).tolist() == [5000, 5000] and nd.sum(ones, 0).dtype == np.float16
    nd.linear(ones, np.eye(2, dtype=np.float16), b).backward(ones)
    assert b.grad.tolist() == [5000, 5000]
    assert [nd.norm(300 * ones[:4, 0], p).item() for p in (2, 4)] == [600, pytest.approx(300 * 4**0.25, rel=1e-3)]


def test_sinc_is_smooth_at_zero():
    def slope(f, n):
        for _ in range(n):
            f = (lambda g: lambda x: nd.grad(g)(x))(f)
        return float(f(np.array(0.0)))

    assert [slope(nd.sinc, n) for n in range(4)] == pytest.approx([1, 0, -(np.pi**2) / 3, 0])


@pytest.mark.parametrize("f", [nd.diff, nd.ediff1d, nd.trapezoid, lambda x: nd.diff(x, 10**12)])
@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_functions_of_neighbours_take_nothing_forward_and_backward(f, shape):
    x = nd.tensor(np.zeros(shape), requires_grad=True)
    assert nd.gradients(nd.sum(f(x)), x).shape == shape


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint32, bool, np.float16])
@in_turn("name", ["power", "arctan2", "hypot", "xlogy", "logaddexp", "divide", "fmod"])
def test_an_operand_of_another_kind_gives_the_slopes_of_the_same_doubles(name, dtype):
    f, points = getattr(nd, name), np.array([0.7, 1.3, 0.2])
    for other in (np.array([1, 100.3, 0]).astype(dtype), np.array(-128 % 2**32 if np.dtype(dtype).kind in "iu" else 0.3).astype(dtype)):
        for call in (f, lambda x, y: f(y, x)):
            with np.errstate(all="ignore"):
                found, expected = (nd.hessian(lambda x: nd.sum(call(x, y)))(points).data for y in (other, other.astype(float)))  # noqa: B023
            np.testing.assert_allclose(found, expected, 1e-12)


def test_the_sigmoid_of_complex_numbers_far_out_is_0_or_1():
    for kind in (np.complex64, np.complex128):
        x = nd.tensor(np.array([-1000 + 1j, 1000 - 2j, -3 + 1j]).astype(kind), requires_grad=True)
        y = nd.sigmoid(x)
        np.testing.assert_allclose(y.data, [0, 1, 1 / (1 + np.exp(3 - 1j))], 1e-6)
        nd.sum(nd.real(y)).backward()
        assert x.grad.data[:2].tolist() == [0, 0] and y.dtype == kind
