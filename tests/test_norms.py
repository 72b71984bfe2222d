"""Normalisation and global pools against their definitions and PyTorch, as functions and as layers."""

import numpy as np
import peers
import pytest
from orders import lying

import tinygrad_nd as nd
from tinygrad_nd import nn

try:
    import torch
except ImportError:
    torch = None
F = torch and torch.nn.functional
peer = pytest.mark.skipif(torch is None, reason="compares with PyTorch")
RNG = np.random.default_rng(11)
pytestmark = pytest.mark.usefixtures("engine")


def agree(ours, theirs, *arrays, rtol=1e-9):
    """Values, and the gradients of a random sum, of two functions of the same arrays (None passes through)."""
    xs = [None if a is None else nd.tensor(a, requires_grad=True) for a in arrays]
    ts = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    y, t = ours(*xs), theirs(*ts)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=rtol, atol=rtol)
    g = RNG.standard_normal(y.shape).astype(y.dtype)
    y.backward(g)
    t.backward(torch.tensor(g))
    for a, b in zip(xs, ts):
        if a is not None:
            scale = max(1, float(b.grad.abs().max()))
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=rtol, atol=rtol * scale)


def sample(*shape, dtype=np.float64, order="C"):
    x = (RNG.standard_normal(shape) * 2 + 3).astype(dtype)
    return lying(x, order)


SHAPES = [(6, 4), (3, 4, 7), (3, 4, 5, 6), (2, 4, 3, 5, 4), (16, 4, 40, 50), (1, 4, 150, 160)]


@peer
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "last"])
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 1e-4)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torchs(shape, order, dtype, rtol, training):
    mean, var = sample(4, dtype=dtype), sample(4, dtype=dtype) ** 2 + 0.1
    agree(
        lambda x, w, b: nd.batch_norm(x, mean, var, w, b, training),
        lambda x, w, b: F.batch_norm(x, torch.tensor(mean), torch.tensor(var), w, b, training),
        sample(*shape, dtype=dtype, order=order), sample(4, dtype=dtype), sample(4, dtype=dtype), rtol=rtol,
    )  # fmt: skip


@peer
@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_running_statistics_are_torchs(momentum):
    x = sample(5, 4, 3, 2)
    mean, var = nd.zeros(4), nd.ones(4)
    theirs = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    for _ in range(3):
        nd.batch_norm(x, mean, var, training=True, momentum=momentum)
        F.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    for ours, expected in zip((mean, var), theirs):
        np.testing.assert_allclose(ours.data, expected.numpy(), rtol=1e-10)


def test_plain_arrays_of_statistics_are_never_changed():
    mean, var = np.zeros(4), np.ones(4)
    nd.batch_norm(sample(5, 4), mean, var, training=True)
    assert not mean.any() and (var == 1).all()


def test_one_value_per_channel_is_refused_in_training():
    with pytest.raises(ValueError, match="one value per channel"):
        nd.batch_norm(np.ones((1, 3)), None, None, training=True)
    assert nd.batch_norm(np.ones((1, 3)), np.zeros(3), np.ones(3)).shape == (1, 3)


