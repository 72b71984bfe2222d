"""Pooling at every rank, held against plain loops."""

import loops
import numpy as np
import pytest
from in_turn import in_turn
from orders import lying
from peers import equal_jax, equal_torch

import tinygrad_nd as nd
from tinygrad_nd.kernels import memory

CASES = {  # n, k, stride, padding, dilation, ceil_mode
    "rank 0": ((), (), (), (), (), False),
    "rank 1": ((9,), (3,), (3,), ((0, 0),), (1,), False),
    "rank 1, overlapping": ((9,), (3,), (1,), ((1, 1),), (1,), False),
    "rank 1, ceil": ((8,), (3,), (2,), ((1, 1),), (1,), True),
    "rank 1, a window that would start in the padding": ((4,), (2,), (3,), ((0, 2),), (1,), True),
    "rank 1, point kernel strided, ceil": ((2,), (1,), (2,), ((0, 0),), (1,), True),
    "rank 2": ((6, 5), (2, 3), (2, 1), ((0, 0), (0, 0)), (1, 1), False),
    "rank 2, stride > kernel": ((9, 8), (2, 1), (4, 3), ((0, 0), (0, 0)), (1, 1), False),
    "rank 2, one-sided padding": ((5, 6), (3, 2), (2, 2), ((2, 0), (0, 1)), (1, 1), False),
    "rank 2, padding over half the kernel": ((4, 4), (2, 3), (1, 2), ((2, 1), (2, 2)), (1, 1), False),
    "rank 2, dilated": ((8, 7), (3, 2), (1, 2), ((1, 1), (0, 2)), (2, 3), False),
    "rank 2, dilated, ceil": ((8, 7), (2, 2), (3, 2), ((0, 1), (1, 0)), (2, 3), True),
    "rank 2, no window over half meets an entry": ((7, 1), (2, 3), (2, 3), ((0, 0), (1, 1)), (2, 2), True),
    "rank 2, ceil": ((7, 6), (3, 2), (3, 4), ((1, 0), (0, 0)), (1, 1), True),
    "rank 2, whole": ((4, 3), (4, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), False),
    "rank 3": ((4, 5, 3), (2, 2, 3), (2, 1, 1), ((0, 1), (1, 0), (1, 1)), (1, 1, 1), False),
    "rank 4": ((3, 4, 2, 3), (2, 2, 1, 2), (1, 2, 1, 1), ((0, 0), (1, 1), (0, 0), (0, 1)), (1, 1, 1, 2), True),
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def means(x, case, divisor):
    found = loops.windows(*CASES[case])
    return loops.over_windows(lambda v, _, places, padded: (v.sum(1) / divisor(len(places), padded),), x, CASES[case][0], found)


def how(case):
    _, k, stride, padding, dilation, ceil_mode = CASES[case]
    return {"kernel_size": k, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}


# ---- max


@pytest.mark.parametrize("values", ["distinct", "tied"])
@in_turn("case", CASES)
def test_max_pool_and_its_indices_equal_the_loops(case, values):
    x = draw(2, 3, *CASES[case][0])
    x = np.round(x) if values == "tied" else x
    expected, _, places = loops.max_pool(x, CASES[case][0], loops.windows(*CASES[case]))
    y, indices = nd.max_pool_nd(x, **how(case), return_indices=True)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(indices.data, places)
    assert indices.dtype == np.int64 and not indices.requires_grad
    np.testing.assert_array_equal(nd.max_pool_nd(x, **how(case)).data, expected)


@pytest.mark.parametrize("values", ["distinct", "tied"])
@in_turn("case", CASES)
def test_max_pool_sends_gradients_to_the_first_maximum(case, values):
    x = draw(2, 3, *CASES[case][0])
    x = np.round(x) if values == "tied" else x
    expected, _, places = loops.max_pool(x, CASES[case][0], loops.windows(*CASES[case]))
    g = draw(*expected.shape, seed=1)
    t = nd.tensor(x, requires_grad=True)
    nd.max_pool_nd(t, **how(case)).backward(g)
    np.testing.assert_allclose(t.grad.data, loops.max_pool_backward(g, places, CASES[case][0]), atol=1e-14)


@in_turn("case", [c for c in CASES if "over half" not in c])
def test_max_pool_derivatives_meet_differences(case):
    x = np.random.default_rng(0).permutation(2 * int(np.prod(CASES[case][0]))).reshape(1, 2, *CASES[case][0]) * 0.1
    nd.testing.check_grads(lambda x: nd.max_pool_nd(x, **how(case)) ** 2, [x], order=2)


def test_max_pool_pads_with_minus_infinity():
    x = -np.ones((1, 1, 3))
    np.testing.assert_array_equal(nd.max_pool_nd(x, 3, 1, 1).data, -np.ones((1, 1, 3)))


def test_a_nan_in_a_window_is_its_maximum_and_gets_the_gradient():
    x = np.array([[[1.0, np.nan, 3.0, 2.0]]])
    t = nd.tensor(x, requires_grad=True)
    y, indices = nd.max_pool_nd(t, 2, return_indices=True)
    np.testing.assert_array_equal(y.data, [[[np.nan, 3]]])
    np.testing.assert_array_equal(indices.data, [[[1, 2]]])
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(t.grad.data, [[[0, 1, 1, 0]]])


def test_all_minus_infinity_picks_a_place_within_the_image():
    y, indices = nd.max_pool_nd(np.full((1, 1, 4), -np.inf), 2, 2, 1, return_indices=True)
    assert np.isneginf(y.data).all()
    np.testing.assert_array_equal(indices.data, [[[0, 1, 3]]])


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float16, np.float32])
def test_max_pool_keeps_every_dtype(dtype):
    x = (np.arange(12).reshape(1, 1, 3, 4) % 7).astype(dtype)
    y = nd.max_pool_nd(x, 2, 1, 1)
    assert y.dtype == dtype
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0)
    np.testing.assert_array_equal(y.data[0, 0], [[padded[0, 0, i : i + 2, j : j + 2].max() for j in range(5)] for i in range(4)])


