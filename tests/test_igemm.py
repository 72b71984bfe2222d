"""The compiled product: convolutions of every shape held against the reference, and matrix products against NumPy's."""

import numpy as np
import pytest
from orders import lying

pytest.importorskip("llvmlite")

import tinygrad_nd as nd
from tinygrad_nd.kernels import blas, choose, engines, parallel, reference
from tinygrad_nd.kernels.engines import igemm, llvm, products, tiles
from tinygrad_nd.kernels.geometry import conv_spec

TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 4e-3}


@pytest.fixture(autouse=True)
def _compiled():
    before = engines._setting
    engines.set_engine("jit")
    yield
    engines.set_engine(before)


def draw(*shape, dtype="float64"):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def check(x, w, stride=1, padding=0, dilation=1, groups=1, dtype="float64", row="igemm"):
    """All three contractions against the reference, in float64."""
    spec = conv_spec("check", x.shape, w.shape, stride, padding, dilation, groups)
    g = draw(x.shape[0], w.shape[0], *spec.out, dtype=dtype)
    for contraction, arguments in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
        found = getattr(choose, contraction)(*arguments, spec, row)
        expected = getattr(reference, contraction)(*(a.astype(float) for a in arguments), spec)
        assert found.shape == expected.shape and found.dtype == dtype
        error = np.abs(found - expected).max(initial=0)
        assert error <= TOLERANCE[dtype] * max(1, np.abs(expected).max(initial=0)), (contraction, error)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("c, m", [(1, 1), (3, 6), (6, 10), (1, 40), (40, 105), (105, 158), (17, 33), (64, 64), (5, 300)])
def test_any_number_of_channels(c, m, dtype):
    check(draw(2, c, 9, 7, dtype=dtype), draw(m, c, 3, 2, dtype=dtype), (1, 2), 1, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "groups, c, m",
    [(5, 1, 1), (16, 1, 1), (37, 1, 1), (64, 1, 1), (150, 1, 1), (32, 1, 2), (32, 2, 1), (40, 3, 2), (3, 5, 7), (8, 8, 8), (2, 32, 16)],
)
def test_any_number_of_groups(groups, c, m, dtype):
    check(draw(2, groups * c, 6, 8, dtype=dtype), draw(groups * m, c, 3, 3, dtype=dtype), (2, 1), (1, 2), groups=groups, dtype=dtype)


@pytest.mark.parametrize("rank", range(6))
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("row", ["igemm", "col2im"])
def test_any_rank(rank, dilation, row):
    size, kernel = (9, 6, 5, 4, 5)[:rank], (3, 2, 2, 1, 2)[:rank]
    check(draw(2, 4, *size), draw(6, 2, *kernel), (2, 1, 1, 1, 1)[:rank], 1, dilation, 2, row=row)


@pytest.mark.parametrize("padding", [((2, 0), (0, 3)), ((-2, 1), (0, -1)), ((5, 4), (3, 6)), ((-4, 8), (9, -7))])
@pytest.mark.parametrize("channels", [1, 3, 20])
def test_one_sided_negative_and_wide_padding(padding, channels):
    check(draw(2, channels, 9, 8), draw(7, channels, 3, 2), (1, 2), padding)


def test_no_images():
    check(draw(0, 3, 8, 8), draw(5, 3, 3, 3))


def test_many_slabs_of_either_memory_order():
    x, w = draw(5, 70, 45, 41, dtype="float32"), draw(33, 70, 3, 3, dtype="float32")
    for order in ("C", "last"):
        check(lying(x, order), w, padding=1, dtype="float32")


def test_inputs_of_any_strides():
    x, w = draw(4, 14, 6, 6).transpose(0, 3, 2, 1)[::2, :, :, ::-2], draw(2, 3, 6, 4).T[:, ::-1]
    check(x, w, padding=1)
    misaligned = np.frombuffer(b"x" + draw(2, 3, 5, 6).tobytes(), np.uint8)[1:].view(np.float64).reshape(2, 3, 5, 6)
    check(misaligned, draw(4, 3, 2, 2))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_threads_give_the_same_bits(threads):
    x, w = draw(4, 24, 40, 40, dtype="float32"), draw(40, 24, 3, 3, dtype="float32")
    spec = conv_spec("test", x.shape, w.shape, 1, 1)
    g = draw(4, 40, *spec.out, dtype="float32")
    with parallel.threads(threads):
        first, *others = (
            (
                choose.correlate(x, w, spec, "igemm"),
                *(choose.input_grad(g, w, spec, row) for row in ("igemm", "col2im")),
                choose.weight_grad(x, g, spec, "igemm"),
            )
            for _ in range(3)
        )
    assert all(np.array_equal(a, b) for other in others for a, b in zip(first, other))


