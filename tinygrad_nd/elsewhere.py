"""What to say of a name that is looked for in vain: other libraries have it, and this one says it otherwise."""

from __future__ import annotations

import re
import sys

import numpy as np

_FUNCTIONS = {  # PyTorch's name: the one here
    "cat": "concatenate", "chunk": "array_split", "tensor_split": "array_split", "unbind": "unstack", "movedim": "moveaxis",
    "unsqueeze": "expand_dims", "permute": "transpose", "t": "transpose", "view": "reshape", "flatten": "reshape", "expand": "broadcast_to",
    "repeat_interleave": "repeat", "mm": "matmul", "bmm": "matmul", "mul": "multiply", "sub": "subtract", "div": "divide",
    "neg": "negative", "clamp": "clip", "gather": "take_along_axis", "scatter": "put_along_axis", "masked_fill": "where",
    "index_select": "take", "eq": "equal", "ne": "not_equal", "gt": "greater", "ge": "greater_equal", "lt": "less", "le": "less_equal",
    "randn": "random.standard_normal", "rand": "random.random", "randint": "random.integers", "manual_seed": "random.seed",
    "DataLoader": "data.batches", "Variable": "tensor", "inference_mode": "no_grad", "from_numpy": "astensor", "as_tensor": "astensor",
    "norm": "linalg.norm", "conv": "conv_nd", "jacrev": "jacobian", "jacfwd": "jacobian",
    "GradientTape": "value_and_grad", "set_grad_enabled": "no_grad",
}  # fmt: skip
_CPU = "everything is computed on the CPU"
_TENSOR = {  # of a tensor: what it is there, and what arrays have but values have not
    "flat": "use x.ravel(), or x.at[...] to update",
    "resize": "use nd.resize(x, shape), or nd.pad",
    **dict.fromkeys(("setflags", "setfield"), "a tensor's value is read-only"),
    **{n: f"its value is an array: x.data.{n}" for n in "base byteswap ctypes dump dumps flags getfield strides tobytes tofile".split()},
    "view": "use x.reshape(...)",
    "permute": "use x.transpose(...)",
    "clone": "use x.copy()",
    "dim": "use x.ndim",
    "numel": "use x.size",
    "contiguous": "memory order is the library's own affair",
    "requires_grad_": "use x.requires_grad = True",
    "zero_grad": "assign x.grad = None, or let an optimiser do it: optimizer.zero_grad()",
    "zero_": "tensors are values: assign x.grad = None, or x[...] = 0 under nd.no_grad()",
    "grad_fn": "nd.draw(x) shows how it was computed",
    **dict.fromkeys(("cuda", "cpu", "device", "is_cuda", "to_device"), _CPU),
    **dict.fromkeys(("to", "float", "double", "half", "long", "int", "bool", "type"), "use x.astype(dtype)"),
}


def hint(name: str) -> str:
    """What to use for a function `name`; "" if nothing is known.

    >>> hint("cat"), hint("max_pool2d"), hint("colour")
    ('use nd.concatenate', 'use nd.max_pool_nd', '')
    """
    public = sys.modules[str(__package__)].__all__
    if any_rank := re.fullmatch(r"(\w+?)_?\dd", name):
        name = next((n for n in (f"{any_rank[1]}_nd", any_rank[1]) if n in public), name)
    found = _FUNCTIONS.get(name) or (name if name in public else "")
    if name in ("cuda", "device"):
        return _CPU
    return f"use nd.{found}" if found else f"use np.{name}" if not name.startswith("_") and hasattr(np, name) else ""


def tensor_hint(name: str) -> str:
    """What to use for the attribute `name` of a tensor x; "" if nothing is known."""
    if name in _TENSOR or name.startswith("_"):  # NumPy asks every operand for such names
        return _TENSOR.get(name, "")
    if found := hint(name):
        return f"{found}(x, ...)"
    return "tensors are values: assign a new one to its name" if name.endswith("_") else ""
