"""Optimisers, schedules and clipping give PyTorch's numbers, step for step, in float64."""

import numpy as np
import pytest

import tinygrad_nd as nd

torch = pytest.importorskip("torch")

STEPS = 12
SHAPES = [(3, 4), (5,), (), (600, 70)]  # joined, but for the last, which compiled loops step where they are installed

OPTIMISERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
    ("Adamax", {}),
    ("Adamax", {"weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.9, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.2, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.8, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"centered": True, "alpha": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
]


@pytest.fixture(autouse=True)
def float64():  # PyTorch keeps the running product of NAdam in its default dtype
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def twins(shapes, dtype=np.float64):
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s).astype(dtype) for s in shapes]
    return [nd.Parameter(v) for v in values], [torch.tensor(v, requires_grad=True) for v in values]


def agree(ours, theirs, tolerance=1e-12):
    for p, t in zip(ours, theirs):
        np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), OPTIMISERS)
def test_same_steps(name, options):
    """Two groups of which one has a rate of its own; the last parameter of the first has no gradient in the fourth step."""
    ours, theirs = twins(SHAPES)
    opt, other = (
        getattr(lib, name)([{"params": p[:3]}, {"params": p[3:], "lr": 0.03}], **options)
        for lib, p in ((nd.optim, ours), (torch.optim, theirs))
    )
    rng = np.random.default_rng(1)
    for i in range(STEPS):
        for k, (p, t) in enumerate(zip(ours, theirs)):
            g = rng.standard_normal(p.shape)
            p.grad, t.grad = (None, None) if (i, k) == (3, 2) else (nd.tensor(g), torch.tensor(g))
        opt.step()
        other.step()
        agree(ours, theirs)


@pytest.mark.parametrize("options", [{}, {"lr": 0.05}, {"history_size": 2, "max_iter": 5, "lr": 0.1}, {"max_eval": 6}])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("start", [(1.5, 0.3), (-2.0, 1.0)])
def test_lbfgs_takes_the_same_steps(options, search, start):
    x, y = nd.Parameter(np.array(start)), torch.tensor(start, requires_grad=True)
    opt = nd.optim.LBFGS([x], **options, line_search_fn=search)
    other = torch.optim.LBFGS([y], **options, line_search_fn=search)

    def closure(optimiser, lib, z):
        optimiser.zero_grad()
        loss = (1 - z[0]) ** 2 + 2 * (z[1] - z[0]) ** 2 + 0.1 * z[1] ** 4 + 0.1 * lib.sin(3 * z[1])
        loss.backward()
        return loss

    for _ in range(4):
        ours, theirs = opt.step(lambda: closure(opt, nd, x)), other.step(lambda: closure(other, torch, y))
        np.testing.assert_allclose(float(ours), float(theirs.detach()), rtol=1e-9, atol=1e-9)
        agree([x], [y], 1e-8)
    assert (opt.state[0]["func_evals"], opt.state[0]["n_iter"]) == tuple(other.state[y][k] for k in ("func_evals", "n_iter"))


SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [50, 5, 50, 80], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.3, "total_iters": 9}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 20}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 150}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {"total_iters": 150, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 37, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 13}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 3, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 201}),
    ("OneCycleLR", {"max_lr": [0.5, 0.7], "epochs": 20, "steps_per_epoch": 11, "three_phase": True, "pct_start": 0.2}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 201, "anneal_strategy": "linear", "base_momentum": 0.7, "max_momentum": 0.9}),
    ("LambdaLR", {"lr_lambda": lambda t: 0.95**t}),
    ("LambdaLR", {"lr_lambda": [lambda t: 1 / (1 + t), lambda t: 0.95**t]}),
]


def scheduled(lib, make, optimiser="SGD"):
    tensor = nd.Parameter if lib is nd else lambda a: torch.tensor(a, requires_grad=True)
    momentum = {"momentum": 0.9} if optimiser == "SGD" else {}
    opt = getattr(lib.optim, optimiser)([{"params": [tensor([1.0])]}, {"params": [tensor([2.0])], "lr": 0.3}], lr=0.1, **momentum)
    return opt, make(lib.optim if lib is nd else lib.optim.lr_scheduler, opt)


def same_rates(make, optimiser="SGD", metrics=None):
    (opt, ours), (other, theirs) = scheduled(nd, make, optimiser), scheduled(torch, make, optimiser)
    for i in range(200):
        for group, its in zip(opt.param_groups, other.param_groups):
            for key in {"lr", "momentum", "betas"} & group.keys():
                assert group[key] == pytest.approx(its[key], rel=1e-9, abs=1e-13), (i, key)
        assert ours.get_last_lr() == [g["lr"] for g in opt.param_groups]
        other.step()  # PyTorch warns of the other order
        for schedule in (ours, theirs):
            schedule.step(*([] if metrics is None else [metrics[i]]))


@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules_have_the_same_values(name, options, optimiser):
    same_rates(lambda lib, opt: getattr(lib, name)(opt, **options), optimiser)


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # PyTorch's own, where one schedule follows another
def test_schedules_in_sequence_have_the_same_values():
    def make(lib, opt):
        parts = [lib.LinearLR(opt, 0.1, total_iters=10), lib.ExponentialLR(opt, 0.9), lib.CosineAnnealingLR(opt, 30)]
        return lib.SequentialLR(opt, parts, [10, 60])

    same_rates(make)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 3},
        {"mode": "max", "patience": 2, "cooldown": 4, "factor": 0.5, "min_lr": [0.01, 0.05]},
        {"threshold_mode": "abs", "threshold": 0.1, "patience": 1, "eps": 1e-3},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.05, "patience": 4},
    ],
)
def test_a_plateau_is_seen_at_the_same_steps(options):
    metrics = 1 / (1 + 0.05 * np.arange(200)) + 0.02 * np.random.default_rng(0).standard_normal(200)
    metrics[17] = np.nan
    same_rates(lambda lib, opt: lib.ReduceLROnPlateau(opt, **options), metrics=metrics)


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, np.inf])
@pytest.mark.parametrize("most", [0.1, 1e6])
def test_clipping_gives_the_same_gradients(order, most):
    ours, theirs = twins(SHAPES)
    for p, t in zip(ours, theirs):
        p.grad, t.grad = nd.tensor(p.data * 3), t.detach() * 3
    ours[1].grad = theirs[1].grad = None
    norm = torch.nn.utils.clip_grad_norm_(theirs, most, order)
    assert nd.optim.clip_grad_norm_(ours, most, order) == pytest.approx(float(norm), rel=1e-12)
    assert ours[1].grad is None
    agree([p.grad for p in ours if p.grad is not None], [t.grad for t in theirs if t.grad is not None])
    nd.optim.clip_grad_value_(ours, 0.01)
    torch.nn.utils.clip_grad_value_(theirs, 0.01)
    agree([p.grad for p in ours if p.grad is not None], [t.grad for t in theirs if t.grad is not None])
