"""The tape: what is recorded, swept, kept and freed."""

import gc
import weakref
from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.ops import entries


def leaf(*values, **how):
    return nd.tensor(np.array(values, float), requires_grad=True, **how)


@contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---- one sweep


def test_gradient_of_a_sum_of_squares_is_twice_the_input():
    x = leaf(1, -2, 3)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, -4, 6])
    assert isinstance(x.grad, nd.Tensor) and not x.grad.requires_grad


def test_sweeps_accumulate_in_grad_until_it_is_cleared():
    x = leaf(1, 2)
    for times in (1, 2, 3):
        (3 * x).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [3.0 * times] * 2)
    x.grad = None
    assert x.grad is None
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])


def test_accumulation_leaves_an_earlier_gradient_tensor_as_it_was():
    x = leaf(1, 2)
    x.sum().backward()
    first = x.grad
    (x * 5).sum().backward()
    np.testing.assert_array_equal(first.data, [1, 1])
    np.testing.assert_array_equal(x.grad.data, [6, 6])


def test_two_leaves_never_share_the_memory_of_their_gradients_in_a_way_that_shows():
    x, y = leaf(1, 2), leaf(3, 4)
    (x + y).sum().backward()
    with nd.no_grad():
        x.grad += 10
    np.testing.assert_array_equal(y.grad.data, [1, 1])
    np.testing.assert_array_equal(x.grad.data, [11, 11])


def test_a_gradient_given_by_the_caller_is_not_changed_or_kept():
    x, g = leaf(1, 2), np.array([1.0, 1.0])
    y = x * 1
    y.backward(g, retain_graph=True)
    g[:] = 100
    y.backward(np.array([2.0, 3.0]))
    np.testing.assert_array_equal(x.grad.data, [3, 4])


def test_a_gradient_given_for_a_leaf_itself_is_not_aliased():
    x, g = leaf(1, 2), np.array([1.0, 1.0])
    x.backward(g)
    g[:] = 100
    np.testing.assert_array_equal(x.grad.data, [1, 1])


def test_backward_on_a_scalar_leaf_gives_one():
    x = nd.tensor(3.0, requires_grad=True)
    x.backward()
    assert float(x.grad) == 1


def test_backward_of_a_non_scalar_asks_for_a_cotangent():
    x = leaf(1, 2, 3)
    with pytest.raises(ValueError, match=r"backward.*\(3,\)"):
        (x * 2).backward()
    assert x.grad is None
    (x * 2).backward([1.0, 0.0, -1.0])
    np.testing.assert_array_equal(x.grad.data, [2, 0, -2])


def test_backward_takes_a_one_element_tensor_as_a_scalar():
    x = leaf(3)
    (x * x).backward()
    np.testing.assert_array_equal(x.grad.data, [6])


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (1, 3)])
def test_a_cotangent_of_another_shape_is_refused(shape):
    x = leaf(1, 2, 3)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        (x * 2).backward(np.ones(shape))
    assert x.grad is None


def test_backward_without_anything_to_differentiate_is_refused():
    with pytest.raises(ValueError, match="requires_grad"):
        nd.tensor([1.0]).sum().backward()
    x = leaf(1, 2)
    with nd.no_grad():
        y = x.sum()
    with pytest.raises(ValueError, match="no_grad"):
        y.backward()


# ---- freed and retained graphs


