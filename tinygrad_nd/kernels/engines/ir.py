"""LLVM IR as text, as much of it as kernels are made of, under the names of llvmlite.ir, whose objects take six times as long to make."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from llvmlite import binding

OPAQUE = binding.llvm_version_info[0] > 16  # a pointer's text does not tell to what
Undefined = object()


class Type:
    """There is one object for each type but those of functions. width: how many bits, or how many `of` another type."""

    def __init__(self, text: str, width: int = 0, of: Any = None, pointee: Any = None, result: Any = None) -> None:
        self.text, self.width, self.of, self.pointee, self.result = text, width, of, pointee, result
        self.pointer: Type | None = None

    def as_pointer(self) -> Type:
        self.pointer = self.pointer or Type("ptr" if OPAQUE else f"{self.text}*", pointee=self)
        return self.pointer


IntType = cache(lambda width: Type(f"i{width}", width))
FloatType, DoubleType, VoidType = (cache(lambda text=text: Type(text)) for text in ("float", "double", "void"))
VectorType = cache(lambda of, count: Type(f"<{count} x {of.text}>", count, of))
ArrayType = cache(lambda of, count: Type(f"[{count} x {of.text}]", count, of))


def FunctionType(result: Type, arguments: Sequence[Type]) -> Type:
    return Type(f"{result.text} ({', '.join(a.text for a in arguments)})", len(arguments), arguments, result=result)


class Value:
    """What has a type and a name; text: as an operand."""

    __slots__ = ("attributes", "text", "type")

    def __init__(self, type: Type, text: str) -> None:
        self.type, self.text = type, text


class Selected(Value):
    __slots__ = ()


def Constant(type: Type, value: Any) -> Value:
    """value: a number, several of a vector or an array, None for zeros or no address."""
    return Value(type, _constant(type, value))


def _constant(type: Type, value: Any) -> str:
    if value is Undefined:
        return "undef"
    if value is None:
        return "null" if type.pointee else "zeroinitializer"
    if type.of:
        inside = ", ".join([f"{type.of.text} {_constant(type.of, v)}" for v in value])
        return f"<{inside}>" if type.text[0] == "<" else f"[{inside}]"
    if type.width:
        return str(int(value)) if type.width > 1 else "true" if value else "false"
    if type.text == "float":  # written as the double that it is
        value = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016x}"


class Module:
    def __init__(self) -> None:
        self.globals: dict[str, Any] = {}

    def __str__(self) -> str:
        return "\n".join(map(str, self.globals.values()))

    def table(self, of: Type, numbers: Sequence[float]) -> Value:
        """Where constants lie one after the other."""
        kind, name = ArrayType(of, len(numbers)), f'@"table {len(self.globals)}"'
        self.globals[name] = f"{name} = internal constant {kind.text} {_constant(kind, numbers)}"
        return Value(kind.as_pointer(), name)

    def declared(self, name: str, kind: Type, result: str = "") -> Function:
        """A function that is elsewhere. result: attributes of that."""
        return self.globals.get(name) or Function(self, kind, name, attributes=(result, ""))


class Block:
    def __init__(self, name: str) -> None:
        self.name, self.lines, self.end = name, list[Any](), ""

    @property
    def is_terminated(self) -> bool:
        return bool(self.end)


class Function(Value):
    """It is declared only, as long as it has no blocks. Of the module it is known by `name`; attributes are its result's and its own."""

    __slots__ = ("args", "blocks", "kind", "linkage", "made", "noalias")

    def __init__(self, module: Module, kind: Type, name: str, linkage: str = "", attributes: tuple[str, str] = ("", "")) -> None:
        plain = name if name.replace(".", "_").isidentifier() else f"part {len(module.globals)}"
        super().__init__(kind.as_pointer(), f'@"{plain}"')
        self.kind, self.linkage, self.attributes = kind, linkage, attributes
        self.args, self.blocks, self.made = [Value(a, f"%a{i}") for i, a in enumerate(kind.of)], list[Block](), 0
        self.noalias: set[Value] = set()  # arguments
        module.globals[name] = self

    def append_basic_block(self) -> Block:
        self.blocks.append(Block(f"b{len(self.blocks)}"))
        return self.blocks[-1]

    def __str__(self) -> str:
        arguments = ", ".join([f"{a.type.text}{' noalias' * (a in self.noalias)} {a.text}" for a in self.args])
        before, after = self.attributes
        head = f"{self.linkage} {before} {self.kind.result.text} {self.text}({arguments}) {after}"
        if not self.blocks:
            return f"declare {head}"
        body = [line for block in self.blocks for line in (f"{block.name}:", *block.lines, block.end)]
        return "\n".join([f"define {head} {{", *map(str, body), "}"])


