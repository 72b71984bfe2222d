"""Attention, embedding and dropout; against PyTorch where it is installed."""

import numpy as np
import peers
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import replay
from tinygrad_nd.testing import check_grads

RNG = np.random.default_rng(3)


def operands(batch=(2, 3), length=5, keys=7, features=4, values=6):
    return [RNG.standard_normal((*batch, *shape)) for shape in ((length, features), (keys, features), (keys, values))]


def agree(arrays, mask=None, causal=False):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    chosen = {"attn_mask": None if mask is None else torch.tensor(mask), "is_causal": causal}
    ours = lambda *xs: nd.scaled_dot_product_attention(*xs, mask, causal=causal)
    peers.equal_torch(ours, lambda *xs: theirs(*xs, **chosen), arrays, order=1)


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


@pytest.mark.parametrize("mask", [np.tri(5, 7, 2) == 0, np.where(np.tri(5, 7, 2), -np.inf, 0.5), np.array(False)])
def test_a_query_that_mask_and_causality_leave_nothing_gives_zeros(mask):
    """Here the mask hides just what a causal query may look at."""
    arrays = [nd.tensor(a, requires_grad=True) for a in operands()]
    y = nd.scaled_dot_product_attention(*arrays, mask, causal=True)
    assert not y.data.any()
    nd.sum(y).backward()
    assert not any(t.grad.data.any() for t in arrays)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_sequences_that_are_all_padding_learn_nothing_and_masks_change_no_dtype(dtype, need_weights):
    layer = nd.nn.MultiHeadAttention(4, 2, dropout=0.5, dtype=dtype, rng=0)
    x = nd.tensor(RNG.standard_normal((3, 2, 4)), dtype, requires_grad=True)
    y, weights = layer(x, x, x, np.array([[True] * 3, [False] * 3]), need_weights)
    nd.sum(y).backward()
    assert y.dtype == dtype and (weights is None or weights.dtype == dtype)
    np.testing.assert_array_equal(y.data[:, 0], np.broadcast_to(layer.out_proj.bias.data, (3, 4)))
    assert not x.grad.data[:, 0].any() and np.isfinite(x.grad.data).all() and x.grad.data[:, 1].any()


def test_a_learned_mask_has_a_gradient():
    mask = RNG.standard_normal((5, 7))
    check_grads(nd.scaled_dot_product_attention, [*operands((2,)), mask])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [((4, 3), 77, 53, 12, 7), ((6,), 140, 70, 9, 16), ((2, 3), 64, 300, 5, 8)])
@in_turn("mask", [None, "keys", "both", "numbers"])
def test_blocks_of_queries_give_what_whole_arrays_do(engine, shape, mask, causal):
    """By the compiled kernel where there is one: of operands that are parts of one array, whose sequences lie outside the heads."""
    rng, (batch, length, keys, features, values) = np.random.default_rng(5), shape
    joint = rng.standard_normal((max(length, keys), *batch, 3 * max(features, values)))
    parts = [(slice(n), ..., slice(i, i + w)) for i, (n, w) in enumerate([(length, features), (keys, features), (keys, values)])]
    hidden = {"keys": np.arange(keys) > 2, "both": rng.random((length, keys)) < 0.7, "numbers": rng.random((*batch, 1, keys))}.get(mask)
    if mask == "both":
        hidden[3] = False
    g = rng.standard_normal((*batch, length, values))

    def run(dtype):
        x = nd.tensor(joint, dtype, requires_grad=True)
        added = nd.tensor(hidden, dtype) if mask == "numbers" else hidden
        y = nd.scaled_dot_product_attention(*[nd.moveaxis(x[part], 0, -2) for part in parts], added, causal=causal)
        y.backward(g.astype(dtype), retain_graph=True)
        once = x.grad.data
        y.backward(g.astype(dtype))
        np.testing.assert_allclose(x.grad.data, 2 * once, rtol=1e-5, atol=1e-5)
        return y.data, once

    found = [run(np.float32) for _ in range(3)][-1]  # at first it is written down
    for a, b in zip(found, run(np.float64)):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


@pytest.mark.parametrize("shapes", [((1, 3, 4), (5, 4), (2, 5, 2)), ((3, 1, 4, 2), (1, 2), (3, 1, 4)), ((80, 16), (90, 16), (3, 90, 8))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_may_have_more_examples_than_queries_and_keys(engine, shapes, dtype):
    q, k, v = (np.random.default_rng(0).standard_normal(s).astype(dtype) for s in shapes)
    y, pull = nd.vjp(nd.scaled_dot_product_attention, q, k, v)
    _, written_out = nd.vjp(lambda q, k, v: nd.softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5) @ v, q, k, v)
    g = np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype)
    for found, expected in zip(pull(g), written_out(g)):
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-4, atol=1e-4)


def test_what_a_call_kept_is_not_what_a_replay_on_other_arrays_kept():
    arrays = [nd.tensor(a, np.float32, requires_grad=True) for a in operands()]
    y = nd.scaled_dot_product_attention(*arrays)
    found = [nd.gradients(y, arrays, nd.ones(y.shape, np.float32), retain_graph=True)]
    replay.run(y._node.op, [a.data + 1 for a in arrays] + [None], y._node.params)
    found.append(nd.gradients(y, arrays, nd.ones(y.shape, np.float32)))
    for a, b in zip(*found):
        np.testing.assert_array_equal(a.data, b.data)


