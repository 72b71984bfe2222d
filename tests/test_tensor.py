"""Tensors are values: what a handle shows, what changes it, and what never does. And dtypes."""

import copy
import pickle

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd


def leaf(*values, dtype=float):
    return nd.tensor(np.array(values, dtype), requires_grad=True)


# ---- making one


def test_tensor_copies_and_astensor_does_not():
    a = np.array([1.0, 2.0])
    copied, shared = nd.tensor(a), nd.astensor(a)
    a[0] = 9
    assert copied.data[0] == 1 and shared.data[0] == 9
    assert a.flags.writeable and not copied.data.flags.writeable and not shared.data.flags.writeable


def test_tensor_of_a_view_keeps_nothing_of_the_base():
    a = np.arange(6.0)
    t = nd.tensor(a[::2])
    a[:] = 0
    np.testing.assert_array_equal(t.data, [0, 2, 4])


def test_tensor_of_a_tensor_is_a_new_leaf_value():
    x = leaf(1, 2)
    t = nd.tensor(x * 2)
    assert not t.requires_grad and t.is_leaf
    np.testing.assert_array_equal(t.data, [2, 4])


def test_astensor_returns_a_tensor_as_it_is():
    x = leaf(1, 2)
    y = x * 2
    assert nd.astensor(x) is x and nd.astensor(y) is y and nd.astensor(y, dtype=np.float64) is y


def test_astensor_records_a_change_of_dtype():
    x = leaf(1, 2)
    y = nd.astensor(x * 2, np.float32)
    assert y.dtype == np.float32
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2])
    v = nd.tensor(np.array([3.0]), requires_grad=True)
    nd.zeros(3, dtype=np.float32).at[1].add(v[0]).sum().backward()
    assert v.grad.tolist() == [1]


def test_astensor_makes_a_leaf_without_a_copy():
    a = np.array([1.0, 2.0])
    x = nd.astensor(a, requires_grad=True, name="x")
    assert np.shares_memory(x.data, a) and x.requires_grad and x.is_leaf and x.name == "x"
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 4])


@pytest.mark.parametrize(
    "obj, dtype",
    [
        (3, np.int64),
        (3.0, np.float64),
        (True, np.bool_),
        (1j, np.complex128),
        ([1, 2.5], np.float64),
        (np.float32(2), np.float32),
        ([[]], np.float64),
    ],
)
def test_tensor_takes_numpys_dtype_for_the_object(obj, dtype):
    t = nd.tensor(obj)
    assert t.dtype == dtype
    np.testing.assert_array_equal(t.data, np.array(obj))


def test_a_list_of_tensors_is_taken_by_value():
    t = nd.tensor([nd.tensor(1.0), nd.tensor(2.0)])
    np.testing.assert_array_equal(t.data, [1, 2])


@pytest.mark.parametrize("obj", ["text", object(), None, [1, "a"], {"a": 1}])
def test_what_is_no_number_is_refused(obj):
    for make in (nd.tensor, nd.astensor):
        with pytest.raises(TypeError, match=make.__name__):
            make(obj)


@pytest.mark.parametrize("make", [nd.tensor, nd.Parameter, lambda m: nd.ones(3) + m, nd.sum])
def test_an_array_is_taken_only_if_none_of_it_is_masked(make):
    with pytest.raises(ValueError, match="masked array .* m.filled"):
        make(np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]))
    assert make(np.ma.array([1.0, 2.0, 3.0])).requires_grad == (make is nd.Parameter)


@pytest.mark.parametrize("dtype", [int, np.int8, np.uint16, bool])
def test_integers_cannot_require_grad(dtype):
    a = np.zeros(2, dtype)
    for make in (nd.tensor, nd.astensor, nd.Parameter, nd.zeros_like):
        with pytest.raises(TypeError, match="requires_grad.*" + np.dtype(dtype).name):
            make(a) if make is nd.Parameter else make(a, requires_grad=True)
    t = nd.tensor(a)
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        t.requires_grad = True
    assert not t.requires_grad


def test_tensor_is_not_made_by_its_class():
    with pytest.raises(TypeError, match="nd.tensor"):
        nd.Tensor([1.0])


def test_constructors_follow_numpy_and_can_make_leaves():
    for made, meant in (
        (nd.zeros((2, 3)), np.zeros((2, 3))),
        (nd.ones(3, dtype=np.float32), np.ones(3, np.float32)),
        (nd.full((2,), 7), np.full((2,), 7)),
        (nd.arange(2, 8, 3), np.arange(2, 8, 3)),
        (nd.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        (nd.eye(3, 2, k=1), np.eye(3, 2, k=1)),
        (nd.zeros_like(nd.ones(2, dtype=np.float32)), np.zeros(2, np.float32)),
        (nd.full_like(np.ones(2), 3), np.full(2, 3.0)),
        (nd.ones_like([1, 2]), np.ones(2, int)),
    ):
        assert isinstance(made, nd.Tensor) and made.dtype == meant.dtype and not made.data.flags.writeable
        np.testing.assert_array_equal(made.data, meant)
    x = nd.ones((2,), requires_grad=True, name="x")
    (x * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])
    assert x.name == "x"


