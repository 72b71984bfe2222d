"""Indexing is NumPy's, and its gradient adds up where values were taken from."""

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

A = np.arange(24.0).reshape(2, 3, 4)
INDICES = {
    "int": 1,
    "negative int": -1,
    "NumPy int": np.int64(1),
    "0-d array": np.array(1),
    "slice": slice(0, 1),
    "step": (slice(None), slice(None, None, 2)),
    "backwards": (slice(None), slice(None, None, -1), slice(3, 0, -2)),
    "empty slice": slice(2, 2),
    "ellipsis": (Ellipsis, 1),
    "ellipsis alone": Ellipsis,
    "ellipsis in the middle": (0, Ellipsis, slice(1, 3)),
    "new axis": (None, 1, None, slice(None), None),
    "new axis and ellipsis": (Ellipsis, None),
    "nothing": (),
    "all ints": (1, 2, 3),
    "list": [0, 1, 1],
    "list of bools": ([True, False],),
    "array": np.array([[0, 1], [1, 0]]),
    "negative entries": np.array([-1, 0, -2]),
    "unsigned": np.array([1, 0], np.uint8),
    "two arrays": (np.array([0, 1, 1]), np.array([2, 0, 0])),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([0, 2, 2])),
    "array then slice": (slice(None), [0, 0, 2], slice(1, 3)),
    "arrays apart": ([0, 1], slice(None), [1, 1]),
    "arrays apart by an int": (0, slice(None), [1, 1, 3]),
    "array beside new axis": (slice(None), None, [0, 2]),
    "mask": A % 5 == 0,
    "mask of the first axes": np.array([[True, False, True], [False, False, True]]),
    "mask on one axis": (slice(None), np.array([True, False, True])),
    "mask and array": (slice(None), np.array([True, False, True]), [1, 1]),
    "mask of nothing": np.zeros((2, 3), bool),
    "empty list": [],
    "empty array": (slice(None), np.array([], int)),
    "rows, columns and planes that cross": np.ix_([0, 1], [2, 0], [1, 3]),
    "0-d mask": np.array(True),
    "0-d mask beside a slice": (np.array(False), slice(1, 2)),
    "mask beside new axes": (None, np.array([[True, False, True], [False, False, True]]), None),
    "two masks": (np.array([True, False]), slice(None), np.array([True, False, False, False])),
    "array, ellipsis, array": ([0, 1, 1], Ellipsis, [3, 0, 0]),
    "array, new axis, array": ([0, 1], None, [1, 1]),
    "0-d arrays": (np.array(1), slice(None), np.array(2)),
    "array after an int and backwards": (1, slice(None, None, -1), [[0, 3], [3, 3]]),
    "nested lists": [[0, 1], [1, 1]],
    "range": range(2),
    "slices beyond the ends": (slice(-9, 9), slice(5, None), slice(None, -9, -1)),
    "three arrays that broadcast": (np.array([[[0]], [[1]]]), np.array([[0], [2]]), np.array([0, 3, 3])),
    "True": True,
    "False": (False, slice(None)),
}


@in_turn("name", INDICES)
def test_reading_is_numpys_and_its_gradient_counts_each_use(name):
    index = INDICES[name]
    x = nd.tensor(A, requires_grad=True)
    y = x[index]
    expected = A[index]
    assert y.shape == expected.shape and y.dtype == A.dtype
    np.testing.assert_array_equal(y.data, expected)
    g = np.random.default_rng(0).standard_normal(expected.shape)
    counted = np.zeros_like(A)
    np.add.at(counted, index, g)
    y.backward(g)
    np.testing.assert_allclose(x.grad.data, counted)


@in_turn("name", INDICES)
def test_writing_is_numpys_and_cuts_what_was_there(name):
    index = INDICES[name]
    v = np.random.default_rng(1).standard_normal(A[index].shape)
    expected = A.copy()
    expected[index] = v
    x, u = nd.tensor(A, requires_grad=True), nd.tensor(v, requires_grad=True)
    y = x * 1
    y[index] = u
    np.testing.assert_array_equal(y.data, expected)
    g = np.random.default_rng(2).standard_normal(A.shape)
    y.backward(g)
    kept = g.copy()
    kept[index] = 0
    np.testing.assert_array_equal(x.grad.data, kept)
    # each written place hands its gradient to the last value written there
    writer = np.full(A.shape, -1)
    writer[index] = np.arange(v.size).reshape(v.shape)
    expected_u = np.zeros(v.size)
    expected_u[writer[writer >= 0]] = g[writer >= 0]
    np.testing.assert_array_equal(u.grad.data.ravel(), expected_u)


