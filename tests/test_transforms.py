"""Derivatives of functions, in both modes and to several orders; and the points where a derivative is not unique or not finite."""

from collections import OrderedDict

import numpy as np
import pytest
from in_turn import in_turn
from samples.edges import FIRST_ORDER_ONLY, SINGULAR, TIES

import tinygrad_nd as nd

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 3))
V = RNG.standard_normal(3)


def close(found, expected, **how):
    np.testing.assert_allclose(found.data if isinstance(found, nd.Tensor) else found, expected, **{"rtol": 1e-9, "atol": 1e-12, **how})


def f(x):
    """A scalar function of 3 values with a full Hessian."""
    return nd.sin(x @ A @ x) + nd.exp(x[0] * x[1]) * x[2]


def g(x):
    """3 values to a (2, 2) matrix."""
    return nd.stack([nd.tanh(A[:2] @ x), x[:2] * x[1:] ** 2])


# ---- identities between the transforms


def test_value_and_grad_gives_both():
    value, slope = nd.value_and_grad(lambda x: (x**3).sum())(V)
    close(value, (V**3).sum())
    close(slope, 3 * V**2)
    assert not value.requires_grad and not slope.requires_grad


def test_grad_takes_numbers_lists_arrays_and_tensors():
    for x in (3.0, np.float64(3), np.array(3.0), nd.tensor(3.0)):
        close(nd.grad(lambda t: t * t)(x), 6)
    close(nd.grad(lambda t: (t * t).sum())([1.0, 2.0]), [2, 4])


def test_grad_leaves_the_arguments_grad_alone():
    x = nd.tensor(V, requires_grad=True)
    close(nd.grad(f)(x), nd.grad(f)(V))
    assert x.grad is None


def test_grad_works_inside_no_grad():
    with nd.no_grad():
        close(nd.grad(lambda t: t**3)(2.0), 12)
        close(nd.grad(nd.grad(lambda t: t**3))(2.0), 12)
        close(nd.jvp(lambda t: t**3, [2.0], [1.0])[1], 12)
        close(nd.hessian(lambda t: t**3)(2.0), 12)


def test_argnums_picks_arguments_and_keeps_the_form():
    def h(x, y, scale=1.0):
        return (x * y * y * scale).sum()

    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    close(nd.grad(h)(x, y), y * y)
    close(nd.grad(h, argnums=1)(x, y), 2 * x * y)
    close(nd.grad(h, argnums=-1)(x, y), 2 * x * y)
    gy, gx = nd.grad(h, argnums=(1, 0))(x, y, scale=2.0)
    close(gx, 2 * y * y)
    close(gy, 4 * x * y)
    (only,) = nd.grad(h, argnums=[0])(x, y)
    close(only, y * y)
    jx, jy = nd.jacobian(lambda x, y: x * y, argnums=(0, 1))(x, y)
    close(jx, np.diag(y))
    close(jy, np.diag(x))
    close(nd.hessian(h, argnums=1)(x, y), np.diag(2 * x))


def test_arguments_not_differentiated_pass_through_untouched():
    seen = []

    def h(x, label, flag):
        seen.append((label, flag))
        return (x * x).sum()

    nd.grad(h)(V, "label", None)
    assert seen == [("label", None)]


def test_jacobian_columns_are_jvps_and_rows_are_vjps():
    J = nd.jacobian(g)(V)
    assert J.shape == (2, 2, 3)
    for i, e in enumerate(np.eye(3)):
        close(nd.jvp(g, [V], [e])[1], J.data[..., i])
    _, pull = nd.vjp(g, V)
    for i in range(2):
        for j in range(2):
            basis = np.zeros((2, 2))
            basis[i, j] = 1
            close(pull(basis)[0], J.data[i, j])


def test_jacobian_meets_differences():
    J, eps = nd.jacobian(g)(V), 1e-6
    for i, e in enumerate(np.eye(3) * eps):
        close((g(nd.tensor(V + e)).data - g(nd.tensor(V - e)).data) / (2 * eps), J.data[..., i], rtol=1e-6, atol=1e-8)


def test_vjp_and_jvp_are_adjoint():
    u, v = RNG.standard_normal((2, 2)), RNG.standard_normal(3)
    value, pull = nd.vjp(g, V)
    (back,) = pull(u)
    same, forward = nd.jvp(g, [V], [v])
    close(value, same.data)
    close((forward.data * u).sum(), back.data @ v)


