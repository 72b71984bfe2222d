"""What an argument must be is said in the same words everywhere: words, numbers, arrays, dtypes, generators, axes and sizes."""

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd


def zeros(*shape):
    return np.zeros(shape)


X, W = zeros(2, 6, 8, 8), zeros(4, 6, 3, 3)
V, M = zeros(4) + 0.5, zeros(4, 4) + 0.5
CHOICES = {  # a function that takes words: (valid arguments, the option, a word that is near one of those known)
    "mse_loss": ((V, V), "reduction", "men"),
    "kl_div": ((V, V), "reduction", "batch_mean"),
    "multilabel_soft_margin_loss": ((M, M), "reduction", "summ"),
    "cosine_embedding_loss": ((M, M, V), "reduction", "summ"),
    "convolve_nd": ((V, V), "mode", "ful"),
    "correlate_nd": ((V, V), "algorithm", "gem"),
    "interpolate": ((zeros(1, 1, 4), 8), "mode", "liner"),
    "concatenate": (([V, V], 0), "casting", "unsave"),
    "fft.fft": ((V,), "norm", "orto"),
    "random.multivariate_normal": ((V, np.eye(4)), "method", "svdd"),
}


@pytest.mark.parametrize("bad", ["", 3, None, ["a"], {}, np.array(["a", "b"])], ids=str)
@in_turn("name", CHOICES)
def test_an_unknown_word_is_refused_with_those_known(name, bad):
    given, option, near = CHOICES[name]
    call = nd
    for part in name.split("."):
        call = getattr(call, part)
    name = name.removeprefix("fft.")
    with pytest.raises(ValueError, match=f"{name}: {option} must be '.* or '.*did you mean"):
        call(*given, **{option: near, **({"dtype": float} if option == "casting" else {})})
    if not (option == "norm" and bad is None):
        with pytest.raises(ValueError, match=f"{name}: {option} must be '.* or '"):
            call(*given, **{option: bad, **({"dtype": float} if option == "casting" else {})})


NUMBERS = {  # an option that is a number: a call with it, and a value out of its bounds
    "dropout: p": (lambda p: nd.dropout(V, p), 1.5),
    "smooth_l1_loss: beta": (lambda p: nd.smooth_l1_loss(V, V, beta=p), -1),
    "huber_loss: delta": (lambda p: nd.huber_loss(V, V, delta=p), 0),
    "hinge_embedding_loss: margin": (lambda p: nd.hinge_embedding_loss(V, V, margin=p), float("nan")),
    "cross_entropy: label_smoothing": (lambda p: nd.cross_entropy(M, [0, 1, 2, 3], label_smoothing=p), 2),
    "batch_norm: eps": (lambda p: nd.batch_norm(M, V, V, eps=p), -1),
    "batch_norm: momentum": (lambda p: nd.batch_norm(M, V, V, momentum=p), float("nan")),
    "layer_norm: eps": (lambda p: nd.layer_norm(M, 4, eps=p), -1),
    "group_norm: num_groups": (lambda p: nd.group_norm(M, p), 0),
    "celu: alpha": (lambda p: nd.celu(V, p), 0),
    "softplus: beta": (lambda p: nd.softplus(V, p), float("nan")),
    "softshrink: lambd": (lambda p: nd.softshrink(V, p), -0.5),
    "hard_tanh: max_val": (lambda p: nd.hard_tanh(V, 0.5, p), 0.25),
    "triplet_margin_loss: margin": (lambda p: nd.triplet_margin_loss(M, M, M, margin=p), 0),
    "normal: std": (lambda p: nd.init.normal((2, 2), std=p), -1),
    "multi_margin_loss: p": (lambda p: nd.multi_margin_loss(M, [0, 1, 2, 3], p=p), 3),
    "embedding: padding_idx": (lambda p: nd.embedding([0], M, padding_idx=p), 9),
}


