"""The networks that are timed, written once for all engines: f(e, x, *parameters) -> scalar loss, and the parameters' shapes.

Labels are 0, 1, 2, … over again. `e` is an adapter of engines.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def labels(x: Any, classes: int) -> np.ndarray:
    return np.arange(x.shape[0]) % classes


PHOTOGRAPHS = (
    *((40, 3, 4, 4), (40,), (105, 40, 2, 2), (105,), (158, 105, 2, 2), (158,), (158, 158, 2, 2), (158,), (105, 158, 2, 2), (105,)),
    *((945, 945), (945,), (475, 945), (475,), (8, 475), (8,)),
)


def photographs(e: Any, x: Any, *parameters: Any) -> Any:
    """examples/photos_cnn.py: five convolutions, three dense layers."""
    p = iter(parameters)
    h = e.max_pool(e.relu(e.conv(x, next(p), next(p), stride=2)), kernel=3, stride=2)
    h = e.max_pool(e.relu(e.conv(h, next(p), next(p))), kernel=4, stride=2)
    for _ in range(3):
        h = e.relu(e.conv(h, next(p), next(p)))
    h = e.flatten(e.max_pool(h, kernel=3, stride=2))
    for _ in range(2):
        h = e.relu(e.linear(h, next(p), next(p)))
    return e.cross_entropy(e.linear(h, next(p), next(p)), labels(x, 8))


LENET = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,))


def lenet(e: Any, x: Any, *parameters: Any) -> Any:
    p = iter(parameters)
    h = e.max_pool(e.relu(e.conv(x, next(p), next(p), padding=2)), kernel=2, stride=2)
    h = e.flatten(e.max_pool(e.relu(e.conv(h, next(p), next(p))), kernel=2, stride=2))
    for _ in range(2):
        h = e.relu(e.linear(h, next(p), next(p)))
    return e.cross_entropy(e.linear(h, next(p), next(p)), labels(x, 10))


MLP = ((128, 784), (128,), (10, 128), (10,))


def mlp(e: Any, x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return e.cross_entropy(e.linear(e.relu(e.linear(x, w1, b1)), w2, b2), labels(x, 10))


BLOCKS = (*((16, 16),) * 3, (16, 32), *((32, 32),) * 2, (32, 64), *((64, 64),) * 2)  # channels in, out; stride 2 where they grow


def _normed(channels: int, outputs: int, kernel: int) -> Iterator[tuple[int, ...]]:
    yield from ((outputs, channels, kernel, kernel), (outputs,), (outputs,))


def _resnet() -> Iterator[tuple[int, ...]]:
    yield from _normed(3, 16, 3)
    for ci, co in BLOCKS:
        yield from _normed(ci, co, 3)
        yield from _normed(co, co, 3)
        if ci != co:
            yield from _normed(ci, co, 1)
    yield from ((10, 64), (10,))


RESNET = tuple(_resnet())


def resnet(e: Any, x: Any, *parameters: Any) -> Any:
    """ResNet-20 for 32 x 32 images; a 1 x 1 convolution where a shortcut changes its shape."""
    p = iter(parameters)

    def normed(x: Any, stride: int = 1, padding: int = 1) -> Any:
        return e.batch_norm(e.conv(x, next(p), stride=stride, padding=padding), next(p), next(p))

    h = e.relu(normed(x))
    for ci, co in BLOCKS:
        stride = 1 if ci == co else 2
        y = normed(e.relu(normed(h, stride)))
        h = e.relu(y + (h if ci == co else normed(h, stride, 0)))
    return e.cross_entropy(e.linear(e.spatial_mean(h), next(p), next(p)), labels(x, 10))


TRANSFORMER = ((256,), (256,), (768, 256), (768,), (256, 256), (256,), (256,), (256,), (1024, 256), (1024,), (256, 1024), (256,))
HEADS = 8


def transformer(e: Any, x: Any, *parameters: Any) -> Any:
    """A pre-norm block with causal attention; the loss is the mean square of what comes out."""
    p = iter(parameters)
    n, t, d = x.shape
    qkv = e.linear(e.layer_norm(x, next(p), next(p)), next(p), next(p))
    q, k, v = e.transpose(qkv.reshape((n, t, 3, HEADS, d // HEADS)), (2, 0, 3, 1, 4))
    attended = e.transpose(e.attention(q, k, v), (0, 2, 1, 3)).reshape((n, t, d))
    x = x + e.linear(attended, next(p), next(p))
    hidden = e.gelu(e.linear(e.layer_norm(x, next(p), next(p)), next(p), next(p)))
    y = x + e.linear(hidden, next(p), next(p))
    return (y * y).mean()


def chain(e: Any, x: Any, w: Any, length: int) -> Any:
    for _ in range(length):
        x = x * w
    return x
