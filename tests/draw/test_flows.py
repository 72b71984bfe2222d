"""Numbers in the picture: values along edges, gradients against them, measured costs, and where a nan begins."""

import numpy as np
import pytest

import tinygrad_nd as nd


def network() -> tuple[nd.Tensor, nd.Tensor, nd.Tensor]:
    """(loss, w, x) of a product, a relu and a sum: every value and gradient is known by hand."""
    x = nd.tensor([[1.0, -2.0], [3.0, 4.0]], name="x")
    w = nd.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True, name="w")
    return nd.relu(x @ w).sum(), w, x


def edges(drawing: nd.Drawing) -> dict[str, dict]:
    """Edges of the JSON by "tail>head"."""
    facts = drawing.json()
    names = [n.get("name") or n["title"] for n in facts["nodes"]]
    return {f"{names[e['tail']]}>{names[e['head']]}": e for e in facts["edges"]}


@pytest.mark.parametrize("swept", [False, True])
def test_values_and_gradients_flow_along_edges_also_after_backward(swept):
    loss, w, x = network()
    if swept:
        loss.backward()
    drawing = nd.draw(loss, stats=True, grads=True, names={"x": x, "w": w, "loss": loss})
    found = edges(drawing)
    h = np.array([[1.0, -4.0], [3.0, 8.0]])
    assert found["matmul>relu"]["value"]["mean"] == h.mean()
    assert found["matmul>relu"]["value"]["std"] == pytest.approx(h.std())
    assert found["relu>loss"]["value"]["zeros"] == 0.25
    assert found["relu>loss"]["grad"]["norm"] == 2.0
    assert found["matmul>relu"]["grad"] == {"norm": pytest.approx(3**0.5), "bad": 0, "zeros": 0.25}
    assert found["w>matmul"]["grad"]["norm"] == pytest.approx(float(nd.sqrt((nd.tensor([[4.0, 3.0], [4.0, 2.0]]) ** 2).sum())))
    assert found["x>matmul"]["grad"]["norm"] is None
    assert "grad 1.73, 25% zero" in drawing.dot


def test_an_operand_read_twice_shows_the_gradient_of_each_reading():
    a = nd.tensor([3.0], requires_grad=True)
    b = nd.tensor([2.0], requires_grad=True)
    found = [e for e in nd.draw((a * b + 5 * a).sum(), grads=True).json()["edges"] if "grad" in e]
    assert sorted(e["grad"]["norm"] for e in found) == [1.0, 1.0, 1.0, 2.0, 3.0, 5.0]


def test_drawing_gradients_leaves_grad_hooks_and_graph_alone():
    loss, w, _ = network()
    called = []
    w.register_hook(lambda g: called.append(g))
    nd.draw(loss, grads=True, stats=True, cost=True)
    assert w.grad is None and not called
    loss.backward()
    assert len(called) == 1


def test_wider_lines_carry_larger_gradients():
    a = nd.tensor([1.0], requires_grad=True)
    dot = nd.draw((a * 1e4).sum(), grads=True).dot
    assert "penwidth=4" in dot and "penwidth=2" in dot


def test_the_first_nan_is_marked_and_what_it_spoils_is_red():
    x = nd.tensor([-1.0, 1.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        y = nd.exp(nd.log(x) * 2.0)
    drawing = nd.draw(y.sum(), stats=True)
    marked = [v.title for v in drawing.graph.vertices if v.mark]
    assert marked == ["log"]
    found = edges(drawing)
    assert found["x>log"]["value"]["bad"] == 0 and found["log>multiply"]["value"]["bad"] == 1
    assert "red double line" in drawing.dot and "nan or inf begins here" in str(drawing)
    assert "red double line" not in nd.draw(nd.exp(x).sum(), stats=True).dot


def test_the_first_nan_of_the_gradient_is_marked():
    x = nd.tensor([0.0, 1.0], requires_grad=True)
    drawing = nd.draw((nd.sqrt(x) * 2.0).sum(), grads=True)
    assert [v.title for v in drawing.graph.vertices if "gradients" in v.mark] == ["sqrt"]


def test_what_was_freed_for_good_is_said():
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    loss = nd.exp(x * np.array([1.0, 3.0])).sum()
    loss.backward()
    drawing = nd.draw(loss, grads=True)
    assert any("retain_graph=True" in r for r in drawing.graph.remarks)
    assert "grad " in drawing.dot


def test_costs_are_measured_and_shaded():
    w = nd.Parameter(np.ones((8, 3, 3, 3), np.float32))
    y = nd.relu(nd.conv_nd(nd.tensor(np.ones((2, 3, 32, 32), np.float32), name="x"), w)).sum()
    drawing = nd.draw(y, cost=True)
    conv = next(v.cost for v in drawing.graph.vertices if v.title == "conv_nd")
    assert conv.forward > 0 and conv.backward > 0
    assert conv.saved == 4 * 2 * 3 * 32 * 32  # x; the weight lives anyway
    assert "most time, forward and backward" in drawing.dot and "#F0963C" in drawing.dot
    assert "measured: " in str(drawing)
    assert "most time" not in nd.draw(y).dot


def test_missing_source_lines_say_how_to_record_them():
    loss, _, _ = network()
    assert "nd.debug.sources()" in nd.draw(loss, source=True).dot
    with nd.debug.sources():
        loss, _, _ = network()
    dot = nd.draw(loss, source=True).dot
    assert "test_flows.py:" in dot and "nd.debug.sources()" not in dot


def test_a_rule_that_raises_is_drawn_and_told():
    cube = nd.primitive("cube", x=lambda g, x: g * nd.zeros(7))(lambda x: x * x * x)
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    drawing = nd.draw((cube(x) * 2.0).sum(), grads=True)
    assert "its rule raised ValueError" in drawing.dot
    assert [v.title for v in drawing.graph.vertices if v.mark] == ["cube"]
