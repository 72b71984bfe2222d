"""Threads, scratch and recycled memory."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.kernels import blas, memory, parallel, spare

BIG = (600, 1000)  # float32: above memory.SMALL


@pytest.fixture(autouse=True)
def fresh_cache():
    memory.clear_cache()
    yield
    memory.clear_cache()


# Threads.


def test_threads_is_a_block_and_set_num_threads_is_not():
    before = parallel.num_threads()
    with parallel.threads(3):
        assert parallel.num_threads() == 3
        with parallel.threads(1):
            assert parallel.num_threads() == 1
    assert parallel.num_threads() == before
    parallel.set_num_threads(5)
    assert parallel.num_threads() == 5
    parallel.set_num_threads(before)


@pytest.mark.parametrize("n, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError), ("2", TypeError)])
def test_bad_numbers_of_threads(n, error):
    with pytest.raises(error, match="set_num_threads"):
        parallel.set_num_threads(n)
    with pytest.raises(error, match="threads"), parallel.threads(n):
        pass


@pytest.mark.parametrize("value, expected", [("3", 3), ("3,1", 3), ("0", None), ("many", None), ("", None)])
def test_omp_num_threads_is_honoured(value, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert parallel._available() == (expected or len(os.sched_getaffinity(0)))


def test_omp_num_threads_is_read_when_a_process_starts():
    code = "from tinygrad_nd.kernels import parallel; print(parallel.num_threads())"
    result = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "3"}, capture_output=True, check=True)
    assert int(result.stdout) == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="where a thread runs can only be told on Linux")
def test_a_loop_leaves_its_caller_free_to_run_anywhere():
    before, threads = os.sched_getaffinity(0), set()

    def task(i):
        threads.add((threading.get_ident(), frozenset(os.sched_getaffinity(0))))
        if i == 7:
            raise ZeroDivisionError

    with parallel.threads(2), pytest.raises(ZeroDivisionError):
        parallel.run(range(8), task)
    assert os.sched_getaffinity(0) == before
    if len(before) > 1:
        assert (threading.get_ident(), frozenset(before)) not in threads  # while it works it stays where it is
        assert all(allowed <= before for _, allowed in threads)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_run_does_every_task_once(n, count):
    done = []
    with parallel.threads(n):
        parallel.run(range(count), done.append)
    assert sorted(done) == list(range(count))


def test_run_uses_several_threads():
    barrier = threading.Barrier(3, timeout=10)
    with parallel.threads(3):
        parallel.run(range(3), lambda _: barrier.wait())


def test_run_inside_run_is_inline():
    names = set()

    def outer(_):
        mine = threading.current_thread().name
        parallel.run(range(4), lambda _: names.add((mine, threading.current_thread().name)))

    with parallel.threads(4):
        parallel.run(range(8), outer)
    assert all(a == b for a, b in names)


def test_the_first_error_is_raised_after_all_have_stopped():
    running = []

    def f(i):
        running.append(i)
        try:
            if i == 3:
                raise KeyError("three")
        finally:
            running.remove(i)

    with parallel.threads(4):
        for _ in range(50):
            with pytest.raises(KeyError, match="three"):
                parallel.run(range(100), f)
            assert not running
        parallel.run(range(2), lambda i: None)


def test_workers_have_the_callers_errstate():
    seen = []
    with parallel.threads(4), np.errstate(divide="ignore", invalid="raise"):
        parallel.run(range(50), lambda _: seen.append((np.geterr()["divide"], np.geterr()["invalid"])))
    assert set(seen) == {("ignore", "raise")}


def test_eight_users_at_once():
    totals = [0] * 8

    def use(k):
        with parallel.threads(4):
            for _ in range(200):
                parts = [0] * 20
                parallel.run(range(20), lambda i: parts.__setitem__(i, parts[i] + 1))
                totals[k] += sum(parts)

    users = [threading.Thread(target=use, args=(k,)) for k in range(8)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert totals == [4000] * 8


def test_run_parts_cuts_the_tasks_in_order():
    shares = {}
    with parallel.threads(3):
        assert parallel.run_parts(range(10), lambda share, part: shares.__setitem__(part, list(share))) == 3
    assert shares[0] + shares[1] + shares[2] == list(range(10))
    with parallel.threads(3):
        assert parallel.run_parts([], lambda share, part: None) == 1


def test_tasks_ahead_are_done_inline_whatever_becomes_of_one_and_not_while_time_is_measured():
    found, done, later = [], threading.Event(), threading.Event()

    def task():
        found.append((parallel.inside(), threading.current_thread() is threading.main_thread()))
        done.set()

    with parallel.threads(2):
        parallel.ahead(lambda: 1 / 0)
        parallel.ahead(task)
        assert done.wait(10) and found == [(True, False)]
        with parallel.undisturbed():
            parallel.ahead(later.set)
            assert not later.wait(0.05)
        assert later.wait(10)
        done.clear()
        parallel.ahead(task)  # a loop does not wait for it
        parallel.run([1, 2, 3], lambda i: None)
        assert done.wait(10)
    with parallel.threads(1):
        parallel.ahead(lambda: found.append("without a worker"))
    assert len(found) == 2


def test_a_process_ends_once_the_task_ahead_that_is_at_work_has_and_begins_no_other():
    code = (
        "import time; from tinygrad_nd.kernels import parallel as p; p.set_num_threads(2);"
        "p.ahead(lambda: (print('begun', flush=True), time.sleep(0.3), print('done', flush=True)));"
        "p.ahead(lambda: print('another', flush=True)); time.sleep(0.1)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["begun", "done"]


def test_a_section_keeps_nothing_alive():
    with parallel.threads(3):
        a = np.empty(3)
        parallel.run(range(3), lambda i, a=a: a)
    assert sys.getrefcount(a) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_pool_survives_fork():
    code = """