def test_numbers_that_are_not_finite_stay_where_they_are():
    x, w = draw(1, 3, 6, 6), draw(5, 3, 3, 3)
    x[0, 1, 0, 0] = np.nan
    y = choose.correlate(x, w, conv_spec("test", x.shape, w.shape), "igemm")
    assert np.isnan(y[0, :, 0, 0]).all() and np.isfinite(y[0, :, 1:]).all() and np.isfinite(y[0, :, :, 1:]).all()
    g = draw(1, 5, 4, 4)
    g[0, 1, 0, 0] = np.inf
    dx = choose.input_grad(g, w, conv_spec("test", x.shape, w.shape), "col2im")
    assert np.isinf(dx[0, :, :3, :3]).all() and np.isfinite(dx[0, :, 3:]).all() and np.isfinite(dx[0, :, :, 3:]).all()


def test_the_row_is_offered_only_while_the_engine_is_in_use(monkeypatch):
    monkeypatch.setattr(products, "flops_per_second", lambda dtype: 1e15)  # the choice is not to depend on what a processor's BLAS can do
    x, w = draw(64, 64, 30, 30, dtype="float32"), draw(64, 64, 3, 3, dtype="float32")
    spec = conv_spec("test", x.shape, w.shape, dilation=4, stride=2)
    assert choose.pick("correlate", 64, 64, 64, spec, x.dtype) == "igemm"
    engines.set_engine("numpy")
    assert choose.pick("correlate", 64, 64, 64, spec, x.dtype) != "igemm"
    with pytest.raises(ValueError, match="conv_nd: algorithm='igemm' needs the engine 'jit'"):
        nd.conv_nd(x, w, algorithm="igemm")
    engines.set_engine("jit")
    with pytest.raises(ValueError, match="'igemm' multiplies float32 and float64, not complex64"):
        nd.conv_nd(x.astype(np.complex64), w, algorithm="igemm")
    assert "igemm" in nd.explain_conv(x.shape, w.shape)


@pytest.fixture(params=[16, 32])
def narrow(request, monkeypatch):
    """A processor with vectors of so many bytes, and sixteen of them."""
    caches = (tiles.panels, igemm._side_by_side)
    monkeypatch.setattr(llvm, "lanes", lambda dtype: request.param // np.dtype(dtype).itemsize)
    monkeypatch.setattr(llvm, "registers", lambda: 16)
    monkeypatch.setattr(llvm, "masks", lambda: False)
    monkeypatch.setattr(llvm, "_loaded", {})
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("c, m, groups", [(1, 6, 1), (5, 40, 1), (33, 17, 1), (1, 1, 24), (4, 4, 3)])
def test_narrower_vectors_do_as_well(c, m, groups, dtype, narrow):
    x, w = draw(2, groups * c, 9, 7, dtype=dtype), draw(groups * m, c, 3, 2, dtype=dtype)
    for row in ("igemm", "winograd", "direct", "col2im"):
        check(x, w, 1, 1, groups=groups, dtype=dtype, row=row)


MATRICES = [((300, 200), (200, 410)), ((128, 31), (31, 784))]
STACKS = [((7, 5, 30, 80), (80, 300)), ((4, 70, 250), (4, 250, 160)), ((3, 1, 130, 140), (4, 140, 130))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, inner, columns", [(300, 200, 110), (40, 300, 500)])
def test_a_linear_layers_sums_begin_with_its_bias(rows, inner, columns, dtype):
    x, w, bias = draw(rows, inner, dtype=dtype), draw(columns, inner, dtype=dtype), draw(2 * columns, dtype=dtype)
    for b in (bias[:columns], bias[columns:], bias[::2], bias[:columns].astype("float32")):
        for _ in range(2):
            expected = x.astype(float) @ w.T.astype(float) + b
            assert np.abs(nd.linear(x, w, b).data - expected).max() < TOLERANCE[dtype] * np.abs(expected).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("a, b, rate", [(*m, rate) for rate, some in ((np.inf, MATRICES + STACKS), (0, MATRICES + STACKS)) for m in some])
def test_matmul_is_numpys_however_its_operands_lie(a, b, rate, dtype, monkeypatch):
    monkeypatch.setattr(products, "flops_per_second", lambda dtype: rate)
    a, b = draw(*a, dtype=dtype), draw(*b, dtype=dtype)
    whole = {inner: np.matmul(a[..., ::inner].astype(float, "C"), b.astype(float)) for inner in (1, -1)}
    lie = lambda t: [(t, 1, 1), (t.mT.copy().mT, 1, 1), (t[..., ::-1], 1, -1), (t[..., ::-1, :], -1, 1)]  # and which axes it turns around
    for left, rows, last in lie(a):
        for right, first, columns in lie(b):
            expected = whole[last * first][..., ::rows, ::columns]
            found = blas.matmul(left, right)
            assert found.dtype == dtype and np.abs(found - expected).max() < TOLERANCE[dtype] * np.abs(expected).max()
