"""Activations and losses as modules, under PyTorch's names: each is a function of its inputs with the other arguments kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import number
from ..ops import activation, ctc, curves, distance, label_loss, loss, margin_loss
from ..ops.elementwise import relu, sigmoid, tanh
from ..tensor import Parameter, Tensor
from .function import module_of
from .kept import check_kept
from .lazy import check_counts, floating
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CELU", "CTCLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss", "ELU", "GELU",
    "GLU", "GaussianNLLLoss", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss",
    "L1Loss", "LeakyReLU", "LogSigmoid", "LogSoftmax", "MSELoss", "MarginRankingLoss", "Mish", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PReLU", "PairwiseDistance", "PoissonNLLLoss", "ReLU", "ReLU6", "SELU",
    "SiLU", "Sigmoid", "SmoothL1Loss", "SoftMarginLoss", "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh",
    "Tanhshrink", "Threshold", "TripletMarginLoss",
]  # fmt: skip

# Activations; and PReLU, which learns its slope.

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


# Losses.

BCELoss = module_of("BCELoss", loss.binary_cross_entropy, 2)
BCEWithLogitsLoss = module_of("BCEWithLogitsLoss", loss.binary_cross_entropy_with_logits, 2)
CTCLoss = module_of("CTCLoss", ctc.ctc_loss, 4)
CosineEmbeddingLoss = module_of("CosineEmbeddingLoss", distance.cosine_embedding_loss, 3)
CosineSimilarity = module_of("CosineSimilarity", distance.cosine_similarity, 2)
CrossEntropyLoss = module_of("CrossEntropyLoss", label_loss.cross_entropy, 2)
GaussianNLLLoss = module_of("GaussianNLLLoss", loss.gaussian_nll_loss, 3)
HingeEmbeddingLoss = module_of("HingeEmbeddingLoss", loss.hinge_embedding_loss, 2)
HuberLoss = module_of("HuberLoss", loss.huber_loss, 2)
KLDivLoss = module_of("KLDivLoss", loss.kl_div, 2, reduction=("mean", "sum", "none", "batchmean"))
L1Loss = module_of("L1Loss", loss.l1_loss, 2)
MarginRankingLoss = module_of("MarginRankingLoss", distance.margin_ranking_loss, 3)
MSELoss = module_of("MSELoss", loss.mse_loss, 2)
MultiLabelMarginLoss = module_of("MultiLabelMarginLoss", margin_loss.multilabel_margin_loss, 2)
MultiLabelSoftMarginLoss = module_of("MultiLabelSoftMarginLoss", margin_loss.multilabel_soft_margin_loss, 2)
MultiMarginLoss = module_of("MultiMarginLoss", margin_loss.multi_margin_loss, 2)
NLLLoss = module_of("NLLLoss", label_loss.nll_loss, 2)
PairwiseDistance = module_of("PairwiseDistance", distance.pairwise_distance, 2, eps={})
PoissonNLLLoss = module_of("PoissonNLLLoss", loss.poisson_nll_loss, 2)
SmoothL1Loss = module_of("SmoothL1Loss", loss.smooth_l1_loss, 2, beta={"least": 0})
SoftMarginLoss = module_of("SoftMarginLoss", loss.soft_margin_loss, 2)
TripletMarginLoss = module_of("TripletMarginLoss", distance.triplet_margin_loss, 3, eps={})