import os
from tinygrad_nd.kernels import blas, memory, parallel, spare
parallel.set_num_threads(3)
done = []
parallel.run(range(5), done.append)
child = os.fork()
done.clear()
parallel.run(range(50), done.append)
with blas.single_blas():
    pass
ok = sorted(done) == list(range(50))
if child == 0:
    os._exit(0 if ok else 1)
assert ok and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("size", [1, 4, 100, 10**6])
@in_turn("shape", [(), (0,), (1,), (3, 0, 4), (7,), (5, 6, 7), (2, 1000, 3)])
def test_boxes_cover_every_entry_once(shape, size):
    hits = np.zeros(shape, int)
    for box in parallel.boxes(shape, size):
        hits[box] += 1
        assert hits[box].size <= max(size, 1)
    assert (hits == 1).all()


def test_single_blas_restores_the_users_setting():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def setting():
        return [i["num_threads"] for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas" and "numpy" in i["filepath"]]

    before = setting()
    with blas.single_blas():
        with blas.single_blas():
            assert set(setting()) <= {1}
        assert set(setting()) <= {1}
    assert setting() == before
    blas.single_blas().__enter__()  # and Ctrl-C before it is left
    assert setting() == before


# Scratch.


def test_scratch_is_reused_by_one_thread_and_not_shared():
    a = memory.scratch("a", (10, 10), np.float32)
    assert memory.scratch("a", (5,), np.float64).ctypes.data == a.ctypes.data
    assert memory.scratch("b", (5,), np.float64).ctypes.data != a.ctypes.data
    assert memory.scratch("a", (0, 4), np.float32).shape == (0, 4)
    other = []
    thread = threading.Thread(target=lambda: other.append(memory.scratch("a", (10, 10), np.float32).ctypes.data))
    thread.start()
    thread.join()
    assert other[0] != a.ctypes.data


def test_a_huge_scratch_is_not_kept():
    size = memory.SCRATCH_LIMIT + 1
    a = memory.scratch("huge", (size,), np.uint8)
    assert a.size == size and memory.scratch("huge", (size,), np.uint8).ctypes.data != a.ctypes.data


# Recycled memory.


def test_memory_is_reused_once_its_last_view_is_gone():
    a = memory.empty(BIG, np.float32)
    where = a.ctypes.data
    views = [a[3:].T, np.moveaxis(a, 0, 1)[..., None], np.lib.stride_tricks.as_strided(a, (2, 2), (8, 4)), memoryview(a), a.view(np.int32)]
    del a
    while views:
        assert memory.empty(BIG, np.float32).ctypes.data != where
        views.pop(0)
    assert memory.empty(BIG, np.float32).ctypes.data == where


@pytest.mark.parametrize(
    "shape, dtype", [(BIG, np.float32), ((1 << 20,), np.uint8), ((3, 700, 500), np.complex128), ((5, 4), np.float32), ((), np.int8)]
)
def test_empty_is_aligned_writable_and_of_the_size_asked(shape, dtype):
    a = memory.empty(shape, dtype)
    assert type(a) is np.ndarray and a.shape == shape and a.dtype == dtype and a.flags.c_contiguous and a.flags.writeable
    if a.nbytes >= memory.SMALL:
        assert a.ctypes.data % memory.ALIGN == 0


def test_zero_size_and_object_arrays():
    assert memory.empty((0, 10**9), np.float32).shape == (0, 10**9)
    assert memory.channels_last((0, 3, 10**6), np.float32).shape == (0, 3, 10**6)
    assert memory.empty((10**5,), object)[0] is None


def test_free_memory_stays_below_the_limit(monkeypatch):
    monkeypatch.setattr(memory, "FREE_LIMIT", 10 << 20)
    arrays = [memory.empty(((i + 1) << 18,), np.uint8) for i in range(20)]
    assert memory._free_bytes == 0
    arrays.clear()
    assert 0 < memory._free_bytes <= 10 << 20
    assert memory._free_bytes == sum(m.nbytes for kept in memory._free.values() for m in kept)
    memory.clear_cache()
    assert memory._free_bytes == 0 and not memory._free


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (8, 30, 40, 50), (4, 3), (2, 1, 600, 700)])
def test_channels_last(shape):
    a = memory.channels_last(shape, np.float32)
    assert a.shape == shape and np.moveaxis(a, 1, -1).flags.c_contiguous and a.flags.writeable


