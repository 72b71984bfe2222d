"""The public surface: which names there are, how they are called, and that each says what it does."""

import inspect
import typing

import numpy as np
import pytest

import tinygrad_nd as nd

PUBLIC = """
    Drawing Parameter Tensor abs absolute add all any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
    astensor astype avg_pool_nd broadcast_to cbrt ceil checkpoint clip concatenate conj conv_nd conv_transpose_nd convolve_nd correlate_nd cos
    cosh cross_entropy data debug default_dtype divide dot draw dropout einsum empty empty_like enable_grad engine equal exp exp2
    expand_dims explain_conv expm1 eye flip floor floor_divide from_dlpack full full_like grad gradients greater greater_equal hessian hvp hypot
    imag init inner isfinite isinf isnan jacobian jvp less less_equal linear linspace log log10 log1p log2 log_softmax logaddexp
    logical_and logical_not logical_or logical_xor logsumexp matmul matrix_transpose max max_pool_nd maximum mean min minimum
    moveaxis mse_loss multiply negative nn no_grad not_equal num_threads ones ones_like optim outer pad positive power primitive
    prod ravel real reciprocal relu remainder reshape rint scope set_conv_precision set_default_dtype set_engine set_num_threads sigmoid
    sign signbit sin sinh softmax split sqrt square squeeze stack std subtract sum swapaxes take tan tanh tensor tensordot testing threads
    transpose trunc value_and_grad var vjp where zeros zeros_like
    acos acosh asin asinh atan atan2 atanh bitwise_invert bitwise_left_shift bitwise_not bitwise_right_shift concat conjugate copy mod
    permute_dims pow true_divide bitwise_and bitwise_count bitwise_or bitwise_xor gcd invert lcm left_shift right_shift
    diag diagflat diagonal einsum_path fft kron linalg matvec norm trace tril triu vdot vecdot vecmat
    append apply_along_axis apply_over_axes diag_indices diag_indices_from sort_complex argpartition array asarray argsort argwhere array_split atleast_1d atleast_2d atleast_3d bincount block broadcast_arrays broadcast_shapes
    choose column_stack compress corrcoef cov delete digitize dsplit dstack extract flatnonzero fliplr flipud fromfunction geomspace
    histogram histogram2d histogram_bin_edges histogramdd hsplit hstack identity indices insert intersect1d isin ix_ lexsort logspace
    mask_indices median meshgrid nanmedian nanpercentile nanquantile nonzero partition percentile put_along_axis quantile random
    ravel_multi_index repeat resize roll rollaxis rot90 searchsorted setdiff1d setxor1d sort take_along_axis tile topk tri tril_indices
    tril_indices_from trim_zeros triu_indices triu_indices_from union1d unique unique_all unique_counts unique_inverse unique_values
    unravel_index unstack vander vsplit vstack
    allclose amax amin angle around array_equal array_equiv average convolve copysign correlate count_nonzero cross cumprod cumsum
    cumulative_prod cumulative_sum deg2rad degrees diff digamma divmod ediff1d erfc erfinv expit fabs fix float_power fmax fmin fmod
    frexp gamma gammaln gradient heaviside i0 i1 interp isclose iscomplex iscomplexobj isneginf isposinf isreal isrealobj ldexp lgamma
    log_ndtr logaddexp2 logit modf nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum
    nanvar ndtr nextafter piecewise polyadd polyder polygamma polyint polymul polysub polyval ptp rad2deg radians real_if_close round
    select sinc spacing trapezoid unwrap xlog1py xlogy
    alpha_dropout binary_cross_entropy binary_cross_entropy_with_logits celu cosine_embedding_loss cosine_similarity dropout_nd elu embedding
    gaussian_nll_loss glu hard_sigmoid hard_swish hard_tanh hardshrink hinge_embedding_loss huber_loss kl_div l1_loss leaky_relu
    local_response_norm log_sigmoid margin_ranking_loss mish multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss
    normalize pairwise_distance poisson_nll_loss prelu relu6 selu smooth_l1_loss soft_margin_loss softmin softplus softshrink softsign
    tanhshrink threshold triplet_margin_loss
    erf gelu silu batch_norm group_norm instance_norm layer_norm rms_norm global_avg_pool
    adaptive_avg_pool_nd adaptive_max_pool_nd fold_nd interpolate lp_pool_nd max_unpool_nd pixel_shuffle_nd pixel_unshuffle_nd unfold_nd
    global_max_pool shapes scaled_dot_product_attention
"""
MODULES = ("data", "fft", "init", "linalg", "nn", "optim", "random", "shapes", "testing")
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


def test_the_version_is_a_version():
    assert nd.__version__.count(".") == 2


@pytest.mark.parametrize("name", FUNCTIONS)
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


def members(owner):
    for name, value in vars(owner).items():
        if not name.startswith("_"):
            yield name, value.fget if isinstance(value, property) else value


@pytest.mark.parametrize("name", [n for n, f in members(nd.Tensor) if inspect.isroutine(f)])
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


@pytest.mark.parametrize("name", CALLS)
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
