"""Machine code from LLVM IR, for kernels that name the vectors they keep in registers. llvmlite optimises and loads it."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple

import llvmlite
import numpy as np
from llvmlite import binding

from .. import memory, parallel
from . import ir, objects

INT = ir.IntType(64)
BIT = ir.IntType(1)

_lock = threading.Lock()
_locks: dict[Any, threading.Lock] = {}  # each held while that function is compiled
_loaded: dict[Any, Any] = {}
_keep: list[Any] = []  # the owners of the code


@cache
def lanes(dtype: np.dtype[Any]) -> int:
    """How many numbers one vector register holds on this processor."""
    features = binding.get_host_cpu_features()
    nbytes = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    return nbytes // dtype.itemsize


@cache
def registers() -> int:
    """How many vector registers there are."""
    x86 = binding.get_default_triple().startswith(("x86", "i686", "amd64"))
    return 32 if not x86 or masks() else 16


@cache
def masks() -> bool:
    """Whether part of a vector is stored as fast as a whole one."""
    return bool(binding.get_host_cpu_features().get("avx512f"))


class First(NamedTuple):
    """The first `count` lanes of a vector: those where `signs` is below 0."""

    count: Any
    signs: Any


def function(name: str, arguments: str, dtype: np.dtype[Any], body: Callable[..., Any], *parameters: Any) -> Any:
    """The compiled function that body(kernel, *its arguments, *parameters) writes; it runs without the GIL.

    arguments: one letter each, "p" a pointer to numbers, "r" a pointer to int64, "i" an int64; after ">" that of what `body` returns, if
    anything. Pointers are passed as addresses. Its own address is f.address.
    """
    key = name, dtype, parameters
    if key not in _loaded:
        with _lock:
            own = _locks.setdefault(key, threading.Lock())
        with own:
            if key not in _loaded:
                _loaded[key] = _load(name, arguments, dtype, body, parameters)
    return _loaded[key]


def together(*makers: Callable[[], Any]) -> None:
    """Calls what asks for functions, so that those not known yet are compiled on all threads at once."""
    parallel.run(makers, lambda make: make())


class Kernel:
    """A function being written: the builder `b`, and the few things kernels are made of."""

    def __init__(self, name: str, arguments: str, dtype: np.dtype[Any]) -> None:
        self.number = ir.FloatType() if dtype == np.float32 else ir.DoubleType()
        self.suffix = f"v{lanes(dtype)}f{8 * dtype.itemsize}"
        self.itemsize, self.lanes = dtype.itemsize, lanes(dtype)
        self.vector, self.mask = ir.VectorType(self.number, self.lanes), ir.VectorType(BIT, self.lanes)
        self.zero = ir.Constant(self.vector, None)
        types = {"p": self.number.as_pointer(), "r": INT.as_pointer(), "i": INT}
        self.module = ir.Module()
        arguments, _, result = arguments.partition(">")
        self.f = ir.Function(self.module, ir.FunctionType(types.get(result, ir.VoidType()), [types[a] for a in arguments]), name)
        for argument in self.f.args:
            if argument.type is types["p"]:
                self.f.noalias.add(argument)
        self.b = ir.IRBuilder(self.f)
        self.constants: dict[float, Any] = {}
        self.turned = False  # whether loops are to ask at their end if they go on
        self.level, self.vectors = 0, False  # how hard LLVM tries (0: kernels are written as they are to run), and whether it makes vectors

    def loop(self, start: Any, stop: Any, step: Any, body: Callable[..., Sequence[Any] | None], *carried: Any) -> list[Any]:
        """for i in range(start, stop, step): carried = body(i, *carried). Returns what is carried at the end."""
        before, head, inside, after = self.b.block, *(self.f.append_basic_block() for _ in range(3))
        self.b.branch(head)
        self.b.position_at_end(head)
        phis = [self.b.phi(value.type) for value in (integer(0), *carried)]
        for phi, value in zip(phis, (start, *carried)):
            phi.add_incoming(value, before)
        self.b.cbranch(self.b.icmp_signed("<", phis[0], stop), inside, after)
        self.b.position_at_end(inside)
        values = body(*phis) or ()
        following = self.b.add(phis[0], integer(step) if isinstance(step, int) else step)
        for phi, value in zip(phis, (following, *values)):
            phi.add_incoming(value, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(after)
        return phis[1:]

    def part(self, name: str, body: Callable[..., None], *values: Any) -> None:
        """Calls what body(kernel, *values) writes, a function of its own that is written once."""
        f = self.module.globals.get(name)
        if f is None:
            f = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [v.type for v in values]), name, "internal")
            outer = self.f, self.b, self.constants
            self.f, self.b, self.constants = f, ir.IRBuilder(f), {}
            body(self, *f.args)
            self.b.ret_void()
            self.f, self.b, self.constants = outer
        self.b.call(f, values)

    def call(self, address: Any, *arguments: Any) -> None:
        """Calls the function at this address."""
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in arguments])
        self.b.call(self.b.inttoptr(address, kind.as_pointer()), arguments)

    def least(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def at(self, pointer: Any, *offsets: Any) -> Any:
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset])
        return pointer

    def first(self, count: Any) -> First:
        kind = ir.IntType(8 * self.itemsize)  # as wide as a number: so wide is the mask that processors read by
        most, none = integer(self.lanes), integer(0)
        count = self.least(self.b.select(self.b.icmp_signed("<", count, none), none, count), most)
        lane = ir.Constant(ir.VectorType(kind, self.lanes), list(range(self.lanes)))
        return First(count, self.b.sub(lane, self.splat(self.b.trunc(count, kind))))

    def splat(self, value: Any) -> Any:
        """The vector with `value` in every lane."""
        kind = ir.VectorType(value.type, self.lanes)
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(one, one, [0] * self.lanes)

    def constant(self, value: float) -> Any:
        """The same of a number, written down once: as text it is long."""
        if value not in self.constants:
            with self.b.goto_entry_block():
                self.constants[value] = self.splat(ir.Constant(self.number, value))
        return self.constants[value]

    def table(self, numbers: Sequence[float]) -> Any:
        """Where constants lie one after the other."""
        return self.b.bitcast(self.module.table(self.number, numbers), self.number.as_pointer())

    def shuffle(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        return self.b.shuffle_vector(a, b, places)

    def load(self, pointer: Any, first: First | None = None) -> Any:
        """A vector from anywhere in memory; zeros, unread, outside the first lanes."""
        where = self.b.bitcast(pointer, self.vector.as_pointer())
        if first is None:
            return self.b.load(where, align=self.itemsize)
        kind = ir.FunctionType(self.vector, [self.vector.as_pointer(), ir.IntType(32), self.mask, self.vector])
        load = self.module.declared(f"llvm.masked.load.{self.suffix}.p0", kind)
        return self.b.call(load, [where, ir.Constant(ir.IntType(32), self.itemsize), self._mask(first), self.zero])

    def store(self, value: Any, pointer: Any, first: First | None = None) -> None:
        where = self.b.bitcast(pointer, self.vector.as_pointer())
        if first is None:
            self.b.store(value, where, align=self.itemsize)
        elif masks():
            kind = ir.FunctionType(ir.VoidType(), [self.vector, self.vector.as_pointer(), ir.IntType(32), self.mask])
            store = self.module.declared(f"llvm.masked.store.{self.suffix}.p0", kind)
            self.b.call(store, [value, where, ir.Constant(ir.IntType(32), self.itemsize), self._mask(first)])
        else:
            with self.b.if_else(self.b.icmp_signed("<", first.count, integer(self.lanes))) as (less, all_of_it):
                with less:
                    self._store_first(value, pointer, first.count)
                with all_of_it:
                    self.b.store(value, where, align=self.itemsize)

    def _mask(self, first: First) -> Any:
        return self.b.icmp_signed("<", first.signs, ir.Constant(first.signs.type, None))

    def _store_first(self, value: Any, pointer: Any, count: Any) -> None:
        """By halves, as the bits of `count` say: a masked store takes some processors twelve times as long."""
        width = self.lanes // 2
        while width:
            part = ir.VectorType(self.number, width)
            low, high = range(width), range(width, 2 * width)
            there = self.b.icmp_signed("!=", self.b.and_(count, integer(width)), integer(0))
            with self.b.if_then(there):
                lower = self.b.shuffle_vector(value, value, low)
                self.b.store(lower, self.b.bitcast(pointer, part.as_pointer()), align=self.itemsize)
            value = self.b.select(there, self.b.shuffle_vector(value, value, high), self.b.shuffle_vector(value, value, low))
            pointer = self.b.select(there, self.at(pointer, integer(width)), pointer)
            width //= 2

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """ab + c, fused where the processor can."""
        return self.b.call(self.module.declared(f"llvm.fmuladd.{self.suffix}", ir.FunctionType(self.vector, [self.vector] * 3)), [a, b, c])

    def expect(self, pointer: Any) -> None:
        """Fetch a cache line that is soon read: the processor foresees lines one after the other, not steps of many lines."""
        word = ir.IntType(32)
        prefetch = self.module.declared("llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word]))
        self.b.call(prefetch, [pointer, *(ir.Constant(word, i) for i in (0, 3, 1))])  # to read, soon again, data


def integer(n: int) -> Any:
    return ir.Constant(INT, n)


def _load(name: str, arguments: str, dtype: np.dtype[Any], body: Callable[..., Any], parameters: tuple[Any, ...]) -> Any:
    key = repr((name, arguments, dtype.name, body.__module__, body.__qualname__, parameters, lanes(dtype), registers(), masks(), _host()))
    compiled = objects.load(key)
    if compiled is None:
        start = perf_counter()
        with memory.uncollected():
            compiled = _compile(name, arguments, dtype, body, parameters)
        milliseconds = 1e3 * (perf_counter() - start)
        logging.getLogger("tinygrad_nd").info("compiled %s%s for %s in %.0f ms", name, parameters, dtype, milliseconds)
        objects.save(key, compiled)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
    engine.add_object_file(binding.ObjectFileRef.from_data(compiled))
    engine.finalize_object()
    _keep.append(engine)
    types: dict[str, Any] = {"": None, "p": ctypes.c_void_p, "r": ctypes.c_void_p, "i": ctypes.c_int64}
    address = engine.get_function_address(name)
    arguments, _, result = arguments.partition(">")
    f: Any = ctypes.CFUNCTYPE(types[result], *(types[a] for a in arguments))(address)
    f.address = address
    return f


def _compile(name: str, arguments: str, dtype: np.dtype[Any], body: Callable[..., Any], parameters: tuple[Any, ...]) -> bytes:
    """The object file of the function that `body` writes."""
    kernel = Kernel(name, arguments, dtype)
    result: Any = body(kernel, *kernel.f.args, *parameters)
    kernel.b.ret(result) if result else kernel.b.ret_void()
    module, machine = binding.parse_assembly(str(kernel.module), binding.create_context()), _machine()
    options = binding.create_pipeline_tuning_options(speed_level=kernel.level)
    options.loop_vectorization = kernel.vectors
    options.loop_unrolling = False  # the bodies are unrolled as far as there are registers
    passes = binding.create_pass_builder(machine, options)
    if kernel.level:
        manager = passes.getModulePassManager()
    else:
        manager = binding.create_new_module_pass_manager()
        if kernel.turned:
            manager.add_loop_rotate_pass()
        manager.add_instruction_combine_pass()
        manager.add_simplify_cfg_pass()
    try:
        return _unlocked(manager, module, passes, machine)
    except (AttributeError, TypeError, ctypes.ArgumentError):  # an llvmlite that is made otherwise
        manager.run(module, passes)
        compiled: bytes = machine.emit_object(module)
        return compiled


def _unlocked(manager: Any, module: Any, passes: Any, machine: Any) -> bytes:
    """The optimised module as an object file, without the lock that llvmlite holds meanwhile: each of our modules has its own context."""
    lib = binding.ffi.lib
    lib.LLVMPY_RunNewModulePassManager._cfn(manager, module, passes)
    with binding.ffi.OutputString() as error:
        buffer = lib.LLVMPY_TargetMachineEmitToMemory._cfn(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(str(error))
    try:
        return ctypes.string_at(lib.LLVMPY_GetBufferStart(buffer), lib.LLVMPY_GetBufferSize(buffer))
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(buffer)


@cache
def _target() -> Any:
    try:
        binding.initialize()
    except RuntimeError:  # newer versions need no call and say so
        pass
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple()


@cache
def _host() -> tuple[Any, ...]:
    """Processor, features, and what else the code depends on that is not in our source."""
    features = binding.get_host_cpu_features().flatten()
    return binding.get_host_cpu_name(), features, binding.get_default_triple(), binding.llvm_version_info, llvmlite.__version__


def _machine() -> Any:
    """The host, with its widest registers in use (LLVM prefers narrower ones where they once slowed the clock)."""
    cpu, features, *_ = _host()
    return _target().create_target_machine(cpu=cpu, features=features, opt=2)