def test_linspace_with_retstep_gives_the_step_too():
    values, step = nd.linspace(0, 1, 5, retstep=True)
    np.testing.assert_array_equal(values.data, np.linspace(0, 1, 5))
    assert float(step) == 0.25


def test_parameters_copy_require_grad_and_default_to_float32():
    a = np.ones(2)
    p = nd.Parameter(a, name="w")
    a[0] = 5
    assert p.requires_grad and p.is_leaf and p.name == "w" and p.dtype == np.float64 and p.data[0] == 1
    assert nd.Parameter([1, 2]).dtype == np.float32 and nd.Parameter(1.0).dtype == np.float32
    assert isinstance(p, nd.Tensor) and not isinstance(p * 2, nd.Parameter)


def test_arrays_of_another_byte_order_become_the_machines():
    swapped = np.linspace(-2, 2, 5000).astype(np.dtype(np.float32).newbyteorder())
    plain = swapped.astype(np.float32)
    x = nd.astensor(swapped, requires_grad=True)
    nd.sum(nd.celu(x) * swapped).backward()
    assert x.dtype == x.grad.dtype == nd.zeros(2, swapped.dtype).dtype == x.astype(swapped.dtype).dtype == np.float32
    np.testing.assert_allclose(x.grad.data, plain * np.where(plain > 0, 1, np.exp(plain)), rtol=1e-5)
    x.data = swapped[::-1]
    np.testing.assert_array_equal(nd.celu(x).data, nd.celu(plain[::-1]).data)


def test_pythons_numbers_are_weak_in_functions_of_two_operands():
    x = np.full((2, 3), 0.5, np.float32)
    for y in (nd.xlogy(x, 0.5), nd.xlogy(2, x), nd.xlog1py(x, 1), nd.prelu(x, 0.1), nd.gaussian_nll_loss(x, x, 0.5), nd.logaddexp(x, 1)):
        assert y.dtype == np.float32
    assert nd.xlogy(0.0, 0.0).item() == 0


def test_the_default_dtype_concerns_parameters_only():
    try:
        nd.set_default_dtype(np.float64)
        assert nd.Parameter([1.0]).dtype == np.float64
        nd.set_default_dtype("float16")
        assert nd.Parameter([1.0]).dtype == np.float16 and nd.zeros(2).dtype == np.float64
        with pytest.raises(TypeError, match="int64"):
            nd.set_default_dtype(np.int64)
        assert nd.Parameter([1.0]).dtype == np.float16
    finally:
        nd.set_default_dtype(np.float32)


# ---- reading


def test_attributes_are_those_of_the_array():
    t = nd.tensor(np.zeros((2, 3, 4), np.float32))
    assert (t.shape, t.dtype, t.ndim, t.size, t.itemsize, t.nbytes) == ((2, 3, 4), np.float32, 3, 24, 4, 96)
    assert t.T.shape == (4, 3, 2) and t.mT.shape == (2, 4, 3)
    assert t.numpy() is t.data or np.shares_memory(t.numpy(), t.data)
    assert nd.tensor(2.5).item() == 2.5 and nd.tensor([1, 2]).tolist() == [1, 2]


def test_numbers_come_out_of_one_element_tensors():
    assert float(nd.tensor(2.5)) == 2.5 and int(nd.tensor(3)) == 3 and complex(nd.tensor(1j)) == 1j
    assert float(nd.tensor([[2.5]])) == 2.5
    assert bool(nd.tensor(True)) is True and bool(nd.tensor([0.0])) is False
    assert [10, 20, 30][nd.tensor(1)] == 20 and list(range(5))[nd.tensor(1) : nd.tensor(3)] == [1, 2]
    assert float(leaf(2)) == 2


@pytest.mark.parametrize("convert", [float, int, complex])
def test_several_elements_are_no_number(convert):
    with pytest.raises((TypeError, ValueError), match=r"\(2,\)"):
        convert(nd.tensor([1.0, 2.0]))


def test_truth_of_several_elements_is_ambiguous():
    with pytest.raises(ValueError):
        bool(nd.tensor([1.0, 2.0]))


def test_floats_are_no_index():
    with pytest.raises(TypeError):
        [1, 2][nd.tensor(1.0)]


