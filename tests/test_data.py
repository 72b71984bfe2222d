import copy
import gc
import threading
import time

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
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


def test_nobody_writes_to_the_callers_arrays_through_a_batch():
    x = np.ones((4, 2))
    (batch,) = data.batches(x, 4)
    with pytest.raises(ValueError, match="read-only"):
        batch *= 2
    x[0] = 3  # its owner may
    (batch,) = data.batches(x, 4, shuffle=True)
    batch *= 2
    assert x.tolist() == [[3, 3], [1, 1], [1, 1], [1, 1]]


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


def test_nests_and_tensors_and_memory_maps(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(10, 2))
    (batch,) = data.batches({"pair": (nd.tensor(Y), mapped), "y": Y}, 10)
    assert batch["pair"][0].tolist() == Y.tolist() and np.shares_memory(batch["pair"][1], mapped)
    shuffled = next(iter(data.batches(mapped, 4, shuffle=True)))
    assert type(shuffled) is np.ndarray and not np.shares_memory(shuffled, mapped)


def test_transforms_change_batches_by_generators_of_their_own():
    plain = data.batches((X, Y), 4, transform=lambda batch, rng: (batch[0] + rng.random(), batch[1]), rng=0)
    first, second = ([float((x - X[y]).ravel()[0]) for x, y in plain] for _ in range(2))
    assert len({*first, *second}) == 6 and X.tolist() == np.arange(20).reshape(10, 2).tolist()


def noisy(rng):
    return data.batches((X, Y), 3, shuffle=True, rng=rng, transform=lambda batch, rng: (batch[0] + rng.standard_normal(), batch[1]))


def flat(batches):
    return [a.tolist() for batch in batches for a in batch]


@pytest.mark.parametrize("wrap", [lambda b: b, data.prefetch], ids=["batches", "prefetched"])
@pytest.mark.parametrize("given", [0, 1, 3, 4])
def test_a_pass_goes_on_where_its_state_was_taken(given, wrap):
    whole, again = wrap(noisy(7)), wrap(noisy(99))
    list(whole)
    again.load_state_dict(whole.state_dict())
    assert flat(again) == flat(whole)
    steps = iter(whole)
    for _ in range(given):
        next(steps)
    again.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert flat(again) + flat(again) == flat(steps) + flat(whole)


def test_a_shared_generator_goes_on_too():
    rng = np.random.default_rng(5)
    whole = data.batches(Y, 3, shuffle=True, rng=rng)
    steps = iter(whole)
    next(steps)
    rng.random(17)  # something else that uses it
    state, other = copy.deepcopy(whole.state_dict()), np.random.default_rng(0)
    again = data.batches(Y, 3, shuffle=True, rng=other)
    again.load_state_dict(state)
    assert [b.tolist() for b in again] == [b.tolist() for b in steps] and rng.random() == other.random()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("given"), "needs given, before, now, rows, but got before, now, rows"),
        (lambda s: s.update(rows=[9, 3]), "9 rows in 3s, but these are 4 batches of 10 rows in 3s"),
        (lambda s: s.update(given=5), "after 5 batches"),
        (lambda s: s.update(now=np.random.MT19937(0).state), "PCG64"),
        (lambda s: s.update(before=3), "cannot take"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    b = noisy(0)
    before, wrong = copy.deepcopy(b.state_dict()), copy.deepcopy(noisy(1).state_dict())
    change(wrong)
    with pytest.raises(ValueError, match=message):
        b.load_state_dict(wrong)
    assert b.state_dict() == before


def test_no_rows_no_batches():
    assert list(data.batches(np.zeros((0, 3)), 2)) == []


def test_one_hot():
    assert data.one_hot([[1, 0], [2, 1]]).tolist() == [[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]]
    assert data.one_hot(np.uint8([1]), 4).tolist() == [[0, 1, 0, 0]]
    assert data.one_hot([], 3).shape == (0, 3) and data.one_hot([]).shape == (0, 0)
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
    assert not [t for t in threading.enumerate() if t.name == "prefetch"]


def test_prefetch_starts_again_where_its_source_does_and_knows_its_length():
    items = data.prefetch(data.batches(Y, 4))
    assert len(items) == 3 and [len(b) for b in items] == [len(b) for b in items] == [4, 4, 2]
    once = data.prefetch(iter([1, 2]))
    assert [*once] == [1, 2] and [*once] == []
    with pytest.raises(TypeError, match="list has no state_dict"):
        data.prefetch([1]).state_dict()


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


IMAGES = np.zeros((2, 1, 4, 4))


@in_turn(
    "call, error, message",
    [
        (lambda: data.batches((X, Y[:3]), 2), ValueError, r"\(10, 2\), \(3,\)"),
        (lambda: data.batches(X, 0), ValueError, "size=0"),
        (lambda: data.batches(X, 2.0), TypeError, "2.0"),
        (lambda: data.batches(X, 2, transform=3), TypeError, "transform"),
        (lambda: data.batches(3.0, 1), ValueError, "first axis"),
        (lambda: data.one_hot([0.5]), TypeError, "float64"),
        (lambda: data.one_hot([3], 3), ValueError, "0 to 2"),
        (lambda: data.one_hot([-1]), ValueError, "-1"),
        (lambda: data.one_hot([1], 2**70), ValueError, "one_hot: num_classes"),
        (lambda: data.train_test_split(X, test_size=1.0), ValueError, "0 to train"),
        (lambda: data.prefetch([1], 0), ValueError, "n=0"),
        (lambda: data.prefetch([1], 1.5), TypeError, "1.5"),
        (lambda: data.prefetch(3), TypeError, "prefetch: takes something to iterate over"),
        (lambda: data.one_hot([[0], [1, 2]]), ValueError, "rows differ in length"),
        (lambda: data.batches(X, 2, rng="a"), TypeError, "batches: rng must be .* but is 'a'"),
        (lambda: data.batches(X, 2).load_state_dict(None), TypeError, "batches.load_state_dict: takes what"),
        (lambda: data.batches(X, 2).load_state_dict({**data.batches(X, 2).state_dict(), "rows": 3}), ValueError, "this is not what"),
        (lambda: data.one_hot([0], 2.5), TypeError, "num_classes must be an int"),
        (lambda: data.train_test_split(X, test_size=np.nan), ValueError, "test_size=nan"),
        (lambda: data.train_test_split(X, stratify=X), ValueError, "one label for each row"),
        (lambda: data.augment.flip(IMAGES, 0, p="a"), TypeError, "augment.flip: p must be a number"),
        (lambda: data.augment.crop(IMAGES, 0, 2.5), TypeError, "augment.crop: size takes ints, not 2.5"),
        (lambda: data.augment.shift(IMAGES[..., :0], 0, 1, padding_mode="reflect"), ValueError, "where there is nothing"),
        (lambda: data.augment.noise(IMAGES, 0, -1), ValueError, "augment.noise: scale=-1"),
        (lambda: data.augment.noise(IMAGES * 1j, 0, 1), TypeError, "augment.noise: x needs real numbers"),
        (lambda: data.augment.contrast(IMAGES, "a", 1), TypeError, "augment.contrast: rng"),
        (lambda: data.augment.compose(5), TypeError, "takes functions"),
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
