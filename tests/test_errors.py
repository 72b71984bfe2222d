"""A malformed call raises before anything changes, and the message names the function and the numbers."""

import inspect

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd


def zeros(*shape):
    return np.zeros(shape)


X, W = zeros(2, 6, 8, 8), zeros(4, 6, 3, 3)
CALLS = {  # what is wrong: (the call, the kind of error, what its text must hold)
    # convolution
    "channels": (lambda: nd.conv_nd(zeros(2, 5, 8, 8), W), ValueError, "conv_nd", "6", "(2, 5, 8, 8)"),
    "channels per group": (
        lambda: nd.conv_nd(zeros(2, 6, 32, 32), zeros(8, 4, 3, 3), groups=2),
        ValueError, "conv_nd", "4", "(2, 6, 32, 32)", "groups=2", "3",
    ),
    "None as x": (lambda: nd.conv_nd(None, W), TypeError, "conv_nd", "x", "None"),
    "None as weight": (lambda: nd.conv_nd(X, None), TypeError, "conv_nd", "weight", "None"),
    "None transposed": (lambda: nd.conv_transpose_nd(None, W), TypeError, "conv_transpose_nd", "x", "None"),
    "None as transposed weight": (lambda: nd.conv_transpose_nd(X, None), TypeError, "conv_transpose_nd", "weight", "None"),
    "None convolved": (lambda: nd.convolve_nd(None, zeros(2)), TypeError, "convolve_nd", "a", "None"),
    "None correlated": (lambda: nd.correlate_nd(zeros(2), None), TypeError, "correlate_nd", "v", "None"),
    "text transposed": (lambda: nd.conv_transpose_nd(X, "w"), TypeError, "conv_transpose_nd", "numbers"),
    "text convolved": (lambda: nd.convolve_nd(zeros(2), "v"), TypeError, "convolve_nd", "numbers"),
    "text correlated": (lambda: nd.correlate_nd("a", zeros(2)), TypeError, "correlate_nd", "numbers"),
    "both shapes and the axis": (lambda: nd.conv_nd(zeros(2, 5, 8, 8), W), ValueError, "(2, 5, 8, 8)", "(4, 6, 3, 3)", "axis 1"),
    "the shape as it was passed": (
        lambda: nd.conv_nd(zeros(2, 8, 9, 5), W, layout="N*C"), ValueError, "(2, 8, 9, 5)", "axis 3", "(N, *n, C)",
    ),
    "channels first under N*C": (lambda: nd.conv_nd(X, W, layout="N*C"), ValueError, "conv_nd", "channels-first", "N*C"),
    "one image, channels last": (lambda: nd.conv_nd(zeros(8, 9, 6), W), ValueError, "conv_nd", "channels-last", "layout='N*C'"),
    "one image too many axes": (lambda: nd.conv_nd(zeros(3, 8, 8), zeros(4, 6, 3, 3)), ValueError, "conv_nd", "(C, *n)", "4 axes"),
    "weights of TensorFlow": (lambda: nd.conv_nd(X, zeros(3, 3, 6, 4)), ValueError, "conv_nd", "(*k, C, M)", "moveaxis"),
    "weights of TensorFlow, 3 wide": (lambda: nd.conv_nd(zeros(1, 9, 9, 3), zeros(3, 2, 3, 4), layout="N*C"), ValueError, "moveaxis"),
    "a size for a dtype": (lambda: nd.zeros(2, 3), TypeError, "zeros", "zeros((2, 3))"),
    "flatten of PyTorch": (lambda: nd.ones((2, 3, 4)).flatten(1), TypeError, "order", "x.reshape(2, -1)"),
    "weights of a transposed convolution": (lambda: nd.conv_nd(X, zeros(6, 4, 3, 3)), ValueError, "conv_nd", "conv_transpose_nd"),
    "weights of a convolution": (lambda: nd.conv_transpose_nd(X, W), ValueError, "conv_transpose_nd", "use conv_nd"),
    "depthwise without groups": (lambda: nd.conv_nd(X, zeros(12, 1, 3, 3)), ValueError, "conv_nd", "depthwise", "groups=6"),
    "groups forgotten": (lambda: nd.conv_nd(X, zeros(4, 3, 3, 3)), ValueError, "conv_nd", "groups=2 would fit"),
    "flat padding as ONNX has it": (lambda: nd.conv_nd(X, W, padding=(1, 1, 2, 2)), ValueError, "((1, 1), (2, 2))", "((1, 2), (1, 2))"),
    "padding word in capitals": (lambda: nd.conv_nd(X, W, padding="SAME"), ValueError, "conv_nd", "'SAME'", "did you mean 'same'"),
    "padding mode of NumPy": (lambda: nd.conv_nd(X, W, padding=1, padding_mode="edge"), ValueError, "'edge'", "'replicate' here"),
    "layout of PyTorch": (lambda: nd.conv_nd(X, W, layout="NCHW"), ValueError, "conv_nd", "'NCHW'", '"NC*" is probably meant'),
    "layout as words": (lambda: nd.conv_nd(X, W, layout="channels_last"), ValueError, "'channels_last'", '"N*C" is probably meant'),
    "output_padding and output_size": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), stride=2, output_padding=1, output_size=16),
        ValueError, "conv_transpose_nd", "output_padding=(1, 1)", "output_size=(16, 16)", "(17, 17)",
    ),
    "the axis whose size is out of reach": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), stride=2, output_size=(16, 19)), ValueError, "conv_transpose_nd", "axis 1", "19",
        
    ),
    "the axis whose stride is zero": (lambda: nd.conv_nd(X, W, stride=(1, 0)), ValueError, "conv_nd", "stride", "axis 1"),
    "channels last without saying so": (lambda: nd.conv_nd(zeros(2, 8, 8, 6), W), ValueError, "conv_nd", "layout", "N*C"),
    "groups do not divide outputs": (lambda: nd.conv_nd(X, zeros(4, 2, 3, 3), groups=3), ValueError, "conv_nd", "4", "groups=3"),
    "groups below one": (lambda: nd.conv_nd(X, W, groups=0), ValueError, "conv_nd", "groups=0"),
    "groups no int": (lambda: nd.conv_nd(X, W, groups=1.5), TypeError, "conv_nd", "groups", "1.5"),
    "rank of x": (lambda: nd.conv_nd(zeros(6, 8), W), ValueError, "conv_nd", "(4, 6, 3, 3)", "2"),
    "rank of weight": (lambda: nd.conv_nd(X, zeros(3)), ValueError, "conv_nd", "(3,)"),
    "x a number": (lambda: nd.conv_nd(3.0, W), ValueError, "conv_nd", "(4, 6, 3, 3)"),
    "kernel does not fit": (lambda: nd.conv_nd(X, zeros(4, 6, 9, 3)), ValueError, "conv_nd", "9", "8"),
    "dilated kernel does not fit": (lambda: nd.conv_nd(X, W, dilation=4), ValueError, "conv_nd", "9", "8", "dilation 4"),
    "kernel does not fit what is cropped": (lambda: nd.conv_nd(X, W, padding=-3), ValueError, "conv_nd", "3", "-3"),
    "empty kernel": (lambda: nd.conv_nd(X, zeros(4, 6, 0, 3)), ValueError, "conv_nd", "0"),
    "stride of zero": (lambda: nd.conv_nd(X, W, stride=0), ValueError, "conv_nd", "stride", "0"),
    "stride of a fraction": (lambda: nd.conv_nd(X, W, stride=1.5), TypeError, "conv_nd", "stride", "1.5"),
    "stride of a bool": (lambda: nd.conv_nd(X, W, stride=True), TypeError, "conv_nd", "stride", "True"),
    "stride of another rank": (lambda: nd.conv_nd(X, W, stride=(1, 2, 3)), ValueError, "conv_nd", "stride", "3", "2"),
    "dilation of zero": (lambda: nd.conv_nd(X, W, dilation=(1, 0)), ValueError, "conv_nd", "dilation", "(1, 0)"),
    "flat padding": (lambda: nd.conv_nd(X, W, padding=(1, 2, 3, 4)), ValueError, "conv_nd", "((1, 2), (3, 4))"),
    "padding of another rank": (lambda: nd.conv_nd(X, W, padding=(1, 2, 3)), ValueError, "conv_nd", "padding", "3", "2"),
    "padding of three": (lambda: nd.conv_nd(X, W, padding=((1, 2, 3), 1)), ValueError, "conv_nd", "(before, after)"),
    "padding of floats": (lambda: nd.conv_nd(X, W, padding=0.5), TypeError, "conv_nd", "padding", "0.5"),
    "padding word": (lambda: nd.conv_nd(X, W, padding="sane"), ValueError, "conv_nd", "'sane'", "same"),
    "padding mode": (lambda: nd.conv_nd(X, W, padding=1, padding_mode="mirror"), ValueError, "conv_nd", "mirror", "reflect"),
    "padding modes of another rank": (lambda: nd.conv_nd(X, W, padding=1, padding_mode=("zeros",)), ValueError, "conv_nd", "2"),
    "reflection beyond the input": (
        lambda: nd.conv_nd(zeros(1, 1, 0), zeros(1, 1, 1), padding=1, padding_mode="reflect"), ValueError, "reflect",
    ),
    "bias": (lambda: nd.conv_nd(X, W, zeros(3)), ValueError, "conv_nd", "bias", "(4,)", "(3,)"),
    "bias of another rank": (lambda: nd.conv_nd(X, W, zeros(4, 1)), ValueError, "conv_nd", "bias", "(4,)", "(4, 1)"),
    "layout": (lambda: nd.conv_nd(X, W, layout="NHWC"), ValueError, "conv_nd", "'NHWC'", "N*C"),
    "algorithm": (lambda: nd.conv_nd(X, W, algorithm="magic"), ValueError, "conv_nd", "'magic'", "gemm"),
    "text as input": (lambda: nd.conv_nd("x", W), TypeError, "numbers"),
    # transposed convolution
    "transposed channels": (lambda: nd.conv_transpose_nd(X, zeros(5, 3, 2, 2)), ValueError, "conv_transpose_nd", "5", "6", "(2, 6, 8, 8)"),
    "transposed groups": (lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), groups=4), ValueError, "conv_transpose_nd", "6", "groups=4"),
    "transposed bias": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), zeros(6)), ValueError, "conv_transpose_nd", "bias", "(3,)", "(6,)",
    ),
    "output_padding too large": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), stride=2, output_padding=2),
        ValueError, "conv_transpose_nd", "output_padding=2",
    ),
    "output_padding negative": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), stride=2, output_padding=-1), ValueError, "conv_transpose_nd", "-1",
    ),
    "output_size out of reach": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), stride=2, output_size=18), ValueError, "conv_transpose_nd", "18", "16", "17",
    ),
    "output_size of another rank": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), output_size=(9,)), ValueError, "conv_transpose_nd", "output_size", "1", "2",
    ),
    "trimmed to nothing": (lambda: nd.conv_transpose_nd(zeros(1, 1, 2), zeros(1, 1, 2), padding=3), ValueError, "conv_transpose_nd", "-3"),
    "transposed padding word": (
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), padding="full"), ValueError, "conv_transpose_nd", "'full'",
    ),
    # correlate and convolve
    "convolve mode": (lambda: nd.convolve_nd(zeros(3), zeros(2), "fill"), ValueError, "convolve_nd", "'fill'", "full"),
    "correlate mode": (lambda: nd.correlate_nd(zeros(3), zeros(2), "fill"), ValueError, "correlate_nd", "'fill'", "full"),
    "convolve ranks": (lambda: nd.convolve_nd(zeros(3, 3), zeros(2)), ValueError, "convolve_nd", "(3, 3)", "(2,)"),
    "convolve axes": (lambda: nd.convolve_nd(zeros(3), zeros(2), axes=1), ValueError, "convolve_nd", "1"),
    "correlate axes": (lambda: nd.correlate_nd(zeros(3), zeros(2), axes=1), ValueError, "correlate_nd", "1"),
    "convolve neither larger": (lambda: nd.convolve_nd(zeros(3, 2), zeros(2, 3), "valid"), ValueError, "convolve_nd", "(3, 2)", "(2, 3)"),
    "convolve nothing": (lambda: nd.convolve_nd(zeros(0), zeros(2)), ValueError, "convolve_nd", "(0,)"),
    "convolve does not broadcast": (
        lambda: nd.convolve_nd(zeros(3, 4), zeros(2, 4), axes=1), ValueError, "convolve_nd", "(3, 4)", "(2, 4)",
    ),
    # pools
    "pool larger than input": (lambda: nd.max_pool_nd(zeros(1, 1, 3), 5), ValueError, "max_pool_nd", "5", "3"),
    "average larger than input": (lambda: nd.avg_pool_nd(zeros(1, 1, 3), 5), ValueError, "avg_pool_nd", "5", "3"),
    "pool of zero": (lambda: nd.max_pool_nd(zeros(1, 1, 3), 0), ValueError, "max_pool_nd", "kernel", "0"),
    "pool stride": (lambda: nd.max_pool_nd(zeros(1, 1, 3), 2, 0), ValueError, "max_pool_nd", "stride", "0"),
    "pool crops": (lambda: nd.max_pool_nd(zeros(1, 1, 3), 2, padding=-1), ValueError, "max_pool_nd", "padding", "-1"),
    "pool of too many axes": (lambda: nd.max_pool_nd(zeros(3), (2, 2)), ValueError, "max_pool_nd", "2", "(3,)"),
    "int pool without axes": (lambda: nd.avg_pool_nd(zeros(3), 2), ValueError, "avg_pool_nd", "(3,)"),
    "pool of a fraction": (lambda: nd.max_pool_nd(zeros(1, 1, 3), (1.5,)), TypeError, "max_pool_nd", "1.5"),
    "divisor": (lambda: nd.avg_pool_nd(zeros(1, 1, 3), 2, divisor_override=0), ValueError, "avg_pool_nd", "divisor_override"),
    "pool layout": (lambda: nd.max_pool_nd(zeros(1, 1, 3), 2, layout="NWC"), ValueError, "max_pool_nd", "'NWC'"),
    # products
    "matmul": (lambda: nd.matmul(zeros(2, 3), zeros(4, 5)), ValueError, "matmul", "3", "4"),
    "matmul of numbers": (lambda: nd.matmul(zeros(2, 3), 2.0), ValueError, "matmul", "(2, 3)", "*"),
    "matmul batches": (lambda: nd.matmul(zeros(2, 1, 3), zeros(3, 3, 1)), ValueError, "matmul", "2", "3"),
    "operator @": (lambda: nd.ones(3) @ nd.ones(4), ValueError, "matmul", "3", "4"),
    "dot": (lambda: nd.dot(zeros(2, 3), zeros(2, 3)), ValueError, "3", "2"),
    "tensordot": (lambda: nd.tensordot(zeros(2, 3), zeros(2, 3), 1), ValueError, "tensordot", "(2, 3)"),
    "tensordot axes": (lambda: nd.tensordot(zeros(2, 3), zeros(3), 2), ValueError, "tensordot", "2", "(3,)"),
    "einsum operands": (lambda: nd.einsum("ij,jk", zeros(2, 3)), ValueError, "einsum", "'ij,jk'", "2", "1"),
    "einsum axes": (lambda: nd.einsum("ijk", zeros(2, 3)), ValueError, "einsum", "ijk", "2"),
    "einsum sizes": (lambda: nd.einsum("ij,jk", zeros(2, 3), zeros(4, 2)), ValueError, "einsum", "'j'", "3", "4"),
    "einsum output": (lambda: nd.einsum("ij->ik", zeros(2, 3)), ValueError, "einsum", "'k'"),
    "einsum repeated output": (lambda: nd.einsum("ij->ii", zeros(2, 3)), ValueError, "einsum", "'ii'"),
    "linear features": (lambda: nd.linear(zeros(2, 3), zeros(4, 5)), ValueError, "linear", "(4, 5)", "5", "(2, 3)"),
    "bilinear features": (lambda: nd.bilinear(zeros(2, 3), zeros(2, 4), zeros(5, 3, 3)), ValueError, "bilinear", "x2", "(2, 4)"),
    "bilinear batch": (lambda: nd.bilinear(zeros(2, 3), zeros(1, 3), zeros(5, 3, 3)), ValueError, "bilinear", "(2, 3)", "(1, 3)"),
    "bilinear bias": (lambda: nd.bilinear(zeros(3), zeros(3), zeros(5, 3, 3), zeros(1)), ValueError, "bilinear", "(5,)", "(1,)"),
    "linear weight": (lambda: nd.linear(zeros(2, 3), zeros(3)), ValueError, "linear", "(3,)"),
    "linear bias": (lambda: nd.linear(zeros(2, 3), zeros(4, 3), zeros(3)), ValueError, "linear", "(4,)", "(3,)"),
    # shapes
    "reshape": (lambda: nd.reshape(zeros(2, 3), (4,)), ValueError, "reshape", "(2, 3)", "6", "(4,)"),
    "reshape with two unknowns": (lambda: nd.reshape(zeros(2, 3), (-1, -1)), ValueError, "reshape", "(-1, -1)"),
    "reshape to a negative size": (lambda: nd.reshape(zeros(2, 3), (-2, 3)), ValueError, "reshape", "(-2, 3)"),
    "transpose": (lambda: nd.transpose(zeros(2, 3), (0,)), ValueError, "transpose", "(2, 3)"),
    "transpose repeats": (lambda: nd.transpose(zeros(2, 3), (0, 0)), ValueError, "transpose", "(0, 0)"),
    "matrix_transpose": (lambda: nd.matrix_transpose(zeros(3)), ValueError, "matrix_transpose", "(3,)"),
    "axis out of range": (lambda: nd.sum(zeros(2, 3), axis=2), ValueError, "sum", "2"),
    "axis named twice": (lambda: nd.mean(zeros(2, 3), axis=(0, -2)), ValueError, "mean", "(0, -2)"),
    "axis of a fraction": (lambda: nd.max(zeros(2, 3), axis=0.5), TypeError, "max", "0.5"),
    "argmax axis": (lambda: nd.argmax(zeros(2, 3), axis=5), ValueError, "argmax", "5"),
    "softmax axis": (lambda: nd.softmax(zeros(2, 3), axis=5), ValueError, "softmax", "5"),
    "max of nothing": (lambda: nd.max(zeros(0)), ValueError, "max", "(0,)"),
    "min of nothing along an axis": (lambda: nd.min(zeros(2, 0), axis=1), ValueError, "min", "(2, 0)", "1"),
    "argmax of nothing": (lambda: nd.argmax(zeros(0)), ValueError, "argmax"),
    "squeeze": (lambda: nd.squeeze(zeros(2, 3), 1), ValueError, "squeeze", "1", "(2, 3)", "3"),
    "expand_dims": (lambda: nd.expand_dims(zeros(2), 5), ValueError, "expand_dims", "5"),
    "moveaxis": (lambda: nd.moveaxis(zeros(2, 3), (0, 1), 0), ValueError, "moveaxis", "(0, 1)"),
    "broadcast_to": (lambda: nd.broadcast_to(zeros(2, 3), (2, 4)), ValueError, "broadcast_to", "(2, 3)", "(2, 4)"),
    "concatenate": (lambda: nd.concatenate([zeros(2, 3), zeros(3, 4)]), ValueError, "concatenate", "(2, 3)", "(3, 4)"),
    "concatenate nothing": (lambda: nd.concatenate([]), ValueError, "concatenate"),
    "stack": (lambda: nd.stack([zeros(2), zeros(3)]), ValueError, "stack", "(2,)", "(3,)"),
    "stack axis": (lambda: nd.stack([zeros(2), zeros(2)], axis=3), ValueError, "stack", "3"),
    "split": (lambda: nd.split(zeros(5), 2), ValueError, "split", "5", "2"),
    "pad negative": (lambda: nd.pad(zeros(3), -1), ValueError, "pad", "-1"),
    "pad mode": (lambda: nd.pad(zeros(3), 1, "mirror"), ValueError, "pad", "'mirror'"),
    "pad widths": (lambda: nd.pad(zeros(3, 3), ((1, 2), (3, 4), (5, 6))), ValueError, "pad", "(3, 3)"),
    "add": (lambda: nd.ones((2, 3)) + nd.ones(4), ValueError, "add", "(2,3)", "(4,)"),
    "where": (lambda: nd.where(zeros(2) > 0, zeros(3), 1.0), ValueError, "where", "(2,)", "(3,)"),
    # indexing
    "index out of range": (lambda: nd.ones(3)[5], IndexError, "5", "3"),
    "too many indices": (lambda: nd.ones(3)[0, 0], IndexError, "1", "2"),
    "index of a float": (lambda: nd.ones(3)[1.0], TypeError, "index", "float"),
    "index of text": (lambda: nd.ones(3)["a"], TypeError, "index", "str"),
    "mask of another shape": (lambda: nd.ones(3)[np.ones(4, bool)], IndexError, "3", "4"),
    "take out of range": (lambda: nd.take(zeros(3), [0, 3]), IndexError, "take", "3"),
    "take of floats": (lambda: nd.take(zeros(3), [0.5]), TypeError, "take", "float64"),
    "take axis": (lambda: nd.take(zeros(3), [0], axis=2), ValueError, "take", "2"),
    "at out of range": (lambda: nd.ones(3).at[5].set(1.0), IndexError, "5", "3"),
    "at value": (lambda: nd.ones(3).at[:].set(zeros(2)), ValueError, "(2,)", "(3,)"),
    "at add value": (lambda: nd.ones(3).at[:].add(zeros(2)), ValueError, "(2,)", "(3,)"),
    # losses and layers
    "mse_loss broadcast": (lambda: nd.mse_loss(zeros(4, 1), zeros(4)), ValueError, "mse_loss", "(4, 1)", "(4,)"),
    "mse_loss reduction": (lambda: nd.mse_loss(zeros(4), zeros(4), reduction="median"), ValueError, "mse_loss", "'median'", "mean"),
    "class out of range": (lambda: nd.cross_entropy(zeros(2, 3), [0, 3]), ValueError, "cross_entropy", "3", "(2, 3)"),
    "class negative": (lambda: nd.cross_entropy(zeros(2, 3), [0, -1]), ValueError, "cross_entropy", "-1"),
    "target shape": (lambda: nd.cross_entropy(zeros(2, 3), [0, 1, 2]), ValueError, "cross_entropy", "(2, 3)", "(2,)", "(3,)"),
    "target of floats": (lambda: nd.cross_entropy(zeros(2, 3), [0.0, 1.0]), ValueError, "cross_entropy", "(2, 3)", "(2,)", "integers"),
    "target of bools": (lambda: nd.cross_entropy(zeros(2, 3), [True, False]), TypeError, "cross_entropy", "bool"),
    "class weights": (lambda: nd.cross_entropy(zeros(2, 3), [0, 1], zeros(2)), ValueError, "cross_entropy", "(3,)", "(2,)"),
    "smoothing": (lambda: nd.cross_entropy(zeros(2, 3), [0, 1], label_smoothing=1.5), ValueError, "cross_entropy", "1.5"),
    "cross_entropy reduction": (lambda: nd.cross_entropy(zeros(2, 3), [0, 1], reduction="x"), ValueError, "cross_entropy", "'x'"),
    "cross_entropy of a number": (lambda: nd.cross_entropy(3.0, 0), ValueError, "cross_entropy"),
    "dropout": (lambda: nd.dropout(zeros(3), 1.5), ValueError, "dropout", "1.5"),
    "dropout, not a number": (lambda: nd.dropout(zeros(3), float("nan")), ValueError, "dropout", "nan"),
    # others
    "bincount": (lambda: nd.bincount([0, 1], nd.ones(2, requires_grad=True), minlength=-1), ValueError, "bincount", "minlength=-1"),
    "operand that is no number": (lambda: nd.ones(3) + "a", TypeError, "add", "str"),
    "None as an operand": (lambda: nd.ones(3) * None, TypeError, "multiply", "None"),
    "text in a function": (lambda: nd.exp("x"), TypeError, "exp", "str"),
    "set_num_threads": (lambda: nd.set_num_threads(0), ValueError, "threads", "0"),
    "default dtype": (lambda: nd.set_default_dtype(int), TypeError, "set_default_dtype", "int64"),
}


