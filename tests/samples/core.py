"""Rows for arithmetic, shapes, reductions, indexing, and what networks are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.kernels.adaptive import Parted
from tinygrad_nd.kernels.geometry import conv_spec, pool_spec
from tinygrad_nd.ops import activation, choice, conv, elementwise, index, moments, normalise, parts, pool, reduce, shape, ufunc
from tinygrad_nd.ops.pad import _extend_adjoint

from .rows import Sample, apart, normal, positive, rows, within

X = (normal(3, 4),)
PAIR = ((normal(3, 4), normal(3, 4)), (normal(3, 4), normal(4)), (normal(2, 1, 4), normal(3, 1)), (normal(), normal(2)))

SAMPLES: list[Sample] = [
    # products that keep zero
    *rows("scale", ufunc.scale, *PAIR),
    *rows("over", lambda g, d: ufunc.over(g, d), (normal(3), positive(3)), (normal(2, 3), positive(3))),
    # arithmetic
    *rows("add", nd.add, *PAIR, linear=True),
    *rows("subtract", nd.subtract, *PAIR, linear=True),
    *rows("multiply", nd.multiply, *PAIR),
    *rows("multiply", lambda x: 2.5 * x, X, linear=True),
    *rows("divide", nd.divide, (normal(3, 4), positive(4)), (normal(2, 1), positive(1, 3))),
    *rows("divide", lambda x: 3 / x, (positive(3),)),
    *rows("negative", nd.negative, X, linear=True),
    *rows("positive", nd.positive, X, linear=True),
    *rows("reciprocal", nd.reciprocal, (positive(3),)),
    *rows("square", nd.square, X),
    *rows("remainder", nd.remainder, (apart(5), positive(5) * 0 + 2.7)),
    *rows("floor_divide", nd.floor_divide, (apart(5) + 0.2, positive(5) * 0 + 2.7)),
    *rows("conjugate", nd.conj, (normal(3) + 1j * normal(3),)),
    *rows("power", nd.power, (positive(3, 4), normal(3, 4)), (positive(3), normal(2, 1))),
    *rows("power", lambda x: x**3, X),
    *rows("power", lambda x: x**2, X),
    *rows("power", lambda x: 2.0**x, X),
    # one row each
    *[s for f in (nd.exp, nd.exp2, nd.expm1, nd.sin, nd.cos, nd.arctan, nd.sinh, nd.cosh, nd.tanh, nd.arcsinh, nd.sigmoid)
      for s in rows(f.__name__, f, X, (normal(),), (normal(0, 2),))],
    *[s for f in (nd.log, nd.log2, nd.log10, nd.log1p, nd.sqrt, nd.cbrt) for s in rows(f.__name__, f, (positive(3, 2),), (positive(),))],
    *[s for f in (nd.tan, nd.arcsin, nd.arccos, nd.arctanh) for s in rows(f.__name__, f, (within(3, 2),))],
    *rows("arccosh", nd.arccosh, (1 + positive(3),)),
    *rows("arctan2", nd.arctan2, (apart(4), apart(4)), (apart(2, 1), apart(3))),
    *rows("hypot", nd.hypot, (apart(4), apart(4)), (apart(2, 1), apart(3))),
    *rows("logaddexp", nd.logaddexp, *PAIR),
    *rows("relu", nd.relu, (apart(3, 4),)),
    *rows("tanh_grad", elementwise._tanh_grad, *PAIR[:2]),
    *rows("sigmoid_grad", elementwise._sigmoid_grad, *PAIR[:2]),
    *rows("keep_positive", lambda g: elementwise.keep_positive(g, apart(3, 4) * 0 + 1.0), X, linear=True),
    *rows("absolute", nd.abs, (apart(3, 4),), (normal(3) + 1j * normal(3),)),
    # steps
    *[s for f in (nd.sign, nd.floor, nd.ceil, nd.trunc, nd.rint) for s in rows(f.__name__, f, (apart(3, 4),))],
    # comparison
    *[s for f in (nd.equal, nd.not_equal, nd.less, nd.less_equal, nd.greater, nd.greater_equal)
      for s in rows(f.__name__, f, (apart(3, 4), apart(4)), differentiable=False)],
    *[s for f in (nd.logical_and, nd.logical_or, nd.logical_xor)
      for s in rows(f.__name__, f, (apart(3, 4), apart(4)), differentiable=False)],
    *[s for f in (nd.logical_not, nd.isnan, nd.isinf, nd.isfinite, nd.signbit) for s in rows(f.__name__, f, X, differentiable=False)],
    # choice
    *rows("where", lambda x, y: nd.where(np.arange(4) % 2 == 0, x, y), *PAIR[:2], linear=True),
    *rows("maximum", nd.maximum, (apart(3, 4), apart(3, 4) + 0.5)),
    *rows("minimum", nd.minimum, (apart(3, 4), apart(3, 4) + 0.5)),
    *rows("to_winner", lambda g: choice._to_winner(g, np.eye(3, 4), 0.5, beats=np.greater, skips=False), X, linear=True),
    *rows("to_inside", lambda g: choice._to_inside(g, np.eye(3, 4), 0.5, 2.0), X, linear=True),
    *rows("to_extreme", lambda g: reduce._to_extreme(g, np.eye(3), np.ones((3, 1)), axes=(1,)), (normal(3),), linear=True),
    *rows("clip", lambda x: nd.clip(x, -2.0, 3.0), (apart(3, 4),)),
    # parts and kinds
    *rows("real", nd.real, (normal(3) + 1j * normal(3),)),
    *rows("imag", nd.imag, (normal(3) + 1j * normal(3),)),
    *rows("cast", lambda x: nd.astype(x, np.complex128).real, X, linear=True, keeps_dtype=False),
    *rows("alias", parts.alias, X, linear=True),
    # shape
    *rows("reshape", lambda x: nd.reshape(x, (2, -1)), X, linear=True),
    *rows("transpose", nd.transpose, X, (normal(2, 3, 4),), linear=True),
    *rows("transpose", lambda x: nd.moveaxis(x, 0, -1), (normal(2, 3, 4),), linear=True),
    *rows("broadcast_to", lambda x: nd.broadcast_to(x, (5, 3, 4)), X, (normal(3, 1),), linear=True),
    *rows("sum_to", lambda x: shape.sum_to(x, shape=(1, 4)), X, (normal(2, 3, 4),), linear=True),
    *rows("flip", nd.flip, X, linear=True),
    *rows("zero_pad", lambda x: nd.pad(x, ((1, 0), (2, 3))), X, linear=True),
    *rows("crop", lambda x: nd.split(x, [1, 3], 1)[1], X, linear=True),
    *rows("concatenate", lambda x, y: nd.concatenate([x, y, x], 1), (normal(3, 4), normal(3, 2))),
    *rows("stack", lambda x, y: nd.stack([x, y], -1), (normal(3, 4), normal(3, 4))),
    *rows("take_along", lambda x: nd.take(x, [[0, 2], [2, -1]], 1), X, linear=True),
    *rows("extend", lambda x: nd.pad(x, 2, "reflect"), X, linear=True),
    *rows("extend_adjoint", lambda g: _extend_adjoint(g, widths=((0, 1), (2, 0)), mode="edge"), X, linear=True),
    *rows("put_along", lambda g: shape.put_along(g, index=np.array([0, 2, 2, 1]), axis=1, size=3), X, linear=True),
    # index
    *rows("getitem", lambda x: x[1:, ::-2], X, linear=True),
    *rows("getitem", lambda x: x[[0, 2, 2], :, None], X, linear=True),
    *rows("getitem", lambda x: x[np.array([True, False, True]), [1, 1]], X, linear=True),
    *rows("scatter", lambda g: index.scatter(g, index=(np.array([0, 2, 0]),), shape=(3, 4)), X, linear=True),
    *rows("setitem", lambda x, v: x.at[[0, 2, 0]].set(v), (normal(3, 4), normal(4)), (normal(3, 4), normal(3, 4)), linear=True,
          promotes=False),
    *rows("setitem", lambda x, v: x.at[[0, 2, 0]].mul(v), (normal(3, 4), normal(3, 4)), promotes=False),
    *rows("scatter", lambda x, v: x.at[1:, [0, 0]].add(v), (normal(3, 4), normal(2, 2)), linear=True, promotes=False),
    # reduce
    *[s for axis in (None, 0, (0, -1)) for s in rows("sum", lambda x, a=axis: nd.sum(x, a), (normal(2, 3, 4),), linear=True)],
    *[s for axis in (None, 1) for s in rows("mean", lambda x, a=axis: nd.mean(x, a, keepdims=True), X, linear=True)],
    *[s for axis in (0, (0, 2)) for s in rows("var", lambda x, a=axis: nd.var(x, a, ddof=1), (normal(3, 4, 2),))],
    *[s for axis in (None, 1) for s in rows("std", lambda x, a=axis: nd.std(x, a, keepdims=True), (normal(3, 4),))],
    *rows("from_mean", lambda g, x: moments._from_mean(g, x, nd.mean(x, 1, keepdims=True).data, axes=(1,), factor=0.5),
          (normal(3), normal(3, 4))),
    *[s for f in (nd.max, nd.min) for a in (None, 1) for s in rows(f.__name__, lambda x, f=f, a=a: f(x, a), (apart(3, 4),))],
    *[s for a in (None, 0) for s in rows("logsumexp", lambda x, a=a: nd.logsumexp(x, a), X)],
    *rows("exp_less", lambda g, x, y: reduce._exp_less(g, x, y, axes=(0, 2)), (normal(4), normal(3, 4, 2), normal(4))),
    *[s for a in (None, 1) for s in rows("prod", lambda x, a=a: nd.prod(x, a), X)],
    *rows("softmax", nd.softmax, X, (normal(2, 3, 4),)),
    *rows("softmax", lambda x: nd.softmax(x, 0), X),
    *rows("log_softmax", nd.log_softmax, X, (normal(2, 3, 4),)),
    *rows("softmax_grad", lambda g, y: activation.softmax_grad(g, y, axis=1), (normal(3, 4), normal(3, 4))),
    *rows("masked_softmax", lambda x, m: activation.masked_softmax(activation.real(x, "softmax"), m, scale=0.7),
          (normal(2, 3, 4), normal(3, 4)), (normal(2, 3), normal(2, 1)), promotes=False),
    *rows("masked_softmax", lambda x: activation.masked_softmax(activation.real(x, "softmax"), scale=-2.0), (normal(3, 4),)),
    *rows("log_softmax_grad", lambda g, y: activation._log_softmax_grad(g, y, axis=1), (normal(3, 4), normal(3, 4))),
    *rows("label_loss", lambda x: nd.cross_entropy(x, [0, 2, 2]), X, (normal(3, 4) * 5,)),
    *rows("label_loss", lambda x: nd.cross_entropy(x, [[0, 2], [3, 3]], [0.5, 1, 2, 1.5], ignore_index=2), (normal(2, 4, 2),)),
    # activations
    *[s for f in (nd.erf, nd.gelu, nd.silu) for s in rows(f.__name__, f, (normal(3, 4) * 2,), (normal(),), (normal(0, 2),))],
    *rows("gelu", lambda x: nd.gelu(x, "tanh"), (normal(3, 4) * 2,)),
    *rows("erf_grad", activation._erf_grad, (normal(3), normal(3))),
    *rows("gelu_grad", lambda g, x: activation._gelu_grad(g, x, nd.gelu(x).detach(), approximate="none"), (normal(3), normal(3))),
    *rows("gelu_grad", lambda g, x: activation._gelu_grad(g, x, nd.gelu(x, "tanh").detach(), approximate="tanh"), (normal(3), normal(3))),
    *rows("silu_grad", lambda g, x: activation._silu_grad(g, x, nd.silu(x).detach()), (normal(3), normal(3))),
    *rows("glu_grad", lambda g, x: activation._glu_grad(g, x, axis=1), (normal(2, 2, 3), normal(2, 4, 3))),
    # products
    *rows("matmul", nd.matmul, (normal(3, 4), normal(4, 2)), (normal(2, 3, 4), normal(4, 2)), (normal(2, 1, 3, 4), normal(5, 4, 2))),
    *rows("linear", nd.linear, (normal(3, 4), normal(2, 4)), (normal(2, 3, 4), normal(5, 4), normal(5))),
    *rows("linear", nd.linear, (normal(4), normal(2, 4), normal(2))),
    *rows("linear", nd.linear, (normal(3, 2) + 1j * normal(3, 2), normal(4, 2) - 1j * normal(4, 2), normal(4) + 0j)),
    *rows("matmul", nd.matmul, (normal(4), normal(4, 2)), (normal(3, 4), normal(4)), (normal(4), normal(4))),
    *rows("matmul", nd.tensordot, (normal(2, 3, 4), normal(3, 4, 2))),
    *rows("matmul", nd.dot, (normal(2, 3), normal(4, 3, 2)), (normal(2, 3), normal(3))),
    *rows("matmul", lambda a, b: nd.einsum("bij,bkj->bik", a, b), (normal(2, 3, 4), normal(2, 5, 4))),
    *rows("matmul", lambda a, b, c: nd.einsum("...ii,ij,jk->...k", a, b, c), (normal(2, 3, 3), normal(3, 2), normal(2, 4))),
]


def _complex_samples() -> list[Sample]:
    """Complex operands for what NumPy has in complex: the gradient is PyTorch's, dL/d(re) + i dL/d(im)."""

    def z(*shape: int) -> np.ndarray:
        return positive(*shape) + 1j * positive(*shape)

    unary = (nd.exp, nd.expm1, nd.log, nd.log2, nd.log10, nd.log1p, nd.sqrt, nd.sin, nd.cos, nd.tan, nd.arctan, nd.sinh, nd.cosh, nd.tanh)
    more = (nd.arcsin, nd.arccos, nd.arcsinh, nd.arccosh, nd.arctanh, nd.square, nd.reciprocal, nd.negative)
    found = [s for f in unary + more for s in rows(f.__name__, f, (z(3),))]
    for f in (nd.multiply, nd.divide, nd.power):
        found += rows(f.__name__, f, (z(3), z(2, 3)), (z(3), positive(3)), (positive(3), z(3)))
    found += rows("prod", nd.prod, (z(4),)) + rows("pnorm", nd.std, (z(4),)) + rows("mean", nd.var, (z(4),))
    found += rows("matmul", nd.matmul, (z(2, 3), z(3, 2)), (z(2, 3), positive(3)))
    found += rows("matmul", lambda a, b: nd.einsum("ij,kj->ik", a, b), (z(2, 3), z(4, 3)))
    found += rows("correlate", lambda x, w, b: nd.conv_nd(x, w, b, stride=2, padding=1), (z(2, 2, 5), z(3, 2, 3), z(3)))
    found += rows("input_grad", lambda x, w: nd.conv_transpose_nd(x, w, stride=2), (z(2, 3, 3), z(3, 2, 3)))
    found += rows("correlate", lambda a, v: nd.correlate_nd(a, v, "same"), (z(5), z(3)))
    spec = conv_spec("sample", (2, 2, 5), (3, 2, 3))
    found += rows("weight_grad", lambda x, g: conv.weight_grad(x, g, spec), (z(2, 2, 5), z(2, 3, 3)))
    return found


