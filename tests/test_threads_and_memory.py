"""Threads do not disturb each other, and memory comes back."""

import contextvars
import gc
import signal
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import numpy as np
import pytest

import tinygrad_nd as nd
from tinygrad_nd.kernels import memory, parallel, spare
from tinygrad_nd.node import setting


def in_threads(count, work):
    """The results of work(0), …, work(count - 1), all running at once; the first exception is raised."""
    start = threading.Barrier(count)

    def run(i):
        start.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def make(seed):
    rng = np.random.default_rng(seed)
    shapes = (4, 2, 3, 3), (4,), (3, 4 * 3 * 3), (3,)
    parameters = [nd.Parameter(rng.standard_normal(s) * 0.3) for s in shapes]
    return parameters, rng.standard_normal((6, 2, 8, 8)), rng.integers(0, 3, 6)


def loss_of(parameters, x, labels):
    w, b, v, c = parameters
    with nd.scope("features"):
        h = nd.max_pool_nd(nd.relu(nd.conv_nd(x, w, b)), 2)
    return nd.cross_entropy(nd.linear(nd.reshape(h, (len(x), -1)), v, c), labels)


def train(seed, steps=15):
    parameters, x, labels = make(seed)
    losses = []
    for _ in range(steps):
        loss = loss_of(parameters, x, labels)
        loss.backward()
        losses.append(float(loss))
        with nd.no_grad():
            for p in parameters:
                p -= 0.1 * p.grad
                p.grad = None
    return losses, [p.data for p in parameters]


def test_eight_threads_train_as_one_does():
    alone = [train(seed) for seed in range(8)]
    together = in_threads(8, train)
    for (losses, values), (same_losses, same_values) in zip(alone, together):
        np.testing.assert_allclose(same_losses, losses, rtol=1e-9)
        assert losses[-1] < losses[0]
        for a, b in zip(values, same_values):
            np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-9)


def test_eight_threads_that_share_parameters_lose_no_gradient():
    parameters, x, labels = make(0)
    loss_of(parameters, x, labels).backward()
    single = [p.grad.data.copy() for p in parameters]
    for p in parameters:
        p.grad = None

    def work(_):
        for _ in range(10):
            loss_of(parameters, x, labels).backward()

    in_threads(8, work)
    for p, g in zip(parameters, single):
        np.testing.assert_allclose(p.grad.data, 80 * g, rtol=1e-9)


def test_a_graph_may_be_made_in_one_thread_and_swept_in_another():
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    y = nd.exp(x).sum()
    in_threads(1, lambda _: y.backward())
    np.testing.assert_allclose(x.grad.data, np.exp([1, 2]))


def test_no_grad_in_one_thread_does_not_stop_recording_in_another():
    x = nd.tensor([1.0], requires_grad=True)
    inside, done = threading.Event(), threading.Event()

    def silent(_):
        with nd.no_grad():
            inside.set()
            done.wait(10)
            return (x * 2).requires_grad

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(silent, 0)
        inside.wait(10)
        here = (x * 2).requires_grad
        done.set()
        assert here and not other.result()


def test_scopes_of_threads_do_not_mix():
    x = nd.tensor([1.0], requires_grad=True)

    def work(i):
        names = set()
        for k in range(50):
            with nd.scope(f"thread{i}"), nd.scope(f"step{k}"):
                names.add(((x * 2)._node.scope, f"thread{i}/step{k}"))
        return names

    for names in in_threads(8, work):
        assert all(found == meant for found, meant in names)
    assert (x * 2)._node.scope == ""


def test_a_thread_starts_recording_and_at_the_top_even_if_its_maker_does_not():
    x = nd.tensor([1.0], requires_grad=True)
    with nd.no_grad(), nd.scope("outer"):
        (y,) = in_threads(1, lambda _: x * 2)
        assert y.requires_grad and y._node.scope == ""
        z = contextvars.copy_context().run(lambda: x * 2)
        assert not z.requires_grad  # a copied context carries the state along


