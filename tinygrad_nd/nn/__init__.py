"""Models as plain objects: a Module's attributes are its parameters and parts, and calling it names what it computes."""

from .activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .attention import (
    MultiHeadAttention,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from .dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, DropoutNd
from .embedding import Embedding
from .linear import Conv, Conv1d, Conv2d, Conv3d, ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear
from .loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MarginRankingLoss,
    MSELoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    NLLLoss,
    PairwiseDistance,
    PoissonNLLLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .module import Module
from .norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)
from .pool import (
    AdaptiveAvgPool,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Flatten,
    Fold,
    GlobalAvgPool,
    GlobalMaxPool,
    Identity,
    LPPool,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    Pad,
    PixelShuffle,
    PixelUnshuffle,
    Unflatten,
    Unfold,
    Upsample,
)
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .sequential import Sequential

MultiheadAttention = MultiHeadAttention  # PyTorch's spelling

__all__ = [
    "AdaptiveAvgPool", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AlphaDropout", "AvgPool", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BatchNorm",
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "BCELoss", "BCEWithLogitsLoss", "CELU", "Conv", "Conv1d", "Conv2d", "Conv3d",
    "ConvTranspose", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "CosineEmbeddingLoss", "CosineSimilarity",
    "CrossEntropyLoss", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "DropoutNd", "ELU", "Embedding", "Flatten", "Fold",
    "GaussianNLLLoss", "GELU", "GlobalAvgPool", "GlobalMaxPool", "GLU", "GroupNorm", "GRU", "GRUCell", "Hardshrink", "Hardsigmoid",
    "Hardswish", "Hardtanh", "HingeEmbeddingLoss", "HuberLoss", "Identity", "InstanceNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "KLDivLoss", "L1Loss", "LayerNorm", "LeakyReLU", "Linear", "LocalResponseNorm", "LogSigmoid", "LogSoftmax",
    "LPPool", "LPPool1d", "LPPool2d", "LPPool3d", "LSTM", "LSTMCell", "MarginRankingLoss", "MaxPool", "MaxPool1d", "MaxPool2d",
    "MaxPool3d", "MaxUnpool", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Mish", "Module", "MSELoss", "MultiHeadAttention",
    "MultiheadAttention", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "Pad", "PairwiseDistance",
    "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss", "PReLU", "ReLU", "ReLU6", "RMSNorm", "RNN", "RNNCell", "SELU", "Sequential",
    "Sigmoid", "SiLU", "SmoothL1Loss", "SoftMarginLoss", "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    "Threshold", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer", "TripletMarginLoss",
    "Unflatten", "Unfold", "Upsample",
]  # fmt: skip

_PADS = ("Zero", "Constant", "Reflection", "Replication", "Circular")
_ELSEWHERE = {  # PyTorch's modules that need no class here
    **dict.fromkeys(("ModuleList", "ParameterList"), "a plain list"),
    **dict.fromkeys(("ModuleDict", "ParameterDict"), "a plain dict"),
    **{f"Lazy{name}": f"{name}(None, ...)" for name in __all__ if name[-2:] in ("1d", "2d", "3d")},
    "LazyLinear": "Linear(None, out_features)",
    **{f"{mode}Pad{rank}": "Pad(padding, ...)" for mode in _PADS for rank in ("1d", "2d", "3d")},
    **dict.fromkeys(("UpsamplingNearest2d", "UpsamplingBilinear2d"), "Upsample(scale_factor=2, mode=...)"),
    "Softmax2d": "Softmax(1)",
    "Parameter": "nd.Parameter",
    "functional": "the functions of nd itself",
}


def __getattr__(name: str) -> object:
    hint = f"; use {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"nn has no {name!r}{hint}")