def test_a_pullback_runs_as_often_as_asked():
    _, pull = nd.vjp(g, V)
    first = pull(np.ones((2, 2)))[0].data
    np.testing.assert_array_equal(pull(np.ones((2, 2)))[0].data, first)
    close(pull(2 * np.ones((2, 2)))[0], 2 * first)


def test_several_results_and_several_primals():
    def h(x, y):
        return x * y, nd.sin(x)

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    (a, b), (da, db) = nd.jvp(h, [x, y], [np.ones(2), 2 * np.ones(2)])
    close(a, x * y)
    close(b, np.sin(x))
    close(da, y + 2 * x)
    close(db, np.cos(x))
    values, pull = nd.vjp(h, x, y)
    assert [v.requires_grad for v in values] == [False, False]
    gx, gy = pull((np.ones(2), np.ones(2)))
    close(gx, y + np.cos(x))
    close(gy, x)


def test_a_nest_of_arrays_has_derivatives_nested_alike():
    def h(p, x):
        return (x @ p["w"] + p["rest"][0] * p["rest"][1]).sum() ** 2

    w, b, c, x = RNG.standard_normal((3, 2)), RNG.standard_normal(2), 0.5, np.array([1.0, 2.0, -1.0])
    p = OrderedDict(w=w, rest=(b, c))
    total = (x @ w + b * c).sum()
    value, slopes = nd.value_and_grad(h)(p, x)
    close(value, total**2)
    assert type(slopes) is OrderedDict and type(slopes["rest"]) is tuple and not slopes["w"].requires_grad
    close(slopes["w"], 2 * total * np.outer(x, [1, 1]))
    close(slopes["rest"][0], 2 * total * c * np.ones(2))
    close(slopes["rest"][1], 2 * total * b.sum())
    by_nest, by_array = nd.grad(h, argnums=(0, 1))(p, x)
    close(by_nest["w"], slopes["w"].data)
    close(by_array, 2 * total * w.sum(1))
    along = {"rest": [np.ones(2), 2.0], "w": np.ones((3, 2))}  # a dict's order does not matter, nor whether it is a list or a tuple
    _, moved = nd.jvp(lambda p: h(p, x), [p], [along])
    close(moved, sum((s.data * d).sum() for s, d in [(slopes["w"], 1), (slopes["rest"][0], 1), (slopes["rest"][1], 2.0)]))
    (back,) = nd.vjp(lambda p: h(p, x), p)[1](1.0)
    close(back["rest"][1], slopes["rest"][1].data)
    bent = nd.hvp(lambda p: h(p, x), p, along)
    eps = 1e-6
    up, down = (nd.grad(h)({"w": w + s, "rest": (b + s, c + 2 * s)}, x) for s in (eps, -eps))
    close(bent["w"], (up["w"].data - down["w"].data) / (2 * eps), rtol=1e-6)
    close(bent["rest"][1], (up["rest"][1].data - down["rest"][1].data) / (2 * eps), rtol=1e-6)


def test_a_function_may_give_its_arguments_new_values():
    def f(p):
        p["a"], p["b"] = p["a"] * 2, p["a"]
        return p["a"] * p["b"]

    given = {"a": nd.tensor(3.0)}
    slopes = nd.grad(f)(given)
    assert list(slopes) == ["a"] and list(given) == ["a"]
    close(slopes["a"], 12)

    def doubled(x):
        x *= 2
        return x * x

    close(nd.grad(lambda t: nd.grad(doubled)(t * 1))(3.0), 8)
    close(nd.grad(lambda t: nd.grad(doubled)(t * 1) ** 2)(3.0), 384)


def test_a_nest_of_results_has_a_matrix_for_each_pair():
    f = lambda p: {"sum": p["a"] + p["b"], "size": (p["a"] * p["b"]).sum()}
    p = {"a": V, "b": 2 * V}
    J = nd.jacobian(f)(p)
    close(J["sum"]["a"], np.eye(3))
    close(J["size"]["b"], V)
    values, pull = nd.vjp(f, p)
    close(values["sum"], 3 * V)
    close(pull({"sum": np.ones(3), "size": 1.0})[0]["a"], 1 + 2 * V)
    values, moved = nd.jvp(f, [p], [p])
    close(moved["size"], 2 * values["size"].data)
    close(nd.hessian(lambda p: f(p)["size"])(p)["a"]["b"], np.eye(3))
    assert nd.grad(lambda p, x: nd.sin(x))({}, 3.0) == {}


