"""Where derivatives are not unique, and where they are infinite: API.md's two rules, as rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_nd as nd

inf = float("inf")

# (function, arguments, the gradients of the sum of its results): ties are shared evenly, selections take the first, kinks have slope 0.
TIES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = {
    "max": (nd.max, ([2.0, 1.0, 2.0, 2.0],), ([1 / 3, 0, 1 / 3, 1 / 3],)),
    "min": (nd.min, ([1.0, 1.0, 1.0, 2.0],), ([1 / 3, 1 / 3, 1 / 3, 0],)),
    "amax": (nd.amax, ([3.0, 3.0],), ([0.5, 0.5],)),
    "amin": (nd.amin, ([3.0, 3.0],), ([0.5, 0.5],)),
    "nanmax": (nd.nanmax, ([3.0, np.nan, 3.0],), ([0.5, 0, 0.5],)),
    "nanmin": (nd.nanmin, ([3.0, np.nan, 3.0],), ([0.5, 0, 0.5],)),
    "max of columns": (lambda x: nd.max(x, 0), ([[1.0, 3.0], [1.0, 3.0]],), ([[0.5, 0.5], [0.5, 0.5]],)),
    "min of rows": (lambda x: nd.min(x, axis=1), ([[2.0, 1.0, 1.0], [0.0, 4.0, 5.0]],), ([[0, 0.5, 0.5], [1, 0, 0]],)),
    "max of one infinity twice": (nd.max, ([inf, 1.0, inf],), ([0.5, 0, 0.5],)),
    "maximum": (nd.maximum, ([1.0, 2.0, 3.0], [1.0, 5.0, 0.0]), ([0.5, 0, 1], [0.5, 1, 0])),
    "minimum": (nd.minimum, ([1.0, 2.0, 3.0], [1.0, 5.0, 0.0]), ([0.5, 1, 0], [0.5, 0, 1])),
    "fmax": (lambda x: nd.fmax(x, 1.0), ([1.0, 2.0, 0.0],), ([0.5, 1, 0],)),
    "fmin": (lambda x: nd.fmin(x, 1.0), ([1.0, 2.0, 0.0],), ([0.5, 0, 1],)),
    "maximum of itself": (lambda x: nd.maximum(x, x), ([1.0, 2.0],), ([1, 1],)),
    "max_pool of windows that overlap": (lambda x: nd.max_pool_nd(x, (3,), 1), ([1.0, 2.0, 2.0, 2.0],), ([0, 2, 0, 0],)),
    "max_pool of equals, in C order": (lambda x: nd.max_pool_nd(x, (2, 2)), ([[5.0, 5.0], [5.0, 5.0]],), ([[1, 0], [0, 0]],)),
    "topk": (lambda x: nd.topk(x, 2)[0], ([1.0, 1.0, 1.0],), ([1, 1, 0],)),
    "sort": (lambda x: nd.sort(x)[:1], ([1.0, 1.0, 1.0],), ([1, 0, 0],)),
    "relu": (nd.relu, ([-1.0, 0.0, -0.0, 2.0],), ([0, 0, 0, 1],)),
    "abs": (nd.abs, ([-2.0, 0.0, 2.0],), ([-1, 0, 1],)),
    "fabs": (nd.fabs, ([-2.0, 0.0, 2.0],), ([-1, 0, 1],)),
    "sign": (lambda x: nd.sign(x) * x, ([-2.0, 0.0, 3.0],), ([-1, 0, 1],)),
    "floor": (lambda x: nd.floor(x) * x, ([1.5, 2.0],), ([1, 2],)),
    "norm": (nd.linalg.norm, ([0.0, 0.0],), ([0, 0],)),
    "norm, 1": (lambda x: nd.linalg.norm(x, 1), ([0.0, 2.0],), ([0, 1],)),
    "std": (nd.std, ([2.0, 2.0, 2.0],), ([0, 0, 0],)),
    "hypot": (nd.hypot, ([0.0, 2.0], [0.0, 0.0]), ([0, 1], [0, 0])),
    "clip": (lambda x: nd.clip(x, 0, 1), ([-0.5, 0.0, 0.5, 1.0, 1.5],), ([0, 1, 1, 1, 0],)),
    "clip with one bound": (lambda x: nd.clip(x, None, 1), ([0.0, 1.0, 2.0],), ([1, 1, 0],)),
    "clip, and its bounds": (nd.clip, ([-1.0, 0.0, 0.5, 3.0], 0.0, 1.0), ([0, 1, 1, 0], 1, 1)),
    "0 ** 0": (lambda x: x**0, ([0.0, 2.0],), ([0, 0],)),
    "0 ** 2 and 0 ** 1": (lambda x: x**2 + x**1, ([0.0, 1.0],), ([1, 3],)),
    "0 ** y in y": (lambda y: nd.power(0.0, y), ([1.0, 2.0],), ([0, 0],)),
    "prod with one zero": (nd.prod, ([2.0, 0.0, 3.0],), ([0, 6, 0],)),
    "prod with two zeros": (nd.prod, ([0.0, 0.0, 3.0],), ([0, 0, 0],)),
}


def _each(f: Callable[..., Any]) -> Callable[..., Any]:
    """f of pairs (x, 3 x), one for each entry of x."""
    return lambda x: nd.stack([f(nd.stack([x[i], 3 * x[i]])) for i in range(x.size)])


# A function that goes entry by entry, and for each argument values at which its slope is infinite or undefined, and last one where not.
SINGULAR: dict[str, tuple[Callable[..., Any], *tuple[tuple[Any, ...], ...]]] = {
    **{f.__name__: (f, (0.0, 0.7)) for f in (nd.log, nd.log2, nd.log10, nd.sqrt, nd.cbrt, nd.reciprocal, nd.gammaln, nd.digamma)},
    **{f.__name__: (f, (-1.0, 1.0, 0.5)) for f in (nd.arcsin, nd.arccos, nd.arctanh)},
    "log1p": (nd.log1p, (-1.0, -0.5)),
    "arccosh": (nd.arccosh, (1.0, 1.7)),
    "divide": (nd.divide, (1.0, 0.0, 0.7), (0.0, 0.0, 2.0)),
    "1 / x": (lambda x: 1 / x, (0.0, 0.7)),
    "x / x": (lambda x: x / x, (0.0, 0.7)),
    "3 / x ** 2": (lambda x: 3 / x**2, (0.0, 0.7)),
    "power": (nd.power, (0.0, 0.0, 0.0, 0.7), (0.5, -1.0, 0.0, 1.5)),
    "float_power": (nd.float_power, (0.0, 0.7), (0.5, 0.5)),
    "x ** 0.5": (lambda x: x**0.5, (0.0, 0.7)),
    "x ** -1": (lambda x: x**-1, (0.0, 0.7)),
    "x ** (1 / 3)": (lambda x: x ** (1 / 3), (0.0, 0.7)),
    "x ** tensor": (lambda x: x ** nd.tensor(0.5), (0.0, 0.7)),
    "x ** x": (lambda x: x**x, (0.0, 0.7)),
    "arctan2": (nd.arctan2, (0.0, 0.7), (0.0, 0.3)),
    "arctan2 of zeros": (lambda x: nd.arctan2(x, x), (0.0, 0.7)),
    "arctan2 (y, 0)": (lambda x: nd.arctan2(x, 0.0), (0.0, 0.7)),
    "hypot": (nd.hypot, (0.0, 0.7), (0.0, 0.3)),
    "hypot with 0": (lambda x: nd.hypot(x, 0.0), (0.0, 0.7)),
    "hypot of both": (lambda x: nd.hypot(x, x), (0.0, 0.7)),
    "norm": (_each(nd.linalg.norm), (0.0, 0.7)),
    "norm, 3": (_each(lambda x: nd.linalg.norm(x, 3)), (0.0, 0.7)),
    "norm, axis": (lambda x: nd.linalg.norm(nd.stack([x, 3 * x]), axis=0), (0.0, 0.7)),
    "std": (_each(nd.std), (0.0, 0.7)),
    "std, axis": (lambda x: nd.std(nd.stack([x, 3 * x]), 0), (0.0, 0.7)),
    "logaddexp": (nd.logaddexp, (-inf, inf, 0.7), (-inf, inf, 0.3)),
    "logsumexp": (_each(nd.logsumexp), (-inf, 0.7)),
    "absolute, complex": (nd.abs, (0j, 1 + 2j)),
    "angle, complex": (nd.angle, (0j, 1 + 2j)),
    "log, complex": (lambda x: nd.log(x).real, (0j, 1 + 2j)),
    "sqrt, complex": (lambda x: nd.sqrt(x).real, (0j, 1 + 2j)),
    "remainder": (nd.remainder, (1.0, 1.0), (0.0, 0.7)),
    "remainder (1, x)": (lambda x: nd.remainder(1.0, x), (0.0, 0.7)),
    "sqrt of a square": (lambda x: nd.sqrt(x * x), (0.0, 0.7)),
    "sqrt of sqrt": (lambda x: nd.sqrt(nd.sqrt(x)), (0.0, 0.7)),
    "log of a product": (lambda x: nd.log(x * 2), (0.0, 0.7)),
    "log of a sum": (lambda x: nd.log(nd.sum(nd.stack([x, x]), 0)), (0.0, 0.7)),
    "log of a mean": (lambda x: nd.log(nd.mean(nd.stack([x, x]), 0)), (0.0, 0.7)),
    "log of a prod": (lambda x: nd.log(nd.prod(nd.stack([x, x]), 0)), (0.0, 0.7)),
    "log of a max": (lambda x: nd.log(nd.maximum(x, x)), (0.0, 0.7)),
    "a matrix product": (lambda x: nd.log(nd.reshape(x, (-1, 1)) @ nd.ones((1, 1)))[:, 0], (0.0, 0.7)),
    "x log x": (lambda x: x * nd.log(x), (0.0, 0.7)),
    "exp(1 / x)": (lambda x: nd.exp(1 / x), (0.0, 0.7)),
    "sigmoid(1 / x)": (lambda x: nd.sigmoid(1 / x), (0.0, 0.7)),
    "overflow": (lambda x: nd.exp(x * 1e4), (1.0, 1e-4)),
}
# Their rules multiply a zero by what another rule made infinite: no zero is lost at first order, but a second one would have to know.
FIRST_ORDER_ONLY = {"x log x", "exp(1 / x)", "sigmoid(1 / x)", "overflow", "remainder (1, x)"}
