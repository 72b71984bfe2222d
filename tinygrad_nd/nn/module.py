"""Module: a model, or a part of one, as a plain object."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from ..node import current_scope
from ..tensor import Parameter, Tensor

_caller: ContextVar[Module | None] = ContextVar("caller", default=None)
watching: ContextVar[Callable[[Module, Callable[[], Any]], Any] | None] = ContextVar("watching", default=None)  # runs the calls of modules


class Module:
    """Subclass it, set attributes, define `forward`. There is nothing to register and no `super().__init__()` to call.

    Attributes that are Parameters (or leaves requiring grad) are learned; other tensors are state too, saved but not learned, unless their
    name starts with "_". Modules are parts. All of them may sit in lists, tuples and dicts. Paths are written as in PyTorch:
    "blocks.0.conv.weight". A tensor found under two paths counts once among the parameters, and is saved under both.

    Calling a module runs `forward` in the scope of its attribute path ("Net/block/conv"; the outermost gives its class name), and the first
    call of an outermost module names its unnamed tensors by their paths, so that drawings and messages do.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Parameter(2.0), Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> [name for name, p in Line().named_parameters()]
    ['slope', 'offset']
    """

    training: bool = True
    _labels: dict[int, tuple[str, Module]] | None = None  # by id, for modules may define their own equality; holding them keeps ids unique

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        caller = _caller.get()
        label = self._outermost() if caller is None else caller._label(self)
        outer = current_scope.get()
        scope = current_scope.set(f"{outer}/{label}" if outer else label)
        token = _caller.set(self)
        try:
            watch = watching.get()
            return self.forward(*args, **kwargs) if watch is None else watch(self, lambda: self.forward(*args, **kwargs))
        finally:
            _caller.reset(token)
            current_scope.reset(scope)

    def parameters(self) -> list[Tensor]:
        """The learned tensors, each once."""
        return [p for _, p in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """(path, tensor) for every learned tensor, under its first path."""
        return _once((path, t) for path, t in self._walk() if _is_learned(t))

    def modules(self) -> list[Module]:
        """This module and all its parts, each once."""
        return [m for _, m in self.named_modules()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """(path, module) for this module ("") and all its parts, under their first paths."""
        return _once((path, m) for path, m in self._walk() if isinstance(m, Module))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Path to a copy of the value, for every parameter and every other tensor that is state."""
        return {path: t.data.copy() for path, t in self._state()}

    def load_state_dict(self, mapping: Mapping[str, Any], strict: bool = True) -> None:
        """Takes values (arrays or tensors) by path. With strict=False, paths that only one side has are passed over.

        Raises ValueError, listing every path that is missing, unexpected, or of another shape or dtype; nothing has changed then.
        """
        own = dict(self._state())
        values = {k: v.data if isinstance(v, Tensor) else np.asarray(v) for k, v in mapping.items() if k in own}
        problems = [f"missing: {path} {t.shape}" for path, t in own.items() if path not in mapping] if strict else []
        problems += [f"unexpected: {path}" for path in mapping if path not in own] if strict else []
        for path, a in values.items():
            t = own[path]
            if (a.shape, a.dtype) != (t.shape, t.dtype):
                problems.append(f"mismatched: {path} is {a.shape} {a.dtype}, but the module has {t.shape} {t.dtype}")
        if problems:
            raise ValueError("\n  ".join([f"{type(self).__name__}.load_state_dict: nothing was loaded", *problems]))
        for path, a in values.items():
            own[path].data = a

    def train(self, mode: bool = True) -> Self:
        """Sets `training` here and in all parts (`Dropout` looks at it). Returns self."""
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Clears the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    def __repr__(self) -> str:
        """A tree: how each part was made, the shapes of its own tensors, and the number of parameters in it."""
        rows = list(self._rows("", 0))
        made, shapes = (max(len(row[i]) for row in rows) for i in (0, 1))
        return "\n".join(f"{a:{made}}  {b:{shapes}}  {c}".rstrip() for a, b, c in rows)

    def _attributes(self) -> Mapping[str, Any]:
        return self.__getstate__()

    def _walk(self, path: str = "", above: tuple[Module, ...] = ()) -> Iterator[tuple[str, Module | Tensor]]:
        """This module, its tensors and its parts' with their paths, depth first; a part that contains itself is not entered again."""
        yield path, self
        above = (*above, self)
        for name, value in _leaves(self._attributes()):
            full = f"{path}.{name}" if path else name
            if isinstance(value, Tensor):
                yield full, value
            elif isinstance(value, Module) and not any(value is m for m in above):
                yield from value._walk(full, above)

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        for path, t in self._walk():
            if isinstance(t, Tensor) and (_is_learned(t) or (t.is_leaf and not path.rpartition(".")[2].startswith("_"))):
                yield path, t

    def _outermost(self) -> str:
        """The scope of a module that no other calls; names its tensors when called first."""
        if self._labels is None:
            self._learn_labels()
            for path, t in self._state():
                if t.name is None:
                    t.name = path
        return type(self).__name__

    def _label(self, part: Module) -> str:
        """The path from this module to one that it calls: its class name if it is no part of this."""
        known = self._labels
        if known is None or id(part) not in known:
            known = self._learn_labels()
        return known[id(part)][0] if id(part) in known else type(part).__name__

    def _learn_labels(self) -> dict[int, tuple[str, Module]]:
        self._labels = {id(m): (path, m) for path, m in self.named_modules() if m is not self}
        return self._labels

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_labels"}

    def _rows(self, label: str, depth: int) -> Iterator[tuple[str, str, str]]:
        """(what it is, its own tensors' shapes, its number of parameters) for this module and all below."""
        attributes = list(_leaves(self._attributes()))
        own = ", ".join(f"{name} {v.shape}" for name, v in attributes if isinstance(v, Tensor))
        count = sum(p.size for p in self.parameters())
        indent = "  " * depth
        yield f"{indent}{label}{_made(self)}", own, f"{count:,} parameters" if depth == 0 else f"{count:,}" if count else ""
        for name, value in attributes:
            if isinstance(value, Module):
                yield from value._rows(f"{name}: ", depth + 1)
            elif inspect.isroutine(value):
                yield f"{indent}  {name}: {value.__name__}", "", ""


def attributes(module: Module) -> list[Any]:
    """The values of a module's attributes, those in lists, tuples and dicts one by one."""
    return [value for _, value in _leaves(module._attributes())]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) for everything in nested lists, tuples and dicts."""
    if isinstance(value, (list, tuple, Mapping)):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _is_learned(t: Any) -> bool:
    return isinstance(t, Parameter) or (isinstance(t, Tensor) and t.requires_grad and t.is_leaf)


def _once(found: Iterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    first: dict[int, tuple[str, Any]] = {}
    for path, item in found:
        first.setdefault(id(item), (path, item))
    return list(first.values())


def _made(module: Module) -> str:
    """The call that made a module, as far as its attributes tell: `Conv(3, 40, (4, 4), stride=2)`."""
    parts = []
    for p in inspect.signature(type(module)).parameters.values():
        value = vars(module).get(p.name, p.default)
        if value is None and p.default is True:  # a part that was left out, such as the bias
            value = False
        if not all(isinstance(v, (int, float, str, type(None))) for _, v in _leaves(value)):
            continue
        if p.default is p.empty:
            parts.append(repr(value))
        elif value != p.default:
            parts.append(f"{p.name}={value!r}")
    return f"{type(module).__name__}({', '.join(parts)})"