def test_an_inner_loop_on_a_dict_of_parameters_is_differentiated():
    """As in model-agnostic meta-learning (Finn et al., 2017)."""
    loss = lambda p, x: nd.sum(nd.square(nd.tanh(p["w"] * x) + p["b"]))

    def after_a_step(p):
        slopes = nd.grad(loss)(p, V)
        return loss({k: p[k] - 0.1 * slopes[k] for k in p}, 2 * V)

    nd.testing.check_grads(after_a_step, [{"w": V, "b": np.array(0.3)}])
    slopes, eps = nd.grad(after_a_step)({"w": V, "b": 0.3}), 1e-6
    close(slopes["b"], (after_a_step({"w": V, "b": 0.3 + eps}) - after_a_step({"w": V, "b": 0.3 - eps})).data / (2 * eps), rtol=1e-6)


def test_hessian_is_symmetric_and_meets_differences_of_gradients():
    H, eps = nd.hessian(f)(V).data, 1e-6
    close(H, H.T)
    d = nd.grad(f)
    for i, e in enumerate(np.eye(3) * eps):
        close((d(V + e).data - d(V - e).data) / (2 * eps), H[i], rtol=1e-6, atol=1e-7)


def test_hessian_of_a_quadratic_form_is_its_matrix():
    close(nd.hessian(lambda x: x @ A @ x)(V), A + A.T)


def test_hessian_of_a_matrix_argument_has_its_axes_twice():
    X = RNG.standard_normal((2, 3))
    H = nd.hessian(lambda x: (x**3).sum())(X)
    assert H.shape == (2, 3, 2, 3)
    close(H.data.reshape(6, 6), np.diag(6 * X.ravel()))


def test_hvp_is_the_hessian_times_the_vector():
    v = RNG.standard_normal(3)
    close(nd.hvp(f, [V], [v])[0], nd.hessian(f)(V).data @ v)
    close(nd.hvp(f, V, v), nd.hessian(f)(V).data @ v)


def test_hvp_of_several_primals_mixes_them():
    x, y, u, v = (RNG.standard_normal(2) for _ in range(4))
    hx, hy = nd.hvp(lambda x, y: (x * x * y).sum(), [x, y], [u, v])
    close(hx, 2 * y * u + 2 * x * v)
    close(hy, 2 * x * u)


def test_hvp_of_complex_numbers_is_how_the_gradient_changes_along_the_vector():
    f = lambda z: nd.sum(nd.absolute(z * z - 1j * nd.sin(z)) ** 2)
    z, v, h = np.array([1 + 2j, -0.5 + 0.3j]), np.array([1j, 2 - 1j]), 1e-5
    close(nd.hvp(f, z, v), (nd.grad(f)(z + h * v).data - nd.grad(f)(z - h * v).data) / (2 * h), atol=1e-6)


def test_a_linear_function_has_zero_hessian_and_hvp():
    close(nd.hessian(lambda x: (3 * x).sum())(V), np.zeros((3, 3)))
    close(nd.hvp(lambda x: (3 * x).sum(), V, np.ones(3)), np.zeros(3))
    close(nd.hvp(lambda x: x.sum(), [V], [np.ones(3)])[0], np.zeros(3))


def test_a_constant_function_has_zero_derivatives():
    constant = lambda x: nd.tensor(3.0)
    value, slope = nd.value_and_grad(constant)(V)
    close(value, 3)
    close(slope, np.zeros(3))
    close(nd.jvp(constant, [V], [np.ones(3)])[1], 0)
    close(nd.jacobian(constant)(V), np.zeros(3))
    close(nd.vjp(constant, V)[1](1.0)[0], np.zeros(3))
    close(nd.grad(nd.grad(lambda x: x * 3))(2.0), 0)
    assert slope.dtype == np.float64


def test_an_argument_without_a_part_gets_zeros():
    gx, gy = nd.grad(lambda x, y: (x * x).sum(), argnums=(0, 1))(V, np.ones((2, 2), np.float32))
    close(gx, 2 * V)
    assert gy.shape == (2, 2) and gy.dtype == np.float32 and not gy.data.any()