def _conv_samples() -> list[Sample]:
    """Ranks 0 to 3, with groups, strides, dilation and one-sided padding; and each contraction by itself."""
    found: list[Sample] = []
    for x_shape, w_shape, options in (
        ((2, 3), (4, 3), {}),
        ((2, 4, 7), (6, 2, 3), dict(stride=2, padding=((2, 0),), groups=2)),
        ((2, 2, 5, 6), (3, 2, 2, 3), dict(stride=(1, 2), padding=((0, 1), (2, 1)), dilation=(2, 1))),
        ((1, 2, 4, 3, 4), (2, 2, 2, 1, 3), dict(padding="same", stride=(2, 1, 1))),
    ):
        spec = conv_spec("sample", x_shape, w_shape, **options)
        x, w, bias = normal(*x_shape), normal(*w_shape), normal(w_shape[0])
        g = normal(x_shape[0], w_shape[0], *spec.out)
        found += rows("correlate", lambda x, w, b, o=options: nd.conv_nd(x, w, b, **o), (x, w, bias))
        found += rows("input_grad", lambda g, w, s=spec: conv.input_grad(g, w, s), (g, w))
        found += rows("weight_grad", lambda x, g, s=spec: conv.weight_grad(x, g, s), (x, g))
    transposed = (normal(2, 3, 4), normal(3, 2, 3), normal(2))
    found += rows("input_grad", lambda x, w, b: nd.conv_transpose_nd(x, w, b, stride=2, padding=1), transposed)
    found += rows("correlate", lambda x, w: nd.conv_nd(x, w, padding=2, padding_mode="circular"), (normal(1, 2, 5), normal(2, 2, 3)))
    found += rows("correlate", lambda a, v: nd.convolve_nd(a, v, "same"), (normal(5, 4), normal(2, 3)))
    return found


