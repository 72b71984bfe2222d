"""Choices by bit patterns against NumPy's own."""

import numpy as np
import pytest

from tinygrad_nd.kernels import bits

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_choices_are_numpys_for_every_number(dtype):
    x, y = (RNG.standard_normal(600).astype(dtype) for _ in range(2))
    x[:6] = y[2:8] = np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).tiny
    condition = RNG.random(600) < 0.5
    kept, replaced, number, either, other, signed = (np.full_like(x, 7) for _ in range(6))
    bits.keep(kept, condition, x)
    replaced[:] = number[:] = y
    bits.replace(replaced, condition, x)
    bits.replace(number, condition, 0.1)
    bits.choose(either, condition, 1, -0.01)
    bits.choose(other, condition, x, -0.01)
    signed[:] = np.abs(y)
    bits.with_sign(signed, x)
    for got, expected in (
        (kept, np.where(condition, x, dtype(0))),
        (replaced, np.where(condition, x, y)),
        (number, np.where(condition, dtype(0.1), y)),
        (either, np.where(condition, dtype(1), dtype(-0.01))),
        (other, np.where(condition, x, dtype(-0.01))),
        (signed, np.copysign(y, x)),
    ):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))