def test_a_second_sweep_raises_and_names_operation_scope_and_remedy():
    x = leaf(1, 2)
    with nd.scope("encoder"), nd.scope("block1"):
        y = nd.exp(x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        (y * 2).sum().backward()
    with pytest.raises(RuntimeError, match="exp.*encoder/block1"):
        y.backward(np.ones(2))


def test_a_refused_second_sweep_leaves_every_grad_alone():
    x, w = leaf(1, 2), leaf(3, 4)
    y = nd.exp(x)
    y.sum().backward()
    before = x.grad.data.copy()
    with pytest.raises(RuntimeError):
        (y * w).sum().backward()
    np.testing.assert_array_equal(x.grad.data, before)
    assert w.grad is None


def test_retain_graph_permits_any_number_of_sweeps_and_frees_at_the_last():
    x = leaf(1, 2)
    y = nd.exp(x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.data, 3 * np.exp([1, 2]))
    with pytest.raises(RuntimeError):
        y.backward()


def test_a_shared_part_is_freed_by_the_first_of_two_losses():
    x = leaf(1, 2)
    shared = nd.exp(x)
    a, b = (shared * 2).sum(), (shared * 3).sum()
    a.backward()
    with pytest.raises(RuntimeError, match="exp"):
        b.backward()


def test_a_graph_that_was_swept_can_still_be_computed_with():
    x = leaf(1, 2)
    y = nd.exp(x)
    y.sum().backward()
    np.testing.assert_allclose((y.detach() + 1).data, np.exp([1, 2]) + 1)


def test_structure_outlives_the_sweep():
    x = leaf(1, 2, name="x")
    y = nd.exp(x)
    y.sum().backward()
    node = y._node
    assert node.op.name == "exp" and node.parents == (x._node,) and node.shape == (2,)


# ---- create_graph


def test_create_graph_gives_gradients_that_can_be_differentiated_to_any_order():
    x = leaf(1.5)
    y, expected = x**5, [5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2, 120 * 1.5, 120.0]
    for value in expected:
        y = nd.gradients(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.data, [value], rtol=1e-12)


def test_backward_with_create_graph_makes_grad_part_of_a_graph():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    (first**2).sum().backward()  # (3x²)², whose derivative is 36 x³
    np.testing.assert_allclose(x.grad.data, [36 * 8])


def test_gradient_penalty_equals_its_formula():
    rng = np.random.default_rng(0)
    w, x = leaf(*rng.standard_normal(4)), leaf(*rng.standard_normal(4))
    (g,) = nd.gradients([nd.tanh((w * x).sum())], [x], create_graph=True)
    ((g * g).sum()).backward()
    s = float(w.data @ x.data)
    t, ww = np.tanh(s), w.data @ w.data  # penalty = (1-t²)² w·w
    expected = 2 * (1 - t * t) ** 2 * w.data + ww * 2 * (1 - t * t) * (-2 * t * (1 - t * t)) * x.data
    np.testing.assert_allclose(w.grad.data, expected, rtol=1e-10)


def test_a_sweep_without_create_graph_records_nothing():
    x = leaf(1, 2)
    (g,) = nd.gradients([(x * x).sum()], [x])
    assert not g.requires_grad and g._node is None


def test_create_graph_works_inside_no_grad_and_without_it_enable_grad_does_not_record():
    x = leaf(2.0)
    y = (x**3).sum()
    with nd.no_grad():
        g = nd.gradients(y, x, create_graph=True)
        assert g.requires_grad
    with nd.enable_grad():
        assert not nd.gradients(y, x).requires_grad


# ---- the shape of the graph


def test_a_diamond_adds_both_paths():
    x = leaf(2.0)
    a, b = x * 3, x * x
    (a * b).sum().backward()  # 3x³
    np.testing.assert_allclose(x.grad.data, [36])


def test_an_operand_used_twice_gets_both_contributions():
    x = leaf(1, 2)
    (x * x + x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 5])
    y = leaf(1, 2)
    nd.concatenate([y, y, y * 2]).sum().backward()
    np.testing.assert_array_equal(y.grad.data, [4, 4])


def test_eighteen_self_additions_take_eighteen_pullbacks():
    count = []

    @nd.primitive(x=lambda g: (count.append(1), g)[1], y=lambda g: (count.append(1), g)[1])
    def plus(x, y):
        return x + y

    x = leaf(1.0)
    y = x
    for _ in range(18):
        y = plus(y, y)
    y.sum().backward()
    assert float(x.grad[0]) == 2**18
    assert len(count) == 36


def test_a_chain_of_50000_operations_is_swept_and_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y + 1e-6
    node = weakref.ref(y._node)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1])
    with no_collector():
        del y
        assert node() is None


def test_an_unswept_chain_of_50000_operations_is_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = -y
    node = weakref.ref(y._node)
    with no_collector():
        del y
        assert node() is None


def test_operations_that_lead_to_no_target_are_not_pulled():
    called = []

    @nd.primitive(x=lambda g: (called.append("counted"), g)[1])
    def counted(x):
        return x + 0

    x, w = leaf(1, 2), leaf(3, 4)
    y = (counted(w) * x).sum()
    (g,) = nd.gradients([y], [x], retain_graph=True)
    np.testing.assert_array_equal(g.data, [3, 4])
    assert called == []
    nd.gradients([y], [w])
    assert called == ["counted"]


def test_pruned_operations_keep_what_they_saved():
    x, w = leaf(1, 2), leaf(0.5, 1.5)
    e = nd.exp(w)
    nd.gradients((e * x).sum(), x)
    np.testing.assert_allclose(nd.gradients(e.sum(), w).data, np.exp(w.data))


def test_a_gradient_stops_at_intermediate_targets():
    called = []

    @nd.primitive(x=lambda g: (called.append(1), g)[1])
    def below(x):
        return x + 0

    x = leaf(1, 2)
    h = below(x)
    g = nd.gradients((h * h).sum(), h)
    np.testing.assert_array_equal(g.data, [2, 4])
    assert called == []


