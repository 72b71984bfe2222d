"""Pooling at every rank, held against plain loops."""

from itertools import product

import numpy as np
import pytest

import tinygrad_nd as nd

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
    "rank 2, ceil": ((7, 6), (3, 2), (3, 4), ((1, 0), (0, 0)), (1, 1), True),
    "rank 2, whole": ((4, 3), (4, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), False),
    "rank 3": ((4, 5, 3), (2, 2, 3), (2, 1, 1), ((0, 1), (1, 0), (1, 1)), (1, 1, 1), False),
    "rank 4": ((3, 4, 2, 3), (2, 2, 1, 2), (1, 2, 1, 1), ((0, 0), (1, 1), (0, 0), (0, 1)), (1, 1, 1, 2), True),
}
UNDILATED = [c for c in CASES if "dilated" not in c and c != "rank 4"]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def windows(n, k, stride, padding, dilation, ceil_mode):
    """Per output position: the input positions in its window, and how many places it has within the padded input."""
    sizes = []
    for ni, ki, s, (a, b), d in zip(n, k, stride, padding, dilation):
        room = ni + a + b - d * (ki - 1) - 1
        o = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (o - 1) * s >= ni + a:
            o -= 1
        sizes.append(o)
    for o in product(*map(range, sizes)):
        places = [[oi * s + t * d - a for t in range(ki)] for oi, ki, s, (a, _), d in zip(o, k, stride, padding, dilation)]
        inside = [[i for i in axis if 0 <= i < ni] for axis, ni in zip(places, n)]
        padded = np.prod([sum(i < ni + b for i in axis) for axis, ni, (_, b) in zip(places, n, padding)], dtype=int)
        yield o, list(product(*inside)), padded


def shape_of(found):
    return tuple(m + 1 for m in max(found)) if found and found[0] else ()


def max_loop(x, case):
    """(values, flat index of the first maximum, -1 in padding alone) of x (*lead, *n), window by window."""
    n = CASES[case][0]
    found = list(windows(*CASES[case]))
    rows = x.reshape(-1, int(np.prod(n)))
    values, indices = [], []
    for row in rows:
        image = row.reshape(n)
        for _, inside, _ in found:
            best = max(inside, key=lambda i: image[i]) if inside else None  # the first of equals
            values.append(image[best] if inside else -np.inf)
            indices.append((int(np.ravel_multi_index(best, n)) if n else 0) if inside else -1)
    shape = (*x.shape[: x.ndim - len(n)], *shape_of([o for o, _, _ in found]))
    return np.reshape(values, shape), np.reshape(indices, shape)


def mean_loop(x, case, divisor):
    n = CASES[case][0]
    found = list(windows(*CASES[case]))
    values = [sum(row[i] for i in inside) / divisor(len(inside), padded) for row in x.reshape(-1, *n) for _, inside, padded in found]
    return np.reshape(values, (*x.shape[: x.ndim - len(n)], *shape_of([o for o, _, _ in found])))


def how(case, dilation=True):
    _, k, stride, padding, d, ceil_mode = CASES[case]
    given = {"kernel_size": k, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    return {**given, "dilation": d} if dilation else given


# ---- max


@pytest.mark.parametrize("values", ["distinct", "tied"])
@pytest.mark.parametrize("case", CASES)
def test_max_pool_and_its_indices_equal_the_loops(case, values):
    x = draw(2, 3, *CASES[case][0])
    x = np.round(x) if values == "tied" else x
    expected, places = max_loop(x, case)
    y, indices = nd.max_pool_nd(x, **how(case), return_indices=True)
    np.testing.assert_array_equal(y.data, expected)
    np.testing.assert_array_equal(indices.data, places)
    assert indices.dtype == np.int64 and not indices.requires_grad
    np.testing.assert_array_equal(nd.max_pool_nd(x, **how(case)).data, expected)


@pytest.mark.parametrize("values", ["distinct", "tied"])
@pytest.mark.parametrize("case", CASES)
def test_max_pool_sends_gradients_to_the_first_maximum(case, values):
    x = draw(2, 3, *CASES[case][0])
    x = np.round(x) if values == "tied" else x
    expected, places = max_loop(x, case)
    g = draw(*expected.shape, seed=1)
    dx = np.zeros((6, int(np.prod(CASES[case][0]))))
    for row, (gs, at) in enumerate(zip(g.reshape(6, -1), places.reshape(6, -1))):
        np.add.at(dx[row], at, gs * np.isfinite(expected.reshape(6, -1)[row]))  # a window of padding alone has none
    t = nd.tensor(x, requires_grad=True)
    nd.max_pool_nd(t, **how(case)).backward(g)
    np.testing.assert_allclose(t.grad.data, dx.reshape(x.shape), atol=1e-14)


@pytest.mark.parametrize("case", [c for c in CASES if "over half" not in c])
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
@pytest.mark.parametrize("case", [c for c in UNDILATED if "over half" not in c])
def test_avg_pool_equals_the_loops(case, include):
    x = draw(2, 3, *CASES[case][0])
    expected = mean_loop(x, case, (lambda inside, padded: padded) if include else (lambda inside, padded: inside))
    np.testing.assert_allclose(nd.avg_pool_nd(x, **how(case, False), count_include_pad=include).data, expected, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in UNDILATED if "over half" not in c])
def test_a_divisor_may_be_given(case):
    x = draw(2, 3, *CASES[case][0])
    expected = mean_loop(x, case, lambda inside, padded: 2.5)
    np.testing.assert_allclose(nd.avg_pool_nd(x, **how(case, False), divisor_override=2.5).data, expected, atol=1e-12)


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("case", [c for c in UNDILATED if "over half" not in c])
def test_avg_pool_is_linear_and_its_derivatives_meet_differences(case, include):
    x = draw(1, 2, *CASES[case][0])
    nd.testing.check_grads(lambda x: nd.avg_pool_nd(x, **how(case, False), count_include_pad=include) ** 2, [x], order=2)
    f = lambda t: nd.avg_pool_nd(t, **how(case, False), count_include_pad=include)
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
    for same in (np.asfortranarray(x), np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1), x[..., ::-1].copy()[..., ::-1]):
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


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pools_are_pytorchs(rank, ceil_mode):
    F = pytest.importorskip("torch").nn.functional
    import torch

    x = draw(2, 3, *(9, 8, 7)[:rank])
    for k, s, p in ((3, 2, 1), (2, 3, 1), (4, 3, 2), (2, 2, 0)):
        y, at = getattr(F, f"max_pool{rank}d")(torch.tensor(x), k, s, p, 1, ceil_mode, True)
        found, indices = nd.max_pool_nd(x, k, s, p, 1, ceil_mode, True)
        np.testing.assert_array_equal(found.data, y.numpy())
        np.testing.assert_array_equal(indices.data, at.numpy())
        for include in (True, False):
            y = getattr(F, f"avg_pool{rank}d")(torch.tensor(x), k, s, p, ceil_mode, include)
            np.testing.assert_allclose(nd.avg_pool_nd(x, k, s, p, ceil_mode, include).data, y.numpy(), atol=1e-12)