@peer
@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("order", ["C", "last"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_and_instance_norm_are_torchs(shape, order, groups):
    x, w, b = sample(*shape, order=order), sample(4), sample(4)
    agree(lambda x, w, b: nd.group_norm(x, groups, w, b), lambda x, w, b: F.group_norm(x, groups, w, b), x, w, b)
    agree(lambda x: nd.group_norm(x, groups), lambda x: F.group_norm(x, groups), x)
    agree(lambda x, w, b: nd.instance_norm(x, None, None, w, b), lambda x, w, b: F.instance_norm(x, None, None, w, b), x, w, b)


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("n", [40, 1000, 30_000])
def test_rows_are_normalised_as_their_definition_says(n, dtype, rtol):
    x, g, w, b = (sample(*s, dtype=dtype) for s in ((30, n), (30, n), (n,), (n,)))
    for f, centre, eps in ((lambda x, w, b: nd.layer_norm(x, n, w, b), 1, 1e-5), (lambda x, w, b: nd.rms_norm(x, n, w, 1e-6) + b, 0, 1e-6)):
        leaves = [nd.tensor(a, requires_grad=True) for a in (x, w, b)]
        y = f(*leaves)
        y.backward(g)
        x8, g8 = x.astype(float), g.astype(float)
        less = x8 - centre * x8.mean(1, keepdims=True)
        scale = 1 / np.sqrt(np.square(less).mean(1, keepdims=True) + eps)
        u, back = less * scale, g8 * w
        dx = scale * (back - centre * back.mean(1, keepdims=True) - u * (back * u).mean(1, keepdims=True))
        for found, expected in zip((y, *(t.grad for t in leaves)), (u * w + b, dx, (g8 * u).sum(0), g8.sum(0))):
            np.testing.assert_allclose(found.data, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("f", [lambda x, w, b: nd.layer_norm(x, 700, w, b), lambda x, w, b: nd.group_norm(x[..., None], 1, w, b)])
def test_weights_may_lie_anyhow(f):
    x, w, b = sample(4, 700), sample(1400)[::2], np.broadcast_to(2.0, 700)
    np.testing.assert_allclose(f(x, w, b).data, f(x, w.copy(), b.copy()).data, rtol=1e-12)
    np.testing.assert_allclose(f(x, w[::-1], b).data, f(x, w[::-1].copy(), b.copy()).data, rtol=1e-12)


@peer
def test_group_norm_without_space():
    agree(lambda x, w, b: nd.group_norm(x, 2, w, b), lambda x, w, b: F.group_norm(x, 2, w, b), sample(5, 6), sample(6), sample(6))


@peer
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 1e-4)])
@pytest.mark.parametrize("shape, last", [((6, 5), (5,)), ((3, 4, 5), (4, 5)), ((900, 64), (64,)), ((2, 3, 700), (700,))])
def test_layer_and_rms_norm_are_torchs(shape, last, dtype, rtol):
    x, w, b = sample(*shape, dtype=dtype), sample(*last, dtype=dtype), sample(*last, dtype=dtype)
    agree(lambda x, w, b: nd.layer_norm(x, last, w, b), lambda x, w, b: F.layer_norm(x, last, w, b), x, w, b, rtol=rtol)
    agree(lambda x: nd.layer_norm(x, last), lambda x: F.layer_norm(x, last), x, rtol=rtol)
    agree(lambda x, w: nd.rms_norm(x, last, w), lambda x, w: F.rms_norm(x, last, w), x, w, rtol=rtol)
    agree(lambda x: nd.rms_norm(x, last, eps=0.1), lambda x: F.rms_norm(x, last, eps=0.1), x, rtol=rtol)


@pytest.mark.parametrize("f", [
    lambda x, **k: nd.batch_norm(x, None, None, training=True, **k), lambda x, **k: nd.group_norm(x, 2, **k), nd.instance_norm,
    nd.global_avg_pool, nd.global_max_pool, lambda x, **k: nd.batch_norm(x, np.zeros(4), np.ones(4), np.arange(4.0), **k),
])  # fmt: skip
def test_channels_may_come_last(f):
    x = sample(3, 4, 5, 6)
    last = f(np.moveaxis(x, 1, -1), layout="N*C")
    np.testing.assert_allclose(np.moveaxis(last.data, -1, 1), f(x).data, rtol=1e-12)


