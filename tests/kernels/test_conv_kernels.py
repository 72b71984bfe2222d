"""Every row of the table of algorithms meets the reference on one set of hard specs."""

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from in_turn import in_turn
from orders import lying

from tinygrad_nd.kernels import blas, choose, col2im, engines, fft, memory, reference, tilings, toom_cook
from tinygrad_nd.kernels.geometry import ALGORITHMS, ConvSpec, conv_spec

HARD = {
    "plain": ConvSpec((9, 8), (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "point kernel": ConvSpec((5, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "point kernel, strided": ConvSpec((5, 8), (1, 1), (2, 3), ((0, 0), (1, 0)), (1, 1)),
    "kernel = input": ConvSpec((4, 5), (4, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "stride > kernel": ConvSpec((11, 9), (2, 3), (3, 5), ((1, 0), (0, 2)), (1, 1)),
    "stride = kernel": ConvSpec((8, 9), (2, 3), (2, 3), ((0, 0), (0, 0)), (1, 1)),
    "stride that does not tile": ConvSpec((10, 11), (3, 3), (2, 4), ((0, 0), (0, 0)), (1, 1)),
    "one-sided padding": ConvSpec((6, 7), (3, 3), (1, 2), ((2, 0), (0, 3)), (1, 1)),
    "negative padding": ConvSpec((9, 8), (3, 2), (1, 2), ((-2, 0), (-1, -2)), (1, 1)),
    "cropped past the end": ConvSpec((3, 6), (2, 2), (1, 1), ((-4, 8), (9, -7)), (1, 1)),
    "padding > kernel": ConvSpec((4, 3), (2, 2), (1, 3), ((5, 4), (3, 6)), (1, 1)),
    "dilated": ConvSpec((12, 9), (3, 3), (1, 1), ((2, 2), (0, 1)), (3, 2)),
    "dilated and strided": ConvSpec((13, 12), (3, 4), (2, 3), ((2, 2), (3, 1)), (3, 2)),
    "dilation = stride": ConvSpec((12, 12), (3, 3), (2, 3), ((1, 1), (0, 0)), (2, 3)),
    "groups": ConvSpec((7, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "groups, strided": ConvSpec((7, 6), (3, 2), (2, 2), ((1, 1), (0, 1)), (1, 1), 2),
    "rank 0": ConvSpec((), (), (), (), ()),
    "rank 0, groups": ConvSpec((), (), (), (), (), 2),
    "rank 1": ConvSpec((40,), (7,), (1,), ((3, 3),), (1,)),
    "rank 1, long kernel": ConvSpec((80,), (33,), (2,), ((32, 0),), (1,)),
    "rank 3": ConvSpec((6, 5, 7), (3, 2, 3), (1, 2, 1), ((1, 1), (0, 1), (1, 1)), (1, 1, 2)),
    "rank 4": ConvSpec((4, 5, 3, 4), (3, 2, 1, 3), (1, 2, 1, 1), ((1, 1), (0, 1), (0, 0), (1, 1)), (1, 1, 1, 1), 2),
    "rank 5": ConvSpec((3, 4, 3, 2, 4), (2, 2, 1, 2, 3), (1, 2, 1, 1, 1), ((1, 1), (0, 1), (0, 0), (0, 0), (1, 1)), (1, 1, 1, 1, 1)),
}
ONE_CHANNEL = ("plain", "negative padding", "dilated and strided", "padding > kernel", "rank 1", "rank 3")
DEPTHWISE = {f"depthwise {name}": HARD[name] for name in ONE_CHANNEL}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "complex64": 1e-5, "complex128": 1e-12, "float16": 4e-3}


@pytest.fixture(autouse=True, params=["numpy", "jit"])
def _engine(request):
    if request.param == "jit":
        pytest.importorskip("llvmlite")
    elif "igemm" in request.node.name:
        pytest.skip("a row of the compiled engine")
    before = engines._setting
    engines.set_engine(request.param)
    yield
    engines.set_engine(before)


def operands(name, spec, dtype, n=2, c=3, m=4):
    rng = np.random.default_rng(len(name))
    g = spec.groups
    if name.startswith("depthwise"):
        g, c, m = 5, 1, 2
    shapes = (n, c * g, *spec.size), (m * g, c, *spec.kernel), (n, m * g, *spec.out)
    draw = (lambda s: rng.standard_normal(s) + 1j * rng.standard_normal(s)) if "complex" in dtype else rng.standard_normal
    return tuple(np.asarray(draw(s)).astype(dtype) for s in shapes)


@cache
def known(name, spec, dtype, *sizes):
    """[(contraction, operands, what the reference makes of them)], the same for every row, engine and order of memory."""
    x, w, g = operands(name, spec, dtype, *sizes)
    called = ("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))
    return [(contraction, given, getattr(reference, contraction)(*given, spec)) for contraction, given in called]


def laid(given, contraction, order):
    """The images among the operands in another order of memory."""
    a, b = given
    return lying(a, order), lying(b, order) if contraction == "weight_grad" else b


def cases():
    for name, spec in (HARD | DEPTHWISE).items():
        groups = 5 if name.startswith("depthwise") else spec.groups
        yield name, ConvSpec(spec.size, spec.kernel, spec.stride, spec.padding, spec.dilation, groups)


def refused(row, contraction, spec, x, w):
    return isinstance(estimated(engines._setting, contraction, x.shape[1], w.shape[0], spec, x.dtype)[row], str)


@cache
def estimated(engine, contraction, *about):
    return choose.estimate(contraction, 2, *about)


def assert_close(actual, expected, dtype, what):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=TOLERANCE[dtype], err_msg=what)


ROWS = [name for name in choose.ROWS if name != "reference"]

UNTILED = ["point kernel", "point kernel, strided", "stride > kernel", "stride = kernel"]  # kernels that winograd does not take
UNTILED += ["rank 0", "rank 0, groups", "rank 1", "rank 1, long kernel", "depthwise rank 1"]  # and those it takes in single alone
SOME = ["plain", "dilated", "groups", "groups, strided", "depthwise plain"]
UNSTRIDED = [name for name, spec in HARD.items() if set(spec.stride) <= {1}]
COMPILED = {"float32": SOME + UNSTRIDED, "float64": SOME}  # transforms, each of which takes long to compile
INEXACT = [(name, "float64") for name in ("kernel = input", "dilated and strided", "depthwise dilated and strided")]


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("row", ROWS)
@in_turn("name, spec", list(cases()))
def test_every_row_meets_the_reference(row, name, spec, dtype):
    if engines._setting == "jit" and row != "igemm" and (dtype == "complex128" or row == "winograd" and name not in COMPILED[dtype]):
        return
    x, w, _ = operands(name, spec, dtype)
    ran = 0
    for contraction, given, expected in known(name, spec, dtype):
        if not refused(row, contraction, spec, x, w):
            for order in ("C", "last"):
                actual = getattr(choose, contraction)(*laid(given, contraction, order), spec, row)
                assert_close(actual, expected, dtype, f"{row} {contraction} {spec}")
            ran += 1
    of_reals, tiled = row in ("igemm", "winograd"), row != "winograd" or name not in UNTILED and (name, dtype) not in INEXACT
    assert bool(ran) == (tiled and not (of_reals and dtype == "complex128"))


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("dtype", ["float16", "complex64"])
def test_narrow_dtypes_stay_and_sum_in_wider_ones(row, dtype):
    for spec in (HARD["plain"], ConvSpec((6, 5), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1), 3)):
        x, w, g = operands("plain", spec, dtype)
        for contraction, arguments in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
            if refused(row, contraction, spec, x, w):
                continue
            expected = getattr(reference, contraction)(*arguments, spec)
            assert_close(getattr(choose, contraction)(*arguments, spec, row), expected, dtype, f"{row} {contraction} {spec}")


@pytest.mark.parametrize("row", ["reference", *ROWS])
def test_bias_is_added_per_output_channel(row):
    spec = HARD["one-sided padding"] if row != "winograd" else HARD["plain"]
    x, w, _ = operands("", spec, "float64")
    plain = reference.correlate(x, w, spec)
    for bias in (None, np.arange(4.0), np.arange(8.0)[::2], np.arange(4.0)[::-1], np.broadcast_to(3.0, 4), None):
        expected = plain if bias is None else plain + bias[:, None, None]
        np.testing.assert_allclose(choose.correlate(x, w, spec, row, bias), expected, atol=1e-12)


@pytest.mark.parametrize("row", ["reference", *ROWS])
@pytest.mark.parametrize("n, c", [(0, 2), (2, 0), (0, 0)])
def test_nothing_in_gives_zeros_out(row, n, c):
    spec = HARD["plain"]
    x, w, g = np.ones((n, c, *spec.size)), np.ones((3, c, *spec.kernel)), np.ones((n, 3, *spec.out))
    y = choose.correlate(x, w, spec, row, np.ones(3))
    assert y.shape == g.shape and (y == 1).all()
    assert choose.input_grad(g, w, spec, row).shape == x.shape
    dw = choose.weight_grad(x, g, spec, row)
    assert dw.shape == w.shape and not dw.any()


@pytest.mark.parametrize("row", ROWS)
def test_work_on_many_tiles_and_threads_meets_the_reference(row):
    strided = ConvSpec((50, 40), (5, 4), (2, 2), ((1, 2), (3, 0)), (1, 1))
    for spec, c, m in ((ConvSpec((70, 61), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), 12, 10), (strided, 8, 16)):
        x, w, _ = operands("tiles", spec, "float64", 7, c, m)
        for contraction, given, expected in known("tiles", spec, "float64", 7, c, m):
            if not refused(row, contraction, spec, x, w):
                assert_close(getattr(choose, contraction)(*given, spec, row), expected, "float64", f"{row} {contraction}")


BORDERS = {
    "3x3": ConvSpec((13, 40), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "5x7, most of it padding": ConvSpec((3, 4), (5, 7), (1, 1), ((4, 6), (3, 6)), (1, 1)),
    "outputs that see nothing": ConvSpec((2, 3), (2, 2), (1, 1), ((6, 5), (0, 7)), (1, 1)),
    "one-sided, cropped": ConvSpec((12, 11), (3, 2), (1, 1), ((2, 0), (-3, 4)), (1, 1)),
    "strided": ConvSpec((15, 14), (3, 5), (2, 3), ((1, 0), (2, 2)), (1, 1)),
    "dilated": ConvSpec((15, 9), (3, 3), (1, 1), ((2, 2), (3, 3)), (2, 3)),
    "tall": ConvSpec((70, 2), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1)),
    "1-D": ConvSpec((100,), (9,), (1,), ((8, 0),), (1,)),
    "1-D, dilated": ConvSpec((100,), (4,), (1,), ((9, 3),), (4,)),
    "1-D, more taps than go together": ConvSpec((50,), (15,), (1,), ((7, 3),), (1,)),
    "2-D, more taps than go together": ConvSpec((5, 30), (3, 12), (1, 1), ((1, 1), (0, 6)), (1, 1)),
    "3-D": ConvSpec((5, 4, 9), (3, 1, 3), (1, 1, 2), ((1, 1), (0, 0), (0, 1)), (1, 1, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BORDERS)
@in_turn("groups, c, m", [(1, 1, 1), (3, 1, 1), (16, 1, 1), (19, 1, 2), (40, 1, 1), (64, 1, 1), (200, 1, 1), (24, 2, 1)])
def test_depthwise_kernels_meet_the_reference_at_every_border(name, groups, c, m, dtype):
    if engines._setting == "numpy" and dtype == "float32":
        return  # the same as in float64
    spec = replace(BORDERS[name], groups=groups)
    for contraction, given, expected in known(name, spec, dtype, 3, c, m):
        for order in ("C", "last"):
            assert_close(getattr(choose, contraction)(*laid(given, contraction, order), spec, "direct"), expected, dtype, contraction)


@pytest.mark.parametrize("name", ["3x3", "1-D", "strided"])
def test_depthwise_work_on_one_large_image_is_shared_by_threads(name):
    spec = replace(BORDERS[name], size={1: (60_000,), 2: (310, 190)}[BORDERS[name].rank], groups=24)
    for contraction, given, expected in known(name, spec, "float64", 1, 1, 1):
        assert_close(getattr(choose, contraction)(*laid(given, contraction, "last"), spec, "direct"), expected, "float64", contraction)


@pytest.mark.parametrize(
    "a, b",
    [
        ((300, 200), (200, 310)),
        ((7, 5, 90, 80), (80, 90)),
        ((64, 40, 50), (64, 50, 60)),
        ((3, 1, 90, 80), (4, 80, 90)),
        ((5,), (5, 2)),
        ((2, 9000), (9000, 40)),
    ],
)
def test_matmul_is_numpys(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_allclose(blas.matmul(a, b), np.matmul(a, b), atol=1e-10)
    if a.ndim == b.ndim == 2:
        np.testing.assert_allclose(blas.matmul(b.T, a.T), np.matmul(b.T, a.T), atol=1e-10)


def test_auto_takes_the_transform_for_long_kernels_and_the_product_for_a_point():
    long = ConvSpec((65536,), (1024,), (1,), ((0, 0),), (1,))
    point = ConvSpec((56, 56), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
    for contraction in choose.CONTRACTIONS:
        assert choose.pick(contraction, 4, 1, 16, long, np.float32) == "fft"
        assert choose.pick(contraction, 16, 256, 64, point, np.float32) in ("gemm", "igemm")


def test_how_images_lie_is_told_for_the_product_of_a_point_alone():
    x = np.zeros((16, 256, 56, 56), np.float32)
    last = np.zeros((16, 56, 56, 256), np.float32).transpose(0, 3, 1, 2)
    for kernel in (1, 3):
        spec = conv_spec("test", x.shape, (64, 256, kernel, kernel))
        of_first, of_last, of_both = (choose.explain(x.shape, (64, 256), spec, np.float32, *a) for a in ((x,), (last,), ()))
        assert of_last == of_both and (of_first != of_last) == (kernel == 1)
    before, after = (choose.estimate("correlate", 16, 256, 64, spec, np.float32, turned) for turned in (0, x.size))
    assert {row for row in before if before[row] == after[row] and not isinstance(before[row], str)} == {"gemm"}


def test_a_row_that_cannot_says_why_and_which_can():
    spec = ConvSpec((8, 8), (3, 3), (2, 1), ((0, 0), (0, 0)), (1, 1), algorithm="winograd")
    for contraction in choose.CONTRACTIONS:
        with pytest.raises(ValueError, match=r"'winograd' takes stride 1, not \(2, 1\); use 'auto', or one of gemm, col2im, fft, direct"):
            choose.pick(contraction, 1, 2, 3, spec, np.float32)


def test_every_row_can_be_asked_for_by_name():
    assert set(ALGORITHMS) == {"auto", *choose.ROWS}


def test_explain_marks_one_row_per_contraction():
    text = choose.explain((2, 3, 8, 8), (4, 3, 3, 3), ConvSpec((8, 8), (3, 3), (2, 1), ((0, 0), (0, 0)), (1, 1)))
    assert text.count("*") == 3 and "takes stride 1" in text
    assert all(name in text for name in (*choose.ROWS, *choose.CONTRACTIONS) if name != "reference")


@pytest.mark.parametrize("row", ["gemm", "fft", "winograd", "direct"])
@pytest.mark.parametrize("n, size", [(40, 64), (1, 400)])
def test_workspace_does_not_grow_with_batch_or_image(row, n, size):
    spec = ConvSpec((size, size), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
    channels = 16 if row != "direct" else 4
    x, w = np.ones((n, channels, size, size), np.float32), np.ones((channels, channels, 3, 3), np.float32)
    most = 24 << 20 if row != "fft" or fft._fft() is not np.fft else 40 << 20  # NumPy's transforms take new memory
    for contraction, arguments in (("correlate", (x, w)), ("input_grad", (x, w)), ("weight_grad", (x, x))):
        result = getattr(choose, contraction)(*arguments, spec, row)
        del result
        memory.clear_cache()
        tracemalloc.start()
        result = getattr(choose, contraction)(*arguments, spec, row)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak - result.nbytes < most, (row, contraction, peak >> 20)


@pytest.mark.parametrize("row", ROWS)
def test_inputs_of_any_strides_are_taken(row):
    spec = ConvSpec((6, 7), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1))
    rng = np.random.default_rng(0)
    x, w, g = rng.standard_normal((4, 14, 6, 3)), rng.standard_normal((2, 3, 3, 4)), rng.standard_normal((2, 4, 7, 6))
    x, w, g = x.transpose(0, 3, 2, 1)[::2, :, :, ::-2], w.T[:, ::-1], g[..., ::-1].transpose(0, 1, 3, 2)
    np.testing.assert_allclose(choose.correlate(x, w, spec, row), reference.correlate(x, w, spec), atol=1e-12)
    np.testing.assert_allclose(choose.input_grad(g, w, spec, row), reference.input_grad(g, w, spec), atol=1e-12)
    np.testing.assert_allclose(choose.weight_grad(x, g, spec, row), reference.weight_grad(x, g, spec), atol=1e-12)


@pytest.mark.parametrize("columns", [1, col2im.COLUMNS])
def test_columns_are_added_in_rows_of_points_and_in_parts(columns, monkeypatch):
    monkeypatch.setattr(col2im, "ROW", 1)
    monkeypatch.setattr(col2im, "LINE", 0)
    monkeypatch.setattr(col2im, "COLUMNS", columns)
    if compiled := engines.compiled("col2im"):
        monkeypatch.setattr(compiled, "COLUMNS", columns)
        monkeypatch.setattr(compiled, "SUMS", columns)
        monkeypatch.setattr(compiled.programs, "_known", {})
        monkeypatch.setattr(compiled.programs, "_kept", 0)
    by_points = 0
    for name, spec in HARD.items():
        col2im._plan.cache_clear()
        _, w, g = operands(name, spec, "float64")
        expected = reference.input_grad(g, w, spec)
        assert_close(col2im.input_grad(g, w, spec), expected, "float64", name)
        by_points += col2im._plan(2, expected.shape[1], w.shape[0], spec, g.dtype)[1] == "points"
    col2im._plan.cache_clear()
    assert by_points > 5


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_lines_as_channels_give_the_same(dtype):
    for name, spec in HARD.items():
        if spec.rank and spec.groups == 1:
            _, w, g = operands(name, spec, dtype)
            assert_close(col2im._by_lines(g, w, spec), reference.input_grad(g, w, spec), dtype, name)


def test_an_infinity_stays_where_it_is_though_lines_are_multiplied_as_a_whole(monkeypatch):
    engines.set_engine("numpy")
    spec = conv_spec("test", (64, 6, 14, 14), (16, 6, 5, 5))
    monkeypatch.setattr(col2im, "_plan", lambda n, c, m, spec, dtype: (0.0, "lines" if spec.rank == 2 else "images"))
    g, w = np.ones((64, 16, 10, 10), "f4"), np.ones((16, 6, 5, 5), "f4")
    g[0, 3, 0, 0] = np.inf
    dx = col2im.input_grad(g, w, spec)
    assert np.isinf(dx[0, :, :5, :5]).all() and np.isfinite(dx).sum() == dx.size - 6 * 25


def test_numpys_transform_serves_where_scipy_is_missing(monkeypatch):
    monkeypatch.setattr(fft, "_fft", lambda: np.fft)
    for dtype in ("float32", "float64", "complex64"):
        x, w, g = operands("plain", HARD["plain"], dtype)
        for contraction, arguments in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
            expected = getattr(reference, contraction)(*arguments, HARD["plain"])
            assert_close(getattr(choose, contraction)(*arguments, HARD["plain"], "fft"), expected, dtype, contraction)


@pytest.mark.parametrize("kernel, size", [((2, 2), (11, 11)), ((3, 3), (18, 18)), ((3, 3, 3), (10, 10, 10))])
def test_toom_cook_in_float32_stays_within_5e_6(kernel, size):
    r = len(kernel)
    spec = ConvSpec(size, kernel, (1,) * r, ((1, 1),) * r, (1,) * r)
    rng = np.random.default_rng(0)
    shapes = (2, 32, *size), (32, 32, *kernel), (2, 32, *spec.out)
    x, w, g = (rng.standard_normal(shape) for shape in shapes)
    for contraction, arguments in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
        expected = getattr(reference, contraction)(*arguments, spec)
        actual = getattr(choose, contraction)(*(a.astype(np.float32) for a in arguments), spec, "winograd")
        assert np.abs(actual - expected).max() < 5e-6 * np.abs(expected).max()


@pytest.mark.parametrize("kernel, dilation", [((2, 3), (1, 1)), ((3, 1), (4, 2)), ((5, 2), (1, 3))])
@in_turn("out", [1, 3, 7, 14, 22, 23])
def test_tiles_make_every_output_once(out, kernel, dilation):
    size = tuple(out + d * (k - 1) for k, d in zip(kernel, dilation))
    spec = ConvSpec(size, kernel, (1, 1), ((0, 0), (0, 0)), dilation)
    made = np.zeros((1, out, out), int)
    tiling = tilings.cover(1, 64, 64, spec, np.dtype(np.float32)).tiling
    assert max(m + k - 1 for m, k in tiling.axes) <= toom_cook.PRECISION["fast"]
    for batch in tiling.batches(1, 128, 64 * 64, 4):
        made[tiling.box(batch)] += 1
    assert (made == 1).all()


@pytest.mark.parametrize("name", ["plain", "negative padding", "dilated", "rank 3"])
@pytest.mark.parametrize("longest", [3, 100])
def test_lines_of_toom_cook_meet_the_reference(name, longest, monkeypatch):
    engines.set_engine("numpy")
    seconds = tilings._seconds
    monkeypatch.setattr(tilings, "LINE", longest)
    monkeypatch.setattr(tilings, "_seconds", lambda tiling, *about: seconds(tiling, *about) - (tiling.taps > 1))
    tilings._cover.cache_clear()
    spec = replace(HARD[name], stride=(1,) * HARD[name].rank)
    x, w, g = operands(name, spec, "float64")
    assert tilings.cover(2, 3, 4, spec, x.dtype).tiling.taps == spec.kernel[-1]
    for contraction, arguments in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
        expected = getattr(reference, contraction)(*arguments, spec)
        assert_close(getattr(choose, contraction)(*arguments, spec, "winograd"), expected, "float64", contraction)
    tilings._cover.cache_clear()


FOURIER = ["plain", "negative padding", "dilated", "padding > kernel", "rank 1", "rank 3", "rank 4"]


@pytest.mark.parametrize("name, lines", [(name, lines) for name in FOURIER for lines in (False, True) if not lines or HARD[name].rank > 1])
def test_fourier_transforms_by_matrices_meet_the_reference(name, lines, monkeypatch):
    """Every axis is transformed, or the last one is left to the products."""
    engines.set_engine("numpy")
    spec = replace(HARD[name], stride=(1,) * HARD[name].rank, groups=1)
    for constant, value in (("LONG", 1), ("LINE", 4), ("PIECE", 1 << 10), ("SPECTRA", 1 << 14 if lines else 1 << 25)):
        monkeypatch.setattr(tilings, constant, value)
    monkeypatch.setattr(tilings, "_fourier_seconds", lambda tiling, *about: -1.0 - ((tiling.taps > 1) == lines))
    for cached in (tilings.fourier_cover, fft._by_matrices):
        cached.cache_clear()
    found = tilings.fourier_cover(2, 3, 4, spec, np.dtype("f")).tiling
    assert found.fourier and (found.taps > 1) == lines
    for dtype, most in (("float64", 1e-13), ("float32", 5e-7)):
        x, w, g = operands(name, spec, "float64")
        for contraction, given in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
            expected = getattr(reference, contraction)(*given, spec)
            actual = getattr(choose, contraction)(*(a.astype(dtype) for a in given), spec, "fft")
            assert np.abs(actual - expected).max() < most * np.abs(expected).max(), (contraction, dtype)
    for cached in (tilings.fourier_cover, fft._by_matrices):
        cached.cache_clear()


@pytest.mark.parametrize("name", [name for name in FOURIER if min(HARD[name].kernel) > 1])
@pytest.mark.parametrize("sizes", [(5, 7, 8), (3, 17, 12)])
def test_compiled_fourier_transforms_meet_the_reference(name, sizes, monkeypatch):
    pytest.importorskip("llvmlite")
    engines.set_engine("jit")
    compiled, spec = engines.compiled("spectra"), replace(HARD[name], stride=(1,) * HARD[name].rank, groups=1)
    monkeypatch.setattr(compiled, "LONG", 1)
    monkeypatch.setattr(compiled, "SPECTRA", 1 << 16)
    monkeypatch.setattr(fft, "_sooner", lambda found, *about: found.takes(*about))
    for dtype, most in (("float64", 1e-13), ("float32", 1e-6)):
        x, w, g = operands(name, spec, "float64", *sizes)
        for contraction, given in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
            assert compiled.takes(*sizes, spec, np.dtype(dtype))
            expected = getattr(reference, contraction)(*given, spec)
            actual = getattr(choose, contraction)(*(a.astype(dtype) for a in given), spec, "fft")
            assert np.abs(actual - expected).max() < most * np.abs(expected).max(), (contraction, dtype)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("f", [8, 12, 20, 28, 40, 56])
def test_fast_transforms_are_sums_of_waves(f, real):
    pytest.importorskip("llvmlite")
    from tinygrad_nd.kernels.engines import fourier

    n, parts, rng = f - 3, 1 if real else 2, np.random.default_rng(f)
    angles = 2 * np.pi / f * (2 * np.arange(f // 2) + 0.5 if real else np.arange(f))
    waves = np.exp(1j * np.outer(angles, np.arange(n)))
    a, out = rng.standard_normal((parts * n, 9)), np.empty((2 * len(angles), 9))
    fourier.transform(a.dtype, fourier.Way(False, real, n, f, 1))(memory.address(a), memory.address(out), 1, 0, 0, 9, 9, 9)
    expected = waves @ (a[:n] + (0 if real else 1j * a[n:]))
    np.testing.assert_allclose(out[::2] + 1j * out[1::2], expected, atol=1e-12)
    fourier.transform(a.dtype, fourier.Way(True, real, n, f, -1))(memory.address(out), memory.address(a), 1, 0, 0, 9, 9, 9)
    back = waves.conj().T @ expected
    np.testing.assert_allclose(a, back.real if real else np.concatenate([back.real, back.imag]), atol=1e-11)


def test_an_infinity_reaches_only_the_points_that_see_it():
    spec = ConvSpec((6, 16), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))  # few channels: gemm makes neighbours in one product
    x, w, g = operands("infinite", spec, "float32", c=1, m=2)
    x[0, 0, 2, 5] = g[1, 1, 3, 7] = np.inf
    for contraction, given in (("correlate", (x, w)), ("input_grad", (g, w)), ("weight_grad", (x, g))):
        with np.errstate(invalid="ignore"):
            expected = getattr(reference, contraction)(*given, spec)
            actual = getattr(choose, contraction)(*given, spec, "gemm")
        np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(expected))


def test_no_library_is_loaded_where_compiled_transforms_take_much_less_time(monkeypatch):
    pytest.importorskip("llvmlite")
    engines.set_engine("jit")
    monkeypatch.setattr(fft, "_bytes_per_second", None)
    spec = ConvSpec((32,) * 3, (9,) * 3, (1,) * 3, ((4, 4),) * 3, (1,) * 3)
    assert fft._sooner.__wrapped__(engines.compiled("spectra"), 2, 16, 16, spec, np.dtype(np.float32))
