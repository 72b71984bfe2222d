"""What nd.debug says of graphs in which something is wrong, and of some in which nothing is."""

from pathlib import Path

import numpy as np
import pytest
from samples import SAMPLES

import tinygrad_nd as nd

HERE = Path(__file__)


def line(comment):
    """file:line of the line of this file that ends with the comment."""
    number = next(i for i, text in enumerate(HERE.read_text().splitlines(), 1) if text.endswith(f"# {comment}"))
    return f"{__file__}:{number}"


def leaf(value, name=None):
    return nd.tensor(value, requires_grad=True, name=name)


def draws(*shape):
    return np.random.default_rng(list(shape)).normal(size=shape).astype(np.float32)


@nd.primitive(x=lambda g, x: g * x)  # should be 2 g x
def careless_square(x):
    return x * x


class Net:
    """Convolution, batch norm, relu, two pools, layer norm, dropout, a linear layer."""

    def __init__(self, activation=nd.gelu):
        self.activation = activation
        self.kernel, self.bias = leaf(draws(4, 3, 3, 3), "kernel"), leaf(draws(4), "bias")
        self.gain, self.shift = leaf(1 + draws(4) / 9, "gain"), leaf(draws(4), "shift")
        self.weight, self.offset = leaf(draws(5, 4), "weight"), leaf(draws(5), "offset")
        self.parameters = [self.kernel, self.bias, self.gain, self.shift, self.weight, self.offset]

    def loss(self, images=draws(6, 3, 9, 9)):
        with nd.scope("features"):
            h = nd.conv_nd(images, self.kernel, self.bias, stride=2)
            y = nd.relu(nd.batch_norm(h, None, None, self.gain, self.shift, training=True))
            y = nd.concatenate([nd.max_pool_nd(y, 2), nd.avg_pool_nd(y, 2), nd.max_pool_nd(nd.relu(h), 2)], 2).mean((2, 3))
        with nd.scope("head"):
            y = nd.layer_norm(self.activation(y), 4)  # activation
            scores = nd.linear(nd.dropout(y, 0.3, rng=3), self.weight, self.offset)
            return nd.cross_entropy(scores, [0, 1, 2, 3, 4, 0]) + 1e-2 * nd.sqrt(nd.square(self.weight).sum())


# Sources


def test_sources_name_the_line_outside_the_library():
    x = leaf([1.0, 2.0])
    with nd.debug.sources():
        y = nd.var(x)  # this line
    assert y._node.extra["source"] == line("this line")
    assert "test_debug.py:" in nd.draw(y, source=True).dot
    assert "test_debug.py" not in nd.draw(y).dot
    assert nd.exp(x)._node.extra is None


# Anomalies


def anomaly_of(f):
    with pytest.raises(FloatingPointError) as caught, nd.debug.anomaly():
        f()
    return str(caught.value)


def test_anomaly_names_the_first_forward_infinity():
    x = leaf([0.0, 0.5, 0.5], "p")

    def entropy():
        with nd.scope("head"), nd.scope("entropy"):
            return -(x * nd.log(x)).sum()  # log of zero

    text = anomaly_of(entropy)
    assert text.startswith(f"anomaly: log in scope 'head/entropy', at {line('log of zero')} made inf from finite operands")
    assert "x:      (3,) float64, min 0, max 0.5, mean 0.3333, 33% zeros; from leaf 'p'" in text
    assert "1 of 3 inf" in text


def test_anomaly_names_the_backward_of_a_finite_forward_and_the_way_to_the_loss():
    x = leaf([0.0, 4.0])

    def loss():
        with nd.scope("distance"):
            y = nd.sqrt(x)  # root
        (3 * y).sum().backward()

    text = anomaly_of(loss)
    assert text.startswith(f"anomaly: the backward of sqrt in scope 'distance', at {line('root')} made inf from a finite cotangent")
    assert "way to the loss: sqrt (distance) -> multiply -> sum" in text
    assert x.grad is None


def test_anomaly_looks_into_a_recorded_sweep_too():
    x = leaf([0.0, 4.0])
    assert "the backward of sqrt" in anomaly_of(lambda: nd.gradients(nd.sqrt(x).sum(), x, create_graph=True))


def test_anomaly_says_when_operands_were_bad_already():
    data = np.array([1.0, np.nan])
    assert "multiply, at" in (text := anomaly_of(lambda: leaf([1.0, 2.0]) * data))
    assert "made nan from operands that were bad already: y" in text
    assert "operands that were bad already: x" in anomaly_of(lambda: leaf([np.inf, 2.0]) * 2)