class Phi(Value):
    __slots__ = ("incoming",)

    def __init__(self, type: Type, text: str) -> None:
        super().__init__(type, text)
        self.incoming: list[str] = []

    def add_incoming(self, value: Value, block: Block) -> None:
        self.incoming.append(f"[ {value.text}, %{block.name} ]")

    def __str__(self) -> str:
        return f"{self.text} = phi {self.type.text} {', '.join(self.incoming)}"


def _two(op: str) -> Callable[..., Value]:
    def write(b: IRBuilder, x: Value, y: Value, flags: Sequence[str] = ()) -> Value:
        return b._put(x.type, f"{op} {' '.join(flags)} {x.type.text} {x.text}, {y.text}")

    return write


def _cast(op: str) -> Callable[..., Value]:
    def write(b: IRBuilder, x: Value, to: Type) -> Value:
        if x.type.text == to.text:  # of pointers it may not tell to what
            return x if x.type is to else Value(to, x.text)
        return b._put(to, f"{op} {x.type.text} {x.text} to {to.text}")

    return write


def _compare(op: str, kind: str) -> Callable[..., Value]:
    def write(b: IRBuilder, sign: str, x: Value, y: Value) -> Value:
        before = "" if op == "icmp" and sign in ("==", "!=") else kind
        found = VectorType(IntType(1), x.type.width) if x.type.of else IntType(1)
        return b._put(found, f"{op} {before}{_SIGNS[sign]} {x.type.text} {x.text}, {y.text}")

    return write


