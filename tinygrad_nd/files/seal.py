"""What both formats share: a seal (format version and checksum) over what a file says of its arrays, and bytes of arrays in and out."""

from __future__ import annotations

import json
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from .document import parse

__all__ = ["VERSION", "check", "fill", "octets", "seal"]

VERSION = 1
CHUNK = 1 << 18  # bytes; still in the processor's cache when they are checked, after being read


def seal(description: Any) -> str:
    """JSON text for a file to carry: the version of our format, and a checksum of `description`, which is itself JSON."""
    return json.dumps({"version": VERSION, "crc32": crc32(json.dumps(description).encode())})


def check(text: str | bytes, description: Any) -> None:
    """Raises ValueError unless `text` is the seal of this description."""
    found = parse(text if isinstance(text, bytes) else text.encode())
    if isinstance(found, dict) and isinstance(version := found.get("version"), int) and version > VERSION:
        raise ValueError(f"it is written in version {version} of the format, but this library reads up to {VERSION}; update it")
    if found != json.loads(seal(description)):
        raise ValueError("names, shapes or checksums of its arrays are not as they were written")


def octets(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array (of either order), without a copy."""
    if not array.nbytes:
        return memoryview(b"")
    return array.reshape(-1, order="A").view(np.uint8).data


def fill(file: BinaryIO, nbytes: int, crc: int = 0) -> tuple[np.ndarray, int]:
    """The next bytes of a file, and their checksum, which continues `crc`."""
    data = np.empty(nbytes, np.uint8)
    for start in range(0, nbytes, CHUNK):
        part = data[start : start + CHUNK].data
        if file.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise ValueError("it ends in the middle of an array")
        crc = crc32(part, crc)
    return data, crc