def test_rules_of_constant_operands_are_not_called():
    def never(g):
        raise AssertionError("the rule of a constant was called")

    @nd.primitive(x=lambda g: g, y=never)
    def plus(x, y):
        return x + y

    x = leaf(1, 2)
    plus(x, nd.tensor([1.0, 1.0])).sum().backward()
    plus(x, np.ones(2)).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2])


# ---- gradients()


def test_gradients_of_leaves_and_intermediate_tensors_together():
    x = leaf(1, 2)
    h = nd.exp(x)
    gx, gh = nd.gradients((h * h).sum(), [x, h])
    np.testing.assert_allclose(gh.data, 2 * h.data)
    np.testing.assert_allclose(gx.data, 2 * h.data**2)
    assert x.grad is None


def test_gradients_are_zero_for_inputs_without_a_part():
    x, z = leaf(1, 2), nd.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    gx, gz = nd.gradients(x.sum(), [x, z])
    np.testing.assert_array_equal(gx.data, [1, 1])
    assert gz.shape == (2, 3) and gz.dtype == np.float32 and not gz.data.any()


def test_gradients_of_an_output_with_respect_to_itself_is_its_cotangent():
    x = leaf(1, 2)
    y = x * 2
    np.testing.assert_array_equal(nd.gradients(y, y, np.array([5.0, 7.0])).data, [5, 7])
    np.testing.assert_array_equal(nd.gradients(x, x, [5.0, 7.0]).data, [5, 7])


def test_gradients_of_several_outputs_add_up():
    x = leaf(1, 2)
    y, z = x * 2, x * x
    g = nd.gradients([y, z], x, [np.array([1.0, 1.0]), np.array([10.0, 100.0])])
    np.testing.assert_array_equal(g.data, [2 + 20, 2 + 400])
    z = x * x
    np.testing.assert_array_equal(nd.gradients([z, z], x, [np.ones(2), np.ones(2)]).data, [4, 8])


def test_gradients_when_one_output_is_computed_from_another():
    x = leaf(1, 2)
    y = nd.exp(x)
    z = y * 3
    g = nd.gradients([y, z], x, [np.ones(2), np.ones(2)])
    np.testing.assert_allclose(g.data, 4 * np.exp([1, 2]))


def test_gradients_refuses_inputs_that_need_none_and_unequal_counts():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match="gradients"):
        nd.gradients(x.sum(), nd.tensor([1.0]))
    with pytest.raises(ValueError, match="gradients.*1.*2"):
        nd.gradients([x.sum()], [x], [np.ones(()), np.ones(())])
    with pytest.raises(ValueError, match="gradients"):
        nd.gradients(nd.tensor(1.0), x)


# ---- hooks, retain_grad, detach


def test_a_hook_sees_the_complete_gradient_once_and_may_replace_it():
    x, seen = leaf(1, 2), []
    h = x * 2
    h.register_hook(lambda g: seen.append(g.data.copy()))
    remove = h.register_hook(lambda g: g * 10)
    (h * 3 + h).sum().backward(retain_graph=False)
    np.testing.assert_array_equal(seen, [[4, 4]])
    np.testing.assert_array_equal(x.grad.data, [80, 80])
    remove()
    remove()


def test_a_removed_hook_is_not_called():
    x, seen = leaf(1, 2), []
    x.register_hook(seen.append)()
    x.sum().backward()
    assert seen == []


def test_a_hook_on_a_leaf_changes_what_arrives_there():
    x = leaf(1, 2)
    x.register_hook(lambda g: g.clip(-0.5, 0.5))
    (x * 4).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0.5, 0.5])


@pytest.mark.parametrize("answer", [np.ones(2), 3.0, nd.tensor([1.0, 2.0, 3.0])])
def test_a_hook_that_returns_nonsense_raises_and_changes_nothing(answer):
    x, w = leaf(1, 2), leaf(3, 4)
    x.register_hook(lambda g: answer)
    with pytest.raises((TypeError, ValueError), match="hook"):
        (x * w).sum().backward()
    assert x.grad is None and w.grad is None


def test_hooks_need_a_tensor_that_gradients_reach():
    with pytest.raises(ValueError, match="register_hook"):
        nd.tensor([1.0]).register_hook(print)
    with pytest.raises(ValueError, match="retain_grad"):
        nd.tensor([1.0]).retain_grad()


def test_retain_grad_keeps_the_gradient_of_an_intermediate_tensor():
    x = leaf(1, 2)
    h, other = x * 2, x * 3
    h.retain_grad()
    (h * h + other).sum().backward()
    np.testing.assert_array_equal(h.grad.data, [4, 8])
    assert other.grad is None
    np.testing.assert_array_equal(x.grad.data, [11, 19])


