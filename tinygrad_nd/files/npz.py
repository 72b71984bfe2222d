"""NumPy's .npz: a zip archive of .npy files, with a CRC-32 each. Ours are sealed in the archive's comment, which NumPy does not mind."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
from numpy.lib import format as npy

from .seal import array_of, check, octets, seal, whole

__all__ = ["read", "write"]

MARK = b"tinygrad_nd "
SUFFIX = ".npy"
ALIGN = 64  # bytes; arrays begin at multiples, so that they can be used where they lie
PADDING = 0xD935  # the kind of extra field that zipalign uses for this
ENCRYPTED, UTF8 = 1, 1 << 11  # flags of a member
ROOMY = 1 << 28, 100  # bytes, times the file: what unpacks to more than both is a trap


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays of every dtype but objects, in their order in memory (C's or Fortran's, else C's)."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            if array.dtype.hasobject or npy.descr_to_dtype(npy.dtype_to_descr(array.dtype)) != array.dtype:
                raise TypeError(f"an .npz file cannot hold {name!r}, whose dtype is {array.dtype}")
            if not (array.flags.c_contiguous or array.flags.f_contiguous):
                array = np.asarray(array, order="C")
            info, large = _place(file, name, array.nbytes)
            with archive.open(info, "w", force_zip64=large) as member:
                npy.write_array_header_1_0(member, npy.header_data_from_array_1_0(array))
                member.write(octets(array))
        archive.comment = MARK + seal(_described(archive)).encode()


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, checked, whoever wrote it. Raises ValueError and others for what is none; never unpickles."""
    data, arrays = whole(file), {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_end(data, archive.comment, len(members))
        _check_sizes(members, data.size)
        if archive.comment.startswith(MARK):
            check(archive.comment.removeprefix(MARK), _described(archive))
        for info in members:
            name = info.filename.removesuffix(SUFFIX)
            if name == info.filename:
                raise ValueError(f"it holds {name!r}, which is no array (.npy)")
            if name in arrays:
                raise ValueError(f"it holds two arrays named {name!r}")
            arrays[name] = _array(name, _unpacked(archive, info, data))
    return arrays


def _place(file: BinaryIO, name: str, nbytes: int) -> tuple[zipfile.ZipInfo, bool]:
    """The entry of an array that is written here next, and whether it is a large one."""
    info = zipfile.ZipInfo(name + SUFFIX)  # of no date: equal arrays make equal files
    size = len(info.filename.encode())
    if info.filename != name + SUFFIX or size > 0xFFFF:
        raise ValueError(f"an .npz file cannot hold an array named {name[:80]!r} ({len(name)} characters)")
    large = nbytes >> 31 > 0
    padding = -(file.tell() + 30 + size + 20 * large + 4) % ALIGN  # behind a local header, its zip64 field, and the padding's own
    info.extra = b"".join(n.to_bytes(2, "little") for n in (PADDING, padding)) + bytes(padding)
    info.external_attr = 0o644 << 16
    return info, large


def _described(archive: zipfile.ZipFile) -> Any:
    return [(info.filename, info.file_size, info.CRC) for info in archive.infolist()]


def _check_end(data: np.ndarray, comment: bytes, count: int) -> None:
    """The file ends where its directory does: with the number of its members, ..., the length of the comment, and the comment."""
    end = bytes(data[max(0, data.size - 22 - len(comment)) :])
    if end[:4] != b"PK\x05\x06" or end[20:22] != len(comment).to_bytes(2, "little"):
        raise ValueError("it was cut short, or something follows its end")
    if end[10:12] != min(count, 0xFFFF).to_bytes(2, "little") or (not count and len(end) < data.size):
        raise ValueError(f"its directory has {count} members, but its end says otherwise")


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Members lie one after the other, and do not unpack to what nobody would have packed."""
    members = sorted(members, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in members[1:]] + [size]
    for info, end in zip(members, ends):
        if not 0 <= info.header_offset <= info.header_offset + info.compress_size <= end:
            raise ValueError(f"{info.filename!r} reaches into what follows it")
    unpacked, (least, times) = sum(info.file_size for info in members), ROOMY
    if unpacked > max(least, times * size):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}; if you trust it, read it by np.load")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: np.ndarray) -> np.ndarray:
    """The bytes of a member of the archive whose bytes are `data`, checked."""
    header = bytes(data[info.header_offset : info.header_offset + 30])
    flags, name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (6, 26, 28))
    start = info.header_offset + 30
    text = info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437")
    if bytes(data[start : start + name]) != text or (flags ^ info.flag_bits) & UTF8:
        raise ValueError(f"{info.filename!r} is not where its directory says")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & ENCRYPTED:
        return np.frombuffer(bytearray(archive.read(info)), np.uint8)  # checked there; what is encrypted is refused
    start += name + extra
    part = data[start : start + info.file_size]
    if part.size != info.file_size or crc32(part.data) != info.CRC:
        raise ValueError(f"{info.filename!r} is not as it was written: its checksum is wrong")
    return part


def _array(name: str, data: np.ndarray) -> np.ndarray:
    """The array of an .npy file."""
    start = bytes(data[:12])
    if len(start) < 12 or start[:6] != npy.MAGIC_PREFIX or start[6] not in (1, 2):
        raise ValueError(f"{name!r} is no array in version 1 or 2 of NumPy's format")
    first = 10 if start[6] == 1 else 12
    end = first + int.from_bytes(start[8:first], "little")
    try:
        shape, order, dtype = _header(start[6], bytes(data[8:end]))
    except Exception as error:  # it is read as Python source: a parser may be upset in many ways
        raise ValueError(f"{name!r} has a header that says nothing NumPy understands: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name!r} holds pickled objects, which might do anything; nothing is unpickled")
    if any(n < 0 for n in shape) or end + prod(shape) * dtype.itemsize != data.size:
        raise ValueError(f"{name!r} says it is {shape} {dtype}, but has {data.size - end:,} bytes")
    return array_of(data[end:], shape, dtype, order)


@lru_cache(1000)
def _header(version: int, text: bytes) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    """Shape, order and dtype, as the header of an .npy file says them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape, fortran, dtype = (npy.read_array_header_1_0 if version == 1 else npy.read_array_header_2_0)(io.BytesIO(text))
    return shape, "F" if fortran else "C", dtype
