"""The reference against naive loops, and the identities that define its gradients."""

import numpy as np
import pytest

from tinygrad_nd.kernels import reference
from tinygrad_nd.kernels.geometry import ConvSpec


def random_spec(rng, rank, groups):
    while True:
        n, k, s, d = (tuple(int(v) for v in rng.integers(lo, hi, rank)) for lo, hi in ((1, 6), (1, 4), (1, 4), (1, 3)))
        padding = tuple((int(a), int(b)) for a, b in rng.integers(-1, 4, (rank, 2)))
        spec = ConvSpec(n, k, s, padding, d, groups)
        if min(spec.out, default=1) >= 1:
            return spec


def loops(x, w, spec):
    """The definition, one multiplication at a time."""
    y = np.zeros((x.shape[0], w.shape[0], *spec.out), np.result_type(x, w))
    per_group = w.shape[0] // spec.groups
    for n, m, *j in np.ndindex(y.shape):
        for c, *t in np.ndindex(w.shape[1:]):
            at = [s * j_ + d * t_ - a for s, j_, d, t_, (a, _) in zip(spec.stride, j, spec.dilation, t, spec.padding)]
            if all(0 <= i < size for i, size in zip(at, spec.size)):
                y[(n, m, *j)] += x[(n, m // per_group * w.shape[1] + c, *at)] * w[(m, c, *t)]
    return y


def operands(rng, spec, dtype=np.float64):
    g = spec.groups
    shapes = (2, 2 * g, *spec.size), (3 * g, 2, *spec.kernel), (2, 3 * g, *spec.out)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


@pytest.mark.parametrize("rank", range(5))
def test_correlate_is_the_definition(rank):
    rng = np.random.default_rng(rank)
    for i in range(6 if rank < 4 else 1):
        spec = random_spec(rng, rank, 1 + i % 2)
        x, w, _ = operands(rng, spec)
        np.testing.assert_allclose(reference.correlate(x, w, spec), loops(x, w, spec), atol=1e-12, err_msg=str(spec))


@pytest.mark.parametrize("rank", range(7))
def test_gradients_are_adjoints_of_correlate(rank):
    rng = np.random.default_rng(10 + rank)
    for i in range(12 if rank < 4 else 2):
        spec = random_spec(rng, rank, 1 + i % 3)
        x, w, g = operands(rng, spec)
        y, dx, dw = reference.correlate(x, w, spec), reference.input_grad(g, w, spec), reference.weight_grad(x, g, spec)
        assert dx.shape == x.shape and dw.shape == w.shape
        expected = np.vdot(y, g)
        np.testing.assert_allclose(np.vdot(x, dx), expected, atol=1e-9, err_msg=str(spec))
        np.testing.assert_allclose(np.vdot(w, dw), expected, atol=1e-9, err_msg=str(spec))


def test_rank_r_is_rank_r_plus_one_with_size_one():
    rng = np.random.default_rng(3)
    spec = ConvSpec((7, 5), (3, 2), (2, 1), ((1, 2), (0, -1)), (1, 2))
    thicker = ConvSpec((7, 1, 5), (3, 1, 2), (2, 1, 1), ((1, 2), (0, 0), (0, -1)), (1, 1, 2))
    x, w, _ = operands(rng, spec)
    np.testing.assert_allclose(
        reference.correlate(x, w, spec), reference.correlate(x[:, :, :, None], w[:, :, :, None], thicker)[:, :, :, 0]
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, np.int64])
def test_the_result_keeps_the_dtype(dtype):
    spec = ConvSpec((6,), (3,), (2,), ((1, 1),), (1,))
    x, w, g = operands(np.random.default_rng(0), spec, dtype)
    results = reference.correlate(x, w, spec), reference.input_grad(g, w, spec), reference.weight_grad(x, g, spec)
    assert {r.dtype for r in results} == {np.dtype(dtype)}


def test_float16_accumulates_in_float32():
    spec = ConvSpec((1,), (1,), (1,), ((0, 0),), (1,))
    ones, big = np.ones((1, 4096, 1), np.float16), np.ones((1, 4096, 1), np.float16)
    assert reference.correlate(ones, big, spec)[0, 0, 0] == 4096


@pytest.mark.parametrize("n, c", [(0, 2), (2, 0)])
def test_no_images_or_no_channels_give_empty_or_zero_results(n, c):
    spec = ConvSpec((5, 4), (3, 2), (1, 2), ((1, 1), (0, 0)), (1, 1))
    x, w, g = np.ones((n, c, 5, 4)), np.ones((3, c, 3, 2)), np.ones((n, 3, *spec.out))
    y = reference.correlate(x, w, spec)
    assert y.shape == (n, 3, *spec.out) and not y.any()
    assert reference.input_grad(g, w, spec).shape == x.shape
    dw = reference.weight_grad(x, g, spec)
    assert dw.shape == w.shape and not dw.any()