def test_retain_grad_on_a_leaf_changes_nothing():
    x = leaf(1, 2)
    x.retain_grad()
    x.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 1])


def test_detach_cuts_the_graph_and_shares_the_value():
    x = leaf(1, 2)
    y = nd.exp(x)
    d = y.detach()
    assert not d.requires_grad and d.is_leaf and np.shares_memory(d.data, y.data)
    (d * x).sum().backward()
    np.testing.assert_allclose(x.grad.data, np.exp([1, 2]))


# ---- recording


def test_no_grad_and_enable_grad_nest_and_restore():
    x = leaf(1, 2)
    with nd.no_grad():
        assert not (x * 2).requires_grad
        with nd.enable_grad():
            assert (x * 2).requires_grad
            with nd.no_grad():
                assert not (x * 2).requires_grad
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_is_restored_after_an_exception():
    with pytest.raises(KeyError), nd.no_grad():
        raise KeyError
    assert (leaf(1) * 2).requires_grad


def test_switches_are_decorators_that_can_be_called_again():
    x = leaf(1, 2)

    @nd.no_grad()
    def plain(t):
        return t * 2

    @nd.enable_grad()
    def recorded(t):
        return t * 2

    for _ in range(2):
        assert not plain(x).requires_grad
        with nd.no_grad():
            assert recorded(x).requires_grad
    assert plain.__name__ == "plain"


def test_a_generator_is_under_its_decorator_while_it_runs():
    x = leaf(1, 2)

    @nd.scope("outer")
    @nd.no_grad()
    def steps(found):
        try:
            found.append((yield x * 2))
            yield nd.ones(1, requires_grad=True) * 2
        except KeyError:
            with nd.enable_grad():
                yield x * 3
        finally:
            found.append((x * 2).requires_grad)
        return "end"

    def inner(found):
        found.append((yield from steps(found)))

    run = inner(found := [])
    assert not next(run).requires_grad and (x * 2).requires_grad
    assert not run.send("sent").requires_grad and (x * 2).requires_grad
    y = run.throw(KeyError())
    assert y.requires_grad and y._node.scope == "outer" and (x * 2)._node.scope == ""
    assert list(run) == [] and found == ["sent", False, "end"]
    left = steps(found)
    next(left)
    left.close()
    assert found[3:] == [False] and (x * 2).requires_grad


def test_a_leaf_made_inside_no_grad_still_requires_grad():
    with nd.no_grad():
        x = leaf(1, 2)
    assert x.requires_grad
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 4])


def test_scopes_name_the_nodes_made_inside_and_nest():
    x = leaf(1, 2)
    with nd.scope("encoder"):
        a = x * 2
        with nd.scope("block1"):
            b = a * 2
        c = b * 2
    d = c * 2
    assert [t._node.scope for t in (a, b, c, d)] == ["encoder", "encoder/block1", "encoder", ""]


def test_scope_is_a_decorator_and_refuses_an_empty_name():
    @nd.scope("layer")
    def f(t):
        return t * 2

    assert f(leaf(1))._node.scope == "layer"
    with nd.scope("outer"):
        assert f(leaf(1))._node.scope == "outer/layer"
    for name in ("", None, 3):
        with pytest.raises((TypeError, ValueError), match="scope"):
            nd.scope(name)


# ---- what is kept alive


def kept(t):
    """The arrays that a tensor's node keeps for its rules."""
    return [v for v in t._node.saved if isinstance(v, np.ndarray)]


def test_only_the_values_that_needed_rules_name_are_kept():
    h, constant = leaf(*np.ones(1000)) * 1.0, nd.ones(1000)
    (only,) = kept(h * constant)
    assert np.shares_memory(only, constant.data)
    y = nd.exp(h)
    (only,) = kept(y)
    assert np.shares_memory(only, y.data)
    assert kept(h + constant) == kept(nd.reshape(h, (10, 100))) == []
    assert len(kept(h * (constant + h))) == 2


def test_an_input_that_no_rule_reads_is_freed_at_once():
    x = leaf(*np.ones(1000))
    h = x * 2.0
    array = weakref.ref(h.data)
    y = h + 1.0
    del h
    with no_collector():
        assert array() is None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.full(1000, 2.0))


def test_a_weight_that_needs_no_gradient_spares_the_input():
    x = leaf(*np.ones(12))
    h = nd.reshape(x * 2.0, (3, 4))
    array = weakref.ref(h.data)
    w = nd.ones((4, 2))
    y = nd.matmul(h, w)
    del h
    with no_collector():
        assert array() is None
    del y