def test_long_doubles_are_normalised_as_such():
    """No compiled loop knows them."""
    x = sample(40, 8, 10).astype(np.longdouble)
    for f in (lambda x: nd.layer_norm(x, 10), lambda x: nd.batch_norm(x, None, None, training=True), lambda x: nd.group_norm(x, 2)):
        t, plain = nd.tensor(x, requires_grad=True), nd.tensor(x.astype(float), requires_grad=True)
        y = f(t)
        for a, b in ((y, f(plain)), (nd.gradients(y, t, x), nd.gradients(f(plain), plain, x.astype(float)))):
            assert a.dtype == np.longdouble
            np.testing.assert_allclose(a.data.astype(float), b.data, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows", [8, 800])  # by NumPy, and compiled
@pytest.mark.parametrize("size", [1e15, 1e-15])
def test_rows_of_any_size_get_their_gradients(rows, size):
    """The cube of their rstd is no float32."""
    x, g = sample(rows, 40), sample(rows, 40).astype(np.float32)
    t = nd.tensor((x * size).astype(np.float32), requires_grad=True)
    u = nd.tensor(t.data.astype(np.float64), requires_grad=True)
    dt, du = (nd.gradients(nd.layer_norm(a, 40, eps=0), a, g).data * size for a in (t, u))
    np.testing.assert_allclose(dt, du, rtol=1e-4, atol=1e-5)


def test_a_large_mean_costs_no_digits():
    x = (RNG.standard_normal((64, 8, 30, 30)) + 1000).astype(np.float32)
    for a in (x, lying(x, "last")):
        y = nd.batch_norm(a, None, None, training=True).data.astype(np.float64)
        assert abs(y.var((0, 2, 3)) - 1).max() < 1e-3 and abs(y.mean((0, 2, 3))).max() < 1e-3


@peer
def test_weight_alone_may_need_a_gradient():
    x, w, b = sample(5, 4), nd.tensor(sample(4), requires_grad=True), sample(4)
    nd.sum(nd.batch_norm(x, None, None, w, b, training=True) ** 2).backward()
    t = torch.tensor(w.data.copy(), requires_grad=True)
    (F.batch_norm(torch.tensor(x), None, None, t, torch.tensor(b), True) ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.data, t.grad.numpy(), rtol=1e-9)


@pytest.mark.parametrize("call, words", [
    (lambda x: nd.batch_norm(x, np.zeros(3), np.ones(4)), "running_mean needs shape"),
    (lambda x: nd.batch_norm(x, None, None), "running_mean and running_var"),
    (lambda x: nd.batch_norm(x, None, None, np.ones(3), training=True), "weight needs shape"),
    (lambda x: nd.group_norm(x, 3), "num_groups=3 must divide the 4"),
    (lambda x: nd.layer_norm(x, 4), "last axes of x"),
    (lambda x: nd.layer_norm(x, 5, bias=np.ones(4)), "bias needs shape"),
    (lambda x: nd.layer_norm(x[..., :0], (4, 0)), "layer_norm: normalized_shape=.* holds no values"),
    (lambda x: nd.rms_norm(x[..., :0], 0), "rms_norm: normalized_shape=.* holds no values"),
    (lambda x: nd.group_norm(x[..., :0], 2), "group_norm: x .* has no values"),
    (lambda x: nd.batch_norm(x[:, :0], None, None, training=True), "batch_norm: x .* has no values"),
    (lambda x: nd.instance_norm(x[0, 0]), "needs axes"),
    (lambda x: nd.global_avg_pool(x[0, 0]), "needs axes"),
])  # fmt: skip
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(sample(3, 4, 5))


@peer
def test_global_pools_are_torchs():
    x = sample(3, 4, 5, 6)
    agree(nd.global_avg_pool, lambda x: x.mean((2, 3), keepdim=True), x)
    agree(nd.global_max_pool, lambda x: F.adaptive_max_pool2d(x, 1), x)
    assert nd.global_max_pool(sample(3, 4)).shape == nd.global_avg_pool(sample(3, 4)).shape == (3, 4)


@peer
@pytest.mark.parametrize("ours, theirs", [
    (nn.BatchNorm(4), torch.nn.BatchNorm2d(4)), (nn.GroupNorm(2, 4), torch.nn.GroupNorm(2, 4)),
    (nn.InstanceNorm(4, affine=True), torch.nn.InstanceNorm2d(4, affine=True)), (nn.LayerNorm((5, 6)), torch.nn.LayerNorm((5, 6))),
    (nn.RMSNorm(6), torch.nn.RMSNorm(6)), (nn.GELU("tanh"), torch.nn.GELU("tanh")), (nn.SiLU(), torch.nn.SiLU()),
] if torch else [])  # fmt: skip
def test_layers_are_torchs(ours, theirs):
    x = sample(3, 4, 5, 6, dtype=np.float32)
    for _ in range(2):
        np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-5)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    assert set(ours.state_dict()) == set(state)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value, state[name], rtol=1e-5, atol=1e-6)
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-5)
    ours.load_state_dict(state)


