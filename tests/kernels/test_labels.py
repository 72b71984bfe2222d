"""Losses of labels, places and samples: NumPy kernels and compiled loops against plain float64."""

import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

import tinygrad_nd as nd
from tinygrad_nd.kernels import labels, places, resample, taps, unfold

RNG = np.random.default_rng(6)


@pytest.mark.parametrize("order", ["C", "last"])
@in_turn("shape", [(3000, 7), (37, 130), (3, 5, 29, 31), (2, 21, 700), (40, 3, 5), (32, 10), (300, 4, 17)])
def test_losses_of_labels(shape, order, engine):
    x, classes = lying(RNG.standard_normal(shape).astype(np.float32) * 9, order), shape[1]
    at = RNG.integers(0, classes, (shape[0], 1, *shape[2:]))
    at[0] = 999  # ignored
    x[1] *= 30  # labels far below the largest score
    weights = RNG.random((2, classes)).astype(np.float32)
    wide = x.astype(np.float64)
    logs = wide - wide.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    along = (-1, *(1,) * (len(shape) - 2))
    hot = np.arange(classes).reshape(along) == at
    p = (hot * weights[0].reshape(along) + weights[1].reshape(along)) * (at != 999)
    g = RNG.standard_normal(at.shape).astype(np.float32)
    rows, slope = labels.loss(x, at, weights, 1, 999, None)
    for got, expected in (
        (rows, -(p * logs).sum(1)),
        (slope, np.exp(logs) * p.sum(1, keepdims=True) - p),
        (labels.loss(x, at, weights, 1, 999, 0.5)[1], 0.5 * slope),
        (labels.picked(x, at, weights, 1, 999), -(hot * weights[0].reshape(along) * wide).sum(1, keepdims=True)),
        (labels.put(g, x, at, weights, 1, 999), hot * -weights[0].reshape(along) * g),
        (labels.picked_and_slope(x, at, weights, 1, 999, 0.5)[0], -0.5 * (hot * weights[0].reshape(along) * wide).sum()),
        (labels.picked_and_slope(x, at, weights, 1, 999, 0.5)[1], hot * -weights[0].reshape(along) * np.float32(0.5)),
    ):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("shape, dtype", [((40, 30), np.float32), ((700, 100), np.float64)])
@pytest.mark.parametrize("p", [1, 2])
def test_margins_of_labels(shape, dtype, p, engine):
    x, at = RNG.standard_normal(shape).astype(dtype), RNG.integers(-1, 9, (shape[0], 3))
    rows, slope = labels.margins(x, at, 0.7, p, None)
    for r in range(0, shape[0], 13):
        own = [j for j in at[r] if j >= 0]
        others = ~np.isin(np.arange(shape[1]), own)
        short = [np.maximum(0.7 - float(x[r, j]) + x[r].astype(np.float64), 0) * others for j in own]
        steps = [(s > 0).astype(float) if p == 1 else 2 * s for s in short]
        expected = np.sum(steps, 0) if own else np.zeros(shape[1])
        for j, s in zip(own, steps):
            expected[j] -= s.sum()
        np.testing.assert_allclose(slope[r], expected / shape[1], rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(rows[r], np.sum(np.power(short, p)) / shape[1], rtol=2e-5)
    np.testing.assert_allclose(labels.margins(x, at, 0.7, p, 0.5)[1], slope / 2, rtol=1e-6)


@pytest.mark.parametrize("top", [1e4, -1e4])
def test_a_sure_prediction_keeps_its_small_loss(top, engine):
    x = np.full((300, 17), top, np.float32)
    x[:, 3] += 16
    loss = nd.cross_entropy(nd.tensor(x), np.full(300, 3), reduction="none").data
    np.testing.assert_allclose(loss, np.log1p(16 * np.exp(-16.0)), atol=2e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "last"])
@in_turn("shape, rank", [((9, 5, 40, 50), 2), ((9, 40, 5, 7, 11), 3), ((30, 19, 7, 7), 2), ((20, 1000), 1), ((4, 9, 900), 1)])
def test_places_of_the_largest(shape, rank, order, dtype, engine):
    x = RNG.integers(0, 50 if rank > 1 else 1 << 20, shape).astype(dtype)  # where few are equal and none is NaN, few are searched
    if rank > 1:
        x.flat[5], x.flat[-3] = np.nan, -np.nan
    x = lying(x, order)
    lead = shape[: len(shape) - rank]
    at = places.largest(x, rank)
    expected = np.ascontiguousarray(x).reshape(*lead, -1).argmax(-1)
    np.testing.assert_array_equal(at.reshape(lead), expected)
    np.testing.assert_array_equal(places.take(x, at, rank), x.max(tuple(range(-rank, 0)), keepdims=True))
    y = places.put(np.ones(at.shape, dtype), at, shape, rank)
    assert y.sum() == at.size
    assert np.take_along_axis(np.ascontiguousarray(y).reshape(*lead, -1), expected[..., None], -1).all()


@pytest.mark.parametrize("order", ["C", "last"])
def test_values_put_at_places_are_found_there(order, engine):
    x = lying(RNG.standard_normal((12, 9, 20, 24)).astype(np.float32), order)
    values, at = nd.max_pool_nd(x, 2, return_indices=True)
    y = places.put(values.data, at.data, x.shape, 2)
    np.testing.assert_array_equal(places.take(y, at.data, 2), values.data)
    assert np.count_nonzero(y) == values.size
    twice = at.data.copy()
    twice[3, 2, 1, 1] = twice[3, 2, 5, 7]
    assert places.checked(at.data, 480, 2) == (True, True)
    assert places.checked(twice, 480, 2) == (True, False)
    assert not places.checked(at.data, at.data.max(), 2)[0] and not places.checked(at.data - 1, 480, 2)[0]


@pytest.mark.parametrize("kind", [taps.linear, taps.cubic])
@pytest.mark.parametrize("order", ["C", "last"])
@in_turn(
    "shape, out", [((2, 9, 13, 17), (20, 11)), ((2, 3, 31, 29), (7, 64)), ((1, 12, 5, 7, 9), (8, 7, 3)), ((3, 1, 900), (413,))]
)
def test_sampling_all_axes_is_sampling_one_after_another(shape, out, kind, order, engine):
    x = lying(RNG.standard_normal(shape), order)
    along = tuple(kind(n, o, n / o, False) for n, o in zip(shape[2:], out))
    expected = x
    for axis, t in enumerate(along, 2):
        matrix = np.zeros((t.out, t.size))
        for index, weight in zip(t.index, t.weight):
            matrix[np.arange(t.out), index] += weight
        expected = np.moveaxis(np.tensordot(matrix, expected, (1, axis)), 0, axis)
    np.testing.assert_allclose(resample.sampled(x, along), expected, atol=1e-12)
    g = RNG.standard_normal(expected.shape)
    back = resample.sampled(g, tuple(t.transposed for t in along))
    np.testing.assert_allclose((back * x).sum(), (expected * g).sum())


@pytest.mark.parametrize("order", ["C", "last"])
def test_large_blocks_of_pixels_are_channels_and_back(order):
    x = lying(RNG.standard_normal((2, 90, 60, 55)).astype(np.float32), order)
    y = unfold.shuffle(x, (2, 3))
    apart = x.reshape(2, 15, 2, 3, 60, 55).transpose(0, 1, 4, 2, 5, 3)
    np.testing.assert_array_equal(y, apart.reshape(2, 15, 120, 165))
    np.testing.assert_array_equal(unfold.unshuffle(y, (2, 3)), x)
