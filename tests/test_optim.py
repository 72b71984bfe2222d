"""Optimisers, averages and clipping: formulas, who owns which array, state, and what is refused. `test_optim_peers` holds PyTorch's."""

import copy
import json
import math
import pickle
import tracemalloc

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import optim
from tinygrad_nd.optim.lbfgs import Point, strong_wolfe
from tinygrad_nd.tensor import Parameter, astensor, tensor

SHAPES = [(3, 4), (5,), ()]
STEPS = 6

SGDS = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
]
CASES = [
    *(("SGD", o) for o in SGDS),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adamax", {}),
    ("NAdam", {"weight_decay": 0.1}),
    ("RAdam", {"lr": 0.02, "betas": (0.8, 0.9)}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "maximize": True}),
    ("RMSprop", {"centered": True}),
    ("Lion", {"lr": 0.02, "weight_decay": 0.1}),
]


def run(name, options, dtype="f8", steps=STEPS, apart=False):
    """Parameters after a few steps on seeded gradients; the last parameter has none in the second step."""
    rng = np.random.default_rng(0)
    params = [Parameter(rng.standard_normal(s).astype(dtype)) for s in SHAPES]
    opts = [getattr(optim, name)(ps, **options) for ps in ([[p] for p in params] if apart else [params])]
    for i in range(steps):
        for p in params:
            g = rng.standard_normal(p.shape).astype(dtype)
            p.grad = None if p is params[-1] and i == 1 else astensor(np.asarray(g))
        for opt in opts:
            opt.step()
    return params, opts[0]


