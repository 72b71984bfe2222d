"""A checkpointed function has the derivatives of the function, and holds none of its intermediate values."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.testing import check_grads

A = np.linspace(0.1, 0.9, 6).reshape(2, 3)


def leaf(a):
    return nd.tensor(a, requires_grad=True)


def block(x, w):
    return nd.tanh(nd.sin(x) @ w) * nd.exp(x[:, :2])


def grads_of(f, *arrays):
    xs = [leaf(a) for a in arrays]
    nd.sum(nd.square(f(*xs))).backward()
    return [x.grad.data for x in xs]


def test_gradients_are_those_of_the_function():
    w = np.arange(6.0).reshape(3, 2)
    for found, expected in zip(grads_of(nd.checkpoint(block), A, w), grads_of(block, A, w)):
        np.testing.assert_array_equal(found, expected)
    x, w = leaf(A), leaf(w)
    y, plain = nd.checkpoint(block)(x, w), block(x, w)
    for t, g in ((x, np.ones((2, 2))), (w, 2 * A[:, :2])):  # one argument after the other, from cotangents of their own
        np.testing.assert_array_equal(nd.gradients(y, t, g, retain_graph=True).data, nd.gradients(plain, t, g, retain_graph=True).data)


def test_derivatives_of_every_order_and_forward_mode():
    check_grads(nd.checkpoint(block), [A, np.arange(6.0).reshape(3, 2) / 6], order=3)
    check_grads(nd.checkpoint(lambda x: (nd.sin(x), nd.exp(x) * 2, x)), [A], order=2)
    check_grads(nd.checkpoint(lambda x: nd.exp(x) * (1 + 2j)), [A + 1j * A], order=2)


def test_what_it_closes_over_gets_its_gradient():
    w, b = nd.Parameter(np.ones((3, 2)), "w"), nd.Parameter(np.zeros(2), "b")
    f = lambda x: nd.tanh(x @ w + b)
    x = leaf(A)
    nd.sum(f(nd.exp(x))).backward()
    expected = [t.grad.data for t in (x, w, b)]
    for t in (x, w, b):
        t.grad = None
    nd.sum(nd.checkpoint(f)(nd.exp(x))).backward()
    for t, e in zip((x, w, b), expected):
        np.testing.assert_array_equal(t.grad.data, e)


def test_a_closed_over_result_that_depends_on_an_argument_is_counted_once():
    x = leaf(A)
    y = nd.sin(x)
    f = lambda x: nd.exp(x * y)
    g = nd.gradients(nd.sum(nd.checkpoint(f)(x)), x)
    np.testing.assert_allclose(g.data, np.exp(A * np.sin(A)) * (np.sin(A) + A * np.cos(A)))


def test_hooks_of_what_goes_in_run_once():
    x, calls = leaf(A), []
    x.register_hook(calls.append)
    nd.sum(nd.checkpoint(nd.sin)(x)).backward()
    assert len(calls) == 1


def test_results_in_tuples_lists_and_dicts():
    def f(x, *, scale):
        return {"a": (x * scale, nd.sin(x)), "b": [x, 3.0, nd.tensor(1.0)], "c": np.ones(2)}

    x, s = leaf(A), leaf(2.0)
    with nd.debug.sources():
        out = nd.checkpoint(f)(x, scale=s)
    assert out["b"][1] == 3.0 and out["b"][0].is_leaf and out["b"][0].requires_grad and not out["b"][2].requires_grad
    first, second = out["a"]
    (nd.sum(first) * 5 + nd.sum(second) + nd.sum(out["b"][0])).backward()
    np.testing.assert_allclose(x.grad.data, 10 + np.cos(A) + 1)
    assert float(s.grad) == pytest.approx(5 * A.sum())


def test_one_result_of_several_may_go_unused():
    x, y = leaf(A), leaf(A)
    a, _ = nd.checkpoint(lambda x, y: (nd.sin(x), nd.exp(y)))(x, y)
    nd.sum(a).backward()
    np.testing.assert_allclose(x.grad.data, np.cos(A))
    np.testing.assert_array_equal(y.grad.data, 0 * A)


def test_the_function_runs_again_once_per_sweep():
    runs = []

    def f(x, w):
        runs.append(1)
        return nd.sin(x) * w, nd.exp(x) * w

    x, w = leaf(A), leaf(A)
    a, b = nd.checkpoint(f)(x, w)
    nd.sum(a + b).backward(retain_graph=True)
    assert len(runs) == 2
    first = x.grad.data.copy()
    nd.sum(a + b).backward()
    assert len(runs) == 3
    np.testing.assert_array_equal(x.grad.data, 2 * first)


def test_calls_nest():
    inner = nd.checkpoint(lambda x: nd.sin(nd.exp(x)))
    outer = nd.checkpoint(lambda x: inner(inner(x)) * x)
    plain = lambda x: nd.sin(nd.exp(nd.sin(nd.exp(x)))) * x
    np.testing.assert_allclose(nd.grad(lambda x: nd.sum(outer(x)))(A), nd.grad(lambda x: nd.sum(plain(x)))(A))
    check_grads(outer, [A])


def test_arguments_are_taken_as_they_were():
    x, a = leaf(A), A.copy()
    y = nd.checkpoint(lambda x, a: nd.exp(x * a))(x, a)
    a[:] = 100
    x.data = A + 1
    nd.sum(y).backward()
    np.testing.assert_allclose(x.grad.data, A * np.exp(A * A))


def test_a_generator_among_the_arguments_is_put_back():
    x, rng = leaf(np.ones(100)), np.random.default_rng(0)
    y = nd.checkpoint(lambda x, rng: nd.dropout(x, 0.5, rng=rng))(x, rng)
    rng.random(10)
    nd.sum(y).backward()
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_a_change_of_what_it_closes_over_is_noticed():
    w = nd.Parameter(np.ones(3), "w")
    y = nd.checkpoint(lambda x: nd.exp(x * w))(leaf(A))
    with nd.no_grad():
        w += 1
    with pytest.raises(RuntimeError, match="checkpoint.*must not change"):
        nd.sum(y).backward()


def test_a_function_that_computes_otherwise_the_second_time_is_noticed():
    sizes, others = iter([2, 3]), iter([leaf(A), leaf(A)])
    for f, what in ((lambda x: x.ravel()[: next(sizes)] * 2, "other results"), (lambda x: x * next(others), "other tensors")):
        y = nd.checkpoint(f)(leaf(A))
        with pytest.raises(RuntimeError, match=what):
            nd.sum(y).backward()


def test_without_recording_and_without_gradients_it_is_the_function():
    f = nd.checkpoint(block)
    with nd.no_grad():
        assert not f(leaf(A), np.ones((3, 2))).requires_grad
    assert not f(A, np.ones((3, 2))).requires_grad
    np.testing.assert_array_equal(f(A, np.ones((3, 2))).data, block(A, np.ones((3, 2))).data)


def test_it_is_one_node_with_the_name_of_its_function():
    y = nd.checkpoint(block)(leaf(A), leaf(np.ones((3, 2))))
    assert y._node.op.name == "checkpoint" and all(p.op is None for p in y._node.parents)
    assert "checkpoint" in nd.draw(y).dot and "block" in nd.draw(y).dot and "tanh" not in nd.draw(y).dot
    assert "checkpoint" in nd.draw(*nd.checkpoint(lambda x: (x * 2, x * 3))(leaf(A))).dot


def test_memory_of_a_chain_is_that_of_its_inputs_and_one_call():
    def segment(x):
        for _ in range(20):
            x = nd.sin(x)
        return x

    def peak(f, n=10):
        y = leaf(np.ones(2_000))
        tracemalloc.start()
        for _ in range(n):
            y = f(y)
        nd.sum(y).backward()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(nd.checkpoint(segment)) < 0.3 * peak(segment)


def test_randomness_of_the_library_is_the_same_when_it_runs_again():
    x = nd.tensor(np.ones(50), requires_grad=True)
    nd.random.seed(0)
    y = nd.checkpoint(lambda x: nd.dropout(x, 0.5) * nd.random.uniform(size=50))(x)
    following = nd.random.uniform(size=3).data
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    nd.random.seed(0)
    nd.dropout(x, 0.5), nd.random.uniform(size=50)
    np.testing.assert_array_equal(nd.random.uniform(size=3).data, following)


def test_layers_that_draw_from_generators_of_their_own_draw_the_same_again():
    def gradients(around, within):
        inner = nd.nn.Sequential(nd.nn.Linear(50, 9, rng=2), nd.nn.Dropout(rng=1))
        layers = nd.nn.Linear(3, 50, rng=0), nd.nn.Dropout(0.5, rng=1), within(inner)
        run, x = around(nd.nn.Sequential(*layers)), leaf(A.astype(np.float32))
        ys = [run(x), run(x)]  # the second call's masks are others
        nd.random.seed(3)
        nd.sum(ys[0] * ys[1]).backward()
        return [*(t.data for t in ys), x.grad.data, layers[0].weight.grad.data, layers[1](np.ones(5)).data]

    plain = lambda f: f
    expected = gradients(plain, plain)
    for around, within in ((nd.checkpoint, plain), (plain, nd.checkpoint), (nd.checkpoint, nd.checkpoint)):
        for a, b in zip(gradients(around, within), expected):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_running_statistics_count_a_batch_once():
    plain, again = (nd.nn.Sequential(nd.nn.Linear(3, 4, rng=0), nd.nn.BatchNorm(4)) for _ in range(2))
    for run in (plain, nd.checkpoint(again)):
        nd.sum(nd.square(run(A.astype(np.float32)))).backward()
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)


@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_model_may_make_its_parameters_at_a_first_call_that_is_checkpointed(requires_grad):
    def gradients(run):
        net = nd.nn.Sequential(nd.nn.Linear(None, 4, rng=0), nd.nn.Linear(None, 2, rng=1))
        x = nd.tensor(A, requires_grad=requires_grad)
        nd.sum(nd.square(run(net)(x))).backward()
        return [p.grad.data for p in net.parameters()]

    for found, expected in zip(gradients(nd.checkpoint), gradients(lambda net: net)):
        np.testing.assert_array_equal(found, expected)
