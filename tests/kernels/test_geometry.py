"""Sizes, the padding grammar, and messages that restate the numbers."""

import numpy as np
import pytest
from in_turn import in_turn

from tinygrad_nd.kernels.geometry import conv_spec, input_grad_spec, pool_spec, transpose_spec, weight_grad_spec
from tinygrad_nd.kernels.padding import per_axis, resolve_padding


def spec(n, k, **options):
    n, k = tuple(np.atleast_1d(n)), tuple(np.atleast_1d(k))
    return conv_spec("conv_nd", (2, 3, *n), (4, 3, *k), **options)


@in_turn(
    "padding, rank, pairs",
    [
        (2, 2, ((2, 2), (2, 2))),
        ((1, 2), 2, ((1, 1), (2, 2))),
        (((1, 2),), 1, ((1, 2),)),
        (((1, 2), (3, -1)), 2, ((1, 2), (3, -1))),
        ([(1, 2), 3], 2, ((1, 2), (3, 3))),
        (np.int64(1), 1, ((1, 1),)),
        (np.array([[1, 2], [3, 4]]), 2, ((1, 2), (3, 4))),
        ((), 0, ()),
        (3, 0, ()),
        ("valid", 2, ((0, 0), (0, 0))),
        ("full", 2, ((2, 2), (4, 4))),
        ("causal", 2, ((2, 0), (4, 0))),
        ("same", 2, ((1, 1), (2, 2))),
    ],
)
def test_the_padding_grammar(padding, rank, pairs):
    assert resolve_padding("conv_nd", padding, (8, 9)[:rank], (3, 3)[:rank], (1, 1)[:rank], (1, 2)[:rank]) == pairs


@pytest.mark.parametrize("word, pair", [("same", (0, 1)), ("same_lower", (1, 0))])
def test_the_odd_zero_of_same(word, pair):
    assert spec(6, 2, padding=word).padding == (pair,)