# ---- average


@pytest.mark.parametrize("include", [True, False])
@in_turn("case", [c for c in CASES if "over half" not in c])
def test_avg_pool_equals_the_loops(case, include):
    x = draw(2, 3, *CASES[case][0])
    expected = means(x, case, (lambda inside, padded: padded) if include else (lambda inside, padded: inside))
    np.testing.assert_allclose(nd.avg_pool_nd(x, **how(case), count_include_pad=include).data, expected, atol=1e-12)


@in_turn("case", [c for c in CASES if "over half" not in c])
def test_a_divisor_may_be_given(case):
    x = draw(2, 3, *CASES[case][0])
    expected = means(x, case, lambda inside, padded: 2.5)
    np.testing.assert_allclose(nd.avg_pool_nd(x, **how(case), divisor_override=2.5).data, expected, atol=1e-12)


@pytest.mark.parametrize("include", [True, False])
@in_turn("case", [c for c in CASES if "over half" not in c])
def test_avg_pool_is_linear_and_its_derivatives_meet_differences(case, include):
    x = draw(1, 2, *CASES[case][0])
    nd.testing.check_grads(lambda x: nd.avg_pool_nd(x, **how(case), count_include_pad=include) ** 2, [x], order=2)
    f = lambda t: nd.avg_pool_nd(t, **how(case), count_include_pad=include)
    x = draw(2, 2, *CASES[case][0])
    t = nd.tensor(x, requires_grad=True)
    y = f(t)
    g = draw(*y.shape, seed=2)
    y.backward(g)
    np.testing.assert_allclose((y.data * g).sum(), (x * t.grad.data).sum(), rtol=1e-10)


def test_a_window_of_padding_alone_is_zero_not_nan():
    y = nd.avg_pool_nd(np.ones((1, 1, 3)), 2, 1, 2, count_include_pad=False)
    np.testing.assert_array_equal(y.data, [[[0, 1, 1, 1, 1, 0]]])


def test_the_overhang_of_ceil_mode_is_not_counted():
    x = np.ones((1, 1, 4))
    np.testing.assert_allclose(nd.avg_pool_nd(x, 3, 2, ceil_mode=True).data, [[[1, 1]]])
    np.testing.assert_allclose(nd.avg_pool_nd(x, 3, 2, 1, ceil_mode=True).data, [[[2 / 3, 1, 0.5]]])


def test_avg_pool_keeps_float32_and_makes_floats_of_integers():
    assert nd.avg_pool_nd(np.ones((1, 1, 4), np.float32), 2).dtype == np.float32
    t = nd.tensor(np.ones((1, 1, 4), np.float32), requires_grad=True)
    nd.avg_pool_nd(t, 3, 2, 1, count_include_pad=False).sum().backward()
    assert t.grad.dtype == np.float32
    np.testing.assert_array_equal(nd.avg_pool_nd(np.arange(4)[None, None], 2).data, [[[0.5, 2.5]]])


