"""Rows for elementwise functions, reductions and scans beyond the core ones; complex operands wherever NumPy takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_nd as nd
from tinygrad_nd.ops import sampled, scan, special

from .rows import Sample, apart, normal, positive, rows, within

X = (normal(3, 4),)
ZEROS = (normal(3, 4) * np.array([[1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1]]),)


def z(*shape: int) -> np.ndarray:
    return positive(*shape) + 1j * positive(*shape)


HOLES = np.eye(3, 4, dtype=bool)


def holed(f: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """f of x with NaN here and there."""
    return lambda x: f(nd.where(HOLES, float("nan"), x), *args)


WHERE = np.array([True, False, True, True])

SAMPLES: list[Sample] = [
    # elementwise
    *rows("fmod", nd.fmod, (apart(5), positive(5) * 0 + 2.7)),
    *rows("remainder", lambda x, y: nd.divmod(x, y)[1], (apart(5), positive(5) * 0 + 2.7)),
    *rows("float_power", nd.float_power, (positive(3, 4), normal(4)), (z(3), z(3)), keeps_dtype=False),
    *rows("copysign", nd.copysign, (apart(3, 4), apart(4))),
    *rows("fabs", nd.fabs, (apart(3, 4),)),
    *rows("heaviside", nd.heaviside, (apart(3), normal(3))),
    *rows("heaviside", lambda y: nd.heaviside(y * 0, y), X, linear=True),
    *rows("logaddexp2", nd.logaddexp2, (normal(3, 4), normal(4))),
    *[s for f in (nd.deg2rad, nd.rad2deg, nd.radians, nd.degrees) for s in rows(f.__name__, f, X, linear=True)],
    *[s for f in (nd.fmax, nd.fmin) for s in rows(f.__name__, f, (apart(3, 4), apart(3, 4) + 0.5))],
    *rows("fmax", holed(nd.fmax, 0.5), (apart(3, 4),)),
    *rows("clip", lambda x: nd.clip(x, -2.0, 3.0), (apart(3, 4),)),
    *rows("clip", nd.clip, (apart(3, 4), apart(4) - 3.6, apart(3, 1) + 3.7)),
    *rows("clip", lambda x, high: nd.clip(x, max=high), (apart(3, 4), np.array(0.1))),
    *rows("where", lambda x, y: nd.select([np.arange(4) < 1, np.arange(4) < 3], [x, y], 2.5), (normal(3, 4), normal(4)), linear=False),
    *rows("nan_to_num", nd.nan_to_num, X, linear=True),
    *rows("real", nd.nan_to_num, (z(3),)),
    *rows("round", lambda x: nd.round(x, 1), (apart(3, 4) / 3,)),
    *rows("trunc", nd.fix, (apart(3, 4),)),
    *rows("fraction", lambda x: nd.modf(x)[0], (apart(3, 4),)),
    *rows("trunc", lambda x: nd.modf(x)[1], (apart(3, 4),)),
    *rows("mantissa", lambda x: nd.frexp(x)[0], (apart(3, 4),)),
    *rows("ldexp", lambda x: nd.ldexp(x, np.array([-1, 0, 2, 3])), X, linear=True),
    *rows("arctan2", nd.angle, (z(3),)),
    *rows("arctan2", lambda x: nd.angle(x, deg=True), (apart(3),)),
    *rows("sign", nd.sign, (z(3),)),
    *[s for f in (nd.exp2, nd.sigmoid, nd.positive) for s in rows(f.__name__, f, (z(3),))],
    *rows("real", lambda x: nd.real_if_close(x + 0j), X, linear=True, keeps_dtype=False),
    *[s for f in (nd.isposinf, nd.isneginf, nd.isreal, nd.iscomplex) for s in rows("getitem", f, X, differentiable=False)],
    *rows("spacing", nd.spacing, X, differentiable=False),
    *rows("nextafter", nd.nextafter, (normal(3), normal(3)), differentiable=False),
    # reductions
    *rows("sum", lambda x: nd.sum(x, 1, where=WHERE, initial=2.0, keepdims=True), X, linear=False),
    *rows("prod", lambda x: nd.prod(x, 1, where=WHERE, initial=2.0), X, ZEROS),
    *[s for a in (None, 0, 1, (0, 1), ()) for s in rows("prod", lambda x, a=a: nd.prod(x, a), X, ZEROS, (z(2, 3),))],
    *rows("prod", lambda x: nd.prod(x, (0, 2)), (normal(2, 3, 2) * np.array([1.0, 0.0]),)),
    *rows("sum", lambda x: nd.mean(x, 1, where=WHERE), X, (z(3, 4),)),
    *rows("sum", lambda x, m: nd.var(x, 1, where=WHERE, mean=m, correction=0.5), (normal(3, 4), normal(3, 1))),
    *rows("sum", lambda x: nd.var(x, 1, where=WHERE, ddof=1), X),
    *rows("pnorm", lambda x: nd.std(x, (0, 1), where=WHERE, keepdims=True), X, (z(3, 4),)),
    *[s for f in (nd.max, nd.min) for s in rows(f.__name__, lambda x, f=f: f(x, 1, where=WHERE, initial=0.1), (apart(3, 4),))],
    *rows("max", lambda x: nd.ptp(x, 0), (apart(3, 4),)),
    *rows("sum", lambda x, w: nd.average(x, 1, w), (normal(3, 4), positive(4)), (z(3, 4), positive(3, 4))),
    *rows("mean", nd.average, X),
    *rows("sum", holed(nd.nansum), X),
    *[s for f, op in ((nd.nanprod, "prod"), (nd.nanmean, "sum"), (nd.nanvar, "sum"), (nd.nanstd, "pnorm"), (nd.nanmax, "max"),
                      (nd.nanmin, "min")) for a in (None, 1) for s in rows(op, holed(f, a), (apart(3, 4),))],
    *[s for f in (nd.argmax, nd.argmin, nd.nanargmax, nd.nanargmin, nd.count_nonzero, nd.all, nd.any)
      for s in rows("getitem", f, X, differentiable=False)],
    # scans
    *[s for a in (None, 0, -1) for s in rows("cumsum", lambda x, a=a: nd.cumsum(x, a), X, (z(2, 3),))],
    *[s for a in (None, 0, -1) for s in rows("cumprod", lambda x, a=a: nd.cumprod(x, a), X, ZEROS, (z(2, 3),))],
    *rows("cumsum", lambda x: nd.cumulative_sum(x, axis=1, include_initial=True), X, linear=True),
    *rows("cumprod", lambda x: nd.cumulative_prod(x, axis=0, include_initial=True), X),
    *rows("cumsum", holed(nd.nancumsum, 1), X, linear=True),
    *rows("cumprod", holed(nd.nancumprod), X),
    *[s for r in (False, True) for s in rows("recurrence", lambda a, b, r=r: scan._recurrence(a, b, axis=1, reverse=r),
                                             (normal(3, 5), normal(3, 5)), (z(2, 3), z(2, 3)))],
    # special functions
    *rows("erfc", nd.erfc, X, (normal(3, 4) * 3,)),
    *rows("erfc", nd.ndtr, X),
    *[s for f in (nd.gammaln, nd.gamma, nd.digamma) for s in rows(f.__name__, f, (positive(3, 2) + 0.5,))],
    *rows("gamma", nd.gamma, (within(3) - 2.5,)),
    *rows("polygamma", lambda x: nd.polygamma(2, x), (positive(3, 2) + 1,)),
    *rows("erfinv", nd.erfinv, (within(3, 2),)),
    *rows("log_ndtr", nd.log_ndtr, (normal(3, 4) * 2,)),
    *rows("hazard", special._hazard, (normal(3, 4) * 2,)),
    *rows("sinc", nd.sinc, X, (normal(3, 4) * 5,), (normal(3, 4) * 1e-3,), (z(3),), order=3),
    *rows("bessel_i", nd.i0, X, (normal(3, 4) * 5,)),
    *rows("bessel_i", nd.i1, X, (normal(3, 4) * 5,)),
    *rows("xlogy", nd.xlogy, (positive(3, 4), positive(4))),
    *rows("xlog1py", nd.xlog1py, (positive(3, 4), positive(4))),
    *rows("log", nd.logit, (positive(3, 4) / 2 - 0.2,)),
    # samples along an axis
    *[s for a in (0, -1) for s in rows("diff", lambda x, a=a: nd.diff(x, 2, a), X, (z(3, 4),))],
    *rows("diff", lambda x, p: nd.diff(x, axis=0, prepend=p, append=1.5), (normal(3, 4), normal(2, 4))),
    *rows("diff", lambda x: nd.ediff1d(x, [1.0, 2.0], 0.5), X),
    *[s for e in (1, 2) for s in rows("even_slope", lambda x, e=e: nd.gradient(x, 0.5, axis=1, edge_order=e), X, (z(2, 3),), linear=True)],
    *[s for e in (1, 2) for s in rows("diff", lambda f, x, e=e: nd.gradient(f, x.cumsum(), axis=1, edge_order=e),
                                      (normal(2, 5), positive(5)), promotes=False)],
    *rows("even_slope", lambda x: nd.gradient(x)[0], X, linear=True),
    *rows("slope_transposed", lambda g: sampled._slope_transposed(g, axis=1, edge_order=1), X, linear=True),
    *rows("spread_differences", lambda g: sampled._spread_differences(g, axis=1), X, linear=True),
    *rows("sum", lambda y: nd.trapezoid(y, dx=0.3, axis=0), X, linear=True),
    *rows("diff", nd.trapezoid, (normal(3, 4), normal(4)), (normal(3, 4), normal(3, 4)), (z(3, 4), normal(4))),
    *rows("interp", lambda x, xp, f: nd.interp(x, xp.cumsum(), f, right=1.5),
          (0.51 + np.arange(6.0).reshape(2, 3), positive(4), normal(4))),
    *rows("interp", lambda x, f: nd.interp(x, [0.0, 1.0, 1.5], f, period=2.0), (normal(6) * 4, normal(3)), keeps_dtype=False),
    *rows("setitem", lambda x: nd.piecewise(x, [x.data < 0, x.data > 2], [nd.exp, 1.5, lambda v: v * v]), (apart(3, 4) / 3,)),
    *rows("unwrap", nd.unwrap, (apart(3, 4),), linear=False),
    # vectors
    *[s for m in ("full", "same", "valid") for f in (nd.convolve, nd.correlate)
      for s in rows("correlate", lambda a, v, f=f, m=m: f(a, v, m), (normal(6), normal(3)), (normal(2), normal(5)), (z(4), z(3)))],
    *rows("cross", nd.cross, (normal(2, 3), normal(3)), (normal(3, 1, 3), normal(4, 3)), (z(2, 3), z(2, 3)), (normal(4, 2), normal(3))),
    *rows("multiply", nd.cross, (normal(4, 2), normal(2))),
    *rows("cross", lambda a, b: nd.cross(a, b, axis=0), (normal(3, 2), normal(3, 2))),
    *rows("add", nd.polyval, (normal(4), normal(3)), (z(3), z(2))),
    *rows("correlate", nd.polymul, (normal(3), normal(2))),
    *rows("add", nd.polyadd, (normal(3), normal(2))),
    *rows("subtract", nd.polysub, (normal(3), normal(2))),
    *rows("multiply", lambda p: nd.polyder(p, 2), (normal(5),)),
    *rows("divide", lambda p: nd.polyint(p, 2, [1.0, 2.0]), (normal(4),)),
]  # fmt: skip