@in_turn("n, k, s, d", [(n, k, s, d) for n in range(1, 9) for k, d in ((1, 1), (2, 1), (3, 2), (5, 1)) for s in (1, 2, 3, 7)])
def test_same_gives_ceil_n_over_s_outputs(n, k, s, d):
    for word in ("same", "same_lower"):
        assert spec(n, k, stride=s, dilation=d, padding=word).out == (-(-n // s),)


@in_turn(
    "x, w, options, error, words",
    [
        (
            (2, 6, 32, 32),
            (8, 4, 3, 3),
            dict(groups=2),
            ValueError,
            ["takes 4 channels per group", "(2, 6, 32, 32) has 6", "groups=2 gives 3"],
        ),
        ((2, 3, 8), (8, 3, 3, 3), {}, ValueError, ["2 spatial axes", "(2, 3, 8) has 3"]),
        ((2, 3), (8,), {}, ValueError, ["(M, C/groups, *k)", "(8,)"]),
        ((2, 8, 8, 3), (4, 3, 3, 3), {}, ValueError, ["layout='N*C'"]),
        ((2, 4, 8), (3, 2, 3), dict(groups=2), ValueError, ["3 channels", "groups=2"]),
        ((2, 3, 4), (4, 3, 7), {}, ValueError, ["kernel 7", "input 4", "needs 3 of padding"]),
        ((2, 3, 4), (4, 3, 3), dict(dilation=3, padding=1), ValueError, ["dilation 3: 7", "padded by 1 + 1"]),
        ((2, 3, 4), (4, 3, 0), {}, ValueError, ["kernel size (0,)"]),
        ((2, 3, 4), (4, 3, 2), dict(stride=0), ValueError, ["stride (0,)"]),
        ((2, 3, 4), (4, 3, 2), dict(dilation=-1), ValueError, ["dilation (-1,)"]),
        ((2, 3, 4), (4, 3, 2), dict(groups=0), ValueError, ["groups=0"]),
        ((2, 3, 4), (4, 3, 2), dict(stride=(1, 2)), ValueError, ["2 entries for 1 spatial axis"]),
        ((2, 3, 4), (4, 3, 2), dict(stride=1.5), TypeError, ["1.5 (float)"]),
        ((2, 3, 4), (4, 3, 2), dict(stride=True), TypeError, ["True (bool)"]),
        ((2, 3, 4), (4, 3, 2), dict(padding=(1, 2)), ValueError, ["flat list of 2", "padding=((1, 2),)"]),
        ((2, 3, 4, 4), (4, 3, 2, 2), dict(padding=[0, 1, 2, 3]), ValueError, ["flat list of 4", "padding=((0, 1), (2, 3))"]),
        ((2, 3, 4, 4), (4, 3, 2, 2), dict(padding=((1, 2),)), ValueError, ["1 entries for 2"]),
        ((2, 3, 4), (4, 3, 2), dict(padding="some"), ValueError, ["'some'", "same_lower"]),
        ((2, 3, 4), (4, 3, 2), dict(algorithm="magic"), ValueError, ["'magic'", "winograd"]),
    ],
)
def test_errors_say_what_was_asked_and_what_came(x, w, options, error, words):
    with pytest.raises(error) as caught:
        conv_spec("conv_nd", x, w, **options)
    assert str(caught.value).startswith("conv_nd: ")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_per_axis_takes_numpy_integers():
    assert per_axis(np.array([1, 2]), 2, "stride", "f") == (1, 2) and per_axis(np.int32(3), 2, "stride", "f") == (3, 3)


def test_transposed_sizes_are_pytorchs():
    made = transpose_spec(
        "conv_transpose_nd", (2, 3, 5, 4), (3, 6, 3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(2, 1)
    )
    assert made.size == (12, 13) and made.out == (5, 4)


@pytest.mark.parametrize("word, size", [("valid", 11), ("same", 10), ("same_lower", 10), ("causal", 10)])
def test_transposed_words(word, size):
    made = transpose_spec("conv_transpose_nd", (2, 3, 5), (3, 6, 3), stride=2, padding=word)
    assert made.size == (size,) and made.out == (5,)


def test_transposed_same_grows_where_the_stride_exceeds_the_kernel():
    made = transpose_spec("conv_transpose_nd", (2, 3, 5), (3, 6, 2), stride=4, padding="same")
    assert made.size == (20,) and made.out == (5,)


def test_output_size_must_be_one_that_the_stride_can_reach():
    for size in (9, 10):
        assert transpose_spec("conv_transpose_nd", (2, 3, 5), (3, 6, 3), stride=2, padding=1, output_size=size).out == (5,)
    with pytest.raises(ValueError, match=r"output_size=\(11,\) must lie between \(9,\) and \(10,\)"):
        transpose_spec("conv_transpose_nd", (2, 3, 5), (3, 6, 3), stride=2, padding=1, output_size=11)
    with pytest.raises(ValueError, match="output_padding"):
        transpose_spec("conv_transpose_nd", (2, 3, 5), (3, 6, 3), stride=2, output_padding=2)


@pytest.mark.parametrize(
    "n, k, s, p, ceil, out",
    [
        (5, 2, 2, 0, False, 2),
        (5, 2, 2, 0, True, 3),
        (4, 2, 3, 1, True, 2),
        (4, 1, 2, 1, True, 3),
        (2, 3, 2, 0, True, 1),
        (6, 3, None, 0, False, 2),
    ],
)
def test_pool_sizes(n, k, s, p, ceil, out):
    assert pool_spec("max_pool_nd", (n,), k, s, p, ceil_mode=ceil).out == (out,)


def test_pool_padding_may_exceed_half_the_kernel_but_not_crop():
    assert pool_spec("max_pool_nd", (4,), 2, 1, 2).out == (7,)
    with pytest.raises(ValueError, match="cannot crop"):
        pool_spec("max_pool_nd", (4,), 2, 1, -1)
    with pytest.raises(ValueError, match="kernel 5 does not fit"):
        pool_spec("max_pool_nd", (4,), 5)


def test_both_gradient_specs_have_the_size_of_what_they_make():
    made = spec((9, 6), (3, 2), stride=(2, 3), dilation=(1, 2), padding=((1, 0), (-1, 4)))
    assert input_grad_spec(made).out == made.size
    assert weight_grad_spec(made).out == made.kernel


@pytest.mark.parametrize("wrong", [True, 2.0, (2.0, 2), (True, 2)])
def test_what_equals_a_size_asked_before_is_refused_all_the_same(wrong):
    assert pool_spec("pool", (9, 9), (1, 2)) is pool_spec("pool", (9, 9), (1, 2))
    for right in (1, 2, (1, 2), (2, 2)):
        pool_spec("pool", (9, 9), right, right)
    for arguments in ((wrong, 2), (2, wrong)):
        with pytest.raises(TypeError, match="takes ints"):
            pool_spec("pool", (9, 9), *arguments)
