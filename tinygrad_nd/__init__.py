"""tinygrad_nd: automatic differentiation in NumPy, with N-dimensional convolution and a graph you can see."""

from . import methods as _methods
from . import testing
from .kernels.tiles import num_threads, set_num_threads, threads
from .node import enable_grad, no_grad, scope
from .ops.activation import log_softmax, softmax
from .ops.conv import conv_nd, conv_transpose_nd, convolve_nd, correlate_nd, explain_conv
from .ops.create import arange, empty, empty_like, eye, full, full_like, linspace, ones, ones_like, zeros, zeros_like
from .ops.elementwise import (
    abs,
    absolute,
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    astype,
    cbrt,
    ceil,
    clip,
    conj,
    cos,
    cosh,
    divide,
    equal,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    positive,
    power,
    real,
    reciprocal,
    relu,
    remainder,
    rint,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from .ops.index import take
from .ops.layers import dropout, linear
from .ops.linalg import dot, einsum, inner, matmul, outer, tensordot
from .ops.loss import cross_entropy, mse_loss
from .ops.pool import avg_pool_nd, max_pool_nd
from .ops.reduce import all, any, argmax, argmin, logsumexp, max, mean, min, prod, std, sum, var
from .ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    ravel,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from .sweep import gradients
from .tape import primitive
from .tensor import Parameter, Tensor, astensor, default_dtype, set_default_dtype, tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.1.0"