def test_running_statistics_are_state_but_not_learned():
    layer = nn.BatchNorm(4)
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def test_a_batch_that_is_refused_is_not_counted():
    layer = nn.BatchNorm(3, momentum=None)
    for batch, bad in ((sample(5, 3), sample(5, 4)), (sample(4, 3), sample(1, 3))):
        layer(batch)
        before = layer.state_dict()
        with pytest.raises(ValueError, match="batch_norm"):
            layer(bad)
        assert all(np.array_equal(before[name], value) for name, value in layer.state_dict().items())
    assert layer.num_batches_tracked.item() == 2


# Local response, half precision, gradients of gradients.


@peer
@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 3), (2, 7, 3, 4), (1, 5, 2, 3, 2)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 13, 14, 20])
def test_local_response_norm_is_torchs(shape, size):
    x = sample(*shape)
    ours = lambda x: nd.local_response_norm(x, size, 0.7, 0.6, 1.5)
    if len(shape) > 2:  # PyTorch needs an axis of space
        peers.equal_torch(ours, lambda x: F.local_response_norm(x, size, 0.7, 0.6, 1.5), [x])
    else:
        np.testing.assert_allclose(ours(x).data, ours(x[..., None]).data[..., 0], rtol=1e-12)
    last = nd.local_response_norm(np.moveaxis(x, 1, -1), size, 0.7, 0.6, 1.5, layout="N*C")
    np.testing.assert_allclose(np.moveaxis(last.data, -1, 1), ours(x).data, rtol=1e-12)


def test_local_response_norm_over_far_more_channels_than_there_are_takes_no_longer():
    x, size = sample(2, 3, 4), 1 << 40
    expected = x / (1.5 + 0.7 * np.sum(x * x, 1, keepdims=True) / size) ** 0.6
    np.testing.assert_allclose(nd.local_response_norm(x, size, 0.7, 0.6, 1.5).data, expected, rtol=1e-12)


NORMS = [
    lambda x: nd.batch_norm(x, None, None, training=True), lambda x: nd.group_norm(x, 2), nd.instance_norm,
    lambda x: nd.layer_norm(x, x.shape[1:]), lambda x: nd.rms_norm(x, x.shape[-1]), lambda x: nd.local_response_norm(x, 3, 1.0),
]  # fmt: skip

@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("weight", [np.int64, np.float16])
def test_the_weights_dtype_does_not_round_the_gradient_of_the_bias(weight, size):
    x, g = RNG.standard_normal((2, 5, 3, size)), RNG.standard_normal((2, 5, 3, size))
    w, b = np.arange(1, 6).astype(weight), nd.tensor(np.zeros(5), requires_grad=True)
    for norm in (
        lambda: nd.batch_norm(x, None, None, w, b, True), lambda: nd.group_norm(x, 5, w, b), lambda: nd.batch_norm(x, w * 0, w, w, b),
        lambda: nd.swapaxes(nd.layer_norm(np.swapaxes(x, 1, 3), 5, w, b), 1, 3),
    ):  # fmt: skip
        np.testing.assert_allclose(nd.gradients(norm(), b, g).data, g.sum((0, 2, 3)), rtol=1e-9)



@pytest.mark.parametrize("f", NORMS)
def test_half_precision_is_accumulated_in_single(f):
    x = (RNG.standard_normal((4, 4, 30, 31)) * 300).astype(np.float16)  # of which squares overflow
    t, wide = nd.tensor(x, requires_grad=True), nd.tensor(x.astype(np.float64), requires_grad=True)
    y = f(t)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data, f(wide).data, rtol=3e-3, atol=2e-3)
    y.backward(np.ones(y.shape, np.float16))
    f(wide).backward(np.ones(y.shape))
    assert t.grad.dtype == np.float16 and np.isfinite(t.grad.data).all()
    c = x[::-1] / 256
    bent, exact = (nd.hvp(lambda x: nd.sum(f(x) * c), [a.data], a.data[:, ::-1]).data for a in (t, wide))
    np.testing.assert_allclose(bent, exact, atol=3e-3 * np.abs(exact).max())


