"""Resizing at every rank, held against plain loops over every output pixel."""

from itertools import product
from math import floor

import numpy as np
import pytest
from in_turn import in_turn
from loops import indices
from peers import equal_jax, equal_torch

import tinygrad_nd as nd
from tinygrad_nd.kernels import few


@pytest.fixture(params=["tables", "products"])
def way(request, monkeypatch):
    """The ways through small arrays and large ones."""
    if request.param == "products":
        monkeypatch.setattr(few, "SUMMED", -1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cubic(d, a=-0.75):
    """Keys' kernel at distance d."""
    d = abs(d)
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0


def taps(mode, n, o, j, align_corners):
    """[(input, weight)] of output j along one axis."""
    scale = n / o
    if mode == "nearest":
        return [(min(floor(j * scale), n - 1), 1)]
    if mode == "nearest-exact":
        return [(min(floor((j + 0.5) * scale), n - 1), 1)]
    if mode == "area":
        low, high = j * n // o, -(-(j + 1) * n // o)
        return [(i, 1 / (high - low)) for i in range(low, high)]
    at = (j * (n - 1) / (o - 1) if o > 1 else 0) if align_corners else (j + 0.5) * scale - 0.5
    if mode == "linear":
        return [(min(max(i, 0), n - 1), 1 - abs(at - i)) for i in (floor(at), floor(at) + 1)]
    return [(min(max(i, 0), n - 1), cubic(at - i)) for i in range(floor(at) - 1, floor(at) + 3)]


def loops(x, size, mode, align_corners=False):
    n = x.shape[2:]
    y = np.zeros((*x.shape[:2], *size))
    for at in indices(*size):
        for chosen in product(*(taps(mode, m, o, j, align_corners) for m, o, j in zip(n, size, at))):
            y[(slice(None), slice(None), *at)] += x[(slice(None), slice(None), *(i for i, _ in chosen))] * np.prod([w for _, w in chosen])
    return y


MODES = [
    ("nearest", False),
    ("nearest-exact", False),
    ("linear", False),
    ("linear", True),
    ("cubic", False),
    ("cubic", True),
    ("area", False),
]
SIZES = [((), ()), ((5,), (8,)), ((7,), (3,)), ((4,), (1,)), ((1,), (5,)), ((4, 5), (8, 10)), ((6, 4), (4, 7)), ((3, 4, 2), (5, 2, 4))]
SIZES += [((2, 3, 2, 2), (3, 2, 2, 4))]


@pytest.mark.parametrize("mode, align_corners", MODES)
@in_turn("n, o", SIZES)
def test_every_mode_equals_the_loops(mode, align_corners, n, o, way):
    x = draw(2, 2, *n)
    y = nd.interpolate(x, o, mode=mode, align_corners=align_corners)
    np.testing.assert_allclose(y.data, loops(x, o, mode, align_corners), atol=1e-12)


@pytest.mark.parametrize("mode, align_corners", MODES)
@in_turn("n, o", SIZES[1:])
def test_the_gradient_is_the_transpose(mode, align_corners, n, o, way):
    x = nd.tensor(draw(2, 2, *n), requires_grad=True)
    y = nd.interpolate(x, o, mode=mode, align_corners=align_corners)
    g = draw(*y.shape, seed=1)
    y.backward(g)
    assert np.vdot(g, y.data) == pytest.approx(np.vdot(x.grad.data, x.data), rel=1e-11)


@pytest.mark.parametrize("mode, align_corners", MODES)
def test_layout_memory_order_and_one_image_alone(mode, align_corners):
    x = draw(2, 3, 5, 4)
    f = lambda x, **options: nd.interpolate(x, (7, 3), mode=mode, align_corners=align_corners, **options).data
    y = f(x)
    np.testing.assert_allclose(f(np.moveaxis(x, 1, -1), layout="N*C"), np.moveaxis(y, 1, -1), atol=1e-14)
    np.testing.assert_allclose(f(x[0]), y[0], atol=1e-14)
    np.testing.assert_allclose(f(x[0, 0]), y[0, 0], atol=1e-14)
    np.testing.assert_allclose(f(np.asfortranarray(x)), y, atol=1e-14)
    np.testing.assert_allclose(f(x[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]), y, atol=1e-14)
    np.testing.assert_allclose(f(np.broadcast_to(x[:1], x.shape)), np.broadcast_to(y[:1], y.shape), atol=1e-14)
    assert f(np.zeros((0, 3, 5, 4))).shape == (0, 3, 7, 3)
    assert f(x.astype(np.float32)).dtype == np.float32 and f(x.astype(np.float16)).dtype == np.float16


def test_a_factor_floors_the_size_and_sets_the_distance():
    x = draw(1, 1, 5)
    assert nd.interpolate(x, scale_factor=1.5).shape == (1, 1, 7)
    np.testing.assert_array_equal(nd.interpolate(x, scale_factor=1.5).data[0, 0], x[0, 0, [0, 0, 1, 2, 2, 3, 4]])
    assert nd.interpolate(draw(1, 1, 4, 4), scale_factor=(2, 0.5)).shape == (1, 1, 8, 2)
    np.testing.assert_array_equal(nd.interpolate(x, scale_factor=1).data, x)


def test_nearest_keeps_every_dtype_and_others_make_floats():
    for dtype in (np.bool_, np.uint8, np.int64, np.float16, np.complex64):
        x = np.arange(6).reshape(1, 1, 2, 3).astype(dtype)
        y = nd.interpolate(x, scale_factor=2)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.data, x.repeat(2, 2).repeat(2, 3))
    assert nd.interpolate(np.arange(3)[None, None], 6, mode="linear").dtype == np.float64