def test_jacobian_of_nothing_is_empty():
    assert nd.jacobian(lambda x: x[:0] * 2)(V).shape == (0, 3)
    assert nd.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)


def test_transforms_keep_float32():
    x = V.astype(np.float32)
    for t in (
        nd.grad(lambda x: (x * x).sum())(x),
        nd.jacobian(nd.exp)(x),
        nd.hessian(lambda x: (x**3).sum())(x),
        nd.jvp(nd.exp, [x], [np.ones(3)])[1],
    ):
        assert t.dtype == np.float32


def test_functions_of_complex_values():
    z, v = np.array([1 + 2j, 0.5 - 1j]), np.array([1j, 2.0])
    close(nd.grad(lambda z: (z * z.conj()).real.sum())(z), 2 * z)
    close(nd.jvp(lambda z: z**3, [z], [v])[1], 3 * z**2 * v)
    close(nd.jvp(lambda z: nd.conj(z), [z], [v])[1], v.conj())
    close(nd.jvp(lambda z: z.real, [z], [v])[1], v.real)
    close(nd.jvp(lambda z: nd.absolute(z), [z], [v])[1], (z.conj() * v).real / abs(z))


# ---- nesting


def test_nested_grads_give_higher_derivatives():
    d, x = nd.sin, 0.7
    for expected in (np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t), np.sin, np.cos):
        d = nd.grad(d)
        close(d(x), expected(x))


def test_an_inner_derivative_may_close_over_an_outer_variable():
    # d/dx [x · d/dy (x + y)] = d/dx x = 1: mixing the two perturbations up would give 2
    assert float(nd.grad(lambda x: x * nd.grad(lambda y: x + y)(1.0))(1.0)) == 1
    # d/dx [x · d/dy (x y)] = d/dx x² = 2x
    assert float(nd.grad(lambda x: x * nd.grad(lambda y: x * y)(2.0))(3.0)) == 6
    # the inner point is the outer variable itself: d/dx [x · (d/dy x y²)(y=x)] = d/dx 2x³
    assert float(nd.grad(lambda x: x * nd.grad(lambda y: x * y * y)(x))(3.0)) == 54


@pytest.mark.parametrize("inner", [
    lambda x: nd.grad(lambda y: x * y * y)(2.0), lambda x: nd.jvp(lambda y: x * y * y, [2.0], [1.0])[1],
    lambda x: nd.jacobian(lambda y: x * y * y)(2.0), lambda x: nd.hessian(lambda y: x * y * y * y)(2.0) / 3,
])  # fmt: skip
def test_nothing_is_recorded_for_the_arguments_of_an_inner_derivative(inner):
    for found in (nd.grad(lambda x: x * inner(x))(3.0), nd.jvp(lambda x: x * inner(x), [3.0], [1.0])[1]):
        assert found.item() == 24 and not found.requires_grad


def test_forward_mode_nests_without_confusing_perturbations():
    def tangent(f, x):
        return nd.jvp(f, [x], [1.0])[1]

    assert float(tangent(lambda x: x * tangent(lambda y: x + y, 1.0), 1.0)) == 1
    assert float(tangent(lambda x: x * tangent(lambda y: x * y * y, x), 3.0)) == 54
    assert float(tangent(lambda x: tangent(lambda y: y**4, x), 2.0)) == 12 * 4


def test_forward_over_reverse_and_reverse_over_forward_are_the_hessian():
    v, H = RNG.standard_normal(3), nd.hessian(f)(V).data
    close(nd.jvp(nd.grad(f), [V], [v])[1], H @ v)
    close(nd.grad(lambda x: nd.jvp(f, [x], [v])[1])(V), H @ v)
    close(nd.jacobian(nd.grad(f))(V), H)


def test_a_derivative_of_a_derivative_with_respect_to_the_direction():
    close(nd.grad(lambda v: nd.jvp(f, [V], [v])[1])(np.ones(3)), nd.grad(f)(V).data)


def test_a_pullback_is_differentiable_in_its_cotangent():
    u = nd.tensor(np.ones((2, 2)), requires_grad=True)
    _, pull = nd.vjp(g, V)
    (back,) = pull(u)
    (back * V).sum().backward()
    close(u.grad, nd.jvp(g, [V], [V])[1].data)


