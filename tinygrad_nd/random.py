"""Random tensors: NumPy's distributions, with its numbers, and with gradients for the parameters where a sample is a formula of them.

Every function takes `size` (None: what the parameters broadcast to), `dtype` (None: that of floating parameters, else float64) and `rng`: a
`np.random.Generator`, a seed, or None for the generator that `seed` sets. The same generator gives the numbers that NumPy's method of the
same name gives. A sample z + loc or z * scale is differentiable in loc and scale for the z that was drawn (the reparameterisation); samples
that are no such formula are constants, and refuse parameters that require grad unless they are whole numbers.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .ops.choice import where
from .ops.elementwise import exp, expm1, sqrt
from .ops.index import take
from .ops.shape import axes_of
from .tensor import Tensor, astensor

__all__ = [
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chisquare", "choice", "dirichlet", "exponential", "f", "gamma",
    "geometric", "gumbel", "hypergeometric", "integers", "laplace", "logistic", "lognormal", "logseries", "multinomial",
    "multivariate_normal", "negative_binomial", "noncentral_chisquare", "noncentral_f", "normal", "pareto", "permutation", "poisson",
    "power", "random", "rayleigh", "seed", "standard_cauchy", "standard_exponential", "standard_gamma", "standard_normal", "standard_t",
    "triangular", "uniform", "vonmises", "wald", "weibull", "zipf",
]  # fmt: skip

Rng: TypeAlias = "np.random.Generator | int | None"  # a string, so that numpy.random is imported when it is used
Sampler: TypeAlias = Callable[..., Any]

_default: Any = None
_setting = threading.Lock()


def seed(n: int | None = None) -> None:
    """Makes calls without `rng=` start over from this seed (None: from an unpredictable one)."""
    global _default
    with _setting:
        _default = np.random.default_rng(n)


def _generator(rng: Rng, where: str) -> np.random.Generator:
    if rng is None:
        if _default is None:
            seed()
        return _default  # type: ignore[no-any-return]
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)):
        return np.random.default_rng(rng)
    raise TypeError(f"random.{where}: rng must be a np.random.Generator, a seed or None, but got {type(rng).__name__}")


def _named(name: str, doc: str, f: Sampler, parameters: list[inspect.Parameter]) -> Sampler:
    common = [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY, default=None) for p in ("dtype", "rng")]
    signature = inspect.Signature([p.replace(annotation=Any) for p in (*parameters, *common)], return_annotation=Tensor)

    def function(*args: Any, **options: Any) -> Tensor:
        try:
            bound = signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"random.{name}: {error}") from None
        bound.apply_defaults()
        return f(**bound.arguments)  # type: ignore[no-any-return]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _arguments(**defaults: Any) -> list[inspect.Parameter]:
    return [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=d) for p, d in defaults.items()]


# A formula of parameters and of noise that does not depend on them.

REQUIRED = inspect.Parameter.empty


def _formula(name: str, doc: str, noise: str, f: Sampler, positive: str = "", **defaults: Any) -> Sampler:
    """A distribution whose samples are f(noise, *parameters); parameters named in `positive` must not be negative."""

    def sample(size: Any, dtype: Any, rng: Rng, **given: Any) -> Tensor:
        parameters = [p if isinstance(p, Tensor) else astensor(p) if np.ndim(p) else p for p in given.values()]
        for p, value in given.items():
            if p in positive.split() and not (np.asarray(value) >= 0).all():
                raise ValueError(f"random.{name}: {p} must not be negative, but got {value}")
        shape = np.broadcast_shapes(*map(np.shape, parameters)) if size is None else size
        z = astensor(getattr(_generator(rng, name), noise)(size=shape))
        kind = _dtype(dtype, parameters)
        result = f(z if z.dtype == kind else z.astype(kind), *parameters)
        if result.shape != z.shape:
            raise ValueError(f"random.{name}: size={size} does not fit parameters that broadcast to {result.shape}")
        return result if result.dtype == kind else result.astype(kind)

    return _named(name, f"{doc} Differentiable in {_listed(defaults)}.", sample, _arguments(**defaults, size=None))


def _listed(names: Any) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _dtype(dtype: Any, parameters: list[Any]) -> np.dtype[Any]:
    """The dtype asked for, or that of floating parameters."""
    if dtype is not None:
        return np.dtype(dtype)
    kinds = [p.dtype for p in parameters if isinstance(p, (Tensor, np.generic)) and p.dtype.kind == "f"]
    return np.result_type(*kinds) if kinds else np.dtype(float)


def _triangle(u: Tensor, left: Any, mode: Any, right: Any) -> Tensor:
    """The inverse of the distribution function, a parabola on either side of the mode."""
    base, rise = right - left, mode - left
    low = u.data <= np.asarray(rise / base)
    rising = left + sqrt(where(low, u, 0) * (rise * base))
    falling = right - sqrt(where(low, 0, 1 - u) * ((right - mode) * base))
    return where(low, rising, falling)  # type: ignore[no-any-return]


normal = _formula(
    "normal", "Normal: loc + scale * standard_normal.", "standard_normal", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0
)
uniform = _formula("uniform", "Uniform from low to high.", "random", lambda u, low, high: low + (high - low) * u, low=0.0, high=1.0)
exponential = _formula("exponential", "Exponential of mean scale.", "standard_exponential", lambda z, scale: scale * z, "scale", scale=1.0)
gumbel = _formula("gumbel", "Gumbel.", "gumbel", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
laplace = _formula("laplace", "Laplace.", "laplace", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
logistic = _formula("logistic", "Logistic.", "logistic", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
cauchy = _formula("cauchy", "Cauchy.", "standard_cauchy", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
lognormal = _formula(
    "lognormal", "e to the power of a normal.", "standard_normal", lambda z, mean, sigma: exp(mean + sigma * z), "sigma", mean=0.0, sigma=1.0
)
rayleigh = _formula("rayleigh", "Rayleigh.", "rayleigh", lambda z, scale: scale * z, "scale", scale=1.0)
weibull = _formula("weibull", "Weibull of scale 1.", "standard_exponential", lambda z, a: z ** (1 / a), "a", a=REQUIRED)
pareto = _formula("pareto", "Pareto of the second kind (Lomax).", "standard_exponential", lambda z, a: expm1(z / a), "a", a=REQUIRED)
power = _formula("power", "Of density a x ** (a - 1) on (0, 1).", "standard_exponential", lambda z, a: (-expm1(-z)) ** (1 / a), "a", a=REQUIRED)
triangular = _formula(
    "triangular", "Triangular, from left to right with its peak at mode.", "random", _triangle, left=REQUIRED, mode=REQUIRED, right=REQUIRED
)  # fmt: skip


def _constant(name: str, doc: str, *, whole: bool = False, **defaults: Any) -> Sampler:
    """NumPy's distribution of the values of parameters; its samples are `whole` numbers, or parameters may not require grad."""

    def sample(size: Any, dtype: Any, rng: Rng, **given: Any) -> Tensor:
        for p, value in given.items():
            if not whole and isinstance(value, Tensor) and value.requires_grad:
                raise TypeError(f"random.{name}: not differentiable in {p}; pass {p}.detach() if no gradient is meant")
        try:
            drawn = getattr(_generator(rng, name), name)(**{p: _plain(v) for p, v in given.items()}, size=size)
        except (ValueError, TypeError) as error:
            raise type(error)(f"random.{name}: {error}") from error
        return astensor(np.asarray(drawn, None if whole and dtype is None else _dtype(dtype, list(given.values()))))

    return _named(name, f"{doc} Carries no gradient.", sample, _arguments(**defaults, size=None))


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


