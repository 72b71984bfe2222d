"""Second names: those of the Python Array API standard, and NumPy's own."""

from . import elementwise, parts, reduce, shape, special, steps

__all__ = [
    "acos", "acosh", "amax", "amin", "around", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_invert", "bitwise_left_shift",
    "bitwise_not", "bitwise_right_shift", "concat", "conjugate", "copy", "expit", "lgamma", "mod", "permute_dims", "pow",
    "true_divide",
]  # fmt: skip

acos, acosh, asin, asinh = elementwise.arccos, elementwise.arccosh, elementwise.arcsin, elementwise.arcsinh
atan, atan2, atanh = elementwise.arctan, elementwise.arctan2, elementwise.arctanh
bitwise_invert = bitwise_not = steps.invert
bitwise_left_shift, bitwise_right_shift = steps.left_shift, steps.right_shift
concat, permute_dims = shape.concatenate, shape.transpose
conjugate, copy = parts.conj, parts.alias
pow, mod, true_divide = elementwise.power, elementwise.remainder, elementwise.divide
amax, amin, around = reduce.max, reduce.min, steps.round
expit, lgamma = elementwise.sigmoid, special.gammaln