@in_turn("name", [n for n in INDICES if A[INDICES[n]].size])
def test_reading_and_writing_have_second_derivatives(name):
    index = INDICES[name]
    v = np.random.default_rng(1).standard_normal(A[index].shape)
    nd.testing.check_grads(lambda x: x[index] ** 3, [A * 0.1], order=2)
    nd.testing.check_grads(lambda x, u: x.at[index].set(u) ** 3, [A * 0.1, v], order=2)


def test_reading_is_the_transpose_of_adding():
    index = (slice(None), [0, 0, 2])
    g = np.random.default_rng(0).standard_normal(A[index].shape)
    nd.testing.check_adjoint(lambda x: nd.tensor(x)[index], lambda g: nd.zeros(A.shape).at[index].add(g), A.shape)
    np.testing.assert_allclose((A[index] * g).sum(), (A * nd.zeros(A.shape).at[index].add(g).data).sum())


def test_tensors_index_as_arrays_do():
    x = nd.tensor(A)
    i, mask = nd.tensor([1, 0, 1]), nd.tensor(A[0, :, 0] > 3)
    np.testing.assert_array_equal(x[i].data, A[[1, 0, 1]])
    np.testing.assert_array_equal(x[:, mask].data, A[:, A[0, :, 0] > 3])
    np.testing.assert_array_equal(x[nd.tensor(1)].data, A[1])
    np.testing.assert_array_equal(x[x > 10].data, A[A > 10])
    np.testing.assert_array_equal(x[nd.argmax(x[:, 0, 0])].data, A[1])
    np.testing.assert_array_equal(x[: nd.tensor(1)].data, A[:1])


def test_values_written_broadcast_and_their_gradient_is_summed():
    x, u = nd.zeros((2, 3, 4)), nd.tensor(np.ones((3, 1)), requires_grad=True)
    x[:, :, 1:3] = u
    x[0, 0, 0] = 7
    (x * A).sum().backward()
    np.testing.assert_array_equal(u.grad.data, A[:, :, 1:3].sum((0, 2))[:, None])


def test_a_value_that_is_wider_by_ones_is_accepted_as_in_numpy():
    x, u = nd.zeros(3), nd.tensor(np.ones((1, 3)), requires_grad=True)
    y = x.at[:].set(u)
    np.testing.assert_array_equal(y.data, np.ones(3))
    y.sum().backward()
    assert u.grad.shape == (1, 3)


def test_writing_keeps_the_dtype_of_what_is_written_into():
    x = nd.tensor(np.zeros(3, np.float32))
    x[0] = 1.5
    x[1] = np.float64(2.5)
    x[2:] = np.ones(1)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x.data, [1.5, 2.5, 1])
    n = nd.tensor([1, 2])
    n[0] = 5
    assert n.dtype == int and n.tolist() == [5, 2]


def test_writing_from_a_float64_leaf_gives_its_gradient_in_float64():
    u = nd.tensor([2.0], requires_grad=True)
    x = nd.tensor(np.zeros(3, np.float32))
    x[:1] = u
    (x * 3).sum().backward()
    assert u.grad.dtype == np.float64 and u.grad.tolist() == [3]


def test_a_loop_of_writes_differentiates():
    x = nd.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    s = nd.zeros(4)
    for i in range(3):
        s[i + 1] = s[i] * 0.5 + x[i]
    s[-1].backward()
    np.testing.assert_array_equal(x.grad.data, [0.25, 0.5, 1])


def test_swapping_two_rows():
    x = nd.tensor(A[0], requires_grad=True)
    y = x * 1
    y[[0, 1]] = y[[1, 0]]
    np.testing.assert_array_equal(y.data, A[0][[1, 0, 2]])
    (y * A[1]).sum().backward()
    np.testing.assert_array_equal(x.grad.data, A[1][[1, 0, 2]])


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@in_turn("indices", [1, [0, 0, 1], [[0, 1], [1, -1]], np.array([], int), np.array(1)])
def test_take_is_numpys(indices, axis):
    expected = np.take(A, indices, axis)
    x = nd.tensor(A, requires_grad=True)
    y = nd.take(x, indices, axis)
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(x.take(nd.tensor(indices), axis).data, expected)
    g = np.random.default_rng(0).standard_normal(expected.shape)
    y.backward(g)
    counted = np.zeros(A.size if axis is None else A.shape)
    index = (indices,) if axis is None else (slice(None),) * (axis % 3) + (indices,)
    np.add.at(counted, index, g)
    np.testing.assert_allclose(x.grad.data, counted.reshape(A.shape))


