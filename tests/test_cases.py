"""The four cases users bring (examples/fft_layer.py, photos_cnn.py, im2col_layer.py, channels_last.py): the library against plain loops."""

import sys
from functools import partial
from pathlib import Path

import loops
import numpy as np
import pytest

import tinygrad_nd as nd

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import channels_last
import im2col_layer
import photos_cnn
import photos_cnn_modules


def close(a, b, rtol=1e-11):
    b = np.asarray(b)
    np.testing.assert_allclose(np.asarray(a), b, rtol=0, atol=rtol * max(np.abs(b).max(initial=0), 1e-300))


# A: the N-dimensional FFT layer.


@pytest.mark.parametrize("mode", ["same", "valid", "full"])
@pytest.mark.parametrize("dim", range(1, 6))
def test_a_fft_equals_direct_equals_loops(dim, mode):
    rng = np.random.default_rng(dim)
    size, kernel = {1: (9,), 2: (5, 4), 3: (4, 3, 4), 4: (3, 2, 3, 2), 5: (3, 3, 2, 2, 2)}[dim], (3, 2, 2, 2, 1)[:dim]
    x, w = rng.standard_normal((2, 2, *size)), rng.standard_normal((3, 2, *kernel))
    b = rng.standard_normal(3)
    before = {"same": [(k - 1) // 2 for k in kernel], "valid": [0] * dim, "full": [k - 1 for k in kernel]}[mode]
    after = {"same": [k // 2 for k in kernel], "valid": [0] * dim, "full": [k - 1 for k in kernel]}[mode]
    geometry = ((1,) * dim, tuple(zip(before, after)), (1,) * dim)
    y = loops.conv(x, w, *geometry) + b.reshape(-1, *(1,) * dim)
    g = rng.standard_normal(y.shape)
    expected = (y, *loops.conv_backward(g, x, w, *geometry))
    for algorithm in ("fft", "direct", "auto"):
        for dtype, rtol in (("f8", 1e-12), ("f4", 1e-5)):
            tensors = [nd.tensor(t, dtype, requires_grad=True) for t in (x, w, b)]
            out = nd.conv_nd(*tensors, padding=mode, algorithm=algorithm)
            for ours, loop in zip((out, *nd.gradients(out, tensors, g.astype(dtype))), expected):
                assert ours.dtype == dtype
                close(ours, loop, rtol)


# B: the five-conv network.


CONVS = [("conv1", 3), ("conv2", 4), ("conv3", 0), ("conv4", 0), ("conv5", 3)]  # and the max-pool behind, of stride 2
DENSE = ["dense1", "dense2", "dense3"]
FLAT = ((0, 0), (0, 0)), (1, 1)  # no padding, no dilation


def pooled(x, kernel, stride):
    """(y, winner) of a square max-pool of images."""
    y, _, winner = loops.max_pool(x, x.shape[2:], loops.windows(x.shape[2:], (kernel,) * 2, (stride,) * 2, *FLAT))
    return y, winner


def network_loops(x, labels, p, stride):
    """(loss, gradient by name) of photos_cnn.network and cross entropy, every index a loop."""
    h, kept = x, []
    for layer, pool in CONVS:
        s = (stride, stride) if layer == "conv1" else (1, 1)
        z = loops.conv(h, p[f"{layer}.weight"], s, *FLAT) + p[f"{layer}.bias"].reshape(-1, 1, 1)
        a = loops.relu(z)
        y, winner = pooled(a, pool, 2) if pool else (a, None)
        kept.append((layer, s, h, z, winner))
        h = y
    shape, h = h.shape, h.reshape(len(h), -1)
    for layer in DENSE:
        z = loops.dense(h, p[f"{layer}.weight"], p[f"{layer}.bias"])
        kept.append((layer, None, h, z, None))
        h = loops.relu(z)
    loss, g = loops.softmax_cross_entropy(z, labels)

    grads = {}
    for layer, s, h, z, winner in reversed(kept):
        weight, bias = f"{layer}.weight", f"{layer}.bias"
        if layer == "conv5":
            g = g.reshape(shape)
        if winner is not None:
            g = loops.max_pool_backward(g, winner, z.shape[2:])
        if layer != "dense3":
            g = loops.relu_backward(g, z)
        if layer in DENSE:
            g, grads[weight], grads[bias] = loops.dense_backward(g, h, p[weight])
        else:
            g, grads[weight], grads[bias] = loops.conv_backward(g, h, p[weight], s, *FLAT)
    return loss, grads | {"images": g}


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_b_every_gradient_of_the_network_equals_loops(stride):
    """All its layers, with few channels and the smallest images that reach the end, plus a row and columns that no window takes."""
    rng = np.random.default_rng(stride)
    channels = iter(((2, 3, 4, 4), (3, 2, 2, 2), (3, 3, 2, 2), (2, 3, 2, 2), (4, 2, 2, 2), (5, 4), (4, 5), (3, 4)))
    p = photos_cnn.parameters(rng, {layer: next(channels) for layer in photos_cnn.WEIGHTS})
    p = {name: nd.Parameter(t.data.astype(float) + 0.1 * rng.standard_normal(t.shape)) for name, t in p.items()}
    size = 30 * stride + 4
    x, labels = rng.standard_normal((2, 3, size + stride - 1, size)), np.array([2, 1])

    images = nd.tensor(x, requires_grad=True)
    loss = nd.cross_entropy(photos_cnn.network(images, p, stride), labels)
    loss.backward()
    expected, grads = network_loops(x, labels, {name: t.data for name, t in p.items()}, stride)
    close(loss, expected)
    for name, t in (p | {"images": images}).items():
        assert np.abs(grads[name]).max() > 0, f"{name}: the test says nothing"
        close(t.grad, grads[name])


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [2, 4])
def test_b_a_convolution_of_any_stride_equals_loops(kernel, stride):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 3, 11, 10)), rng.standard_normal((4, 3, kernel, kernel)), rng.standard_normal(4)
    geometry = ((stride, stride), ((0, 0), (0, 0)), (1, 1))
    y = loops.conv(x, w, *geometry) + b.reshape(-1, 1, 1)
    g = rng.standard_normal(y.shape)
    tensors = [nd.tensor(t, requires_grad=True) for t in (x, w, b)]
    out = nd.conv_nd(*tensors, stride=stride)
    close(out, y)
    for ours, loop in zip(nd.gradients(out, tensors, g), loops.conv_backward(g, x, w, *geometry)):
        close(ours, loop)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (2, 2), (2, 3)])