standard_normal = _constant("standard_normal", "Normal of mean 0 and variance 1.")
standard_exponential = _constant("standard_exponential", "Exponential of mean 1.")
standard_cauchy = _constant("standard_cauchy", "Cauchy of location 0 and scale 1.")
random = _constant("random", "Uniform from 0 to 1.")
standard_gamma = _constant("standard_gamma", "Gamma of scale 1.", shape=REQUIRED)
beta = _constant("beta", "Beta.", a=REQUIRED, b=REQUIRED)
chisquare = _constant("chisquare", "Chi-square: the sum of df squared normals.", df=REQUIRED)
noncentral_chisquare = _constant("noncentral_chisquare", "Noncentral chi-square.", df=REQUIRED, nonc=REQUIRED)
f = _constant("f", "F: the ratio of two chi-squares per degree of freedom.", dfnum=REQUIRED, dfden=REQUIRED)
noncentral_f = _constant("noncentral_f", "Noncentral F.", dfnum=REQUIRED, dfden=REQUIRED, nonc=REQUIRED)
standard_t = _constant("standard_t", "Student's t.", df=REQUIRED)
vonmises = _constant("vonmises", "Von Mises, on the circle.", mu=REQUIRED, kappa=REQUIRED)
wald = _constant("wald", "Wald, or inverse Gaussian.", mean=REQUIRED, scale=REQUIRED)
dirichlet = _constant("dirichlet", "Dirichlet: fractions that sum to 1, along a new last axis.", alpha=REQUIRED)
binomial = _constant("binomial", "How many of n trials succeed.", whole=True, n=REQUIRED, p=REQUIRED)
negative_binomial = _constant("negative_binomial", "How many trials fail before n succeed.", whole=True, n=REQUIRED, p=REQUIRED)
geometric = _constant("geometric", "How many trials until one succeeds.", whole=True, p=REQUIRED)
poisson = _constant("poisson", "Poisson of mean lam.", whole=True, lam=1.0)
zipf = _constant("zipf", "Zipf.", whole=True, a=REQUIRED)
logseries = _constant("logseries", "Logarithmic series.", whole=True, p=REQUIRED)
hypergeometric = _constant(
    "hypergeometric", "How many good ones are in a sample without replacement.", whole=True, ngood=REQUIRED, nbad=REQUIRED, nsample=REQUIRED
)  # fmt: skip
multinomial = _constant("multinomial", "How often each outcome occurs in n trials, along a new last axis.", whole=True, n=REQUIRED, pvals=REQUIRED)