@pytest.mark.parametrize("kind", [np.float32, np.complex64, np.float16])
def test_scattered_sums_keep_the_dtype_also_for_arrays_of_places(kind):
    x = nd.tensor(A.astype(kind), requires_grad=True)
    y = x[np.array([0, 1, 1]), np.array([2, 2, 2])]
    y.backward(np.ones(y.shape, kind))
    assert x.grad.dtype == kind
    assert x.grad.data.real.sum() == 12 and x.grad.data[1, 2, 0] == 2


def test_embedding_like_reading_of_many_rows_sums_exactly():
    table = nd.tensor(np.zeros((50, 3), np.float32), requires_grad=True)
    rows = np.random.default_rng(0).integers(0, 50, 5000)
    table[rows].sum().backward()
    np.testing.assert_array_equal(table.grad.data, np.bincount(rows, minlength=50)[:, None] * np.ones(3))


@pytest.mark.parametrize("indices, axis", [([[0, 0], [2, -1]], -1), ([[[1], [1], [0]]], 1), ([7, 7, 0], None)])
def test_take_along_an_axis_counts_each_use(indices, axis):
    index, a = np.array(indices), A if np.ndim(indices) != 2 else A[0, :2]
    x = nd.tensor(a, requires_grad=True)
    y = nd.take_along_axis(x, index, axis)
    np.testing.assert_array_equal(y.data, np.take_along_axis(a, index, axis))
    y.sum().backward()
    assert x.grad.data.sum() == y.size and x.grad.data.max() == 2


@pytest.mark.parametrize("shape, axis, count", [((90, 150), 1, 120), ((300, 50), 0, 50), ((3, 40, 90), 1, 99), ((2, 5000), 1, 6000)])
@pytest.mark.parametrize("dtype, rtol", [(np.float16, 2e-3), (np.float32, 2e-6), (np.complex128, 1e-12)])
def test_what_is_taken_along_an_axis_of_many_numbers_is_added_up_where_it_was(shape, axis, count, dtype, rtol, engine):
    rng = np.random.default_rng(3)
    sizes = tuple(count if a == axis else n for a, n in enumerate(shape))
    index = rng.integers(-shape[axis], shape[axis], sizes)
    x = nd.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
    y, g = nd.take_along_axis(x, index, axis), rng.random(sizes).astype(dtype)
    y.backward(g)
    np.testing.assert_array_equal(y.data, np.take_along_axis(x.data, index, axis))
    expected, places = np.zeros(shape, np.result_type(dtype, np.float64)), [*np.indices(sizes)]
    places[axis] = index
    np.add.at(expected, tuple(places), g)
    np.testing.assert_allclose(x.grad.data, expected, rtol=rtol)


@pytest.mark.parametrize("mode", ["edge", "wrap", "reflect", "symmetric"])
@pytest.mark.parametrize(
    "shape, widths",
    [((2, 12, 9, 11), ((0, 0), (0, 0), (1, 1), (2, 3))), ((64, 500), ((0, 0), (3, 1))), ((40, 30, 1), ((9, 0), (0, 40), (2, 1)))],
)
def test_padding_by_its_own_values_is_numpys_and_comes_back_to_them(shape, widths, mode, engine):
    rng = np.random.default_rng(4)
    last = np.moveaxis(rng.standard_normal((*shape[:1], *shape[2:], *shape[1:2])), -1, 1)
    for x in (rng.standard_normal(shape).astype(np.float32), last):
        x.flat[0], x.flat[1] = -0.0, np.nan
        t = nd.tensor(x, requires_grad=True)
        y, expected = nd.pad(t, widths, mode), np.pad(x, widths, mode)
        np.testing.assert_array_equal(y.data, expected)
        np.testing.assert_array_equal(np.signbit(y.data), np.signbit(expected))
        y.backward(g := rng.standard_normal(y.shape).astype(x.dtype))
        places = np.pad(np.arange(x.size).reshape(shape), widths, mode).ravel()
        np.testing.assert_allclose(t.grad.data.ravel(), np.bincount(places, g.ravel()), rtol=1e-5, atol=1e-5)


def test_put_along_an_axis_makes_a_new_tensor():
    x, v = nd.tensor(A[0], requires_grad=True), nd.tensor([[5.0], [6.0], [7.0]], requires_grad=True)
    index = np.array([[1], [-1], [0]])
    expected = A[0].copy()
    np.put_along_axis(expected, index, v.data, 1)
    y = nd.put_along_axis(x, index, v, 1)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(x.data, A[0])
    (y * A[1]).sum().backward()
    np.testing.assert_array_equal(v.grad.data, np.take_along_axis(A[1], index, 1))
    np.testing.assert_array_equal(x.grad.data, np.where(expected == A[0], A[1], 0))


