import copy

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.data import augment

SIZES = (5, 6, 4, 3)
CHANGES = {
    "flip": augment.flip,
    "crop": lambda x, rng, **layout: augment.crop(x, rng, 3, padding=1, padding_mode="reflect", **layout),
    "shift": lambda x, rng, **layout: augment.shift(x, rng, 2, **layout),
    "noise": lambda x, rng, **_: augment.noise(x, rng, 3.0),
    "brightness": lambda x, rng, **_: augment.brightness(x, rng, 20),
    "contrast": lambda x, rng, **_: augment.contrast(x, rng, 0.5),
}


def images(rank, dtype, last_in_memory=False, layout="NC*", count=12):
    last = last_in_memory or layout == "N*C"
    x = np.random.default_rng(0).integers(50, 200, (count, *SIZES[:rank], 2) if last else (count, 2, *SIZES[:rank])).astype(dtype)
    x = np.moveaxis(x, -1, 1) if last_in_memory else x
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@in_turn("name", CHANGES)
def test_dtype_and_memory_order_stay_and_the_input_too(name, rank):
    for dtype in (np.uint8, np.float16, np.float32, np.float64):
        for options in ({}, {"last_in_memory": True}, {"layout": "N*C"}):
            x, layout = images(rank, dtype, **options), {"layout": options.get("layout")}
            y = CHANGES[name](x, 0, **layout)
            assert y.dtype == dtype and y.ndim == x.ndim and len(y) == len(x)
            assert np.argsort(y.strides).tolist() == np.argsort(x.strides).tolist()
            np.testing.assert_array_equal(y, CHANGES[name](nd.astensor(x), 0, **layout))
            assert len(CHANGES[name](x[:0], 0, **layout)) == 0
    first = images(rank, np.float32)[:1].repeat(20, 0)  # the same example many times: each is changed in its own way
    assert len(np.unique(CHANGES[name](first, 0).reshape(20, -1), axis=0)) > 1


def test_channels_first_and_last_give_the_same():
    x = images(3, np.float32)
    for change in (augment.flip, CHANGES["crop"], CHANGES["shift"]):
        np.testing.assert_array_equal(np.moveaxis(change(x, 3), 1, -1), change(np.moveaxis(x, 1, -1), 3, layout="N*C"))


def test_flip_mirrors_the_chosen_axes_of_some():
    x = images(2, np.float32, count=200)
    np.testing.assert_array_equal(augment.flip(x, 0, (0, 1), p=1), x[:, :, ::-1, ::-1])
    np.testing.assert_array_equal(augment.flip(x, 0, p=0), x)
    y = augment.flip(x, 0, 0, p=0.3)
    mirrored = (y == x[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored | (y == x).all((1, 2, 3))).all() and 0.2 < mirrored.mean() < 0.4


@pytest.mark.parametrize("mode", augment.NUMPYS)
def test_crops_are_windows_of_the_padded_array_at_every_place(mode):
    x = np.arange(400 * 20.0).reshape(400, 1, 4, 5)
    y = augment.crop(x, 1, (3, 4), padding=(0, 2), padding_mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0)] * 3 + [(2, 2)], augment.NUMPYS[mode]), (3, 4), (2, 3))
    found = (windows == y[:, :, None, None]).all((1, 4, 5))  # (400, 2, 6) places
    assert found.any((1, 2)).all() and found.any(0).all()


def test_shift_moves_by_no_more_than_most():
    x = np.zeros((300, 1, 9))
    x[:, :, 4] = 1
    assert set(augment.shift(x, 0, 2).argmax(2).ravel()) == {2, 3, 4, 5, 6}
    assert set(augment.shift(x, 0, 5, padding_mode="circular").sum((1, 2))) == {1.0}


def test_what_is_added_and_multiplied():
    x = images(2, np.float32)
    z = augment.noise(np.zeros((20, 1, 40, 40), np.float32), 0, 0.5)
    assert abs(z.std() - 0.5) < 0.01 and abs(z.mean()) < 0.01
    b = augment.brightness(x, 0, 20) - x
    assert (np.ptp(b, (1, 2, 3)) < 1e-4).all() and 10 < abs(b).max() <= 20
    c = augment.contrast(x, 0, 0.5)
    np.testing.assert_allclose(c.mean((1, 2, 3)), x.mean((1, 2, 3)), rtol=1e-5)
    ratio = c.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.5 <= ratio.min() < 0.8 and 1.2 < ratio.max() <= 1.5


def test_integers_stay_within_their_range():
    x = np.array([[[0, 127, 255]]], np.uint8).repeat(50, 0)
    y = augment.noise(x, 0, 100).astype(int)
    assert y[:, 0, 0].min() == 0 and y[:, 0, 0].max() > 100 and y[:, 0, 2].max() == 255 and y[:, 0, 2].min() < 155
    z = augment.brightness(np.full((50, 1, 3), 2**31 - 1, np.int32), 0, 1e6)  # which no float32 is
    assert z.dtype == np.int32 and (z > 2**31 - 2e6).all()


def test_generators_in_one_state_change_an_image_and_its_mask_alike():
    x, rng = images(2, np.float32), np.random.default_rng(0)
    vary = augment.compose(augment.flip, lambda x, rng: augment.crop(x, rng, 3))
    twin = copy.deepcopy(rng)
    np.testing.assert_array_equal(vary(x, rng) > 100, vary(x > 100, twin))
    assert rng.random() == twin.random()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.crop(x, 0, 9), r"\(9, 9\) does not fit into x \(12, 2, 5, 6\)"),
        (lambda x: augment.crop(x, 0, (1, 2, 3)), "3 entries for 2 spatial axes"),
        (lambda x: augment.crop(x, 0, 3, padding=-1), r"padding \(-1, -1\)"),
        (lambda x: augment.crop(x, 0, 3, padding_mode="edge"), "replicate"),
        (lambda x: augment.shift(x, 0, -1), "augment.shift: most=-1 must not be negative"),
        (lambda x: augment.flip(x, 0, 2), "no spatial axis 2"),
        (lambda x: augment.flip(x, 0, p=1.5), "1.5"),
        (lambda x: augment.brightness(x, 0, -1), "augment.brightness: most=-1 must be at least 0"),
        (lambda x: augment.flip(x[:, :, 0, 0], 0), r"\(12, 2\)"),
        (lambda x: augment.flip(x, 0, layout="NHWC"), "layout"),
    ],
)
def test_errors_say_what_came(call, message):
    with pytest.raises(ValueError, match=message):
        call(images(2, np.float32))