@pytest.mark.parametrize("shape", [(2, 3, 4), (40, 50, 60, 7), (1, 400, 1000)])
def test_empty_like_keeps_the_order_of_memory(shape):
    for axes in [range(len(shape)), range(len(shape))[::-1], (1, 0, *range(2, len(shape)))]:
        a = np.empty(shape, np.float32).transpose(axes)
        for dtype in (np.float32, np.float64, np.bool_):
            b = memory.empty_like(a, dtype)
            long = [i for i, n in enumerate(b.shape) if n > 1]  # the stride of an axis of size 1 means nothing
            assert [b.strides[i] for i in long] == [np.empty_like(a, dtype).strides[i] for i in long] and b.dtype == dtype
    wide = memory.empty_like(np.empty(shape).T, np.float32, (3,) * len(shape))
    assert wide.shape == (3,) * len(shape) and wide.T.flags.c_contiguous


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (8, 30, 40, 50)])
def test_freeze_leaves_no_writable_base(shape):
    for a in [memory.empty(shape, np.float32), memory.channels_last(shape, np.float32), memory.empty_like(np.empty(shape), np.float32)]:
        for view in [a, np.moveaxis(a, 1, -1), a[1:, ..., None]]:
            memory.freeze(view)
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0
            if a.nbytes >= memory.SMALL:
                base = view
                while type(base) is not memory.Lease:
                    assert not base.flags.writeable
                    base = base.base
                assert not base.flags.writeable
    memory.empty(shape, np.float32)[...] = 1


def test_freeze_leaves_the_callers_memory_alone():
    mine = np.zeros(BIG)
    memory.freeze(mine[1:])
    mine[...] = 1


