"""Fourier transforms of tensors, named and called as in np.fft; single precision stays single."""

from .ops.fourier import *  # noqa: F403
from .ops.fourier import __all__ as __all__