@in_turn("what", NUMBERS)
def test_an_option_that_is_no_number_or_out_of_bounds_is_named(what):
    call, beyond = NUMBERS[what]
    for bad in ("a", [1.0], {}, 1j):
        with pytest.raises(TypeError, match=f"^{what} must be "):
            call(bad)
    with pytest.raises(ValueError, match=f"^{what.split(':')[0]}: .*{what.split()[-1]}"):
        call(beyond)


@in_turn("what, call", [
    ("dropout: training", lambda f: nd.dropout(V, 0.5, f)), ("dropout_nd: training", lambda f: nd.dropout_nd(X, 0.5, f)),
    ("alpha_dropout: training", lambda f: nd.alpha_dropout(V, 0.5, f)), ("batch_norm: training", lambda f: nd.batch_norm(M, V, V, V, V, f)),
    ("instance_norm: use_input_stats", lambda f: nd.instance_norm(X, use_input_stats=f)),
    ("max_pool_nd: ceil_mode", lambda f: nd.max_pool_nd(X, 2, 2, 0, 1, f)),
    ("lp_pool_nd: ceil_mode", lambda f: nd.lp_pool_nd(X, 2, 2, 2, f)), ("avg_pool_nd: ceil_mode", lambda f: nd.avg_pool_nd(X, 2, 2, 0, f)),
    ("max_pool_nd: return_indices", lambda f: nd.max_pool_nd(X, 2, return_indices=f)),
    ("avg_pool_nd: count_include_pad", lambda f: nd.avg_pool_nd(X, 2, count_include_pad=f)),
    ("adaptive_max_pool_nd: return_indices", lambda f: nd.adaptive_max_pool_nd(X, 2, f)),
    ("poisson_nll_loss: log_input", lambda f: nd.poisson_nll_loss(V, V, log_input=f)),
    ("poisson_nll_loss: full", lambda f: nd.poisson_nll_loss(V, V, full=f)),
    ("scaled_dot_product_attention: causal", lambda f: nd.scaled_dot_product_attention(M, M, M, causal=f)),
    ("train_test_split: shuffle", lambda f: nd.data.train_test_split(V, shuffle=f)),
    ("kl_div: log_target", lambda f: nd.kl_div(V, V, log_target=f)),
    ("triplet_margin_loss: swap", lambda f: nd.triplet_margin_loss(M, M, M, swap=f)),
    ("gaussian_nll_loss: full", lambda f: nd.gaussian_nll_loss(V, V, V, full=f)),
    ("interpolate: align_corners", lambda f: nd.interpolate(X, 4, mode="linear", align_corners=f)),
    ("MultiHeadAttention: bias", lambda f: nd.nn.MultiHeadAttention(4, 2, bias=f)),
    ("TransformerDecoderLayer: bias", lambda f: nd.nn.TransformerDecoderLayer(4, 2, 4, bias=f)),
    ("shapes.pool_nd: ceil_mode", lambda f: nd.shapes.pool_nd(7, 2, ceil_mode=f)),
    ("clip_grad_norm_: error_if_nonfinite", lambda f: nd.optim.clip_grad_norm_(nd.Parameter(V), 1.0, error_if_nonfinite=f)),
    ("ReLU.load_state_dict: strict", lambda f: nd.nn.ReLU().load_state_dict({}, f)),
    ("tensor: requires_grad", lambda f: nd.tensor(V, requires_grad=f)),
    ("Tensor: requires_grad", lambda f: setattr(nd.tensor(V), "requires_grad", f)),
])  # fmt: skip
def test_what_merely_counts_as_true_is_no_flag(what, call):
    call(np.True_)
    for bad in (0.1, 1, "same", None, [], np.random.default_rng(0)):
        with pytest.raises(TypeError, match=f"^{what} must be True or False, but is "):
            call(bad)


