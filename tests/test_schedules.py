"""Schedules: what they give where it can be said in a line, that they go on where they were, and what they refuse."""

import json
from math import cos, pi

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import optim

MAKE = {
    "StepLR": lambda o: optim.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: optim.MultiStepLR(o, [2, 9], 0.5),
    "ConstantLR": lambda o: optim.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: optim.LinearLR(o, 0.1, total_iters=10),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: optim.PolynomialLR(o, 10, 2),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 2, 3),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 1.0, 20),
    "LambdaLR": lambda o: optim.LambdaLR(o, lambda t: 1 / (1 + t)),
    "SequentialLR": lambda o: optim.SequentialLR(o, [optim.LinearLR(o, 0.1), optim.OneCycleLR(o, 1.0, 20)], [5]),
}
VALUES = {  # of the rate at step 6, which began as 1
    "StepLR": 0.5**2,
    "MultiStepLR": 0.5,
    "ConstantLR": 1,
    "LinearLR": 0.1 + 0.9 * 0.6,
    "ExponentialLR": 0.9**6,
    "PolynomialLR": 0.4**2,
    "CosineAnnealingLR": (1 + cos(0.6 * pi)) / 2,
    "CosineAnnealingWarmRestarts": (1 + cos(4 / 6 * pi)) / 2,
    "OneCycleLR": 0.5 * (1 + 1 / 25e4) + (0.5 - 0.5 / 25e4) * cos(pi / 14),
    "LambdaLR": 1 / 7,
    "SequentialLR": 0.52 - 0.48 * cos(0.2 * pi),
}


def sgd(lr=1.0, momentum=0.9):
    return optim.SGD([nd.Parameter([1.0])], lr, momentum)


@pytest.mark.parametrize("name", MAKE)
def test_the_rate_at_a_step_is_its_formula_whichever_way_it_is_reached(name):
    opt = sgd()
    schedule = MAKE[name](opt)
    for _ in range(6):
        schedule.step()
    assert opt.lr == pytest.approx(VALUES[name], rel=1e-12)
    schedule.step(11)
    schedule.step(6)
    assert opt.lr == pytest.approx(VALUES[name], rel=1e-12) and schedule.get_last_lr() == [opt.lr]


@pytest.mark.parametrize("name", MAKE)
def test_a_schedule_goes_on_bit_for_bit_where_it_was(name):
    opt, other = sgd(), sgd(0.5)
    schedule, resumed = MAKE[name](opt), MAKE[name](other)
    for _ in range(7):
        schedule.step()
    other.load_state_dict(json.loads(json.dumps(opt.state_dict())))  # no arrays yet: plain numbers, strings, lists and dicts
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for _ in range(8):
        assert other.param_groups[0] == {**opt.param_groups[0], "params": other.param_groups[0]["params"]}
        schedule.step()
        resumed.step()


def test_warm_up_then_decay_starts_from_the_full_rate():
    opt = sgd(0.2)
    schedule = optim.SequentialLR(opt, [optim.LinearLR(opt, 0.5, total_iters=2), optim.CosineAnnealingLR(opt, 4)], [2])
    rates = [opt.lr]
    for _ in range(6):
        schedule.step()
        rates.append(opt.lr)
    np.testing.assert_allclose(rates, [0.1, 0.15, *(0.1 * (1 + cos(pi * t / 4)) for t in range(5))], atol=1e-15)


def test_restarts_anneal_within_epochs():
    opt = sgd()
    schedule = optim.CosineAnnealingWarmRestarts(opt, 2, 2)
    schedule.step(2 + 1.5)
    assert opt.lr == pytest.approx((1 + cos(1.5 / 4 * pi)) / 2)


def test_one_cycle_turns_momentum_against_the_rate():
    opt, adam = sgd(), optim.Adam([nd.Parameter([1.0])], betas=(0.9, 0.99))
    schedules = [optim.OneCycleLR(o, 1.0, 11, pct_start=0.5, anneal_strategy="linear") for o in (opt, adam)]
    seen = []
    for _ in range(10):
        seen.append((opt.lr, opt.param_groups[0]["momentum"], *adam.param_groups[0]["betas"]))
        for s in schedules:
            s.step()
    rates, momenta, first, second = map(np.array, zip(*seen))
    assert np.argmax(rates) == np.argmin(momenta) and set(second) == {0.99}
    np.testing.assert_array_equal(momenta, first)
    assert momenta[0] == 0.95 and momenta.min() == pytest.approx(0.85, abs=0.02)


def test_every_group_has_its_own_rate():
    opt = optim.SGD([{"params": [nd.Parameter([1.0])]}, {"params": [nd.Parameter([1.0])], "lr": 0.01}], lr=0.1)
    optim.StepLR(opt, 1, 0.5).step()
    assert [g["lr"] for g in opt.param_groups] == [0.05, 0.005]


def test_a_plateau_halves_the_rate_after_patience_and_rests():
    opt = sgd()
    schedule = optim.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=2, min_lr=0.3)
    rates = []
    for metric in [1.0, 0.5, nd.tensor(0.5), 0.5, 0.5, 0.5, 0.5, 0.5, 0.4]:
        schedule.step(metric)
        rates.append(opt.lr)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3]
    resumed = optim.ReduceLROnPlateau(sgd())
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert resumed.state_dict() == schedule.state_dict() and resumed.best == 0.4