def test_anomaly_sees_what_is_not_recorded():
    def scaled():
        with nd.no_grad():
            return nd.tensor([1.0, 0.0]) / 0.0

    assert "divide" in anomaly_of(scaled)


def test_anomaly_tells_a_bad_gradient_given_from_one_made():
    def given():
        nd.exp(leaf([1.0, 2.0])).backward([np.nan, 1.0])

    assert "from a cotangent that was given to the sweep bad already" in anomaly_of(given)


def test_anomaly_lets_masks_pass_and_sound_networks():
    net = Net()
    with nd.debug.anomaly():
        scores = nd.where(np.array([True, False, True]), leaf([1.0, 2.0, 3.0]), -np.inf)
        nd.softmax(scores * 2, 0)[0].backward()
        net.loss().backward()
    assert all(p.grad is not None for p in net.parameters)


def test_anomaly_ends_with_its_block():
    with nd.debug.anomaly():
        pass
    with np.errstate(all="ignore"):
        y = nd.log(leaf([0.0]))
    assert np.isinf(y.data).all() and y._node.extra is None
    assert not nd.node.watched


def test_anomaly_computes_what_is_computed_without():
    plain, watched = Net(), Net()
    loss = plain.loss()
    loss.backward()
    with nd.debug.anomaly():
        same = watched.loss()
        same.backward()
    assert float(loss) == float(same)
    assert all(np.array_equal(a.grad, b.grad) for a, b in zip(plain.parameters, watched.parameters))


# Checking nodes


def test_check_nodes_finds_every_rule_of_a_network_right():
    report = nd.debug.check_nodes(Net().loss())
    assert report.ok and report.first_wrong is None
    assert not [r for r in report.rows if r.status == "skipped"]
    assert {"conv_nd", "normalise", "max_pool_nd", "avg_pool_nd", "linear", "cross_entropy"} <= {r.operation for r in report.rows}


def test_check_nodes_names_the_users_wrong_operation():
    with nd.debug.sources():
        loss = Net(careless_square).loss()
    report = nd.debug.check_nodes(loss)
    wrong = report.first_wrong
    assert report.wrong == [wrong] and not report.ok
    assert (wrong.operation, wrong.argument, wrong.scope, wrong.source) == ("careless_square", "x", "head", line("activation"))
    assert wrong.expected == pytest.approx(2 * wrong.found, rel=1e-6)
    assert f"First, the rule of careless_square for 'x' in scope 'head', at {line('activation')} is wrong" in str(report)


def test_check_nodes_is_not_fooled_by_a_name():
    @nd.primitive("normalise", x=lambda g, x: g)
    def users(x):
        return x * 3

    assert nd.debug.check_nodes(users(leaf([1.0, 2.0])).sum()).first_wrong.operation == "normalise"


def test_what_a_checkpoint_computes_is_left_to_it():
    net = Net()
    loss = nd.checkpoint(lambda w: nd.exp(w).sum())(net.weight) * 2
    report = nd.debug.check_nodes(loss)
    assert report.ok and "not recorded" in next(r.note for r in report.rows if r.status == "skipped")
    walk = list(nd.debug.steps(loss))
    assert all(map(str, walk)) and str(nd.debug.profile(loss))
    np.testing.assert_allclose(walk[-1].cotangent, 2 * np.exp(net.weight.data), rtol=1e-5)
    with nd.debug.anomaly():
        nd.checkpoint(lambda w: nd.exp(w).sum())(net.weight).backward()
        with pytest.raises(FloatingPointError, match="log"):
            nd.checkpoint(lambda w: nd.log(w * 0).sum())(net.weight)


def test_a_watch_is_its_threads_own():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as other, nd.debug.anomaly():
        assert np.isnan(other.submit(lambda: nd.multiply(leaf([1.0]), np.nan)).result().data).all()


def test_check_nodes_reports_a_rule_that_raises():
    @nd.primitive(x=lambda g, x: g[:1] * x)
    def clumsy(x):
        return x * 2

    report = nd.debug.check_nodes(clumsy(leaf([1.0, 2.0, 3.0]))[:2].sum())
    assert report.first_wrong.operation == "clumsy"

    @nd.primitive(x=lambda g: g.no_such_thing)
    def broken(x):
        return x * 2

    assert "AttributeError" in nd.debug.check_nodes(broken(leaf([1.0, 2.0])).sum()).first_wrong.note


