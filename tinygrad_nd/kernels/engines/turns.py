"""Matrices turned round in registers: channels-first memory made channels-last, and back."""

# mypy: ignore-errors
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from ..memory import Array
from . import crew, native

U = np.uintp
BYTES = 64  # of a tile's row
JIT: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


def turn(matrices: Array, out: Array) -> None:
    """out[i] = matrices[i].T; both C-contiguous, (count, m, n) and (count, n, m), of numbers of 4 or 8 bytes."""
    crew.run([[call(matrices, out)]])


def call(matrices: Array, out: Array) -> crew.Call:
    """The same as a call to be made."""
    count, m, n = matrices.shape
    return native.call(_turn, (matrices.reshape(-1), out.reshape(-1), U(BYTES // out.itemsize), U(count), U(m), U(n)))


@njit(**JIT)
def _turn(x, y, lanes, count, m, n):
    whole_m, whole_n = m - m % lanes, n - n % lanes
    for matrix in range(count):
        base = matrix * m * n
        for j in range(U(0), whole_n, lanes):
            for i in range(U(0), whole_m, lanes):
                _turn_tile(x, base + i * n + j, n, y, base + j * m + i, m)
            for q in range(j, j + lanes):
                for p in range(whole_m, m):
                    y[base + q * m + p] = x[base + p * n + q]
        for q in range(whole_n, n):
            for p in range(m):
                y[base + q * m + p] = x[base + p * n + q]


@intrinsic
def _turn_tile(context, x, at, step, y, to, to_step):
    """y[to + j * to_step + i] = x[at + i * step + j] for i, j below the number of lanes.

    Interleaving row i with row i + lanes/2, for all i, moves the highest bit of the row's number to the lowest of the column's. After as
    many rounds as the number has bits, rows are columns.
    """
    bits = x.dtype.bitwidth
    lanes = BYTES * 8 // bits

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, at, step, y, to, to_step = args
        row = ir.VectorType(ir.IntType(bits), lanes)

        def address(i: int, array: Any, kind: Any, start: Any, step: Any) -> Any:
            data = builder.bitcast(context.make_array(kind)(context, builder, array).data, ir.IntType(bits).as_pointer())
            return builder.bitcast(builder.gep(data, [builder.add(start, builder.mul(step, step.type(i)))]), row.as_pointer())

        def interleave(a: Any, b: Any, half: int) -> Any:
            mask = [half * lanes // 2 + j // 2 + j % 2 * lanes for j in range(lanes)]
            return builder.shuffle_vector(a, b, ir.VectorType(ir.IntType(32), lanes)(mask))

        rows = [builder.load(address(i, x, signature.args[0], at, step), align=bits // 8) for i in range(lanes)]
        for _ in range(lanes.bit_length() - 1):
            rows = [interleave(rows[i // 2], rows[i // 2 + lanes // 2], i % 2) for i in range(lanes)]
        for i in range(lanes):
            builder.store(rows[i], address(i, y, signature.args[3], to, to_step), align=bits // 8)
        return context.get_dummy_value()

    return types.void(x, at, step, y, to, to_step), generate