@in_turn("what", CALLS)
def test_a_malformed_call_says_what_was_asked_and_what_came(what):
    call, kind, *words = CALLS[what]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert [w for w in words if w not in text] == [], text
    assert "\n" not in text and len(text) < 400


def state(*tensors):
    return [(t.data.copy(), None if t.grad is None else t.grad.data.copy(), t.requires_grad, t._node) for t in tensors]


def same(before, after):
    for (d0, g0, r0, n0), (d1, g1, r1, n1) in zip(before, after):
        np.testing.assert_array_equal(d0, d1)
        assert (g0 is None) == (g1 is None) and r0 == r1 and n0 is n1
        if g0 is not None:
            np.testing.assert_array_equal(g0, g1)


UPDATES = {
    "+= of another shape": lambda x: x.__iadd__(np.ones((2, 2))),
    "*= complex": lambda x: x.__imul__(1j),
    "[9] = 1": lambda x: x.__setitem__(9, 1.0),
    "[:] = another shape": lambda x: x.__setitem__(slice(None), np.ones(5)),
    "[0] = complex": lambda x: x.__setitem__(slice(0, 1), np.array([1j])),
    "[0] = text": lambda x: x.__setitem__(0, "a"),
    "['a'] = 1": lambda x: x.__setitem__("a", 1.0),
    "data of another shape": lambda x: setattr(x, "data", np.ones(7)),
    "data of another dtype": lambda x: setattr(x, "data", np.ones(3, int)),
    "grad of another shape": lambda x: setattr(x, "grad", np.ones(7)),
    "grad of another dtype": lambda x: setattr(x, "grad", np.ones(3, np.float32)),
    "backward of another shape": lambda x: (x * 2).backward(np.ones(7)),
    "backward of no scalar": lambda x: (x * 2).backward(),
    "backward with text": lambda x: (x * 2).backward("ones"),
}


