"""The .safetensors format: the length of a header (8 bytes, little-endian), the header (JSON), and the arrays' bytes one after the other.

The header maps each name to {"dtype", "shape", "data_offsets": [begin, end]}, and "__metadata__" to strings by name. There our files carry
a CRC-32 of each array and a seal on everything that is said of them.

Source: https://github.com/huggingface/safetensors (format).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from .document import parse
from .seal import array_of, check, octets, seal, whole

__all__ = ["read", "write"]

METADATA, CHECKSUMS, SEAL = "__metadata__", "tinygrad_nd.crc32", "tinygrad_nd.seal"
LARGEST_HEADER = 100_000_000  # bytes, as the format has it
DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes real numbers, truth values and complex64, in C order and little-endian."""
    rows: dict[str, Any] = {}
    values, end = {}, 0
    for name in sorted(arrays, key=lambda name: -arrays[name].itemsize):  # so that each begins at a multiple of its items' size
        rows[name] = _row(name, arrays[name])
        values[name] = np.asarray(arrays[name], arrays[name].dtype.newbyteorder("<"), order="C")
        rows[name]["data_offsets"] = [end, end := end + arrays[name].nbytes]
    rows = {name: rows[name] for name in arrays}
    sums = [crc32(octets(values[name])) for name in arrays]
    metadata = {CHECKSUMS: json.dumps(sums), SEAL: seal([rows, sums])}
    header = json.dumps({METADATA: metadata, **rows}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > LARGEST_HEADER:
        raise ValueError(f"a .safetensors file has at most {LARGEST_HEADER:,} bytes of names, but these {len(arrays)} take {len(header):,}")
    file.write(len(header).to_bytes(8, "little") + header)
    for array in values.values():
        file.write(octets(array))


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file, checked, whoever wrote it. Raises ValueError for what is none. bfloat16 is widened to float32."""
    data = whole(file)
    start = 8 + int.from_bytes(bytes(data[:8]), "little")
    if data.size < 8 or start > min(8 + LARGEST_HEADER, data.size):
        raise ValueError(f"its header would end at byte {start:,}, but the file has {data.size:,}, and headers at most {LARGEST_HEADER:,}")
    rows = parse(bytes(data[8:start]))
    if not isinstance(rows, dict) or not isinstance(metadata := rows.pop(METADATA, {}), dict):
        raise ValueError(f"its header, or {METADATA} in it, is no JSON object")
    end = 0
    for name in sorted(rows, key=lambda name: _offsets(name, rows[name])):
        end = _check_row(name, rows[name], end)
    if start + end != data.size:
        raise ValueError(f"its arrays take {end:,} bytes, but {data.size - start:,} follow the header")
    parts = {name: data[start:][slice(*_offsets(name, row))] for name, row in rows.items()}
    if CHECKSUMS in metadata or SEAL in metadata:
        _check_sums(parts, rows, metadata)
    return {name: _array(row, parts[name]) for name, row in rows.items()}


def _row(name: str, array: np.ndarray) -> dict[str, Any]:
    kind = NAMES.get(array.dtype.newbyteorder("<").str) if array.dtype.names is None else None
    if kind is None:
        raise TypeError(f"a .safetensors file cannot hold {name!r}, whose dtype is {array.dtype}; an .npz file may")
    if name == METADATA:
        raise ValueError(f"a .safetensors file cannot hold an array named {METADATA}, which is its own word")
    return {"dtype": kind, "shape": list(array.shape)}


def _offsets(name: str, row: Any) -> list[int]:
    match row:
        case {"data_offsets": [int(), int()] as offsets}:
            return list(offsets)
    raise ValueError(f"{name!r} does not say from where to where it goes")


def _check_row(name: str, row: dict[str, Any], end: int) -> int:
    """Where an array ends, the one before which ends at `end`."""
    kind, shape = row.get("dtype"), row.get("shape")
    if kind not in DTYPES and kind != "BF16":
        raise ValueError(f"{name!r} is of dtype {kind}, which NumPy does not have")
    if not isinstance(shape, list) or len(shape) > 64 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{name!r} has the shape {str(shape)[:80]}, which is none")
    nbytes = prod(shape) * (2 if kind == "BF16" else np.dtype(DTYPES[kind]).itemsize)
    if row["data_offsets"] != [end, end + nbytes]:
        raise ValueError(f"{name!r} takes {nbytes:,} bytes, from {end:,} on, but says {row['data_offsets']}")
    return end + nbytes


def _check_sums(parts: dict[str, np.ndarray], rows: dict[str, Any], metadata: dict[str, Any]) -> None:
    sums = parse(str(metadata.get(CHECKSUMS, "null")).encode())
    check(str(metadata.get(SEAL, "null")).encode(), [rows, sums])
    for (name, part), expected in zip(parts.items(), sums):
        if (found := crc32(part.data)) != expected:
            raise ValueError(f"{name!r} is not as it was written: its checksum is {found:08x}, and was {expected:08x}")


def _array(row: dict[str, Any], data: np.ndarray) -> np.ndarray:
    if row["dtype"] == "BF16":  # the upper half of a float32
        return (array_of(data, row["shape"], "<u2").astype("<u4") << 16).view("<f4")
    return array_of(data, row["shape"], DTYPES[row["dtype"]])