def test_complex_values_are_averaged():
    x = draw(1, 1, 6) + 1j * draw(1, 1, 6, seed=1)
    np.testing.assert_allclose(nd.avg_pool_nd(x, 2).data, x.reshape(1, 1, 3, 2).mean(-1))


# ---- both

POOLS = [nd.max_pool_nd, nd.avg_pool_nd]


@pytest.mark.parametrize("pool", POOLS)
def test_a_tuple_pools_the_last_axes_whatever_leads(pool):
    x = draw(2, 3, 4, 6, 8)
    whole = pool(x, (2, 3)).data
    assert whole.shape == (2, 3, 4, 3, 2)
    for lead in (x[0, 0, 0], x[0, 0], x[0]):
        np.testing.assert_allclose(pool(lead, (2, 3)).data, whole[(0,) * (5 - lead.ndim)])
    np.testing.assert_allclose(pool(x, (1, 2, 3)).data, whole)


@pytest.mark.parametrize("pool", POOLS)
def test_an_int_pools_all_axes_after_channels(pool):
    x = draw(2, 3, 4, 6)
    np.testing.assert_array_equal(pool(x, 2).data, pool(x, (2, 2)).data)
    assert pool(x, 2).shape == (2, 3, 2, 3) and pool(x[..., 0], 2).shape == (2, 3, 2)
    np.testing.assert_array_equal(pool(x[..., 0, 0], 7).data, x[..., 0, 0])  # nothing after the channels


@pytest.mark.parametrize("pool", POOLS)
def test_stride_none_is_the_kernel(pool):
    x = draw(1, 1, 7, 9)
    np.testing.assert_array_equal(pool(x, (2, 3)).data, pool(x, (2, 3), (2, 3)).data)


@pytest.mark.parametrize("pool", POOLS)
def test_channels_last_gives_the_same_values(pool):
    x = draw(2, 3, 7, 6)
    y = pool(x, (3, 2), 2, 1).data
    np.testing.assert_array_equal(pool(np.moveaxis(x, 1, -1), (3, 2), 2, 1, layout="N*C").data, np.moveaxis(y, 1, -1))
    t = nd.tensor(np.moveaxis(x, 1, -1), requires_grad=True)
    s = nd.tensor(x, requires_grad=True)
    (pool(t, 3, 2, 1, layout="N*C") ** 2).sum().backward()
    (pool(s, 3, 2, 1) ** 2).sum().backward()
    np.testing.assert_allclose(t.grad.data, np.moveaxis(s.grad.data, 1, -1))


@pytest.mark.parametrize("pool", POOLS)
def test_memory_order_does_not_matter(pool):
    x = draw(2, 3, 7, 6)
    y = pool(x, 3, 2, 1).data
    for same in (lying(x, order) for order in ("F", "last", "reversed")):
        np.testing.assert_allclose(pool(same, 3, 2, 1).data, y)
    np.testing.assert_allclose(pool(np.broadcast_to(x[:1, :1], x.shape), 2).data, pool(np.tile(x[:1, :1], (2, 3, 1, 1)), 2).data)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    "padding, meant", [("valid", 0), ("same", ((0, 1), (1, 1))), ("same_lower", ((1, 0), (1, 1))), ("full", ((1, 1), (2, 2)))]
)
def test_words_of_padding(pool, padding, meant):
    x = draw(1, 2, 5, 6)
    np.testing.assert_array_equal(pool(x, (2, 3), 1, padding).data, pool(x, (2, 3), 1, meant).data)


@pytest.mark.parametrize("pool", POOLS)
def test_rank_r_is_rank_r_plus_1_with_size_1(pool):
    x = draw(2, 3, 7)
    y = pool(x, (3,), 2, 1).data
    np.testing.assert_allclose(pool(x[..., None], (3, 1), (2, 1), (1, 0)).data, y[..., None])
    np.testing.assert_allclose(pool(x[:, :, None], (1, 3), (1, 2), (0, 1)).data, y[:, :, None])


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4)])
def test_empty_batches_give_empty_results_and_gradients(pool, shape):
    x = nd.zeros(shape, requires_grad=True)
    y = pool(x, 2)
    assert y.shape == (*shape[:2], 2, 2)
    y.sum().backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("pool", POOLS)
