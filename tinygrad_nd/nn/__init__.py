"""Models as plain objects: a Module's attributes are its parameters and parts, and calling it names what it computes."""

from ..elsewhere import hinting
from . import activation, attention, linear, loss, module, norm, pool, recurrent, sequential
from .activation import *
from .attention import *
from .linear import *
from .loss import *
from .module import *
from .norm import *
from .pool import *
from .recurrent import *
from .sequential import *

__all__ = [
    *activation.__all__, *attention.__all__, *linear.__all__, *loss.__all__, *module.__all__, *norm.__all__,
    *pool.__all__, *recurrent.__all__, *sequential.__all__,
]  # fmt: skip

_PADS = ("Zero", "Constant", "Reflection", "Replication", "Circular")
_KERAS = {"Max": "Max", "Average": "Avg"}
_ELSEWHERE = {  # PyTorch's modules that need no class here
    **dict.fromkeys(("ModuleList", "ParameterList"), "a plain list"),
    **dict.fromkeys(("ModuleDict", "ParameterDict"), "a plain dict"),
    **{f"Lazy{name}": f"{name}(None, ...)" for name in __all__ if name[-2:] in ("1d", "2d", "3d")},
    "LazyLinear": "Linear(None, out_features)",
    **{f"{mode}Pad{rank}": "Pad(padding, ...)" for mode in _PADS for rank in ("1d", "2d", "3d")},
    **dict.fromkeys(("UpsamplingNearest2d", "UpsamplingBilinear2d"), "Upsample(scale_factor=2, mode=...)"),
    **{f"{name[:-1]}D": name for name in __all__ if name[-2:] in ("1d", "2d", "3d")},  # as Keras spells them
    "BatchNormalization": "BatchNorm2d(num_features)",
    "LayerNormalization": "LayerNorm(normalized_shape)",
    "Dense": "Linear(in_features, out_features)",
    "Softmax2d": "Softmax(1)",
    "Parameter": "nd.Parameter",
    "functional": "the functions of nd itself",
    "init": "nd.init",
    **dict.fromkeys(("Model", "Layer"), "Module"),
    **{f"{kind}Pooling{rank}D": f"{short}Pool{rank}d" for kind, short in _KERAS.items() for rank in (1, 2, 3)},
    **{f"Global{kind}Pooling{rank}D": f"Global{short}Pool" for kind, short in _KERAS.items() for rank in (1, 2, 3)},
    **{f"{name[:-2]}{rank}d": f"{name[:-2]}, which takes any rank" for name in __all__ if name.endswith("2d") for rank in range(4, 8)},
}

globals()["__getattr__"] = hinting("nn", __all__, _ELSEWHERE)
