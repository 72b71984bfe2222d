"""Optimisers against their formulas, and step for step against PyTorch where it is installed."""

import numpy as np
import pytest

from tinygrad_nd import optim
from tinygrad_nd.kernels import engines
from tinygrad_nd.tensor import Parameter, astensor, tensor

SHAPES = [(3, 4), (5,), ()]
STEPS = 6

SGDS = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05},
    {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
]
ADAMS = [
    {},
    {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4},
    {"lr": 0.02, "weight_decay": 0.1},
    {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True},
]
CASES = [("SGD", o) for o in SGDS] + [(name, o) for name in ("Adam", "AdamW") for o in ADAMS]


def run(name, options, dtype="f8", steps=STEPS):
    """Parameters after a few steps on seeded gradients; the last parameter has none in the second step."""
    rng = np.random.default_rng(0)
    params = [Parameter(rng.standard_normal(s).astype(dtype)) for s in SHAPES]
    opt = getattr(optim, name)(params, **options)
    for i in range(steps):
        for p in params:
            g = rng.standard_normal(p.shape).astype(dtype)
            p.grad = None if p is params[-1] and i == 1 else astensor(np.asarray(g))
        opt.step()
    return params, opt


@pytest.mark.parametrize(("name", "options"), CASES)
def test_same_steps_as_pytorch(name, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = [torch.tensor(rng.standard_normal(s), requires_grad=True) for s in SHAPES]
    opt = getattr(torch.optim, name)(params, **({"lr": 1e-3} | options))
    for i in range(STEPS):
        for p in params:
            g = rng.standard_normal(p.shape)
            p.grad = None if p is params[-1] and i == 1 else torch.tensor(g)
        opt.step()
    for ours, theirs in zip(run(name, options)[0], params):
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)


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


def test_adam_treats_a_complex_number_as_two():
    z = np.array([[1 + 2j, -3 + 0.5j]]).T.repeat(3, 1).T  # not contiguous
    g = z * (0.3 - 1j)
    one, two = Parameter(z), Parameter(np.stack([z.real, z.imag], -1))
    for p, grad in ((one, g), (two, np.stack([g.real, g.imag], -1))):
        opt = optim.Adam([p], 0.1)
        for _ in range(3):
            p.grad = astensor(grad)
            opt.step()
    np.testing.assert_allclose(one.data, two.data[..., 0] + 1j * two.data[..., 1], rtol=1e-13)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_dtypes_stay(name, options, dtype):
    params, _ = run(name, options | {"lr": np.float64(0.01)}, dtype)
    assert {p.dtype for p in params} == {np.dtype(dtype)}


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


@pytest.mark.parametrize("engine", ["numpy", "jit"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_large_parameters_step_as_small_ones_do(name, options, order, engine, monkeypatch):
    if engine == "jit":
        pytest.importorskip("numba")
    monkeypatch.setattr(engines, "_setting", engine)
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


def test_groups_have_options_of_their_own():
    a, b = Parameter([1.0]), Parameter([1.0])
    opt = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.01}], lr=0.1)
    a.grad = b.grad = astensor(np.float32([1]))
    opt.step()
    assert (a.item(), b.item()) == (pytest.approx(0.9), pytest.approx(0.99))
    opt.lr = 0.5
    assert [g["lr"] for g in opt.param_groups] == [0.5, 0.5]


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
    copies = [Parameter(p.data) for p in params]
    other = getattr(optim, name)(copies, lr=1.0)
    other.load_state_dict(opt.state_dict())
    for p, q in zip(params, copies):
        p.grad = q.grad = astensor(np.ones(p.shape))
    opt.step()
    other.step()
    for p, q in zip(params, copies):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_state_that_does_not_fit_changes_nothing():
    _, opt = run("SGD", {"lr": 0.1, "momentum": 0.9})
    a, b = optim.SGD([Parameter([1.0])], 0.5), optim.SGD([Parameter([1.0]), Parameter([1.0]), Parameter([1.0])], 0.5)
    with pytest.raises(ValueError, match=r"\[3\].*\[1\]"):
        a.load_state_dict(opt.state_dict())
    with pytest.raises(ValueError, match=r"momentum_buffer of parameter 0 is \(3, 4\).*\(1,\)"):
        b.load_state_dict(opt.state_dict())
    assert b.lr == 0.5 and b.state == [{}, {}, {}]


def test_repr_counts():
    opt = optim.Adam([Parameter(np.zeros((30, 40)))])
    assert repr(opt).startswith("Adam(1 tensors, 1,200 numbers, lr=0.001")


P = Parameter([1.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([], 0.1), ValueError, "no parameters"),
        (lambda: optim.SGD(P, 0.1), TypeError, r"pass \[p\]"),
        (lambda: optim.SGD([P], -0.1), ValueError, "lr=-0.1"),
        (lambda: optim.SGD([P], 0.1, momentum=-1), ValueError, "momentum=-1"),
        (lambda: optim.SGD([P], 0.1, nesterov=True), ValueError, "nesterov"),
        (lambda: optim.SGD([P, P], 0.1), ValueError, "twice"),
        (lambda: optim.SGD([np.zeros(3)], 0.1), TypeError, "ndarray"),
        (lambda: optim.SGD([tensor([1.0])], 0.1), ValueError, "nd.Parameter"),
        (lambda: optim.SGD([{"params": [P], "beta": 1}], 0.1), ValueError, "beta"),
        (lambda: optim.SGD([{"lr": 1}], 0.1), ValueError, "needs 'params'"),
        (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda: optim.Adam([P], eps=-1), ValueError, "eps"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()