def gamma(shape: Any, scale: Any = 1.0, size: Any = None, *, dtype: Any = None, rng: Rng = None) -> Tensor:
    """Gamma. Differentiable in scale; a shape that requires grad is refused."""
    dims = np.broadcast_shapes(np.shape(shape), np.shape(scale)) if size is None else size
    z = standard_gamma(shape, dims, dtype=_dtype(dtype, [shape, scale]), rng=rng)
    if not (np.asarray(scale) >= 0).all():
        raise ValueError(f"random.gamma: scale must not be negative, but got {scale}")
    sample = z * scale
    if sample.shape != z.shape:
        raise ValueError(f"random.gamma: size={size} does not fit a scale of shape {np.shape(scale)}")
    return sample


def multivariate_normal(mean: Any, cov: Any, size: Any = None, *, method: str = "svd", dtype: Any = None, rng: Rng = None) -> Tensor:
    """Normal vectors of the given covariance, along a new last axis. Differentiable in mean; a cov that requires grad is refused."""
    mean = astensor(mean)
    if isinstance(cov, Tensor) and cov.requires_grad:
        raise TypeError("random.multivariate_normal: not differentiable in cov; use mean + random.normal(size=...) @ linalg.cholesky(cov).T")
    kind = _dtype(dtype, [mean])
    z = _generator(rng, "multivariate_normal").multivariate_normal(np.zeros(mean.shape), _plain(cov), size, method=method)  # type: ignore[call-overload]
    sample = mean + astensor(z.astype(kind))
    return sample if sample.dtype == kind else sample.astype(kind)


def integers(
    low: Any, high: Any = None, size: Any = None, *, dtype: Any = np.int64, endpoint: bool = False, rng: Rng = None
) -> Tensor:
    """Whole numbers from low to below high (to high with `endpoint`), or from 0 to below low. Carries no gradient."""
    return astensor(_generator(rng, "integers").integers(_plain(low), _plain(high), size, dtype, endpoint))


def bernoulli(p: Any = 0.5, size: Any = None, *, rng: Rng = None) -> Tensor:
    """True with probability p. Carries no gradient."""
    chance = np.asarray(_plain(p))
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(f"random.bernoulli: p must be from 0 to 1, but got {p}")
    return astensor(_generator(rng, "bernoulli").random(chance.shape if size is None else size) < chance)


def categorical(p: Any, size: Any = None, *, axis: int = -1, rng: Rng = None) -> Tensor:
    """Places along an axis of p, with probabilities in proportion to its entries. Carries no gradient."""
    weights = np.moveaxis(np.asarray(_plain(p), float), axes_of(axis, np.ndim(p), "random.categorical")[0], -1)
    reached = np.cumsum(weights, -1)
    if (weights < 0).any() or not (reached[..., -1] > 0).all():
        raise ValueError("random.categorical: p must not be negative, and not all 0")
    u = _generator(rng, "categorical").random(weights.shape[:-1] if size is None else size)
    return astensor((reached <= (u * reached[..., -1])[..., None]).sum(-1))


def choice(
    a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True, *, rng: Rng = None
) -> Tensor:
    """Entries of a along an axis (or of the whole numbers below it), chosen with probabilities p. Gradients go to the entries chosen."""
    a, generator = astensor(a), _generator(rng, "choice")
    (axis,) = axes_of(axis, a.ndim, "random.choice") if a.ndim else (0,)
    count = a.shape[axis] if a.ndim else int(a)
    place = astensor(np.asarray(generator.choice(count, size, replace, _plain(p), shuffle=shuffle)))
    return take(a, place, axis) if a.ndim else place


def permutation(x: Any, axis: int = 0, *, rng: Rng = None) -> Tensor:
    """x with its entries along an axis in random order, gradients and all; or the whole numbers below x so."""
    x, generator = astensor(x), _generator(rng, "permutation")
    if not x.ndim:
        return astensor(generator.permutation(int(x)))
    (axis,) = axes_of(axis, x.ndim, "random.permutation")
    return take(x, generator.permutation(x.shape[axis]), axis)