def test_length_and_iteration_go_along_the_first_axis():
    x = leaf(1, 2, 3)
    assert len(x) == 3
    a, _, c = x
    (a * 2 + c).backward()
    np.testing.assert_array_equal(x.grad.data, [2, 0, 1])
    assert [r.shape for r in nd.zeros((2, 5))] == [(5,), (5,)]
    with pytest.raises(TypeError, match="0-d"):
        len(nd.tensor(1.0))
    with pytest.raises(TypeError):
        iter(nd.tensor(1.0))


def test_membership_looks_at_values():
    assert 2.0 in leaf(1, 2) and 3.0 not in leaf(1, 2)


def test_formatting_takes_a_number_format():
    assert f"{nd.tensor(1.23456):.2f}" == "1.23" and f"{nd.tensor(7):03d}" == "007"
    assert f"{leaf(1)}" == str(leaf(1))


def test_formats_are_for_one_number():
    for t in (leaf(1, 2), leaf(1)):
        with pytest.raises(TypeError, match=r"'\.2f' is for one number.*\(\d,\)"):
            f"{t:.2f}"


def test_membership_and_truth_are_numpys():
    x = nd.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3.0 in x and nd.tensor(4.0) in x and 5.0 not in x
    for t in (x, nd.zeros(0)):
        with pytest.raises(ValueError, match=r"bool: a tensor of shape .*any\(\) or x\.all\(\)"):
            bool(t)


def test_rounding_and_division_with_remainder():
    x = leaf(1.234, -5.678)
    assert round(x, 1).tolist() == [1.2, -5.7] and round(x).tolist() == [1, -6]
    q, r = divmod(x, 0.5)
    np.testing.assert_array_equal([q.data, r.data], np.divmod(x.data, 0.5))
    q, r = divmod(7.0, x)
    np.testing.assert_array_equal([q.data, r.data], np.divmod(7.0, x.data))
    n = nd.tensor([1, 2])
    assert (n << 2).tolist() == [4, 8] and (8 >> n).tolist() == [4, 2]
    n <<= 1
    n |= 1
    assert n.tolist() == [3, 5]


def test_equality_is_elementwise_and_tensors_are_hashable_by_identity():
    x, y = leaf(1, 2), leaf(1, 3)
    np.testing.assert_array_equal((x == y).data, [True, False])
    np.testing.assert_array_equal((x != y).data, [False, True])
    assert {x: "x", y: "y"}[x] == "x"


@pytest.mark.parametrize("values", [np.zeros((100, 100)), np.arange(3.0), np.zeros(0), np.array(3.0), np.arange(1000.0)])
def test_repr_is_short_and_tells_shape_dtype_and_origin(values):
    x = nd.tensor(values, requires_grad=True, name="weights")
    text = repr(x)
    assert str(values.shape) in text and "float64" in text and "weights" in text and "requires_grad" in text
    assert "sin" in repr(nd.sin(x))
    assert "requires_grad" not in repr(x.detach())
    for shown in (text, repr(nd.sin(x))):
        assert len(shown.splitlines()) == 1


def test_names_can_be_given_changed_and_removed():
    for t in (nd.tensor([1.0], name="a"), leaf(1), leaf(1) * 2):
        t.name = "b"
        assert t.name == "b" and "'b'" in repr(t)
        t.name = None
        assert t.name is None
    assert not nd.tensor([1.0], name="a").requires_grad


def test_switching_requires_grad_makes_and_unmakes_a_leaf():
    t = nd.tensor([1.0, 2.0], name="t")
    t.requires_grad = True
    (t * t).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [2, 4])
    t.requires_grad = False
    assert not (t * 2).requires_grad and t.name == "t"
    y = leaf(1) * 2
    with pytest.raises(ValueError, match="detach"):
        y.requires_grad = False
    assert y.requires_grad


# ---- writing


def test_in_place_operators_give_this_handle_a_new_value_and_record_it():
    x = leaf(1, 2)
    y = x * 1
    other, before = y, y.detach()
    y += 10
    y *= x
    y -= 1
    y /= 2
    y **= 2
    assert other is y
    np.testing.assert_array_equal(before.data, [1, 2])
    f = lambda v: ((v + 10) * v - 1) / 2
    np.testing.assert_allclose(y.data, f(x.data) ** 2)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * f(x.data) * (2 * x.data + 10) / 2)


def test_a_handle_taken_before_an_update_keeps_the_old_value_and_graph():
    x = leaf(1, 2)
    y = x * 1
    square = y * y
    alias = nd.astensor(y)
    view = y[:1]
    assert alias is y
    y += 100
    y[0] = -1
    np.testing.assert_array_equal(view.data, [1])
    (square.sum() + view.sum()).backward()
    np.testing.assert_array_equal(x.grad.data, [3, 4])


