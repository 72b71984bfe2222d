"""Loops of compiled calls: every call is made once, in its order, and when the loop is over nobody is at it any more."""

import inspect
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import tinygrad_nd as nd
from tinygrad_nd.kernels import engines, losses, memory, parallel
from tinygrad_nd.kernels.engines import crew, loops, plain, programs, tiles
from tinygrad_nd.kernels.engines.products import moved

RNG = np.random.default_rng(0)


def add_one(a):
    """A call for a += 1."""
    n, one, zero = len(a), memory.table(np.ones(len(a))), memory.table(np.zeros(1, np.int64))
    return tiles.product(a.dtype).address, one, zero, 1, zero, 1, one, n, n, a, n, 1, *tiles.panels(n, a.dtype)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("tasks", [0, 1, 2, 7, 100])
def test_every_task_is_done_once(threads, tasks):
    numbers = np.zeros((tasks, 8))
    with parallel.threads(threads):
        for turn in range(1, 20):
            crew.run([[add_one(row)] for row in numbers])
            assert (numbers == turn).all()


def test_calls_of_a_task_keep_their_order():
    a = np.zeros(8)
    for _ in range(100):
        crew.run([[moved(None, a), add_one(a), add_one(a)], [add_one(np.zeros(8))]])
        assert (a == 2).all()


def test_thousands_of_loops_in_a_row_with_and_without_sleep():
    numbers = np.zeros((3, 8))
    calls = [[add_one(row)] for row in numbers]
    with parallel.threads(3):
        for turn in range(1, 5001):
            crew.run(calls)
            if turn % 1000 == 0:
                time.sleep(0.01)  # until the workers sleep
        parallel.run(range(3), lambda i: time.sleep(0.001))
        crew.run(calls)
    assert (numbers == 5001).all()


