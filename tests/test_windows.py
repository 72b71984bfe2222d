"""Columns and pixels at every rank: unfold and fold, each other's transpose; pixel shuffling, a permutation."""

from itertools import product

import numpy as np
import pytest
from in_turn import in_turn
from loops import indices, out_size
from peers import equal_torch

import tinygrad_nd as nd
from tinygrad_nd import nn

CASES = {  # n, k, dilation, padding, stride
    "rank 0": ((), (), (), (), ()),
    "rank 1": ((7,), (3,), (1,), ((0, 0),), (1,)),
    "rank 1, all": ((9,), (3,), (2,), ((2, 1),), (2,)),
    "rank 1, stride beyond the kernel": ((9,), (2,), (1,), ((0, 0),), (4,)),
    "rank 2": ((5, 6), (2, 3), (1, 1), ((1, 1), (0, 2)), (2, 1)),
    "rank 2, padding beyond the kernel": ((3, 2), (2, 2), (1, 1), ((3, 2), (2, 4)), (2, 3)),
    "rank 2, cropped": ((6, 5), (2, 2), (2, 1), ((-1, 0), (1, -2)), (1, 2)),
    "rank 3": ((4, 3, 5), (2, 1, 3), (1, 2, 2), ((0, 1), (1, 0), (0, 0)), (2, 2, 1)),
    "rank 4": ((3, 2, 3, 2), (2, 2, 1, 2), (1, 1, 1, 1), ((0, 1), (0, 0), (1, 0), (0, 0)), (2, 1, 2, 1)),
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def how(case):
    _, k, dilation, padding, stride = CASES[case]
    return {"kernel_size": k, "dilation": dilation, "padding": padding, "stride": stride}


def columns(x, case):
    """One entry after another: channel and tap down, windows across."""
    n, k, dilation, padding, stride = CASES[case]
    o = out_size(n, k, stride, padding, dilation)
    found = np.zeros((*x.shape[:2], *k, *o))
    for b, c, *rest in indices(*found.shape):
        t, j = rest[: len(k)], rest[len(k) :]
        i = tuple(jj * s + tt * d - a for jj, s, tt, d, (a, _) in zip(j, stride, t, dilation, padding))
        if all(0 <= p < m for p, m in zip(i, n)):
            found[(b, c, *rest)] = x[(b, c, *i)]
    return found.reshape(x.shape[0], x.shape[1] * int(np.prod(k)), int(np.prod(o)))


@pytest.mark.parametrize("case", CASES)
def test_unfold_equals_the_loops(case):
    x = draw(2, 3, *CASES[case][0])
    np.testing.assert_array_equal(nd.unfold_nd(x, **how(case)).data, columns(x, case))


@pytest.mark.parametrize("case", CASES)
def test_fold_is_the_transpose_of_unfold(case):
    n = CASES[case][0]
    x = draw(2, 3, *n)
    there = nd.unfold_nd(x, **how(case))
    c = draw(*there.shape, seed=1)
    back = nd.fold_nd(c, n, **how(case))
    assert back.shape == x.shape
    assert np.vdot(there.data, c) == pytest.approx(np.vdot(x, back.data), rel=1e-12)
    t, u = nd.tensor(x, requires_grad=True), nd.tensor(c, requires_grad=True)
    nd.unfold_nd(t, **how(case)).backward(c)
    nd.fold_nd(u, n, **how(case)).backward(x)
    np.testing.assert_array_equal(t.grad.data, back.data)
    np.testing.assert_array_equal(u.grad.data, there.data)


@pytest.mark.parametrize("case", [c for c in CASES if c != "rank 0"])
def test_one_image_without_a_batch_and_channels_last(case):
    n = CASES[case][0]
    x = draw(2, 3, *n)
    there = nd.unfold_nd(x, **how(case)).data
    np.testing.assert_array_equal(nd.unfold_nd(x[0], **how(case)).data, there[0])
    np.testing.assert_array_equal(nd.fold_nd(there[0], n, **how(case)).data, nd.fold_nd(there, n, **how(case)).data[0])
    last = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(nd.unfold_nd(last, **how(case), layout="N*C").data, there.swapaxes(1, 2))
    back = nd.fold_nd(there.swapaxes(1, 2), n, **how(case), layout="N*C").data
    np.testing.assert_array_equal(back, np.moveaxis(nd.fold_nd(there, n, **how(case)).data, 1, -1))


def test_a_convolution_is_a_product_with_columns():
    x, w = draw(2, 3, 6, 5), draw(4, 3, 3, 2)
    y = w.reshape(4, -1) @ nd.unfold_nd(x, (3, 2), 1, 1, 2)
    np.testing.assert_allclose(y.data.reshape(2, 4, 3, 3), nd.conv_nd(x, w, None, 2, 1).data, atol=1e-12)


def test_folding_halves_adds_in_single():
    ones = np.ones((1, 4096, 1), np.float16)
    many = np.concatenate([ones] * 5, -1).reshape(1, 4096, 5)
    assert nd.fold_nd(many, (4100,), 4096).data[0, 0, 4] == 5
    assert nd.fold_nd(np.full((1, 3, 3000), 0.1, np.float16), (3002,), 3).dtype == np.float16


@in_turn(
    "call, message",
    [
        (lambda: nd.unfold_nd(np.zeros((2, 3, 4)), (2, 2, 2, 2)), "speaks of 4 spatial axes"),
        (lambda: nd.unfold_nd(np.zeros((2, 3, 4)), 5), r"kernel 5 does not fit the input 4"),
        (lambda: nd.unfold_nd(np.zeros((2, 8, 8, 3)), 5), r"looks channels-last: pass layout='N\*C'"),
        (lambda: nd.unfold_nd(np.zeros((2, 3, 4, 4)), 2, padding=[1, 1, 0, 0]), r"probably (meant )?padding=\(\(1, 1\), \(0, 0\)\)"),
        (lambda: nd.unfold_nd(np.zeros((5, 2, 3, 4)), (2,)), r"needs x \(N, C, \*n\)"),
        (lambda: nd.fold_nd(np.zeros((1, 4, 9)), 4, 2), "does not tell the rank"),
        (lambda: nd.fold_nd(np.zeros((1, 4, 8)), (4, 4), 2), "has 9 windows"),
        (lambda: nd.fold_nd(np.zeros((1, 5, 9)), (4, 4), 2), "no whole number of windows"),
        (lambda: nd.fold_nd(np.zeros((1, 4, 9, 1)), (4, 4), 2), "must be columns"),
        (lambda: nd.pixel_shuffle_nd(np.zeros((1, 6, 2, 2)), 2), "6 channels are no whole number of blocks"),
        (lambda: nd.pixel_shuffle_nd(np.zeros((1, 3, 3, 4)), 2), "looks channels-last"),
        (lambda: nd.pixel_unshuffle_nd(np.zeros((1, 1, 3, 4)), 2), "does not divide into blocks"),
        (lambda: nd.pixel_shuffle_nd(np.zeros((1, 4, 2, 2)), 0), "at least 1"),
    ],
)
def test_what_does_not_fit_is_said_with_numbers(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", [2.0, "2", True, (2.0, 2)])
def test_sizes_are_ints(bad):
    with pytest.raises(TypeError, match="takes ints"):
        nd.unfold_nd(np.zeros((1, 1, 4, 4)), bad)
    with pytest.raises(TypeError, match="takes ints"):
        nd.pixel_unshuffle_nd(np.zeros((1, 1, 4, 4)), bad)


# ---- pixels


@pytest.mark.parametrize(
    "n, f", [((), ()), ((3,), (2,)), ((2, 3), (2, 2)), ((2, 3), (3, 1)), ((2, 1, 2), (2, 3, 1)), ((1, 2, 1, 2), (2,) * 4)]
)
def test_shuffling_pixels_equals_the_loops_and_unshuffling_undoes_it(n, f):
    x = draw(2, 3 * int(np.prod(f)), *n)
    expected = np.zeros((2, 3, *(m * s for m, s in zip(n, f))))
    for b, c, *i in indices(*expected.shape):
        channel = int(np.ravel_multi_index([p % s for p, s in zip(i, f)], f)) if f else 0
        expected[(b, c, *i)] = x[(b, c * int(np.prod(f)) + channel, *(p // s for p, s in zip(i, f)))]
    y = nd.pixel_shuffle_nd(x, f)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(nd.pixel_unshuffle_nd(y, f).data, x)
    last = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(nd.pixel_shuffle_nd(last, f, layout="N*C").data, np.moveaxis(expected, 1, -1))
    np.testing.assert_array_equal(nd.pixel_unshuffle_nd(np.moveaxis(expected, 1, -1), f, layout="N*C").data, last)


@pytest.mark.peer("unfold, fold and pixel shuffling", "torch", ranks=(2,), order=2)
def test_columns_and_pixels_are_pytorchs(torch):
    F = torch.nn.functional
    x = draw(2, 3, 9, 7)
    for k, d, p, s in product((1, 2, (3, 2)), (1, 2), (0, (2, 1)), (1, (1, 3))):
        equal_torch(lambda x: nd.unfold_nd(x, k, d, p, s) ** 2, lambda x: F.unfold(x, k, d, p, s) ** 2, [x])  # noqa: B023
        columns = F.unfold(torch.tensor(x), k, d, p, s).numpy()
        equal_torch(lambda c: nd.fold_nd(c, (9, 7), k, d, p, s) ** 2, lambda c: F.fold(c, (9, 7), k, d, p, s) ** 2, [columns])  # noqa: B023
    x = draw(2, 12, 6, 4)
    equal_torch(lambda x: nd.pixel_shuffle_nd(x, 2) ** 2, lambda x: F.pixel_shuffle(x, 2) ** 2, [x])
    equal_torch(lambda x: nd.pixel_unshuffle_nd(x, 2) ** 2, lambda x: F.pixel_unshuffle(x, 2) ** 2, [x])


# ---- layers


def test_layers_are_the_functions_with_their_arguments_kept():
    x = draw(2, 4, 6, 8)
    for layer, expected in [
        (nn.LPPool(2, 3, 2, True), nd.lp_pool_nd(x, 2, 3, 2, True)),
        (nn.AdaptiveAvgPool((3, None)), nd.adaptive_avg_pool_nd(x, (3, 8))),
        (nn.AdaptiveMaxPool(5), nd.adaptive_max_pool_nd(x, 5)),
        (nn.GlobalAvgPool(), x.mean((2, 3), keepdims=True)),
        (nn.GlobalMaxPool(layout="N*C"), x.max((1, 2), keepdims=True)),
        (nn.Unfold(2, padding=1), nd.unfold_nd(x, 2, padding=1)),
        (nn.Sequential(nn.Unfold((2, 2), stride=2), nn.Fold((6, 8), 2, stride=2)), x),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nd.interpolate(x, (12, 16), mode="linear", align_corners=True)),
        (nn.Upsample(5), nd.interpolate(x, 5)),
        (nn.Sequential(nn.PixelUnshuffle((2, 4)), nn.PixelShuffle((2, 4))), x),
    ]:
        np.testing.assert_allclose(layer(x).data, np.asarray(expected), atol=1e-12)


def test_a_pool_and_its_unpooling_as_layers():
    x = draw(1, 2, 5, 6)
    y, indices = nn.MaxPool(2, return_indices=True)(x)
    back = nn.MaxUnpool(2)(y, indices, x.shape[2:])
    np.testing.assert_array_equal(back.data, np.where(np.isin(x, y.data), x, 0))
    with pytest.raises(TypeError, match="Upsample"):
        nn.Upsample(size=3, factor=2)


def test_layers_show_how_they_were_made():
    assert repr(nn.MaxPool(2, padding=1)).startswith("MaxPool(2, padding=1)")
    assert repr(nn.Upsample(scale_factor=2, mode="linear")).startswith("Upsample(scale_factor=2, mode='linear')")