def test_matmul_in_place():
    x = nd.tensor(np.eye(2) * 2, requires_grad=True)
    y = x * 1
    y @= x
    y.sum().backward()
    np.testing.assert_allclose(y.data, np.eye(2) * 4)
    np.testing.assert_allclose(x.grad.data, np.full((2, 2), 4.0))


def test_assigning_entries_records_and_cuts_the_old_ones_off():
    x, v = leaf(1, 2, 3), nd.tensor(7.0, requires_grad=True)
    y = x * 2
    y[1] = v * 3
    y[2] += 5
    np.testing.assert_array_equal(y.data, [2, 21, 11])
    (y * np.array([1.0, 10.0, 100.0])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 0, 200])
    assert float(v.grad) == 30


def test_assigning_into_a_constant_makes_it_part_of_the_graph():
    t, x = nd.zeros(3), leaf(5)
    t[1:2] = x
    assert t.requires_grad
    (t * t).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [10])


LEAF_UPDATES = {
    "+=": lambda x: x.__iadd__(1.0),
    "-=": lambda x: x.__isub__(1.0),
    "*=": lambda x: x.__imul__(2.0),
    "/=": lambda x: x.__itruediv__(2.0),
    "**=": lambda x: x.__ipow__(2.0),
    "[]": lambda x: x.__setitem__(0, 5.0),
}


@pytest.mark.parametrize("update", LEAF_UPDATES)
def test_a_leaf_is_updated_only_under_no_grad(update):
    x = leaf(1, 2)
    array = x.data
    with pytest.raises(RuntimeError, match="no_grad"):
        LEAF_UPDATES[update](x)
    np.testing.assert_array_equal(x.data, [1, 2])
    assert x.requires_grad
    with nd.no_grad():
        LEAF_UPDATES[update](x)
    assert x.requires_grad and x.is_leaf and (x.data != [1, 2]).any()
    np.testing.assert_array_equal(array, [1, 2])
    (x * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])


def test_an_update_of_a_result_under_no_grad_cuts_it_from_its_graph():
    x = leaf(1, 2)
    y = x * 2
    with nd.no_grad():
        y += 1
    np.testing.assert_array_equal(y.data, [3, 5])
    assert not y.requires_grad


def test_an_update_keeps_shape_and_dtype_or_raises_and_changes_nothing():
    y = nd.tensor(np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 1\)"):
        y += np.ones((2, 3), np.float32)
    with pytest.raises(TypeError, match="complex"):
        y += 1j
    y += np.ones((2, 1))  # float64 fits into float32 as in NumPy
    assert y.dtype == np.float32 and y.shape == (2, 1) and (y.data == 2).all()
    n = nd.tensor([1, 2])
    with pytest.raises(TypeError, match="float64.*int64"):
        n += 0.5
    with pytest.raises(TypeError, match="float64.*int64"):
        n[0] = np.array([0.5])
    np.testing.assert_array_equal(n.data, [1, 2])
    assert n.dtype == int


def test_the_callers_arrays_are_never_changed():
    a = np.array([1.0, 2.0, 3.0])
    for t in (nd.astensor(a), nd.tensor(a)):
        t += 1
        t[0] = 9
        t *= 2
        np.testing.assert_array_equal(a, [1, 2, 3])
    p = nd.astensor(a, requires_grad=True)
    with nd.no_grad():
        p -= 1
        p[:] = 0
    np.testing.assert_array_equal(a, [1, 2, 3])
    v = np.array([7.0])
    t = nd.zeros(3)
    t[:1] = v
    v[0] = 8
    assert t.data[0] == 7


def test_data_replaces_a_leafs_value_and_keeps_its_graph_role():
    x = leaf(1, 2)
    a = np.array([5.0, 6.0])
    x.data = a
    a[0] = 100
    np.testing.assert_array_equal(x.data, [5, 6])
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [10, 12])
    c = nd.tensor([1.0, 2.0])
    c.data = nd.tensor([3.0, 4.0])
    np.testing.assert_array_equal(c.data, [3, 4])


def test_data_checks_shape_and_dtype_and_refuses_results():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        x.data = np.zeros(3)
    with pytest.raises(TypeError, match="float64.*float32"):
        x.data = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="multiply"):
        (x * 2).data = np.zeros(2)
    np.testing.assert_array_equal(x.data, [1, 2])


def test_replacing_data_after_recording_leaves_the_recorded_gradient_right():
    x = leaf(1, 2)
    y = (x * x).sum()
    x.data = np.array([100.0, 100.0])
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2, 4])