def test_b_max_pool_equals_loops(kernel, stride):
    x = np.random.default_rng(0).integers(0, 4, (2, 3, 9, 8)).astype(float)  # many ties: the first one gets the gradient
    y, winner = pooled(x, kernel, stride)
    g = np.random.default_rng(1).standard_normal(y.shape)
    xt = nd.tensor(x, requires_grad=True)
    out = nd.max_pool_nd(xt, kernel, stride)
    close(out, y)
    close(nd.gradients(out, xt, g), loops.max_pool_backward(g, winner, x.shape[2:]))


def test_b_modules_equal_the_expression():
    """The whole network of photos_cnn.py, at its full size: same scores, same gradient of every weight and of the images."""
    net = photos_cnn_modules.network(np.random.default_rng(0))
    p = photos_cnn.parameters(np.random.default_rng(0))
    assert {name: t.shape for name, t in net.named_parameters()} == {name: t.shape for name, t in p.items()}
    x = np.random.default_rng(1).standard_normal((2, 3, 96, 96)).astype(np.float32)
    results = []
    for forward, params in ((net, dict(net.named_parameters())), (partial(photos_cnn.network, p=p), p)):
        images = nd.tensor(x, requires_grad=True)
        scores = forward(images)
        nd.cross_entropy(scores, np.array([3, 5])).backward()
        results.append({"scores": scores, "images": images.grad} | {name: t.grad for name, t in params.items()})
    assert results[0]["scores"].shape == (2, 8)
    for name in results[0]:
        np.testing.assert_array_equal(results[0][name].data, results[1][name].data, err_msg=name)


