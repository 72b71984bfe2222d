"""What is timed, as plain data: an operation of the engines (or a network of models.py), the shapes of its arguments, its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from . import models


@dataclass(frozen=True, eq=False)
class Workload:
    """call: an engine's operation or a network. shapes: of the input and of what it is combined with.

    images: the input is (N, C, *n), so that its memory layout matters. step: a scalar loss, whose training ends with an optimiser step.
    ones: arguments of ones, for chains that would overflow. flops: of one pass, by the definition.
    """

    call: str
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any] = field(default_factory=dict)
    images: bool = False
    step: bool = False
    ones: bool = False
    flops: int = 0


def conv(batch: int, channels: int, outputs: int, size: tuple[int, ...], kernel: int | tuple[int, ...], **options: Any) -> Workload:
    k = (kernel,) * len(size) if isinstance(kernel, int) else kernel
    shapes = ((batch, channels, *size), (outputs, channels // options.get("groups", 1), *k))
    if options.get("padding") == "causal":
        points = size
    else:
        axes = zip(size, k, *(per_axis(options.get(o, v), len(size)) for o, v in (("stride", 1), ("padding", 0), ("dilation", 1))))
        points = tuple((n + 2 * p - d * (ki - 1) - 1) // s + 1 for n, ki, s, p, d in axes)
    return Workload("conv", shapes, options, images=True, flops=2 * batch * prod(points) * prod(shapes[1]))


def conv_transpose(batch: int, channels: int, outputs: int, size: tuple[int, ...], kernel: int, **options: Any) -> Workload:
    shapes = ((batch, channels, *size), (channels, outputs, *(kernel,) * len(size)))
    return Workload("conv_transpose", shapes, options, images=True, flops=2 * batch * prod(size) * prod(shapes[1]))


def network(call: str, *shapes: tuple[int, ...], images: bool = True) -> Workload:
    return Workload(call, shapes, images=images, step=True)


def pool(call: str, shape: tuple[int, ...], **options: Any) -> Workload:
    return Workload(call, (shape,), options, images=True)


def chain(length: int, shape: tuple[int, ...] = ()) -> Workload:
    return Workload("chain", (shape, shape), {"length": length}, ones=True)


def per_axis(v: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (v,) * rank if isinstance(v, int) else v


CONVOLUTIONS = {
    "B1 4x4 s2 3>40 96^2 b128": conv(128, 3, 40, (96, 96), 4, stride=2),
    "B2 2x2 40>105 23^2 b128": conv(128, 40, 105, (23, 23), 2),
    "B3 2x2 105>158 10^2 b128": conv(128, 105, 158, (10, 10), 2),
    "B4 2x2 158>158 9^2 b128": conv(128, 158, 158, (9, 9), 2),
    "B5 2x2 158>105 8^2 b128": conv(128, 158, 105, (8, 8), 2),
    "3x3 p1 64>64 56^2 b16": conv(16, 64, 64, (56, 56), 3, padding=1),
    "3x3 p1 256>256 14^2 b16": conv(16, 256, 256, (14, 14), 3, padding=1),
    "1x1 256>64 56^2 b16": conv(16, 256, 64, (56, 56), 1),
    "7x7 s2 p3 3>64 224^2 b8": conv(8, 3, 64, (224, 224), 7, stride=2, padding=3),
    "3-D k3 p1 16>32 48^3 b2": conv(2, 16, 32, (48,) * 3, 3, padding=1),
    "3-D k9 p4 8>8 48^3": conv(1, 8, 8, (48,) * 3, 9, padding=4),
    "1-D k9 p4 64>64 16000 b8": conv(8, 64, 64, (16000,), 9, padding=4),
    "1-D k1024 1>16 65536 b4": conv(4, 1, 16, (65536,), 1024),
    "k31 p15 16>16 128^2 b4": conv(4, 16, 16, (128, 128), 31, padding=15),
    "depthwise k31 64 128^2 b4": conv(4, 64, 64, (128, 128), 31, padding=15, groups=64),
    "depthwise 3x3 64 56^2 b16": conv(16, 64, 64, (56, 56), 3, padding=1, groups=64),
    "4 groups 3x3 64>64 56^2 b16": conv(16, 64, 64, (56, 56), 3, padding=1, groups=4),
    "dilation 4 3x3 64>64 56^2 b16": conv(16, 64, 64, (56, 56), 3, padding=4, dilation=4),
    "4-D k3 p1 4>8 16^4": conv(1, 4, 8, (16,) * 4, 3, padding=1),
    "LeNet 5x5 p2 1>6 28^2 b64": conv(64, 1, 6, (28, 28), 5, padding=2),
    "LeNet 5x5 6>16 14^2 b64": conv(64, 6, 16, (14, 14), 5),
}
UNLISTED = {  # shapes that nobody tuned for
    "odd 3x3 p1 31>37 45x51 b7": conv(7, 31, 37, (45, 51), 3, padding=1),
    "few 3x3 p1 2>3 120^2 b16": conv(16, 2, 3, (120, 120), 3, padding=1),
    "5x5 p2 32>48 28^2 b16": conv(16, 32, 48, (28, 28), 5, padding=2),
    "3x1 p1,0 64>64 40^2 b16": conv(16, 64, 64, (40, 40), (3, 1), padding=(1, 0)),
    "2x2 s2 64>128 56^2 b16": conv(16, 64, 128, (56, 56), 2, stride=2),
    "transposed 4x4 s2 p1 64>32 28^2 b16": conv_transpose(16, 64, 32, (28, 28), 4, stride=2, padding=1),
    "causal k5 d4 48>48 8000 b8": conv(8, 48, 48, (8000,), 5, padding="causal", dilation=4),
    "depthwise 5x5 96 28^2 b16": conv(16, 96, 96, (28, 28), 5, padding=2, groups=96),
    "8 groups 3x3 128>128 28^2 b16": conv(16, 128, 128, (28, 28), 3, padding=1, groups=8),
    "rank 5 k2 3>5 8^5": conv(1, 3, 5, (8,) * 5, 2),
    "large batch 3x3 p1 8>8 8^2 b2048": conv(2048, 8, 8, (8, 8), 3, padding=1),
    "one image 3x3 p1 16>16 512^2": conv(1, 16, 16, (512, 512), 3, padding=1),
}
NETWORKS = {
    "photographs b128": network("photographs", (128, 3, 96, 96), *models.PHOTOGRAPHS),
    "LeNet b64": network("lenet", (64, 1, 28, 28), *models.LENET),
    "MLP 784-128-10 b32": network("mlp", (32, 784), *models.MLP, images=False),
    "ResNet-20 32^2 b32": network("resnet", (32, 3, 32, 32), *models.RESNET),
    "transformer block 128x256 b8": network("transformer", (8, 128, 256), *models.TRANSFORMER, images=False),
}
FUNCTIONS = {
    "max_pool 3/2 40 47^2 b128": pool("max_pool", (128, 40, 47, 47), kernel=3, stride=2),
    "max_pool 4/2 105 22^2 b128": pool("max_pool", (128, 105, 22, 22), kernel=4, stride=2),
    "max_pool 2/2 64 56^2 b16": pool("max_pool", (16, 64, 56, 56), kernel=2, stride=2),
    "max_pool 2/2 16 48^3 b2": pool("max_pool", (2, 16, 48, 48, 48), kernel=2, stride=2),
    "avg_pool 3/2 40 47^2 b128": pool("avg_pool", (128, 40, 47, 47), kernel=3, stride=2),
    "avg_pool 2/2 64 56^2 b16": pool("avg_pool", (16, 64, 56, 56), kernel=2, stride=2),
    "softmax 128x1000": Workload("softmax", ((128, 1000),)),
    "softmax 8x8x128x128": Workload("softmax", ((8, 8, 128, 128),)),
    "layer_norm 4096x256": Workload("layer_norm", ((4096, 256), (256,), (256,))),
    "gelu 4096x256": Workload("gelu", ((4096, 256),)),
    "batch_norm 64 32^2 b64": Workload("batch_norm", ((64, 64, 32, 32), (64,), (64,)), images=True),
}
CHAINS = {"chain 1000 ()": chain(1000), "chain 1000 (32, 128)": chain(1000, (32, 128))}
GROWING = {f"3x3 p1 64>64 {n}^2 b16": conv(16, 64, 64, (n, n), 3, padding=1) for n in (7, 14, 28, 56, 112)}

SECTIONS = {"conv": CONVOLUTIONS, "unlisted": UNLISTED, "networks": NETWORKS, "functions": FUNCTIONS, "tape": CHAINS, "growing": GROWING}
WORKLOADS = {name: workload for section in SECTIONS.values() for name, workload in section.items()}
QUICK = {
    *("B2 2x2 40>105 23^2 b128", "3x3 p1 256>256 14^2 b16", "1x1 256>64 56^2 b16", "odd 3x3 p1 31>37 45x51 b7"),
    *("photographs b128", "LeNet b64", "MLP 784-128-10 b32", "max_pool 3/2 40 47^2 b128", "softmax 128x1000", *CHAINS),
}
