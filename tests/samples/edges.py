"""Where derivatives are not unique, and where they are infinite: API.md's two rules, as rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_nd as nd

inf = float("inf")
Edge = tuple[str, Callable[..., Any], tuple[Any, ...]]

# (name, function, point, the gradient of the sum of its results): ties are shared evenly, selections take the first, kinks have slope 0.
TIES: list[tuple[str, Callable[..., Any], list[float], list[float]]] = [
    ("max", nd.max, [1, 3, 3, 2], [0, 0.5, 0.5, 0]),
    ("min", nd.min, [1, 1, 1, 2], [1 / 3, 1 / 3, 1 / 3, 0]),
    ("amax", nd.amax, [3, 3], [0.5, 0.5]),
    ("amin", nd.amin, [3, 3], [0.5, 0.5]),
    ("nanmax", nd.nanmax, [3, np.nan, 3], [0.5, 0, 0.5]),
    ("nanmin", nd.nanmin, [3, np.nan, 3], [0.5, 0, 0.5]),
    ("max, axis", lambda x: nd.max(x.reshape(2, 2), 0), [1, 3, 1, 3], [0.5, 0.5, 0.5, 0.5]),
    ("maximum", lambda x: nd.maximum(x, np.array([1.0, 2.0, 3.0])), [1, 3, 2], [0.5, 1, 0]),
    ("minimum", lambda x: nd.minimum(x, np.array([1.0, 2.0, 3.0])), [1, 3, 2], [0.5, 0, 1]),
    ("fmax", lambda x: nd.fmax(x, 1.0), [1, 2, 0], [0.5, 1, 0]),
    ("fmin", lambda x: nd.fmin(x, 1.0), [1, 2, 0], [0.5, 0, 1]),
    ("maximum of itself", lambda x: nd.maximum(x, x), [1, 2], [1, 1]),
    ("max_pool_nd", lambda x: nd.max_pool_nd(x.reshape(1, 1, 4), 4), [1, 3, 3, 2], [0, 1, 0, 0]),
    ("topk", lambda x: nd.topk(x, 2)[0], [1, 1, 1], [1, 1, 0]),
    ("sort", lambda x: nd.sort(x)[:1], [1, 1, 1], [1, 0, 0]),
    ("relu", nd.relu, [-1, 0, 1], [0, 0, 1]),
    ("abs", nd.abs, [-2, 0, 2], [-1, 0, 1]),
    ("fabs", nd.fabs, [-2, 0, 2], [-1, 0, 1]),
    ("sign", nd.sign, [-2, 0, 2], [0, 0, 0]),
    ("norm", nd.linalg.norm, [0, 0], [0, 0]),
    ("norm, 1", lambda x: nd.linalg.norm(x, 1), [0, 2], [0, 1]),
    ("std", nd.std, [2, 2, 2], [0, 0, 0]),
    ("hypot", lambda x: nd.hypot(x, 0.0), [0, 2], [0, 1]),
    ("clip", lambda x: nd.clip(x, 0.0, 1.0), [-1, 0, 0.5, 1, 2], [0, 1, 1, 1, 0]),
    ("power", lambda x: x**2, [0, 1], [0, 2]),
    ("prod", nd.prod, [0, 2, 3], [6, 0, 0]),
    ("prod of two zeros", nd.prod, [0, 2, 0], [0, 0, 0]),
]

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
    *[(n, getattr(nd, n), (_point([0.0]),)) for n in ("gammaln", "digamma") if hasattr(nd, n)],
]