class IRBuilder:
    """Writes instructions at the end of a block."""

    def __init__(self, f: Function) -> None:
        self.f, self.block = f, f.append_basic_block()

    def append_basic_block(self) -> Block:
        return self.f.append_basic_block()

    def position_at_end(self, block: Block) -> None:
        self.block = block

    @contextmanager
    def goto_entry_block(self) -> Iterator[None]:
        here, self.block = self.block, self.f.blocks[0]
        yield
        self.block = here

    def _name(self) -> str:
        self.f.made += 1
        return f"%v{self.f.made}"

    def _put(self, type: Type, text: str) -> Value:
        value = Value(type, self._name())
        self.block.lines.append(f"{value.text} = {text}")
        return value

    add, sub, mul, udiv, sdiv, urem, srem = map(_two, ("add", "sub", "mul", "udiv", "sdiv", "urem", "srem"))
    and_, or_, xor, shl, ashr = map(_two, ("and", "or", "xor", "shl", "ashr"))
    fadd, fsub, fmul, fdiv = map(_two, ("fadd", "fsub", "fmul", "fdiv"))
    trunc, zext, sext, bitcast, inttoptr, ptrtoint = map(_cast, ("trunc", "zext", "sext", "bitcast", "inttoptr", "ptrtoint"))
    fptrunc, fpext, fptoui, fptosi, uitofp, sitofp = map(_cast, ("fptrunc", "fpext", "fptoui", "fptosi", "uitofp", "sitofp"))
    icmp_signed, icmp_unsigned = _compare("icmp", "s"), _compare("icmp", "u")
    fcmp_ordered, fcmp_unordered = _compare("fcmp", "o"), _compare("fcmp", "u")

    def neg(self, a: Value) -> Value:
        return self._put(a.type, f"sub {a.type.text} 0, {a.text}")

    def not_(self, a: Value) -> Value:
        return self._put(a.type, f"xor {a.type.text} {a.text}, {'true' if a.type.width == 1 else -1}")

    def fneg(self, a: Value) -> Value:
        return self._put(a.type, f"fneg {a.type.text} {a.text}")

    def freeze(self, a: Value) -> Value:
        return self._put(a.type, f"freeze {a.type.text} {a.text}")

    def select(self, test: Value, a: Value, b: Value) -> Value:
        chosen = self._put(a.type, f"select {_typed(test)}, {_typed(a)}, {_typed(b)}")
        return Selected(chosen.type, chosen.text)

    def phi(self, type: Type) -> Phi:
        phi = Phi(type, self._name())
        self.block.lines.append(phi)
        return phi

    def shuffle_vector(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        word = IntType(32)
        at = Constant(VectorType(word, len(places)), places)
        return self._put(VectorType(a.type.of, len(places)), f"shufflevector {_typed(a)}, {_typed(b)}, {_typed(at)}")

    def insert_element(self, a: Value, value: Value, place: Value) -> Value:
        return self._put(a.type, f"insertelement {_typed(a)}, {_typed(value)}, {_typed(place)}")

    def call(self, f: Value, arguments: Sequence[Value]) -> Value:
        result = f.type.pointee.result
        text = f"call {result.text} {f.text}({', '.join(map(_typed, arguments))})"
        if result is not VoidType():
            return self._put(result, text)
        self.block.lines.append(text)
        return f

    # Memory.

    def alloca(self, type: Type, count: Value | None = None, align: int = 0) -> Value:
        more = f", {_typed(count)}" if count else ""
        return self._put(type.as_pointer(), f"alloca {type.text}{more}{_aligned(align)}")

    def gep(self, a: Value, indices: Sequence[Value]) -> Value:
        return self._put(a.type, f"getelementptr {a.type.pointee.text}, {', '.join(map(_typed, (a, *indices)))}")

    def load(self, a: Value, align: int = 0) -> Value:
        return self._put(a.type.pointee, f"load {a.type.pointee.text}, {_typed(a)}{_aligned(align)}")

    def store(self, value: Value, to: Value, align: int = 0) -> None:
        self.block.lines.append(f"store {_typed(value)}, {_typed(to)}{_aligned(align)}")

    def load_atomic(self, a: Value, order: str, align: int) -> Value:
        return self._put(a.type.pointee, f"load atomic {a.type.pointee.text}, {_typed(a)} {order}{_aligned(align)}")

    def store_atomic(self, value: Value, to: Value, order: str, align: int) -> None:
        self.block.lines.append(f"store atomic {_typed(value)}, {_typed(to)} {order}{_aligned(align)}")

    def atomic_rmw(self, op: str, to: Value, value: Value, order: str) -> Value:
        return self._put(value.type, f"atomicrmw {op} {_typed(to)}, {_typed(value)} {order}")

    # Where it goes on.

    def branch(self, to: Block) -> None:
        self.block.end = f"br label %{to.name}"

    def cbranch(self, test: Value, yes: Block, no: Block) -> None:
        self.block.end = f"br {_typed(test)}, label %{yes.name}, label %{no.name}"

    def ret(self, value: Value) -> None:
        self.block.end = f"ret {_typed(value)}"

    def ret_void(self) -> None:
        self.block.end = "ret void"

    @contextmanager
    def _inside(self, block: Block, after: Block) -> Iterator[None]:
        self.block = block
        yield
        if not self.block.end:
            self.branch(after)

    @contextmanager
    def if_then(self, test: Value) -> Iterator[None]:
        then, after = self.append_basic_block(), self.append_basic_block()
        self.cbranch(test, then, after)
        with self._inside(then, after):
            yield
        self.block = after

    @contextmanager
    def if_else(self, test: Value) -> Iterator[Any]:
        then, otherwise, after = (self.append_basic_block() for _ in range(3))
        self.cbranch(test, then, otherwise)
        yield self._inside(then, after), self._inside(otherwise, after)
        self.block = after


_SIGNS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}


def _typed(value: Value) -> str:
    return f"{value.type.text} {value.text}"


def _aligned(align: int) -> str:
    return f", align {align}" if align else ""
