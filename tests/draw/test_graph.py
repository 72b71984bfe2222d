"""What the picture holds: every node once, in its scope, under its name."""

import gc
import time
import weakref

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.draw.graph import Graph


def titles(graph: Graph) -> list[str]:
    return [v.title for v in graph.vertices]


def named(graph: Graph) -> dict[str, str]:
    return {v.name: v.title for v in graph.vertices if v.name}


def leaf(*shape: int, name: str | None = None) -> nd.Tensor:
    return nd.tensor(np.ones(shape), requires_grad=True, name=name)


def two_blocks() -> tuple[nd.Tensor, nd.Parameter]:
    """x through two scopes that share a weight, each with a scope inside: 2 leaves and 7 operations."""
    w = nd.Parameter(np.ones((2, 2)), name="w")
    h = leaf(3, 2, name="x")
    for block in ("block1", "block2"):
        with nd.scope(block):
            with nd.scope("inner"):
                h = nd.exp(h @ w)
            h = h + 1
    return h.sum(), w


def test_shared_expressions_are_drawn_once():
    y = leaf(2)
    for _ in range(18):
        y = y + y
    graph = nd.draw(y).graph
    assert len(graph.vertices) == 19
    assert len(graph.edges) == 36
    assert nd.draw(y).dot.count("label=<<TABLE") == 19 + 1  # and the legend


def test_vertices_come_in_topological_order():
    graph = nd.draw(two_blocks()[0]).graph
    assert all(e.tail < e.head for e in graph.edges)


def test_shapes_dtypes_and_operations_are_visible():
    dot = nd.draw(nd.exp(nd.tensor(np.ones((3, 5), np.float32), requires_grad=True))).dot
    assert "<B>exp</B>" in dot and "(3, 5)" in dot and "float32" in dot


@in_turn("f, told", [
    (lambda x: nd.leaky_relu(x, 0.2), ("negative_slope = 0.2",)), (nd.hard_tanh, ("min_val = -1", "max_val = 1")), (nd.relu6, ()),
    (lambda x: nd.huber_loss(x, np.zeros(2), delta=2, reduction="none"), ("delta = 2",)),
    (lambda x: nd.concatenate([x, x]), ("axis 0",)),
])  # fmt: skip
def test_numbers_of_an_operation_go_by_the_names_they_were_given_by(f, told):
    (vertex,) = [v for v in nd.draw(f(nd.ones(2, requires_grad=True))).graph.vertices if v.kind == "op"]
    assert tuple(d for d in vertex.details if "constant" not in d) == told


def test_convolution_shows_geometry_and_algorithm():
    w = nd.Parameter(np.ones((4, 1, 3, 2)), name="w")
    y = nd.conv_nd(nd.tensor(np.ones((1, 2, 9, 9)), name="image"), w, stride=2, padding=((1, 0), (2, 2)), dilation=(1, 2), groups=2)
    (vertex,) = [v for v in nd.draw(y).graph.vertices if v.kind == "op" and v.family == "product"]
    assert vertex.title == "conv_nd"
    assert vertex.operands == ("x", "w")
    assert vertex.details[:5] == ("kernel 3×2", "stride 2", "padding ((1, 0), (2, 2))", "dilation 1×2", "groups 2")
    assert vertex.details[5].startswith("by ")


def test_unnamed_data_of_a_convolution_is_drawn_before_and_after_backward():
    y = nd.conv_nd(np.ones((1, 2, 9)), nd.Parameter(np.ones((4, 2, 3)))).sum()
    before = nd.draw(y).graph
    y.backward()
    after = nd.draw(y).graph
    for graph in (before, after):
        assert [v.shape for v in graph.vertices if v.kind == "constant"] == [(1, 2, 9)]


def test_transposed_convolution_and_max_pool_have_the_users_names():
    y = nd.max_pool_nd(nd.conv_transpose_nd(leaf(1, 2, 4), nd.Parameter(np.ones((2, 3, 2))), stride=2), 2)
    assert {"conv_transpose_nd", "max_pool_nd"} <= set(titles(nd.draw(y).graph))
    assert not [v for v in nd.draw(y).graph.vertices if v.kind == "constant"]  # the pool's own indices are no operand of the user's


