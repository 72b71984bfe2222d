"""Models as plain objects: a Module's attributes are its parameters and parts, and calling it names what it computes."""

from .basic import AvgPool, Dropout, Flatten, LogSoftmax, MaxPool, ReLU, Sigmoid, Softmax, Tanh
from .linear import Conv, Conv1d, Conv2d, Conv3d, ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear
from .module import Module
from .sequential import Sequential

__all__ = [
    "AvgPool", "Conv", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Dropout",
    "Flatten", "Linear", "LogSoftmax", "MaxPool", "Module", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh",
]  # fmt: skip
