"""Second names: those of the Python Array API standard, and NumPy's own."""

from __future__ import annotations

from . import bits, elementwise, shape

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_invert", "bitwise_left_shift", "bitwise_not",
    "bitwise_right_shift", "concat", "conjugate", "mod", "permute_dims", "pow", "true_divide",
]  # fmt: skip

acos, acosh, asin, asinh = elementwise.arccos, elementwise.arccosh, elementwise.arcsin, elementwise.arcsinh
atan, atan2, atanh = elementwise.arctan, elementwise.arctan2, elementwise.arctanh
bitwise_invert = bitwise_not = bits.invert
bitwise_left_shift, bitwise_right_shift = bits.left_shift, bits.right_shift
concat, permute_dims = shape.concatenate, shape.transpose
conjugate = elementwise.conj
pow, mod, true_divide = elementwise.power, elementwise.remainder, elementwise.divide
