"""Random tensors: NumPy's numbers from NumPy's generators, and gradients where a sample is a formula of the parameters."""

import numpy as np
import pytest
from in_turn import in_turn

import tinygrad_nd as nd

LOC, SCALE = np.array([0.5, -1.0, 2.0]), np.array([[0.5], [2.0]])
FORMULAS = {  # parameters that broadcast, all differentiable
    "normal": (LOC, SCALE),
    "uniform": (LOC, SCALE + 3),
    "exponential": (SCALE,),
    "gumbel": (LOC, SCALE),
    "laplace": (LOC, SCALE),
    "logistic": (LOC, SCALE),
    "lognormal": (LOC, SCALE),
    "rayleigh": (SCALE,),
    "weibull": (SCALE,),
    "pareto": (SCALE + 1,),
    "power": (SCALE,),
    "triangular": (LOC, LOC + SCALE, LOC + 2 * SCALE + 0.5),
}
CONSTANTS = {
    "standard_normal": (),
    "standard_exponential": (),
    "standard_cauchy": (),
    "random": (),
    "standard_gamma": (SCALE,),
    "beta": (SCALE, 1.5),
    "chisquare": (3.0,),
    "noncentral_chisquare": (3.0, 1.0),
    "f": (3.0, 4.0),
    "noncentral_f": (3.0, 4.0, 1.0),
    "standard_t": (4.0,),
    "vonmises": (0.0, 2.0),
    "wald": (1.0, 2.0),
    "dirichlet": ([1.0, 2.0, 3.0],),
    "binomial": (10, 0.3),
    "negative_binomial": (4, 0.3),
    "geometric": (0.3,),
    "poisson": (2.5,),
    "zipf": (3.0,),
    "logseries": (0.3,),
    "hypergeometric": (10, 5, 4),
    "multinomial": (10, [0.2, 0.3, 0.5]),
    "gamma": (SCALE, LOC**2),
    "integers": (3, 9),
}


@in_turn("name", {**FORMULAS, **CONSTANTS})
def test_numbers_are_numpys(name):
    parameters = {**FORMULAS, **CONSTANTS}[name]
    for size in (None, (4, 2, 3)):
        expected = getattr(np.random.default_rng(7), name)(*parameters, size=size)
        found = getattr(nd.random, name)(*parameters, size=size, rng=np.random.default_rng(7))
        assert isinstance(found, nd.Tensor) and found.shape == np.shape(expected) and found.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found.data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(getattr(nd.random, name)(*parameters, rng=7).data, getattr(nd.random, name)(*parameters, rng=7).data)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_differentiable_in_every_parameter(name):
    nd.testing.check_grads(lambda *p: getattr(nd.random, name)(*p, rng=3), list(FORMULAS[name]), order=2)
    nd.testing.check_grads(lambda *p: getattr(nd.random, name)(*p, size=(4, 2, 3), rng=3), list(FORMULAS[name]), order=2)


def test_cauchy_is_a_standard_one_moved_and_scaled():
    z = np.random.default_rng(0).standard_cauchy((2, 3))
    np.testing.assert_allclose(nd.random.cauchy(LOC, SCALE, rng=0).data, LOC + SCALE * z)
    nd.testing.check_grads(lambda *p: nd.random.cauchy(*p, rng=3), [LOC, SCALE])


def test_gamma_is_differentiable_in_its_scale_only():
    nd.testing.check_grads(lambda s: nd.random.gamma(2.5, s, rng=3), [LOC**2])
    with pytest.raises(TypeError, match="not differentiable in shape"):
        nd.random.gamma(nd.tensor(2.5, requires_grad=True), 1.0)


@pytest.mark.parametrize("name", ["standard_gamma", "beta", "chisquare", "standard_t", "dirichlet", "vonmises"])
def test_what_is_no_formula_refuses_parameters_that_require_grad(name):
    first = nd.tensor(np.array([1.5, 2.5]), requires_grad=True)
    with pytest.raises(TypeError, match=f"random.{name}: not differentiable"):
        getattr(nd.random, name)(first, *CONSTANTS[name][1:])
    assert getattr(nd.random, name)(first.detach(), *CONSTANTS[name][1:], rng=0).shape == (2,)


def test_whole_numbers_carry_no_gradient():
    p = nd.tensor([0.2, 0.7], requires_grad=True)
    for t in (nd.random.poisson(p), nd.random.bernoulli(p), nd.random.categorical(p), nd.random.binomial(5, p), nd.random.geometric(p)):
        assert not t.requires_grad and t.dtype.kind in "ib"


def test_the_dtype_is_the_parameters_or_as_asked():
    loc = nd.tensor(np.float32([1, 2]), requires_grad=True)
    sample = nd.random.normal(loc, 2.0)
    assert sample.dtype == np.float32 and sample.requires_grad
    sample.sum().backward()
    assert loc.grad.tolist() == [1, 1]
    assert nd.random.normal().dtype == np.float64 and nd.random.normal(dtype=np.float32).dtype == np.float32
    assert nd.random.uniform(size=3, dtype=np.float16).dtype == np.float16
    assert nd.random.poisson(3.0, dtype=np.int32).dtype == np.int32 and nd.random.integers(5, dtype=np.int8).dtype == np.int8


def test_seed_starts_the_default_generator_over():
    nd.random.seed(5)
    first = nd.random.normal(size=4).tolist()
    assert nd.random.normal(size=4).tolist() != first
    nd.random.seed(5)
    assert nd.random.normal(size=4).tolist() == first == np.random.default_rng(5).normal(size=4).tolist()
    nd.random.seed()
    assert nd.random.normal(size=4).tolist() != first