def test_saved_values_are_freed_during_the_sweep():
    alive, refs = [], []

    @nd.primitive(x=lambda g, x: (alive.append(sum(r() is not None for r in refs)), g)[1])
    def probe(x):
        return x + 0.0

    x = leaf(*np.ones(100))
    y = x
    for _ in range(5):
        y = probe(y)
        refs.append(weakref.ref(y.data))
    y = y.sum()
    with no_collector():
        y.backward()
    assert alive == sorted(alive, reverse=True) and alive[0] - alive[-1] >= 3


def test_everything_saved_is_gone_after_the_sweep_though_the_output_lives():
    x = leaf(*np.ones(100))
    h = nd.exp(x)
    ref = weakref.ref(h.data)
    y = nd.sin(h).sum()
    del h
    assert ref() is not None
    with no_collector():
        y.backward()
        assert ref() is None
    assert float(y.data) == pytest.approx(100 * np.sin(np.e))


@pytest.mark.parametrize("create_graph", [False, True])
def test_reference_counts_alone_free_a_graph(create_graph):
    with no_collector():
        x, w = leaf(*np.ones(24)), nd.tensor(np.ones((2, 3, 2)), requires_grad=True)
        h = nd.conv_nd(nd.reshape(nd.exp(x), (1, 3, 8)), w)
        h = nd.softmax(nd.relu(h).sum(-1) @ nd.ones((2, 2)), -1)
        h.retain_grad()
        y = nd.logsumexp(h * nd.where(h > 0.1, h, 0))
        y.register_hook(lambda g: g)
        refs = [weakref.ref(o) for o in (x, w, h, y, x._node, w._node, h._node, y._node, h.data, y.data)]
        y.backward(create_graph=create_graph)
        refs += [weakref.ref(x.grad), weakref.ref(x.grad.data)]
        if create_graph:
            x.grad = w.grad = h.grad = None  # a recorded gradient holds its graph, which holds the leaf, by the user's own choice
        del x, w, h, y
        assert [r for r in refs if r() is not None] == []


def test_gradients_with_create_graph_are_freed_by_reference_counts_alone():
    with no_collector():
        x = leaf(*np.ones(10))
        y = nd.tanh(x * x).sum()
        g = nd.gradients(y, x, create_graph=True)
        gg = nd.gradients((g * g).sum(), x, create_graph=True)
        refs = [weakref.ref(o) for o in (x._node, y._node, g._node, gg._node, gg.data)]
        del x, y, g, gg
        assert [r for r in refs if r() is not None] == []


@pytest.mark.parametrize("transform", ["grad", "vjp", "jvp", "jacobian", "hessian", "hvp"])
def test_transforms_leave_no_cycles(transform):
    refs = []

    def f(t):
        h = nd.exp(t) * t
        refs.extend([weakref.ref(h._node), weakref.ref(h.data)])
        return h.sum()

    x = np.array([0.1, 0.2])
    with no_collector():
        if transform == "vjp":
            _, pull = nd.vjp(f, x)
            pull(1.0)
            del pull
        elif transform == "jvp":
            nd.jvp(f, [x], [np.ones(2)])
        elif transform == "hvp":
            nd.hvp(f, [x], [np.ones(2)])
        else:
            getattr(nd, transform)(f)(x)
        assert refs and [r for r in refs if r() is not None] == []


def test_a_failed_sweep_leaves_no_cycles():
    def fail(g):
        raise RuntimeError("no")

    @nd.primitive(x=fail)
    def broken(x):
        return x + 0

    with no_collector():
        x = leaf(1, 2)
        y = broken(nd.exp(x)).sum()
        refs = [weakref.ref(o) for o in (x._node, y._node)]
        try:
            y.backward()
        except RuntimeError:
            pass
        del x, y
        assert [r for r in refs if r() is not None] == []


# ---- operations of the user's own


def test_a_declared_operation_has_derivatives_of_every_order():
    @nd.primitive(x=lambda g, x: 3 * g * x**2)
    def cube(x):
        """x³."""
        return x * x * x

    assert cube.__name__ == "cube" and cube.__doc__ == "x³."
    d = nd.grad(lambda t: cube(t))
    assert float(d(2.0)) == 12
    assert float(nd.grad(d)(2.0)) == 12
    assert float(nd.grad(nd.grad(d))(2.0)) == 6
    nd.testing.check_grads(cube, [np.array([0.5, -1.0])], order=3)


def test_a_rule_may_read_inputs_the_output_shapes_and_keywords():
    @nd.primitive(
        x=lambda g, x_shape, factor: nd.broadcast_to(g * factor, x_shape),
        y=lambda g, out, y: g * out.detach() * 0 + g * y * 2,
    )
    def odd(x, y, *, factor):
        return x.sum() * factor + (y * y).sum()

    x, y = leaf(1, 2), nd.tensor(3.0, requires_grad=True)
    odd(x, y, factor=5.0).backward()
    np.testing.assert_array_equal(x.grad.data, [5, 5])
    assert float(y.grad) == 6


