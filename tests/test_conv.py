"""Convolution at every rank, held against plain loops, NumPy and SciPy, and against itself."""

from itertools import product
from math import ceil

import loops
import numpy as np
import peers
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

ALGORITHMS = ("auto", "gemm", "fft", "winograd", "direct", "reference")


def draw(*shapes, seed=0, kind=float):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s) + (1j * rng.standard_normal(s) if kind is complex else 0) for s in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def close(found, expected, tol=1e-12):
    found = found.data if isinstance(found, nd.Tensor) else found
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * 10)


# ---- against plain loops

CASES = {  # n, k, stride, padding, dilation, groups, C, M
    "rank 0": ((), (), (), (), (), 1, 3, 4),
    "rank 0, groups": ((), (), (), (), (), 2, 4, 6),
    "rank 1": ((9,), (3,), (1,), ((0, 0),), (1,), 1, 2, 3),
    "rank 1, everything": ((11,), (3,), (2,), ((2, 1),), (2,), 2, 4, 6),
    "rank 2": ((6, 5), (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 2, 3),
    "rank 2, strided": ((7, 6), (3, 2), (2, 3), ((1, 1), (0, 0)), (1, 1), 1, 2, 2),
    "rank 2, one-sided padding": ((5, 4), (3, 3), (1, 2), ((2, 0), (0, 3)), (1, 1), 1, 1, 2),
    "rank 2, negative padding": ((8, 7), (3, 2), (1, 2), ((-2, 1), (0, -1)), (1, 1), 1, 2, 1),
    "rank 2, cropped within": ((8, 7), (2, 2), (2, 1), ((-1, -2), (-3, -1)), (1, 1), 1, 2, 1),
    "rank 2, dilated": ((9, 8), (3, 3), (1, 2), ((1, 1), (2, 0)), (2, 3), 1, 2, 2),
    "rank 2, dilated at stride 1": ((9, 8), (3, 2), (1, 1), ((1, 1), (2, 0)), (2, 3), 1, 2, 2),
    "rank 2, depthwise": ((5, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4, 4, 4),
    "rank 2, depthwise with multiplier": ((5, 6), (3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1), 3, 3, 6),
    "rank 2, groups": ((5, 5), (2, 3), (1, 2), ((0, 1), (1, 1)), (2, 1), 3, 6, 3),
    "padding > kernel": ((3, 2), (2, 2), (1, 3), ((4, 3), (3, 5)), (1, 1), 1, 1, 2),
    "kernel = input": ((4, 3), (4, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 2, 2),
    "stride > kernel": ((9, 8), (2, 1), (4, 3), ((1, 0), (0, 0)), (1, 1), 1, 2, 2),
    "1 x 1": ((4, 5), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 3, 4),
    "rank 3": ((4, 5, 3), (2, 3, 2), (1, 2, 1), ((1, 0), (1, 1), (0, 1)), (1, 1, 2), 1, 2, 2),
    "rank 4": ((3, 4, 2, 3), (2, 2, 1, 2), (1, 2, 1, 1), ((0, 1), (0, 0), (1, 0), (0, 0)), (1, 1, 1, 2), 2, 2, 2),
    "rank 5": ((2, 3, 2, 2, 3), (2, 2, 1, 2, 2), (1, 1, 2, 1, 1), ((0, 0), (1, 0), (0, 0), (0, 1), (0, 0)), (1,) * 5, 1, 1, 2),
}


def operands(case, kind=float, batch=2):
    n, k, stride, padding, dilation, groups, c, m = CASES[case]
    x, w, b = draw((batch, c, *n), (m, c // groups, *k), (m,), kind=kind)
    return x, w, b, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.parametrize("case", ["rank 1, everything", "rank 2, groups", "rank 3", "rank 0"])
def test_complex_conv_is_not_conjugated_and_its_gradients_are_adjoint(case):
    x, w, b, how = operands(case, complex)
    tx, tw, tb = (nd.tensor(t, requires_grad=True) for t in (x, w, b))
    y = nd.conv_nd(tx, tw, tb, **how)
    close(y, loops.conv(x, w, *how.values()) + b.reshape(-1, *(1,) * (x.ndim - 2)))
    g = draw(y.shape, seed=1, kind=complex)
    y.backward(g)
    dx, _, _ = loops.conv_backward(g, x, w.conj(), *how.values())
    _, dw, db = loops.conv_backward(g, x.conj(), w, *how.values())
    for found, meant in zip((tx.grad, tw.grad, tb.grad), (dx, dw, db)):
        close(found, meant)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@in_turn("case", CASES)
def test_conv_and_its_gradients_equal_the_loops(case, algorithm):
    x, w, b, how = operands(case)
    tx, tw, tb = (nd.tensor(t, requires_grad=True) for t in (x, w, b))
    try:
        y = nd.conv_nd(tx, tw, tb, **how, algorithm=algorithm)
    except ValueError as error:
        assert "conv_nd" in str(error) and algorithm in str(error)  # a row that cannot says so, and why
        assert algorithm in ("winograd", "fft", "direct")
        return
    close(y, loops.conv(x, w, *how.values()) + b.reshape(-1, *(1,) * (x.ndim - 2)))
    g = draw(y.shape, seed=1)
    y.backward(g)
    for found, meant in zip((tx.grad, tw.grad, tb.grad), loops.conv_backward(g, x, w, *how.values())):
        close(found, meant, 1e-12 if algorithm == "auto" else 1e-11)


@pytest.fixture
def precision():
    yield nd.set_conv_precision
    nd.set_conv_precision("fast")


@pytest.mark.parametrize("setting, algorithm, bound", [
    ("fast", "gemm", 2e-6), ("fast", "fft", 2e-6), ("fast", "winograd", 1e-5), ("fast", "auto", 1e-5),
    ("high", "winograd", 2e-6), ("high", "auto", 3e-6),
])  # fmt: skip
@pytest.mark.parametrize(
    "size, kernel, c", [((40,), (3,), 64), ((14, 14), (3, 3), 256), ((22, 22), (2, 2), 40), ((12, 12, 12), (3, 3, 3), 16)]
)
def test_float32_errors_stay_below_what_is_promised(precision, setting, algorithm, bound, size, kernel, c):
    precision(setting)
    x, w = draw((2, c, *size), (32, c, *kernel))
    found, expected = [], []
    for dtype, results, by in ((np.float32, found, algorithm), (np.float64, expected, "gemm")):
        tx, tw = nd.tensor(x.astype(dtype), requires_grad=True), nd.tensor(w.astype(dtype), requires_grad=True)
        y = nd.conv_nd(tx, tw, padding=1, algorithm=by)
        y.backward(draw(y.shape, seed=1).astype(dtype))
        results += [y.data, tx.grad.data, tw.grad.data]
    for a, b in zip(found, expected):
        assert np.abs(a - b).max() <= bound * np.abs(b).max()


def test_high_precision_refuses_what_only_large_tiles_can_do(precision):
    x, w = draw((1, 2, 9), (2, 2, 4))
    x, w = x.astype(np.float32), w.astype(np.float32)
    nd.conv_nd(x, w, algorithm="winograd")
    precision("high")
    with pytest.raises(ValueError, match="kernels of 2 to 3"):
        nd.conv_nd(x, w, algorithm="winograd")
    with pytest.raises(ValueError, match="'fast', 'high'"):
        precision("exact")


def test_the_graph_shows_which_algorithm_ran():
    x, w, _, how = operands("rank 2")
    y = nd.conv_nd(nd.tensor(x, requires_grad=True), w, **how, algorithm="gemm")
    conv = y._node if y._node.op.name == "correlate" else next(p for p in y._node.parents if p is not None)
    assert conv.op.name == "correlate" and conv.params["algorithm"] == "gemm"


def test_explain_lists_candidates_with_seconds_and_bytes():
    text = nd.explain_conv((8, 3, 32, 32), (16, 3, 3, 3), padding=1)
    assert nd.explain_conv(nd.zeros((8, 3, 32, 32)), np.zeros((16, 3, 3, 3)), padding=1) == text
    for word in ("gemm", "correlate", "input_grad", "weight_grad"):
        assert word in text


# ---- forms of input


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith("rank")])
def test_channels_last_and_unbatched_inputs_give_the_same_values(case):
    x, w, b, how = operands(case)
    y = nd.conv_nd(x, w, b, **how).data
    close(nd.conv_nd(np.moveaxis(x, 1, -1), w, b, **how, layout="N*C"), np.moveaxis(y, 1, -1))
    close(nd.conv_nd(x[0], w, b, **how), y[0])
    close(nd.conv_nd(np.moveaxis(x[0], 0, -1), w, b, **how, layout="N*C"), np.moveaxis(y[0], 0, -1))


def test_gradients_of_channels_last_input_are_channels_last():
    x, w, _, how = operands("rank 2, strided")
    a, b = nd.tensor(x, requires_grad=True), nd.tensor(np.moveaxis(x, 1, -1), requires_grad=True)
    va, vb = nd.tensor(w, requires_grad=True), nd.tensor(w, requires_grad=True)
    (nd.conv_nd(a, va, **how) ** 2).sum().backward()
    (nd.conv_nd(b, vb, **how, layout="N*C") ** 2).sum().backward()
    close(b.grad, np.moveaxis(a.grad.data, 1, -1))
    close(vb.grad, va.grad.data)


def test_memory_order_of_the_operands_does_not_matter():
    x, w, b, how = operands("rank 2, strided")
    expected = nd.conv_nd(x, w, b, **how).data
    for order in ("F", "C"):
        close(nd.conv_nd(np.asarray(x, order=order), np.asarray(w, order=order), b, **how), expected)
    wide = np.zeros((2, 2, 14, 12))
    wide[:, :, ::2, ::-2] = x
    close(nd.conv_nd(wide[:, :, ::2, ::-2], w[::-1][::-1], b, **how), expected)
    flipped = x[..., ::-1].copy()[..., ::-1]
    close(nd.conv_nd(flipped, w, b, **how), expected)
    image = draw((1, 1, 7, 6))
    close(nd.conv_nd(np.broadcast_to(image, (2, 2, 7, 6)), w, b, **how), nd.conv_nd(np.tile(image, (2, 2, 1, 1)), w, b, **how).data)


def test_tensors_arrays_and_lists_mix():
    x, w, b, how = operands("rank 1")
    expected = nd.conv_nd(x, w, b, **how).data
    close(nd.conv_nd(nd.tensor(x), w, b.tolist(), **how), expected)
    close(nd.conv_nd(x.tolist(), nd.tensor(w), nd.tensor(b), **how), expected)


def test_integers_give_exact_results_or_floats_but_the_right_values():
    x, w = np.arange(12).reshape(1, 1, 12), np.array([[[1, 2, 3]]])
    np.testing.assert_array_equal(nd.conv_nd(x, w).data.ravel(), np.correlate(np.arange(12), [1, 2, 3], "valid"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("algorithm", ["auto", "gemm", "fft"])
def test_conv_keeps_the_dtype_in_value_and_gradients(dtype, algorithm):
    x, w, b, how = operands("rank 2")
    x, w, b = (nd.tensor(t.astype(dtype), requires_grad=True) for t in (x, w, b))
    y = nd.conv_nd(x, w, b, **how, algorithm=algorithm) if not (algorithm == "fft" and dtype == np.float16) else nd.conv_nd(x, w, b, **how)
    assert y.dtype == dtype
    y.backward(np.ones(y.shape, dtype))
    assert x.grad.dtype == w.grad.dtype == b.grad.dtype == dtype


def test_float32_operands_with_a_float64_one_promote_and_gradients_come_back():
    x, w, _, how = operands("rank 2")
    x = nd.tensor(x.astype(np.float32), requires_grad=True)
    y = nd.conv_nd(x, w, **how)
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


# ---- the words of padding


def out_size(n, k, stride, padding, dilation):
    return nd.conv_nd(np.zeros((1, 1, n)), np.zeros((1, 1, k)), None, stride, padding, dilation).shape[2]


@in_turn("n, k, stride, dilation", list(product((1, 2, 5, 8), (1, 2, 3, 4), (1, 2, 3), (1, 2))))
def test_padding_words_give_their_sizes(n, k, stride, dilation):
    span = dilation * (k - 1)
    assert out_size(n, k, stride, "same", dilation) == out_size(n, k, stride, "same_lower", dilation) == ceil(n / stride)
    assert out_size(n, k, stride, "full", dilation) == (n + span - 1) // stride + 1
    assert out_size(n, k, stride, "causal", dilation) == (n - 1) // stride + 1
    if n > span:
        assert out_size(n, k, stride, "valid", dilation) == out_size(n, k, stride, 0, dilation) == (n - span - 1) // stride + 1


def test_full_is_numpys_full_and_same_puts_the_odd_zero_at_the_end():
    x, v = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0])

    def run(padding, **how):
        return nd.conv_nd(x[None, None], v[None, None], padding=padding, **how).data.ravel()

    np.testing.assert_array_equal(run("full"), np.convolve(x, v[::-1], "full"))
    np.testing.assert_array_equal(run("valid"), np.correlate(x, v, "valid"))
    np.testing.assert_array_equal(run("same"), [21, 32, 43, 4])
    np.testing.assert_array_equal(run("same_lower"), [10, 21, 32, 43])
    np.testing.assert_array_equal(run("causal"), [10, 21, 32, 43])
    np.testing.assert_array_equal(run("same", stride=2), [21, 43])


def test_same_at_a_stride_needs_no_padding_where_windows_tile():
    x = np.arange(1.0, 7)[None, None]
    np.testing.assert_array_equal(nd.conv_nd(x, np.ones((1, 1, 3)), stride=3, padding="same").data.ravel(), [6, 15])
    np.testing.assert_array_equal(nd.conv_nd(x, np.ones((1, 1, 1)), stride=4, padding="same").data.ravel(), [1, 5])


def test_a_causal_output_never_sees_the_future():
    x = nd.tensor(draw((1, 1, 9)), requires_grad=True)
    y = nd.conv_nd(x, draw((1, 1, 3), seed=1), padding="causal", dilation=2)
    J = np.stack([nd.gradients(y[0, 0, t], x, retain_graph=True).data.ravel() for t in range(9)])
    assert not np.triu(J, 1).any() and (np.diag(J) != 0).all()


def test_forms_of_padding_mean_the_same():
    x, w = draw((1, 1, 5, 6), (1, 1, 3, 2))
    expected = nd.conv_nd(x, w, padding=((1, 1), (2, 2))).data
    for padding in ((1, 2), [1, 2], ((1, 1), 2), [[1, 1], (2, 2)], np.array([1, 2]), (np.int64(1), (2, 2))):
        close(nd.conv_nd(x, w, padding=padding), expected)
    close(nd.conv_nd(x, w, padding=2), nd.conv_nd(x, w, padding=(2, 2)).data)
    close(nd.conv_nd(x, w, padding=((1, 0), (0, 2))), nd.conv_nd(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2))), w).data)