def test_check_nodes_steps_aside_at_kinks():
    x = leaf([[0.0, 0.0, -1.0, 2.0]])
    report = nd.debug.check_nodes((nd.relu(x) + nd.abs(x) + nd.max(x * 0, 1, keepdims=True)).sum())
    assert report.ok
    assert "kink" in next(r.note for r in report.rows if r.operation == "relu")


def test_check_nodes_moves_what_is_computed_beforehand_along_with_its_operand():
    x = leaf([[0.5, 1.0, -1.0], [2.0, 0.0, 1.5]])
    slopes = nd.gradients(nd.var(x, 1).sum() + nd.std(x) + nd.layer_norm(x, 3)[0, 0], [x], create_graph=True)[0]
    report = nd.debug.check_nodes(nd.sum(slopes * slopes))
    assert report.ok and all(r.status == "right" for r in report.rows if "variance" in r.operation)


def test_check_nodes_takes_complex_integer_and_reused_operands():
    z, x = leaf([1 + 2j, 0.5 - 1j]), leaf([[1.0, 2.0], [3.0, 4.0]])
    loss = nd.abs(nd.exp(z) * nd.conj(z)).sum() + (x @ x)[[0, 1, 1], [1, 0, 0]].sum() + (x * np.array([1, 2])).sum()
    assert nd.debug.check_nodes(loss).ok


def test_check_nodes_leaves_everything_as_it_was():
    net = Net()
    loss = net.loss()
    nd.debug.check_nodes(loss)
    assert all(p.grad is None for p in net.parameters)
    loss.backward()
    expected = Net()
    expected.loss().backward()
    assert all(np.array_equal(a.grad, b.grad) for a, b in zip(net.parameters, expected.parameters))


@pytest.mark.parametrize("look", [nd.debug.check_nodes, nd.debug.profile, nd.debug.steps])
def test_a_freed_graph_and_what_is_no_graph_are_refused(look):
    loss = nd.exp(leaf([1.0, 2.0])).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"backward\(\) has freed this graph.*retain_graph=True"):
        look(loss)
    with pytest.raises(ValueError, match="has no graph"):
        look(nd.tensor(1.0))
    with pytest.raises(TypeError, match="check_nodes: rtol must be a number"):
        nd.debug.check_nodes(leaf([1.0]).sum(), rtol="small")
    with pytest.raises(TypeError, match="got ndarray"):
        look(np.zeros(()))


# On a drawing


def marked(drawing):
    return {v.title: v.mark for v in drawing.graph.vertices if v.mark}


def test_a_wrong_rule_is_drawn_red():
    loss = careless_square(nd.exp(leaf([1.0, 2.0]))).sum()
    report = nd.debug.check_nodes(loss)
    for found in (report, report.first_wrong, [report.first_wrong]):
        drawing = nd.draw(loss, mark=found)
        assert list(marked(drawing)) == ["careless_square"] and "rule for 'x' is wrong: gives" in marked(drawing)["careless_square"]
    assert "#B00020" in drawing.dot and "rule for 'x' is wrong" in str(drawing)
    assert marked(nd.draw(nd.exp(loss), mark=nd.debug.check_nodes(nd.exp(leaf(1.0))))) == {}
    assert "nothing of what is to be marked" in str(nd.draw(nd.exp(leaf(1.0)), mark=report))


def test_lint_and_words_of_the_users_own_are_drawn_too():
    scores = leaf(draws(3, 4))
    probabilities = nd.softmax(scores, 1)
    loss = nd.cross_entropy(probabilities, [0, 1, 2])
    assert marked(nd.draw(loss, mark=nd.debug.lint(loss)))["cross_entropy"].startswith("softmax twice: its input comes from softmax")
    assert marked(nd.draw(loss, mark={probabilities: "why?"})) == {"softmax": "why?"}
    for wrong, says in ((3, "int"), ({"softmax": "x"}, "str"), (ValueError("x"), "no place"), ({nd.tensor(1.0): "x"}, "a constant")):
        with pytest.raises(TypeError, match=says):
            nd.draw(loss, mark=wrong)


def test_an_anomaly_is_drawn_where_it_was_made():
    x = leaf([0.0, 4.0])
    loss = (3 * nd.sqrt(x)).sum()
    with pytest.raises(nd.debug.Anomaly) as caught, nd.debug.anomaly():
        loss.backward()
    drawing = nd.draw(loss, grads=True, mark=caught.value)
    assert marked(drawing) == {"sqrt": "its backward makes inf here"} and caught.value.tensor is None
    with pytest.raises(nd.debug.Anomaly) as caught, nd.debug.anomaly():
        nd.exp(nd.log(x * 1.0))
    assert marked(nd.draw(caught.value.tensor, mark=caught.value)) == {"log": "makes inf here"}


