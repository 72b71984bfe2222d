"""One class per library, all with the same few operations. A process makes one of them, so that no two share threads.

An engine's `train(f, arguments, wanted, g)` does what its users do: record f(*arguments), then fetch the gradients of arguments[i] for i
in wanted with the cotangent g. It returns (result, gradients, the instant between the two, or None if the library does not separate them).
What a library lacks is a missing attribute, or Unsupported: a note on the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any

import numpy as np

from .workloads import per_axis

Array = np.ndarray


class Unsupported(Exception):
    pass


def make(name: str) -> Any:
    """name: library, or library:last for channels last; nd-numpy is nd in an environment that says so."""
    library, _, layout = name.partition(":")
    if library in ("nd", "nd-numpy"):
        return Nd(layout == "last")
    if library == "torch":
        return Torch(layout == "last")
    from . import peers  # which builds on this file

    return {"mygrad": peers.MyGrad, "autograd": peers.Autograd, "jax": peers.Jax}[library]()


class Tape:
    """What tinygrad_nd, PyTorch and mygrad share: leaves that collect gradients."""

    def no_grad(self) -> AbstractContextManager[Any]:
        raise NotImplementedError

    def forward(self, f: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        with self.no_grad():
            return f(*arguments)

    def train(self, f: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], g: Any) -> tuple[Any, list[Any], float | None]:
        y = f(*arguments)
        middle = perf_counter()
        y.backward() if g is None else y.backward(g)
        return y, [arguments[i].grad for i in wanted], middle

    def clear(self, arguments: Sequence[Any]) -> None:
        for a in arguments:
            a.grad = None

    def transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.transpose(axes)


class Nd(Tape):
    """tinygrad_nd; `last` takes and gives (N, *n, C)."""

    def __init__(self, last: bool) -> None:
        import tinygrad_nd as nd

        self.nd, self.last = nd, last
        self.layout = {"layout": "N*C"} if last else {}
        self.version = f"engine {nd.engine()}"
        self.no_grad, self.relu, self.linear, self.cross_entropy = nd.no_grad, nd.relu, nd.linear, nd.cross_entropy

    def tensor(self, a: Array, image: bool = False, grad: bool = False) -> Any:
        return self.nd.tensor(np.ascontiguousarray(np.moveaxis(a, 1, -1)) if image and self.last else a, requires_grad=grad)

    def set(self, t: Any, a: Array) -> None:
        t.data = a

    def array(self, t: Any, image: bool = False) -> Array:
        return np.moveaxis(t.data, -1, 1) if image and self.last else t.data

    def optimiser(self, parameters: Sequence[Any]) -> Callable[[], None]:
        return self.nd.optim.SGD(parameters, 1e-4, momentum=0.9).step

    def conv(self, x: Any, w: Any, b: Any = None, **options: Any) -> Any:
        return self.nd.conv_nd(x, w, b, **options, **self.layout)

    def conv_transpose(self, x: Any, w: Any, **options: Any) -> Any:
        return self.nd.conv_transpose_nd(x, w, **options, **self.layout)

    def max_pool(self, x: Any, kernel: int, stride: int) -> Any:
        return self.nd.max_pool_nd(x, kernel, stride, **self.layout)

    def avg_pool(self, x: Any, kernel: int, stride: int) -> Any:
        return self.nd.avg_pool_nd(x, kernel, stride, **self.layout)

    def spatial_mean(self, x: Any) -> Any:
        return x.mean(tuple(range(1, x.ndim - 1) if self.last else range(2, x.ndim)))

    def flatten(self, x: Any) -> Any:
        return (self.nd.moveaxis(x, -1, 1) if self.last else x).reshape((x.shape[0], -1))

    def softmax(self, x: Any) -> Any:
        return self.nd.softmax(x, axis=-1)

    def gelu(self, x: Any) -> Any:
        return self.nd.gelu(x)

    def layer_norm(self, x: Any, w: Any, b: Any) -> Any:
        return self.nd.layer_norm(x, w.shape, w, b)

    def batch_norm(self, x: Any, w: Any, b: Any) -> Any:
        return self.nd.batch_norm(x, np.zeros(w.shape, np.float32), np.ones(w.shape, np.float32), w, b, training=True, **self.layout)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        return self.nd.scaled_dot_product_attention(q, k, v, causal=True)

    def drawn(self, y: Any) -> str:
        return self.nd.draw(y).dot


class Torch(Tape):
    """PyTorch, eager; `last` is its channels_last memory format, and a 1-D convolution is then a 2-D one of a single row."""

    def __init__(self, last: bool) -> None:
        import torch
        from torch.nn import functional

        self.torch, self.F, self.last, self.version = torch, functional, last, torch.__version__
        self.no_grad, self.relu, self.gelu, self.linear = torch.no_grad, torch.relu, functional.gelu, functional.linear

    def tensor(self, a: Array, image: bool = False, grad: bool = False) -> Any:
        t = self.torch.from_numpy(np.array(a))
        if self.last and a.ndim > 5:
            raise Unsupported("channels_last ends at three spatial axes")
        if self.last and a.ndim > 2:
            t = t.unsqueeze(2) if a.ndim == 3 else t
            t = t.to(memory_format=self.torch.channels_last if t.ndim == 4 else self.torch.channels_last_3d)
        return t.requires_grad_(grad)

    def set(self, t: Any, a: Array) -> None:
        with self.no_grad():
            t.copy_(self.torch.from_numpy(a).reshape(t.shape))

    def array(self, t: Any, image: bool = False) -> Array:
        return t.detach().numpy()

    def optimiser(self, parameters: Sequence[Any]) -> Callable[[], None]:
        return self.torch.optim.SGD(parameters, 1e-4, momentum=0.9).step

    def conv(self, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
        rank = x.ndim - 2
        if padding == "causal":
            x, padding = self.F.pad(x, (dilation * (w.shape[-1] - 1), 0)), 0
        if rank > 3:
            return self._conv_any(x, w, *(per_axis(v, rank) for v in (stride, padding, dilation)))
        if self.last and x.shape[2] == w.shape[2] == 1:  # one row
            stride, padding, dilation = (1, stride), (0, padding), (1, dilation)
        return (self.F.conv1d, self.F.conv2d, self.F.conv3d)[rank - 1](x, w, b, stride, padding, dilation, groups)

    def _conv_any(self, x: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> Any:
        """Above three axes: the first one joins the batch, and its taps are summed over."""
        rank = x.ndim - 2
        if rank == 3:
            return self.F.conv3d(x, w, None, stride, padding, dilation)
        x = self.F.pad(x, (0, 0) * (rank - 1) + (padding[0],) * 2).movedim(2, 1)  # (N, n0, C, …)
        s, d, taps = stride[0], dilation[0], w.shape[2]
        points = (x.shape[1] - d * (taps - 1) - 1) // s + 1
        y = sum(
            self._conv_any(x[:, d * t : d * t + s * (points - 1) + 1 : s].flatten(0, 1), w[:, :, t], stride[1:], padding[1:], dilation[1:])
            for t in range(taps)
        )
        return y.unflatten(0, (x.shape[0], points)).movedim(1, 2)

    def conv_transpose(self, x: Any, w: Any, stride: int, padding: int) -> Any:
        return self.F.conv_transpose2d(x, w, None, stride, padding)

    def max_pool(self, x: Any, kernel: int, stride: int) -> Any:
        return (self.F.max_pool1d, self.F.max_pool2d, self.F.max_pool3d)[x.ndim - 3](x, kernel, stride)

    def avg_pool(self, x: Any, kernel: int, stride: int) -> Any:
        return (self.F.avg_pool1d, self.F.avg_pool2d, self.F.avg_pool3d)[x.ndim - 3](x, kernel, stride)

    def spatial_mean(self, x: Any) -> Any:
        return x.mean(tuple(range(2, x.ndim)))

    def flatten(self, x: Any) -> Any:
        return x.flatten(1)

    def transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.permute(axes)

    def softmax(self, x: Any) -> Any:
        return self.torch.softmax(x, -1)

    def cross_entropy(self, z: Any, labels: Array) -> Any:
        return self.F.cross_entropy(z, self.torch.from_numpy(labels))

    def layer_norm(self, x: Any, w: Any, b: Any) -> Any:
        return self.F.layer_norm(x, w.shape, w, b)

    def batch_norm(self, x: Any, w: Any, b: Any) -> Any:
        return self.F.batch_norm(x, self.torch.zeros(w.shape), self.torch.ones(w.shape), w, b, training=True)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        return self.F.scaled_dot_product_attention(q, k, v, is_causal=True)
