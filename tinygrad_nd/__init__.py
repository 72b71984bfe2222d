"""tinygrad_nd: automatic differentiation in NumPy, with N-dimensional convolution and a graph you can see."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import dispatch as _dispatch  # noqa: F401 (gives Tensor NumPy's protocols)
from . import fft, init, linalg, random
from . import methods as _methods  # gives Tensor its operators
from .checkpoint import checkpoint
from .draw import draw
from .interchange import from_dlpack
from .kernels.engines import engine, set_engine
from .kernels.parallel import num_threads, set_num_threads, threads
from .kernels.toom_cook import set_conv_precision
from .later import __dir__, __getattr__  # noqa: F401
from .node import enable_grad, no_grad, scope

# The functions of each module are listed in its own __all__.
from .ops.activation import *
from .ops.adaptive import *
from .ops.aliases import *
from .ops.apply import *
from .ops.attention import *
from .ops.broadcasting import *
from .ops.choice import *
from .ops.conv import *
from .ops.convolve import *
from .ops.create import *
from .ops.ctc import *
from .ops.curves import *
from .ops.distance import *
from .ops.dropout import *
from .ops.einsum import *
from .ops.elementwise import *
from .ops.index import *
from .ops.join import *
from .ops.label_loss import *
from .ops.layers import *
from .ops.linalg import *
from .ops.loss import *
from .ops.margin_loss import *
from .ops.matrix import *
from .ops.matrix_norm import *
from .ops.moments import *
from .ops.norm import *
from .ops.pad import *
from .ops.parts import *
from .ops.plain import *
from .ops.pool import *
from .ops.quantile import *
from .ops.rearrange import *
from .ops.reduce import *
from .ops.sampled import *
from .ops.scan import *
from .ops.shape import *
from .ops.sort import *
from .ops.special import *
from .ops.statistics import *
from .ops.steps import *
from .ops.vectors import *
from .ops.window import *
from .sweep import gradients
from .tape import primitive
from .tensor import Parameter, Tensor, astensor, default_dtype, set_default_dtype, tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

if _TYPE_CHECKING:  # see later.py
    from . import data, debug, nn, optim, plot, shapes, testing
    from .draw.drawing import Drawing
    from .draw.explain import explain_vjp
    from .draw.vjp import draw_vjp
    from .files import Checkpoint, load, save
    from .training import EarlyStopping, History, accuracy, fit

__version__ = "0.1.0"

__all__ = [
    *(name for module in _methods.MODULES for name in module.__all__),
    "Checkpoint", "Drawing", "EarlyStopping", "History", "Parameter", "Tensor", "accuracy", "astensor", "checkpoint", "data", "debug",
    "default_dtype", "draw", "draw_vjp", "enable_grad", "engine", "explain_vjp", "fft", "fit", "from_dlpack", "grad", "gradients",
    "hessian", "hvp", "init", "jacobian", "jvp", "linalg", "load", "nn", "no_grad", "num_threads", "optim", "plot", "primitive", "random",
    "save", "scope", "set_conv_precision", "set_default_dtype", "set_engine", "set_num_threads", "shapes", "tensor", "testing", "threads",
    "value_and_grad", "vjp",
]  # fmt: skip
