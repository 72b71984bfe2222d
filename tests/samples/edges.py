"""Where derivatives are not unique, and where they are infinite: API.md's two rules, as rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_nd as nd

inf = float("inf")
Edge = tuple[str, Callable[..., Any], tuple[Any, ...]]

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

_point = np.array
SINGULAR: list[Edge] = [
    *[(f.__name__, f, (_point([0.0]),)) for f in (nd.log, nd.log2, nd.log10, nd.sqrt, nd.cbrt, nd.reciprocal)],
    *[(f.__name__, f, (_point([-1.0, 1.0]),)) for f in (nd.arcsin, nd.arccos, nd.arctanh)],
    ("log1p", nd.log1p, (_point([-1.0]),)),
    ("arccosh", nd.arccosh, (_point([1.0]),)),
    ("divide", nd.divide, (_point([1.0, 0.0]), _point([0.0, 0.0]))),
    ("power", nd.power, (_point([0.0, 0.0, 0.0]), _point([0.5, -1.0, 0.0]))),
    ("x ** 0.5", lambda x: x**0.5, (_point([0.0]),)),
    ("x ** -1", lambda x: x**-1, (_point([0.0]),)),
    ("float_power", nd.float_power, (_point([0.0]), _point([0.5]))),
    ("arctan2", nd.arctan2, (_point([0.0]), _point([0.0]))),
    ("hypot", nd.hypot, (_point([0.0]), _point([0.0]))),
    ("norm", nd.linalg.norm, (_point([0.0, 0.0]),)),
    ("norm, axis", lambda x: nd.linalg.norm(x, axis=0), (np.zeros((2, 2)),)),
    ("norm, 3", lambda x: nd.linalg.norm(x, 3), (_point([0.0, 0.0]),)),
    ("std", nd.std, (_point([2.0, 2.0]),)),
    ("logaddexp", nd.logaddexp, (_point([-inf, inf]), _point([-inf, inf]))),
    ("logsumexp", nd.logsumexp, (_point([-inf, -inf]),)),
    ("absolute", nd.abs, (_point([0j]),)),
    ("angle", nd.angle, (_point([0j]),)),
    ("log, complex", lambda x: nd.log(x).real, (_point([0j]),)),
    ("sqrt, complex", lambda x: nd.sqrt(x).real, (_point([0j]),)),
    ("remainder", lambda x, y: nd.remainder(x, y), (_point([1.0]), _point([0.0]))),
    *[(f.__name__, f, (_point([0.0]),)) for f in (nd.gammaln, nd.digamma)],
]