def test_what_one_operation_hides_is_told():
    q, k, v = (nd.tensor(a, requires_grad=True) for a in operands())
    y = nd.scaled_dot_product_attention(q, k, v, causal=True)
    graph = nd.draw(y).graph
    assert [vertex.flops for vertex in graph.vertices if vertex.kind == "op"] == [2 * 2 * 3 * 5 * 7 * (4 + 6)]
    assert [nd.shapes.receptive_field(y, t).size for t in (q, k, v)] == [(1, 4), (7, 4), (7, 1)]
    by_parts = nd.scaled_dot_product_attention(q, k, v, nd.zeros((5, 7), requires_grad=True))
    assert nd.shapes.receptive_field(by_parts, q) == nd.shapes.receptive_field(y, q)


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


@pytest.mark.peer("attention", "torch", ranks=(0, 1, 2), order=2)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_second_derivatives_and_scale_are_torchs(torch, batch):
    theirs = torch.nn.functional.scaled_dot_product_attention
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        for causal in (False, True):
            f = lambda q, k, v: nd.scaled_dot_product_attention(q, k, v, causal=causal, scale=0.7)  # noqa: B023
            g = lambda q, k, v: theirs(q, k, v, is_causal=causal, scale=0.7)  # noqa: B023
            peers.equal_torch(f, g, operands(batch))
        mask = RNG.standard_normal((5, 7))
        hold = torch.tensor(mask)
        ours = lambda q, k, v: nd.scaled_dot_product_attention(q, k, v, mask)
        peers.equal_torch(ours, lambda q, k, v: theirs(q, k, v, hold), operands(batch))


# Embedding and dropout.


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
@pytest.mark.parametrize("padding", [None, 1, -2])
def test_embedding_is_torchs(torch, shape, padding):
    index, w = RNG.integers(0, 5, shape), RNG.standard_normal((5, 3))
    hold = torch.tensor(index)
    ours = lambda w: nd.embedding(index, w, padding_idx=padding)
    peers.equal_torch(ours, lambda w: torch.nn.functional.embedding(hold, w, padding_idx=padding), [w])


def test_one_row_of_an_embedding_of_numbers():
    w = nd.tensor([3.0, 4.0], requires_grad=True)
    y = nd.embedding(1, w, padding_idx=1) + nd.embedding(0, w, padding_idx=1)
    assert y.item() == 7
    np.testing.assert_array_equal(nd.gradients(y, w).data, [1, 0])


def test_an_embedding_layer_learns_all_but_its_padding():
    layer = nd.nn.Embedding(6, 4, padding_idx=2, rng=0)
    assert not layer.weight.data[2].any() and layer.weight.data[3].all()
    nd.sum(layer([[0, 2], [0, 5]])).backward()
    np.testing.assert_array_equal(layer.weight.grad.data[:, 0], [2, 0, 0, 0, 0, 1])
    assert list(layer.state_dict()) == ["weight"]


def test_the_same_seed_drops_the_same():
    x = nd.ones((4, 5, 6))
    for f in (nd.dropout, nd.dropout_nd, nd.alpha_dropout):
        np.testing.assert_array_equal(f(x, 0.3, rng=7).data, f(x, 0.3, rng=7).data)
        rng = np.random.default_rng(7)
        first = f(x, 0.3, rng=rng)
        assert not np.array_equal(first.data, f(x, 0.3, rng=rng).data)
        assert f(x, 0.3, training=False) is x and f(x, 0.0) is x and not f(x, 1.0).data.any()


def test_dropout_of_channels_takes_whole_ones_and_keeps_the_mean():
    x = np.ones((50, 40, 2, 3), np.float32)
    y = nd.dropout_nd(x, 0.25, rng=0).data
    assert y.dtype == np.float32 and (y == y[:, :, :1, :1]).all() and abs(y.mean() - 1) < 0.05
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    last = nd.dropout_nd(x, 0.25, rng=0, layout="N*C").data  # (50, 40, 2) of space, three channels
    assert (last == last[:, :1, :1]).all() and len(np.unique(last[0, 0, 0])) <= 2
    assert nd.dropout_nd(np.ones((2, 3)), 0.5, rng=0).shape == (2, 3)


def test_alpha_dropout_keeps_mean_and_variance():
    y = nd.alpha_dropout(RNG.standard_normal(200_000), 0.3, rng=1).data
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02


def test_layers_drop_while_training_alone():
    x = nd.ones((6, 8, 4))
    for layer in (nd.nn.Dropout(rng=0), nd.nn.DropoutNd(rng=0), nd.nn.AlphaDropout(rng=0)):
        assert not np.array_equal(layer(x).data, layer(x).data)
        layer.eval()
        assert layer(x) is x


@pytest.mark.parametrize("call, kind, words", [
    (lambda: nd.embedding([0, 5], np.ones((5, 2))), ValueError, "rows 0 to 4, but indices reach 0 to 5"),
    (lambda: nd.embedding([-1], np.ones((5, 2))), ValueError, "rows 0 to 4"),
    (lambda: nd.embedding([0.5], np.ones((5, 2))), TypeError, "indices must be integers"),
    (lambda: nd.embedding([0], np.ones((5, 2)), padding_idx=5), ValueError, "padding_idx is 5"),
    (lambda: nd.dropout_nd(np.ones(3)), ValueError, r"dropout_nd: x needs axes \(N, C, \*n\)"),
    (lambda: nd.alpha_dropout(np.ones(3), -0.1), ValueError, "alpha_dropout: p=-0.1 must be at least 0 and at most 1"),
    (lambda: nd.nn.Embedding(0, 3), ValueError, "Embedding: num_embeddings=0 must be at least 1"),
    (lambda: nd.nn.DropoutNd(2.0), ValueError, "DropoutNd: p=2.0 must be at least 0"),
])  # fmt: skip
def test_what_does_not_fit_is_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