@pytest.mark.parametrize("options", SGDS)
def test_sgd_is_its_formula(options):
    o = {"momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False} | options
    rng = np.random.default_rng(1)
    p = start = rng.standard_normal((3, 2))
    param = Parameter(start)
    opt = optim.SGD([param], **options)
    v = None
    for _ in range(4):
        g = rng.standard_normal(p.shape)
        param.grad = astensor(g)
        opt.step()
        g = g + o["weight_decay"] * p
        v = g if v is None else o["momentum"] * v + (1 - o["dampening"]) * g
        p = p - o["lr"] * (g + o["momentum"] * v if o["nesterov"] else v if o["momentum"] else g)
    np.testing.assert_allclose(param.data, p, rtol=1e-13)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_is_its_formula(decoupled, amsgrad):
    lr, b1, b2, eps, wd = 0.03, 0.7, 0.9, 1e-6, 0.2
    rng = np.random.default_rng(1)
    p = rng.standard_normal((3, 2))
    param = Parameter(p)
    opt = (optim.AdamW if decoupled else optim.Adam)([param], lr, (b1, b2), eps, wd, amsgrad)
    m = v = largest = 0
    for t in range(1, 5):
        g = rng.standard_normal(p.shape)
        param.grad = astensor(g)
        opt.step()
        p, g = (p * (1 - lr * wd), g) if decoupled else (p, g + wd * p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        largest = np.maximum(largest, v)
        p = p - lr * (m / (1 - b1**t)) / (np.sqrt((largest if amsgrad else v) / (1 - b2**t)) + eps)
    np.testing.assert_allclose(param.data, p, rtol=1e-13)


def test_lion_is_its_formula():
    lr, b1, b2, wd = 0.03, 0.7, 0.9, 0.2
    rng = np.random.default_rng(1)
    p = rng.standard_normal((3, 2))
    param, m = Parameter(p), np.zeros((3, 2))
    opt = optim.Lion([param], lr, (b1, b2), wd)
    for _ in range(4):
        g = rng.standard_normal(p.shape)
        param.grad = astensor(g)
        opt.step()
        p = p - lr * (np.sign(b1 * m + (1 - b1) * g) + wd * p)
        m = b2 * m + (1 - b2) * g
    np.testing.assert_allclose(param.data, p, rtol=1e-13)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_complex_number_is_treated_as_two(name, options):
    z = np.array([[1 + 2j, -3 + 0.5j]]).T.repeat(3, 1).T  # not contiguous
    g = z * (0.3 - 1j)
    one, two = Parameter(z), Parameter(np.stack([z.real, z.imag], -1))
    for p, grad in ((one, g), (two, np.stack([g.real, g.imag], -1))):
        opt = getattr(optim, name)([p], **options)
        for _ in range(3):
            p.grad = astensor(grad)
            opt.step()
    np.testing.assert_allclose(one.data, two.data[..., 0] + 1j * two.data[..., 1], rtol=1e-13)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_parameters_step_together_as_they_do_alone(name, options):
    """Also where gradients come and go, so that some are further than others."""
    together, _ = run(name, options)
    alone, _ = run(name, options, apart=True)
    for p, q in zip(together, alone):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("dtype", ["f2", "f4"])
@in_turn("name, options", CASES)
def test_dtypes_stay(name, options, dtype):
    params, _ = run(name, options | {"lr": np.float64(0.01)}, dtype)
    assert {p.dtype for p in params} == {np.dtype(dtype)}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_half_precision_steps_are_those_of_single(name, options):
    # Squares of small gradients, and eps, are 0 in float16: a zero gradient would be divided by zero.
    def trained(dtype):
        params = [Parameter(np.array([1, 2, 3], dtype)), Parameter(np.array(0.5, dtype))]
        opt = getattr(optim, name)(params, **options)
        for g in (0, 1e-4, -0.02):
            for p in params:
                p.grad = np.full(p.shape, [g, 1, 0][: p.size] if p.ndim else g, np.float16).astype(dtype)
            opt.step()
        return [p.data for p in params]

    for half, single in zip(trained("f2"), trained("f4")):
        assert half.dtype == np.float16
        np.testing.assert_allclose(half, single, atol=3e-3)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_arrays_others_hold_are_never_written(name, options):
    rng = np.random.default_rng(0)
    mine, g = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    kept = mine.copy(), g.copy()
    p = Parameter(mine)
    opt = getattr(optim, name)([p], **options)
    for _ in range(3):
        before = p.data
        value = before.copy()
        p.grad = astensor(g)
        opt.step()
        np.testing.assert_array_equal(before, value)
        assert not p.data.flags.writeable and not np.shares_memory(p.data, before)
    np.testing.assert_array_equal(mine, kept[0])
    np.testing.assert_array_equal(g, kept[1])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_values_take_the_memory_order_of_their_gradient(name, options):
    p = Parameter(np.zeros((4, 3)))
    opt = getattr(optim, name)([p], **options)
    p.grad = astensor(np.ones((3, 4)).T)
    opt.step()
    arrays = [p.data, *(v for v in opt.state_dict()["state"].get(0, {}).values() if isinstance(v, np.ndarray))]
    assert {a.strides for a in arrays} == {p.grad.data.strides}


@pytest.mark.parametrize(("order", "engine"), [("C", "jit"), ("F", "numpy")], indirect=["engine"])
@pytest.mark.parametrize(("name", "options"), dict(CASES).items())
def test_large_parameters_step_as_small_ones_do(name, options, order, engine):
    rng = np.random.default_rng(0)
    value, *gs = (np.asarray(rng.standard_normal((600, 901)), "f4", order=order) for _ in range(4))
    large, parts = Parameter(value), [Parameter(row) for row in value[::100]]
    for params in ([large], parts):
        opt = getattr(optim, name)(params, **options)
        for g in gs:
            for p, own in zip(params, [g] if params[0] is large else g[::100]):
                p.grad = astensor(own)
            opt.step()
    np.testing.assert_allclose(large.data[::100], [p.data for p in parts], rtol=1e-5, atol=1e-6)


def test_a_saved_value_outlives_a_step():
    w, x = Parameter(np.full((600, 901), 2.0)), tensor(np.ones((600, 901)), requires_grad=True)
    y = w * x
    w.grad = astensor(np.ones(w.shape))
    opt = optim.SGD([w], 0.5)
    for _ in range(3):
        opt.step()
    y.backward(np.ones(w.shape))
    np.testing.assert_array_equal(x.grad.data, 2.0)


@pytest.mark.parametrize("hold", [lambda p: p.data, lambda p: p.data[1:], lambda p: np.asarray(p).T, lambda p: p * 1, memoryview])
def test_a_held_value_costs_one_new_array_and_then_none(hold):
    p = Parameter(np.ones((4, 3)))
    opt = optim.SGD([p, Parameter([1.0])], 0.5)
    p.grad = astensor(np.ones((4, 3)))
    opt.step()
    held = hold(p) if hold is not memoryview else memoryview(p.data)
    before, address = np.array(held), p.data.ctypes.data
    opt.step()
    np.testing.assert_array_equal(np.array(held), before)
    moved = p.data.ctypes.data
    assert (moved == address) == isinstance(held, nd.Tensor)
    opt.step()
    assert p.data.ctypes.data == moved
    np.testing.assert_array_equal(p.data, -0.5)


def test_steps_allocate_nothing_after_the_first(engine):
    params = [Parameter(np.ones(n, "f4")) for n in (1_000_000, 10, 20_000, 30)]
    opt = optim.Adam(params)
    for p in params:
        p.grad = astensor(np.ones(p.shape, "f4"))
    for _ in range(2):
        opt.step()
    places = [p.data.ctypes.data for p in params]
    tracemalloc.start()
    opt.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [p.data.ctypes.data for p in params] == places
    assert peak < (20_000 if engine == "jit" else 3_900_000)  # NumPy alone: results of operations on tiles, less than the large parameter


def test_a_new_value_from_outside_is_what_moves():
    p, fixed = Parameter(np.zeros(3)), np.full(3, 5.0)
    opt = optim.SGD([p], 1.0)
    p.grad = astensor(np.ones(3))
    opt.step()
    fixed.flags.writeable = False
    p.data = fixed
    opt.step()
    opt.step()
    np.testing.assert_array_equal([p.data, fixed], [[3.0] * 3, [5.0] * 3])


def test_two_backwards_before_a_step_are_one_of_their_sum():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 1))
    ends = []
    for parts in (1, 4):
        w = Parameter(np.ones((3, 1)))
        opt = optim.Adam([w], 0.1)
        for _ in range(3):
            opt.zero_grad()
            for xs, ys in zip(np.split(x, parts), np.split(y, parts)):
                (nd.mse_loss(xs @ w, ys) / parts).backward()
            opt.step()
        ends.append(w.data)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)