def test_numbers_are_shown_where_they_are_known():
    x = leaf(3)
    assert [v.details for v in nd.draw(2 * x).graph.vertices][1] == ("2 * y",)
    assert [v.details for v in nd.draw(x**2).graph.vertices][1] == ("x ** 2",)
    assert [v.details for v in nd.draw(1 + x).graph.vertices][1] == ("constant + y",)  # a sum keeps no operand


def test_operand_order_is_drawn_where_it_matters():
    a, b = leaf(2), leaf(2)
    assert "n0 -> n2:s0:n" in nd.draw(a / b).dot
    assert ":s0" not in nd.draw(a + b).dot


def test_a_constant_bias_is_drawn():
    x = leaf(2, 3, name="x")
    w, b = nd.Parameter(np.ones((4, 3)), name="w"), nd.tensor(np.ones(4), name="b")
    for y, name in (
        (nd.linear(x, w, np.ones(4)), "bias"), (nd.linear(x, w, nd.ones(4)), "bias"), (nd.linear(x, w, b), "b"),
        (nd.conv_nd(x, w, np.ones(4, np.float32)), "bias"),
    ):  # fmt: skip
        constants = [v for v in nd.draw(y, names=None).graph.vertices if v.kind == "constant"]
        assert [v.name for v in constants] == [name], name


def test_weights_stand_beside_the_operation_that_alone_reads_them():
    x, w = leaf(4, 3, name="x"), leaf(2, 3, name="w")
    with nd.scope("layer"):
        weight, bias = w * 1.0, nd.Parameter(np.zeros(2))
        y = nd.linear(x, nd.Parameter(np.ones((2, 3))), bias)
        z = nd.linear(x, weight, bias)
    dot = nd.draw(y, grads=True).dot
    assert "{rank=same; n3 n1 n2}" in dot and "n3 -> n2 [style=invis weight=1]" in dot
    assert "n1 -> n3:s1:w [penwidth" in dot and "n2 -> n3:s2:e" in dot and "constraint=false" in dot
    assert "n2 -> n3:s2:n" in nd.draw(y, rankdir="LR").dot
    assert "rank=same" not in nd.draw(y + z).dot  # bias is read twice


def test_names_come_from_the_callers_variables():
    weight, bias = leaf(2), leaf(2)
    hidden = weight * bias
    result = nd.exp(hidden)
    assert named(nd.draw(result).graph) == {"weight": "leaf", "bias": "leaf", "hidden": "multiply", "result": "exp"}
    assert named(nd.draw(result, names=None).graph) == named(nd.draw(result, names="none").graph) == {}
    assert named(nd.draw(result, names={"scores": result}).graph) == {"scores": "exp"}


def test_a_tensors_own_name_wins_over_variables_and_explicit_names_over_both():
    variable = leaf(2, name="own")
    assert list(named(nd.draw(variable * 1.0).graph)) == ["own"]
    assert list(named(nd.draw(variable * 1.0, names={"given": variable}).graph)) == ["given"]


def test_two_variables_for_one_node_name_nothing():
    first = second = leaf(2)
    assert named(nd.draw(nd.exp(first)).graph) == {}
    assert second is first


weight_of_the_module = leaf(2)


def test_globals_are_read_after_locals():
    assert list(named(nd.draw(nd.exp(weight_of_the_module)).graph)) == ["weight_of_the_module"]
    local = weight_of_the_module
    assert list(named(nd.draw(nd.exp(local)).graph)) == ["local"]


def test_constants_are_named_through_the_array_they_hold():
    mask = nd.tensor([0.0, 1.0])
    x = leaf(2)
    assert "mask" in named(nd.draw(x * mask).graph)


def test_scopes_become_nested_boxes():
    loss, _ = two_blocks()
    drawing = nd.draw(loss)
    assert drawing.graph.scopes == ["block1", "block1/inner", "block2", "block2/inner"]
    assert drawing.dot.count("subgraph cluster_") == 4
    assert drawing.dot.count("{") == drawing.dot.count("}")


