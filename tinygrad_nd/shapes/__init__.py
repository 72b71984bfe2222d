"""What happens to sizes, without data: the arithmetic of windows, a model's table of layers, and what an output sees of an input."""

from ..elsewhere import hinting
from .fields import ReceptiveField, receptive_field
from .sizes import conv_nd, conv_transpose_nd, pool_nd, solve_padding
from .table import Row, Table, trace

__all__ = ["ReceptiveField", "Row", "Table", "conv_nd", "conv_transpose_nd", "pool_nd", "receptive_field", "solve_padding", "trace"]

globals()["__getattr__"] = hinting("shapes", __all__)