def test_grad_can_be_set_and_is_checked():
    x = leaf(1, 2)
    x.grad = np.array([3.0, 4.0])
    assert isinstance(x.grad, nd.Tensor)
    x.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [4, 5])
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        x.grad = np.zeros(3)
    with pytest.raises((TypeError, ValueError), match="float64.*float32"):
        x.grad = np.zeros(2, np.float32)
    np.testing.assert_array_equal(x.grad.data, [4, 5])


def test_a_gradient_set_from_an_array_does_not_follow_it():
    x, g = leaf(1, 2), np.array([3.0, 4.0])
    x.grad = g
    x.grad += 1
    np.testing.assert_array_equal(g, [3, 4])


# ---- nobody can change recorded values


def results():
    x = nd.tensor(np.linspace(0.1, 0.9, 12).reshape(3, 4), requires_grad=True)
    yield from (x, x * 2, nd.exp(x), x.T, x[1:], x.reshape(12), x.sum(0), x @ x.T, nd.broadcast_to(x, (2, 3, 4)), nd.relu(x), nd.softmax(x))
    yield from (
        nd.where(x > 0.5, x, 0),
        nd.conv_nd(x[None, None], np.ones((1, 1, 2, 2))),
        nd.stack([x, x]),
        x.astype(np.float32),
        x > 0.5,
        x.max(),
    )
    yield from (nd.flip(x), nd.pad(x, 1), x.sum(), nd.zeros(3), nd.argmax(x), nd.einsum("ij,kj->ik", x, x), x.astype(float), +x, nd.real(x))
    h = nd.exp(x)
    h.sum().backward()
    yield x.grad


def test_results_cannot_be_written_to():
    for t in results():
        assert not t.data.flags.writeable, t
        with pytest.raises(ValueError, match="read-only"):
            t.data[...] = 0
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(t)[...] = 0


def test_saved_arrays_are_read_only():
    a = np.array([1.0, 2.0])
    x = leaf(3, 4)
    for y in (x * a, a * x, nd.astensor(a) * x, np.multiply(a, x)):
        for s in y._node.saved:
            assert not isinstance(s, np.ndarray) or not s.flags.writeable


OPERANDS = {
    "bare array": lambda a: a,
    "astensor": nd.astensor,
    "a view by astensor": lambda a: nd.astensor(a[:]),
    "a slice of astensor": lambda a: nd.astensor(a)[:],
    "a reshaped astensor": lambda a: nd.astensor(a).reshape(1, 2).reshape(2),
    "a transposed astensor": lambda a: nd.astensor(a).T,
    "a broadcast astensor": lambda a: nd.broadcast_to(nd.astensor(a), (2,)),
    "a real part of astensor": lambda a: nd.astensor(a).real,
    "a read-only view": lambda a: np.broadcast_to(a, (2,)),
    "a leaf by astensor": lambda a: nd.astensor(a, requires_grad=True),
    "a row of a larger array": lambda a: nd.astensor(np.broadcast_to(a, (3, 2)))[1],
    "expand_dims and squeeze": lambda a: nd.squeeze(nd.expand_dims(a, 0)),
    "detached": lambda a: nd.astensor(a, requires_grad=True).detach(),
    "an array of another class": lambda a: a.view(Mapped),
    "a read-only view of another class": lambda a: np.broadcast_to(a.view(Mapped), (2,), subok=True),
}


class Mapped(np.ndarray):
    """As np.memmap is."""


@pytest.mark.parametrize("operand", OPERANDS)
def test_writes_into_the_callers_array_after_recording_do_not_corrupt_gradients(operand):
    a = np.array([2.0, 3.0])
    x = leaf(5, 7)
    y = nd.multiply(x, OPERANDS[operand](a))
    z = nd.matmul(nd.reshape(x, (1, 2)), nd.reshape(nd.astensor(OPERANDS[operand](a)), (2, 1)))
    a[:] = 1000
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 3])
    x.grad = None
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 3])


def test_writes_after_recording_do_not_change_which_way_a_choice_went():
    condition, index = np.array([True, False]), np.array([1, 1])
    x = leaf(5, 7)
    y, z, t = nd.where(condition, x, 0), x[index], nd.take(x, index)
    w, at = x[np.array([0]), ...], x.at[index].add(1.0)
    condition[:] = index[:] = 0
    (y + z + t + w + at).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1 + 0 + 0 + 2 + 1, 0 + 2 + 2 + 0 + 1])


def test_writes_into_a_convolutions_arrays_after_recording_do_not_corrupt_gradients():
    a, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 2.0]]])
    x, v = nd.ones((1, 1, 5), requires_grad=True), nd.ones((1, 1, 2), requires_grad=True)
    y, z = nd.conv_nd(x, w), nd.conv_nd(a, v)
    a[:], w[:] = 99, 99
    (y.sum() + z.sum()).backward()
    np.testing.assert_array_equal(x.grad.data.ravel(), [1, 3, 3, 3, 2])
    np.testing.assert_array_equal(v.grad.data.ravel(), [6, 10])


