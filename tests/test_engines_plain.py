"""Plain loops compiled do what they do as Python."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tinygrad_nd.kernels.engines.arrays import numbers
from tinygrad_nd.kernels.engines.formulas import over, polynomial
from tinygrad_nd.kernels.engines.plain import Loop


def mixed(out, x, codes, n, flag):
    """Every statement and expression of the language, on small numbers."""
    length = np.uintp(x.shape[1])
    line, few = np.empty(length, x.dtype), np.empty(4)
    total, least = x.dtype.type(0), min(n, 3)
    for r in range(x.shape[0]):
        row = x[r]
        for i in range(length):
            line[i] = row[i]
        for i in range(0, row.size, 2):
            if i == 4:
                continue
            if i + len(codes) > 8:
                break
            value = line[i]
            total += value if value > 0 and not flag else -value
        _twice(line, np.uintp(1), x.shape[1])
        _raise(line, x.shape[1], 1)
        out[r, 0] = total + least
        out[r, 1] = _larger(line[0], line[1]) / 2
        out[r, 2] = codes[r] // 2 * 2 + codes[r] % 2 - codes[r]
        out[r, 3] = np.maximum(np.abs(line[2]), np.sqrt(x.dtype.type(codes[r]))) + np.sign(line[3])
        if flag or n > 4:
            out[r, 1], out[r, 2] = out[r, 2], out[r, 1]
        elif 0 <= n < 3:
            out[r, 2] += (r != 1) | (codes[r] == 7)
        out[r, 0] += codes.view(np.uint8)[r] + codes.view(np.uint8).size
        few[:] = n / 4
        few[1:3] = row[5:9]  # which ends before
        out[r, 4:] = few
        rest = x.reshape(x.shape[1], x.shape[0])[2, r:]
        for i in range(rest.size):
            out[r, 0] += np.copysign(rest[i], n - 2) if np.isfinite(rest[i]) and not np.isfinite(rest[i] * np.inf) else 0
    out[0, 0] -= max(codes[0], codes[1])


def _twice(line, start, end):
    for i in range(start, end):
        line[i] *= 2


def _raise(line, n, least):
    for i in range(n):
        line[i] = line[i] if line[i] > least else least


def _larger(a, b):
    wins = a > b
    return a if wins else b


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("codes", ["uint8", "int64", "uint64", "int32"])
@pytest.mark.parametrize("n, flag", [(1, False), (3, False), (5, False), (2, True)])
def test_it_is_what_python_makes_of_it(dtype, codes, n, flag):
    rng = np.random.default_rng(0)
    x, code = rng.standard_normal((3, 7)).astype(dtype), rng.integers(0, 100, 3).astype(codes)
    expected, found = np.zeros((2, 3, 8), dtype)
    mixed(expected, x, code, n, flag)
    Loop(mixed)(found, x, code, n, flag)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_numbers_of_python_take_the_type_of_what_they_meet():
    def halved(out, x):
        for i in range(x.size):
            out[i] = x[i] * 0.1 + 1

    x = np.linspace(0, 1, 50, dtype=np.float32)
    found = np.empty(50)
    Loop(halved)(found, x)
    np.testing.assert_allclose(found, x * np.float32(0.1) + np.float32(1), rtol=1e-7)  # in float32, whatever it is stored as
    assert (found.astype(np.float32) == found).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula_takes_numbers_of_arrays_and_numbers(dtype):
    def line(x, y, slope, shift):
        return polynomial(x, (shift, slope, 0.5)) + y

    x, y = np.random.default_rng(0).standard_normal((2, 50)).astype(dtype)
    found = np.empty_like(x)
    over(line)(found, x, y, x.dtype.type(0.1), 3)
    np.testing.assert_allclose(found, line(x, y, x.dtype.type(0.1), 3), rtol=1e-5)


def test_nan_is_compared_as_by_numpy():
    def compared(out, x):
        out[0], out[1], out[2] = x[0] == x[0], x[0] != x[0], x[0] < 1 or x[0] >= 1
        out[3] = np.maximum(x[1], x[0]) != np.maximum(x[0], x[1])
        out[4] = np.sign(x[0]) != np.sign(x[0])

    out = np.zeros(5, np.bool_)
    Loop(compared)(out, np.array([np.nan, 1.0]))
    assert out.tolist() == [False, True, False, True, True]


def test_closures_over_other_rules_are_told_apart():
    def made(rule):
        def scaled(out, x):
            first, rest = x[0], numbers(x, 1, 2)
            for i in range(out.size):
                out[i] = first * rule(*rest)

        return Loop(scaled)

    def added(a, b):
        return a + b

    def multiplied(a, b):
        return a * b

    x, out = np.array([2.0, 3.0, 4.0]), np.zeros(3)
    for rule, expected in ((added, 14), (multiplied, 24), (added, 14)):
        made(rule)(out, x)
        assert (out == expected).all()


def test_what_is_no_part_of_the_language_is_told():
    def unknown(x):
        while x[0] < 1:
            x[0] += 1

    with pytest.raises(TypeError, match="unknown.*While cannot be compiled"):
        Loop(unknown)(np.zeros(1))