@pytest.mark.parametrize(
    "make",
    [
        lambda: nd.init.he_normal((3, 4)),
        lambda: nd.nn.Linear(3, 4).weight,
        lambda: nd.nn.LSTM(3, 4).weight_ih_l0,
        lambda: nd.nn.Dropout(0.5)(np.ones(50)),
        lambda: np.concatenate(list(nd.data.batches(np.arange(50), 8, shuffle=True))),
        lambda: nd.data.train_test_split(np.arange(50))[0],
        lambda: nd.data.augment.noise(np.ones(50), None, 0.1),
    ],
    ids=["init", "layer", "recurrent", "dropout", "batches", "split", "augment"],
)
def test_what_is_made_without_a_generator_follows_from_the_seed(make):
    nd.random.seed(5)
    first, second = np.array(make()), np.array(make())
    nd.random.seed(5)
    assert np.array_equal(make(), first) and np.array_equal(make(), second) and not np.array_equal(first, second)
    nd.random.seed()
    assert not np.array_equal(make(), first)


def test_choice_and_permutation_are_numpys_and_hand_their_gradient_to_the_entries():
    a = np.arange(12.0).reshape(4, 3)
    for axis in (0, 1):
        np.testing.assert_array_equal(nd.random.permutation(a, axis, rng=1).data, np.random.default_rng(1).permutation(a, axis))
        np.testing.assert_array_equal(nd.random.choice(a, 5, axis=axis, rng=1).data, np.random.default_rng(1).choice(a, 5, axis=axis))
    np.testing.assert_array_equal(nd.random.permutation(9, rng=1).data, np.random.default_rng(1).permutation(9))
    np.testing.assert_array_equal(nd.random.permutation(a[:, 0], rng=1).data, np.random.default_rng(1).permutation(a[:, 0]))
    for options in ({}, dict(replace=False), dict(p=[0.1, 0.2, 0.3, 0.4]), dict(replace=False, shuffle=False)):
        np.testing.assert_array_equal(nd.random.choice(4, (3,), **options, rng=1).data, np.random.default_rng(1).choice(4, (3,), **options))
    assert nd.random.choice(a[:, 0], rng=1).item() == np.random.default_rng(1).choice(a[:, 0])
    x = nd.tensor(a, requires_grad=True)
    nd.random.choice(x, 7, rng=0).sum().backward()
    assert x.grad.data.sum() == 21
    nd.testing.check_grads(lambda x: nd.random.permutation(x, rng=0) ** 2, [a])


def test_multivariate_normal_is_differentiable_in_its_mean():
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    for method in ("svd", "eigh", "cholesky"):
        expected = np.random.default_rng(2).multivariate_normal([1.0, 2.0], cov, (3,), method=method)
        np.testing.assert_allclose(nd.random.multivariate_normal([1.0, 2.0], cov, (3,), method=method, rng=2).data, expected)
    nd.testing.check_grads(lambda m: nd.random.multivariate_normal(m, cov, 4, rng=0), [np.array([1.0, 2.0])])
    with pytest.raises(TypeError, match="not differentiable in cov"):
        nd.random.multivariate_normal([0.0, 0.0], nd.tensor(cov, requires_grad=True))


def test_categorical_draws_in_proportion():
    p = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    drawn = nd.random.categorical(p, (4000, 2), rng=0).data
    assert set(drawn[:, 1]) == {1} and abs((drawn[:, 0] == 2).mean() - 0.75) < 0.03
    assert nd.random.categorical(p.T, axis=0, rng=0).shape == (2,)
    assert abs(nd.random.bernoulli(0.3, 4000, rng=0).data.mean() - 0.3) < 0.03


@in_turn(
    "call, error, words",
    [
        (lambda: nd.random.normal(0.0, -1.0), ValueError, ["random.normal", "scale", "-1"]),
        (lambda: nd.random.normal(np.zeros(3), 1.0, size=2), ValueError, ["random.normal"]),
        (lambda: nd.random.normal(np.zeros(3), 1.0, size=(3, 1)), ValueError, ["random.normal", "(3, 1)"]),
        (lambda: nd.random.normal(rng="a"), TypeError, ["random.normal", "str"]),
        (lambda: nd.random.normal(mean=0), TypeError, ["random.normal", "mean"]),
        (lambda: nd.random.poisson(-1.0), ValueError, ["random.poisson"]),
        (lambda: nd.random.bernoulli(1.5), ValueError, ["random.bernoulli", "1.5"]),
        (lambda: nd.random.categorical([-1.0, 2.0]), ValueError, ["random.categorical"]),
        (lambda: nd.random.categorical([1.0, np.inf]), ValueError, ["random.categorical", "finite"]),
        (lambda: nd.random.choice(2.5), TypeError, ["random.choice", "a must be an int", "2.5"]),
        (lambda: nd.random.permutation(2.5), TypeError, ["random.permutation", "x must be an int", "2.5"]),
        (lambda: nd.random.categorical(np.ones((2, 0))), ValueError, ["random.categorical", "(2, 0)", "axis -1"]),
        (lambda: nd.random.weibull(), TypeError, ["random.weibull", "a"]),
        (lambda: nd.random.normal(["a"]), TypeError, ["needs numbers"]),
    ],
)
def test_a_malformed_call_says_so(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_dropout_without_a_generator_takes_the_one_that_is_seeded():
    x = np.ones((4, 5), np.float32)
    for drop in (nd.dropout, nd.dropout_nd, nd.alpha_dropout):
        nd.random.seed(3)
        first, second = drop(x), drop(x)
        nd.random.seed(3)
        np.testing.assert_array_equal(drop(x).data, first.data)
        np.testing.assert_array_equal(drop(x).data, second.data)
    with pytest.raises(TypeError, match=r"^dropout: rng must be"):
        nd.dropout(x, rng="seed")
