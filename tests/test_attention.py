"""Attention against PyTorch."""

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.testing import check_grads

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(3)


def operands(batch=(2, 3), length=5, keys=7, features=4, values=6):
    return [RNG.standard_normal((*batch, *shape)) for shape in ((length, features), (keys, features), (keys, values))]


def agree(arrays, mask=None, causal=False):
    ours = [nd.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = nd.scaled_dot_product_attention(*ours, mask, causal=causal)
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs, None if mask is None else torch.tensor(mask), is_causal=causal)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = RNG.standard_normal(y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_torchs(causal):
    agree(operands(), causal=causal)
    agree(operands((), 3, 2), causal=causal)


def test_a_boolean_mask_says_who_takes_part():
    agree(operands(), RNG.random((2, 1, 5, 7)) < 0.6)
    agree(operands(), np.arange(7)[None] != 3)


def test_a_mask_of_numbers_is_added():
    agree(operands(), RNG.standard_normal((3, 5, 7)))


def test_a_query_that_sees_nothing_gives_zeros_and_no_gradient():
    mask = RNG.random((5, 7)) < 0.7
    mask[2] = False
    agree(operands(), mask)
    agree(operands(), np.where(mask, 0.5, -np.inf))


def test_a_learned_mask_has_a_gradient():
    mask = RNG.standard_normal((5, 7))
    check_grads(nd.scaled_dot_product_attention, [*operands((2,)), mask])


@pytest.mark.parametrize("change", [{0: (5, 3)}, {1: (6, 4)}, {0: (4,)}])
def test_operands_that_do_not_fit_are_named(change):
    arrays = operands(())
    for i, shape in change.items():
        arrays[i] = np.zeros(shape)
    with pytest.raises(ValueError, match="scaled_dot_product_attention: .*has"):
        nd.scaled_dot_product_attention(*arrays)


def test_a_mask_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"mask \(6, 7\) must broadcast to \(2, 3, 5, 7\)"):
        nd.scaled_dot_product_attention(*operands(), np.ones((6, 7), bool))
    with pytest.raises(TypeError, match="booleans or floats"):
        nd.scaled_dot_product_attention(*operands(), np.ones((5, 7), int))
