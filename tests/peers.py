"""One function in two libraries: values, gradients and second derivatives must be the same."""

import numpy as np

import tinygrad_nd as nd

QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # compiling takes most of JAX's time


def equal_torch(f, theirs, arrays, order=2, tol=1e-10, name=""):
    """f of tensors of ours equals `theirs` of PyTorch's, with derivatives up to `order`, in random directions."""
    import torch

    inputs = [torch.tensor(a, requires_grad=order > 0) for a in arrays]
    y = theirs(*inputs)
    u, vs = _directions(tuple(y.shape), arrays)
    found = [y.detach().numpy()]
    if order >= 1:
        first = torch.autograd.grad(y, inputs, torch.tensor(u), create_graph=order > 1)
        found += [g.detach().numpy() for g in first]
    if order >= 2:
        slope = sum((g * torch.tensor(v)).sum() for g, v in zip(first, vs))
        second = torch.autograd.grad(slope, inputs, allow_unused=True) if slope.requires_grad else [None] * len(inputs)
        found += [np.zeros(a.shape) if g is None else g.numpy(force=True) for g, a in zip(second, arrays)]
    _compare(f, arrays, found, order, tol, name)


def equal_jax(f, theirs, arrays, order=2, tol=1e-10, name=""):
    """f of tensors of ours equals `theirs` of JAX's, with derivatives up to `order`, in random directions."""
    import jax
    import jax.numpy as jnp

    inputs = tuple(map(jnp.asarray, arrays))
    every = tuple(range(len(inputs)))
    u, vs = _directions(jax.eval_shape(theirs, *inputs).shape, arrays)
    first = jax.grad(lambda *xs: jnp.vdot(u, theirs(*xs)), every)
    second = jax.grad(lambda *xs: sum(jnp.vdot(g, v) for g, v in zip(first(*xs), vs)), every)
    parts = (lambda *xs: [theirs(*xs)], first, second)[: order + 1]
    found = jax.jit(lambda *xs: [a for part in parts for a in part(*xs)], compiler_options=QUICK)(*inputs)
    _compare(f, arrays, list(map(np.asarray, found)), order, tol, name)


def _directions(shape, arrays):
    rng = np.random.default_rng(7)
    return rng.standard_normal(shape), [rng.standard_normal(a.shape) for a in arrays]


def _compare(f, arrays, expected, order, tol, name):
    tensors = [nd.tensor(a, requires_grad=True) for a in arrays]
    y = f(*tensors)
    u, vs = _directions(y.shape, arrays)
    found = [y]
    if order >= 1:
        first = nd.gradients([y], tensors, [nd.tensor(u)], create_graph=order > 1)
        found += first
    if order >= 2:
        slope = sum((g * v).sum() for g, v in zip(first, vs))
        found += nd.gradients(slope, tensors) if slope.requires_grad else [nd.zeros(a.shape) for a in arrays]
    what = ["value", *(f"gradient {i}" for i in range(len(arrays))), *(f"second derivative {i}" for i in range(len(arrays)))]
    for part, a, b in zip(what, found, expected):
        assert a.shape == b.shape, f"{name} {part}: {a.shape}, not {b.shape}"
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a.data, b, rtol=tol, atol=tol * scale, err_msg=f"{name} {part}")
