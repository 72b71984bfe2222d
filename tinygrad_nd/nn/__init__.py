"""Models as plain objects: a Module's attributes are its parameters and parts, and calling it names what it computes."""

from .basic import GELU, AvgPool, Dropout, Flatten, LogSoftmax, MaxPool, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .linear import Conv, Conv1d, Conv2d, Conv3d, ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear
from .module import Module
from .norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from .sequential import Sequential

__all__ = [
    "AvgPool", "BatchNorm", "Conv", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "ConvTranspose1d", "ConvTranspose2d",
    "ConvTranspose3d", "Dropout", "Flatten", "GELU", "GroupNorm", "InstanceNorm", "LayerNorm", "Linear", "LogSoftmax", "MaxPool",
    "Module", "ReLU", "RMSNorm", "Sequential", "Sigmoid", "SiLU", "Softmax", "Tanh",
]  # fmt: skip