def test_pooling_by_one_is_the_identity(pool):
    x = draw(2, 3, 4, 5)
    np.testing.assert_array_equal(pool(x, 1).data, x)


def test_avg_pool_is_a_convolution_with_a_constant_kernel():
    x = draw(2, 3, 7, 8)
    w = np.full((3, 1, 3, 2), 1 / 6)
    np.testing.assert_allclose(nd.avg_pool_nd(x, (3, 2), 2, 1).data, nd.conv_nd(x, w, None, 2, 1, groups=3).data, atol=1e-14)


def test_max_pool_of_max_pool_is_max_pool_of_the_product():
    x = draw(1, 2, 12, 12)
    np.testing.assert_array_equal(nd.max_pool_nd(nd.max_pool_nd(x, 2), (3, 2)).data, nd.max_pool_nd(x, (6, 4)).data)


def test_means_of_halves_are_summed_in_single():
    x = np.full((1, 1, 8), 3e4, np.float16)
    for mean in (nd.avg_pool_nd(x, 8), nd.avg_pool_nd(x, 5, 3, 1, True), nd.adaptive_avg_pool_nd(x, 3), nd.global_avg_pool(x)):
        assert mean.dtype == np.float16
        np.testing.assert_allclose(mean.data[..., 1:-1], x.flat[0])
    np.testing.assert_allclose(nd.lp_pool_nd(np.full((1, 1, 4), 300, np.float16), 2, 4).data, 600)


# ---- p-norms


@pytest.mark.parametrize("p", [1, 2, 3, 2.5, 0.5, np.inf])
@in_turn("case", [c for c in CASES if "over half" not in c])
def test_lp_pool_equals_the_loops(case, p):
    n, k, *_ = CASES[case]
    x = draw(2, 3, *n)

    def norm(v, _, places, padded):
        share = np.prod(k, dtype=int) / max(padded, 1)  # what overhangs is as large as what is there
        return (abs(v).max(1) if p == np.inf else ((abs(v) ** p).sum(1) * share) ** (1 / p),)

    expected = loops.over_windows(norm, x, n, loops.windows(*CASES[case]))
    np.testing.assert_allclose(nd.lp_pool_nd(x, p, **how(case)).data, expected, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3, 0.5, np.inf])
def test_a_window_of_zeros_has_no_slope(p):
    x = nd.tensor(np.array([[[0.0, 0, 3, 0]]]), requires_grad=True)
    y = nd.lp_pool_nd(x, p, 2)
    (g,) = nd.gradients(y.sum(), [x], create_graph=True)
    assert np.isfinite(g.data).all() and not g.data[0, 0, [0, 1, 3]].any() and g.data[0, 0, 2] == pytest.approx(1)
    (h,) = nd.gradients((g * g).sum() + y.sum(), [x])
    assert np.isfinite(h.data).all()


@pytest.mark.parametrize("p, error", [(0, ValueError), (-1, ValueError), (np.nan, ValueError), ("two", TypeError), (None, TypeError)])
def test_the_power_is_above_zero(p, error):
    with pytest.raises(error, match="norm_type"):
        nd.lp_pool_nd(np.ones((1, 1, 4)), p, 2)


# ---- pools told the size of their result

SIZES = [
    ((), ()),
    ((7,), (3,)),
    ((6,), (2,)),
    ((3,), (5,)),
    ((5, 7), (2, 3)),
    ((4, 6), (3, None)),
    ((3, 2, 5), (2, 2, 3)),
    ((3, 2, 4, 3), (2, 1, 3, 2)),
]


@pytest.mark.parametrize("n, o", SIZES)
def test_adaptive_pools_equal_the_loops(n, o):
    x = np.round(draw(2, 3, *n), 1)
    y, indices = nd.adaptive_max_pool_nd(x, o, return_indices=True)
    best, _, places = loops.max_pool(x, n, loops.adaptive_windows(n, o))
    mean = loops.over_windows(lambda v, *_: (v.mean(1),), x, n, loops.adaptive_windows(n, o))
    np.testing.assert_allclose(nd.adaptive_avg_pool_nd(x, o).data, mean, atol=1e-14)
    np.testing.assert_array_equal(y.data, best)
    np.testing.assert_array_equal(indices.data, places)
    assert y.shape == indices.shape == (2, 3, *(m if parts is None else parts for m, parts in zip(n, o))) and indices.dtype == np.int64
    np.testing.assert_array_equal(nd.adaptive_max_pool_nd(x, o).data, y.data)
    last = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(nd.adaptive_max_pool_nd(last, o, layout="N*C").data, np.moveaxis(y.data, 1, -1))
    np.testing.assert_allclose(
        nd.adaptive_avg_pool_nd(last, o, layout="N*C").data, np.moveaxis(nd.adaptive_avg_pool_nd(x, o).data, 1, -1), atol=1e-14
    )


