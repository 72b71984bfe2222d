"""The node tests of ONNX, an independent statement of what these operations compute."""

import warnings
from functools import cache

import numpy as np
import pytest

import tinygrad_nd as nd

onnx = pytest.importorskip("onnx")

NOT_EXPRESSED = {
    "test_averagepool_2d_dilations": "avg_pool_nd has no dilation",
    "test_averagepool_3d_dilations_small": "avg_pool_nd has no dilation",
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True": "avg_pool_nd has no dilation",
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False": "avg_pool_nd has no dilation",
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True": "avg_pool_nd has no dilation",
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False": "avg_pool_nd has no dilation",
}
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}  # its expected values are written with four digits
COUNTS = {"Conv": 6, "ConvTranspose": 11, "MaxPool": 19, "AveragePool": 20, "MatMul": 7, "Gemm": 11, "Softmax": 7, "LogSoftmax": 7}


@cache
def cases():
    """{operation: [(case, attributes, inputs, outputs)]} of all single-node cases."""
    from onnx.backend.test.case.node import collect_testcases

    found = {op: [] for op in COUNTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collected = collect_testcases(None)
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
    return nd.avg_pool_nd(
        x, k, a.get("strides", [1] * len(k)), pads(a, len(k)), bool(a.get("ceil_mode", 0)), bool(a.get("count_include_pad", 0))
    )


def gemm(a, x, y, c=None):
    x, y = (x.T if a.get("transA") else x), (y.T if a.get("transB") else y)
    product = nd.matmul(x, y) * a.get("alpha", 1.0)
    return product if c is None else product + nd.multiply(c, a.get("beta", 1.0))


RUN = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "MatMul": lambda a, x, y: nd.matmul(x, y),
    "Gemm": gemm,
    "Softmax": lambda a, x: nd.softmax(x, a.get("axis", -1)),
    "LogSoftmax": lambda a, x: nd.log_softmax(x, a.get("axis", -1)),
}


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


@pytest.mark.parametrize("op", COUNTS)
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