def test_threads_that_all_want_the_crew_get_their_work_done():
    numbers = np.zeros((4, 2, 8))

    def work(mine):
        for _ in range(500):
            crew.run([[add_one(row)] for row in mine])

    threads = [threading.Thread(target=work, args=(mine,)) for mine in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (numbers == 500).all()


def test_inside_a_loop_of_the_pool_calls_are_made_by_its_own_thread():
    numbers = np.zeros((6, 2, 8))
    with parallel.threads(3):
        parallel.run(range(6), lambda i: crew.run([[add_one(row)] for row in numbers[i]]))
    assert (numbers == 1).all()


def test_a_call_too_long_is_refused_before_anything_is_done():
    numbers = np.zeros(8)
    with pytest.raises(ValueError, match=f"up to {crew.MOST} words, but one here has {crew.MOST + 1}"):
        crew.run([[add_one(numbers)], [(0,) * (crew.MOST + 1)]])
    assert (numbers == 0).all()


def test_compiled_loops_get_arrays_of_any_rank():
    x = np.random.default_rng(0).standard_normal((2, 5000))
    out = np.empty_like(x)
    plain.run(loops.relu, [(out[i], x[i]) for i in range(2)])
    np.testing.assert_array_equal(out, np.maximum(x, 0))


FORKED = """
import os, warnings
import numpy as np
from tinygrad_nd.kernels import memory, parallel
from tinygrad_nd.kernels.engines import crew, tiles
warnings.simplefilter("ignore")  # of threads that a child does not have
{add_one}
numbers = np.zeros((2, 8))
with parallel.threads(2):
    crew.run([[add_one(row)] for row in numbers])
    if not os.fork():
        crew.run([[add_one(row)] for row in numbers])
        os._exit(0 if (numbers == 2).all() else 1)
    assert os.wait()[1] == 0 and (numbers == 1).all()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_crew_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED.format(add_one=inspect.getsource(add_one))], check=True, timeout=60)


# Programs: loops written down once.


def sum_program(a, b, out, written):
    """out = a + 1, through scratch, noting that it is written down."""

    def write():
        written.append(1)
        part = memory.scratch("part", out.shape, out.dtype)
        return [[moved(a, part), add_one(part), moved(part, out)], [moved(b, b)]]

    programs.run("test", (a, b, out), write)


def test_a_program_is_written_once_and_serves_other_arrays_of_its_layout():
    written = []
    for turn in range(5):
        a, b, out = np.full(8, float(turn)), np.zeros(8), np.zeros(8)
        sum_program(a, b, out, written)
        assert (out == turn + 1).all()
        memory.scratch("part", (1000 * (turn + 1),), np.float64)[:] = np.nan  # scratch has moved
    assert len(written) == 1
    sum_program(np.zeros(9), np.zeros(9), np.zeros(9), written)
    sum_program(np.zeros(16)[::2], np.zeros(8), np.zeros(8), written)
    assert len(written) == 3


def test_operands_that_overlap_are_not_confused_with_others():
    written, both = [], np.arange(16.0)
    for a, out in ((both[0::2], both[1::2]), (np.arange(16.0)[0::2] * 3, np.zeros(16)[1::2])):
        expected = a + 1
        sum_program(a, np.zeros(8), out, written)
        np.testing.assert_array_equal(out, expected)
    assert len(written) == 2


def kernel(a, b, way):
    """(a + 1, b + 1), the first a part of what is made; `way` is what it does beside running programs."""
    CALLED.append(way)
    made, second, part = np.empty((2, 8)), np.empty(8), memory.scratch("part", (8,), a.dtype)
    if way == "zeros":
        made[...] = 0
    given = a.copy() if way == "copy" else a
    programs.run("first", (given, part), lambda: [[moved(given, part), add_one(part)]])
    if way == "zeros":
        programs.run("added", (part, made), lambda: [[add_one(made[0]), moved(part, made[1])]])
    else:
        programs.run("second", (part, b, made, second), lambda: [[moved(part, made[1])], [moved(b, second), add_one(second)]])
    return made[0] if way == "zeros" else made[1], second * 1 if way == "numpy" else b if way == "zeros" else second


CALLED = []


@pytest.mark.parametrize("way, again", [("programs", 2), ("copy", 5), ("numpy", 5), ("zeros", 5)])
def test_a_kernel_that_does_nothing_but_run_programs_is_called_twice(monkeypatch, way, again):
    monkeypatch.setattr(programs, "_known", {})
    monkeypatch.setattr(programs, "_kept", 0)
    CALLED.clear()
    for turn in range(5):
        a, b = np.arange(8) + float(turn), np.full(8, 7.0 * turn)
        first, second = programs.recall(kernel, (a, b, way))
        np.testing.assert_array_equal(first, 1 if way == "zeros" else a + 1)
        np.testing.assert_array_equal(second, b if way == "zeros" else b + 1)
        assert first.shape == second.shape == (8,) and not np.shares_memory(first, second)
        memory.scratch("part", (1000 * (turn + 1),), np.float64)[:] = np.nan
    assert len(CALLED) == again
    programs.recall(kernel, (np.zeros(16)[::2], b, way))  # another layout
    assert len(CALLED) == again + 1


def test_what_is_learnt_of_nan_and_of_operands_that_overlap_is_nothing(monkeypatch):
    monkeypatch.setattr(programs, "_known", {})
    monkeypatch.setattr(programs, "_kept", 0)
    CALLED.clear()
    b = np.zeros(8)
    for a in (b, np.full(8, np.nan), b, np.arange(8.0), np.ones(8)):
        np.testing.assert_array_equal(programs.recall(kernel, (a, b, "programs"))[0], a + 1)
    assert len(CALLED) == 4


def test_programs_keep_no_more_than_they_may(monkeypatch):
    monkeypatch.setattr(programs, "SIZE", 4000)
    for n in range(1, 30):
        sum_program(np.zeros(n), np.zeros(n), np.zeros(n), [])
    assert sum(p.nbytes for p in programs._known.values()) == programs._kept <= 4000


def test_a_table_that_could_change_is_refused():
    with pytest.raises(AssertionError, match="tables only"):
        programs.run("writable", (np.zeros(8),), lambda: [[moved(np.zeros(8), np.zeros(8))]])


LABELS = RNG.integers(0, 8, (6, 5, 9))
SHAPE = (6, 8, 5, 9)
RECALLED = {  # of x (6, 8, 5, 9), another like it, and a weight and a bias (8,)
    "softmax": lambda x, *_: nd.softmax(x, 1),
    "log_softmax": lambda x, *_: nd.log_softmax(x, 1),
    "logsumexp": lambda x, *_: nd.logsumexp(x, 1),
    "layer_norm": lambda x, t, w, b: nd.layer_norm(nd.moveaxis(x, 1, -1), 8, w, b),
    "rms_norm": lambda x, t, w, b: nd.rms_norm(nd.moveaxis(x, 1, -1), 8, w),
    "batch_norm": lambda x, t, w, b: nd.batch_norm(x, np.zeros(8), np.ones(8), w, b, True),
    "group_norm": lambda x, t, w, b: nd.group_norm(x, 2, w, b),
    "instance_norm": lambda x, t, w, b: nd.instance_norm(x, weight=w, bias=b),
    "cross_entropy": lambda x, *_: nd.cross_entropy(x, LABELS, ignore_index=3),
    "nll_loss": lambda x, *_: nd.nll_loss(x, LABELS),
    "glu": lambda x, *_: nd.glu(x, 1),
    "exp": lambda x, *_: nd.exp(nd.concatenate([x] * 8)),
    "max_pool_nd": lambda x, *_: nd.max_pool_nd(x, (2, 3)),
    "avg_pool_nd": lambda x, *_: nd.avg_pool_nd(x, 2, padding=1),
    **{name: lambda x, t, *_, f=getattr(nd, name): f(x, nd.sigmoid(t)) for name in losses.LOSSES if name != "binary_cross_entropy"},
}


@pytest.mark.parametrize("last", [False, True], ids=["channels second", "channels last"])
@pytest.mark.parametrize("name", RECALLED)
def test_what_is_recalled_is_what_numpy_computes(monkeypatch, name, last):
    monkeypatch.setattr(programs, "_known", {})
    monkeypatch.setattr(programs, "_kept", 0)
    for _ in range(3):  # at the third call it is
        arrays = [RNG.standard_normal(shape).astype(np.float32) for shape in (SHAPE, SHAPE, (8,), (8,))]
        found = {}
        for engine in ("jit", "numpy"):
            monkeypatch.setattr(engines, "_setting", engine)
            given = [np.ascontiguousarray(np.moveaxis(a, 1, -1)) if last and a.ndim > 1 else a for a in arrays]
            leaves = [nd.tensor(a, requires_grad=True) for a in given]
            x, t, *rest = [nd.moveaxis(a, -1, 1) if last and a.ndim > 1 else a for a in leaves]
            y = RECALLED[name](x, t, *rest)
            nd.sum(y * np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape)).backward()
            found[engine] = [y, *[a.grad for a in leaves if a.grad is not None]]
        for ours, numpys in zip(found["jit"], found["numpy"], strict=True):
            np.testing.assert_allclose(ours.data, numpys.data, rtol=1e-4, atol=2e-5)
    copied = name in ("logsumexp", "layer_norm", "rms_norm") and not last  # what is normalised is to lie last
    assert any(getattr(known, "programs", ()) for known in programs._known.values()) or copied
