"""The public surface: which names there are, how they are called, and that each says what it does."""

import inspect
import subprocess
import sys
import typing
from operator import attrgetter

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd
from tinygrad_nd import elsewhere

PUBLIC = """
    abs absolute accuracy acos acosh adaptive_avg_pool_nd adaptive_max_pool_nd add all allclose alpha_dropout amax amin angle any append
    apply_along_axis apply_over_axes arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argpartition argsort
    argwhere around array array_equal array_equiv array_split asarray asin asinh astensor astype atan atan2 atanh atleast_1d
    atleast_2d atleast_3d average avg_pool_nd batch_norm bilinear binary_cross_entropy binary_cross_entropy_with_logits bincount bitwise_and
    bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor block broadcast_arrays
    broadcast_shapes broadcast_to cbrt ceil celu checkpoint Checkpoint choose clip column_stack compress concat concatenate conj
    conjugate conv_nd conv_transpose_nd convolve convolve_nd copy copysign corrcoef correlate correlate_nd cos cosh cosine_embedding_loss
    cosine_similarity count_nonzero cov cross cross_entropy ctc_loss cumprod cumsum cumulative_prod cumulative_sum data debug default_dtype
    deg2rad degrees delete diag diag_indices diag_indices_from diagflat diagonal diff digamma digitize divide divmod dot draw draw_vjp
    Drawing dropout dropout_nd dsplit dstack EarlyStopping ediff1d einsum einsum_path elu embedding empty empty_like enable_grad engine
    equal erf erfc erfinv exp exp2 expand_dims expit explain_conv explain_vjp expm1 extract eye fabs fft fit fix flatnonzero flip fliplr
    flipud float_power floor floor_divide fmax fmin fmod fold_nd frexp from_dlpack fromfunction full full_like gamma gammaln
    gaussian_nll_loss gcd gelu geomspace global_avg_pool global_max_pool glu grad gradient gradients greater greater_equal group_norm
    hard_sigmoid hard_swish hard_tanh hardshrink heaviside hessian hinge_embedding_loss histogram histogram2d histogram_bin_edges
    histogramdd History hsplit hstack huber_loss hvp hypot i0 i1 identity imag indices init inner insert instance_norm interp interpolate
    intersect1d invert isclose iscomplex iscomplexobj isfinite isin isinf isnan isneginf isposinf isreal isrealobj ix_ jacobian jvp
    kl_div kron l1_loss layer_norm lcm ldexp leaky_relu left_shift less less_equal lexsort lgamma linalg linear linspace
    load local_response_norm log log10 log1p log2 log_ndtr log_sigmoid log_softmax logaddexp logaddexp2 logical_and logical_not logical_or
    logical_xor logit logspace logsumexp lp_pool_nd margin_ranking_loss mask_indices matmul matrix_transpose matvec max max_pool_nd
    max_unpool_nd maximum mean median meshgrid min minimum mish mod modf moveaxis mse_loss multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss multiply nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin
    nanpercentile nanprod nanquantile nanstd nansum nanvar ndtr negative nextafter nll_loss nn no_grad nonzero norm normalize
    not_equal num_threads ones ones_like optim outer pad pairwise_distance Parameter partition percentile permute_dims piecewise
    pixel_shuffle_nd pixel_unshuffle_nd plot poisson_nll_loss polyadd polyder polygamma polyint polymul polysub polyval positive pow power
    prelu primitive prod ptp put_along_axis quantile rad2deg radians random ravel ravel_multi_index real real_if_close reciprocal relu
    relu6 remainder repeat reshape resize right_shift rint rms_norm roll rollaxis rot90 round save scaled_dot_product_attention
    scope searchsorted select selu set_conv_precision set_default_dtype set_engine set_num_threads setdiff1d setxor1d shapes sigmoid sign
    signbit silu sin sinc sinh smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink softsign sort sort_complex spacing
    split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan tanh tanhshrink Tensor tensor tensordot testing
    threads threshold tile topk trace transpose trapezoid tri tril tril_indices tril_indices_from trim_zeros triplet_margin_loss triu
    triu_indices triu_indices_from true_divide trunc unfold_nd union1d unique unique_all unique_counts unique_inverse unique_values
    unravel_index unstack unwrap value_and_grad vander var vdot vecdot vecmat vjp vsplit vstack where xlog1py xlogy zeros zeros_like
"""
MODULES = ("data", "fft", "init", "linalg", "nn", "optim", "plot", "random", "shapes", "testing")
FUNCTIONS = [n for n in PUBLIC.split() if inspect.isroutine(getattr(nd, n, None))]
EMPTY = inspect.Parameter.empty