@pytest.mark.parametrize("n, o", SIZES)
def test_adaptive_max_pool_sends_gradients_to_the_first_maximum(n, o):
    x = nd.tensor(np.round(draw(2, 3, *n)), requires_grad=True)
    y, indices = nd.adaptive_max_pool_nd(x, o, return_indices=True)
    g = draw(*y.shape, seed=1)
    y.backward(g)
    np.testing.assert_allclose(x.grad.data, loops.max_pool_backward(g, indices.data, n), atol=1e-14)


def test_pooling_to_size_one_is_global_pooling():
    x = draw(2, 3, 5, 4)
    np.testing.assert_allclose(nd.adaptive_avg_pool_nd(x, 1).data, nd.global_avg_pool(x).data)
    np.testing.assert_array_equal(nd.adaptive_max_pool_nd(x, 1).data, nd.global_max_pool(x).data)
    np.testing.assert_array_equal(nd.global_max_pool(x[..., 0, 0]).data, x[..., 0, 0])


# ---- back to where they were


@pytest.mark.parametrize(
    "n, k", [((), ()), ((6,), (2,)), ((7,), (3,)), ((5, 6), (2, 3)), ((4, 2, 5), (2, 1, 2)), ((2, 4, 3, 2), (2, 2, 1, 2))]
)
@pytest.mark.parametrize("layout", ["NC*", "N*C"])
def test_unpooling_puts_maxima_back_and_zeros_elsewhere(n, k, layout):
    x = draw(2, 3, *n)
    x = np.moveaxis(x, 1, -1) if layout == "N*C" else x
    y, indices = nd.max_pool_nd(x, k, return_indices=True, layout=layout)
    t = nd.tensor(y, requires_grad=True)
    back = nd.max_unpool_nd(t, indices, k, output_size=n, layout=layout)
    assert back.shape == x.shape
    found = np.isin(x, y.data)
    np.testing.assert_array_equal(back.data, np.where(found, x, 0))
    g = draw(*x.shape, seed=1)
    back.backward(g)
    np.testing.assert_array_equal(np.sort(t.grad.data.ravel()), np.sort(g[found]))
    np.testing.assert_array_equal(nd.max_pool_nd(nd.abs(back), k, layout=layout).data, np.abs(y.data))


def test_a_place_named_twice_keeps_its_last_value_which_alone_has_a_gradient():
    x = nd.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    y = nd.max_unpool_nd(x, [[[1, 1, 4]]], 2)
    np.testing.assert_array_equal(y.data, [[[0, 2, 0, 0, 3, 0]]])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[[0, 1, 1]]])


# ---- errors


IMAGE = np.zeros((2, 8, 8, 3))


