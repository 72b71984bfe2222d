"""Losses as modules, under PyTorch's names: each is a function of its inputs with the other arguments kept."""

from ..ops import ctc, distance, label_loss, loss, margin_loss
from .kept import module_of

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MarginRankingLoss", "MSELoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PairwiseDistance", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss",
]  # fmt: skip

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