def test_derivatives_flow_to_tensors_a_function_closes_over():
    w = nd.tensor(2.0, requires_grad=True)
    slope = nd.grad(lambda x: w * x**3)(2.0)  # 3 w x²
    close(slope, 24)
    slope.backward()
    close(w.grad, 12)
    w.grad = None
    value = nd.value_and_grad(lambda x: w * x**3)(2.0)[0]
    value.backward()
    close(w.grad, 8)


@pytest.mark.parametrize(
    "slope, expected",
    [
        (lambda h: nd.grad(lambda t: t**3)(h), 108),  # 3 (3x)² at x = 2, so 54 x
        (lambda h: nd.hvp(lambda t: t**3, [h], [np.array(1.0)])[0], 18),  # 6 · 3x
        (lambda h: nd.jacobian(lambda t: t**2)(h), 6),  # 2 · 3x
        (lambda h: nd.hessian(lambda t: t**3)(h), 18),
        (lambda h: nd.jvp(lambda t: t**2, [h], [1.0])[1], 6),
        (lambda h: nd.vjp(lambda t: t**2, h)[1](1.0)[0], 6),
        (lambda h: nd.vjp(lambda t: t**2, h)[0], 36),  # (3x)²
    ],
)
def test_derivatives_flow_through_tracked_arguments(slope, expected):
    x = nd.tensor(2.0, requires_grad=True)
    slope(x * 3).backward()
    close(x.grad, expected)


def test_a_learning_rate_is_learned_through_an_unrolled_step():
    def after_step(rate):
        w = np.array([1.0, 2.0])
        w = w - rate * nd.grad(lambda w: (w**4).sum())(w)
        return (w * w).sum()

    rate, eps = 0.01, 1e-6
    expected = (float(after_step(nd.tensor(rate + eps))) - float(after_step(nd.tensor(rate - eps)))) / (2 * eps)
    close(nd.grad(after_step)(rate), expected, rtol=1e-6)


# ---- errors


def test_grad_wants_a_scalar_and_the_others_a_tensor():
    with pytest.raises(ValueError, match=r"grad.*\(3,\)"):
        nd.grad(lambda x: x * 2)(V)
    with pytest.raises(TypeError, match="grad.*float"):
        nd.grad(lambda x: 3.0)(V)
    with pytest.raises(ValueError, match="^grad: the function must return a real scalar, but its result is complex128"):
        nd.grad(lambda x: nd.sum(x * 1j))(V)
    with pytest.raises(ValueError, match="^backward: the output is complex128; only a real scalar"):
        nd.sum(nd.tensor(V, requires_grad=True) * 1j).backward()
    with pytest.raises(TypeError, match="value_and_grad.*float"):
        nd.value_and_grad(lambda x: 3.0)(V)
    with pytest.raises(TypeError, match="jacobian.*float"):
        nd.jacobian(lambda x: [x, 3.0])(V)


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "jacobian"])
def test_argnums_outside_the_arguments_is_refused(name):
    for argnums in (1, -2, (0, 1)):
        with pytest.raises(ValueError, match="argnums"):
            getattr(nd, name)(f, argnums=argnums)(V)
    with pytest.raises(ValueError, match="names no argument"):
        getattr(nd, name)(np.sum, argnums=())(V)
    with pytest.raises(TypeError, match="argnums must be an int, but is 'a'"):
        getattr(nd, name)(np.sum, argnums="a")(V)


def test_integers_cannot_be_differentiated():
    with pytest.raises(TypeError, match="grad.*int64.*float"):
        nd.grad(lambda x: x * x)(3)
    with pytest.raises(TypeError, match=r"grad: argument 0\['n'\] is int64"):
        nd.grad(lambda p: p["x"])({"x": V, "n": 3})
    with pytest.raises(TypeError, match="jvp.*int64"):
        nd.jvp(nd.exp, [np.arange(3)], [np.ones(3)])