def test_a_drawing_made_under_an_anomaly_watch_is_drawn():
    with np.errstate(all="ignore"):
        loss = (3 * nd.sqrt(leaf([0.0, 4.0]))).sum()
    with nd.debug.anomaly():
        assert "nan or inf in gradients begins here" in str(nd.draw(loss, stats=True, grads=True))


# Missing gradients

W, V = leaf([1.0, 2.0], "w"), leaf([3.0, 4.0], "v")


def detached():
    with nd.scope("encoder"):
        h = nd.exp(W)  # encoded
    return (nd.tanh(h.detach() * 2) * V).sum()  # taken


def under_no_grad():
    with nd.no_grad(), nd.scope("statistics"):
        scale = nd.exp(W) * 2  # scale
    return (V * scale).sum()


def rounded():
    return (V * W.astype(int)).sum()  # cast


def by_value():
    return (V * W.data).sum()  # value


def compared():
    return (V * (W > 1)).sum()  # compared


CUTS = [
    (
        detached,
        "the result of exp in scope 'encoder', at {encoded}, was taken without its gradient (detached, or as .data) by multiply, "
        "at {taken}",
    ),
    (under_no_grad, "its own value went into exp in scope 'statistics', at {scale}, under no_grad()"),
    (rounded, "its own value became integer or true and false in astype, at {cast}"),
    (compared, "its own value became integer or true and false in greater, at {compared}"),
    (by_value, "its own value was taken without its gradient (detached, or as .data) by multiply, at {value}"),
]


@pytest.mark.parametrize("model, clause", CUTS, ids=[m.__name__ for m, _ in CUTS])
def test_why_no_grad_names_the_place_of_the_cut(model, clause):
    with nd.debug.sources():
        loss = model()
    places = {c: line(c) for c in ("encoded", "taken", "scale", "cast", "compared", "value") if "{" + c + "}" in clause}
    told = nd.debug.why_no_grad(loss, W)
    assert told == f"'w' gets no gradient because on the way to the loss {clause.format(**places)}."


@pytest.mark.parametrize("model", [m for m, _ in CUTS])
def test_why_no_grad_without_sources_says_how_to_learn_more(model):
    told = nd.debug.why_no_grad(model(), W)
    assert "under nd.debug.sources()" in told or "by multiply" in told


def test_why_no_grad_of_constants_integers_and_results():
    why, loss = nd.debug.why_no_grad, (V * 2).sum()
    assert "does not require any; make it a leaf with c.requires_grad = True" in why(loss, nd.tensor([1.0], name="c"))
    assert "holds int64" in why(loss, nd.tensor([1, 2]))
    assert "had no part in computing this loss" in why(loss, W)
    assert "another leaf named 'v'" in why(loss, leaf([0.0, 1.0], "v"))
    h = V * 3
    assert "call retain_grad() on it" in why(nd.exp(h).sum(), h)
    assert "is connected to the loss, by leaf 'v' -> multiply -> sum" in why(loss, V)
    with nd.no_grad():
        loss = (V * 2).sum()
    assert "the loss itself has no graph" in why(loss, V)
    with pytest.raises(TypeError, match="p must be a tensor"):
        why(loss, "v")


def test_a_tensor_computed_under_no_grad_is_recognised():
    with nd.debug.sources(), nd.no_grad():
        p = V * 2  # frozen
    told = nd.debug.why_no_grad((V * 2).sum(), p)
    assert told == f"The tensor (2,) gets no gradient because it was computed by multiply, at {line('frozen')}, under no_grad()."


def test_sources_keep_no_arrays_alive():
    import weakref

    with nd.debug.sources():
        h = nd.exp(W)
        seen = weakref.ref(h.data)
        y = h.detach() * V
        del h
    assert seen() is not None  # y's rule reads it
    del y
    assert seen() is None


# Lint


def rules(loss):
    return [f.rule for f in nd.debug.lint(loss)]


