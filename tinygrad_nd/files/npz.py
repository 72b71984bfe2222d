"""NumPy's .npz: a zip archive of .npy files, with a CRC-32 each. Ours are sealed in the archive's comment, which NumPy does not mind."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from .seal import check, fill, octets, seal

__all__ = ["read", "write"]

MARK = b"tinygrad_nd "
SUFFIX = ".npy"
ROOMY = 1 << 30, 100  # bytes, times the file: what unpacks to more than both is a trap


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays of every dtype but objects, in their order in memory (C's or Fortran's, else C's)."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + SUFFIX)  # of no date: equal arrays make equal files
            if info.filename != name + SUFFIX or len(info.filename.encode()) > 0xFFFF:
                raise ValueError(f"an .npz file cannot hold an array named {name[:80]!r} ({len(name)} characters)")
            if array.dtype.hasobject or npy.descr_to_dtype(npy.dtype_to_descr(array.dtype)) != array.dtype:
                raise TypeError(f"an .npz file cannot hold {name!r}, whose dtype is {array.dtype}")
            if not (array.flags.c_contiguous or array.flags.f_contiguous):
                array = np.asarray(array, order="C")
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes >> 31 > 0) as member:
                npy.write_array_header_1_0(member, npy.header_data_from_array_1_0(array))
                member.write(octets(array))
        archive.comment = MARK + seal(_described(archive)).encode()


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, checked, whoever wrote it. Raises ValueError and others for what is none; never unpickles."""
    with zipfile.ZipFile(file) as archive:
        _check_sizes(archive.infolist(), os.fstat(file.fileno()).st_size)
        if archive.comment.startswith(MARK):
            check(archive.comment.removeprefix(MARK), _described(archive))
        arrays = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(SUFFIX)
            if name == info.filename:
                raise ValueError(f"it holds {name!r}, which is no array (.npy)")
            if name in arrays:
                raise ValueError(f"it holds two arrays named {name!r}")
            with archive.open(info) as member:  # checks the CRC when all has been read
                arrays[name] = _read_array(member, info.file_size, name)
        return arrays


def _described(archive: zipfile.ZipFile) -> Any:
    return [(info.filename, info.file_size, info.CRC) for info in archive.infolist()]


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Members lie one after the other, and do not unpack to what nobody would have packed."""
    members = sorted(members, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in members[1:]] + [size]
    for info, end in zip(members, ends):
        if info.header_offset + info.compress_size > end:
            raise ValueError(f"{info.filename!r} reaches into what follows it")
    unpacked, (least, times) = sum(info.file_size for info in members), ROOMY
    if unpacked > max(least, times * size):
        raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}; if you trust it, read it by np.load")


def _read_array(member: Any, nbytes: int, name: str) -> np.ndarray:
    start = member.read(10)
    if len(start) < 10 or start[:6] != npy.MAGIC_PREFIX or start[6] not in (1, 2):
        raise ValueError(f"{name!r} is no array in version 1 or 2 of NumPy's format")
    start += member.read(2) if start[6] == 2 else b""
    length = int.from_bytes(start[8:], "little")
    header = io.BytesIO(start[8:] + member.read(length))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shape, fortran, dtype = (npy.read_array_header_1_0 if start[6] == 1 else npy.read_array_header_2_0)(header)
    except Exception as error:  # it is read as Python source: a parser may be upset in many ways
        raise ValueError(f"{name!r} has a header that says nothing NumPy understands: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name!r} holds pickled objects, which might do anything; nothing is unpickled")
    if any(n < 0 for n in shape) or len(start) + length + prod(shape) * dtype.itemsize != nbytes:
        raise ValueError(f"{name!r} says it is {shape} {dtype}, but has {nbytes - len(start) - length:,} bytes")
    data, _ = fill(member, nbytes - len(start) - length)
    if member.read(1):
        raise ValueError(f"{name!r} goes on after its end")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")
