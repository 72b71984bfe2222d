import gc
import threading
import time

import numpy as np
import pytest

from tinygrad_nd import data

X = np.arange(20).reshape(10, 2)
Y = np.arange(10)


def test_batches_come_back_in_the_form_given():
    assert [type(b) for b in data.batches(X, 4)] == [np.ndarray] * 3
    assert [tuple(map(len, b)) for b in data.batches((X, Y), 4)] == [(4, 4), (4, 4), (2, 2)]
    assert [sorted(b) for b in data.batches({"x": X, "y": Y}, 5)] == [["x", "y"]] * 2


def test_unshuffled_batches_are_views_in_order():
    parts = list(data.batches((X, Y), 3))
    assert all(np.shares_memory(x, X) for x, _ in parts)
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), Y)


@pytest.mark.parametrize(("size", "drop_last", "count"), [(3, False, 4), (3, True, 3), (5, True, 2), (20, False, 1), (20, True, 0)])
def test_length_is_the_number_of_batches(size, drop_last, count):
    b = data.batches(X, size, drop_last=drop_last)
    assert len(b) == len(list(b)) == count


def test_shuffled_batches_keep_pairs_and_change_every_epoch():
    b = data.batches((X, Y), 3, shuffle=True, rng=0)
    epochs = [[np.concatenate(parts) for parts in zip(*b)] for _ in range(2)]
    for x, y in epochs:
        assert sorted(y) == list(range(10))
        np.testing.assert_array_equal(x, X[y])
    assert epochs[0][1].tolist() != epochs[1][1].tolist()
    again = np.concatenate([y for _, y in data.batches((X, Y), 3, shuffle=True, rng=0)])
    assert again.tolist() == epochs[0][1].tolist()


def test_shuffled_images_stay_channels_last_in_memory():
    images = np.moveaxis(np.zeros((8, 5, 5, 3)), -1, 1)
    (batch,) = data.batches(images, 8, shuffle=True)
    assert np.moveaxis(batch, 1, -1).flags.c_contiguous


def test_no_rows_no_batches():
    assert list(data.batches(np.zeros((0, 3)), 2)) == []


def test_one_hot():
    assert data.one_hot([[1, 0], [2, 1]]).tolist() == [[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]]
    assert data.one_hot(np.uint8([1]), 4).tolist() == [[0, 1, 0, 0]]
    assert data.one_hot([], 3).shape == (0, 3)
    assert data.one_hot([0]).dtype == np.float32 and data.one_hot([0], dtype=int).dtype == int


def test_split_covers_everything_once_and_keeps_pairs():
    x1, x2, y1, y2 = data.train_test_split(X, Y, test_size=0.3, rng=0)
    assert (len(y1), len(y2)) == (7, 3)
    assert sorted([*y1, *y2]) == list(range(10))
    np.testing.assert_array_equal(x1, X[y1])
    np.testing.assert_array_equal(x2, X[y2])


def test_stratified_split_keeps_proportions():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    _, test = data.train_test_split(labels, test_size=20, stratify=labels, rng=0)
    assert np.bincount(test).tolist() == [12, 6, 2]


def test_prefetch_gives_the_items_in_order():
    assert list(data.prefetch(iter(range(100)), 3)) == list(range(100))
    assert list(data.prefetch([])) == []


def test_prefetch_runs_ahead_by_n():
    made = []
    items = data.prefetch((made.append(i) or i for i in range(10)), 2)
    assert next(items) == 0
    _until(lambda: len(made) == 3)
    time.sleep(0.02)
    assert len(made) == 3
    items.close()


def test_prefetch_raises_at_the_place_of_the_error():
    def source():
        yield 1
        raise KeyError("lost")

    items = data.prefetch(source())
    assert next(items) == 1
    with pytest.raises(KeyError, match="lost"):
        next(items)
    with pytest.raises(TypeError):
        list(data.prefetch(3))


def test_leaving_prefetch_early_stops_the_thread_and_closes_the_source():
    closed = []

    def source():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    for _ in data.prefetch(source()):
        break
    gc.collect()
    assert closed == [True]
    assert not [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: data.batches((X, Y[:3]), 2), ValueError, r"\(10, 2\), \(3,\)"),
        (lambda: data.batches(X, 0), ValueError, "size=0"),
        (lambda: data.batches(3.0, 1), ValueError, "first axis"),
        (lambda: data.one_hot([0.5]), TypeError, "float64"),
        (lambda: data.one_hot([3], 3), ValueError, "0 to 2"),
        (lambda: data.one_hot([-1]), ValueError, "-1"),
        (lambda: data.train_test_split(X, test_size=1.0), ValueError, "0 to train"),
        (lambda: data.prefetch([1], 0), ValueError, "n=0"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()


def _until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()