def test_a_leaf_from_astensor_keeps_its_recorded_value_when_the_array_changes():
    a = np.array([1.0, 2.0])
    x = nd.astensor(a, requires_grad=True)
    y = (x * x).sum()
    a[:] = 50
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2, 4])


# ---- copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize(
    "t",
    [
        nd.tensor([1.0, 2.0]),
        nd.tensor([1, 2], name="n"),
        nd.tensor([1.0], requires_grad=True, name="x"),
        nd.Parameter([1.0, 2.0], name="w"),
    ],
)
def test_leaves_copy_and_pickle_with_name_kind_and_role(duplicate, t):
    d = duplicate(t)
    assert d is not t and type(d) is type(t) and d.name == t.name and d.requires_grad == t.requires_grad and d.dtype == t.dtype
    np.testing.assert_array_equal(d.data, t.data)
    assert not d.data.flags.writeable
    if t.requires_grad:
        (d * 2).sum().backward()
        assert t.grad is None and d.grad is not None


def test_a_shallow_copy_of_a_result_is_another_handle_on_it():
    x = leaf(1)
    y = nd.exp(x)
    z = copy.copy(y)
    z += 1
    (y + z).sum().backward()
    assert z is not y and (z - y).item() == 1 and x.grad.item() == 2 * y.item()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_a_result_in_a_graph_is_not_copied_but_detached_first(duplicate):
    with pytest.raises(TypeError, match="exp.*detach"):
        duplicate(nd.exp(leaf(1)))
    duplicate(nd.exp(leaf(1)).detach())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_frozen_parameter_stays_frozen_and_gradients_stay_behind(duplicate):
    p = nd.Parameter([1.0, 2.0], name="w")
    (p * 2).sum().backward()
    assert duplicate(p).grad is None
    p.requires_grad = False
    d = duplicate(p)
    assert type(d) is nd.Parameter and not d.requires_grad and d.name == "w"


def test_dlpack_shares_the_value_read_only_or_copies_it_for_readers_that_know_no_such_mark():
    x = leaf(1, 2, 3)
    a = np.from_dlpack(x)
    assert np.shares_memory(a, x.data) and not a.flags.writeable and x.__dlpack_device__() == (1, 0)
    assert not np.shares_memory(np.from_dlpack(x, copy=True), x.data)
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(x).tolist() == [1, 2, 3]
    old = torch.utils.dlpack.from_dlpack(x.__dlpack__())  # a reader from before 1.0
    old += 1
    np.testing.assert_array_equal(x.data, [1, 2, 3])
    shared = torch.tensor([1.0, 2.0])
    y = nd.from_dlpack(shared)
    product = leaf(1, 1).astype(np.float32) * y
    shared += 1
    assert y.tolist() == [2, 3] and product.tolist() == [1, 2]
    assert nd.from_dlpack(np.arange(3), copy=True).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="from_dlpack.*list"):
        nd.from_dlpack([1, 2])


def test_deepcopy_keeps_shared_tensors_shared():
    p = nd.Parameter([1.0])
    a, b = copy.deepcopy([p, p])
    assert a is b and a is not p


def test_the_copy_method_is_recorded():
    x = leaf(1, 2)
    y = x.copy()
    y += 1
    y.sum().backward()
    np.testing.assert_array_equal(x.data, [1, 2])
    np.testing.assert_array_equal(x.grad.data, [1, 1])


# ---- at


def test_at_updates_are_functional():
    x = leaf(1, 2, 3)
    for y in (x.at[1].set(9.0), x.at[1].add(7.0), x.at[1].mul(4.5), x.at[1].max(9.0), x.at[[1]].add([7.0])):
        np.testing.assert_array_equal(y.data, [1, 9, 3])
    np.testing.assert_array_equal(x.at[1].min(-9.0).data, [1, -9, 3])
    np.testing.assert_array_equal(x.data, [1, 2, 3])


@pytest.mark.parametrize("method, ufunc", [("add", np.add), ("mul", np.multiply), ("min", np.minimum), ("max", np.maximum)])
@in_turn(
    "index",
    [
        (np.array([0, 2, 0, 0]),),
        (np.array([0, 0, 1]), np.array([1, 1, 2])),
        (slice(None), np.array([1, 1])),
        (Ellipsis, np.array([-1, 2])),
        (np.array([True, False, True]),),
        (1,),
        (None, slice(0, 2)),
        (np.array([], int),),
    ],
)
def test_at_updates_agree_with_ufunc_at_also_for_repeated_places(method, ufunc, index):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 4))
    v = rng.standard_normal(a[index].shape)
    expected = a.copy()
    ufunc.at(expected, index, v)
    x, u = nd.tensor(a, requires_grad=True), nd.tensor(v, requires_grad=True)
    y = getattr(x.at[index], method)(u)
    np.testing.assert_allclose(y.data, expected)
    nd.testing.check_grads(lambda x, u: getattr(x.at[index], method)(u), [a, v], order=2)