def test_what_is_not_finite_stays_where_it_is(way):
    x = np.ones((1, 1, 200))
    x[0, 0, 100] = np.nan
    for mode in ("nearest", "linear", "cubic", "area"):
        assert np.isnan(nd.interpolate(x, 150, mode=mode).data).sum() <= 4
    t = nd.tensor(np.ones((1, 1, 200)), requires_grad=True)
    g = np.zeros((1, 1, 150))
    g[0, 0, 75] = np.inf
    nd.interpolate(t, 150, mode="linear").backward(g)
    assert (~np.isfinite(t.grad.data)).sum() <= 3


@pytest.mark.parametrize("channels", [3, 40])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_its_neighbours_alone(channels, value):
    x = np.ones((2, 40, 36, channels), np.float32)
    x[1, 20, 17, 2] = value
    t = nd.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    y = nd.interpolate(t, (77, 50), mode="linear")
    wrong = np.argwhere(~np.isfinite(y.data))
    assert len(wrong) and (np.ptp(wrong, 0) <= (0, 0, 4, 3)).all()
    g = np.ones(y.shape, np.float32)
    g[1, 2, 40, 25] = value
    y.backward(g)
    assert 0 < np.count_nonzero(~np.isfinite(t.grad.data)) <= 4


def test_halves_are_summed_in_single():
    g = np.full((1, 1, 8192), 0.1, np.float16)
    t = nd.tensor(np.zeros((1, 1, 3), np.float16), requires_grad=True)
    nd.interpolate(t, 8192).backward(g)
    np.testing.assert_allclose(t.grad.data.sum(dtype=np.float64), g.sum(dtype=np.float64), rtol=1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "give either size or scale_factor"),
        ({"size": 4, "scale_factor": 2}, "give either size or scale_factor"),
        ({"size": 4, "mode": "quadratic"}, "mode must be 'nearest', .* but is 'quadratic'"),
        ({"size": 4, "mode": "trilinear"}, "is for 3 spatial axes, but x has 2; mode='linear'"),
        ({"size": 4, "align_corners": True}, "align_corners is for linear and cubic"),
        ({"size": (4, 4, 4, 4, 4)}, "speaks of 5 spatial axes"),
        ({"size": 0}, "sizes must be at least 1"),
        ({"scale_factor": 0.1}, "sizes must be at least 1"),
        ({"scale_factor": -1.0}, "above 0"),
        ({"size": 4, "layout": "NCHW"}, "layout must be"),
    ],
)
def test_what_does_not_fit_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        nd.interpolate(np.zeros((1, 2, 3, 3)), **arguments)


@pytest.mark.parametrize("arguments", [{"size": 2.5}, {"size": "4"}, {"scale_factor": "2"}, {"scale_factor": (2, None)}])
def test_what_is_no_number_is_refused(arguments):
    with pytest.raises(TypeError, match="interpolate"):
        nd.interpolate(np.zeros((1, 2, 3, 3)), **arguments)


@pytest.mark.peer("interpolation", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", (1, 2, 3))
def test_resizing_is_pytorchs(rank, torch):
    x = draw(2, 3, *(9, 6, 5)[:rank])
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
    ways = [{"size": o} for o in (1, 2, 5, 8, 13)] + [{"scale_factor": f} for f in (2, 0.5, 1.7, 0.6, (1.05, 1.7, 1.1)[:rank])]
    for way, mode in product(ways, ("nearest", "nearest-exact", linear, "area", *(("bicubic",) if rank == 2 else ()))):
        if mode == "nearest" and way is ways[-1]:
            continue  # where an axis keeps its size, PyTorch's slope is not that of its values, but at rank 2
        for corners in ({"align_corners": False}, {"align_corners": True}) if "linear" in mode or "cubic" in mode else ({},):
            how = {**way, "mode": mode, **corners}
            theirs = torch.nn.functional.interpolate
            equal_torch(lambda x: nd.interpolate(x, **how) ** 2, lambda x: theirs(x, **how) ** 2, [x], name=str(how))  # noqa: B023


@pytest.mark.peer("interpolation", "torch", ranks=(1,), order=0)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_pixel_is_pytorchs_at_every_size(mode, dtype, torch):
    for n in (1, 2, 3, 7, 10, 33):
        x = np.arange(n, dtype=dtype)[None, None]
        for way in [{"size": o} for o in range(1, 60)] + [{"scale_factor": f / 7} for f in range(14, 40)]:
            found = nd.interpolate(x, **way, mode=mode).data
            theirs = torch.nn.functional.interpolate(torch.tensor(x), **way, mode=mode).numpy()
            np.testing.assert_array_equal(found, theirs, err_msg=f"{n} {way}")


@pytest.mark.peer("interpolation", "jax", ranks=(1, 2, 3, 4), order=2)
@pytest.mark.parametrize("rank", (1, 2, 3, 4))
def test_enlarging_is_jaxs(rank, jax):
    n, o = (3, 4, 2, 3)[:rank], (6, 4, 3, 5)[:rank]
    for ours, theirs in (("nearest-exact", "nearest"), ("linear", "linear")):
        f = lambda x: jax.image.resize(x, (2, 1, *o), theirs) ** 2  # noqa: B023
        equal_jax(lambda x: nd.interpolate(x, o, mode=ours) ** 2, f, [draw(2, 1, *n)], name=ours)  # noqa: B023
