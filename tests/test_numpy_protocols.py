"""NumPy functions on tensors record on the tape, or refuse and say what to do."""

import operator

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

A = np.linspace(0.1, 0.9, 12).reshape(3, 4)
B = np.linspace(1.1, 2.9, 12).reshape(3, 4)

BINARY = """
    add subtract multiply divide power maximum minimum arctan2 hypot logaddexp remainder floor_divide equal not_equal less less_equal
    greater greater_equal logical_and logical_or logical_xor
"""


@in_turn("name", BINARY.split())
def test_a_binary_ufunc_takes_tensors_and_arrays_in_either_order(name):
    ufunc = getattr(np, name)
    for a, b in ((nd.tensor(A), nd.tensor(B)), (A, nd.tensor(B)), (nd.tensor(A), B), (nd.tensor(A), B.tolist())):
        y = ufunc(a, b)
        assert isinstance(y, nd.Tensor)
        np.testing.assert_array_equal(y.data, ufunc(A, B))
    for a, b in ((nd.tensor(A), 1.5), (1.5, nd.tensor(A)), (nd.tensor(A), np.float64(1.5)), (np.float64(1.5), nd.tensor(A))):
        y = ufunc(a, b)
        assert isinstance(y, nd.Tensor)
        np.testing.assert_array_equal(y.data, ufunc(np.asarray(a), np.asarray(b)))


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv]


@pytest.mark.parametrize("op", [*OPERATORS, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_operators_take_numbers_arrays_and_tensors_on_either_side(op):
    x = nd.tensor(A, requires_grad=True)
    for other in (2, 1.5, B, np.float64(1.5), np.array(1.5), B[0], nd.tensor(B)):
        value = np.asarray(other)
        for found, expected in ((op(x, other), op(A, value)), (op(other, x), op(value, A))):
            assert isinstance(found, nd.Tensor)
            np.testing.assert_allclose(found.data, expected)
            assert found.requires_grad == (found.dtype.kind == "f")


def test_matmul_operator_on_either_side():
    x = nd.tensor(A, requires_grad=True)
    for found, expected in ((x @ B.T, A @ B.T), (B.T @ x, B.T @ A), (x @ nd.tensor(B.T), A @ B.T), (np.matmul(B.T, x), B.T @ A)):
        assert isinstance(found, nd.Tensor) and found.requires_grad
        np.testing.assert_allclose(found.data, expected)


def test_unary_operators():
    x = nd.tensor(A - 0.5)
    np.testing.assert_array_equal((-x).data, 0.5 - A)
    np.testing.assert_array_equal((+x).data, A - 0.5)
    np.testing.assert_array_equal(abs(x).data, abs(A - 0.5))


FUNCTIONS = {
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)),
    "concat": lambda x: np.concat([x, A]),
    "stack": lambda x: np.stack([x, A], axis=-1),
    "where": lambda x: np.where(A > 0.5, x, 0.0),
    "dot": lambda x: np.dot(x, B.T),
    "dot from the left": lambda x: np.dot(B.T, x),
    "inner": lambda x: np.inner(x, B),
    "outer": lambda x: np.outer(x, B),
    "tensordot": lambda x: np.tensordot(x, B, ((0,), (0,))),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, B),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_numpy_function_records_and_gives_numpys_values(name):
    x = nd.tensor(A, requires_grad=True)
    y = FUNCTIONS[name](x)
    assert isinstance(y, nd.Tensor) and y.requires_grad
    expected = FUNCTIONS[name](A)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.data, expected)
    y.sum().backward()
    assert x.grad.shape == A.shape


def test_shapes_and_sizes_are_pythons():
    x = nd.tensor(A, requires_grad=True)
    assert np.shape(x) == (3, 4) and np.ndim(x) == 2 and np.size(x) == 12


def test_asarray_is_a_read_only_view_and_array_a_copy():
    x = nd.tensor(A, requires_grad=True)
    view, copy = np.asarray(x), np.array(x)
    assert type(view) is np.ndarray and np.shares_memory(view, x.data) and not view.flags.writeable
    assert not np.shares_memory(copy, x.data) and copy.flags.writeable
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert np.array(x, copy=False) is not None
    with pytest.raises(ValueError):
        np.array(x, dtype=np.float32, copy=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, a: np.add(x, 1, out=a),
        lambda x, a: np.add(a, x, out=(a,)),
        lambda x, a: a.__iadd__(x),
        lambda x, a: a.__imul__(x),
        lambda x, a: np.exp(x, out=x),
        lambda x, a: np.add.at(x, [0], 1.0),
    ],
)
def test_writing_into_an_array_with_out_or_in_place_is_refused_and_the_array_unchanged(call):
    x, a = nd.tensor(A, requires_grad=True), B.copy()
    with pytest.raises(TypeError):
        call(x, a)
    np.testing.assert_array_equal(a, B)
    np.testing.assert_array_equal(x.data, A)


def test_a_generalised_ufunc_takes_its_axis():
    x, y = nd.tensor(A), nd.tensor(A + 1)
    np.testing.assert_allclose(np.vecdot(x, y, axis=0).data, np.vecdot(A, A + 1, axis=0))
    with pytest.raises(TypeError, match="axis"):
        np.multiply(x, y, axis=0)


def test_numpy_arrays_of_objects_are_not_made_of_tensors():
    x = nd.tensor(A)
    assert isinstance(A * x, nd.Tensor) and (A * x).dtype == float
    assert np.asarray([nd.tensor(1.0), nd.tensor(2.0)]).dtype == float


def test_a_numpy_scalar_on_the_left_does_not_iterate_over_the_tensor():
    x = nd.tensor(A.astype(np.float32), requires_grad=True)
    y = np.float32(2) * x
    assert isinstance(y, nd.Tensor) and y.shape == (3, 4) and y.dtype == np.float32


def test_gradients_flow_through_a_model_written_in_numpy():
    def model(np_, w, v, x):
        h = np_.tanh(np_.matmul(x, w) + 0.5)
        return np_.mean(np_.square(np_.concatenate([h, np_.exp(-h)], axis=1) @ v - 1.0))

    rng = np.random.default_rng(0)
    w, v, x = rng.standard_normal((4, 2)), rng.standard_normal((4, 1)), A
    loss, eps = nd.value_and_grad(lambda w: model(np, w, v, x)), 1e-6
    value, slope = loss(w)
    assert float(value) == pytest.approx(float(model(np, w, v, x)))
    d = rng.standard_normal(w.shape)
    expected = (model(np, w + eps * d, v, x) - model(np, w - eps * d, v, x)) / (2 * eps)
    assert float((slope * d).sum()) == pytest.approx(expected, rel=1e-6)
