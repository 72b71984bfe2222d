"""Loops of compiled calls: every call is made once, in its order, and when the loop is over nobody is at it any more."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from tinygrad_nd.kernels import parallel
from tinygrad_nd.kernels.engines import crew, loops, native, tiles
from tinygrad_nd.kernels.engines.products import moved


def add_one(a):
    """A call for a += 1."""
    n, one, zero = len(a), np.ones(len(a)), np.zeros(1, np.int64)
    return tiles.product(n, a.dtype).address, one, zero, 1, zero, 1, one, n, n, a, n, 1, *tiles.ends(n, a.dtype)


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


def test_what_numba_compiled_gets_arrays_of_any_rank():
    x = np.random.default_rng(0).standard_normal((2, 5000))
    out = np.empty_like(x)
    native.run(loops.relu, [(out[i], x[i]) for i in range(2)])
    np.testing.assert_array_equal(out, np.maximum(x, 0))


FORKED = """
import os, sys, warnings
sys.path.insert(0, {folder!r})
from test_engines_crew import add_one, crew, np, parallel
warnings.simplefilter("ignore")  # of threads that a child does not have
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
    subprocess.run([sys.executable, "-c", FORKED.format(folder=str(Path(__file__).parent))], check=True, timeout=60)