def test_a_parameter_sits_in_the_scope_its_readers_share():
    with nd.scope("net"):
        loss, _ = two_blocks()
    place = {v.name: v.scope for v in nd.draw(loss, names=None).graph.vertices if v.name}
    assert place["w"] == "net"
    assert place["x"] == "net"  # made inside
    with nd.scope("layer"):
        y = nd.exp(nd.Parameter([1.0], name="layer.bias"))
    graph = nd.draw(y).graph
    assert [v.scope for v in graph.vertices] == ["layer", "layer"]
    assert "<B>bias</B>" in nd.draw(y).dot


@pytest.mark.parametrize(
    ("depth", "count", "operations"), [(None, 9, [1] * 7), (2, 9, [1] * 7), (1, 7, [2, 1, 2, 1, 1]), (0, 5, [3, 3, 1])]
)
def test_depth_folds_scopes(depth, count, operations):
    loss, _ = two_blocks()
    graph = nd.draw(loss, depth=depth).graph
    assert len(graph.vertices) == count
    assert [v.operations for v in graph.vertices if v.operations] == operations
    assert all(e.tail < e.head for e in graph.edges)
    if depth == 0:
        assert graph.scopes == []
        fold = graph.vertices[2]
        assert (fold.title, fold.shape, fold.details) == ("block1", (3, 2), ("3 operations", "in (3, 2)", "in (2, 2)"))


def test_a_fold_with_several_results_writes_their_shapes_on_its_edges():
    x = leaf(2, 3)
    with nd.scope("both"):
        a, b = nd.exp(x), x.sum(0)
    graph = nd.draw(a, nd.exp(b), nd.exp(a), depth=0).graph
    assert {e.label for e in graph.edges} == {"", "(2, 3)", "(3,)"}
    assert "out (3,)" in next(v for v in graph.vertices if v.kind == "fold").details


def test_max_nodes_folds_first_and_then_keeps_the_newest():
    loss, _ = two_blocks()
    assert len(nd.draw(loss, max_nodes=9).graph.vertices) == 9
    assert len(nd.draw(loss, max_nodes=8).graph.vertices) == 7
    assert len(nd.draw(loss, max_nodes=5).graph.vertices) == 5
    chain = leaf(1)
    for _ in range(100):
        chain = nd.sin(chain)
    drawing = nd.draw(chain, max_nodes=10)
    assert len(drawing.graph.vertices) == 10
    assert drawing.graph.left_out == 92
    assert "92 earlier nodes left out" in drawing.dot
    assert drawing.graph.vertices[-1].output


def test_a_tensor_without_a_graph_is_one_vertex():
    drawing = nd.draw(nd.tensor([1.0, 2.0]))
    assert [v.kind for v in drawing.graph.vertices] == ["constant"]
    assert "(2,)" in drawing.dot


def test_lists_and_several_outputs_share_what_they_share():
    x = leaf(2)
    a, b = nd.exp(x), nd.sin(x)
    for drawing in (nd.draw(a, b), nd.draw([a, (b,)])):
        assert sum(v.output for v in drawing.graph.vertices) == 2
        assert len(drawing.graph.vertices) == 3


def test_gradients_are_shown_missing_finite_or_not():
    a, b, c = leaf(2, name="a"), leaf(2, name="b"), leaf(2, name="c")
    loss = (a * b + c.detach() * a).sum()
    (a * 3).sum().backward()
    b.grad = np.array([np.nan, np.inf])
    drawing = nd.draw(loss, grads=True)
    assert "grad 4.24" in drawing.dot
    assert "grad 2 nan or inf" in drawing.dot and "#B00020" in drawing.dot
    assert "no gradient" in drawing.dot and "style=dashed" in drawing.dot
    assert "grad " not in nd.draw(loss).dot
    assert c.grad is None


def test_statistics_are_shown_where_a_value_is_still_held():
    x = nd.tensor([1.0, 2.0, 3.0, 0.0], requires_grad=True)
    y = nd.exp(x)
    text = str(nd.draw(y.sum(), stats=True))
    assert "1.5 ± 1.12, 25% zero, in [0, 3]" in text
    assert "in [1, 20.1]" in text
    assert "±" not in str(nd.draw(y))