def test_negative_padding_crops():
    x, w = draw((1, 1, 7, 6), (1, 1, 2, 2))
    close(nd.conv_nd(x, w, padding=((-1, -2), (0, -1))), nd.conv_nd(x[:, :, 1:-2, :-1], w).data)
    close(nd.conv_nd(x, w, padding=-1), nd.conv_nd(x[:, :, 1:-1, 1:-1], w).data)


# ---- padding modes

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("modes", [*MODES, *product(MODES, MODES)])
def test_padding_modes_pad_as_numpy_does(modes):
    x, w = draw((2, 2, 5, 6), (3, 2, 3, 2))
    padding = ((2, 1), (0, 3))
    per_axis = (modes, modes) if isinstance(modes, str) else modes
    padded = x
    for axis, (mode, pair) in enumerate(zip(per_axis, padding)):
        padded = np.pad(padded, [(0, 0)] * (2 + axis) + [pair] + [(0, 0)] * (1 - axis), mode=MODES[mode])
    close(nd.conv_nd(x, w, None, (1, 2), padding, padding_mode=modes), nd.conv_nd(padded, w, None, (1, 2)).data)


@pytest.mark.parametrize("mode", MODES)
def test_a_padding_mode_leaves_crops_crops(mode):
    x, w = draw((1, 1, 6), (1, 1, 2))
    expected = nd.conv_nd(np.pad(x, ((0, 0), (0, 0), (0, 2)), mode=MODES[mode])[..., 1:], w).data
    close(nd.conv_nd(x, w, padding=((-1, 2),), padding_mode=mode), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", ["same", "full", "causal", 2])
def test_padding_modes_are_differentiable_with_every_word(mode, padding):
    x, w = draw((1, 2, 5, 4), (2, 2, 3, 3))
    nd.testing.check_grads(lambda x, w: nd.conv_nd(x, w, padding=padding, padding_mode=mode), [x, w], order=2)


def test_circular_padding_commutes_with_shifts():
    x, w = draw((1, 1, 8, 6), (1, 1, 3, 3))
    y = nd.conv_nd(x, w, padding="same", padding_mode="circular").data
    close(nd.conv_nd(np.roll(x, (3, -2), (2, 3)), w, padding="same", padding_mode="circular"), np.roll(y, (3, -2), (2, 3)))


# ---- identities


@pytest.mark.parametrize("case", ["rank 0", "rank 1, everything", "rank 2, groups", "rank 2, negative padding", "rank 3", "rank 4"])
@pytest.mark.parametrize("where", ["front", "back"])
def test_rank_r_is_rank_r_plus_1_with_size_1(case, where):
    x, w, b, how = operands(case)
    at = 2 if where == "front" else x.ndim

    def more(t, one):
        t = tuple(t)
        return (one, *t) if where == "front" else (*t, one)

    wide = {**how, "stride": more(how["stride"], 3), "padding": more(how["padding"], (0, 0)), "dilation": more(how["dilation"], 2)}
    y = nd.conv_nd(np.expand_dims(x, at), np.expand_dims(w, at), b, **wide)
    close(y, np.expand_dims(nd.conv_nd(x, w, b, **how).data, at))


def test_conv_is_linear_in_each_operand():
    (x, w, _, how), (x2, w2) = operands("rank 2, dilated"), draw((2, 2, 9, 8), (2, 2, 3, 3), seed=5)
    f = lambda x, w: nd.conv_nd(x, w, **how).data
    close(f(2 * x + x2, w), 2 * f(x, w) + f(x2, w))
    close(f(x, 2 * w + w2), 2 * f(x, w) + f(x, w2))


def test_conv_commutes_with_shifts_of_its_input():
    x, w = draw((1, 2, 12), (3, 2, 3))
    y = nd.conv_nd(x, w).data
    close(nd.conv_nd(x[..., 2:], w), y[..., 2:])


def test_groups_are_convolutions_side_by_side():
    x, w, b, how = operands("rank 2, groups")
    parts = [nd.conv_nd(x[:, 2 * i : 2 * i + 2], w[i : i + 1], b[i : i + 1], **{**how, "groups": 1}).data for i in range(3)]
    close(nd.conv_nd(x, w, b, **how), np.concatenate(parts, 1))


def test_a_unit_kernel_is_the_identity():
    x = draw((2, 3, 4, 5))
    close(nd.conv_nd(x, np.eye(3)[..., None, None]), x)
    delta = np.zeros((3, 1, 3, 3))
    delta[:, :, 1, 1] = 1
    close(nd.conv_nd(x, delta, padding=1, groups=3), x)


def test_a_kernel_of_the_inputs_size_is_a_dense_layer():
    x, w, b = draw((4, 3, 2, 5), (6, 3, 2, 5), (6,))
    close(nd.conv_nd(x, w, b)[:, :, 0, 0], nd.linear(x.reshape(4, -1), w.reshape(6, -1), b).data)


def test_nan_and_infinity_flow_to_the_outputs_that_see_them_only():
    x = draw((1, 1, 8))
    for bad in (np.nan, np.inf):
        x[0, 0, 3] = bad
        with np.errstate(invalid="ignore"):
            y = nd.conv_nd(x, np.ones((1, 1, 3)), algorithm="gemm").data.ravel()
        np.testing.assert_array_equal(np.isfinite(y), [True, False, False, False, True, True])


# ---- derivatives of every order


@pytest.mark.parametrize(
    "case", ["rank 0", "rank 1, everything", "rank 2, negative padding", "rank 2, depthwise with multiplier", "padding > kernel"]
)
def test_derivatives_meet_differences_to_second_order(case):
    x, w, b, how = operands(case, batch=1)
    nd.testing.check_grads(lambda x, w, b: nd.conv_nd(x, w, b, **how), [x, w, b], order=2)


def test_derivatives_meet_differences_to_third_order():
    x, w = draw((1, 1, 4, 3), (1, 1, 2, 2))
    nd.testing.check_grads(lambda x, w: nd.conv_nd(x, w, stride=(2, 1), padding=((1, 0), (0, 1))) ** 3, [x, w], order=3)
    nd.testing.check_grads(lambda x: nd.conv_nd(x, x[:, :, :2, :2]), [x], order=3)


def test_conv_and_gradients_stay_inside_three_kernels():
    x, w = (nd.tensor(t, requires_grad=True) for t in draw((1, 2, 6, 5), (3, 2, 3, 2)))
    seen, frontier = set(), nd.conv_nd(x, w, stride=2, padding=1)
    for _ in range(3):
        gx, gw = nd.gradients((frontier * frontier).sum(), [x, w], create_graph=True)
        stack, done = [gx._node, gw._node], set()
        while stack:
            node = stack.pop()
            if node is None or node in done or not node.tracked:
                continue
            done.add(node)
            if "spec" in node.params:
                seen.add(node.op.name)
            stack.extend(node.parents)
        frontier = gx
    assert seen <= {"correlate", "input_grad", "weight_grad"} and len(seen) == 3


def test_hessian_of_a_convolution_in_its_operands_is_the_mixed_derivative():
    x, w = draw((1, 1, 5), (1, 1, 2))
    u, v, g = draw(x.shape, w.shape, (1, 1, 4), seed=2)
    f = lambda x, w: (nd.conv_nd(x, w) * g).sum()
    hx, hw = nd.hvp(f, [x, w], [u, v])
    close(hx, nd.grad(f)(x, v).data)  # trilinear: d²T(x, w)[u, v] in x is T(·, v)
    close(hw, nd.grad(f, 1)(u, w).data)


# ---- empty


@pytest.mark.parametrize("n, c, m", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
@pytest.mark.parametrize("algorithm", ["auto", "gemm", "fft", "reference"])
def test_empty_operands_give_empty_or_zero_results_and_gradients(n, c, m, algorithm):
    x, w, b = nd.zeros((n, c, 5, 4), requires_grad=True), nd.ones((m, c, 3, 2), requires_grad=True), nd.ones((m,), requires_grad=True)
    y = nd.conv_nd(x, w, b, stride=2, algorithm=algorithm)
    assert y.shape == (n, m, 2, 2)
    np.testing.assert_array_equal(y.data, np.ones(y.shape))
    y.sum().backward()
    for t, value in ((x, 0.0 if n and c else None), (w, 0.0)):
        assert t.grad.shape == t.shape and t.grad.dtype == t.dtype and not np.isnan(t.grad.data).any()
        if value is not None:
            np.testing.assert_array_equal(t.grad.data, np.zeros(t.shape))
    np.testing.assert_array_equal(b.grad.data, np.full(m, float(n * 4)))


def test_transposed_convolution_of_an_empty_batch_is_empty():
    x, w = nd.zeros((0, 2, 3), requires_grad=True), nd.ones((2, 4, 3), requires_grad=True)
    y = nd.conv_transpose_nd(x, w, np.ones(4), stride=2)
    assert y.shape == (0, 4, 7)
    y.sum().backward()
    assert x.grad.shape == x.shape and not w.grad.data.any()


# ---- the transposed convolution


@in_turn("case", CASES)
def test_conv_transpose_is_the_adjoint_of_conv(case):
    """<conv(x, w), g> = <x, conv_transpose(g, w)>, with x's size asked for."""
    x, w, _, how = operands(case)
    y = nd.conv_nd(x, w, **how).data
    g = draw(y.shape, seed=3)
    back = nd.conv_transpose_nd(g, w, **how, output_size=x.shape[2:]).data
    assert back.shape == x.shape
    np.testing.assert_allclose((y * g).sum(), (x * back).sum(), rtol=1e-10)
    close(back, loops.conv_backward(g, x, w, *how.values())[0])


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_output_padding_adds_at_the_end_and_equals_output_size(extra):
    x, w, b = draw((2, 3, 4, 5), (3, 2, 2, 3), (2,))
    base = nd.conv_transpose_nd(x, w, b, stride=3, padding=1)
    y = nd.conv_transpose_nd(x, w, b, stride=3, padding=1, output_padding=extra)
    assert y.shape[2:] == tuple(n + extra for n in base.shape[2:])
    close(y[:, :, : base.shape[2], : base.shape[3]], base.data)
    close(nd.conv_transpose_nd(x, w, b, stride=3, padding=1, output_size=y.shape[2:]), y.data)
    close(nd.conv_transpose_nd(x, w, b, stride=3, padding=1, output_padding=(extra, extra)), y.data)


def test_conv_transpose_scatters_each_input_as_a_scaled_kernel():
    x, w = draw((1, 2, 3), (2, 1, 4))
    expected = np.zeros((1, 1, 2 * 2 + 4))
    for i, c in product(range(3), range(2)):
        expected[0, 0, 2 * i : 2 * i + 4] += x[0, c, i] * w[c, 0]
    close(nd.conv_transpose_nd(x, w, stride=2), expected)


def test_conv_transpose_size_formula_with_dilation_groups_and_one_sided_padding():
    x, w, b = draw((2, 4, 5, 4), (4, 3, 3, 2), (6,))
    y = nd.conv_transpose_nd(x, w, b, (2, 3), ((1, 2), (0, 1)), (1, 0), 2, (1, 2))
    assert y.shape == (2, 6, 4 * 2 - 3 + 2 + 1 + 1, 3 * 3 - 1 + 2 + 1)
    whole = nd.conv_transpose_nd(x, w, b, (2, 3), 0, (1, 0), 2, (1, 2)).data
    close(y, whole[:, :, 1 : whole.shape[2] - 2, : whole.shape[3] - 1])


@pytest.mark.parametrize("word, size", [("valid", 3 * 2 + 3), ("same", 8), ("same_lower", 8), ("causal", 8)])
def test_words_of_padding_mean_output_o_times_stride(word, size):
    x, w = draw((1, 1, 4), (1, 1, 3))
    y = nd.conv_transpose_nd(x, w, stride=2, padding=word)
    assert y.shape == (1, 1, size)
    if word != "valid":  # the transpose of the convolution with the same word, where sizes agree
        g = draw(y.shape, seed=1)
        forward = nd.conv_nd(g, w, stride=2, padding=word).data
        if word == "causal":
            return
        np.testing.assert_allclose((forward * x).sum(), (g * y.data).sum())


def test_conv_transpose_layouts_and_unbatched():
    x, w, b = draw((2, 3, 4, 5), (3, 2, 2, 3), (2,))
    y = nd.conv_transpose_nd(x, w, b, 2).data
    close(nd.conv_transpose_nd(np.moveaxis(x, 1, -1), w, b, 2, layout="N*C"), np.moveaxis(y, 1, -1))
    close(nd.conv_transpose_nd(x[0], w, b, 2), y[0])
    close(nd.conv_transpose_nd(np.moveaxis(x[1], 0, -1), w, b, 2, layout="N*C"), np.moveaxis(y[1], 0, -1))


@pytest.mark.parametrize(
    "how", [{}, {"stride": 2, "output_padding": 1, "padding": 1}, {"groups": 2, "dilation": 2}, {"padding": -1, "stride": 2}]
)
def test_conv_transpose_derivatives_meet_differences(how):
    x, w, b = draw((1, 2, 3, 3), (2, 2 // how.get("groups", 1), 2, 2), (2,))
    nd.testing.check_grads(lambda x, w, b: nd.conv_transpose_nd(x, w, b, **how), [x, w, b], order=2)


def test_conv_transpose_keeps_float32():
    x, w, b = (nd.tensor(t.astype(np.float32), requires_grad=True) for t in draw((1, 2, 3), (2, 2, 2), (2,)))
    y = nd.conv_transpose_nd(x, w, b, stride=2)
    y.sum().backward()
    assert {t.dtype for t in (y, x.grad, w.grad, b.grad)} == {np.dtype(np.float32)}


def test_layers_take_every_argument_of_their_functions():
    x = draw((1, 4, 5, 6))
    layer = nd.nn.Conv(4, 6, (3, 2), (1, 2), ((2, 0), 1), (2, 1), 2, padding_mode=("circular", "zeros"), layout="NC*", dtype=float, rng=0)
    how = {"stride": (1, 2), "padding": ((2, 0), 1), "dilation": (2, 1), "groups": 2, "padding_mode": ("circular", "zeros")}
    close(layer(x), nd.conv_nd(x, layer.weight, layer.bias, **how).data)
    layer = nd.nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2, dilation=2, output_size=(12, 13), dtype=float, rng=0)
    how = {"stride": 2, "padding": 1, "groups": 2, "dilation": 2}
    close(layer(x), nd.conv_transpose_nd(x, layer.weight, layer.bias, **how, output_size=(12, 13)).data)
    close(layer(x, output_size=(11, 14)), nd.conv_transpose_nd(x, layer.weight, layer.bias, **how, output_size=(11, 14)).data)
    last = nd.nn.ConvTranspose(4, 6, (3,), 2, 1, 1, layout="N*C", dtype=float, rng=0)
    assert last(np.ones((2, 5, 4))).shape == (2, 10, 6)


# ---- correlate_nd and convolve_nd: SciPy's meaning


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("kind", [float, complex])
@in_turn("n, k", [(7, 3), (7, 4), (6, 3), (6, 6), (5, 1), (1, 1), (8, 2)])
def test_one_axis_is_numpys_convolve_and_correlate(mode, n, k, kind):
    a, v = draw((n,), (k,), kind=kind)
    close(nd.convolve_nd(a, v, mode), np.convolve(a, v, mode))
    close(nd.correlate_nd(a, v, mode), np.correlate(a, v, mode))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shapes", [((5, 6), (3, 2)), ((4, 5, 3), (2, 2, 3)), ((3, 4, 2, 3), (2, 1, 2, 2)), ((2, 3), (4, 5)), ((6,), (6,))])
@pytest.mark.parametrize("kind", [float, complex])
def test_all_axes_are_scipys_convolve_and_correlate(mode, shapes, kind):
    signal = pytest.importorskip("scipy.signal")
    a, v = draw(*shapes, kind=kind)
    close(nd.convolve_nd(a, v, mode), signal.convolve(a, v, mode, method="direct"))
    close(nd.correlate_nd(a, v, mode), signal.correlate(a, v, mode, method="direct"))


@pytest.mark.parametrize("mode", ["full", "same"])
def test_a_second_operand_longer_along_some_axes_is_scipys(mode):
    signal = pytest.importorskip("scipy.signal")
    a, v = draw((2, 5), (4, 3))
    close(nd.convolve_nd(a, v, mode), signal.convolve(a, v, mode, method="direct"))
    close(nd.correlate_nd(a, v, mode), signal.correlate(a, v, mode, method="direct"))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(
    "shapes, axes",
    [
        (((3, 6), (3, 2)), 1),
        (((3, 6), (3, 2)), -1),
        (((6, 3), (2, 3)), [0]),
        (((2, 5, 4), (2, 3, 2)), (1, 2)),
        (((2, 5, 4), (1, 3, 2)), (2, 1)),
        (((1, 5, 4), (3, 2, 2)), (1, 2)),
        (((2, 1, 6), (1, 3, 2)), 2),
        (((5, 2), (3, 2)), (-2,)),
    ],
)
def test_some_axes_are_scipys_fftconvolve_and_the_others_broadcast(mode, shapes, axes):
    signal = pytest.importorskip("scipy.signal")
    a, v = draw(*shapes)
    over = {i % a.ndim for i in np.atleast_1d(axes)}
    wide = [max(n, k) if i not in over else n for i, (n, k) in enumerate(zip(a.shape, v.shape))]  # "same" means a's shape once broadcast
    expected = signal.fftconvolve(np.broadcast_to(a, wide), v, mode, axes=axes)
    close(nd.convolve_nd(a, v, mode, axes=axes), expected, 1e-10)


def test_correlation_is_convolution_with_the_reversed_conjugate():
    a, v = draw((2, 6, 5), (2, 3, 2), kind=complex)
    close(nd.correlate_nd(a, v, axes=(1, 2)), nd.convolve_nd(a, v[:, ::-1, ::-1].conj(), axes=(1, 2)).data)


def test_convolution_commutes_and_associates():
    a, b, c = draw((5, 4), (3, 2), (2, 3))
    close(nd.convolve_nd(a, b), nd.convolve_nd(b, a).data)
    close(nd.convolve_nd(nd.convolve_nd(a, b), c), nd.convolve_nd(a, nd.convolve_nd(b, c)).data)


@pytest.mark.parametrize("f", [nd.convolve_nd, nd.correlate_nd])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_their_derivatives_meet_differences(f, mode):
    nd.testing.check_grads(lambda a, v: f(a, v, mode), draw((4, 5), (2, 3)), order=2)
    nd.testing.check_grads(lambda a, v: f(a, v, mode, axes=1), draw((1, 5), (3, 2)), order=2)
    nd.testing.check_grads(lambda a, v: f(a, v, mode), draw((4,), (3,), kind=complex), order=2)


def test_float32_stays_float32_also_by_fft():
    a, v = (t.astype(np.float32) for t in draw((40,), (30,)))
    for f in (nd.convolve_nd, nd.correlate_nd):
        assert f(a, v).dtype == np.float32
    y = nd.conv_nd(a[None, None], v[None, None], algorithm="fft")
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data.ravel(), np.correlate(a.astype(float), v, "valid"), rtol=1e-4, atol=1e-5)


# ---- PyTorch and JAX, as further witnesses

HOW = {  # stride, padding, dilation, groups
    "plain": (1, 0, 1, 1),
    "strided, padded": (2, 1, 1, 1),
    "everything": (2, 2, 2, 2),
    "depthwise": (1, 1, 1, 4),
}
ONE_SIDED = {  # what PyTorch has no words for
    "asymmetric": (1, (2, 1), 1, 1),
    "negative": (2, (-1, 2), 1, 2),
    "cropped, dilated": (1, (-1, -1), 2, 1),
}


def peer_operands(rank, groups, transposed=False):
    size, kernel = ((7, 6, 5) if rank < 4 else (5, 4, 4, 3, 3, 3))[:rank], (3, 2, 2, 2, 1, 1)[:rank]
    c, m = 4, 4 if groups == 4 else 6
    return draw((2 if rank < 4 else 1, c, *size), ((c, m // groups) if transposed else (m, c // groups)) + kernel, (m,))


@pytest.mark.peer("convolution", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("how", HOW)
def test_conv_is_pytorchs(rank, how, torch):
    stride, padding, dilation, groups = HOW[how]
    theirs = getattr(torch.nn.functional, f"conv{rank}d")
    options = (stride, padding, dilation, groups)
    f = lambda x, w, b: nd.conv_nd(x, w, b, *options)
    peers.equal_torch(f, lambda x, w, b: theirs(x, w, b, *options), peer_operands(rank, groups))
    x, w, b = peer_operands(rank, groups)
    peers.equal_torch(f, lambda x, w, b: theirs(x, w, b, *options), [x[0], w, b])  # unbatched


@pytest.mark.peer("transposed convolution", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("how, extra", [("plain", 0), ("strided, padded", 1), ("everything", 1), ("depthwise", 0)])
def test_conv_transpose_is_pytorchs(rank, how, extra, torch):
    stride, padding, dilation, groups = HOW[how]
    theirs = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    options = (stride, padding, extra, groups, dilation)
    arrays = peer_operands(rank, groups, transposed=True)
    peers.equal_torch(lambda x, w, b: nd.conv_transpose_nd(x, w, b, *options), lambda x, w, b: theirs(x, w, b, *options), arrays)


@pytest.mark.peer("transposed convolution", "torch", ranks=(1, 2, 3), order=0)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_output_size_is_pytorchs(rank, torch):
    x, w, b = peer_operands(rank, 1, transposed=True)
    layer = getattr(torch.nn, f"ConvTranspose{rank}d")(4, 6, w.shape[2:], 3, 1, dtype=torch.float64)
    layer.weight.data, layer.bias.data = torch.tensor(w), torch.tensor(b)
    least = nd.conv_transpose_nd(x, w, b, 3, 1).shape[2:]
    for extra in range(3):
        size = tuple(n + extra for n in least)
        theirs = layer(torch.tensor(x), output_size=list(size)).detach().numpy()
        close(nd.conv_transpose_nd(x, w, b, 3, 1, output_size=size), theirs)
        close(nd.conv_transpose_nd(x, w, b, 3, 1, extra), theirs)


@pytest.mark.peer("padding modes", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes_are_those_of_pytorchs_layers(rank, mode, torch):
    x, w, _ = peer_operands(rank, 1)
    conv, pad = getattr(torch.nn.functional, f"conv{rank}d"), torch.nn.functional.pad
    torch_mode = "constant" if mode == "zeros" else mode
    theirs = lambda x, w: conv(pad(x, [2, 1] * rank, torch_mode), w, stride=2)
    peers.equal_torch(lambda x, w: nd.conv_nd(x, w, None, 2, ((2, 1),) * rank, padding_mode=mode), theirs, [x, w])


@pytest.mark.peer("padding words", "torch", ranks=(1, 2, 3), order=1)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("word", ["same", "valid"])
def test_padding_words_are_pytorchs(rank, word, torch):
    x, w, b = peer_operands(rank, 1)
    theirs = getattr(torch.nn.functional, f"conv{rank}d")
    f = lambda x, w, b: nd.conv_nd(x, w, b, 1, word, 2)
    peers.equal_torch(f, lambda x, w, b: theirs(x, w, b, 1, word, 2), [x, w, b], order=1)


def jax_conv(jax, rank, stride, padding, dilation, groups):
    letters = "DEFGHJ"[:rank]
    pairs = [padding if isinstance(padding, tuple) else (padding, padding)] * rank
    return lambda x, w: jax.lax.conv_general_dilated(
        x, w, (stride,) * rank, pairs if not isinstance(padding, str) else padding, (1,) * rank, (dilation,) * rank,
        jax.lax.conv_dimension_numbers(x.shape, w.shape, ("NC" + letters, "OI" + letters, "NC" + letters)), groups,
    )  # fmt: skip


@pytest.mark.peer("convolution", "jax", ranks=(0, 1, 2, 3, 4, 5, 6), order=2)
@pytest.mark.parametrize(
    "rank, how", [*product((1, 2, 3), ("negative", "cropped, dilated")), *product((0, 4, 5, 6), ("everything", "asymmetric"))]
)
def test_conv_is_jaxs(rank, how, jax):
    stride, padding, dilation, groups = {**HOW, **ONE_SIDED}[how]
    x, w, b = peer_operands(rank, groups)
    pairs = (padding if isinstance(padding, tuple) else (padding, padding),) * rank
    if how in ("negative", "cropped, dilated"):  # so that every axis holds a window
        x = np.pad(x, ((0, 0), (0, 0), *[(1, 1)] * rank), "wrap")
    theirs = jax_conv(jax, rank, stride, padding, dilation, groups)
    peers.equal_jax(lambda x, w: nd.conv_nd(x, w, None, stride, pairs, dilation, groups), theirs, [x, w])


@pytest.mark.peer("transposed convolution", "jax", ranks=(0, 2, 4, 5, 6), order=2)
@pytest.mark.parametrize("rank", [0, 2, 4, 5, 6])
def test_conv_transpose_is_the_transpose_of_jaxs_conv(rank, jax):
    """Padding differs before and after, so JAX's own transposed convolution, which has none, would not do."""
    size, kernel = (5, 4, 4, 3, 3, 3)[:rank], (3, 2, 2, 1, 2, 1)[:rank]
    g, w = draw((1, 6, *nd.shapes.conv_nd(size, kernel, 2, ((2, 1),) * rank)), (6, 2, *kernel))
    forward = jax_conv(jax, rank, 2, (2, 1), 1, 2)
    theirs = lambda g, w: jax.vjp(lambda x: forward(x, w), np.zeros((1, 4, *size)))[1](g)[0]
    f = lambda g, w: nd.conv_transpose_nd(g, w, None, 2, ((2, 1),) * rank, groups=2, output_size=size)
    peers.equal_jax(f, theirs, [g, w])


@pytest.mark.peer("padding modes", "jax", ranks=(4,), order=2)
@pytest.mark.parametrize("rank", [4])
def test_a_padding_mode_for_each_axis_is_jaxs(rank, jax):
    modes = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    x, w, _ = peer_operands(rank, 1)
    plain = jax_conv(jax, rank, 1, 0, 1, 1)

    def theirs(x, w):
        for axis, mode in enumerate(modes.values()):
            x = jax.numpy.pad(x, [(1, 2) if i == 2 + axis else (0, 0) for i in range(x.ndim)], mode)
        return plain(x, w)

    peers.equal_jax(lambda x, w: nd.conv_nd(x, w, padding=((1, 2),) * rank, padding_mode=tuple(modes)), theirs, [x, w])


@pytest.mark.peer("padding words", "jax", ranks=(1, 2, 3), order=0)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("word", ["SAME", "SAME_LOWER", "VALID"])
def test_padding_words_at_strides_are_jaxs(rank, word, jax):
    x, w, _ = peer_operands(rank, 1)
    for stride in (1, 2, 3):
        f = lambda x, w: nd.conv_nd(x, w, None, stride, word.lower())
        peers.equal_jax(f, jax_conv(jax, rank, stride, word, 1, 1), [x, w], order=0)


@pytest.mark.peer("convolve and correlate", "jax", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_and_correlate_are_jaxs(rank, mode, jax):
    a, v = draw((6, 5, 4)[:rank], (3, 2, 2)[:rank])
    import jax.scipy.signal as signal

    for name in ("convolve", "correlate"):
        f = lambda a, v: getattr(nd, f"{name}_nd")(a, v, mode)
        peers.equal_jax(f, lambda a, v: getattr(signal, name)(a, v, mode, method="direct"), [a, v])


def test_a_gradient_penalty_trains_through_second_derivatives():
    """WGAN-GP: the critic's loss holds the norm of its own input gradient; its slope in every weight meets differences."""
    w, v, u = draw((4, 2, 3, 3), (4, 3, 2, 2), (3,))
    real, fake = draw((3, 2, 6, 6), (3, 2, 6, 6), seed=4)
    between = real + np.linspace(0.2, 0.8, 3)[:, None, None, None] * (fake - real)

    def critic(x, w, v, u):
        h = nd.tanh(nd.conv_nd(x, w, stride=2, padding="same"))
        h = nd.tanh(nd.conv_transpose_nd(h, v, stride=2))
        return nd.linear(nd.mean(h, (2, 3)), u[None])

    def loss(w, v, u):
        x = nd.tensor(between, requires_grad=True)
        with nd.enable_grad():  # also where differences are taken
            slope = nd.gradients(critic(x, w, v, u).sum(), x, create_graph=True)
        norms = nd.sqrt(nd.sum(slope**2, (1, 2, 3)) + 1e-12)
        return nd.mean(critic(fake, w, v, u) - critic(real, w, v, u)) + 10 * nd.mean((norms - 1) ** 2)

    nd.testing.check_grads(loss, [w, v, u], order=1)


@pytest.mark.peer("gradient penalty", "torch", ranks=(1, 2, 3), order=2)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_gradient_penalty_is_pytorchs(rank, torch):
    F = torch.nn.functional
    x, w, v = draw((2, 2, *(6, 5, 4)[:rank]), (4, 2, *(3, 2, 2)[:rank]), (4, 3, *(2,) * rank))

    def penalty(gradient, conv, transpose, tanh):
        def f(x, w, v):
            y = tanh(transpose(tanh(conv(x, w)), v)).sum()
            slope = gradient(y, x)
            return (((slope**2).sum() + 1e-6) ** 0.5 - 1) ** 2

        return f

    ours = penalty(
        lambda y, x: nd.gradients(y, x, create_graph=True),
        lambda x, w: nd.conv_nd(x, w, None, 2, 1),
        lambda x, v: nd.conv_transpose_nd(x, v, None, 2),
        nd.tanh,
    )
    theirs = penalty(
        lambda y, x: torch.autograd.grad(y, x, create_graph=True)[0],
        lambda x, w: getattr(F, f"conv{rank}d")(x, w, None, 2, 1),
        lambda x, v: getattr(F, f"conv_transpose{rank}d")(x, v, None, 2),
        torch.tanh,
    )
    peers.equal_torch(ours, theirs, [x, w, v], order=1)  # of a function that is itself made of gradients


# ---- half precision


@pytest.mark.parametrize("algorithm", ["auto", "gemm", "direct", "reference"])
def test_half_precision_accumulates_in_single(algorithm):
    """2,304 products of halves near 1: a sum in half precision would stop growing at 2,048."""
    x, w = np.ones((1, 256, 3, 3), np.float16), np.ones((2, 256, 3, 3), np.float16)
    tx, tw = nd.tensor(x, requires_grad=True), nd.tensor(w, requires_grad=True)
    y = nd.conv_nd(tx, tw, padding=1, algorithm=algorithm)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y.data[0, :, 1, 1], [2304, 2304])
    wide = np.random.default_rng(0).standard_normal((64, 3, 9, 9)).astype(np.float16)
    tw = nd.tensor(np.ones((1, 3, 2, 2), np.float16), requires_grad=True)
    nd.conv_nd(wide, tw, algorithm=algorithm).sum().backward()
    exact = nd.tensor(np.ones((1, 3, 2, 2)), requires_grad=True)
    nd.conv_nd(wide.astype(float), exact).sum().backward()
    np.testing.assert_allclose(tw.grad.data.astype(float), exact.grad.data, rtol=2e-3, atol=0.05)


# ---- separable


def test_a_separable_convolution_is_depthwise_then_pointwise():
    x, depth, point = draw((2, 3, 7, 6), (6, 1, 3, 2), (4, 6, 1, 1))
    y = nd.conv_nd(nd.conv_nd(x, depth, stride=2, padding="same", groups=3), point)
    expected = np.stack([sum(point[m, 2 * g + r, 0, 0] * depth[2 * g + r, 0] for r in range(2)) for m in range(4) for g in range(3)])
    close(y, nd.conv_nd(x, expected.reshape(4, 3, 3, 2), stride=2, padding="same").data)


def test_the_table_of_algorithms_is_not_shown_twice_by_an_interpreter(capsys):
    text = nd.explain_conv((8, 3, 32, 32), (16, 3, 3, 3))
    assert capsys.readouterr().out == f"{text}\n" and "* " in text and repr(text) == f"<the {text.count(chr(10)) + 1} lines above, as text>"
