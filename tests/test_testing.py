"""Checks of derivatives accept what is right, and say of what is wrong which argument, where, and by how much."""

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.testing import check_adjoint, check_grads

A = np.linspace(0.1, 0.9, 6).reshape(2, 3)


@nd.primitive(x=lambda g, x: g * 2 * x, y=lambda g: g * np.array([1.0, 1.0, 1.1]))
def wrong_in_y(x, y):
    return x * x + y


@nd.primitive(x=lambda g, x: g * x.detach())
def cut_off(x):
    return x * x / 2


def test_it_names_the_argument_the_mode_the_order_and_the_worst_index():
    with pytest.raises(AssertionError) as caught:
        check_grads(wrong_in_y, [A, A])
    message = str(caught.value)
    for part in ("argument 1", "reverse mode", "order 1", ", 2): expected", "by differences", "2 of 6 entries"):
        assert part in message
    found = float(message.rpartition("found ")[2].split()[0])
    expected = float(message.rpartition("expected ")[2].split(",")[0])
    assert found == pytest.approx(1.1 * expected, rel=1e-6)


def test_a_derivative_cut_off_fails_at_the_second_order_and_says_so():
    check_grads(cut_off, [A], order=1)
    with pytest.raises(AssertionError, match="order 2: the result carries no gradient"):
        check_grads(cut_off, [A])


def test_a_slope_of_complex_numbers_is_conjugated():
    with pytest.raises(AssertionError, match=r"argument 0.*worst at index \(\d, \d\): expected .*j, found .*j"):
        check_grads(cut_off, [A * (1 + 1j)], order=1)


def test_arguments_may_be_tensors_nested_single_or_of_other_kinds():
    check_grads(nd.exp, A)
    check_grads(nd.exp, nd.tensor(A.astype(np.float32), requires_grad=True))
    check_grads(lambda d, n: d["w"] @ d["b"][0] * n, [{"w": A, "b": [A.T]}, 3])
    check_grads(lambda x, axis: (nd.sum(x, axis), nd.argmax(x)), [A, 0])
    check_grads(lambda x: x * 2.0, [1.5])
    check_grads(lambda x: nd.sum(x), [np.zeros((0, 3))])
    with pytest.raises(AssertionError, match=r"argument 0\['b'\]\[0\].*carries no gradient"):
        check_grads(lambda d: d["w"] @ d["b"][0].data, [{"w": A, "b": [A.T]}])


def test_functions_without_derivatives_are_told_apart():
    check_grads(nd.floor, [A])
    with pytest.raises(AssertionError, match="no result .* is floating"):
        check_grads(nd.argmax, [A])
    with pytest.raises(AssertionError, match="carries no gradient"):
        check_grads(lambda x: nd.astensor(np.exp(x.data)), [A])
    with pytest.raises(TypeError, match="must return tensors.*ndarray"):
        check_grads(lambda x: x.data, [A])
    with pytest.raises(TypeError, match="check_grads: takes a function and its arguments, but got a int and a list"):
        check_grads(3, [np.ones(2)])
    for order in (0, 2**70):
        with pytest.raises(ValueError, match=f"check_grads: order={order} must be at"):
            check_grads(nd.sin, [A], order=order)
    with pytest.raises(ValueError, match="nothing to differentiate.*int64"):
        check_grads(nd.exp, [np.array([1, 2])])


def test_a_rule_that_is_not_linear_in_g_fails_in_forward_mode():
    @nd.primitive(x=lambda g, x: nd.where(g.data == 0, 0.0, g * 2 * x))
    def square(x):
        return x * x

    with pytest.raises(AssertionError, match="argument 0, forward mode.*not linear in g"):
        check_grads(square, [A])


def test_an_adjoint_is_held_to_its_map():
    check_adjoint(lambda x: x[::2], lambda g: nd.zeros(5).at[::2].set(g), (5,))
    check_adjoint(lambda x: 2j * x, lambda g: -2j * g, (2, 3), dtype=complex)
    with pytest.raises(AssertionError, match=r"<f\(x\), g> is .* but <x, transpose\(g\)> is .*worst at index \(\d,\)"):
        check_adjoint(lambda x: x[::2], lambda g: np.repeat(g, 2)[:5], (5,))
    with pytest.raises(AssertionError, match=r"shape of x \(5,\), but returned \(3,\)"):
        check_adjoint(lambda x: x[::2], lambda g: g, (5,))