def test_b_the_expression_trains_like_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = photos_cnn.parameters(rng)
    theirs = {name: torch.tensor(t.data, requires_grad=True) for name, t in p.items()}
    ours, other = (optim.SGD(list(q.values()), 0.01, momentum=0.9) for optim, q in ((nd.optim, p), (torch.optim, theirs)))
    F = torch.nn.functional
    for _ in range(3):
        x, y = rng.standard_normal((8, 3, 96, 96)).astype(np.float32), rng.integers(0, 8, 8)
        ours.zero_grad()
        loss = nd.cross_entropy(photos_cnn.network(x, p), y)
        loss.backward()
        ours.step()
        h = torch.from_numpy(x)
        for layer, stride, pool in (("conv1", 2, 3), ("conv2", 1, 4), ("conv3", 1, 0), ("conv4", 1, 0), ("conv5", 1, 3)):
            h = F.relu(F.conv2d(h, theirs[f"{layer}.weight"], theirs[f"{layer}.bias"], stride))
            h = F.max_pool2d(h, pool, 2) if pool else h
        h = h.flatten(1)
        for layer in ("dense1", "dense2", "dense3"):
            h = F.linear(h, theirs[f"{layer}.weight"], theirs[f"{layer}.bias"])
            h = F.relu(h) if layer != "dense3" else h
        other.zero_grad()
        expected = F.cross_entropy(h, torch.from_numpy(y))
        expected.backward()
        other.step()
        assert loss.item() == pytest.approx(expected.item(), rel=2e-3)


# C: the im2col layer.


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("filter_size", [(3, 3), (2, 4), (1, 1)])
def test_c_same_numbers_as_the_layer_by_hand(filter_size, stride):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2, 7, 8))
    w, b = 0.1 * rng.standard_normal((4, 2, *filter_size)), 0.1 * rng.standard_normal(4)
    shape = tuple((n - k) // stride + 1 for n, k in zip((7, 8), filter_size))
    g = rng.standard_normal((3, 4, *shape))
    hand = im2col_layer.by_hand(x, w, b, g, stride)
    for ours, theirs in zip(im2col_layer.by_library(x, w, b, g, stride), hand):
        close(ours, theirs)
    geometry = ((stride, stride), ((0, 0), (0, 0)), (1, 1))
    y = 1 / (1 + np.exp(-(loops.conv(x, w, *geometry) + b.reshape(-1, 1, 1))))
    for loop, theirs in zip((y, *loops.conv_backward(g * y * (1 - y), x, w, *geometry)), hand):
        close(theirs, loop)


# D: the vectorised loops.


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), channels_last.CASES)
def test_d_channels_last_equals_the_four_loops_and_the_definition(kernel, stride, padding, dilation):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 10, 3)), rng.standard_normal((*kernel, 3, 4))
    z, _ = channels_last.forward_loops(x, w, stride, padding, dilation)
    dz = rng.standard_normal(z.shape)
    dx, dw = channels_last.backward_loops(dz, x, w, stride, padding, dilation)
    for ours, loop in zip(channels_last.library(dz, x, w, stride, padding, dilation), (z, dx, dw)):
        close(ours, loop)
    first, weight, g = np.moveaxis(x, -1, 1), w.transpose(3, 2, 0, 1), np.moveaxis(dz, -1, 1)
    close(np.moveaxis(z, -1, 1), loops.conv(first, weight, stride, padding, dilation))
    by_definition = loops.conv_backward(g, first, weight, stride, padding, dilation)
    close(np.moveaxis(dx, -1, 1), by_definition[0])
    close(dw.transpose(3, 2, 0, 1), by_definition[1])


@pytest.mark.parametrize(("stride", "padding", "size"), [(1, 0, 7), (2, 0, 8), (2, 1, 9), (3, 2, 10)])
def test_d_the_input_gradient_is_dilate_pad_rotate_correlate(stride, padding, size):
    rng = np.random.default_rng(0)
    x, w = nd.tensor(rng.standard_normal((2, 3, size, size)), requires_grad=True), nd.tensor(rng.standard_normal((4, 3, 3, 3)))
    y = nd.conv_nd(x, w, stride=stride, padding=padding)
    g = nd.tensor(rng.standard_normal(y.shape))
    close(channels_last.input_gradient_explained(g, w, stride, padding, size), nd.gradients(y, x, g))
