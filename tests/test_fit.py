"""nd.fit: the hand-written loop, and what stands around it."""

import os
import re
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.training.fit import all_finite

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 1, 6, 6)).astype(np.float32)
Y = (X.mean((1, 2, 3)) > 0).astype(np.int64)


@pytest.fixture(autouse=True, scope="module")
def ctrl_c():
    """SIGINT as Python handles it, also where the tests run in the background of a shell, which has it ignored there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def network(dropout=0.2):
    layers = (
        nd.nn.Conv2d(1, 3, 3, rng=0),
        nd.nn.BatchNorm(3),
        nd.relu,
        nd.nn.Dropout(dropout, rng=1),
        nd.nn.Flatten(),
        nd.nn.Linear(48, 2, rng=2),
    )
    return nd.nn.Sequential(*layers)


def batches(size=8, rng=0, **options):
    return nd.data.batches((X, Y), size, shuffle=rng is not None, rng=rng, **options)


def fit(model=None, data=None, epochs=2, *, optimiser=None, loss=nd.cross_entropy, **options):
    model = model or network()
    optimiser = optimiser or nd.optim.Adam(model.parameters(), lr=0.01)
    return nd.fit(model, loss, batches() if data is None else data, optimiser, epochs, **{"progress": False, **options})


def values(model):
    return {name: a.tobytes() for name, a in model.state_dict().items()}


class Scale:
    """A model that is no module: w * x, and its optimiser."""

    def __init__(self, w=1.0, lr=0.1):
        self.w = nd.Parameter(w)
        self.optimiser = nd.optim.SGD([self.w], lr=lr)
        self.fit = lambda data, *args, **options: nd.fit(
            lambda x: self.w * x, nd.mse_loss, data, self.optimiser, *args, progress=False, **options
        )


LINE = [(np.float32([1, 2]), np.float32([2, 4])), (np.float32([3]), np.float32([6]))]


def test_it_is_the_loop_written_by_hand():
    model, hand = network(), network()
    history = fit(model, batches(12), 3)
    optimiser, data, losses = nd.optim.Adam(hand.parameters(), lr=0.01), batches(12), []
    for _ in range(3):
        for x, y in data:
            optimiser.zero_grad()
            loss = nd.cross_entropy(hand(x), y)
            loss.backward()
            optimiser.step()
            losses.append((loss.item(), len(y)))
    assert values(model) == values(hand)
    assert history.steps == [loss for loss, _ in losses] and history.stopped == "finished" and history.epochs == 3
    weighted = [sum(loss * n for loss, n in losses[i : i + 4]) / 40 for i in (0, 4, 8)]
    np.testing.assert_allclose(history["loss"], weighted, rtol=1e-12)


def test_accumulated_batches_are_one_large_batch():
    few, many = network(0), network(0)
    for m in (few, many):
        m[1].eval()  # a part that normalises by what it knows already stays so
    fit(few, batches(24), optimiser=nd.optim.SGD(few.parameters(), lr=0.1))
    history = fit(many, batches(8), optimiser=nd.optim.SGD(many.parameters(), lr=0.1), accumulate=3)
    assert len(history.steps) == 4 and not many[1].training
    for a, b in zip(few.parameters(), many.parameters()):
        np.testing.assert_allclose(a.data, b.data, rtol=2e-5, atol=1e-6)


def test_clip_bounds_the_norm_of_a_step():
    model = network()
    before = [p.data.copy() for p in model.parameters()]
    fit(model, [(X, 1 - Y)], 1, optimiser=nd.optim.SGD(model.parameters(), lr=1.0), clip=0.25)
    moved = np.sqrt(sum(((p.data - b) ** 2).sum() for p, b in zip(model.parameters(), before)))
    np.testing.assert_allclose(moved, 0.25, rtol=1e-5)


def test_a_loss_may_take_the_model_and_a_batch_of_any_form():
    model = network()

    def penalised(model, batch):
        return nd.cross_entropy(model(batch["x"]), batch["y"]) + 0.1 * sum(nd.sum(p**2) for p in model.parameters())

    data = nd.data.batches({"x": X, "y": Y}, 8)
    history = fit(model, data, 3, loss=penalised, validation=data)
    assert history["val_loss"][2] < history["val_loss"][0] and set(history) == {"loss", "val_loss", "lr", "seconds"}


def test_a_model_may_be_any_function():
    line = Scale(0.0)
    history = line.fit(LINE, 30)
    np.testing.assert_allclose(line.w.data, 2, rtol=1e-5)
    assert history["loss"][-1] < 1e-8


def test_validation_data_that_do_not_fit_are_refused_before_the_first_step():
    model = network()
    before = values(model)
    narrow = nd.data.batches((X[..., :5], Y), 8)
    with pytest.raises(ValueError, match="Linear") as caught:
        fit(model, validation=narrow)
    assert values(model) == before and "validation" in caught.value.__notes__[-1]
    with pytest.raises(ValueError, match="cross_entropy"):
        fit(model, validation=[(X, Y.reshape(-1, 1, 1))])
    with pytest.raises(ValueError, match="accuracy"):
        fit(model, validation=[(X, nd.data.one_hot(Y))], metrics=[nd.accuracy])
    assert values(model) == before


def test_validation_is_in_eval_mode_and_unrecorded_and_modes_are_given_back():
    seen = []

    class Net(nd.nn.Module):
        def __init__(self):
            self.inner = network()

        def forward(self, x):
            y = self.inner(x)
            seen.append((self.training, self.inner[1].training, self.inner[3].training, y.requires_grad))
            return y

    net = Net().eval()
    fit(net, batches(40), 1, validation=batches(40, None))
    assert seen == [(True, True, True, True), (False, False, False, False)] and not net.training and not net.inner[3].training
    seen.clear()
    net.train()
    net.inner[1].eval()
    fit(net, batches(40), 1, validation=batches(40, None))
    assert seen[0] == (True, False, True, True) and not net.inner[1].training and net.inner[3].training


def test_metrics_are_means_over_examples():
    model = network()
    history = fit(model, batches(16), 1, validation=batches(16, None), metrics={"right": nd.accuracy, "size": lambda p, t: len(t)})
    with nd.no_grad():
        expected = (model.eval()(X).data.argmax(1) == Y).mean()
    np.testing.assert_allclose(history["val_right"], [expected])
    np.testing.assert_allclose(history["size"], [(16 * 16 * 2 + 8 * 8) / 40])
    assert list(history) == ["loss", "right", "size", "val_loss", "val_right", "val_size", "lr", "seconds"]


@pytest.mark.parametrize("monitor", [None, "val_loss"])
def test_early_stopping_waits_and_puts_back_the_best(monitor):
    line = Scale(1.0, lr=0.25)  # at this rate w leaves 2 further behind with each step
    rule = nd.EarlyStopping(2, monitor=monitor)
    history = line.fit([LINE[1]], 20, validation=LINE, early_stopping=rule)
    assert history.epochs == 3 and history.stopped == f"early stopping: val_loss was best in epoch 1, {history['val_loss'][0]:.4g}"
    np.testing.assert_allclose(line.w.data, 1 - 0.25 * 2 * 3 * (3 - 6))
    line = Scale(1.0, lr=0.25)
    line.fit([LINE[1]], 20, early_stopping=nd.EarlyStopping(2, restore_best=False))
    assert abs(line.w.item()) > 40
    assert Scale(1.0, lr=0.25).fit([LINE[1]], 20, early_stopping=np.int64(1)).epochs == 2
    never = fit(epochs=9, metrics={"none": lambda p, t: np.nan}, early_stopping=nd.EarlyStopping(2, monitor="none"))
    assert never.stopped == "early stopping: none was never a finite number"


def test_the_best_is_what_was_better_by_more_than_min_delta():
    assert nd.EarlyStopping(min_delta=0.1).best([1, 0.95, 0.85, 0.8]) == 2
    assert nd.EarlyStopping(mode="max").best([np.nan, 0.5, 0.7, 0.7]) == 2
    assert nd.EarlyStopping().best([np.nan]) == nd.EarlyStopping().best([np.inf]) == -1


def test_callbacks_see_the_run_join_the_history_and_stop():
    called = []

    class Watch:
        def on_train_begin(self, run):
            called.append("begin")

        def on_step_end(self, run):
            called.append(run.step)

        def on_epoch_end(self, run):
            return {"double": 2 * run.history["loss"][-1]}

        def on_train_end(self, run):
            called.append(run.history.stopped)

    def enough(run):
        if run.epoch == 2:
            run.stop("that will do")

    history = fit(None, batches(20), 9, callbacks=[Watch(), enough])
    assert called == ["begin", 1, 2, 3, 4, "that will do"]
    assert history["double"] == [2 * loss for loss in history["loss"]] and len(history["loss"]) == 2


@pytest.mark.parametrize(("every", "calls"), [("epoch", 3), ("step", 6)])
def test_a_schedule_steps_every_epoch_or_every_step(every, calls):
    class Halve:
        def __init__(self):
            self.optimiser, self.calls = nd.optim.SGD([nd.Parameter(0.0)], lr=1.0), 0

        def step(self):
            self.calls += 1

    halve = Halve()
    fit(None, batches(20), 3, schedule=halve, schedule_every=every)
    assert halve.calls == calls


def test_a_schedule_that_asks_for_the_loss_gets_it():
    for every, seen in (("epoch", "val_loss"), ("step", None)):
        model = network()
        optimiser = nd.optim.SGD(model.parameters(), lr=0.0)
        plateau = nd.optim.ReduceLROnPlateau(optimiser, patience=0)
        history = fit(model, [(X, Y)], 3, optimiser=optimiser, schedule=plateau, schedule_every=every, validation=batches())
        assert plateau.best == min(history[seen] if seen else history.steps)


def test_the_average_of_the_weights_is_validated_and_put_back():
    line = Scale(1.0, lr=0.25 / 9)  # w goes to 1.5, 1.75, ...
    history = line.fit([LINE[1]], 3, validation=[LINE[1]], ema=nd.optim.EMA([line.w], decay=0.5))
    averages = [1.25, 1.5, 1.6875]
    np.testing.assert_allclose(history["val_loss"], [9 * (2 - a) ** 2 for a in averages], rtol=1e-5)
    np.testing.assert_allclose(line.w.data, 1.875, rtol=1e-6)
    line = Scale(1.0, lr=0.25 / 9)
    line.fit([LINE[1]], 3, validation=[LINE[1]], ema=nd.optim.EMA([line.w], decay=0.5), early_stopping=1)
    np.testing.assert_allclose(line.w.data, averages[-1], rtol=1e-6)


class CtrlC:
    def __init__(self, *steps):
        self.steps = steps

    def on_step_end(self, run):
        if run.step in self.steps:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_stops_after_the_step_and_keeps_what_was_learned():
    model, whole = network(), network()
    history = fit(model, batches(8), 9, callbacks=CtrlC(7), early_stopping=3)
    assert history.stopped == "interrupted" and len(history.steps) == 7 and history.epochs == 1
    steps = fit(whole, batches(8), 2, early_stopping=nd.EarlyStopping(restore_best=False)).steps
    assert steps[:7] == history.steps and signal.getsignal(signal.SIGINT) is signal.default_int_handler and model.training


def test_a_second_ctrl_c_raises():
    class Twice(CtrlC):
        def on_step_end(self, run):
            super().on_step_end(run)
            super().on_step_end(run)

    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=Twice(3))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_is_raised_stops_too():
    def lost():
        yield from LINE
        raise KeyboardInterrupt

    line = Scale()
    history = line.fit(lost(), 1)
    assert history.stopped == "interrupted" and len(history.steps) == 2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("loss", "what"),
    [
        (lambda p, t: nd.sum(nd.log(p - p)) * 0, r"the loss is nan.*anomaly: log, at .*made inf"),
        (lambda p, t: nd.sum(nd.sqrt(nd.square(p) * 0)) + nd.sum(p), "a gradient is not finite.*anomaly: the backward of sqrt"),
    ],
    ids=["loss", "gradient"],
)
def test_what_is_not_finite_is_refused_and_traced(loss, what):
    model = network()
    turn = iter([nd.cross_entropy] * 6 + [loss])
    data, states = batches(8), []
    with pytest.raises(FloatingPointError, match=re.compile(what, re.DOTALL)) as raised:
        fit(model, data, 9, loss=lambda p, t: next(turn, loss)(p, t), callbacks=Keep(states))
    assert isinstance(raised.value, ValueError) and "in epoch 2, step 2" in str(raised.value) and "nd.debug.anomaly()" in str(raised.value)
    assert values(model) == states[-1] and len(states) == 6 and model.training and len(raised.value.history["loss"]) == 1


class Keep:
    def __init__(self, states):
        self.states = states

    def on_step_end(self, run):
        self.states.append(values(run.model))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_large_is_finite(dtype):
    a = np.full((3, 4, 5), np.finfo(dtype).max, dtype).transpose(1, 2, 0)
    assert all_finite(a) and all_finite(a[::2]) and all_finite(a[:0])
    for bad in (np.nan, np.inf):
        a[1, 2, 1] = bad
        assert not all_finite(a)


def generator_of_batches():
    yield X, Y


class Closed(nd.optim.SGD):
    def step(self, closure):
        raise NotImplementedError


ERRORS = {
    "no epochs": (dict(epochs=0), ValueError, "epochs=0"),
    "half an epoch": (dict(epochs=1.5), TypeError, "1.5"),
    "no data": (dict(data=[]), ValueError, "data has no batches"),
    "arrays for data": (dict(data=(X, Y)), TypeError, "nd.data.batches"),
    "an array for data": (dict(data=X), TypeError, "nd.data.batches"),
    "one pass for two epochs": (dict(data=generator_of_batches()), TypeError, "gone through once"),
    "validation of nothing": (dict(validation=[None]), TypeError, "a batch must be a pair"),
    "no validation": (dict(validation=[]), ValueError, "validation has no batches"),
    "triples": (dict(data=[(X, Y, Y)]), TypeError, r"3 things.*loss\(model, batch\)"),
    "loss no function": (dict(loss=3), TypeError, "loss must be a function"),
    "loss a class": (dict(loss=nd.nn.MSELoss), TypeError, "loss must be a function or module, but is the class MSELoss"),
    "loss no number": (dict(loss=lambda p, t: p), TypeError, r"shape \(40, 2\)"),
    "loss no tensor": (dict(loss=lambda p, t: 1.0), TypeError, "float"),
    "optimiser is a class": (dict(optimiser=nd.optim.Adam), TypeError, "the class Adam"),
    "optimiser of another model": (dict(optimiser=nd.optim.Adam(network().parameters())), ValueError, "none of the model's 6 parameters"),
    "metric for metrics": (dict(metrics=nd.accuracy), TypeError, r"\[accuracy\]"),
    "metric no function": (dict(metrics=["accuracy"]), TypeError, "accuracy"),
    "metrics of one name": (dict(metrics=[lambda p, t: 1, lambda p, t: 2]), ValueError, "names of their own"),
    "metric no number": (dict(metrics=[lambda p, t: p]), TypeError, "must give one number"),
    "metrics of no prediction": (dict(loss=lambda model, batch: 0, metrics=[nd.accuracy]), ValueError, "callback"),
    "optimiser with a closure": (dict(optimiser=Closed(network().parameters(), 0.1)), TypeError, "Closed.step asks"),
    "clip 0": (dict(clip=0.0), ValueError, "clip=0.0"),
    "accumulate 0": (dict(accumulate=0), ValueError, "accumulate=0"),
    "patience 0": (dict(early_stopping=0), ValueError, "patience=0"),
    "monitor of nothing": (dict(callbacks=(), early_stopping=nd.EarlyStopping(monitor="val_acc")), ValueError, "val_acc"),
    "schedule no schedule": (dict(schedule=3), TypeError, "schedule"),
    "average no average": (dict(ema=0.9), TypeError, r"averaged\(\)"),
    "stopping at random": (dict(early_stopping="soon"), TypeError, "soon"),
    "rng a seed": (dict(rng=3), TypeError, "Generator"),
    "schedule every": (dict(schedule_every="batch"), ValueError, "batch"),
    "callback no callback": (dict(callbacks=[3]), TypeError, "on_step_end"),
    "loss of one": (dict(loss=lambda p: p), TypeError, r"\(prediction, target\) or loss\(model, batch\), but takes \(p\)"),
    "loss breaks off": (dict(loss=lambda p, t: t["no"]), IndexError, "only integers"),
    "metric of one": (dict(metrics={"acc": lambda p: 1}), TypeError, "the metric 'acc' is called with"),
    "metric without a name": (dict(metrics={5: nd.accuracy}), TypeError, "one is 5"),
    "callback of none": (dict(callbacks=[lambda: 1]), TypeError, r"a callback is called with \(run\)"),
    "schedule of another": (dict(schedule=nd.optim.StepLR(Closed(network().parameters(), 0.1), 1)), ValueError, "another optimiser"),
    "average of another": (dict(ema=nd.optim.EMA(network())), ValueError, "averages none of the parameters"),
    "every for no file": (dict(checkpoint_every=5), ValueError, "checkpoint_every=5 needs checkpoint"),
    "path no path": (dict(checkpoint=5), TypeError, "path"),
    "no folder": (dict(checkpoint="/nowhere/at/all.npz"), OSError, "/nowhere/at/all.npz"),
    "placeless data": (dict(data=[(X, Y)], checkpoint="x.npz", checkpoint_every=1), TypeError, "no state_dict"),
}


def test_a_loss_may_be_a_module():
    by_function, by_module = network(), network()
    histories = [fit(by_function), fit(by_module, loss=nd.nn.CrossEntropyLoss())]
    assert histories[0]["loss"] == histories[1]["loss"] and values(by_function) == values(by_module)


@pytest.mark.parametrize("name", ERRORS)
def test_bad_input_is_refused_before_anything_changes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options, error, message = ERRORS[name]
    model, seen = network(), []
    before = values(model)
    with pytest.raises(error, match=message):
        fit(model, **{"data": [(X, Y)], "callbacks": Keep(seen), **options})
    assert values(model) == before and all(p.grad is None for p in model.parameters()) and not seen and not any(tmp_path.iterdir())


def test_data_that_give_nothing_are_refused():
    class Nothing:
        def __iter__(self):
            return iter(())

    for options, what in (({"data": Nothing()}, "data"), ({"validation": Nothing()}, "validation")):
        with pytest.raises(ValueError, match=f"fit: {what} gave no batches"):
            fit(**options)


class Killed(Exception):
    pass


class KillAt:
    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            raise Killed


def everything(path=None, kill=0, every=None, stop=None):
    """A training in which all that can change does; its model and its history."""
    model, rng = network(), np.random.default_rng(3)

    def vary(batch, rng):
        return nd.data.augment.noise(nd.data.augment.flip(batch[0], rng), rng, 0.1), batch[1]

    def loss(prediction, target):
        return nd.cross_entropy(prediction * nd.random.uniform(0.9, 1.1) + rng.random(dtype=np.float32), target)

    data = nd.data.prefetch(batches(8, 5, transform=vary), 3)
    optimiser = nd.optim.Adam(model.parameters(), lr=0.01)
    callbacks = [KillAt(kill)] + ([stop] if stop else [])
    nd.random.seed(11)
    schedule, ema = nd.optim.CosineAnnealingLR(optimiser, 20), nd.optim.EMA(model, 0.9)
    history = fit(
        model, data, 4, optimiser=optimiser, loss=loss, validation=batches(16, None), metrics=[nd.accuracy], schedule=schedule,
        schedule_every="step", ema=ema, clip=1.0, early_stopping=2, checkpoint=path, checkpoint_every=every, rng=rng, callbacks=callbacks,
    )  # fmt: skip
    return model, history


def test_a_training_killed_at_any_step_goes_on_bit_for_bit(tmp_path):
    model, history = everything()
    expected = values(model), {k: v for k, v in history.items() if k != "seconds"}, history.steps, history.stopped
    path = tmp_path / "run.npz"
    for kill in (1, 4, 5, 6, 11, 13, 17):
        with pytest.raises(Killed):
            everything(path, kill, every=3)
    model, history = everything(path, every=3)
    assert (values(model), {k: v for k, v in history.items() if k != "seconds"}, history.steps, history.stopped) == expected
    again, history = everything(path)  # nothing is left to do
    assert values(again) == expected[0] and history.steps == expected[2]


def test_after_ctrl_c_it_goes_on_too(tmp_path):
    model, history = everything()
    path = tmp_path / "run.npz"
    assert everything(path, stop=CtrlC(7))[1].stopped == "interrupted"
    steps = []
    resumed, after = everything(path, stop=SimpleNamespace(on_step_end=lambda run: steps.append(run.step)))
    assert values(resumed) == values(model) and after.steps == history.steps and steps[0] == 8


def test_after_the_last_step_of_an_epoch_the_place_in_the_data_is_its_end(tmp_path):
    whole, model, path = network(), network(), tmp_path / "run.npz"
    fit(whole, batches(8), 2, accumulate=3)  # the second group of an epoch is smaller
    fit(network(), batches(8), 2, accumulate=3, checkpoint=path, callbacks=CtrlC(2))
    fit(model, batches(8), 2, accumulate=3, checkpoint=path)
    assert values(model) == values(whole)


def test_the_best_epoch_stays_what_it_was_when_a_training_goes_on_within_the_next(tmp_path):
    def uphill(path=None, kill=0):  # after the first epoch everything is worse
        line = Scale(1.0, lr=0.25)
        fitted = nd.data.batches((np.full((4, 1), 3.0), np.full((4, 1), 6.0)), 2)
        history = line.fit(fitted, 2, early_stopping=2, checkpoint=path, checkpoint_every=path and 1, callbacks=KillAt(kill))
        return line.w.item(), history["loss"]

    with pytest.raises(Killed):
        uphill(tmp_path / "run.npz", 4)
    assert uphill(tmp_path / "run.npz") == uphill()


def test_the_file_of_another_training_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    fit(checkpoint=path)
    content, model = path.read_bytes(), nd.nn.Sequential(nd.nn.Flatten(), nd.nn.Linear(36, 2, rng=0))
    before = values(model)
    with pytest.raises(ValueError, match="nothing was loaded"):
        fit(model, checkpoint=path)
    assert values(model) == before and path.read_bytes() == content


def test_progress_is_a_line_per_epoch_where_nobody_watches(capsys, tmp_path):
    fit(None, batches(8), 2, metrics=[nd.accuracy], validation=batches(8, None), progress=True)
    first, second = capsys.readouterr().out.splitlines()
    numbers = r"loss [\d.]+  accuracy [\d.]+  val_loss [\d.]+  val_accuracy [\d.]+  \d+ examples/s"
    assert re.fullmatch(rf"epoch 1/2  {numbers}  0:\d\d left", first) and re.fullmatch(rf"epoch 2/2  {numbers}", second)
    fit(epochs=1, checkpoint=tmp_path / "run.npz")
    assert capsys.readouterr().out == ""
    fit(checkpoint=tmp_path / "run.npz", progress=True)
    assert capsys.readouterr().out.startswith("going on after 1 epochs and ")


def test_progress_is_a_bar_in_a_terminal(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("tinygrad_nd.training.progress.PAUSE", 0)
    fit(None, batches(8), 1, progress=True)
    told = capsys.readouterr()
    assert all(part in told.err for part in ("epoch 1/1", "/5", "loss", "examples/s", "left")) and told.out.count("\n") == 1


def test_history_is_a_mapping_a_table_and_a_state():
    history = nd.History()
    for i in range(30):
        history.add({"loss": 1 / (i + 1)} | ({"late": i} if i > 20 else {}))
    assert len(history["late"]) == 30 and np.isnan(history["late"][0]) and dict(history).keys() == {"loss", "late"}
    lines = repr(history).splitlines()
    assert lines[0] == "History: 30 epochs, 0 steps" and len(lines) == 22 and lines[2].split() == ["1", "1", "nan"]
    again = nd.History()
    again.load_state_dict(history.state_dict())
    assert repr(again) == repr(history)
    with pytest.raises(KeyError, match="no 'accuracy', but loss, late"):
        history["accuracy"]
    with pytest.raises(ValueError, match="30 epochs"):
        again.load_state_dict({**history.state_dict(), "columns": {"loss": [1.0]}})


def test_history_plots_itself():
    figures = pytest.importorskip("matplotlib.figure")
    assert isinstance(fit(validation=batches()).plot(), figures.Figure)


def test_accuracy():
    assert nd.accuracy(nd.tensor([[0.1, 0.9], [0.8, 0.2]]), [1, 1]) == 0.5
    assert nd.accuracy(np.eye(3).reshape(1, 3, 3), [[0, 1, 0]]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3,\)"):
        nd.accuracy(np.eye(2), [0, 1, 1])