def test_transforms_run_in_threads():
    f = lambda x: (nd.sin(x) * nd.exp(x)).sum()
    x = np.linspace(0, 1, 50)
    expected = nd.hessian(f)(x).data
    for found in in_threads(8, lambda _: nd.hessian(f)(x).data):
        np.testing.assert_array_equal(found, expected)


def test_results_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((8, 16, 40, 40)), rng.standard_normal((16, 16, 3, 3))

    def run():
        a, b = nd.tensor(x, requires_grad=True), nd.tensor(w, requires_grad=True)
        y = nd.max_pool_nd(nd.relu(nd.conv_nd(a, b, padding=1)), 2)
        (y * y).mean().backward()
        return y.data, a.grad.data, b.grad.data

    many = run()
    with nd.threads(1):
        one = run()
    for a, b in zip(many, one):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_ctrl_c_is_told_when_no_thread_writes_any_more():
    main, began, ended = threading.current_thread(), threading.Event(), []

    def task(i):
        if threading.current_thread() is main:
            began.wait(5)  # until the helper has its task, too
        else:
            began.set()
            time.sleep(0.05)
            ended.append(i)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        with nd.threads(2), pytest.raises(KeyboardInterrupt):
            parallel.run(range(2), task)
        assert len(ended) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_no_helper_begins_when_its_caller_was_interrupted(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "_dismiss", interrupted)
    done = []
    for _ in range(20):
        with nd.threads(2), pytest.raises(KeyboardInterrupt):
            parallel.run(range(50), lambda i: (done.append(i), time.sleep(0.0005)))
        count = len(done)
        time.sleep(0.002)
        assert len(done) == count


def test_ctrl_c_right_after_a_setting_was_made_leaves_none():
    class Interrupted:
        value = "outside"

        def get(self):
            return self.value

        def set(self, value):
            before, self.value = self.value, value
            if before == "outside":
                raise KeyboardInterrupt

    variable = Interrupted()
    with pytest.raises(KeyboardInterrupt), setting(variable, "inside"):
        pass
    assert variable.get() == "outside"


def test_the_number_of_threads_is_restored():
    before = nd.num_threads()
    with nd.threads(1):
        assert nd.num_threads() == 1
    assert nd.num_threads() == before


# ---- memory