def test_half_precision_moves_with_its_weights():
    x, v = (RNG.standard_normal((4, 4, 30)) * 300).astype(np.float16), RNG.standard_normal((30,)).astype(np.float16)
    for f in (nd.layer_norm, nd.rms_norm):
        moved, exact = (nd.jvp(lambda w: f(x.astype(d), 30, w), [np.ones(30, d)], [v.astype(d)])[1].data for d in "ed")
        np.testing.assert_allclose(moved, exact, rtol=3e-3, atol=3e-3)


@peer
@pytest.mark.peer("norms", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", (1, 2, 3))
def test_second_derivatives_of_norms_are_torchs(rank):
    x, w, b = sample(3, 4, *(5, 3, 2)[:rank]), sample(4), sample(4)
    mean, var = sample(4), sample(4) ** 2 + 0.1
    for ours, theirs in ((nd.batch_norm, F.batch_norm), (nd.instance_norm, F.instance_norm)):
        f, g = (lambda x, w, b, h=h: h(x, None, None, w, b, True) for h in (ours, theirs))
        peers.equal_torch(f, g, [x, w, b])
    given = torch.tensor(mean), torch.tensor(var)
    peers.equal_torch(lambda x, w, b: nd.batch_norm(x, mean, var, w, b), lambda x, w, b: F.batch_norm(x, *given, w, b), [x, w, b])
    peers.equal_torch(lambda x, w, b: nd.group_norm(x, 2, w, b), lambda x, w, b: F.group_norm(x, 2, w, b), [x, w, b])
    last = x.shape[2:]
    u, v = sample(*last), sample(*last)
    peers.equal_torch(lambda x, u, v: nd.layer_norm(x, last, u, v), lambda x, u, v: F.layer_norm(x, last, u, v), [x, u, v])
    peers.equal_torch(lambda x, u: nd.rms_norm(x, last, u), lambda x, u: F.rms_norm(x, last, u), [x, u])


@peer
def test_instance_norm_keeps_running_statistics_as_torch_does():
    x, mean, var = sample(3, 4, 5, 2), nd.zeros(4), nd.ones(4)
    theirs = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    nd.instance_norm(x, mean, var, momentum=0.3)
    F.instance_norm(torch.tensor(x), *theirs, momentum=0.3)
    np.testing.assert_allclose(mean.data, theirs[0].numpy(), rtol=1e-10)
    np.testing.assert_allclose(var.data, theirs[1].numpy(), rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3, 2, 2, 2), (2, 4, 2, 1, 2, 1, 2, 2)])
def test_norms_of_any_rank_are_those_of_one_axis_of_space(shape):
    x = sample(*shape)
    flat = x.reshape(*x.shape[:2], -1)
    for f in (lambda x: nd.batch_norm(x, None, None, training=True), lambda x: nd.group_norm(x, 2), lambda x: nd.local_response_norm(x, 3)):
        np.testing.assert_allclose(f(x).data.reshape(flat.shape), f(flat).data, rtol=1e-10)


@pytest.mark.parametrize("order", ["C", "last"])
@pytest.mark.parametrize("f", [
    lambda x, w: nd.batch_norm(x, None, None, w, training=True),
    lambda x, w: nd.group_norm(x, 4, w),
    lambda x, w: nd.instance_norm(x, weight=w),
    lambda x, w: nd.layer_norm(x, 20, nd.stack([w, w, w, w, w]).ravel()),
])
def test_single_precision_follows_double_precision_where_the_mean_is_large(f, order):
    x = np.asarray(sample(24, 4, 60, 20, order=order) + 50, order="K").astype(np.float32)
    g, w = RNG.standard_normal(x.shape), sample(4).astype(np.float32)
    found = []
    for dtype in (np.float32, np.float64):
        leaves = [nd.tensor(a.astype(dtype), requires_grad=True) for a in (x, w)]
        y = f(*leaves)
        y.backward(g.astype(dtype))
        found.append([y.data, *[leaf.grad.data for leaf in leaves]])
    for single, double in zip(*found):
        assert abs(single - double).max() < 2e-5 * abs(double).max()


def test_no_examples_leave_running_statistics_alone():
    layer = nd.nn.InstanceNorm2d(3, track_running_stats=True)
    assert layer(np.ones((0, 3, 4, 4), np.float32)).shape == (0, 3, 4, 4)
    assert not layer.running_mean.data.any() and (layer.running_var.data == 1).all()