@pytest.mark.parametrize(
    "declare, says",
    [
        (lambda: nd.primitive(z=lambda g: g)(lambda x: x), "z"),
        (lambda: nd.primitive(x=lambda g, w: g)(lambda x: x), "w"),
        (lambda: nd.primitive(x=lambda g, y_shape: g)(lambda x: x), "y_shape"),
        (lambda: nd.primitive(x=lambda g, i: g)(lambda x: x), "i"),
        (lambda: nd.primitive(x=lambda g, axis: g)(lambda x, *, axes: x), "axis"),
    ],
)
def test_a_wrong_rule_is_an_error_where_it_is_declared(declare, says):
    with pytest.raises(TypeError, match=rf"primitive.*'{says}'"):
        declare()


def test_positional_arguments_beside_starred_ones_are_refused():
    with pytest.raises(TypeError, match="primitive"):

        @nd.primitive(xs=lambda g, i: g)
        def bad(x, *xs):
            return x


def test_starred_operands_each_get_their_own_gradient():
    @nd.primitive(xs=lambda g, i, xs, xs_shape, scale: g * scale * (i + 1) + 0 * xs[i] * len(xs_shape))
    def weighted(*xs, scale):
        return scale * sum((i + 1) * x for i, x in enumerate(xs))

    a, b, c = leaf(1, 2), nd.tensor([1.0, 1.0]), leaf(5, 6)
    y = weighted(a, b, c, scale=2.0)
    np.testing.assert_array_equal(y.data, 2 * (a.data + 2 * b.data + 3 * c.data))
    y.sum().backward()
    np.testing.assert_array_equal(a.grad.data, [2, 2])
    np.testing.assert_array_equal(c.grad.data, [6, 6])
    assert b.grad is None


def test_keyword_defaults_and_arguments_by_keyword():
    @nd.primitive(x=lambda g, y, power: g * y * power, y=lambda g, x, power: g * x * power)
    def f(x, y, *, power=3.0):
        return x * y * power

    x, y = leaf(2), leaf(5)
    for z, scale in ((f(x, y), 3), (f(x, y=y), 3), (f(y=y, x=x), 3), (f(x, y, power=4.0), 4), (f(x=x, y=y, power=4.0), 4)):
        gx, gy = nd.gradients(z, [x, y])
        assert float(gx[0]) == 5 * scale and float(gy[0]) == 2 * scale and float(z.data[0]) == 10 * scale


@pytest.mark.parametrize(
    "call", [lambda f: f(), lambda f: f(1.0), lambda f: f(1.0, 2.0, 3.0), lambda f: f(1.0, 2.0, z=3), lambda f: f(1.0, 2.0, x=3.0)]
)
def test_a_wrong_number_of_arguments_is_a_type_error_that_names_the_operation(call):
    @nd.primitive(x=lambda g: g, y=lambda g: g)
    def plus(x, y):
        return x + y

    with pytest.raises(TypeError, match="plus"):
        call(plus)


def test_an_operation_without_rules_gives_constants():
    @nd.primitive()
    def ranks(x):
        return x.argsort().astype(float)

    assert not ranks(leaf(2, 1)).requires_grad


def test_an_operand_without_a_rule_must_be_detached():
    @nd.primitive(x=lambda g: g)
    def shift(x, by):
        return x + by

    x, by = leaf(1, 2), leaf(3, 4)
    shift(x, by.detach()).sum().backward()
    with pytest.raises(TypeError, match="shift.*'by'"):
        shift(x, by)


def test_a_kernel_receives_arrays_and_may_return_its_argument():
    kinds = []

    @nd.primitive(x=lambda g: g)
    def same(x):
        kinds.append(type(x))
        return x

    x = leaf(1, 2)
    y = same(x)
    (y * y).sum().backward()
    assert kinds == [np.ndarray]
    np.testing.assert_array_equal(x.grad.data, [2, 4])
    a = np.array([1.0, 2.0])
    same(a)
    a[0] = 5  # the caller's array stays the caller's


def test_a_kernel_may_return_a_view_of_the_callers_array_without_freezing_it():
    @nd.primitive(x=lambda g: nd.flip(g))
    def reverse(x):
        return x[::-1]

    a = np.array([1.0, 2.0, 3.0])
    y = reverse(a)
    assert not y.data.flags.writeable
    a[0] = 5
    assert a.flags.writeable