def test_lint_finds_nothing_in_a_sound_network():
    x, w = draws(6, 3, 9, 9), leaf(draws(4, 3, 3, 3))
    y = nd.relu(nd.batch_norm(nd.conv_nd(x, w, stride=2, padding=1), None, None, leaf(draws(4)), leaf(draws(4)), training=True))
    loss = nd.cross_entropy(nd.linear(y.mean((2, 3)), leaf(draws(5, 4)), leaf(draws(5))), [0, 1, 2, 3, 4, 0])
    loss.backward(retain_graph=True)
    assert nd.debug.lint(loss) == [] and str(nd.debug.lint(loss)) == "nothing found"


def test_lint_finds_softmax_before_cross_entropy_and_twice():
    x = leaf(draws(3, 4))
    with nd.debug.sources(), nd.scope("head"):
        loss = nd.cross_entropy(nd.softmax(x, 1), [0, 1, 2])  # softmax
    (finding,) = nd.debug.lint(loss)
    assert str(finding) == (
        f"softmax twice: cross_entropy in scope 'head', at {line('softmax')}: its input comes from softmax, and it takes a softmax itself. "
        "Pass it the scores before softmax."
    )
    assert rules(nd.softmax(nd.softmax(x, 1), 1).max()) == ["softmax twice"]
    assert rules(nd.cross_entropy(nd.softmax(x, 1), draws(3, 4))) == ["softmax twice"]
    assert rules(-nd.log(nd.softmax(x, 1)).mean()) == ["log of softmax"]
    assert rules(nd.nll_loss(nd.softmax(x, 1), [0, 1, 2])) == ["no logarithm"] and not rules(nd.nll_loss(nd.log_softmax(x, 1), [0, 1, 2]))


@pytest.mark.parametrize("target", [draws(5), nd.tensor(draws(5)), leaf(draws(5))])
def test_lint_finds_a_column_against_a_row_in_a_loss(target):
    found = nd.debug.lint(nd.square(leaf(draws(5, 1)) - target).mean())
    assert [f.rule for f in found] == ["broadcast in a loss"] and "(5, 5)" in found[0].what
    assert rules(nd.square(leaf(draws(5, 1)) - target.reshape(5, 1)).mean()) == []


def test_lint_finds_double_precision_in_a_single_model():
    x, w = leaf(draws(3, 4)), leaf(draws(4, 2))
    assert rules(((x @ w) * np.ones(2)).sum()) == ["double precision"]
    assert rules(((x @ w) * leaf(np.ones(2))).sum()) == ["double precision"]
    assert rules((x.astype(float) @ w.astype(float)).sum()) == []


def test_lint_finds_rows_that_no_window_reaches():
    w = leaf(draws(2, 1, 3))
    found = nd.debug.lint(nd.conv_nd(draws(1, 1, 11), w, stride=4).sum())
    assert [f.rule for f in found] == [] or "of 11" in found[0].what
    (finding,) = nd.debug.lint(nd.conv_nd(draws(1, 1, 10), w, stride=4).sum())
    assert "the last 3 of 10 along spatial axis 0" in finding.what
    x = leaf(draws(1, 1, 7, 8))
    assert "the last 1 of 7 along spatial axis 0" in nd.debug.lint(nd.max_pool_nd(x, 2).sum())[0].what
    assert rules(nd.conv_nd(draws(1, 1, 10), w, stride=2, padding=1).sum()) == []


@pytest.mark.parametrize("pool", [lambda x, **k: nd.max_pool_nd(x, (2, 2), **k), lambda x, **k: nd.avg_pool_nd(x, (3, 3), 1, **k),
                                  lambda x, **k: nd.adaptive_max_pool_nd(x, (2, 2), **k)])  # fmt: skip
@pytest.mark.parametrize("conv, shape", [(nd.conv_nd, (4, 2, 3, 3)), (nd.conv_transpose_nd, (2, 4, 3, 3))])
def test_lint_finds_channels_pooled_as_if_they_were_space(conv, shape, pool):
    y = nd.relu(conv(draws(2, 8, 8, 2), leaf(draws(*shape)), padding=1, layout="N*C"))
    (finding,) = nd.debug.lint(pool(y).sum())
    assert finding.rule == "pooled channels" and "the 4 channels of conv" in finding.what and finding.operation.endswith("pool_nd")
    between = nd.instance_norm(nd.max_pool_nd(y, 2, 1, layout="N*C"), layout="N*C")
    assert "pooled channels" in rules(pool(between).sum())
    right = pool(conv(draws(2, 2, 8, 8), leaf(draws(*shape)), padding=1))
    assert not rules(pool(y, layout="N*C").sum()) and not rules(right.sum()) and not rules(nd.max_pool_nd(y, (1, 2)).sum())


