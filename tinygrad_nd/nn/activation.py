"""Activations and dropout as modules, under PyTorch's names: functions with arguments kept. And PReLU, which learns its slope."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import Rng, generator, number
from ..ops import activation, curves
from ..ops.dropout import alpha_dropout, dropout, dropout_nd
from ..ops.elementwise import relu, sigmoid, tanh
from ..tensor import Parameter, Tensor
from .kept import check_kept, module_of, of_ranks
from .lazy import check_counts, floating
from .module import Module

__all__ = [
    "AlphaDropout", "CELU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropoutNd", "ELU", "GELU", "GLU", "Hardshrink",
    "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU",
    "Sigmoid", "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip

CELU = module_of("CELU", curves.celu)
ELU = module_of("ELU", curves.elu)
GELU = module_of("GELU", activation.gelu)
GLU = module_of("GLU", activation.glu)
Hardshrink = module_of("Hardshrink", curves.hardshrink)
Hardsigmoid = module_of("Hardsigmoid", curves.hard_sigmoid)
Hardswish = module_of("Hardswish", curves.hard_swish)
Hardtanh = module_of("Hardtanh", curves.hard_tanh)
LeakyReLU = module_of("LeakyReLU", curves.leaky_relu)
LogSigmoid = module_of("LogSigmoid", curves.log_sigmoid)
LogSoftmax = module_of("LogSoftmax", activation.log_softmax)
Mish = module_of("Mish", curves.mish)
ReLU = module_of("ReLU", relu)
ReLU6 = module_of("ReLU6", curves.relu6)
SELU = module_of("SELU", curves.selu)
Sigmoid = module_of("Sigmoid", sigmoid)
SiLU = module_of("SiLU", activation.silu)
Softmax = module_of("Softmax", activation.softmax)
Softmin = module_of("Softmin", activation.softmin)
Softplus = module_of("Softplus", curves.softplus)
Softshrink = module_of("Softshrink", curves.softshrink)
Softsign = module_of("Softsign", curves.softsign)
Tanh = module_of("Tanh", tanh)
Tanhshrink = module_of("Tanhshrink", curves.tanhshrink)
Threshold = module_of("Threshold", curves.threshold)


class PReLU(Module):
    """`prelu` with its weight learned: one slope for all, or one for each of num_parameters channels."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, layout: str | None = None, dtype: npt.DTypeLike | None = None
    ) -> None:
        check_counts(self, num_parameters=num_parameters)
        number("PReLU", "init", init)
        self.num_parameters, self.layout = num_parameters, layout
        check_kept(self, ("layout",))
        self.weight = Parameter(np.full(num_parameters, init, floating("PReLU", dtype)))

    def forward(self, x: Any) -> Tensor:
        return activation.prelu(x, self.weight, layout=self.layout)


class Dropout(Module):
    """`dropout` of single entries."""

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        number(type(self).__name__, "p", p, least=0, most=1)
        self.p, self.generator = p, generator(type(self).__name__, rng)

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, rng=self.generator)


class AlphaDropout(Dropout):
    """`alpha_dropout`, the companion of `SELU`."""

    def forward(self, x: Any) -> Tensor:
        return alpha_dropout(x, self.p, self.training, rng=self.generator)


class DropoutNd(Dropout):
    """`dropout_nd` of whole channels."""

    def __init__(self, p: float = 0.5, *, rng: Rng = None, layout: str | None = None) -> None:
        super().__init__(p, rng=rng)
        self.layout = layout
        check_kept(self, ("layout",))

    def forward(self, x: Any) -> Tensor:
        return dropout_nd(x, self.p, self.training, rng=self.generator, layout=self.layout)


Dropout1d, Dropout2d, Dropout3d = of_ranks(DropoutNd, name="Dropout")
