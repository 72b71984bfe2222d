"""Recurrent layers against loops of single steps, and against differences."""

import copy

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd import nn, replay
from tinygrad_nd.node import Node
from tinygrad_nd.ops.recurrent import recurrence

KINDS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}
X = np.random.default_rng(0).standard_normal((5, 3, 2))


def pair(kind, **options):
    """A layer and the cell with its parameters."""
    layer, cell = getattr(nn, kind)(2, 4, rng=0, dtype=np.float64, **options), KINDS[kind](2, 4, dtype=np.float64)
    cell.load_state_dict({name: layer.state_dict()[f"{name}_l0"] for name, _ in cell.named_parameters()})
    return layer, cell


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_a_loop_of_steps_to_every_order(kind):
    layer, cell = pair(kind)
    found = []
    for run in (lambda x: layer(x)[0], lambda x: nd.stack(list(steps(cell, x)))):
        x = nd.tensor(X, requires_grad=True)
        y = run(x)
        model = layer if not found else cell
        first = nd.gradients(nd.sum(nd.sin(y)), [x, *model.parameters()], create_graph=True)
        second = nd.gradients(sum(nd.sum(g * g) for g in first), [x, *model.parameters()])
        found.append([y, *first, *second])
    for a, b in zip(*found):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-9, atol=1e-11)


def steps(cell, x):
    state = None
    for t in x:
        state = cell(t, state)
        yield state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_can_be_run_in_pieces(kind):
    layer = getattr(nn, kind)(2, 4, num_layers=2, rng=0, dtype=np.float64)
    y, end = layer(X)
    first, state = layer(X[:2])
    rest, last = layer(X[2:], state)
    np.testing.assert_allclose(np.concatenate([first.data, rest.data]), y.data, rtol=1e-12)
    for a, b in zip(end if kind == "LSTM" else [end], last if kind == "LSTM" else [last]):
        assert a.shape == (2, 3, 4)
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


def test_gradients_reach_states_through_both_results():
    layer = nn.LSTM(2, 4, bidirectional=True, rng=0, dtype=np.float64)
    h, c = (nd.tensor(np.random.default_rng(i).standard_normal((2, 3, 4))) for i in (1, 2))

    def f(x, h, c):
        y, (last, cell) = layer(x, (h, c))
        return nd.sum(nd.sin(y)) + nd.sum(last * cell)

    nd.testing.check_grads(f, [X, h, c], order=1)


def test_a_graph_is_swept_twice_alike():
    layer, _ = pair("LSTM")
    y = nd.sum(layer(X)[0])
    y.backward(retain_graph=True)
    once = [p.grad.data.copy() for p in layer.parameters()]
    layer.zero_grad()
    y.backward()
    for a, p in zip(once, layer.parameters()):
        np.testing.assert_array_equal(a, p.grad.data)


def test_what_a_run_kept_is_not_what_a_replay_on_other_arrays_kept():
    layer, _ = pair("LSTM")
    y = layer(X)[0]
    nodes = [n for n in replay.reachable([y._node]) if isinstance(n, Node)]
    node = next(n for n in nodes if n.op is not None and n.op.kind == "lstm")
    found = [nd.gradients(nd.sum(y), layer.parameters(), retain_graph=True)]
    replay.run(node.op, [2 * a for a in replay.operands(node, replay.values(nodes))], node.params)
    found.append(nd.gradients(nd.sum(y), layer.parameters()))
    for a, b in zip(*found):
        np.testing.assert_array_equal(a.data, b.data)


def test_layouts_of_the_input():
    layer, _ = pair("GRU")
    y, h = layer(X)
    layer.batch_first = True
    turned, same = layer(X.swapaxes(0, 1))
    np.testing.assert_array_equal(turned.data.swapaxes(0, 1), y.data)
    np.testing.assert_array_equal(same.data, h.data)
    alone, last = layer(X[:, 0])
    np.testing.assert_allclose(alone.data, y.data[:, 0], rtol=1e-12)
    assert last.shape == (1, 4)


def test_single_precision_stays_and_a_scope_names_the_run():
    y, _ = nn.LSTM(2, 3, rng=0)(X.astype(np.float32))
    assert y.dtype == np.float32
    assert "lstm" in nd.draw(y).dot and "LSTM" in nd.draw(y).dot


def test_dropout_acts_between_layers_while_training():
    layer = nn.GRU(2, 4, num_layers=2, dropout=0.5, rng=0)
    x = X.astype(np.float32)
    assert (layer(x)[0].data != layer(x)[0].data).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)
    np.testing.assert_array_equal(copy.deepcopy(layer)(x)[0].data, layer(x)[0].data)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.LSTM(2, 3)(X[..., :1]), r"LSTM: input_size is 2, but x \(5, 3, 1\) has 1 features"),
        (lambda: nn.LSTM(2, 3)(X[0, 0]), r"x needs axes \(steps, batch, features\)"),
        (lambda: nn.LSTM(2, 3)(X[:0]), "at least one step"),
        (lambda: nn.LSTM(2, 3)(X, (np.zeros((1, 3, 3)), np.zeros((1, 3, 2)))), r"state \(h, c\) needs shape \(1, 3, 3\), but has"),
        (lambda: nn.GRU(2, 3)(X, np.zeros((3, 3))), r"state needs shape \(1, 3, 3\), but has \(3, 3\)"),
        (lambda: nn.RNN(2, 3, nonlinearity="sin"), "'tanh' or 'relu', but is 'sin'"),
        (lambda: nn.GRU(2, 3, dropout=2), "dropout=2 must be at least 0 and at most 1"),
        (lambda: nn.GRU(2, 0), "hidden_size=0 must be at least 1"),
    ],
)
def test_errors_say_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("cell, gates, states", [("lstm", 4, 2), ("gru", 3, 1)])
@pytest.mark.parametrize("steps, n, size", [(1, 1, 3), (9, 5, 17), (4, 2, 64)])
def test_compiled_cells_are_those_of_numpy(cell, gates, states, steps, n, size):
    rng = np.random.default_rng(0)
    shapes = (steps, n, gates * size), (gates * size, size), (gates * size,), (states, n, size)
    given, g = [rng.standard_normal(shape) for shape in shapes], rng.standard_normal((steps, states, n, size))
    found = []
    for dtype in (np.float64, np.float32):  # in float64 it is NumPy's in any case
        operands = [nd.tensor(a.astype(dtype), requires_grad=True) for a in given]
        y = recurrence(cell, *operands)
        y.backward(nd.tensor(g.astype(dtype)))
        found.append([y, *[t.grad for t in operands]])
    for exact, got in zip(*found):
        np.testing.assert_allclose(got.data, exact.data, rtol=2e-4, atol=2e-5 * abs(exact.data).max())