def _norm_samples() -> list[Sample]:
    """All public norms; then each derivative by itself, over the axes of batch norm, of layer norm, and without a mean."""
    x, w, b = normal(3, 4, 5), positive(4), normal(4)
    found = rows("normalise", lambda x, w, b: nd.batch_norm(x, None, None, w, b, training=True), (x, w, b), (normal(5, 4), w, b))
    found += rows("normalise", lambda x, w, b: nd.group_norm(x, 2, w, b), (x, w, b), (normal(2, 4, 3, 2), w, b))
    found += rows("normalise", lambda x, w, b: nd.instance_norm(x, None, None, w, b, layout="N*C"), (normal(2, 5, 4), w, b))
    found += rows("normalise", lambda x, w, b: nd.layer_norm(x, (4, 5), w, b), (x, normal(4, 5), normal(4, 5)))
    found += rows("normalise", lambda x, w: nd.rms_norm(x, 5, w, 1e-3), (x, normal(5)))
    mean, var = normal(4), positive(4)
    found += rows("normalise", lambda x, w, b: nd.batch_norm(x, mean, var, w, b), (x, w, b), (normal(5, 4), w, b))
    for axes, centred, wide in (((0, 2), True, (1, 4, 1)), ((2,), True, (1, 1, 5)), ((1, 2), False, (1, 4, 5))):
        pull = normal(*x.shape)

        def passed(g: Any, x: Any, w: Any, o: tuple[Any, ...] = (axes, centred), op: Any = normalise._normalise_grad) -> nd.Tensor:
            over = normalise.Over(o[0], w.shape, 1e-3, o[1])
            _, mean, rstd = over.normalise(*(nd.astensor(a).data for a in (x, w, w)))
            return op(g, x, w, mean, rstd, over=over)

        found += rows("normalise_grad", passed, (pull, x, normal(*wide)))
        ones = np.ones(wide)
        weight = lambda g, x, f=passed, w=ones: f(g, x, w.astype(x.dtype), op=normalise._normalise_weight_grad)
        found += rows("normalise_weight_grad", weight, (pull, x))
        bias = lambda g, f=passed, w=ones: f(g, x.astype(g.dtype), w.astype(g.dtype), op=normalise._normalise_bias_grad)
        found += rows("normalise_bias_grad", bias, (pull,), linear=True)
    return found