@in_turn(
    "call, message",
    [
        (lambda: nd.max_pool_nd(IMAGE, 9), "kernel 9 does not fit the input 8 padded by 0 [+] 0 on spatial axis 0"),
        (lambda: nd.max_pool_nd(IMAGE, 4), r"looks channels-last: pass layout='N\*C'"),
        (lambda: nd.avg_pool_nd(IMAGE, 4), r"looks channels-last: pass layout='N\*C'"),
        (lambda: nd.max_pool_nd(IMAGE, 2, padding=[1, 0, 0, 1]), r"padding=\(\(1, 0\), \(0, 1\)\)"),
        (lambda: nd.max_pool_nd(IMAGE, 2, padding=-1), "a pool cannot crop"),
        (lambda: nd.max_pool_nd(IMAGE, 2, stride=0), "stride .* must be at least 1"),
        (lambda: nd.avg_pool_nd(IMAGE, (2, 2, 2)[:2], stride=(2, 2, 2)), "stride=.* has 3 entries for 2 spatial axes"),
        (lambda: nd.avg_pool_nd(IMAGE, 2, divisor_override=0), "divisor_override must not be 0"),
        (lambda: nd.max_pool_nd(np.zeros(3), 2), "an int kernel_size speaks of all axes after"),
        (lambda: nd.max_pool_nd(np.zeros(3), (2, 2)), "speaks of 2 spatial axes, but x has shape"),
        (lambda: nd.adaptive_avg_pool_nd(IMAGE, 0), "at least 1"),
        (lambda: nd.adaptive_max_pool_nd(np.zeros((1, 1, 0)), 2), "an axis of no entries"),
        (lambda: nd.adaptive_max_pool_nd(IMAGE, (1, 2, 3, 4, 5)), "speaks of 5 spatial axes"),
        (lambda: nd.max_unpool_nd(np.ones((1, 1, 2)), [[[0, 4]]], 2), "indices reach from 0 to 4, but the result has 4 places"),
        (lambda: nd.max_unpool_nd(np.ones((1, 1, 2)), [[[-1, 3]]], 2), "indices reach from -1 to 3"),
        (lambda: nd.max_unpool_nd(np.ones((1, 1, 2)), [[0, 1]], 2), "must have the same shape"),
        (lambda: nd.max_unpool_nd(np.ones((1, 1, 2)), [[[0, 3]]], 2, output_size=7), "less than the stride"),
        (lambda: nd.global_max_pool(np.ones(3)), "x needs axes"),
    ],
)
def test_what_does_not_fit_is_said_with_numbers(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@in_turn(
    "call",
    [
        lambda: nd.max_pool_nd(IMAGE, 2.0),
        lambda: nd.max_pool_nd(IMAGE, "2"),
        lambda: nd.max_pool_nd("image", 2),
        lambda: nd.adaptive_avg_pool_nd("image", 2),
        lambda: nd.avg_pool_nd(IMAGE, 2, divisor_override="2"),
        lambda: nd.avg_pool_nd(IMAGE, True),
        lambda: nd.max_pool_nd(IMAGE + 0j, 2),
        lambda: nd.lp_pool_nd(IMAGE + 0j, 2, 2),
        lambda: nd.adaptive_max_pool_nd(IMAGE + 0j, 2),
        lambda: nd.adaptive_avg_pool_nd(IMAGE, 2.5),
        lambda: nd.adaptive_avg_pool_nd(IMAGE, (2, "3")),
        lambda: nd.max_unpool_nd(np.ones((1, 1, 2)), [[[0.0, 3.0]]], 2),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_in_the_name_of_the_function(call):
    with pytest.raises(TypeError, match="pool_nd: "):
        call()


# ---- other libraries


@pytest.mark.peer("pools", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", (1, 2, 3))
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pools_are_pytorchs(rank, ceil_mode, torch):
    F = torch.nn.functional
    x = draw(2, 3, *(9, 8, 7)[:rank])
    for k, s, p, d in ((3, 2, 1, 1), (2, 3, 1, 1), (4, 3, 2, 1), (2, 2, 0, 3), (3, 1, 1, 2)):
        theirs = lambda x: getattr(F, f"max_pool{rank}d")(x, k, s, p, d, ceil_mode)  # noqa: B023
        equal_torch(lambda x: nd.max_pool_nd(x, k, s, p, d, ceil_mode) ** 2, lambda x: theirs(x) ** 2, [x])  # noqa: B023
        at = getattr(F, f"max_pool{rank}d")(torch.tensor(x), k, s, p, d, ceil_mode, True)[1]
        np.testing.assert_array_equal(nd.max_pool_nd(x, k, s, p, d, ceil_mode, True)[1].data, at.numpy())
        for include in (True, False):
            theirs = lambda x: getattr(F, f"avg_pool{rank}d")(x, k, s, p, ceil_mode, include)  # noqa: B023
            equal_torch(lambda x: nd.avg_pool_nd(x, k, s, p, ceil_mode, include) ** 2, lambda x: theirs(x) ** 2, [x])  # noqa: B023
        for power in (2, 4, np.inf):
            theirs = lambda x: getattr(F, f"lp_pool{rank}d")(x, power, k, s, ceil_mode)  # noqa: B023
            equal_torch(lambda x: nd.lp_pool_nd(x, power, k, s, ceil_mode), theirs, [x])  # noqa: B023


@pytest.mark.peer("adaptive pools and unpooling", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", (1, 2, 3))
def test_adaptive_pools_and_unpooling_are_pytorchs(rank, torch):
    F = torch.nn.functional
    x = draw(2, 3, *(9, 6, 7)[:rank])
    for o in (1, 2, 3, 5, 8):
        average, largest = (getattr(F, f"adaptive_{kind}_pool{rank}d") for kind in ("avg", "max"))
        equal_torch(lambda x: nd.adaptive_avg_pool_nd(x, o) ** 2, lambda x: average(x, o) ** 2, [x])  # noqa: B023
        equal_torch(lambda x: nd.adaptive_max_pool_nd(x, o) ** 2, lambda x: largest(x, o) ** 2, [x])  # noqa: B023
        at = largest(torch.tensor(x), o, return_indices=True)[1]
        np.testing.assert_array_equal(nd.adaptive_max_pool_nd(x, o, True)[1].data, at.numpy())
    for k, s in ((2, None), (2, 3), (3, None)):
        y, indices = nd.max_pool_nd(x, k, s, return_indices=True)
        at, unpool = torch.tensor(indices.data), getattr(F, f"max_unpool{rank}d")
        ours = lambda y: nd.max_unpool_nd(y, indices, k, s, 0, x.shape[2:]) ** 2  # noqa: B023
        equal_torch(ours, lambda y: unpool(y, at, k, s, 0, x.shape[2:]) ** 2, [y.data])  # noqa: B023


@pytest.mark.peer("pools", "jax", ranks=(0, 1, 2, 3, 4), order=1)
@pytest.mark.parametrize("rank", (0, 1, 2, 3, 4))
def test_pools_with_one_sided_padding_and_dilation_are_jaxs(rank, jax):
    k, s, d, p = (2, 3, 1, 2)[:rank], (1, 2, 1, 2)[:rank], (2, 1, 1, 2)[:rank], ((0, 2), (3, 1), (1, 0), (2, 2))[:rank]
    x = draw(2, 2, *(5, 6, 3, 4)[:rank])
    import jax.numpy as jnp

    def reduced(x, start, f):
        full = lambda t, fill: (fill, fill, *t)
        return jax.lax.reduce_window(x, start, f, full(k, 1), full(s, 1), full(p, (0, 0)), window_dilation=full(d, 1))

    sums = lambda x: reduced(x, 0.0, jax.lax.add) / np.prod(k)
    equal_jax(lambda x: nd.avg_pool_nd(x, k, s, p, dilation=d), sums, [x], order=1)
    largest = reduced(jnp.asarray(x), -np.inf, jax.lax.max)  # JAX has no gradient of this where windows are dilated
    np.testing.assert_array_equal(nd.max_pool_nd(x, k, s, p, d).data, np.asarray(largest))


def test_the_slope_of_a_gradients_norm_meets_differences_through_every_pool():
    def network(x):
        y = nd.adaptive_max_pool_nd(nd.avg_pool_nd(x, 3, 2, 1, True), 4) ** 3
        return nd.sum(nd.interpolate(nd.lp_pool_nd(y, 2, 2, 1), 5, mode="cubic") ** 2)

    nd.testing.check_grads(lambda x: nd.sum(nd.grad(network)(x) ** 2), [draw(1, 2, 7, 7)], order=1)


@pytest.mark.parametrize("pool", [nd.avg_pool_nd, nd.max_pool_nd, lambda *a: nd.lp_pool_nd(a[0], 3, *a[1:3])])
@pytest.mark.parametrize("kernel, stride, padding", [((1, 2, 2), (3, 1, 3), (0, 1, 1)), ((2, 3, 1), (1, 2, 2), (0, 1, 0)), (2, 3, 1)])
def test_what_memory_held_before_is_never_added(pool, kernel, stride, padding, monkeypatch):
    scratch = memory.scratch

    def poisoned(key, shape, dtype):
        a = scratch(key, shape, dtype)
        if a.dtype.kind == "f":
            a.reshape(-1)[::2], a.reshape(-1)[1::2] = np.inf, -np.inf
        return a

    monkeypatch.setattr(memory, "scratch", poisoned)
    x = nd.Parameter(np.random.default_rng(0).standard_normal((1, 1, 6, 3, 8)).astype(np.float32))
    y = pool(x, kernel, stride, padding)  # a sum of infinities would warn
    y.backward(np.ones(y.shape, np.float32))
    assert np.isfinite(y.data).all() and np.isfinite(x.grad.data).all()