def test_users_write_optimisers_in_a_line():
    class Signs(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, lr=lr)

        def update(self, p, g, state, *, lr):
            state["steps"] = state.get("steps", 0) + 1
            p -= lr * np.sign(g)

    class Rows(Signs):
        elementwise = True

        def update(self, p, g, state, *, lr):
            seen.append(p.shape)
            super().update(p, g, state, lr=lr)

    seen = []
    for kind in (Signs, Rows):
        params = [Parameter(np.zeros((2, 3))), Parameter(0.0)]
        opt = kind(params, 0.5)
        for p in params:
            p.grad = nd.full(p.shape, 3.0, dtype=p.dtype)
        assert opt.step(lambda: 7) == 7
        assert [p.data.tolist() for p in params] == [[[-0.5] * 3] * 2, -0.5] and opt.state[1]["steps"] == 1
    assert seen == [(6,), (1,)]  # of two dtypes, so not together


def test_groups_can_be_added_and_frozen_parameters_wait():
    a, b = Parameter([1.0]), Parameter([1.0])
    b.requires_grad = False
    opt = optim.SGD([a], 0.1)
    opt.add_param_group({"params": b, "lr": 0.5})
    a.grad = astensor(np.float32([1]))
    opt.step()
    assert (a.item(), b.item()) == (pytest.approx(0.9), 1)
    b.requires_grad = True
    b.grad = astensor(np.float32([1]))
    opt.step()
    assert (a.item(), b.item()) == (pytest.approx(0.8), pytest.approx(0.5))
    with pytest.raises(ValueError, match="twice"):
        opt.add_param_group({"params": [a]})
    assert len(opt.param_groups) == 2


def test_groups_have_options_of_their_own():
    a, b = Parameter([1.0]), Parameter([1.0])
    opt = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.01}], lr=0.1)
    a.grad = b.grad = astensor(np.float32([1]))
    opt.step()
    assert (a.item(), b.item()) == (pytest.approx(0.9), pytest.approx(0.99))
    opt.lr = 0.5
    assert [g["lr"] for g in opt.param_groups] == [0.5, 0.5]


