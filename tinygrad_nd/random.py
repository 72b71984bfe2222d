"""Random tensors: NumPy's distributions, with its numbers, and with gradients for the parameters where a sample is a formula of them.

Every function takes `size` (None: what the parameters broadcast to), `dtype` (None: that of floating parameters, else float64) and `rng`: a
`np.random.Generator`, a seed, or None for the generator that `seed` sets. The same generator gives the numbers that NumPy's method of the
same name gives. A sample z + loc or z * scale is differentiable in loc and scale for the z that was drawn (the reparameterisation); samples
that are no such formula are constants, and refuse parameters that require grad unless they are whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from .arguments import Rng, option, whole
from .elsewhere import hinting
from .kernels.words import shown
from .ops.choice import where
from .ops.elementwise import exp, expm1, sqrt
from .ops.index import take
from .ops.naming import P, named
from .ops.sampling import REQUIRED, constant, dtype_of, formula, generator, not_negative, seed, size_of
from .ops.shape import axis_of
from .ops.ufunc import bare
from .tensor import Tensor, astensor
from .values import numeric

__all__ = [
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chisquare", "choice", "dirichlet", "exponential", "f", "gamma",
    "geometric", "gumbel", "hypergeometric", "integers", "laplace", "logistic", "lognormal", "logseries", "multinomial",
    "multivariate_normal", "negative_binomial", "noncentral_chisquare", "noncentral_f", "normal", "pareto", "permutation", "poisson",
    "power", "random", "rayleigh", "seed", "standard_cauchy", "standard_exponential", "standard_gamma", "standard_normal", "standard_t",
    "triangular", "uniform", "vonmises", "wald", "weibull", "zipf",
]  # fmt: skip

globals()["__getattr__"] = hinting("random", __all__)


def _named(f: Callable[P, Tensor]) -> Callable[P, Tensor]:
    return named(f, "random.")


def _triangle(u: Tensor, left: Any, mode: Any, right: Any) -> Tensor:
    """The inverse of the distribution function, a parabola on either side of the mode."""
    base, rise = right - left, mode - left
    low = u.data <= np.asarray(rise / base)
    rising = left + sqrt(where(low, u, 0) * (rise * base))
    falling = right - sqrt(where(low, 0, 1 - u) * ((right - mode) * base))
    return where(low, rising, falling)  # type: ignore[no-any-return]


normal = formula("normal", "Normal of mean loc.", "standard_normal", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
uniform = formula("uniform", "Uniform from low to high.", "random", lambda u, low, high: low + (high - low) * u, low=0.0, high=1.0)
exponential = formula("exponential", "Exponential of mean scale.", "standard_exponential", lambda z, scale: scale * z, "scale", scale=1.0)
gumbel = formula("gumbel", "Gumbel.", "gumbel", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
laplace = formula("laplace", "Laplace.", "laplace", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
logistic = formula("logistic", "Logistic.", "logistic", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
cauchy = formula("cauchy", "Cauchy.", "standard_cauchy", lambda z, loc, scale: loc + scale * z, "scale", loc=0.0, scale=1.0)
lognormal = formula(
    "lognormal", "exp of a normal.", "standard_normal", lambda z, mean, sigma: exp(mean + sigma * z), "sigma", mean=0.0, sigma=1.0
)  # fmt: skip
rayleigh = formula("rayleigh", "Rayleigh.", "rayleigh", lambda z, scale: scale * z, "scale", scale=1.0)
weibull = formula("weibull", "Weibull of scale 1.", "standard_exponential", lambda z, a: z ** (1 / a), "a", a=REQUIRED)
pareto = formula("pareto", "Pareto of the second kind (Lomax).", "standard_exponential", lambda z, a: expm1(z / a), "a", a=REQUIRED)
power = formula(
    "power", "Of density a x ** (a - 1) on (0, 1).", "standard_exponential", lambda z, a: (-expm1(-z)) ** (1 / a), "a", a=REQUIRED
)
triangular = formula(
    "triangular", "Triangular, from left to right with its peak at mode.", "random", _triangle, left=REQUIRED, mode=REQUIRED, right=REQUIRED
)  # fmt: skip


standard_normal = constant("standard_normal", "Normal of mean 0 and variance 1.")
standard_exponential = constant("standard_exponential", "Exponential of mean 1.")
standard_cauchy = constant("standard_cauchy", "Cauchy of location 0 and scale 1.")
random = constant("random", "Uniform from 0 to 1.")
standard_gamma = constant("standard_gamma", "Gamma of scale 1.", shape=REQUIRED)
beta = constant("beta", "Beta.", a=REQUIRED, b=REQUIRED)
chisquare = constant("chisquare", "Chi-square: the sum of df squared normals.", df=REQUIRED)
noncentral_chisquare = constant("noncentral_chisquare", "Noncentral chi-square.", df=REQUIRED, nonc=REQUIRED)
f = constant("f", "F: the ratio of two chi-squares per degree of freedom.", dfnum=REQUIRED, dfden=REQUIRED)
noncentral_f = constant("noncentral_f", "Noncentral F.", dfnum=REQUIRED, dfden=REQUIRED, nonc=REQUIRED)
standard_t = constant("standard_t", "Student's t.", df=REQUIRED)
vonmises = constant("vonmises", "Von Mises, on the circle.", mu=REQUIRED, kappa=REQUIRED)
wald = constant("wald", "Wald, or inverse Gaussian.", mean=REQUIRED, scale=REQUIRED)
dirichlet = constant("dirichlet", "Dirichlet: fractions that sum to 1, along a new last axis.", alpha=REQUIRED)
binomial = constant("binomial", "How many of n trials succeed.", whole=True, n=REQUIRED, p=REQUIRED)
negative_binomial = constant("negative_binomial", "How many trials fail before n succeed.", whole=True, n=REQUIRED, p=REQUIRED)
geometric = constant("geometric", "How many trials until one succeeds.", whole=True, p=REQUIRED)
poisson = constant("poisson", "Poisson of mean lam.", whole=True, lam=1.0)
zipf = constant("zipf", "Zipf.", whole=True, a=REQUIRED)
logseries = constant("logseries", "Logarithmic series.", whole=True, p=REQUIRED)
hypergeometric = constant(
    "hypergeometric", "How many good ones are in a sample without replacement.", whole=True, ngood=REQUIRED, nbad=REQUIRED, nsample=REQUIRED
)  # fmt: skip
multinomial = constant(
    "multinomial", "How often each outcome occurs in n trials, along a new last axis.", whole=True, n=REQUIRED, pvals=REQUIRED
)


@_named
def gamma(shape: Any, scale: Any = 1.0, size: Any = None, *, dtype: Any = None, rng: Rng = None) -> Tensor:
    """Gamma. Differentiable in scale; a shape that requires grad is refused."""
    not_negative("gamma", "scale", scale)
    z: Tensor = standard_gamma(shape, size_of("gamma", size, [shape, scale]), dtype=dtype_of(dtype, [shape, scale]), rng=rng)
    sample = z * (astensor(scale) if np.ndim(scale) else scale)
    return sample if sample.dtype == z.dtype else sample.astype(z.dtype)


@_named
def multivariate_normal(mean: Any, cov: Any, size: Any = None, *, method: str = "svd", dtype: Any = None, rng: Rng = None) -> Tensor:
    """Normal vectors of the given covariance, along a new last axis. Differentiable in mean; a cov that requires grad is refused."""
    mean = astensor(mean)
    if isinstance(cov, Tensor) and cov.requires_grad:
        raise TypeError("random.multivariate_normal: not differentiable in cov; use mean + normal(size=...) @ linalg.cholesky(cov).mT")
    option("random.multivariate_normal", "method", method, ("svd", "eigh", "cholesky"))
    kind = dtype_of(dtype, [mean])
    source: Any = generator(rng, "random.multivariate_normal")
    z = astensor(source.multivariate_normal(np.zeros(mean.shape), bare(cov), size, method=method), kind)
    sample: Tensor = mean + z
    return sample if sample.dtype == kind else sample.astype(kind)


@_named
def integers(low: Any, high: Any = None, size: Any = None, *, dtype: Any = np.int64, endpoint: bool = False, rng: Rng = None) -> Tensor:
    """Whole numbers from low to below high (to high with `endpoint`), or from 0 to below low. Carries no gradient."""
    return astensor(generator(rng, "random.integers").integers(bare(low), bare(high), size, dtype, endpoint))


@_named
def bernoulli(p: Any = 0.5, size: Any = None, *, rng: Rng = None) -> Tensor:
    """True with probability p. Carries no gradient."""
    chance = numeric(bare(p), None, "bernoulli")
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(f"random.bernoulli: p must be from 0 to 1, but got {shown(p)}")
    return astensor(generator(rng, "random.bernoulli").random(chance.shape if size is None else size) < chance)


@_named
def categorical(p: Any, size: Any = None, *, axis: int = -1, rng: Rng = None) -> Tensor:
    """Places along an axis of p, with probabilities in proportion to its entries. Carries no gradient."""
    weights = np.moveaxis(numeric(bare(p), None, "categorical").astype(float), axis_of(axis, np.ndim(p), "random.categorical"), -1)
    if not weights.shape[-1]:
        raise ValueError(f"random.categorical: p {np.shape(bare(p))} has no entries along axis {axis}")
    reached = np.cumsum(weights, -1)
    if (weights < 0).any() or not ((reached[..., -1] > 0) & (reached[..., -1] < inf)).all():
        raise ValueError("random.categorical: p must be finite and not negative, and not all 0")
    u = generator(rng, "random.categorical").random(weights.shape[:-1] if size is None else size)
    return astensor((reached <= (u * reached[..., -1])[..., None]).sum(-1))


@_named
def choice(
    a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True, *, rng: Rng = None
) -> Tensor:
    """Entries of a along an axis (or of the whole numbers below it), chosen with probabilities p. Gradients go to the entries chosen."""
    a, source = astensor(a), generator(rng, "random.choice")
    axis = axis_of(axis, a.ndim, "random.choice") if a.ndim else 0
    count = a.shape[axis] if a.ndim else whole("random.choice", "a", a.item(), -inf)
    place = astensor(np.asarray(source.choice(count, size, replace, bare(p), shuffle=shuffle)))
    return take(a, place, axis) if a.ndim else place


@_named
def permutation(x: Any, axis: int = 0, *, rng: Rng = None) -> Tensor:
    """x with its entries along an axis in random order, gradients and all; or the whole numbers below x so."""
    x, source = astensor(x), generator(rng, "random.permutation")
    if not x.ndim:
        return astensor(source.permutation(whole("random.permutation", "x", x.item(), -inf)))
    axis = axis_of(axis, x.ndim, "random.permutation")
    return take(x, source.permutation(x.shape[axis]), axis)