def traced(work):
    """(bytes kept, bytes at the peak) beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = work()
        now, peak = tracemalloc.get_traced_memory()
        return now - before, peak - before, result
    finally:
        tracemalloc.stop()


def test_memory_is_back_at_its_baseline_after_200_steps():
    parameters, x, labels = make(0)

    def step():
        loss = loss_of(parameters, x, labels)
        loss.backward()
        for p in parameters:
            p.data = p.data - np.float32(0.01) * p.grad.data.astype(p.dtype)
            p.grad = None

    def many(steps):
        for _ in range(steps):
            step()

    gc.disable()
    try:
        _, _, (early, late) = traced(lambda: [(many(steps), tracemalloc.get_traced_memory()[0])[1] for steps in (150, 200)])
    finally:
        gc.enable()
    assert late - early < 100_000, f"{late - early} bytes more after 200 steps"


@pytest.mark.parametrize(
    "f",
    [lambda x: nd.max_pool_nd(x, 3, 2), lambda x: nd.interpolate(x, 4999, mode="linear"), lambda x: nd.adaptive_avg_pool_nd(x, 1999)],
    ids=["pool", "interpolate", "adaptive"],
)
def test_sounds_of_ever_new_lengths_take_no_more_memory_than_they_may(f, engine, monkeypatch):
    monkeypatch.setattr(memory, "TABLES", 1 << 20)
    if engine == "jit":
        monkeypatch.setattr(import_module("tinygrad_nd.kernels.engines.programs"), "SIZE", 1 << 20)

    def steps(lengths):
        for n in lengths:
            x = nd.tensor(np.ones((1, 1, n)), np.float32, requires_grad=True)
            f(x).sum().backward()

    steps(range(3000, 3010))
    grown, _, _ = traced(lambda: steps(range(3010, 3050)))
    assert grown < 3 << 20


def test_a_sweep_with_create_graph_gives_its_memory_back():
    x = nd.tensor(np.ones(10_000), requires_grad=True)

    def step():
        y = nd.tanh(x * x).sum()
        g = nd.gradients(y, x, create_graph=True)
        nd.gradients((g * g).sum(), x)

    step()
    gc.disable()
    try:
        kept, _, _ = traced(lambda: [step() for _ in range(50)] and None)
    finally:
        gc.enable()
    assert kept < 300_000


def test_memory_falls_during_the_sweep():
    """Forty layers of 1 MB: the sweep frees as it goes and needs little more than the forward pass did."""
    x = nd.tensor(np.full(125_000, 0.5), requires_grad=True)

    def forward():
        y = x
        for _ in range(40):
            y = nd.sin(y)
        return y.sum()

    _, forward_peak, y = traced(forward)
    _, sweep_peak, _ = traced(y.backward)
    assert sweep_peak < 8e6 < forward_peak


def test_a_convolution_needs_little_memory_beyond_its_operands():
    """Full im2col would take 9 times the input here: more than 300 MB."""
    x = nd.tensor(np.ones((32, 16, 128, 128), np.float32), requires_grad=True)  # 32 MB
    w = nd.tensor(np.full((16, 16, 3, 3), 0.01, np.float32), requires_grad=True)

    def forward():
        return nd.conv_nd(x, w, padding=1)

    _, peak, y = traced(forward)
    assert peak < y.nbytes + 32e6
    _, peak, _ = traced(lambda: y.backward(np.broadcast_to(np.float32(1), y.shape)))
    assert peak < y.nbytes + x.nbytes + w.nbytes + 32e6
    assert np.isclose(x.grad.data[0, 0, 5, 5], 16 * 9 * 0.01)


def test_a_large_result_is_saved_as_it_is():
    x = nd.tensor(np.ones((300, 400)), requires_grad=True)
    for f in (nd.exp, nd.softmax, lambda x: nd.softmax(x, 0)):
        y = f(x)
        assert any(a is y.data for a in y._node.saved)


def test_recycled_memory_never_shows_in_a_result_still_held():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 8, 64, 64)).astype(np.float32)
    w = rng.standard_normal((8, 8, 3, 3)).astype(np.float32)
    held = [(k, nd.relu(nd.conv_nd(x * np.float32(k), w)).data) for k in range(1, 6)]
    views = [(k, y[:, ::2].T) for k, y in held]
    copies = [(k, y.copy()) for k, y in held]
    del held
    for k in range(10):
        nd.exp(nd.conv_nd(x, w) * np.float32(0.01 * k)).data.sum()
    for (_, view), (_, copy) in zip(views, copies):
        np.testing.assert_array_equal(view, copy[:, ::2].T)


def test_every_pass_finds_the_arrays_of_the_one_before(engine):
    x, w = (nd.tensor(np.full((32, 128), 1.0, np.float32), requires_grad=True) for _ in range(2))
    spare.clear()
    for _ in range(4):
        y = x
        for _ in range(50):
            y = y * w
        y.sum().backward()
        assert len(spare._sizes[x.nbytes].kept) > 40
    memory.clear_cache()
    assert not spare._sizes


def test_a_tape_of_many_small_operations_is_light():
    """The budget is 700 bytes an operation, above the array that NumPy itself makes."""
    x = nd.tensor(1.0, requires_grad=True)
    array = 16 * 8 + 112  # a 0-d or tiny result: its header and data

    def chain():
        y = x
        for _ in range(5000):
            y = -y
        return y

    kept, _, _y = traced(chain)
    assert kept / 5000 < 700 + array