@pytest.mark.parametrize("bad", ["a", None, -1.0, float("nan")])
@in_turn("name, options", CASES)
def test_an_option_set_wrong_in_a_later_group_moves_nothing(name, options, bad):
    a, b = Parameter([1.0]), Parameter([1.0])
    opt = getattr(optim, name)([{"params": [a]}, {"params": [b]}], **{"lr": 0.1, **options})
    a.grad = b.grad = astensor(np.float32([1]))
    opt.param_groups[1]["lr"] = bad
    with pytest.raises((TypeError, ValueError), match=f"^{name}: lr"):
        opt.step()
    assert a.item() == b.item() == 1 and not any(opt.state)
    opt.param_groups[1]["lr"] = opt.lr
    opt.step()
    assert a.item() == b.item() != 1


def test_zero_grad_clears_and_no_grad_is_skipped():
    a = Parameter([1.0])
    opt = optim.SGD([a], 0.1, weight_decay=1)
    a.grad = astensor(np.float32([1]))
    opt.zero_grad()
    assert a.grad is None
    opt.step()
    assert a.item() == 1


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_dict_continues_where_it_was(name, options):
    params, opt = run(name, options)
    json.dumps(opt.state_dict(), default=np.ndarray.tolist)  # plain numbers, strings, lists, dicts and arrays
    copies = [Parameter(p.data) for p in params]
    other = getattr(optim, name)(copies, lr=1.0)
    other.load_state_dict(opt.state_dict())
    for p, q in zip(params, copies):
        p.grad = q.grad = astensor(np.ones(p.shape))
    opt.step()
    other.step()
    for p, q in zip(params, copies):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))], ids=["deepcopy", "pickle"])
@in_turn("name, options", CASES)
def test_copies_of_parameters_and_optimiser_go_on_by_themselves(name, options, copied):
    params, opt = run(name, options)
    copies, other = copied((params, opt))
    before = [p.data.copy() for p in params]
    for some, optimiser in ((copies, other), (params, opt)):
        for p in some:
            p.grad = astensor(np.ones(p.shape))
        optimiser.step()
        for p, b in zip(params, before):
            assert (some is copies) == np.array_equal(p.data, b)
    for p, q in zip(params, copies):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("gradient", [np.nan, np.inf, -1e30])
@in_turn("name, options", CASES)
def test_a_gradient_out_of_range_spoils_its_own_number_in_silence(name, options, gradient):
    w = Parameter(np.ones(3, np.float32))
    opt = getattr(optim, name)([w], **options)
    w.grad = astensor(np.float32([gradient, 1, 2]))
    opt.step()
    assert np.isfinite(w.data[1:]).all() and (w.data[1:] != 1).all()


def test_a_state_that_does_not_fit_changes_nothing():
    _, opt = run("SGD", {"lr": 0.1, "momentum": 0.9})
    saved = opt.state_dict()
    group = saved["param_groups"][0]
    wrong = [
        ({}, "'state' and 'param_groups'"),
        ({**saved, "param_groups": []}, r"groups of \[\]"),
        ({**saved, "param_groups": [{**group, "params": [0]}]}, r"\[1\].*\[3\]"),
        ({**saved, "param_groups": [{**group, "betas": (0.9, 0.9)}]}, "unknown: betas"),
        ({**saved, "param_groups": [{**group, "lr": -1.0}]}, "lr=-1"),
        ({**saved, "param_groups": [{**group, "lr": "fast"}]}, "must be a number"),
        ({**saved, "state": {3: {}}}, "state for parameter 3"),
        ({**saved, "state": {1: {"momentum_buffer": np.zeros((3, 4))}}}, r"momentum_buffer of parameter 1 is \(3, 4\)"),
        ({**saved, "state": {1: {"momentum_buffer": "none"}}}, "must be an array or a number"),
    ]
    for state, message in wrong:
        with pytest.raises(ValueError, match=f"SGD.load_state_dict: .*{message}"):
            opt.load_state_dict(state)
    after = opt.state_dict()
    assert after["param_groups"] == saved["param_groups"]
    for i in range(3):
        np.testing.assert_array_equal(after["state"][i]["momentum_buffer"], saved["state"][i]["momentum_buffer"])


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def minimise(opt, x, steps):
    def closure():
        opt.zero_grad()
        loss = rosenbrock(x)
        loss.backward()
        return loss

    for _ in range(steps):
        opt.step(closure)