def test_recycling_under_threads():
    wrong = []

    def use(k):
        rng = np.random.default_rng(k)
        kept = {}
        for i in range(300):
            a = memory.empty((int(rng.integers(70_000, 200_000)),), np.int32)
            a[...] = mark = k * 1000 + i
            kept[int(rng.integers(5))] = (a[::2], mark)
            wrong.extend(m for b, m in kept.values() if not (b == m).all())

    users = [threading.Thread(target=use, args=(k,)) for k in range(6)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    gc.collect()
    assert not wrong and memory._free_bytes <= memory.FREE_LIMIT


# ---- arrays that a sweep hands over


def test_an_array_that_was_kept_is_used_for_the_next_one_of_its_bytes():
    a, held = np.ones((40, 50), np.float32), np.ones((40, 50), np.float32)
    place = a.ctypes.data
    assert spare.take(a.nbytes) is None
    dropped = (a, held)
    del a
    spare.keep(dropped)
    del dropped
    assert spare.take(held.nbytes - 4) is None
    assert spare.take(held.nbytes).ctypes.data == place and spare.take(held.nbytes) is None


@pytest.mark.parametrize("like", [np.ones((50, 40), np.float32), np.ones((40, 25)), np.asfortranarray(np.ones((40, 50), np.float32))])
@pytest.mark.parametrize("other", [np.float32(2), None])
def test_one_that_does_not_lie_as_the_result_is_not_used_for_it(like, other, engine):
    for _ in range(2):
        assert spare.take(like.nbytes) is None
    dropped = [np.ones((40, 50), np.float32)]
    dropped[0].setflags(write=False)
    spare.keep(dropped)
    found = (nd.tensor(like) + (nd.tensor(like) if other is None else float(other))).data
    assert (found.shape, found.strides, found.dtype) == (like.shape, like.strides, like.dtype)
    np.testing.assert_array_equal(found, like + (like if other is None else other))


def kept():
    return sum(a.nbytes for size in spare._sizes.values() for a in size.kept)


def test_no_more_are_kept_than_were_asked_for():
    like = np.ones((40, 50), np.float32)
    spare.keep((np.ones((40, 50), np.float32),))
    assert spare.take(like.nbytes) is spare.take(like.nbytes) is None
    spare.keep(tuple([np.ones((40, 50), np.float32) for _ in range(5)]))
    assert kept() == 2 * like.nbytes


def test_what_is_asked_for_is_not_remembered_of_every_size_there_ever_was():
    for n in range(2 * spare.SIZES):
        spare.take(spare.PAGE + n)
    assert len(spare._sizes) <= spare.SIZES


def test_what_is_kept_in_all_has_a_limit():
    sizes = [spare.MOST - 8 - n % 5 for n in range(3 * spare.LIMIT // spare.MOST)]
    for _ in range(2):
        for nbytes in sizes:
            spare.take(nbytes)
        spare.keep([np.empty(nbytes, np.uint8) for nbytes in sizes])
    assert 0 < kept() <= spare.LIMIT
    memory.clear_cache()
    assert kept() == 0


@pytest.mark.parametrize("holder", [lambda a: a, lambda a: a[1:], weakref.ref, memoryview, lambda a: {"a": a}])
def test_what_somebody_still_holds_is_not_kept(holder):
    a = np.ones((40, 50), np.float32)
    assert spare.take(a.nbytes) is None
    held, dropped = holder(a), (a, 1.0, None)
    del a
    spare.keep(dropped)
    assert kept() == 0 and held is not None


def test_threads_may_take_and_keep_at_once():
    wrong, like = [], np.ones((40, 50), np.float32)

    def work(value):
        for _ in range(300):
            mine = [spare.take(like.nbytes) for _ in range(5)]
            mine = [np.empty_like(like) if a is None else a for a in mine]
            for a in mine:
                a[...] = value
            wrong.extend(a for a in mine if not (a == value).all())
            del a
            spare.keep(mine)

    users = [threading.Thread(target=work, args=(v,)) for v in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong and kept() <= spare.LIMIT


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_of_cycles_rests_inside_and_is_left_as_it_was(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), memory.uncollected():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