@pytest.mark.parametrize("name", MAKE)
def test_a_state_that_does_not_fit_changes_nothing(name):
    schedule = MAKE[name](sgd())
    schedule.step()
    before = schedule.state_dict()
    wrong = [{}, {**before, "schedule": "Other"}, {**before, "base_lrs": [0.1, 0.2]}, {**before, "more": 1}, {**before, "last_epoch": "3"}]
    if name == "SequentialLR":
        wrong += [{**before, "schedulers": before["schedulers"][:1]}, {**before, "schedulers": before["schedulers"][::-1]}]
    for state in wrong:
        with pytest.raises(ValueError, match=f"{name}.load_state_dict|LR.load_state_dict"):
            schedule.load_state_dict(state)
    assert schedule.state_dict() == before
    with pytest.raises(ValueError, match="lacks|needs"):
        optim.ReduceLROnPlateau(sgd()).load_state_dict(before)


def test_a_step_past_the_last_changes_nothing():
    opt = sgd()
    schedule = optim.OneCycleLR(opt, 1.0, 5)
    schedule.step(4)
    before = dict(opt.param_groups[0])
    with pytest.raises(ValueError, match="step 6 lies past the last of total_steps=5"):
        schedule.step(6)
    assert opt.param_groups[0] == before and schedule.last_epoch == 4
    schedule.step(5)


@in_turn(
    "make, error, message",
    [
        (lambda o: optim.StepLR(o, 0), ValueError, "step_size=0"),
        (lambda o: optim.StepLR([0.1], 3), TypeError, "takes an optimiser first, but got list"),
        (lambda o: optim.StepLR(o, 3, -0.1), ValueError, "StepLR: gamma=-0.1 must be at least 0"),
        (lambda o: optim.ConstantLR(o, 2.0), ValueError, "ConstantLR: factor=2.0 must be at least 0 and at most 1"),
        (lambda o: optim.LinearLR(o, 0.0), ValueError, "start_factor=0.0 must be above 0"),
        (lambda o: optim.LambdaLR(o, [lambda t: t] * 3), ValueError, "1 groups, but there are 3"),
        (lambda o: optim.OneCycleLR(o, 0.1), ValueError, "total_steps, or epochs"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, anneal_strategy="log"), ValueError, "'log'"),
        (lambda o: optim.OneCycleLR(o, [0.1, 0.2], 10), ValueError, "max_lr has 2"),
        (lambda o: optim.OneCycleLR(optim.Adagrad([nd.Parameter([1.0])]), 0.1, 10), ValueError, "neither momentum nor betas"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)], [3]), ValueError, "n - 1 milestones"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1), optim.StepLR(sgd(), 1)], [3]), ValueError, "same optimiser"),
        (lambda o: optim.ReduceLROnPlateau(o, "low"), ValueError, "'low'"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor=1.0"),
        (lambda o: optim.Schedule(o), NotImplementedError, "rate"),
    ],
)
def test_errors_say_what_came(make, error, message):
    with pytest.raises(error, match=message):
        make(sgd())


def test_a_schedule_does_not_undo_what_others_did_to_the_rates():
    optimiser = nd.optim.SGD([nd.Parameter([0.0])], lr=1.0)
    first, second = nd.optim.ExponentialLR(optimiser, 0.5), nd.optim.StepLR(optimiser, 2)
    first.step()
    with pytest.raises(ValueError, match=r"StepLR.step: lr was set to \[1.0\], but something else made it \[0.5\].*SequentialLR"):
        second.step()
    assert (optimiser.lr, second.last_epoch) == (0.5, 0)
    first.load_state_dict(first.state_dict())  # the optimiser's state may be loaded later
    optimiser.lr = 0.25
    first.step()
    plateau = nd.optim.ReduceLROnPlateau(optimiser, patience=0)
    plateau.step(1.0)
    optimiser.add_param_group({"params": [nd.Parameter([0.0])]})
    with pytest.raises(ValueError, match="2 groups, but min_lr has 1"):
        plateau.step(1.0)
    with pytest.raises(ValueError, match=r"ExponentialLR.step: lr was set to \[0.25\], but something else made it \[0.25, 1.0\]"):
        first.step()
    first.step(4)
    assert [group["lr"] for group in optimiser.param_groups] == [0.5**4, 1.0]


@pytest.mark.parametrize("total, how", [(10, {"pct_start": 0.1}), (10, {"pct_start": 0.1, "three_phase": True}), (1, {"pct_start": 1.0})])
def test_a_cycle_whose_rise_is_one_step_begins_at_its_peak(total, how):
    opt = optim.SGD([nd.Parameter([1.0])], lr=0.1, momentum=0.9)
    schedule = optim.OneCycleLR(opt, 2.0, total, **how)
    assert opt.lr == 2.0 and opt.param_groups[0]["momentum"] == 0.85
    for _ in range(total - 1):
        schedule.step()
    assert opt.lr == (2.0 if total == 1 else pytest.approx(2.0 / 25e4))
