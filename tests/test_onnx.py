"""The node tests of ONNX, an independent statement of what these operations compute."""

import warnings
from functools import cache

import numpy as np
import onnx_networks as networks
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

onnx = pytest.importorskip("onnx")

CROPPED = "interpolate resizes the whole of x; crop it first"
PLACED = "interpolate places pixels by their edges or by the outermost centres, as PyTorch does"
ALIASED = "interpolate reads points, it does not blur before"
NOT_EXPRESSED = {
    **dict.fromkeys([f"test_resize_tf_crop_and_resize{end}" for end in ("", "_axes_2_3", "_axes_3_2", "_extrapolation_value")], CROPPED),
    **dict.fromkeys(
        [f"test_resize_downsample_{by}_{mode}_antialias" for by in ("scales", "sizes") for mode in ("linear", "cubic")], ALIASED
    ),
    **dict.fromkeys([f"test_resize_{way}sample_scales_linear_half_pixel_symmetric" for way in ("down", "up")], PLACED),
    **dict.fromkeys(
        [f"test_resize_downsample_scales_{mode}_align_corners" for mode in ("linear", "cubic")], "ONNX aligns 2.4 or 3.2 pixels"
    ),
    "test_resize_upsample_scales_cubic_asymmetric": PLACED,
    "test_resize_upsample_sizes_nearest_floor_align_corners": PLACED,
    "test_resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric": PLACED,
    "test_resize_upsample_sizes_nearest_ceil_half_pixel": PLACED,
    "test_resize_downsample_sizes_linear_pytorch_half_pixel": "one pixel is the mean of the middle, in PyTorch as well, and not the first",
    **dict.fromkeys(
        [f"test_resize_{way}sample_scales_cubic_A_n0p5_exclude_outside" for way in ("down", "up")],
        "the cubic kernel has slope -0.75, and the edge repeats, as in PyTorch",
    ),
    **networks.NOT_EXPRESSED,
}
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}  # its expected values are written with four digits
COUNTS = {"LpPool": 8, "GlobalAveragePool": 2, "GlobalMaxPool": 2, "MaxUnpool": 2, "Col2Im": 5, "Resize": 39, "Upsample": 1}
COUNTS |= {"DepthToSpace": 2, "SpaceToDepth": 4}
COUNTS |= {"ConvInteger": 2, "Conv": 6, "ConvTranspose": 11, "MaxPool": 19, "AveragePool": 20, "MatMul": 7, "Gemm": 11} | networks.COUNTS


@cache
def cases():
    """{operation: [(case, attributes, inputs, outputs)]} of all single-node cases."""
    from onnx.backend.test.case.node import collect_testcases

    found = {op: [] for op in COUNTS}
    draw = np.random.randn
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr("onnx.backend.test.case.base.process_snippet", lambda op, name, export: (name, ""))
        patch.setattr(np.random, "randn", lambda *shape: draw(*((1, 3, 8, 8, 8) if shape == (1, 3, 32, 32, 32) else shape)))
        collected = collect_testcases(None)  # whose plain loops over all windows of those volumes would take ten seconds
    for case in collected:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in found:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
            for inputs, outputs in case.data_sets:
                found[nodes[0].op_type].append((case.name, attributes, inputs, outputs))
    return found


def pads(attributes, rank):
    """ONNX writes all befores, then all afters; or a word."""
    word = attributes.get("auto_pad", b"NOTSET").decode()
    if word in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        return {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}[word]
    flat = attributes.get("pads", [0] * 2 * rank)
    return tuple(zip(flat[:rank], flat[rank:]))


def conv(a, x, w, b=None):
    rank = x.ndim - 2
    ones = [1] * rank
    return nd.conv_nd(x, w, b, a.get("strides", ones), pads(a, rank), a.get("dilations", ones), a.get("group", 1))