@in_turn("call", [
    nd.tensor, nd.Parameter, nd.exp, nd.sum, nd.celu, nd.nanmean, nd.linalg.inv, nd.fft.fft, nd.random.normal,
    lambda v: nd.add(1.0, v), lambda v: nd.conv_nd(v, W), lambda v: nd.mse_loss(v, V), lambda v: nd.take(V, v), lambda v: nd.gcd(v, 2),
    lambda v: nd.stack([v, v]), lambda v: nd.tensor(v, float),
])  # fmt: skip
def test_what_is_no_array_of_numbers_is_refused_in_the_name_of_the_function(call):
    for ragged in ([[1], [1, 2]], [1, [2]], [[[1], [2]], [[1], [2, 3]]]):
        with pytest.raises(ValueError, match=r"^[a-zP.]+\w*: a list whose rows differ in length is no array"):
            call(ragged)
    for other in (["a", 1], {}, None, object()):
        with pytest.raises(TypeError, match=r"^[a-zP.]+\w*: (needs|takes|indices must be|x must be)"):
            call(other)


@pytest.mark.parametrize("name", ["float", "np.array(1.5)", (), {}, 3])
def test_what_is_no_dtype_is_refused(name):
    for where, call in (
        ("tensor", lambda d: nd.tensor([1.0], d)), ("astype", lambda d: nd.ones(2).astype(d)),
        ("zeros", lambda d: nd.init.zeros((2,), dtype=d)),
        ("explain_conv", lambda d: nd.explain_conv((1, 1, 4), (1, 1, 2), dtype=d)), ("stack", lambda d: nd.stack([V], dtype=d)),
    ):  # fmt: skip
        if name != "float":
            with pytest.raises(TypeError, match=f"^{where}: dtype must be one of numbers"):
                call(name)


@pytest.mark.parametrize("rng", ["a", -1, 1.5, object()])
def test_what_is_no_generator_is_refused_in_the_same_words(rng):
    for where, call in (
        ("dropout", lambda: nd.dropout(V, rng=rng)), ("alpha_dropout", lambda: nd.alpha_dropout(V, rng=rng)),
        ("random.normal", lambda: nd.random.normal(rng=rng)), ("he_normal", lambda: nd.init.he_normal((2, 2), rng=rng)),
        ("Dropout", lambda: nd.nn.Dropout(rng=rng)), ("Linear", lambda: nd.nn.Linear(2, 2, rng=rng)),
        ("batches", lambda: nd.data.batches(V, 2, shuffle=True, rng=rng)),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=rf"^{where}: rng must be a np.random.Generator, a seed \(an int from 0 on\) or None, but is"):
            call()


@pytest.mark.parametrize("axis", [(), (0, 1), None, 2**70, 10**15, "a"], ids=str)
def test_one_axis_is_asked_for_where_one_is_needed(axis):
    for name in ("swapaxes", "topk", "glu"):
        call = {"swapaxes": lambda: nd.swapaxes(M, axis, 0), "topk": lambda: nd.topk(M, 1, axis), "glu": lambda: nd.glu(M, axis)}[name]
        with pytest.raises((TypeError, ValueError), match=f"^{name}: .*axis"):
            call()


