"""What both formats share: a seal (format version and checksum) on what a file says of its arrays, and the bytes of files and arrays."""

from __future__ import annotations

import json
import os
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from .document import parse

__all__ = ["VERSION", "array_of", "check", "octets", "seal", "whole"]

VERSION = 1


def seal(description: Any) -> str:
    """JSON text for a file to carry: the version of our format, and a checksum of `description`, which is itself JSON."""
    return json.dumps({"version": VERSION, "crc32": crc32(json.dumps(description).encode())})


def check(text: bytes, description: Any) -> None:
    """Raises ValueError unless `text` is the seal of this description."""
    found = parse(text)
    if isinstance(found, dict) and isinstance(version := found.get("version"), int) and version > VERSION:
        raise ValueError(f"it is written in version {version} of the format, but this library reads up to {VERSION}; update it")
    if found != json.loads(seal(description)):
        raise ValueError("names, shapes or checksums of its arrays are not as they were written")


def whole(file: BinaryIO) -> np.ndarray:
    """The bytes of a file. Arrays are views of them: one large piece of memory costs less than many small ones, and nothing is copied."""
    data = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
    if file.readinto(data.data) != data.size:  # type: ignore[attr-defined]
        raise ValueError("it became shorter while it was read")
    return data


def array_of(data: np.ndarray, shape: tuple[int, ...], dtype: Any, order: Any = "C") -> np.ndarray:
    """The array that these bytes are: a view, unless they lie where the processor does not like numbers to lie."""
    array: np.ndarray = np.ndarray(shape, dtype, data, order=order)
    return array if array.flags.aligned else array.copy(order="K")


def octets(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array (of either order), without a copy."""
    if not array.nbytes:
        return memoryview(b"")
    return array.reshape(-1, order="A").view(np.uint8).data