@pytest.mark.parametrize("recording", [True, False])
@in_turn("what", UPDATES)
def test_a_refused_update_changes_nothing(what, recording):
    x = nd.tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    (x * x).sum().backward()
    plain = nd.tensor([1.0, 2.0, 3.0])
    before = state(x, plain)
    switch = nd.enable_grad if recording else nd.no_grad
    for t in (x, plain):
        with switch(), pytest.raises((ValueError, TypeError, IndexError, RuntimeError)):
            UPDATES[what](t)
    same(before, state(x, plain))


def test_a_refused_call_leaves_recording_and_scope_as_they_were():
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    with nd.scope("block"):
        for call in (lambda: x + np.ones(3), lambda: x.reshape(3), lambda: nd.conv_nd(x, x), lambda: (x * 2).backward()):
            with pytest.raises(ValueError):
                call()
        y = x * 2
    assert y.requires_grad and y._node.scope == "block" and (x * 2)._node.scope == ""


def test_a_refused_call_does_not_take_over_the_callers_array():
    a = np.ones((2, 3))
    for call in (lambda: nd.matmul(a, a), lambda: nd.conv_nd(a, a.T), lambda: nd.reshape(a, 4)):
        with pytest.raises(ValueError):
            call()
    a[0, 0] = 5
    assert a.flags.writeable and a[0, 0] == 5