def test_lbfgs_finds_the_valley_and_goes_on_where_it_was():
    x = Parameter(np.array([-1.2, 1.0]))
    opt = optim.LBFGS([x], max_iter=4, line_search_fn="strong_wolfe")
    minimise(opt, x, 2)
    y = Parameter(x.data)
    other = optim.LBFGS([y], lr=0.3)
    other.load_state_dict(opt.state_dict())
    minimise(opt, x, 10)
    minimise(other, y, 10)
    np.testing.assert_array_equal(x.data, y.data)
    np.testing.assert_allclose(x.data, 1, atol=1e-4)
    with pytest.raises(ValueError, match="a vector of shape"):
        optim.LBFGS([Parameter([1.0])]).load_state_dict(opt.state_dict())


SEARCHED = {  # a function of one number and its slope: {first step: (points looked at, the last of them)}, as PyTorch finds them
    "valley": (lambda t: t**4 - 3 * t**3 - t, lambda t: 4 * t**3 - 9 * t**2 - 1, {0.001: (9, 2.26670022051), 30.0: (5, 2.33522288236)}),
    "bumps": (
        lambda t: math.cos(5 * t) - 0.3 * t + 0.05 * t * t,
        lambda t: -5 * math.sin(5 * t) - 0.3 + 0.1 * t,
        {0.001: (7, 0.6423258702186457), 1.0: (4, 0.6442813886594817), 30.0: (7, 5.633982171872383)},
    ),
    "far": (lambda t: (t - 400) ** 2, lambda t: 2 * (t - 400), {0.001: (6, 55.05), 30.0: (2, 300.0)}),
    "kink": (lambda t: abs(t - 0.37), lambda t: math.copysign(1, t - 0.37), {0.001: (22, 0.37), 30.0: (20, 0.37)}),
    "straight, then steep": (
        lambda t: 1000 * max(0, t - 0.01) ** 2 - t,
        lambda t: 2000 * max(0, t - 0.01) - 1,
        {0.001: (4, 0.0105), 1.0: (7, 0.010561566179077485)},
    ),
    "straight": (lambda t: -t, lambda t: -1.0, {0.5: (26, 5e24)}),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_a_line_search_looks_at_the_points_of_pytorchs(name):
    f, slope, searches = SEARCHED[name]
    at = lambda t: Point(t, float(f(t)), np.array([slope(t)]), float(slope(t)))
    for first, (looks, last) in searches.items():
        found, looked = strong_wolfe(at, at(0.0), first, 1.0, 1e-9)
        assert looked == looks and found.t == pytest.approx(last, rel=1e-8)


def test_plain_descent_keeps_nothing_per_parameter():
    x = Parameter([1.0, 2.0])
    opt = optim.SGD([x], 0.1)
    x.grad = tensor(np.ones(2, np.float32))
    opt.step()
    assert not any(opt.state_dict()["state"].values())


def test_clipping_passes_over_what_has_no_gradient_and_changes_no_array():
    a, b, none = Parameter([0.0, 0.0]), Parameter(0.0), Parameter([1.0])
    held = np.float32([3.0, 0.0])
    a.grad, b.grad = astensor(held), astensor(np.float32(4.0))
    assert optim.clip_grad_norm_([a, b, none], 10.0) == 5.0 and a.grad.data is not held and a.grad.tolist() == [3, 0]
    assert optim.clip_grad_norm_([a, b, none], 1.0) == 5.0
    np.testing.assert_allclose([*a.grad.data, b.grad.item()], [0.6, 0, 0.8], rtol=1e-5)
    assert held.tolist() == [3, 0] and none.grad is None and optim.clip_grad_norm_([none], 1.0) == 0
    a.grad = astensor(np.float32([3e30, 4e30]))  # whose squares overflow
    assert optim.clip_grad_norm_(a, np.inf) == pytest.approx(5e30)
    optim.clip_grad_value_([a, none], 2.0)
    assert a.grad.tolist() == [2, 2]
    a.grad = astensor(np.float32([np.inf, 1]))
    with np.errstate(invalid="ignore"):
        assert optim.clip_grad_norm_([a], 1.0) == np.inf
    a.grad = astensor(np.float32([np.nan, 1]))
    with pytest.raises(ValueError, match="the norm of the gradients is nan"):
        optim.clip_grad_norm_([a], 1.0, error_if_nonfinite=True)
    assert a.grad.data[1] == 1


@pytest.mark.parametrize("decay", [0.9, None])
def test_averages_are_their_formula_and_swap_in_and_out(decay):
    rng = np.random.default_rng(0)
    model = nd.nn.Linear(300, 4)
    ema = optim.EMA(model, decay)
    expected = [p.data.copy() for p in model.parameters()]
    for t in range(1, 5):
        for i, p in enumerate(model.parameters()):
            p.data = rng.standard_normal(p.shape).astype("f4")
            expected[i] += (1 / t if decay is None else 1 - decay) * (p.data - expected[i])
        ema.update()
    learned = [p.data for p in model.parameters()]
    with pytest.raises(RuntimeError), ema.averaged():
        for p, e in zip(model.parameters(), expected):
            np.testing.assert_allclose(p.data, e, rtol=1e-5, atol=1e-6)
        raise RuntimeError
    assert all(p.data is a for p, a in zip(model.parameters(), learned))
    other = optim.EMA(nd.nn.Linear(300, 4), 0.5)
    other.load_state_dict(ema.state_dict())
    ema.copy_to()
    ema.update()  # the parameters hold what the averages held: those move away
    assert (other.decay, other.updates) == (decay, 4)
    for p, a in zip(model.parameters(), other.averages):
        np.testing.assert_array_equal(p.data, a.data)
    with pytest.raises(ValueError, match="were saved, but"):
        optim.EMA([Parameter([1.0])]).load_state_dict(ema.state_dict())


def test_repr_counts():
    opt = optim.Adam([Parameter(np.zeros((30, 40)))])
    assert repr(opt).startswith("Adam(1 tensors, 1,200 numbers, lr=0.001")


P = Parameter([1.0])


def sgd():
    return optim.SGD([P], 0.1)


@in_turn(
    "call, error, message",
    [
        (lambda: optim.SGD([], 0.1), ValueError, "no parameters"),
        (lambda: optim.SGD(P, 0.1), TypeError, r"pass \[p\]"),
        (lambda: optim.SGD([P], -0.1), ValueError, "lr=-0.1"),
        (lambda: optim.SGD([P], 0.1, momentum=-1), ValueError, "momentum=-1"),
        (lambda: optim.SGD([P], 0.1, nesterov=True), ValueError, "nesterov"),
        (lambda: optim.RMSprop([P], 0.1, centered="x"), TypeError, "RMSprop: centered must be True or False, but is 'x'"),
        (lambda: optim.Adam([P], maximize=-1), TypeError, "Adam: maximize must be True or False"),
        (lambda: optim.SGD([P, P], 0.1), ValueError, "twice"),
        (lambda: optim.SGD([np.zeros(3)], 0.1), TypeError, "ndarray"),
        (lambda: optim.SGD([tensor([1.0])], 0.1), ValueError, "nd.Parameter"),
        (lambda: optim.SGD([{"params": [P], "beta": 1}], 0.1), ValueError, "beta"),
        (lambda: optim.SGD([{"lr": 1}], 0.1), ValueError, "needs 'params'"),
        (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda: optim.Adam([P], eps=-1), ValueError, "eps"),
        (lambda: optim.Adam([P], lr="fast"), TypeError, "lr must be a number at least 0 and finite, but is 'fast'"),
        (lambda: optim.Adadelta([P], rho=1), ValueError, "rho=1"),
        (lambda: optim.LBFGS([{"params": [P]}, {"params": [Parameter([1.0])]}]), ValueError, "one group only"),
        (lambda: optim.LBFGS([P], line_search_fn="armijo"), ValueError, "'armijo'"),
        (lambda: optim.EMA(P), TypeError, "tensors or a model"),
        (lambda: optim.EMA([P], 1.5), ValueError, "decay=1.5"),
        (lambda: optim.clip_grad_norm_(nd.nn.Linear(1, 1), 1.0), TypeError, r"model\.parameters\(\)"),
        (lambda: optim.clip_grad_norm_([np.ones(1)], 1.0), TypeError, "clip_grad_norm_: takes tensors, but got a ndarray"),
        (lambda: optim.LBFGS([P]).step(5), TypeError, "LBFGS.step: takes a function"),
        (lambda: optim.ReduceLROnPlateau([0.1]), TypeError, "ReduceLROnPlateau: takes an optimiser first"),
        (lambda: optim.clip_grad_norm_([P], -1.0), ValueError, "max_norm=-1"),
        (lambda: optim.clip_grad_value_([P], -1.0), ValueError, "clip_value=-1"),
        (lambda: optim.Adam([P], betas=0.9), TypeError, r"pair of numbers such as \(0.9, 0.999\), but is 0.9"),
        (lambda: optim.SGD([P], 0.1, dampening="a"), TypeError, "SGD: dampening must be a number"),
        (lambda: optim.SGD([("w", P)], 0.1), TypeError, "of .name, tensor. pairs pass the tensors alone"),
        (lambda: optim.SGD([{"params": 5}], 0.1), TypeError, "'params' of a group are tensors, but got a int"),
        (lambda: sgd().add_param_group([P]), TypeError, "a group is a dict"),
        (lambda: setattr(sgd(), "lr", np.nan), ValueError, "lr=nan must be at least 0"),
        (lambda: sgd().step(5), TypeError, "SGD.step: takes a function"),
        (lambda: optim.LBFGS([P], max_iter=1.5), TypeError, "max_iter must be an int"),
        (lambda: optim.LBFGS([P]).step(lambda: nd.ones(3)), TypeError, r"the loss.*but gave a tensor of shape \(3,\)"),
        (lambda: sgd().load_state_dict(None), TypeError, "SGD.load_state_dict: takes what .* but got a NoneType"),
        (lambda: optim.LBFGS([P]).load_state_dict({"state": {0: None}}), ValueError, "LBFGS.load_state_dict: this is not what"),
        (lambda: optim.StepLR(sgd(), "a"), TypeError, "StepLR: step_size must be an int"),
        (lambda: optim.StepLR(sgd(), 1).step(-1), ValueError, "StepLR.step: epoch=-1"),
        (lambda: optim.StepLR(sgd(), 1).load_state_dict({"schedule": 3}), ValueError, "StepLR.load_state_dict: needs schedule"),
        (lambda: optim.MultiStepLR(sgd(), 5), TypeError, "milestones must be a list of ints"),
        (lambda: optim.ExponentialLR(sgd(), -0.5), ValueError, "gamma=-0.5"),
        (lambda: optim.LambdaLR(sgd(), 0.5), TypeError, "a function of the step"),
        (lambda: optim.LambdaLR(sgd(), lambda t: -1), ValueError, "what lr_lambda gave=-1"),
        (lambda: optim.OneCycleLR(None, 1, 10), TypeError, "OneCycleLR: takes an optimiser first"),
        (lambda: optim.OneCycleLR(sgd(), -1.0, 10), ValueError, "max_lr=-1"),
        (lambda: optim.OneCycleLR(sgd(), 1.0, 10, div_factor=0), ValueError, "div_factor=0 must be above 0"),
        (lambda: optim.ReduceLROnPlateau(sgd(), patience=-1), ValueError, "patience=-1"),
        (lambda: optim.ReduceLROnPlateau(sgd()).step(np.ones(3)), TypeError, "metric must be a number"),
        (lambda: optim.EMA([P]).load_state_dict({"decay": 2, "updates": 1, "averages": [P.data]}), ValueError, "decay=2"),
        (lambda: optim.clip_grad_norm_([P], 1.0, "inf"), TypeError, "norm_type must be a number"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert P.tolist() == [1] and P.grad is None
