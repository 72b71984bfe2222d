"""All of NumPy's functions and of ndarray's attributes: on tensors they work, or refuse by name. Nothing is detached in silence."""

import inspect
import warnings

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.dispatch import FUNCTIONS
from tinygrad_nd.methods import PUBLIC

SPACES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}
DISPATCHED = [
    (f"{space}.{name}", getattr(module, name))
    for space, module in SPACES.items()
    for name in sorted(dir(module))
    if not name.startswith("_") and isinstance(getattr(module, name), (type(np.sum), np.ufunc))
]
REFUSED = """
    busday_count busday_offset datetime_as_string fill_diagonal is_busday isnat packbits
    piecewise place poly polydiv polyfit putmask roots unpackbits
"""
CONSTANT = set("empty_like full_like ones_like zeros_like histogram imag lstsq".split())  # or some of their results are
X = np.array([[2.0, 0.5, 0.25], [0.5, 3.0, 0.125], [0.25, 0.125, 4.0]])


def test_what_is_refused_is_refused_on_purpose():
    assert {name for name, f in DISPATCHED if f not in FUNCTIONS} <= {f"np.{name}" for name in REFUSED.split()}


def calls(f, x):
    """Ways to call f that need no knowledge of it: its required arguments all x, or one x and small numbers."""
    if isinstance(f, np.ufunc):
        yield (x,) * f.nin
        return
    required = [p for p in inspect.signature(f).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    required += [p for p in inspect.signature(f).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_ONLY]
    n = max(len(required), 1)
    yield (x,) * n
    if f in FUNCTIONS:
        yield (x, *[1] * (n - 1))


def inside(result):
    if isinstance(result, (tuple, list)):
        for r in result:
            yield from inside(r)
    else:
        yield result


@in_turn("name, f", DISPATCHED)
def test_a_numpy_function_works_on_tensors_or_refuses_by_name(name, f):
    if name.startswith(("np.save", "np.einsum")):
        return
    for args in calls(f, nd.tensor(X, requires_grad=True)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = f(*args)
        except (TypeError, ValueError, IndexError, RuntimeError, AttributeError, np.linalg.LinAlgError) as error:
            if f not in FUNCTIONS:
                assert isinstance(error, TypeError) and all(said in str(error) for said in (name, "on tensors", ".data"))
            continue
        assert f in FUNCTIONS, f"{name} does not know tensors, but gave {result!r}"
        for r in inside(result):
            assert not isinstance(r, np.ndarray) or r.dtype.kind in "biu", f"{name} gave an array {r!r}"
            if isinstance(r, nd.Tensor) and r.dtype.kind in "fc" and name.rpartition(".")[2] not in CONSTANT:
                assert r.requires_grad or "no gradient" in FUNCTIONS[f].__doc__, f"{name} is not recorded"


@pytest.mark.parametrize("name", sorted({f.__name__ for f in vars(np).values() if isinstance(f, np.ufunc)}))
@in_turn("method", ["reduce", "accumulate", "outer", "reduceat", "at"])
def test_a_method_of_a_ufunc_gives_numpys_values_or_refuses_by_name(name, method):
    ufunc, x = getattr(np, name), nd.tensor(X, requires_grad=True)
    rest = {"outer": (X,), "reduceat": ([0, 1],), "at": ([0], X[0]) if ufunc.nin == 2 else ([0],)}.get(method, ())
    try:
        expected = getattr(ufunc, method)(X.copy(), *rest)
    except (TypeError, ValueError, RuntimeError, RuntimeWarning):
        return
    try:
        found = getattr(ufunc, method)(x, *rest)
    except TypeError as error:
        assert f"np.{name}.{method}" in str(error)
    else:
        assert method != "at"
        for y, e in zip(inside(found), inside(expected)):
            assert isinstance(y, nd.Tensor) and y.dtype == e.dtype
            np.testing.assert_allclose(y.data, e)


def test_reductions_and_running_sums_of_ufuncs_take_their_arguments():
    x, mask = nd.tensor(X, requires_grad=True), X > 0.3
    for f in (
        lambda x: np.add.reduce(x, 1),
        lambda x: np.add.reduce(x, axis=(0, 1)),
        lambda x: np.add.reduce(x, 1, None, None, True),
        lambda x: np.add.reduce(x, axis=None, keepdims=True),
        lambda x: np.multiply.reduce(x, initial=2.0),
        lambda x: np.maximum.reduce(x, axis=1, where=mask, initial=-1.0),
        lambda x: np.add.reduce(x, 0, where=mask),
        lambda x: np.logical_or.reduce(x > 3, axis=1),
        lambda x: np.add.accumulate(x, axis=1),
        lambda x: np.multiply.accumulate(x),
        lambda x: np.multiply.outer(x[0], x),
        lambda x: np.subtract.outer(X[0], x),
    ):
        found = f(x)
        assert isinstance(found, nd.Tensor) and found.requires_grad == (found.dtype.kind == "f")
        np.testing.assert_allclose(found.data, f(X))


def test_a_ufunc_computes_in_the_loop_that_dtype_and_casting_choose():
    x, y = nd.tensor(X, requires_grad=True), nd.tensor(X.astype(np.float32), requires_grad=True)
    for f in (
        lambda x, y: np.add(x, y, dtype=np.float32, casting="same_kind"),
        lambda x, y: np.multiply(x, 2, dtype=np.float32),
        lambda x, y: np.exp(y, dtype="f8"),
        lambda x, y: np.exp(x, casting="no"),
        lambda x, y: np.add(x, y, casting="safe"),
        lambda x, y: np.add(y, 1.5, signature="dd->d"),
        lambda x, y: np.add(y, 1.5, signature="ii->i", casting="unsafe"),
        lambda x, y: np.add(x, y, order="K", where=True),
    ):
        found, expected = f(x, y), f(X, X.astype(np.float32))
        assert found.dtype == expected.dtype and found.requires_grad == (expected.dtype.kind == "f")
        np.testing.assert_array_equal(found.data, expected)
    for f in (
        lambda x, y: np.add(x, y, dtype=np.float32, casting="safe"),
        lambda x, y: np.add(x, y, dtype=int),
        lambda x, y: np.add(x, y, where=X > 1),
        lambda x, y: np.add(x, y, order="F"),
        lambda x, y: np.exp(y, nonsense=1),
    ):
        with pytest.raises(TypeError, match="add|exp"):
            f(x, y)


def test_an_argument_that_tensors_do_not_take_is_named_with_those_that_they_do():
    with pytest.raises(TypeError, match=r"np\.roll: on tensors, .*its arguments are x"):
        nd.Tensor.__array_function__(nd.tensor(X), np.roll, (), (nd.tensor(X),), {"nonsense": 1})
    with pytest.raises(TypeError, match=r"np\.sum: cannot write.*out="):
        np.sum(nd.tensor(X), out=np.zeros(()))
    with pytest.raises(TypeError, match=r"np\.ones_like: on tensors, got an unexpected keyword argument 'order'"):
        np.ones_like(nd.tensor(X), order="F")


def test_what_numpy_writes_in_place_becomes_the_tensors_new_value():
    index = np.argsort(X, axis=1)
    for f in (
        lambda x: np.put(x, [0, 4, -1], [7.0, 8.0]),
        lambda x: np.put_along_axis(x, index[:, :1], 9.0, axis=1),
        lambda x: np.copyto(x, X.T * 2, where=X > 1),
        lambda x: x.put([[1], [2]], 5.0),
        lambda x: x.fill(3.0),
        lambda x: x.sort(),
        lambda x: x.sort(axis=0),
        lambda x: x.partition(1, axis=0),
    ):
        array, leaf = X.copy(), nd.tensor(X, requires_grad=True)
        x = leaf * 1
        assert f(array) is None and f(x) is None
        np.testing.assert_array_equal(x.data, array)
        x.sum().backward()
        assert leaf.grad.shape == X.shape
        with pytest.raises(RuntimeError, match="no_grad"):
            f(leaf)
    for f in (lambda a: np.put(a, [0], nd.tensor(1.0)), lambda a: np.copyto(a, nd.tensor(X)), lambda a: np.add(a, nd.tensor(X), out=a)):
        array = X.copy()
        with pytest.raises(TypeError, match="cannot write a tensor into an array"):
            f(array)
        np.testing.assert_array_equal(array, X)


def test_a_pythons_number_copied_into_a_tensor_is_weak():
    x = nd.tensor([1, 2], np.uint8)
    np.copyto(x, 7, where=[True, False])
    assert x.tolist() == [7, 2] and x.dtype == np.uint8
    with pytest.raises(TypeError, match="float64 to uint8"):
        np.copyto(x, 2.5)


def test_questions_about_values_are_numpys(tmp_path):
    x = nd.tensor(X, requires_grad=True)
    assert np.result_type(x, np.float32) == np.float64 and np.can_cast(x.dtype, np.float32, "same_kind")
    assert np.array2string(x) == np.array2string(X) and np.array_repr(x) == np.array_repr(X) and np.shares_memory(x, x.data)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["x"], X)


# ---- operands that are no numbers

NAMED = {n: f for n, f in PUBLIC.items()} | {
    f"{space.__name__.rpartition('.')[2]}.{n}": getattr(space, n) for space in (nd.linalg, nd.fft) for n in space.__all__
}
OF_ANYTHING = set(
    "isin setdiff1d intersect1d setxor1d union1d extract compress einsum_path fromfunction piecewise "
    "apply_along_axis apply_over_axes".split()
)


@in_turn("name", [n for n, f in NAMED.items() if inspect.isroutine(f) and n.rpartition(".")[2] not in OF_ANYTHING])
def test_what_is_no_number_is_refused_by_every_function(name):
    f = NAMED[name]
    rest = len([p for p in inspect.signature(f).parameters.values() if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]) - 1
    for bad in ("text", np.array([object(), None]), np.array(["a", "b"]), {"a": 1}):
        for args in [(bad, *[X] * rest), (X, *[bad] * rest)][: 2 if rest > 0 else 1]:
            with pytest.raises((TypeError, ValueError, IndexError)) as caught:
                f(*args)
            assert "astensor" not in str(caught.value), args


# ---- ndarray's attributes

MISSING = """
    __array_finalize__ __array_interface__ __array_namespace__ __array_struct__ __array_wrap__ __class_getitem__ __setstate__
    __buffer__ base byteswap ctypes device dump dumps flags flat getfield resize setfield setflags strides to_device tobytes tofile view
"""


def test_a_tensor_has_what_an_array_has_but_for_what_would_mean_nothing():
    public = [n for n in dir(np.ndarray) if n.startswith("__") or not n.startswith("_")]
    missing = {n for n in public if not hasattr(nd.Tensor, n)}
    assert missing - {"__buffer__"} == set(MISSING.split()) - {"__buffer__"}


@in_turn("name", [n for n in MISSING.split() if not n.startswith("_")])
def test_a_missing_attribute_says_what_to_use(name):
    with pytest.raises(AttributeError, match=f"{name}'; "):
        getattr(nd.tensor(X), name)


METHODS = {
    "all": (), "any": (), "argmax": (1,), "argmin": (), "argpartition": (1,), "argsort": (0,), "astype": (np.float32,),
    "choose": ([X, X * 2, X * 3, X * 4, X * 5],), "clip": (0.2, 2.5), "compress": ([True, False, True], 0), "conj": (), "conjugate": (),
    "copy": (), "cumprod": (1,), "cumsum": (), "diagonal": (1,), "dot": (X,), "flatten": (), "item": (1, 2), "max": (0,), "mean": (1,),
    "min": (), "nonzero": (), "prod": (0,), "ravel": (), "repeat": (2, 1), "reshape": (1, -1), "round": (1,), "searchsorted": (X,),
    "squeeze": (), "std": (0,), "sum": (1,), "swapaxes": (0, 1), "take": ([0, 2], 1), "tolist": (), "trace": (), "transpose": (1, 0),
    "var": (),
}  # fmt: skip
IN_PLACE = {"fill", "partition", "put", "sort"}
ATTRIBUTES = {"T", "data", "dtype", "imag", "itemsize", "mT", "nbytes", "ndim", "real", "shape", "size"}


def test_every_method_of_an_array_is_tried():
    assert {n for n in dir(np.ndarray) if not n.startswith("_")} - set(MISSING.split()) == set(METHODS) | IN_PLACE | ATTRIBUTES


@in_turn("name", METHODS)
def test_a_method_gives_numpys_values(name):
    a = (X * 1.5).astype(int) % 5 if name == "choose" else np.sort(X[0]) if name == "searchsorted" else X
    found, expected = getattr(nd.tensor(a), name)(*METHODS[name]), getattr(a, name)(*METHODS[name])
    if name == "argpartition":
        found, expected = (np.take_along_axis(X, np.asarray(i), -1)[:, 1] for i in (found, expected))
    for y, e in zip(inside(found), inside(expected)):
        assert np.asarray(y).dtype == np.asarray(e).dtype
        np.testing.assert_allclose(np.asarray(y), e)