def test_tangents_and_cotangents_must_fit():
    with pytest.raises(ValueError, match=r"jvp.*\(3,\).*\(2,\)"):
        nd.jvp(f, [V], [np.ones(2)])
    with pytest.raises(ValueError, match="jvp.*1.*2"):
        nd.jvp(f, [V], [V, V])
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3,\)"):
        nd.vjp(g, V)[1](np.ones(3))
    with pytest.raises(ValueError, match="hvp.*1.*2"):
        nd.hvp(f, [V], [V, V])
    with pytest.raises(ValueError, match=r"hvp.*\(3,\).*\(2,\)"):
        nd.hvp(f, [V], [np.ones(2)])
    with pytest.raises(ValueError, match=r"jvp: the tangents must be nested as the values are, a dict with \['a'\], but got \['b'\]"):
        nd.jvp(lambda p: p["a"], [{"a": V}], [{"b": V}])
    with pytest.raises(ValueError, match=r"jvp: the tangents must be nested .*, but got ndarray"):
        nd.jvp(lambda p: p["a"], [{"a": V}], [V])
    with pytest.raises(ValueError, match="vjp: the cotangent must be nested as the values are, 2 in a tuple, but got 1"):
        nd.vjp(lambda x: (x, x), V)[1]([V])
    with pytest.raises(ValueError, match="hvp: 2 primals need as many vectors, but got 1"):
        nd.hvp(lambda x, y: x * y, [1.0, 2.0], object())


# ---- ties and kinks


def gradient(f, *args):
    return [t.data for t in nd.grad(lambda *a: f(*a).sum(), argnums=tuple(range(len(args))))(*map(np.asarray, args))]


@in_turn("fact", TIES)
def test_where_a_derivative_is_not_unique_the_table_holds(fact):
    f, args, expected = TIES[fact]
    for found, meant in zip(gradient(f, *args), expected):
        np.testing.assert_allclose(found, meant)


@in_turn("fact", TIES)
def test_forward_mode_agrees_with_reverse_mode_at_every_tie(fact):
    f, args, slopes = TIES[fact]
    points = [np.asarray(a) for a in args]
    for k, (p, slope) in enumerate(zip(points, slopes)):
        v = np.random.default_rng(k).standard_normal(p.shape)
        tangents = [v if i == k else np.zeros(q.shape) for i, q in enumerate(points)]
        np.testing.assert_allclose(nd.jvp(lambda *a: f(*a).sum(), points, tangents)[1].data, (v * slope).sum(), atol=1e-12)


def test_a_complex_size_bends_nowhere_at_zero():
    z = nd.tensor([0, 3 + 4j], requires_grad=True)
    slope = nd.gradients(nd.sum(nd.absolute(z)), z, create_graph=True)
    np.testing.assert_allclose(nd.gradients(slope, z, np.array([1 + 1j, 4 - 3j])).data, [0, (4 - 3j) / 5], atol=1e-15)


def test_relu_and_maximum_let_nan_flow():
    x = np.array([np.nan, 1.0])
    assert np.isnan(nd.relu(x).data[0]) and np.isnan(nd.maximum(x, 0).data[0]) and np.isnan(nd.max(x).data)
    assert np.isnan(nd.max_pool_nd(x, (2,)).data).all() and np.isnan(nd.clip(x, 0, 1).data[0])


# ---- a zero cotangent stays zero


@in_turn("fact", SINGULAR)
def test_a_zero_cotangent_stays_zero_where_the_slope_is_infinite(fact):
    """As in where(x > 0, log(x), 0) at x = 0: the entries before the last have no weight, and derivatives of exactly 0 in every mode."""
    f, *points = SINGULAR[fact]
    points, plain = [np.array(p) for p in points], [np.array(p[-1:]) for p in points]
    taken = np.arange(len(points[0])) == len(points[0]) - 1
    every = tuple(range(len(points)))

    def chosen(*xs):
        return nd.where(taken[-xs[0].size :], f(*xs), 0)

    def slopes(*xs):
        return nd.grad(lambda *xs: nd.sum(chosen(*xs)), every)(*xs)

    def bends(*xs):
        return [s for i in every for s in nd.grad(lambda *xs: nd.sum(nd.real(slopes(*xs)[i])), every)(*xs)]  # noqa: B023

    def pulled(*xs):
        return nd.vjp(f, *xs)[1](taken[-xs[0].size :] * 1.0)

    def pushed(*xs):
        return [nd.jvp(chosen, xs, [np.full_like(x, 3) for x in xs])[1]]

    def pushed_by_zeros(*xs):
        return [nd.jvp(f, xs, [(3 * taken[-x.size :]).astype(x.dtype) for x in xs])[1]]

    with np.errstate(all="ignore"):
        for way in (slopes, pulled, pushed, pushed_by_zeros) + (() if fact in FIRST_ORDER_ONLY else (bends,)):
            for found, expected in zip(way(*points), way(*plain), strict=True):
                np.testing.assert_array_equal(found.data[:-1], 0, err_msg=way.__name__)
                np.testing.assert_allclose(found.data[-1:], expected.data, 1e-10, 1e-10, err_msg=way.__name__)