def test_the_engine_fits_cotangents_to_shape_and_dtype():
    @nd.primitive(x=lambda g: g, y=lambda g: g)
    def plus(x, y):
        return x + y

    x, y = nd.tensor(np.ones((3, 1), np.float32), requires_grad=True), nd.tensor(np.ones(4), requires_grad=True)
    plus(x, y).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.shape == (3, 1) and (x.grad.data == 4).all()
    assert y.grad.dtype == np.float64 and y.grad.shape == (4,) and (y.grad.data == 3).all()


def test_a_saved_number_stays_weak():
    x = nd.tensor(np.ones(3, np.float32), requires_grad=True)
    (nd.power(x, 3.0) * 2.5 / 3.5).sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("error", [ValueError, KeyError, ZeroDivisionError])
def test_an_exception_in_a_rule_leaves_every_grad_untouched(error):
    def fail(g):
        raise error("broken rule")

    @nd.primitive(x=fail)
    def broken(x):
        return x + 0

    x, w, v = leaf(1, 2), leaf(3, 4), leaf(5, 6)
    w.sum().backward()
    before = w.grad.data.copy()
    y = (v * 2 + w * broken(x)).sum()
    with pytest.raises(error):
        y.backward()
    assert x.grad is None and v.grad is None
    np.testing.assert_array_equal(w.grad.data, before)
    assert (x * 2).requires_grad  # and recording is on again


def test_an_exception_in_a_kernel_names_the_operation():
    @nd.primitive(x=lambda g: g)
    def fussy(x):
        raise ValueError("only odd numbers, but got 4")

    with pytest.raises(ValueError, match="fussy.*4"):
        fussy(leaf(1))


# ---- complex leaves: the gradient of a real loss is dL/da + i dL/db, as in PyTorch


def complex_leaf(*values):
    return nd.tensor(np.array(values, complex), requires_grad=True)


def real_directional(f, z, g, eps=1e-6):
    """dL/da and dL/db of a real function, entry by entry, against the claimed gradient."""
    for k in range(z.size):
        for unit, part in ((1, np.real), (1j, np.imag)):
            d = np.zeros(z.shape, complex)
            d[k] = eps * unit
            slope = (f(z + d) - f(z - d)) / (2 * eps)
            assert slope == pytest.approx(part(g[k]), abs=1e-7)


def test_gradient_of_the_squared_modulus_is_2z():
    z = complex_leaf(1 + 2j, -3j)
    (z * nd.conj(z)).real.sum().backward()
    np.testing.assert_allclose(z.grad.data, 2 * z.data)
    assert z.grad.dtype == np.complex128


@pytest.mark.parametrize(
    "f",
    [
        lambda z, np_: (np_.exp(z) * z**3).real,
        lambda z, np_: (np_.log(z) / (z + 2)).imag,
        lambda z, np_: np_.absolute(z * z + 1),
        lambda z, np_: (np_.sin(z) * np_.sqrt(z)).real,
        lambda z, np_: (np_.tanh(z) - np_.cos(z) / z).imag,
        lambda z, np_: (z.conj() * z**2).real,
        lambda z, np_: (z / z.conj() ** 2).imag,
    ],
)
def test_gradients_of_real_functions_of_complex_leaves_meet_differences(f):
    values = np.array([0.7 + 0.4j, -0.3 + 1.1j])
    z = nd.tensor(values, requires_grad=True)
    f(z, nd).sum().backward()
    real_directional(lambda v: float(f(v, np).sum()), values, z.grad.data)


def test_a_holomorphic_function_pulls_back_by_the_conjugate_derivative():
    z = complex_leaf(0.3 + 0.5j)
    (z**3).backward(np.array([2 - 1j]))
    np.testing.assert_allclose(z.grad.data, (2 - 1j) * np.conj(3 * z.data**2))


def test_a_real_leaf_in_a_complex_expression_gets_a_real_gradient():
    x = leaf(1.0, 2.0)
    (x * (3 + 4j)).imag.sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.data, [4, 4])
    x.grad = None
    nd.absolute(x * np.array([3 + 4j, 1j])).sum().backward()
    np.testing.assert_allclose(x.grad.data, [5, 1])


def test_the_modulus_has_gradient_zero_at_zero():
    z = complex_leaf(0, 3 + 4j)
    nd.absolute(z).sum().backward()
    np.testing.assert_allclose(z.grad.data, [0, 0.6 + 0.8j])


def test_a_complex_matrix_product_is_adjoint_to_its_gradients():
    rng = np.random.default_rng(1)
    a, b, g = (rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3)) for _ in range(3))
    A, B = nd.tensor(a, requires_grad=True), nd.tensor(b, requires_grad=True)
    (A @ B).backward(g)
    np.testing.assert_allclose(A.grad.data, g @ b.conj().T)
    np.testing.assert_allclose(B.grad.data, a.conj().T @ g)


