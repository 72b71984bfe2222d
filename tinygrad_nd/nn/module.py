"""Module: a model, or a part of one, as a plain object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ..arguments import answering, flag
from ..node import current_scope
from ..tensor import Parameter, Tensor
from .hooks import Hook, run_after, run_before
from .places import ELSEWHERE, leaves, refuse_hidden, tell_place, told, tree
from .state import load, turn

__all__ = ["Module"]

_caller: ContextVar[Module | None] = ContextVar("caller", default=None)
watching: ContextVar[Callable[[Module, Callable[[], Any]], Any] | None] = ContextVar("watching", default=None)  # runs the calls of modules


class Module:
    """Subclass it, set attributes, define `forward` (a `__call__` is taken as one). There is nothing to register and no
    `super().__init__()` to call.

    Attributes that are Parameters (or leaves requiring grad) are learned; other tensors are buffers: state too, saved but not learned,
    unless their name starts with "_". Modules are parts. All of them may sit in lists, tuples and dicts; in sets and generators they are
    refused. Paths are written as in PyTorch: "blocks.0.conv.weight". A tensor found under two paths counts once among the parameters, and
    is saved under both.

    Calling a module runs `forward` in the scope of its attribute path ("Net/block/conv"; the outermost gives its class name), and the first
    call of an outermost module names its unnamed tensors by their paths, so that drawings and messages do; errors begin with that scope.

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
    _hooks: list[Hook] | None = None
    _named: bool = False  # whether all its tensors have names
    _awaited: str | None = None  # the argument without which a lazy layer has no parameters yet

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        caller = _caller.get()
        if caller is not None:
            known = caller._labels
            label = known[id(self)][0] if known is not None and id(self) in known else caller._label(self)
        elif self._named:
            label = type(self).__name__
        else:
            return self._first_call(args, kwargs)
        outer = current_scope.get()
        path = f"{outer}/{label}" if outer else label
        try:
            current_scope.set(path)
            _caller.set(self)
            return self.forward(*args, **kwargs) if self._hooks is None and watching.get() is None else self._observed(args, kwargs)
        except Exception as error:
            tell_place(error, self, path)
            raise
        finally:
            _caller.set(caller)
            current_scope.set(outer)

    def parameters(self) -> list[Tensor]:
        """The learned tensors, each once. Raises ValueError while a lazy layer has none yet."""
        return [p for _, p in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """(path, tensor) for every learned tensor, under its first path."""
        self._refuse_unmade("parameters")
        return self._learned()

    def named_buffers(self) -> list[tuple[str, Tensor]]:
        """(path, tensor) for every tensor that is saved but not learned, under its first path."""
        return _once((path, t) for path, t in self._state() if not _is_learned(t))

    def modules(self) -> list[Module]:
        """This module and all its parts, each once."""
        return [m for _, m in self.named_modules()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """(path, module) for this module ("") and all its parts, under their first paths."""
        return _once((path, m) for path, m in self._walk() if isinstance(m, Module))

    def children(self) -> list[Module]:
        """The parts that are its own, not parts of its parts."""
        return [m for _, m in _once(self._parts())]

    def apply(self, f: Callable[[Module], Any]) -> Self:
        """Calls f with every part, and with this module last. Returns self."""
        if not callable(f):
            raise TypeError(f"{type(self).__name__}.apply: takes a function of a module, but got a {type(f).__name__}")
        for m in reversed(self.modules()):
            f(m)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Path to a copy of the value, for every parameter and buffer."""
        self._refuse_unmade("state_dict")
        state: dict[str, np.ndarray] = {}
        for path, t in self._state():
            if path in state:
                raise ValueError(f"{type(self).__name__}.state_dict: two tensors are called {path!r}; give a key of that dict another name")
            state[path] = t.data.copy()
        return state

    def load_state_dict(self, mapping: Mapping[str, Any], strict: bool = True) -> None:
        """Takes values (arrays or tensors) by path; lazy layers get their parameters from it. With strict=False, paths that only one side
        has are passed over.

        Raises ValueError, listing every path that is missing, unexpected, or of another shape or dtype; nothing has changed then.
        """
        load(self, mapping, strict)

    def train(self, mode: bool = True) -> Self:
        """Sets `training` here and in all parts (`Dropout` looks at it). Returns self."""
        flag(f"{type(self).__name__}.train", "mode", mode)
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, on: bool = True) -> Self:
        """Freezes all its Parameters (False) or lets them learn again. Frozen ones stay parameters, get no gradient and are not stepped."""
        for p in self.parameters():
            p.requires_grad = on
        return self

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Turns its real floating parameters and buffers to `dtype`, and clears their gradients. They stay the same objects. Returns self.

        What an optimiser remembers keeps its dtype: make the optimiser afterwards.
        """
        try:
            kind = np.dtype(dtype)
        except TypeError:
            kind = None
        if dtype is None or kind is None or kind.kind != "f":
            raise TypeError(f"{type(self).__name__}.astype: a model needs a real floating dtype, but got {kind or dtype}")
        for m in self.modules():
            m._turn_to(kind)
        return self

    def zero_grad(self) -> None:
        """Clears the gradient of every parameter."""
        for _, p in self._learned():
            p.grad = None

    def register_forward_pre_hook(self, hook: Callable[[Any, tuple[Any, ...]], Any]) -> Hook:
        """Calls `hook(module, args)` before each forward; what it returns, if not None, is the argument (a tuple: the arguments) instead.

        Copies of the module have no hooks. The result has `remove()`, and may stand in a `with` statement.
        """
        return self._hook(hook, True)

    def register_forward_hook(self, hook: Callable[[Any, tuple[Any, ...], Any], Any]) -> Hook:
        """Calls `hook(module, args, result)` after each forward; what it returns, if not None, is the result instead.

        For gradients, let it call `result.register_hook`. Copies of the module have no hooks.

        >>> from tinygrad_nd import nn
        >>> net, seen = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), []
        >>> with net[0].register_forward_hook(lambda module, args, result: seen.append(result.shape)):
        ...     y = net([[1.0, 2.0, 3.0]])
        >>> seen
        [(1, 2)]
        """
        return self._hook(hook, False)

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith(__name__.rpartition(".")[0]) and "__init__" in vars(cls):
            cls.__init__ = answering(cls.__init__)  # type: ignore[method-assign]
        if "__call__" in vars(cls) and cls.forward is Module.forward:
            cls.forward = cls.__call__  # type: ignore[method-assign]
            del cls.__call__
        for name, value in vars(cls).items():
            if _is_part(value) or (name == "__slots__" and value):
                where = "in slots" if name == "__slots__" else "of the class"
                raise TypeError(f"{cls.__name__}: {name} is {where}, where parts are not found and would not be learned; set them on self")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(self).get(name), Parameter) and not isinstance(value, (Tensor, type(None))):
            raise TypeError(
                f"{type(self).__name__}: {name} is a parameter, but a {type(value).__name__} would not be learned; "
                f"give it a new value by {name}.data = array, or assign nd.Parameter(array)"
            )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """A tree: how each part was made, the shapes of its own tensors, and the number of parameters in it."""
        return tree(self)

    if not TYPE_CHECKING:  # type checkers should find attributes that are not there

        def __getattr__(self, name):
            hint = ELSEWHERE.get(name) or (self._awaited and f"{self._awaited} is found at the first call")
            if not hint:
                return self.__getattribute__(name)  # raises as ever
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}; {hint}")

    def _first_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call of a module that no other calls: names its tensors, those that lazy layers make after it. If it fails, these are as
        before, for what it was called with may have been wrong.
        """
        lazy = [(m, dict(vars(m))) for m in self.modules() if m._awaited]
        self._name_tensors()
        self._named = True
        try:
            return Module.__call__(self, *args, **kwargs)
        except Exception:
            for m, before in lazy:
                vars(m).clear()
                vars(m).update(before)
            raise
        finally:
            if lazy:
                self._name_tensors()
                self._named = not any(m._awaited for m in self.modules())

    def _observed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` between its hooks, watched by whoever watches."""
        hooks, watch = self._hooks, watching.get()
        args = run_before(hooks, self, args) if hooks else args
        result = self.forward(*args, **kwargs) if watch is None else watch(self, lambda: self.forward(*args, **kwargs))
        return run_after(hooks, self, args, result) if hooks else result

    def _hook(self, function: Callable[..., Any], before: bool) -> Hook:
        self._hooks = [] if self._hooks is None else self._hooks
        return Hook(function, before, self._hooks)

    def _attributes(self) -> Mapping[str, Any]:
        return self.__getstate__()

    def _parts(self) -> Iterator[tuple[str, Module]]:
        return ((name, value) for name, value in leaves(self._attributes()) if isinstance(value, Module))

    def _walk(self, path: str = "", above: tuple[Module, ...] = ()) -> Iterator[tuple[str, Module | Tensor]]:
        """This module, its tensors and its parts' with their paths, depth first; a part that contains itself is not entered again."""
        yield path, self
        above = (*above, self)
        for name, value in leaves(self._attributes()):
            full = f"{path}.{name}" if path else name
            if isinstance(value, Tensor):
                yield full, value
            elif not isinstance(value, Module):
                refuse_hidden(full, value, _is_part)
            elif not any(value is m for m in above):
                yield from value._walk(full, above)

    def _learned(self) -> list[tuple[str, Tensor]]:
        return _once((path, t) for path, t in self._walk() if _is_learned(t))

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        for path, t in self._walk():
            if isinstance(t, Tensor) and (_is_learned(t) or (t.is_leaf and not path.rpartition(".")[2].startswith("_"))):
                yield path, t

    def _refuse_unmade(self, what: str) -> None:
        """Raises ValueError for the first lazy layer that has no parameters yet."""
        for path, m in self.named_modules():
            if m._awaited:
                raise ValueError(
                    f"{type(self).__name__}.{what}: {told(m, path)} has no parameters yet, for {m._awaited}=None is found at the first "
                    "call; call the model once on an example, or load a state_dict"
                )

    def _fit_to(self, path: str, mapping: Mapping[str, Any], strict: bool) -> list[str]:
        """Makes the parameters of a lazy layer as saved ones are; what is in the way of that."""
        return []

    def _turn_to(self, dtype: np.dtype[Any]) -> None:
        """Turns the tensors of this module alone."""
        for t in attributes(self):
            if isinstance(t, Tensor) and t.is_leaf and t.dtype.kind == "f" and t.dtype != dtype:
                turn(t, dtype)

    def _label(self, part: Module) -> str:
        """The path from this module to one that it calls: its class name if it is no part of this."""
        known = self._labels = {id(m): (path, m) for path, m in self.named_modules() if m is not self}
        return known[id(part)][0] if id(part) in known else type(part).__name__

    def _name_tensors(self) -> None:
        for path, t in self._state():
            if t.name is None:
                t.name = path

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_labels", "_hooks", "_named")}


def attributes(module: Module) -> list[Any]:
    """The values of a module's attributes, those in lists, tuples and dicts one by one."""
    return [value for _, value in leaves(module._attributes())]


def _is_part(value: Any) -> bool:
    return isinstance(value, Module) or _is_learned(value)


def _is_learned(t: Any) -> bool:
    return isinstance(t, Parameter) or (isinstance(t, Tensor) and t.requires_grad and t.is_leaf)


def _once(found: Iterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    first: dict[int, tuple[str, Any]] = {}
    for path, item in found:
        first.setdefault(id(item), (path, item))
    return list(first.values())
