"""What to say of a name that is looked for in vain: other libraries have it, and this one says it otherwise."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

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
    "GradientTape": "value_and_grad", "gradcheck": "testing.check_grads", "set_grad_enabled": "no_grad",
    "summary": "shapes.trace",
}  # fmt: skip
_TOLD = {  # what is no function here
    "layers": "layers are in nd.nn",
    "optimizers": "optimisers are in nd.optim",
    **dict.fromkeys(("functional", "F"), "functions are in nd itself, such as nd.relu and nd.cross_entropy"),
    "jit": "operations run as they are called, without a compiler for programs; nd.set_engine('jit') compiles the kernels",
    "autograd": "gradients are in nd itself: nd.grad of a function, nd.gradients of tensors at hand",
    "is_tensor": "use isinstance(x, nd.Tensor)",
    "compile": "operations run as they are called, without a compiler for programs; nd.set_engine('jit') compiles the kernels",
    **dict.fromkeys(("vmap", "pmap", "vectorize"), "operations take batches, along leading axes; or use nd.stack([f(row) for row in x])"),
    **dict.fromkeys(("Dataset", "TensorDataset"), "arrays are enough: nd.data.batches((x, y), size)"),
    **dict.fromkeys(("utils", "lr_scheduler"), "schedules and clipping are in nd.optim, batches in nd.data"),
}
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
    if name in ("cuda", "device") or name in _TOLD:
        return _TOLD.get(name, _CPU)
    return f"use nd.{found}" if found else f"use np.{name}" if not name.startswith("_") and hasattr(np, name) else ""


def tensor_hint(name: str) -> str:
    """What to use for the attribute `name` of a tensor x; "" if nothing is known."""
    if name in _TENSOR or name.startswith("_"):  # NumPy asks every operand for such names
        return _TENSOR.get(name, "")
    if found := hint(name):
        return f"{found}(x, ...)"
    return "tensors are values: assign a new one to its name" if name.endswith("_") else ""


def near(name: str, names: list[str]) -> str:
    """The one of `names` that a misspelt one probably means, whatever its capitals; "" if there is none.

    >>> near("LeakyRelu", ["LeakyReLU", "ReLU"]), near("clip_grad_norm", ["clip_grad_norm_"]), near("colour", ["exp"])
    ('LeakyReLU', 'clip_grad_norm_', '')
    """
    plain = {n.lower(): n for n in names}
    found = [] if name.startswith("__") else difflib.get_close_matches(name.lower(), plain, 1, 0.8)
    return plain[found[0]] if found else ""


def hinting(part: str, names: list[str], said: Mapping[str, str] = {}) -> Callable[[str], Any]:
    """The `__getattr__` of a part of the package, such as nn, which has `names`: it tells what is `said` of another, or which is meant.

    A part sets it in globals(), where type checkers do not see it: they are to find what is missing.
    """

    def __getattr__(name: str) -> Any:
        close = near(name, names)
        told = f"use {said[name]}" if name in said else "" if name.startswith("__") else hint(name) or (close and f"use {close}")
        raise AttributeError(f"{part} has no {name!r}" + (f"; {told}" if told else ""))

    return __getattr__