def _pool_samples() -> list[Sample]:
    found: list[Sample] = []
    for x_shape, size, options in (
        ((2, 3, 7), (3,), dict(stride=2, padding=1)),
        ((1, 2, 5, 6), (2, 3), dict(stride=(2, 1), ceil_mode=True)),
        ((1, 2, 4, 3, 4), (2, 1, 3), {}),
    ):
        spec = pool_spec("sample", x_shape[2:], size, **options)
        x = apart(*x_shape)
        winner = pool.kernel.max_pool(x, spec, True)[1]
        y_shape = (*x_shape[:2], *spec.out)
        found += rows("max_pool", lambda x, k=size, o=options: nd.max_pool_nd(x, k, **o), (x,))
        found += rows("pool_gather", lambda x, w=winner, s=spec: pool._pool_gather(x, w, spec=s), (normal(*x_shape),), linear=True)
        found += rows("pool_scatter", lambda g, w=winner, s=spec: pool._pool_scatter(g, w, spec=s), (normal(*y_shape),), linear=True)
        found += rows("window_sum", lambda x, k=size, o=options: nd.avg_pool_nd(x, k, **o), (normal(*x_shape),), linear=True)
        adjoint = lambda g, s=spec: pool._window_sum_adjoint(g, spec=s, factor=0.5)
        found += rows("window_sum_adjoint", adjoint, (normal(*y_shape),), linear=True)
    uneven, x = Parted((5, 7), (3, 4)), apart(1, 2, 5, 7)
    winner = pool.kernel.max_pool(x, uneven, True)[1]
    found += rows("max_pool", lambda x: nd.adaptive_max_pool_nd(x, (3, 4)), (x,))
    found += rows("pool_gather", lambda x: pool._pool_gather(x, winner, spec=uneven), (normal(1, 2, 5, 7),), linear=True)
    found += rows("pool_scatter", lambda g: pool._pool_scatter(g, winner, spec=uneven), (normal(1, 2, 3, 4),), linear=True)
    return found


SAMPLES += _complex_samples() + _conv_samples() + _pool_samples() + _norm_samples()