def test_the_cause_of_an_error_in_a_kernel_is_kept():
    with pytest.raises(ValueError) as caught:
        nd.broadcast_to(nd.ones(3), (2, 2))
    assert caught.value.__cause__ is not None or "(3,)" in str(caught.value)


def test_too_few_arguments_are_a_type_error():
    for call in (lambda: nd.conv_nd(X), lambda: nd.matmul(X), lambda: nd.exp(), lambda: nd.max_pool_nd(X), lambda: nd.add(1.0)):
        with pytest.raises(TypeError):
            call()


def test_a_misspelt_keyword_is_a_type_error():
    for call in (
        lambda: nd.conv_nd(X, W, strides=2),
        lambda: nd.sum(X, axes=1),
        lambda: nd.exp(X, where=True),
        lambda: nd.add(X, X, out=X),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(("name", "way_out"), [("view", "reshape"), ("unsqueeze", "expand_dims"), ("cuda", "CPU"), ("exp", "nd.exp")])
def test_names_from_other_libraries_are_told_ours(name, way_out):
    with pytest.raises(AttributeError, match=way_out):
        getattr(nd.tensor([1.0]), name)


def test_odd_kinds_are_refused_in_the_name_of_the_function():
    for call, said in (
        (lambda: nd.conv_nd(X, W, padding_mode={}), "conv_nd: padding_mode must be zeros"),
        (lambda: nd.conv_nd(X, W, padding_mode=np.array(["zeros", "reflect"])), "conv_nd: padding_mode must be zeros"),
        (lambda: nd.conv_nd(X, W, padding_mode=[[1], [2]]), "conv_nd: padding_mode must be zeros"),
        (lambda: nd.conv_transpose_nd(zeros(2, 4, 0, 9), W), r"conv_transpose_nd: x has spatial size \(0, 9\)"),
        (lambda: nd.nn.Sequential(nd.nn.ReLU())[3], "Sequential: there is no layer 3, but 1 of them"),
        (lambda: nd.load("weights.pt"), "load: 'weights.pt' ends in .pt; .*torch.load"),
        (lambda: nd.pairwise_distance(zeros(2, 4), zeros(3)), "pairwise_distance: .*broadcast"),
        (lambda: nd.shapes.trace(nd.nn.ReLU(), (-1, 2)), "trace: a size in shape=-1 must be at least 0"),
        (lambda: nd.shapes.trace(nd.nn.ReLU(), (1, (2, 3))), r"trace: a size in shape must be an int, but is \(2, 3\)"),
    ):
        with pytest.raises((TypeError, ValueError, IndexError), match=f"^{said}"):
            call()


def test_layers_refuse_sizes_when_they_are_made():
    for make, said in (
        (lambda: nd.nn.Linear(3.5, 2), "in_features must be an int, but is 3.5"),
        (lambda: nd.nn.Linear(0, 2), "in_features=0 must be at least 1"),
        (lambda: nd.nn.Conv2d(3, "8", 3), "out_channels must be an int, but is '8'"),
        (lambda: nd.nn.Sequential(nd.nn.ReLU), "make one with ReLU"),
        (lambda: nd.nn.LSTM(3, 4, num_layers=10**15), "LSTM: num_layers=1000000000000000 is beyond"),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            make()


@in_turn("layer, given, bad", [
    ("Conv2d", (3, 4, 3), {"padding": "sam", "padding_mode": "mirror", "layout": "NHWC", "algorithm": "gem"}),
    ("Conv2d", (3, 4, 3), {"padding_mode": ("zeros",) * 3, "bias": "reflect", "stride": None}),
    ("ConvTranspose2d", (3, 4, 3), {"padding": (1, 1, 1), "output_padding": -1, "output_size": 0, "layout": "NHWC"}),
    ("ConvTranspose2d", (3, 4, 3), {"padding": "full", "output_padding": 1, "stride": (1, 1, 1), "output_size": (3, 3, 3)}),
    ("MaxPool2d", (3,), {"stride": (1, 2, 3), "padding": -1, "dilation": 0, "layout": "NHWC", "ceil_mode": "ceil"}),
    ("AvgPool", (3,), {"stride": 0, "divisor_override": "2", "count_include_pad": [1]}),
    ("AdaptiveAvgPool2d", ((None, 3),), {"output_size": (0, 3)}), ("AdaptiveMaxPool", (3,), {"output_size": None}),
    ("GRU", (3, 4), {"bias": 0.5, "batch_first": None, "bidirectional": 2}), ("LayerNorm", (3,), {"eps": np.inf, "bias": "none"}),
    ("MultiHeadAttention", (4, 2), {"kdim": 0, "batch_first": 1.0}), ("GroupNorm", (1, 3), {"eps": np.inf, "affine": None}),
    ("MaxUnpool", (3,), {"stride": 1.5}), ("Unfold", (3,), {"dilation": 0}), ("Fold", ((9, 9), 3), {"stride": (1, 1, 1)}),
    ("Upsample", (2,), {"scale_factor": 2, "mode": "liner", "size": None}), ("PixelShuffle", (2,), {"factor": 0}),
    ("BatchNorm2d", (3,), {"layout": "NHWC", "eps": -1}), ("Dropout2d", (), {"layout": "NHWC"}),
    ("Flatten", (), {"start_axis": 1.5}), ("Unflatten", (1, (2, 2)), {"axis": None, "shape": (2.5,)}), ("Softmax", (), {"axis": (0, 1)}),
    ("GELU", (), {"approximate": "tan"}), ("LeakyReLU", (), {"negative_slope": "0.1"}),
    ("CrossEntropyLoss", (), {"reduction": "avg", "label_smoothing": 2, "ignore_index": 1.5, "weight": "balanced"}),
    ("KLDivLoss", (), {"reduction": "batch_mean"}), ("HuberLoss", (), {"delta": 0}), ("SmoothL1Loss", (), {"beta": -1}),
    ("TransformerEncoder", (nd.nn.TransformerEncoderLayer(4, 2, 4), 1), {"norm": 1}), ("Embedding", (3, 4), {"padding_idx": 1.5}),
])  # fmt: skip
def test_layers_refuse_when_they_are_made_what_no_input_suits(layer, given, bad):
    make = getattr(nd.nn, layer)
    names = list(inspect.signature(make).parameters)
    for name, value in bad.items():
        with pytest.raises((TypeError, ValueError), match=f"^{layer}.*: .*{name}"):
            make(**{**dict(zip(names, given)), name: value})
    for name, words in {"padding": ("same", 2, (2, 0), ((1, 0), (0, 2))), "padding_mode": (("zeros", "circular"),)}.items():
        if layer == "Conv2d":
            assert [getattr(make(*given, **{name: word}), name) for word in words] == list(words)