def test_costs_are_counted():
    w = nd.Parameter(np.ones((4, 3, 3, 3), np.float32))
    y = nd.conv_nd(np.ones((2, 3, 10, 10), np.float32), w)
    (conv,) = [v.cost for v in nd.draw(y, cost=True).graph.vertices if v.cost]
    assert conv.flops == 2 * 2 * 4 * 8 * 8 * 27
    assert conv.bytes == 4 * (2 * 3 * 10 * 10 + 4 * 3 * 3 * 3 + 2 * 4 * 8 * 8)
    (product,) = [v.cost for v in nd.draw(leaf(5, 7) @ leaf(7, 3), cost=True).graph.vertices if v.cost]
    assert product.flops == 2 * 5 * 7 * 3
    assert "forward in all: 210 flop" in nd.draw(leaf(5, 7) @ leaf(7, 3), cost=True).dot


def test_source_lines_are_shown_where_recorded():
    y = nd.exp(leaf(2))
    y._node.note(source="model.py:12")
    assert "model.py:12" in nd.draw(y, source=True).dot
    assert "model.py:12" not in nd.draw(y).dot


def test_backward_leaves_the_whole_graph_to_draw():
    loss, w = two_blocks()
    before = nd.draw(loss, names=None).dot
    loss.backward()
    after = nd.draw(loss, names=None).dot
    assert before.count("TABLE") == after.count("TABLE")
    assert before.count(" -> ") == after.count(" -> ")
    assert w.grad is not None


def test_drawing_neither_keeps_nor_changes_the_graph():
    x = leaf(3)
    y = nd.exp(x)
    parents, saved, extra = y._node.parents, y._node.saved, y._node.extra
    drawing = nd.draw(y, grads=True, stats=True, cost=True, source=True)
    assert (y._node.parents, y._node.saved, y._node.extra) == (parents, saved, extra)
    assert y._node.parents is parents and y._node.saved is saved
    del parents, saved, extra
    node = weakref.ref(y._node)
    gc.disable()
    try:
        del y
        assert node() is None
    finally:
        gc.enable()
    assert "exp" in drawing.dot


