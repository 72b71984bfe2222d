"""Every registered operation, held to the same facts on its sample rows."""

import numpy as np
import pytest
from samples import SAMPLES, Sample

import tinygrad_nd as nd
from tinygrad_nd.tape import OPS
from tinygrad_nd.testing import check_grads

DIFFERENTIABLE = [s for s in SAMPLES if s.differentiable]
REAL = [s for s in DIFFERENTIABLE if s.keeps_dtype and all(a.dtype.kind == "f" for a in s.args)]


def named(samples: list[Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", samples, ids=[f"{i}-{s.op}" for i, s in enumerate(samples)])


def leaves(sample: Sample, dtype: type | None = None) -> list[nd.Tensor]:
    return [nd.tensor(a, dtype if a.dtype.kind == "f" else None, requires_grad=True) for a in sample.args]


def test_every_operation_has_a_sample() -> None:
    assert set(OPS) == {s.op for s in SAMPLES}


@named(SAMPLES)
def test_sample_runs_the_operation_it_stands_for(sample: Sample) -> None:
    seen, stack = set(), [sample.f(*leaves(sample))._node] if sample.differentiable else []
    while stack:
        node = stack.pop()
        if node.op is not None:
            seen.add(node.op.name)
        stack += [p for p in node.parents if p is not None]
    assert sample.op in seen or not sample.differentiable


@named(DIFFERENTIABLE)
def test_derivatives_agree_with_differences(sample: Sample) -> None:
    check_grads(sample.f, list(sample.args), order=sample.order)


@named([s for s in SAMPLES if s.linear])
def test_linear_operation_equals_the_transpose_of_its_vjp(sample: Sample) -> None:
    y, pull = nd.vjp(sample.f, *sample.args)
    g = np.random.default_rng(1).standard_normal(y.shape)
    back = pull(g)
    assert np.vdot(g, y.data) == pytest.approx(sum(np.vdot(b.data, a) for a, b in zip(sample.args, back)), rel=1e-9, abs=1e-9)


@named(REAL)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_dtype_is_kept_forward_and_back(sample: Sample, dtype: type) -> None:
    xs = leaves(sample, dtype)
    y = sample.f(*xs)
    assert y.dtype == dtype
    y.backward(np.ones(y.shape, dtype))
    assert [x.grad.dtype for x in xs] == [dtype] * len(xs)


@named(REAL)
def test_float32_result_is_the_float64_result_rounded(sample: Sample) -> None:
    exact = sample.f(*sample_tensors(sample, np.float64)).data
    np.testing.assert_allclose(sample.f(*sample_tensors(sample, np.float32)).data, exact, rtol=2e-5, atol=2e-5)


@named(DIFFERENTIABLE)
def test_memory_order_of_operands_does_not_matter(sample: Sample) -> None:
    exact, expected = sample.f(*leaves(sample)), leaves(sample)
    sample.f(*expected).backward(np.ones(exact.shape, exact.dtype))
    strange = [nd.tensor(np.asfortranarray(a)[(slice(None, None, -1),) * a.ndim], requires_grad=True) for a in sample.args]
    turned = [x[(slice(None, None, -1),) * x.ndim] for x in strange]
    y = sample.f(*turned)
    np.testing.assert_allclose(y.data, exact.data, rtol=1e-10, atol=1e-10)
    y.backward(np.ones(y.shape, y.dtype))
    for x, e in zip(strange, expected):
        np.testing.assert_allclose(x.grad.data[(slice(None, None, -1),) * x.ndim], e.grad.data, rtol=1e-10, atol=1e-10)


@named(DIFFERENTIABLE)
def test_operands_are_never_changed_and_results_are_read_only(sample: Sample) -> None:
    xs = leaves(sample)
    before = [x.data.copy() for x in xs]
    y = sample.f(*xs)
    y.backward(np.ones(y.shape, y.dtype))
    assert all(np.array_equal(x.data, b) for x, b in zip(xs, before))
    assert not y.data.flags.writeable


@named([s for s in SAMPLES if not s.differentiable])
def test_operation_without_gradient_gives_a_constant(sample: Sample) -> None:
    assert not sample.f(*leaves(sample)).requires_grad


def sample_tensors(sample: Sample, dtype: type) -> list[nd.Tensor]:
    return [nd.tensor(a, dtype) for a in sample.args]
