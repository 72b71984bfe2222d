"""Where things are in a model: what sits in its attributes, which place an error came from, and a picture of the tree in text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module


ELSEWHERE = {  # what PyTorch has, and how it is said here
    **dict.fromkeys(("to", "float", "double", "half", "type"), "use module.astype(dtype)"),
    **dict.fromkeys(("cuda", "cpu"), "everything is computed on the CPU"),
    "register_parameter": "assign it: self.name = nd.Parameter(...)",
    "register_buffer": "assign it: self.name = nd.tensor(...), or self._name if it is not to be saved",
    **dict.fromkeys(("add_module", "register_module"), "assign it: self.name = module"),
    **dict.fromkeys(("register_full_backward_hook", "register_backward_hook"), "call result.register_hook in a forward hook"),
    **dict.fromkeys(("fit", "compile", "train_on_batch"), "use nd.fit(model, loss, batches, optimiser, epochs)"),
    "predict": "call it: model(x), after model.eval() and under nd.no_grad()",
    **dict.fromkeys(("save", "save_weights"), "use nd.save(path, model)"),
    **dict.fromkeys(("load", "load_weights"), "use model.load_state_dict(nd.load(path))"),
    "trainable_variables": "use parameters()",
    "summary": "use print(model), or nd.shapes.trace(model, shape)",
    "named_children": "use children(), or named_modules()",
    "buffers": "use named_buffers()",
    **dict.fromkeys(("append", "extend", "insert"), "make a new one: nd.nn.Sequential(*model, layer)"),
}

MOST = 3  # tensors of a module whose shapes are told; a recurrent layer has four for each of its layers and ways
_NAMELESS: tuple[Any, ...] = set, frozenset, type({}.values()), np.ndarray  # what holds things without telling them apart by name
_PASSING = GeneratorType, map, filter, zip  # what is empty once it was read


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) for everything in nested lists, tuples and dicts; paths read as "blocks.0.conv"."""
    if isinstance(value, (tuple, MutableSequence, Mapping)):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def refuse_hidden(path: str, value: Any, is_part: Callable[[Any], bool]) -> None:
    """Raises TypeError for what holds parts but cannot name them, so that they would not be learned, and for what is gone once read."""
    nameless = isinstance(value, _NAMELESS) and (not isinstance(value, np.ndarray) or value.dtype.hasobject)
    held = next((type(item).__name__ for item in (value if nameless else ()) if is_part(item)), None)
    if held or isinstance(value, _PASSING):
        kind = f"a {type(value).__name__}" + (f" of {held}s" if held else "")
        raise TypeError(f"nn: {path} is {kind}, in which parts have no names and would not be learned; make it a list or dict")


def told(module: Module, path: str) -> str:
    """A module in a message: its path and its class."""
    kind = type(module).__name__
    return f"{path} ({kind})" if path and path != kind else kind


def tell_place(error: Exception, module: Module, scope: str) -> None:
    """Puts the path of the module that an error comes from before its message; modules further out find that said."""
    if hasattr(error, "module_path"):
        return
    error.module_path = scope  # type: ignore[attr-defined]
    if type(error) in (ValueError, TypeError) and len(error.args) == 1:
        message = str(error).removeprefix(f"{type(module).__name__}: ")
        error.args = (f"{told(module, scope)}: {message}",)
    else:  # such as a KeyError, whose argument is no message
        error.add_note(f"in {told(module, scope)}")


def tree(module: Module) -> str:
    """How each part was made, the shapes of its own tensors, and the number of parameters in it."""
    rows = list(_rows(module, "", 0))
    made, shapes = (max(len(row[i]) for row in rows) for i in (0, 1))
    return "\n".join(f"{a:{made}}  {b:{shapes}}  {c}".rstrip() for a, b, c in rows)


def _rows(module: Module, label: str, depth: int, above: tuple[Module, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """(what it is, its own tensors' shapes, its number of parameters) for a module and all below, except those it is itself below."""
    attributes, parts = list(leaves(module._attributes())), dict(module._parts())
    tensors = [f"{name} {v.shape}" for name, v in attributes if isinstance(v, Tensor)]
    own = ", ".join(tensors if len(tensors) <= MOST else [*tensors[:2], f"{len(tensors) - 2} more"])
    own = own or (f"{module._awaited} is found at the first call" if module._awaited else "")
    count = sum(p.size for _, p in module._learned())
    indent = "  " * depth
    yield f"{indent}{label}{_made(module)}", own, f"{count:,} parameters" if depth == 0 else f"{count:,}" if count else ""
    for name, value in attributes:
        if name in parts:
            if not any(parts[name] is m for m in (*above, module)):
                yield from _rows(parts[name], f"{name}: ", depth + 1, (*above, module))
        elif inspect.isroutine(value):
            yield f"{indent}  {name}: {value.__name__}", "", ""


def _made(module: Module) -> str:
    """The call that made a module, as far as its attributes tell: `Conv(3, 40, (4, 4), stride=2)`."""
    parts = []
    for p in inspect.signature(type(module)).parameters.values():
        value = vars(module).get(p.name, p.default)
        if value is None and p.default is True:  # a part that was left out, such as the bias
            value = False
        if not all(isinstance(v, (int, float, str, type(None))) for _, v in leaves(value)):
            continue
        if p.default is p.empty:
            parts.append(repr(value))
        elif value != p.default:
            parts.append(f"{p.name}={value!r}")
    return f"{type(module).__name__}({', '.join(parts)})"