@in_turn("call, message", [
    (lambda: nd.nanmean(V, "a"), r"nanmean: axis must be an int or a sequence of ints, but got 'a' \(str\)$"),
    (lambda: nd.vecdot(V, V, axis=5), "vecdot: axis=5 does not fit a tensor of 1 axes"),
    (lambda: nd.max(V, V), "max: axis must be an int or a sequence of ints, but got .*; nd.maximum compares two"),
    (lambda: nd.zeros(2, name=3), "zeros: a tensor's name is a string, but got 3"),
    (lambda: nd.abs(2**70), "absolute: an integer that needs more than 64 bits is no entry of an array"),
    (lambda: nd.adaptive_max_pool_nd(X, iter((1, 2))), "adaptive_max_pool_nd: output_size takes ints, not "),
    (lambda: nd.percentile([], 50), r"percentile: x \(0,\) has no entries along axis None"),
    (lambda: nd.roll(V, 1, {}), "roll: works along one axis, but got axis={}"),
    (lambda: nd.init.constant(2, "a"), "constant: needs numbers"),
    (lambda: nd.init.constant((2, 4), V), "constant: value must be one number"),
    (lambda: nd.arange(0, 1, 0), "arange: step must not be 0"),
    (lambda: nd.roll(V, 1, 2), "roll: axis=2 does not fit"),
    (lambda: nd.expand_dims(M, None), "expand_dims: axis must be an int"),
    (lambda: nd.broadcast_to(M, (2, 4, 3)), r"broadcast_to: x \(4, 4\) does not fill \(2, 4, 3\)"),
    (lambda: nd.vecdot(zeros(3, 4), zeros(2, 4)), r"vecdot: shapes \(3, 4\) and \(2, 4\) do not broadcast"),
    (lambda: nd.scaled_dot_product_attention(zeros(3, 4, 4), zeros(2, 4, 4), zeros(2, 4, 4)), "scaled_dot_product_attention: the batch"),
    (lambda: nd.global_max_pool(zeros(1, 2, 0)), "global_max_pool: .* has no positions"),
    (lambda: nd.norm(M, V), "norm: ord must be a number, but is array"),
    (lambda: nd.var(M, ddof="a"), r"var: ddof must be a number, but is 'a'"),
    (lambda: nd.topk(M, 1, largest=V), "topk: largest must be True or False"),
    (lambda: nd.polyint(V, 2**40), "polyint: m=1099511627776 must be at most 1000"),
    (lambda: nd.sum(np.float64(1), 0.0), "sum: axis must be an int"),
    (lambda: nd.tensor(V).sort(0, 1, 2), "sort: takes from 1 to 2 positional arguments but 4 were given; its arguments are axis"),
    (lambda: nd.tensor(V).fill(), "fill: missing 1 required positional argument: 'value'"),
    (lambda: nd.tensor(V).fill(None), "x.index. = value: needs numbers, but got None"),
    (lambda: nd.tensor(V).item("a"), r"item: 'a' is no place in a tensor of shape \(4,\)"),
    (lambda: nd.tensor(V).item(2**70), f"item: {2**70} is no place in a tensor of shape"),
    (lambda: nd.tensor(V)[[[1], [1, 2]]], "index: a list whose rows differ in length"),
    (lambda: nd.nn.ReLU().apply(3), "ReLU.apply: takes a function of a module, but got a int"),
    (lambda: nd.plot.filters([[1], [1, 2]]), "filters: a list whose rows differ in length"),
    (lambda: nd.init.he_normal(3, 4), "he_normal: takes 1 positional argument but 2 were given; its arguments are shape, "),
    (lambda: nd.checkpoint(3), r"checkpoint: takes a function, but got 3 \(int\)"),
    (lambda: nd.checkpoint(nd.sin, V), "checkpoint: takes 1 positional argument but 2 were given; its arguments are f"),
    (lambda: nd.set_num_threads(10**9), f"set_num_threads: cannot work with {10**9} threads; use 1 to 1024"),
    (lambda: nd.set_engine([]), r"set_engine: there is no engine \[\]"),
    (lambda: nd.set_conv_precision({}), "set_conv_precision: there is no"),
    (lambda: nd.optim.StepLR(nd.optim.SGD([nd.Parameter(V)], 0.1), size=3),
     "StepLR: got an .* 'size'; its arguments are optimizer, step_size"),
    (lambda: nd.optim.AdamW([nd.Parameter(V)], 0.1, lr=1), "AdamW: multiple values for argument 'lr'; its arguments are params, lr"),
    (lambda: nd.optim.LBFGS(), "LBFGS: missing 1 .* 'params'; its arguments are params, lr"),
    (lambda: nd.hvp(nd.sum, V, "a"), "hvp: a vector: needs numbers, but got 'a'"),
    (lambda: nd.jvp(nd.sum, [V], [None]), "jvp: a tangent: needs numbers, but got None"),
    (lambda: nd.testing.check_grads(nd.sin, V, eps=0), "check_grads: eps=0 must be above 0"),
    (lambda: nd.testing.check_grads(nd.sin, V, seed=None), "check_grads: seed must be an int"),
])  # fmt: skip
def test_a_message_begins_with_the_function_that_was_called_and_no_other(call, message):
    with pytest.raises((TypeError, ValueError, IndexError), match=f"^{message}"):
        call()


