"""A replay for the picture finds the values and gradients that the graph had: of every operation, before and after backward()."""

import numpy as np
import pytest
from samples import SAMPLES, Sample, for_each

import tinygrad_nd as nd

DIFFERENTIABLE = [s for s in SAMPLES if s.differentiable]
AGAIN = {"max_pool", "mse_loss", "smooth_l1_loss", "kl_div", "unit", "gelu_grad", "silu_grad", "normalise_grad", "var", "std"}
UNTIMED = {"cholesky", "concatenate", "stack", "setitem", "nll_loss gradient"}  # an operand is not known, or not apt
UNTIMED |= {"normalise weight gradient", "normalise bias gradient"}


def norms(graph) -> dict[str, float]:
    return {v.name: v.grad.norm for v in graph.vertices if v.kind == "leaf" and v.grad}


def test_a_checkpoint_is_replayed():
    x = nd.tensor([0.5, 2.0], requires_grad=True, name="x")
    w = nd.tensor([1.5, -2.0], requires_grad=True, name="w")
    loss = nd.checkpoint(lambda x, w: nd.exp(x * w))(x, w).sum()
    for _ in range(2):
        graph = nd.draw(loss, stats=True, grads=True, cost=True).graph
        assert graph.vertices[-1].title == "sum"
        if x.grad is None:
            expected = np.exp(x.data * w.data) * w.data
            assert norms(graph)["x"] == pytest.approx(float(np.linalg.norm(expected)))
            loss.backward()


def test_several_outputs_and_integers_and_halves_are_replayed():
    x = nd.tensor(np.arange(6, dtype=np.float16).reshape(2, 3), requires_grad=True, name="x")
    graph = nd.draw([x.max(1), x[:, 1] * 2], stats=True, grads=True, cost=True).graph
    assert norms(graph)["x"] == pytest.approx((2 * (1 + 4)) ** 0.5, rel=1e-3)


def test_what_a_leaf_holds_counts_for_no_operation_and_what_several_keep_for_the_first():
    x = nd.tensor(np.ones(100), requires_grad=True)
    y = x * x
    graph = nd.draw(nd.exp(y * y) * y, cost=True).graph
    assert [v.cost.saved for v in graph.vertices if v.kind == "op"] == [0, 800, 800, 0]


@for_each(DIFFERENTIABLE)
def test_every_operation_is_replayed(sample: Sample):
    leaves = [nd.tensor(a, requires_grad=True, name=f"leaf{i}") for i, a in enumerate(sample.args)]
    y = sample.f(*leaves)
    ones = np.ones(y.shape, y.dtype)
    found = nd.gradients(y, leaves, ones, retain_graph=True)
    expected = {t.name: float(np.linalg.norm(g.data)) for t, g in zip(leaves, found)}
    graph = nd.draw(y, stats=True, grads=True, cost=True).graph
    assert {v.title for v in graph.vertices if v.kind == "op" and not (v.cost.forward and v.cost.backward)} <= UNTIMED
    assert {k: v or 0.0 for k, v in norms(graph).items()} == {k: pytest.approx(v) for k, v in expected.items()}
    nd.gradients(y, leaves, ones)
    after = norms(nd.draw(y, stats=True, grads=True, cost=True).graph)
    assert all(v is None and sample.op not in AGAIN or v == pytest.approx(expected[k]) for k, v in after.items())
    if len(graph.vertices) <= 40:
        assert nd.draw_vjp(_retained(sample)).dot


def _retained(sample: Sample) -> nd.Tensor:
    return sample.f(*(nd.tensor(a, requires_grad=True) for a in sample.args))
