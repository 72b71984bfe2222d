"""The other peers: mygrad, autograd and JAX."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from time import perf_counter
from typing import Any

import numpy as np

from .engines import Array, Tape, Unsupported
from .workloads import per_axis

PATCHES = 2**28  # the most floats that mygrad's patches of a convolution may hold: one gigabyte


class MyGrad(Tape):
    def __init__(self) -> None:
        import mygrad
        from mygrad import nnet

        sys.setrecursionlimit(10**6)
        self.mg, self.nnet, self.version = mygrad, nnet, mygrad.__version__
        self.relu, self.softmax, self.cross_entropy = nnet.relu, nnet.softmax, nnet.softmax_crossentropy

    def no_grad(self) -> AbstractContextManager[Any]:
        return self.mg.no_autodiff

    def tensor(self, a: Array, image: bool = False, grad: bool = False) -> Any:
        return self.mg.tensor(a, constant=not grad)

    def set(self, t: Any, a: Array) -> None:
        t.data[...] = a

    def array(self, t: Any, image: bool = False) -> Array:
        return np.asarray(t)

    def train(self, f: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], g: Any) -> tuple[Any, list[Any], float | None]:
        return super().train(f, arguments, wanted, None if g is None else g.data)

    def clear(self, arguments: Sequence[Any]) -> None:
        for a in arguments:
            a.null_grad()

    def optimiser(self, parameters: Sequence[Any]) -> Callable[[], None]:
        velocities = [np.zeros_like(p.data) for p in parameters]

        def step() -> None:
            for p, v in zip(parameters, velocities):
                v *= 0.9
                v += p.grad
                p.data -= np.float32(1e-4) * v

        return step

    def conv(self, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
        if groups > 1 or padding == "causal":
            raise Unsupported("no groups, no causal padding")
        if np.prod(x.shape, dtype=float) * np.prod(w.shape[2:]) > PATCHES * np.prod(stride) ** (x.ndim - 2):
            raise Unsupported("its patches would take over a gigabyte")
        y = self.nnet.conv_nd(x, w, stride=stride, padding=padding, dilation=dilation)
        return y if b is None else y + b.reshape(-1, *(1,) * (x.ndim - 2))

    def max_pool(self, x: Any, kernel: int, stride: int) -> Any:
        return self.nnet.max_pool(x, (kernel,) * (x.ndim - 2), stride)

    def batch_norm(self, x: Any, w: Any, b: Any) -> Any:
        return self.nnet.batchnorm(x, gamma=w, beta=b, eps=1e-5)

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return self.mg.matmul(x, w.T) + b

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def spatial_mean(self, x: Any) -> Any:
        return x.mean(axis=tuple(range(2, x.ndim)))


class Functional:
    """What JAX and autograd share: arrays, and gradients of functions."""

    def tensor(self, a: Array, image: bool = False, grad: bool = False) -> Any:
        return np.array(a)

    def array(self, t: Any, image: bool = False) -> Array:
        return np.asarray(t)

    def clear(self, arguments: Sequence[Any]) -> None: ...


class Autograd(Functional):
    """Operators alone: it has no convolutions or networks of its own that anyone would call fast."""

    def __init__(self) -> None:
        import autograd

        sys.setrecursionlimit(10**6)
        self.make_vjp, self.version = autograd.make_vjp, metadata.version("autograd")

    def set(self, t: Array, a: Array) -> None:
        t[...] = a

    def forward(self, f: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        return f(*arguments)

    def train(self, f: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], g: Any) -> tuple[Any, list[Any], float | None]:
        vjp, y = self.make_vjp(f, tuple(wanted))(*arguments)
        middle = perf_counter()
        return y, vjp(g), middle


class Jax(Functional):
    """Compiled by jit as a whole: the forward, or the forward with all its gradients."""

    def __init__(self) -> None:
        import jax

        self.jax, self.version, self.compiled = jax, jax.__version__, {}
        self.relu, self.softmax = jax.nn.relu, jax.nn.softmax

    def tensor(self, a: Array, image: bool = False, grad: bool = False) -> Any:
        return self.jax.numpy.asarray(a)

    def set(self, t: Any, a: Array) -> None: ...  # values do not change

    def forward(self, f: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        return self.jax.block_until_ready(self._once("forward", f, lambda: f)(*arguments))

    def train(self, f: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], g: Any) -> tuple[Any, list[Any], float | None]:
        def whole() -> Callable[..., Any]:
            def both(g: Any, *arguments: Any) -> Any:
                y, vjp = self.jax.vjp(f, *arguments)
                gradients = vjp(g)
                return y, [gradients[i] for i in wanted]

            return both

        y, gradients = self.jax.block_until_ready(self._once("train", f, whole)(g, *arguments))
        return y, gradients, None

    def _once(self, what: str, f: Callable[..., Any], make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if (what, f) not in self.compiled:
            self.compiled = {(what, f): self.jax.jit(make())}
        return self.compiled[what, f]

    def conv(self, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
        rank = x.ndim - 2
        d = per_axis(dilation, rank)
        pads = [(dilation * (w.shape[-1] - 1), 0)] if padding == "causal" else [(p, p) for p in per_axis(padding, rank)]
        plain = self.jax.lax.ConvDimensionNumbers(*(tuple(range(rank + 2)),) * 3)
        y = self.jax.lax.conv_general_dilated(
            x, w, per_axis(stride, rank), pads, rhs_dilation=d, dimension_numbers=plain, feature_group_count=groups
        )
        return y if b is None else y + b.reshape(-1, *(1,) * rank)

    def max_pool(self, x: Any, kernel: int, stride: int) -> Any:
        lead = (1, 1)
        window, steps = (*lead, *(kernel,) * (x.ndim - 2)), (*lead, *(stride,) * (x.ndim - 2))
        return self.jax.lax.reduce_window(x, -np.inf, self.jax.lax.max, window, steps, "VALID")

    def gelu(self, x: Any) -> Any:
        return self.jax.nn.gelu(x, approximate=False)
