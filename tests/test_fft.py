"""Fourier transforms: NumPy's values, types and errors, and transposes by the dot test."""

import itertools

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd.testing import check_adjoint

rng = np.random.default_rng(0)
X = [
    rng.standard_normal(5),
    rng.standard_normal(4) * 1j,
    rng.standard_normal((3, 4)),
    rng.standard_normal((2, 3, 4)) + 1j,
    rng.standard_normal((4, 5)).astype(np.float32),
    rng.standard_normal((4, 5)).astype(np.complex64),
    np.arange(12).reshape(3, 4),
    rng.standard_normal((0, 3)),
    rng.standard_normal((4, 6))[::-1, ::2],
    np.ones(4, bool),
]
LINES, PLANES = "fft ifft rfft irfft hfft ihfft".split(), "fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn".split()
named = lambda a: f"{a.dtype}{a.shape}"


def agree(name, x, *args):
    """On tensors, and through NumPy's dispatch: the same values and dtypes, or an error of the same kind that names the function."""
    f, own = getattr(np.fft, name), getattr(nd.fft, name)
    try:
        expected = f(x, *args)
    except (ValueError, TypeError, IndexError) as error:
        with pytest.raises((ValueError, TypeError, IndexError), match=f"^{name}: ") as caught:
            own(nd.tensor(x), *args)
        assert isinstance(caught.value, type(error)) or np.iscomplexobj(x) or not x.ndim
        return
    for call in (own, f):
        y = call(nd.tensor(x), *args)
        assert isinstance(y, nd.Tensor) and y.shape == expected.shape and y.dtype == expected.dtype
        tolerance = 1e-5 if y.dtype.char in "fF" else 1e-12
        np.testing.assert_allclose(y.data, expected, tolerance, tolerance)


@pytest.mark.parametrize("x", X, ids=named)
@in_turn("name", LINES)
def test_one_axis(name, x):
    for args in itertools.product((None, 1, 2, 6, 0, -1), (-1, 0, 1), (None, "ortho", "forward")):
        agree(name, x, *args)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, of sizes without axes
@pytest.mark.parametrize("x", X, ids=named)
@in_turn("name", PLANES)
def test_several_axes(name, x):
    for s, axes, norm in itertools.product(
        (None, (2, 3), (4, -1), (5,), (0, 2)), ((-2, -1), (1, 0), (0,), (0, 0), None, (), (0, 9)), (None, "ortho")
    ):
        agree(name, x, s, axes, norm)


@pytest.mark.parametrize("x", X, ids=named)
def test_shifts(x):
    for name, axes in itertools.product(("fftshift", "ifftshift"), (None, 0, -1, (0, -1), 7)):
        agree(name, x, axes)


def test_frequencies_are_constants():
    for n in (1, 4, 5):
        np.testing.assert_array_equal(nd.fft.fftfreq(n, 0.5).data, np.fft.fftfreq(n, 0.5))
        np.testing.assert_array_equal(nd.fft.rfftfreq(n).data, np.fft.rfftfreq(n))


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("n", [5, 6, 3, 8])
@in_turn("name", LINES)
def test_gradients_are_transposes(name, n, norm):
    """Of the real linear map: real and imaginary parts of the operand and of the result are values by themselves."""
    dtype = float if name in ("rfft", "ihfft") else complex
    f = lambda x: getattr(nd.fft, name)(x, n, 0, norm)
    pull = nd.vjp(f, np.zeros((5, 2), dtype))[1]
    check_adjoint(lambda x: f(x).data, lambda g: pull(g)[0].data, (5, 2), dtype=dtype)


def test_the_imaginary_parts_that_a_real_spectrum_cannot_have_get_no_gradient():
    for n in (6, 7):
        slope = nd.grad(lambda x, n=n: nd.square(nd.fft.irfft(x, n)).sum())(rng.standard_normal(4) + 1j).data
        assert slope[0].imag == 0 and (n % 2 or slope[-1].imag == 0) and slope[1].imag


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: nd.fft.fft(np.ones(3), norm="up"), ValueError, "fft: norm must be"),
        (lambda: nd.fft.fft(np.ones(3), 2.5), TypeError, "fft: .*2.5"),
        (lambda: nd.fft.fft(np.ones(3), 0), ValueError, "fft: cannot transform 0 points"),
        (lambda: nd.fft.fft(np.ones(3), axis=1), IndexError, r"fft: axis 1 .*\(3,\)"),
        (lambda: nd.fft.rfft(np.ones(3) * 1j), TypeError, "rfft: needs real values"),
        (lambda: nd.fft.fftn(np.ones((3, 3)), (2,), (0, 1)), ValueError, "fftn: needs a size for each axis"),
        (lambda: nd.fft.fftn(np.ones((3, 3)), 2), TypeError, "fftn: .*sequences"),
        (lambda: nd.fft.fft(["a"]), TypeError, "fft: needs numbers"),
    ],
)
def test_errors(call, kind, says):
    with pytest.raises(kind, match=f"^{says}"):
        call()


def test_half_precision_comes_back_from_a_spectrum():
    y = nd.fft.irfft(np.ones(3, np.float16))
    assert y.dtype == np.fft.irfft(np.ones(3, np.float16)).dtype == np.float16
    np.testing.assert_allclose(y.data, [1, 0, 0, 0], atol=1e-3)