def test_at_set_with_repeated_places_keeps_the_last_and_its_gradient():
    x, v = leaf(1, 2, 3), leaf(10, 20, 30)
    y = x.at[np.array([0, 0, 2])].set(v)
    np.testing.assert_array_equal(y.data, [20, 2, 30])
    (y * np.array([1.0, 2.0, 3.0])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 2, 0])
    np.testing.assert_array_equal(v.grad.data, [0, 1, 3])


def test_at_values_broadcast_and_keep_the_dtype():
    x = nd.tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    for y in (x.at[:, 1].add(2), x.at[:, 1].set(2.0), x.at[:, 1].max(np.float64(2)), x.at[..., 1].add(nd.tensor(2.0))):
        np.testing.assert_array_equal(y.data, [[0, 2, 0]] * 2)
        assert y.dtype == np.float32


def test_at_needs_a_place():
    with pytest.raises(TypeError, match="index"):
        leaf(1).at.set(3.0)


# ---- dtypes

# Python's numbers and functions made of several operations; tests/test_every_op.py has the operations.
OPS = {
    "x + 1": lambda x: x + 1,
    "1.5 - x": lambda x: 1.5 - x,
    "x * 2.5": lambda x: x * 2.5,
    "2 / x": lambda x: 2 / x,
    "x ** 2": lambda x: x**2,
    "x ** 0.5": lambda x: x**0.5,
    "2.0 ** x": lambda x: 2.0**x,
    "x % 0.3": lambda x: x % 0.3,
    "x // 0.3": lambda x: x // 0.3,
    "x + True": lambda x: x + True,
    "maximum": lambda x: nd.maximum(x, 0.5),
    "minimum": lambda x: nd.minimum(0.5, x),
    "where": lambda x: nd.where(x > 0.5, x, 0.0),
    "where, two numbers": lambda x: nd.where(x > 0.5, x * 2, 1),
    "arctan2": lambda x: nd.arctan2(x, 2.0),
    "hypot": lambda x: nd.hypot(3, x),
    "logaddexp": lambda x: nd.logaddexp(x, 0.0),
    "tensordot": lambda x: nd.tensordot(x, x, 2),
    "einsum": lambda x: nd.einsum("ij,ij->j", x, x),
    "einsum, three": lambda x: nd.einsum("ij,kj,kl->il", x, x, x),
    "outer": lambda x: nd.outer(x, x),
    "dot": lambda x: nd.dot(x, x.T),
    "take": lambda x: nd.take(x, [0, 2, 2], axis=1),
    "at add": lambda x: x.at[0].add(1.5),
    "at mul": lambda x: x.at[[0, 0]].mul(1.5),
    "setitem": lambda x: x.at[0].set(2),
    "pad": lambda x: nd.pad(x, 1),
    "pad with a value": lambda x: nd.pad(x, 1, constant_values=1.5),
    "pad by reflection": lambda x: nd.pad(x, 1, "reflect"),
    "split": lambda x: nd.split(x, 2, axis=1)[1],
    "conv, strided": lambda x: nd.conv_nd(x[None, None], x[None, None, :2, :2], stride=2, padding=1, padding_mode="reflect"),
    "conv_transpose": lambda x: nd.conv_transpose_nd(x[None, None], x[None, None, :2, :2], x[0, :1], stride=2),
    "correlate": lambda x: nd.correlate_nd(x, x, "same"),
    "avg_pool": lambda x: nd.avg_pool_nd(x[None, None], 2, 1, padding=1, count_include_pad=False),
    "dropout": lambda x: nd.dropout(x, 0.5, rng=0),
    "cross_entropy": lambda x: nd.cross_entropy(x, np.arange(len(x.data))),
    "cross_entropy, smoothed": lambda x: nd.cross_entropy(x, np.arange(len(x.data)), label_smoothing=0.1, weight=np.ones(4)),
    "swap": lambda x: nd.swapaxes(nd.moveaxis(nd.expand_dims(x, 0), 0, -1), 0, 1),
    "through int8 mask": lambda x: x * nd.tensor(np.ones((4, 4), np.int8)),
    "times a NumPy scalar of its kind": lambda x: x * x.dtype.type(2.5),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@in_turn("op", OPS)
def test_an_operation_keeps_the_dtype_forward_and_backward(op, dtype):
    x = nd.tensor(np.linspace(0.1, 0.9, 16, dtype=dtype).reshape(4, 4), requires_grad=True)
    y = OPS[op](x)
    assert y.dtype == dtype
    assert y.requires_grad
    g = nd.gradients(y.sum(), x, create_graph=True)
    assert g.dtype == dtype and g.shape == x.shape
    if g.requires_grad:
        assert nd.gradients(g.sum(), x).dtype == dtype
    value, tangent = nd.jvp(OPS[op], [x.data], [np.ones_like(x.data)])
    assert value.dtype == tangent.dtype == dtype


def test_promotion_follows_numpy_between_arrays_and_gradients_come_back_in_kind():
    for a, b in (
        (np.float32, np.float64),
        (np.float16, np.float32),
        (np.float32, np.complex64),
        (np.float32, np.int64),
        (np.float64, np.complex64),
    ):
        x, y = nd.tensor(np.ones(2, a), requires_grad=True), nd.tensor(np.ones(2, b))
        z = x * y
        assert z.dtype == np.result_type(a, b)
        (z.real if z.dtype.kind == "c" else z).sum().backward()
        assert x.grad.dtype == a


def test_zero_d_tensors_promote_as_arrays_and_python_scalars_are_weak():
    x = nd.tensor(np.ones(2, np.float32))
    assert (x * 2.0).dtype == (x * 2).dtype == (2.0 * x).dtype == np.float32
    assert (x * nd.tensor(2.0)).dtype == np.float64 and (x * np.float64(2)).dtype == np.float64
    assert (nd.tensor([1, 2]) * 2.5).dtype == np.float64 and (nd.tensor([1, 2]) / 2).dtype == np.float64
    assert (x * 1j).dtype == np.complex64


def test_integers_promote_in_functions_as_numpy_says():
    n = nd.tensor([1, 2, 3])
    for name in ("exp", "sqrt", "mean", "std", "var"):
        assert getattr(nd, name)(n).dtype == getattr(np, name)(n.data).dtype
    for name in ("sum", "prod", "max"):
        assert getattr(nd, name)(n).dtype == int
    assert nd.sum(nd.tensor(np.array([200, 100], np.uint8))).item() == 300
    assert nd.softmax(n).dtype == np.float64 and nd.avg_pool_nd(n[None, None], 2).dtype == np.float64


def test_astype_is_differentiable_between_floats_and_cuts_at_integers():
    x = leaf(1.5, 2.5)
    (x.astype(np.float32) * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2])
    assert x.grad.dtype == np.float64
    assert not x.astype(int).requires_grad and x.astype(int).dtype == int