def test_the_zero_holds_for_a_cotangent_of_zeros_given_by_hand():
    x = nd.tensor([0.0, 4.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = nd.log(x) + nd.sqrt(x) + 1 / x
    (found,) = nd.gradients([y], [x], [np.array([0.0, 1.0])])
    np.testing.assert_allclose(found.data, [0, 1 / 4 + 1 / 4 - 1 / 16])


def test_a_true_singularity_is_still_reported_as_infinite():
    for f in (nd.log, nd.sqrt):
        with np.errstate(all="ignore"):
            assert np.isposinf(nd.grad(lambda x, f=f: f(x).sum())(np.zeros(1)).data).all()


def test_a_nan_in_a_taken_branch_is_not_hidden():
    x = np.array([np.nan, 1.0])
    found = nd.grad(lambda t: (nd.log(t) * nd.sqrt(t)).sum())(x).data
    assert np.isnan(found[0]) and np.isfinite(found[1])


# ---- forward mode and second derivatives where cotangents are zero

VANISHING = {
    "(x - 1)²": lambda x: (x - 1) ** 2,
    "square of log": lambda x: nd.square(nd.log(x)),
    "log, cubed": lambda x: nd.log(x) ** 3,
    "(sqrt - 1)²": lambda x: (nd.sqrt(x) - 1) ** 2,
    "(1/x - 1)²": lambda x: (1 / x - 1) ** 2,
    "(x^1.5 - 1)²": lambda x: (x**1.5 - 1) ** 2,
    "0 · log": lambda x: nd.log(x) * nd.tensor(0.0),
    "(x - 1) · log": lambda x: (x - 1) * nd.log(x),
    "(x - 1) / x": lambda x: (x - 1) / x,
    "(hypot(x, x) - √2)²": lambda x: (nd.hypot(x, x) - np.sqrt(2)) ** 2,
    "arctan2, squared": lambda x: (nd.arctan2(x, 1.0) - np.pi / 4) ** 2,
    "arccos(x/2)": lambda x: (nd.arccos(x / 2) - np.arccos(0.5)) ** 2,
    "relu of log": lambda x: nd.log(x) * nd.relu(x),
}


@pytest.mark.parametrize("name", VANISHING)
def test_derivatives_to_third_order_stay_right_where_cotangents_vanish(name):
    f = VANISHING[name]
    nd.testing.check_grads(lambda x: f(x), [np.array([1.0, 0.7])], order=3)
    # exactly at the point where the first derivative is 0, against differences of an exact second derivative nearby
    d2, eps = nd.grad(nd.grad(f)), 1e-5
    here, near = float(d2(1.0)), (float(d2(1.0 + eps)) + float(d2(1.0 - eps))) / 2
    assert here == pytest.approx(near, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", VANISHING)
def test_forward_mode_equals_reverse_mode_where_cotangents_vanish(name):
    f, x, v = VANISHING[name], np.array([1.0, 0.7, 1.0]), np.array([2.0, 3.0, 0.0])
    np.testing.assert_allclose(nd.jvp(f, [x], [v])[1].data, nd.grad(lambda t: f(t).sum())(x).data * v, atol=1e-12)
    forward_twice = nd.jvp(lambda t: nd.jvp(f, [t], [v])[1], [x], [v])[1]
    np.testing.assert_allclose(forward_twice.data, nd.hvp(lambda t: f(t).sum(), [x], [v])[0].data * v, atol=1e-10)


def test_hessian_of_a_masked_function_is_right_away_from_the_mask():
    x = np.array([0.0, 2.0, 3.0])

    def f(t):
        with np.errstate(all="ignore"):
            return (nd.where(t > 0, nd.log(t), 0) ** 2).sum()

    second = [0, 2 * (1 - np.log(2)) / 4, 2 * (1 - np.log(3)) / 9]
    np.testing.assert_allclose(nd.hessian(f)(x).data, np.diag(second), atol=1e-12)


def test_a_tensor_in_the_place_of_a_function_is_told_at_once():
    x = nd.tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match=r"grad: takes a function, but got Tensor; of tensors at hand, nd\.gradients"):
        nd.grad(x * x)
