import numpy as np
import pytest

from tinygrad_nd import init

SCALED = {  # variance for fan_in 54 and fan_out 90
    "he": 2 / 54,
    "glorot": 2 / (54 + 90),
    "lecun": 1 / 54,
}
SHAPE = (10, 6, 3, 3)
FAMILY = [f"{family}_{kind}" for family in SCALED for kind in ("normal", "uniform")]
ALL = [getattr(init, name) for name in init.__all__]


@pytest.mark.parametrize("name", FAMILY)
def test_variance_follows_the_fans(name):
    many = np.stack([getattr(init, name)(SHAPE, dtype="f8", rng=seed) for seed in range(200)])
    expected = SCALED[name.split("_")[0]]
    assert abs(many.mean()) < 4 * np.sqrt(expected / many.size)
    assert many.var() == pytest.approx(expected, rel=0.03)
    if name.endswith("uniform"):
        assert np.abs(many).max() <= np.sqrt(3 * expected)


@pytest.mark.parametrize("spatial", [(), (5,), (5, 4), (2, 3, 4), (2, 2, 3, 3), (1, 2, 3, 1, 2)])
def test_fans_at_any_rank(spatial):
    window = int(np.prod(spatial))
    assert init.fans((7, 3, *spatial)) == (3 * window, 7 * window)


@pytest.mark.parametrize("f", ALL, ids=init.__all__)
def test_signature_dtype_and_seed(f):
    shape = (4, 3, 2)
    assert type(f(shape)) is np.ndarray
    assert f(shape).shape == shape
    assert f(shape).dtype == np.float32
    assert f(shape, dtype=np.float64).dtype == np.float64
    assert f(list(shape), rng=7).tolist() == f(shape, rng=np.random.default_rng(7)).tolist()


def test_a_generator_advances():
    rng = np.random.default_rng(0)
    assert (init.normal(5, rng=rng) != init.normal(5, rng=rng)).all()


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (6, 2, 3), (30, 2, 3, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    w = init.orthogonal(shape, gain=2.0, dtype="f8", rng=0).reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("spatial", [(3,), (3, 5)])
def test_dirac_copies_its_input(groups, spatial):
    w = init.dirac((4, 4 // groups, *spatial), groups=groups)
    assert w.sum() == 4
    x = np.random.default_rng(0).standard_normal((4, *spatial))  # one window: its middle is the output
    middle = tuple(k // 2 for k in spatial)
    for m in range(4):
        group = x[m // (4 // groups) * (4 // groups) :][: 4 // groups]
        assert np.sum(w[m] * group) == x[(m, *middle)]


def test_truncated_normal_stays_inside_and_keeps_its_shape():
    z = init.truncated_normal(20000, mean=1.0, std=0.5, low=-2, high=1, dtype="f8", rng=0)
    assert z.min() >= 0.0 and z.max() <= 1.5
    assert np.mean(z < 1.0) == pytest.approx((0.5 - 0.02275) / (0.84134 - 0.02275), abs=0.01)


def test_plain_ones():
    assert init.zeros(3).tolist() == [0, 0, 0]
    assert init.constant((1, 2), 0.5).tolist() == [[0.5, 0.5]]
    u = init.uniform(1000, low=2, high=3, rng=0)
    assert 2 <= u.min() and u.max() < 3
    n = init.normal(10000, mean=3, std=0.1, rng=0)
    assert n.mean() == pytest.approx(3, abs=0.01) and n.std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("name", FAMILY)
def test_an_empty_fan_is_no_division_by_zero(name):
    assert getattr(init, name)((0, 0, 3)).shape == (0, 0, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.he_normal((5,)), ValueError, r"he_normal: .*\(5,\) has 1 axes"),
        (lambda: init.he_normal((5, -1)), ValueError, "negative"),
        (lambda: init.he_normal((2**40, 2**40)), ValueError, "he_normal: no memory has a place"),
        (lambda: init.he_normal((5, 2), dtype=int), TypeError, "int64"),
        (lambda: init.he_normal((5, 2), dtype=complex), TypeError, "complex128"),
        (lambda: init.he_normal((5, 2), rng="x"), TypeError, "Generator"),
        (lambda: init.normal(3, std=-1), ValueError, "std=-1"),
        (lambda: init.uniform(3, low=2, high=1), ValueError, "low=2"),
        (lambda: init.dirac((3, 3), groups=2), ValueError, "groups=2"),
        (lambda: init.truncated_normal(3, low=1, high=1), ValueError, "low=1"),
        (lambda: init.truncated_normal(3, std=-1), ValueError, "std=-1"),
    ],
)
def test_errors_say_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()