# A user's own operation that is declared wrongly says so, by its name.


@pytest.mark.parametrize(
    ("rule", "error", "said"),
    [
        (lambda g: g, ValueError, r"total: the rule for 'x' returned shape \(\), but x has shape \(3,\)"),
        (lambda g: np.ones(3), TypeError, "total: the rule for 'x' must return a tensor.* ndarray"),
        (lambda g: None, TypeError, "total: the rule for 'x' must return a tensor.* NoneType"),
    ],
)
def test_a_rule_that_returns_the_wrong_thing_is_named(rule, error, said):
    @nd.primitive(x=rule)
    def total(x):
        return x.sum()

    w = nd.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(error, match=said):
        total(w).backward()
    assert w.grad is None


def test_a_rule_must_be_a_function_and_rules_come_first():
    with pytest.raises(TypeError, match="total: the rule for 'x' must be a function of g, but is 3"):
        nd.primitive(name="total", x=3)(lambda x: x)
    with pytest.raises(TypeError, match="give the rules first"):

        @nd.primitive
        def total(x):
            return x


def test_positional_arguments_may_have_defaults():
    @nd.primitive(x=lambda g, k: g * k)
    def times(x, k=2.0):
        return x * k

    x = nd.tensor([1.0, 3.0], requires_grad=True)
    times(x).backward(np.ones(2))
    assert times(x).tolist() == [2.0, 6.0] and times(x, k=3.0).tolist() == [3.0, 9.0] and x.grad.tolist() == [2.0, 2.0]


def test_an_error_inside_a_rule_names_the_operation_and_the_argument():
    @nd.primitive(x=lambda g, x: g + np.ones(5))
    def broken(x):
        return x * 2

    with pytest.raises(ValueError) as caught:
        broken(nd.tensor(np.ones(3), requires_grad=True)).backward(np.ones(3))
    assert any("rule of broken for 'x'" in note and "(3,)" in note for note in caught.value.__notes__)


def test_a_rule_must_give_floating_numbers_and_take_a_cotangent():
    @nd.primitive(x=lambda g, x: x > 0)
    def broken(x):
        return x * 2

    with pytest.raises(TypeError, match=r"broken: the rule for 'x' must return a tensor like it, \(3,\) float64.*one of bool"):
        broken(nd.tensor(np.ones(3), requires_grad=True)).backward(np.ones(3))
    with pytest.raises(TypeError, match="'x' takes no argument; the first is the cotangent"):
        nd.primitive(x=lambda: 0)(lambda x: x)


@pytest.mark.parametrize("result", [None, "text", [np.ones(2), np.ones(2)], nd.tensor([1.0])])
def test_an_operation_returns_an_array(result):
    @nd.primitive()
    def broken(x):
        return result

    with pytest.raises(TypeError, match="broken: computes on arrays and must return one, but returned"):
        broken(np.ones(2))


def test_parts_of_a_tensor_are_added_where_they_lie(monkeypatch):
    """Only the first becomes an array of the whole's size: a loop over rows takes linear time."""
    made, scatter = [], entries.scatter.op.kernel
    monkeypatch.setattr(entries.scatter.op, "kernel", lambda *args, **params: made.append(1) or scatter(*args, **params))
    x, w = nd.tensor(np.ones((50, 3)), requires_grad=True), np.arange(150.0).reshape(50, 3)
    nd.sum(nd.stack([x[i] for i in range(50)]) * w).backward()
    assert (x.grad.data == w).all() and len(made) == 1
    head, tail = nd.split(x, [20])
    loss = lambda: nd.sum(x) + nd.sum(head * 2) + nd.sum(tail * 3) + nd.sum(x[None, ::-2, 1]) + nd.sum(x[[0, 0, -1]])  # noqa: E731
    expected = np.where(np.arange(50)[:, None] < 20, 3.0, 4.0) + np.zeros(3)
    expected[1::2, 1] += 1
    expected[0] += 2
    expected[-1] += 1
    assert (nd.gradients(loss(), x, create_graph=True).data == expected).all()
    assert (nd.gradients(loss(), x).data == expected).all()


@pytest.mark.parametrize("kept", [True, False])
def test_a_sweep_whose_graph_another_one_frees_in_its_midst_says_so(kept):
    x = nd.tensor([3.0], requires_grad=True)
    y = x * x

    def hook(g):
        remove()
        with nd.enable_grad():
            nd.sum(y).backward(retain_graph=kept)

    remove = y.register_hook(hook)
    if kept:
        (y * 1).backward()
        assert x.grad.item() == 12
    else:
        with pytest.raises(RuntimeError, match="backward: a sweep inside this one, in a hook or a rule, has freed its graph"):
            (y * 1).backward()