def test_a_long_chain_is_drawn_in_linear_time_without_recursion():
    def seconds(n: int) -> float:
        y = leaf(1)
        for _ in range(n):
            y = nd.negative(y)
        start = time.perf_counter()
        assert nd.draw(y).dot.count(" -> n") == n
        return time.perf_counter() - start

    small = min(seconds(1000) for _ in range(3))
    assert seconds(16_000) < 16 * small * 4
    assert min(seconds(5000) for _ in range(3)) < 1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: nd.draw(), TypeError, "at least one tensor"),
        (lambda: nd.draw(np.ones(2)), TypeError, "ndarray; only what is computed from tensors"),
        (lambda: nd.draw(nd.nn.Linear(2, 3)), TypeError, "Linear; call it"),
        (lambda: nd.draw([3.0]), TypeError, "float"),
        (lambda: nd.draw(leaf(1), rankdir="UP"), ValueError, "'LR' or 'RL', but is 'UP'"),
        (lambda: nd.draw(leaf(1), grads=leaf(1)), TypeError, "grads must be True or False"),
        (lambda: nd.draw(leaf(1), depth=-1), ValueError, "depth=-1 must be at least 0"),
        (lambda: nd.draw(leaf(1), depth=1.5), TypeError, "depth must be an int"),
        (lambda: nd.draw(leaf(1), max_nodes=0), ValueError, "max_nodes=0 must be at least 1"),
        (lambda: nd.draw(leaf(1), names="all"), ValueError, "'auto'"),
        (lambda: nd.draw(leaf(1), names={"x": 3}), TypeError, "str: int"),
    ],
)
def test_wrong_arguments_are_explained(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_parameter_stands_in_the_layer_that_reads_it_where_its_path_ends_that_of_another():
    net = nd.nn.Sequential(nd.nn.Linear(3, 2), nd.nn.Sequential(nd.relu, nd.nn.Linear(2, 2)), nd.nn.Sequential(nd.nn.Linear(2, 1)))
    nodes = nd.draw(net(np.ones((1, 3), np.float32))).json()["nodes"]
    assert {n["name"]: n["scope"] for n in nodes if n["kind"] == "leaf" and "weight" in n["name"]} == {
        "0.weight": "Sequential/0", "1.1.weight": "Sequential/1/1", "2.0.weight": "Sequential/2/0",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["correlate", "max_pool", "getitem", "window_sum", "resample", "normalise", "repeat", "pixel_shuffle"])
def test_an_operation_named_like_one_of_the_librarys_is_drawn_and_looked_at_as_its_own(name):
    def twice(x):
        return 2 * x

    twice.__name__ = name
    own = nd.primitive(x=lambda g: 2 * g)(twice)
    x = leaf(3)
    y = own(x)
    assert titles(nd.draw(y, cost=True, stats=True, grads=True).graph)[-1] == name and name in repr(y) and name in repr(y._node)
    assert nd.draw_vjp(y).graph.vertices[-1].title == "multiply"
    assert nd.shapes.receptive_field(y, x) == nd.shapes.receptive_field(2 * x, x)
    assert nd.debug.check_nodes(y.sum()).first_wrong is None and nd.debug.lint(y.sum()) == []


def test_a_slice_and_a_norm_tell_which_part_and_which_axes():
    x = leaf(2, 4, 6)
    assert nd.draw(nd.split(x, 2, axis=1)[1]).graph.vertices[-1].details == ("[:, 2:, :]",)
    assert nd.draw(nd.rms_norm(x, (6,))).graph.vertices[-1].details[:2] == ("over axis 2", "no mean taken off")
    assert nd.draw(nd.group_norm(x, 2)).graph.vertices[-1].details[:2] == ("over axes (1, 2)", "2 groups")
    assert repr(nd.cross_entropy(x[0], np.zeros(4, int))._node).startswith("<cross_entropy #")


def test_an_operand_is_told_of_after_backward_too():
    w = leaf(3, 2)
    y = np.ones((4, 3)) @ w
    assert [v.kind for v in nd.draw(y).graph.vertices] == ["constant", "leaf", "op"]
    y.sum().backward()
    assert nd.draw(y).graph.vertices[-1].details == ("a constant",)
    assert nd.draw(nd.linear(w, np.ones((5, 2)))).graph.vertices[-1].details == ()  # no bias is none, and no constant


def test_models_of_one_class_that_read_each_other_fold_apart():
    generator, judge = (nd.nn.Sequential(nd.nn.Linear(3, 3), nd.nn.ReLU()) for _ in "gj")
    graph = nd.draw(nd.mean(judge(generator(np.ones((2, 3), np.float32)))), depth=1).graph
    folds = [v for v in graph.vertices if v.kind == "fold"]
    assert [(v.title, v.leaves) for v in folds] == [("0", 2), ("1", 0), ("0", 2), ("1", 0)]
    assert all(e.tail < e.head for e in graph.edges), "no arrow runs back"
    whole = nd.draw(nd.mean(judge(generator(np.ones((2, 3), np.float32)))), depth=0).graph
    assert [v.operations for v in whole.vertices if v.kind == "fold"] == [4], "what closes no circle stays one"


def test_a_layer_used_on_both_sides_of_another_is_two_folds_that_share_its_weight():
    f, g = nd.nn.Linear(3, 3), nd.nn.ReLU()
    net = nd.nn.Sequential(f, g, f)
    graph = nd.draw(net(np.ones((2, 3), np.float32)), depth=1).graph
    assert [(v.title, v.operations, v.leaves) for v in graph.vertices if v.kind == "fold"] == [("0", 1, 2), ("1", 1, 0), ("0", 1, 0)]
    assert all(e.tail < e.head for e in graph.edges)


def test_operands_are_told_in_their_order_where_what_makes_them_is_folded():
    with nd.scope("scores"):
        scores = nd.exp(nd.ones((2, 3, 4), requires_grad=True))
    told = str(nd.draw(nd.cross_entropy(scores, np.ones((2, 4), int)), depth=0))
    assert "cross_entropy(%0, %1)" in told and "%0 scores" in told
