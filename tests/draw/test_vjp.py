"""The VJP of one operation, as steps and with numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.kernels import reference


def steps(drawing: nd.Drawing, scope: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(v.title, v.shape) for v in drawing.graph.vertices if v.scope == scope]


def leaf(*shape: int, name: str | None = None) -> nd.Tensor:
    return nd.tensor(np.random.default_rng(0).integers(-3, 4, shape).astype(float), requires_grad=True, name=name)


def test_a_convolution_is_dilated_padded_rotated_and_correlated():
    y = nd.conv_nd(leaf(2, 3, 9, 9), leaf(4, 3, 3, 3), leaf(4), stride=2, padding=1)
    drawing = nd.draw_vjp(y)
    assert steps(drawing, "input gradient") == [
        ("dilate by stride", (2, 4, 9, 9)),
        ("pad", (2, 4, 11, 11)),
        ("rotate kernel", (4, 3, 3, 3)),
        ("swap channels", (3, 4, 3, 3)),
        ("correlate", (2, 3, 9, 9)),
    ]
    assert steps(drawing, "weight gradient")[-1] == ("swap batch and channels", (4, 3, 3, 3))
    assert {v.name: v.shape for v in drawing.graph.vertices if v.output} == {"dx": (2, 3, 9, 9), "dw": (4, 3, 3, 3), "dbias": (4,)}
    assert all(e.tail < e.head for e in drawing.graph.edges)


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("groups", [1, 2])
def test_shapes_fit_at_every_rank(rank, groups):
    x, w = leaf(2, 4, *(8, 9, 7, 6)[:rank]), leaf(6, 4 // groups, *(3, 2, 1, 2)[:rank])
    y = nd.conv_nd(x, w, stride=2, padding=1, dilation=(2, 1, 1, 3)[:rank], groups=groups)
    outputs = {v.name: v.shape for v in nd.draw_vjp(y).graph.vertices if v.output}
    assert outputs == {"dx": x.shape, "dw": w.shape}
    t = nd.conv_transpose_nd(x, leaf(4, 6 // groups, *(3, 2, 1, 2)[:rank]), stride=2, groups=groups)
    outputs = {v.name: v.shape for v in nd.draw_vjp(t).graph.vertices if v.output}
    assert outputs == {"dg": x.shape, "dw": (4, 6 // groups, *(3, 2, 1, 2)[:rank])}


def test_only_what_needs_a_gradient_is_drawn_also_after_backward():
    y = nd.conv_nd(np.ones((1, 2, 9)), leaf(4, 2, 3), stride=2)
    y.sum().backward()
    assert [v.name for v in nd.draw_vjp(y).graph.vertices if v.output] == ["dw"]


def test_a_weight_gradient_has_its_own():
    x, w = leaf(1, 2, 9), leaf(4, 2, 3)
    dw = nd.gradients((nd.conv_nd(x, w, stride=2) ** 2).sum(), w, create_graph=True)
    node = dw._node
    while node.op.name != "weight_grad":
        node = node.parents[0]
    assert {v.name: v.shape for v in nd.draw_vjp(node).graph.vertices if v.output} == {"dx": (1, 2, 9), "dg": (1, 4, 4)}


def test_other_operations_show_what_their_rules_record():
    a, b = leaf(2, 3), leaf(3, 4)
    h = nd.exp(a)
    graph = nd.draw_vjp(h @ b).graph
    assert [v.name for v in graph.vertices if v.kind == "leaf"] and "matmul" in [v.title for v in graph.vertices]
    assert "exp" not in [v.title for v in graph.vertices]  # what came before is not drawn
    assert sorted(v.name for v in graph.vertices if v.output) == ["da", "db"]
    assert "g" in [v.name for v in graph.vertices]


@in_turn(
    "call, error, says",
    [
        (lambda: nd.draw_vjp(np.ones(2)), TypeError, "ndarray"),
        (lambda: nd.draw_vjp(leaf(2)), ValueError, "is a leaf"),
        (lambda: nd.draw_vjp(nd.tensor([1.0])), ValueError, "is a constant"),
        (lambda: nd.draw_vjp(nd.checkpoint(nd.exp)(leaf(2))), ValueError, "no rule of its own"),
        (lambda: nd.explain_vjp(np.ones(2)), TypeError, "ndarray"),
        (lambda: nd.explain_vjp(nd.exp(leaf(2))), ValueError, "made by exp"),
        (lambda: nd.explain_vjp(nd.tensor([1.0])), ValueError, "no recorded operation"),
        (lambda: nd.explain_vjp(nd.conv_nd(leaf(1, 1, 90), leaf(1, 1, 3))), ValueError, "at most 16 .*nd.draw_vjp"),
        (lambda: nd.explain_vjp(nd.conv_nd(leaf(1, 1, 3, 3, 3), leaf(1, 1, 1, 1, 1))), ValueError, "has 3; nd.draw_vjp"),
        (lambda: nd.explain_vjp(nd.conv_nd(leaf(1, 1, 5), leaf(1, 1, 3)), at=5), ValueError, "at=5"),
        (lambda: nd.explain_vjp(nd.conv_nd(leaf(1, 1, 5), leaf(1, 1, 3)), at="a"), TypeError, "explain_vjp: at takes ints, not 'a'"),
        (lambda: nd.explain_vjp(nd.conv_nd(leaf(1, 1, 5), leaf(1, 1, 3)), gradient=[1.0]), ValueError, r"\(1, 1, 3\)"),
    ],
)
def test_wrong_arguments_are_explained(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_freed_operation_says_what_to_do():
    y = nd.exp(leaf(2))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        nd.draw_vjp(y)


def test_the_style_of_a_picture_leaves_the_page_around_it_alone():
    svg = nd.explain_vjp(nd.conv_nd(leaf(1, 1, 5), leaf(1, 1, 3)))
    selectors = re.findall(r"([^{}>]+){", svg[svg.index("<style>") : svg.index("</style>")])
    assert ' class="in-numbers" ' in svg and len(selectors) > 5 and all(s.startswith(".in-numbers ") for s in selectors)


def cells(svg: str, kind: str) -> list[float]:
    """The numbers in the cells of one class."""
    found = list(ET.fromstring(svg).iter())
    return [float(b.text) for a, b in zip(found, found[1:]) if a.tag.endswith("rect") and kind in (a.get("class") or "").split()]


@pytest.mark.parametrize(
    ("size", "kernel", "window"),
    [((7,), (3,), {"stride": 2, "padding": 1}), ((5, 6), (3, 2), {"stride": (2, 1)}), ((6, 6), (2, 2), {"dilation": 2, "padding": 1}),
     ((6,), (3,), {"padding": -1}), ((5,), (2,), {"groups": 2, "stride": 2})],
)  # fmt: skip
def test_the_numbers_of_an_explained_element_are_those_of_the_definition(size, kernel, window):
    groups = window.get("groups", 1)
    x, w = leaf(2, 2, *size), leaf(2, 2 // groups, *kernel)
    y = nd.conv_nd(x, w, **window)
    g = np.random.default_rng(1).integers(-9, 9, y.shape).astype(float)
    spec = y._node.params["spec"]
    dx = reference.input_grad(g, w.data, spec)
    for at in [(1, 1, *(s - 1 for s in size)), (0, 0, *(0 for _ in size)), (0, 1, *(s // 2 for s in size))]:
        svg = nd.explain_vjp(y, at, gradient=g)
        assert cells(svg, "one") == [dx[at]]
        seen, taps = np.array(cells(svg, "seen")), np.array(cells(svg, "kernel"))
        assert seen @ taps == dx[at]
    first = at[1] * groups // 2 if groups > 1 else 0
    np.testing.assert_array_equal(taps[: np.prod(kernel)], np.flip(w.data[first, at[1] % (2 // groups)]).ravel())


def test_a_place_alone_is_one_in_the_first_image_and_channel():
    y = nd.conv_nd(leaf(1, 5), leaf(1, 1, 3))
    assert "dx[0, 0, 2]" in nd.explain_vjp(y, 2) == nd.explain_vjp(y)
    assert nd.explain_vjp(y)._repr_svg_().startswith("<svg")


@pytest.mark.parametrize("f, formula", [
    (lambda x: nd.softmax(x, 1), "y (g - Σ y g)"), (nd.tanh, "g (1 - y²)"), (nd.relu, "g where the operand was positive, else 0"),
    (lambda x: nd.max_pool_nd(x[None], 2), "g where each window's maximum is"), (lambda x: x[0], "g where it was taken from, 0 elsewhere"),
    (lambda x: nd.rms_norm(x, (4,)), "(h - x̂ mean(h x̂)) / σ, h = g weight"),
    (lambda x: nd.layer_norm(x, (4,)), "(h - mean h - x̂ mean(h x̂)) / σ, h = g weight"),
    (lambda x: nd.batch_norm(x, np.zeros(4), np.ones(4)), "g weight / σ"),
])  # fmt: skip
def test_a_gradient_in_one_step_tells_its_formula(f, formula):
    x = nd.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    assert nd.draw_vjp(f(x)).graph.vertices[-1].details[0] == formula