def test_float16_sums_and_means_survive_many_terms():
    x = nd.tensor(np.full(100_000, 0.5, np.float16), requires_grad=True)  # more than a half can count
    for mean in (nd.mean, nd.average, nd.nanmean):
        for recorded in (False, True):
            np.testing.assert_allclose(nd.gradients(mean(x), x, create_graph=recorded).data, 1e-5, rtol=5e-3)
    x = nd.tensor(np.full(20_000, 0.5, np.float16))
    assert float(x.mean()) == pytest.approx(0.5, rel=1e-2)
    assert float(x[:10_000].sum()) == pytest.approx(5000, rel=1e-2)


def test_bit_operators_mean_what_numpys_do():
    a, b = np.array([6, 3]), np.array([3, 1])
    for f in (lambda x, y: x & y, lambda x, y: x | y, lambda x, y: x ^ y):
        np.testing.assert_array_equal(f(nd.tensor(a), b), f(a, b))
        np.testing.assert_array_equal(f(6, nd.tensor(b)), f(6, b))
        np.testing.assert_array_equal(f(a, nd.tensor(b)), f(a, b))
    np.testing.assert_array_equal(~nd.tensor(a), ~a)
    np.testing.assert_array_equal(~(nd.tensor(a) > 3) | (nd.tensor(b) > 1), [True, True])


def test_copy_takes_every_dtype():
    assert nd.tensor([True, False]).copy().tolist() == [True, False]


def test_a_name_is_a_string():
    for make in (lambda: nd.Parameter([1.0], float), lambda: nd.tensor(1.0, name=3), lambda: nd.astensor(1.0, name=3)):
        with pytest.raises(TypeError, match="name: a tensor's name is a string, but got"):
            make()
    x = leaf(1)
    with pytest.raises(TypeError, match="name"):
        x.name = 5
    assert x.name is None


def test_a_hook_is_a_function():
    with pytest.raises(TypeError, match="register_hook: takes a function of the gradient, but got a int"):
        leaf(1).register_hook(5)


def test_astype_takes_numpys_copy():
    x = leaf(1, 2)
    assert x.astype(np.float32, copy=False).dtype == np.astype(x, np.float32, copy=True).dtype == np.float32
