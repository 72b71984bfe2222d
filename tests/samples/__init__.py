"""One row or more for every registered operation: how to call it, and on what.

A row's function takes tensors; its arrays are float64 (or complex128) and keep away from jumps. `linear` rows must pass the dot test; rows
that are not `differentiable` must give constants; `keeps_dtype=False` marks functions that choose their own dtype, `promotes=False` those
that keep their first operand's, as NumPy does where it fills a result made like it.
"""

from . import composed, convolutions, core, fourier, functions, linear_algebra, networks, order, shapes, windows
from .rows import Sample

__all__ = ["SAMPLES", "Sample"]

_FAMILIES = (core, convolutions, functions, linear_algebra, fourier, order, shapes, windows, networks, composed)
SAMPLES: list[Sample] = [sample for family in _FAMILIES for sample in family.SAMPLES]