def conv_integer(a, x, w, x_zero=np.uint8(0), w_zero=np.uint8(0)):
    zero = np.reshape(w_zero, (-1, *[1] * (w.ndim - 1)))  # one, or one per output channel
    return conv(a, x.astype(np.int32) - x_zero, w.astype(np.int32) - zero)


def conv_transpose(a, x, w, b=None):
    rank = x.ndim - 2
    ones = [1] * rank
    stride, dilation, extra = a.get("strides", ones), a.get("dilations", ones), a.get("output_padding", [0] * rank)
    padding = pads(a, rank)
    if "output_shape" not in a:
        return nd.conv_transpose_nd(x, w, b, stride, padding, extra, a.get("group", 1), dilation)
    # ONNX solves for the padding; what even no padding leaves open is zeros at the end
    sizes = zip(x.shape[2:], stride, extra, w.shape[2:], dilation, a["output_shape"])
    surplus = [max((n - 1) * s + e + (k - 1) * d + 1 - o, 0) for n, s, e, k, d, o in sizes]
    padding = tuple((t - t // 2, t // 2) for t in surplus)
    return nd.conv_transpose_nd(x, w, b, stride, padding, 0, a.get("group", 1), dilation, output_size=a["output_shape"])


def max_pool(a, x):
    k = a["kernel_shape"]
    rank = len(k)
    ones = [1] * rank
    y, indices = nd.max_pool_nd(
        x, k, a.get("strides", ones), pads(a, rank), a.get("dilations", ones), bool(a.get("ceil_mode", 0)), return_indices=True
    )
    flat = indices.data
    if a.get("storage_order", 0):  # column-major positions
        flat = np.ravel_multi_index(np.unravel_index(flat, x.shape[2:]), x.shape[2:], order="F")
    # ONNX counts through the batch.
    lead = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *ones) * np.prod(x.shape[2:], dtype=int)
    return y, flat + lead


def average_pool(a, x):
    k = a["kernel_shape"]
    ones = [1] * len(k)
    how = {"ceil_mode": bool(a.get("ceil_mode", 0)), "count_include_pad": bool(a.get("count_include_pad", 0))}
    return nd.avg_pool_nd(x, k, a.get("strides", ones), pads(a, len(k)), **how, dilation=a.get("dilations", ones))


def lp_pool(a, x):
    k = a["kernel_shape"]
    ones = [1] * len(k)
    how = {"padding": pads(a, len(k)), "dilation": a.get("dilations", ones), "ceil_mode": bool(a.get("ceil_mode", 0))}
    return nd.lp_pool_nd(x, a.get("p", 2), k, a.get("strides", ones), **how)


def max_unpool(a, x, indices, shape=None):
    k = a["kernel_shape"]
    stride = a.get("strides", [1] * len(k))
    usual = [(o - 1) * s + m for o, s, m in zip(x.shape[2:], stride, k)]
    y = nd.max_unpool_nd(x, indices % np.prod(usual), k, stride, pads(a, len(k)))  # ONNX counts through the batch
    return y if shape is None else nd.pad(y, [(0, n - m) for n, m in zip(shape, y.shape)])


def col2im(a, x, size, kernel):
    ones = [1] * len(size)
    return nd.fold_nd(x, size.tolist(), kernel.tolist(), a.get("dilations", ones), pads(a, len(size)), a.get("strides", ones))


def depth_to_space(a, x):
    b, (n, _, *space) = a["blocksize"], x.shape
    if a.get("mode", b"DCR") == b"DCR":  # blocks outside, channels inside
        x = nd.reshape(nd.swapaxes(nd.reshape(x, (n, b * b, -1, *space)), 1, 2), x.shape)
    return nd.pixel_shuffle_nd(x, b)


def space_to_depth(a, x):
    y = nd.pixel_unshuffle_nd(x, a["blocksize"])
    n, c, *space = y.shape
    if a.get("mode", b"DCR") == b"CRD":
        return y
    return nd.reshape(nd.swapaxes(nd.reshape(y, (n, x.shape[1], -1, *space)), 1, 2), y.shape)


def resize(a, x, *more):
    """The numbers that come last are scales, or sizes if they are whole."""
    given = more[-1]
    axes = a.get("axes", range(x.ndim))
    chosen = dict(zip(axes, given.tolist()))
    numbers = [chosen[axis] for axis in range(2, x.ndim)]
    policy, word = a.get("keep_aspect_ratio_policy", b"stretch"), "size" if given.dtype.kind == "i" else "scale_factor"
    if policy != b"stretch":
        scale = (min if policy == b"not_larger" else max)(o / n for o, n in zip(numbers, x.shape[2:]))
        numbers = [int(n * scale + 0.5) for n in x.shape[2:]]
    place, mode = a.get("coordinate_transformation_mode", b"half_pixel").decode(), a["mode"].decode()
    if mode == "nearest":
        rounding = a.get("nearest_mode", b"round_prefer_floor").decode()
        mode = {("half_pixel", "round_prefer_floor"): "nearest-exact", ("asymmetric", "floor"): "nearest"}.get((place, rounding), rounding)
    turn = nd.flip if mode == "nearest-exact" and word == "size" else lambda x: x  # of two pixels as near, the first
    return turn(nd.interpolate(turn(x), **{word: numbers}, mode=mode, align_corners=place == "align_corners"))


def gemm(a, x, y, c=None):
    x, y = (x.T if a.get("transA") else x), (y.T if a.get("transB") else y)
    product = nd.matmul(x, y) * a.get("alpha", 1.0)
    return product if c is None else product + nd.multiply(c, a.get("beta", 1.0))


RUN = {
    "Conv": conv,
    "ConvInteger": conv_integer,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": lambda a, x: nd.global_avg_pool(x),
    "GlobalMaxPool": lambda a, x: nd.global_max_pool(x),
    "MaxUnpool": max_unpool,
    "Col2Im": col2im,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Resize": resize,
    "Upsample": lambda a, x, scales: nd.interpolate(x, scale_factor=scales[2:].tolist(), mode=a["mode"].decode()),
    "MatMul": lambda a, x, y: nd.matmul(x, y),
    "Gemm": gemm,
} | networks.RUN


@pytest.mark.parametrize("op", RUN)
def test_every_node_case_of_onnx_passes(op):
    failures = []
    for name, attributes, inputs, outputs in cases()[op]:
        if name in NOT_EXPRESSED:
            continue
        try:
            found = RUN[op](attributes, *inputs)
            found = found if isinstance(found, tuple) else (found,)
            for y, expected in zip(found, outputs):
                y = np.asarray(y)
                assert y.dtype == expected.dtype, f"{y.dtype}, not {expected.dtype}"
                np.testing.assert_allclose(y, expected, rtol=1e-5, atol=ROUNDED.get(name, 1e-6))
        except (AssertionError, ValueError, TypeError) as error:
            failures.append(f"{name} {attributes}: {type(error).__name__} {str(error).strip()[:300]}")
    assert not failures, "\n".join(failures)


@in_turn("op", COUNTS)
def test_no_case_is_lost_in_reading_them(op):
    assert len(cases()[op]) >= COUNTS[op]


def test_what_is_not_expressed_exists():
    names = {name for of_op in cases().values() for name, *_ in of_op}
    assert set(NOT_EXPRESSED) <= names


def test_gradients_of_the_convolution_cases_are_adjoint():
    for op in ("Conv", "ConvTranspose"):
        for name, attributes, inputs, _ in cases()[op]:
            x, *rest = [nd.tensor(t.astype(float), requires_grad=True) for t in inputs]
            y = RUN[op](attributes, x, *rest)
            g = np.random.default_rng(0).standard_normal(y.shape)
            y.backward(g)
            np.testing.assert_allclose((y.data * g).sum(), (x.data * x.grad.data).sum(), rtol=1e-9, err_msg=name)