def test_all_lists_exactly_the_public_names():
    assert sorted(nd.__all__) == sorted(PUBLIC.split())
    assert len(set(nd.__all__)) == len(nd.__all__)


def test_every_listed_name_is_there():
    for name in nd.__all__:
        assert getattr(nd, name) is not None


def test_nothing_else_is_visible_but_the_packages_own_modules():
    seen = {n for n, v in vars(nd).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert seen <= set(nd.__all__)


def test_what_is_imported_later_is_there_and_seen_from_the_start():
    code = (
        "import sys, tinygrad_nd as nd; later = ['nn', 'debug', 'optim', 'training', 'plot', 'shapes', 'data', 'testing'];"
        "assert not [m for m in [*later, 'draw.trace'] if f'tinygrad_nd.{m}' in sys.modules];"
        "assert 'numpy.random' not in sys.modules and 'llvmlite' not in sys.modules;"
        "assert set(nd.__all__) <= set(dir(nd)) and not hasattr(nd, 'torch');"
        "from tinygrad_nd import *; assert fit is nd.fit and nn is nd.nn and callable(draw) and shapes.conv_nd(5, 3) == 3"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@in_turn("owner, name, hint", [
    (nd, "cat", "use nd.concatenate"), (nd, "max_pool2d", "use nd.max_pool_nd"), (nd, "conv4d", "use nd.conv_nd"),
    (nd, "Linear", "use nd.nn.Linear"), (nd, "randn", "use nd.random.standard_normal"), (nd, "float32", "use np.float32"),
    (nd, "jit", "operations run as they are called, .*set_engine"), (nd, "vmap", "operations take batches"), (nd, "Relu", "use nd.relu$"),
    (nd, "layers", "layers are in nd.nn"), (nd, "is_tensor", r"use isinstance\(x, nd.Tensor\)"), (nd, "autograd", "gradients are in"),
    (nd, "gradcheck", "use nd.testing.check_grads"), (nd, "__wrapped__", "$"), (nd.data, "DataLoader", "use nd.data.batches"),
    (nd.data, "TensorDataset", "arrays are enough"), (nd.optim, "lr_scheduler", "schedules and clipping are in nd.optim"),
    (nd.optim, "clip_grad_norm", "use clip_grad_norm_"), (nd.init, "kaiming_normal_", "use he_normal"), (nd.init, "nothing", "$"),
    (nd.random, "randn", "use nd.random.standard_normal"), (nd.plot, "loss", "use losses"), (nd.debug, "set_detect_anomaly", "use anomaly"),
    (nd.nn, "MaxPooling2D", "use MaxPool2d$"), (nd.nn, "LeakyRelu", "use LeakyReLU$"),
    (nd.nn, "GlobalAveragePooling2D", "use GlobalAvgPool$"), (nd.nn.ReLU(), "predict", "call it: model"),
    (nd.draw(nd.ones(2)), "show", "save"),
    (nd.nn, "Conv4d", "use Conv, which takes any rank"), (nd.ones(2), "mm", "use nd.matmul"), (nd.ones(2), "add_", "tensors are values"),
])  # fmt: skip
def test_a_name_of_another_library_is_told_as_it_is_called_here(owner, name, hint):
    with pytest.raises(AttributeError, match=f"{name}'{hint if hint == '$' else f'; {hint}'}"):
        getattr(owner, name)


@in_turn("name", sorted(set(elsewhere._FUNCTIONS.values())))
def test_what_is_recommended_is_there(name):
    assert callable(attrgetter(name)(nd))


def test_the_version_is_a_version():
    assert nd.__version__.count(".") == 2


@in_turn("name", FUNCTIONS)
def test_a_public_function_has_a_docstring_and_types(name):
    f = getattr(nd, name)
    assert f.__doc__ and f.__doc__.strip(), "no docstring"
    assert f.__doc__.strip().split("\n")[0].rstrip().endswith((".", ":", "`.")), "its first line is no sentence"
    signature = inspect.signature(f)
    assert [p.name for p in signature.parameters.values() if p.annotation is EMPTY] == []
    assert signature.return_annotation is not EMPTY


@pytest.mark.parametrize("name", "conv_nd conv_transpose_nd max_pool_nd avg_pool_nd matmul linear cross_entropy".split())
def test_a_network_function_tells_its_shapes(name):
    assert "(N, C" in getattr(nd, name).__doc__ or "Shapes:" in getattr(nd, name).__doc__


@pytest.mark.parametrize("layer, words", [
    ("Conv2d", ["kernel_size=3 means (3, 3)", "weight (out, in/groups, *k)", "padding_mode:"]),
    ("MaxPool2d", ["two spatial axes", "(*lead, *o)"]),
    ("CrossEntropyLoss", ["class indices (N, *n)"]), ("MSELoss", ["never broadcasts"]), ("ConvTranspose1d", ["output_padding"]),
    ("BatchNorm3d", ["running statistics"]), ("LeakyReLU", ["negative_slope"]),
])  # fmt: skip
def test_help_of_a_layer_tells_what_its_function_does(layer, words):
    text = inspect.getdoc(getattr(nd.nn, layer))
    assert not [word for word in words if word not in text] and ">>>" not in text


def members(owner):
    for name, value in vars(owner).items():
        if not name.startswith("_"):
            yield name, value.fget if isinstance(value, property) else value


@in_turn("name", [n for n, f in members(nd.Tensor) if inspect.isroutine(f)])
def test_a_method_of_a_tensor_has_a_docstring_or_an_obvious_name(name):
    obvious = {"shape", "dtype", "ndim", "size", "itemsize", "nbytes", "tolist"}
    f = dict(members(nd.Tensor))[name]
    as_property = vars(nd.Tensor)[name]
    assert name in obvious or inspect.getdoc(f) or inspect.getdoc(as_property)


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_documents_what_it_holds(module):
    m = getattr(nd, module)
    assert inspect.ismodule(m) and m.__doc__
    own = [n for n, v in vars(m).items() if not n.startswith("_") and getattr(v, "__module__", "").startswith(f"tinygrad_nd.{module}")]
    listed = getattr(m, "__all__", own)
    for name in listed:
        thing = getattr(m, name)
        if inspect.isroutine(thing) or inspect.isclass(thing):
            assert inspect.getdoc(thing), f"nd.{module}.{name} has no docstring"


CALLS = {  # name, order, defaults and kind of every argument are a promise
    "conv_nd": "x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode='zeros', layout=None, algorithm='auto'",
    "conv_transpose_nd": "x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *, "
    "output_size=None, layout=None, algorithm='auto'",
    "correlate_nd": "a, v, mode='full', *, axes=None, ...",
    "convolve_nd": "a, v, mode='full', *, axes=None, ...",
    "max_pool_nd": "x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *, layout=None",
    "avg_pool_nd": "x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None, *, dilation=1, "
    "layout=None",
    "lp_pool_nd": "x, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1, layout=None",
    "adaptive_avg_pool_nd": "x, output_size, *, layout=None",
    "adaptive_max_pool_nd": "x, output_size, return_indices=False, *, layout=None",
    "max_unpool_nd": "x, indices, kernel_size, stride=None, padding=0, output_size=None, *, layout=None",
    "unfold_nd": "x, kernel_size, dilation=1, padding=0, stride=1, *, layout=None",
    "fold_nd": "x, output_size, kernel_size, dilation=1, padding=0, stride=1, *, layout=None",
    "interpolate": "x, size=None, scale_factor=None, mode='nearest', align_corners=False, *, layout=None",
    "pixel_shuffle_nd": "x, factor, *, layout=None",
    "pixel_unshuffle_nd": "x, factor, *, layout=None",
    "linear": "x, weight, bias=None",
    "dropout": "x, p=0.5, training=True, *, rng=None",
    "softmax": "x, axis=-1",
    "batch_norm": "x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05, *, layout=None",
    "group_norm": "x, num_groups, weight=None, bias=None, eps=1e-05, *, layout=None",
    "instance_norm": "x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05, *, "
    "layout=None",
    "layer_norm": "x, normalized_shape, weight=None, bias=None, eps=1e-05",
    "rms_norm": "x, normalized_shape, weight=None, eps=None",
    "scaled_dot_product_attention": "q, k, v, mask=None, *, causal=False, scale=None",
    "global_avg_pool": "x, *, layout=None",
    "gelu": "x, approximate='none'",
    "log_softmax": "x, axis=-1",
    "cross_entropy": "input, target, weight=None, *, ignore_index=-100, label_smoothing=0.0, reduction='mean'",
    "mse_loss": "input, target, *, reduction='mean'",
    "tensor": "obj, dtype=None, *, requires_grad=False, name=None",
    "astensor": "obj, dtype=None, *, requires_grad=False, name=None",
    "Parameter": "obj, name=None, ...",
    "gradients": "outputs, inputs, grad_outputs=None, *, retain_graph=None, create_graph=False",
    "grad": "f, argnums=0",
    "value_and_grad": "f, argnums=0",
    "vjp": "f, *primals",
    "jvp": "f, primals, tangents",
    "jacobian": "f, ...",
    "hessian": "f, ...",
    "hvp": "f, primals, vector",
    "sum": "x, axis=None, ...",
    "mean": "x, axis=None, ...",
    "max": "x, axis=None, ...",
    "take": "x, indices, axis=None, ...",
    "concatenate": "xs, axis=0, ...",
    "stack": "xs, axis=0, ...",
    "matmul": "a, b",
    "scope": "name",
    "no_grad": "",
    "enable_grad": "",
}


@in_turn("name", CALLS)
def test_a_call_is_written_as_promised(name):
    promised = CALLS[name]
    signature = inspect.signature(getattr(nd, name))
    plain = signature.replace(
        parameters=[p.replace(annotation=EMPTY) for p in signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    found = str(plain)[1:-1]
    if promised.endswith(", ..."):
        assert found.startswith(promised[:-5])
    else:
        assert found == promised


def test_backward_is_called_as_promised():
    found = inspect.signature(nd.Tensor.backward)
    assert list(found.parameters)[1:] == ["gradient", "retain_graph", "create_graph"]
    assert found.parameters["retain_graph"].kind is inspect.Parameter.KEYWORD_ONLY


def test_constructors_show_that_they_take_requires_grad_and_name():
    for name in ("zeros", "ones", "full", "empty", "arange", "linspace", "eye", "zeros_like"):
        assert {"requires_grad", "name"} <= set(inspect.signature(getattr(nd, name)).parameters), name


def test_annotations_can_be_read_at_run_time():
    for name in ("conv_nd", "max_pool_nd", "softmax", "cross_entropy", "matmul"):
        assert typing.get_type_hints(getattr(nd, name))["return"] is not None


def test_public_functions_are_pickled_by_name():
    import pickle

    for name in ("conv_nd", "exp", "matmul", "zeros", "maximum"):
        assert pickle.loads(pickle.dumps(getattr(nd, name))) is getattr(nd, name)


def test_functions_carry_their_public_names():
    for name in set(FUNCTIONS) - set(nd.ops.aliases.__all__):
        assert getattr(nd, name).__name__.lstrip("_") in (name, {"abs": "absolute"}.get(name, name)), name


def test_numpy_names_mean_what_they_mean_in_numpy():
    a, b = np.linspace(0.1, 0.9, 6).reshape(2, 3), np.linspace(1.1, 2.9, 6).reshape(2, 3)
    for name in PUBLIC.split():
        f = getattr(np, name, None)
        if isinstance(f, np.ufunc) and f.signature is None and any(set(t[: f.nin]) == {"d"} for t in f.types):
            args = (b,) if f is np.arccosh else (a, b)[: f.nin]
            found, expected = getattr(nd, name)(*args), f(*args)
            for y, e in zip(found, expected) if f.nout > 1 else [(found, expected)]:
                np.testing.assert_allclose(y.data, e, err_msg=name)


def test_the_package_says_it_is_typed():
    from pathlib import Path

    assert (Path(nd.__file__).parent / "py.typed").exists()