@pytest.mark.parametrize("call", [
    lambda: nd.conv_nd(X, W, padding=2**40), lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), dilation=2**31),
    lambda: nd.avg_pool_nd(X, 2, padding=2**31), lambda: nd.adaptive_avg_pool_nd(X, 2**31), lambda: nd.interpolate(X, 2**31),
])  # fmt: skip
def test_results_beyond_memory_are_refused_before_tables_of_their_size_are_made(call):
    with pytest.raises(ValueError, match="spatial size .* is beyond what any array has room for"):
        call()


@pytest.mark.parametrize("size", [10**15, 2**70])
def test_sizes_beyond_memory_are_refused_at_once(size):
    for call in (
        lambda: nd.conv_nd(X, W, padding=size), lambda: nd.conv_nd(X, W, stride=size), lambda: nd.max_pool_nd(X, 2, padding=size),
        lambda: nd.conv_transpose_nd(X, zeros(6, 3, 2, 2), dilation=size), lambda: nd.unfold_nd(X, 2, padding=size),
        lambda: nd.explain_conv(X.shape, W.shape, padding=size), lambda: nd.avg_pool_nd(X, 2, stride=size),
        lambda: nd.array_split(V, size), lambda: nd.split(zeros(0), size),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^[a-z_]+: .*{size}"):
            call()


@in_turn("call, right", [
    (lambda: nd.sum(M, dim=0), "axis"), (lambda: nd.tensor(M).mean(0, keepdim=True), "keepdims"), (lambda: nd.stack([V, V], dim=1), "axis"),
    (lambda: nd.topk(V, 1, dim=0), "axis"), (lambda: nd.softmax(M, dim=0), "axis"), (lambda: nd.linalg.svd(M, some=True), "full_matrices"),
    (lambda: nd.fft.fftn(M, dim=(0,)), "axes"),
    (lambda: nd.zeros(2, device=0), "requires_grad"), (lambda: nd.random.normal(seed=1), "rng"),
    (lambda: nd.conv_nd(M, M, strides=2), "stride"), (lambda: nd.max_pool_nd(M), "kernel_size"), (lambda: nd.tensor(1, 2, 3), r"\*, "),
    (lambda: nd.data.batches(M, V, 32), r"arrays, size, \*, shuffle"), (lambda: nd.elu(V, alfa=1), "alpha"),
    (lambda: nd.nn.Conv2d(3, 8, kernel=3), "kernel_size"), (lambda: nd.nn.Linear(3, activation="relu"), "out_features"),
    (lambda: nd.nn.MaxPool2d(), "kernel_size"), (lambda: nd.optim.Adam([V], learning_rate=1), "lr"),
    (lambda: nd.var(V, unbiased=True), "correction"), (lambda: nd.max(V, 0, True), "keepdims"),
])  # fmt: skip
def test_a_keyword_of_another_library_is_answered_with_those_that_there_are(call, right):
    with pytest.raises(TypeError, match=f"^[A-Za-z_2.]+: (got|takes|missing) .*; its arguments are .*{right}"):
        call()


class Foreign:
    """As an array of another library that NumPy cannot represent."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("bfloat16")


@in_turn("call, message", [
    (lambda: nd.where(2), "where: a number has no places"),
    (lambda: nd.topk(V, 1.0), r"topk: k must be an int, but is 1.0 \(float\)"),
    (lambda: nd.rot90(M, "once"), "rot90: k must be an int"),
    (lambda: nd.tensor(V).item(), r"item: only a tensor of one element .* \(4,\)"),
    (lambda: nd.jvp(nd.sin, nd.tensor(V), nd.tensor(V)), "jvp: primals must be a list or tuple, one for each argument"),
    (lambda: nd.tensor(300, np.uint8), r"tensor: 300 \(int\) does not fit into dtype uint8"),
    (lambda: nd.max(np.zeros(2, np.uint8), initial=300), r"max: 300 \(int\) does not fit"),
    (lambda: nd.insert(np.zeros(2, np.uint8), 0, 300), r"insert: 300 \(int\) does not fit"),
    (lambda: nd.insert(np.arange(3), 0, np.nan), r"insert: nan \(float\) does not fit into dtype int64"),
    (lambda: nd.sum(V, initial=1j), r"sum: 1j \(complex\) does not fit into dtype float64"),
    (lambda: nd.prod(V, initial=[1, 2]), r"prod: initial must be one number, but has shape \(2,\)"),
    (lambda: nd.tensor(V).at[0].add(1j), r"x.at\[index\]: 1j \(complex\) does not fit into dtype float64"),
    (lambda: nd.tensor([1, 2]).at[:].add(np.array([1.5, 2.5])), r"x.at\[index\]: a value of dtype float64 does not fit into dtype int64"),
    (lambda: nd.argmax(M, (0, 1)), r"argmax: works along one axis, but got axis=\(0, 1\)"),
    (lambda: nd.roll(M, 1, 1.5), "roll: axis must be an int or a sequence of ints, but got .*1.5"),
    (lambda: nd.sum(M, True), "sum: axis must be an int or a sequence of ints, but got True"),
    (lambda: nd.interp(1j * V, V, V), "interp: complex numbers have no order"),
    (lambda: nd.arctan2(V, 1j * V), "arctan2: is not defined for float64 and complex128"),
    (lambda: nd.sin(10**20), "sin: is not defined for the int 10+$"),
    (lambda: nd.zeros(2, 3), "zeros: dtype must be one of numbers"),
    (lambda: nd.grad(nd.sum)({"a": [V, None]}), r"grad: argument 0\['a'\]\[1\]: needs numbers, but got None"),
    (lambda: nd.grad(nd.sum)({"a": 1.0}), "sum: needs numbers, but got a dict"),
    (lambda: nd.conv_nd(np.ones((1, 2, 9, 9)), np.ones((3, 2, 2, 2)), None, [np.ones(99)] * 2), "conv_nd: stride takes ints, not a nd"),
    (lambda: nd.softmax(V, list(range(999))), r"softmax: axis=a list of 999 does not fit a tensor of 1 axes"),
    (lambda: nd.relu(V).sum(10**5000), "sum: axis=a int does not fit"),
    (lambda: nd.random.beta(V, "x" * 9999), r"random.beta: .{,300}…?$"),
    *[(lambda f=f: getattr(nd, f)(3), f"{f}: takes a function, but got int") for f in ("grad", "value_and_grad", "jacobian", "hessian")],
    *[(lambda f=f: getattr(nd, f)(None, [V], [V]), f"{f}: takes a function, but got NoneType") for f in ("vjp", "jvp", "hvp")],
    *[(lambda f=f: getattr(nd, f)(lambda x: x.data, [V], [V]), f"{f}: the function must return a tensor") for f in ("jvp", "hvp")],
    (lambda: nd.vjp(lambda x: (x, 1.0), V), "vjp: the function must return a tensor, but returned float"),
    (lambda: nd.hessian(lambda x: x)(V), "hessian: the function must return a scalar"),
    (lambda: nd.accuracy([[1], [1, 2]], [0, 1]), "accuracy: a list whose rows differ in length is no array"),
    (lambda: nd.testing.check_grads(nd.exp, V, eps="small"), "check_grads: eps must be a number"),
    (lambda: nd.tensor(V)[:1.5], r"index: a slice goes between integers, but got slice\(None, 1.5, None\)"),
    (lambda: nd.tensor(Foreign()), "tensor: a Foreign is not an array of numbers: bfloat16"),
    (lambda: nd.ediff1d(None), "ediff1d: needs numbers"),
    (lambda: nd.cov(zeros(2, 2, 2)), "cov: takes vectors or matrices, .*\\(2, 2, 2\\)"),
    (lambda: nd.cov(M, ddof=0.5), "cov: ddof must be an integer, but got 0.5"),
    (lambda: nd.cov(M, aweights=[1.0, 2.0]), "cov: aweights .*one number for each of the 4 observations"),
    (lambda: nd.cov(M, aweights=-V), "cov: aweights must not be negative"),
    (lambda: nd.cov(M, fweights=V), "cov: fweights must be integers"),
    (lambda: nd.bincount([0.5], nd.Parameter([1.0])), "bincount: x must be a vector of whole numbers"),
    (lambda: nd.bincount([0, 1], nd.Parameter([1.0])), "bincount: weights .*shape of x \\(2,\\)"),
    (lambda: nd.histogram(V, weights=nd.Parameter([1.0])), "histogram: weights .*shape of x \\(4,\\)"),
    (lambda: nd.quantile(V, 0.5, method="inverted_cdf", weights=nd.Parameter(V)), "quantile: not differentiable in weights"),
    (lambda: nd.quantile(V, 0.5, method="inverted_cdf", weights=-V), "quantile: weights must not be negative"),
    (lambda: nd.quantile(V, 0.5, method="inverted_cdf", weights=0 * V), "quantile: weights must be finite and not all 0"),
    (lambda: nd.quantile(V, 0.5, weights=V), "quantile: only method 'inverted_cdf' takes weights"),
    (lambda: nd.apply_along_axis(nd.sum, 0, zeros(2, 0)), "apply_along_axis: x \\(2, 0\\) has no slices along axis 0"),
    (lambda: nd.apply_over_axes(lambda t, axis: t.sum(), M, (0,)), "apply_over_axes: .* may take away one axis at most"),
    (lambda: nd.where(True), "where: a number has no places"),
    (lambda: nd.cov(V, [1.0, 2.0]), "cov: .*\\(1, 2\\).*\\(1, 4\\)"),
    (lambda: nd.sum(nd.Parameter(V)).backward(retain_graph="no"), "backward: retain_graph must be True or False, but is 'no'"),
    (lambda: nd.gradients(nd.sum(P := nd.Parameter(V)), P, create_graph=2), "gradients: create_graph must be True or False, but is 2"),
    (lambda: nd.debug.check_nodes(nd.sum(nd.Parameter(V)), seed=None), "check_nodes: seed must be an int, but is None"),
    (lambda: nd.eye("a"), r"eye: cannot take N='a' \(str\) \("),
    (lambda: nd.arange("a"), r"arange: cannot take start='a' \(str\)"),
    (lambda: nd.array(V, ndmin=None), "array: cannot take obj=.*, ndmin=None"),
    (lambda: nd.explain_conv(3, (1, 1)), r"explain_conv: cannot take x_shape=3 \(int\), w_shape=\(1, 1\)"),
    (lambda: nd.select(None, [V]), "select: cannot take condlist=None"),
    (lambda: nd.random.binomial(None, 0.5), "random.binomial: cannot take n=None"),
    (lambda: nd.linspace(0, 1, 5, "no"), "linspace: endpoint must be True or False, but is 'no'"),
    *[(lambda f=f: f(M, keepdims="no"), f"{f.__name__}: keepdims must be True or False, but is 'no'") for f in (nd.sum, nd.argmax)],
    (lambda: nd.linalg.svd(M, None), "svd: full_matrices must be True or False, but is None"),
    (lambda: nd.unique(V, "yes"), "unique: return_index must be True or False"),
    (lambda: nd.diag_indices(1j), "diag_indices: n must be an int, but is 1j"),
    (lambda: nd.isin(V, "abc"), "isin: needs numbers, but got 'abc'"),
    (lambda: nd.searchsorted(V, ["a"]), "searchsorted: needs numbers, but got 'a'"),
    *[(lambda k=k: nd.conv_nd(X, W, stride=k), "conv_nd: stride takes ints, not ") for k in ({2}, {2: 2}, b"ab")],
    (lambda: nd.atleast_1d([nd.Parameter([1.0])]), "atleast_1d: got a list of tensors that require grad"),
])  # fmt: skip
def test_a_call_is_refused_in_the_name_of_the_function(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