def test_lint_finds_dead_relus():
    x = leaf(draws(8, 4) - np.array([0, 0, 0, 90], np.float32))
    (finding,) = nd.debug.lint(nd.relu(x).sum())
    assert finding.rule == "dead relu" and "1 of 4 channels are 0 for the whole batch" in finding.what
    assert "100% of its values are 0" in nd.debug.lint(nd.relu(x - 90).sum())[0].what


def test_lint_finds_a_bias_that_a_norm_takes_out():
    w, b = leaf(draws(4, 3, 3, 3)), leaf(draws(4), "b")
    y = nd.conv_nd(draws(2, 3, 5, 5), w, b)
    (finding,) = nd.debug.lint(nd.batch_norm(y, None, None, training=True).max())
    assert finding.rule == "bias before a norm" and "its bias 'b'" in finding.what
    assert rules(nd.batch_norm(y, np.zeros(4), np.ones(4)).max()) == []
    assert rules(nd.layer_norm(nd.linear(draws(3, 5), leaf(draws(4, 5)), b), 4).max()) == []


def test_lint_looks_at_gradients_where_there_are_some():
    x, y, big = leaf([0.0, 0.0], "x"), leaf([1.0, 1.0], "y"), leaf([1.0, 1.0], "big")
    loss = (x * y).sum() * 1.0 + (big * 1e9).sum()
    assert rules(loss) == []
    loss.backward(retain_graph=True)
    assert {(f.rule, f.operation) for f in nd.debug.lint(loss)} == {("zero gradient", "leaf 'y'"), ("exploding gradient", "leaf 'big'")}
    x.grad = None
    assert "no gradient" in rules(loss)


# Profile and steps


def test_profile_adds_up_and_sorts_by_cost():
    with nd.debug.sources():
        loss = Net().loss()
    found = nd.debug.profile(loss)
    times = [c.seconds for c in found.nodes]
    assert times == sorted(times, reverse=True) and sum(times) == pytest.approx(found.total.seconds)
    assert {c.what for c in found.scopes} == {"features", "head"}
    assert all(c.forward is not None and c.backward > 0 for c in found.nodes)
    conv = next(c for c in found.nodes if c.what == "conv_nd")
    assert conv.result == 4 * 6 * 4 * 4 * 4 and conv.saved == 4 * 6 * 3 * 9 * 9
    text = str(found)
    assert "all " in text and "features, " in text and "test_debug.py:" in text


def test_profile_counts_a_shared_array_once():
    y = nd.exp(leaf(np.zeros(1000)))
    assert nd.debug.profile((nd.square(y) + y * y).sum()).total.saved == 8000


def test_steps_is_the_sweep_and_touches_nothing():
    net = Net()
    loss = net.loss()
    steps = list(nd.debug.steps(loss))
    assert all(p.grad is None for p in net.parameters)
    assert [s.index for s in steps] == sorted((s.index for s in steps), reverse=True)
    assert steps[0].cotangent == 1
    loss.backward()
    arrived = {s.operation: s.cotangent for s in steps if not s.outgoing}
    for p in net.parameters:
        np.testing.assert_allclose(arrived[f"leaf {p.name!r}"], p.grad.data, rtol=1e-6)


def test_steps_is_lazy_and_says_what_it_passes_on():
    pulled = []

    @nd.primitive(x=lambda g: pulled.append(1) or g * 2)
    def double(x):
        return x * 2

    x = leaf([1.0, 2.0])
    walk = nd.debug.steps(nd.exp(double(x)), [1.0, 1.0])
    assert next(walk).operation == "exp" and not pulled
    step = next(walk)
    assert step.operation == "double" and list(step.outgoing) == ["x"] and pulled
    assert "to x: (2,) float64" in str(step)
    assert nd.node.recording.get()  # between steps the caller's settings hold


# Every operation


FIRST = {s.op: s for s in reversed(SAMPLES) if s.differentiable}


@pytest.mark.parametrize("op", FIRST)
def test_every_operation_can_be_looked_at(op):
    sample = FIRST[op]
    y = sample.f(*[nd.tensor(a, requires_grad=a.dtype.kind in "fc") for a in sample.args])
    report = nd.debug.check_nodes(y)
    assert report.ok, str(report)
    walk = list(nd.debug.steps(y, np.ones(y.shape)))
    assert len(nd.debug.profile(y).nodes) == len([s for s in walk if s.outgoing])
    assert all(map(str, [report, *walk, *nd.debug.lint(y)]))