def test_arrays_made_of_tensors_keep_their_gradient():
    x = nd.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = nd.array([[x[0], 5], [x[1] * x[2], x[0]]])
    np.testing.assert_array_equal(y.data, [[1, 5], [6, 1]])
    (y * np.array([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5, 9, 6])
    assert nd.asarray(x) is x and nd.array(x) is not x and nd.array(x).requires_grad
    assert nd.array([1, 2], np.float32, ndmin=2).shape == (1, 2) and nd.asarray(x, np.float32).dtype == np.float32


def test_where_chooses_with_broadcasting_and_splits_the_gradient():
    c, x, y = A[0] % 2 == 0, nd.tensor(A[0, :, :1], requires_grad=True), nd.tensor(3.0, requires_grad=True)
    z = nd.where(c, x, y)
    np.testing.assert_array_equal(z.data, np.where(c, A[0, :, :1], 3))
    z.backward(A[1])
    np.testing.assert_array_equal(x.grad.data, (A[1] * c).sum(1, keepdims=True))
    assert float(y.grad) == (A[1] * ~c).sum()
    np.testing.assert_array_equal(nd.where([1.0, 0.0], 1, 2).data, [1, 2])  # any number but 0 is true


UNFIT = [(np.uint8, 300), (np.uint8, -1), (int, float("nan")), (int, np.float64("inf")), (float, 1j), (np.float32, np.complex128(1j))]


@pytest.mark.parametrize("dtype, number", UNFIT)
def test_a_number_that_its_dtype_cannot_hold_is_not_assigned(dtype, number):
    x = nd.zeros(3, dtype)
    for write in (lambda: x.__setitem__(0, number), lambda: x.fill(number), lambda: x.at[1].set(number)):
        with pytest.raises((OverflowError, TypeError, ValueError), match=r"x\[index\] = value: .* does not fit into dtype"):
            write()
    assert x.tolist() == [0, 0, 0]


def test_numbers_are_assigned_as_numpy_assigns_them():
    for dtype, number in ((int, 2.7), (bool, 5), (np.float16, 3), (complex, 1), (np.float32, np.float64(0.1)), (np.uint8, True)):
        x, a = nd.zeros(2, dtype), np.zeros(2, dtype)
        x[0] = a[0] = number
        assert x.dtype == a.dtype and x.tolist() == a.tolist()


def test_values_of_another_shape_are_refused_with_both_shapes():
    x = nd.zeros((2, 3))
    cases = ((0, [1.0, 2.0], r"\(2,\) .* \(3,\)"), ((0, 0), [1.0, 2.0], r"\(2,\) .* \(\)"), (0, [[1.0] * 3] * 2, r"\(2, 3\) .* \(3,\)"))
    for index, value, told in cases:
        with pytest.raises(ValueError, match=r"x\[index\] = value: a value of shape " + told):
            x[index] = value


def test_put_counts_round_or_clips():
    for mode in ("wrap", "clip"):
        x, a = nd.zeros(4), np.zeros(4)
        np.put(a, [5, -6, 1], [1.0, 2.0], mode=mode)
        x.put([5, -6, 1], [1.0, 2.0], mode=mode)
        assert x.tolist() == a.tolist()
    with pytest.raises(IndexError, match="put.* 4 entries"):
        x.put([4], 1.0)
    with pytest.raises(ValueError, match="put.*no values for 1"):
        x.put([0], [])
    with pytest.raises(TypeError, match=r"put.* integers, but got dtype bool; x\[mask\] = values"):
        x.put([True, False, True, False], 1.0)


def test_choose_takes_truth_values():
    c = np.array([True, False, True])
    np.testing.assert_array_equal(nd.choose(nd.tensor(c), [[1, 2, 3], [4, 5, 6]]).data, np.choose(c, [[1, 2, 3], [4, 5, 6]]))


def test_gradients_of_entries_keep_the_digits_of_long_doubles():
    third = np.longdouble(1) / 3
    x = nd.tensor(np.ones((2, 2), np.longdouble), requires_grad=True)
    assert (nd.gradients(x[[0, 0, 1], [1, 1, 0]], x, np.full(3, third)).data == [[0, 2 * third], [third, 0]]).all()


def test_gradient_of_a_part_of_a_large_tensor_lies_in_memory_as_that_does():
    x = nd.tensor(np.ones((8, 128, 3, 32), np.float32), requires_grad=True)
    y = x.transpose((2, 0, 3, 1))
    a, b, c = y
    dy = nd.gradients((a * b).sum() + c.sum(), y)
    assert dy.data.strides == y.data.strides
    assert (dy.data == 1).all()
