"""Every registered operation, held to the same facts on its sample rows."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from in_turn import in_turn
from samples import SAMPLES, Sample

import tinygrad_nd as nd
from tinygrad_nd.tape import OPS
from tinygrad_nd.testing import check_grads

DECLARED = set(OPS)  # before any test declares one
DIFFERENTIABLE = [s for s in SAMPLES if s.differentiable]
REAL = [s for s in DIFFERENTIABLE if s.keeps_dtype and all(a.dtype.kind == "f" for a in s.args)]
COMPLEX = [s for s in DIFFERENTIABLE if s.keeps_dtype and any(a.dtype.kind == "c" for a in s.args)]
MIXED = [s for s in REAL if len(s.args) > 1]
SINGLE = {"f": np.float32, "c": np.complex64}


def leaves(sample: Sample, dtype: type | None = None) -> list[nd.Tensor]:
    return [nd.tensor(a, dtype if a.dtype.kind == "f" else None, requires_grad=True) for a in sample.args]


def like(a: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    v = rng.standard_normal(a.shape)
    return np.asarray(v + 1j * rng.standard_normal(a.shape) if a.dtype.kind == "c" else v, a.dtype)


def test_every_operation_has_a_sample() -> None:
    assert DECLARED == {s.op for s in SAMPLES}


FACTS: dict[str, list[tuple[Callable[[Sample], None], Sample]]] = {}  # of each operation, and the row of which each is to hold


def fact_of(samples: list[Sample]) -> Callable[[Callable[[Sample], None]], Callable[[Sample], None]]:
    def noted(fact: Callable[[Sample], None]) -> Callable[[Sample], None]:
        for sample in samples:
            FACTS.setdefault(sample.op, []).append((fact, sample))
        return fact

    return noted


@fact_of(SAMPLES)
def sample_runs_the_operation_it_stands_for(sample: Sample) -> None:
    seen, stack = set(), [sample.f(*leaves(sample))._node] if sample.differentiable else []
    while stack:
        node = stack.pop()
        if node.op is not None:
            seen.add(node.op.name)
        stack += [p for p in node.parents if p is not None]
    assert sample.op in seen or not sample.differentiable


# ---- derivatives


@fact_of(DIFFERENTIABLE)
def derivatives_agree_with_differences(sample: Sample) -> None:
    check_grads(sample.f, list(sample.args), order=sample.order)


@fact_of([s for s in SAMPLES if s.linear])
def linear_operation_equals_the_transpose_of_its_vjp(sample: Sample) -> None:
    y, pull = nd.vjp(sample.f, *sample.args)
    g = like(y.data, 1)
    back = pull(g)
    assert np.vdot(g, y.data) == pytest.approx(sum(np.vdot(b.data, a) for a, b in zip(sample.args, back)), rel=1e-9, abs=1e-9)


@fact_of(DIFFERENTIABLE)
def pullback_is_linear_and_forward_mode_is_its_transpose(sample: Sample) -> None:
    y, pull = nd.vjp(sample.f, *sample.args)
    g, h = like(y.data, 1), like(y.data, 2)
    a, b, both = pull(g), pull(h), pull(2 * g - 3 * h)
    for p, q, r in zip(a, b, both):
        np.testing.assert_allclose(r.data, 2 * p.data - 3 * q.data, rtol=1e-8, atol=1e-8)
    tangents = [like(x, 3) for x in sample.args]
    _, moved = nd.jvp(sample.f, sample.args, tangents)
    inner = sum(np.vdot(p.data, t).real for p, t in zip(a, tangents))
    assert np.vdot(g, moved.data).real == pytest.approx(inner, rel=1e-8, abs=1e-8)


@fact_of([s for s in DIFFERENTIABLE if not s.op.endswith("_grad") and all(a.dtype.kind == "f" for a in s.args)])
def complex_operands_have_right_derivatives_or_are_refused(sample: Sample) -> None:
    args = [a + 0.3j * np.roll(a, 1) if a.ndim else a + 0.2j for a in sample.args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            y = sample.f(*(nd.tensor(a) for a in args))
        except TypeError as error:
            assert str(error)
            return
        if y.dtype.kind in "fc":
            check_grads(sample.f, args, order=sample.order)


# ---- dtypes: explicit ones stay, NumPy's promotion, and a gradient has the dtype of its tensor


@fact_of(REAL)
def dtype_is_kept_forward_and_back_and_in_second_derivatives(sample: Sample) -> None:
    for dtype in (np.float32, np.float16):
        xs = leaves(sample, dtype)
        y, moved = nd.jvp(sample.f, xs, [np.ones_like(x.data) for x in xs])
        assert y.dtype == moved.dtype == dtype
        y = sample.f(*xs)
        first = nd.gradients(y, xs, like(y.data, 1), create_graph=True)
        assert y.dtype == dtype and [g.dtype for g in first] == [dtype] * len(xs)
        live = [g for g in first if g.requires_grad]
        if live:
            with np.errstate(all="ignore"):  # halves cannot hold all of them
                second = nd.gradients(live, xs, [np.ones_like(g.data) for g in live])
            assert [g.dtype for g in second] == [dtype] * len(xs)


@fact_of(COMPLEX)
def complex64_stays_single_forward_and_back(sample: Sample) -> None:
    xs = [nd.tensor(a, SINGLE[a.dtype.kind], requires_grad=True) for a in sample.args]
    y = sample.f(*xs)
    assert y.dtype in (np.complex64, np.float32)
    y.backward(np.ones(y.shape, y.dtype))
    assert [x.grad.dtype for x in xs] == [x.dtype for x in xs]


@fact_of(MIXED)
def mixed_operands_promote_and_gradients_come_back_in_kind(sample: Sample) -> None:
    kinds = [np.float32, *[np.float64] * (len(sample.args) - 1)]
    xs = [nd.tensor(a, kind, requires_grad=True) for a, kind in zip(sample.args, kinds)]
    y = sample.f(*xs)
    assert y.dtype == (sample.f(*leaves(sample)).dtype if sample.promotes else np.float32)
    y.backward(np.ones(y.shape, y.dtype))
    assert [x.grad.dtype for x in xs] == kinds


@fact_of(REAL)
def float32_result_is_the_float64_result_rounded(sample: Sample) -> None:
    exact = sample.f(*sample_tensors(sample, np.float64)).data
    np.testing.assert_allclose(sample.f(*sample_tensors(sample, np.float32)).data, exact, rtol=2e-5, atol=2e-5)


# ---- memory


@fact_of(DIFFERENTIABLE)
def memory_order_of_operands_does_not_matter(sample: Sample) -> None:
    exact, expected = sample.f(*leaves(sample)), leaves(sample)
    sample.f(*expected).backward(np.ones(exact.shape, exact.dtype))
    strange = [nd.tensor(np.asfortranarray(a)[(slice(None, None, -1),) * a.ndim], requires_grad=True) for a in sample.args]
    turned = [x[(slice(None, None, -1),) * x.ndim] for x in strange]
    y = sample.f(*turned)
    np.testing.assert_allclose(y.data, exact.data, rtol=1e-10, atol=1e-10)
    y.backward(np.ones(y.shape, y.dtype))
    for x, e in zip(strange, expected):
        np.testing.assert_allclose(x.grad.data[(slice(None, None, -1),) * x.ndim], e.grad.data, rtol=1e-10, atol=1e-10)


@fact_of(DIFFERENTIABLE)
def operands_are_never_changed_and_results_are_read_only(sample: Sample) -> None:
    xs = leaves(sample)
    before = [x.data.copy() for x in xs]
    y = sample.f(*xs)
    y.backward(np.ones(y.shape, y.dtype))
    assert all(np.array_equal(x.data, b) for x, b in zip(xs, before))
    assert not y.data.flags.writeable


@fact_of([s for s in SAMPLES if not s.differentiable])
def operation_without_gradient_gives_a_constant(sample: Sample) -> None:
    assert not sample.f(*leaves(sample)).requires_grad


@pytest.mark.parametrize("op", FACTS)
def test_every_fact_of_an_operation(op: str) -> None:
    in_turn("fact, sample", FACTS[op])(lambda fact, sample: fact(sample))()


# ---- ufuncs: every kind of operand, without a row for each

UFUNCS = sorted({f.__name__ for f in vars(np).values() if isinstance(f, np.ufunc) and f.signature is None and "d->d" in " ".join(f.types)})
BINARY = sorted({f for f in UFUNCS if "dd->d" in getattr(np, f).types and hasattr(nd, f)})
UNARY = sorted({f for f in UFUNCS if "d->d" in getattr(np, f).types and hasattr(nd, f)})


@in_turn("name", BINARY)
def test_a_binary_ufunc_broadcasts_and_promotes_as_numpys_does(name: str) -> None:
    f, ufunc, rng = getattr(nd, name), getattr(np, name), np.random.default_rng(0)
    for left, right in (((3, 1), (1, 4)), ((4,), (3, 4)), ((), (2,)), ((0, 3), (3,)), ((2, 1, 0), (3, 1)), ((), ())):
        x, y = (nd.tensor(0.5 + rng.random(s), requires_grad=True) for s in (left, right))
        z, expected = f(x, y), ufunc(x.data, y.data)
        assert z.shape == expected.shape and z.dtype == expected.dtype
        np.testing.assert_allclose(z.data, expected, rtol=1e-14)
        if z.requires_grad:
            z.backward(np.ones(z.shape))
            assert x.grad.shape == left and y.grad.shape == right
    single, ints = np.array([0.5, 1.5], np.float32), np.array([1, 2], np.int32)
    for a, b in (
        (single, 2.0),
        (2.0, single),
        (single, 2),
        (single, np.float64(2)),
        (single, ints),
        (ints, 2.0),
        (ints, ints),
        (single, True),
    ):
        found = f(*(nd.tensor(v) if isinstance(v, np.ndarray) else v for v in (a, b)))
        assert found.dtype == ufunc(a, b).dtype, (a, b)


@in_turn("name", UNARY)
def test_a_unary_ufunc_takes_every_kind_of_operand(name: str) -> None:
    f, ufunc = getattr(nd, name), getattr(np, name)
    base = np.array([1.0, 1.5, 2.0]) if name == "arccosh" else np.array([0.25, 0.5, 0.75])
    for a in (base, base[1], base[:0], base[::-1], np.broadcast_to(base, (2, 3)), np.asfortranarray(np.stack([base, base]))):
        x = nd.tensor(a, requires_grad=True)
        y = f(x)
        assert y.shape == a.shape
        np.testing.assert_allclose(y.data, ufunc(a), rtol=1e-14)
        if y.requires_grad:
            y.backward(np.ones(a.shape))
            assert x.grad.shape == a.shape
    for kind in (np.float16, np.float32, np.int8, np.int64, np.bool_)[: 4 if name == "conjugate" else 5]:
        a = np.ones(2, kind) if name != "arctanh" else np.zeros(2, kind)
        try:
            expected = ufunc(a)
        except TypeError:
            with pytest.raises(TypeError):
                f(nd.tensor(a))
        else:
            assert f(nd.tensor(a)).dtype == expected.dtype


def sample_tensors(sample: Sample, dtype: type) -> list[nd.Tensor]:
    return [nd.tensor(a, dtype) for a in sample.args]
